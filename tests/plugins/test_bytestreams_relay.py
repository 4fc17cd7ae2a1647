"""The proxy of XEP-0065 as a relay: back-pressure, closing one direction, time limits, and every other limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.bytestreams_kit import ProxyTestCase, greeting
from xmppd.testing.visitor import Visitor

#: What the transports of the test take before they ask for a pause, and read at once.
BUFFER = 65_536
MUCH = bytes(range(256)) * 4096  # 1 MiB


class BackPressure(ProxyTestCase):
    plugins = ("bytestreams",)

    def test_who_does_not_read(self) -> None:
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        self.pump(10)
        self.assertLessEqual(target.waiting, 2 * BUFFER)
        self.assertGreaterEqual(requester.unread, len(MUCH) - 2 * BUFFER)
        target.send(b"the other direction is free")
        self.assertEqual(requester.take(), b"the other direction is free")
        target.read_on()
        self.pump()
        self.assertEqual(target.take(), MUCH)

    def test_neither_reads(self) -> None:
        sides = self.stream()
        for side in sides:
            side.stall()
        for side in sides:
            side.send(MUCH)
        self.pump(10)
        for side in sides:
            self.assertLessEqual(side.waiting, 2 * BUFFER)
            side.read_on()
        self.pump()
        self.assertEqual([side.take() for side in sides], [MUCH, MUCH])

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from(["send", "stall", "read_on", "pump"])), max_size=30))
    def test_nothing_is_lost_nor_kept(self, acts: list[tuple[bool, str]]) -> None:
        sides = self.stream()
        sent = {side: b"" for side in sides}
        for first, act in acts:
            side = sides[0 if first else 1]
            if act == "send":
                piece = MUCH[len(sent[side]) % 251 :][: BUFFER + 1000]
                sent[side] += piece
                side.send(piece)
            elif act == "pump":
                self.pump(0.1)
            else:
                getattr(side, act)()
            self.assertLessEqual(max(one.waiting for one in sides), 2 * BUFFER)
        for side in sides:
            side.finish()
            side.read_on()
        self.pump()
        self.assertEqual([side.received for side in sides], [sent[sides[1]], sent[sides[0]]])
        self.assertTrue(all(side.closed and side.ended for side in sides))
        self.assertEqual(self.figure("connections"), 0)


class Ends(ProxyTestCase):
    """Each direction ends for itself, as in TCP."""

    plugins = ("bytestreams",)

    def expect_over(self, *sides: Visitor) -> None:
        self.pump()
        self.assertTrue(all(side.closed for side in sides))
        self.assertEqual((self.figure("streams"), self.figure("connections")), (0, 0))

    def test_one_direction(self) -> None:
        requester, target = self.stream()
        requester.send(b"the file")
        requester.finish()
        self.pump()
        self.assertEqual((target.take(), target.ended, target.closed), (b"the file", True, False))
        target.send(b"thank you")
        self.assertEqual((requester.take(), requester.ended), (b"thank you", False))
        target.finish()
        self.assertTrue(requester.ended)
        self.expect_over(requester, target)

    def test_what_is_left_comes_first(self) -> None:
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        requester.finish()
        self.pump()
        self.assertFalse(target.ended)
        target.read_on()
        self.pump()
        self.assertEqual((target.take(), target.ended), (MUCH, True))
        target.hang_up()
        self.expect_over(requester, target)

    def test_sender_hangs_up(self) -> None:
        """Most clients close the connection when they are done: the rest arrives, then the end."""
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        requester.hang_up()
        self.pump()
        target.read_on()
        self.pump()
        self.assertEqual((target.take(), target.ended), (MUCH, True))
        target.hang_up()
        self.expect_over(requester, target)

    def test_receiver_hangs_up(self) -> None:
        requester, target = self.stream()
        target.hang_up()
        requester.send(b"to nobody")
        self.expect_over(requester, target)

    def test_lost(self) -> None:
        requester, target = self.stream()
        target.stall()
        requester.send(b"the last words")
        requester.cut()
        self.pump()
        self.assertFalse(target.closed)
        target.read_on()
        self.assertEqual(target.take(), b"the last words")
        self.expect_over(requester, target)

    def test_lost_and_the_other_does_not_read(self) -> None:
        requester, target = self.stream()
        target.stall()
        requester.send(b"the last words")
        requester.cut()
        self.pump(599)
        self.assertFalse(target.closed)
        self.pump(1)
        self.assertTrue(target.aborted)
        self.expect_over(requester, target)

    def test_both_lost(self) -> None:
        requester, target = self.stream()
        requester.cut()
        target.cut()
        self.expect_over(requester, target)


class Times(ProxyTestCase):
    plugins = ("bytestreams",)
    config = {"bytestreams": {"handshake_seconds": 5, "activation_seconds": 20, "idle_seconds": 60}}

    def test_slow_greeting(self) -> None:
        """An octet now and then doesn't help."""
        visitor = self.visit()
        for octet in greeting(0, 1, 2, 3, 4, 5, 6, 7):
            self.pump(1)
            visitor.send(bytes([octet]))
        self.assertTrue(visitor.aborted)

    def test_nobody_else_comes(self) -> None:
        target = self.enter()
        self.pump(19)
        self.assertFalse(target.closed)
        self.pump(1)
        self.assertTrue(target.aborted)
        self.assertEqual(self.plugin("bytestreams").relay._waiting, {})

    def test_never_activated(self) -> None:
        target = self.enter()
        self.pump(15)
        requester = self.enter()
        self.pump(5)
        self.assertTrue(target.aborted)
        self.assertFalse(requester.closed)
        self.pump(15)
        self.assertTrue(requester.aborted)

    def test_idle(self) -> None:
        requester, target = self.stream()
        for _ in range(5):
            self.pump(50)
            target.send(b".")
        self.pump(59)
        self.assertFalse(target.closed)
        self.pump(1)
        self.assertTrue(target.aborted and requester.aborted)

    def test_who_does_not_read_is_idle(self) -> None:
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        self.pump(60)
        self.assertTrue(target.aborted and requester.aborted)


