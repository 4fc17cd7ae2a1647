"""What a device was sent and has not acknowledged (XEP-0198), as plugins see it."""

from __future__ import annotations

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.wire.jid import Jid

PHONE = "juliet@example.org/phone"


class UnacknowledgedTests(ManagedTestCase):
    plugins = ("ping",)

    def bodies(self) -> list[str | None]:
        session = self.host.session(Jid.parse(PHONE))
        assert session is not None
        return [message.body for message, at in session.unacknowledged() if at <= self.clock.seconds()]

    def say(self, text: str) -> None:
        self.other.send(f"<message from='romeo@example.com/x' to='{PHONE}' type='chat'><body>{text}</body></message>")
        self.pump()

    def setUp(self) -> None:
        super().setUp()
        self.other = self.remote("example.com")

    def test_messages(self) -> None:
        phone, _ = self.enabled(PHONE)
        self.say("a")
        self.other.send(f"<presence from='romeo@example.com/x' to='{PHONE}'/>")
        self.say("b")
        self.assertEqual(self.bodies(), ["a", "b"])
        phone.send(f"<a xmlns='{SM}' h='1'/>")
        self.assertEqual(self.bodies(), ["b"])
        phone.disconnect()
        self.say("c")
        self.assertEqual(self.bodies(), ["b", "c"])
        self.kill()
        self.assertEqual(self.bodies(), ["b", "c"])

    def test_without_acknowledgements(self) -> None:
        self.login(PHONE, presence=True)
        self.say("a")
        self.assertEqual(self.bodies(), [])
