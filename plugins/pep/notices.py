"""Notifications (XEP-0163 section 4): who gets them, and the last item for those who come online."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from xmppd.api import IHost, IRoster, IRosterView, ISession, Jid, Message, Stanza, settled, tag
from xmppd.api.blocking import IBlocking
from xmppd.api.presence import IContactDevices
from xmppd.plugins.pep import store
from xmppd.plugins.pep.access import audience, notified
from xmppd.plugins.pep.config import Config
from xmppd.plugins.pep.interest import wanted
from xmppd.plugins.pep.requests import event, item_element
from xmppd.wire.delay import delay

__all__ = ["Notices", "published"]

#: The full address of a device, and the nodes that it wants to hear of.
Device = tuple[Jid, Collection[str]]


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
    :param elsewhere: says which devices of contacts on other servers and components there are; None if nobody knows.
    :param wanted_elsewhere: says what such a device wants to hear of.
    """

    def __init__(
        self,
        host: IHost,
        roster: IRoster | None,
        blocking: IBlocking | None,
        elsewhere: IContactDevices | None,
        wanted_elsewhere: Callable[[Jid], Collection[str]],
    ) -> None:
        self._host, self._roster, self._blocking = host, roster, blocking
        self._elsewhere, self._wanted_elsewhere = elsewhere, wanted_elsewhere
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
                devices = (jid for jid, nodes in self._devices(account, contact) if node in nodes)
                messages += [notice(account, device, payload) for device in devices]
        pending = [self._host.route(message.along(cause)) for message in messages]
        await settled(*pending)

    async def _rosters(self, account: Jid) -> IRosterView | None:
        return None if self._roster is None else await self._roster.load(account)

    def _devices(self, account: Jid, contact: Jid) -> list[Device]:
        """Return the devices of a contact that an account knows of."""
        if self._host.serves(contact.domain):
            return [_device(session) for session in self._host.sessions(contact)]
        if self._elsewhere is None:
            return []
        return [(jid, self._wanted_elsewhere(jid)) for jid in self._elsewhere.devices(account, contact)]

    # Last items

    async def last_to(self, session: ISession) -> None:
        """Send a device that has come online the last items, of the own nodes and those of contacts (4.3.4)."""
        roster = await self._rosters(session.account)
        contacts = () if roster is None else roster.subscriptions
        # Contacts on another host have rosters there, which decide: it is told by ContactAvailable.
        accounts = [session.account, *(c for c in contacts if c.domain == self._host.jid)]
        await self._last_of(accounts, session.account, [_device(session)], frozenset({"on_sub_and_presence"}))

    async def last_to_visitor(self, account: Jid, device: Jid) -> None:
        """Send a contact's device, which is elsewhere and has come online, the last items of an account."""
        devices = [(device, self._wanted_elsewhere(device))]
        await self._last_of([account], device.bare, devices, frozenset({"on_sub_and_presence"}))

    async def last_of(self, account: Jid, subscriber: Jid) -> None:
        """Send a new subscriber the last items of an account."""
        when = frozenset({"on_sub", "on_sub_and_presence"})
        await self._last_of([account], subscriber, self._devices(account, subscriber), when)

    async def _last_of(
        self, accounts: Sequence[Jid], user: Jid, devices: Sequence[Device], when: Collection[str]
    ) -> None:
        """Send devices of one user the last items of nodes that are configured to do so."""
        names = sorted(frozenset[str]().union(*(nodes for _, nodes in devices)))
        if not names:
            return
        texts = [str(account) for account in accounts]
        changed: set[tuple[str, str]] = set()
        self._reading.append(changed)
        try:
            lasts = await self._host.db.read(lambda c: store.lasts(c, texts, names))
            shown = [last for last in lasts if await self._may_see(last, user, when)]
        finally:
            self._reading[:] = [other for other in self._reading if other is not changed]
        # What was published meanwhile was notified of, and must not be followed by what came before it.
        current = [last for last in shown if (last.account, last.node) not in changed]
        await settled(*self._send(current, devices))

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

    def _send(self, lasts: Iterable[store.Last], devices: Sequence[Device]) -> list[Awaitable[None] | None]:
        pending = []
        for last in lasts:
            account = Jid.parse(last.account)
            payload = published(last.node, last.config, last.item) + delay(account, last.published)
            for jid, nodes in devices:
                if last.node in nodes:
                    pending.append(self._host.route(notice(account, jid, payload)))
        return pending


def _device(session: ISession) -> Device:
    return session.jid, wanted(session)
