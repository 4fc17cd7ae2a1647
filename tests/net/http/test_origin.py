"""Where requests come from: what trusted proxies say, and what clients only claim."""

from __future__ import annotations

import tracemalloc
import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.net.http.origin import Origin, Untold, forwarded, host_of

DIRECT = Origin("10.0.0.1", "example.org", False)
PROXIES = {"10.0.0.1", "10.0.0.2", "fd00::1"}

#: (X-Forwarded-For, -Proto, -Host, Forwarded; what comes of it)
TABLE = (
    ((None, None, None, None), DIRECT),
    (("192.0.2.1", None, None, None), ("192.0.2.1", "example.org", False)),
    (("192.0.2.1", "https", "Chat.Example.net:443", None), ("192.0.2.1", "chat.example.net", True)),
    (("192.0.2.1", "http", None, None), ("192.0.2.1", "example.org", False)),
    # What stands before the address that our proxy has added is the client's invention.
    (("127.0.0.1, 192.0.2.1", None, None, None), ("192.0.2.1", "example.org", False)),
    # Behind two proxies of ours.
    (("127.0.0.1, 192.0.2.1, 10.0.0.2", "https", None, None), ("192.0.2.1", "example.org", True)),
    (("10.0.0.2", None, None, None), ("10.0.0.2", "example.org", False)),
    (("10.0.0.2,10.0.0.1", None, None, None), ("10.0.0.2", "example.org", False)),
    # Nonsense ends the chain.
    (("192.0.2.1, nonsense", None, None, None), ("10.0.0.1", "example.org", False)),
    (("192.0.2.1, unknown, 10.0.0.2", None, None, None), ("10.0.0.2", "example.org", False)),
    (("", None, None, None), ("10.0.0.1", "example.org", False)),
    (("192.0.2.1,", None, None, None), ("10.0.0.1", "example.org", False)),
    # Addresses in all their forms.
    (("192.0.2.1:4711", None, None, None), ("192.0.2.1", "example.org", False)),
    (("[2001:db8::1]:4711", None, None, None), ("2001:db8::1", "example.org", False)),
    (("2001:DB8::1", None, None, None), ("2001:db8::1", "example.org", False)),
    # The last value is what the nearest proxy says.
    (("192.0.2.1", "https, http", "evil.example, example.net", None), ("192.0.2.1", "example.net", False)),
    (("192.0.2.1", "gopher", "a b", None), ("192.0.2.1", "example.org", False)),
    # RFC 7239.
    ((None, None, None, "for=192.0.2.1;proto=https;host=example.net"), ("192.0.2.1", "example.net", True)),
    ((None, None, None, 'For="[2001:db8::1]:4711" ; Proto=HTTPS'), ("2001:db8::1", "example.org", True)),
    ((None, None, None, "for=127.0.0.1;proto=https, for=192.0.2.1;proto=http"), ("192.0.2.1", "example.org", False)),
    ((None, None, None, "for=192.0.2.1, for=10.0.0.2;by=10.0.0.1"), ("192.0.2.1", "example.org", False)),
    ((None, None, None, "for=192.0.2.1, for=_hidden"), ("10.0.0.1", "example.org", False)),
    ((None, None, None, "for=unknown"), ("10.0.0.1", "example.org", False)),
    ((None, None, None, 'host="exa\\mple.net"'), ("10.0.0.1", "example.net", False)),
    # A client's quotation mark can't hide what the proxy adds behind it.
    ((None, None, None, 'for="192.0.2.9, for=192.0.2.1'), ("10.0.0.1", "example.org", False)),
    ((None, None, None, "for=127.0.0.1;;, for=192.0.2.1;proto=https"), ("10.0.0.1", "example.org", False)),
    # Both, of one mind.
    (("192.0.2.1", "https", None, "for=192.0.2.1;proto=https"), ("192.0.2.1", "example.org", True)),
)  # fmt: skip
#: A proxy sets the ones, and a client has written the other.
CONTRADICTIONS = (
    ("192.0.2.1", "https", None, "for=127.0.0.1;proto=https"),
    ("127.0.0.1", None, None, "for=192.0.2.1"),
    (None, "https", None, "for=192.0.2.1"),
    ("192.0.2.1", None, "evil.example", "for=192.0.2.1"),
    ("192.0.2.1", None, None, "nonsense"),
)
NAMES = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded")


def origin(*values: str | None) -> Origin:
    fields = {name: value.encode() for name, value in zip(NAMES, values, strict=True) if value is not None}
    return forwarded(fields, DIRECT, PROXIES.__contains__)


class Forwarding(unittest.TestCase):
    def test_table(self) -> None:
        for values, expected in TABLE:
            self.assertEqual(origin(*values), expected, values)

    def test_contradictions(self) -> None:
        for values in CONTRADICTIONS:
            with self.assertRaises(Untold, msg=str(values)):
                origin(*values)

    @given(st.lists(st.text('0123456789abcdefor.:;=," \\[]_-', max_size=40), min_size=4, max_size=4))
    def test_no_words_of_proxies_do_harm(self, values: list[str]) -> None:
        try:
            found = origin(*values)
        except Untold:
            return
        self.assertRegex(found.peer, r"\A[0-9a-f.:]+\Z")

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
    def test_nobody_outruns_the_proxy(self, claimed: str) -> None:
        """Whatever a client sends, what a proxy adds behind it counts."""
        self.assertEqual(origin(f"{claimed}, 192.0.2.1", "https", None, None).peer, "192.0.2.1")


class Hosts(unittest.TestCase):
    def test_host_fields(self) -> None:
        for field, host in (
            (b"Example.ORG", "example.org"), (b"example.org:5281", "example.org"), (b"example.org:", "example.org"),
            (b"[2001:DB8::1]:80", "[2001:db8::1]"), (b"", ""), (b"192.0.2.1:1", "192.0.2.1"), (b"a b", None),
            (b"a@b", None), (b"a/b", None), (b"a:b", None), (b"a:1:2", None), (b"[::1", None), (b"\xe4.example", None),
            (b"a\tb", None), (b"a,b", "a,b"),
        ):  # fmt: skip
            self.assertEqual(host_of(field), host, field)

    def test_longer_than_any_name(self) -> None:
        """RFC 1035 section 2.3.4: names end somewhere; so does what is remembered of them."""
        self.assertEqual(host_of(b"x" * 253 + b":5281"), "x" * 253)
        self.assertIsNone(host_of(b"x" * 300))
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for number in range(100):
            host_of(b"%d" % number + b"x" * 10_000)
        self.assertLess(tracemalloc.get_traced_memory()[0], 100_000)
