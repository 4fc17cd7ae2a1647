"""Apple's Push Notification service, with one team's signing key and one app."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey

from xmppd.api.http import Headers, Request, Response
from xmppd.testing.vendors.vendor import Gone, Pushed, Rejected, Vendor, claims_of, fields

__all__ = ["Apns", "ApnsDevice"]

ORIGIN = "https://api.push.apple.com"
_HOUR, _UPDATES = 3_600, 20 * 60
_MOST: Mapping[str, int] = {"voip": 5_120}
_NAMES = ("apns-id", "apns-push-type", "apns-topic", "apns-priority", "apns-expiration", "apns-collapse-id")
_TYPES = frozenset(("alert", "background", "voip", "complication", "fileprovider", "location", "mdm", "liveactivity"))
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # Apple wants lower case
#: Reasons by status.
ERRORS: Mapping[int, tuple[str, ...]] = {
    400: (
        "BadCollapseId", "BadDeviceToken", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic",
        "DeviceTokenNotForTopic", "DuplicateHeaders", "IdleTimeout", "InvalidPushType", "MissingDeviceToken",
        "MissingTopic", "PayloadEmpty", "TopicDisallowed",
    ),
    403: (
        "BadCertificate", "BadCertificateEnvironment", "ExpiredProviderToken", "Forbidden", "InvalidProviderToken",
        "MissingProviderToken", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken",
    ),
    404: ("BadPath",),
    405: ("MethodNotAllowed",),
    410: ("ExpiredToken", "Unregistered"),
    413: ("PayloadTooLarge",),
    429: ("TooManyProviderTokenUpdates", "TooManyRequests"),
    500: ("InternalServerError",),
    503: ("ServiceUnavailable", "Shutdown"),
}  # fmt: skip
_STATUS = {reason: status for status, reasons in ERRORS.items() for reason in reasons}


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class ApnsDevice:
    """A device with the app.

    :ivar token: for notifications; `voip`: for calls.
    """

    token: str
    voip: str


class Apns(Vendor):
    """Apple's server.

    :ivar topic: the app's bundle id.
    :ivar topics: by token. Those in `gone` have removed the app.
    """

    def __init__(self, now: Callable[[], float], origin: str = ORIGIN) -> None:
        super().__init__(now)
        self.origin = origin
        self.topic, self.key_id, self.team_id = "org.example.chat", "ABC123DEFG", "DEF123GHIJ"
        self.topics: dict[str, str] = {}
        self.gone: set[str] = set()
        self._tokens: list[tuple[str, float]] = []

    @property
    def key(self) -> str:
        """The signing key, as the file ``AuthKey_ABC123DEFG.p8`` has it."""
        return _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def register(self) -> ApnsDevice:
        """Return a new device."""
        device = ApnsDevice(secrets.token_hex(32), secrets.token_hex(32))
        self.topics |= {device.token: self.topic, device.voip: f"{self.topic}.voip"}
        return device

    def check(self, request: Request) -> Pushed:
        """See Vendor."""
        path = urlsplit(request.path).path
        if not path.startswith("/3/device/"):
            raise Rejected("BadPath", path)
        if request.method != "POST":
            raise Rejected("MethodNotAllowed", request.method)
        self._check_token(request.headers)
        kind = _check_fields(request.headers)
        device = path.removeprefix("/3/device/")
        self._check_device(device, request.headers)
        return Pushed(device, _payload(request.body, kind), fields(request.headers, *_NAMES))

    def _check_token(self, headers: Headers) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Rejected("MissingProviderToken")
        try:
            header, claims = claims_of(token, ECKey.import_key(_key().public_key()), "ES256")
        except ValueError as error:
            raise Rejected("InvalidProviderToken", str(error)) from None
        if header.get("kid") != self.key_id or claims.get("iss") != self.team_id:
            raise Rejected("InvalidProviderToken", f"{header}, {claims}")
        made = claims.get("iat")
        if not isinstance(made, int) or not self.now() - _HOUR < made <= self.now() + 60:
            raise Rejected("ExpiredProviderToken", f"iat is {made}, and now is {self.now()}")
        if token not in (known for known, _ in self._tokens):
            self._tokens = [(known, at) for known, at in self._tokens if at > self.now() - _UPDATES]
            if self._tokens:
                raise Rejected("TooManyProviderTokenUpdates", "a token has to be used for 20 minutes")
            self._tokens.append((token, self.now()))

    def _check_device(self, device: str, headers: Headers) -> None:
        topic = headers.get("apns-topic", "")
        if not topic:
            raise Rejected("MissingTopic")
        if topic.removesuffix(".voip") != self.topic:
            raise Rejected("TopicDisallowed", topic)
        if (topic != self.topic) is not (headers["apns-push-type"] == "voip"):
            raise Rejected("InvalidPushType", f"{headers['apns-push-type']} to {topic}")
        if device in self.gone:
            raise Gone("Unregistered")
        if device not in self.topics:
            raise Rejected("BadDeviceToken", device)
        if self.topics[device] != topic:
            raise Rejected("DeviceTokenNotForTopic", topic)

    def accepted(self, request: Request, pushed: Pushed) -> Response:
        """See Vendor."""
        return Response(200, headers=Headers({"apns-id": pushed.headers.get("apns-id", str(uuid4()))}))

    def refusal(self, error: str, text: str, headers: Mapping[str, str]) -> Response:
        """See Vendor."""
        status = _STATUS[error]
        said: dict[str, Any] = {"reason": error}
        if status == 410:
            said["timestamp"] = int(self.now() * 1000)
        made = Response.json(said, status)
        return Response(made.status, made.body, made.type, Headers({"apns-id": str(uuid4()), **headers}))


def _check_fields(headers: Headers) -> str:
    kind = headers.get("apns-push-type", "")
    if kind not in _TYPES:
        raise Rejected("InvalidPushType", kind)
    priority = headers.get("apns-priority", "10")
    if priority not in ("1", "5", "10") or (kind == "background" and priority != "5"):
        raise Rejected("BadPriority", f"{priority} for {kind}")
    if not headers.get("apns-expiration", "0").isdecimal():
        raise Rejected("BadExpirationDate", headers["apns-expiration"])
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        raise Rejected("BadCollapseId", headers["apns-collapse-id"])
    if not _UUID.fullmatch(headers.get("apns-id", str(uuid4()))):
        raise Rejected("BadMessageId", headers["apns-id"])
    return kind


def _payload(body: bytes, kind: str) -> dict[str, Any]:
    if not body:
        raise Rejected("PayloadEmpty")
    if len(body) > _MOST.get(kind, 4_096):
        raise Rejected("PayloadTooLarge", f"{len(body)} octets")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    aps = found.get("aps") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(aps, dict):
        raise Rejected("PayloadEmpty", "there is no aps")
    if kind == "background" and (aps.get("content-available") != 1 or set(aps) & {"alert", "badge", "sound"}):
        raise Rejected("InvalidPushType", f"aps of a background push is {aps}")
    if kind == "alert" and not set(aps) & {"alert", "badge", "sound"}:
        raise Rejected("InvalidPushType", f"aps of an alert is {aps}")
    return found
