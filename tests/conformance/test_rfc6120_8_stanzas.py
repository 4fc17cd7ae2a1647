"""RFC 6120 sections 7 and 8: what the other tests of stanzas leave open."""

from __future__ import annotations

from xmppd.testing import ServerTestCase

_BIND = "urn:ietf:params:xml:ns:xmpp-bind"


class Attributes(ServerTestCase):
    """8.1: what the sender wrote arrives."""

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony")
        self.romeo = self.connect(name="romeo")
        self.account("romeo@example.org")
        self.romeo.open(**{"xml:lang": "it"})
        self.romeo.authenticate("romeo", "secret")
        self.romeo.bind("orchard")

    def test_8_1_5_language_that_was_taken_back(self) -> None:
        """An empty xml:lang says that the language is not known; that is not replaced by the stream's."""
        self.romeo.send("<message to='{juliet}' xml:lang=''><body>hi</body></message>")
        self.juliet.expect("<message xml:lang=''><body>hi</body></message>")

    def test_8_1_5_language_of_the_stream(self) -> None:
        self.romeo.send("<message to='{juliet}'><body>hi</body></message>")
        self.juliet.expect("<message xml:lang='it'><body>hi</body></message>")

    def test_8_attributes_with_a_namespace(self) -> None:
        self.romeo.send(
            "<message to='{juliet}' e:mood='&lt;sad&gt;' xmlns:e='urn:example:e' f:mood='x' xmlns:f='urn:example:f' "
            "xml:space='preserve'><e:x xmlns:e='urn:example:other'/></message>"
        )
        self.juliet.expect(
            "<message n:mood='&lt;sad&gt;' xmlns:n='urn:example:e' m:mood='x' xmlns:m='urn:example:f' "
            "xml:space='preserve'><x xmlns='urn:example:other'/></message>"
        )

    def test_8_1_3_long_ids(self) -> None:
        id_ = "\U0001f339&amp;'".replace("'", "&apos;") * 1000
        self.romeo.send(f"<message to='{{juliet}}' id='{id_}'><body>hi</body></message>")
        self.juliet.expect(f"<message id='{id_}'><body>hi</body></message>")


class Content(ServerTestCase):
    """8.4 and 11: extended content is passed on as it came, octet by octet."""

    def test_8_4_byte_for_byte(self) -> None:
        romeo, juliet = self.login("romeo@example.org/orchard"), self.login("juliet@example.org/balcony")
        for content in (
            "<body>a &amp; b &#x1F339; &#10; \u00e9 \U0001f339 &quot;&apos;</body>",
            "<body><![CDATA[<b>&amp;</b> ]] > ]]></body>",
            '<x xmlns="urn:example:x"  a = "1"\n\tb=\'"2"\'  ><y></y><z /> </x >',
            "<p:x xmlns:p='urn:example:p' p:a='1'><p:y xmlns:p='urn:example:q'/><y/></p:x>",
            "text \t<body xml:lang='de'>x</body>\r\ntext",
            "<body>]]&gt;</body>",
        ):
            with self.subTest(content):
                romeo.send_raw(f"<message to='juliet@example.org/balcony'>{content}</message>")
                juliet.take()
                self.assertTrue(juliet.received[-1].endswith(f"'>{content}</message>"), juliet.received[-1])


class BeforeBinding(ServerTestCase):
    """7 and 8.1.2.1."""

    def test_8_1_2_1_from_of_somebody_else(self) -> None:
        self.account("romeo@example.org")
        for from_, allowed in (("juliet@example.org", False), ("romeo@example.org", True)):
            client = self.connect()
            client.open()
            client.authenticate("romeo", "secret")
            client.send(f"<iq type='set' id='1' from='{from_}'><bind xmlns='{_BIND}'/></iq>")
            if allowed:
                client.expect("<iq type='result' id='1'>{any}</iq>")
            else:
                client.expect_closed("invalid-from")
