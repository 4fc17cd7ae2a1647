"""What is sent in order, each item when what it depends on is on disk: to clients, components and other servers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from xmppd.core.durable.units import Batch, Spread
    from xmppd.wire.jid import Jid
    from xmppd.wire.stanza import Stanza

__all__ = ["InTurn", "Recipient", "send_to"]

Item = TypeVar("Item")


class Recipient(Protocol):
    """Who is sent stanzas when the unit of work that they belong to is closed."""

    @property
    def account(self) -> Jid | None:
        """The account whose device it is; None for components and other servers."""

    def emit(self, stanza: Stanza, batch: Batch | None, spread: Spread | None = None) -> None:
        """Send a stanza after all that was to be sent before it, and when `batch` is on disk."""


def send_to(recipient: Recipient, stanza: Stanza) -> None:
    """Send a stanza to a component or another server as soon as what it depends on allows."""
    unit = stanza.unit
    if unit is None:
        recipient.emit(stanza, None)
    elif unit.open:  # type: ignore[attr-defined]  # of core's units
        unit.send(recipient, stanza)  # type: ignore[attr-defined]
    else:
        recipient.emit(stanza, unit.batch)  # type: ignore[attr-defined]


class InTurn(Generic[Item]):
    """Base of what keeps items back for a batch. A subclass has slots for `_waiting`, which begins as None.

    Items go out at once while nothing waits: ``if self._waiting is None and (batch is None or batch.committed)``.
    """

    __slots__ = ()
    _waiting: deque[tuple[int, Item]] | None

    def put_off(self, item: Item, batch: Batch | None) -> None:
        """Have an item wait for a batch, and for those before it."""
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = deque()  # type: ignore[misc]  # a slot of the subclass
        if batch is not None and not batch.committed:
            waiting.append((batch.number, item))
            batch.waiters[self] = None  # type: ignore[index]  # a subclass has `committed`
        else:
            waiting.append((0, item))

    def due(self, batch: Batch) -> list[Item]:
        """Return the items that can go out now that a batch is on disk."""
        waiting = self._waiting
        items: list[Item] = []
        while waiting and waiting[0][0] <= batch.number:
            items.append(waiting.popleft()[1])
        if not waiting:
            self._waiting = None  # type: ignore[misc]
        return items
