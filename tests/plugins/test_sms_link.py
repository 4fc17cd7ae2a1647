"""Sessions with a message centre, and the link that is made anew: all on a fake clock, and once over TCP."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from smpplib import consts
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.interop.server import write_certificate
from tests.plugins.smsc import Centre, CentreSession
from xmppd.net.network import Network
from xmppd.plugins.sms.link import Link, NotConnected
from xmppd.plugins.sms.options import Smpp
from xmppd.plugins.sms.pace import Pace
from xmppd.plugins.sms.pdus import Pdu, encode
from xmppd.plugins.sms.session import SessionLost
from xmppd.testing.network import MemoryNetwork

ENDPOINT = "tcp:smsc.example:2775"
ESME_RTHROTTLED, ESME_RMSGQFUL = 0x58, 0x14


class LinkCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.centre = Centre()
        self.network = MemoryNetwork(self.clock)
        self.network.peers[ENDPOINT] = self.centre
        self.delivered: list[Pdu] = []
        self.ups = 0
        self.statuses: list[Any] = []
        self.link = self.make()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(self.stop)

    def make(self, **options: Any) -> Link:
        given = {
            "endpoint": ENDPOINT,
            "system_id": "us",
            "password": "secret",
            "messages_per_second": 1000.0,
            **options,
        }
        return Link(self.network, self.clock, Smpp(**given), self.deliver, self.up)

    def start(self, **options: Any) -> None:
        if options:
            self.link = self.make(**options)
        self.link.start()
        self.pump()

    def stop(self) -> None:
        stopped = ensureDeferred(self.link.stop())
        self.pump(60)
        self.successResultOf(stopped)

    def up(self) -> None:
        self.ups += 1

    async def deliver(self, pdu: Pdu) -> int:
        self.delivered.append(pdu)
        status = self.statuses.pop(0) if self.statuses else 0
        if isinstance(status, Exception):
            raise status
        return await status if isinstance(status, Deferred) else status

    def pump(self, seconds: float = 0.0, step: float = 0.25) -> None:
        for _ in range(8):
            self.clock.advance(0)
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.clock.advance(0)
            self.clock.advance(0)

    def submit(self, text: bytes = b"hi") -> Deferred[Pdu]:
        submitted = ensureDeferred(self.link.submit(destination_addr="491701234567", short_message=text))
        self.pump()
        return submitted


class Binding(LinkCase):
    def test_bind(self) -> None:
        self.start(system_type="VMA", address_range="49.*", version="5.0")
        (bind,) = self.centre.heard
        assert isinstance(bind, Pdu)
        self.assertEqual(bind.command, "bind_transceiver")
        self.assertEqual([bind.text(name) for name in ("system_id", "password", "system_type", "address_range")],
                         ["us", "secret", "VMA", "49.*"])  # fmt: skip
        self.assertEqual(bind.number("interface_version"), 0x50)
        self.assertEqual((self.link.state, self.link.peer, self.ups), ("bound", "centre", 1))

    def test_the_older_version(self) -> None:
        self.start()
        (bind,) = self.centre.heard
        assert isinstance(bind, Pdu)
        self.assertEqual(bind.number("interface_version"), 0x34)

    def test_refused(self) -> None:
        self.centre.bind_status = consts.SMPP_ESME_RINVPASWD
        self.start(reconnect_seconds=10.0)
        self.assertEqual((self.link.state, self.ups), ("waiting", 0))
        self.assertIn("refuses us: Invalid password", self.link.problem.replace("Password", "password"))
        self.assertTrue(self.centre.session.over)
        self.centre.bind_status = 0
        self.pump(11)
        self.assertEqual((self.link.state, self.link.failures), ("bound", 0))

    def test_what_can_not_be_said(self) -> None:
        self.start(system_id="ж", reconnect_seconds=10.0)
        self.assertEqual(self.link.state, "waiting")
        self.assertIn("bind_transceiver can't be sent", self.link.problem)

    def test_back_off(self) -> None:
        del self.network.peers[ENDPOINT]
        self.start(reconnect_seconds=2.0, reconnect_max_seconds=9.0)
        tries: list[int] = []
        for second in range(40):
            if self.link.failures > len(tries):
                tries.append(second)
            self.pump(1)
        self.assertEqual([later - earlier for earlier, later in pairwise(tries)], [2, 4, 8, 9, 9])

    def test_nobody_answers(self) -> None:
        self.centre.mute = {"bind_transceiver"}
        self.start(response_seconds=5.0)
        self.pump(6)
        self.assertEqual(self.link.state, "waiting")
        self.assertIn("no answer to bind_transceiver", self.link.problem)

    def test_no_connection_in_time(self) -> None:
        self.network.silent = True
        self.start(connect_seconds=7.0)
        self.pump(8)
        self.assertIn("did not answer within 7 seconds", self.link.problem)

    def test_stopped_while_connecting(self) -> None:
        self.network.silent = True
        self.start()

    def test_stopped_while_binding(self) -> None:
        self.centre.mute = {"bind_transceiver"}
        self.start()

    def test_a_centre_that_does_not_take_leave(self) -> None:
        self.centre.mute = {"unbind"}
        self.start()
        stopped = ensureDeferred(self.link.stop())
        self.pump(6)
        self.successResultOf(stopped)
        self.assertTrue(self.centre.session.over)

    def test_we_take_leave(self) -> None:
        self.start()
        self.stop()
        self.assertEqual(self.centre.commands(), ["bind_transceiver", "unbind"])
        self.assertTrue(self.centre.session.over)
        self.assertEqual(self.link.state, "stopped")


class Alive(LinkCase):
    def test_enquire_link(self) -> None:
        self.start(enquire_seconds=30.0)
        self.pump(100, step=1)
        self.assertEqual(self.centre.commands().count("enquire_link"), 3)
        self.assertEqual(self.link.state, "bound")

    def test_whoever_does_not_answer_is_gone(self) -> None:
        self.start(enquire_seconds=30.0, response_seconds=10.0)
        self.centre.mute = {"enquire_link"}
        self.pump(41, step=1)
        self.assertIn("does not answer any more", self.link.problem)
        self.assertTrue(self.centre.sessions[0].over)
        self.pump(5, step=1)
        self.assertEqual((len(self.centre.sessions), self.ups), (2, 2))

    def test_they_enquire(self) -> None:
        self.start()
        self.centre.session.send("enquire_link", 77)
        self.pump()
        self.assertEqual((self.centre.heard[-1].command, self.centre.heard[-1].sequence), ("enquire_link_resp", 77))

    def test_they_take_leave(self) -> None:
        self.start()
        self.centre.session.send("unbind", 78)
        self.pump()
        self.assertEqual(self.centre.heard[-1].command, "unbind_resp")
        self.assertIn("has taken leave", self.link.problem)
        self.pump(5)
        self.assertEqual(self.ups, 2)


class Submitting(LinkCase):
    def test_submit(self) -> None:
        self.start()
        answer = self.successResultOf(self.submit(b"hello"))
        self.assertEqual((answer.status, answer.text("message_id")), (0, "m1"))
        self.assertEqual(self.centre.texts, [b"hello"])
        self.assertEqual(self.link.submitted, 1)

    def test_without_a_link(self) -> None:
        self.failureResultOf(self.submit(), NotConnected)

    def test_refused(self) -> None:
        self.start()
        self.centre.statuses = [consts.SMPP_ESME_RINVDSTADR]
        self.assertEqual(self.successResultOf(self.submit()).status, consts.SMPP_ESME_RINVDSTADR)

    def test_window(self) -> None:
        self.start(window=3)
        self.centre.mute = {"submit_sm"}
        waiting = [self.submit() for _ in range(5)]
        self.pump(1)
        self.assertEqual(len(self.centre.submitted), 3)
        self.centre.mute = set()
        for pdu in list(self.centre.submitted):
            self.centre.session.send("submit_sm_resp", pdu.sequence, message_id="x")
        self.pump(1)
        self.assertEqual([self.successResultOf(one).status for one in waiting], [0] * 5)

    def test_pace(self) -> None:
        self.start(messages_per_second=2.0, window=100)
        waiting = [self.submit() for _ in range(5)]
        for sent in (1, 2, 3, 4, 5):
            self.assertEqual(len(self.centre.submitted), sent)
            self.pump(0.5)
        self.assertEqual([self.successResultOf(one).status for one in waiting], [0] * 5)

    def test_throttled(self) -> None:
        self.start(throttle_seconds=2.0, throttle_max_seconds=3.0)
        self.centre.statuses = [ESME_RTHROTTLED, ESME_RMSGQFUL, ESME_RTHROTTLED]
        submitted = self.submit()
        times: list[float] = []
        for quarter in range(50):
            if len(self.centre.submitted) > len(times):
                times.append(quarter / 4)
            self.pump(0.25)
        self.assertEqual([round(b - a) for a, b in pairwise(times)], [2, 3, 3])
        self.assertEqual(self.successResultOf(submitted).status, 0)

    def test_a_centre_that_is_overloaded_for_long(self) -> None:
        self.start(throttle_seconds=1.0, throttle_max_seconds=2.0)
        self.centre.statuses = [ESME_RTHROTTLED] * 20
        submitted = self.submit()
        self.pump(20)
        self.assertEqual(self.successResultOf(submitted).status, ESME_RTHROTTLED)
        self.assertEqual(len(self.centre.submitted), 8)

    def test_congestion(self) -> None:
        """SMPP 5.0: this one was taken, but the next ones had better wait."""
        self.start(throttle_seconds=5.0, version="5.0")
        self.centre.mute = {"submit_sm"}
        for state, pause in ((89, False), (90, True)):
            submitted = self.submit()
            number = self.centre.submitted[-1].sequence
            answer = encode("submit_sm_resp", number, message_id="x") + b"\x04\x28\0\x01" + bytes([state])
            self.centre.session.transport.write(len(answer).to_bytes(4) + answer[4:])
            self.pump()
            self.assertEqual(self.successResultOf(submitted).status, 0)
            sent = len(self.centre.submitted)
            self.submit().addErrback(lambda failure: None)  # which nobody waits for
            self.pump(1)
            self.assertEqual(len(self.centre.submitted) == sent, pause)

    def test_everybody_pauses(self) -> None:
        self.start(throttle_seconds=5.0)
        self.centre.statuses = [ESME_RTHROTTLED]
        self.submit()
        self.submit()
        self.assertEqual(len(self.centre.submitted), 1)
        self.pump(6)
        self.assertEqual(len(self.centre.submitted), 3)

    def test_no_answer(self) -> None:
        self.start(response_seconds=5.0)
        self.centre.mute = {"submit_sm"}
        submitted = self.submit()
        self.pump(6)
        self.failureResultOf(submitted, SessionLost)

    def test_the_connection_breaks_in_the_middle(self) -> None:
        self.start()
        self.centre.mute = {"submit_sm"}
        submitted = self.submit()
        self.network.links[0].cut()
        self.failureResultOf(submitted, SessionLost)
        self.centre.mute = set()
        self.pump(5)
        self.assertEqual(self.successResultOf(self.submit()).status, 0)

    def test_answers_nobody_waits_for(self) -> None:
        self.start()
        self.centre.session.send("submit_sm_resp", 4711, message_id="x")
        self.centre.session.send("generic_nack", 4711, 3)
        self.pump()
        self.assertEqual(self.link.state, "bound")

    def test_not_understood(self) -> None:
        self.start()
        self.centre.mute = {"submit_sm"}
        submitted = self.submit()
        self.centre.session.send("generic_nack", self.centre.submitted[0].sequence, consts.SMPP_ESME_RINVCMDID)
        self.pump()
        self.assertEqual(self.successResultOf(submitted).command, "generic_nack")

    def test_cancelled(self) -> None:
        self.start()
        self.centre.mute = {"submit_sm"}
        submitted = self.submit()
        submitted.addErrback(lambda failure: None)
        submitted.cancel()
        self.centre.session.send("submit_sm_resp", self.centre.submitted[0].sequence, message_id="x")
        self.pump()


class Receiving(LinkCase):
    def test_deliver(self) -> None:
        self.start()
        number = self.centre.session.deliver(b"hello")
        self.pump()
        self.assertEqual([pdu.fields["short_message"] for pdu in self.delivered], [b"hello"])
        self.assertEqual(self.centre.session.status_of(number), 0)
        self.assertEqual(self.link.received, 1)

    def test_answered_when_it_is_taken(self) -> None:
        self.start()
        later: Deferred[int] = Deferred()
        self.statuses = [later]
        first, second = self.centre.session.deliver(b"1"), self.centre.session.deliver(b"2")
        self.pump()
        self.assertEqual([self.centre.session.status_of(n) for n in (first, second)], [None, 0])
        later.callback(0x66)
        self.pump()
        self.assertEqual(self.centre.session.status_of(first), 0x66)

    def test_too_many_at_once(self) -> None:
        self.start(incoming_window=2)
        self.statuses = [Deferred(), Deferred()]
        later = list(self.statuses)
        numbers = [self.centre.session.deliver(b"") for _ in range(3)]
        self.pump()
        self.assertEqual([self.centre.session.status_of(n) for n in numbers], [None, None, ESME_RMSGQFUL])
        for one in later:
            one.callback(0)

    def test_what_can_not_be_taken(self) -> None:
        self.start()
        self.statuses = [ZeroDivisionError()]
        number = self.centre.session.deliver(b"hello")
        self.pump()
        self.assertEqual(self.centre.session.status_of(number), consts.SMPP_ESME_RX_T_APPN)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_before_we_are_bound(self) -> None:
        self.centre.mute = {"bind_transceiver"}
        self.start()
        number = self.centre.session.deliver(b"hello")
        self.pump()
        self.assertEqual(self.centre.session.status_of(number), consts.SMPP_ESME_RINVBNDSTS)
        self.assertEqual(self.delivered, [])

    def test_what_only_centres_are_asked(self) -> None:
        self.start()
        self.centre.session.send("submit_sm", 5)
        self.centre.session.send("alert_notification", 6)
        self.pump()
        (nack,) = [pdu for pdu in self.centre.heard if pdu.command == "generic_nack"]
        self.assertEqual((nack.sequence, nack.status), (5, consts.SMPP_ESME_RINVCMDID))

    def test_hostile_octets(self) -> None:
        self.start(pdu_octets=1000)
        for data, commands, stays in (
            (b"\0\0\0\x10\0\0\0\x77\0\0\0\0\0\0\0\x05", ["generic_nack"], True),
            (b"\0\0\0\x11\0\0\0\x05\0\0\0\0\0\0\0\x05x", ["deliver_sm_resp"], True),
            (b"\0\0\0\x10\x80\0\0\x77\0\0\0\0\0\0\0\x05", ["generic_nack"], True),
            (b"\0\0\0\x12\x80\0\0\x04\0\0\0\0\0\0\0\x05\xff\xff", [], True),
            (b"\0\0\x03\xe9" + bytes(12), ["generic_nack"], False),
        ):
            with self.subTest(data=data):
                before = len(self.centre.heard)
                self.centre.session.transport.write(data)
                self.pump()
                self.assertEqual(self.centre.commands()[before:], commands)
                self.assertEqual(self.link.state == "bound", stays)


class Paces(SynchronousTestCase):
    def test_a_turn_that_nobody_wants_any_more(self) -> None:
        clock = Clock()
        pace = Pace(clock, 1.0, 1.0, 1.0)
        turns = [ensureDeferred(pace.turn()) for _ in range(3)]
        turns[1].addErrback(lambda failure: None)
        turns[1].cancel()
        clock.advance(1)
        self.successResultOf(turns[2])


class OverTcp(TestCase):
    """The same between sockets."""

    def test_there_and_back(self) -> Deferred[None]:
        return ensureDeferred(self._there_and_back())

    async def _there_and_back(self) -> None:
        network, centre = Network(reactor), Centre()
        port = await network.listen("tcp:0:interface=127.0.0.1", centre)
        self.addCleanup(port.stopListening)
        up: Deferred[None] = Deferred()
        got: Deferred[Pdu] = Deferred()

        async def deliver(pdu: Pdu) -> int:
            got.callback(pdu)
            return 0

        options = Smpp(endpoint=f"tcp:127.0.0.1:{port.getHost().port}")
        clock: Any = reactor
        link = Link(network, clock, options, deliver, lambda: up.callback(None))
        link.start()
        await up
        centre.before_answer = lambda session, name: CentreSession.report(session, name)
        answer = await link.submit(destination_addr="491701234567", short_message=b"hello")
        self.assertEqual(answer.text("message_id"), "m1")
        self.assertIn(b"id:m1", (await got).fields["short_message"])
        await link.stop()
        self.assertEqual(centre.commands()[-1], "unbind")

    def test_tls(self) -> Deferred[None]:
        return ensureDeferred(self._tls())

    async def _tls(self) -> None:
        network, centre = Network(reactor), Centre()
        folder = Path(self.mktemp())
        folder.mkdir()
        write_certificate(folder, "smsc.example")
        (folder / "server.crt").rename(folder / "server.pem")
        files = f"privateKey={folder}/server.key:certKey={folder}/server.pem"
        port = await network.listen(f"ssl:0:interface=127.0.0.1:{files}", centre)
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        for name, trusted, bound in (("smsc.example", True, True), ("other.example", True, False),
                                     ("smsc.example", False, False)):  # fmt: skip
            roots = f":trustRoots={folder}" if trusted else ""
            endpoint = f"tls:{name}:{number}:endpoint=tcp\\:127.0.0.1\\:{number}{roots}"
            self.assertEqual(await self.outcome(network, endpoint), bound, endpoint)

    async def outcome(self, network: Network, endpoint: str) -> bool:
        """Is the link there in the end?"""
        clock: Any = reactor

        async def deliver(pdu: Pdu) -> int:
            return 0

        link = Link(network, clock, Smpp(endpoint=endpoint, reconnect_seconds=60), deliver, lambda: None)
        link.start()
        while link.state == "connecting":
            await deferLater(clock, 0.01)
        bound = link.state == "bound"
        await link.stop()
        if not bound:
            self.assertIn("certificate", link.problem)
        return bound
