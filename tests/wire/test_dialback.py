"""Elements and keys of Server Dialback (XEP-0220, XEP-0185)."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.wire import ns
from xmppd.wire.dialback import Asked, Maladdressed, Result, Verify, answer, ask, fits, key, read
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.framing import Framer
from xmppd.wire.stanza import Nonza

_HEADER = f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' xmlns:{{}}='{ns.DIALBACK}'>"
_domains = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){0,2}", fullmatch=True)


def parsed(data: bytes, prefix: str = "db") -> Asked:
    """Read an element as it comes on a stream."""
    _, nonza = Framer().feed(_HEADER.format(prefix).encode() + data)
    assert isinstance(nonza, Nonza)
    found = read(nonza)
    assert found is not None
    return found


class Elements(unittest.TestCase):
    def test_example_1(self) -> None:
        found = parsed(b"<db:result from='capulet.example' to='montague.example'>\n  b4835385f37f\n</db:result>")
        self.assertEqual(found, Result(found.sender, found.target, "", "", "b4835385f37f"))
        self.assertEqual((found.sender, found.target), ("capulet.example", "montague.example"))

    def test_example_5(self) -> None:
        data = b"<db:verify from='capulet.example' id='417GAF25' to='montague.example'>225cc5aa</db:verify>"
        found = parsed(data)
        self.assertIsInstance(found, Verify)
        self.assertEqual((found.id, found.type, found.key), ("417GAF25", "", "225cc5aa"))

    def test_examples_of_answers(self) -> None:
        """Examples 6 to 8: what was asked is turned round."""
        asked = parsed(b"<db:verify from='capulet.example' id='417GAF25' to='montague.example'>225cc5aa</db:verify>")
        self.assertEqual(
            answer(asked, "valid"),
            b"<db:verify from='montague.example' to='capulet.example' id='417GAF25' type='valid'></db:verify>",
        )
        error = parsed(answer(asked, "error", StanzaError(Condition.ITEM_NOT_FOUND)))
        self.assertEqual(error.type, "error")
        self.assertEqual(error.error, StanzaError(Condition.ITEM_NOT_FOUND))

    def test_another_prefix(self) -> None:
        found = parsed(b"<dialback:result from='a.example' to='b.example'>k</dialback:result>", "dialback")
        self.assertEqual(found.key, "k")

    def test_another_element(self) -> None:
        self.assertIsNone(read(Nonza(ns.DIALBACK, "surprise", {}, b"", ())))

    def test_addresses(self) -> None:
        for attributes in (
            {},
            {"from": "a"},
            {"from": "a", "to": "b@c"},
            {"from": "a/b", "to": "c"},
            {"from": "", "to": "c"},
        ):
            with self.assertRaises(Maladdressed):
                read(Nonza(ns.DIALBACK, "result", attributes, b"", ()))

    def test_an_error_without_an_error(self) -> None:
        self.assertIsNone(read(Nonza(ns.DIALBACK, "result", {"from": "a", "to": "b", "type": "error"}, b"", ())).error)  # type: ignore[union-attr]

    @given(_domains, _domains, st.text("abcdef0123456789", min_size=1, max_size=64), st.text("ab'<>&\"", min_size=1))
    def test_read_as_written(self, sender: str, target: str, key_: str, id_: str) -> None:
        found = parsed(ask("verify", sender, target, key_, id_))
        self.assertEqual((found.sender, found.target, found.key, found.id), (sender, target, key_, id_))


class Keys(unittest.TestCase):
    @given(_domains, _domains, st.text(max_size=20), st.binary(min_size=1))
    def test_ours_and_no_other(self, receiving: str, originating: str, id_: str, secret: bytes) -> None:
        """The authoritative server knows the key that the initiating one has made; every part of it counts."""
        ours = key(secret, receiving, originating, id_)
        asked = parsed(ask("verify", receiving, originating, ours, "x"))

        def fitting(sender: str = receiving, stream: str = id_, with_: bytes = secret) -> bool:
            parts = type(asked.sender).parse(sender), asked.target, stream, "", ours
            return fits(with_, Verify(*parts))

        self.assertTrue(fitting())
        self.assertFalse(fitting(sender=receiving + "x"))
        self.assertFalse(fitting(stream=id_ + "x"))
        self.assertFalse(fitting(with_=secret + b"x"))

    def test_odd_keys(self) -> None:
        found = parsed(b"<db:verify from='a.example' to='b.example' id='x'>\xc3\xa4</db:verify>")
        assert isinstance(found, Verify)
        self.assertFalse(fits(b"secret", found))
