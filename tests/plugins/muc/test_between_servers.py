"""Requests between occupants, private messages and invitations, where one of them is on another server."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.muc.kit import GARDEN, JOIN, USER
from xmppd.testing import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.wire.jid import Jid

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
VERSION = "<query xmlns='jabber:iq:version'/>"
VCARD = "<vCard xmlns='vcard-temp'><FN>{}</FN></vCard>"
PUBSUB = "http://jabber.org/protocol/pubsub"
METADATA = "urn:xmpp:avatar:metadata"


class BetweenServers(FederatedTestCase):
    """The room and Romeo are here, Juliet is there."""

    plugins: ClassVar[Any] = ("muc", "presence", "roster", "vcard", "pep", "offline", "disco")
    config: ClassVar[Any] = {"s2s": {"queue_seconds": 20.0, "resume_seconds": 0.0}}

    def setUp(self) -> None:
        super().setUp()
        self.there = self.neighbour("verona.example")
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.there.login("juliet@verona.example/balcony", presence=True)
        self.clients: list[Client] = [self.romeo, self.juliet]
        self.romeo.send(f"<presence to='{GARDEN}/Romeo'>{JOIN}</presence>")
        self.made = self.plugin("muc").rooms.loaded[Jid.parse(GARDEN)]
        self.made.locked = False
        self.juliet.send(f"<presence to='{GARDEN}/Juliet'>{JOIN}</presence>")
        self.pump(10, step=0.1)  # the room asks those from elsewhere whether they are there
        self.assertEqual(sorted(self.made.occupants), ["Juliet", "Romeo"])
        self.forget()

    def settle(self) -> None:
        self.pump(2, step=0.1)

    def forget(self) -> None:
        self.settle()
        for client in self.clients:
            client.clear()

    def seen(self, client: Client) -> str:
        self.settle()
        got = "".join(client.received)
        client.clear()
        return got

    def test_request(self) -> None:
        for asker, answerer, nick, other in (
            (self.romeo, self.juliet, "Romeo", "Juliet"),
            (self.juliet, self.romeo, "Juliet", "Romeo"),
        ):
            asker.send(f"<iq type='get' id='1' to='{GARDEN}/{other}'>{VERSION}</iq>")
            self.settle()
            answerer.expect(f"<iq type='get' from='{GARDEN}/{nick}' id='{{{nick}}}'>{VERSION}</iq>")
            answerer.send(f"<iq type='result' to='{GARDEN}/{nick}' id='{{{nick}}}'>{VERSION}</iq>")
            self.settle()
            asker.expect(f"<iq type='result' id='1' from='{GARDEN}/{other}'>{VERSION}</iq>")

    def test_vcard(self) -> None:
        for client, name in ((self.romeo, "R"), (self.juliet, "J")):
            client.send(f"<iq type='set' id='v'>{VCARD.format(name)}</iq>")
        self.forget()
        for client, other, name in ((self.romeo, "Juliet", "J"), (self.juliet, "Romeo", "R")):
            client.send(f"<iq type='get' id='1' to='{GARDEN}/{other}'><vCard xmlns='vcard-temp'/></iq>")
            self.settle()
            client.expect(f"<iq type='result' id='1' from='{GARDEN}/{other}'>{VCARD.format(name)}</iq>")

    def test_avatar(self) -> None:
        """Published for everybody, it can be had by way of the room."""
        options = (
            "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
            f"{PUBSUB}#publish-options</value></field><field var='pubsub#access_model'><value>open</value></field></x>"
            "</publish-options>"
        )
        item = "<item id='a'><metadata xmlns='urn:xmpp:avatar:metadata'/></item>"
        publish = f"<pubsub xmlns='{PUBSUB}'><publish node='{METADATA}'>{item}</publish>{options}</pubsub>"
        self.juliet.send(f"<iq type='set' id='p'>{publish}</iq>")
        self.forget()
        wanted = f"<pubsub xmlns='{PUBSUB}'><items node='{METADATA}'/></pubsub>"
        self.romeo.send(f"<iq type='get' id='1' to='{GARDEN}/Juliet'>{wanted}</iq>")
        got = self.seen(self.romeo)
        self.assertIn("<metadata xmlns='urn:xmpp:avatar:metadata'/>", got)
        self.assertNotIn("verona", got)

    def test_server_that_is_gone(self) -> None:
        """The error says no real address."""
        self.romeo.send(f"<iq type='get' id='1' to='{GARDEN}/Juliet'>{VERSION}</iq>")
        self.romeo.send(f"<message type='chat' id='2' to='{GARDEN}/Juliet'><body>hi</body></message>")
        self.there.die()
        self.pump(200, step=1)
        answers = [one for one in self.romeo.received if "type='error'" in one]
        self.assertEqual(len(answers), 2, self.romeo.received)
        for answer in answers:
            self.assertIn(f"from='{GARDEN}/Juliet'", answer)
            self.assertRegex(answer, "remote-server-(not-found|timeout)")
            self.assertNotIn("verona", answer)

    def test_invitation(self) -> None:
        mercutio = self.there.login("mercutio@verona.example/square", presence=True)
        self.clients.append(mercutio)
        self.forget()
        self.romeo.send(
            f"<message to='{GARDEN}' id='i'><x xmlns='{USER}'><invite to='mercutio@verona.example'/></x></message>"
        )
        self.assertIn("<invite from='romeo@example.org'/>", self.seen(mercutio))
        mercutio.send(
            f"<message to='{GARDEN}' id='d'><x xmlns='{USER}'><decline to='romeo@example.org'/></x></message>"
        )
        self.settle()
        declined = f"<x xmlns='{USER}'><decline from='mercutio@verona.example'/></x>"
        self.romeo.expect(f"<message from='{GARDEN}' id='d'>{declined}{{...}}</message>")

    def test_invitation_of_nobody(self) -> None:
        for to, condition in (
            ("nobody@verona.example", "item-not-found"), ("a@nowhere.example", "remote-server-not-found"),
        ):  # fmt: skip
            self.juliet.send(f"<message to='{GARDEN}' id='i'><x xmlns='{USER}'><invite to='{to}'/></x></message>")
            self.pump(30, step=1)
            self.juliet.expect(
                f"<message type='error' id='i' from='{GARDEN}'><x xmlns='{USER}'><invite to='{to}'/></x>"
                f"<error type='cancel' by='{GARDEN}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"
            )
