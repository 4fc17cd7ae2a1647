"""What the tests of notifications have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from xmppd.api import OperationError, Plugin
from xmppd.testing import ServerTestCase
from xmppd.testing.client import Client

STATES = ("queued", "sent", "reached", "delivered", "opened", "expired", "superseded", "cancelled", "failed")
PING = "<iq type='get' from='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"


class NotificationCase(ServerTestCase):
    """A server with notifications, and what tests do with it."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("notifications",)

    def run_operation(self, name: str, /, **arguments: Any) -> Any:
        """Run an operation; time passes until it is done."""
        return self.wait(self.server.server.operations.run(name, arguments), 5)

    def refused(self, name: str, /, **arguments: Any) -> str:
        """Run an operation that can't be done, and return why."""
        with self.assertRaises(OperationError) as caught:
            self.run_operation(name, **arguments)
        return str(caught.exception)

    def send(self, to: str, title: str = "Sale", body: str = "From 9.", **options: Any) -> str:
        """Send a notification, and let it begin to reach people; return its id."""
        shown = self.run_operation("notification send", to=to, title=title, body=body, **options)
        self.settle()
        return str(shown["id"])

    def settle(self) -> None:
        """Let a moment pass, in which what was begun gets done."""
        self.pump(1.5, step=0.05)

    def counts(self, id: str) -> dict[str, int]:
        """Return the states that recipients are in. They add up to the recipients."""
        shown = self.run_operation("notification show", id=id)
        found = {state: shown[state] for state in STATES if shown[state]}
        self.assertEqual(sum(found.values()), shown["recipients"], shown)
        return found

    def confirm(self, client: Client, id: str, what: str = "<received xmlns='urn:xmpp:receipts' id='{id}'/>") -> None:
        """Have a client confirm a notification."""
        client.send(f"<message to='example.org'>{what.replace('{id}', id)}</message>")
        self.pump(0.5, step=0.05)
