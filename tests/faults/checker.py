"""The proof: what in a history breaks the promises an ack makes (docs/reliability.md). History in, violations out.

A message is promised when its sender's server counted it (XEP-0198). Then, once everything is quiet:

- every device of the recipient, and every other device of the sender, has it: live, from offline storage or, if it
  began a new session meanwhile, from the archive; a device whose session lasted has it live (carbons included);
- no device got it live twice, and what one device sent to one account comes in order;
- the archives of both have it exactly once, in order.

A message that was not promised may be missing, but whatever is there obeys the same rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.history import ERROR, Entry, Event, History, Key, What


class Kind(StrEnum):
    """The categories of violations."""

    LOST = "lost after ack"
    ONLY_ARCHIVE = "not live, only in the archive"
    DUPLICATE = "duplicate to a device"
    DUPLICATE_LATER = "duplicate in a later session"
    DUPLICATE_AGAIN = "duplicate, sent again by its sender"
    OFFLINE = "offline after the archive had it"
    ORDER = "out of order"
    ARCHIVE_MISSING = "missing in archive"
    ARCHIVE_DUPLICATE = "duplicate archive entry"
    ARCHIVE_AGAIN = "duplicate archive entry, sent again"
    ARCHIVE_ORDER = "archive out of order"
    ARCHIVE_LIVE = "archive in another order than came"
    ARCHIVE_ID = "wrong archive id"
    INVENTED = "from nowhere"
    TAKEN_BACK = "ack taken back"
    SESSION = "session lost within its time"
    EXPELLED = "out of a room, without leaving it"
    SEEN_LEAVING = "seen leaving a room, without having left"
    SEEN_TWICE = "seen entering or leaving a room twice"
    CODES = "gone with the server, and not said so"
    GHOST = "seen in a room, and not there"
    UNSEEN = "there in a room, and not seen"
    FACT = "a room has forgotten what it was told"
    REFUSED = "refused by a room, and there all the same"
    OFFENCE = "rule broken, or error"
    UNSETTLED = "did not settle"


@dataclass(frozen=True)
class Violation:
    """A broken promise: `where` is a device or the account of an archive; of a room, `stay` names whose stay there."""

    kind: Kind
    where: str
    key: Key | None = None
    text: str = ""
    room: str = ""
    stay: str = ""

    def __str__(self) -> str:
        of = f"{self.room} {self.stay}".strip() or str(self.key or "")
        return f"{self.kind}: {self.where}" + (f": {of}" if of else "") + (f" ({self.text})" * bool(self.text))


@dataclass
class _Seen:
    """What one device saw."""

    #: The events of What.RECEIVED, by message.
    live: dict[Key, list[Event]] = field(default_factory=lambda: defaultdict(list))
    fetched: set[Key] = field(default_factory=set)
    #: What came from offline storage though the device had fetched it in the same session; with the event.
    known: list[Event] = field(default_factory=list)
    fetched_in: set[tuple[Key, int]] = field(default_factory=set)
    #: When the session that lasted until the end was ready; None if there is none.
    ready: float | None = None
    #: The first time a message came, in order.
    first: list[Event] = field(default_factory=list)
    #: The sessions whose end the server could not be told what was received before.
    unacked: set[int] = field(default_factory=set)
    #: When the connections of these broke for the last time, and when the sessions after them began.
    gone: list[tuple[float, float]] = field(default_factory=list)
    broken: float = 0.0
    #: When each session was ready.
    sessions: dict[int, float] = field(default_factory=dict)


class _Index:
    """The events of a history, by what the rules ask for."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.sent: dict[Key, Event] = {}
        self.acked: set[Key] = set()
        self.bounced: set[Key] = set()
        self.again: set[Key] = set()
        self.seen = {name: _Seen() for name in history.devices}
        for event in history.events:
            if event.key is None:
                self._session(event)
            elif event.key.to not in history.rooms:
                self._message(event, event.key)
        self.in_archive = {
            account: Counter(entry.key for entry in entries if entry.key is not None)
            for account, entries in history.archives.items()
        }

    def _message(self, event: Event, key: Key) -> None:
        if event.what is What.SENT:
            self.sent[key] = event
        elif event.what is What.RECEIVED:
            seen = self.seen[event.device]
            if key not in seen.live:
                seen.first.append(event)
            seen.live[key].append(event)
            if event.text == "delayed" and (key, event.session) in seen.fetched_in:
                seen.known.append(event)
        elif event.what is What.FETCHED:
            self.seen[event.device].fetched.add(key)
            self.seen[event.device].fetched_in.add((key, event.session))
        else:
            sets = {What.ACKED: self.acked, What.BOUNCED: self.bounced, What.AGAIN: self.again}
            if event.what in sets:
                sets[event.what].add(key)

    def _session(self, event: Event) -> None:
        seen = self.seen.get(event.device, _Seen())
        if event.what is What.READY:
            seen.ready = event.time
            seen.sessions[event.session] = event.time
        elif event.what is What.BROKEN:
            seen.broken = event.time
        elif event.what is What.BEGAN and event.session - 1 in seen.unacked:
            seen.gone.append((seen.broken, event.time))
        elif event.what in (What.REFUSED, What.EXPIRED, What.CLOSED, What.FORGOT):
            seen.ready = None
            if event.what in (What.EXPIRED, What.FORGOT):
                seen.unacked.add(event.session)

    def passed_on(self, event: Event) -> bool:
        """Say whether a message that came late may be what another device's session left behind when it was lost.

        It goes to those who were not there when it came first (XEP-0198 section 4), in no order with what they have.
        """
        if event.text != "delayed" or event.key not in self.sent:
            return False
        sent = self.sent[event.key].time
        account = event.device.partition("/")[0]
        others = (name for name in self.history.devices_of(account) if name != event.device)
        return any(broken <= event.time and sent <= began for name in others for broken, began in self.seen[name].gone)

    def seen_by_account(self, account: str, key: Key) -> bool:
        """Say whether any device of the account got the message live."""
        return any(key in self.seen[name].live for name in self.history.devices_of(account))


