"""XMPP over WebSocket (RFC 7395), over the server's HTTP port."""

from __future__ import annotations

from typing import Any, cast

from websockets.frames import CloseCode, Frame, Opcode

from xmppd.testing import Client, ServerTestCase
from xmppd.testing.case import Over
from xmppd.testing.transport import MemoryTransport, Peer
from xmppd.testing.websocket import WebSocketClient
from xmppd.testing.xml import read
from xmppd.wire.websocket import NS

_FAR = "192.0.2.1"
_SM = "urn:xmpp:sm:3"
_BODY = "<message xmlns='jabber:client' to='{to}' type='chat'><body>{text}</body></message>"
_SHAKING = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class WebSocketTestCase(ServerTestCase):
    """Clients that come by WebSocket."""

    over = "websocket"

    def socket(self, peer: str = "127.0.0.1") -> WebSocketClient:
        """Return a client whose WebSocket is open."""
        return cast(WebSocketClient, self.connect(peer))

    def come(self, jid: str) -> WebSocketClient:
        """Return a client that has logged in."""
        return cast(WebSocketClient, self.login(jid, presence=True))

    def ask(
        self, method: str, path: str, version: str = "1.1", more: str = "Connection: close\r\n", *,
        host: str = "example.org",
    ) -> bytes:  # fmt: skip
        """Return what is answered to a request, head and all.

        :param more: further lines of its head.
        """
        answers: list[bytes] = []
        transport = MemoryTransport(self.clock, Peer("127.0.0.1"), answers.append)
        transport.connect(self.web.site.buildProtocol(cast(Any, transport.getPeer())))
        transport.receive(f"{method} {path} HTTP/{version}\r\nHost: {host}\r\n{more}\r\n".encode())
        self.pump()
        transport.hang_up()
        return b"".join(answers)


class Handshakes(WebSocketTestCase):
    """RFC 6455 4.2, RFC 7395 3.1."""

    config = {"http": {"cors_origins": ["https://chat.example.org"], "websocket": "/ws"}}

    def _ask(
        self, path: str = "/ws", origin: str | None = None, subprotocol: str | None = "xmpp", **headers: str
    ) -> int:
        client = WebSocketClient(
            self.clock, self.names, "the browser", path=path, origin=origin, subprotocol=subprotocol
        )
        self.connect_http(client)
        client.shake_hands(**headers)
        assert client.response is not None
        self.text = bytes(client.response.body or b"").decode()
        return client.response.status_code

    def test_answer(self) -> None:
        """The subprotocol is chosen."""
        client = self.socket()
        assert client.response is not None
        self.assertEqual(client.response.status_code, 101)
        self.assertEqual(client.response.headers["Sec-WebSocket-Protocol"], "xmpp")

    def test_refused(self) -> None:
        """Each with what RFC 6455 says, and in plain words."""
        for code, words, status in (
            (self._ask(subprotocol=None), "missing subprotocol", 400),
            (self._ask(subprotocol="mqtt"), "xmpp", 400),
            (self._ask(origin="https://evil.example"), "rigin", 403),
            (self._ask(path="/xmpp-websocket"), "", 404),
        ):
            with self.subTest(words=words):
                self.assertEqual(code, status)
        self._ask(subprotocol=None)
        self.assertIn("missing subprotocol", self.text)

    def test_origin(self) -> None:
        """Pages that may."""
        self.assertEqual(self._ask(origin="https://chat.example.org"), 101)
        self.assertEqual(self._ask(), 101)

    def test_own_pages(self) -> None:
        """Those of the host itself may, such as the web chat; whatever else has its name lead here may not."""
        for host, origin, code in (
            ("example.org:5280", "http://example.org:5280", 101),
            ("example.org:5280", "http://example.org", 101),
            ("example.org:5280", "http://example.org.evil.example:5280", 403),
            ("example.org:5280", "https://example.org:5280", 403),
            ("evil.example:5280", "http://evil.example:5280", 403),
            ("example.org:5280", "null", 403),
        ):
            found = self.ask("GET", "/ws", more=f"Origin: {origin}\r\n{_SHAKING}", host=host)[9:12]
            self.assertEqual(found, b"%d" % code, (host, origin))

    def test_no_handshake(self) -> None:
        """Who asks for a page is told what this is."""
        answer = self.ask("GET", "/ws")
        self.assertTrue(answer.startswith(b"HTTP/1.1 426 "))
        self.assertIn(b"\r\nUpgrade: websocket\r\n", answer)
        self.assertIn(b"You need a WebSocket client", answer)
        self.assertIn(b"\r\nConnection: Upgrade\r\n", answer, "RFC 9110 7.8: who names the one has to name the other")
        self.assertTrue(self.ask("POST", "/ws").startswith(b"HTTP/1.1 405 "))

    def test_other_versions(self) -> None:
        """4.4: which one there is; RFC 9110 7.8: HTTP/1.0 changes to nothing."""
        shaking = _SHAKING.replace("13", "25")
        answer = self.ask("GET", "/ws", more=shaking)
        self.assertTrue(answer.startswith(b"HTTP/1.1 426 "))
        self.assertIn(b"\r\nSec-WebSocket-Version: 13\r\n", answer)
        self.assertTrue(self.ask("GET", "/ws", more=_SHAKING).startswith(b"HTTP/1.1 101 "))
        self.assertTrue(self.ask("GET", "/ws", "1.0", _SHAKING).startswith(b"HTTP/1.1 426 "))


