"""One machine with several addresses: turns, times, and what is told when none answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError, UserError
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from xmppd.net.eager import EagerConnections
from xmppd.net.s2s.asking import LookupFailed
from xmppd.net.s2s.race import Race
from xmppd.net.s2s.targets import Target

TARGET = Target("a.example", 5269)


class Lookups:
    """A resolver that answers when the test says so."""

    def __init__(self) -> None:
        self.asked: dict[int, Deferred[list[str]]] = {}

    async def addresses(self, host: str, kind: int) -> list[str]:
        result: Deferred[list[str]] = Deferred()
        self.asked[kind] = result
        return await result


class RaceTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.lookups = Lookups()
        self.trail: list[str] = []
        self.made: list[Protocol] = []
        self.race = self.start(TARGET)

    def start(self, target: Target) -> Race:
        def make(target: Target) -> Protocol:
            self.made.append(Protocol())
            return self.made[-1]

        lookups: Any = self.lookups
        maker: Any = make
        return Race(self.reactor, EagerConnections(self.reactor), lookups, target, maker, self.trail, 10.0, 0.25)

    def told(self, ipv6: list[str] | None = None, ipv4: list[str] | None = None) -> None:
        for kind, addresses in ((dns.AAAA, ipv6), (dns.A, ipv4)):
            if addresses is not None:
                self.lookups.asked[kind].callback(addresses)

    @property
    def tried(self) -> list[str]:
        return [client[0] for client in self.reactor.tcpClients]

    def accept(self, address: str) -> Any:
        number = self.tried.index(address)
        protocol = self.reactor.tcpClients[number][2].buildProtocol(None)
        self.reactor.advance(0)
        return protocol

    def refuse(self, address: str, error: Exception | None = None) -> None:
        number = len(self.tried) - 1 - self.tried[::-1].index(address)
        factory = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(self.reactor.connectors[number], Failure(error or ConnectionRefusedError(111)))


class TurnTests(RaceTestCase):
    def test_families_take_turns_ipv6_first(self) -> None:
        self.race.next()
        self.told(["2001:db8::1", "2001:db8::2"], ["192.0.2.1", "192.0.2.2"])
        self.assertEqual(self.tried, ["2001:db8::1"])
        self.reactor.advance(0.24)
        self.assertEqual(len(self.tried), 1)
        self.reactor.pump([0.01, 0.25, 0.25])
        self.assertEqual(self.tried, ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"])
        self.assertEqual({client[3] for client in self.reactor.tcpClients}, {10.0})

    def test_a_refusal_does_not_wait(self) -> None:
        self.race.next()
        self.told(["2001:db8::1"], ["192.0.2.1"])
        self.refuse("2001:db8::1")
        self.assertEqual(self.tried, ["2001:db8::1", "192.0.2.1"])

    def test_ipv4_waits_for_ipv6_a_moment(self) -> None:
        self.race.next()
        self.told(ipv4=["192.0.2.1"])
        self.assertEqual(self.tried, [])
        self.reactor.advance(0.04)
        self.told(["2001:db8::1"])
        self.assertEqual(self.tried, ["2001:db8::1"])

    def test_but_not_for_long(self) -> None:
        self.race.next()
        self.told(ipv4=["192.0.2.1"])
        self.reactor.advance(0.05)
        self.assertEqual(self.tried, ["192.0.2.1"])
        self.reactor.advance(0.3)
        self.told(["2001:db8::1"])
        self.assertEqual(self.tried, ["192.0.2.1", "2001:db8::1"])

    def test_ipv6_does_not_wait_for_ipv4(self) -> None:
        self.race.next()
        self.told(ipv6=["2001:db8::1"])
        self.assertEqual(self.tried, ["2001:db8::1"])

    def test_only_ipv4(self) -> None:
        self.race.next()
        self.told([], ["192.0.2.1"])
        self.assertEqual(self.tried, ["192.0.2.1"])

    def test_no_more_than_eight_addresses(self) -> None:
        result = self.race.next()
        self.told([], [f"192.0.2.{n}" for n in range(1, 30)])
        for n in range(1, 9):
            self.refuse(f"192.0.2.{n}")
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(len(self.tried), 8)

    def test_addresses_that_are_known(self) -> None:
        for target in (Target("a.example", 1, addresses=("192.0.2.7",)), Target("192.0.2.7", 1)):
            with self.subTest(target):
                self.reactor.tcpClients.clear()
                self.lookups.asked.clear()
                self.start(target).next()
                self.assertEqual(self.tried, ["192.0.2.7"])
                self.assertEqual(self.lookups.asked, {})


class WinnerTests(RaceTestCase):
    def test_the_first_to_accept_wins_and_the_others_end(self) -> None:
        result = self.race.next()
        self.told(["2001:db8::1"], ["192.0.2.1"])
        self.reactor.advance(0.25)
        protocol = self.accept("192.0.2.1")
        self.assertIs(self.successResultOf(result), protocol)
        self.assertTrue(self.reactor.connectors[0]._disconnected)
        self.assertIsNone(self.accept("2001:db8::1"))
        self.assertEqual(len(self.made), 1)
        self.assertEqual(self.trail[-1], "192.0.2.1 port 5269: connected")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_the_caller_has_it_when_it_has_its_connection(self) -> None:
        result = self.race.next()
        self.told(["2001:db8::1"], [])
        self.reactor.tcpClients[0][2].buildProtocol(None)
        self.assertNoResult(result)
        self.reactor.advance(0)
        self.assertIs(self.successResultOf(result), self.made[0])

    def test_if_it_is_no_good_those_that_had_no_chance_are_tried(self) -> None:
        self.race.next()
        self.told(["2001:db8::1", "2001:db8::2"], ["192.0.2.1"])
        self.reactor.advance(0.25)
        self.accept("192.0.2.1")
        result = self.race.next()
        self.assertEqual(self.tried[2:], ["2001:db8::1"])
        self.refuse("2001:db8::1")
        self.refuse("2001:db8::2")
        self.assertIsNone(self.successResultOf(result))

    def test_late_addresses_are_for_the_next_time(self) -> None:
        self.race.next()
        self.told(ipv6=["2001:db8::1"])
        self.accept("2001:db8::1")
        self.told(ipv4=["192.0.2.1"])
        self.assertEqual(self.tried, ["2001:db8::1"])
        self.race.next()
        self.assertEqual(self.tried, ["2001:db8::1", "192.0.2.1"])

    def test_waiting_for_late_addresses(self) -> None:
        self.race.next()
        self.told(ipv6=["2001:db8::1"])
        self.accept("2001:db8::1")
        result = self.race.next()
        self.assertNoResult(result)
        self.told(ipv4=[])
        self.assertIsNone(self.successResultOf(result))


class LoserTests(RaceTestCase):
    def test_reasons(self) -> None:
        result = self.race.next()
        self.told([], ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        self.refuse("192.0.2.1")
        self.refuse("192.0.2.2", TimeoutError())
        self.refuse("192.0.2.3", UserError())
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(self.trail, [
            "IPv6 address of a.example: none",
            "IPv4 address of a.example: 192.0.2.1, 192.0.2.2, 192.0.2.3",
            "192.0.2.1 port 5269: connection refused",
            "192.0.2.2 port 5269: no answer within 10 seconds",
            "192.0.2.3 port 5269: no answer within 10 seconds",
        ])  # fmt: skip
        self.assertTrue(self.race.temporary)

    def test_what_it_failed_for_is_not_what_was_heard_last(self) -> None:
        result = self.race.next()
        self.told(ipv4=["192.0.2.1"])
        self.reactor.advance(0.05)
        self.refuse("192.0.2.1")
        self.told(ipv6=[])
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(self.trail[-1], "IPv6 address of a.example: none")
        self.assertEqual(self.race.problem, "192.0.2.1 port 5269: connection refused")

    def test_no_address_at_all(self) -> None:
        result = self.race.next()
        self.told([], [])
        self.assertIsNone(self.successResultOf(result))
        self.assertFalse(self.race.temporary)
        self.assertEqual(self.trail[-1], "a.example has no address")

    def test_nobody_knows(self) -> None:
        result = self.race.next()
        self.lookups.asked[dns.AAAA].errback(LookupFailed("nameserver 192.0.2.53: SERVFAIL"))
        self.told(ipv4=[])
        self.assertIsNone(self.successResultOf(result))
        self.assertTrue(self.race.temporary)
        self.assertEqual(self.trail[0], "IPv6 address of a.example: nameserver 192.0.2.53: SERVFAIL")


class EndTests(RaceTestCase):
    def test_stopped(self) -> None:
        result = self.race.next()
        self.told([], ["192.0.2.1"])
        self.race.stop()
        self.assertIsNone(self.successResultOf(result))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertIsNone(self.accept("192.0.2.1"))

    def test_stopped_while_looking(self) -> None:
        result = self.race.next()
        self.race.stop()
        self.assertIsNone(self.successResultOf(result))
        self.told(["2001:db8::1"], ["192.0.2.1"])
        self.assertEqual(self.tried, [])

    def test_cancelled(self) -> None:
        result = self.race.next()
        self.told([], ["192.0.2.1"])
        result.cancel()
        self.failureResultOf(result, CancelledError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
