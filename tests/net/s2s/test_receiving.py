"""Streams that other servers open to us: header, features, STARTTLS (RFC 6120 4.3, 4.7, 4.9, 5.4)."""

from __future__ import annotations

from typing import ClassVar

from xmppd.testing.authority import self_signed
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

STARTTLS = f"<starttls xmlns='{ns.TLS}'><required/></starttls>"
BIDI = "<bidi xmlns='urn:xmpp:features:bidi'/>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
EXTERNAL = f"<mechanisms xmlns='{ns.SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
SM = "<sm xmlns='urn:xmpp:sm:3'/>"


def limits(octets: int) -> str:
    return (
        f"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>{octets}</max-bytes>"
        "<idle-seconds>3600</idle-seconds></limits>"
    )


class ReceivingTestCase(FederatedTestCase):
    tls = True

    def secured(self, domain: str = "montague.example", trusted: bool = True) -> ScriptedPeer:
        """Return a connection on which TLS has begun, and the stream after it."""
        peer = self.peer(domain)
        if not trusted:
            peer.show(self_signed(domain))
        peer.open()
        peer.start_tls()
        return peer


class Headers(ReceivingTestCase):
    def test_the_answer(self) -> None:
        peer = self.peer()
        peer.open(id="theirs")
        assert peer.header is not None
        self.assertEqual(peer.header["from"], "example.org")
        self.assertEqual(peer.header["to"], "montague.example")
        self.assertEqual(peer.header["version"], "1.0")
        self.assertGreaterEqual(len(peer.header["id"]), 16)
        self.assertNotEqual(peer.header["id"], "theirs")

    def refused(self, condition: str, to: str | None = "example.org", **attributes: str | None) -> None:
        peer = self.peer()
        peer.open(to, **attributes)
        self.assertIsNotNone(peer.header)
        peer.expect_closed(condition)

    def test_unknown_host(self) -> None:
        self.refused("host-unknown", "example.net")

    def test_no_host(self) -> None:
        self.refused("improper-addressing", None)

    def test_a_host_that_is_none(self) -> None:
        self.refused("improper-addressing", "romeo@example.org")

    def test_from_one_of_ours(self) -> None:
        self.refused("invalid-from", from_="example.org")

    def test_from_a_component_of_ours(self) -> None:
        self.server.server.router.owners["rooms.example.org"] = self.host
        self.refused("invalid-from", from_="rooms.example.org")

    def test_from_what_is_no_domain(self) -> None:
        self.refused("improper-addressing", from_="a@b@c")

    def test_version(self) -> None:
        self.refused("unsupported-version", version="0.8")

    def test_for_clients(self) -> None:
        peer = self.peer()
        peer.send_raw(f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}' to='example.org' version='1.0'>")
        peer.expect_closed("invalid-namespace")

    def test_no_stream(self) -> None:
        peer = self.peer()
        peer.send_raw("GET / HTTP/1.1\r\n\r\n")
        peer.expect_closed("not-well-formed")

    def test_too_long(self) -> None:
        peer = self.peer()
        peer.send_raw("<stream:stream " + "x" * 5_000)
        peer.send_raw("='y'>")
        peer.expect_closed("policy-violation")

    def test_stanza_first(self) -> None:
        for stanza in ("message", "presence", "iq"):
            peer = self.peer()
            peer.open()
            peer.send(f"<{stanza} from='romeo@montague.example' to='juliet@example.org'/>")
            peer.expect_closed("not-authorized")

    def test_an_unknown_element(self) -> None:
        peer = self.peer()
        peer.open()
        peer.send("<surprise xmlns='urn:example'/>")
        peer.expect_closed("unsupported-stanza-type")

    def test_it_takes_too_long(self) -> None:
        peer = self.peer()
        peer.open()
        self.pump(29)
        peer.expect_open()
        self.pump(2)
        peer.expect_closed("connection-timeout")


