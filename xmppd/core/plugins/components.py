"""In-process components: plugins that own a domain (XEP-0114 without the socket)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from xmppd.api.hooks import Scope
from xmppd.api.plugin import Component
from xmppd.api.waiting import settled
from xmppd.core.plugins.dispatch import Handler, Tables, error_for
from xmppd.core.routing import iq_key
from xmppd.wire.rules import iq_fault
from xmppd.wire.stanza import Iq, Message, Presence, Stanza

if TYPE_CHECKING:
    from xmppd.core.hosts import Host

__all__ = ["ComponentOwner"]


class ComponentOwner:
    """Owner of a component's domain: hands stanzas to the plugin, and its failures to the senders."""

    def __init__(self, host: Host, component: Component, tables: Tables) -> None:
        self._host = host
        self._component = component
        self.tables = tables
        self._direct = Handler(component, self._hand_over, "stanzas to its domain")

    @property
    def federates(self) -> bool:
        """See :class:`xmppd.core.routing.Owner`: as its host does."""
        return self._host.federates

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """See :class:`xmppd.core.routing.Owner`."""
        if isinstance(stanza, Iq):
            fault = iq_fault(stanza)
            if fault is not None:
                return self._host.server.router.bounce(stanza, fault)
            handler = self._handler(stanza)
            if handler is not None:
                return self._host.answer(handler, stanza)
        try:
            outcome: Awaitable[None] | None = self._direct(stanza)
        except Exception as error:
            return self._host.server.router.bounce(stanza, error_for(error, self._direct, stanza))
        return None if outcome is None else self._later(stanza, outcome)

    def _handler(self, iq: Iq) -> Handler | None:
        if not iq.answerable or iq.to is None:
            return None
        scope = Scope.ACCOUNT if iq.to.local else Scope.HOST
        return self.tables.iq[scope].get(iq_key(iq))

    def _hand_over(self, stanza: Stanza) -> Awaitable[None] | None:
        if isinstance(stanza, Message):
            return self._component.message(stanza)
        if isinstance(stanza, Presence):
            return self._component.presence(stanza)
        assert isinstance(stanza, Iq)
        if not stanza.answerable and self._host.server.requests.answered(stanza):
            return None
        return self._component.iq(stanza)

    async def _later(self, stanza: Stanza, outcome: Awaitable[None]) -> None:
        try:
            await outcome
        except Exception as error:
            await settled(self._host.server.router.bounce(stanza, error_for(error, self._direct, stanza)))
