"""Notifications (XEP-0163 section 4): who gets them, and the last item for those who come online."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable, Sequence

from xmppd.api import IHost, IRoster, IRosterView, ISession, Jid, Message, Stanza, settled, tag
from xmppd.api.blocking import IBlocking
from xmppd.plugins.pep import store
from xmppd.plugins.pep.access import audience, notified
from xmppd.plugins.pep.config import Config
from xmppd.plugins.pep.interest import wanted
from xmppd.plugins.pep.requests import event, item_element
from xmppd.wire.delay import delay

__all__ = ["Notices", "published"]


def published(node: str, config: Config, item: store.Item | None) -> bytes:
    """Return the event that tells of an item (XEP-0060 7.1.2.1)."""
    content = None if item is None else item_element(item, config.flag("deliver_payloads"))
    return event(tag("items", content, node=node))


def notice(account: Jid, to: Jid, payload: bytes) -> Message:
    """Return a notification: from the bare address to a full one (XEP-0163 4.3.1)."""
    return Message(to, account, type="headline", payload=payload)


class Notices:
    """Notifies devices.

    :param roster: says who sees the presence of whom; None if nobody does.
    """

    def __init__(self, host: IHost, roster: IRoster | None, blocking: IBlocking | None) -> None:
        self._host, self._roster, self._blocking = host, roster, blocking
        # For each read of last items under way: the nodes that have changed since.
        self._reading: list[set[tuple[str, str]]] = []

    def to_owner(self, account: Jid, node: str, payload: bytes) -> list[Message]:
        """Return the notifications for the owner's devices, all that want them."""
        for changed in self._reading:
            changed.add((str(account), node))
        devices = (s for s in self._host.sessions(account) if node in wanted(s))
        return [notice(account, session.jid, payload) for session in devices]

    async def to_all(self, account: Jid, node: str, config: Config, payload: bytes, cause: Stanza) -> None:
        """Notify the owner and those who may see the node.

        :param cause: the request on account of which it is done.
        """
        messages = self.to_owner(account, node, payload)
        for contact in audience(config, await self._rosters(account)):
            if self._blocking is None or not self._blocking.blocks(account, contact):
                devices = (s for s in self._host.sessions(contact) if node in wanted(s))
                messages += [notice(account, session.jid, payload) for session in devices]
        pending = [self._host.route(message.along(cause)) for message in messages]
        await settled(*pending)

    async def _rosters(self, account: Jid) -> IRosterView | None:
        return None if self._roster is None else await self._roster.load(account)

    # Last items

    async def last_to(self, session: ISession) -> None:
        """Send a device that has come online the last items, of the own nodes and those of contacts (4.3.4)."""
        roster = await self._rosters(session.account)
        contacts = () if roster is None else roster.subscriptions
        # Whoever is on another host: its roster, which decides, is out of reach.
        accounts = [session.account, *(c for c in contacts if c.domain == self._host.jid)]
        await self._last_of(accounts, [session], frozenset({"on_sub_and_presence"}))

    async def last_of(self, account: Jid, subscriber: Jid) -> None:
        """Send a new subscriber the last items of an account."""
        await self._last_of([account], self._host.sessions(subscriber), frozenset({"on_sub", "on_sub_and_presence"}))

    async def _last_of(self, accounts: Sequence[Jid], sessions: Sequence[ISession], when: Collection[str]) -> None:
        """Send devices of one user the last items of nodes that are configured to do so."""
        names = sorted(frozenset[str]().union(*map(wanted, sessions)))
        if not names:
            return
        texts = [str(account) for account in accounts]
        changed: set[tuple[str, str]] = set()
        self._reading.append(changed)
        try:
            lasts = await self._host.db.read(lambda c: store.lasts(c, texts, names))
            shown = [last for last in lasts if await self._may_see(last, sessions[0].account, when)]
        finally:
            self._reading[:] = [other for other in self._reading if other is not changed]
        # What was published meanwhile was notified of, and must not be followed by what came before it.
        current = [last for last in shown if (last.account, last.node) not in changed]
        await settled(*self._send(current, sessions))

    async def _may_see(self, last: store.Last, user: Jid, when: Collection[str]) -> bool:
        config, owner = last.config, Jid.parse(last.account)
        if config.sends_last not in when or not config.flag("deliver_notifications"):
            return False
        if owner == user:
            return True
        if self._blocking is not None and self._blocking.blocks(owner, user):
            return False
        roster = await self._rosters(owner)
        return roster is not None and notified(config, roster.items.get(user))

    def _send(self, lasts: Iterable[store.Last], sessions: Iterable[ISession]) -> list[Awaitable[None] | None]:
        pending = []
        for last in lasts:
            account = Jid.parse(last.account)
            payload = published(last.node, last.config, last.item) + delay(account, last.published)
            for session in sessions:
                if last.node in wanted(session):
                    pending.append(self._host.route(notice(account, session.jid, payload)))
        return pending