class Features(ReceivingTestCase):
    def test_before_tls(self) -> None:
        peer = self.peer()
        peer.open()
        peer.expect_features(f"<stream:features>{STARTTLS}{BIDI}{limits(10000)}</stream:features>")

    def test_with_a_certificate_that_proves_the_domain(self) -> None:
        peer = self.secured()
        peer.expect_features(f"<stream:features>{EXTERNAL}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")

    def test_with_one_that_does_not(self) -> None:
        peer = self.secured(trusted=False)
        peer.expect_features(f"<stream:features>{SM}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")

    def test_with_one_of_another_domain(self) -> None:
        peer = self.peer("montague.example")
        peer.open(from_="capulet.example")
        peer.send(f"<starttls xmlns='{ns.TLS}'/>")
        peer.expect(f"<proceed xmlns='{ns.TLS}'/>")
        peer.encrypt()
        peer.open(from_="capulet.example")
        peer.expect_features(f"<stream:features>{SM}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")

    def test_after_external(self) -> None:
        """XEP-0478, example 1."""
        peer = self.secured()
        peer.external()
        peer.expect_features(f"<stream:features>{SM}{DIALBACK}{limits(524288)}</stream:features>")

    def test_direct_tls(self) -> None:
        peer = self.peer(direct_tls=True)
        peer.encrypt()
        peer.open()
        peer.expect_features(f"<stream:features>{EXTERNAL}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")

    def test_tls_again(self) -> None:
        peer = self.secured()
        peer.send(f"<starttls xmlns='{ns.TLS}'/>")
        peer.expect(f"<failure xmlns='{ns.TLS}'/>")
        peer.expect_closed()

    def test_what_comes_with_starttls_is_thrown_away(self) -> None:
        """What came in the same packet was not encrypted, whoever sent it (RFC 6120 5.4.3.3)."""
        peer = self.peer()
        peer.open()
        peer.send(f"<starttls xmlns='{ns.TLS}'/><message from='a@montague.example' to='b@example.org'/>")
        peer.expect(f"<proceed xmlns='{ns.TLS}'/>")
        peer.encrypt()
        peer.open()
        peer.expect_features(f"<stream:features>{EXTERNAL}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")


class Old(ReceivingTestCase):
    """Servers older than XMPP 1.0, which know of dialback only (XEP-0220 2.3)."""

    def test_tls_is_required(self) -> None:
        peer = self.peer()
        peer.open(version=None)
        assert peer.header is not None
        self.assertNotIn("version", peer.header)
        peer.expect_closed("unsupported-version")

    def test_without_dialback(self) -> None:
        peer = self.peer()
        peer.send_raw(f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' to='example.org'>")
        peer.expect_closed("unsupported-version")


class OldAllowed(ReceivingTestCase):
    config: ClassVar = {"s2s": {"tls_required": False}}

    def test_dialback(self) -> None:
        authoritative = self.scripted("montague.example")
        peer = self.peer()
        peer.open(version=None)
        self.assertEqual(peer.features, "")
        peer.send(peer.result())
        back = authoritative.connection()
        back.answer(version=None)
        back.expect("<db:verify from='example.org' to='montague.example' id='{stream}'>{key}</db:verify>")
        assert peer.header is not None
        self.assertEqual(self.names["stream"], peer.header["id"])
        back.send("<db:verify from='montague.example' to='example.org' id='{stream}' type='valid'/>")
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")

    def test_no_addresses_in_the_header(self) -> None:
        peer = self.peer()
        peer.open(None, version=None, from_=None)
        peer.expect_open()


class Policies(ReceivingTestCase):
    config: ClassVar = {
        "s2s": {
            "domains": {
                "montague.example": {"policy": "blocked"},
                "capulet.example": {"policy": "certificate"},
            }
        }
    }

    def test_blocked(self) -> None:
        peer = self.peer()
        peer.open()
        peer.expect_closed("policy-violation")

    def test_a_certificate_is_required(self) -> None:
        peer = self.secured("capulet.example", trusted=False)
        peer.expect_closed("not-authorized")
        self.assertIn("signed by itself", peer.received[-1])

    def test_a_certificate_is_there(self) -> None:
        peer = self.secured("capulet.example")
        peer.external()
        peer.expect_open()


class Limits(ReceivingTestCase):
    config: ClassVar = {
        "s2s": {"connections": 3, "connections_per_address": 2, "stanza_octets": 20_000},
        "limits": {"exempt_networks": []},
    }

    def test_connections_from_one_address(self) -> None:
        peers = [self.peer() for _ in range(3)]
        peers[2].open()
        peers[2].expect_closed("resource-constraint")
        peers[0].disconnect()
        peer = self.peer()
        peer.open()
        peer.expect_open()

    def test_connections_in_total(self) -> None:
        for number in range(3):
            self.peer(address=f"192.0.2.{100 + number}")
        peer = self.peer(address="192.0.2.110")
        peer.open()
        peer.expect_closed("resource-constraint")

    def test_large_stanzas(self) -> None:
        peer = self.secured()
        peer.external()
        self.login("juliet@example.org/x")
        text = "x" * 19_000
        peer.send(f"<message from='romeo@montague.example' to='juliet@example.org'><body>{text}</body></message>")
        peer.expect_open()
        peer.send(
            f"<message from='romeo@montague.example' to='juliet@example.org'><body>{text}xx{text}</body></message>"
        )
        peer.expect_closed("policy-violation")

    def test_large_stanzas_of_strangers(self) -> None:
        peer = self.secured()
        peer.send_raw("<message from='romeo@montague.example' to='juliet@example.org'><body>" + "x" * 10_000)
        peer.send_raw("</body></message>")
        peer.expect_closed("policy-violation")
