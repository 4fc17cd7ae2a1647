"""Templates: what matches, what doesn't, and how that is said."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.testing.xml import difference, fill_in, pretty, read


class Templates(SynchronousTestCase):
    def setUp(self) -> None:
        self.known = {"romeo": "romeo@example.org/o'rchard"}

    def compare(self, template: str, got: str) -> str | None:
        return difference(read(template)[0], read(got)[0], self.known)

    def assertMatches(self, template: str, got: str) -> None:
        self.assertIsNone(self.compare(template, got))

    def assertDiffers(self, template: str, got: str, how: str) -> None:
        known = dict(self.known)
        self.assertEqual(self.compare(template, got), how)
        self.assertEqual(self.known, known, "a mismatch bound names")

    def test_what_does_not_matter(self) -> None:
        self.assertMatches("<x a='1' b='2'/>", '<x b="2"  a="1"></x>')
        self.assertMatches("<x><p:y xmlns:p='urn:y'/></x>", "<x><y xmlns='urn:y'/></x>")
        self.assertMatches("<x>\n  <y/>\n  <z/>\n</x>", "<x><z/><y/></x>")
        self.assertMatches("<x>a&#98;</x>", "<x>ab</x>")

    def test_optional_attributes(self) -> None:
        got = "<message to='a' from='b' id='c' xml:lang='en'><x to='d'/></message>"
        self.assertMatches("<message><x to='d'/></message>", got)
        self.assertMatches("<message to='a' from='b' id='c' xml:lang='en'><x to='d'/></message>", got)
        self.assertDiffers("<message><x/></message>", got, "message/x: there is an attribute to='d' too many")
        self.assertDiffers("<message to='e'/>", got, "message: to is 'a', not 'e'")
        self.assertDiffers("<message to='{none}'/>", got, "message: there is an attribute to='a'; there must be none")
        self.assertDiffers("<x id='1'/>", "<x/>", "x: the attribute id is missing")

    def test_names_and_namespaces(self) -> None:
        self.assertDiffers("<x/>", "<y/>", "x: it is <y xmlns='jabber:client'>, not <x xmlns='jabber:client'>")
        self.assertDiffers(
            "<x xmlns='urn:1'/>", "<x xmlns='urn:2'/>", "x: it is <x xmlns='urn:2'>, not <x xmlns='urn:1'>"
        )

    def test_text(self) -> None:
        self.assertDiffers("<x>a</x>", "<x>b</x>", "x: the text is 'b', not 'a'")
        self.assertDiffers("<x/>", "<x>b</x>", "x: the text is 'b', not ''")
        self.assertDiffers("<x>a</x>", "<x>a </x>", "x: the text is 'a ', not 'a'")

    def test_children(self) -> None:
        self.assertDiffers("<x/>", "<x><y/></x>", "x: there is a child <y xmlns='jabber:client'> too many")
        self.assertDiffers(
            "<x><y/><z/></x>",
            "<x><y/></x>",
            "x/z: there is no such child; its namespace is 'jabber:client'; children left: none",
        )
        self.assertDiffers("<x><y><z a='1'/></y></x>", "<x><y><z a='2'/></y></x>", "x/y/z: a is '2', not '1'")

    def test_order_of_equal_children(self) -> None:
        self.assertMatches("<x><y>1</y><y>2</y></x>", "<x><y>1</y><y>2</y></x>")
        self.assertDiffers("<x><y>1</y><y>2</y></x>", "<x><y>2</y><y>1</y></x>", "x/y: the text is '2', not '1'")

    def test_anything(self) -> None:
        self.assertMatches("<x a='{any}'>{any}</x>", "<x a='1'>text</x>")
        self.assertMatches("<x>{any}</x>", "<x><y><z/></y></x>")
        self.assertMatches("<x>{any}</x>", "<x/>")
        self.assertMatches("<x a='b{any}d'/>", "<x a='bcd'/>")
        self.assertDiffers("<x a='b{any}d'/>", "<x a='bce'/>", "x: a is 'bce', not 'b{any}d'")

    def test_rest(self) -> None:
        self.assertMatches("<x>{...}<y/></x>", "<x><a/><y/>text<b/></x>")
        self.assertMatches("<x>{...}<y b='2'/></x>", "<x><y b='1'/><y b='2'/></x>")
        self.assertDiffers("<x>{...}<y b='2'/></x>", "<x><y b='1'/></x>", "x/y: b is '1', not '2'")

    def test_clients(self) -> None:
        self.assertMatches("<x from='{romeo}'/>", '<x from="romeo@example.org/o\'rchard"/>')
        self.assertDiffers("<x from='{romeo}'/>", "<x from='x'/>", "x: from is 'x', not 'romeo@example.org/o'rchard'")

    def test_new_names(self) -> None:
        self.assertMatches("<x id='a-{n}'><y n='{n}'>{text}</y></x>", "<x id='a-1'><y n='1'>b c</y></x>")
        self.assertEqual((self.known["n"], self.known["text"]), ("1", "b c"))
        self.assertMatches("<x id='{n}'/>", "<x id='1'/>")
        self.assertDiffers("<x id='{n}'/>", "<x id='2'/>", "x: id is '2', not '1'")
        self.assertDiffers("<x a='{new}' b='{new}'/>", "<x a='1' b='2'/>", "x: b is '2', not '1'")
        self.assertDiffers("<x a='{new}'/>", "<x a=''/>", "x: a is '', not '{new}'")

    def test_braces_that_are_no_names(self) -> None:
        self.assertMatches("<x>{\"a\": {}, 'b': [1]}</x>", "<x>{\"a\": {}, 'b': [1]}</x>")

    def test_patterns_are_no_patterns(self) -> None:
        self.assertDiffers("<x a='.*{any}'/>", "<x a='b'/>", "x: a is 'b', not '.*{any}'")

    def test_not_well_formed(self) -> None:
        error = self.assertRaises(AssertionError, read, "<x>")
        self.assertIn("not well-formed XML", str(error))


class Filling(SynchronousTestCase):
    def test_values_are_escaped(self) -> None:
        self.assertEqual(fill_in("<x to='{a}'/>{", {"a": "b'<"}), "<x to='b&apos;&lt;'/>{")

    def test_unknown_name(self) -> None:
        error = self.assertRaises(AssertionError, fill_in, "<x to='{juliet}'/>", {"romeo": "x"})
        self.assertIn("nothing is called {juliet}; known are: romeo", str(error))


class Showing(SynchronousTestCase):
    def test_pretty(self) -> None:
        (node,) = read("<message to='a'><x xmlns='urn:x' b='&lt;'><y>c</y>text<z/></x></message>")
        self.assertEqual(
            pretty(node, "  "),
            "  <message to='a'>\n"
            "    <x xmlns='urn:x' b='&lt;'>\n"
            "      <y>c</y>\n"
            "      text\n"
            "      <z/>\n"
            "    </x>\n"
            "  </message>",
        )
