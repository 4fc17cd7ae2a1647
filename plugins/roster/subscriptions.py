"""Subscription stanzas on their way out and in (RFC 6121 section 3), by the tables of :mod:`rules`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from xmppd.api import (
    Bounce,
    Condition,
    Handled,
    IHost,
    Jid,
    Presence,
    RosterChanged,
    RosterItem,
    StanzaError,
    SubscriptionApproved,
    Verdict,
    settled,
)
from xmppd.plugins.roster import rules
from xmppd.plugins.roster.rosters import Change, Roster, Rosters
from xmppd.plugins.roster.rules import State
from xmppd.plugins.roster.store import encode_request

__all__ = ["RequestLimits", "Subscriptions"]

#: How the ids of requests begin that the server has sent once more.
_AGAIN = "ask-again-"


class RequestLimits(NamedTuple):
    """Bounds for what strangers can have us keep. See the plugin's options."""

    items: int
    requests: int
    request_octets: int


class Subscriptions:
    """Handles the subscription stanzas of one host's accounts.

    :param tell: sends a stanza to the sessions that are to see it and, if the change is visible, the roster push.
    """

    def __init__(
        self,
        host: IHost,
        rosters: Rosters,
        limits: RequestLimits,
        tell: Callable[[Roster, Change, Presence | None], None],
    ) -> None:
        self._host = host
        self._rosters = rosters
        self._limits = limits
        self._tell = tell

    # From the user

    async def outbound(self, account: Jid, stanza: Presence) -> Verdict:
        """Take a subscription stanza that a client of `account` sent."""
        contact = stanza.recipient.bare
        if contact == account:
            return Bounce(StanzaError(Condition.NOT_ALLOWED, text="one's own presence needs no subscription"))
        if stanza.type == rules.SUBSCRIBE and not await self._may_exist(contact):
            # 3.1.2: "the local contact does not exist"
            return Bounce(StanzaError(Condition.ITEM_NOT_FOUND))
        rule = rules.outbound(State.NONE, stanza.type)

        def decide(roster: Roster) -> Change:
            nonlocal rule
            rule = rules.outbound(roster.state(contact), stanza.type)
            item = _item(roster.items.get(contact), contact, rule.state, rule.approved)
            if item is not None and contact not in roster.items and len(roster.items) >= self._limits.items:
                text = f"a roster holds {self._limits.items} contacts at most"
                raise StanzaError(Condition.POLICY_VIOLATION, text=text)
            request = roster.requests.get(contact) if rule.state.pending_in else None
            return roster.change(contact, item, request)

        change = await self._rosters.change(account, decide, lambda roster, done: self._tell(roster, done, None))
        if stanza.type != rules.SUBSCRIBED:
            await self._changed(account, change)
        if rule.route:
            # 3.1.2 and the like: stamped with the bare address, and for the bare address.
            await settled(self._host.route(_between(stanza, account, contact)))
        if stanza.type == rules.SUBSCRIBED:
            await self._changed(account, change)
            if rule.route:
                await settled(self._host.notify(SubscriptionApproved(account, contact)))
        return Handled()

    async def _may_exist(self, contact: Jid) -> bool:
        """False if the contact would be an account of this server and is none."""
        if not contact.local or not self._host.serves(contact.domain):
            return True
        known = self._host.accounts.known(contact)
        return await self._host.accounts.exists(contact) if known is None else known

    # From the contact

    async def inbound(self, account: Jid, stanza: Presence) -> Verdict:
        """Take a subscription stanza for `account`, addressed to its bare or a full address."""
        contact = stanza.sender.bare
        if contact == account:
            return Handled()
        stanza = _between(stanza, contact, account)
        rule = rules.inbound(State.NONE, stanza.type)

        def decide(roster: Roster) -> Change:
            nonlocal rule
            before, request = roster.items.get(contact), roster.requests.get(contact)
            state = roster.state(contact)
            rule = rules.inbound(state, stanza.type, before is not None and before.approved)
            if not rule.state.pending_in:
                request = None
            elif request is None:
                if len(roster.requests) >= self._limits.requests:
                    rule = rules.Inbound(False, state)
                else:
                    request = self._keepable(stanza)
            return roster.change(contact, _item(before, contact, rule.state, None), request)

        def then(roster: Roster, change: Change) -> None:
            self._tell(roster, change, stanza if rule.deliver else None)

        change = await self._rosters.change(account, decide, then)
        await self._changed(account, change)
        if rule.reply is not None:
            reply = Presence(to=contact, from_=account, id=stanza.id, type=rule.reply)
            await settled(self._host.route(reply))
            await settled(self._host.notify(SubscriptionApproved(account, contact)))
        return Handled()

    def _keepable(self, request: Presence) -> bytes:
        """Return what is stored of a request (3.1.3, point 4): all of it, or not its content if that is too large."""
        stored = encode_request(request)
        if len(stored) > self._limits.request_octets:
            stored = encode_request(request.with_payload(b""))
        return stored

    # Requests that may have been lost

    async def ask_again(self, account: Jid, roster: Roster, domain: str | None = None) -> int:
        """Send the requests that contacts elsewhere have not answered once more (3.1.2). Return how many there are.

        :param domain: where the contacts are; None: anywhere.
        """
        unanswered = [item.jid for item in roster.items.values() if item.ask]
        contacts = [jid for jid in unanswered if not self._host.serves(jid.domain) and domain in (None, jid.domain)]
        for contact in contacts:
            request = Presence(to=contact, from_=account, id=f"{_AGAIN}{contact}", type=rules.SUBSCRIBE)
            await settled(self._host.route(request))
        return len(contacts)

    def failed(self, account: Jid, error: Presence) -> Verdict | None:
        """Take an error for the bare address: the answer to a subscription stanza of the account (3.1.2).

        The devices are told, unless nobody there knows of the stanza because the server sent it by itself.
        """
        roster = self._rosters.cached(account)
        contact = error.from_.bare if error.from_ is not None else account
        item = None if roster is None else roster.items.get(contact)
        if roster is None or item is None:
            return None
        if not (error.id or "").startswith(_AGAIN):
            self._tell(roster, roster.change(contact, item, roster.requests.get(contact)), error)
        return Handled()

    # Both

    async def farewell(self, account: Jid, contact: Jid, state: State) -> None:
        """Tell a contact that it was removed from the roster, where it was in `state` (2.5.2)."""
        for type_ in rules.farewells(state):
            await settled(self._host.route(Presence(to=contact, from_=account, type=type_)))

    async def _changed(self, account: Jid, change: Change) -> None:
        if change.visible:
            await settled(self._host.notify(RosterChanged(account, change.contact, change.before, change.after)))


def _between(stanza: Presence, from_: Jid, to: Jid) -> Presence:
    """Return a subscription stanza between bare addresses.

    What it stands for is on disk by then. It needs not wait for what else its handling leaves behind, which would let
    roster pushes and the presence that comes of it arrive before it.
    """
    return Presence(to, from_, stanza.id, stanza.type, stanza.lang, stanza.payload, extra=stanza.extra)


def _item(before: RosterItem | None, contact: Jid, state: State, approved: bool | None) -> RosterItem | None:
    """Return the item in a new state; None if the contact is in no roster and has no reason to be (A.1, note)."""
    if before is None:
        if state.subscription is State.NONE.subscription and not state.pending_out and not approved:
            return None
        before = RosterItem(contact)
    item = replace(before, subscription=state.subscription, ask=state.pending_out)
    if approved is None:
        approved = item.approved
    # An approval in advance has served its purpose once there is a subscription.
    return replace(item, approved=approved and not item.from_)
