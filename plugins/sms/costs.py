"""What messages cost: prices by prefix, and what users may spend in a month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, delete, insert, select, update

from xmppd.api import Condition, Jid, StanzaError
from xmppd.api.gateway import Gateway, Outgoing
from xmppd.api.gateway.tables import execute
from xmppd.plugins.sms.prefixes import longest
from xmppd.plugins.sms.tables import SPENT
from xmppd.wire.errors import ErrorType

__all__ = ["Costs", "in_words", "price_of"]

#: Money is counted in whole ten-thousandths of the unit in which prices are given.
_UNIT = 10_000
_TOTAL = ""  # the account that stands for all


def price_of(number: str, prices: Mapping[str, float]) -> int | None:
    """What one short message to a number costs; None if nobody has said so.

    :param number: in its normal form. :param prices: by prefix, the longest counts; "" is for all others.
    """
    if not prices:
        return 0
    prefix = longest(number, [prefix for prefix in prices if prefix.startswith("+") == number.startswith("+")])
    if prefix is None and "" not in prices:
        return None
    return round(prices[prefix or ""] * _UNIT)


def in_words(amount: int, currency: str) -> str:
    """An amount with the currency."""
    return f"{amount / _UNIT:g} {currency}"


class Costs:
    """What the users of one gateway have spent in this month (UTC); it is kept in the database."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = str(gateway.jid)
        self._spent: dict[tuple[str, str], int] = {}

    async def load(self) -> None:
        """Read what was spent; forget earlier months."""
        await self.expire()
        c, month = SPENT.c, self._month()

        def read(connection: Connection) -> dict[tuple[str, str], int]:
            rows = connection.execute(select(c.account, c.amount).where(c.gateway == self._jid, c.month == month))
            return {(account, month): amount for account, amount in rows}

        self._spent = await self._gateway.db.read(read)

    async def expire(self) -> None:
        """Forget earlier months."""
        month = self._month()
        self._spent = {key: amount for key, amount in self._spent.items() if key[1] == month}
        query = delete(SPENT).where(SPENT.c.gateway == self._jid, SPENT.c.month != month)
        await execute(self._gateway.db, query)

    def spent(self, account: str = _TOTAL) -> int:
        """What an account has spent in this month; by default, all together."""
        return self._spent.get((account, self._month()), 0)

    def amount(self, contact: str, parts: int) -> int:
        """Return what a message costs.

        :param parts: how many short messages it takes.
        :raises StanzaError: not-allowed: there is no price for that number.
        """
        price = price_of(contact, self._gateway.options.prices)
        if price is None:
            raise StanzaError(Condition.NOT_ALLOWED, text=f"There is no price for messages to {contact}.")
        return price * parts

    def check(self, user: Jid, amount: int) -> None:
        """May a user spend that?

        :raises StanzaError: policy-violation: the user may not; resource-constraint: all together may not.
        """
        options = self._gateway.options
        for account, cap, condition, who in (
            (str(user), options.user_cap, Condition.POLICY_VIOLATION, "you have"),
            (_TOTAL, options.gateway_cap, Condition.RESOURCE_CONSTRAINT, "all users together have"),
        ):
            spent, limit = self.spent(account), round(cap * _UNIT)
            if limit and spent + amount > limit:
                costs, most = in_words(amount, options.currency), in_words(limit, options.currency)
                text = f"This message costs {costs}, and {who} spent {spent / _UNIT:g} of {most} this month."
                raise StanzaError(condition, ErrorType.WAIT, text)

    def spend(self, message: Outgoing, amount: int) -> None:
        """Count a message that is accepted, together with all else that handling it leaves behind."""
        month = self._month()
        for account in (str(message.user), _TOTAL):
            self._spent[account, month] = self._spent.get((account, month), 0) + amount
            key = {"gateway": self._jid, "account": account, "month": month}
            self._gateway.host.store_call(message.message, partial(_add, key, amount))

    async def forget(self, account: str) -> None:
        """Delete what is known of an account; what all have spent together stays."""
        for key in [key for key in self._spent if key[0] == account]:
            del self._spent[key]
        query = delete(SPENT).filter_by(gateway=self._jid, account=account)
        await execute(self._gateway.db, query)

    def _month(self) -> str:
        return f"{datetime.fromtimestamp(self._gateway.clock.seconds(), UTC):%Y-%m}"


def _add(key: Mapping[str, str], amount: int, connection: Connection) -> None:
    """Add to a row, which is made if need be."""
    if not connection.execute(update(SPENT).filter_by(**key).values(amount=SPENT.c.amount + amount)).rowcount:
        connection.execute(insert(SPENT).values(**key, amount=amount))
