"""SRV records in order, names as the DNS takes them, routes in the settings."""

from __future__ import annotations

import unittest
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from xmppd.net.s2s.targets import Target, Unresolvable, dns_name, ip_literal, ordered, static_target

TARGETS = st.lists(
    st.builds(
        Target,
        st.sampled_from(["a.example", "b.example", "c.example"]),
        st.integers(1, 65535),
        st.booleans(),
        st.integers(0, 3),
        st.integers(0, 65535),
    ),
    max_size=12,
)


def target(host: str, priority: int = 0, weight: int = 0, direct_tls: bool = False) -> Target:
    return Target(host, 5269, direct_tls, priority, weight)


class OrderedTests(unittest.TestCase):
    @given(TARGETS, st.integers())
    def test_all_are_there_in_the_order_of_priorities(self, targets: list[Target], seed: int) -> None:
        result = ordered(targets, Random(seed))
        self.assertEqual(Counter(result), Counter(targets))
        priorities = [found.priority for found in result]
        self.assertEqual(priorities, sorted(priorities))

    def first(self, *targets: Target) -> dict[str, float]:
        random = Random(2782)
        counts = Counter(ordered(targets, random)[0].host for _ in range(4000))
        return {host: count / 4000 for host, count in counts.items()}

    def test_the_first_is_chosen_by_weight(self) -> None:
        shares = self.first(target("small", weight=10), target("large", weight=30), target("later", 1, 1000))
        self.assertEqual(set(shares), {"small", "large"})
        self.assertAlmostEqual(shares["large"], 0.75, delta=0.03)

    def test_weight_0_has_a_small_chance_beside_others(self) -> None:
        shares = self.first(target("none"), target("some", weight=99))
        self.assertAlmostEqual(shares["none"], 0.01, delta=0.008)

    def test_starttls_and_direct_tls_are_mixed(self) -> None:
        shares = self.first(target("starttls", weight=50), target("direct", weight=50, direct_tls=True))
        self.assertAlmostEqual(shares["direct"], 0.5, delta=0.04)

    def test_shown(self) -> None:
        self.assertEqual(str(target("a.example")), "a.example port 5269")
        self.assertEqual(str(target("a.example", direct_tls=True)), "a.example port 5269 (direct TLS)")


class NameTests(unittest.TestCase):
    def test_names(self) -> None:
        for domain, expected in (
            ("example.org", "example.org"),
            ("EXAMPLE.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("_dmz.example", "_dmz.example"),
        ):
            with self.subTest(domain):
                self.assertEqual(dns_name(domain), expected)

    def test_what_can_be_no_name(self) -> None:
        for domain in ("a..b", ".example", "a" * 64 + ".example", ".".join(["a" * 60] * 4), "ü" * 64, "ü..b", ""):
            with self.subTest(domain), self.assertRaises(Unresolvable) as caught:
                dns_name(domain)
            self.assertTrue(caught.exception.lasting)

    def test_addresses(self) -> None:
        self.assertEqual(ip_literal("192.0.2.1"), "192.0.2.1")
        self.assertEqual(ip_literal("[2001:DB8::1]"), "2001:db8::1")
        for domain in ("example.org", "1.2.3", "[192.0.2.1"):
            self.assertIsNone(ip_literal(domain))


class StaticTargetTests(unittest.TestCase):
    def test_good_ones(self) -> None:
        for text, host, port in (
            ("xmpp.example.net:5269", "xmpp.example.net", 5269),
            ("xmpp.example.net", "xmpp.example.net", 5269),
            ("192.0.2.1:5270", "192.0.2.1", 5270),
            ("[2001:db8::1]:5270", "2001:db8::1", 5270),
            ("2001:db8::1", "2001:db8::1", 5269),
            ("[2001:db8::1]", "2001:db8::1", 5269),
            ("bücher.example:1", "xn--bcher-kva.example", 1),
        ):
            with self.subTest(text):
                found = static_target(text, direct_tls=True)
                self.assertEqual((found.host, found.port, found.direct_tls), (host, port, True))
                self.assertEqual(found.addresses, (host,) if ip_literal(host) else ())

    def test_bad_ones(self) -> None:
        for text in ("", ":5269", "a:0", "a:65536", "a:b", "a:"):
            with self.subTest(text), self.assertRaises(ValueError):
                static_target(text, direct_tls=False)
