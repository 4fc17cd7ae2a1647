"""RFC 6121 section 4: what the other tests of presence leave open."""

from __future__ import annotations

from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid


class Priority(ServerTestCase):
    def test_4_7_2_3_is_an_xs_byte(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        session = self.host.session(Jid.parse("romeo@example.org/orchard"))
        assert session is not None
        for text, counts_as in (
            ("+5", 5), ("-0", 0), ("007", 7), (" 5\n", 5), ("1_0", 0), ("\u0663", 0), ("5.0", 0), ("0x5", 0),
            ("--5", 0), ("\u00a05", 0), ("1 2", 0), ("9" * 5000, 0), ("0" * 5000 + "1", 0),
        ):  # fmt: skip
            romeo.send(f"<presence><priority>{text}</priority></presence>")
            self.assertEqual(session.priority, counts_as, text[:20])
