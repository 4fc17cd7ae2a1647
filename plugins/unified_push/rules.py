"""What is in requests to endpoints (RFC 8030 section 5, and UnifiedPush's), and in the IQs of clients. Pure."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from http import HTTPStatus

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.api.http import Headers, HttpError

__all__ = ["NS", "PREFIX", "app_of", "new_token", "push", "token_of", "topic_of", "ttl_of"]

NS = "http://gultsch.de/xmpp/drafts/unified-push"
#: Of the paths of all endpoints.
PREFIX = "/unified-push/"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_TOKEN_OCTETS = 24
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LONGEST_NAME = 128  # clients send hashes, which have 44 characters


def new_token() -> str:
    """Return what nobody guesses: 192 bits."""
    return secrets.token_urlsafe(_TOKEN_OCTETS)


def token_of(path: str) -> str | None:
    """Return the token in the path of an endpoint; None if it can't be one."""
    token = path.removeprefix(PREFIX)
    return token if _TOKEN.fullmatch(token) else None


def ttl_of(headers: Headers, usual: int, most: int) -> int:
    """Return for how many seconds a push is to be kept (RFC 8030 section 5.2).

    :param usual: if nothing is said, as UnifiedPush allows.
    :param most: that it is kept for.
    :raises HttpError: it is no number (400).
    """
    text = headers.get("ttl", str(usual)).strip()
    if not (text.isascii() and text.isdecimal()):
        raise HttpError(HTTPStatus.BAD_REQUEST, "TTL is a number of seconds.")
    return min(int(text[:12]), most)


def topic_of(headers: Headers) -> str:
    """Return what a push replaces others of (RFC 8030 section 5.4), or "".

    :raises HttpError: it is none (400).
    """
    topic = headers.get("topic", "").strip()
    if topic and not _TOPIC.fullmatch(topic):
        raise HttpError(HTTPStatus.BAD_REQUEST, "Topic has up to 32 characters of base64url.")
    return topic


def app_of(request: Element) -> tuple[str, str]:
    """Return the application and the instance that a client names.

    :raises StanzaError: it names none, or by names that are too long (bad-request).
    """
    found = request.getAttribute("application") or "", request.getAttribute("instance") or ""
    if not all(0 < len(name) <= _LONGEST_NAME for name in found):
        text = f"application and instance are needed, with up to {_LONGEST_NAME} characters."
        raise StanzaError(Condition.BAD_REQUEST, text=text)
    return found


def push(application: str, instance: str, content: bytes) -> bytes:
    """Return what a client is sent."""
    return tag("push", b64encode(content).decode("ascii"), xmlns=NS, application=application, instance=instance)
