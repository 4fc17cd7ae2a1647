"""Addresses: the rules and the examples of RFC 7622."""

from __future__ import annotations

import copy
import pickle
import unittest
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire import jid as jid_module
from xmppd.wire.jid import Jid, JidError

# RFC 7622 section 3.5, table 1: (text, local, domain, resource).
EXAMPLES = {
    1: ("juliet@example.com", "juliet", "example.com", ""),
    2: ("juliet@example.com/foo", "juliet", "example.com", "foo"),
    3: ("juliet@example.com/foo bar", "juliet", "example.com", "foo bar"),
    4: ("juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"),
    5: (r"foo\20bar@example.com", r"foo\20bar", "example.com", ""),
    6: ("fussball@example.com", "fussball", "example.com", ""),
    7: ("fu\xdfball@example.com", "fu\xdfball", "example.com", ""),
    8: ("\u03c0@example.com", "\u03c0", "example.com", ""),
    9: ("\u03a3@example.com/foo", "\u03c3", "example.com", "foo"),
    10: ("\u03c3@example.com/foo", "\u03c3", "example.com", "foo"),
    11: ("\u03c2@example.com/foo", "\u03c2", "example.com", "foo"),
    12: ("king@example.com/\u265a", "king", "example.com", "\u265a"),
    13: ("example.com", "", "example.com", ""),
    14: ("example.com/foobar", "", "example.com", "foobar"),
    15: ("a.example.com/b@example.net", "", "a.example.com", "b@example.net"),
}

# Section 3.5, table 2: (text, what the reason has to name).
COUNTEREXAMPLES = {
    16: ('"juliet"@example.com', "'\"'"),
    17: ("foo bar@example.com", "U+0020 at position 4"),
    18: ("juliet@example.com/ foo", "begins with a space"),
    19: ("@example.com/", "localpart before the '@' is empty"),
    20: ("henry\u2163@example.com", "U+2173 at position 6"),
    21: ("\u265a@example.com", "U+265A at position 1"),
    22: ("juliet@", "domainpart is empty"),
    23: ("/foobar", "domainpart is empty"),
}


class Refusals(unittest.TestCase):
    def refused(self, text: str, reason: str = "") -> None:
        with self.assertRaises(JidError) as caught:
            Jid.parse(text)
        self.assertIn(reason, str(caught.exception))


class Examples(Refusals):
    def test_valid(self) -> None:
        for number, (text, local, domain, resource) in EXAMPLES.items():
            with self.subTest(number=number):
                jid = Jid.parse(text)
                self.assertEqual((jid.local, jid.domain, jid.resource), (local, domain, resource))
                self.assertEqual(Jid.of(local, domain, resource), jid)

    def test_invalid(self) -> None:
        for number, (text, reason) in COUNTEREXAMPLES.items():
            with self.subTest(number=number):
                self.refused(text, reason)


class Splitting(Refusals):
    """Section 3.1."""

    def test_slash_before_at(self) -> None:
        jid = Jid.parse("example.com/a@b/c")
        self.assertEqual((jid.local, jid.domain, jid.resource), ("", "example.com", "a@b/c"))

    def test_separators_are_looked_for_before_mapping(self) -> None:
        self.refused("juliet\uff20example.com", "domainpart")
        self.refused("ju\uff0fliet@example.com", "excludes")

    def test_empty_parts(self) -> None:
        for text in ("", "@", "/", "@/", "a@/b", "example.com/", ".", "a@."):
            with self.subTest(text=text):
                self.refused(text, "empty")

    def test_second_at_is_no_domain(self) -> None:
        self.refused("a@b@example.com", "domainpart")


