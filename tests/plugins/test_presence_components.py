"""Contacts that are users of an external component: it goes, and comes back."""

from __future__ import annotations

from typing import Any, ClassVar

from xmppd.api import Subscription
from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid

GATE = "irc.example.org"
ROMEO, JULIET = Jid.parse("romeo@example.org"), Jid.parse(f"juliet@{GATE}")
ORCHARD = "romeo@example.org/orchard"
MUC = "http://jabber.org/protocol/muc"


class Components(ServerTestCase):
    plugins: ClassVar[Any] = ("roster", "presence")
    components: ClassVar[Any] = {GATE: {"secret": "s", "queue_seconds": 30.0}}

    def setUp(self) -> None:
        super().setUp()
        self.gate = self.component(GATE)
        self.romeo = self.login(ORCHARD)
        self.wait(self.plugin("roster").put(ROMEO, JULIET, subscription=Subscription.BOTH))
        self.romeo.send(f"<presence/><presence to='verona@{GATE}/romeo'><x xmlns='{MUC}'/></presence>")
        self.gate.send(f"<presence from='{JULIET}' to='romeo@example.org'/>")
        for client in (self.romeo, self.gate):
            client.clear()

    def asked(self) -> None:
        self.gate.expect(
            f"<presence from='{ORCHARD}' to='{JULIET}'/>",
            f"<presence type='probe' from='romeo@example.org' to='{JULIET}'/>",
        )
        self.gate.expect_nothing()

    def test_gone_for_good(self) -> None:
        self.gate.disconnect()
        self.pump(29)
        self.romeo.expect_nothing()
        self.pump(2)
        self.romeo.expect_all(
            f"<presence type='unavailable' from='{JULIET}' to='romeo@example.org'><status>{{any}}</status></presence>",
            f"<presence type='unavailable' from='verona@{GATE}/romeo' to='{ORCHARD}'>{{...}}</presence>",
        )
        self.romeo.expect_nothing()
        self.gate = self.component(GATE)
        self.pump(1, step=0.1)
        self.gate.expect(f"<presence type='unavailable' from='{ORCHARD}' to='verona@{GATE}/romeo'/>")
        self.asked()
        self.gate.send(f"<presence from='{JULIET}' to='romeo@example.org'/>")
        self.romeo.expect(f"<presence from='{JULIET}'/>")

    def test_restarted(self) -> None:
        """Nobody has noticed, but it has forgotten who is here."""
        self.pump(30)
        self.gate.disconnect()
        self.pump(5)
        self.gate = self.component(GATE)
        self.pump(1, step=0.1)
        self.asked()
        self.pump(60)
        self.romeo.expect_nothing()
