"""All streams together: who is idle, silent or dead; closing, reloading and stopping; order and back-pressure."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.net.s2s.test_initiating import DIALBACK, EXTERNAL, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.api import Message, Plugin, ToAccount, filter
from xmppd.testing.peer import ScriptedPeer

SM = "urn:xmpp:sm:3"


class Carrying(InitiatingTestCase):
    """A stream of ours to another server."""

    config: ClassVar = {
        "s2s": {"idle_seconds": 600, "ping_seconds": 60, "answer_seconds": 30},
        "limits": {"idle_ping_seconds": 10_000},  # of Romeo's client
    }

    def carrying(self, features: str = "") -> ScriptedPeer:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.accept_external()
        peer.answer(features)
        if features:
            peer.expect(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect("<message><body>hi</body></message>")
        return peer

    def test_idle(self) -> None:
        """It is closed in good order, and a new one is made when it is needed."""
        peer = self.carrying()
        self.pump(590, 5)
        peer.expect_open()
        self.pump(20, 5)
        peer.expect_closed()
        self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")
        self.assertIsNot(self.montague.connection(), peer)

    def test_not_idle(self) -> None:
        peer = self.carrying()
        for _ in range(3):
            self.pump(400, 5)
            self.romeo.send("<message to='juliet@montague.example'><body>hi</body></message>")
        peer.expect_open()

    def test_whitespace_keeps_it_alive(self) -> None:
        """RFC 6120 4.6.1: where nothing can be asked."""
        peer = self.carrying()
        (octets, _) = self.internet.cables[-1].octets
        before = len(octets)
        self.pump(130, 5)
        self.assertGreater(len(octets), before)
        peer.expect_nothing()

    def test_dead(self) -> None:
        peer = self.carrying(f"<sm xmlns='{SM}'/>")
        peer.send(f"<enabled xmlns='{SM}'/>")
        self.pump(6)
        peer.expect(f"<r xmlns='{SM}'/>")
        peer.send(f"<a xmlns='{SM}' h='1'/>")
        self.pump(70, 5)
        peer.expect(f"<r xmlns='{SM}'/>")
        self.pump(40, 5)
        peer.expect_closed("connection-timeout")

    def test_closed_by_the_operator(self) -> None:
        peer = self.carrying()
        self.assertEqual(self.servers.close("montague.example"), 1)
        self.assertEqual(self.servers.close("capulet.example"), 0)
        peer.expect_closed("reset")

    def test_stopping(self) -> None:
        peer = self.carrying(f"<sm xmlns='{SM}'/>")
        peer.send(f"<enabled xmlns='{SM}'/>")
        self._stop()
        peer.expect(f"<r xmlns='{SM}'/>")
        peer.expect_closed("system-shutdown")

    def test_what_was_not_acknowledged_is_sent_after_a_restart(self) -> None:
        peer = self.carrying(f"<sm xmlns='{SM}'/>")
        peer.send(f"<enabled xmlns='{SM}'/>")
        self.restart()
        self.pump(1)
        again = self.montague.connection()
        self.assertIsNot(again, peer)
        again.answer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        again.accept_tls()
        again.answer(EXTERNAL)
        again.accept_external()
        again.answer()
        again.expect("<message><body>hi</body></message>")

    def test_a_slow_reader(self) -> None:
        """Who doesn't take what it is sent is disconnected, and the senders learn what did not arrive."""
        peer = self.carrying()
        end = self.internet.cables[-1].ours
        end.stalled = True
        text = "x" * 60_000
        for _ in range(80):
            self.romeo.send(f"<message to='juliet@montague.example'><body>{text}</body></message>")
        self.pump(1)
        self.assertTrue(peer.transport.closed)


