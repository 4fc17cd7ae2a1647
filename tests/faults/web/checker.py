"""What was promised to who writes over BOSH without stream management: what the server has taken is in the archives."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.checker import Kind, Violation
from tests.faults.history import History, What

#: Seconds in which what was taken is on disk, though somebody else may hold the database for some.
_WRITTEN = 5.0
#: Seconds that a kill may come later than it was said, since the database is kept from being written first.
_BLOCKED = 2.0


def check(history: History) -> list[Violation]:
    """Return what is wrong. What was acknowledged by a ping is looked at with everything else."""
    return list(_taken(history))


def _taken(history: History) -> Iterator[Violation]:
    kills = _kills(history)
    archives = {
        account: {entry.key for entry in entries if entry.key is not None}
        for account, entries in history.archives.items()
    }
    for event in history.events:
        key = event.key
        if event.what is not What.TAKEN or key is None:
            continue
        missing = [account for account in sorted({key.account, key.to}) if key not in archives.get(account, ())]
        if missing and not any(event.time - _BLOCKED <= kill <= event.time + _WRITTEN for kill in kills):
            yield Violation(Kind.LOST, " and ".join(missing), key, "its request was answered")


def _kills(history: History) -> list[float]:
    faults = [event for event in history.events if event.what is What.FAULT and event.text.startswith("server: kill")]
    return [event.time for event in faults if "over" not in event.text]
