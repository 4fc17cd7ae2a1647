"""XEP-0357 section 7: who is told of what, when, and where the device is."""

from __future__ import annotations

from tests.plugins.push.kit import PushTestCase
from xmppd.testing import Client

PROPOSE = (
    "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'>"
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>"
)


class Absent(PushTestCase):
    def test_summary(self) -> None:
        self.phone_goes()
        self.say()
        self.assertEqual(self.accepts(), {"message-count": "1", "last-message-body": "New Message!"})
        self.quiet(60)

    def test_several(self) -> None:
        """Later ones are told of together, and counted."""
        self.phone_goes()
        for _ in range(5):
            self.say()
        self.assertEqual(self.accepts()["message-count"], "1")
        self.quiet(19)
        self.pump(1)
        self.assertEqual(self.accepts()["message-count"], "5")
        self.quiet(60)

    def test_one_at_a_time(self) -> None:
        self.phone_goes()
        self.say()
        request = self.published()
        self.say()
        self.quiet(30)
        self.answer(request)
        self.pump(20)
        self.assertEqual(self.accepts()["message-count"], "2")

    def test_what_is_not_pushed(self) -> None:
        self.phone_goes()
        for content in (
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "<received xmlns='urn:xmpp:receipts' id='1'/>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
            "<subject>hm</subject>",
            "<body>x</body><no-store xmlns='urn:xmpp:hints'/>",
            "<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>",
            "<proceed xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
        ):
            self.say(content)
        self.say(type_="headline")
        self.say(type_="normal", to="juliet@example.org/nowhere")
        self.say(sender="juliet@example.org/x")
        self.quiet(60)

    def test_what_is(self) -> None:
        for number, content in enumerate(
            (
                "<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='urn:xmpp:hints'/>",
                "<openpgp xmlns='urn:xmpp:openpgp:0'/>",
                "<x xmlns='jabber:x:conference' jid='room@example.com'/>",
                PROPOSE,
                "<retract xmlns='urn:xmpp:jingle-message:0' id='c1'/>",
            )
        ):
            self.phone_goes(f"n{number}")
            self.pump(60)
            self.service.clear()
            self.say(content)
            self.pump()
            self.assertIn("publish", self.service.received[-1], content)

    def test_calls_do_not_wait(self) -> None:
        self.phone_goes()
        self.say()
        self.accepts()
        self.say(PROPOSE)
        self.assertEqual(self.accepts()["message-count"], "2")
        self.say("<retract xmlns='urn:xmpp:jingle-message:0' id='c1'/>")
        self.pump(1)
        self.accepts()

    def test_another_device_reads_it(self) -> None:
        """The phone is told all the same: the user may have gone with it."""
        self.phone_goes()
        desk = self.login("juliet@example.org/desk", presence=True)
        desk.clear()
        self.say()
        desk.expect("<message type='chat'><body>hi</body>{...}</message>")
        self.accepts()

    def test_only_others_are_pushed(self) -> None:
        self.phone_goes()
        tablet = self.login("juliet@example.org/tablet", presence=True)
        self.enable(tablet, "n2")
        self.say()
        request = self.published()
        self.assertIn("node='n1'", request.toXml().replace('"', "'"))
        self.answer(request)
        self.quiet(60)

    def test_it_comes_back(self) -> None:
        self.phone_goes()
        self.say()
        self.say()
        self.accepts()
        self.login("juliet@example.org/phone").close()
        self.pump()
        self.quiet(60)
        self.say()
        self.assertEqual(self.accepts()["message-count"], "1")

    def test_another_resource(self) -> None:
        """A device is known by the id that it logs in with (XEP-0388), whatever its resource is."""

        def login() -> Client:
            phone = self.connect(name="juliet@example.org/any")
            phone.open("example.org")
            phone.send(
                "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'>"
                "<initial-response>AGp1bGlldABzZWNyZXQ=</initial-response>"
                "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>"
                "<bind xmlns='urn:xmpp:bind:0'/></authenticate>"
            )
            phone.clear()
            return phone

        phone = login()
        self.enable(phone)
        phone.close()
        self.say()
        self.accepts()
        self.assertEqual((self.entry.device, self.entry.count), ("d4565fa7-4d72-4749-b3d3-740edbf87770", 1))
        phone = login()
        self.assertEqual(self.entry.count, 0)
        phone.send("<presence/>")
        self.say()
        self.quiet(60)

    def test_no_presence(self) -> None:
        """It is connected, but is not sent the message."""
        phone = self.login("juliet@example.org/phone")
        self.enable(phone)
        self.say()
        self.accepts()


