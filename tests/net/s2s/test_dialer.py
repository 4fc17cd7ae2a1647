"""From a domain to a connection, on loopback: one place after the other, and what is told of it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.net.s2s.dns_server import Key, Nameserver, Says, a, aaaa, pause, reactor, settings, srv
from tests.net.s2s.test_resolver import STARTTLS, ResolverTestCase
from xmppd.net.s2s.dialer import Dialer, Search
from xmppd.net.s2s.targets import Target, Unresolvable, static_target


class Peer(Protocol):
    """Where somebody connects to: greets, or hangs up."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.write(b"hello")


class Ours(Protocol):
    transport: Any = None

    def __init__(self, target: Target) -> None:
        self.target = target
        self.heard: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard.callback(data)


class DialerTestCase(ResolverTestCase):
    def listen(self, interface: str = "127.0.0.1") -> int:
        port: Any = reactor.listenTCP(0, Factory.forProtocol(Peer), interface=interface)
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        number: int = port.getHost().port
        return number

    def search(self, says: dict[Key, Says], route: Target | None = None, domain: str = "example.org") -> Search:
        self.server: Nameserver = self.serve(says)
        self.made: list[Ours] = []

        def make(target: Target) -> IProtocol:
            self.made.append(Ours(target))
            found: Any = self.made[-1]
            return found

        values = settings(self.server, next_address_seconds=0.05, connect_seconds=2.0)
        search = Dialer(reactor, self.resolver(self.server), values).search(domain, make, route)
        self.addCleanup(search.stop)
        self.addCleanup(self.hang_up)
        return search

    async def hang_up(self) -> None:
        for protocol in self.made:
            if protocol.transport is not None:
                protocol.transport.abortConnection()
        await pause(0.01)

    async def greeted(self, protocol: object) -> Ours:
        assert isinstance(protocol, Ours)
        self.assertEqual(await protocol.heard, b"hello")
        return protocol


class SearchTests(DialerTestCase):
    async def test_by_srv(self) -> None:
        port = self.listen()
        search = self.search({STARTTLS: [srv("a.example", port)], ("a.example", dns.A): [a()]})
        found = await self.greeted(await search.next())
        self.assertEqual(str(found.target), f"a.example port {port}")
        self.assertEqual(search.trail[:2], [
            "SRV _xmpps-server._tcp.example.org: no such record",
            f"SRV _xmpp-server._tcp.example.org: a.example port {port} (priority 0, weight 0)",
        ])  # fmt: skip
        self.assertIn("IPv4 address of a.example: 127.0.0.1", search.trail)
        self.assertIn(f"127.0.0.1 port {port}: connected", search.trail)
        self.assertIsNone(await search.next())
        self.assertFalse(search.lasting)

    async def test_one_target_after_the_other(self) -> None:
        port, direct = self.listen(), self.listen()
        search = self.search({
            STARTTLS: [srv("a.example", port, 1), srv("gone.example", port, 2), srv("b.example", 1, 3)],
            ("_xmpps-server._tcp.example.org", dns.SRV): [srv("a.example", direct, 4)],
            ("a.example", dns.A): [a()],
            ("b.example", dns.A): [a()],
        })  # fmt: skip
        self.assertEqual((await self.greeted(await search.next())).target.port, port)
        second = await self.greeted(await search.next())
        self.assertEqual((second.target.port, second.target.direct_tls), (direct, True))
        self.assertIn("IPv4 address of gone.example: none", search.trail)
        self.assertIn("127.0.0.1 port 1: connection refused", search.trail)
        self.assertIsNone(await search.next())

    async def test_there_are_records_but_nobody_is_there(self) -> None:
        """RFC 6120 3.2.1: then the domain itself is not tried."""
        search = self.search({
            STARTTLS: [srv("a.example", 1)],
            ("a.example", dns.A): [a()],
            ("example.org", dns.A): [a()],
        })  # fmt: skip
        self.assertIsNone(await search.next())
        self.assertFalse(search.lasting)
        self.assertNotIn(("example.org", dns.A), self.server.questions)

    async def test_both_families(self) -> None:
        port = self.listen("::1")
        search = self.search({
            STARTTLS: [srv("a.example", port)],
            ("a.example", dns.A): [a()],
            ("a.example", dns.AAAA): [aaaa()],
        })  # fmt: skip
        await self.greeted(await search.next())
        self.assertEqual(search.trail[-1], f"::1 port {port}: connected")
        self.assertIsNone(await search.next())
        self.assertEqual(search.trail[-1], f"127.0.0.1 port {port}: connection refused")

    async def test_a_domain_that_is_not_there(self) -> None:
        search = self.search({})
        self.assertIsNone(await search.next())
        self.assertTrue(search.lasting)
        self.assertCountEqual(
            search.trail[-3:-1], ["IPv6 address of example.org: none", "IPv4 address of example.org: none"]
        )
        self.assertEqual(search.trail[-1], "example.org has no address")

    async def test_not_lasting_if_a_nameserver_failed(self) -> None:
        search = self.search({STARTTLS: dns.ESERVER})
        self.assertIsNone(await search.next())
        self.assertFalse(search.lasting)

    async def test_no_service(self) -> None:
        search = self.search({STARTTLS: [srv("", 0)]})
        self.assertIsNone(await search.next())
        self.assertTrue(search.lasting)
        self.assertIn("takes no connections from other servers", search.trail[-1])
        self.assertIsNone(await search.next())

    async def test_a_route_in_the_settings(self) -> None:
        port = self.listen()
        search = self.search({}, static_target(f"127.0.0.1:{port}", direct_tls=False))
        await self.greeted(await search.next())
        self.assertEqual(search.trail[0], f"the settings say that example.org is at 127.0.0.1 port {port}")
        self.assertEqual(self.server.questions, [])

    async def test_a_domain_that_is_an_address(self) -> None:
        search = self.search({}, domain="127.0.0.1")
        found = await search.next()
        self.assertEqual(self.server.questions, [])
        self.assertIn("127.0.0.1 port 5269: ", search.trail[0])
        self.assertEqual(found is None, not self.made)

    async def test_stopping(self) -> None:
        search = self.search({STARTTLS: lambda message: False})
        waiting = Deferred.fromCoroutine(search.next())
        await pause(0.01)
        search.stop()
        self.resolver_stops()
        self.assertIsNone(await waiting)

    def resolver_stops(self) -> None:
        """Whoever looks for the same still waits; so here the question itself is given up."""
        self.resolvers[-1].stop()


