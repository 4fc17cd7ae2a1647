"""What the tests of several plugins share."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred

from xmppd.api.roster import Subscription
from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid

__all__ = ["PluginTestCase"]


class PluginTestCase(ServerTestCase):
    """A server with the plugins of a test on example.org."""

    def plugin(self, name: str) -> Any:
        """Return a plugin that is loaded."""
        plugin = self.server.hosts["example.org"].registry.get(name)
        assert plugin is not None
        return plugin

    def done(self, work: Any) -> Any:
        """Return the result of something to be awaited, which must be there at once."""
        return self.successResultOf(ensureDeferred(work))

    def show_presence(self, of: str, to: str) -> None:
        """Have one account's roster say that a contact sees its presence."""
        roster = self.plugin("roster")
        self.done(roster.put(Jid.parse(of), Jid.parse(to), subscription=Subscription.FROM))

    def restart_plugin(self, name: str) -> None:
        """Stop a plugin and start it again: what it knows then comes from the database."""
        registry = self.server.hosts["example.org"].registry
        self.done(registry.disable(name))
        self.done(registry.enable(name))
