"""Our side of XEP-0114: a plugin's domain as a component of another server."""

from __future__ import annotations

import hashlib
from typing import Any

from xmppd.api import Component, Message
from xmppd.core import reload
from xmppd.core.settings import Uplink
from xmppd.testing import ServerTestCase
from xmppd.testing.mailbox import Mailbox
from xmppd.testing.network import MemoryNetwork
from xmppd.wire import ns, stream
from xmppd.wire.framing import Frame, Framer, StreamEnd, StreamHeader
from xmppd.wire.stanza import Nonza, Stanza

ECHO = "echo.example.org"


class Echo(Component):
    """Say it again."""

    def message(self, message: Message) -> None:
        if message.type != "error":
            self.host.send(Message(message.from_, message.to, message.id, message.type, payload=message.payload))


class Accepting(Mailbox):
    """The other server: takes connections of components."""

    def __init__(self, case: ServerTestCase, name: str = "the other server") -> None:
        super().__init__(case.names, name)
        self.case = case
        self.secret = "secret"
        self.framer = Framer()
        self.transport: Any = None
        self.lost = 0
        self.ended = False
        self.header: StreamHeader | None = None
        self.mute = False

    def makeConnection(self, transport: Any) -> None:
        self.transport, self.framer, self.ended = transport, Framer(), False

    def connectionLost(self, reason: object) -> None:
        self.lost += 1

    def dataReceived(self, data: bytes) -> None:
        for frame in self.framer.feed(data):
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, StreamHeader):
            self.header = frame
            if not self.mute:
                self.write(stream.header("the-id", ECHO, content=ns.COMPONENT, version=None))
        elif isinstance(frame, Nonza) and frame.name == "handshake":
            right = hashlib.sha1(f"the-id{self.secret}".encode()).hexdigest() == frame.text
            error = b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
            self.write(b"<handshake/>" if right else error + stream.END)
        elif isinstance(frame, Nonza):
            self._arrived(frame.payload.decode())
        elif isinstance(frame, Stanza):
            self._arrived(frame.to_bytes().decode())
        elif isinstance(frame, StreamEnd):
            self.ended = True

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def send(self, xml: str) -> None:
        self.write(xml.encode())
        self._settle()

    def _settle(self) -> None:
        for _ in range(4):
            self.case.pump()


