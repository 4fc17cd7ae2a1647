"""What comes with <authenticate/> (XEP-0388, XEP-0386, XEP-0198)."""

from __future__ import annotations

import unittest

from tests.wire.sasl.test_profiles import authenticate
from xmppd.wire import ns
from xmppd.wire.inline import Inline, UserAgent, bind_feature, read_inline

SM = "urn:xmpp:sm:3"
ID = "d4565fa7-4d72-4749-b3d3-740edbf87770"


def read(content: str) -> Inline:
    return read_inline(authenticate("PLAIN", content), SM)


class Reading(unittest.TestCase):
    def test_nothing(self) -> None:
        self.assertEqual(read(""), Inline(UserAgent()))
        self.assertEqual(read("<x xmlns='urn:x'/><resume xmlns='urn:xmpp:sm:2'/>"), Inline(UserAgent()))

    def test_user_agent(self) -> None:
        for content, expected in (
            (f"<user-agent id='{ID}'/>", UserAgent(ID)),
            (f"<user-agent id='{ID.upper()}'/>", UserAgent(ID)),
            ("<user-agent><software> A \n B </software></user-agent>", UserAgent(None, "A B")),
            ("<user-agent><device>1</device><device>2</device><x/></user-agent>", UserAgent(None, None, "1")),
            ("<user-agent><software> </software><device xmlns='urn:x'>1</device></user-agent>", UserAgent()),
            (f"<user-agent xmlns='urn:x' id='{ID}'/>", UserAgent()),
        ):
            with self.subTest(content):
                self.assertEqual(read(content).user_agent, expected)

    def test_described(self) -> None:
        self.assertEqual(UserAgent().described(), {})
        self.assertEqual(UserAgent(ID, "A", "B").described(), {"id": ID, "software": "A", "device": "B"})

    def test_resume(self) -> None:
        self.assertEqual(read(f"<resume xmlns='{SM}' h='1' previd='x'/>").resume, {"h": "1", "previd": "x"})
        self.assertEqual(read(f"<resume xmlns='{SM}'/>").resume, {})

    def test_bind(self) -> None:
        empty = read(f"<bind xmlns='{ns.BIND2}'/>").bind
        assert empty is not None
        self.assertEqual((empty.tag, empty.wishes), (None, ()))
        full = read(
            f"<bind xmlns='{ns.BIND2}'><tag>A</tag><a xmlns='urn:x'/><tag xmlns='urn:y'/><unknown/></bind>"
        ).bind
        assert full is not None
        self.assertEqual(full.tag, "A")
        self.assertEqual([(wish.uri, wish.name) for wish in full.wishes], [("urn:x", "a"), ("urn:y", "tag")])

    def test_refused(self) -> None:
        for content in (
            "<user-agent/><user-agent/>",
            "<user-agent id=''/>",
            f"<user-agent id='{ID}0'/>",
            f"<user-agent id='{{{ID}}}'/>",
            2 * f"<resume xmlns='{SM}'/>",
            2 * f"<bind xmlns='{ns.BIND2}'/>",
            f"<bind xmlns='{ns.BIND2}'><tag/><tag/></bind>",
        ):
            with self.subTest(content), self.assertRaises(ValueError):
                read(content)


class Writing(unittest.TestCase):
    def test_feature(self) -> None:
        self.assertEqual(
            bind_feature(["urn:x", "urn:y"]).decode(),
            f"<bind xmlns='{ns.BIND2}'><inline><feature var='urn:x'/><feature var='urn:y'/></inline></bind>",
        )