class Localpart(Refusals):
    """Section 3.3."""

    def test_excluded(self) -> None:
        for character in "\"&'/:<>@":
            with self.subTest(character=character):
                with self.assertRaises(JidError):
                    Jid.of(f"a{character}b", "example.com")
                with self.assertRaises(JidError):
                    Jid.of(f"\xe9{character}b", "example.com")

    def test_excluded_after_width_mapping(self) -> None:
        for character in "\"&'/:<>@":
            with self.subTest(character=character):
                self.refused(f"a{chr(ord(character) + 0xFEE0)}b@example.com", "excludes")

    def test_every_other_ascii_character(self) -> None:
        for code in range(128):
            character = chr(code)
            legal = 0x20 < code < 0x7F and character not in "\"&'/:<>@"
            with self.subTest(character=character):
                if legal:
                    self.assertEqual(Jid.of(character, "example.com").local, character.lower())
                else:
                    self.assertRaises(JidError, Jid.of, character, "example.com")

    def test_case_width_and_normalization(self) -> None:
        self.assertEqual(Jid.parse("JULIET@example.com"), "juliet@example.com")
        self.assertEqual(Jid.parse("\uff2a\uff35@example.com"), "ju@example.com")
        self.assertEqual(Jid.parse("E\u0301@example.com"), "\xe9@example.com")

    def test_right_to_left(self) -> None:
        self.assertEqual(Jid.parse("\u05d0\u05d1@example.com").local, "\u05d0\u05d1")
        self.refused("a\u05d0@example.com", "bidi")

    def test_contextual_rules(self) -> None:
        self.assertEqual(Jid.parse("l\xb7l@example.com").local, "l\xb7l")
        self.refused("a\xb7l@example.com", "U+00B7 at position 2")
        self.refused("\u30fb\u30fb@example.com", "U+30FB at position 1")
        self.refused("example.com/\u0661\u06f1", "U+0661 at position 1")

    def test_contextual_rules_of_repeated_characters_do_not_hide_others(self) -> None:
        self.assertEqual(len(Jid.parse("\u30a2" + "\u30fb" * 300 + "@example.com").local), 301)
        self.refused("\u30a2\u30fbl\u30fb\xb7l@example.com", "U+00B7 at position 5")

    def test_1023_octets(self) -> None:
        self.assertEqual(len(Jid.parse("a" * 1023 + "@example.com").local), 1023)
        self.refused("a" * 1024 + "@example.com", "longer than 1023")
        self.assertEqual(len(Jid.parse("\xe9" * 511 + "@example.com").local), 511)
        self.refused("\xe9" * 512 + "@example.com", "longer than 1023")
        self.refused("\xe9" * 100_000 + "@example.com", "longer than 1023")


class Resourcepart(Refusals):
    """Section 3.4."""

    def test_case_and_markup_are_kept(self) -> None:
        jid = Jid.parse("juliet@example.com/Balcony <&'\">")
        self.assertEqual(jid.resource, "Balcony <&'\">")
        self.assertEqual(jid.xml, "juliet@example.com/Balcony &lt;&amp;&apos;&quot;&gt;")

    def test_spaces_become_ascii(self) -> None:
        self.assertEqual(Jid.parse("example.com/a\u3000b\xa0").resource, "a b ")
        self.refused("example.com/\u3000b", "begins with a space")

    def test_normalization_is_nfc(self) -> None:
        self.assertEqual(Jid.parse("example.com/E\u0301\ufb01").resource, "\xc9\ufb01")

    def test_controls(self) -> None:
        for code in (*range(0x20), *range(0x7F, 0xA0)):
            with self.subTest(code=code):
                self.refused(f"example.com/a{chr(code)}", "resourcepart")

    def test_lone_surrogate(self) -> None:
        for text in ("example.com/\ud800", "\udc80@example.com", "\ud800.example", "a/" + "\ud800" * 400):
            with self.subTest(text=text):
                self.refused(text)

    def test_1023_octets(self) -> None:
        self.assertEqual(len(Jid.parse("example.com/" + "\u265a" * 341).resource), 341)
        self.refused("example.com/" + "\u265a" * 342, "longer than 1023")
        self.assertEqual(len(Jid.parse("example.com/" + "a" * 1023).resource), 1023)
        self.refused("example.com/" + "a" * 1024, "longer than 1023")


