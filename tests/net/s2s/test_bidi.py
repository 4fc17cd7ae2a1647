"""One connection for both directions (XEP-0288), and several pairs of domains on it (XEP-0220 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tests.net.s2s.test_initiating import EXTERNAL, STARTTLS, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.core.federation.contract import Pair
from xmppd.net.tls.certificates import Credentials
from xmppd.testing.authority import certificate
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

BIDI = "<bidi xmlns='urn:xmpp:bidi'/>"
OFFER = "<bidi xmlns='urn:xmpp:features:bidi'/>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
LIMITS = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{}</max-bytes></limits>"


class Asked(ReceivingTestCase):
    """The other server has connected, and asks for it."""

    hosts = ("example.org", "example.net")

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x")
        self.montague = self.scripted("montague.example")

    def both_ways(self) -> ScriptedPeer:
        peer = self.secured()
        peer.send(BIDI)
        peer.external()
        return peer

    def test_with_external(self) -> None:
        peer = self.both_ways()
        peer.send("<message from='romeo@montague.example' to='{juliet}'><body>ho</body></message>")
        self.juliet.expect("<message from='romeo@montague.example'><body>ho</body></message>")
        self.juliet.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect("<message from='{juliet}' to='romeo@montague.example'><body>hi</body></message>")
        self.assertEqual(self.montague.peers, [])

    def test_not_before_stream_management(self) -> None:
        """What is sent before there is stream management would be lost with the connection, and nobody told."""
        peer = self.both_ways()
        self.juliet.send("<message to='romeo@montague.example' id='m'><body>hi</body></message>")
        self.pump(5)
        peer.expect_nothing()
        peer.send("<enable xmlns='urn:xmpp:sm:3'/>")
        peer.expect("<enabled xmlns='urn:xmpp:sm:3'/>", "<message><body>hi</body></message>")
        peer.disconnect()
        self.pump(1)
        self.juliet.expect("<message type='error' id='m'><body>hi</body><error type='wait'>{...}</error></message>")

    def test_who_says_nothing_wants_no_stream_management(self) -> None:
        peer = self.both_ways()
        self.juliet.send("<message to='romeo@montague.example'><body>hi</body></message>")
        self.pump(29)
        peer.expect_nothing()
        self.pump(2)
        peer.expect("<message><body>hi</body></message>")

    def test_with_dialback(self) -> None:
        """XEP-0288, example 4."""
        peer = self.secured()
        peer.send(BIDI)
        peer.send(peer.result())
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")
        peer.send("<presence from='romeo@montague.example' to='nobody@example.org' type='unavailable'/>")
        self.juliet.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect("<message from='{juliet}' to='romeo@montague.example'><body>hi</body></message>")

    def test_nothing_goes_before_it_is_proven(self) -> None:
        peer = self.secured()
        peer.send(BIDI)
        self.juliet.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect_nothing()

    def test_without_tls(self) -> None:
        peer = self.peer()
        peer.open()
        peer.send(BIDI)
        peer.expect_closed("policy-violation")

    def test_another_domain_of_ours(self) -> None:
        """XEP-0288, example 5: "the receiving server MAY initiate Server Dialback [...] for other domains it hosts"."""
        peer = self.both_ways()
        nurse = self.login("nurse@example.net/x")
        nurse.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect("<db:result from='example.net' to='montague.example'>{key}</db:result>")
        peer.send("<db:result from='montague.example' to='example.net' type='valid'/>")
        peer.expect("<message from='{nurse}'><body>hi</body></message>")
        # "any domain that has been used as a source domain can be used as a target domain"
        peer.send("<message from='romeo@montague.example' to='{nurse}'><body>ho</body></message>")
        nurse.expect("<message from='romeo@montague.example'><body>ho</body></message>")
        self.assertEqual(self.montague.peers, [])

    def test_another_domain_is_refused(self) -> None:
        """Then it is tried on a connection of its own."""
        peer = self.both_ways()
        nurse = self.login("nurse@example.net/x")
        nurse.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect("<db:result from='example.net' to='montague.example'>{key}</db:result>")
        peer.send(
            "<db:result from='montague.example' to='example.net' type='error'><error type='cancel'>"
            f"<item-not-found xmlns='{ns.STANZA_ERRORS}'/></error></db:result>"
        )
        self.assertEqual((self.montague.connection().header or {}).get("from"), "example.net")

    def test_a_key_is_not_verified_where_it_came(self) -> None:
        """ "the receiving server MUST NOT attempt to verify a dialback key on the same connection"."""
        peer = self.both_ways()
        self.scripted("rooms.montague.example.invalid", "192.0.2.97")
        other = self.scripted("capulet.example", "192.0.2.98")
        peer.send("<db:result from='capulet.example' to='example.org'>abc</db:result>")
        other.connection()
        peer.expect_nothing()

    def test_unsolicited_answers(self) -> None:
        """Section 3: the attack of XEP-0220 5 is worse here."""
        peer = self.both_ways()
        peer.send("<db:result from='capulet.example' to='example.org' type='valid'/>")
        peer.send("<db:result from='montague.example' to='example.net' type='valid'/>")
        (stream,) = self.servers.streams
        self.assertEqual(stream.sending, {Pair("example.org", "montague.example")})
        self.assertEqual(stream.proven, {("montague.example", "example.org")})

    def test_limits(self) -> None:
        """XEP-0478, example 2: what is too large for the other server is not sent, and its sender hears of it."""
        peer = self.secured()
        peer.send(f"<bidi xmlns='urn:xmpp:bidi'>{LIMITS.format(20_000)}</bidi>")
        peer.external()
        peer.send("<presence from='romeo@montague.example' to='nobody@example.org' type='unavailable'/>")
        large = "x" * 20_000
        self.juliet.send(f"<message to='romeo@montague.example' id='m'><body>{large}</body></message>")
        self.juliet.send("<message to='romeo@montague.example'><body>small</body></message>")
        peer.expect("<message><body>small</body></message>")
        self.juliet.expect(
            f"<message type='error' id='m'><body>{large}</body><error type='modify'>"
            f"<policy-violation xmlns='{ns.STANZA_ERRORS}'/>{{...}}</error></message>"
        )

    def test_limits_that_nobody_can_have(self) -> None:
        """RFC 6120 13.12: 10,000 octets have to be taken."""
        peer = self.secured()
        peer.send(f"<bidi xmlns='urn:xmpp:bidi'>{LIMITS.format(1)}</bidi>")
        peer.external()
        peer.send("<presence from='romeo@montague.example' to='nobody@example.org' type='unavailable'/>")
        self.juliet.send("<message to='romeo@montague.example'><body>hi</body></message>")
        peer.expect("<message><body>hi</body></message>")


class Offered(InitiatingTestCase):
    """We have connected."""

    hosts = ("example.org", "example.net")

    def carrying(self, features: str = OFFER) -> ScriptedPeer:
        peer = self.negotiated(EXTERNAL + DIALBACK + features)
        if features:
            peer.expect("<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'>{...}</limits></bidi>")
        peer.accept_external()
        peer.answer(DIALBACK)
        peer.expect("<message><body>hi</body></message>")
        return peer

    def test_used(self) -> None:
        peer = self.carrying()
        peer.send("<message from='juliet@montague.example' to='{romeo}'><body>ho</body></message>")
        self.romeo.expect("<message from='juliet@montague.example'><body>ho</body></message>")

    def test_what_comes_is_checked(self) -> None:
        for bad in ("juliet@capulet.example", "romeo@example.org", "juliet@rooms.montague.example"):
            peer = self.carrying() if not self.montague.peers else None
            if peer is not None:
                peer.send(f"<message from='{bad}' to='{{romeo}}'><body>ho</body></message>")
                peer.expect_closed("invalid-from")

    def test_another_domain_of_theirs(self) -> None:
        """Their certificate proves it as well."""
        peer = self.carrying()
        peer.send("<db:result from='rooms.montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result from='example.org' to='rooms.montague.example' type='valid'/>")
        self.romeo.send("<presence to='orchard@rooms.montague.example/r'/>")
        peer.expect("<presence from='{romeo}' to='orchard@rooms.montague.example/r'/>")

    def test_before_tls(self) -> None:
        """Offered before TLS and not after it: that is not for us."""
        peer = self.wanted()
        peer.answer(STARTTLS + OFFER)
        peer.accept_tls()
        peer.answer(EXTERNAL)
        peer.accept_external()
        peer.answer()
        peer.expect("<message><body>hi</body></message>")

    def test_several_domains_of_ours(self) -> None:
        """XEP-0220 2.5: on the connection there is, since the other server says that errors do no harm."""
        peer = self.carrying("")
        nurse = self.login("nurse@example.net/x")
        nurse.send("<message to='juliet@montague.example'><body>hi</body></message>")
        peer.expect("<db:result from='example.net' to='montague.example'>{key}</db:result>")
        peer.send("<db:result from='montague.example' to='example.net' type='valid'/>")
        peer.expect("<message from='{nurse}'><body>hi</body></message>")
        self.assertEqual(len(self.montague.peers), 1)


class BetweenOurs(FederatedTestCase):
    tls = True
    hosts = ("example.org", "example.net")
    config: ClassVar = {"limits": {"exempt_networks": []}}

    def credentials(self) -> Mapping[str, Credentials]:
        """One certificate for both."""
        return dict.fromkeys(self.hosts, certificate(*self.hosts))

    def test_four_pairs_on_one_connection(self) -> None:
        other = self.neighbour("verona.example", "mantua.example")
        ours = [self.login(f"a@{domain}/x", name=f"a{n}") for n, domain in enumerate(self.hosts)]
        theirs = [other.login(f"b@{d}/x", name=f"b{n}") for n, d in enumerate(("verona.example", "mantua.example"))]
        for client, name in zip(ours, ("a0", "a1"), strict=True):
            for n, friend in enumerate(theirs):
                client.send(f"<message to='{{b{n}}}'><body>hi</body></message>")
                self.pump(1)
                friend.expect(f"<message from='{{{name}}}'><body>hi</body></message>")
                friend.send(f"<message to='{{{name}}}'><body>ho</body></message>")
                self.pump(1)
                client.expect(f"<message from='{{b{n}}}'><body>ho</body></message>")
        self.assertEqual(len(self.internet.cables), 2)  # one for each domain of theirs: they might be apart
