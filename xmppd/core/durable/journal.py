"""How sessions are written down: short entries in the order in which things happened. Pure.

A session as it was at some moment is written as the entries that would make it, so there is one format for both.
What is written: the state as JSON, each stanza sent, how many the client has acknowledged, how many of its own are
handled, those held back, and the end. What the copies of a stanza for many sessions have in common is written once.
"""

from __future__ import annotations

import json
import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = [
    "TAKEN", "Journal", "Recorded", "Sent", "acknowledged", "common", "copy", "ended", "given_up", "handled", "held",
    "kept", "presence", "released", "sent", "state", "written_by",
]  # fmt: skip

_HEAD = struct.Struct("<cQI")  # kind, number of the session, octets that follow
_COUNT = struct.Struct("<Q")
_SENT = struct.Struct("<cQIdQ")  # the head, and: when (seconds since the epoch), spread
_SENT_BODY = struct.Struct("<dQ")
_COPIED = struct.Struct("<cQIdQI")  # the same, and: which common tail
_COPY_BODY = struct.Struct("<dQI")
_STATE, _OUT, _ACK, _IN, _HOLD, _RELEASE, _END, _GIVEN, _BY = b"S", b"O", b"A", b"I", b"H", b"F", b"E", b"G", b"B"
_KEPT, _PRESENCE, _COMMON, _COPY = b"K", b"P", b"C", b"Q"

#: As a spread: other devices were sent the stanza too, and one of them has taken it.
TAKEN = 1


class Sent(NamedTuple):
    """A stanza that was sent, and not acknowledged yet.

    :ivar data: as it goes over the stream.
    :ivar at: seconds since the epoch.
    :ivar spread: 0 if no other device was sent it; the same number for all that were; or :data:`TAKEN`.
    """

    data: bytes
    at: float
    spread: int


@dataclass(slots=True)
class Recorded:
    """A session as it was written down.

    :ivar state: what :func:`state` was given.
    :ivar handled: how many stanzas of the client are handled.
    :ivar acknowledged: how many stanzas the client has acknowledged.
    :ivar queue: those sent since.
    :ivar held: those held back, oldest first, by their keys.
    """

    state: dict[str, Any] = field(default_factory=dict)
    handled: int = 0
    acknowledged: int = 0
    queue: deque[Sent] = field(default_factory=deque)
    held: dict[str, bytes] = field(default_factory=dict)


def state(number: int, state: dict[str, Any]) -> bytes:
    """Return the entry for all that is not counted: addresses, presence, what plugins keep."""
    return _entry(_STATE, number, _json(state))


def kept(number: int, name: str, value: Any) -> bytes:
    """Return the entry for what a plugin keeps under a name; None: nothing any more. The rest of the state stays."""
    return _entry(_KEPT, number, _json([name, value]))


def presence(number: int, data: bytes) -> bytes:
    """Return the entry for the presence; empty: there is none any more. The rest of the state stays."""
    return _entry(_PRESENCE, number, data)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sent(number: int, octets: int, at: float, spread: int) -> bytes:
    """Return the entry for a stanza sent, without the stanza itself, which has to follow.

    It is apart so that a stanza need not be copied; the rest is as in :class:`Sent`.
    """
    return _SENT.pack(_OUT, number, _SENT_BODY.size + octets, at, spread)


def common(which: int, tail: bytes) -> bytes:
    """Return the entry for how several stanzas end (:attr:`xmppd.wire.stanza.Stanza.tail`).

    :param which: what entries behind it call it that are written at the same position.
    """
    return _entry(_COMMON, which, tail)


def copy(number: int, octets: int, at: float, spread: int, which: int) -> bytes:
    """Return the entry for a stanza sent that ends as others do, without its beginning, which has to follow.

    :param octets: of the beginning.
    :param which: how it ends, see :func:`common`; the rest is as in :class:`Sent`.
    """
    return _COPIED.pack(_COPY, number, _COPY_BODY.size + octets, at, spread, which)


def acknowledged(number: int, count: int) -> bytes:
    """Return the entry for how many stanzas the client has said it has."""
    return _HEAD.pack(_ACK, number, _COUNT.size) + _COUNT.pack(count)


def given_up(number: int, count: int) -> bytes:
    """Return the entry for how many stanzas the client has acknowledged, or will not get from this session any more."""
    return _HEAD.pack(_GIVEN, number, _COUNT.size) + _COUNT.pack(count)


def handled(number: int, count: int) -> bytes:
    """Return the entry for how many stanzas of the client are handled."""
    return _HEAD.pack(_IN, number, _COUNT.size) + _COUNT.pack(count)


def held(number: int, key: str, data: bytes) -> bytes:
    """Return the entry for a stanza held back, in place of one with the same key."""
    return _entry(_HOLD, number, key.encode() + b"\0" + data)


