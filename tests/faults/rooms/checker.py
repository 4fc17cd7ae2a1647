"""The proof for rooms: what in a history breaks what is promised of them (docs/reliability.md).

- What was counted (XEP-0198), or came back to its sender, is in the room's archive once; what was refused is nowhere.
- Who is in a room hears everything from there on, once and in the order of the archive; so the order is everybody's.
- Who has a session stays in the room until it leaves, whatever becomes of the server; nobody sees it leave or enter.
- Who has none, and is gone, is seen leaving once; in the end everybody sees who is there, and nobody else.
- What the room was told, and has granted, it knows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.faults.checker import Kind, Violation, late
from tests.faults.history import Event, History, Key, What
from tests.faults.plan import SLEEP
from tests.faults.rooms.reading import Sight
from tests.interop.server import DOMAIN

#: Seconds by which others may know that a connection is lost before its own end has looked.
_NOTICE = 1.0
#: Seconds for which nobody looks at a device, at most.
_ASLEEP = 8.0
#: Seconds in which a device is told what has waited for it.
_TOLD = 2.0
_ENDS = (What.PARTING, What.LEFT, What.OVER)


@dataclass
class _Stay:
    """A time for which a device was in a room; what it heard there.

    :ivar parted: when it began to leave; None if it did not.
    :ivar lost: did its connection break, without its doing?
    """

    device: str
    entered: float = 0.0
    parted: float | None = None
    lost: bool = False
    left: Event | None = None
    heard: list[Event] = field(default_factory=list)


class _Room:
    """The events of a room, by what the rules ask for."""

    def __init__(self, name: str, history: History) -> None:
        self.name, self.ending, self._devices = name, history.rooms[name], history.devices
        self.events = [event for event in history.events if event.room == name or (event.key and event.key.to == name)]
        self.sent: dict[Key, Event] = {}
        self.sets: dict[What, set[Key]] = defaultdict(set)
        self.reflected: set[Key] = set()
        self.heard: list[Event] = []
        self.stays: dict[str, _Stay] = {}
        self.nicks: dict[str, set[str]] = defaultdict(set)
        #: When nobody looked at a device: from when until when.
        self._unseen = _unseen(history.events)
        #: What was heard by who was not in the room.
        self.astray: list[Event] = []
        present: dict[str, str] = {}
        for event in self.events:
            if event.what is What.SENT and event.key:
                self.sent[event.key] = event
            elif event.what is What.HEARD and event.key:
                self._hear(event, event.key, present)
            elif event.key and event.what in (What.ACKED, What.BOUNCED, What.LET_GO):
                self.sets[event.what].add(event.key)
            else:
                self._stay(event, present)
        self.places = {entry.id: place for place, entry in enumerate(self.ending.archive)}
        self.kept = Counter(entry.key for entry in self.ending.archive if entry.key)

    def _hear(self, event: Event, key: Key, present: dict[str, str]) -> None:
        self.heard.append(event)
        if event.device == key.sender and event.text == "live":
            self.reflected.add(key)
        if event.device in present:
            self.stays[present[event.device]].heard.append(event)
        else:
            self.astray.append(event)

    def _stay(self, event: Event, present: dict[str, str]) -> None:
        if event.what is What.ENTERING:
            self.stays[event.id] = _Stay(event.device, event.time)
            self.nicks[event.id].add(event.text)
        elif event.what is What.RENAMING:
            self.nicks[event.id].add(event.text)
        elif event.what is What.ENTERED:
            present[event.device] = event.id
        elif event.what in _ENDS and event.id in self.stays:
            stay = self.stays[event.id]
            if event.what is What.LEFT and stay.parted is None:
                stay.left = event
            stay.parted = event.time if stay.parted is None else stay.parted
            stay.lost = stay.lost or (event.what is What.OVER and event.text == "lost")
            if event.what is not What.PARTING:
                present.pop(event.device, None)

    def unattended(self, device: str, since: float, until: float) -> bool:
        """Was there a time in between when nobody looked at a device that has a session?"""
        spans = self._unseen[device] if device in self._devices else []
        return any(begin <= until and since <= end for begin, end in spans)

    @property
    def promised(self) -> set[Key]:
        """What is in the archive for certain."""
        counted = {key for key in self.sets[What.ACKED] if key in self.sent and self.sent[key].text != "outside"}
        return (counted | self.reflected) - self.sets[What.BOUNCED]

    def is_subject(self, key: Key | None) -> bool:
        """Became it the subject? The history that is shown to who enters leaves those out."""
        return key in self.sent and self.sent[key].text == "subject"


def _unseen(events: Iterable[Event]) -> dict[str, list[tuple[float, float]]]:
    """Return by device when nobody looked at it, or its connection was lost, until it was told what had waited."""
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    lost: dict[str, float] = {}
    for event in events:
        if event.what is What.BROKEN or (event.what is What.FAULT and event.text.startswith(SLEEP)):
            spans[event.device].append((event.time, event.time + _ASLEEP))
        if event.what is What.BROKEN:
            lost[event.device] = event.time
        elif event.what in (What.RESUMED, What.BEGAN) and event.device in lost:
            spans[event.device].append((lost.pop(event.device), event.time + _TOLD))
    return spans


def _archive(room: _Room) -> Iterator[Violation]:
    """The archive has everything that was promised or heard, once, as it was said and in order."""
    for key in sorted(room.promised):
        if not room.kept[key]:
            yield Violation(Kind.ARCHIVE_MISSING, room.name, key, "came back" if key in room.reflected else "acked")
    for key, number in room.kept.items():
        if number > 1:
            yield Violation(Kind.ARCHIVE_DUPLICATE, room.name, key, f"{number} entries")
    for entry in room.ending.archive:
        if entry.key is None or entry.key not in room.sent:
            yield Violation(Kind.INVENTED, room.name, entry.key, f"archive id {entry.id}: {entry.text[:300]}")
    for key, latest in late([entry.key for entry in room.ending.archive if entry.key]):
        yield Violation(Kind.ARCHIVE_ORDER, room.name, key, f"after number {latest.number}")
    for event in room.heard:
        place = room.places.get(event.id)
        if place is None:
            yield Violation(Kind.ARCHIVE_ID, event.device, event.key, f"came with {event.id!r}, which is not there")
        elif room.ending.archive[place].key != event.key:
            found = room.ending.archive[place].key
            yield Violation(Kind.ARCHIVE_ID, event.device, event.key, f"came with {event.id}, which is {found}")


def _refused(room: _Room) -> Iterator[Violation]:
    """What was refused, or said from outside, is nowhere."""
    outside = {key for key, event in room.sent.items() if event.text == "outside"}
    for key in sorted((room.sets[What.BOUNCED] | outside) - room.sets[What.LET_GO]):
        if room.kept[key]:
            yield Violation(Kind.REFUSED, room.name, key, "is in the archive")
        for event in room.heard:
            if event.key == key:
                yield Violation(Kind.REFUSED, event.device, key, f"was heard at {event.time:.3f}")


def _heard(room: _Room) -> Iterator[Violation]:
    """Who is in the room hears everything, once and in order; who stays until the end, up to it."""
    for event in room.astray:
        yield Violation(Kind.OFFENCE, event.device, event.key, "heard by who is not in the room")
    lasting = {stay for _, stay in room.ending.seats.values()}
    for name, stay in room.stays.items():
        yield from _one_stay(room, stay, name in lasting)


def _one_stay(room: _Room, stay: _Stay, lasting: bool) -> Iterator[Violation]:
    archive, last, live = room.ending.archive, None, False
    for event in stay.heard:
        place = room.places.get(event.id)
        if place is None:
            continue
        if last is not None and place <= last:
            kind = Kind.DUPLICATE if event.id in {e.id for e in stay.heard if e is not event} else Kind.ORDER
            yield Violation(kind, stay.device, event.key, f"at {event.time:.3f}, after what is at {last}")
            continue
        begins = last is None and event.text == "past"
        for entry in archive[place if begins else 0 if last is None else last + 1 : place]:
            if live or not room.is_subject(entry.key):
                yield Violation(Kind.LOST, stay.device, entry.key, f"in the room, {event.key} came")
        last, live = place, live or event.text == "live"
    for entry in archive[0 if last is None else last + 1 :] if lasting else ():
        if live or not room.is_subject(entry.key):
            yield Violation(Kind.LOST, stay.device, entry.key, "in the room until the end")


def _stayed(room: _Room) -> Iterator[Violation]:
    """Nobody has to leave who has not wanted to."""
    for name, stay in room.stays.items():
        if stay.left is not None:
            text = f"at {stay.left.time:.3f}, {stay.left.text}"
            yield Violation(Kind.EXPELLED, stay.device, None, text, room.name, name)


class _Book:
    """Who is in the room as one device sees it, from entering to leaving.

    Of the presence that came while it was disconnected, or while nobody looked at it, it gets the latest of each
    nickname only (XEP-0352 section 5.1): so it may hear of the end of what it has not heard of.
    """

    def __init__(self, room: _Room, device: str) -> None:
        self._room, self._device = room, device
        #: When it saw the first of them.
        self.began = float("inf")
        #: By nickname: the stay, and when it was seen last.
        self.there: dict[str, tuple[str, float]] = {}
        self._seen: set[str] = set()
        self._left: set[str] = set()
        self._renamed: dict[str, str] = {}

    def _wrong(self, kind: Kind, event: Event, stay: str, text: str) -> Violation:
        return Violation(kind, self._device, None, f"at {event.time:.3f}: {text}", self._room.name, stay)

    def take(self, event: Event, sight: Sight) -> Iterator[Violation]:
        """Take what was seen."""
        self.began = min(self.began, event.time)
        if sight.gone:
            yield from self._gone(event, sight)
            return
        before, since = self.there.get(sight.nick, ("", 0.0))
        if not before and sight.stay in self._seen and self._renamed.pop(sight.nick, None) != sight.stay:
            if not self._room.unattended(self._device, 0.0, event.time) or sight.stay in self._left:
                yield self._wrong(Kind.SEEN_TWICE, event, sight.stay, f"{sight.nick} enters again")
        elif before and before != sight.stay and not self._room.unattended(self._device, since, event.time):
            yield self._wrong(Kind.UNSEEN, event, before, f"that it left; {sight.stay} has its place")
        if sight.stay not in self._room.stays:
            yield self._wrong(Kind.INVENTED, event, sight.stay, f"{sight.nick} is nobody")
        self.there[sight.nick] = (sight.stay, event.time)
        self._seen.add(sight.stay)

    def _gone(self, event: Event, sight: Sight) -> Iterator[Violation]:
        stay = self.there.pop(sight.nick, ("", 0.0))[0] or self._renamed.pop(sight.nick, "")
        stay = stay or self._unheard(event, sight)
        if not stay and "332" in sight.codes and self._told_late(event, sight):
            return
        if not stay:
            yield self._wrong(Kind.SEEN_TWICE, event, sight.stay, f"{sight.nick} leaves, and is not there")
        elif sight.renamed:
            self._renamed[sight.renamed] = stay
        elif not sight.own and stay in self._room.stays:
            self._left.add(stay)
            whose = self._room.stays[stay]
            if whose.parted is None or whose.parted > event.time + _NOTICE:
                yield self._wrong(Kind.SEEN_LEAVING, event, stay, str(sight))
            elif whose.lost and not {"332", "333"} & set(sight.codes):
                yield self._wrong(Kind.CODES, event, stay, str(sight))

    def _told_late(self, event: Event, sight: Sight) -> bool:
        """May it be that the room still tells of those who are gone with the server, though this one has come later?"""
        gone = (s for name, s in self._room.stays.items() if sight.nick in self._room.nicks[name] and s.lost)
        return any(s.parted is not None and s.parted <= self.began <= event.time for s in gone)

    def _unheard(self, event: Event, sight: Sight) -> str:
        """Return whose leave that may be, if it has not been seen to enter because nobody looked."""
        for name, stay in self._room.stays.items():
            taken = sight.nick in self._room.nicks[name] and name not in self._left
            if taken and self._room.unattended(self._device, stay.entered, event.time) and stay.entered <= event.time:
                return name
        return ""


def _seen(room: _Room) -> Iterator[Violation]:
    """Everybody is seen entering and leaving once, and only if they do."""
    books: dict[str, _Book] = {}
    for event in room.events:
        if event.what in (What.LEFT, What.OVER):
            books.pop(event.device, None)
        elif event.sight is not None:
            book = books.setdefault(event.device, _Book(room, event.device))
            yield from book.take(event, event.sight)


def _in_the_end(room: _Room) -> Iterator[Violation]:
    """Everybody sees the same, which is how it is; so do the room's own lists."""
    ending = room.ending
    there = dict(ending.seats.values())
    nicks = {nick: f"{device.replace('/', f'@{DOMAIN}/')}" for device, (nick, _) in ending.seats.items()}
    for device, book in sorted(ending.books.items()):
        seen = {nick: stay for nick, (stay, *_) in book.items()}
        yield from _differ(room.name, device, there, seen)
        for nick in book:
            if book[nick][1:] != next(iter(ending.books.values())).get(nick, book[nick])[1:]:
                yield Violation(Kind.UNSEEN, device, None, f"how {nick} is: {book[nick]}", room.name, seen[nick])
    yield from _differ(room.name, f"the list of {room.name}", nicks, ending.roll)
    yield from _differ(
        room.name, f"the items of {room.name}", dict.fromkeys(nicks, ""), dict.fromkeys(ending.listed, "")
    )