class UplinkTests(ServerTestCase):
    plugins = (Echo,)
    uplinks = {ECHO: {"address": "127.0.0.1:5347", "retry_seconds": 2, "retry_at_most_seconds": 5, "queue_seconds": 20,
                      "queue_stanzas": 2, "queue_octets": 5000, "input_queue_stanzas": 10}}  # fmt: skip

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.other = Accepting(self)
        network.peers["tcp:127.0.0.1:5347"] = lambda: self.other

    def settle(self) -> None:
        for _ in range(6):
            self.pump()

    def again(self) -> None:
        """Have the plugin's domain connect once more."""
        self.settle()
        self.other.transport.cut()
        self.pump(2)
        self.settle()

    @property
    def connected(self) -> bool:
        return self.server.server.uplinks.by_domain[ECHO].connected

    def test_handshake(self) -> None:
        self.settle()
        assert self.other.header is not None
        self.assertEqual((self.other.header.content, self.other.header.to), (ns.COMPONENT, ECHO))
        self.assertTrue(self.connected)

    def test_both_ways(self) -> None:
        self.settle()
        self.other.send(f"<message from='romeo@far.example/x' to='a@{ECHO}' id='1'><body>hi</body></message>")
        self.other.expect(f"<message from='a@{ECHO}' to='romeo@far.example/x' id='1'><body>hi</body></message>")

    def test_our_own_users(self) -> None:
        """They talk with the service as ever, and not over the other server."""
        self.settle()
        juliet = self.login("juliet@example.org/balcony")
        juliet.send(f"<message to='a@{ECHO}'><body>hi</body></message>")
        juliet.expect(f"<message from='a@{ECHO}'><body>hi</body></message>")
        self.other.expect_nothing()

    def test_spoofed(self) -> None:
        """Nobody beyond speaks for the domains that are served here."""
        for sender in ("juliet@example.org", "example.org", ECHO):
            with self.subTest(sender=sender):
                self.settle()
                self.other.send(f"<message from='{sender}' to='a@{ECHO}'><body>hi</body></message>")
                self.other.expect("<invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")
                self.assertTrue(self.other.ended)
                self.other.transport.cut()
                self.pump(2)

    def test_not_for_us(self) -> None:
        for addresses in (f"to='{ECHO}'", "from='a@far.example'", "from='a@far.example' to='juliet@example.org'"):
            with self.subTest(addresses=addresses):
                self.settle()
                self.other.clear()
                self.other.send(f"<message {addresses}><body>hi</body></message>")
                self.other.expect("<improper-addressing xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")
                self.other.transport.cut()
                self.pump(2)

    def test_bad_requests(self) -> None:
        self.settle()
        self.other.send(f"<iq type='get' from='a@far.example' to='{ECHO}' id='1'/>")
        self.other.expect(f"<iq type='error' from='{ECHO}' to='a@far.example' id='1'>{{...}}</iq>")
        self.other.send(f"<message from='a@far.example' to='@{ECHO}'/>")
        self.assertTrue(self.connected)

    def test_wrong_secret(self) -> None:
        self.other.secret = "other"
        self.again()
        self.assertFalse(self.connected)
        self.assertEqual(self.other.lost, 2)
        self.other.secret = "secret"
        self.pump(4)
        self.settle()
        self.assertTrue(self.connected)

    def test_no_answer(self) -> None:
        self.other.mute = True
        self.again()
        self.pump(61)
        self.settle()
        self.other.expect("<connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")

    def test_another_protocol(self) -> None:
        self.other.mute = True
        self.again()
        self.other.write(stream.header("x", ECHO))
        self.other.expect("<invalid-namespace xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")

    def test_again(self) -> None:
        """It connects again, after longer and longer times."""
        self.settle()
        del self.network.peers["tcp:127.0.0.1:5347"]
        self.other.transport.cut()
        attempts = []
        connect = self.network.connect

        async def counting(*args: Any, **kwargs: Any) -> Any:
            attempts.append(round(self.clock.seconds()))
            return await connect(*args, **kwargs)

        self.network.connect = counting  # type: ignore[method-assign]
        began = round(self.clock.seconds())
        self.pump(20, step=0.5)
        self.assertEqual([at - began for at in attempts], [2, 6, 11, 16])
        self.prepare_network(self.network)
        self.pump(6, step=0.5)
        self.settle()
        self.assertTrue(self.connected)

    def test_nothing_is_lost_meanwhile(self) -> None:
        self.settle()
        self.other.transport.cut()
        self.plugin("echo").host.send(self.message("1"))
        self.pump(2)
        self.settle()
        self.other.expect(f"<message from='a@{ECHO}' to='romeo@far.example' id='1'/>")

    def message(self, id: str) -> Message:
        from_, to = (type(self.host.jid).parse(text) for text in (f"a@{ECHO}", "romeo@far.example"))
        return Message(to, from_, id)

    def test_for_too_long(self) -> None:
        self.settle()
        del self.network.peers["tcp:127.0.0.1:5347"]
        self.other.transport.cut()
        for number in range(3):
            self.plugin("echo").host.send(self.message(str(number)))
        self.pump(30)
        uplink = self.server.server.uplinks.by_domain[ECHO]
        self.assertEqual((uplink.queued, uplink.refused), (0, 3))

    def test_signs_of_life(self) -> None:
        self.settle()
        written: list[bytes] = []
        self.other.dataReceived = written.append  # type: ignore[method-assign,assignment]
        self.pump(700)
        self.assertEqual(set(written), {b" "})

    def change(self, **uplinks: Uplink) -> None:
        settings = self.server.server.settings.model_copy(update={"uplinks": uplinks})
        self.wait(reload.apply(self.server.server, settings))
        assert self._component_listener is not None
        self._component_listener.reconfigure()
        self.settle()

    def test_reload(self) -> None:
        self.settle()
        self.change()
        self.assertTrue(self.other.ended)
        self.assertEqual(self.server.server.uplinks.by_domain, {})
        self.assertIs(self.server.server.router.elsewhere, self.server.server.federation)
        self.pump(10)
        self.assertEqual(self.other.lost, 1)

    def test_endpoints(self) -> None:
        for address, tls, endpoint in (
            ("far.example:5347", False, "tcp:far.example:5347"),
            ("far.example:5347", True, "tls:far.example:5347"),
            ("[2001:db8::1]:5347", False, "tcp:2001\\:db8\\:\\:1:5347"),
        ):
            self.assertEqual(Uplink(address=address, secret="s", tls=tls).endpoint, endpoint)

    def test_listed(self) -> None:
        self.settle()
        found: Any = self.wait(self.server.server.operations.run("component list", {}))
        (row,) = found
        self.assertEqual((row["component"], row["kind"], row["state"]), (ECHO, "uplink", "connected"))


class NobodyTests(ServerTestCase):
    """An uplink for a domain that no plugin has: nothing is passed on through us."""

    uplinks = {ECHO: {"address": "127.0.0.1:5347"}}

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.other = Accepting(self)
        network.peers["tcp:127.0.0.1:5347"] = lambda: self.other

    def test_nothing_is_relayed(self) -> None:
        for _ in range(6):
            self.pump()
        self.other.send(f"<message from='romeo@far.example/x' to='a@{ECHO}' id='1'><body>hi</body></message>")
        self.other.expect_nothing()
