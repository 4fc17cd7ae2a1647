"""What a host says of itself: the sum of what its plugins declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from xmppd.api.plugin import Component, Plugin
from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.core.components.external import External
    from xmppd.core.plugins.registry import Registry
    from xmppd.core.server import Server

__all__ = ["Described"]


class Described:
    """Base of a host."""

    registry: Registry
    server: Server
    jid: Jid

    @property
    def mechanisms(self) -> Sequence[str]:
        """See :class:`xmppd.api.IHost`."""
        return self.server.settings.mechanisms(self.jid.domain)

    def features(self) -> Sequence[str]:
        """See :class:`xmppd.api.IHost`."""
        return sorted({feature for plugin in self._plain() for feature in plugin.features})

    def account_features(self) -> Sequence[str]:
        """See :class:`xmppd.api.IHost`."""
        return sorted({feature for plugin in self.registry.loaded() for feature in plugin.account_features})

    def identities(self) -> Sequence[tuple[str, str, str]]:
        """See :class:`xmppd.api.IHost`."""
        return [identity for plugin in self._plain() for identity in plugin.identities]

    def _plain(self) -> Iterable[Plugin]:
        """The plugins without the components, which describe a domain of their own."""
        return (plugin for plugin in self.registry.loaded() if not isinstance(plugin, Component))

    def components(self) -> Mapping[Jid, str]:
        """See :class:`xmppd.api.IHost`."""
        outside = {external.jid: external.name for external in self.external_components() if external.connected}
        return {**self.registry.component_names(), **outside}

    def external_components(self) -> Sequence[External]:
        """See :class:`xmppd.api.IHost`."""
        return self.server.components.of(self)  # type: ignore[arg-type]  # the host whose base this is
