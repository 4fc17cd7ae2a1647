"""Streams of bytes to frames: however they are cut, whatever they hold."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.errors import StreamError
from xmppd.wire.escape import escape_attribute, escape_text
from xmppd.wire.framing import Frame, Framer, Limits, Malformed, ScannerPool, StreamEnd, StreamHeader
from xmppd.wire.stanza import Iq, Message, Nonza, Presence, Stanza

HEADER = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a' version='1.0'>"
#: A header that declares more than usual, as RFC 6120 4.8 allows.
WIDE = HEADER.replace(b" to=", b" xmlns:p='urn:example:p' xmlns:stanza-id='urn:example:q' to=")
END = b"</stream:stream>"


def shown(frame: Frame) -> tuple[object, ...]:
    """A frame as something that can be compared."""
    if isinstance(frame, Stanza):
        return (type(frame), frame.to_bytes(), frame.names)
    if isinstance(frame, Nonza):
        return (Nonza, frame.namespace, frame.name, frame.attributes, frame.payload)
    if isinstance(frame, StreamError):
        return (StreamError, frame.condition)
    if isinstance(frame, Malformed):
        return (Malformed, frame.stanza.to_bytes(), frame.from_)
    return (frame,) if isinstance(frame, StreamHeader) else (type(frame),)


def frames_of(*pieces: bytes, limits: Limits | None = None) -> list[tuple[object, ...]]:
    framer = Framer(limits)
    return [shown(frame) for piece in pieces for frame in framer.feed(piece)]


def after_header(data: bytes, header: bytes = HEADER) -> list[Frame]:
    framer = Framer()
    framer.feed(header)
    return framer.feed(data)


DIALOGUE = (
    b"<?xml version='1.0'?>" + WIDE + b" \n"
    b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"
    b"<iq type='get' id='a>b'><query xmlns='jabber:iq:roster'/></iq>\r\n"
    b"<message to='a@b/c' from='d@e' xml:lang='it'><body>x &gt; y &#x20AC; \xe2\x82\xac > </body><![CDATA[<x>]]>"
    b"<x xmlns:y='urn:y'><y:z y:a=\">\"/></x></message >"
    b"<presence/><presence></presence><p:message xmlns='urn:z'><x p:y='1'/></p:message>"
    b"<message to='@'><p:x/></message><message xmlns:s='urn:s'><s:x/><stream:y/></message>" + END
)


class Splits(SynchronousTestCase):
    def setUp(self) -> None:
        self.whole = frames_of(DIALOGUE)

    def test_kinds(self) -> None:
        self.assertEqual(
            [frame[0] if isinstance(frame[0], type) else type(frame[0]) for frame in self.whole],
            [StreamHeader, Nonza, Iq, Message, Presence, Presence, Nonza, Malformed, Message, StreamEnd],
        )

    def test_octet_by_octet(self) -> None:
        self.assertEqual(frames_of(*(bytes([octet]) for octet in DIALOGUE)), self.whole)

    def test_every_two_pieces(self) -> None:
        for at in range(len(DIALOGUE)):
            self.assertEqual(frames_of(DIALOGUE[:at], DIALOGUE[at:]), self.whole, at)

    @given(st.lists(st.integers(0, len(DIALOGUE)), max_size=8))
    def test_any_pieces(self, cuts: list[int]) -> None:
        places = [0, *sorted(cuts), len(DIALOGUE)]
        pieces = [DIALOGUE[a:b] for a, b in pairwise(places)]
        self.assertEqual(frames_of(*pieces), self.whole)

    def test_nothing_comes_behind_the_end(self) -> None:
        for pieces in (
            (HEADER + END + b"<message/>",),
            (HEADER, END, b"<message/>", b" ", b"<", b">"),
            (HEADER + END, HEADER),
        ):
            self.assertEqual([frame[0] for frame in frames_of(*pieces)][1:], [StreamEnd], pieces)

    def test_pieces_within_an_attribute(self) -> None:
        """The end of a tag is seen when it comes, though the piece before it ended nothing."""
        pieces = (HEADER, b"<message id='" + b"x>" * 40, b"y>", b"z'/>")
        self.assertEqual(len(frames_of(*pieces)), 2)


class Stanzas(SynchronousTestCase):
    def one(self, data: bytes, header: bytes = HEADER) -> Frame:
        (frame,) = after_header(data, header)
        return frame

    def test_attributes(self) -> None:
        frame = self.one(
            b"<message to='a@b/c' from='D@e' id='&lt;1&gt;' type='chat' xml:lang='de' x='y'><body/></message>"
        )
        assert isinstance(frame, Message)
        self.assertEqual(
            (frame.to, frame.from_, frame.id, frame.type, frame.lang), ("a@b/c", "d@e", "<1>", "chat", "de")
        )
        self.assertEqual(frame.extra, {"x": "y"})
        self.assertEqual(frame.names, (("jabber:client", "body"),))

    def test_payload_is_the_bytes_that_came(self) -> None:
        payload = b'<body  >a&#65;\n</body ><x xmlns="urn:x"\t><y></y></x> text <![CDATA[&]]>'
        frame = self.one(b"<message>" + payload + b"</message>")
        assert isinstance(frame, Message)
        self.assertEqual(frame.payload, payload)

    def test_prefixes_from_outside(self) -> None:
        """RFC 6120 4.8.5: what they mean is kept when the bytes move to another stream."""
        frame = self.one(b"<message><p:x p:a='1' b='2'><y/>p:z</p:x></message>", WIDE)
        assert isinstance(frame, Message)
        self.assertEqual(frame.names, (("urn:example:p", "x"),))
        tree = ElementTree.fromstring(b"<s xmlns='jabber:client'>" + frame.to_bytes() + b"</s>")
        x = tree[0][0]
        self.assertEqual((x.tag, x.attrib), ("{urn:example:p}x", {"{urn:example:p}a": "1", "b": "2"}))
        self.assertEqual((x[0].tag, x[0].tail), ("{jabber:client}y", "p:z"))

    def test_namespaces_are_escaped(self) -> None:
        """No declaration can be written so that it ends an element and begins another."""
        namespace = "u'/></message><message from='example.org'><body>\"&"
        declared = escape_attribute(namespace).encode()
        for data in (
            b"<message xmlns:q='" + declared + b"'><q:x q:y='1'/></message>",
            b"<message><x xmlns:q='" + declared + b"'><q:y>p:</q:y></x></message>",
            b"<message><x xmlns='" + declared + b"'>p:</x></message>",
        ):
            frame = self.one(data, WIDE)
            assert isinstance(frame, Message)
            tree = ElementTree.fromstring(b"<s xmlns='jabber:client'>" + frame.to_bytes() + b"</s>")
            self.assertEqual(len(tree), 1)
            self.assertTrue(any(f"{{{namespace}}}" in element.tag for element in tree.iter()))

    def test_prefixes_of_the_stanza(self) -> None:
        frame = self.one(b"<message xmlns:q='urn:q'><q:x/></message>")
        assert isinstance(frame, Message)
        self.assertEqual(ElementTree.fromstring(frame.to_bytes())[0].tag, "{urn:q}x")

    def test_content_namespace_with_a_prefix(self) -> None:
        """RFC 6120 4.8.3: the other way to declare it."""
        header = b"<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client' version='1.0'>"
        frame = self.one(b"<c:message><c:body>hi</c:body><x xmlns='urn:x'/></c:message>", header)
        assert isinstance(frame, Message)
        self.assertEqual(frame.body, "hi")
        tree = ElementTree.fromstring(b"<s xmlns='jabber:client'>" + frame.to_bytes() + b"</s>")
        self.assertEqual([child.tag for child in tree[0]], ["{jabber:client}body", "{urn:x}x"])

    def test_another_namespace_is_no_stanza(self) -> None:
        for data in (b"<message xmlns='jabber:server'/>", b"<message xmlns=''/>", b"<Message/>", b"<stream:message/>"):
            self.assertIsInstance(self.one(data), Nonza, data)

    def test_nonza(self) -> None:
        frame = self.one(b"<r xmlns='urn:xmpp:sm:3' h='1'>a<b/>&lt;</r>")
        assert isinstance(frame, Nonza)
        self.assertEqual((frame.namespace, frame.name, frame.attributes), ("urn:xmpp:sm:3", "r", {"h": "1"}))
        self.assertEqual((frame.text, [e.uri for e in frame.elements]), ("a<", ["urn:xmpp:sm:3"]))

    def test_malformed_addresses(self) -> None:
        frame = self.one(b"<message to='a@@' from='b@c' id='1'><body/></message>")
        assert isinstance(frame, Malformed)
        self.assertEqual((frame.stanza.id, frame.stanza.to, frame.from_), ("1", None, "b@c"))
        self.assertIsInstance(self.one(b"<message from='@'/>"), Malformed)

    def test_language_of_the_stream(self) -> None:
        frame = self.one(b"<message/>", HEADER.replace(b" to=", b" xml:lang='fr' to="))
        assert isinstance(frame, Message)
        self.assertEqual(frame.lang, "fr")

    def test_whitespace_in_attributes(self) -> None:
        """A line break that was written as a reference stays one."""
        for declared in (b"", b" xmlns:q='urn:q'"):
            frame = self.one(b"<message" + declared + b" id='a&#10;b'><x xmlns='urn:x' y='a&#10;&#9;b'/></message>")
            assert isinstance(frame, Message)
            tree = ElementTree.fromstring(frame.to_bytes())
            self.assertEqual((tree.get("id"), tree[0].get("y")), ("a\nb", "a\n\tb"))


class Hostile(SynchronousTestCase):
    """RFC 6120 4.9.3 and 11: the right error, and nothing behind it."""

    def assertRefused(self, condition: str, *pieces: bytes, limits: Limits | None = None) -> None:
        framer = Framer(limits)
        frames: list[Frame] = []
        for piece in pieces:
            frames += framer.feed(piece)
            if frames and isinstance(frames[-1], StreamError):
                break
        assert frames and isinstance(frames[-1], StreamError), f"{pieces!r} passed: {frames}"
        self.assertEqual(str(frames[-1].condition.value), condition, pieces)
        self.assertEqual(framer.feed(b"<message/>"), [])
        self.assertEqual(framer.feed(END + HEADER + b"x"), [])

    def test_restricted_xml(self) -> None:
        for data in (
            b"<!DOCTYPE x><x/>",
            b"<!DOCTYPE x [<!ENTITY a 'b'>]>",
            b"<!-- x -->",
            b"<message><!-- x --></message>",
            b"<message><?x y?></message>",
            b"<?x y?>",
            b"<message><body>&nbsp;</body></message>",
            b"<message to='&undeclared;'/>",
        ):
            condition = "not-well-formed" if data.startswith(b"<!DOCTYPE") else "restricted-xml"
            self.assertRefused(condition, HEADER, data)

    def test_document_type_before_the_header(self) -> None:
        for data in (
            b"<!DOCTYPE stream><stream>",
            b"<!DOCTYPE s [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><s>&b;</s>",
            b"<!DOCTYPE s SYSTEM 'file:///etc/passwd'><s>",
            b"<?xml version='1.0'?><!DOCTYPE s><s>",
            b"<!-- --><s>",
            b"<?x?><s>",
        ):
            self.assertRefused("restricted-xml", data)

    def test_bad_syntax(self) -> None:
        for data in (
            b"<message></presence>",
            b"<message to=x/>",
            b"<message to='a' to='b'/>",
            b"<message/ >",
            b"<message><body>]]></body></message>",
            b"<message>&#0;</message>",
            b"<message>&#xFFFF;</message>",
            b"<message>\x00</message>",
            b"<message>\x1b</message>",
            b"<message>\xff</message>",
            b"<message>\xc0\xaf</message>",
            b"<message>\xed\xa0\x80</message>",
            b"<message to='<'/>",
            b"<?xml version='1.0'?>",
            b"<1/>",
            b"< message/>",
            b"<message xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>",
        ):
            self.assertRefused("not-well-formed", HEADER, data)

    def test_prefixes(self) -> None:
        for data in (b"<x:message/>", b"<message><x:y/></message>", b"<message x:y='1'/>"):
            self.assertRefused("bad-namespace-prefix", HEADER, data)
        self.assertRefused("bad-namespace-prefix", b"<stream:stream xmlns='jabber:client'>")

    def test_reserved_prefixes(self) -> None:
        for data in (b"<message xmlns:xml='urn:x'/>", b"<message xmlns:xmlns='urn:x'/>", b"<message xmlns:x=''/>"):
            self.assertIsInstance(after_header(data)[-1], StreamError, data)

    def test_text_between_stanzas(self) -> None:
        for data in (b"text>", b"<message/>text<message/>", b"<message/>&#32;<message/>", b"x", b"<message/>x"):
            self.assertRefused("bad-format", HEADER, data)
        self.assertRefused("bad-format", HEADER, b"<message/><![CDATA[ ]]>", b"<message/>")

    def test_no_xml_at_all(self) -> None:
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"{}", b"\x00\x00"):
            self.assertRefused("not-well-formed", data)

    def test_other_encodings(self) -> None:
        for data in ("<x>".encode("utf-16"), "<x>".encode("utf-16-le"), "<x>".encode("utf-16-be")):
            self.assertRefused("unsupported-encoding", data)
        for name in (b"UTF-16", b"ISO-8859-1", b"US-ASCII", b"unheard-of"):
            self.assertRefused("unsupported-encoding", b"<?xml version='1.0' encoding='" + name + b"'?>" + HEADER)

    def test_utf_8_by_name(self) -> None:
        for start in (
            b"<?xml version='1.0' encoding='UTF-8'?>",
            b"<?xml version='1.0' encoding='utf-8'?>\n",
            b"\xef\xbb\xbf",
        ):
            self.assertIsInstance(Framer().feed(start + HEADER)[0], StreamHeader, start)

    def test_no_stream_header(self) -> None:
        self.assertRefused("invalid-namespace", b"<message xmlns='jabber:client'/>")
        self.assertRefused("invalid-namespace", b"<stream xmlns='urn:x'>")
        self.assertRefused("bad-format", b"<stream:x xmlns:stream='http://etherx.jabber.org/streams'>")

    def test_a_stream_in_a_stream(self) -> None:
        """RFC 6120 4.9.3.1: nothing would come of it but a stream that waits for ever."""
        self.assertRefused("bad-format", HEADER, HEADER)


class Sizes(SynchronousTestCase):
    """What a peer may make the server keep."""

    def flood(self, start: bytes, piece: bytes, limits: Limits, most: int) -> StreamError:
        framer = Framer(limits)
        frames = framer.feed(start)
        for _ in range(100_000):
            frames = framer.feed(piece)
            self.assertLessEqual(framer.pending, most + len(piece))
            if frames:
                break
        assert frames and isinstance(frames[0], StreamError), frames
        return frames[0]

    def test_floods(self) -> None:
        limits = Limits(stanza=10_000, header=1_000, depth=10, attributes=10, children=100)
        for start, piece in (
            (HEADER + b"<message><body>", b"x" * 100),
            (HEADER + b"<message><body>", b"&gt;" * 100),
            (HEADER + b"<message to='", b"x" * 100),
            (HEADER + b"<message to='", b">" * 100),
            (HEADER + b"<message ", b" " * 100),
            (HEADER + b"<message><body><![CDATA[", b"]>" * 100),
            (HEADER + b"<", b"x" * 100),
            (HEADER + b"<message>", b"<x>" * 3),
            (HEADER + b"<message>", b"<x/>"),
            (HEADER + b"<message>&", b"x" * 100),
            (HEADER + b"</stream:stream", b" " * 100),
            (HEADER[:-1], b" " * 10),
            (HEADER[:-1] + b" x='", b">" * 10),
            (b"<?xml ", b" " * 10),
            (b"", b" " * 10),
            (b"<", b"x" * 10),
        ):
            with self.subTest(start=start[-30:], piece=piece[:4]):
                error = self.flood(start, piece, limits, 10_000)
                self.assertEqual(error.condition.value, "policy-violation")

    def test_whitespace_is_free(self) -> None:
        framer = Framer(Limits(stanza=10_000))
        framer.feed(HEADER)
        for _ in range(1_000):
            self.assertEqual(framer.feed(b" \r\n\t" * 100), [])
            self.assertEqual(framer.pending, 0)

    def test_exact_limits(self) -> None:
        limits = Limits(stanza=10_000, header=len(HEADER), depth=5, attributes=3, children=4)
        for passes, data in (
            (True, b"<message>" + b"x" * (10_000 - 19) + b"</message>"),
            (False, b"<message>" + b"x" * (10_001 - 19) + b"</message>"),
            (True, b"<message><a/><a/><a/><a/></message>"),
            (False, b"<message><a/><a/><a/><a/><a/></message>"),
            (True, b"<message><a><b><c/></b></a></message>"),
            (False, b"<message><a><b><c><d/></c></b></a></message>"),
            (True, b"<message a='' b='' c=''/>"),
            (False, b"<message a='' b='' c='' d=''/>"),
            (False, b"<message><x><y a='' b='' c='' d=''/></x></message>"),
        ):
            framer = Framer(limits)
            self.assertIsInstance(framer.feed(HEADER)[0], StreamHeader)
            (frame,) = framer.feed(data)
            self.assertEqual(isinstance(frame, Message), passes, data[:60])
        self.assertIsInstance(Framer(limits).feed(HEADER[:-1] + b" >")[0], StreamError)

    def test_a_header_may_have_stanzas_behind_it(self) -> None:
        frames = Framer(Limits(header=len(HEADER))).feed(HEADER + b"<message>" + b"x" * 5_000 + b"</message>")
        self.assertEqual([type(frame) for frame in frames], [StreamHeader, Message])

    def test_work_on_a_tag_in_pieces(self) -> None:
        """Expat starts over at an unfinished tag: who makes it do so all the time is stopped."""
        framer = Framer(Limits(stanza=1_000_000))
        framer.feed(HEADER + b"<message id='")
        frames: list[Frame] = []
        fed = 0
        while not frames:
            fed += 200
            frames = framer.feed(b">" * 200)
        assert isinstance(frames[0], StreamError)
        self.assertEqual(frames[0].condition.value, "policy-violation")
        self.assertLess(fed, 100_000)


_NAMES = st.sampled_from(["x", "y", "p:x", "q:z", "stanza-id:w"])
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=("Cs", "Cc")), max_size=12)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["a", "b", "p:a", "xml:lang", "xmlns", "xmlns:q", "xmlns:p"]),
    st.sampled_from(["urn:1", "urn:2", "p:&"]),
    max_size=3,
)


def _element(name: str, attributes: dict[str, str], children: list[str]) -> str:
    known = dict(attributes)
    if name.startswith("q:"):
        known.setdefault("xmlns:q", "urn:3")  # a prefix the header doesn't declare
    head = name + "".join(f" {key}='{escape_attribute(value)}'" for key, value in known.items())
    return f"<{head}>{''.join(children)}</{name}>"


_ELEMENTS = st.recursive(
    st.builds(_element, _NAMES, _ATTRIBUTES, st.lists(_TEXT.map(escape_text), max_size=1)),
    lambda inner: st.builds(_element, _NAMES, _ATTRIBUTES, st.lists(inner | _TEXT.map(escape_text), max_size=3)),
    max_leaves=6,
)
_STANZAS = st.builds(
    _element, st.sampled_from(["message", "presence", "iq"]), st.just({}) | st.just({"xmlns:q": "urn:4"}),
    st.lists(_ELEMENTS | _TEXT.map(escape_text), max_size=3),
)  # fmt: skip


def tree(element: ElementTree.Element) -> tuple[object, ...]:
    """An element as something that can be compared."""
    return (element.tag, element.attrib, element.text or "", [(tree(child), child.tail or "") for child in element])


class Meaning(SynchronousTestCase):
    """A stanza means the same on the stream it goes to."""

    @given(_STANZAS)
    def test_kept(self, text: str) -> None:
        (frame,) = after_header(text.encode(), WIDE)
        assert isinstance(frame, Stanza), frame
        sent = ElementTree.fromstring(WIDE + text.encode() + END)[0]
        came = ElementTree.fromstring(HEADER + frame.to_bytes() + END)[0]
        self.assertEqual(tree(came), tree(sent))

    @given(_STANZAS)
    def test_parsed(self, text: str) -> None:
        """The elements that a handler gets say the same."""
        (frame,) = after_header(text.encode(), WIDE)
        assert isinstance(frame, Stanza), frame
        sent = ElementTree.fromstring(WIDE + text.encode() + END)[0]
        names = [f"{{{uri}}}{name}" if uri else name for uri, name in frame.names]
        self.assertEqual(names, [child.tag for child in sent])
        self.assertEqual([(e.uri, e.name) for e in frame.elements], list(frame.names))
        again = ElementTree.fromstring(HEADER + frame.with_payload(frame.elements).to_bytes() + END)[0]
        self.assertEqual([tree(child) for child in again], [tree(child) for child in sent])


_TOKENS = (
    b"< > / ' \" = message stream:stream x:y xmlns xmlns:x & &lt; <!-- --> <![CDATA[ ]]> <? ?> <!DOCTYPE </ \xff"
    b" <message> </message> <presence/>"
).split()


class Noise(SynchronousTestCase):
    """Nothing makes it raise, and an error is the last thing that comes."""

    def check(self, *pieces: bytes) -> None:
        framer = Framer(Limits(stanza=1_000))
        frames = [frame for piece in pieces for frame in framer.feed(piece)]
        ends = [isinstance(frame, StreamError | StreamEnd) for frame in frames]
        self.assertNotIn(True, ends[:-1])

    @given(st.lists(st.binary(max_size=40), max_size=6))
    def test_bytes(self, pieces: list[bytes]) -> None:
        self.check(*pieces)
        self.check(HEADER, *pieces)

    @given(st.lists(st.sampled_from(_TOKENS), max_size=20))
    def test_tokens(self, pieces: list[bytes]) -> None:
        self.check(HEADER, *pieces)
        self.check(HEADER + b"".join(pieces))

    @given(st.integers(0, len(DIALOGUE) - 1), st.integers(0, 255))
    def test_one_octet_changed(self, at: int, octet: int) -> None:
        self.check(DIALOGUE[:at] + bytes([octet]) + DIALOGUE[at + 1 :])


class Shared(SynchronousTestCase):
    """Streams that share parsers don't see anything of each other."""

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), max_size=60))
    def test_interleaved(self, turns: list[tuple[int, int]]) -> None:
        pool = ScannerPool()
        data = [DIALOGUE, DIALOGUE.replace(WIDE, HEADER).replace(b"p:", b""), DIALOGUE.replace(b"hi", b"ho")]
        framers = [Framer(pool=pool) for _ in data]
        seen: list[list[Frame]] = [[] for _ in data]
        at = [0, 0, 0]
        for stream, octets in (*turns, (0, 9_999), (1, 9_999), (2, 9_999)):
            seen[stream] += framers[stream].feed(data[stream][at[stream] : at[stream] + octets])
            at[stream] += octets
        for stream, frames in enumerate(seen):
            self.assertEqual([shown(frame) for frame in frames], frames_of(data[stream]))

    def test_a_dead_stream_gives_no_parser_back(self) -> None:
        pool = ScannerPool()
        good, bad = Framer(pool=pool), Framer(pool=pool)
        good.feed(HEADER)
        bad.feed(HEADER)
        bad.feed(b"<message></x>")
        self.assertEqual([type(f) for f in good.feed(b"<message/><message><x/></message>")], [Message, Message])

    def test_names_are_forgotten(self) -> None:
        """Expat remembers every name it ever saw; so no parser is used for ever."""
        pool = ScannerPool(1)
        framer = Framer(pool=pool)
        framer.feed(HEADER)
        for number in range(300):
            framer.feed(b"<message><x%d/>" % number + b"x" * 10_000 + b"</message>")
            self.assertLessEqual(sum(s.life for free in pool._free.values() for s in free), 1 << 20)

    def test_names_are_forgotten_inside_an_element(self) -> None:
        """Not even if the network always cuts in the middle of a stanza."""
        framer = Framer()
        framer.feed(HEADER)
        number, seen = 300, 0
        framer.feed(b"<message><x0>")
        for n in range(number):
            frames = framer.feed(b"x" * 10_000 + b"</x%d></message> <message to='romeo@example.org'><x%d>" % (n, n + 1))
            seen += len([frame for frame in frames if isinstance(frame, Message)])
            assert framer._scanner is not None
            self.assertLessEqual(framer._scanner.life, (1 << 20) + 20_000)
        self.assertEqual(seen, number)
