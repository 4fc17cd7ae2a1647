"""The mail gateway: what those who write mails can't make it believe."""

from __future__ import annotations

from unittest import mock

from sqlalchemy import text

from tests.plugins.mail import FRIAR, GATEWAY, MailTestCase
from xmppd.plugins.email.judging import is_authenticated
from xmppd.plugins.email.reading import parse
from xmppd.wire.jid import Jid

NURSE = rf"nurse\40capulet.example@{GATEWAY}"


class AuthenticationResultsTests(MailTestCase):
    def test_what_others_have_put_in(self) -> None:
        """Servers quote what they were told (RFC 8601 section 2.2); none of it is a result."""
        for results in (
            'spf=pass smtp.mailfrom="a; dmarc=pass"@evil.example',
            r'spf=pass smtp.mailfrom="a\"; dmarc=pass ;\""@evil.example',
            "spf=fail (they say (so); dmarc=pass )",
            "spf=fail (they say \\); dmarc=pass )",
            "spf=fail (they say; dmarc=pass",
            'spf=fail (a "; dmarc=pass ) b',
            'spf=fail reason="; dmarc=pass',
            "spf=pass smtp.mailfrom==?utf-8?q?a;_dmarc=3Dpass_?=@evil.example",
            "dmarc=pass-not",
            "dmarc=pass header.from=evil.example",
            'dkim=pass reason="header.d=x.example" header.d=evil.example',
            "dkim=pass x-header.d=x.example header.d=evil.example",
        ):
            with self.subTest(results):
                mail = parse(f"Authentication-Results: mx; {results}\n\n".encode())
                self.assertFalse(is_authenticated(mail, "mx", "a@x.example"))

    def test_what_is_meant(self) -> None:
        for results in (
            'spf=pass smtp.mailfrom="a; b"@evil.example; dmarc=pass header.from=x.example',
            "dkim=pass (ok (really)) header.d=x.example",
            'dkim=pass header.d="x.example"',
            "dkim/1 = pass header.i=somebody@x.example",
            "dmarc=pass (p=none dis=none) header.from=X.example",
        ):
            with self.subTest(results):
                mail = parse(f"Authentication-Results: mx; {results}\n\n".encode())
                self.assertTrue(is_authenticated(mail, "mx", "a@x.example"))


class StrangersTests(MailTestCase):
    def addresses(self) -> tuple[str, str]:
        """The addresses at which two contacts can answer Romeo."""
        self.chat("hi")
        self.chat("hi", to=NURSE)
        found = [sender for sender, _, _ in self.smarthost.mails]
        self.smarthost.mails.clear()
        return found[0], found[1]

    def report(self, *ids: str) -> str:
        parts = "".join(f"--x\nContent-Type: message/rfc822\n\nMessage-ID: {id}\n\n" for id in ids)
        return (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
            "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: failed\nStatus: 5.1.1\n\n"
            f"{parts}--x--\n"
        )

    def test_the_name_of_anothers_mail(self) -> None:
        """A contact who knows the Message-ID of a mail to come can't have it taken for a repetition."""
        friar, nurse = self.addresses()
        mail = "From: {}\nMessage-ID: <1@capulet.example>\n\n{}\n"
        self.bring(friar, mail.format("friar@lawrence.example", "mine"))
        self.bring(nurse, mail.format("nurse@capulet.example", "hers"))
        self.romeo.expect(f"<message from='{FRIAR}' type='chat'><body>mine</body>{{...}}</message>")
        self.romeo.expect(f"<message from='{NURSE}' type='chat'><body>hers</body>{{...}}</message>")

    def test_a_report_on_anothers_mail(self) -> None:
        """Only who was sent a mail, or carried it, knows the address that a report on it goes to."""
        friar, nurse = self.addresses()
        self.chat("good morrow")
        id = str(self.mail()["Message-ID"])
        self.bring(nurse, self.report(id), sender="")
        self.romeo.expect_nothing()
        self.bring(friar, self.report(id), sender="")
        self.romeo.expect(f"<message type='error' from='{FRIAR}'>{{...}}</message>")

    def test_a_report_on_very_many_mails(self) -> None:
        """Each of them costs a transaction."""
        friar, _ = self.addresses()
        email = self.plugin("email")
        self.bring(friar, self.report(*(f"<{number}@x>" for number in range(100))), sender="")
        self.assertLessEqual(len(email.reports._early), 10)

    def test_one_of_the_recipients_is_gone(self) -> None:
        """The others get the mail; it would not be brought again."""
        friar, nurse = self.addresses()
        taking = self.plugin("email")._take("x@x.example", [f"x@{GATEWAY}", friar, nurse], b"From: x@x.example\n\nhi\n")
        answer = self.wait(taking)
        self.assertEqual(answer.code, 250)
        self.assertEqual(sum("hi</body>" in xml for xml in self.romeo.received), 2)

    def test_unregistered_meanwhile(self) -> None:
        """Nothing is kept for who has gone while a mail was delivered."""
        friar, _ = self.addresses()
        email = self.plugin("email")

        async def deliver(user: Jid, *given: object, **more: object) -> bool:
            await email.remove_user(user)
            return True

        with mock.patch.object(email, "deliver", deliver):
            self.assertTrue(self.bring(friar, "From: friar@lawrence.example\n\nhi\n").startswith("250"))
        self.assertEqual(self.threads(), [])

    def test_long_threads(self) -> None:
        """They are part of an index, which takes only so much in some databases."""
        self.chat("a", f"<thread>{'x' * 5000}</thread>")
        self.assertEqual([len(row) for row in self.threads()], [0])

    def threads(self) -> list[str]:
        with self.server.engines.read.connect() as connection:
            return [str(name) for name in connection.scalars(text("SELECT thread FROM email_threads"))]