class Plain(WebSocketTestCase):
    """Connections that nobody has encrypted."""

    def test_from_afar(self) -> None:
        """They are told to come back encrypted."""
        client = self.socket(_FAR)
        assert client.response is not None
        self.assertEqual(client.response.status_code, 403)
        self.assertIn(b"wss", client.response.body or b"")


class Switched(WebSocketTestCase):
    """No path, no door."""

    config = {"http": {"websocket": ""}}

    def test_off(self) -> None:
        """There is nothing."""
        self.assertTrue(self.ask("GET", "/xmpp-websocket").startswith(b"HTTP/1.1 404 "))


class Streams(WebSocketTestCase):
    """RFC 7395 3.3 to 3.6."""

    plugins = ("ping",)

    def test_opening(self) -> None:
        """<open/> is answered with <open/>, then come the features; no STARTTLS among them."""
        client = self.socket()
        client.open("example.org", from_="romeo@example.org", **{"xml:lang": "de"})
        assert client.header is not None
        self.assertEqual((client.header["from"], client.header["version"]), ("example.org", "1.0"))
        self.assertEqual(client.header["http://www.w3.org/XML/1998/namespace lang"], "de")
        self.assertTrue(client.header["id"])
        self.assertIn("mechanisms", client.features)
        self.assertNotIn("starttls", client.features)

    def test_conversation(self) -> None:
        """Each side gets what the other says; a stream over TCP is no different."""
        romeo, juliet = self.come("romeo@example.org/orchard"), self.login("juliet@example.org/balcony", over="tcp")
        romeo.send("<message to='{juliet}'><body>&lt;3</body></message>")
        juliet.expect(
            "<presence from='{juliet}'/>" if False else "<message from='{romeo}'><body>&lt;3</body></message>"
        )
        juliet.send("<message to='{romeo}'><body>ay me</body></message>")
        romeo.expect("<message from='{juliet}'><body>ay me</body></message>")

    def test_operators_see_it(self) -> None:
        """Who has come how is in the list of sessions."""
        self.come("romeo@example.org/orchard")
        self.login("juliet@example.org/balcony", over="tcp")
        rows = self.wait(self.server.server.operations.run("session list", {}))
        assert isinstance(rows, list)
        self.assertEqual([row["over"] for row in rows], ["TCP", "WebSocket"])

    def test_errors_of_the_beginning(self) -> None:
        """RFC 7395 3.5: <open/> comes before the error, <close/> behind it."""
        for to, version, error in (
            ("other.example", "1.0", "host-unknown"),
            ("example.org", "0.9", "unsupported-version"),
        ):
            with self.subTest(error=error):
                client = self.socket()
                client.open(to, version=version)
                self.assertIsNotNone(client.header)
                client.expect_closed(error)

    def test_no_open(self) -> None:
        """A stream of TCP is none of WebSocket."""
        client = self.socket()
        client.send_raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'/>")
        client.expect_closed("bad-format")

    def test_not_one_element(self) -> None:
        """RFC 7395 3.3."""
        for message, error in (
            ("<message/><message/>", "bad-format"),
            ("<message>", "bad-format"),
            ("hi", "not-well-formed"),
            ("<message><body>" + "x" * 300_000 + "</body></message>", "policy-violation"),
        ):
            with self.subTest(message=message[:20]):
                romeo = self.come("romeo@example.org/orchard")
                romeo.send_raw(message)
                romeo.expect_closed(error)

    def test_closing(self) -> None:
        """RFC 7395 3.6: <close/> is answered with <close/>, then the WebSocket is closed."""
        romeo = self.come("romeo@example.org/orchard")
        romeo.send_raw(f"<close xmlns='{NS}'/>")
        self.pump()
        self.assertTrue(romeo.ended)
        assert romeo.closed_with is not None
        self.assertEqual(romeo.closed_with.code, CloseCode.NORMAL_CLOSURE)
        self.assertTrue(romeo.transport.closed)

    def test_server_closes(self) -> None:
        """It waits for the client's <close/>, but not for long."""
        romeo = self.come("romeo@example.org/orchard")
        romeo.transport.stays = True
        self.come("romeo@example.org/orchard")
        romeo.expect("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{...}</stream:error>")
        self.assertTrue(romeo.ended)
        self.assertIsNone(romeo.closed_with)
        romeo.send_raw(f"<close xmlns='{NS}'/>")
        assert romeo.closed_with is not None
        self.assertEqual(romeo.closed_with.code, CloseCode.NORMAL_CLOSURE)
        self.assertFalse(romeo.transport.closed)
        self.pump(6)
        self.assertTrue(romeo.transport.closed)

    def test_no_answer_to_the_end(self) -> None:
        """Who says nothing more is cut off."""
        romeo = self.come("romeo@example.org/orchard")
        romeo.transport.stays = True
        self.come("romeo@example.org/orchard")
        self.pump(6)
        self.assertTrue(romeo.transport.aborted)

    def test_stopping(self) -> None:
        """When the server stops, clients are told."""
        romeo = self.come("romeo@example.org/orchard")
        self.restart()
        romeo.expect_closed("system-shutdown")

    def test_idle(self) -> None:
        """RFC 7395 3.8: the silent get a ping, and it is enough that it is answered."""
        romeo = self.come("romeo@example.org/orchard")
        self.pump(1200)
        romeo.expect_open()
        romeo.expect_nothing()
        romeo.transport.stays = True  # answers nothing any more
        self.pump(400)
        self.assertTrue(romeo.transport.closed)

    def test_slow_reader(self) -> None:
        """What waits for a client that doesn't read comes later, in order; too much of it ends the connection."""
        romeo, juliet = self.come("romeo@example.org/orchard"), self.come("juliet@example.org/balcony")
        romeo.stall()
        for number in range(300):
            juliet.send(f"<message to='{{romeo}}'><body>{number} {'x' * 1000}</body></message>")
        romeo.read_on()
        for number in range(300):
            romeo.expect(f"<message from='{{juliet}}'><body>{number} {'x' * 1000}</body></message>")
        romeo.stall()
        for _ in range(30):
            juliet.send(f"<message to='{{romeo}}'><body>{'x' * 200_000}</body></message>")
        self.assertTrue(romeo.transport.aborted)


