"""SMPP's PDUs, in any pieces and with anything wrong; what statuses and delivery reports mean."""

from __future__ import annotations

import unittest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from smpplib import consts

from xmppd.api import Condition
from xmppd.plugins.sms.errors import THROTTLING, Kind, meaning
from xmppd.plugins.sms.pdus import BadPdu, Pdu, Reader, encode
from xmppd.plugins.sms.reports import Report, reference, report_in

DELIVER = encode("deliver_sm", 7, source_addr="491701234567", destination_addr="72524", short_message=b"hello")


def read(data: bytes) -> list[Pdu | BadPdu]:
    return Reader(70_000).feed(data)


def deliver(text: bytes, **more: Any) -> Pdu:
    (pdu,) = read(encode("deliver_sm", 1, short_message=text, **more))
    assert isinstance(pdu, Pdu)
    return pdu


class Pdus(unittest.TestCase):
    def test_there_and_back(self) -> None:
        fields: dict[str, Any] = {"source_addr": "xmppd", "destination_addr": "491701234567", "esm_class": 0x40,
                                  "data_coding": 8, "short_message": b"\0\x01", "registered_delivery": 1}  # fmt: skip
        (pdu,) = read(encode("submit_sm", 9, **fields))
        assert isinstance(pdu, Pdu)
        self.assertEqual((pdu.command, pdu.sequence, pdu.status), ("submit_sm", 9, 0))
        self.assertEqual((pdu.text("source_addr"), pdu.text("destination_addr")), ("xmppd", "491701234567"))
        self.assertEqual((pdu.number("esm_class"), pdu.number("data_coding")), (0x40, 8))
        self.assertEqual(pdu.fields["short_message"], b"\0\x01")

    def test_the_version_that_is_asked_for(self) -> None:
        (pdu,) = read(encode("bind_transceiver", 1, interface_version=0x50))
        assert isinstance(pdu, Pdu)
        self.assertEqual(pdu.number("interface_version"), 0x50)

    def test_statuses(self) -> None:
        (pdu,) = read(encode("submit_sm_resp", 2, 0x58))
        assert isinstance(pdu, Pdu)
        self.assertEqual((pdu.status, pdu.text("message_id")), (0x58, ""))

    def test_answers_without_content(self) -> None:
        data = b"\0\0\0\x10\x80\0\0\x04\0\0\0\x0b\0\0\0\x05"
        self.assertEqual(read(data), [Pdu("submit_sm_resp", 0x0B, 5)])

    def test_an_id_without_an_end(self) -> None:
        data = encode("submit_sm_resp", 2, message_id="abc")
        cut = (len(data) - 1).to_bytes(4) + data[4:-1]
        (pdu,) = read(cut)
        assert isinstance(pdu, Pdu)
        self.assertEqual(pdu.text("message_id"), "abc")

    def test_optional_parameters(self) -> None:
        data = DELIVER + b"\x02\x0c\0\x01\x07" + b"\x14\x00\0\x02ab" + b"\x04\x24\0\x03xyz" + b"\x99\0\0\xffabc"
        (pdu,) = read(len(data).to_bytes(4) + data[4:])
        assert isinstance(pdu, Pdu)
        self.assertEqual(pdu.optional_number("sar_msg_ref_num"), 7)  # of one octet, though it should have two
        self.assertEqual(pdu.option("message_payload"), b"xyz")
        self.assertIsNone(pdu.option("receipted_message_id"))

    def test_pieces(self) -> None:
        data = DELIVER * 3
        for at in range(len(data)):
            reader = Reader(70_000)
            found = [*reader.feed(data[:at]), *reader.feed(data[at:])]
            self.assertEqual([one.sequence for one in found], [7, 7, 7], at)

    def test_bad_ones(self) -> None:
        for data, status, fatal in (
            (b"\0\0\0\x0f" + bytes(20), consts.SMPP_ESME_RINVCMDLEN, True),
            (b"\0\0\0\0" + bytes(20), consts.SMPP_ESME_RINVCMDLEN, True),
            (b"\xff\xff\xff\xff", consts.SMPP_ESME_RINVCMDLEN, True),
            (b"\0\0\0\x10\0\0\0\x77\0\0\0\0\0\0\0\x05", consts.SMPP_ESME_RINVCMDID, False),
            (b"\0\0\0\x10\0\0\0\x05\0\0\0\0\0\0\0\x05", consts.SMPP_ESME_RINVMSGLEN, False),
            ((len(DELIVER) - 1).to_bytes(4) + DELIVER[4:-1], consts.SMPP_ESME_RINVMSGLEN, False),
        ):
            with self.subTest(data=data):
                (bad,) = read(data)
                assert isinstance(bad, BadPdu)
                self.assertEqual((bad.status, bad.fatal), (status, fatal))

    def test_the_largest(self) -> None:
        self.assertIsInstance(Reader(len(DELIVER)).feed(DELIVER)[0], Pdu)
        self.assertIsInstance(Reader(len(DELIVER) - 1).feed(DELIVER)[0], BadPdu)

    @given(st.integers(0, 0x15), st.booleans(), st.binary(max_size=120))
    def test_any_content(self, command: int, response: bool, body: bytes) -> None:
        head = (16 + len(body)).to_bytes(4) + (command | response << 31).to_bytes(4) + bytes(8)
        for one in read(head + body):
            if isinstance(one, Pdu):
                report_in(one, one.fields.get("short_message") or b"")

    @given(st.binary(max_size=60))
    def test_anything(self, data: bytes) -> None:
        read(data)

    def test_what_can_not_be_sent(self) -> None:
        self.assertRaises(ValueError, encode, "submit_sm", 1, data_coding=256)


