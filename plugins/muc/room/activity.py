"""How much is said in a room: messages per hour, of the last day (XEP-0502).

As its Implementation Notes say: a counter for each hour, which are moved on when an hour is over. The one of the hour
that goes on is not looked at, so what is told changes once an hour; and that is when it is written down.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from xmppd.plugins.muc.room.outcome import Noted
from xmppd.plugins.muc.room.state import Room
from xmppd.wire import ns
from xmppd.wire.xml import SEPARATOR

__all__ = ["FIELD", "count", "per_hour", "saved"]

#: The field of muc#roominfo.
FIELD = "{urn:xmpp:muc-activity}message-activity"
_NOTE = "activity"
_HOURS = 24
_HOUR = 3600.0
_BODY = f"{ns.CLIENT}{SEPARATOR}body"
_CORRECTION = f"urn:xmpp:message-correct:0{SEPARATOR}replace"


def count(room: Room, names: Collection[str], now: float) -> Noted | None:
    """Count a message to everybody that has a body and corrects none (section 4).

    :param names: the :attr:`~xmppd.api.Stanza.raw_names` of what is in it.
    :param now: in seconds since the epoch.
    :returns: what is to be written down, when an hour is over.
    """
    if _BODY not in names or _CORRECTION in names:
        return None
    hour, counts = _moved(room, now)
    written = room.counted is None or room.counted[0] != hour
    counts[0] += 1
    room.counted = (hour, counts)
    return saved(room) if written else None


def saved(room: Room) -> Noted | None:
    """Return what is to be written down of the counts, if it isn't yet."""
    if room.counted is None:
        return None
    text = json.dumps([room.counted[0], *room.counted[1]], separators=(",", ":"))
    if room.notes.get(_NOTE) == text:
        return None
    room.notes[_NOTE] = text
    return Noted(_NOTE, text)


def _moved(room: Room, now: float) -> tuple[int, list[int]]:
    """Return the hour, and the counts of that hour and those before, newest first."""
    hour = int(now // _HOUR)
    counted = room.counted
    if counted is None and _NOTE in room.notes:
        then, *counts = json.loads(room.notes[_NOTE])
        counted = room.counted = (then, counts)
    if counted is None:
        return hour, [0] * (_HOURS + 1)
    passed = min(max(hour - counted[0], 0), _HOURS + 1)
    return hour, [0] * passed + counted[1][: _HOURS + 1 - passed]


def per_hour(room: Room, now: float) -> float | None:
    """Return how many messages an hour are sent in a room, in the last day.

    :returns: None for a room that is not persistent and open to everybody (sections 3.1 and 8), or is too new to say.
    """
    config = room.config
    if not (config.persistent and config.public) or config.members_only or config.password:
        return None
    hours = min(int(now // _HOUR) - int(room.created_at // _HOUR), _HOURS)
    if hours < 1:
        return None
    return round(sum(_moved(room, now)[1][1:]) / hours, 2)
