"""XEP-0355 Namespace Delegation: external components answer requests in place of the server (admin mode).

Who answers what is in the settings of components, ``[[components."pubsub.example.org".delegations]]``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field

from xmppd.api import (
    HOST,
    Condition,
    FromClient,
    Handled,
    IHost,
    Iq,
    Jid,
    Message,
    Phase,
    Plugin,
    Stanza,
    StanzaError,
    ToAccount,
    ToHost,
    Verdict,
    filter,
    iq_get,
    observe,
    tag,
)
from xmppd.api.components import ComponentChanged, ComponentConnected, ComponentGone, IDelegation, IExternal
from xmppd.api.disco import DiscoInfo, Info, node_of
from xmppd.wire.disco import INFO, ITEMS, form_type
from xmppd.wire.forward import NS as FORWARD
from xmppd.wire.forward import forwarded, stanza_of

__all__ = ["Delegations"]

NS = "urn:xmpp:delegation:2"
#: What can be delegated of service discovery of accounts (section 7.2.4), by the namespace of the request.
_REMAINING = {INFO: f"{NS}:bare:disco#info:*", ITEMS: f"{NS}:bare:disco#items:*"}
_BARE = ":bare:"
_HOST = "::"


@dataclass
class Nested:
    """What a component says of the namespaces it answers in: of the host, and of its accounts."""

    host: dict[str, Info] = field(default_factory=dict)
    bare: dict[str, Info] = field(default_factory=dict)


class Delegations(Plugin):
    """Let external components answer requests in place of the server, in the namespaces that their settings name."""

    xep = (355, "0.5")
    features = (NS,)

    def __init__(self, host: IHost, options: Plugin.Options | None = None) -> None:
        super().__init__(host, options)
        self._nested: dict[Jid, Nested] = {}
        self._numbers = 0

    async def start(self) -> None:
        """Look who answers what."""
        self._look()
        for component in self._managing():
            if component.connected:
                self.host.send(self._advertisement(component))
                self._ask_for_features(component)

    def _look(self) -> None:
        if any(True for _ in self._managing()):
            self.wake()

    def _managing(self) -> Iterator[IExternal]:
        return (component for component in self.host.external_components() if component.delegations)

    # Telling components (4.2)

    @observe(ComponentConnected)
    def connected(self, event: ComponentConnected) -> None:
        """Tell a component what it answers, and ask what it supports."""
        if event.component.delegations:
            event.send(self._advertisement(event.component))
            if event.first:
                self._ask_for_features(event.component)

    @observe(ComponentGone)
    def gone(self, event: ComponentGone) -> None:
        """Forget what a component supports."""
        self._nested.pop(event.component.jid, None)

    @observe(ComponentChanged)
    def changed(self, event: ComponentChanged) -> None:
        """Tell a component that it answers something else from now on."""
        self._look()
        self._nested.pop(event.component.jid, None)
        if event.component.connected and event.component in self.host.external_components():
            self.host.send(self._advertisement(event.component))
            self._ask_for_features(event.component)

    def _advertisement(self, component: IExternal) -> Message:
        self._numbers += 1
        content = (
            tag("delegated", *(tag("attribute", name=name) for name in one.attributes), namespace=one.namespace)
            for one in component.delegations
        )
        number = f"delegations-{self._numbers}"
        return Message(component.jid, self.host.jid, number, payload=tag("delegation", *content, xmlns=NS))

    # Requests (4.3)

    @filter(FromClient, Phase.DELIVER, kinds=(Iq,), dormant=True)
    def from_client(self, event: FromClient) -> Verdict | None:
        """Take what a user asks of the own account without saying so."""
        iq = event.stanza
        return self._take(iq, event.session.account) if iq.to is None else None

    @filter(ToAccount, Phase.DELIVER, kinds=(Iq,), dormant=True)
    def to_account(self, event: ToAccount) -> Verdict | Awaitable[Verdict] | None:
        """Take what anybody asks of an account."""
        iq = event.stanza
        return self._take(iq, event.account) if iq.recipient.is_bare else None

    @filter(ToHost, Phase.DELIVER, kinds=(Iq,), dormant=True)
    def to_host(self, event: ToHost) -> Verdict | None:
        """Take what anybody asks of the host."""
        return None if event.stanza.recipient.resource else self._take(event.stanza, None)

    def _take(self, iq: Stanza, account: Jid | None) -> Verdict | None:
        """Have a request answered by the component it is delegated to, if it is.

        Whatever else comes doesn't wait for the answer (section 9).
        """
        if not isinstance(iq, Iq) or not iq.answerable or len(iq.names) != 1:
            return None
        namespace = iq.names[0][0]
        component = self._in_charge(iq, namespace)
        if component is not None:
            self.host.spawn(self._delegate(iq, component, account), f"what {component.jid} answers")
            return Handled()
        if account is None or iq.type != "get" or namespace not in _REMAINING:
            return None
        component = self._in_charge(iq, _REMAINING[namespace])
        if component is None or (namespace == INFO and not node_of(iq)):
            return None
        # Items of an account are the component's alone; the rest is, as far as we have nothing to say (7.2.4, 7.2.5).
        work = self._answer_first if node_of(iq) else self._delegate
        self.host.spawn(work(iq, component, account), f"what {component.jid} answers")
        return Handled()

    def _in_charge(self, iq: Iq, namespace: str) -> IExternal | None:
        """Return the component that answers a request; never the one that asks (4.4)."""
        for component in self._managing():
            for delegation in component.delegations:
                if delegation.namespace == namespace and _has(iq, delegation):
                    return None if iq.sender.domain == component.jid.domain else component
        return None

    async def _delegate(self, iq: Iq, component: IExternal, account: Jid | None) -> None:
        refusal = StanzaError(Condition.SERVICE_UNAVAILABLE)
        try:
            if not component.connected:
                raise refusal
            payload = tag("delegation", forwarded(iq), xmlns=NS)
            answer = await self.host.request(Iq(component.jid, type="set", payload=payload))
            reply = _inside(answer, iq, account)
        except StanzaError as error:
            self.log.info("{component} does not answer as it should: {error}", component=component.jid, error=error)
            reply = self._addressed(iq, account).error(refusal)  # section 4.3, whatever the reason is
        self.host.send(reply)

    async def _answer_first(self, iq: Iq, component: IExternal, account: Jid) -> None:
        """Answer a disco request ourselves; have the component answer it if we know no such node (7.2.4)."""
        ours = self._addressed(iq, account)
        try:
            reply = await self.host.answer_as(ours)
        except StanzaError as error:
            if error.condition is Condition.ITEM_NOT_FOUND:
                await self._delegate(iq, component, account)
                return
            reply = ours.error(error)
        self.host.send(reply)

    def _addressed(self, iq: Iq, account: Jid | None) -> Iq:
        return iq.readdressed(to=iq.to or account or self.host.jid)

    @iq_get(NS, "query", to=HOST)
    def client_mode(self, request: Iq) -> Iq:
        """Refuse what is asked for in client mode, which there isn't; and what nobody may have (section 8)."""
        if any(child.getAttribute("namespace") == NS for child in request.request.elements()):
            raise StanzaError(Condition.FORBIDDEN, text="that namespace can't be delegated")
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text="only the operator can delegate namespaces")

    # What the server says of itself and of accounts (7.2)

    def _ask_for_features(self, component: IExternal) -> None:
        self._nested[component.jid] = Nested()
        for delegation in component.delegations:
            if delegation.namespace not in _REMAINING.values():
                for separator in (_HOST, _BARE):
                    asking = self._ask(component, delegation.namespace, separator)
                    self.host.spawn(asking, f"asking {component.jid} what it supports")

    async def _ask(self, component: IExternal, namespace: str, separator: str) -> None:
        nested = self._nested[component.jid]
        query = tag("query", xmlns=INFO, node=f"{NS}{separator}{namespace}")
        try:
            answer = await self.host.request(Iq(component.jid, type="get", payload=query))
            info = Info.read(answer.request)
        except (StanzaError, IndexError) as error:
            self.log.info("{component} does not say what it supports: {error}", component=component.jid, error=error)
            info = Info((), ())
        (nested.bare if separator == _BARE else nested.host)[namespace] = info

    @observe(DiscoInfo)
    def describe(self, event: DiscoInfo) -> None:
        """Say what components support, in place of what we do in their namespaces."""
        if event.node or (event.entity.local == "" and event.entity != self.host.jid):
            return
        for component in self._managing():
            nested = self._nested.get(component.jid, Nested())
            known = nested.bare if event.entity.local else nested.host
            for delegation in component.delegations:
                _replace(event, delegation.namespace, known.get(delegation.namespace))


