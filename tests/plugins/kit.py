"""What the tests of several plugins share."""

from __future__ import annotations

from typing import Any

from xmppd.api import AccountDeleted, OperationError
from xmppd.api.operations import operations_of
from xmppd.api.roster import Subscription
from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid

__all__ = ["PluginTestCase"]


class PluginTestCase(ServerTestCase):
    """A server with the plugins of a test on example.org."""

    def operate(self, plugin: str, operation: str, **arguments: Any) -> Any:
        """Return the result of an operation of a plugin."""
        chosen = next(o for o in operations_of(self.plugin(plugin)) if o.name == operation)
        progress = arguments.pop("progress", None)
        return self.wait(chosen.run(arguments, progress=progress))

    def refuse_to_operate(self, plugin: str, operation: str, **arguments: Any) -> str:
        """Return why an operation of a plugin could not be done."""
        chosen = next(o for o in operations_of(self.plugin(plugin)) if o.name == operation)
        with self.assertRaises(OperationError) as caught:
            self.wait(chosen.run(arguments))
        return str(caught.exception)

    def delete_account(self, account: str) -> None:
        """Tell the plugins that an account is gone."""
        pending = self.host.notify(AccountDeleted(Jid.parse(account)))
        if pending is not None:
            self.wait(pending)

    def show_presence(self, of: str, to: str, subscription: Subscription = Subscription.FROM) -> None:
        """Have one account's roster say that a contact sees its presence, or another subscription."""
        roster = self.plugin("roster")
        self.wait(roster.put(Jid.parse(of), Jid.parse(to), subscription=subscription))

    def restart_plugin(self, name: str) -> None:
        """Stop a plugin and start it again: what it knows then comes from the database."""
        registry = self.host.registry
        self.wait(registry.disable(name))
        self.wait(registry.enable(name))
