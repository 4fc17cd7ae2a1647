"""RFC 6120 sections 5 and 6: what the other tests of STARTTLS and SASL leave open."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from xmppd.testing import Client, ServerTestCase

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"


def auth(mechanism: str, message: str | None) -> str:
    data = "" if message is None else base64.b64encode(message.encode()).decode() or "="
    return f"<auth xmlns='{_SASL}' mechanism='{mechanism}'>{data}</auth>"


def failure(condition: str) -> str:
    return f"<failure xmlns='{_SASL}'><{condition}/>{{...}}</failure>"


class TlsRequired(ServerTestCase):
    """5.3.1: where TLS is mandatory, nothing else is on offer, and nothing else happens, before it."""

    plugins = None
    tls = True
    config = {"server": {"plain_without_tls": False}}

    def open(self) -> Client:
        client = self.connect()
        client.open()
        return client

    def test_5_3_1_only_feature(self) -> None:
        self.assertEqual(
            self.open().features,
            f"<stream:features><starttls xmlns='{_TLS}'><required/></starttls></stream:features>",
        )

    def test_6_5_4_encryption_required(self) -> None:
        client = self.open()
        for mechanism in ("PLAIN", "SCRAM-SHA-1", "UNKNOWN"):
            client.send(auth(mechanism, "\0romeo\0secret"))
            client.expect(failure("encryption-required"))
        client.start_tls()

    def test_5_4_2_2_stanzas_first(self) -> None:
        for stanza in (
            f"<iq type='set' id='1'><bind xmlns='{_BIND}'/></iq>",
            "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
            "<message/>",
        ):
            client = self.open()
            client.send(stanza)
            client.expect_closed("not-authorized")

    def test_5_4_1_starttls_of_another_namespace(self) -> None:
        client = self.open()
        client.send("<starttls/>")
        client.expect_closed("not-authorized")

    def test_5_4_3_3_new_stream(self) -> None:
        """What the client said in the clear is forgotten, and the new stream has an id of its own."""
        client = self.open()
        assert client.header is not None
        id_ = client.header["id"]
        client.start_tls()
        assert client.header is not None
        self.assertNotEqual(client.header["id"], id_)
        self.assertNotIn("starttls", client.features)
        self.assertIn("SCRAM-SHA-256-PLUS", client.features)

    def test_5_4_2_2_after_logging_in(self) -> None:
        self.account("romeo@example.org")
        client = self.open()
        client.start_tls()
        client.authenticate("romeo", "secret")
        client.send(f"<starttls xmlns='{_TLS}'/>")
        client.expect(f"<failure xmlns='{_TLS}'/>")
        client.expect_closed()


class Sasl(ServerTestCase):
    """6.4 and 6.5, through a whole server."""

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        self.client = self.connect()
        self.client.open()

    def exchange(self, sent: Iterable[str], *answers: str) -> None:
        for xml in sent:
            self.client.send(xml)
            self.pump(2)
        self.client.expect(*answers)

    def test_6_4_2_no_mechanism(self) -> None:
        self.exchange([f"<auth xmlns='{_SASL}'>=</auth>"], failure("invalid-mechanism"))

    def test_6_4_2_mechanisms_are_case_sensitive(self) -> None:
        self.exchange([auth("plain", "\0romeo\0secret")], failure("invalid-mechanism"))

    def test_6_4_2_no_initial_response(self) -> None:
        response = base64.b64encode(b"\0romeo\0secret").decode()
        self.exchange(
            [auth("PLAIN", None), f"<response xmlns='{_SASL}'>{response}</response>"],
            f"<challenge xmlns='{_SASL}'/>",
            f"<success xmlns='{_SASL}'/>",
        )

    def test_6_4_2_initial_response_of_no_octets(self) -> None:
        self.exchange([auth("PLAIN", "")], failure("malformed-request"))

    def test_6_4_4_abort_and_another_mechanism(self) -> None:
        self.exchange(
            [auth("SCRAM-SHA-1", "n,,n=romeo,r=abc"), f"<abort xmlns='{_SASL}'/>", auth("PLAIN", "\0romeo\0secret")],
            f"<challenge xmlns='{_SASL}'>{{any}}</challenge>",
            failure("aborted"),
            f"<success xmlns='{_SASL}'/>",
        )

    def test_6_4_5_retries(self) -> None:
        """At least two, at most five; then the stream is closed."""
        wrong = auth("PLAIN", "\0romeo\0wrong")
        self.exchange([wrong] * 10, *[failure("not-authorized")] * 5)
        self.client.expect_closed("policy-violation")

    def test_6_4_5_right_after_two_retries(self) -> None:
        wrong, right = auth("PLAIN", "\0romeo\0wrong"), auth("PLAIN", "\0romeo\0secret")
        self.exchange([wrong, wrong, right], *[failure("not-authorized")] * 2, f"<success xmlns='{_SASL}'/>")

    def test_6_5_authorization_identities(self) -> None:
        for authzid, condition in (
            ("juliet@example.org", "invalid-authzid"),
            ("romeo@example.org/orchard", "invalid-authzid"),
            ("@@", "invalid-authzid"),
        ):
            client = self.client = self.connect()
            client.open()
            self.exchange([auth("PLAIN", f"{authzid}\0romeo\0secret")], failure(condition))
        self.exchange([auth("PLAIN", "romeo@example.org\0romeo\0secret")], f"<success xmlns='{_SASL}'/>")

    def test_6_5_elements_of_the_server(self) -> None:
        for name in ("challenge", "success", "failure", "mechanisms"):
            client = self.client = self.connect()
            client.open()
            self.exchange([f"<{name} xmlns='{_SASL}'/>"], failure("malformed-request"))
            client.expect_open()

    def test_13_11_unknown_accounts(self) -> None:
        """Nothing but the salt, which is made up, differs: step by step the same elements and conditions."""
        for name in ("romeo", "nobody"):
            client = self.client = self.connect()
            client.open()
            self.exchange([auth("PLAIN", f"\0{name}\0wrong")], f"<failure xmlns='{_SASL}'><not-authorized/></failure>")
            self.exchange(
                [auth("SCRAM-SHA-256", f"n,,n={name},r=abc")], f"<challenge xmlns='{_SASL}'>{{any}}</challenge>"
            )
