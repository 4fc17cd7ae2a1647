"""Every limit of ``[limits]`` holds, and ends in the error that RFC 6120 names or in waiting."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import Iq, Plugin, iq_get
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_FAR = "192.0.2.1"


class Sizes(ServerTestCase):
    config = {
        "limits": {
            "stanza_octets": 20_000,
            "stream_header_octets": 600,
            "element_depth": 10,
            "element_attributes": 8,
            "stanza_children": 16,
        }
    }

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def message(self, octets: int) -> str:
        """A message to oneself of exactly that size."""
        start, end = "<message to='romeo@example.org/orchard'><body>", "</body></message>"
        return start + "x" * (octets - len(start) - len(end)) + end

    def refused(self, payload: str) -> None:
        self.romeo.send(f"<message to='romeo@example.org/orchard'>{payload}</message>")
        self.romeo.expect_closed("policy-violation")

    def passed(self, payload: str) -> None:
        self.romeo.send(f"<message to='romeo@example.org/orchard'>{payload}</message>")
        self.romeo.expect("<message>{any}</message>")

    def test_stanza(self) -> None:
        self.romeo.send(self.message(20_000))
        self.romeo.expect("<message>{any}</message>")
        self.romeo.send(self.message(20_001))
        self.romeo.expect_closed("policy-violation")

    def test_stanza_that_never_ends(self) -> None:
        self.romeo.send_raw("<message to='romeo@example.org/orchard'><body>")
        for _ in range(25):
            self.romeo.send_raw("x" * 1000)
        self.romeo.expect_closed("policy-violation")

    def test_tag_that_never_ends(self) -> None:
        self.romeo.send_raw("<message to='")
        for _ in range(25):
            self.romeo.send_raw("x" * 1000)
        self.romeo.expect_closed("policy-violation")

    def test_stanza_before_logging_in(self) -> None:
        client = self.connect()
        client.open()
        client.send_raw("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>")
        client.send_raw("x" * 9_000)
        client.expect_open()
        client.send_raw("x" * 2_000)
        client.expect_closed("policy-violation")

    def test_many_small_ones_are_no_large_one(self) -> None:
        self.romeo.send("<message to='romeo@example.org/orchard'><body>hi</body></message>" * 1000)
        self.romeo.expect(*["<message><body>hi</body></message>"] * 1000)

    def test_header(self) -> None:
        client = self.connect()
        client.open(x="y" * 600)
        client.expect_closed("policy-violation")

    def test_header_that_never_ends(self) -> None:
        client = self.connect()
        client.send_raw("<stream:stream to='")
        client.send_raw("x" * 700)
        client.expect_closed("policy-violation")

    def test_depth(self) -> None:
        self.passed("<a>" * 8 + "</a>" * 8)
        self.refused("<a>" * 9 + "</a>" * 9)

    def test_attributes(self) -> None:
        self.passed("<a " + " ".join(f"b{i}='x'" for i in range(8)) + "/>")
        self.refused("<a " + " ".join(f"b{i}='x'" for i in range(9)) + "/>")

    def test_children(self) -> None:
        self.passed("<a/>" * 16)
        self.refused("<a/>" * 17)

    def test_whitespace_between_stanzas(self) -> None:
        """RFC 6120 4.6.1: it keeps connections alive, and costs nothing."""
        for _ in range(100):
            self.romeo.send_raw(" \n" * 500)
        self.romeo.expect_open()
        self.romeo.send("<message to='{romeo}'><body>hi</body></message>")
        self.romeo.expect("<message><body>hi</body></message>")


class Connections(ServerTestCase):
    config = {"limits": {"connections": 6, "connections_per_address": 2}}

    def assertWelcome(self, peer: str) -> Client:
        client = self.connect(peer)
        client.open()
        client.expect_open()
        return client

    def test_per_address(self) -> None:
        first = self.assertWelcome(_FAR)
        self.assertWelcome(_FAR)
        self.connect(_FAR).expect_closed("resource-constraint")
        self.assertWelcome("192.0.2.2")
        first.disconnect()
        self.assertWelcome(_FAR)

    def test_each_that_leaves_makes_room_for_one(self) -> None:
        clients = [self.assertWelcome(_FAR) for _ in range(2)]
        for _ in range(3):
            clients.pop(0).disconnect()
            clients.append(self.assertWelcome(_FAR))
            self.connect(_FAR).expect_closed("resource-constraint")
        for client in clients:
            client.disconnect()
        self.connect(_FAR).disconnect()
        assert self._listener is not None
        self.assertEqual(len(self._listener.peers._by_address), 0)  # nothing is kept of who has left

    def test_per_network_of_ipv6(self) -> None:
        self.assertWelcome("2001:db8::1")
        self.assertWelcome("2001:db8::2")
        self.connect("2001:db8::3").expect_closed("resource-constraint")
        self.assertWelcome("2001:db8:0:1::1")

    def test_mapped(self) -> None:
        """An IPv4 client on an IPv6 socket counts as what it is."""
        self.assertWelcome(_FAR)
        self.assertWelcome(f"::ffff:{_FAR}")
        self.connect(_FAR).expect_closed("resource-constraint")

    def test_exempt(self) -> None:
        for _ in range(4):
            self.assertWelcome("127.0.0.1")

    def test_total(self) -> None:
        clients = [self.assertWelcome("127.0.0.1") for _ in range(6)]
        self.connect().expect_closed("resource-constraint")
        clients[0].close()
        self.assertWelcome("127.0.0.1")

    def test_refused_ones_leave_nothing(self) -> None:
        """Whoever was refused isn't counted, whatever it sends."""
        clients = [self.assertWelcome("127.0.0.1") for _ in range(6)]
        for _ in range(3):
            refused = self.connect()
            refused.transport.protocol.dataReceived(b"<stream:stream xmlns='jabber:client' xmlns:stream='x'><a/>")
            refused.disconnect()
        clients[0].disconnect()
        self.assertWelcome("127.0.0.1")
        self.connect().expect_closed("resource-constraint")


