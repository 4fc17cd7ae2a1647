"""Dates, times and the delay stamp (XEP-0082, XEP-0203)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from xmppd.wire.jid import Jid, JidError
from xmppd.wire.stanza import Message
from xmppd.wire.xml import Element, serialise, tag

__all__ = ["NS", "delay", "format_datetime", "format_offset", "parse_datetime", "without"]

NS = "urn:xmpp:delay"

# XEP-0082 section 3.2. Years of other than four digits are left out, as its section 5 allows.
_DATETIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_datetime(seconds: float, digits: int = 0) -> str:
    """Return the moment `seconds` after the epoch as a DateTime in UTC (XEP-0082 section 3.2).

    :param digits: how many digits of the fraction of a second, 0 to 6; the rest is cut off.

    >>> format_datetime(-14159025.0)
    '1969-07-21T02:56:15Z'
    """
    # Added to the epoch, not converted by the C library, which refuses some years on some systems.
    moment = _EPOCH + timedelta(seconds=seconds)
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{fraction}Z"


def parse_datetime(text: str) -> float:
    """Return the seconds between the epoch and the moment a DateTime names (XEP-0082 section 3.2).

    :raises ValueError: if it is no DateTime; one without a time zone isn't.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no DateTime of XEP-0082")
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    microsecond = int((match[7] or "0")[:6].ljust(6, "0"))
    moment = datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    offset = timedelta()
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 14 or minutes > 59:
            raise ValueError(f"{text!r} names no time zone")
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if match[8] == "-" else 1)
    return (moment - _EPOCH - offset).total_seconds()


def format_offset(seconds: int) -> str:
    """Return an offset from UTC in seconds, positive to the east, as a Time Zone Definition (XEP-0082 section 3.2).

    >>> format_offset(-6 * 3600)
    '-06:00'
    """
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def delay(from_: Jid, stamp: float, reason: str = "", digits: int = 0) -> bytes:
    """Return the ``<delay/>`` that says when a stanza was sent (XEP-0203 section 2).

    :param from_: who delayed it.
    :param stamp: when it was sent, in seconds since the epoch.
    :param reason: why it was delayed, for people.
    :param digits: see :func:`format_datetime`.
    """
    return tag("delay", reason or None, xmlns=NS, from_=from_, stamp=format_datetime(stamp, digits))


def without(message: Message, by: Jid) -> Message:
    """Return the message without delay stamps that claim to be of `by` (XEP-0203 section 6)."""
    if not message.has(NS, "delay"):
        return message
    forged = [e for e in message.elements if (e.uri, e.name) == (NS, "delay") and _is_from(e, by)]
    if not forged:
        return message
    return message.with_payload(b"".join(serialise(e) for e in message.elements if e not in forged))


def _is_from(element: Element, by: Jid) -> bool:
    try:
        return Jid.parse(element.getAttribute("from", "")) == by  # however it is written
    except JidError:
        return False