class Statuses(unittest.TestCase):
    def test_what_they_mean(self) -> None:
        for status, kind, condition in (
            (0x0B, Kind.PERMANENT, Condition.ITEM_NOT_FOUND),
            (0x0A, Kind.PERMANENT, Condition.NOT_ACCEPTABLE),
            (0x08, Kind.TEMPORARY, Condition.REMOTE_SERVER_TIMEOUT),
            (0x58, Kind.THROTTLED, Condition.RESOURCE_CONSTRAINT),
            (0x14, Kind.THROTTLED, Condition.RESOURCE_CONSTRAINT),
            (0x101, Kind.PERMANENT, Condition.NOT_ALLOWED),
            (0x432, Kind.TEMPORARY, Condition.REMOTE_SERVER_TIMEOUT),  # a vendor's
        ):
            with self.subTest(status=status):
                found = meaning(status)
                self.assertEqual((found.kind, found.condition), (kind, condition))
                self.assertEqual(found.kind is Kind.THROTTLED, status in THROTTLING)

    def test_what_the_operator_knows_better(self) -> None:
        self.assertEqual(meaning(0x432, permanent=(0x432,)).kind, Kind.PERMANENT)
        self.assertEqual(meaning(0x0B, permanent=(0x0B,)).condition, Condition.ITEM_NOT_FOUND)
        self.assertEqual(meaning(0x0B, temporary=(0x0B,)).kind, Kind.TEMPORARY)


class Reports(unittest.TestCase):
    TEXT = b"id:0123456789 sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:%s err:%s text:Hi id:5"

    def test_in_the_text(self) -> None:
        pdu = deliver(self.TEXT % (b"DELIVRD", b"000"), esm_class=4)
        found = report_in(pdu, pdu.fields["short_message"])
        self.assertEqual(found, Report("0123456789", "DELIVRD", "000"))
        assert found is not None
        self.assertTrue(found.delivered)
        self.assertIsNone(found.failure)

    def test_in_parameters(self) -> None:
        pdu = deliver(b"", esm_class=4, receipted_message_id="abc", message_state=5)
        found = report_in(pdu, b"")
        self.assertEqual(found, Report("abc", "UNDELIV"))
        assert found is not None
        self.assertEqual(found.failure, "it can't be delivered")

    def test_without_the_bit(self) -> None:
        pdu = deliver(b"", receipted_message_id="abc", message_state=2)
        self.assertEqual(report_in(pdu, b""), Report("abc", "DELIVRD"))

    def test_messages(self) -> None:
        pdu = deliver(self.TEXT % (b"DELIVRD", b"000"))
        self.assertIsNone(report_in(pdu, pdu.fields["short_message"]))

    def test_states(self) -> None:
        for state, delivered, failed in (
            (b"DELIVRD", True, False), (b"delivrd", True, False), (b"EXPIRED", False, True), (b"DELETED", False, True),
            (b"UNDELIV", False, True), (b"REJECTD", False, True), (b"ACCEPTD", False, False),
            (b"ENROUTE", False, False), (b"UNKNOWN", False, False), (b"nonsense", False, False),
        ):  # fmt: skip
            pdu = deliver(self.TEXT % (state, b"012"), esm_class=4)
            found = report_in(pdu, pdu.fields["short_message"])
            assert found is not None
            self.assertEqual((found.delivered, bool(found.failure)), (delivered, failed), state)
            if failed:
                self.assertIn("(error 012)", found.failure or "")

    def test_on_the_way(self) -> None:
        """An intermediate notification says nothing that is final."""
        pdu = deliver(self.TEXT % (b"UNDELIV", b"012"), esm_class=0x20)
        found = report_in(pdu, pdu.fields["short_message"])
        assert found is not None
        self.assertIsNone(found.failure)

    def test_names(self) -> None:
        for ids, answered, reported in (
            ("same", "7B", "7B"),
            ("hex-to-decimal", "7B", "0000000123"),
            ("hex-to-decimal", "7b", "123"),
            ("decimal-to-hex", "123", "7B"),
        ):
            made: Any = ids
            self.assertEqual(reference(answered, made), reference(reported, made, reported=True), ids)
        self.assertEqual(reference("a-b", "hex-to-decimal"), "a-b")
