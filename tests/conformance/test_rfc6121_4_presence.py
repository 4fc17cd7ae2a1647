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


class Unavailable(ServerTestCase):
    """4.5: who has not been available has nothing to take back."""

    plugins = ("roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.romeo = self.login("romeo@example.org/orchard")
        self.phone = self.login("romeo@example.org/phone", presence=True)

    def test_4_5_without_having_been_available(self) -> None:
        self.romeo.send("<presence type='unavailable'/>")
        for client in (self.romeo, self.phone, self.juliet):
            client.expect_nothing()

    def test_4_5_twice(self) -> None:
        self.romeo.send("<presence/><presence type='unavailable'/>")
        self.phone.clear()
        self.romeo.clear()
        self.romeo.send("<presence type='unavailable'/>")
        self.romeo.expect_nothing()
        self.phone.expect_nothing()

    def test_4_6_3_directed_presence_alone_is_taken_back(self) -> None:
        self.romeo.send("<presence to='{juliet}'/><presence type='unavailable'><status>bye</status></presence>")
        self.juliet.expect(
            "<presence from='{romeo}'/>", "<presence type='unavailable' from='{romeo}'><status>bye</status></presence>"
        )
        self.phone.expect_nothing()

    def test_8_1_2_1_stanzas_after_unavailable_presence(self) -> None:
        """The resource is connected still: it can send and, at its full address, receive."""
        self.romeo.send("<presence/><presence type='unavailable'/>")
        self.romeo.clear()
        self.romeo.send("<message to='{juliet}'><body>hi</body></message>")
        self.juliet.expect("<message from='{romeo}'><body>hi</body></message>")
        self.juliet.send("<message to='{romeo}'><body>ho</body></message>")
        self.romeo.expect("<message from='{juliet}'><body>ho</body></message>")
        self.juliet.send("<message to='romeo@example.org'><body>ha</body></message>")
        self.phone.clear()
        self.romeo.expect_nothing()
