"""Where strangers' URLs may lead: addresses in all their disguises, schemes, ports, and what is no URL."""

from __future__ import annotations

import unittest
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from xmppd.api.network import Forbidden, Reach
from xmppd.net.reach import Place, allowed, place_of, reach_of

HTTPS = Place("https", "x.example", 443)
ANYWHERE = Reach()
PUBLIC = (
    "93.184.215.14",
    "8.8.8.8",
    "2606:2800:21f:cb07::1",
    "2a00:1450::1",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
    "2002:808:808::1",
)
PRIVATE = (
    # IPv4: this host, private networks, carriers' NAT, link-local with clouds' metadata, tests, multicast, the rest
    "0.0.0.0", "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
    "100.100.100.200", "169.254.169.254", "169.254.170.2", "192.0.0.192", "192.0.0.9", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "168.63.129.16",
    # IPv6: this host, local, link-local, site-local, multicast, documentation, benchmarks, discard, ORCHID, SRv6
    "::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "3fff::1",
    "2001:2::1", "100::1", "2001:10::1", "2001:20::1", "5f00::1", "4000::1",
    # IPv4 within IPv6: mapped, compatible, 6to4, NAT64 with the well-known prefix and the local one, Teredo
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8", "2002:7f00:1::", "2002:a00:1::1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2001:0:808:808::1", "2001::1",
)  # fmt: skip


class Addresses(unittest.TestCase):
    def test_public(self) -> None:
        for address in PUBLIC:
            self.assertTrue(allowed(address, HTTPS, ANYWHERE), address)

    def test_private(self) -> None:
        for address in PRIVATE:
            self.assertFalse(allowed(address, HTTPS, ANYWHERE), address)

    @given(st.sampled_from(PRIVATE[:23]))
    def test_every_disguise_of_ipv4(self, text: str) -> None:
        inner = int(IPv4Address(text))
        for address in (
            IPv6Address((0xFFFF << 32) | inner),
            IPv6Address((0x64FF9B << 96) | inner),
            IPv6Address((0x2002 << 112) | (inner << 80)),
        ):
            self.assertFalse(allowed(str(address), HTTPS, ANYWHERE), address)

    @given(st.integers(0, 2**128 - 1).map(IPv6Address))
    def test_ipv6_is_public_in_one_eighth(self, address: IPv6Address) -> None:
        if allowed(str(address), HTTPS, ANYWHERE) and address.ipv4_mapped is None:
            self.assertTrue(address.packed[0] >> 5 == 1 or address.packed[:4] == b"\0\x64\xff\x9b")

    def test_exempt_networks(self) -> None:
        reach = Reach.of(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])
        for address, place, expected in (
            ("10.1.2.3", HTTPS, True),
            ("::ffff:10.1.2.3", HTTPS, True),
            ("fd00::1", Place("http", "x", 80), True),
            ("127.0.0.1", Place("http", "x", 5280), True),
            ("127.0.0.2", HTTPS, False),
            ("192.168.0.1", HTTPS, False),
            ("8.8.8.8", HTTPS, True),
            ("8.8.8.8", Place("http", "x", 80), False),
            ("8.8.8.8", Place("https", "x", 22), False),
        ):
            self.assertEqual(allowed(address, place, reach), expected, (address, place))

    def test_networks_that_are_none(self) -> None:
        for text in ("x", "10.0.0.1/8", "10.0.0.0/33", ""):
            with self.assertRaises(ValueError):
                Reach.of([text])

    def test_what_public_means(self) -> None:
        mine = Reach.of(["10.0.0.0/8"])
        self.assertEqual([reach_of(public) for public in (False, True, mine)], [None, Reach(), mine])


class Urls(unittest.TestCase):
    def test_places(self) -> None:
        for url, expected in (
            ("https://x.example/push?a=b", HTTPS),
            ("https://X.Example:8443", Place("https", "x.example", 8443)),
            ("https://[2606::1]/", Place("https", "2606::1", 443)),
            ("https://xn--bcher-kva.example/", Place("https", "xn--bcher-kva.example", 443)),
        ):
            self.assertEqual(place_of(url, ANYWHERE), expected)

    def test_refused(self) -> None:
        for url, why in (
            ("http://x.example/", "without TLS"), ("https://x.example:22/", "at port 22"),
            ("https://x.example:0/", "at port 0"), ("https://x.example:99999/", "is none"),
            ("https://x.example:y/", "is none"), ("ftp://x.example/", "does not begin with https"),
            ("//x.example/", "does not begin with https"), ("x.example", "does not begin with https"), ("", "https"),
            ("file:///etc/passwd", "does not begin"), ("gopher://x.example/", "does not begin"),
            ("https:///x", "names no server"), ("https://user@x.example/", "user name"),
            ("https://user:secret@x.example/", "user name"), ("https://8.8.8.8@127.0.0.1/", "user name"),
            ("https://x.example\\@y.example/", "names no server"), ("https://[fe80::1%25eth0]/", "names no server"),
            ("https://[::1/", "is none"), ("https://x.example/a b", "characters"),
            ("https://x.example/\r\nX: y", "characters"),
            ("https://x.example/\x00", "characters"), ("https://bücher.example/", "characters"),
        ):  # fmt: skip
            with self.subTest(url), self.assertRaisesRegex(Forbidden, why):
                place_of(url, ANYWHERE)

    def test_whoever_has_exempt_networks_decides_by_the_address(self) -> None:
        reach = Reach.of(["10.0.0.0/8"])
        self.assertEqual(place_of("http://x.example:5280/", reach), Place("http", "x.example", 5280))

    def test_secrets_are_not_told(self) -> None:
        with self.assertRaises(Forbidden) as caught:
            place_of("http://x.example/secret?token=1", ANYWHERE)
        self.assertNotIn("secret", str(caught.exception))
