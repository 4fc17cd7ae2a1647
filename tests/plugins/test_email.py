"""The mail gateway: what becomes of messages, and of the mails that answer them."""

from __future__ import annotations

from email.utils import parseaddr

from tests.plugins.mail import FRIAR, GATEWAY, REGISTER, MailTestCase
from xmppd.api.network import NoConnection
from xmppd.core.plugins.sources import PluginError
from xmppd.plugins.email import _bare
from xmppd.plugins.email.options import MailOptions
from xmppd.wire.jid import Jid

ERROR = "<error type='{}'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error>"
ROMEO = Jid.parse("romeo@example.org")


class OutgoingTests(MailTestCase):
    def registration(self) -> str:
        return "<name>Romeo Montague</name>"

    def test_mail(self) -> None:
        self.chat("Good morrow, father.")
        sender, recipient, content = self.smarthost.mails[0]
        self.assertRegex(sender, rf"\A[a-z2-9]{{24}}@{GATEWAY}\Z")
        self.assertEqual(recipient, "friar@lawrence.example")
        mail = self.mail()
        self.assertEqual(parseaddr(mail["From"]), ("Romeo Montague", sender))
        self.assertEqual(mail["To"], "friar@lawrence.example")
        self.assertEqual(mail["Subject"], "Message from romeo@example.org")
        self.assertEqual(mail["Auto-Submitted"], "no")
        self.assertEqual(mail["X-Xmppd-Gateway"], GATEWAY)
        self.assertEqual(mail["Date"], "Thu, 01 Jan 2026 12:00:00 -0000")
        text = self.text(mail)
        self.assertTrue(text.startswith("Good morrow, father.\n\n-- \nromeo@example.org wrote this"), text)
        self.assertNotIn(b"\n.", content)
        self.romeo.expect_nothing()

    def test_addresses_stay(self) -> None:
        self.chat("a")
        self.chat("b")
        self.chat("c", to=rf"nurse\40capulet.example@{GATEWAY}")
        first, second, third = (sender for sender, _, _ in self.smarthost.mails)
        self.assertEqual(first, second)
        self.assertNotEqual(first, third)

    def test_subject(self) -> None:
        self.chat("a", "<subject>The wedding</subject>")
        self.assertEqual(self.mail()["Subject"], "The wedding")
        self.chat("b")
        self.assertEqual(self.mail()["Subject"], "Re: The wedding")

    def test_conversation(self) -> None:
        """The option ``conversation_hours``: messages without a thread belong together, until nothing is said."""
        self.chat("a")
        self.chat("b")
        first, second = self.mail(), self.mail()
        self.assertIsNone(first["In-Reply-To"])
        self.assertEqual(second["In-Reply-To"], first["Message-ID"])
        self.pump(13 * 3600, step=600)
        self.romeo = self.login("romeo@example.org/orchard")
        self.chat("c")
        self.assertIsNone(self.mail()["In-Reply-To"])

    def test_threads(self) -> None:
        self.chat("a", "<thread>t1</thread><subject>One</subject>")
        self.chat("b", "<thread>t2</thread>")
        self.chat("c", "<thread>t1</thread>")
        one, two, three = self.mail(), self.mail(), self.mail()
        self.assertIsNone(two["In-Reply-To"])
        self.assertEqual((three["In-Reply-To"], three["Subject"]), (one["Message-ID"], "Re: One"))

    def test_nothing_gets_into_the_header(self) -> None:
        self.chat("a", "<subject>x&#10;Bcc: everybody@example.org&#13;&#10;Evil: 1</subject>")
        content = self.smarthost.mails[0][2]
        mail = self.mail()
        self.assertEqual(mail["Subject"], "x Bcc: everybody@example.org Evil: 1")
        self.assertIsNone(mail["Bcc"])
        self.assertIsNone(mail["Evil"])
        self.assertEqual(content.partition(b"\n\n")[0].count(b"Bcc"), 1)

    def test_dots(self) -> None:
        self.chat("a&#10;.&#10;..&#10;QUIT")
        self.assertTrue(self.text(self.mail()).startswith("a\n.\n..\nQUIT\n"))
        self.assertEqual(self.smarthost.mails, [])

    def test_letters(self) -> None:
        self.chat("Grüße ☺")
        self.assertTrue(self.text(self.mail()).startswith("Grüße ☺\n"))

    def test_addresses_that_are_none(self) -> None:
        for local in (
            r"friar",
            r"friar\40localhost",
            rf"x\40{GATEWAY}",
            r"a\20b\40example.com",
            r"\22a\40example.com",
        ):
            self.chat("a", to=f"{local}@{GATEWAY}")
            self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('cancel', 'item-not-found')}</message>")
        self.assertEqual(self.smarthost.mails, [])

    def test_recipient_refused(self) -> None:
        self.smarthost.refuse = (550, "no such user")
        self.chat("a")
        self.romeo.expect(
            f"<message type='error' from='{FRIAR}' id='m1'><body>a</body><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>the mail server refused it: no such user</text>"
            "</error></message>"
        )

    def test_mail_refused(self) -> None:
        self.smarthost.refuse_mail = (554, "looks like spam")
        self.chat("a")
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('modify', 'not-acceptable')}</message>")

    def test_put_off(self) -> None:
        for name in ("refuse", "refuse_mail"):
            setattr(self.smarthost, name, (451, "greylisted"))
            self.chat("a")
            self.pump(20)
            self.assertEqual(self.smarthost.mails, [])
            setattr(self.smarthost, name, None)
            self.pump(60)
            self.assertEqual(len(self.smarthost.mails), 1)
            self.smarthost.mails.clear()
        self.romeo.expect_nothing()

    def test_nobody_there(self) -> None:
        smarthost = self.network.peers.pop("tcp:127.0.0.1:25")
        self.chat("a")
        self.network.peers["tcp:127.0.0.1:25"] = smarthost
        self.pump(40)
        self.assertEqual(len(self.smarthost.mails), 1)

    def test_the_same_id_when_tried_again(self) -> None:
        self.smarthost.refuse_mail = (451, "later")
        self.chat("a")
        self.smarthost.refuse_mail = None
        self.kill()
        self.pump(1)
        queue = self.plugin("email")
        mail = self.mail()
        self.assertIsNone(mail["In-Reply-To"])
        self.assertTrue(mail["Message-ID"].endswith(f"@{GATEWAY}>"))
        self.assertEqual(queue.queue.length, 0)

    def test_silent_server(self) -> None:
        """The option ``smtp_seconds``."""
        self.network.silent = True
        self.chat("a")
        self.pump(61)
        self.network.silent = False
        self.pump(40)
        self.assertEqual(len(self.smarthost.mails), 1)

    def test_unregistered(self) -> None:
        address = self.address()
        self.romeo.send(REGISTER.format("<remove/>"))
        self.pump()
        self.assertTrue(self.bring(address, "Subject: a\n\nb\n").startswith("550 5.1.1"))