class Options(PushTestCase):
    config = {"push": {"include_sender": True, "include_body": True, "body_characters": 5}}

    def test_told(self) -> None:
        self.phone_goes()
        self.say("<body>Wherefore</body>")
        told = {"message-count": "1", "last-message-sender": "romeo@example.net/orchard", "last-message-body": "Where"}
        self.assertEqual(self.accepts(), told)


class NoPlaceholder(PushTestCase):
    config = {"push": {"placeholder": "", "least": "other"}}

    def test_nothing_to_show(self) -> None:
        self.phone_goes()
        self.say()
        self.assertEqual(self.accepts(), {"message-count": "1"})

    def test_less_important(self) -> None:
        self.phone_goes()
        self.say("<reactions xmlns='urn:xmpp:reactions:0' id='1'/>")
        request = self.published()
        self.assertIn(">low</priority>", request.toXml())


class Losing(PushTestCase):
    """The device has a session that can be resumed."""

    def setUp(self) -> None:
        super().setUp()
        self.phone, self.session_id = self.enabled("juliet@example.org/phone")
        self.enable(self.phone)

    def acknowledge(self) -> None:
        self.phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent('juliet@example.org/phone')}'/>")

    def test_hibernating(self) -> None:
        self.acknowledge()
        self.phone.disconnect()
        self.pump()
        self.quiet()
        self.say()
        self.assertEqual(self.accepts()["message-count"], "1")

    def test_what_it_may_not_have_got(self) -> None:
        self.acknowledge()
        self.say()
        self.say("<composing xmlns='http://jabber.org/protocol/chatstates'/>")
        self.say()
        self.quiet()
        self.phone.disconnect()
        self.assertEqual(self.accepts()["message-count"], "2")
        self.say()
        self.pump(20)
        self.assertEqual(self.accepts()["message-count"], "3")

    def test_acknowledged(self) -> None:
        self.say()
        self.acknowledge()
        self.phone.disconnect()
        self.quiet(60)

    def test_dead_connection(self) -> None:
        """It is connected, as far as anybody can tell, and doesn't answer."""
        self.acknowledge()
        self.say()
        self.quiet(9)
        self.pump(1)
        self.assertEqual(self.accepts()["message-count"], "1")
        self.acknowledge()
        self.quiet(60)
        self.say()
        self.pump(10)
        self.assertEqual(self.accepts()["message-count"], "1")

    def test_answers(self) -> None:
        self.say()
        self.pump(5)
        self.acknowledge()
        self.quiet(60)

    def test_calls_are_looked_after_sooner(self) -> None:
        self.acknowledge()
        self.say(PROPOSE)
        self.pump(4)
        self.accepts()

    def test_inactive(self) -> None:
        self.acknowledge()
        self.phone.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        self.say(PROPOSE)
        self.accepts()

    def test_again(self) -> None:
        """Pushes get lost: as long as it doesn't come it is told again, some times."""
        self.acknowledge()
        self.phone.disconnect()
        self.say()
        self.accepts()
        self.quiet(59)
        self.pump(1)
        self.assertEqual(self.accepts()["message-count"], "1")
        self.quiet(599)
        self.pump(1)
        self.accepts()
        self.quiet(2400)

    def test_it_resumes(self) -> None:
        self.acknowledge()
        h = self.sent("juliet@example.org/phone")
        self.phone.disconnect()
        self.say()
        self.accepts()
        self.resumed("juliet@example.org/phone", self.session_id, h)
        self.quiet(9)
        self.assertEqual(self.entry.count, 0)

    def test_the_session_is_over(self) -> None:
        """The message goes elsewhere; the app has been told of it."""
        self.acknowledge()
        self.phone.disconnect()
        self.say()
        self.accepts()
        self.pump(60)
        self.accepts()
        self.pump(600)
        self.accepts()
        self.quiet(3600)
        self.say()
        self.assertEqual(self.accepts()["message-count"], "2")


class Inactive(PushTestCase):
    def test_without_acknowledgements(self) -> None:
        phone = self.login("juliet@example.org/phone", presence=True)
        self.enable(phone)
        self.say()
        self.quiet(60)
        phone.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        self.say()
        self.accepts()
