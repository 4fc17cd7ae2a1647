"""Building, writing and reading pieces of XML."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.xml import parse, serialise, tag, to_payload

_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from("\t\n\r&<>'\""), max_size=20)
#: ElementTree has no namespaces with "}".
_NAMESPACE = _TEXT.filter(lambda text: text and "}" not in text)


class Tags(SynchronousTestCase):
    def test_empty(self) -> None:
        self.assertEqual(tag("x"), b"<x/>")
        self.assertEqual(tag("x", ""), b"<x/>")
        self.assertEqual(tag("x", None, b""), b"<x/>")

    def test_attributes(self) -> None:
        self.assertEqual(tag("x", a=1, from_="b", c=None, xmlns="urn:x"), b"<x xmlns='urn:x' a='1' from='b'/>")
        self.assertEqual(tag("x", attributes={"xml:lang": "de", "b": None}), b"<x xml:lang='de'/>")

    def test_content(self) -> None:
        element = Element(("urn:y", "y"))
        self.assertEqual(tag("x", b"<a/>", "a<b", element, None), b"<x><a/>a&lt;b<y xmlns='urn:y'/></x>")

    def test_text_can_not_break_out(self) -> None:
        self.assertEqual(tag("x", "</x><y/>", a="'><y/>"), b"<x a='&apos;&gt;&lt;y/&gt;'>&lt;/x&gt;&lt;y/&gt;</x>")

    @given(_NAMESPACE, _TEXT, _TEXT)
    def test_reads_back(self, namespace: str, value: str, text: str) -> None:
        element = ElementTree.fromstring(tag("x", text, a=value, xmlns=namespace))
        self.assertEqual((element.get("a"), element.text or ""), (value, text))
        self.assertEqual(element.tag, f"{{{namespace}}}x")


class Serialising(SynchronousTestCase):
    def test_default_namespace(self) -> None:
        element = Element(("jabber:client", "x"))
        self.assertEqual(serialise(element), b"<x/>")
        self.assertEqual(serialise(element, "urn:other"), b"<x xmlns='jabber:client'/>")

    def test_children(self) -> None:
        element = Element(("urn:a", "x"))
        element.addElement("same", content="a&b")
        element.addElement(("urn:b", "other")).addElement("inner")
        element.addElement(("", "none"))
        self.assertEqual(
            serialise(element),
            b"<x xmlns='urn:a'><same>a&amp;b</same><other xmlns='urn:b'><inner/></other><none xmlns=''/></x>",
        )

    def test_inherited_namespace(self) -> None:
        element = Element((None, "x"))
        self.assertEqual(serialise(element), b"<x/>")

    def test_attributes_with_namespaces(self) -> None:
        element = Element(("urn:a", "x"))
        element["b"] = "1"
        element.attributes[("http://www.w3.org/XML/1998/namespace", "lang")] = "de"
        element.attributes[("urn:c", "d")] = "2"
        found = ElementTree.fromstring(serialise(element))
        self.assertEqual(found.attrib, {"b": "1", "{http://www.w3.org/XML/1998/namespace}lang": "de", "{urn:c}d": "2"})

    def test_raw_xml(self) -> None:
        element = Element(("urn:a", "x"))
        element.addRawXml("<y z='1'/>")
        self.assertEqual(serialise(element), b"<x xmlns='urn:a'><y z='1'/></x>")

    @given(_NAMESPACE, _TEXT, _TEXT)
    def test_nothing_breaks_out(self, namespace: str, value: str, text: str) -> None:
        element = Element((namespace, "x"))
        element["a"] = value
        element.addElement((namespace + "2", "y"), content=text).attributes[(namespace + "3", "z")] = value
        found = ElementTree.fromstring(serialise(element))
        self.assertEqual((found.tag, found.get("a")), (f"{{{namespace}}}x", value))
        self.assertEqual((found[0].tag, found[0].text or ""), (f"{{{namespace}2}}y", text))
        self.assertEqual(found[0].get(f"{{{namespace}3}}z"), value)

    @given(_TEXT, _TEXT)
    def test_read_and_written(self, value: str, text: str) -> None:
        data = (
            f"<x a='{escape_attribute(value)}' xml:lang='de'>{escape_text(text)}"
            f"<y xmlns='urn:y' xmlns:z='urn:z' z:b='{escape_attribute(value)}'><z:w/></y></x>"
        )
        (element,) = parse(data.encode())
        wrap = "<s xmlns='jabber:client'>%s</s>"
        once = ElementTree.canonicalize(wrap % data, rewrite_prefixes=True)
        again = ElementTree.canonicalize(wrap % serialise(element).decode(), rewrite_prefixes=True)
        self.assertEqual(again, once)


class Parsing(SynchronousTestCase):
    def test_elements(self) -> None:
        first, second = parse(b"text<a b='1'>x<c/>y</a> <d xmlns='urn:d'/>")
        self.assertEqual((first.uri, first.name, first["b"]), ("jabber:client", "a", "1"))
        self.assertEqual([c if isinstance(c, str) else c.name for c in first.children], ["x", "c", "y"])
        self.assertEqual(second.uri, "urn:d")
        self.assertIs(first.firstChildElement().parent, first)

    def test_declared_outside(self) -> None:
        (element,) = parse(b"<p:a><b/></p:a>", "urn:default", {"p": "urn:p'&"})
        self.assertEqual((element.uri, element.firstChildElement().uri), ("urn:p'&", "urn:default"))

    def test_attributes_with_namespaces(self) -> None:
        (element,) = parse(b"<a xml:lang='de' xmlns:p='urn:p' p:b='1'/>")
        self.assertEqual(element[("http://www.w3.org/XML/1998/namespace", "lang")], "de")
        self.assertEqual(element[("urn:p", "b")], "1")

    def test_not_well_formed(self) -> None:
        for payload in (b"<a>", b"</a>", b"<p:a/>", b"&nbsp;"):
            self.assertRaises(expat.ExpatError, parse, payload)

    def test_breaking_out_of_the_wrapper(self) -> None:
        self.assertRaises(expat.ExpatError, parse, b"</x><y/><x>")


class Payloads(SynchronousTestCase):
    def test_kinds(self) -> None:
        element = Element(("urn:a", "a"))
        self.assertEqual(to_payload(None), b"")
        self.assertEqual(to_payload(b"<x/>"), b"<x/>")
        self.assertEqual(to_payload(element), b"<a xmlns='urn:a'/>")
        self.assertEqual(to_payload([b"<x/>", element]), b"<x/><a xmlns='urn:a'/>")
        self.assertEqual(to_payload(()), b"")