def _differ(room: str, where: str, there: dict[str, str], seen: dict[str, str]) -> Iterator[Violation]:
    for nick, who in sorted(seen.items()):
        if there.get(nick) != who:
            yield Violation(Kind.GHOST, where, None, f"in the end: {nick}", room, who)
    for nick, who in sorted(there.items()):
        if seen.get(nick) != who:
            yield Violation(Kind.UNSEEN, where, None, f"in the end: {nick}", room, who)


def _facts(room: _Room) -> Iterator[Violation]:
    """What was granted last is so, unless something was asked later of which nobody knows what came of it."""
    possible: dict[str, set[str]] = {}
    before: dict[str, set[str]] = {}
    for event in room.events:
        fact, first = event.id, {"0" if event.id == "roomdesc" else "none"}
        if event.what is What.ASKED:
            before[fact] = possible.get(fact, first)
            possible[fact] = before[fact] | {event.text}
        elif event.what is What.GRANTED:
            possible[fact] = {event.text}
        elif event.what is What.DENIED and fact in before:
            possible[fact] = before[fact]
    for fact, values in sorted(possible.items()):
        found = room.ending.facts.get(fact, "none")
        if found not in values:
            text = f"{fact} is {found}, and was {' or '.join(sorted(values))}"
            yield Violation(Kind.FACT, room.name, None, text, room.name)
    subjects = [entry.key.text for entry in room.ending.archive if entry.key and room.is_subject(entry.key)]
    if (subjects[-1] if subjects else "") != room.ending.subject:
        text = f"its subject is {room.ending.subject!r}, and was {subjects[-1:]}"
        yield Violation(Kind.FACT, room.name, None, text, room.name)


_RULES: tuple[Callable[[_Room], Iterator[Violation]], ...] = (
    _archive, _refused, _heard, _stayed, _seen, _in_the_end, _facts
)  # fmt: skip


def check(history: History) -> list[Violation]:
    """Return everything in the rooms of a finished round that should not be."""
    rooms = [_Room(name, history) for name in history.rooms]
    return [violation for room in rooms for rule in _RULES for violation in rule(room)]


def count(history: History) -> Counter[str]:
    """Return the figures of a round's rooms."""
    figures: Counter[str] = Counter()
    for name in history.rooms:
        room = _Room(name, history)
        figures["said in rooms"] += len(room.sent)
        figures["said in rooms, promised"] += len(room.promised)
        figures["refused by rooms"] += len(room.sets[What.BOUNCED])
        figures["heard in rooms"] += sum(event.text == "live" for event in room.heard)
        figures["presence from rooms"] += sum(event.sight is not None for event in room.events)
        figures["stays in rooms"] += sum(bool(stay.heard) for stay in room.stays.values())
        figures["stays lost with the server"] += sum(stay.lost for stay in room.stays.values())
        figures["granted by rooms"] += sum(event.what is What.GRANTED for event in room.events)
    return figures
