"""What plugins store on account of stanzas: the part of :class:`xmppd.api.IHost` that leads to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred

from xmppd.core.durable.units import Batch, Unit

if TYPE_CHECKING:
    from xmppd.api.storage import Row
    from xmppd.core.server import Server
    from xmppd.wire.stanza import Stanza

__all__ = ["Storing", "Told"]


class Storing:
    """Base of a host."""

    server: Server

    def store(self, stanza: Stanza, table: Table, row: Row) -> None:
        """See :class:`xmppd.api.IHost`."""
        self.server.ledger.unit_of(stanza).store(table, row)

    def will_store(self, stanza: Stanza) -> None:
        """See :class:`xmppd.api.IHost`."""
        self.server.ledger.unit_of(stanza)

    def store_call(self, stanza: Stanza, fn: Callable[[Connection], object]) -> None:
        """See :class:`xmppd.api.IHost`."""
        self.server.ledger.unit_of(stanza).call(fn)

    async def stored(self, *stanzas: Stanza) -> None:
        """See :class:`xmppd.api.IHost`."""
        for stanza in stanzas:
            unit = stanza.unit
            if isinstance(unit, Unit) and unit.open:
                told = Told()
                unit.wait(told)
                await told.deferred
        ledger = self.server.ledger
        batch = ledger.latest
        if batch is not None:
            told = Told()
            batch.waiters[told] = None
            await told.deferred

    def stored_before(self) -> float:
        """See :class:`xmppd.api.IHost`."""
        return self.server.ledger.settled_before()

    @contextmanager
    def unit(self, *stanzas: Stanza) -> Iterator[None]:
        """See :class:`xmppd.api.IHost`."""
        unit = Unit()
        for stanza in stanzas:
            if stanza.unit is None or not isinstance(stanza.unit, Unit) or not stanza.unit.open:
                stanza.unit = unit
        try:
            yield
        finally:
            unit.close(self.server.ledger)


class Told:
    """Waits for a batch."""

    def __init__(self) -> None:
        self.deferred: Deferred[None] = Deferred()

    def committed(self, batch: Batch) -> None:
        """See :class:`xmppd.core.durable.units.Waiter`."""
        self.deferred.callback(None)
