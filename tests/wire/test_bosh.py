"""Bodies of BOSH, in and out (XEP-0124 section 5, XEP-0206 section 2)."""

from __future__ import annotations

import unittest
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire import ns
from xmppd.wire.bosh import (
    EMPTY,
    NS,
    RECOVERABLE,
    RESTART,
    BindingError,
    ContentFramer,
    Unreadable,
    boolean,
    number,
    read_body,
    terminal,
    write_attributes,
    write_body,
)  # fmt: skip
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.frames import Limits
from xmppd.wire.framing import ScannerPool
from xmppd.wire.stanza import Message, Nonza, Presence
from xmppd.wire.xml import SEPARATOR

LIMITS = Limits()
HEAD = f"<body xmlns='{NS}' rid='1'"


def frames(text: str | bytes, limits: Limits = LIMITS, pool: ScannerPool | None = None) -> list[object]:
    """Return what a body holds."""
    body = read_body(text if isinstance(text, bytes) else text.encode(), limits)
    framer = ContentFramer(limits, pool or ScannerPool())
    framer.prefixes = body.prefixes
    return list(framer.feed(body.content))


class AttributeTests(unittest.TestCase):
    def test_example(self) -> None:
        data = f"""<body content='text/xml; charset=utf-8'
      from='user@example.com' hold='1' rid='1573741820' to='example.com' route='xmpp:example.com:9999'
      ver='1.6' wait='60' ack='1' xml:lang='en' xmlns='{NS}'/>"""
        body = read_body(data.encode(), LIMITS)
        self.assertEqual(body.attributes["route"], "xmpp:example.com:9999")
        self.assertEqual(body.attributes[f"{ns.XML}{SEPARATOR}lang"], "en")
        self.assertNotIn("xmlns", body.attributes)
        self.assertEqual(body.content, b"")

    def test_namespaces(self) -> None:
        for prefix in ("xmpp", "x-y.z"):
            body = read_body(f"{HEAD} {prefix}:restart='true' xmlns:{prefix}='urn:xmpp:xbosh'/>".encode(), LIMITS)
            self.assertEqual(body.attributes, {"rid": "1", RESTART: "true"})
            self.assertEqual(body.prefixes, {prefix: "urn:xmpp:xbosh"})

    def test_whatever_xml_allows(self) -> None:
        for text in (
            f"<?xml version='1.0' encoding='utf-8'?>\n{HEAD} to='h&#xe4;ll'>c</body>\n",
            f"\ufeff{HEAD} to='häll'>c</body>",
            f"<b:body xmlns:b='{NS}' rid='1' to='h&#228;ll'>c</b:body >",
            f'<body\nto = "häll"\trid="1" xmlns="{NS}"\n>c</body\n>',
        ):
            body = read_body(text.encode(), LIMITS)
            self.assertEqual(body.attributes, {"rid": "1", "to": "häll"}, text)
            self.assertEqual(body.content, b"c")

    def test_quotes(self) -> None:
        body = read_body(f"""<body xmlns="{NS}" rid='a"b' sid="a'b"/>""".encode(), LIMITS)
        self.assertEqual(body.attributes, {"rid": 'a"b', "sid": "a'b"})

    def test_bad(self) -> None:
        for text in (
            "", " ", "x", "<", "<body", "<body/>", "<body xmlns='x'/>", f"<bodyx xmlns='{NS}'/>",
            f"{HEAD} rid='2'/>", f"{HEAD} x='<'/>", f"{HEAD} x='&'/>", f"{HEAD} x='&a;'/>", f"{HEAD}x='1'/>",
            f"{HEAD} a:x='1'/>", f"{HEAD} xmlns:xmlns='a'/>", f"{HEAD} xmlns:a=''/>", f"{HEAD} x=1/>", f"{HEAD} x/>",
            f"{HEAD} xmlns:a='b' xmlns:c='b' a:x='1' c:x='1'/>",
            f"{HEAD}>", f"{HEAD}></bodyx>", f"{HEAD}></body", f"{HEAD}></body>x", f"{HEAD}/>x", f"{HEAD}/></body>",
            f"<!-- -->{HEAD}/>", f"{HEAD}/><!-- -->", f"<?a?>{HEAD}/>", f"<!DOCTYPE body>{HEAD}/>",
            f"<?xml version='1.0' encoding='latin-1'?>{HEAD}/>", f" <?xml version='1.0'?>{HEAD}/>",
            f"{HEAD} x='\x01'/>", f"<b:body xmlns:b='{NS}'></body>",
        ):  # fmt: skip
            with self.assertRaises(BindingError, msg=text) as caught:
                read_body(text.encode(), LIMITS)
            self.assertEqual(caught.exception.condition, "bad-request", text)
        for data in (HEAD.encode() + b" x='\xff'/>", HEAD.encode("utf-16")):
            with self.assertRaises(BindingError):
                read_body(data, LIMITS)

    def test_limits(self) -> None:
        for text in (f"{HEAD} x='{'y' * 300}'/>", f"{HEAD} x='ä{'y' * 300}'/>"):
            read_body(text.encode(), LIMITS)
            with self.assertRaises(BindingError):
                read_body(text.encode(), Limits(header=300))
        many = " ".join(f"a{n}='1'" for n in range(20))
        read_body(f"{HEAD} {many}/>".encode(), LIMITS)
        with self.assertRaises(BindingError):
            read_body(f"{HEAD} {many}/>".encode(), Limits(attributes=10))

    @given(st.text(alphabet="<>/='\"& \nabody:xml!?-[]ä1", max_size=60))
    def test_agrees_with_expat(self, middle: str) -> None:
        """What is taken for a body is well-formed XML, and what expat finds in it is what is found here."""
        text = f"<body xmlns='{NS}'{middle}"
        found: list[tuple[str, dict[str, str]]] = []
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
        try:
            parser.Parse(text.encode(), True)
            well_formed = True
        except expat.ExpatError:
            well_formed = False
        try:
            body = read_body(text.encode(), LIMITS)
            framer = ContentFramer(LIMITS, ScannerPool())
            framer.prefixes = body.prefixes
            accepted = not any(isinstance(frame, StreamError) for frame in framer.feed(body.content))
        except BindingError:
            accepted = False
        self.assertFalse(accepted and not well_formed, text)
        if accepted:
            self.assertEqual(body.attributes, found[0][1])


