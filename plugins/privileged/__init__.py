"""XEP-0356 Privileged Entity: external components that act in the name of users.

Who may do what is in the settings of components, ``[components."pubsub.example.org".privileges]``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any

from xmppd.api import (
    ACCOUNT,
    HOST,
    NO_ACCOUNT,
    AvailabilityChanged,
    Field,
    Handled,
    IHost,
    Iq,
    IRoster,
    Jid,
    Message,
    Pass,
    Phase,
    Plugin,
    Presence,
    RosterChanged,
    Stanza,
    StanzaError,
    ToAccount,
    ToHost,
    Verdict,
    filter,
    iq_get,
    iq_set,
    observe,
    settled,
    tag,
    use,
)
from xmppd.api.components import ComponentChanged, ComponentConnected, IExternal
from xmppd.api.events.network import ServerUnreachable
from xmppd.plugins.privileged.permissions import (
    NS,
    allows,
    any_of,
    encapsulated,
    forbidden,
    privilege,
    pushes,
    subscription_in,
)
from xmppd.plugins.privileged.presences import Known
from xmppd.wire.forward import NS as FORWARD
from xmppd.wire.forward import forwarded, stanza_of

__all__ = ["Privileged"]

ROSTER = "jabber:iq:roster"
_AVAILABLE = ("available", "unavailable")


class Privileged(Plugin):
    """Let external components act in the name of users, as far as their settings allow it."""

    xep = (356, "0.4.1")

    roster = use(IRoster)

    class Options(Plugin.Options):
        """How much is remembered."""

        devices: int = Field(
            20, ge=1, description="How many devices of one contact are remembered for components that see presence."
        )

    def __init__(self, host: IHost, options: Plugin.Options | None = None) -> None:
        super().__init__(host, options)
        self._known: dict[Jid, Known] = {}  # of the components that see the presence of contacts
        self._numbers = 0

    async def start(self) -> None:
        """Look who has permissions."""
        self._look()
        for component in self.host.external_components():
            if component.connected and any_of(component.privileges):
                self.host.send(self._advertisement(component, everything=False))

    async def reconfigured(self, options: Any) -> None:
        """Go by other options from now on."""
        for known in self._known.values():
            known.devices = options.devices

    def _look(self) -> None:
        components = self.host.external_components()
        if components:
            self.wake()
        watching = {c.jid for c in components if c.privileges.presence == "roster"}
        self._known = {jid: self._known.get(jid) or Known(self.options.devices) for jid in watching}

    def _component(self, address: Jid | None) -> IExternal | None:
        """Return the component of this host that has that address."""
        if address is None or address.local:
            return None
        return next((c for c in self.host.external_components() if c.jid.domain == address.domain), None)

    # Telling components what they may do

    @observe(ComponentConnected)
    def connected(self, event: ComponentConnected) -> None:
        """Tell a component what it may do (4.2), and then who is there (7.3)."""
        granted = event.component.privileges
        if any_of(granted):
            event.send(self._advertisement(event.component, everything=False))
            if granted.presence != "none" and event.first:
                for presence in self._present(event.component):
                    event.send(presence.readdressed(to=event.component.jid))

    @observe(ComponentChanged)
    def changed(self, event: ComponentChanged) -> None:
        """Tell a component that it may do something else from now on."""
        self._look()
        if event.component.connected and event.component in self.host.external_components():
            self.host.send(self._advertisement(event.component, everything=True))

    def _advertisement(self, component: IExternal, everything: bool) -> Message:
        self._numbers += 1
        content = privilege(component.privileges, everything)
        return Message(component.jid, self.host.jid, f"privileges-{self._numbers}", payload=content)

    # Rosters, and requests in the name of users

    @filter(ToAccount, Phase.POLICY, kinds=(Iq,), dormant=True)
    def to_account(self, event: ToAccount) -> Awaitable[Verdict] | Verdict | None:
        """Take requests of components for rosters, and those they want to make in the name of an account."""
        iq = event.stanza
        component = self._component(iq.from_)
        if component is None or not iq.answerable or not isinstance(iq, Iq):
            return None
        if iq.has(ROSTER, "query") and iq.recipient.is_bare:
            return self._roster(iq, component)
        if iq.has(NS, "privileged_iq"):
            return self._request(iq, component)
        return None

    @iq_get(NS, "privileged_iq", to=(HOST, ACCOUNT, NO_ACCOUNT))
    @iq_set(NS, "privileged_iq", to=(HOST, ACCOUNT, NO_ACCOUNT))
    def refuse(self, request: Iq) -> Iq:
        """Refuse requests of those that are no component of ours, or in the name of who is no user (6.3)."""
        raise forbidden("it is not for the bare address of a user, or not from a component of the user's host")

    async def _roster(self, iq: Iq, component: IExternal) -> Verdict:
        """Have a component read or change a roster as its owner would (4.3)."""
        if not allows(component.privileges.roster, iq.type):
            raise forbidden(f"{component.jid} may not {iq.type} rosters")
        account = iq.recipient
        answer = await self.host.answer_as(iq.readdressed(from_=account))
        await self._subscribe(account, iq, component)
        return Handled(also=[iq.result(answer.payload).along(iq)])

    async def _subscribe(self, account: Jid, iq: Iq, component: IExternal) -> None:
        """Let a component say how its own addresses are subscribed, as gateways do with the contacts of a user.

        XEP-0356 leaves that open; XEP-0321, where it comes from, has it in its examples. A component could have asked
        for as much and answered itself. In everybody else's subscriptions it has no say.
        """
        roster, wanted = self.roster, subscription_in(iq, component.jid.domain)
        if roster is None or wanted is None:
            return
        item = (await roster.load(account)).items.get(wanted[0])
        if item is not None and item.subscription != wanted[1]:
            await roster.put(account, item.jid, item.name, item.groups, wanted[1])

    def _request(self, iq: Iq, component: IExternal) -> Verdict:
        """Make a request in the name of an account (6.3). Whatever else comes doesn't wait for the answer."""
        account = iq.recipient
        if not account.is_bare:
            raise forbidden("it is not for the bare address of a user")
        inner = encapsulated(iq, component.privileges, account)
        self.host.spawn(self._ask(iq, inner, account), f"a request of {component.jid} in the name of {account}")
        return Handled()

    async def _ask(self, iq: Iq, inner: Iq, account: Jid) -> None:
        """Pass on the answer to a request, result or error."""
        inner = inner.readdressed(from_=account)
        try:
            answer = await self.host.request_as(account, inner)
            reply = Iq(account, inner.to, inner.id, "result", answer.lang, answer.payload)
        except StanzaError as error:
            reply = Iq(account, inner.to, inner.id, "error", payload=error.to_bytes())
        self.host.send(iq.result(tag("privilege", forwarded(reply), xmlns=NS)))

    @observe(RosterChanged)
    def roster_changed(self, event: RosterChanged) -> None:
        """Send roster pushes to those who may read rosters (4.4)."""
        for component in self.host.external_components():
            if component.connected and pushes(component.privileges):
                self._numbers += 1
                item = tag("item", jid=event.contact, subscription="remove")
                query = tag("query", item if event.after is None else event.after.to_bytes(), xmlns=ROSTER)
                number = f"roster-push-{self._numbers}"
                self.host.send(Iq(component.jid, event.account, number, "set", payload=query))

    # Messages in the name of users, or of the host

    @filter(ToHost, Phase.POLICY, kinds=(Message,), dormant=True)
    def message(self, event: ToHost) -> Awaitable[Verdict] | None:
        """Send a message in somebody's name (5.3)."""
        message = event.stanza
        if not message.has(NS, "privilege") or message.type == "error":
            return None
        component = self._component(message.from_)
        if component is None or component.privileges.message != "outgoing":
            raise forbidden("there is no permission to send messages")
        return self._send(message)

    async def _send(self, message: Stanza) -> Verdict:
        inner = _inside(message)
        sender = inner.from_
        if sender is None or not sender.is_bare or sender.domain != self.host.jid.domain:
            raise forbidden(f"the message in it is not from a bare address of {self.host.jid}")
        inner.along(message)
        if sender == self.host.jid:
            if inner.to is None:
                raise forbidden("the message in it is to nobody")
            return Handled(also=[inner])
        if not await self.host.accounts.exists(sender):
            raise forbidden(f"there is no {sender}")
        await settled(self.host.act(inner))
        return Handled()

    # Presence

    def _present(self, component: IExternal) -> Iterator[Presence]:
        """Yield the presence that a component sees: of all users, and maybe of their contacts."""
        for session in self.host.all_sessions():
            if session.presence is not None:
                yield session.presence
        known = self._known.get(component.jid)
        if known is not None:
            yield from known.all()

    @observe(AvailabilityChanged)
    def availability(self, event: AvailabilityChanged) -> None:
        """Show components that a user has come or gone (7.1); those that see contacts, all changes (7.2)."""
        presence = event.presence
        turns = event.previous is None or presence.type == "unavailable"
        for component in self.host.external_components():
            sees = component.privileges.presence
            if component.connected and (sees == "roster" or (sees == "managed_entity" and turns)):
                self.host.send(presence.readdressed(to=component.jid))

    @filter(ToAccount, Phase.DELIVER, kinds=(Presence,), before=("presence", "roster"), dormant=True)
    def incoming(self, event: ToAccount) -> Awaitable[Verdict] | None:
        """Show components the presence of contacts (7.2)."""
        presence, roster = event.stanza, self.roster
        if not self._known or roster is None or presence.type not in _AVAILABLE or not isinstance(presence, Presence):
            return None
        if presence.sender.domain == self.host.jid.domain:
            return None  # all of these are shown anyway
        view = roster.cached(event.account)
        if view is None:
            return self._load(presence, event.account, roster)
        self._show(presence, presence.sender.bare in view.subscriptions)
        return None

    async def _load(self, presence: Presence, account: Jid, roster: IRoster) -> Verdict:
        view = await roster.load(account)
        self._show(presence, presence.sender.bare in view.subscriptions)
        return Pass()

    def _show(self, presence: Presence, subscribed: bool) -> None:
        if not subscribed:
            return
        for component in self.host.external_components():
            known = self._known.get(component.jid)
            if known is not None and known.note(presence) and component.connected:
                self.host.send(presence.readdressed(to=component.jid))

    @observe(ServerUnreachable)
    def unreachable(self, event: ServerUnreachable) -> None:
        """Nobody knows any more who is there on another server."""
        for component in self.host.external_components():
            known = self._known.get(component.jid)
            for sender in known.lose(event.domain.domain) if known is not None else ():
                if component.connected:
                    self.host.send(Presence(component.jid, sender, type="unavailable"))


def _inside(message: Stanza) -> Message:
    """Return the message that one holds, forwarded.

    :raises StanzaError: forbidden, if there is none.
    """
    element = message.child(NS, "privilege")
    for around in element.elements() if element is not None else ():
        if (around.uri, around.name) == (FORWARD, "forwarded"):
            for child in around.elements():
                if child.name == "message":
                    inner = stanza_of(child)
                    if isinstance(inner, Message):
                        return inner
    raise forbidden("there is no message of jabber:client in it")
