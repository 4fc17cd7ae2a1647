"""What a provider tells by HTTP: that it is the provider (HMAC-SHA256, RFC 2104), that it is new, and what it says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from xmppd.api.http import HttpError, Request
from xmppd.plugins.sms.options import Webhook
from xmppd.plugins.sms.text import speakable
from xmppd.plugins.sms.web import at

__all__ = ["Guard", "Incoming", "WebReport", "incoming_in", "reports_in", "signature"]

_FIELD = re.compile(r"\{(timestamp|body)\}")
_REMEMBERED = 100_000  # signatures


@dataclass(frozen=True)
class Incoming:
    """A message that has come. `id` is the provider's name for it, or ""."""

    source: str
    destination: str
    text: str
    id: str


@dataclass(frozen=True)
class WebReport:
    """A report on a message: delivered, failed for a reason, or neither."""

    id: str
    delivered: bool
    failure: str | None


def signature(options: Webhook, body: bytes, timestamp: str = "") -> str:
    """Return what a request has to be signed with, as it stands in the header."""
    signed = body
    if options.timestamp_header:
        parts = {"timestamp": timestamp.encode("utf-8", "surrogateescape"), "body": body}
        pieces = _FIELD.split(options.signed)
        signed = b"".join(parts[piece] if i % 2 else piece.encode() for i, piece in enumerate(pieces))
    digest = hmac.new(options.secret.get_secret_value().encode(), signed, hashlib.sha256).digest()
    written = digest.hex() if options.signature_encoding == "hex" else base64.b64encode(digest).decode()
    return options.signature_prefix + written


class Guard:
    """Lets in what the provider has signed, once.

    :ivar options: how it signs.
    """

    def __init__(self, options: Webhook) -> None:
        self.options = self._options = options
        self._seen: OrderedDict[str, float] = OrderedDict()

    def check(self, request: Request, now: float) -> None:
        """Look at a request.

        :param now: in seconds since the epoch.
        :raises HttpError: 404: it is off; 401: the signature is wrong; 403: it is too old, or was there before.
        """
        options = self._options
        if not options.secret.get_secret_value():
            raise HttpError(HTTPStatus.NOT_FOUND, "There is no such page.")
        given = request.headers.get(options.signature_header, "").strip()
        timestamp = request.headers.get(options.timestamp_header, "").strip() if options.timestamp_header else ""
        right = signature(options, request.body, timestamp)
        if options.signature_encoding == "hex":
            given = given[: len(options.signature_prefix)] + given[len(options.signature_prefix) :].lower()
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode()):
            raise HttpError(HTTPStatus.UNAUTHORIZED, "The signature is wrong.", {"WWW-Authenticate": "Signature"})
        if options.timestamp_header:
            self._check_time(timestamp, right, now)

    def _check_time(self, timestamp: str, right: str, now: float) -> None:
        tolerance = self._options.tolerance_seconds
        if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", timestamp) or abs(float(timestamp) - now) > tolerance:
            raise HttpError(HTTPStatus.FORBIDDEN, "The time is not now.")
        while self._seen and (len(self._seen) > _REMEMBERED or next(iter(self._seen.values())) < now - 2 * tolerance):
            self._seen.popitem(last=False)
        if right in self._seen:
            raise HttpError(HTTPStatus.FORBIDDEN, "This request was there before.")
        self._seen[right] = now

    def forget(self, request: Request) -> None:
        """A request could not be handled: the provider may send it again."""
        timestamp = request.headers.get(self._options.timestamp_header, "").strip()
        self._seen.pop(signature(self._options, request.body, timestamp), None)


def _entries(request: Request, options: Webhook) -> Iterator[Any]:
    if request.type == "application/x-www-form-urlencoded":
        yield request.form()
        return
    content = at(request.json(), options.list_field)
    if content is None:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"There is no {options.list_field or 'content'}.")
    yield from content if isinstance(content, list) else [content]


def _text(entry: Any, path: str, required: bool = True) -> str:
    found = entry.get(path) if isinstance(entry, dict) and path in entry else at(entry, path)
    if isinstance(found, bool | dict | list) or found is None or not path:
        if required:
            raise HttpError(HTTPStatus.BAD_REQUEST, f"There is no {path}.")
        return ""
    return speakable(str(found))


def incoming_in(request: Request, options: Webhook) -> list[Incoming]:
    """Return the messages that a request tells of.

    :raises HttpError: 400: something is missing.
    """
    return [
        Incoming(
            _text(entry, options.from_field),
            _text(entry, options.to_field, required=False),
            _text(entry, options.text_field),
            _text(entry, options.id_field, required=False),
        )
        for entry in _entries(request, options)
    ]


def reports_in(request: Request, options: Webhook) -> list[WebReport]:
    """Return the reports that a request tells of.

    :raises HttpError: 400: something is missing.
    """
    return [_report(entry, options) for entry in _entries(request, options)]


def _report(entry: Any, options: Webhook) -> WebReport:
    status = _text(entry, options.status_field)
    reason = _text(entry, options.reason_field, required=False) or f"the provider says: {status}"
    failure = reason if status in options.failed else None
    return WebReport(_text(entry, options.id_field), status in options.delivered, failure)
