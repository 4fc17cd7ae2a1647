"""SCRAM with channel binding (RFC 5802, RFC 9266, XEP-0440), written from the RFCs with the standard library."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import socket
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.raw import HEADER
from tests.interop.scenario import PASSWORD
from tests.interop.server import DOMAIN

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


def encoded(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def condition(failure: str) -> str:
    """Return the defined condition of a SASL failure."""
    return str(re.findall(r"<([a-z-]+)", failure)[1])


class BoundClient:
    """A blocking client on the direct TLS port that knows what is special about its TLS connection."""

    def __init__(self, port: int, certificate: str, newest: int = SSL.TLS1_3_VERSION) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(newest)
        context.load_verify_locations(certificate)
        context.set_verify(SSL.VERIFY_PEER, lambda *arguments: bool(arguments[-1]))
        context.set_alpn_protos([b"xmpp-client"])
        plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
        plain.setblocking(True)
        self.connection = SSL.Connection(context, plain)
        self.connection.set_tlsext_host_name(DOMAIN.encode())
        self.connection.set_connect_state()
        self.connection.do_handshake()

    def binding(self, kind: str) -> tuple[str, bytes]:
        """Return the channel binding data of RFC 9266 or of RFC 5929 section 4."""
        if kind == "tls-exporter":
            data = self.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
            return kind, data
        certificate: Any = self.connection.get_peer_certificate()
        assert certificate is not None
        der = certificate.to_cryptography().public_bytes(Encoding.DER)
        return kind, hashlib.sha256(der).digest()

    def talk(self, data: str, token: str) -> str:
        """Send, and return what comes until `token` is complete."""
        self.connection.sendall(data.encode())
        received = b""
        while not re.search(token.encode(), received):
            received += self.connection.recv(65536)
        return received.decode()

    def login(self, account: str, mechanism: str, binding: tuple[str, bytes] | None) -> str:
        """Return `success`, or the condition of the failure; AssertionError if the server doesn't know the password."""
        name = re.findall("SHA-[0-9]+", mechanism)[0].replace("-", "").lower()
        gs2 = "n,," if binding is None else f"p={binding[0]},,"
        first = f"n={account},r=fyko+d2lbbFgONRv9qkxdawL"
        start = f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{encoded((gs2 + first).encode())}</auth>"
        answer = self.talk(start, "</challenge>|</failure>")
        if "<failure" in answer:
            return condition(answer)
        challenge = base64.b64decode(re.findall(">([^<]+)</challenge>", answer)[0]).decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        bound = encoded(gs2.encode() + (binding[1] if binding else b""))
        without_proof = f"c={bound},r={parts['r']}"
        signed = f"{first},{challenge},{without_proof}".encode()
        salt, rounds = base64.b64decode(parts["s"]), int(parts["i"])
        salted = hashlib.pbkdf2_hmac(name, PASSWORD.encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", name)
        signature = hmac.digest(hashlib.new(name, key).digest(), signed, name)
        proof = encoded(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
        final = encoded(f"{without_proof},p={proof}".encode())
        answer = self.talk(f"<response xmlns='{SASL}'>{final}</response>", "</success>|</failure>")
        if "<failure" in answer:
            return condition(answer)
        expected = "v=" + encoded(hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name))
        assert base64.b64decode(re.findall(">([^<]+)</success>", answer)[0]).decode() == expected, answer
        return "success"


class ChannelBinding(scenario.LiveCase):
    """Direct TLS, TLS 1.3 and 1.2."""

    async def _attempt(self, mechanism: str, kind: str | None, wrong: bool = False, **more: Any) -> str:
        self.number = next(self._numbers)
        account = await self.account("romeo")

        def attempt() -> str:
            client = BoundClient(self.server.tls_port, str(self.server.certificate), **more)
            features = client.talk(HEADER, "</stream:features>")
            if kind is not None and self.server.name == "prosody" and f">{mechanism}<" not in features:
                self.skipTest("this Prosody was built without it")
            self.assertIn(f">{mechanism}<", features)
            if kind is not None and self.server.name == "xmppd":  # XEP-0440
                self.assertRegex(features, f"<channel-binding type=['\"]{kind}['\"]")
            binding = client.binding(kind) if kind is not None else None
            if wrong and binding is not None:
                binding = (binding[0], bytes(len(binding[1])))
            return client.login(account, mechanism, binding)

        return await asyncio.to_thread(attempt)

    async def test_exporter(self) -> None:
        """RFC 9266: tls-exporter over TLS 1.3."""
        self.assertEqual(await self._attempt("SCRAM-SHA-256-PLUS", "tls-exporter"), "success")

    async def test_end_point(self) -> None:
        """RFC 5929 section 4: tls-server-end-point, over TLS 1.2 as well."""
        for newest in (SSL.TLS1_3_VERSION, SSL.TLS1_2_VERSION):
            result = await self._attempt("SCRAM-SHA-1-PLUS", "tls-server-end-point", newest=newest)
            self.assertEqual(result, "success")

    async def test_another_connection(self) -> None:
        """The binding data of some other connection is refused: somebody is in the middle."""
        self.assertEqual(await self._attempt("SCRAM-SHA-256-PLUS", "tls-exporter", True), "not-authorized")

    async def test_without(self) -> None:
        """SCRAM without channel binding works beside it."""
        self.assertEqual(await self._attempt("SCRAM-SHA-256", None), "success")

    async def test_without_over_an_old_tls(self) -> None:
        """The same over TLS 1.2."""
        self.assertEqual(await self._attempt("SCRAM-SHA-256", None, newest=SSL.TLS1_2_VERSION), "success")
