"""XEP-0191 Blocking Command."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from itertools import count

from xmppd.api import (
    OWN_ACCOUNT,
    AccountDeleted,
    Bounce,
    Condition,
    Drop,
    Element,
    Field,
    FromClient,
    Handled,
    Iq,
    ISession,
    Jid,
    JidError,
    Message,
    Phase,
    Plugin,
    Presence,
    Stanza,
    StanzaError,
    ToAccount,
    Verdict,
    filter,
    iq_get,
    iq_set,
    observe,
    settled,
    tag,
    use,
)
from xmppd.api.blocking import IBlocking
from xmppd.api.roster import IRoster
from xmppd.plugins.blocking import blocklist
from xmppd.plugins.blocking.blocklist import BlockList, affected, matches

NS = "urn:xmpp:blocking"
#: Under which name a session remembers that its client has asked for the list.
STATE = "blocking"
_NOBODY: BlockList = frozenset()
# Section 3.3. What the blocked see is what they would see if the user were offline.
_OUTGOING = StanzaError(Condition.NOT_ACCEPTABLE, "cancel", app=tag("blocked", xmlns="urn:xmpp:blocking:errors"))
_INCOMING = Bounce(StanzaError(Condition.SERVICE_UNAVAILABLE))
_DROP = Drop()
_HANDLED = Handled()


class Blocking(Plugin):
    """Let users block others: neither hears of the other again, and the blocked sees the user as offline."""

    xep = (191, "1.3")
    features = (NS,)
    provides = (IBlocking,)
    tables = (blocklist.ITEMS,)

    roster = use(IRoster)

    class Options(Plugin.Options):
        """Limits."""

        max_items: int = Field(1000, ge=1, description="Addresses that one account may block.")

    async def start(self) -> None:
        # Block lists are short and few have one; all are in memory, since mail for the absent is checked as well.
        self._lists: dict[Jid, BlockList] = await self.db.read(lambda c: blocklist.load(c, self.host.jid))
        self._ids = count(1)
        if self._lists:
            self.wake()

    def blocks(self, account: Jid, other: Jid) -> bool:
        """See :class:`xmppd.api.blocking.IBlocking`."""
        blocked = self._lists.get(account)
        # Section 4.1: never between a user's own devices, whatever the entries say.
        return blocked is not None and other.bare != account and matches(blocked, other)

    # Stanzas

    @filter(FromClient, Phase.POLICY, dormant=True)
    def outgoing(self, event: FromClient) -> Awaitable[Verdict] | Verdict | None:
        """Refuse what a user sends to somebody the user has blocked (section 3.3)."""
        to = event.stanza.to
        if to is None or not self.blocks(event.session.account, to):
            return None
        if event.stanza.answerable:
            # Straight to the device: the error is from the blocked, and would not come past `incoming`.
            pending = event.session.send(event.stanza.error(_OUTGOING))
            if pending is not None:
                return _after(pending)
        return _HANDLED

    @filter(ToAccount, Phase.POLICY, dormant=True)
    def incoming(self, event: ToAccount) -> Verdict | None:
        """Stop what comes from somebody blocked."""
        stanza, sender = event.stanza, event.stanza.from_
        if sender is None:
            return None
        if self.blocks(event.account, sender):
            return _refusal(stanza)
        # Presence that the server sends on behalf of another account here, which has blocked this one.
        if isinstance(stanza, Presence) and stanza.type != "error" and self.blocks(sender.bare, event.account):
            return _DROP
        return None

    # Commands

    @iq_get(NS, "blocklist", to=OWN_ACCOUNT)
    def block_list(self, request: Iq) -> Iq:
        """Answer with the block list, and tell this device of changes from now on (section 3.2)."""
        account, session = self._asker(request)
        if session is not None:
            session.keep(STATE, True)
        items = (tag("item", jid=jid) for jid in sorted(self._lists.get(account, _NOBODY)))
        return request.result(tag("blocklist", *items, xmlns=NS))

    @iq_set(NS, "block", to=OWN_ACCOUNT)
    async def block(self, request: Iq) -> Iq:
        """Block addresses (section 3.3)."""
        account, _ = self._asker(request)
        wanted = _items(request.request)
        if not wanted:
            raise StanzaError(Condition.BAD_REQUEST, text="nobody is named to be blocked")
        new = [jid for jid in wanted if jid not in self._lists.get(account, _NOBODY)]
        if len(self._lists.get(account, _NOBODY)) + len(new) > self.options.max_items:
            text = f"no more than {self.options.max_items} addresses can be blocked"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)
        subscribers = await self._subscribers(account)
        await self.db.write(lambda c: blocklist.add(c, account, wanted))
        before = self._lists.get(account, _NOBODY)
        after = before | frozenset(wanted)
        for jid in affected(subscribers, before, after):
            for session in self._available(account):
                self.host.send(Presence(jid, session.jid, type="unavailable"))
        self._lists[account] = after
        self.wake()
        self._push(account, "block", wanted)
        return request.result()

    @iq_set(NS, "unblock", to=OWN_ACCOUNT)
    async def unblock(self, request: Iq) -> Iq:
        """Unblock addresses, or all (sections 3.4 and 3.5)."""
        account, _ = self._asker(request)
        wanted = _items(request.request)
        if not wanted and any(True for _ in request.request.elements()):
            raise StanzaError(Condition.BAD_REQUEST, text="nobody is named to be unblocked")
        subscribers = await self._subscribers(account)
        if wanted:
            await self.db.write(lambda c: blocklist.remove(c, account, wanted))
        else:
            await self.db.write(lambda c: blocklist.clear(c, account))
        before = self._lists.get(account, _NOBODY)
        after = before - frozenset(wanted) if wanted else _NOBODY
        if after:
            self._lists[account] = after
        else:
            self._lists.pop(account, None)
        for jid in affected(subscribers, after, before):
            for session in self._available(account):
                if session.presence is not None:
                    self.host.send(session.presence.readdressed(to=jid))
        self._push(account, "unblock", wanted)
        return request.result()

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's block list."""
        await self.db.write(lambda c: blocklist.clear(c, event.account))
        self._lists.pop(event.account, None)

    # Pieces

    def _asker(self, request: Iq) -> tuple[Jid, ISession | None]:
        return request.sender.bare, self.host.session(request.sender)

    async def _subscribers(self, account: Jid) -> Sequence[Jid]:
        return () if self.roster is None else (await self.roster.load(account)).subscribers

    def _available(self, account: Jid) -> list[ISession]:
        return [session for session in self.host.sessions(account) if session.presence is not None]

    def _push(self, account: Jid, name: str, jids: list[Jid]) -> None:
        """Tell the devices that have asked for the list (sections 3.3 to 3.5)."""
        payload = tag(name, *(tag("item", jid=jid) for jid in jids), xmlns=NS)
        for session in self.host.sessions(account):
            if session.state.get(STATE):
                pending = session.send(Iq(session.jid, None, f"block{next(self._ids)}", "set", payload=payload))
                if pending is not None:
                    self.host.spawn(settled(pending), f"telling {session.jid} of a changed block list")


def _refusal(stanza: Stanza) -> Verdict:
    """What becomes of a stanza from somebody blocked (section 3.3)."""
    if isinstance(stanza, Iq):
        return _INCOMING if stanza.answerable else _DROP
    # An error sent to a room would make it throw out the user for what one occupant said.
    return _INCOMING if isinstance(stanza, Message) and stanza.type != "groupchat" else _DROP


def _items(request: Element) -> list[Jid]:
    """Return the addresses named, each once. Raises StanzaError."""
    named: dict[Jid, None] = {}
    for item in request.elements(NS, "item"):
        try:
            named[Jid.parse(item["jid"])] = None
        except KeyError:
            raise StanzaError(Condition.BAD_REQUEST, text="an item has no jid") from None
        except JidError as error:
            raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
    return list(named)


async def _after(pending: Awaitable[None]) -> Verdict:
    await pending
    return _HANDLED
