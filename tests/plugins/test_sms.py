"""The SMS gateway: what users send, through a message centre; receipts, errors, restarts."""

from __future__ import annotations

from typing import ClassVar

from smpplib import consts

from tests.plugins.sms_kit import ENDPOINT, NUMBER, SmsCase
from xmppd.plugins.sms.text import UCS2, Header, decode, split_header

RECEIPT = "<request xmlns='urn:xmpp:receipts'/>"
FROM = f"from='{NUMBER}@sms.example.org'"


class Sending(SmsCase):
    def test_a_message(self) -> None:
        self.send("Grüße")
        pdu = self.last()
        self.assertEqual(self.submitted(), [b"Gr\x7e\x1ee"])
        self.assertEqual((pdu.text("source_addr"), pdu.text("destination_addr")), ("4915100000000", "491701234567"))
        self.assertEqual(
            [pdu.number(name) for name in ("source_addr_ton", "dest_addr_ton", "dest_addr_npi")], [1, 1, 1]
        )
        self.assertEqual([pdu.number(name) for name in ("data_coding", "registered_delivery", "esm_class")], [0, 1, 0])
        self.romeo.expect_nothing()

    def test_emoji(self) -> None:
        self.send("😀" * 40)
        headers, texts = zip(*map(split_header, self.submitted()), strict=True)
        reference = headers[0].reference
        self.assertEqual(headers, (Header(reference, 2, 1), Header(reference, 2, 2)))
        self.assertEqual([decode(text, UCS2) for text in texts], ["😀" * 33, "😀" * 7])
        self.assertEqual([pdu.number("esm_class") for pdu in self.centre.submitted], [0x40, 0x40])

    def test_order(self) -> None:
        for n in range(5):
            self.send(str(n))
        self.assertEqual(self.submitted(), [b"0", b"1", b"2", b"3", b"4"])

    def test_who_is_not_registered(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        self.send(client=juliet)
        juliet.expect(f"<message type='error' {FROM} id='m1'>{{...}}<error type='auth'>{{any}}</error></message>")
        self.assertIn("<registration-required ", juliet.received[-1])
        self.assertEqual(self.submitted(), [])

    def refused(self, number: str, condition: str, text: str = "hello") -> None:
        self.send(text, number)
        (error,) = self.romeo.received[-1:]
        self.assertIn(f"<{condition} ", error)
        self.romeo.clear()
        self.assertEqual(self.submitted(), [])

    def test_bad_numbers(self) -> None:
        for number in ("juliet", "+49", "01701234567", "+9991234567"):
            self.refused(number, "item-not-found")

    def test_numbers_that_may_not_be_written_to(self) -> None:
        for number in ("+499001234567", "+881612345678", "72524"):
            self.refused(number, "not-allowed")

    def test_too_long(self) -> None:
        self.refused(NUMBER, "not-acceptable", "a" * 1000)

    def test_empty(self) -> None:
        self.refused(NUMBER, "not-acceptable", "")

    def test_discovery(self) -> None:
        self.romeo.send("<iq type='get' id='1' to='sms.example.org'>"
                        "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>")  # fmt: skip
        answer = self.romeo.take()
        self.assertIn("category='gateway'", str(answer.toXml()))
        self.assertIn("type='sms'", str(answer.toXml()))
        self.assertIn("urn:xmpp:receipts", str(answer.toXml()))


class Choices(SmsCase):
    options: ClassVar = {
        "default_prefix": "+49", "sender": "xmppd", "short_codes": ["72524"], "premium": True, "max_parts": 2,
        "allowed_prefixes": ["+49", "+43"], "denied_prefixes": ["+4917"],
        "numbers": {"+4366412345": "juliet@example.org"},
    }  # fmt: skip
    smpp: ClassVar = {"service_type": "CMT", "validity_minutes": 1500, "long_messages": "payload", "reports": False,
                      "alphabet": "latin1"}  # fmt: skip

    def test_the_sender(self) -> None:
        self.send(number="+49160123456")
        pdu = self.last()
        self.assertEqual((pdu.text("source_addr"), pdu.number("source_addr_ton")), ("xmppd", 5))
        self.assertEqual((pdu.text("service_type"), pdu.text("validity_period")), ("CMT", "000001010000000R"))
        self.assertEqual(pdu.number("registered_delivery"), 0)

    def test_addresses_of_numbers(self) -> None:
        query = "<query xmlns='jabber:iq:gateway'>{}</query>"
        ask = f"<iq type='set' id='1' to='sms.example.org'>{query.format('<prompt>{}</prompt>')}</iq>"
        for typed, answer in (
            ("0160 / 12 34 56", query.format("<jid>+49160123456@sms.example.org</jid>")),
            ("juliet", "{...}<error type='modify'>{any}</error>"),
        ):
            self.romeo.send(ask.format(typed))
            type_ = "error" if "error" in answer else "result"
            self.romeo.expect(f"<iq type='{type_}' id='1'>{answer}</iq>")

    def test_a_number_of_ones_own(self) -> None:
        self.send(number="+49160123456", client=self.register("juliet@example.org/balcony"))
        self.assertEqual(self.last().text("source_addr"), "4366412345")

    def test_national_numbers(self) -> None:
        self.send(number="0160123456")
        self.assertEqual(self.last().text("destination_addr"), "49160123456")

    def test_short_codes(self) -> None:
        self.send(number="72524")
        self.assertEqual((self.last().text("destination_addr"), self.last().number("dest_addr_ton")), ("72524", 0))

    def test_prefixes(self) -> None:
        for number in (NUMBER, "+33612345678"):
            self.send(number=number)
            self.assertIn("<not-allowed ", self.romeo.received[-1])
        self.send(number="+499001234567")
        self.assertEqual(len(self.submitted()), 1)

    def test_as_a_whole(self) -> None:
        self.send("ä" * 300, "+49160123456")
        self.assertEqual(self.last().option("message_payload"), "ä".encode("latin-1") * 300)
        self.assertEqual(self.last().number("esm_class"), 0)
        self.send("ä" * 307, "+49160123456")
        self.assertIn("<not-acceptable ", self.romeo.received[-1])


class WideReferences(SmsCase):
    smpp: ClassVar = {"wide_references": True}

    def test_two_octets(self) -> None:
        self.send("a" * 200)
        self.assertTrue(all(text.startswith(b"\x06\x08\x04") for text in self.submitted()))
        self.assertEqual([len(text) for text in self.submitted()], [7 + 152, 7 + 48])


class Receipts(SmsCase):
    def test_delivered(self) -> None:
        self.send(more=RECEIPT)
        self.romeo.expect_nothing()
        self.report("m1", "ACCEPTD")
        self.romeo.expect_nothing()
        self.report("m1")
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")
        self.report("m1")
        self.romeo.expect_nothing()

    def test_nobody_wants_one(self) -> None:
        self.send()
        self.report("m1")
        self.romeo.expect_nothing()

    def test_of_all_parts_in_any_order(self) -> None:
        self.send("a" * 400, more=RECEIPT)
        for name in ("m3", "m1"):
            self.report(name)
            self.romeo.expect_nothing()
        self.report("m2")
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")

    def test_before_the_answer(self) -> None:
        self.centre.before_answer = lambda session, name: session.report(name)
        self.send(more=RECEIPT)
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")

    def test_failures(self) -> None:
        self.send()
        self.report("m1", "UNDELIV", "027")
        self.romeo.expect(f"<message type='error' {FROM} id='m1'><body>hello</body>"
                          "<error type='cancel'>{any}</error></message>")  # fmt: skip
        self.assertIn("<recipient-unavailable ", self.romeo.received[-1])
        self.assertIn("it can't be delivered (error 027)", self.romeo.received[-1])

    def test_a_part_that_fails(self) -> None:
        self.send("a" * 400, more=RECEIPT)
        self.report("m1")
        self.report("m2", "EXPIRED")
        self.romeo.expect("<message type='error'>{...}<error type='cancel'>{any}</error></message>")
        self.report("m3")
        self.romeo.expect_nothing()

    def test_after_a_restart(self) -> None:
        self.send(more=RECEIPT)
        self.restart()
        self.pump(1)
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.clear()
        self.report("m1")
        romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")

    def test_unknown_ones(self) -> None:
        self.report("nobody")
        self.romeo.expect_nothing()


class OtherNames(SmsCase):
    smpp: ClassVar = {"report_ids": "hex-to-decimal"}

    def test_hexadecimal(self) -> None:
        names: list[str] = []
        self.centre.before_answer = lambda session, name: names.append(name)
        self.centre.name = lambda: "1F"
        self.send(more=RECEIPT)
        self.report("0000000031")
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")


class Troubles(SmsCase):
    options: ClassVar = {"retry_seconds": 10.0, "give_up_hours": 0.02}
    smpp: ClassVar = {"permanent_errors": [0x432], "temporary_errors": [0x0B], "throttle_seconds": 2.0,
                      "response_seconds": 5.0}  # fmt: skip

    def test_permanent(self) -> None:
        self.centre.statuses = [consts.SMPP_ESME_RINVSRCADR]
        self.send()
        self.romeo.expect(f"<message type='error' {FROM} id='m1'>{{...}}<error type='modify'>{{any}}</error></message>")
        self.assertIn("<not-acceptable ", self.romeo.received[-1])

    def test_what_the_operator_calls_permanent(self) -> None:
        self.centre.statuses = [0x432]
        self.send()
        self.assertIn("<not-allowed ", self.romeo.received[-1])

    def test_temporary(self) -> None:
        self.centre.statuses = [consts.SMPP_ESME_RSYSERR, 0x0B]
        self.send()
        self.romeo.expect_nothing()
        self.pump(40)
        self.assertEqual(self.submitted(), [b"hello"] * 3)
        self.romeo.expect_nothing()

    def test_given_up(self) -> None:
        self.centre.statuses = [consts.SMPP_ESME_RSYSERR] * 100
        self.send()
        self.pump(200)
        self.romeo.expect(f"<message type='error' {FROM}>{{...}}<error type='wait'>{{any}}</error></message>")
        self.assertIn("<remote-server-timeout ", self.romeo.received[-1])
        self.assertIn("can't take it now", self.romeo.received[-1])

    def test_throttled(self) -> None:
        self.centre.statuses = [0x58, 0x14]
        self.send("1")
        self.pump(10, step=0.5)
        self.assertEqual(self.submitted(), [b"1"] * 3)
        self.romeo.expect_nothing()

    def test_no_link(self) -> None:
        del self.network.peers[ENDPOINT]
        self.network.links[0].cut()
        self.send("1")
        self.send("2")
        self.assertEqual(self.submitted(), [])
        self.network.peers[ENDPOINT] = self.centre
        self.pump(20)
        self.assertEqual(self.submitted(), [b"1", b"2"])

    def test_the_link_breaks_in_the_middle(self) -> None:
        """Nobody knows whether the centre has it; so it is sent again. Parts that were answered are not."""
        self.centre.before_answer = lambda session, name: self.network.links[0].cut() if name == "m2" else None
        self.send("a" * 400, more=RECEIPT)
        self.assertEqual(len(self.submitted()), 2)
        self.pump(60)
        numbers = [header.number for text in self.submitted() if (header := split_header(text)[0])]
        self.assertEqual(numbers, [1, 2, 2, 3])
        self.assertEqual(len({text[3] for text in self.submitted()}), 1)  # one reference
        for name in ("m1", "m3", "m4"):
            self.report(name)
        self.romeo.expect(f"<message {FROM} type='chat'><received xmlns='urn:xmpp:receipts' id='m1'/></message>")

    def test_no_answer(self) -> None:
        self.centre.mute = {"submit_sm"}
        self.send()
        self.pump(6)
        self.centre.mute = set()
        self.pump(30)
        self.assertEqual(self.submitted(), [b"hello"] * 2)

    def test_killed(self) -> None:
        """What was accepted is sent, even if the server is killed before."""
        del self.network.peers[ENDPOINT]
        self.network.links[0].cut()
        self.send("1")
        self.kill()
        self.network.peers[ENDPOINT] = self.centre
        self.pump(60)
        self.assertEqual(self.submitted(), [b"1"])

    def test_killed_between_two_parts(self) -> None:
        self.centre.before_answer = lambda session, name: setattr(self.centre, "mute", {"submit_sm"})
        self.send("a" * 400)
        self.assertEqual(len(self.submitted()), 2)
        self.centre.before_answer = lambda session, name: None
        self.kill()
        self.centre.mute = set()
        self.pump(60)
        numbers = [header.number for text in self.submitted() if (header := split_header(text)[0])]
        self.assertEqual(numbers, [1, 2, 2, 3])

    def test_other_options(self) -> None:
        table = {"smpp": {"endpoint": ENDPOINT, "system_id": "other"}, "sender": "+43123456789"}
        self.wait(self.host.registry.reconfigure("sms", table), 10)
        self.pump(1)
        self.assertEqual(self.centre.heard[-1].fields["system_id"], b"other")  # type: ignore[union-attr]
        self.send()
        self.assertEqual(self.last().text("source_addr"), "43123456789")
        self.wait(self.host.registry.reconfigure("sms", {**table, "sender": "xmppd"}), 10)
        self.assertEqual(len(self.centre.sessions), 2)  # which has nothing to do with the link
        self.send()
        self.assertEqual(self.last().text("source_addr"), "xmppd")


class NoNetwork(SmsCase):
    smpp: ClassVar = {"endpoint": ""}

    def test_refused(self) -> None:
        self.send()
        self.assertIn("<service-unavailable ", self.romeo.received[-1])
        self.assertIn("smpp.endpoint is not set", self.romeo.received[-1])
