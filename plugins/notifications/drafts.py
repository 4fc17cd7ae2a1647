"""What a sender wants, checked: into what is stored and sent, or an error that says what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import get_args
from urllib.parse import urlsplit

from xmppd.api.notifications import Draft, Notification, NotificationError, Priority, Road
from xmppd.plugins.notifications.messages import Status, Stored, number_of
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.values import NAME, duration, moment

__all__ = ["PRIORITIES", "ROADS", "data_of", "prepared", "roads_of", "time_of", "ttl_of"]

PRIORITIES: tuple[str, ...] = get_args(Priority)
ROADS: tuple[Road, ...] = get_args(Road)
_ROADS: dict[str, Road] = {road: road for road in ROADS}
#: What XML 1.0 has no way to write (section 2.2).
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def prepared(
    id: str, draft: Draft, audience: str, by_device: bool, actor: str, now: float, options: NotificationOptions
) -> Stored:
    """Return a draft as a new message with that id.

    :raises NotificationError: something is wrong with it.
    """
    _text("title", draft.title, options.title_characters)
    _text("body", draft.body, options.body_characters)
    if not draft.title.strip() and not draft.body.strip():
        raise NotificationError("there is neither a title nor a body")
    _uri("uri", draft.uri, options.uri_characters)
    _uri("image", draft.image, options.uri_characters)
    if draft.image and not _is_url(draft.image):
        raise NotificationError("image: a URL that begins with https:// is expected")
    _data(draft.data, options.data_octets)
    _text("collapse", draft.collapse, NAME)
    if draft.priority not in PRIORITIES:
        raise NotificationError(f"priority: one of {', '.join(PRIORITIES)} is expected")
    if not draft.roads or set(draft.roads) - set(ROADS):
        raise NotificationError(f"roads: one or more of {', '.join(ROADS)} are expected")
    if draft.rate is not None and not 0 < draft.rate < 1e9:
        raise NotificationError("rate: a positive number of devices a second is expected")
    ttl, starts_at = _times(draft, now, options)
    notification = Notification(
        id, draft.title, draft.body, draft.uri, draft.image, dict(draft.data), draft.priority, draft.collapse, now,
        starts_at + ttl,
    )  # fmt: skip
    return Stored(
        number_of(id), notification, Status.SCHEDULED, audience, by_device, tuple(dict.fromkeys(draft.roads)),
        draft.online_only, draft.rate or 0.0, ttl, actor, starts_at, None, False, "",
    )  # fmt: skip


def _times(draft: Draft, now: float, options: NotificationOptions) -> tuple[float, float]:
    ttl = min(options.ttl_seconds, options.max_ttl_seconds) if draft.ttl is None else draft.ttl
    if not 0 < ttl <= options.max_ttl_seconds:
        raise NotificationError(f"ttl: more than 0 and at most {options.max_ttl_seconds:.0f} seconds are allowed")
    starts_at = now if draft.at is None else draft.at
    if not starts_at >= now - 60:
        raise NotificationError("at: that is in the past")
    if starts_at > now + options.schedule_days * 86_400:
        raise NotificationError(f"at: at most {options.schedule_days:g} days ahead are allowed")
    return ttl, starts_at


def _text(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise NotificationError(f"{name}: {len(text)} characters are too many, {most} are allowed")
    if _ILLEGAL.search(text):
        raise NotificationError(f"{name}: there are characters in it that XML can't express")


def _uri(name: str, text: str, most: int) -> None:
    _text(name, text, most)
    if text and (not _SCHEME.match(text) or any(character.isspace() for character in text)):
        raise NotificationError(f"{name}: a URI is expected, with a scheme and without spaces")


def _is_url(text: str) -> bool:
    try:
        return urlsplit(text).scheme.lower() in ("http", "https")
    except ValueError:  # a bracket that is never closed, for one
        return False


def _data(data: Mapping[str, str], most: int) -> None:
    for key, value in data.items():
        if not _DATA_NAME.fullmatch(key):
            raise NotificationError(f"data: {key[:64]!r} is no name of letters, digits, '_', '-' and '.'")
        _text(f"data: {key}", value, most)
    octets = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    if octets > most:
        raise NotificationError(f"data: {octets} octets are too many, {most} are allowed")


# What people write


def data_of(text: str) -> dict[str, str]:
    """Return the data of ``key=value,key=value``, where a comma in a value is written ``\\,``; or of a JSON object."""
    if text.lstrip().startswith("{"):
        return _json(text)
    found: dict[str, str] = {}
    for part in re.split(r"(?<!\\),", text) if text else ():
        key, equals, value = part.replace("\\,", ",").partition("=")
        if not equals or not key.strip():
            raise NotificationError(f"data: key=value is expected, not {part[:64]!r}")
        found[key.strip()] = value
    return found


def _json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotificationError(f"data: that is no JSON: {error}") from None
    if any(not isinstance(value, str | int | float | bool) for value in found.values()):
        raise NotificationError("data: texts and numbers are expected as values")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def ttl_of(text: str) -> float | None:
    """Return the seconds of a duration, None for an empty one."""
    try:
        return duration(text) if text else None
    except ValueError as error:
        raise NotificationError(f"ttl: {error}") from None


def time_of(text: str, now: float) -> float | None:
    """Return a moment, or one so long from now as a duration says; None for an empty text."""
    if not text:
        return None
    try:
        return now + duration(text)
    except ValueError:
        pass
    try:
        return moment(text)
    except ValueError as error:
        raise NotificationError(f"at: {error}") from None


def roads_of(text: str) -> tuple[Road, ...]:
    """Return the roads of a list with commas."""
    found: list[Road] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        road = _ROADS.get(name)
        if road is None:
            raise NotificationError(f"roads: one or more of {', '.join(ROADS)} are expected, not {name[:64]!r}")
        found.append(road)
    return tuple(found)