class Frames(WebSocketTestCase):
    """RFC 6455 5: what messages are made of."""

    plugins = ("ping",)
    _PING = b"<iq xmlns='jabber:client' type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>"

    def test_fragments(self) -> None:
        """A message in pieces, with a ping in between."""
        romeo = self.come("romeo@example.org/orchard")
        first, second, third = self._PING[:20], self._PING[20:21], self._PING[21:]
        romeo.send_frames(
            Frame(Opcode.TEXT, first, fin=False), Frame(Opcode.PING, b"?"), Frame(Opcode.CONT, second, fin=False),
            Frame(Opcode.CONT, b"", fin=False), Frame(Opcode.CONT, third),
        )  # fmt: skip
        romeo.expect("<iq from='example.org' type='result' id='p'/>")

    def test_octet_by_octet(self) -> None:
        """However the network cuts it."""
        romeo = self.come("romeo@example.org/orchard")
        romeo.socket.send_text(self._PING)
        for octet in b"".join(romeo.socket.data_to_send()):
            romeo.transport.receive(bytes([octet]))
        romeo.expect("<iq from='example.org' type='result' id='p'/>")

    def test_broken(self) -> None:
        """What breaks the rules ends the stream for good."""
        for frame, code in (
            (Frame(Opcode.BINARY, b"<presence/>"), CloseCode.UNSUPPORTED_DATA),
            (Frame(Opcode.CONT, b"<presence/>"), CloseCode.PROTOCOL_ERROR),
            (Frame(Opcode.TEXT, b"x" * 400_000), CloseCode.MESSAGE_TOO_BIG),
        ):
            with self.subTest(code=code):
                romeo = self.come("romeo@example.org/orchard")
                romeo.send(f"<enable xmlns='{_SM}' resume='true'/>")
                romeo.expect(f"<enabled xmlns='{_SM}' id='{{any}}' resume='true' max='{{any}}'/>")
                romeo.send_frames(frame)
                assert romeo.closed_with is not None
                self.assertEqual(romeo.closed_with.code, code)
                self.pump()
                self.assertEqual(len(self.server.server.directory.by_jid), 0)

    def test_malformed(self) -> None:
        """RFC 6455 5.1, 5.2: what a client sends is masked, reserved bits are 0, control frames are short."""
        for octets in (b"\x81\x00", b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x89\xfe\x01\0" + bytes(260)):
            with self.subTest(octets=octets):
                romeo = self.come("romeo@example.org/orchard")
                romeo.transport.receive(octets)
                assert romeo.closed_with is not None
                self.assertEqual(romeo.closed_with.code, CloseCode.PROTOCOL_ERROR)
                self.pump()
                self.assertTrue(romeo.transport.closed)

    def test_invalid_utf8(self) -> None:
        """It is no XML."""
        romeo = self.come("romeo@example.org/orchard")
        romeo.send_raw(b"<message><body>\xff</body></message>")
        romeo.expect_closed("not-well-formed")


class Limits(WebSocketTestCase):
    """They are those of TCP."""

    config = {"limits": {"exempt_networks": [], "octets_burst": 10_000, "octets_per_second": 1_000, "connections": 3}}

    def test_stanzas_before_login(self) -> None:
        """RFC 6120 13.12."""
        client = self.socket()
        client.open()
        client.send_raw("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + "x" * 10_000 + "</auth>")
        client.expect_closed("policy-violation")

    def test_rate(self) -> None:
        """Who sends too much is read more slowly: pings count as well."""
        for frames in ([Frame(Opcode.PING, b"x" * 120)] * 100, [Frame(Opcode.TEXT, b"<presence/>")] * 1100):
            with self.subTest(frame=frames[0].opcode):
                romeo = self.login("romeo@example.org/orchard")
                assert isinstance(romeo, WebSocketClient)
                romeo.send_frames(*frames)
                self.assertTrue(romeo.transport.paused)
                self.pump(30)
                self.assertFalse(romeo.transport.paused)

    def test_connections(self) -> None:
        """Those over WebSocket count among those of clients."""
        for _ in range(3):
            self.login("romeo@example.org")
        client = self.socket()
        client.expect_closed("resource-constraint")


class Resuming(WebSocketTestCase):
    """XEP-0198, RFC 7395 3.10."""

    def _resumable(self, client: Client) -> str:
        client.send(f"<enable xmlns='{_SM}' resume='true'/>")
        client.expect(f"<enabled xmlns='{_SM}' id='{{any}}' resume='true' max='{{any}}'/>")
        return read(client.received[-1])[0].attributes["id"]

    def _resume(self, over: Over, previd: str) -> Client:
        client = self.connect(over=over)
        client.open()
        client.authenticate("romeo", "secret")
        client.send(f"<resume xmlns='{_SM}' previd='{previd}' h='0'/>")
        client.expect(f"<resumed xmlns='{_SM}' previd='{previd}' h='{{any}}'/>")
        return client

    def test_everywhere(self) -> None:
        """A session goes on over WebSocket or over TCP, wherever it was before, and nothing is lost."""
        juliet = self.login("juliet@example.org/balcony", over="tcp")
        ways: tuple[tuple[Over, Over], ...] = (("websocket", "websocket"), ("tcp", "websocket"), ("websocket", "tcp"))
        for before, after in ways:
            with self.subTest(before=before, after=after):
                romeo = self.login("romeo@example.org/orchard", over=before, presence=True)
                previd = self._resumable(romeo)
                romeo.disconnect()
                juliet.send("<message to='{romeo}' id='m'><body>still there?</body></message>")
                romeo = self._resume(after, previd)
                romeo.expect("<message from='{juliet}' id='m'><body>still there?</body></message>")
                romeo.close()

    def test_closed_without_a_word(self) -> None:
        """RFC 7395 3.6: a WebSocket that is closed without <close/> is a lost connection."""
        romeo = self.come("romeo@example.org/orchard")
        previd = self._resumable(romeo)
        romeo.socket.send_close(CloseCode.GOING_AWAY)
        romeo._flush()
        self.pump()
        self.assertTrue(romeo.transport.closed)
        self._resume("websocket", previd)

    def test_closed_in_good_order(self) -> None:
        """After <close/> there is nothing to resume."""
        romeo = self.come("romeo@example.org/orchard")
        previd = self._resumable(romeo)
        romeo.close()
        client = self.socket()
        client.open()
        client.authenticate("romeo", "secret")
        client.send(f"<resume xmlns='{_SM}' previd='{previd}' h='0'/>")
        client.expect(f"<failed xmlns='{_SM}' h='{{any}}'>{{...}}</failed>")


class Encrypted(WebSocketTestCase):
    """wss."""

    tls = True

    def test_login(self) -> None:
        """TLS comes first; channel binding works as on TCP."""
        self.account("romeo@example.org")
        client = cast(WebSocketClient, self.connect("192.0.2.1", direct_tls=True))
        assert client.response is not None
        self.assertEqual(client.response.status_code, 101)
        client.open()
        self.assertIn("SCRAM-SHA-256-PLUS", client.features)
        client.authenticate("romeo", "secret")
        client.bind("orchard")