def _has_to_be_live(index: _Index, device: str, key: Key) -> bool:
    """Say whether the device's present session was there when the message was sent, and should have got it."""
    ready = index.seen[device].ready
    sent = index.sent[key]
    if ready is None or sent.time <= ready:
        return False
    account, _, resource = device.partition("/")
    addressed = account == key.to and sent.text in (key.to, f"{key.to}/{resource}")
    return index.history.carbons or addressed


def _delivery(index: _Index) -> Iterator[Violation]:
    """Everything promised has reached every device it should."""
    for key in sorted(index.acked - index.bounced):
        if key not in index.sent:
            continue
        reached = [*index.history.devices_of(key.to), *index.history.devices_of(key.account)]
        for device in reached:
            if device == key.sender:
                continue
            seen = index.seen[device]
            if key in seen.live:
                continue
            if _has_to_be_live(index, device, key):
                kind = Kind.ONLY_ARCHIVE if key in seen.fetched else Kind.LOST
                yield Violation(kind, device, key, "its session lasted")
            elif key not in seen.fetched and not _excused(index, device, key):
                kept = index.in_archive.get(device.partition("/")[0], Counter())[key]
                if kept and not index.history.devices[device].archive:
                    yield Violation(Kind.ONLY_ARCHIVE, device, key, "it relies on offline storage")
                else:
                    yield Violation(Kind.LOST, device, key, "neither live nor fetched")


def _excused(index: _Index, device: str, key: Key) -> bool:
    """Say whether a device that never saw a message had no means to: no archive, and others of its account got it."""
    if index.history.archive and index.history.devices[device].archive:
        return False
    account = device.partition("/")[0]
    return account == key.account or index.seen_by_account(account, key)


def _duplicates(index: _Index) -> Iterator[Violation]:
    """Nobody gets a message twice."""
    for device, seen in index.seen.items():
        for event in seen.known:
            if not index.passed_on(event):
                yield Violation(Kind.OFFLINE, device, event.key, f"in session {event.session}")
        for key, events in seen.live.items():
            if len(events) == 1 or key not in index.sent:
                continue
            if key in index.again:
                kind = Kind.DUPLICATE_AGAIN
            else:
                sessions = {event.session for event in events}
                kind = Kind.DUPLICATE if len(sessions) < len(events) else Kind.DUPLICATE_LATER
                if kind is Kind.DUPLICATE_LATER and min(sessions) in seen.unacked:
                    continue  # XEP-0198 section 4: there is no way to prevent it
            yield Violation(
                kind, device, key, ", ".join(f"{event.text} in session {event.session}" for event in events)
            )


