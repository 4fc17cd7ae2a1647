"""URLs that S3, and what speaks the same, believe: AWS Signature Version 4 with query parameters.

The algorithm is in Amazon's "Authenticating Requests: Using Query Parameters". The signature binds the method, the
path, all query parameters and those header fields that are named; so also the length and type of what is sent.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

__all__ = ["Signer"]

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one bucket.

    :ivar base: what URLs of objects begin with, without a slash at the end.
    """

    base: str
    region: str
    access_key: str
    secret_key: str

    def url(
        self,
        method: str,
        key: str,
        now: float,
        seconds: int,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Return the URL of an object that is good for one kind of request.

        :param key: the object's name.
        :param seconds: how long it is good, a week at most.
        :param headers: fields that the request has to have, by names in lower case.
        :param query: further parameters.
        """
        parts = urlsplit(self.base)
        path = quote(f"{parts.path}/{key}", safe="/~")
        moment = datetime.fromtimestamp(int(now), UTC)
        stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
        scope = f"{day}/{self.region}/s3/aws4_request"
        fields = {"host": parts.netloc, **(headers or {})}
        signed = ";".join(sorted(fields))
        parameters = _encoded(
            {
                "X-Amz-Algorithm": _ALGORITHM,
                "X-Amz-Credential": f"{self.access_key}/{scope}",
                "X-Amz-Date": stamp,
                "X-Amz-Expires": str(seconds),
                "X-Amz-SignedHeaders": signed,
                **(query or {}),
            }
        )
        lines = "".join(f"{name}:{fields[name].strip()}\n" for name in sorted(fields))
        request = "\n".join((method, path, parameters, lines, signed, "UNSIGNED-PAYLOAD"))
        text = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
        key_ = self._key(day)
        return f"{parts.scheme}://{parts.netloc}{path}?{parameters}&X-Amz-Signature={_mac(key_, text).hex()}"

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = _mac(key, part)
        return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _encoded(parameters: Mapping[str, str]) -> str:
    pairs = ((quote(name, safe="~"), quote(value, safe="~")) for name, value in parameters.items())
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