class Limits(ProxyTestCase):
    plugins = ("bytestreams",)
    config = {
        "bytestreams": {
            "connections": 8, "connections_per_address": 4, "streams_per_account": 2, "early_octets": 1000,
            "failures_per_minute": 3,
        }
    }  # fmt: skip

    def test_connections(self) -> None:
        visitors = [self.visit(f"192.0.2.{number}") for number in range(9)]
        self.assertEqual([visitor.closed for visitor in visitors], [False] * 8 + [True])
        visitors[0].hang_up()
        self.pump()
        self.assertFalse(self.visit("192.0.2.10").closed)
        self.assertEqual(self.figure("refused"), 1)

    def test_connections_of_an_address(self) -> None:
        for network in (("192.0.2.1",) * 5, tuple(f"2001:db8::{number}" for number in range(5))):
            visitors = [self.visit(host) for host in network]
            self.assertEqual([visitor.closed for visitor in visitors], [False] * 4 + [True])
            for visitor in visitors[:4]:
                visitor.cut()
            self.assertFalse(self.visit(network[0]).closed)

    def test_streams_of_an_account(self) -> None:
        first, _ = self.stream("one")
        self.stream("two")
        third = [self.enter("three", host) for host in ("192.0.2.3", "192.0.2.4")]
        self.ask("three")
        self.expect_refusal("resource-constraint", "wait")
        first.cut()
        self.pump()
        self.ask("three")
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")
        self.assertFalse(any(visitor.closed for visitor in third))

    def test_early_octets(self) -> None:
        target = self.enter()
        target.send(b"x" * 1000)
        self.pump()
        self.assertFalse(target.closed)
        target.send(b"x")
        self.pump()
        self.assertTrue(target.aborted)
        self.ask()
        self.expect_refusal("not-authorized", "auth")

    def test_failures(self) -> None:
        for _ in range(3):
            self.visit().send(b"SSH-2.0\r\n")
            self.pump()
        self.assertTrue(self.visit().closed)
        self.assertFalse(self.visit("192.0.2.2").closed)
        self.pump(60)
        self.assertFalse(self.visit().closed)

    def test_silence_is_a_failure(self) -> None:
        visitors = [self.visit() for _ in range(3)]
        self.pump(10)
        self.assertTrue(all(visitor.aborted for visitor in visitors))
        self.assertTrue(self.visit().closed)

    def test_who_hangs_up_has_not_failed(self) -> None:
        """Clients try several candidates, and leave those they don't need."""
        for _ in range(5):
            self.visit().hang_up()
            self.enter().hang_up()
            self.pump()
        self.assertFalse(self.visit().closed)


class Rates(ProxyTestCase):
    plugins = ("bytestreams",)
    config = {"bytestreams": {"octets_per_second": 100_000, "total_octets_per_second": 150_000}}

    def rate(self, *pairs: tuple[Visitor, Visitor]) -> list[int]:
        """Return how many octets each second each has got, after the first seconds."""
        for requester, _ in pairs:
            requester.send(MUCH * 10)
        self.pump(10, step=0.05)
        for _, target in pairs:
            target.take()
        self.pump(20, step=0.05)
        return [len(target.take()) // 20 for _, target in pairs]

    def assertNear(self, rate: int, wanted: int) -> None:
        self.assertLess(abs(rate - wanted), wanted / 20)

    def test_of_a_stream(self) -> None:
        (rate,) = self.rate(self.stream())
        self.assertNear(rate, 100_000)

    def test_of_all(self) -> None:
        rates = self.rate(self.stream("one"), self.stream("two"), self.stream("three"))
        self.assertNear(sum(rates), 150_000)
        self.assertGreater(min(rates), 20_000)

    def test_both_directions_together(self) -> None:
        requester, target = self.stream()
        target.send(MUCH * 10)
        (rate,) = self.rate((requester, target))
        self.assertLess(rate, 70_000)

    def test_changed(self) -> None:
        pair = self.stream()
        options = {"octets_per_second": 200_000, "total_octets_per_second": 0}
        self.wait(self.host.registry.reconfigure("bytestreams", options))
        (rate,) = self.rate(pair)
        self.assertNear(rate, 200_000)

    def test_reading_on_does_not_help(self) -> None:
        """A pause for the other side ends while there is one for the rate, which goes on."""
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        target.read_on()
        self.pump()
        self.assertEqual(len(target.take()), 2 * BUFFER)

    def test_who_is_made_to_wait_is_not_idle(self) -> None:
        self.wait(self.host.registry.reconfigure("bytestreams", {"octets_per_second": 1000, "idle_seconds": 20}))
        requester, target = self.stream()
        requester.send(MUCH[:200_000])
        self.pump(130)  # the first 65,536 octets make it wait for a minute
        self.assertFalse(requester.closed)
        self.pump(100)
        self.assertEqual(target.take(), MUCH[:200_000])
        self.pump(30)
        self.assertTrue(requester.aborted and target.aborted)

    def test_who_does_not_read_is_not_read_on(self) -> None:
        """A pause for the rate ends while there is one for the other side, which goes on."""
        requester, target = self.stream()
        target.stall()
        requester.send(MUCH)
        self.pump(30)
        self.assertLessEqual(target.waiting, 2 * BUFFER)
        target.read_on()
        self.pump(30, step=0.05)
        self.assertEqual(target.take(), MUCH)