class IncomingTests(MailTestCase):
    def test_answer(self) -> None:
        self.chat("Good morrow, father.")
        address, mail = self.smarthost.mails[0][0], self.mail()
        answer = self.bring(
            address,
            f"From: Friar Lawrence <friar@lawrence.example>\nTo: {address}\nSubject: Re: {mail['Subject']}\n"
            f"Message-ID: <1@lawrence.example>\nIn-Reply-To: {mail['Message-ID']}\n\n"
            "Benedicite!\n\nOn 1 Jan 2026 at 12:00, romeo wrote:\n> Good morrow, father.\n\n-- \nFriar\n",
        )
        self.assertEqual(answer, "250 2.0.0 Delivered")
        self.romeo.expect(f"<message from='{FRIAR}' to='{ROMEO}' type='chat'><body>Benedicite!</body></message>")
        self.chat("What early tongue so sweet saluteth me?")
        self.assertEqual(self.mail()["In-Reply-To"], "<1@lawrence.example>")

    def test_new_conversation(self) -> None:
        address = self.address()
        header = "From: friar@lawrence.example\nSubject: {}\nMessage-ID: <{}@x>\nReferences: <1@x>\n\n{}\n"
        self.bring(address, header.format("News", 2, "a"))
        self.romeo.expect(
            "<message type='chat'><subject>News</subject><body>a</body><thread>{thread}</thread></message>"
        )
        self.bring(address, header.format("Re: News", 3, "b"))
        self.romeo.expect("<message type='chat'><body>b</body><thread>{thread}</thread></message>")
        self.bring(address, header.format("Other news", 4, "c"))
        self.romeo.expect(
            "<message type='chat'><subject>Other news</subject><body>c</body><thread>{thread}</thread></message>"
        )
        thread = self.romeo.received[-1].split("<thread>")[1].split("<")[0]
        self.chat("d", f"<thread>{thread}</thread>")
        mail = self.mail()
        self.assertEqual((mail["In-Reply-To"], mail["Subject"]), ("<4@x>", "Re: News"))

    def test_once(self) -> None:
        address = self.address()
        for _ in range(2):
            self.bring(address, "From: friar@lawrence.example\nMessage-ID: <1@x>\n\na\n")
            self.bring(address, "From: friar@lawrence.example\n\nb\n")
        self.assertEqual(sum("<body>a<" in xml for xml in self.romeo.received), 1)
        self.assertEqual(sum("<body>b<" in xml for xml in self.romeo.received), 1)

    def test_another_sender(self) -> None:
        """Whoever writes to the address is not taken for somebody else."""
        address = self.address()
        self.bring(address, "From: Nurse <nurse@capulet.example>\n\na\n")
        self.romeo.expect(
            f"<message from='{FRIAR}' type='chat'><body>[from Nurse nurse@capulet.example]\na</body></message>"
        )
        self.bring(address, "Subject:\n\nb\n")
        self.romeo.expect(f"<message from='{FRIAR}' type='chat'><body>[from nobody]\nb</body></message>")

    def test_attachments(self) -> None:
        address = self.address()
        self.bring(
            address,
            "From: friar@lawrence.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nsee there\n--x\n"
            "Content-Type: application/pdf\nContent-Disposition: attachment; filename=potion.pdf\n\n1234\n--x--\n",
        )
        self.romeo.expect(
            "<message type='chat'><body>see there\n[attachment: potion.pdf, application/pdf, 4 octets]</body></message>"
        )
        self.bring(address, "From: friar@lawrence.example\n\n")
        self.romeo.expect("<message type='chat'><body>[an empty mail]</body></message>")

    def test_a_mail_that_was_late(self) -> None:
        address = self.address()
        self.bring(address, "From: friar@lawrence.example\nDate: Thu, 01 Jan 2026 10:00:00 +0000\n\na\n")
        self.romeo.expect(
            "<message type='chat'><body>a</body>"
            f"<delay xmlns='urn:xmpp:delay' from='{GATEWAY}' stamp='2026-01-01T10:00:00Z'/></message>"
        )

    def test_offline(self) -> None:
        address = self.address()
        self.romeo.close()
        self.bring(address, "From: friar@lawrence.example\n\na\n")
        romeo = self.login("romeo@example.org/phone", presence=True)
        romeo.expect("<message type='chat'><body>a</body>{...}</message>")

    def test_disk_full(self) -> None:
        address = self.address()
        self.disk.broken = "full"
        answer = self.bring(address, "From: friar@lawrence.example\nMessage-ID: <1@x>\n\na\n")
        self.assertEqual(answer, "354 Continue")
        self.pump(6)
        answer = self.bring(address, "From: friar@lawrence.example\nMessage-ID: <2@x>\n\nb\n")
        self.assertTrue(answer.startswith("451 4.3.0"), answer)
        self.disk.broken = None
        self.pump(10)
        self.assertTrue(self.bring(address, "From: friar@lawrence.example\nMessage-ID: <1@x>\n\na\n").startswith("250"))
        self.assertEqual(sum("<body>a<" in xml for xml in self.romeo.received), 1)

    def test_automatic(self) -> None:
        """The option ``automatic``."""
        address = self.address()
        for line in ("Auto-Submitted: auto-replied", "Precedence: bulk", "List-Id: <x.example>", "X-Autoreply: yes"):
            answer = self.bring(address, f"From: friar@lawrence.example\n{line}\n\naway\n")
            self.assertTrue(answer.startswith("250"), answer)
        self.bring(address, "From: friar@lawrence.example\n\naway\n", sender="")
        self.romeo.expect_nothing()
        self.wait(self.host.registry.reconfigure("email", {"automatic": True}))
        self.bring(address, "From: friar@lawrence.example\nAuto-Submitted: auto-replied\n\naway\n")
        self.romeo.expect("<message type='chat'><body>away</body></message>")

    def test_circles(self) -> None:
        """The option ``hops``."""
        self.chat("a")
        address, _, content = self.smarthost.mails[0]
        self.assertEqual(self.bring(address, content), "554 5.4.6 This mail goes in circles")
        self.wait(self.host.registry.reconfigure("email", {"hops": 3}))
        hops = "Received: from a by b\n" * 4
        self.assertTrue(self.bring(address, f"{hops}From: friar@lawrence.example\n\na\n").startswith("554 5.4.6"))
        self.romeo.expect_nothing()

    def test_too_many(self) -> None:
        """The option ``mails_per_hour``."""
        address = self.address()
        self.wait(self.host.registry.reconfigure("email", {"mails_per_hour": 2}))
        answers = [self.bring(address, f"From: friar@lawrence.example\n\n{n}\n")[:3] for n in range(3)]
        self.assertEqual(answers, ["250", "250", "451"])
        self.pump(3600, step=60)
        self.assertTrue(self.bring(address, "From: friar@lawrence.example\n\na\n").startswith("250"))

    def test_proven(self) -> None:
        """The option ``authserv_id``."""
        address = self.address()
        self.wait(self.host.registry.reconfigure("email", {"authserv_id": "mx.example.org"}))
        mail = "Authentication-Results: {}; dmarc={}\nFrom: friar@lawrence.example\n\na\n"
        self.assertTrue(self.bring(address, mail.format("mx.example.org", "fail")).startswith("550 5.7.26"))
        self.assertTrue(self.bring(address, mail.format("elsewhere", "pass")).startswith("550 5.7.26"))
        self.assertTrue(self.bring(address, mail.format("mx.example.org", "pass")).startswith("250"))
        self.romeo.expect("<message type='chat'><body>a</body></message>")

    def test_long_text(self) -> None:
        """The options ``max_characters`` and ``max_octets``."""
        address = self.address()
        self.wait(self.host.registry.reconfigure("email", {"max_characters": 10, "max_octets": 1000}))
        self.bring(address, "From: friar@lawrence.example\n\n0123456789abc\n")
        self.romeo.expect("<message type='chat'><body>0123456789 [the rest is left out]</body></message>")
        answer = self.bring(address, f"From: friar@lawrence.example\n\n{'x' * 1000}\n")
        self.assertTrue(answer.startswith("552 5.3.4"), answer)

    def test_a_mail_that_cannot_be_read(self) -> None:
        address = self.address()
        answer = self.bring(address, "Content-Type: multipart/mixed; boundary=x\n\n" + "--x\n\n" * 3000)
        self.assertTrue(answer.startswith("554 5.6.0"), answer)

    def test_contact_info(self) -> None:
        self.romeo.send(
            f"<iq type='set' to='{GATEWAY}' id='g'><query xmlns='jabber:iq:gateway'>"
            "<prompt>Friar@Lawrence.example</prompt></query></iq>"
        )
        self.romeo.expect(f"<iq type='result' id='g'><query xmlns='jabber:iq:gateway'><jid>{FRIAR}</jid></query></iq>")


