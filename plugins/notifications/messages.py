"""Messages in the database: what is sent, to whom, and how far it is. All functions are for its threads."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from xmppd.api.notifications import Notification, Road, State
from xmppd.plugins.notifications.tables import COUNTS, DELIVERIES, LISTED, MESSAGES

__all__ = [
    "Status", "Stored", "add", "by_status", "change", "counts", "expanded", "find", "find_of", "finish", "forget",
    "forget_deliveries", "listed", "new_id", "next_start", "number_of", "old", "recent", "set_rate", "set_status",
    "startable", "totals", "with_deliveries",
]  # fmt: skip

_ID = 32
_COUNTED = tuple(state.value for state in State)


class Status(StrEnum):
    """Of a message."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    #: Nobody waits for it any more.
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Stored:
    """A message, and what is to be known to send it. Times in seconds since the epoch."""

    number: int
    notification: Notification
    status: Status
    audience: str
    by_device: bool
    roads: tuple[Road, ...]
    online_only: bool
    rate: float
    ttl: float
    actor: str
    starts_at: float
    ended_at: float | None
    expanded: bool
    cursor: str
    problem: str = ""

    @property
    def id(self) -> str:
        """The id of the notification."""
        return self.notification.id


def new_id(now: float, last: str = "") -> str:
    """Return a new id; it is greater than those before, and nobody guesses it.

    :param last: the last one that was made.
    """
    number = int(now * 1000) << 20 | secrets.randbits(20)
    if last:
        number = max(number, number_of(last) + 1)
    return f"{number:016x}{secrets.token_hex(8)}"


def number_of(id: str) -> int:
    """Return the number of a message. :raises ValueError: that is no id."""
    if len(id) != _ID or not set(id) <= set("0123456789abcdef") or id > "7":
        raise ValueError(f"{id[:64]!r} is no id of a notification")
    return int(id[:16], 16)


def row_of(message: Stored, host: str) -> dict[str, Any]:
    """Return the row of a message."""
    n = message.notification
    return {
        "number": message.number, "id": n.id, "host": host, "status": message.status.value,
        "audience": message.audience, "by_device": int(message.by_device), "title": n.title, "body": n.body,
        "uri": n.uri, "image": n.image, "data": json.dumps(dict(n.data), ensure_ascii=False), "priority": n.priority,
        "collapse": n.collapse, "roads": " ".join(message.roads), "online_only": int(message.online_only),
        "rate": message.rate, "ttl": message.ttl, "actor": message.actor, "created_at": n.created_at,
        "starts_at": message.starts_at, "expires_at": n.expires_at, "ended_at": message.ended_at,
        "expanded": int(message.expanded), "cursor": message.cursor,
        "problem": message.problem,
    }  # fmt: skip


def _stored(row: Mapping[Any, Any]) -> Stored:
    notification = Notification(
        row["id"], row["title"], row["body"], row["uri"], row["image"], json.loads(row["data"]), row["priority"],
        row["collapse"], row["created_at"], row["expires_at"],
    )  # fmt: skip
    return Stored(
        row["number"], notification, Status(row["status"]), row["audience"], bool(row["by_device"]),
        tuple(row["roads"].split()), bool(row["online_only"]), row["rate"], row["ttl"], row["actor"],
        row["starts_at"], row["ended_at"], bool(row["expanded"]), row["cursor"],
        row["problem"],
    )  # fmt: skip


def add(connection: Connection, message: Stored, host: str, accounts: Sequence[str]) -> None:
    """Keep a new message, and the accounts that a file has named for it."""
    connection.execute(insert(MESSAGES), row_of(message, host))
    connection.execute(insert(COUNTS), {"message": message.number})
    if accounts:
        rows = [{"message": message.number, "account": account} for account in accounts]
        connection.execute(insert(LISTED), rows)


_FIND = select(MESSAGES).where(MESSAGES.c.number == bindparam("which"))


def find(connection: Connection, number: int) -> Stored | None:
    """Return a message."""
    row = connection.execute(_FIND, {"which": number}).mappings().first()
    return None if row is None else _stored(row)


def find_of(connection: Connection, number: int, host: str) -> Stored | None:
    """Return a message, if it is one of a host."""
    row = (
        connection.execute(select(MESSAGES).where(MESSAGES.c.number == number, MESSAGES.c.host == host))
        .mappings()
        .first()
    )
    return None if row is None else _stored(row)


def listed(connection: Connection, number: int) -> list[str]:
    """Return the accounts that a file has named."""
    return list(connection.scalars(select(LISTED.c.account).where(LISTED.c.message == number)))


def recent(
    connection: Connection, host: str, status: str, after: str, limit: int
) -> list[tuple[Stored, dict[str, int]]]:
    """Return messages with their counts, the newest first, those older than the one with the id `after`."""
    query = select(MESSAGES).where(MESSAGES.c.host == host)
    if status:
        query = query.where(MESSAGES.c.status == status)
    if after:
        query = query.where(MESSAGES.c.number < number_of(after))
    rows = connection.execute(query.order_by(MESSAGES.c.number.desc()).limit(limit)).mappings()
    found = [_stored(row) for row in rows]
    by_number = counts(connection, [message.number for message in found])
    return [(message, by_number[message.number]) for message in found]


