"""What is kept: webhooks, and the events that wait for them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)  # fmt: skip

__all__ = ["EVENTS", "HOOKS", "Batch", "Hook", "add", "delivered", "forget", "load", "next_batch", "remove", "save"]

_METADATA = MetaData()
HOOKS = Table(
    "webhooks",
    _METADATA,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("events", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("delivered_at", Float),
    Column("failing_since", Float),
    Column("failures", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("problem", Text, nullable=False),
    Column("disabled", Text),
    Column("dropped", Integer, nullable=False),
)
EVENTS = Table(
    "webhook_events",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("hook", Text, nullable=False, index=True),
    Column("batch", Text),
    Column("event", Text, nullable=False),
)


@dataclass
class Hook:
    """A webhook.

    :ivar events: names of those it wants.
    :ivar delivered_at, failing_since: seconds since the epoch; None: it never was, it isn't.
    :ivar next_at: when it is tried again, if it fails.
    :ivar problem: what went wrong the last time.
    :ivar disabled: why it is told nothing any more; None while it is.
    :ivar dropped: how many events were lost on it because too many waited.
    """

    id: str
    host: str
    url: str
    label: str
    events: tuple[str, ...]
    secret: str
    created_at: float
    created_by: str
    delivered_at: float | None = None
    failing_since: float | None = None
    failures: int = 0
    next_at: float = 0.0
    problem: str = ""
    disabled: str | None = None
    dropped: int = 0

    @property
    def row(self) -> dict[str, object]:
        """What stands in the table."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "events": ",".join(self.events)}


@dataclass(frozen=True)
class Batch:
    """Events that are sent together.

    :ivar id: the same each time they are sent.
    """

    id: str
    events: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """What is sent."""
        return ('{"type": "events", "events": [' + ", ".join(self.events) + "]}").encode("utf-8", "replace")


def load(connection: Connection, host: str) -> list[tuple[Hook, int]]:
    """Return the webhooks of a host, and how many events wait for each."""
    counted = connection.execute(select(EVENTS.c.hook, func.count()).group_by(EVENTS.c.hook))
    waiting: dict[str, int] = {hook: count for hook, count in counted}
    rows = connection.execute(select(HOOKS).where(HOOKS.c.host == host).order_by(HOOKS.c.id)).mappings()
    return [(Hook(**{**row, "events": tuple(row["events"].split(","))}), waiting.get(row["id"], 0)) for row in rows]


def add(connection: Connection, row: dict[str, object]) -> None:
    """Keep a new webhook."""
    connection.execute(insert(HOOKS).values(row))


def save(connection: Connection, row: dict[str, object]) -> None:
    """Keep what has become of a webhook."""
    connection.execute(update(HOOKS).where(HOOKS.c.id == row["id"]).values(row))


def forget(connection: Connection, makers: Sequence[str]) -> None:
    """Forget who has made webhooks: they are gone.

    :param makers: what they were called.
    """
    connection.execute(update(HOOKS).where(HOOKS.c.created_by.in_(makers)).values(created_by=""))


def remove(connection: Connection, id: str) -> None:
    """Delete a webhook and what waits for it."""
    connection.execute(delete(EVENTS).where(EVENTS.c.hook == id))
    connection.execute(delete(HOOKS).where(HOOKS.c.id == id))


def next_batch(connection: Connection, hook: str, most: int) -> Batch | None:
    """Return what is to be sent next: what was sent before and not taken, else the oldest events; None: nothing.

    :param most: events.
    """
    own = EVENTS.c.hook == hook
    tried = connection.execute(select(EVENTS.c.batch).where(own, EVENTS.c.batch.is_not(None)).limit(1)).scalar()
    if tried is None:
        oldest = select(EVENTS.c.number).where(own).order_by(EVENTS.c.number).limit(most)
        numbers: Sequence[int] = connection.execute(oldest).scalars().all()
        if not numbers:
            return None
        tried = f"msg_{secrets.token_hex(12)}"
        which = EVENTS.c.number.in_(numbers)
        connection.execute(update(EVENTS).where(own, which).values(batch=tried))
    events = select(EVENTS.c.event).where(own, EVENTS.c.batch == tried).order_by(EVENTS.c.number)
    return Batch(tried, tuple(connection.execute(events).scalars()))


def delivered(connection: Connection, batch: str, row: dict[str, object]) -> None:
    """Forget a batch that was taken, and keep what has become of the webhook."""
    connection.execute(delete(EVENTS).where(EVENTS.c.hook == row["id"], EVENTS.c.batch == batch))
    save(connection, row)
