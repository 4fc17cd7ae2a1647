"""Looking at other servers, on loopback: every kind of them, and what is told."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.names import dns

from tests.net.s2s.dns_server import a, pause, reactor, settings, srv
from tests.net.s2s.test_resolver import STARTTLS, ResolverTestCase
from tests.net.tls_peers import issue, make_settings
from xmppd.core.federation.policy import Policy
from xmppd.net.s2s.dialer import Dialer
from xmppd.net.s2s.inspection import inspect
from xmppd.net.tls.peer import PeerTls
from xmppd.wire import dialback, ns
from xmppd.wire.xml import tag

ROOT = issue("Test Root", authority=True)
OURS = issue("ours", [x509.DNSName("romeo.example")], ROOT)
THEIRS = issue("theirs", [x509.DNSName("example.org")], ROOT)
STARTTLS_FEATURE = tag("starttls", xmlns=ns.TLS)
EXTERNAL = tag("mechanisms", tag("mechanism", "EXTERNAL"), xmlns=ns.SASL)
OPEN = Policy(blocked=False, certificate_only=False, tls_required=True)
Answers = dict[bytes, bytes | None]


class Peer(Protocol):
    """Another server that says what the test wants: the answer to the first of these that it hears, if it is bytes;
    None means that TLS begins."""

    transport: Any = None
    tls: Any = None

    def __init__(self, tls: PeerTls, plain: Answers, encrypted: Answers, later: bytes) -> None:
        self._tls = tls
        self._plain, self._encrypted, self._later = plain, encrypted, later

    def dataReceived(self, data: bytes) -> None:
        for heard, answer in (self._plain if self.tls is None else self._encrypted).items():
            if heard in data:
                if answer is not None:
                    self.transport.write(answer)
                if answer == SUCCESS:
                    self._encrypted = {b"<stream:stream": self._later or None}
                if heard == b"<starttls" and answer is not None:
                    self._tls.start_receiving(self, None)
                elif answer is None:
                    self.transport.loseConnection()
                return


def header(
    *features: bytes, version: str = " version='1.0'", content: str = ns.SERVER, end: bytes | None = None
) -> bytes:
    opening = (
        f"<?xml version='1.0'?><stream:stream xmlns='{content}' xmlns:stream='{ns.STREAM}'"
        f" xmlns:db='{ns.DIALBACK}' id='i' from='example.org' to='romeo.example'{version}>"
    )
    if end is None:
        end = b"<stream:features>" + b"".join(features) + b"</stream:features>" if version else b""
    return opening.encode() + end


PROCEED = tag("proceed", xmlns=ns.TLS)
TO_TLS: Answers = {b"<stream:stream": header(STARTTLS_FEATURE), b"<starttls": PROCEED}
SUCCESS = tag("success", xmlns=ns.SASL)
FAILURE = tag("failure", tag("not-authorized"), tag("text", "who are you?"), xmlns=ns.SASL)


def result(type: str) -> bytes:
    return f"<db:result from='example.org' to='romeo.example' type='{type}'/>".encode()


class InspectionTestCase(ResolverTestCase):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name)
        (path / "roots.pem").write_bytes(ROOT.leaf.public_bytes(Encoding.PEM))
        values = make_settings(path, '[s2s]\nca = "roots.pem"', ("romeo.example",))
        self.tls = PeerTls(values, {"romeo.example": OURS})
        self.their_tls = PeerTls(values, {"example.org": THEIRS})

    def listen(self, plain: Answers, encrypted: Answers | None = None, direct: bool = False, later: bytes = b"") -> int:
        def build() -> Any:
            peer = Peer(self.their_tls, plain, encrypted or {}, later)
            return self.their_tls.wrap_receiving(peer) if direct else peer

        factory: Any = Factory()
        factory.buildProtocol = lambda address: build()
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(pause, 0.02)
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        number: int = port.getHost().port
        return number

    async def look(self, port: int, policy: Policy = OPEN, key: str = "", **values: Any) -> dict[str, Any]:
        server = self.serve({STARTTLS: [srv("a.example", port)], ("a.example", dns.A): [a()]})
        return await self.inspect(Dialer(reactor, self.resolver(server), settings(server, **values)), policy, key)

    async def inspect(self, dialer: Dialer, policy: Policy, key: str = "") -> dict[str, Any]:
        maker = (lambda stream_id: f"{key} {stream_id}") if key else None
        return await inspect(dialer, self.tls, "romeo.example", "example.org", policy, maker)


class GoodTests(InspectionTestCase):
    async def test_external(self) -> None:
        port = self.listen(TO_TLS, {
            b"<stream:stream": header(EXTERNAL, dialback.FEATURE, tag("sm", xmlns="urn:xmpp:sm:3")),
            b"cm9tZW8uZXhhbXBsZQ==": SUCCESS,
        })  # fmt: skip
        found = await self.look(port)
        self.assertEqual(found["result"], "example.org accepts stanzas from romeo.example, by EXTERNAL")
        self.assertIs(found["ok"], True)
        self.assertEqual(found["offers"], "SASL EXTERNAL, dialback, stream management")
        self.assertEqual(found["certificate"], "its certificate for example.org was issued by Test Root")
        self.assertEqual((found["subject"], found["names"], found["issuer"]), ("theirs", "example.org", "Test Root"))
        self.assertTrue(found["encryption"].startswith("TLSv1.3, "))
        steps = [row["step"] for row in found["steps"]]
        self.assertEqual(steps[-3], f"127.0.0.1 port {port}: connected")
        self.assertEqual(steps[-1], "127.0.0.1: its certificate for example.org was issued by Test Root")

    async def test_what_it_offers_to_friends(self) -> None:
        limits = tag("limits", tag("max-bytes", "20000"), xmlns="urn:xmpp:stream-limits:0")
        later = header(limits, tag("sm", xmlns="urn:xmpp:sm:3"))
        port = self.listen(
            TO_TLS, {b"<stream:stream": header(EXTERNAL, dialback.FEATURE), b"<auth": SUCCESS}, later=later
        )
        found = await self.look(port)
        self.assertEqual(
            found["offers"],
            "SASL EXTERNAL, dialback, stream management, stanzas of up to 20000 octets",
        )

    async def test_direct_tls(self) -> None:
        port = self.listen({}, {b"<stream:stream": header(EXTERNAL), b"<auth": SUCCESS}, direct=True)
        server = self.serve({
            ("_xmpps-server._tcp.example.org", dns.SRV): [srv("a.example", port)],
            ("a.example", dns.A): [a()],
        })  # fmt: skip
        found = await self.inspect(Dialer(reactor, self.resolver(server), settings(server)), OPEN)
        self.assertEqual(found["result"], "example.org accepts stanzas from romeo.example, by EXTERNAL")
        self.assertIs(found["ok"], True)

    async def test_dialback(self) -> None:
        encrypted: Answers = {b"<stream:stream": header(dialback.FEATURE), b">key i</db:result>": result("valid")}
        found = await self.look(self.listen(TO_TLS, encrypted), key="key")
        self.assertEqual(found["result"], "example.org accepts stanzas from romeo.example, by dialback")

    async def test_dialback_after_external(self) -> None:
        encrypted: Answers = {
            b"<stream:stream": header(EXTERNAL, dialback.FEATURE),
            b"<auth": FAILURE,
            b"</db:result>": result("valid"),
        }
        port = self.listen(TO_TLS, encrypted)
        self.assertIn("by dialback", (await self.look(port, key="key"))["result"])
        found = await self.look(port)
        self.assertEqual(
            found["result"],
            "example.org can be reached, but it refused EXTERNAL: not-authorized: who are you?",
        )

    async def test_dialback_that_is_not_announced(self) -> None:
        found = await self.look(self.listen(TO_TLS, {b"<stream:stream": header()}))
        self.assertEqual(found["offers"], "dialback (not among its features)")
        self.assertIn("can only be tried while the server runs", found["result"])

    async def test_the_settings_say_where_it_is(self) -> None:
        port = self.listen(TO_TLS, {b"<stream:stream": header(EXTERNAL), b"<auth": SUCCESS})
        policy = Policy(False, False, True, address=f"127.0.0.1:{port}")
        server = self.serve({})
        found = await self.inspect(Dialer(reactor, self.resolver(server), settings(server)), policy)
        self.assertIn("accepts stanzas", found["result"])
        self.assertEqual(server.questions, [])
        self.assertIn("the settings say", found["steps"][0]["step"])

    async def test_the_second_place_will_do(self) -> None:
        bad, good = (
            self.listen({b"<stream": None}),
            self.listen(TO_TLS, {b"<stream": header(EXTERNAL), b"<auth": SUCCESS}),
        )
        server = self.serve(
            {STARTTLS: [srv("a.example", bad, 1), srv("a.example", good, 2)], ("a.example", dns.A): [a()]}
        )
        found = await self.inspect(Dialer(reactor, self.resolver(server), settings(server)), OPEN)
        self.assertIn("accepts stanzas", found["result"])
        self.assertIn("127.0.0.1: it closed the connection", [row["step"] for row in found["steps"]])


class BadTests(InspectionTestCase):
    async def verdict(self, port: int, policy: Policy = OPEN, key: str = "", **values: Any) -> str:
        found = await self.look(port, policy, key, **values)
        self.steps = [row["step"] for row in found["steps"]]
        text: str = found["result"]
        return text

    async def test_nobody_is_there(self) -> None:
        self.assertEqual(await self.verdict(1), "example.org can't be reached: 127.0.0.1 port 1: connection refused")
        self.assertIs((await self.look(1, OPEN, ""))["ok"], False)

    async def test_what_it_sends(self) -> None:
        error = tag("host-unknown", xmlns=ns.STREAM_ERRORS)
        for answer, expected in (
            (None, "it closed the connection"),
            (header(end=b"<stream:error>" + error + b"</stream:error>"), "it closed the stream with host-unknown"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n<html></html>", "what it sent can't be understood: "),
            (header(content=ns.CLIENT), "it is no port for other servers: its streams are for jabber:client"),
            (header() + b"<message/>", ""),
        ):
            with self.subTest(answer):
                found = await self.verdict(self.listen({b"<stream:stream": answer}))
                self.assertIn(f"example.org can be reached, but {expected}", found)

    async def test_no_tls_where_it_is_announced(self) -> None:
        refused: Answers = {**TO_TLS, b"<starttls": b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"}
        self.assertIn("refused to begin TLS", await self.verdict(self.listen(refused)))

    async def test_silence(self) -> None:
        found = await self.verdict(self.listen({}), negotiation_seconds=0.05)
        self.assertIn("it did not answer in time", found)

    async def test_wrong_certificate(self) -> None:
        self.their_tls = self.tls
        port = self.listen(TO_TLS, {b"<stream:stream": header(EXTERNAL), b"<auth": SUCCESS})
        self.assertEqual(
            await self.verdict(port),
            "example.org accepts stanzas from romeo.example, by EXTERNAL; "
            "but its certificate is for romeo.example, not for example.org",
        )
        strict = Policy(blocked=False, certificate_only=True, tls_required=True)
        self.assertEqual(
            await self.verdict(port, strict),
            "example.org can be reached, but its certificate is for romeo.example, not for example.org; "
            "the settings require a certificate",
        )
        silent = self.listen(TO_TLS, {})
        found = await self.verdict(silent, strict, negotiation_seconds=0.5)
        self.assertIn("but its certificate is for romeo.example", found)

    async def test_what_the_settings_forbid(self) -> None:
        port = self.listen({b"<stream:stream": header(dialback.FEATURE)})
        self.assertIn("does not offer TLS, which the settings require", await self.verdict(port))
        lax = Policy(blocked=False, certificate_only=False, tls_required=False)
        self.assertIn("can only be tried while the server runs", await self.verdict(port, lax))
        blocked = Policy(blocked=True, certificate_only=False, tls_required=True)
        self.assertIn("the settings forbid to talk to it", await self.verdict(port, blocked))
        self.assertIn("connection refused; the settings forbid to talk to it, too", await self.verdict(1, blocked))

    async def test_a_route_that_is_none(self) -> None:
        found = await self.look(1, Policy(False, False, True, address="a:b"))
        self.assertIn("'a:b' is not HOST:PORT", found["result"])

    async def test_dialback_is_refused(self) -> None:
        for type, expected in (("invalid", "it refused dialback (invalid)"), ("", "it refused dialback (")):
            with self.subTest(type):
                encrypted: Answers = {b"<stream:stream": header(dialback.FEATURE), b"</db:result>": result(type)}
                found = await self.verdict(self.listen(TO_TLS, encrypted), key="key")
                self.assertIn(f"can be reached, but {expected}", found)

    async def test_no_way_to_prove_anything(self) -> None:
        plain = header().replace(ns.DIALBACK.encode(), b"x:y")
        found = await self.verdict(self.listen(TO_TLS, {b"<stream:stream": plain}), key="key")
        self.assertIn("offers no way to prove that we are romeo.example", found)

    async def test_before_xmpp_1_0(self) -> None:
        lax = Policy(blocked=False, certificate_only=False, tls_required=False)
        port = self.listen({b"<stream:stream": header(version=""), b"</db:result>": result("valid")})
        self.assertIn("by dialback", await self.verdict(port, lax, key="key"))