class BounceTests(MailTestCase):
    def bounce(self, status: str, action: str = "failed") -> None:
        self.chat("a")
        address, mail = self.smarthost.mails[0][0], self.mail()
        answer = self.bring(
            address,
            "From: MAILER-DAEMON@lawrence.example\nAuto-Submitted: auto-replied\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
            "--x\n\nSorry.\n--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
            f"Final-Recipient: rfc822; friar@lawrence.example\nAction: {action}\nStatus: {status}\n"
            "Diagnostic-Code: smtp; 550 it is\n so (very)\n--x\nContent-Type: message/rfc822\n\n"
            f"Message-ID: {mail['Message-ID']}\nSubject: x\n\na\n--x--\n",
            sender="",
        )
        self.assertTrue(answer.startswith("250"), answer)

    def test_failed(self) -> None:
        for status, type_, condition in (
            ("5.1.1", "cancel", "item-not-found"),
            ("5.2.2", "wait", "recipient-unavailable"),
            ("5.7.1", "auth", "forbidden"),
            ("4.4.7", "wait", "remote-server-timeout"),
            ("5.0.0", "cancel", "undefined-condition"),
        ):
            self.bounce(status)
            error = ERROR.format(type_, condition)
            self.romeo.expect(f"<message type='error' from='{FRIAR}' id='m1'><body>a</body>{error}</message>")

    def test_only_late(self) -> None:
        self.bounce("4.4.1", "delayed")
        self.romeo.expect_nothing()

    def test_delivered(self) -> None:
        self.bounce("2.0.0", "delivered")
        self.romeo.expect_nothing()
        self.bounce("5.1.1")
        self.assertEqual(len(self.romeo.received), 1)


