"""SASL EXTERNAL with client certificates, from the stream header to the resource: XEP-0178 section 2."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from tests.net.tls_peers import issue, xmpp_name
from xmppd.net.tls.certificates import Credentials
from xmppd.testing import Client, ServerTestCase

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class ExternalTests(ServerTestCase):
    """The steps of section 2, by what the certificate says."""

    plugins = ("ping",)
    hosts = ("example.com",)
    tls = True

    def settings_table(self) -> dict[str, Any]:
        self.root = issue("root", authority=True)
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "ca.pem").write_bytes(self.root.leaf.public_bytes(Encoding.PEM))
        table = super().settings_table()
        table["server"]["plain_without_tls"] = False
        table["tls"] = {"client_ca": str((folder / "ca.pem").absolute())}
        return table

    def setUp(self) -> None:
        super().setUp()
        self.account("juliet@example.com")

    def client(self, *addresses: str, issuer: Credentials | None = None) -> Client:
        """Return a client that has a certificate and encryption: steps 1 to 9."""
        shown = issue("juliet", [xmpp_name(address) for address in addresses], issuer or self.root)
        client = self.connect()
        client.credentials = (shown.key, shown.chain)
        client.open("example.com", from_="juliet@example.com")
        client.expect_features(
            "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
            "</stream:features>"
        )
        client.start_tls("example.com")
        self.assertEqual((client.header or {})["from"], "example.com")
        return client

    def authenticate(self, client: Client, authzid: str = "") -> None:
        """Step 10."""
        data = base64.b64encode(authzid.encode()).decode() or "="
        client.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{data}</auth>")

    def expect_in(self, client: Client, account: str) -> None:
        """Steps 11 and 12."""
        client.expect(f"<success xmlns='{SASL}'/>")
        client.open("example.com")
        client.bind("balcony")
        self.assertEqual(client.jid, f"{account}/balcony")

    def expect_refused(self, client: Client, condition: str) -> None:
        self.pump(10)
        client.expect(f"<failure xmlns='{SASL}'><{condition}/>{{...}}</failure>")

    def test_one_address(self) -> None:
        client = self.client("juliet@example.com")
        self.assertIn("<mechanism>EXTERNAL</mechanism>", client.features)
        self.authenticate(client)
        self.expect_in(client, "juliet@example.com")

    def test_one_address_and_another_wanted(self) -> None:
        self.account("romeo@example.com")
        client = self.client("juliet@example.com")
        self.authenticate(client, "romeo@example.com")
        self.expect_refused(client, "invalid-authzid")

    def test_several_addresses(self) -> None:
        client = self.client("nurse@example.com", "juliet@example.com")
        self.authenticate(client)
        self.expect_refused(client, "invalid-authzid")
        self.authenticate(client, "juliet@example.com")
        self.expect_in(client, "juliet@example.com")

    def test_several_addresses_one_of_this_host(self) -> None:
        client = self.client("juliet@example.net", "juliet@example.com")
        self.authenticate(client)
        self.expect_in(client, "juliet@example.com")

    def test_no_address(self) -> None:
        others = ("juliet@example.net", "example.com", "juliet@example.com/balcony")  # none is an account's here
        for client in (self.client(), *map(self.client, others)):
            self.assertNotIn("EXTERNAL", client.features)
            self.authenticate(client, "juliet@example.com")
            client.expect(f"<failure xmlns='{SASL}'><invalid-mechanism/>{{...}}</failure>")

    def test_no_account(self) -> None:
        client = self.client("tybalt@example.com")
        self.authenticate(client)
        self.expect_refused(client, "not-authorized")

    def test_disabled_account(self) -> None:
        self.wait(self.server.server.operations.run("user lock", {"jid": "juliet@example.com"}))
        client = self.client("juliet@example.com")
        self.authenticate(client)
        self.expect_refused(client, "account-disabled")

    def test_authority_that_is_not_believed(self) -> None:
        client = self.client("juliet@example.com", issuer=issue("root", authority=True))
        self.assertNotIn("EXTERNAL", client.features)
        client.authenticate("juliet", "secret")  # it may come in by other ways
