"""How much a user may send: messages in a minute, and messages, or their cost, in a day and in a month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update

from xmppd.api.gateway.outgoing import Outgoing
from xmppd.api.gateway.tables import execute
from xmppd.api.limits import Window
from xmppd.wire.errors import Condition, ErrorType, StanzaError

if TYPE_CHECKING:
    from xmppd.api.gateway.base import Gateway

__all__ = ["Quota"]

_MINUTE = 60.0


class Quota:
    """What the users of one gateway have sent. Days and months are those of UTC; they are kept in the database."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._table = gateway.gateway_tables.usage
        self._used: dict[tuple[str, str], int] = {}
        self._lately = Window(gateway.options.per_minute, _MINUTE)

    def set_limits(self) -> None:
        """Take other options."""
        self._lately.set_limits(self._gateway.options.per_minute, _MINUTE)

    async def load(self) -> None:
        """Read what was used in this month."""
        gateway, periods = str(self._gateway.jid), self._periods()
        c = self._table.c

        def read(connection: Connection) -> list[tuple[str, str, int]]:
            query = select(c.account, c.period, c.used).where(c.gateway == gateway, c.period.in_(periods))
            return [(account, period, used) for account, period, used in connection.execute(query)]

        self._used = {(account, period): used for account, period, used in await self._gateway.db.read(read)}

    async def expire(self) -> None:
        """Delete what was used in periods that are over."""
        gateway, periods, c = str(self._gateway.jid), self._periods(), self._table.c
        self._used = {key: used for key, used in self._used.items() if key[1] in periods}
        await execute(self._gateway.db, delete(self._table).where(c.gateway == gateway, c.period.not_in(periods)))

    async def reset(self, account: str) -> None:
        """Forget what a user has used so far."""
        self._used = {key: used for key, used in self._used.items() if key[0] != account}
        query = delete(self._table).filter_by(gateway=str(self._gateway.jid), account=account)
        await execute(self._gateway.db, query)

    def used(self, account: str) -> tuple[int, int]:
        """Return what a user has used today and in this month."""
        day, month = self._periods()
        return self._used.get((account, day), 0), self._used.get((account, month), 0)

    def check(self, message: Outgoing) -> None:
        """Raise policy-violation, of type wait, if a user may not send that now (RFC 6120 8.3.3.12)."""
        options, account = self._gateway.options, str(message.user)
        if self._lately.full(account, self._gateway.clock.seconds()):
            raise _too_much(f"{options.per_minute} messages a minute can be sent")
        for used, limit, period in zip(
            self.used(account), (options.per_day, options.per_month), ("today", "this month"), strict=True
        ):
            if limit and used + message.cost > limit:
                raise _too_much(f"{used} of {limit} are used up {period}, and this message counts for {message.cost}")

    def spend(self, message: Outgoing) -> None:
        """Count a message that is accepted, together with all else that handling it leaves behind."""
        account = str(message.user)
        self._lately.add(account, self._gateway.clock.seconds())
        for period in self._periods():
            self._used[account, period] = self._used.get((account, period), 0) + message.cost
            key = {"gateway": str(self._gateway.jid), "account": account, "period": period}
            self._gateway.host.store_call(message.message, partial(self._add, key, message.cost))

    def _add(self, key: Mapping[str, str], cost: int, connection: Connection) -> None:
        """Add to a row, which is made if need be."""
        table = self._table
        if not connection.execute(update(table).filter_by(**key).values(used=table.c.used + cost)).rowcount:
            connection.execute(insert(table).values(**key, used=cost))

    def _periods(self) -> tuple[str, str]:
        now = datetime.fromtimestamp(self._gateway.clock.seconds(), UTC)
        return f"{now:%Y-%m-%d}", f"{now:%Y-%m}"


def _too_much(text: str) -> StanzaError:
    return StanzaError(Condition.POLICY_VIOLATION, ErrorType.WAIT, text)