def late(keys: list[Key]) -> Iterator[tuple[Key, Key]]:
    """Yield each message that comes after a later one of the same conversation, with that one; the first time only."""
    newest: dict[tuple[str, str], Key] = {}
    seen: set[Key] = set()
    for key in keys:
        if key in seen:
            continue
        seen.add(key)
        latest = newest.setdefault((key.sender, key.to), key)
        if key.number < latest.number:
            yield key, latest
        else:
            newest[key.sender, key.to] = key


def _order(index: _Index) -> Iterator[Violation]:
    """What one device sent to one account comes in order, on every device.

    A message to a full JID reaches a device as soon as its resource is bound (RFC 6121 section 8.5.3.1), what waited
    offline comes when it is available. No server can keep the order between these two; among themselves they have one.
    """
    for device, seen in index.seen.items():
        newest: dict[tuple[str, str, bool | None], Key] = {}
        for event in seen.first:
            key = event.key
            assert key is not None
            place: bool | None = None
            if event.time < seen.sessions.get(event.session, 0.0):
                place = key in index.sent and index.sent[key].text == device
            latest = newest.get((key.sender, key.to, place), key)
            if place and event.text == "delayed":
                latest = key  # it waited offline before the resource was bound, or in a session that was resumed
            if key.number < latest.number and not index.passed_on(event):
                yield Violation(Kind.ORDER, device, key, f"after number {latest.number}")
            for kind in {place, None}:
                newest[key.sender, key.to, kind] = max(key, newest.get((key.sender, key.to, kind), key))


def _archives(index: _Index) -> Iterator[Violation]:
    """Both archives have every promised message, and every one that a device of theirs has seen, exactly once."""
    if not index.history.archive:
        return
    for key in sorted(index.sent):
        for account in sorted({key.account, key.to}):
            count = index.in_archive.get(account, Counter())[key]
            acked = key in index.acked and key not in index.bounced
            if count > 1:
                kind = Kind.ARCHIVE_AGAIN if key in index.again else Kind.ARCHIVE_DUPLICATE
                yield Violation(kind, account, key, f"{count} entries")
            elif count == 0 and (acked or index.seen_by_account(account, key)):
                yield Violation(Kind.ARCHIVE_MISSING, account, key, "acked" if acked else "seen by a device")
    for account, entries in index.history.archives.items():
        keys = [entry.key for entry in entries if entry.key is not None]
        for key, latest in late(keys):
            yield Violation(Kind.ARCHIVE_ORDER, account, key, f"after number {latest.number}")
        yield from _ids(index, account, entries)
        yield from _arrival(index, account, entries)


def _arrival(index: _Index, account: str, entries: list[Entry]) -> Iterator[Violation]:
    """An archive has the order in which its account's devices got the messages (XEP-0313 section 3.1).

    Those who fetch what comes after the last message they know rely on it.
    """
    places = {entry.id: place for place, entry in enumerate(entries)}
    for device in index.history.devices_of(account):
        seen = index.seen[device]
        last: dict[int, int] = {}
        for event in seen.first:
            ready = event.time >= seen.sessions.get(event.session, float("inf"))
            if event.id not in places or not ready or event.text == "delayed":
                continue
            place = places[event.id]
            if place < last.get(event.session, -1):
                yield Violation(Kind.ARCHIVE_LIVE, device, event.key, f"before what is at {last[event.session]}")
            last[event.session] = max(place, last.get(event.session, -1))


