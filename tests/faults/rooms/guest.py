"""What a device does in rooms: it enters, talks, leaves, takes other nicknames, and keeps a book of who is there."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Protocol

from tests.faults.history import Key, What
from tests.faults.rooms import reading
from tests.faults.rooms.reading import Sight

_RESULT = "{urn:xmpp:mam:2}result"


class Recording(Protocol):
    """Writes down what happens: see Recorder."""

    def __call__(
        self, what: What, device: str = "", key: Key | None = None, session: int = 0, text: str = "", id: str = "",
        room: str = "", sight: Sight | None = None,
    ) -> None: ...  # fmt: skip


class State(Enum):
    """Where somebody is as to a room."""

    OUT = "out"
    ENTERING = "entering"
    IN = "in"
    LEAVING = "leaving"


class Seat:
    """A guest in one room.

    :ivar wanted: does it want to be there?
    :ivar stay: names this time of being there.
    :ivar book: who is there, by nickname: the stay, role, affiliation, and what they show.
    :ivar subject: what it was told last; None before it was told any.
    """

    def __init__(self, room: str, nick: str) -> None:
        self.room, self.nick = room, nick
        self.wanted = False
        self.state = State.OUT
        self.stay = self.show = self.renaming = ""
        self.book: dict[str, tuple[str, str, str, str]] = {}
        self.subject: str | None = None


class Guest:
    """A device as to its rooms.

    :param put: sends a stanza in the present session; with it goes what the stanza is: a key, or a word.
    """

    def __init__(
        self, name: str, rooms: Sequence[str], put: Callable[[str, Key | str], None], record: Recording
    ) -> None:
        self.name, self._put, self._record = name, put, record
        self.seats = {room: Seat(room, name.replace("/", "")) for room in rooms}
        self._session = 0
        self._active = False
        self._stays, self._nicks = itertools.count(1), itertools.count(1)
        self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))

    def _note(self, what: What, seat: Seat, text: str = "", key: Key | None = None, id: str | None = None) -> None:
        stay = seat.stay if id is None else id
        self._record(what, self.name, key, self._session, text, stay, seat.room)

    def concerns(self, key: Key) -> bool:
        """Is it a message to a room?"""
        return key.to in self.seats

    # ---- sessions

    def ready(self, session: int) -> None:
        """A session has begun in which presence was sent."""
        self._session, self._active = session, True
        self.tend()

    def over(self, why: str) -> None:
        """It is over, and so is every stay."""
        for seat in self.seats.values():
            if seat.state is not State.OUT:
                self._out(seat, What.OVER, why)
        self._active = False

    def part(self) -> None:
        """The session is about to be ended."""
        for seat in self.seats.values():
            if seat.state is not State.OUT:
                self._note(What.PARTING, seat, seat.nick)

    def _out(self, seat: Seat, what: What, text: str) -> None:
        self._note(what, seat, text)
        seat.state, seat.renaming, seat.show = State.OUT, "", ""
        seat.book.clear()

    @property
    def settled(self) -> bool:
        """Is it where it wants to be?"""
        places = {True: State.IN, False: State.OUT}
        return all(seat.state is places[seat.wanted] and not seat.renaming for seat in self.seats.values())

    # ---- what it does

    def tend(self) -> None:
        """Enter and leave rooms as wanted."""
        for seat in self.seats.values():
            if self._active and seat.wanted and seat.state is State.OUT:
                seat.state, seat.stay, seat.subject = State.ENTERING, f"{self.name}:{next(self._stays)}", None
                self._note(What.ENTERING, seat, seat.nick)
                self._put(reading.entering(seat.room, seat.nick, seat.stay), "presence")
            elif self._active and not seat.wanted and seat.state is State.IN:
                seat.state = State.LEAVING
                self._note(What.PARTING, seat, seat.nick)
                self._put(reading.leaving(seat.room, seat.nick), "presence")

    def rename(self, room: str) -> None:
        """Take another nickname."""
        seat = self.seats[room]
        if seat.state is State.IN and not seat.renaming and self._active:
            seat.renaming = f"{self.name.replace('/', '')}n{next(self._nicks)}"
            self._note(What.RENAMING, seat, seat.renaming)
            self._put(reading.showing(room, seat.renaming, seat.stay, seat.show), "presence")

    def turn(self, room: str, show: str) -> None:
        """Show another presence."""
        seat = self.seats[room]
        if seat.state is State.IN and not seat.renaming and self._active:
            self._put(reading.showing(room, seat.nick, seat.stay, show), "presence")

    def say(self, room: str, subject: bool = False) -> bool:
        """Say something, or set the subject; also from outside, where it has to be refused. False: not just now."""
        seat = self.seats[room]
        if not self._active or seat.state not in (State.IN, State.OUT):
            return False
        key = Key(self.name, room, next(self._numbers[room]))
        how = "outside" if seat.state is State.OUT else "subject" if subject else "said"
        self._note(What.SENT, seat, how, key)
        self._put(reading.message(key, subject), key)
        return True

    # ---- what it gets

    def saw(self, presence: ET.Element) -> None:
        """Take presence."""
        seat = self.seats.get(reading.room_of(presence))
        sight = reading.sight(presence) if seat is not None else None
        if seat is None or sight is None:
            return
        if sight.error:
            self._refused(seat, sight)
            return
        if not sight.stay:
            sight = replace(sight, stay=seat.book.get(sight.nick, ("",))[0])
        self._record(What.SAW, self.name, None, self._session, room=seat.room, sight=sight)
        if sight.gone:
            seat.book.pop(sight.nick, None)
        else:
            seat.book[sight.nick] = (sight.stay, sight.role, sight.affiliation, sight.show)
        if sight.own:
            self._myself(seat, sight)

    def _myself(self, seat: Seat, sight: Sight) -> None:
        if sight.gone and not sight.renamed:
            self._out(seat, What.LEFT, " ".join(sight.codes))
        elif not sight.gone:
            if seat.state is State.ENTERING:
                seat.state = State.IN
                self._note(What.ENTERED, seat, sight.nick)
            seat.nick, seat.show = sight.nick, sight.show
            if seat.renaming == sight.nick:
                seat.renaming = ""

    def _refused(self, seat: Seat, sight: Sight) -> None:
        if seat.state is State.ENTERING:
            self._out(seat, What.OVER, f"refused: {sight.error}")
        elif seat.renaming:
            self._note(What.DENIED, seat, f"{seat.renaming}: {sight.error}")
            seat.renaming = ""

    def heard(self, message: ET.Element) -> bool:
        """Take a message; say whether it was one that a room has for everybody."""
        seat = self.seats.get(reading.room_of(message))
        if seat is None or message.get("type") == "error" or message.find(_RESULT) is not None:
            return False
        said = reading.said(message, seat.room)
        if reading.is_subject(message):
            seat.subject = said.text if said is not None else ""
        if reading.is_subject(message) and (said is None or said.past):
            self._note(What.SUBJECT, seat, seat.subject or "")
        elif said is not None and said.key is None:
            self._note(What.GARBLED, seat, said.text[:200])
        elif said is not None:
            self._note(What.HEARD, seat, "past" if said.past else "live", said.key, said.id)
        return True
