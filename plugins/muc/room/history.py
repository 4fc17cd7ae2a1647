"""Discussion history: what those who enter are shown of what was said (XEP-0045 sections 7.2.13, 7.2.14)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from xmppd.api import Condition, Element, Message, StanzaError
from xmppd.wire import stanza_id
from xmppd.wire.delay import parse_datetime

__all__ = ["History", "Past", "Request", "read_request"]


class Past(NamedTuple):
    """A message that was said.

    :ivar message: as it was sent, with its id in the archive, but without `to`.
    :ivar at: when, in seconds since the epoch.
    """

    message: Message
    at: float


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants to see of the history; None: it doesn't say.

    :ivar characters: of XML at most, as it is sent (maxchars).
    :ivar messages: at most (maxstanzas).
    :ivar since: said later than that, in seconds since the epoch (seconds, since).
    """

    characters: int | None = None
    messages: int | None = None
    since: float | None = None


def read_request(x: Element | None, now: float) -> Request:
    """Read the ``<history/>`` of a presence that asks to enter.

    :raises StanzaError: bad-request, if something in it is no number, or no time.
    """
    element = None if x is None else next((e for e in x.elements() if e.name == "history" and e.uri == x.uri), None)
    if element is None:
        return Request()
    try:
        numbers = {name: _number(element.getAttribute(name)) for name in ("maxchars", "maxstanzas", "seconds")}
        since = element.getAttribute("since")
        times = [parse_datetime(since)] if since is not None else []
    except ValueError as error:
        raise StanzaError(Condition.BAD_REQUEST, text=str(error)) from None
    if numbers["seconds"] is not None:
        times.append(now - numbers["seconds"])
    return Request(numbers["maxchars"], numbers["maxstanzas"], max(times, default=None))


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(f"{text[:20]!r} is no number")
    return int(text)


class History:
    """The messages that were said last.

    :ivar loaded: is everything here that could be shown? Else it has to be read first.
    """

    __slots__ = ("_octets", "_past", "loaded")

    def __init__(self) -> None:
        self._past: list[Past] = []  # no deque: that has room for 64 from the beginning, in the quietest room
        self._octets = 0
        self.loaded = False

    def add(self, message: Message, at: float, most: int, octets: int) -> None:
        """A message was said; no more than `most` are kept here, and no more than so many octets."""
        self._past.append(Past(message, at))
        self._octets += len(message.payload)
        while self._past and (len(self._past) > most or self._octets > octets):
            self._octets -= len(self._past.pop(0).message.payload)

    def load(self, past: Sequence[Past], most: int) -> None:
        """Put what was said before in front of what is here, if it isn't here already."""
        here = {_id_of(one.message) for one in self._past}
        missing = [one for one in past if _id_of(one.message) not in here]
        self._past[:0] = missing
        del self._past[: max(0, len(self._past) - most)]
        self._octets = sum(len(one.message.payload) for one in self._past)
        self.loaded = True

    def forget(self) -> None:
        """Keep nothing in memory; it is read again when it is needed."""
        self._past.clear()
        self._octets = 0
        self.loaded = False

    def __iter__(self) -> Iterator[Past]:
        return iter(self._past)

    def __len__(self) -> int:
        return len(self._past)

    def replace(self, id: str, message: Message | None) -> bool:
        """Put another message in the place of the one with that id in the archive; None: take it away."""
        marker = f"'{id}'".encode()  # a quick look: others may quote the id
        for index, past in enumerate(self._past):
            old = past.message
            if marker in old.payload and old.from_ and stanza_id.given_by(old, old.from_.bare) == id:
                del self._past[index]
                self._octets -= len(old.payload)
                if message is not None:
                    self._past.insert(index, Past(message, past.at))
                    self._octets += len(message.payload)
                return True
        return False

    def select(self, request: Request, most: int, around: int = 0) -> list[Past]:
        """Return what a client is shown, oldest first.

        :param most: how many messages at most.
        :param around: how many characters each has more when it is sent: its stamp, and who it is for.
        """
        count = most if request.messages is None else min(most, request.messages)
        wanted = list(islice(reversed(self._past), count))
        if request.since is not None:
            wanted = [past for past in wanted if past.at >= request.since]
        if request.characters is not None:
            left, fitting = request.characters, []
            for past in wanted:
                left -= len(past.message.to_bytes().decode()) + around
                if left < 0:
                    break
                fitting.append(past)
            wanted = fitting
        return wanted[::-1]


def _id_of(message: Message) -> str | None:
    """Return what the room calls a message (XEP-0359)."""
    return stanza_id.given_by(message, message.sender.bare)
