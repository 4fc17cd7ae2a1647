"""Who gets a message that comes: whose number it was sent to, or who has written to its sender."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from xmppd.api import Jid
from xmppd.api.gateway import Gateway, Outgoing
from xmppd.api.gateway.tables import execute
from xmppd.plugins.sms.tables import WRITTEN

__all__ = ["Writers", "recipients"]


def recipients(
    own: str,
    *,
    numbers: Mapping[str, Jid],
    writers: Sequence[tuple[str, Jid]],
    watchers: Iterable[Jid],
    fallback: Iterable[Jid],
) -> list[Jid]:
    """Return who gets a message; nobody, if it is for nobody.

    The first of these that there is: whose number it was sent to; who has written to its sender last, from that number
    or, if nobody has, from another one; all who have its sender in their roster; the fallback.

    :param own: the number of ours that it was sent to.
    :param numbers: whose number is whose.
    :param writers: who has written to its sender, with the number of ours that was used, the latest first.
    :param watchers: who has its sender in their roster.
    """
    if own in numbers:
        return [numbers[own]]
    for _, user in sorted(writers, key=lambda writer: writer[0] != own):
        return [user]
    return sorted(set(watchers)) or list(dict.fromkeys(fallback))


class Writers:
    """Who has written to whom last; it is kept in the database."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._jid = str(gateway.jid)

    def wrote(self, message: Outgoing, own: str) -> None:
        """Note that a user has written to a contact, together with all else that handling the message leaves behind.

        :param own: the number of ours that the contact sees.
        """
        key = {"gateway": self._jid, "contact": message.contact, "own": own, "account": str(message.user)}

        def write(connection: Connection) -> None:
            at = message.accepted_at
            if not connection.execute(update(WRITTEN).filter_by(**key).values(at=at)).rowcount:
                connection.execute(insert(WRITTEN).values(**key, at=at))

        self._gateway.host.store_call(message.message, write)

    async def to(self, contact: str) -> list[tuple[str, Jid]]:
        """Who has written to a contact lately, with the number of ours that was used, the latest first."""
        c = WRITTEN.c
        query = (
            select(c.own, c.account)
            .where(c.gateway == self._jid, c.contact == contact, c.at >= self._oldest())
            .order_by(c.at.desc())
            .limit(100)
        )
        read: Callable[[Connection], Any] = lambda connection: [tuple(row) for row in connection.execute(query)]  # noqa: E731
        return [(own, Jid.parse(account)) for own, account in await self._gateway.db.read(read)]

    async def expire(self) -> None:
        """Forget who has written long ago."""
        query = delete(WRITTEN).where(WRITTEN.c.gateway == self._jid, WRITTEN.c.at < self._oldest())
        await execute(self._gateway.db, query)

    async def forget(self, account: str) -> None:
        """Delete what is known of an account."""
        query = delete(WRITTEN).filter_by(gateway=self._jid, account=account)
        await execute(self._gateway.db, query)

    def _oldest(self) -> float:
        return self._gateway.clock.seconds() - self._gateway.options.reply_days * 86400.0
