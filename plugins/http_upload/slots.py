"""Requests for slots and the answers to them (XEP-0363 5 to 7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tx_xmpp.data_form import Field as FormField
from tx_xmpp.data_form import Form

from xmppd.api import Condition, Element, StanzaError, tag
from xmppd.plugins.http_upload.names import clean, media_type
from xmppd.wire.delay import format_datetime, parse_datetime

__all__ = ["NS", "PURPOSES", "Purpose", "Wish", "form", "full", "read", "slot", "strange", "too_large", "unwanted"]

NS = "urn:xmpp:http:upload:0"
PURPOSES = "urn:xmpp:http:upload:purpose:0"
_PLAIN = re.compile(r"[ -~]{0,250}")
_SIZE = re.compile(r"0*[1-9][0-9]{0,17}")


class Purpose(StrEnum):
    """What a file is for (section 6)."""

    MESSAGE = "message"
    PROFILE = "profile"
    EPHEMERAL = "ephemeral"
    PERMANENT = "permanent"

    @property
    def feature(self) -> str:
        """How disco#info says that it is known."""
        return f"{PURPOSES}#{self}"

    @property
    def bucket(self) -> Purpose:
        """Among which files it is kept: what is ephemeral is a message's that ends earlier."""
        return Purpose.MESSAGE if self is Purpose.EPHEMERAL else self


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to upload.

    :ivar name: harmless.
    :ivar size: octets, at least one.
    :ivar type: the media type without parameters, in lower case; "": they don't say.
    :ivar given: the same as it was written.
    :ivar before: the file must be gone by then, in seconds since the epoch; None: they don't mind.
    """

    name: str
    size: int
    type: str = ""
    given: str = ""
    purpose: Purpose = Purpose.MESSAGE
    before: float | None = None


def read(request: Element, now: float, name_octets: int) -> Wish:
    """Read ``<request/>``.

    :param name_octets: how long a name may be.
    :raises StanzaError: bad-request for nonsense, feature-not-implemented for a purpose that nobody knows.
    """
    name, size = request.getAttribute("filename", ""), request.getAttribute("size", "")
    if not name:
        raise _bad("The request has no filename.")
    if not _SIZE.fullmatch(size):
        raise _bad("The size has to be a positive number of octets.")
    given = request.getAttribute("content-type", "")
    if not _PLAIN.fullmatch(given):
        raise _bad("The content-type is no media type.")
    try:
        type_ = media_type(given)
    except ValueError as error:
        raise _bad(str(error)) from None
    purpose, before = _purpose([child for child in request.elements() if child.uri == PURPOSES], now)
    return Wish(clean(name, name_octets), int(size), type_, given.strip() if type_ else "", purpose, before)


def _purpose(elements: Sequence[Element], now: float) -> tuple[Purpose, float | None]:
    if not elements:
        return Purpose.MESSAGE, None
    if len(elements) > 1:
        raise _bad("A file has one purpose.")
    element = elements[0]
    if element.name not in set(Purpose):
        raise not_offered(element.name)
    if element.name != Purpose.EPHEMERAL:
        return Purpose(element.name), None
    try:
        before = parse_datetime(element.getAttribute("expire-before", ""))
    except ValueError as error:
        raise _bad(f"expire-before: {error}") from None
    if before <= now:
        raise _bad("expire-before has passed.")
    return Purpose.EPHEMERAL, before


def slot(put: str, get: str) -> bytes:
    """Return ``<slot/>`` of two URLs."""
    return tag("slot", tag("put", url=put), tag("get", url=get), xmlns=NS)


def form(max_file: int) -> Element:
    """Return what disco#info says of the largest file (section 4)."""
    found = Form("result", formNamespace=NS)
    found.addField(FormField(var="max-file-size", value=str(max_file)))
    return found.toElement()


# Errors (section 7)


def _bad(text: str) -> StanzaError:
    return StanzaError(Condition.BAD_REQUEST, text=text)


def not_offered(purpose: str) -> StanzaError:
    """The error for a purpose that there is no place for."""
    return StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text=f"Files can't be kept for the purpose {purpose[:50]}.")


def too_large(octets: int) -> StanzaError:
    """The error for a file larger than so many octets."""
    return StanzaError(
        Condition.NOT_ACCEPTABLE,
        text=f"File too large. The maximum file size is {octets} bytes",
        app=tag("file-too-large", tag("max-file-size", str(octets)), xmlns=NS),
    )


def unwanted(type: str) -> StanzaError:
    """The error for a media type that is not taken."""
    what = f"Files of type {type}" if type else "Files whose type is not said"
    return StanzaError(Condition.NOT_ACCEPTABLE, text=f"{what} are not accepted.")


def strange() -> StanzaError:
    """The error for those who may not upload."""
    return StanzaError(Condition.FORBIDDEN, text="You are not allowed to upload files here.")


def full(text: str, retry: float | None) -> StanzaError:
    """The error for who has reached a limit.

    :param retry: when they may try again, in seconds since the epoch; None, if nobody knows.
    """
    stamp = None if retry is None else tag("retry", xmlns=NS, stamp=format_datetime(retry))
    return StanzaError(Condition.RESOURCE_CONSTRAINT, text=text, app=stamp)