class ContentTests(unittest.TestCase):
    def test_payload_stays_bytes(self) -> None:
        message, presence = frames(
            f"{HEAD}>\n <message to='a@b' xmlns='jabber:client'><body>Good &#x6d;orning</body></message>\n"
            f" <presence xmlns='jabber:client'/></body>"
        )
        assert isinstance(message, Message)
        self.assertEqual(message.payload, b"<body>Good &#x6d;orning</body>")
        self.assertEqual(message.body, "Good morning")
        self.assertIsInstance(presence, Presence)

    def test_stanzas_without_namespace(self) -> None:
        """XEP-0206 section 2: many clients don't say that it is jabber:client."""
        (message,) = frames(f"{HEAD}><message to='a@b'><body>x</body></message></body>")
        assert isinstance(message, Message)
        self.assertEqual(message.body, "x")

    def test_other_elements(self) -> None:
        (auth,) = frames(f"{HEAD}><auth xmlns='{ns.SASL}' mechanism='PLAIN'>abc</auth></body>")
        assert isinstance(auth, Nonza)
        self.assertEqual((auth.namespace, auth.name, auth.text), (ns.SASL, "auth", "abc"))

    def test_prefixes_of_the_body(self) -> None:
        text = f"{HEAD} xmlns:j='http://json.org/' xmlns:c='jabber:client'>"
        json, message = frames(text + "<j:json>1</j:json><c:message><j:x/></c:message></body>")
        assert isinstance(json, Nonza)
        self.assertEqual((json.namespace, json.name), ("http://json.org/", "json"))
        assert isinstance(message, Message)
        self.assertEqual(message.payload, b"<x xmlns='http://json.org/'/>")

    def test_stream_prefix(self) -> None:
        content = f"<stream:error><reset xmlns='{ns.STREAM_ERRORS}'/></stream:error></body>"
        (error,) = frames(f"{HEAD} xmlns:stream='{ns.STREAM}'>{content}")
        assert isinstance(error, Nonza)
        self.assertEqual(error.namespace, ns.STREAM)
        (wrong,) = frames(f"{HEAD}>{content}")
        self.assertIsInstance(wrong, Unreadable)
        (other,) = frames(f"{HEAD} xmlns:stream='urn:x'>{content}")
        assert isinstance(other, Nonza)
        self.assertEqual(other.namespace, "urn:x")
        (message,) = frames(f"{HEAD}><message><body>downstream: x</body></message></body>")
        self.assertIsInstance(message, Message)

    def test_language(self) -> None:
        framer = ContentFramer(LIMITS, ScannerPool(), "de")
        (message,) = framer.feed(b"<message/>")
        assert isinstance(message, Message)
        self.assertEqual(message.lang, "de")

    def test_unreadable(self) -> None:
        """All of a body is refused if something is wrong in it; the pool is none the worse for it."""
        pool = ScannerPool()
        for content in (
            "<message>", "<message></x>", "</message>", "</body>", "<message/></body><body>", "<message/>x", "x",
            "<!-- --><message/>", "<message><!-- --></message>", "<?a?>", "<![CDATA[ ]]>", "<message/>&amp;",
            "<message>&x;</message>", "<x:message/>", "<message", "<message a='1' a='2'/>", "</stream:stream>",
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", "<!DOCTYPE x>",
            "<message>\x01</message>",
            "<message/></stream:stream><message/>", "<?xml version='1.0'?><message/>", "&#10;",
        ):  # fmt: skip
            with self.subTest(content):
                (wrong,) = frames(f"{HEAD}><presence/>{content}</body>", pool=pool)
                self.assertIsInstance(wrong, Unreadable)
                self.assertEqual(len(frames(f"{HEAD}><presence/><presence/></body>", pool=pool)), 2)

    def test_limits(self) -> None:
        """What goes over a limit is an error of the stream, as over TCP."""
        for content in (f"<message>{'x' * 1_000}</message>", "<message>" + "<a>" * 9 + "</a>" * 9 + "</message>"):
            (error,) = frames(f"{HEAD}><presence/>{content}</body>", Limits(stanza=500, depth=8))
            assert isinstance(error, StreamError)
            self.assertNotIsInstance(error, Unreadable)
            self.assertEqual(error.condition, StreamCondition.POLICY_VIOLATION)


