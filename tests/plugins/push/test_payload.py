"""Encrypted content, urgency and filters, as Tigase's extensions have them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.push.kit import PushTestCase
from xmppd.plugins.push.payload import Last, encrypted
from xmppd.plugins.push.requests import FEATURES
from xmppd.wire.xml import parse

KEY = bytes(range(16))
ENCRYPT = (
    f"<encrypt xmlns='tigase:push:encrypt:0' alg='aes-128-gcm'>{b64encode(KEY).decode()}</encrypt>"
    "<jingle xmlns='tigase:push:jingle:0'/>"
)
CALL = (
    "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
    "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>"
)


def opened(element: Any) -> Any:
    """Return what an app reads."""
    data = AESGCM(KEY).decrypt(b64decode(element["iv"]), b64decode(str(element)), None)
    return json.loads(data)


class Pure(SynchronousTestCase):
    def test_each_has_an_iv_of_its_own(self) -> None:
        first, second = (parse(encrypted(KEY, 1, Last("a@b", "hi")))[0] for _ in range(2))
        self.assertNotEqual(first["iv"], second["iv"])
        self.assertEqual(opened(first), opened(second))

    def test_stored(self) -> None:
        last = Last("a@b/c", "hi \U0001f600", "call", "1", ("audio",))
        self.assertEqual(Last.from_text(last.to_text()), last)
        self.assertEqual(Last.from_text(""), Last())


class Encrypted(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone_goes(content=ENCRYPT)

    def told(self) -> tuple[Any, Any, dict[str, str]]:
        request = self.published()
        self.answer(request)
        (element,) = [e for e in self.notification(request).elements() if e.name == "encrypted"]
        self.assertEqual(element.uri, "tigase:push:encrypt:0")
        return element, opened(element), self.summary(request)

    def test_call_that_is_too_long_to_be_told(self) -> None:
        """Its sender must not make the service refuse what this server sends."""
        self.say("<propose xmlns='urn:xmpp:jingle-message:0' id='" + "x" * 5000 + "'/>")
        request = self.published()
        self.assertFalse([e for e in self.notification(request).elements() if e.name == "encrypted"])
        self.answer(request)
        told = "".join(f"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{'m' * 90}'/>" for _ in range(99))
        self.pump(60)
        self.say(f"<propose xmlns='urn:xmpp:jingle-message:0' id='c2'>{told}</propose>")
        _, content, _ = self.told()
        self.assertLess(len(json.dumps(content)), 1000)

    def test_message(self) -> None:
        self.say("<body>Wherefore?</body>")
        element, content, summary = self.told()
        self.assertEqual(content, {"unread": 1, "sender": "romeo@example.net", "type": "chat", "message": "Wherefore?"})
        self.assertFalse(element.hasAttribute("type"))
        self.assertEqual(summary, {"message-count": "1", "last-message-body": "New Message!"})

    def test_call(self) -> None:
        self.say(CALL)
        element, content, _ = self.told()
        self.assertEqual(element["type"], "voip")
        self.assertEqual(
            content,
            {
                "unread": 1, "sender": "romeo@example.net/orchard", "type": "call", "sid": "c1",
                "media": ["audio", "video"],
            },
        )  # fmt: skip

    def test_it_is_not_told_again(self) -> None:
        """It has shown everything, and need not connect."""
        self.say()
        self.told()
        self.quiet(3600)

    def test_what_must_not_be_stored(self) -> None:
        phone, _ = self.enabled("juliet@example.org/phone")
        phone.disconnect()
        self.pump()
        self.say("<body>secret</body><no-store xmlns='urn:xmpp:hints'/>")
        self.assertNotIn("message", self.told()[1])

    def test_after_a_restart(self) -> None:
        self.say("<body>Wherefore?</body>")
        self.published()
        self.kill()
        self.service = self.remote("push.example.com")
        self.pump(5)
        self.assertEqual(self.told()[1]["message"], "Wherefore?")

    def test_wrong_keys(self) -> None:
        phone = self.login("juliet@example.org/other")
        for alg, key, error in (
            ("aes-256-gcm", "AAAA", "feature-not-implemented"),
            ("aes-128-gcm", "AAAA", "bad-request"),
            ("aes-128-gcm", "???", "bad-request"),
        ):
            encrypt = f"<encrypt xmlns='tigase:push:encrypt:0' alg='{alg}'>{key}</encrypt>"
            phone.send(
                "<iq type='set' id='1'>"
                f"<enable xmlns='urn:xmpp:push:0' jid='p.example' node='x'>{encrypt}</enable></iq>"
            )
            phone.expect(
                f"<iq type='error' id='1'>{{...}}<error type='{{any}}'>"
                f"<{error} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></iq>"
            )


class Urgency(PushTestCase):
    def test_high(self) -> None:
        self.phone_goes()
        self.say()
        request = self.published()
        (element,) = [e for e in self.notification(request).elements() if e.name == "priority"]
        self.assertEqual((element.uri, str(element)), ("tigase:push:priority:0", "high"))

    def test_features(self) -> None:
        juliet = self.login("juliet@example.org/phone")
        self.assertTrue(set(FEATURES) <= set(self.host.account_features()))
        juliet.close()


class Filters(PushTestCase):
    def test_strangers(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.net")
        self.phone_goes(content="<ignore-unknown xmlns='tigase:push:filter:ignore-unknown:0'/>")
        self.say(sender="tybalt@example.net/street")
        self.quiet(60)
        self.say()
        self.accepts()

    def test_strangers_who_pretend_to_be_rooms(self) -> None:
        """Neither notices of mentions (XEP-0452) nor mentions get past it; nor does what is answered with an error."""
        self.phone_goes(content="<ignore-unknown xmlns='tigase:push:filter:ignore-unknown:0'/>")
        mention = "<body>hi</body><mention xmlns='urn:xmpp:mentions:0' jid='juliet@example.org'/>"
        said = f"<message xmlns='jabber:client' type='groupchat' from='tybalt@example.net/x'>{mention}</message>"
        notice = f"<mentions xmlns='urn:xmpp:mmn:0'><forwarded xmlns='urn:xmpp:forward:0'>{said}</forwarded></mentions>"
        self.say(notice, sender="tybalt@example.net")
        self.quiet(60)
        self.say(mention, "groupchat", sender="tybalt@example.net/x")
        self.quiet(60)

    def test_room_at_an_address_without_a_device(self) -> None:
        """Its sender gets an error (RFC 6121 8.5.2), and nobody is told."""
        self.phone_goes()
        self.say("<body>hi</body><mention xmlns='urn:xmpp:mentions:0' jid='juliet@example.org'/>", "groupchat")
        self.quiet(60)

    def test_strangers_after_a_restart(self) -> None:
        self.phone_goes(content="<ignore-unknown xmlns='tigase:push:filter:ignore-unknown:0'/>")
        self.restart()
        self.service, self.romeo = self.remote("push.example.com"), self.remote("example.net")
        self.say()
        self.quiet(60)

    def test_muted(self) -> None:
        self.phone_goes(content="<muted xmlns='tigase:push:filter:muted:0'><item jid='romeo@example.net'/></muted>")
        self.say()
        self.quiet(60)
        self.say(sender="tybalt@example.net/street")
        self.accepts()

    def test_wrong(self) -> None:
        phone = self.login("juliet@example.org/other")
        for content, error in (
            ("<muted xmlns='tigase:push:filter:muted:0'><item jid='@'/></muted>", "jid-malformed"),
            ("<encrypt xmlns='tigase:push:encrypt:0' alg='aes-128-gcm'>\u00e9</encrypt>", "bad-request"),
            (
                "<groupchat xmlns='tigase:push:filter:groupchat:0'><room jid='a@b' allow='perhaps'/></groupchat>",
                "bad-request",
            ),
        ):
            phone.send(
                "<iq type='set' id='1'>"
                f"<enable xmlns='urn:xmpp:push:0' jid='p.example' node='x'>{content}</enable></iq>"
            )
            phone.expect(
                f"<iq type='error' id='1'>{{...}}<error type='modify'>"
                f"<{error} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></iq>"
            )

    def test_rooms(self) -> None:
        rooms = "street@rooms.example.net"
        listed = (
            f"<room jid='{rooms}' allow='always'/><room jid='hall@rooms.example.net' allow='mentioned' nick='Jule'/>"
        )
        phone, _ = self.enabled("juliet@example.org/phone")
        self.enable(phone, content=f"<groupchat xmlns='tigase:push:filter:groupchat:0'>{listed}</groupchat>")
        phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent('juliet@example.org/phone')}'/>")
        phone.disconnect()
        self.pump()
        other = self.remote("rooms.example.net")

        def hear(room: str, text: str) -> None:
            to = "juliet@example.org/phone"
            other.send(f"<message type='groupchat' from='{room}/romeo' to='{to}'><body>{text}</body></message>")
            self.pump(11)
            other.clear()

        hear("hall@rooms.example.net", "hi all")
        self.quiet(60)
        hear("hall@rooms.example.net", "Jule?")
        self.accepts()
        hear(rooms, "hi all")
        self.pump(20)
        self.assertEqual(self.accepts()["message-count"], "2")
