"""What stands in expressions behind a colon or a comparison: names, ages, versions, percentages. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256

from xmppd.wire.delay import parse_datetime

__all__ = [
    "AGES", "NAME", "check_age", "check_name", "check_percent", "check_version", "duration", "is_older", "moment",
    "share_of", "version_key",
]  # fmt: skip

#: The longest name of a tag, group, segment, alias, and of what a device says of itself.
NAME = 128
#: Terms about how long ago something was.
AGES = ("seen", "registered")
_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|min|h|d|w)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def check_name(text: str) -> str:
    """Return a name. :raises ValueError: it is empty, too long, or has characters that no name has."""
    if not text.strip():
        raise ValueError("a name is missing")
    if len(text) > NAME:
        raise ValueError(f"a name has {NAME} characters at most")
    if _CONTROL.search(text) or text != text.strip() or "," in text:
        raise ValueError("a name has no commas, no control characters, and no spaces around it")
    return text


def check_percent(text: str) -> str:
    """Return a percentage. :raises ValueError: it is none between 0 and 100."""
    if not _PERCENT.fullmatch(text) or float(text) > 100:
        raise ValueError(f"{text!r} is no percentage between 0 and 100")
    return text


def check_version(text: str) -> str:
    """Return a version. :raises ValueError: there is no digit in it."""
    if not re.search("[0-9]", text):
        raise ValueError(f"{text!r} is no version, such as 2.1")
    return check_name(text)


def check_age(text: str) -> str:
    """Return a duration or a moment. :raises ValueError: it is neither."""
    if not _DURATION.fullmatch(text):
        moment(text)
    return text


def duration(text: str) -> float:
    """Return the seconds of a duration such as ``7d`` or ``90min``. :raises ValueError: it is none."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration, such as 30s, 90min, 12h, 7d or 2w")
    return float(match[1]) * _UNITS[match[2]]


def moment(text: str) -> float:
    """Return a date, or a DateTime of XEP-0082, in seconds since the epoch. :raises ValueError: it is neither."""
    try:
        if _DATE.fullmatch(text):
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
        return parse_datetime(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a duration, such as 7d, nor a date, such as 2026-01-31 or "
                         "2026-01-31T12:00:00Z") from None  # fmt: skip


def is_older(at: float, operator: str, value: str, now: float) -> bool:
    """Is what happened at a moment as a term says? ``<7d``: less than that ago; ``<2026-01-31``: before that day."""
    if _DURATION.fullmatch(value):
        age, limit = now - at, duration(value)
        return age < limit if operator == "<" else age > limit
    return at < moment(value) if operator == "<" else at > moment(value)


def version_key(text: str) -> tuple[tuple[int, ...], int, str]:
    """Return what versions are compared by: numbers as numbers, 2.0 as 2, and 2.1rc1 before 2.1 before 2.1.1."""
    release = re.match(r"[^0-9]*((?:[0-9]+[^0-9a-z]*)*)", text.lower())
    assert release is not None
    numbers = [int(part[:18]) for part in re.findall("[0-9]+", release[1])]
    while numbers and not numbers[-1]:
        numbers.pop()
    rest = text.lower()[release.end() :]
    return tuple(numbers), 0 if rest else 1, rest


def share_of(account: str) -> float:
    """Return where an account stands between 0 and 100: always at the same place, so that 50 % include the first 10."""
    return int.from_bytes(sha256(account.encode()).digest()[:6], "big") / (1 << 48) * 100
