"""Short messages that come through a message centre: whom they are for, and those in parts."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.sms_kit import NUMBER, OWN, SmsCase
from xmppd.plugins.sms.parts import Collected
from xmppd.plugins.sms.routes import recipients
from xmppd.plugins.sms.text import DEFAULT, UCS2, Header, headed
from xmppd.wire.jid import Jid

OTHER = "491609999999"
FROM = f"from='{NUMBER}@sms.example.org'"
REJECTED, LATER = consts.SMPP_ESME_RX_R_APPN, consts.SMPP_ESME_RX_T_APPN
ROMEO, JULIET, NURSE = (Jid.parse(f"{name}@example.org") for name in ("romeo", "juliet", "nurse"))


class Recipients(SynchronousTestCase):
    def test_rules(self) -> None:
        for own, writers, watchers, fallback, found in (
            ("+4366", [("+491", JULIET)], [JULIET], [JULIET], [ROMEO]),  # his number
            (
                "+491",
                [("+492", NURSE), ("+491", JULIET), ("+491", ROMEO)],
                [ROMEO],
                [],
                [JULIET],
            ),  # the last from there
            ("+493", [("+492", NURSE), ("+491", JULIET)], [ROMEO], [], [NURSE]),  # the last from anywhere
            ("+491", [], [ROMEO, JULIET, ROMEO], [NURSE], [JULIET, ROMEO]),  # who has it in the roster
            ("+491", [], [], [NURSE, ROMEO, NURSE], [NURSE, ROMEO]),
            ("+491", [], [], [], []),
        ):
            with self.subTest(own=own, writers=writers):
                self.assertEqual(recipients(own, numbers={"+4366": ROMEO}, writers=writers, watchers=watchers,
                                            fallback=fallback), found)  # fmt: skip


class Incoming(SmsCase):
    def test_an_answer(self) -> None:
        self.send()
        self.assertEqual(self.deliver("żółw 😀".encode("utf-16-be"), data_coding=8), 0)
        self.romeo.expect(f"<message {FROM} type='chat'><body>żółw 😀</body></message>")

    def test_to_who_wrote_last(self) -> None:
        self.send()
        juliet = self.register("juliet@example.org/balcony")
        self.send(client=juliet)
        self.deliver(b"hello")
        juliet.expect(f"<message {FROM} type='chat'><body>hello</body></message>")
        self.romeo.expect_nothing()
        self.send()
        self.deliver(b"again")
        self.romeo.expect(f"<message {FROM} type='chat'><body>again</body></message>")

    def test_in_order(self) -> None:
        """However long it takes to find out whom the first one is for."""
        self.send()
        sms = self.plugin("sms")
        waiting: list[Deferred[None]] = []
        find = sms.recipients_of

        async def slowly(source: str, destination: str) -> list[Jid]:
            if not waiting:
                waiting.append(Deferred())
                await waiting[0]
            found: list[Jid] = await find(source, destination)
            return found

        self.patch(sms, "recipients_of", slowly)
        for octets in (b"1", b"2"):
            self.centre.session.deliver(octets)
        self.pump(1)
        self.romeo.expect_nothing()
        waiting[0].callback(None)
        self.pump(1)
        for text in "12":
            self.romeo.expect(f"<message {FROM} type='chat'><body>{text}</body></message>")

    def test_nobody(self) -> None:
        self.assertEqual(self.deliver(b"hello", OTHER), REJECTED)
        self.romeo.expect_nothing()

    def test_after_a_restart(self) -> None:
        self.send()
        self.restart()
        self.pump(1)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        romeo.clear()
        self.assertEqual(self.deliver(b"hello"), 0)
        romeo.expect(f"<message {FROM} type='chat'><body>hello</body></message>")

    def test_who_has_it_in_the_roster(self) -> None:
        self.romeo.send(f"<presence to='+{OTHER}@sms.example.org' type='subscribe'/>")
        self.pump(1)
        self.romeo.clear()
        self.assertEqual(self.deliver(b"hello", OTHER), 0)
        self.romeo.expect(f"<message from='+{OTHER}@sms.example.org' type='chat'><body>hello</body></message>")

    def test_whoever_leaves_gets_nothing(self) -> None:
        self.send()
        self.romeo.send(
            "<iq type='set' id='r' to='sms.example.org'><query xmlns='jabber:iq:register'><remove/></query></iq>"
        )
        self.pump(1)
        self.romeo.clear()
        self.assertEqual(self.deliver(b"hello"), REJECTED)


class Durable(SmsCase):
    plugins: ClassVar = ("sms", "disco", "offline")

    def test_taken_means_on_disk(self) -> None:
        self.send()
        self.romeo.close()
        self.disk.stopped = True
        number = self.centre.session.deliver(b"hello", "491701234567", OWN, dest_addr_ton=1)
        self.pump(5)
        self.assertIsNone(self.centre.session.status_of(number))
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(self.centre.session.status_of(number), 0)
        self.kill()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        self.assertIn("<body>hello</body>", "".join(romeo.received))


class Configured(SmsCase):
    options: ClassVar = {
        "numbers": {"+4366412345": "juliet@example.org"}, "fallback": ["nurse@example.org"], "reply_days": 2.0,
        "default_prefix": "+49",
    }  # fmt: skip

    def test_a_number_of_ones_own(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.send()
        self.assertEqual(self.deliver(b"hello", destination="4366412345"), 0)
        juliet.expect(f"<message {FROM} type='chat'><body>hello</body></message>")
        self.romeo.expect_nothing()

    def test_for_all_others(self) -> None:
        nurse = self.login("nurse@example.org/kitchen", presence=True)
        self.deliver(b"hello", OTHER)
        nurse.expect(f"<message from='+{OTHER}@sms.example.org' type='chat'><body>hello</body></message>")

    def test_answers_that_come_late(self) -> None:
        nurse = self.login("nurse@example.org/kitchen", presence=True)
        self.send()
        self.pump(86400 * 2 + 3700, step=600)
        self.deliver(b"hello")
        self.assertNotIn("hello", "".join(self.romeo.received))
        nurse = self.login("nurse@example.org/kitchen", presence=True)
        self.deliver(b"again")
        nurse.expect(f"<message {FROM} type='chat'><body>again</body></message>")

    def test_senders(self) -> None:
        nurse = self.login("nurse@example.org/kitchen", presence=True)
        for source, address in (
            ("01709876543", "+491709876543"),
            ("72524", "72524"),
            ("Bank & Co", "bank\\20\\26\\20co"),
            (" ", "unknown"),
            ("x" * 20, "x" * 20),
        ):
            with self.subTest(source=source):
                self.deliver(b"hello", source)
                nurse.expect(f"<message from='{address}@sms.example.org' type='chat'><body>hello</body></message>")

    def test_names_can_not_be_answered(self) -> None:
        self.send(number="bank\\20\\26\\20co")
        self.assertIn("<item-not-found ", self.romeo.received[-1])


class InParts(SmsCase):
    options: ClassVar = {"part_seconds": 100.0, "incomplete_messages": 2}

    def setUp(self) -> None:
        super().setUp()
        self.send()

    def part(self, text: str, number: int, total: int = 3, reference: int = 7, coding: int = UCS2) -> int:
        data = text.encode("utf-16-be" if coding == UCS2 else "ascii")
        header = Header(reference, total, number)
        return self.deliver(headed(data, header), data_coding=coding, esm_class=0x40)

    def expect(self, text: str) -> None:
        self.romeo.expect(f"<message {FROM} type='chat'><body>{text}</body></message>")
        self.romeo.expect_nothing()

    def test_in_any_order(self) -> None:
        for number, text in ((3, "c"), (1, "a"), (1, "a")):
            self.assertEqual(self.part(text, number), 0)
            self.romeo.expect_nothing()
        self.assertEqual(self.part("b", 2), 0)
        self.expect("abc")
        self.assertEqual(self.part("b", 2), 0)  # once more
        self.pump(200)
        self.romeo.expect_nothing()

    def test_two_messages_at_once(self) -> None:
        self.part("a", 1, 2, 7)
        self.part("x", 1, 2, 8)
        self.part("y", 2, 2, 8)
        self.expect("xy")
        self.part("b", 2, 2, 7)
        self.expect("ab")

    def test_a_character_that_was_cut_through(self) -> None:
        data = "😀".encode("utf-16-be")
        for number in (1, 2):
            half = data[number * 2 - 2 : number * 2]
            self.deliver(headed(half, Header(7, 2, number)), data_coding=UCS2, esm_class=0x40)
        self.expect("😀")

    def test_other_headers(self) -> None:
        self.deliver(headed(b"a", Header(4711, 2, 1), wide=True), esm_class=0x40)
        self.deliver(headed(b"b", Header(4711, 2, 2), wide=True), esm_class=0x40)
        self.expect("ab")
        for number in (2, 1):
            self.deliver(b"%d" % number, sar_msg_ref_num=5, sar_total_segments=2, sar_segment_seqnum=number)
        self.expect("12")
        self.deliver(b"1", sar_msg_ref_num=5, sar_total_segments=1, sar_segment_seqnum=1)
        self.expect("1")
        self.deliver(b"\x06\x05\x04\x15\x8a\x00\x00x", esm_class=0x40)  # it has ports, and is whole
        self.expect("x")

    def test_as_a_whole(self) -> None:
        self.deliver(b"", message_payload=b"a" * 500)
        self.expect("a" * 500)

    def test_some_never_come(self) -> None:
        self.part("b", 2, 4)
        self.part("d", 4, 4)
        self.pump(60)
        self.romeo.expect_nothing()
        self.pump(120)
        self.expect("[…]b[…]d")

    def test_after_a_restart(self) -> None:
        self.part("a", 1, 2)
        self.restart()
        self.pump(1)
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.pump(1)
        self.romeo.clear()
        self.part("b", 2, 2)
        self.expect("ab")

    def test_too_many(self) -> None:
        self.assertEqual(self.part("a", 1, reference=1), 0)
        self.assertEqual(self.part("a", 1, reference=2), 0)
        self.assertEqual(self.part("a", 1, reference=3), LATER)
        self.assertEqual(self.part("b", 2, reference=2), 0)
        self.pump(200)
        self.assertEqual(self.part("a", 1, reference=3), 0)

    def test_for_nobody(self) -> None:
        self.assertEqual(self.deliver(headed(b"a", Header(1, 2, 1)), OTHER, esm_class=0x40), REJECTED)

    def test_the_disk_is_full(self) -> None:
        self.disk.broken = "full"
        self.assertEqual(self.part("a", 1, 2), LATER)
        self.disk.broken = None
        self.assertEqual([self.part("a", 1, 2), self.part("b", 2, 2)], [0, 0])
        self.expect("ab")

    def test_nothing_is_left(self) -> None:
        self.part("a", 1, 2)
        self.part("b", 2, 2)
        self.assertEqual(self.wait(self.plugin("sms").parts.overdue()), [])
        self.expect("ab")


class Texts(SynchronousTestCase):
    @given(st.sets(st.integers(1, 6), min_size=1), st.permutations(range(6)))
    def test_gaps(self, there: set[int], order: list[int]) -> None:
        parts = [(number, DEFAULT, b"%d" % number) for number in sorted(there)]
        text = Collected({"source": "", "reference": 0, "total": 6}, parts, 0.0).text("gsm")
        self.assertEqual([int(c) for c in text if c.isdigit()], sorted(there))
        self.assertEqual("[…]" in text, len(there) < 6)
