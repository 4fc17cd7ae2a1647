"""XEP-0114, section 3: how a component proves who it is, and what comes of those that can't."""

from __future__ import annotations

from typing import Any

from xmppd.testing import ComponentClient, ServerTestCase
from xmppd.wire import ns

IRC = "irc.example.org"
OUTSIDE = "192.0.2.7"


class HandshakeTests(ServerTestCase):
    components = {IRC: {}}

    def test_handshake(self) -> None:
        """XEP-0114, examples 1 to 4."""
        irc = self.component(IRC, enter=False)
        irc.open()
        assert irc.header is not None
        self.assertEqual(irc.header["from"], IRC)
        self.assertNotIn("version", irc.header)
        self.assertEqual(irc.features, "")
        irc.shake_hands()
        irc.expect("<handshake/>")
        self.assertTrue(self.server.server.components.by_domain[IRC].connected)
        irc.expect_open()

    def test_ids_differ(self) -> None:
        ids = set()
        for _ in range(3):
            irc = self.component(IRC, enter=False)
            irc.open()
            assert irc.header is not None
            ids.add(irc.header["id"])
        self.assertEqual(len(ids), 3)

    def test_wrong_secret(self) -> None:
        irc = self.component(IRC, "wrong", enter=False)
        irc.open()
        irc.shake_hands()
        irc.expect_nothing()  # not at once
        self.pump(1)
        irc.expect_closed("not-authorized")
        self.assertFalse(self.server.server.components.by_domain[IRC].connected)

    def test_nothing_is_taken_while_it_is_refused(self) -> None:
        irc = self.component(IRC, "wrong", enter=False)
        irc.open()
        irc.shake_hands()
        irc.secret = "secret"
        irc.shake_hands()
        self.pump(1)
        irc.expect_closed("not-authorized")

    def test_strange_secrets(self) -> None:
        for content in ("", "ü" * 20, "0" * 40, "A" * 5000, "<x/>"):
            with self.subTest(content=content[:10]):
                irc = self.component(IRC, enter=False)
                irc.open()
                irc.send(f"<handshake>{content}</handshake>")
                self.pump(1)
                irc.expect_closed("not-authorized")

    def test_space_around_the_digest(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open()
        original = irc.send
        irc.send = lambda xml: original(xml.replace("<handshake>", "<handshake>\n ").replace("</", " </"))  # type: ignore[method-assign]
        irc.shake_hands()
        irc.expect("<handshake/>")

    def test_unknown_domain(self) -> None:
        for domain in ("other.example.org", "example.org", "a b", "juliet@irc.example.org"):
            irc = self.component(domain, enter=False)
            irc.open()
            irc.expect_closed("host-unknown")

    def test_no_domain(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.send_raw(f"<stream:stream xmlns='{ns.COMPONENT}' xmlns:stream='{ns.STREAM}'>")
        irc.expect_closed("host-unknown")

    def test_wrong_namespace(self) -> None:
        """Section 3: invalid-namespace, behind a header."""
        for content in (ns.CLIENT, ns.SERVER, "jabber:component:connect"):
            irc = self.component(IRC, enter=False)
            irc.send_raw(f"<stream:stream xmlns='{content}' xmlns:stream='{ns.STREAM}' to='{IRC}'>")
            irc.expect_closed("invalid-namespace")
            self.assertIsNotNone(irc.header)

    def test_stanza_before_handshake(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open()
        irc.send("<message from='irc.example.org' to='juliet@example.org'/>")
        irc.expect_closed("not-authorized")

    def test_handshake_before_header(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.send_raw("<handshake>x</handshake>")
        irc.expect_closed("invalid-namespace")

    def test_second_handshake(self) -> None:
        irc = self.component(IRC)
        irc.shake_hands()
        irc.expect_closed("unsupported-stanza-type")

    def test_too_slow(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open()
        self.pump(61)
        irc.expect_closed("connection-timeout")

    def test_domain_is_normalized(self) -> None:
        irc = self.component("IRC.Example.org", "secret")
        self.assertEqual((irc.header or {})["from"], IRC)

    def test_counted(self) -> None:
        self.component(IRC)
        wrong = self.component(IRC, "wrong", enter=False)
        wrong.open()
        wrong.shake_hands()
        stranger = self.component("other.example.org", enter=False)
        stranger.open()
        assert self._component_listener is not None
        self.assertEqual(self._component_listener.results, {"success": 1, "not-authorized": 1, "host-unknown": 1})
        self.pump(1)


class AddressTests(ServerTestCase):
    components = {
        IRC: {},
        "far.example.org": {"addresses": ["192.0.2.0/24"], "plain_networks": ["192.0.2.0/24"]},
        "guarded.example.org": {"addresses": ["192.0.2.0/24"]},
    }
    config = {"limits": {"failed_logins_per_address": 2, "connections_per_address": 3}}

    def opened(self, domain: str, peer: str, secret: str | None = None, **attributes: Any) -> ComponentClient:
        component = self.component(domain, secret, peer=peer, enter=False)
        component.open(**attributes)
        return component

    def test_only_from_its_addresses(self) -> None:
        self.opened(IRC, OUTSIDE).expect_closed("not-authorized")
        self.opened("far.example.org", "127.0.0.1").expect_closed("not-authorized")
        self.component("far.example.org", peer=OUTSIDE).expect_open()

    def test_plain_only_from_plain_networks(self) -> None:
        self.opened("guarded.example.org", OUTSIDE).expect_closed("policy-violation")
        self.opened("guarded.example.org", OUTSIDE, version="1.0").expect_closed("policy-violation")

    def test_guessing(self) -> None:
        for _ in range(2):
            wrong = self.opened("far.example.org", OUTSIDE, "wrong")
            wrong.shake_hands()
            self.pump(1)
            wrong.expect_closed("not-authorized")
        right = self.opened("far.example.org", OUTSIDE)
        right.shake_hands()
        right.expect_closed("policy-violation")
        self.pump(600)
        self.component("far.example.org", peer=OUTSIDE).expect_open()

    def test_guessing_from_loopback(self) -> None:
        """Who runs components on the server itself isn't locked out by one of them."""
        for _ in range(3):
            wrong = self.opened(IRC, "127.0.0.1", "wrong")
            wrong.shake_hands()
            self.pump(1)
            wrong.expect_closed("not-authorized")
        self.component(IRC).expect_open()

    def test_too_many_connections(self) -> None:
        for _ in range(3):
            self.opened("far.example.org", OUTSIDE)
        self.component("far.example.org", peer=OUTSIDE, enter=False).expect_closed("resource-constraint")


class TlsTests(ServerTestCase):
    tls = True
    components = {
        IRC: {},
        "guarded.example.org": {"addresses": ["192.0.2.0/24"], "plain_networks": []},
    }

    def test_not_offered_to_those_without_a_version(self) -> None:
        self.component(IRC).expect_open()

    def test_offered(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open(version="1.0")
        self.assertEqual((irc.header or {})["version"], "1.0")
        irc.expect_features(f"<stream:features><starttls xmlns='{ns.TLS}'/></stream:features>")
        irc.start_tls(IRC)
        irc.expect_features("<stream:features/>")
        irc.shake_hands()
        irc.expect("<handshake/>")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        irc.send("<message from='irc.example.org' to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message from='irc.example.org' to='{juliet}'><body>hi</body></message>")

    def test_not_wanted(self) -> None:
        irc = self.component(IRC, enter=False)
        irc.open(version="1.0")
        irc.shake_hands()
        irc.expect("<handshake/>")

    def test_required(self) -> None:
        guarded = self.component("guarded.example.org", peer=OUTSIDE, enter=False)
        guarded.open(version="1.0")
        guarded.expect_features(f"<stream:features><starttls xmlns='{ns.TLS}'><required/></starttls></stream:features>")
        guarded.shake_hands()
        guarded.expect_closed("policy-violation")
        guarded = self.component("guarded.example.org", peer=OUTSIDE, enter=False)
        guarded.open(version="1.0")
        guarded.start_tls("guarded.example.org")
        guarded.shake_hands()
        guarded.expect("<handshake/>")

    def test_direct(self) -> None:
        """`[listen] component_tls`."""
        self.component("guarded.example.org", peer=OUTSIDE, direct_tls=True).expect_open()

    def test_twice(self) -> None:
        irc = self.component(IRC, direct_tls=True, enter=False)
        irc.open(version="1.0")
        irc.expect_features("<stream:features/>")
        irc.send(f"<starttls xmlns='{ns.TLS}'/>")
        irc.expect(f"<failure xmlns='{ns.TLS}'/>")
        irc.expect_closed()

    def test_injection(self) -> None:
        """What comes behind <starttls/> in the same packet is not believed (RFC 6120 5.4.3.3)."""
        irc = self.component(IRC, enter=False)
        irc.open(version="1.0")
        header = f"<stream:stream xmlns='{ns.COMPONENT}' xmlns:stream='{ns.STREAM}' to='{IRC}'>"
        irc.send_raw(f"<starttls xmlns='{ns.TLS}'/>{header}")
        irc.expect(f"<proceed xmlns='{ns.TLS}'/>")
        irc.encrypt()
        irc.open(version="1.0")
        irc.shake_hands()
        irc.expect("<handshake/>")