class Domainpart(Refusals):
    """Section 3.2."""

    def test_trailing_dot(self) -> None:
        self.assertEqual(Jid.parse("juliet@example.com./x"), "juliet@example.com/x")
        self.refused("juliet@example.com..")

    def test_a_labels_become_u_labels(self) -> None:
        self.assertEqual(Jid.parse("XN--Strae-oqa.example").domain, "stra\xdfe.example")
        for fake in ("xn--example.com", "xn--.com", "xn--a-\xe9.com", "xn--\x00.com"):
            with self.subTest(fake=fake):
                self.refused(fake, "domainpart")

    def test_mapping(self) -> None:
        self.assertEqual(Jid.parse("\xc9COLE.Example").domain, "\xe9cole.example")
        self.assertEqual(Jid.parse("\uff45\uff58.example").domain, "ex.example")
        self.assertEqual(Jid.parse("\u4f8b\u3002example").domain, "\u4f8b.example")

    def test_sharp_s_is_not_mapped(self) -> None:
        self.assertNotEqual(Jid.parse("stra\xdfe.example"), Jid.parse("strasse.example"))

    def test_ldh(self) -> None:
        bad = ("a_b.c", "-a.b", "a-.b", "ab--c.d", "a..b", ".a", "a b", "a:5222", "a.b\n", "a\x00", "\u265a.a")
        for domain in bad:
            with self.subTest(domain=domain):
                self.refused(domain, "domainpart")
        for domain in ("a", "1", "a-b", "a--b.c", "0.1-2", "localhost"):
            with self.subTest(domain=domain):
                self.assertEqual(Jid.parse(domain.upper()).domain, domain)

    def test_dns_limits(self) -> None:
        label = "a" * 63
        self.assertEqual(Jid.parse(label).domain, label)
        self.refused(label + "a")
        longest = ".".join([label] * 3 + ["a" * 61])
        self.assertEqual(Jid.parse(longest).domain, longest)
        self.refused(longest + "a")
        self.refused("\xe9" * 63)  # an A-label of more than 63 octets
        self.refused("a." * 5000 + "a", "longer than 1023")
        self.refused("\xe9." * 5000 + "a", "longer than 1023")

    def test_ip_addresses(self) -> None:
        self.assertEqual(Jid.parse("a@127.0.0.1/b").domain, "127.0.0.1")
        self.assertEqual(Jid.parse("a@[2001:DB8:0::1]/b").domain, "[2001:db8::1]")
        bad = ("[::1", "::1", "[::1]x", "[fe80::1%eth0]", "[127.0.0.1]", "[]", "[::1]]", "[v1.a]", "[[::1]")
        for domain in bad:
            with self.subTest(domain=domain):
                self.refused(domain, "domainpart")


