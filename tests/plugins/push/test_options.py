"""The limits, set to other values than the usual ones."""

from __future__ import annotations

from tests.plugins.push.kit import SERVICE, PushTestCase
from tests.plugins.push.test_settings import SettingsTestCase


class Few(PushTestCase):
    config = {"push": {"max_errors": 2, "max_registrations": 2, "max_octets": 256, "forget_days": 1}}

    def test_errors(self) -> None:
        self.phone_goes()
        for number in range(2):
            self.assertIsNone(self.entry.disabled, number)
            self.say()
            self.refuses("forbidden")
        self.assertIsNotNone(self.entry.disabled)
        self.pump(2 * 86400, step=3600)
        self.assertEqual(len(self.plugin("push").registered), 0)

    def test_registrations(self) -> None:
        for number in range(3):
            self.phone_goes(f"n{number}")
        self.assertEqual([entry.node for entry in self.plugin("push").registered], ["n1", "n2"])

    def test_octets(self) -> None:
        phone = self.login("juliet@example.org/phone")
        request = "<iq type='set' id='1'><enable xmlns='urn:xmpp:push:0' jid='push.example.com' node='{}'/></iq>"
        phone.send(request.format(256 * "n"))
        phone.expect("<iq type='result' id='1'/>")
        phone.send(request.format(257 * "n"))
        self.assertIn("policy-violation", phone.take().toXml())


class Times(PushTestCase):
    config = {
        "push": {
            "interval_seconds": 5.0, "acknowledge_seconds": 3.0, "repeat_seconds": [30.0], "retry_hours": 0.01,
            "answer_seconds": 2.0,
        }
    }  # fmt: skip

    def test_interval(self) -> None:
        self.phone_goes()
        self.say()
        self.accepts()
        self.say()
        self.quiet(4)
        self.pump(1)
        self.accepts()

    def test_acknowledgements_and_repeats(self) -> None:
        phone, _ = self.enabled("juliet@example.org/phone")
        self.enable(phone)
        phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent('juliet@example.org/phone')}'/>")
        self.say()
        self.quiet(2)
        self.pump(1)
        self.accepts()
        phone.disconnect()
        self.quiet(29)
        self.pump(1)
        self.accepts()
        self.quiet(3000)

    def test_answers_and_retries(self) -> None:
        """36 seconds: after 2, 14, and 36 it has not answered, and then nobody has to know any more."""
        self.phone_goes()
        self.say()
        for wait in (2 + 10, 2 + 20, 2 + 40):
            self.published()
            self.pump(wait)
        self.quiet(3600)


class OneAtATime(PushTestCase):
    config = {"push": {"parallel": 1}}

    def test_one_service(self) -> None:
        for number in range(2):
            self.phone_goes(f"n{number}", resource=f"p{number}")
        self.say()
        request = self.published()
        self.quiet()
        self.answer(request)
        self.accepts()

    def test_two_services(self) -> None:
        other = self.remote("other.example.com")
        self.phone_goes()
        desk = self.login("juliet@example.org/desk")
        self.enable(desk, "n2", service="other.example.com")
        desk.close()
        self.say()
        self.assertEqual((self.published()["to"], other.take()["to"]), (SERVICE, "other.example.com"))


class Computers(SettingsTestCase):
    config = {"push": {"client_type": "pc"}}

    def test_settings_for_computers(self) -> None:
        desk = self.login("juliet@example.org/desk")
        self.enable(desk)
        one = "<{} identity-category='client' identity-type='{}'/>"
        self.bookmark(desk, "romeo@example.net", one.format("never", "pc") + one.format("always", "phone"))
        desk.close()
        self.say()
        self.quiet(60)


class Forgetful(SettingsTestCase):
    config = {"push": {"remembered_settings": 1, "remembered_rooms": 1}}

    def test_settings_are_read_again(self) -> None:
        for name in ("juliet", "nurse"):
            client = self.login(f"{name}@example.org/phone")
            self.enable(client)
            self.bookmark(client, "romeo@example.net", "<never/>")
            client.close()
        for name in ("juliet", "nurse", "juliet"):
            self.say(to=f"{name}@example.org")
        self.quiet(60)