class Resources(ServerTestCase):
    config = {"limits": {"resources_per_account": 2}}

    def test_too_many(self) -> None:
        first = self.login("romeo@example.org/1")
        self.login("romeo@example.org/2")
        third = self.connect()
        third.open()
        third.authenticate("romeo", "secret")
        third.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        third.expect(
            "<iq type='error' id='1'>{...}<error type='wait'>{...}"
            "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        first.close()
        third.bind("3")

    def test_replacing_is_possible(self) -> None:
        self.login("romeo@example.org/1")
        self.login("romeo@example.org/2")
        self.login("romeo@example.org/2")

    def test_others_do_not_count(self) -> None:
        for user in "abc":
            self.login(f"{user}@example.org/1")


class FailedLogins(ServerTestCase):
    config = {
        "limits": {
            "failed_logins_per_address": 6,
            "failed_logins_per_account": 4,
            "failed_login_window_seconds": 600,
            "failed_login_delay_seconds": 2,
        }
    }
    tls = True

    def setUp(self) -> None:
        super().setUp()
        for user in ("romeo", "juliet"):
            self.account(f"{user}@example.org")

    def attempt(self, user: str, password: str, peer: str = _FAR) -> str:
        """Return how an attempt ends: ``success``, or the condition of the failure."""
        client = self.connect(peer)
        client.open()
        client.start_tls()
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        client.send(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{secret}</auth>")
        self.pump(2)
        answer = client.take()
        client.disconnect()
        children = list(answer.elements())
        return str(children[0].name) if children else str(answer.name)

    def test_delay(self) -> None:
        client = self.connect()
        client.open()
        client.send(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>AHgAeQ==</auth>")
        self.pump(1.5)
        client.expect_nothing()
        self.pump(0.5)
        client.expect(f"<failure xmlns='{_SASL}'><not-authorized/>{{...}}</failure>")

    def test_at_the_same_time(self) -> None:
        """Guesses that were begun before the others failed tell nothing."""
        slow: list[Deferred[None]] = []

        def run_slowly(fn: Any) -> Deferred[Any]:
            slow.append(Deferred())
            return slow[-1].addCallback(lambda _: fn())

        self.patch(self.server.accounts, "_run_in_thread", run_slowly)
        clients = []
        for number, password in enumerate(("1", "2", "3", "4", "5", "secret")):
            clients.append(self.connect(f"198.51.100.{number}"))
            clients[-1].open()
            clients[-1].start_tls()
            secret = base64.b64encode(f"\0romeo\0{password}".encode()).decode()
            clients[-1].send(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{secret}</auth>")
        for waiting in slow:
            waiting.callback(None)
        self.pump(2)
        ends = [str(next(client.take().elements()).name) for client in clients]
        self.assertEqual(ends, ["not-authorized"] * 4 + ["temporary-auth-failure"] * 2)

    def test_nobody_is_locked_out_by_others(self) -> None:
        """Who has logged in from an address may do so again from there, whatever others try elsewhere."""
        self.assertEqual(self.attempt("romeo", "secret"), "success")
        for number in range(4):
            self.assertEqual(self.attempt("romeo", "wrong", f"198.51.100.{number}"), "not-authorized")
        self.assertEqual(self.attempt("romeo", "secret", "198.51.100.9"), "temporary-auth-failure")
        self.assertEqual(self.attempt("romeo", "secret"), "success")

    def test_per_account(self) -> None:
        """From wherever they come; the right password doesn't help then, until the window has passed."""
        for number in range(4):
            self.assertEqual(self.attempt("romeo", "wrong", f"192.0.2.{number}"), "not-authorized")
        self.assertEqual(self.attempt("romeo", "secret", "192.0.2.9"), "temporary-auth-failure")
        self.assertEqual(self.attempt("juliet", "secret", "192.0.2.9"), "success")
        self.pump(600, 60)
        self.assertEqual(self.attempt("romeo", "secret", "192.0.2.9"), "success")

    def test_per_address(self) -> None:
        for number in range(6):
            self.assertEqual(self.attempt(f"user{number}", "wrong"), "not-authorized")
        self.assertEqual(self.attempt("romeo", "secret"), "temporary-auth-failure")
        self.assertEqual(self.attempt("romeo", "secret", "192.0.2.9"), "success")
        self.pump(600, 60)
        self.assertEqual(self.attempt("romeo", "secret"), "success")

    def test_exempt_addresses(self) -> None:
        for number in range(8):
            self.assertEqual(self.attempt(f"user{number}", "wrong", "127.0.0.1"), "not-authorized")
        self.assertEqual(self.attempt("romeo", "secret", "127.0.0.1"), "success")

    def test_per_stream(self) -> None:
        """RFC 6120 6.4.5: after some failures the stream is closed."""
        client = self.connect()
        client.open()
        for _ in range(5):
            client.send(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>AHgAeQ==</auth>")
            self.pump(2)
            client.expect(f"<failure xmlns='{_SASL}'>{{any}}</failure>")
        client.expect_closed("policy-violation")


class Rates(ServerTestCase):
    """Fast clients are read more slowly."""

    tls = True
    config = {
        "limits": {
            "octets_per_second": 1_000,
            "octets_burst": 20_000,
            "stanzas_per_second": 5,
            "stanzas_burst": 50,
        }
    }

    def test_octets(self) -> None:
        romeo = self.login("romeo@example.org/orchard", peer=_FAR, tls=True)
        romeo.send("<message to='{romeo}'><body>" + "x" * 21_000 + "</body></message>")
        romeo.expect("<message>{any}</message>")
        self.assertTrue(romeo.transport.paused)
        romeo.send("<message to='{romeo}'><body>2</body></message>")
        romeo.expect_nothing()
        self.pump(30)
        romeo.expect("<message><body>2</body></message>")
        self.assertFalse(romeo.transport.paused)

    def test_stanzas(self) -> None:
        """Counted one by one, however many come in a packet, and over all sessions of the account."""
        romeo = self.login("romeo@example.org/orchard", peer=_FAR, tls=True)
        romeo.send("<presence to='example.org'/>" * 60)
        self.assertTrue(romeo.transport.paused)
        phone = self.login("romeo@example.org/phone", peer=_FAR, tls=True)
        phone.send("<presence to='example.org'/>")
        self.assertTrue(phone.transport.paused)
        juliet = self.login("juliet@example.org/balcony", peer=_FAR, tls=True)
        juliet.send("<presence to='example.org'/>")
        self.assertFalse(juliet.transport.paused)
        self.pump(5)
        self.assertFalse(romeo.transport.paused)
        self.assertFalse(phone.transport.paused)

    def test_another_session_that_ends_changes_nothing(self) -> None:
        romeo = self.login("romeo@example.org/orchard", peer=_FAR, tls=True)
        self.login("romeo@example.org/phone", peer=_FAR, tls=True).close()
        romeo.send("<presence to='example.org'/>" * 60)
        tablet = self.login("romeo@example.org/tablet", peer=_FAR, tls=True)
        tablet.send("<presence to='example.org'/>")
        self.assertTrue(tablet.transport.paused)
        self.pump(5)

    def test_exempt(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence to='example.org'/>" * 500)
        self.assertFalse(romeo.transport.paused)

    def test_leaving_while_paused(self) -> None:
        romeo = self.login("romeo@example.org/orchard", peer=_FAR, tls=True)
        romeo.send("<presence to='example.org'/>" * 100)
        romeo.disconnect()
        self.pump(30)
        self.assertEqual(self.host.all_sessions(), ())


class Output(ServerTestCase):
    """Clients that read slowly."""

    config = {"limits": {"output_queue_octets": 200_000}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.body = "x" * 10_000

    def test_waits_in_order(self) -> None:
        self.juliet.stall()
        for number in range(15):
            self.romeo.send(f"<message to='{{juliet}}' id='{number}'><body>{self.body}</body></message>")
        self.juliet.expect_nothing()
        self.juliet.read_on()
        for number in range(15):
            self.juliet.expect(f"<message id='{number}'><body>{self.body}</body></message>")
        self.romeo.send("<message to='{juliet}'><body>last</body></message>")
        self.juliet.expect("<message><body>last</body></message>")

    def test_too_much(self) -> None:
        """It is cut off, and that doesn't concern others."""
        self.juliet.stall()
        for _ in range(30):
            self.romeo.send(f"<message to='{{juliet}}'><body>{self.body}</body></message>")
        self.assertTrue(self.juliet.transport.aborted)
        self.assertEqual([str(s.jid) for s in self.host.all_sessions()], ["romeo@example.org/orchard"])
        self.romeo.clear()
        self.romeo.send("<message to='{romeo}'><body>hi</body></message>")
        self.romeo.expect("<message><body>hi</body></message>")

    def test_closing_waits_for_the_queue(self) -> None:
        self.juliet.stall()
        for _ in range(10):
            self.romeo.send(f"<message to='{{juliet}}'><body>{self.body}</body></message>")
        self.juliet.send_raw("</stream:stream>")
        self.assertFalse(self.juliet.transport.closed)
        self.juliet.read_on()
        self.juliet.expect(*["<message><body>{any}</body></message>"] * 10)
        self.juliet.expect_closed()

    def test_closing_does_not_wait_for_ever(self) -> None:
        self.juliet.stall()
        for _ in range(10):
            self.romeo.send(f"<message to='{{juliet}}'><body>{self.body}</body></message>")
        self.juliet.send_raw("</stream:stream>")
        self.pump(10)
        self.assertTrue(self.juliet.transport.closed)


class Waiting(Plugin):
    """Answer when told."""

    waiting: list[Deferred[None]]

    async def start(self) -> None:
        self.waiting = []

    @iq_get("urn:example:wait", "wait")
    def wait(self, request: Iq) -> Awaitable[Iq]:
        deferred: Deferred[None] = Deferred()
        self.waiting.append(deferred)
        return self._then(deferred, request)

    async def _then(self, deferred: Deferred[None], request: Iq) -> Iq:
        await deferred
        return request.result()


class Input(ServerTestCase):
    """Clients that ask for more than handlers get done."""

    plugins = (Waiting,)
    config = {"limits": {"input_queue_stanzas": 5}}

    def test_back_pressure(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for number in range(5):
            romeo.send(f"<iq type='get' id='{number}' to='example.org'><wait xmlns='urn:example:wait'/></iq>")
        self.assertFalse(romeo.transport.paused)
        romeo.send("<iq type='get' id='5' to='example.org'><wait xmlns='urn:example:wait'/></iq>")
        self.assertTrue(romeo.transport.paused)
        waiting = self.plugin("waiting").waiting
        self.assertEqual(len(waiting), 1)  # one stanza of a session at a time
        for number in range(6):
            waiting[number].callback(None)
            romeo.expect(f"<iq type='result' id='{number}'/>")
        self.assertFalse(romeo.transport.paused)

    def test_others_are_served(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        juliet = self.login("juliet@example.org/balcony")
        romeo.send("<iq type='get' id='1' to='example.org'><wait xmlns='urn:example:wait'/></iq>")
        romeo.send("<message to='{juliet}'><body>later</body></message>")
        juliet.send("<message to='{romeo}'><body>now</body></message>")
        romeo.expect("<message><body>now</body></message>")
        juliet.expect_nothing()
        self.plugin("waiting").waiting[0].callback(None)
        romeo.expect("<iq type='result' id='1'/>")
        juliet.expect("<message><body>later</body></message>")


class Stopping(ServerTestCase):
    """What clients have sent before the server stops is handled, even if it takes a while."""

    plugins = (Waiting, "offline")

    def setUp(self) -> None:
        super().setUp()
        self.account("juliet@example.org")
        self.romeo = self.login("romeo@example.org/orchard")
        self.romeo.send("<iq type='get' id='1' to='example.org'><wait xmlns='urn:example:wait'/></iq>")
        self.romeo.send("<message to='juliet@example.org'><body>later</body></message>")
        self.stopping = Deferred.fromCoroutine(self.server.server.stop())

    def test_finished(self) -> None:
        self.assertNoResult(self.stopping)
        self.plugin("waiting").waiting[0].callback(None)
        self.pump()
        self.successResultOf(self.stopping)
        self.assertIn("<system-shutdown", self.romeo.received[-1])
        self.restart()
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 1)

    def test_not_for_ever(self) -> None:
        self.pump(10)
        self.successResultOf(self.stopping)
        self.restart()
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 0)


class Idle(ServerTestCase):
    config = {"limits": {"idle_ping_seconds": 60, "idle_timeout_seconds": 20}}

    def test_answer_keeps_it_alive(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for _ in range(5):
            self.pump(70)
            ping = romeo.take()
            self.assertEqual(ping["from"], "example.org")
            romeo.send(f"<iq type='result' id='{ping['id']}' to='example.org'/>")
        romeo.expect_open()

    def test_whitespace_keeps_it_alive(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        for _ in range(10):
            self.pump(30)
            romeo.send_raw(" ")
        romeo.expect_nothing()
        romeo.expect_open()

    def test_many(self) -> None:
        """They are not all looked at in one turn of the reactor, but every one of them is."""
        clients = [self.login(f"romeo{n // 20}@example.org/r{n % 20}") for n in range(250)]
        later, pinged = self.clock.callLater, list[int]()

        def noting(seconds: float, function: Any, *arguments: Any) -> Any:
            if seconds == 0:
                pinged.append(sum("urn:xmpp:ping" in client.received[-1] for client in clients))
            return later(seconds, function, *arguments)

        self.patch(self.clock, "callLater", noting)
        self.pump(65)
        self.assertIn(200, pinged)
        self.assertEqual(sum("urn:xmpp:ping" in client.received[-1] for client in clients), 250)

    def test_silence_ends_it(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.pump(70)
        romeo.take()
        self.pump(25)
        romeo.expect_closed("connection-timeout")
        self.assertEqual(self.host.all_sessions(), ())
