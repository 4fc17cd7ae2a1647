"""The shape of what is sent to androidpn's clients: the reference's section 1.7, and its traps."""

from __future__ import annotations

import unittest
from xml.parsers import expat

from hypothesis import given
from hypothesis import strategies as st

from tests.plugins.androidpn.kit import JID, NAME
from xmppd.api import Jid
from xmppd.api.notifications import Notification
from xmppd.plugins.androidpn.protocol import Format, fields, tags_in
from xmppd.wire.xml import parse

ID = "9f2c41d07be84c539f2c41d07be84c53"
FIELDS = ["id", "uuid", "apiKey", "title", "message", "uri", "imageUrl"]
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=()), max_size=40)


def notification(title: str = "Sale", body: str = "From 9", **more: str) -> Notification:
    """Return one that says little."""
    data = {"order": more.pop("order")} if "order" in more else {}
    uri, image = more.get("uri", ""), more.get("image", "")
    return Notification(ID, title, body, uri, image, data, "normal", "", 0.0, 1.0)


def shape() -> Format:
    """Return the format as it is by default."""
    return Format(Jid.parse("push.example"), ("AndroidpnClient",), "1234567890", 1.0, True)


class Provider:
    """The parser of the clients: all start tags are fields, until an end tag of that name; it knows no depth."""

    def __init__(self, xml: bytes) -> None:
        self.found: dict[str, str] = {}
        self._name = ""
        self._done = False
        parser = expat.ParserCreate("UTF-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(b"<stream xmlns='jabber:client'>" + xml + b"</stream>", True)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        self._name = name.rpartition(" ")[2]
        if not self._done and self._name not in ("stream", "iq", "notification"):
            assert self._name not in self.found, f"{self._name} is there twice"
            self.found[self._name] = ""

    def _text(self, data: str) -> None:
        self.found[self._name] += data

    def _end(self, name: str) -> None:
        self._done = self._done or name.endswith(" notification")


class ShapeTests(unittest.TestCase):
    def test_fields(self) -> None:
        """Those of the original in its order, and `uuid` and `imageUrl` of the forks; no white space, none left out."""
        iq = shape().stanza(notification(title="Sale", body="9 & all day", uri="geo:1,2"), Jid.parse(JID))
        self.assertEqual(
            iq.to_bytes().decode(),
            f"<iq from='push.example' to='{JID}' type='set' id='n-9f2c41d07be84c539f2c41d07be84c53'>"
            "<notification xmlns='androidpn:iq:notification'><id>9f2c41d07be84c539f2c41d07be84c53</id>"
            "<uuid>9f2c41d07be84c539f2c41d07be84c53</uuid><apiKey>1234567890</apiKey><title>Sale</title>"
            "<message>9 &amp; all day</message><uri>geo:1,2</uri><imageUrl/></notification></iq>",
        )

    def test_id_equals_uuid(self) -> None:
        """`id`==`uuid`: some forks confirm the one, some the other; both are fit for XML that nobody escapes."""
        read = Provider(shape().stanza(notification(), Jid.parse(JID)).to_bytes()).found
        self.assertEqual(read["id"], read["uuid"])
        self.assertRegex(read["id"], r"\A[0-9a-f]{1,32}\Z")

    def test_resent_with_the_same_id(self) -> None:
        """What isn't confirmed comes again, the same in every octet."""
        one, other = (shape().stanza(notification(), Jid.parse(JID)).to_bytes() for _ in range(2))
        self.assertEqual(one, other)

    @given(TEXTS, TEXTS, TEXTS, TEXTS)
    def test_any_text(self, title: str, body: str, uri: str, data: str) -> None:
        """No text breaks the stream, nor the clients' parser, which knows no depth; what XML can't say is left out."""
        iq = shape().stanza(notification(title, body, uri=uri, order=data), Jid.parse(JID))
        read = Provider(iq.to_bytes()).found
        self.assertEqual(list(read)[:7], FIELDS)
        self.assertEqual(set(read) - set(FIELDS), {"data"})
        self.assertEqual(read["title"], "".join(c for c in title if c in "\t\n\r" or " " <= c not in "\ufffe\uffff"))

    def test_no_markup_in_fields(self) -> None:
        """An exception in the parser drops the connection."""
        iq = shape().stanza(notification(body="<b>now</b></notification>"), Jid.parse(JID))
        self.assertEqual(Provider(iq.to_bytes()).found["message"], "<b>now</b></notification>")

    def test_data(self) -> None:
        """Fields of an app's own are in one element, which nobody takes for another."""
        iq = shape().stanza(notification(order="7"), Jid.parse(JID))
        self.assertEqual(Provider(iq.to_bytes()).found["data"], '{"order":"7"}')


class ReadingTests(unittest.TestCase):
    def test_stray_white_space(self) -> None:
        sent = f"<setalias xmlns='x'><username>{NAME}</username> <alias> bob\n</alias> </setalias>".encode()
        self.assertEqual(fields(parse(sent)[0]), {"username": NAME, "alias": "bob"})

    def test_tags(self) -> None:
        self.assertEqual(tags_in(" news, sport ,,news"), ["news", "sport"])
        self.assertEqual(tags_in(""), [])