def _ids(index: _Index, account: str, entries: list[Entry]) -> Iterator[Violation]:
    """Ids in the archive are unique, and those that messages came with are those of their entries (XEP-0359)."""
    by_id: dict[str, Key | None] = {}
    for entry in entries:
        if entry.id in by_id:
            yield Violation(Kind.ARCHIVE_ID, account, entry.key, f"{entry.id} is there twice")
        by_id[entry.id] = entry.key
    for device in index.history.devices_of(account):
        for key, events in index.seen[device].live.items():
            for id_ in {event.id for event in events if event.id}:
                if id_ not in by_id:
                    yield Violation(Kind.ARCHIVE_ID, device, key, f"came with {id_}, which the archive does not know")
                elif by_id[id_] != key:
                    yield Violation(Kind.ARCHIVE_ID, device, key, f"came with {id_}, which is {by_id[id_]}")


def _invented(index: _Index) -> Iterator[Violation]:
    """Nothing is there that nobody sent."""
    for device, seen in index.seen.items():
        for key in [*seen.live, *seen.fetched]:
            if key not in index.sent:
                yield Violation(Kind.INVENTED, device, key)
    for account, entries in index.history.archives.items():
        for entry in entries:
            if entry.text == ERROR:
                continue
            if entry.key is None or entry.key not in index.sent:
                yield Violation(Kind.INVENTED, account, entry.key, f"archive id {entry.id}: {entry.text[:300]}")
            elif account not in (entry.key.to, entry.key.account):
                yield Violation(Kind.INVENTED, account, entry.key, f"archive id {entry.id} of somebody else")


_STATED = {
    What.GARBLED: Kind.INVENTED,
    What.TAKEN_BACK: Kind.TAKEN_BACK,
    What.REFUSED: Kind.SESSION,
    What.OFFENCE: Kind.OFFENCE,
    What.FORGOTTEN: Kind.ARCHIVE_ID,
    What.UNSETTLED: Kind.UNSETTLED,
}


def _stated(index: _Index) -> Iterator[Violation]:
    """What a client noticed itself."""
    for event in index.history.events:
        kind = _STATED.get(event.what)
        if kind is not None:
            yield Violation(kind, event.device, event.key, f"at {event.time:.3f}: {event.text}")


_RULES: tuple[Callable[[_Index], Iterator[Violation]], ...] = (
    _delivery, _duplicates, _order, _archives, _invented, _stated
)  # fmt: skip


def check(history: History) -> list[Violation]:
    """Return everything in a finished round that should not be."""
    index = _Index(history)
    return [violation for rule in _RULES for violation in rule(index)]


def count(history: History) -> Counter[str]:
    """Return the figures of a round: events by kind; messages delivered live, by their way; and those fetched."""
    figures: Counter[str] = Counter()
    acked: set[Key] = set()
    for event in history.events:
        if event.room or (event.key is not None and event.key.to in history.rooms):
            continue
        if event.device not in history.devices and event.what in (What.SENT, What.ACKED):
            continue  # without stream management
        figures[event.what.value] += 1
        if event.what is What.RECEIVED:
            figures[f"received {event.text}"] += 1
        elif event.what is What.ACKED and event.key is not None:
            acked.add(event.key)
    figures["acked messages"] = len(acked)
    return figures + _carriers(history)


def _carriers(history: History) -> Counter[str]:
    """Return how often devices came over WebSocket and BOSH, and what they resumed there."""
    figures: Counter[str] = Counter()
    over: dict[str, str] = {}  # by device
    held: dict[str, str] = {}  # over what its session went before
    for event in history.events:
        if event.what is What.CAME:
            over[event.device] = event.text.partition(" ")[0]
        elif event.what is What.SENT and event.device not in history.devices and not event.room:
            figures["sent over BOSH without stream management"] += 1
        elif event.what is What.TAKEN:
            figures["taken by an answer of BOSH"] += 1
        elif event.what is What.ACKED and event.device not in history.devices and not event.room:
            figures["... of these acknowledged by a ping"] += 1
        elif event.what is What.REPEATED:
            figures["requests of BOSH sent again, and answered"] += 1
        elif event.what in (What.BEGAN, What.RESUMED) and event.device in over:
            now = over[event.device]
            figures[f"begun or resumed over {now}"] += 1
            if event.what is What.RESUMED:
                figures["... of these after another carrier"] += now != "TCP" and held.get(event.device) != now
            held[event.device] = now
    return figures