class TurnTests(SynchronousTestCase):
    """Thousands of searches that begin at once."""

    def test_some_in_each_turn_of_the_reactor(self) -> None:
        begun: list[str] = []
        turn: list[Any] = []

        class Reactor:
            def callLater(self, seconds: float, function: Any) -> None:
                turn.append(function)

        class Resolver:
            async def targets(self, domain: str, trail: list[str]) -> list[Target]:
                begun.append(domain)
                return []

        def end_turn() -> None:
            calls, turn[:] = list(turn), []
            for call in calls:
                call()

        resolver: Any = Resolver()
        dialer = Dialer(Reactor(), resolver, settings())
        make: Any = None
        searches = [Deferred.fromCoroutine(dialer.search(f"d{n}", make).next()) for n in range(20)]
        self.assertEqual(len(begun), 8)
        searches[9].addErrback(lambda _: None).cancel()
        end_turn()
        self.assertEqual(len(begun), 16)
        end_turn()
        self.assertEqual(begun, [f"d{n}" for n in range(20) if n != 9])
        end_turn()
        end_turn()
        self.assertEqual(turn, [])
        Deferred.fromCoroutine(dialer.search("later", make).next())
        self.assertEqual(begun[-1], "later")

    def test_only_so_many_at_a_time(self) -> None:
        clock = MemoryReactorClock()
        asked: list[Deferred[list[Target]]] = []

        class Resolver:
            async def targets(self, domain: str, trail: list[str]) -> list[Target]:
                asked.append(Deferred())
                return await asked[-1]

        resolver: Any = Resolver()
        dialer = Dialer(clock, resolver, settings(dns_queries=3))
        make: Any = None
        searches = [Deferred.fromCoroutine(dialer.search(f"d{n}", make).next()) for n in range(6)]
        clock.advance(0)
        self.assertEqual(len(asked), 3)
        asked[0].callback([])
        asked[1].errback(Unresolvable("no", lasting=True))
        searches[2].addErrback(lambda _: None).cancel()
        clock.advance(0)
        self.assertEqual(len(asked), 6)
        for question in asked[3:]:
            question.callback([])
        clock.advance(0)
        self.assertEqual([search.called for search in searches], [True] * 6)
        self.assertEqual(clock.getDelayedCalls(), [])