def _replace(event: DiscoInfo, namespace: str, info: Info | None) -> None:
    """Take out what is ours of a namespace, and put in what a component says."""
    event.features[:] = [feature for feature in event.features if not _belongs(feature, namespace)]
    event.forms[:] = [form for form in event.forms if not _belongs(form_type(form) or "", namespace)]
    if info is not None:
        there = {(identity.category, identity.type) for identity in event.identities}
        event.identities += [one for one in info.identities if (one.category, one.type) not in there]
        event.features += info.features
        for form in info.forms:
            if form_type(form) not in {form_type(other) for other in event.forms}:
                event.forms.append(form)


def _belongs(feature: str, namespace: str) -> bool:
    return feature == namespace or feature.startswith(f"{namespace}#")


def _has(iq: Iq, delegation: IDelegation) -> bool:
    """Has the request's child all the attributes by which requests are chosen (4.1)?"""
    return not delegation.attributes or all(iq.request.hasAttribute(name) for name in delegation.attributes)


def _inside(answer: Iq, asked: Iq, account: Jid | None) -> Iq:
    """Return the reply that a component's answer holds, as it goes to whoever asked.

    :raises StanzaError: the answer is not as section 4.3 wants it.
    """
    delegation = answer.child(NS, "delegation")
    around = next(delegation.elements(FORWARD, "forwarded"), None) if delegation is not None else None
    element = next(around.elements(), None) if around is not None else None
    if element is None:
        raise StanzaError(Condition.BAD_REQUEST, text="there is no reply in it")
    reply = stanza_of(element)
    fits = reply.to == asked.sender and reply.from_ in (None, asked.to, account) and reply.id == asked.id
    if not isinstance(reply, Iq) or reply.type != "result" or not fits:
        raise StanzaError(Condition.BAD_REQUEST, text="the reply in it is not for what was asked")
    return asked.readdressed(to=asked.to or account).result(reply.payload)
