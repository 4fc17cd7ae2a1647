"""The proof for two servers: what in a history breaks what docs/reliability.md promises of messages to another server.

A message that its sender's server has counted (XEP-0198) was given to its recipient, live, and is in both archives; or
it came back to its sender with an error. In order, and once, but for what can't be otherwise:

- both, if the error says that the connection was lost before the other server could say that it has it;
- twice, if the sender's server was killed, or stopped, before it was told that the other one has it, or soon after.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.faults.checker import Kind, Violation
from tests.faults.history import ERROR, Event, History, Key, What
from tests.faults.network.round import ends

#: Seconds after delivery in which it may not be written down yet that the other server has a message: five until it is
#: asked, one until that is on disk, and what a slow machine takes.
SOON = 8.0
UNKNOWN = "remote-server-timeout"


@dataclass
class Fate:
    """What became of a message."""

    sent: Event
    acked: bool = False
    live: list[Event] = field(default_factory=list)
    back: list[Event] = field(default_factory=list)


def fates(history: History) -> dict[Key, Fate]:
    """Return what became of each message that was sent."""
    found = {event.key: Fate(event) for event in history.events if event.what is What.SENT and event.key}
    for event in history.events:
        fate = found.get(event.key) if event.key else None
        if fate is None:
            continue
        if event.what is What.ACKED:
            fate.acked = True
        elif event.what is What.BOUNCED and event.key and event.device == event.key.sender:
            fate.back.append(event)
        elif event.what is What.RECEIVED and event.key and event.device.partition("/")[0] == event.key.to:
            fate.live.append(event)
    return found


def _ended(history: History, key: Key, fate: Fate) -> bool:
    """Was the sender's server ended between the time when the message was sent and soon after it was delivered?"""
    last = fate.live[0].time + SOON if fate.live else float("inf")
    return any(fate.sent.time <= when <= last for when in ends(history.events, key.sender[0]))


def _delivery(history: History) -> Iterator[Violation]:
    for key, fate in fates(history).items():
        if fate.acked and not fate.live and not fate.back:
            kept = any(entry.key == key for entry in history.archives.get(key.to, ()))
            yield Violation(Kind.ONLY_ARCHIVE if kept else Kind.LOST, key.to, key)
        if len(fate.live) > 1 and not _ended(history, key, fate):
            yield Violation(Kind.DUPLICATE, key.to, key, f"{len(fate.live)} times")
        if len(fate.back) > 1 and not _ended(history, key, fate):
            yield Violation(Kind.DUPLICATE, key.sender, key, f"came back {len(fate.back)} times")
        wrong = [event.text for event in fate.back if UNKNOWN not in event.text.split()]
        if fate.live and wrong and not _ended(history, key, fate):
            yield Violation(Kind.OFFENCE, key.sender, key, f"arrived, and came back with {wrong}")


def _order(history: History) -> Iterator[Violation]:
    newest: dict[tuple[str, str], int] = defaultdict(int)
    known: set[Key] = set()
    for event in history.events:
        key = event.key
        if event.what is not What.RECEIVED or key is None or key in known or event.device.partition("/")[0] != key.to:
            continue
        known.add(key)
        pair = (key.sender, key.to)
        if key.number < newest[pair]:
            yield Violation(Kind.ORDER, event.device, key, f"after number {newest[pair]}")
        newest[pair] = max(newest[pair], key.number)


def _archives(history: History) -> Iterator[Violation]:
    kept = {account: Counter(entry.key for entry in entries) for account, entries in history.archives.items()}
    for key, fate in fates(history).items():
        for account, there in ((key.account, fate.acked), (key.to, bool(fate.live))):
            number = kept.get(account, Counter())[key]
            if there and not number and account in kept:
                yield Violation(Kind.ARCHIVE_MISSING, account, key)
            if number > 1 and (account == key.account or not _ended(history, key, fate)):
                yield Violation(Kind.ARCHIVE_DUPLICATE, account, key, f"{number} entries")
    for account, entries in history.archives.items():
        for entry in entries:
            if entry.text != ERROR and entry.key is None:
                yield Violation(Kind.INVENTED, account, None, entry.text[:300])


_STATED = {
    What.GARBLED: Kind.INVENTED,
    What.TAKEN_BACK: Kind.TAKEN_BACK,
    What.REFUSED: Kind.SESSION,
    What.OFFENCE: Kind.OFFENCE,
    What.UNSETTLED: Kind.UNSETTLED,
}


def _stated(history: History) -> Iterator[Violation]:
    for event in history.events:
        if event.what in _STATED:
            yield Violation(_STATED[event.what], event.device, event.key, f"at {event.time:.3f}: {event.text}")


_RULES: tuple[Callable[[History], Iterator[Violation]], ...] = (_delivery, _order, _archives, _stated)


def check(history: History) -> list[Violation]:
    """Return everything in a finished round that should not be."""
    return [violation for rule in _RULES for violation in rule(history)]


def count(history: History) -> Counter[str]:
    """Return the figures of a round."""
    figures = Counter(event.what.value for event in history.events if event.what is not What.FAULT)
    all_ = fates(history).values()
    figures["acked messages"] = sum(fate.acked for fate in all_)
    figures["arrived"] = sum(bool(fate.live) for fate in all_)
    figures["came back"] = sum(bool(fate.back) for fate in all_)
    figures["arrived and came back"] = sum(bool(fate.live and fate.back) for fate in all_)
    figures["arrived twice"] = sum(len(fate.live) > 1 for fate in all_)
    for event in history.events:
        if event.what is What.FAULT and event.text.startswith("killed"):
            figures["kills"] += 1
        elif event.what is What.FAULT and event.text.startswith("connection made by"):
            figures["faults of links"] += 1
    return figures