class OptionTests(MailTestCase):
    def reconfigure(self, **options: object) -> None:
        self.wait(self.host.registry.reconfigure("email", options))

    def test_addresses(self) -> None:
        """The options ``mail_domain``, ``subject``, ``footer`` and ``recipients``."""
        self.reconfigure(mail_domain="mail.example.org", subject="Hello from {user}", footer="", recipients=["example"])
        self.chat("a")
        self.assertTrue(self.smarthost.mails[0][0].endswith("@mail.example.org"))
        mail = self.mail()
        self.assertEqual(mail["Subject"], "Hello from romeo@example.org")
        self.assertEqual(self.text(mail), "a\n")
        self.chat("a", to=rf"friar\40example.com@{GATEWAY}")
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('cancel', 'item-not-found')}</message>")

    def test_no_port(self) -> None:
        """The option ``listen``."""
        self.assertIn("tcp:2525:interface=127.0.0.1", self.network.peers)
        self.reconfigure(listen="")
        self.assertNotIn("tcp:2525:interface=127.0.0.1", self.network.peers)
        self.reconfigure(listen="tcp:2526")
        self.assertIn("tcp:2526", self.network.peers)

    def test_connections(self) -> None:
        """The option ``connections``."""
        self.reconfigure(connections=1)
        self.connect_mail()
        with self.assertRaises(NoConnection):
            self.connect_mail()

    def test_passwords_are_encrypted(self) -> None:
        """The options ``smarthost``, ``security``, ``server_name``, ``username`` and ``password``."""
        far, login = "tcp:mail.example.org:587", {"username": "romeo", "password": "secret"}
        for table, name in (
            ({"smarthost": far}, "mail.example.org"),
            ({"smarthost": far, "server_name": "mx.example.org", **login}, "mx.example.org"),
            ({"smarthost": far, "security": "none"}, None),
            ({"smarthost": "tls:mail.example.org:465", **login}, None),
            ({**login}, None),
            ({"security": "starttls"}, "127.0.0.1"),
        ):
            self.assertEqual(MailOptions.model_validate(table).starttls_name, name)
        failing = self.host.registry.reconfigure("email", {"smarthost": far, "security": "none", **login})
        with self.assertRaises(PluginError):
            self.wait(failing)

    def test_conversations_are_forgotten(self) -> None:
        """The option ``thread_days``."""
        self.chat("a")
        self.assertEqual(len(self.wait(self.plugin("email")._store.threads(ROMEO, "friar@lawrence.example"))), 1)
        self.reconfigure(thread_days=1.0)
        self.pump(2 * 86400, step=1800)
        self.assertEqual(self.wait(self.plugin("email")._store.threads(ROMEO, "friar@lawrence.example")), [])

    def test_subjects(self) -> None:
        self.assertEqual(_bare("Re: AW:  re: The Wedding"), "the wedding")
