"""Messages from and to other servers: archives, what waits, copies; and errors, which go back to one device."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.managed import ManagedTestCase
from tests.plugins.test_archive import ArchiveTestCase
from xmppd.testing import Client
from xmppd.wire.jid import Jid
from xmppd.wire.xml import Element

JULIET = "juliet@example.net/balcony"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TIMEOUT = f"<error type='wait'><remote-server-timeout xmlns='{STANZAS}'/></error>"
CARBONS = "urn:xmpp:carbons:2"
SID = "urn:xmpp:sid:0"


class RemoteTestCase(ArchiveTestCase, ManagedTestCase):
    """Romeo's orchard is here; Juliet is on example.net."""

    plugins: ClassVar[Any] = ("disco", "roster", "presence", "archive", "offline", "carbons", "blocking")

    def _start(self) -> None:
        self.net = self.remote("example.net")
        super()._start()

    def setUp(self) -> None:
        super().setUp()
        self.romeo.send("<presence/>")
        self.romeo.clear()

    def phone(self) -> Client:
        phone = self.login("romeo@example.org/phone")
        phone.send(f"<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq><presence/>")
        phone.clear()
        self.romeo.clear()
        return phone

    def writes(self, text: str, to: str = "romeo@example.org", more: str = "", type_: str = "chat") -> None:
        body = f"<body>{text}</body>"
        self.net.send(f"<message type='{type_}' id='{text}' from='{JULIET}' to='{to}'>{body}{more}</message>")

    def ids(self, client: Client) -> list[str]:
        results: list[Element] = self.ask(client)[0]
        return [result["id"] for result in results]


class Incoming(RemoteTestCase):
    def test_delivered_and_archived(self) -> None:
        self.writes("hi")
        self.romeo.expect(
            f"<message type='chat' id='hi' from='{JULIET}' to='romeo@example.org'><body>hi</body>"
            f"<stanza-id xmlns='{SID}' id='{{hi}}' by='romeo@example.org'/></message>"
        )
        self.assertEqual(self.ids(self.romeo), [self.names["hi"]])
        self.net.expect_nothing()

    def test_an_id_that_others_made_up_in_our_name(self) -> None:
        """XEP-0359 section 6: one of another archive stays."""
        for by, left in (("romeo@example.org", 1), ("rooms.example.net", 2)):
            with self.subTest(by):
                self.romeo.clear()
                self.writes("hi", more=f"<stanza-id xmlns='{SID}' id='forged' by='{by}'/>")
                self.assertEqual(self.romeo.received[-1].count("<stanza-id"), left)

    def test_both_directions_in_order(self) -> None:
        for number in range(3):
            self.writes(f"you{number}")
            self.romeo.send(f"<message type='chat' to='{JULIET}'><body>me{number}</body></message>")
        self.assertEqual(self.texts(self.romeo), ["you0", "me0", "you1", "me1", "you2", "me2"])

    def test_copies(self) -> None:
        phone = self.phone()
        self.writes("hi", to="romeo@example.org/orchard")
        self.romeo.expect(f"<message type='chat' from='{JULIET}'>{{...}}</message>")
        phone.expect("<message type='chat' from='romeo@example.org'>{...}</message>")
        self.assertEqual(self.texts(self.romeo), ["hi"])

    def test_it_waits(self) -> None:
        self.romeo.close()
        self.writes("one")
        self.writes("two", to="romeo@example.org/orchard")
        self.net.expect_nothing()
        self.restart()
        romeo = self.login("romeo@example.org/new")
        romeo.send("<presence/>")
        waited = (
            f"<message id='{t}' type='chat' from='{JULIET}'><body>{t}</body>{{...}}</message>" for t in ("one", "two")
        )
        romeo.expect_all("<presence from='romeo@example.org/new'/>", *waited)
        romeo.expect_nothing()
        self.assertEqual(self.texts(romeo), ["one", "two"])

    def test_to_nobody(self) -> None:
        self.writes("hi", to="nobody@example.org")
        self.net.expect(
            f"<message type='error' id='hi' from='nobody@example.org' to='{JULIET}'><body>hi</body>"
            f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error></message>"
        )

    def test_from_somebody_blocked(self) -> None:
        self.romeo.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.romeo.clear()
        self.writes("hi")
        self.net.expect(f"<message type='error' to='{JULIET}'>{{...}}</message>")
        self.romeo.expect_nothing()
        self.assertEqual(self.texts(self.romeo), [])

    def test_a_room(self) -> None:
        """Rooms have archives of their own, and what they send is for one device."""
        phone = self.phone()
        self.net.send(
            "<message type='groupchat' from='verona@example.net/juliet' to='romeo@example.org/orchard'>"
            "<body>hi</body></message>"
        )
        self.romeo.expect("<message type='groupchat'><body>hi</body></message>")
        phone.expect_nothing()
        self.assertEqual(self.texts(self.romeo), [])
        self.net.expect_nothing()


