"""The pure parts of archives: ids, walks, words."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.archives.ids import KEY_OCTETS, ArchiveIds
from xmppd.api.archives.search import expression, text_of, words_of
from xmppd.api.archives.walks import Walk, covers, merged


class Ids(SynchronousTestCase):
    def setUp(self) -> None:
        self.ids = ArchiveIds(bytes(range(KEY_OCTETS)))

    @given(st.integers(0, (1 << 63) - 1))
    def test_there_and_back(self, number: int) -> None:
        ids = ArchiveIds(bytes(range(KEY_OCTETS)))
        self.assertEqual(ids.number(ids.text(number)), number)

    def test_the_same_for_ever(self) -> None:
        self.assertEqual(self.ids.text(1767268800000000), "bb619f7dfbff1234d9a37b43c75c081e")

    def test_nothing_shows(self) -> None:
        """XEP-0359 section 3, rule 1, and section 6: neighbours have nothing in common, and other keys other ids."""
        texts = [self.ids.text(number) for number in range(1000, 1100)]
        self.assertEqual(len({text[:6] for text in texts}), len(texts))
        self.assertNotEqual(texts[0], ArchiveIds(os.urandom(KEY_OCTETS)).text(1000))

    def test_what_was_never_given(self) -> None:
        good = self.ids.text(5)
        for text in (
            "",
            "5",
            "28482-98726-73623",
            good.upper(),
            good + " ",
            good[:-2],
            good + "00",
            "0" * 32,
            "é" * 32,
        ):
            self.assertIsNone(self.ids.number(text), text)


class Walks(SynchronousTestCase):
    def test_places(self) -> None:
        walk = Walk("q", 10, first=14, last=18, index=4, size=3)
        self.assertEqual(walk.place(None, 18, 2), 7)
        self.assertEqual(walk.place(14, None, 4), 0)
        self.assertEqual(walk.place(14, None, 3), 1)
        self.assertIsNone(walk.place(None, 17, 2))
        self.assertIsNone(walk.place(15, None, 2))
        self.assertIsNone(Walk("q", 10).place(None, 18, 2))

    def test_ranges(self) -> None:
        self.assertEqual(merged([], 5, 9), [[5, 9]])
        self.assertEqual(merged([[1, 3], [20, 30]], 5, 9), [[1, 3], [5, 9], [20, 30]])
        self.assertEqual(merged([[1, 5], [9, 30]], 5, 9), [[1, 30]])
        self.assertEqual(merged([[1, 50]], 5, 9), [[1, 50]])
        self.assertEqual(len(merged([[n, n] for n in range(0, 100, 2)], 500, 501)), 20)

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=12), st.integers(0, 50))
    def test_covered(self, given_: list[tuple[int, int]], id_: int) -> None:
        ranges: list[list[int]] = []
        for low, length in given_:
            ranges = merged(ranges, low, low + length)
        self.assertEqual(covers(ranges, id_), any(low <= id_ <= low + length for low, length in given_))


def message(inside: str) -> bytes:
    return f"<message from='romeo@example.org/x' to='juliet@example.org' type='chat'>{inside}</message>".encode()


class Words(SynchronousTestCase):
    def test_words(self) -> None:
        for text, expected in (
            ("", []),
            ("?! ... _", []),
            ("Höre, höre: it's 5 o'clock", ["5", "clock", "hore", "it", "o", "s"]),
            ("snake_case x" * 1, ["case", "snake", "x"]),
            ("STRASSE Straße", ["strasse"]),
            ("ﬁne ＡＢＣ", ["abc", "fine"]),
            ("Ἀθῆναι İstanbul", ["istanbul", "αθηναι"]),
            ("हिन्दी", ["हनद"]),
            ("a" * 100, ["a" * 64]),
            ("日本 語", ["日本", "語"]),
        ):
            self.assertEqual(words_of(text), expected, text)

    @given(st.text())
    def test_nothing_but_words(self, text: str) -> None:
        for word in words_of(text):
            self.assertTrue(word.isalnum(), word)
            self.assertNotIn("§", word)

    def test_texts(self) -> None:
        for inside, expected in (
            ("<body>Hi &amp; bye</body><x xmlns='jabber:x:oob'><url>http://a.b</url></x>", "Hi & bye"),
            ("<subject>S</subject><body xml:lang='de'>eins</body><body>one</body>", "S\neins\none"),
            ("<body><![CDATA[a < b]]></body>", "a < b"),
            ("<p:body xmlns:p='jabber:client'>Hi</p:body>", "Hi"),
            ("<p:body xmlns:p='urn:example:x'>Hi</p:body>", ""),
            ("<body/>", ""),
            ("<body>a\nb</body\n>", "a\nb"),
            ("<bodyguard>no</bodyguard>", ""),
        ):
            self.assertEqual(text_of(message(inside)), expected, inside)

    def test_what_is_encrypted(self) -> None:
        for inside in (
            "<encrypted xmlns='urn:xmpp:omemo:2'/>",
            "<o:encrypted xmlns:o='eu.siacs.conversations.axolotl'><header/></o:encrypted>",
            "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
            "<encryption xmlns='urn:xmpp:eme:0' namespace='x'/>",
        ):
            self.assertEqual(text_of(message(f"<body>You can't read this</body>{inside}")), "")

    def test_expressions(self) -> None:
        self.assertEqual(expression("sqlite", 7, ["a", "b"]), '"§7" "a" "b"')
        self.assertEqual(expression("postgresql", 7, ["a", "b"]), "'§7' & 'a' & 'b'")