class Taken(ReceivingTestCase):
    """Streams of other servers to us."""

    config: ClassVar = {
        "s2s": {"idle_seconds": 600, "input_queue_stanzas": 5, "octets_per_second": 10_000, "octets_burst": 30_000},
        "limits": {"exempt_networks": []},
    }

    class Slow(Plugin):
        """Keeps messages whose text begins with "wait"."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.held: list[Deferred[None]] = []

        @filter(ToAccount, kinds=(Message,))
        def hold(self, event: ToAccount) -> Any:
            """Keep it."""
            return self.wait() if (event.stanza.text("body") or "").startswith("wait") else None

        async def wait(self) -> None:
            """Until it is let go."""
            held: Deferred[None] = Deferred()
            self.held.append(held)
            await held

    plugins = (Slow,)

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/x", presence=True)
        self.stranger = self.secured()
        self.stranger.external()
        self.held: list[Deferred[None]] = self.plugin("slow").held

    def say(self, text: str, from_: str = "romeo") -> None:
        head = f"<message from='{from_}@montague.example/x' to='juliet@example.org' type='chat'>"
        self.stranger.send_raw(f"{head}<body>{text}</body></message>")

    def expect(self, *texts: str) -> None:
        self.juliet.expect(*(f"<message type='chat'><body>{text}</body></message>" for text in texts))

    def tearDown(self) -> None:
        while self.held:
            self.held.pop(0).callback(None)
        super().tearDown()

    def test_order_for_each_pair(self) -> None:
        self.say("wait")
        self.say("2")
        self.say("1", "mercutio")
        self.expect("1")
        self.juliet.expect_nothing()
        self.held.pop(0).callback(None)
        self.expect("wait", "2")

    def test_so_much_waits_and_no_more(self) -> None:
        transport = self.stranger.transport
        self.say("wait")
        for number in range(3):
            self.say(str(number))
        self.assertFalse(transport.paused)
        self.say("3")
        self.assertTrue(transport.paused)
        self.held.pop(0).callback(None)
        self.pump()
        self.assertFalse(transport.paused)
        self.expect("wait", "0", "1", "2", "3")

    def test_so_fast_and_no_faster(self) -> None:
        for _ in range(4):
            self.say("x" * 9_000)
        self.assertTrue(self.stranger.transport.paused)
        self.pump(2)
        self.assertFalse(self.stranger.transport.paused)

    def test_a_crowded_disk(self) -> None:
        self.server.server.ledger._crowd = 0
        self.say("1")
        self.assertTrue(self.stranger.transport.paused)
        self.server.server.ledger._crowd = 10
        self.server.server.ledger._relieve()
        self.assertFalse(self.stranger.transport.paused)

    def test_what_is_on_its_way_is_taken_when_we_close(self) -> None:
        """RFC 6120 4.4: our side is closed, theirs not yet."""
        (stream,) = self.servers.streams
        stream.close()
        self.say("late")
        self.expect("late")
        self.stranger.expect_closed()

    def test_idle(self) -> None:
        """Who sends closes first; we are in no hurry."""
        self.pump(700, 5)
        self.stranger.expect_open()
        self.pump(520, 5)
        self.stranger.expect_closed()

    def test_a_host_that_is_served_no_more(self) -> None:
        self.wait(self.server.server.remove_host("example.org"))
        self.servers.reconfigure()
        self.stranger.expect_closed("host-gone")


class Reloading(ReceivingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stranger = self.secured()
        self.stranger.external()

    def block(self, domain: str) -> None:
        server = self.server.server
        s2s = type(server.settings.s2s).model_validate({"domains": {domain: {"policy": "blocked"}}})
        server.settings = server.settings.model_copy(update={"s2s": s2s})
        self.servers.reconfigure()

    def test_blocked(self) -> None:
        self.block("montague.example")
        self.stranger.expect_closed("policy-violation")

    def test_another_domain_of_the_stream_is_blocked(self) -> None:
        juliet = self.login("juliet@example.org/x")
        self.stranger.send("<db:result from='rooms.montague.example' to='example.org'>x</db:result>")
        self.stranger.expect("<db:result type='valid'/>")
        self.block("rooms.montague.example")
        self.stranger.send("<message from='a@montague.example' to='juliet@example.org/x'><body>hi</body></message>")
        juliet.expect("<message from='a@montague.example'><body>hi</body></message>")
        self.stranger.send("<message from='a@rooms.montague.example' to='juliet@example.org/x'/>")
        self.stranger.expect_closed("invalid-from")

    def test_a_pair_that_is_sent_to_is_blocked(self) -> None:
        peer = self.secured("capulet.example")
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.external()
        peer.send("<db:result from='rooms.capulet.example' to='example.org'>x</db:result>")
        peer.expect("<db:result type='valid'/>")
        self.block("rooms.capulet.example")
        juliet = self.login("juliet@example.org/x")
        juliet.send("<message to='a@rooms.capulet.example' id='m'><body>hi</body></message>")
        juliet.expect("<message type='error' id='m'>{...}</message>")
        peer.expect_nothing()