def counts(connection: Connection, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return how many deliveries of messages are in each state; besides, accounts, recipients, and those still open."""
    rows = connection.execute(select(COUNTS).where(COUNTS.c.message.in_(numbers))).mappings()
    return {row["message"]: {key: value for key, value in row.items() if key != "message"} for row in rows}


def totals(connection: Connection, host: str, since: float) -> dict[str, int]:
    """Return the sums of the counts of messages that began since a moment."""
    names = ("accounts", "recipients", "open", *_COUNTED)
    sums = (func.coalesce(func.sum(COUNTS.c[name]), 0).label(name) for name in names)
    query = select(func.count().label("messages"), *sums).select_from(
        COUNTS.join(MESSAGES, COUNTS.c.message == MESSAGES.c.number)
    )
    row = connection.execute(query.where(MESSAGES.c.host == host, MESSAGES.c.starts_at >= since)).mappings().one()
    return {key: int(value) for key, value in row.items()}


def by_status(connection: Connection, host: str) -> dict[str, int]:
    """Return how many messages are scheduled, running and paused now."""
    query = select(MESSAGES.c.status, func.count()).where(MESSAGES.c.host == host).group_by(MESSAGES.c.status)
    found = {status: number for status, number in connection.execute(query)}
    return {f"{name.value}_now": found.get(name.value, 0) for name in (Status.SCHEDULED, Status.RUNNING, Status.PAUSED)}


def startable(connection: Connection, host: str, now: float, limit: int) -> list[Stored]:
    """Return messages whose deliveries are to be written: those that are due, and those that were begun."""
    query = select(MESSAGES).where(MESSAGES.c.host == host, MESSAGES.c.expanded == 0)
    due = (MESSAGES.c.status == Status.SCHEDULED.value) & (MESSAGES.c.starts_at <= now) | (
        MESSAGES.c.status == Status.RUNNING.value
    )
    rows = connection.execute(
        query.where(due).order_by(MESSAGES.c.starts_at, MESSAGES.c.number).limit(limit)
    ).mappings()
    return [_stored(row) for row in rows]


def next_start(connection: Connection, host: str) -> float | None:
    """Return when the next scheduled message is to be sent."""
    waiting = (MESSAGES.c.host == host) & (MESSAGES.c.status == Status.SCHEDULED.value)
    found: float | None = connection.execute(select(func.min(MESSAGES.c.starts_at)).where(waiting)).scalar()
    return found


def set_status(
    connection: Connection, number: int, new: Status, old: Sequence[Status], at: float | None = None
) -> bool:
    """Give a message another status, if it has one of some; say whether it had."""
    values: dict[str, Any] = {"status": new.value}
    if at is not None:
        values["ended_at"] = at
    which = (MESSAGES.c.number == number) & MESSAGES.c.status.in_([status.value for status in old])
    return connection.execute(update(MESSAGES).where(which).values(values)).rowcount == 1


def set_rate(connection: Connection, number: int, rate: float) -> None:
    """Have a message sent to so many devices a second."""
    connection.execute(update(MESSAGES).where(MESSAGES.c.number == number).values(rate=rate))


def change(connection: Connection, message: Stored, host: str) -> bool:
    """Replace a message that nobody has been sent yet; say whether it still could be."""
    values = row_of(message, host)
    del values["status"]
    unsent = (
        MESSAGES.c.status.in_([Status.SCHEDULED.value, Status.PAUSED.value])
        & (MESSAGES.c.expanded == 0)
        & (MESSAGES.c.cursor == "")
    )
    which = (MESSAGES.c.number == message.number) & unsent
    return connection.execute(update(MESSAGES).where(which).values(values)).rowcount == 1


def expanded(connection: Connection, number: int, cursor: str | None, problem: str = "") -> None:
    """Note up to which account deliveries are written.

    :param cursor: None: those are all.
    :param problem: why there are no others.
    """
    done = cursor is None
    values: dict[str, Any] = {"expanded": 1, "problem": problem} if done else {"cursor": cursor}
    connection.execute(update(MESSAGES).where(MESSAGES.c.number == number).values(values))
    if done:
        connection.execute(delete(LISTED).where(LISTED.c.message == number))


def finish(connection: Connection, numbers: Sequence[int], at: float) -> list[int]:
    """End those of the messages that nobody waits for any more, and return them."""
    idle = select(COUNTS.c.message).where(COUNTS.c.message.in_(numbers), COUNTS.c.open == 0)
    which = (MESSAGES.c.number.in_(idle)) & (MESSAGES.c.status == Status.RUNNING.value) & (MESSAGES.c.expanded == 1)
    done = list(connection.scalars(select(MESSAGES.c.number).where(which)))
    if done:
        values = {"status": Status.DONE.value, "ended_at": at}
        connection.execute(update(MESSAGES).where(MESSAGES.c.number.in_(done)).values(values))
    return done


def old(connection: Connection, host: str, before: float, limit: int) -> list[int]:
    """Return messages that ended before a moment."""
    ended = (MESSAGES.c.host == host) & MESSAGES.c.status.in_([Status.DONE.value, Status.CANCELLED.value])
    query = select(MESSAGES.c.number).where(ended, MESSAGES.c.ended_at < before).limit(limit)
    return list(connection.scalars(query))


def forget(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete messages and everything about them."""
    for table in (DELIVERIES, LISTED, COUNTS):
        connection.execute(delete(table).where(table.c.message.in_(numbers)))
    connection.execute(delete(MESSAGES).where(MESSAGES.c.number.in_(numbers)))


def forget_deliveries(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete the deliveries of messages; the counts stay."""
    connection.execute(delete(DELIVERIES).where(DELIVERIES.c.message.in_(numbers)))


def with_deliveries(connection: Connection, host: str, before: float, limit: int) -> list[int]:
    """Return messages that ended before a moment, and whose deliveries are there still."""
    there = exists().where(DELIVERIES.c.message == MESSAGES.c.number)
    ended = (MESSAGES.c.host == host) & MESSAGES.c.status.in_([Status.DONE.value, Status.CANCELLED.value])
    query = select(MESSAGES.c.number).where(ended, MESSAGES.c.ended_at < before, there).limit(limit)
    return list(connection.scalars(query))
