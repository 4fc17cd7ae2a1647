"""Two of our servers with each other: by certificate and by dialback, in both directions (RFC 6120, XEP-0220)."""

from __future__ import annotations

from typing import ClassVar

from xmppd.core.federation.contract import Pair
from xmppd.testing.client import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.internet import Place


class Conversation(FederatedTestCase):
    tls = True

    def people(self, other: FederatedTestCase) -> tuple[Client, Client]:
        return self.login("romeo@example.org/orchard"), other.login("juliet@verona.example/balcony")

    def talk(self, other: FederatedTestCase) -> None:
        romeo, juliet = self.people(other)
        for number in range(3):
            romeo.send(f"<message to='{{juliet}}'><body>hi {number}</body></message>")
            juliet.expect(f"<message from='{{romeo}}' to='{{juliet}}'><body>hi {number}</body></message>")
            juliet.send(f"<message to='{{romeo}}'><body>ho {number}</body></message>")
            romeo.expect(f"<message from='{{juliet}}' to='{{romeo}}'><body>ho {number}</body></message>")

    def test_certificates(self) -> None:
        """One connection carries both directions: SASL EXTERNAL, bidi and stream management on it."""
        other = self.neighbour("verona.example")
        self.talk(other)
        self.assertEqual(len(self.internet.cables), 1)
        (ours,), (theirs,) = self.servers.streams, other.servers.streams
        self.assertEqual(theirs.proof_of, {"example.org": "certificate"})
        self.assertEqual(ours.sending, {Pair("example.org", "verona.example")})
        self.assertEqual(theirs.sending, {Pair("verona.example", "example.org")})
        self.assertIsNotNone(ours.acknowledged)
        self.assertIsNotNone(theirs.acknowledging)
        self.assertNotIn(b"<message", b"".join(map(bytes, self.internet.cables[0].octets)))

    def test_what_was_tried_is_written_down(self) -> None:
        other = self.neighbour("verona.example")
        self.talk(other)
        self.assertEqual(
            list(self.server.server.federation.remote("verona.example").trail),
            [
                "192.0.2.2: connected",
                "TLS: its certificate for verona.example was issued by Authority of the tests",
                "verona.example accepts stanzas from example.org, by EXTERNAL",
            ],
        )


class SelfSigned(Conversation):
    """Neither has a certificate that the other believes: the key of dialback is verified on a second connection."""

    trusted = False

    def test_certificates(self) -> None:
        other = self.neighbour("verona.example", trusted=False)
        self.talk(other)
        self.assertEqual(len(self.internet.cables), 2)
        (theirs,) = (stream for stream in other.servers.streams if stream.incoming)
        self.assertEqual(theirs.proof_of, {"example.org": "dialback"})
        self.pump(30)
        self.assertEqual(len(other.servers.streams), 1)  # the one that only verified a key is closed

    def test_what_was_tried_is_written_down(self) -> None:
        other = self.neighbour("verona.example", trusted=False)
        self.talk(other)
        tried = self.server.server.federation.remote("verona.example").trail
        self.assertEqual(tried[1], "TLS: its certificate is signed by itself, not by an authority")
        self.assertEqual(tried[2], "verona.example accepts stanzas from example.org, by dialback")


class CertificatesOnly(Conversation):
    config: ClassVar = {"s2s": {"policy": "certificate"}}

    def test_a_server_without_one_is_refused(self) -> None:
        other = self.neighbour("verona.example", trusted=False, config={})
        romeo, juliet = self.people(other)
        romeo.send("<message to='{juliet}' id='m'><body>hi</body></message>")
        self.pump(200)
        romeo.expect("<message type='error' id='m'><body>hi</body><error type='wait'>{...}</error></message>")
        self.assertIn("only certificates are good enough", romeo.received[-1])
        juliet.send("<message to='{romeo}' id='m'><body>hi</body></message>")
        self.pump(200)
        juliet.expect("<message type='error' id='m'><body>hi</body><error type='wait'>{...}</error></message>")
        self.assertIn("a certificate for verona.example is required", juliet.received[-1])


class Plain(FederatedTestCase):
    def test_without_tls(self) -> None:
        other = self.neighbour("verona.example", encrypted=False)
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<message to='juliet@verona.example' id='m'><body>hi</body></message>")
        self.pump(200)
        romeo.expect("<message type='error' id='m'><body>hi</body><error type='wait'>{...}</error></message>")
        self.assertIn("it does not offer TLS, which is required here", romeo.received[-1])
        self.assertEqual(list(other.servers.streams), [])


class PlainAllowed(Conversation):
    """Both are on loopback addresses, and their settings allow what tests need there."""

    encrypted = False
    address = "127.0.0.1"

    def test_certificates(self) -> None:
        other = self.neighbour("verona.example", encrypted=False, address="127.0.0.2")
        self.talk(other)
        octets = b"".join(bytes(way) for cable in self.internet.cables for way in cable.octets)
        self.assertIn(b"<message", octets)

    def test_what_was_tried_is_written_down(self) -> None:
        """There is nothing to tell of TLS."""


class AtOnce(FederatedTestCase):
    """Both begin at the same moment; one stream has to serve to verify keys and to send."""

    tls = True
    trusted = False

    def test_both_by_dialback(self) -> None:
        other = self.neighbour("verona.example", trusted=False)
        romeo, juliet = self.login("romeo@example.org/orchard"), other.login("juliet@verona.example/balcony")
        for client, friend in ((romeo, "juliet"), (juliet, "romeo")):
            client.transport.receive(
                f"<message to='{self.names[friend]}'><body>hi</body></message>".encode()
            )  # and no time passes
        self.pump(5)
        juliet.expect("<message from='{romeo}'><body>hi</body></message>")
        romeo.expect("<message from='{juliet}'><body>hi</body></message>")
        self.assertLessEqual(len(self.internet.cables), 2)

    def test_the_other_can_not_be_reached(self) -> None:
        """Its key can't be verified, and it is told so."""
        other = self.neighbour("verona.example", trusted=False)
        juliet = other.login("juliet@verona.example/balcony")
        self.internet.places["verona.example"] = [Place("192.0.2.2", None)]
        juliet.send("<message to='romeo@example.org' id='m'><body>hi</body></message>")
        self.pump(120)
        juliet.expect("<message type='error' id='m'><body>hi</body><error type='wait'>{...}</error></message>")
        self.assertIn("could not be asked", juliet.received[-1])
