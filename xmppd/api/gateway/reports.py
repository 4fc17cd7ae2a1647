"""What becomes of messages that were sent to another network: delivered, refused, or nobody ever knows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update

from xmppd.api.gateway.outgoing import Outgoing, from_row, receipt
from xmppd.api.waiting import settled
from xmppd.wire.errors import StanzaError
from xmppd.wire.stanza import Message, Stanza
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.api.gateway.base import Gateway

__all__ = ["Reports"]

_EARLY = 1000  # reports that came before the answer to what they are about


class Reports:
    """The reports that one gateway waits for, and what it tells the senders."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = str(gateway.jid)
        self._tables = gateway.gateway_tables
        self._early: OrderedDict[str, StanzaError | None] = OrderedDict()

    async def sent(self, message: Outgoing, references: Sequence[str]) -> None:
        """A message was sent; keep it as long as reports with these names may come."""
        if not references:
            await self._gateway.db.write(lambda connection: self._forget(connection, message.number))
            return
        names = list(dict.fromkeys(references))
        await self._gateway.db.write(lambda connection: self._keep(connection, message, names))
        for name in names:
            if name in self._early:
                await self.reported(name, self._early.pop(name))

    def _keep(self, connection: Connection, message: Outgoing, names: Sequence[str]) -> None:
        queue, reports = self._tables.queue, self._tables.reports
        now = self._gateway.clock.seconds()
        row_of = update(queue).filter_by(gateway=self._jid, number=message.number)
        if not connection.execute(row_of.values(sent_at=now)).rowcount:
            return  # its sender has gone meanwhile, and nobody is told of it
        # Networks give names anew some day: the latest message of that name is meant.
        c = reports.c
        connection.execute(delete(reports).where(c.gateway == self._jid, c.reference.in_(names)))
        row = {"gateway": self._jid, "number": message.number, "account": str(message.user)}
        connection.execute(insert(reports), [{**row, "reference": name} for name in names])

    def _forget(self, connection: Connection, number: int) -> None:
        connection.execute(delete(self._tables.queue).filter_by(gateway=self._jid, number=number))
        connection.execute(delete(self._tables.reports).filter_by(gateway=self._jid, number=number))

    async def reported(self, reference: str, error: StanzaError | None) -> Outgoing | None:
        """The other network reports on a message, or a part of it.

        :returns: the message, if nothing more has to be waited for.
        """
        outcome = await self._gateway.db.write(lambda connection: self._find(connection, reference, error is not None))
        if outcome is None:
            self._early[reference] = error
            if len(self._early) > _EARLY:
                self._early.popitem(last=False)
            return None
        message, complete = outcome
        if not complete:
            return None
        if error is not None:
            await self.refuse(message, error)
        elif message.wants_receipt:
            await self._tell(message, receipt(message.message))
        else:
            await self._gateway.db.write(lambda connection: self._forget(connection, message.number))
        return message

    def _find(self, connection: Connection, reference: str, failed: bool) -> tuple[Outgoing, bool] | None:
        """Strike out a name; return the message, and whether all is known of it now."""
        queue, reports = self._tables.queue, self._tables.reports
        key = {"gateway": self._jid, "reference": reference}
        number = connection.scalar(select(reports.c.number).filter_by(**key))
        if number is None:
            return None
        row = connection.execute(select(queue).filter_by(gateway=self._jid, number=number)).mappings().first()
        others = select(reports.c.reference).where(
            reports.c.gateway == self._jid, reports.c.number == number, reports.c.reference != reference
        )
        complete = failed or connection.execute(others.limit(1)).first() is None
        if not complete:
            connection.execute(delete(reports).filter_by(**key))
        return None if row is None else (from_row(dict(row)), complete)

    async def refuse(self, message: Outgoing, error: StanzaError) -> None:
        """A message can't be delivered: tell the sender, and forget it."""
        self._gateway.log.info(
            "{gateway}: message {key} of {user} failed: {error}",
            gateway=self._jid, key=message.key, user=message.user, error=str(error),
        )  # fmt: skip
        await self._tell(message, self._notice(message, error))

    async def _tell(self, message: Outgoing, stanza: Stanza) -> None:
        """Tell the sender, and forget the message: both or nothing."""
        host = self._gateway.host
        with host.unit(stanza):
            host.store_call(stanza, lambda connection: self._forget(connection, message.number))
            await settled(host.route(stanza))
        await host.stored(stanza)

    def _notice(self, message: Outgoing, error: StanzaError) -> Message:
        """Return the error reply; if the device has left, which would not get it, a message in words for all others."""
        sender = message.message.sender
        if self._gateway.is_there(sender):
            return message.message.error(error)
        shown = message.body if len(message.body) <= 80 else message.body[:79] + "\u2026"
        text = f"Your message could not be delivered ({error.text or error.condition}): {shown}"
        return Message(message.user, message.message.to, None, "chat", None, tag("body", text))

    async def expire(self) -> None:
        """Wait no more for reports that will not come."""
        c = self._tables.queue.c
        before = self._gateway.clock.seconds() - self._gateway.options.report_days * 86400.0

        def write(connection: Connection) -> None:
            old = select(c.number).where(c.gateway == self._jid, c.sent_at > 0, c.sent_at < before)
            for number in list(connection.scalars(old)):
                self._forget(connection, number)

        await self._gateway.db.write(write)