class Values(unittest.TestCase):
    def test_is_its_text(self) -> None:
        jid = Jid.parse("Juliet@Example.com/Balcony")
        known: dict[str, int] = {jid: 1}
        self.assertEqual(known["juliet@example.com/Balcony"], 1)
        self.assertEqual(jid.xml, "juliet@example.com/Balcony")
        self.assertIs(type(str(jid)), str)
        self.assertEqual(repr(jid), "Jid('juliet@example.com/Balcony')")

    def test_bare(self) -> None:
        jid = Jid.parse("juliet@example.com/balcony")
        self.assertEqual((jid.is_bare, jid.bare.is_bare), (False, True))
        self.assertEqual(jid.bare, "juliet@example.com")
        self.assertIs(jid.bare.bare, jid.bare)
        self.assertIs(jid.bare, Jid.parse("juliet@example.com/chamber").bare)

    def test_with_resource(self) -> None:
        jid = Jid.parse("juliet@example.com/balcony")
        self.assertEqual(jid.with_resource("A\u3000b"), "juliet@example.com/A b")
        self.assertIs(jid.with_resource(""), jid.bare)
        self.assertRaises(JidError, jid.with_resource, "\x00")

    def test_of_takes_parts_not_texts(self) -> None:
        self.assertEqual(Jid.of("", "Example.COM"), "example.com")
        for parts in (("a@b", "c", ""), ("a", "b/c", ""), ("a", "b@c", ""), ("a", "", "b")):
            with self.subTest(parts=parts):
                self.assertRaises(JidError, Jid.of, *parts)

    def test_immutable(self) -> None:
        jid = Jid.parse("juliet@example.com")
        for name in ("local", "domain", "resource", "bare", "xml", "other"):
            with self.subTest(name=name):
                self.assertRaises(AttributeError, setattr, jid, name, "x")
                self.assertRaises(AttributeError, delattr, jid, name)

    def test_copies(self) -> None:
        jid = Jid.parse("juliet@example.com/balcony")
        for again in (copy.copy(jid), copy.deepcopy(jid), pickle.loads(pickle.dumps(jid)), Jid(str(jid))):
            self.assertEqual((again, again.bare, again.xml), (jid, jid.bare, jid.xml))

    def test_parsed_again_is_itself(self) -> None:
        jid = Jid.parse("juliet@example.com/" + "x" * 400)
        self.assertIs(Jid.parse(jid), jid)


class Cost(unittest.TestCase):
    def test_plain_ascii_does_without_the_libraries(self) -> None:
        nothing = mock.Mock(spec=())
        with (
            mock.patch.object(jid_module, "enforce", nothing),
            mock.patch.object(jid_module, "idna", nothing),
        ):
            jid = Jid.of("Romeo.M+x_1", "Chat-1.Example.ORG.", "Orchard (phone) 'x'")
        self.assertEqual(jid, "romeo.m+x_1@chat-1.example.org/Orchard (phone) 'x'")

    def test_short_texts_are_remembered_and_long_ones_not(self) -> None:
        short, long = "cost@example.com/1", "cost@example.com/" + "x" * 300
        self.assertIs(Jid.parse(short), Jid.parse(short))
        self.assertIsNot(Jid.parse(long), Jid.parse(long))
        self.assertIsNotNone(jid_module._parse_cached.cache_parameters()["maxsize"])


ANY_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="aB1.-@/[]:'&\u30fb\xb7\u05d0\u03a3\u03c2\uff20\uff0e\u3002\u0301\xdf ", max_size=12),
)


class Properties(unittest.TestCase):
    @given(ANY_TEXT)
    def test_parsing_is_idempotent(self, text: str) -> None:
        try:
            jid = Jid.parse(text)
        except JidError:
            return
        again = Jid.parse(str(jid))
        self.assertEqual(again, jid)
        self.assertEqual((again.local, again.domain, again.resource), (jid.local, jid.domain, jid.resource))
        self.assertEqual(Jid.of(jid.local, jid.domain, jid.resource), jid)
        for part in (jid.local, jid.domain, jid.resource):
            self.assertLessEqual(len(part.encode()), 1023)

    @given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
    def test_parts_come_back(self, local: str, resource: str) -> None:
        try:
            jid = Jid.of(local, "example.com", resource)
        except JidError:
            return
        parsed = Jid.parse(str(jid))
        self.assertEqual((parsed.local, parsed.resource), (jid.local, jid.resource))

    @given(st.text(alphabet=st.characters(max_codepoint=127), min_size=1, max_size=20))
    def test_ascii_shortcuts_agree_with_the_profiles(self, text: str) -> None:
        for shortcut, pattern, profile in (
            (jid_module._prepare_local, "_ASCII_LOCAL", "UsernameCaseMapped"),
            (jid_module._prepare_resource, "_ASCII_RESOURCE", "OpaqueString"),
        ):
            try:
                quick = shortcut(text)
            except JidError:
                quick = None
            with mock.patch.object(jid_module, pattern, mock.Mock(match=lambda _: None)):
                try:
                    slow = shortcut(text)
                except JidError:
                    slow = None
            self.assertEqual(quick, slow, profile)
