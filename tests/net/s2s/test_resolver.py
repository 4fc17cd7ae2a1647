"""Finding servers in the DNS: SRV, the way without it, what is remembered, and how what goes wrong is told."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.server import DNSServerFactory
from twisted.trial.unittest import TestCase

from tests.net.s2s.dns_server import (
    Key,
    Nameserver,
    Says,
    a,
    aaaa,
    alias,
    header,
    pause,
    reactor,
    settings,
    soa,
    srv,
)
from xmppd.core.options import SettingsError
from xmppd.net.s2s import asking
from xmppd.net.s2s.asking import LookupFailed
from xmppd.net.s2s.resolver import Resolver
from xmppd.net.s2s.targets import Target, Unresolvable

STARTTLS, DIRECT = ("_xmpp-server._tcp.example.org", dns.SRV), ("_xmpps-server._tcp.example.org", dns.SRV)


class ResolverTestCase(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.resolvers: list[Resolver] = []

    def serve(self, says: Mapping[Key, Says]) -> Nameserver:
        server = Nameserver(says)
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    def resolver(self, *servers: Nameserver, **values: Any) -> Resolver:
        resolver = Resolver(reactor, settings(*servers, **values), Random(1))
        self.addCleanup(resolver.stop)
        self.resolvers.append(resolver)
        return resolver

    async def refused(self, resolver: Resolver, domain: str = "example.org") -> Unresolvable:
        try:
            targets = await resolver.targets(domain)
        except Unresolvable as error:
            return error
        self.fail(f"it found {targets}")


class TargetsTests(ResolverTestCase):
    async def find(self, says: Mapping[Key, Says], domain: str = "example.org", **values: Any) -> list[str]:
        self.server = self.serve(says)
        self.trail: list[str] = []
        return [str(t) for t in await self.resolver(self.server, **values).targets(domain, self.trail)]

    async def test_both_kinds_are_mixed_by_priority(self) -> None:
        found = await self.find({
            STARTTLS: [srv("b.example", 5269, 20), srv("a.example", 5269, 10)],
            DIRECT: [srv("c.example", 443, 15)],
        })  # fmt: skip
        self.assertEqual(found, ["a.example port 5269", "c.example port 443 (direct TLS)", "b.example port 5269"])
        self.assertEqual(self.trail, [
            "SRV _xmpps-server._tcp.example.org: c.example port 443 (priority 15, weight 0)",
            "SRV _xmpp-server._tcp.example.org: b.example port 5269 (priority 20, weight 0), "
            "a.example port 5269 (priority 10, weight 0)",
        ])  # fmt: skip

    async def test_without_records_the_domain_itself(self) -> None:
        self.assertEqual(await self.find({}), ["example.org port 5269"])
        self.assertEqual(self.trail[0], "SRV _xmpps-server._tcp.example.org: no such record")
        self.assertIn("looked for at example.org port 5269", self.trail[-1])

    async def test_direct_tls_alone(self) -> None:
        self.assertEqual(await self.find({DIRECT: [srv("a.example", 443)]}), ["a.example port 443 (direct TLS)"])

    async def test_one_kind_is_not_served(self) -> None:
        self.assertEqual(await self.find({DIRECT: [srv("", 0)], STARTTLS: [srv("a.example")]}), ["a.example port 5269"])
        self.assertIn('".", which means that this is not served', self.trail[0])

    async def test_not_served_at_all(self) -> None:
        for says in ({STARTTLS: [srv("", 0)]}, {DIRECT: [srv("", 0)]}, {DIRECT: [srv("", 0)], STARTTLS: [srv("", 0)]}):
            with self.subTest(says):
                error = await self.refused(self.resolver(self.serve(says)))
                self.assertTrue(error.lasting)
                self.assertIn("takes no connections", str(error))

    async def test_an_ip_address_is_not_asked_for(self) -> None:
        for domain in ("192.0.2.1", "[2001:db8::1]"):
            with self.subTest(domain):
                await self.find({}, domain)
                self.assertEqual(self.server.questions, [])
        targets = await self.resolver(self.server).targets("[2001:db8::1]")
        self.assertEqual(targets, [Target("2001:db8::1", 5269, addresses=("2001:db8::1",))])

    async def test_international_names(self) -> None:
        found = await self.find(
            {("_xmpp-server._tcp.xn--bcher-kva.example", dns.SRV): [srv("a.example")]}, "bücher.example"
        )
        self.assertEqual(found, ["a.example port 5269"])

    async def test_what_can_be_no_name(self) -> None:
        error = await self.refused(self.resolver(self.serve({})), "a" * 64)
        self.assertTrue(error.lasting)

    async def test_port_0_and_too_many_are_left_out(self) -> None:
        records = [srv("zero.example", 0), *(srv(f"t{number}.example", 5269, number) for number in range(30))]
        server = self.serve({STARTTLS: records})
        server.most = 4096
        found = await self.resolver(server).targets("example.org")
        self.assertEqual([target.host for target in found], [f"t{number}.example" for number in range(20)])

    async def test_the_name_is_an_alias(self) -> None:
        found = await self.find({
            STARTTLS: _records(alias(STARTTLS[0], "other.example")),
            ("other.example", dns.SRV): [srv("a.example")],
        })  # fmt: skip
        self.assertEqual(found, ["a.example port 5269"])

    async def test_the_alias_comes_along(self) -> None:
        found = await self.find({
            STARTTLS: _records(
                alias(STARTTLS[0], "Other.example"),
                header("other.EXAMPLE", srv("a.example")),
                header("unasked.example", srv("b.example")),
            ),
        })  # fmt: skip
        self.assertEqual(found, ["a.example port 5269"])

    async def test_aliases_in_a_circle(self) -> None:
        for says in (
            {STARTTLS: _records(alias(STARTTLS[0], STARTTLS[0]))},
            {
                STARTTLS: _records(alias(STARTTLS[0], "x.example")),
                ("x.example", dns.SRV): _records(alias("x.example", STARTTLS[0])),
            },
        ):
            with self.subTest(says):
                self.assertEqual(await self.find(says), ["example.org port 5269"])
                self.assertIn("alias", self.trail[1])

    async def test_a_long_answer_comes_by_tcp(self) -> None:
        found = await self.find({STARTTLS: [srv(f"long-name-of-target-{n}.example", 5269, n) for n in range(15)]})
        self.assertEqual(len(found), 15)
        self.assertEqual(self.server.by_tcp, 1)

    async def test_a_server_of_twisted_names(self) -> None:
        zone = _Zone("")
        port = reactor.listenUDP(0, dns.DNSDatagramProtocol(DNSServerFactory([zone])), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        resolver = Resolver(reactor, settings(nameservers=(f"127.0.0.1:{port.getHost().port}",)))
        self.addCleanup(resolver.stop)
        self.assertEqual([str(t) for t in await resolver.targets("example.org")], ["a.example port 5269"])


class _Zone(FileAuthority):
    def loadFile(self, filename: object) -> None:
        self.soa: Any = (b"example.org", soa().payload)
        self.records: Any = {STARTTLS[0].encode(): [srv("a.example")], b"example.org": [soa().payload]}


def _records(*headers: dns.RRHeader) -> Any:
    def change(message: dns.Message) -> None:
        message.answers = list(headers)

    return change


class FailureTests(ResolverTestCase):
    async def test_one_kind_fails(self) -> None:
        resolver = self.resolver(self.serve({DIRECT: dns.ESERVER, STARTTLS: [srv("a.example")]}))
        trail: list[str] = []
        self.assertEqual(len(await resolver.targets("example.org", trail)), 1)
        self.assertRegex(trail[0], r"nameserver 127.0.0.1 port \d+: SERVFAIL: it could not find out")

    async def test_what_only_fails_may_be_found_without(self) -> None:
        for code in (dns.ESERVER, dns.EREFUSED, dns.ENOTIMP, dns.EFORMAT, 11):
            with self.subTest(code):
                [target] = await self.resolver(self.serve({DIRECT: code, STARTTLS: code})).targets("example.org")
                self.assertEqual((target.host, target.certain), ("example.org", False))

    async def test_no_answer_at_all(self) -> None:
        resolver = self.resolver(self.serve({DIRECT: _silence, STARTTLS: _silence}), dns_seconds=0.05)
        trail: list[str] = []
        with self.assertRaises(Unresolvable) as caught:
            await resolver.targets("example.org", trail)
        self.assertFalse(caught.exception.lasting)
        self.assertIn("no answer within 0.05 seconds", trail[0])

    async def test_no_nameserver(self) -> None:
        resolver = Resolver(reactor, settings(nameservers=("127.0.0.1:1",)))
        with self.assertRaises(LookupFailed) as caught:
            await resolver.addresses("a.example", dns.A)
        self.assertEqual(str(caught.exception), "nameserver 127.0.0.1 port 1: nothing answers there")

    async def test_the_next_nameserver_is_asked(self) -> None:
        good = self.serve({("a.example", dns.A): [a("192.0.2.1")]})
        for bad in (dns.ESERVER, dns.EREFUSED, _lame):
            with self.subTest(bad):
                resolver = self.resolver(self.serve({("a.example", dns.A): bad}), good)
                self.assertEqual(await resolver.addresses("a.example", dns.A), ["192.0.2.1"])

    async def test_a_silent_nameserver_is_passed_over_and_then_asked_last(self) -> None:
        self.patch_patience(0.02)
        says = {(name, dns.A): [a("192.0.2.1")] for name in ("a.example", "b.example")}
        silent, good = self.serve(dict.fromkeys(says, _silence)), self.serve(says)
        resolver = self.resolver(silent, good)
        self.assertEqual(await resolver.addresses("a.example", dns.A), ["192.0.2.1"])
        self.assertEqual(await resolver.addresses("b.example", dns.A), ["192.0.2.1"])
        self.assertEqual(silent.questions, [("a.example", dns.A)])

    async def test_a_slow_answer_counts_although_others_were_asked(self) -> None:
        self.patch_patience(0.02)
        slow = self.serve({("a.example", dns.A): [a("192.0.2.1")]})
        slow.delay = 0.2
        resolver = self.resolver(slow, self.serve({("a.example", dns.A): _silence}))
        self.assertEqual(await resolver.addresses("a.example", dns.A), ["192.0.2.1"])
        await pause(0.4)  # its further answers are on their way

    def patch_patience(self, seconds: float) -> None:
        self.patch(asking, "_FIRST_PATIENCE", seconds)

    async def test_what_answers_something_else_is_not_heard(self) -> None:
        def wrong_number(message: dns.Message) -> None:
            message.id ^= 1
            message.answers = [header("a.example", a("192.0.2.66"))]

        def wrong_question(message: dns.Message) -> None:
            message.queries = [dns.Query("b.example", dns.A)]
            message.answers = [header("a.example", a("192.0.2.66"))]

        def a_question(message: dns.Message) -> None:
            message.answer = 0

        def too_much(message: dns.Message) -> None:
            message.answers = [header("a.example", a("192.0.2.66"))] * 150

        def nothing_of_it(message: dns.Message) -> None:
            message.answers = [header("b.example", a("192.0.2.66"))]
            message.authority = []

        for says in (wrong_number, wrong_question, a_question, too_much):
            with self.subTest(says.__name__):
                server = self.serve({("a.example", dns.A): says})
                server.most = 10_000
                with self.assertRaises(LookupFailed):
                    await self.resolver(server, dns_seconds=0.05).addresses("a.example", dns.A)
        server = self.serve({("a.example", dns.A): nothing_of_it})
        self.assertEqual(await self.resolver(server).addresses("a.example", dns.A), [])

    async def test_tcp_fails(self) -> None:
        server = self.serve({STARTTLS: [srv(f"long-name-of-target-{n}.example", 5269, n) for n in range(15)]})
        await server.tcp.stopListening()
        with self.assertRaises(LookupFailed) as caught:
            await self.resolver(server).look_up(*STARTTLS)
        self.assertIn("too long for UDP", str(caught.exception))

    async def test_tcp_is_closed_before_the_answer(self) -> None:
        def once(message: dns.Message) -> object:
            message.trunc = 1
            return server.by_tcp == 0

        server = self.serve({("a.example", dns.A): once})
        with self.assertRaises(LookupFailed) as caught:
            await self.resolver(server).addresses("a.example", dns.A)
        self.assertIn("closed the connection", str(caught.exception))

    async def test_addresses_nobody_can_be_at(self) -> None:
        says: dict[Key, Says] = {
            ("a.example", dns.A): [a("0.0.0.0"), a("224.0.0.1"), a("192.0.2.1")],
            ("a.example", dns.AAAA): [aaaa("::"), aaaa("ff02::1"), aaaa("2001:db8::1")],
        }
        resolver = self.resolver(self.serve(says))
        self.assertEqual(await resolver.addresses("a.example", dns.A), ["192.0.2.1"])
        self.assertEqual(await resolver.addresses("A.example.", dns.AAAA), ["2001:db8::1"])

    async def test_stopping(self) -> None:
        resolver = self.resolver(self.serve({("a.example", dns.A): _silence}), dns_queries=1)
        lookups = [resolver.look_up(name, dns.A) for name in ("a.example", "b.example")]
        await pause(0.02)
        resolver.stop()
        for lookup in lookups:
            with self.assertRaises(LookupFailed):
                await lookup

    def test_settings(self) -> None:
        for text in ("example.org", "192.0.2.1:x", "192.0.2.1:0", "[2001:db8::1]:70000", ":53"):
            with self.subTest(text), self.assertRaises(SettingsError) as caught:
                Resolver(reactor, settings(nameservers=(text,)))
            self.assertIn("[s2s]: nameservers", str(caught.exception))
        Resolver(reactor, settings(nameservers=("192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353")))


def _silence(message: dns.Message) -> bool:
    return False


def _lame(message: dns.Message) -> None:
    message.authority = [header("example", dns.Record_NS("ns.example"))]


class RememberingTests(ResolverTestCase):
    async def ask(self, resolver: Resolver, times: int = 2) -> None:
        for _ in range(times):
            with contextlib.suppress(LookupFailed):
                await resolver.addresses("a.example", dns.A)

    async def test_for_as_long_as_it_holds(self) -> None:
        for ttl, questions in ((300, 1), (0, 2)):
            with self.subTest(ttl):
                server = self.serve({("a.example", dns.A): [a(ttl=300), a("192.0.2.2", ttl=ttl)]})
                await self.ask(self.resolver(server))
                self.assertEqual(len(server.questions), questions)

    async def test_that_there_is_nothing(self) -> None:
        for authority, questions in (([soa()], 1), ([soa(minimum=0)], 2), ([], 2)):
            with self.subTest(authority):

                def nothing(message: dns.Message, authority: list[dns.RRHeader] = authority) -> None:
                    message.authority = authority

                server = self.serve({("a.example", dns.A): nothing})
                await self.ask(self.resolver(server))
                self.assertEqual(len(server.questions), questions)

    async def test_failures_shortly(self) -> None:
        server = self.serve({("a.example", dns.A): dns.ESERVER})
        await self.ask(self.resolver(server))
        self.assertEqual(len(server.questions), 1)

    async def test_times(self) -> None:
        """With a clock that can be moved on."""
        clock = _Moved(reactor)
        for says, holds in (
            ([a(ttl=100)], 100),
            ([a(ttl=1_000_000)], 86_400),
            (_nothing_for_long, 900),
            (dns.ESERVER, 5),
        ):
            with self.subTest(holds):
                server = self.serve({("a.example", dns.A): says})
                resolver = Resolver(clock, settings(server))
                await self.ask(resolver, 1)
                for later, questions in ((holds - 2, 1), (4, 2)):
                    clock.later += later
                    await self.ask(resolver, 1)
                    self.assertEqual(len(server.questions), questions, later)
                resolver.stop()

    async def test_no_more_than_may_be(self) -> None:
        server = self.serve({(f"{name}.example", dns.A): [a()] for name in "abc"})
        resolver = self.resolver(server, dns_cache=2)
        for name in "abcbca":
            await resolver.addresses(f"{name}.example", dns.A)
        self.assertEqual([name[0] for name, _ in server.questions], list("abca"))

    async def test_nothing_if_nothing_may_be(self) -> None:
        server = self.serve({("a.example", dns.A): [a()]})
        await self.ask(self.resolver(server, dns_cache=0))
        self.assertEqual(len(server.questions), 2)

    async def test_who_asks_the_same_at_the_same_time_shares_the_answer(self) -> None:
        server = self.serve({("a.example", dns.A): [a("192.0.2.1", ttl=0)]})
        resolver = self.resolver(server)
        answers = await gatherResults([resolver.look_up("a.example", dns.A) for _ in range(50)])
        self.assertEqual(len(server.questions), 1)
        self.assertEqual({answer.records for answer in answers}, {(a("192.0.2.1", ttl=0),)})

    async def test_who_no_longer_waits_harms_nobody(self) -> None:
        server = self.serve({("a.example", dns.A): [a("192.0.2.1")]})
        resolver = self.resolver(server)
        one, other = (resolver.look_up("a.example", dns.A) for _ in range(2))
        one.addErrback(lambda _: None)
        one.cancel()
        self.assertEqual(len((await other).records), 1)

    async def test_reconfigured(self) -> None:
        server = self.serve({("a.example", dns.A): [a()]})
        resolver = self.resolver(server)
        await self.ask(resolver, 1)
        resolver.reconfigure(settings(server, stanza_octets=20_000))
        await self.ask(resolver, 1)
        self.assertEqual(len(server.questions), 1)
        resolver.reconfigure(settings(server, dns_seconds=9.0))
        await self.ask(resolver, 1)
        self.assertEqual(len(server.questions), 2)


def _nothing_for_long(message: dns.Message) -> None:
    message.authority = [soa(10_000, 10_000)]


class _Moved:
    """The reactor, with the time moved on."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.later = 0.0

    def seconds(self) -> float:
        seconds: float = self._inner.seconds()
        return seconds + self.later

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class QueueTests(ResolverTestCase):
    async def test_only_so_many_at_a_time(self) -> None:
        server = self.serve({(f"{n}.example", dns.A): _silence for n in range(10)})
        resolver = self.resolver(server, dns_queries=3, dns_seconds=0.2)
        lookups = [resolver.look_up(f"{n}.example", dns.A) for n in range(10)]
        await pause(0.1)
        self.assertEqual(len(set(server.questions)), 3)
        for lookup in lookups:
            lookup.addErrback(lambda _: None)
            await lookup
        self.assertEqual(len(set(server.questions)), 10)

    async def test_who_has_waited_too_long_is_not_asked_for_any_more(self) -> None:
        server = self.serve({(f"{n}.example", dns.A): _silence for n in range(10)})
        resolver = self.resolver(server, dns_queries=1, dns_seconds=0.1, queue_seconds=0.05)
        lookups = [resolver.look_up(f"{n}.example", dns.A) for n in range(10)]
        texts = []
        for lookup in lookups:
            try:
                await lookup
            except LookupFailed as error:
                texts.append(str(error))
        self.assertIn("no answer within", texts[0])
        self.assertEqual(texts[1:], ["the nameservers are too slow for all that they are asked"] * 9)
        self.assertEqual(len(set(server.questions)), 1)

    async def test_addresses_come_before_further_domains(self) -> None:
        server = self.serve({(f"{n}.example", dns.SRV): [srv("a.example")] for n in range(4)})
        resolver = self.resolver(server, dns_queries=1)
        lookups = [resolver.look_up(f"{n}.example", dns.SRV) for n in range(4)]
        await lookups[0]
        await resolver.addresses("a.example", dns.A)
        self.assertLess(len(server.questions), 5)
        await gatherResults(lookups[1:])