def released(number: int) -> bytes:
    """Return the entry that says nothing is held back any more; those sent have entries of their own."""
    return _entry(_RELEASE, number, b"")


def ended(number: int) -> bytes:
    """Return the entry for the end of a session."""
    return _entry(_END, number, b"")


def written_by(run: int) -> bytes:
    """Return the entry that says who has written what follows: a number that each process takes by chance."""
    return _entry(_BY, run, b"")


def _entry(kind: bytes, number: int, body: bytes) -> bytes:
    return _HEAD.pack(kind, number, len(body)) + body


def record(number: int, recorded: Recorded) -> bytes:
    """Return the entries that make the session as it is."""
    parts = [state(number, recorded.state), acknowledged(number, recorded.acknowledged)]
    parts.append(handled(number, recorded.handled))
    for data, at, spread in recorded.queue:
        parts += (sent(number, len(data), at, spread), data)
    parts += (held(number, key, data) for key, data in recorded.held.items())
    return b"".join(parts)


class Journal:
    """Reads entries back.

    :ivar sessions: those that have not ended, by their numbers.
    :ivar last: the greatest number that any session had.
    """

    def __init__(self) -> None:
        self.sessions: dict[int, Recorded] = {}
        self.last = 0
        self._known_since: dict[int, int] = {}
        self._taken: set[int] = set()
        self._common: dict[int, bytes] = {}  # of the position that is read

    def begin(self, number: int, position: int, data: bytes) -> None:
        """Read a session as it was at a position; its entries up to there are read no more."""
        self.sessions.pop(number, None)
        self.read(position, data)
        self._known_since[number] = position

    def read(self, position: int, data: bytes) -> None:
        """Read entries, which were written at that position. :raises ValueError: if these are no entries."""
        at, end, known = 0, len(data), self._known_since
        self._common.clear()
        try:
            while at < end:
                kind, number, size = _HEAD.unpack_from(data, at)
                at += _HEAD.size
                if at + size > end:
                    raise ValueError(f"an entry of session {number} is cut off")
                if kind == _COMMON:
                    self._common[number] = data[at : at + size]
                elif number not in known or known[number] < position:
                    self._apply(kind, number, data[at : at + size])
                at += size
        except struct.error as error:
            raise ValueError(f"this is no entry: {error}") from None

    def finish(self) -> None:
        """Everything is read: tell stanzas that another device has taken."""
        for session in self.sessions.values():
            for index, stanza in enumerate(session.queue):
                if stanza.spread in self._taken:
                    session.queue[index] = stanza._replace(spread=TAKEN)

    def _apply(self, kind: bytes, number: int, body: bytes) -> None:
        if kind == _BY:
            return
        self.last = max(self.last, number)
        if kind == _END:
            self.sessions.pop(number, None)
            return
        session = self.sessions.setdefault(number, Recorded())
        if kind == _OUT:
            at, spread = _SENT_BODY.unpack_from(body)
            session.queue.append(Sent(body[_SENT_BODY.size :], at, spread))
        elif kind == _COPY:
            at, spread, which = _COPY_BODY.unpack_from(body)
            if which not in self._common:
                raise ValueError(f"the end of a stanza of session {number} is missing")
            session.queue.append(Sent(body[_COPY_BODY.size :] + self._common[which], at, spread))
        elif kind == _ACK:
            self._acknowledge(session, _COUNT.unpack(body)[0])
        elif kind == _GIVEN:
            (count,) = _COUNT.unpack(body)
            list(_taken(session, count))
            session.acknowledged = max(session.acknowledged, count)
        elif kind == _IN:
            session.handled = _COUNT.unpack(body)[0]
        elif kind == _STATE:
            session.state = json.loads(body)
        elif kind == _KEPT:
            _keep(session.state.setdefault("state", {}), *json.loads(body))
        elif kind == _PRESENCE:
            session.state["presence"] = body.decode() or None
        elif kind == _HOLD:
            key, _, data = body.partition(b"\0")
            session.held.pop(key.decode(), None)
            session.held[key.decode()] = data
        elif kind == _RELEASE:
            session.held.clear()
        else:
            raise ValueError(f"an entry of session {number} is of an unknown kind, {kind!r}")

    def _acknowledge(self, session: Recorded, count: int) -> None:
        for stanza in _taken(session, count):
            if stanza.spread > TAKEN:
                self._taken.add(stanza.spread)
        session.acknowledged = max(session.acknowledged, count)


def _keep(state: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        state.pop(name, None)
    else:
        state[name] = value


def _taken(session: Recorded, count: int) -> Iterable[Sent]:
    for _ in range(min(len(session.queue), max(0, count - session.acknowledged))):
        yield session.queue.popleft()