class WritingTests(unittest.TestCase):
    def test_empty(self) -> None:
        self.assertEqual(EMPTY, f"<body xmlns='{NS}'/>".encode())
        self.assertEqual(write_body(()), EMPTY)
        self.assertEqual(write_body((), b" ack='1'"), f"<body xmlns='{NS}' ack='1'/>".encode())
        self.assertEqual(read_body(RECOVERABLE, LIMITS).attributes, {"type": "error"})

    def test_stanzas_get_their_namespace(self) -> None:
        written = write_body((b"<message/>", b"<presence/>", b"<iq id='1'><x xmlns='y'/></iq>", b"<a xmlns='z'/>"))
        self.assertEqual(
            written.decode(),
            f"<body xmlns='{NS}'><message xmlns='jabber:client'/><presence xmlns='jabber:client'/>"
            "<iq xmlns='jabber:client' id='1'><x xmlns='y'/></iq><a xmlns='z'/></body>",
        )

    def test_stream_elements(self) -> None:
        """XEP-0206 section 2: the body declares the prefix."""
        for element in (b"<stream:features/>", b"<stream:error><x xmlns='y'/></stream:error>"):
            body = read_body(write_body((element,)), LIMITS)
            self.assertEqual(body.prefixes, {"stream": ns.STREAM})
            self.assertTrue(body.content.startswith(element.partition(b">")[0].rstrip(b"/")))

    def test_attributes(self) -> None:
        self.assertEqual(write_attributes((("a", 1), ("b", None), ("c", "<'ä"))), " a='1' c='&lt;&apos;ä'".encode())
        self.assertEqual(terminal(), b" type='terminate'")
        self.assertEqual(terminal("item-not-found"), b" type='terminate' condition='item-not-found'")

    @given(st.lists(st.sampled_from((b"<message/>", b"<iq id='a'><b xmlns='c'/></iq>", b"<presence><a/></presence>"))))
    def test_what_is_written_can_be_read(self, elements: list[bytes]) -> None:
        self.assertEqual(len(frames(write_body(elements))), len(elements))


class ValueTests(unittest.TestCase):
    def test_numbers(self) -> None:
        self.assertEqual([number(text) for text in ("0", " 12 ", "+7", "007")], [0, 12, 7, 7])
        for text in (None, "", "-1", "1.0", "x", "١", "1" * 17, "1 2", "0x1"):
            self.assertIsNone(number(text), text)

    def test_booleans(self) -> None:
        self.assertTrue(boolean("true") and boolean("1"))
        self.assertFalse(boolean(None) or boolean("false") or boolean("TRUE"))