class Bounced(RemoteTestCase):
    """RFC 6120 8.3, RFC 6121 8.5.2.1.4: errors are for the device that has sent, and for nobody's history."""

    def fail_with(self, to: str, id_: str = "m", more: str = "") -> None:
        self.net.send(
            f"<message type='error' id='{id_}' from='juliet@example.net' to='{to}'>"
            f"<body>hi</body>{more}{TIMEOUT}</message>"
        )

    def send(self) -> None:
        self.romeo.send("<message type='chat' id='m' to='juliet@example.net'><body>hi</body></message>")
        self.net.clear()

    def test_to_the_device_that_has_sent(self) -> None:
        tablet = self.login("romeo@example.org/tablet", presence=True)
        self.romeo.clear()
        self.send()
        self.fail_with("romeo@example.org/orchard")
        self.romeo.expect(
            f"<message type='error' id='m' from='juliet@example.net' to='romeo@example.org/orchard'>"
            f"<body>hi</body>{TIMEOUT}</message>"
        )
        tablet.expect_nothing()
        self.net.expect_nothing()
        self.assertEqual(self.texts(self.romeo), ["hi"])

    def test_nowhere_else(self) -> None:
        """Not to the account, nor to be kept: an error for a device that is gone is dropped (8.5.3.2)."""
        self.send()
        for to in ("romeo@example.org", "romeo@example.org/gone", "nobody@example.org", "example.org"):
            self.fail_with(to)
            self.fail_with(to, more="<store xmlns='urn:xmpp:hints'/>")
        self.romeo.expect_nothing()
        self.net.expect_nothing()
        self.romeo.close()
        self.fail_with("romeo@example.org/orchard")
        again = self.login("romeo@example.org/again")
        again.send("<presence/>")
        again.expect("<presence/>")
        again.expect_nothing()
        self.assertEqual(self.texts(again), ["hi"])

    def test_a_domain_that_is_not_there(self) -> None:
        self.romeo.send("<message type='chat' id='m' to='x@example.com'><body>hi</body></message>")
        self.romeo.expect(
            "<message type='error' id='m' from='x@example.com'><body>hi</body><error type='cancel'>"
            f"<remote-server-not-found xmlns='{STANZAS}'/>{{...}}</error></message>"
        )

    def test_requests(self) -> None:
        """An answer is for the device that asked; nobody else can answer (RFC 6120 8.2.3)."""
        self.romeo.send(f"<iq type='get' id='q' to='{JULIET}'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.net.expect("<iq type='get' id='q' from='romeo@example.org/orchard'>{...}</iq>")
        self.net.send(f"<iq type='error' id='q' from='{JULIET}' to='romeo@example.org/orchard'>{TIMEOUT}</iq>")
        self.romeo.expect(f"<iq type='error' id='q' from='{JULIET}'>{TIMEOUT}</iq>")
        for to in ("romeo@example.org", "romeo@example.org/gone", "example.org", "nobody@example.org"):
            self.net.send(f"<iq type='error' id='q' from='{JULIET}' to='{to}'>{TIMEOUT}</iq>")
            self.net.send(f"<iq type='result' id='q' from='{JULIET}' to='{to}'/>")
        self.romeo.expect_nothing()
        self.net.expect_nothing()


class Again(RemoteTestCase):
    """XEP-0198 4: what a device never acknowledged goes to others, and is neither archived nor copied twice."""

    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 300.0}}

    def test_to_another_device(self) -> None:
        self.romeo.close()
        tablet, _ = self.enabled("romeo@example.org/tablet")
        self.writes("hi", to="romeo@example.org/tablet")
        tablet.disconnect()
        desk = self.login("romeo@example.org/desk", presence=True)
        for _ in range(20):  # until the session has ended; the other one shows that it is there
            self.pump(30)
            desk.send_raw(" ")
        self.assertIsNone(self.host.session(Jid.parse("romeo@example.org/tablet")))
        self.assertEqual("".join(desk.received).count("<body>hi</body>"), 1)
        self.assertEqual(self.texts(desk), ["hi"])
        self.assertEqual([text for text in self.net.received if "error" in text], [])

    def test_kept_if_there_is_none(self) -> None:
        self.romeo.close()
        tablet, _ = self.enabled("romeo@example.org/tablet")
        self.writes("hi")
        self.writes("away", type_="headline")
        tablet.disconnect()
        self.pump(100_000, 3600)
        self.assertEqual([text for text in self.net.received if "error" in text], [])
        desk = self.login("romeo@example.org/desk")
        desk.send("<presence/>")
        self.assertEqual("".join(desk.received).count("<body>hi</body>"), 1)
        self.assertEqual(self.texts(desk), ["hi"])

    def test_killed_between(self) -> None:
        """What the other server was not told that we don't have, we have."""
        _, previd = self.enabled("romeo@example.org/tablet")
        self.writes("hi", to="romeo@example.org/tablet")
        self.pump()
        self.kill()
        tablet = self.resumed("romeo@example.org/tablet", previd, 0)
        self.assertEqual("".join(tablet.received).count("<body>hi</body>"), 1)
        self.assertEqual(self.stored(), 1)
