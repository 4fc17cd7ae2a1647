"""Mails, as they are read and written: also those that mean harm."""

from __future__ import annotations

import email
import unittest
from email.utils import parseaddr

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.email.addresses import is_within, new_token, parse_address
from xmppd.plugins.email.composing import Draft, compose, one_line
from xmppd.plugins.email.judging import goes_in_circles, is_authenticated, is_automatic, read_report
from xmppd.plugins.email.reading import BadMail, Letter, parse, read_letter
from xmppd.plugins.email.text import html_to_text, without_quotes

NAMES = (
    "From", "Subject", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Message-ID", "References",
    "Date", "Auto-Submitted", "Authentication-Results", "MIME-Version",
)  # fmt: skip
VALUES = (
    "multipart/mixed; boundary=x", "multipart/report; boundary=x", "message/rfc822", "message/delivery-status",
    "text/html; charset=x", "base64", "quoted-printable", "x-uuencode", "attachment; filename*=x''%%", "=?utf-8?b?x?=",
    "=?x?q?=?=", '"', "<a@b", "Mon, 99 Foo 1 1:1:1 +9",
)  # fmt: skip


def letter(text: str | bytes) -> Letter:
    """Read a mail."""
    return read_letter(parse(text.encode() if isinstance(text, str) else text))


class AddressTests(unittest.TestCase):
    def test_addresses(self) -> None:
        """XEP-0106, examples 9, 10 and 15."""
        for text, address in (
            (" Friar@Lawrence.Example ", "friar@lawrence.example"),
            ("mailto:friar@lawrence.example?subject=x", "friar@lawrence.example"),
            (
                "mailto:here%27s_a_wild_%26_%2Fcr%zy%2F_address@example.com?subject=that%20is%20crazy%21",
                "here's_a_wild_&_/cr%zy/_address@example.com",
            ),
            ("a.b+c@example.com", "a.b+c@example.com"),
            ("x@Bücher.example", "x@xn--bcher-kva.example"),
            (f"{'x' * 64}@example.com", f"{'x' * 64}@example.com"),
        ):
            self.assertEqual(parse_address(text), address)
            self.assertEqual(parse_address(address), address)

    def test_what_is_none(self) -> None:
        for text in (
            "", "@", "friar", "friar@", "@example.com", "friar@localhost", "a b@example.com", '"a"@example.com',
            "ä@example.com",
            "a..b@example.com", ".a@example.com", "a@-x.example", "a@example..com", "a@[192.0.2.1]", "a@b@example.com",
            "a@example.com\nRCPT TO:<b@example.com>", f"{'x' * 65}@example.com", f"a@{'x' * 64}.example",
            "a\x00@example.com",
        ):  # fmt: skip
            with self.subTest(text), self.assertRaises(ValueError):
                parse_address(text)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        try:
            address = parse_address(text)
        except ValueError:
            return
        self.assertRegex(address, r"\A[!-~]+@[a-z0-9.-]+\Z")
        self.assertEqual(parse_address(address), address)

    def test_domains(self) -> None:
        self.assertTrue(is_within("a.example", ("example",)))
        self.assertTrue(is_within("example", ("Example",)))
        self.assertFalse(is_within("badexample", ("example",)))

    def test_tokens(self) -> None:
        self.assertEqual(len({new_token() for _ in range(100)}), 100)
        self.assertEqual(parse_address(f"{new_token()}@example.com").count("@"), 1)


class ReadingTests(unittest.TestCase):
    def test_headers(self) -> None:
        read = letter(
            "From: =?utf-8?q?Fr=C3=A8re?= Laurent <Friar@Lawrence.example>\n"
            "Subject: =?iso-8859-1?q?Gr=FC=DFe?=\n and more\n"
            "Message-ID: <3@x>\nReferences: <1@x>\n <2@x>\nIn-Reply-To: <2@x>\n"
            "Date: Thu, 01 Jan 1970 01:00:10 +0100\n\nhi\n"
        )
        self.assertEqual((read.name, read.sender), ("Frère Laurent", "friar@lawrence.example"))
        self.assertEqual((read.subject, read.text, read.date), ("Grüße and more", "hi", 10.0))
        self.assertEqual((read.id, read.answers, read.root), ("<3@x>", ("<2@x>", "<1@x>"), "<1@x>"))

    def test_senders(self) -> None:
        for line, name, sender in (
            ("Friar <a@x.example>", "Friar", "a@x.example"),
            ("a@x.example", "", "a@x.example"),
            ("=?utf-8?b?PGJAeS5leGFtcGxlPg==?= <a@x.example>", "<b@y.example>", "a@x.example"),
            ('"b@y.example" <a@x.example>', "b@y.example", "a@x.example"),
            ("a@x.example, b@y.example", "", ""),
            ("a@x.example\nFrom: b@y.example", "", ""),
            ("(" * 1900, "", ""),
            ("nobody", "", ""),
            ("Group: a@x.example;", "", "a@x.example"),
        ):
            with self.subTest(line):
                read = letter(f"From: {line}\n\nhi")
                self.assertEqual((read.name, read.sender), (name, sender))

    def test_control_characters(self) -> None:
        """A database may not take them."""
        read = letter(b"Subject: a\x00b=?utf-8?b?AAE=?=c\x7f\n\nhi")
        self.assertNotRegex(read.subject, "[\\x00-\\x1f\\x7f]")

    def test_nothing(self) -> None:
        read = letter("")
        self.assertEqual(read, Letter(sender="", name="", subject="", text=""))

    def test_charsets(self) -> None:
        for charset, content, text in (
            ("iso-8859-1", b"Gr\xfc\xdfe", "Grüße"),
            ("utf-8", "Grüße".encode(), "Grüße"),
            ("us-ascii", "Grüße".encode(), "Grüße"),
            ("no-such-charset", "Grüße".encode(), "Grüße"),
            ("no-such-charset", b"Gr\xfc\xdfe", "Grüße"),
            ("utf-8", b"Gr\xfc", "Gr\ufffd"),
            ("utf-16", b"a", "a"),
            ("base64", b"abc", "abc"),
            ("idna", b"a" * 100, "a" * 100),
            ("\x00", b"a", "a"),
            ("punycode", b"a-bcd", "a-bcd"),
            ("unicode_escape", rb"\ud800\x00", r"\ud800\x00"),
            ("zlib", b"a", "a"),
            ("utf-7", b"+2AA-", "+2AA-"),
            ("windows-1252", b"\x80", "€"),
            ("ISO_8859-15", b"\xa4", "€"),
        ):
            with self.subTest(charset):
                head = f"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n".encode()
                self.assertEqual(letter(head + content).text, text)

    def test_alternatives(self) -> None:
        both = (
            "Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain\n\n{}\n"
            "--x\nContent-Type: text/html\n\n<p>rich</p>\n--x--\n"
        )
        self.assertEqual(letter(both.format("plain")).text, "plain")
        self.assertEqual(letter(both.format("")).text, "rich")

    def test_attachments(self) -> None:
        read = letter(
            "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhi\n"
            "--x\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n"
            "Content-Disposition: inline; filename*=utf-8''%C3%BCber.png\n\nAAAA\n"
            "--x\nContent-Type: message/rfc822\n\nSubject: inner\n\n<b>not shown</b>\n"
            "--x\nContent-Type: text/plain\nContent-Disposition: attachment\n\nnot shown either\n--x--\n"
        )
        self.assertEqual(read.text, "hi")
        self.assertEqual(read.attachments[0], "[attachment: über.png, image/png, 3 octets]")
        self.assertRegex(read.attachments[1], r"\A\[attachment: without a name, message/rfc822, \d+ octets\]\Z")
        self.assertRegex(read.attachments[2], r"\A\[attachment: without a name, text/plain, \d+ octets\]\Z")

    def test_bombs(self) -> None:
        nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(900))
        mixed = b"Content-Type: multipart/mixed; boundary=x"
        for content in (
            nested,
            b"a: b\n" * 1100 + b"\n",
            b"\n" * 100_001,
            mixed + b"\n\n" + b"--x\n" * 2001,
            mixed + b"\n ;" * 10_000 + b"\n\n",
        ):
            with self.assertRaises(BadMail):
                parse(content)
        many = "Content-Type: multipart/mixed; boundary=x\n\n" + "--x\nContent-Type: a/b\n\nc\n" * 300
        self.assertEqual(letter(many).attachments[-1], "[more attachments]")

    @given(st.binary(max_size=2000))
    def test_any_bytes(self, content: bytes) -> None:
        read = letter(content)
        read.text.encode("utf-8", "surrogatepass")
        self.assertNotIn("\n", read.subject)

    @given(st.lists(st.tuples(st.sampled_from(NAMES), st.text() | st.sampled_from(VALUES)), max_size=8), st.text())
    def test_any_mail(self, head: list[tuple[str, str]], body: str) -> None:
        lines = "\n".join(f"{name}: {value}" for name, value in head)
        content = f"{lines}\n\n--x\n{lines}\n\n{body}\n--x--\n".encode("utf-8", "replace")
        mail = parse(content)
        read_letter(mail)
        read_report(mail)
        is_automatic(mail)
        is_authenticated(mail, "x", "a@b")
        goes_in_circles(mail, "x", 3)


class TextTests(unittest.TestCase):
    def test_html(self) -> None:
        for html, text in (
            ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
            ("a &lt;b&gt; &amp; &#9786; &nbsp;c", "a <b> & ☺ c"),
            ("<head><title>no</title><style>p{}</style></head><script>no</script>yes", "yes"),
            ("<ul><li>a</li><li>b</li></ul>", "* a\n* b"),
            ("see <a href='https://x.example/'>here</a> or <a href='https://y.example/'>https://y.example/</a>",
             "see here <https://x.example/> or https://y.example/"),
            ("<a href='javascript:x'>a</a>", "a"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("a<blockquote>b</blockquote>c", "a\n> b\nc"),
            ("<p>unclosed <b>tags", "unclosed tags"),
            (f"&#65;&#{'9' * 5000};<a href='http://x/&#{'9' * 1500};'>a</a>", "A\ufffda <http://x/\ufffd>"),
            ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
        ):  # fmt: skip
            with self.subTest(html):
                self.assertEqual(html_to_text(html), text)

    @given(st.text())
    def test_any_html(self, text: str) -> None:
        html_to_text(text)
        html_to_text(f"<p>{text}</p><a href='{text}'>")

    def test_quotes(self) -> None:
        for text, kept in (
            ("yes\n\nOn 1 Jan 2026 at 12:00, Romeo <r@x> wrote:\n> no\n> > maybe\n", "yes"),
            ("yes\n\nAm 01.01.2026 um 12:00 schrieb\nRomeo <r@x>:\n\n> no\n", "yes"),
            ("yes\n-- \nFriar Lawrence\n", "yes"),
            ("yes\n\n-----Original Message-----\nFrom: x\nno\n", "yes"),
            ("yes\n________________________________\nFrom: x\nno\n", "yes"),
            ("> a\nb\n> c\nd\n> e\n", "> a\nb\n> c\nd"),
            ("> only quoted", "> only quoted"),
            ("I say this:\n> quoted", "I say this:"),
            ("-- \nonly a signature", "-- \nonly a signature".replace("-- ", "--")),
            ("a\r\nb\rc", "a\nb\nc"),
            ("this is what he said on 1 Jan 2026:\nI come", "this is what he said on 1 Jan 2026:\nI come"),
        ):
            with self.subTest(text):
                self.assertEqual(without_quotes(text), kept)

    @given(st.text("> -:\n@1ab"))
    def test_something_stays(self, text: str) -> None:
        self.assertEqual(bool(without_quotes(text)), bool(text.strip()))


class JudgingTests(unittest.TestCase):
    def test_automatic(self) -> None:
        for line, automatic in (
            ("Auto-Submitted: no", False), ("Auto-Submitted: auto-generated; x", True), ("Precedence: Bulk", True),
            ("Precedence: first-class", False), ("List-Unsubscribe: <x>", True), ("X: y", False),
        ):  # fmt: skip
            with self.subTest(line):
                self.assertEqual(is_automatic(parse(f"{line}\n\n".encode())), automatic)

    def test_authenticated(self) -> None:
        for lines, proven in (
            ("Authentication-Results: mx; dmarc=pass header.from=x.example", True),
            ("Authentication-Results: MX 1; spf=pass; dmarc=pass (p=none)", True),
            ("Authentication-Results: mx; dkim=pass header.d=x.example", True),
            ("Authentication-Results: mx; dkim=pass header.i=@x.example", True),
            ("Authentication-Results: mx; dkim=pass header.d=evil.example", False),
            ("Authentication-Results: mx; dkim=fail (dkim=pass) header.d=x.example", False),
            ("Authentication-Results: mx; none", False),
            ("Authentication-Results: evil; dmarc=pass", False),
            ("Authentication-Results: mx; dmarc=fail\nAuthentication-Results: mx; dmarc=pass", False),
            ("Authentication-Results: evil; dmarc=fail\nAuthentication-Results: mx; dmarc=pass", True),
            ("Authentication-Results:", False),
            ("", False),
        ):
            with self.subTest(lines):
                self.assertEqual(is_authenticated(parse(f"{lines}\n\n".encode()), "mx", "a@x.example"), proven)
        self.assertFalse(is_authenticated(parse(b"Authentication-Results: mx; dmarc=pass\n\n"), "mx", ""))

    def test_reports_that_are_none(self) -> None:
        kind = "Content-Type: multipart/report"
        for text in ("a: b\n\nc", f"{kind}; boundary=x\n\nnothing", f"{kind}\n\n"):
            self.assertIsNone(read_report(parse(text.encode())))


class ComposingTests(unittest.TestCase):
    def draft(self, text: str = "hi", subject: str = "x", name: str = "Romeo", footer: str = "") -> bytes:
        to, us = "friar@lawrence.example", "example.org"
        return compose(Draft(name, f"token@{us}", to, subject, text, footer, "<1@x>", (), 0.0, us))

    @given(st.text(), st.text(), st.text())
    def test_nothing_gets_out_of_its_place(self, text: str, subject: str, name: str) -> None:
        content = self.draft(text, subject, name)
        mail = email.message_from_bytes(content)
        names = [key for key, _ in mail.items()]
        self.assertEqual(names, [
            "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Xmppd-Gateway", "MIME-Version",
            "Content-Type", "Content-Transfer-Encoding",
        ])  # fmt: skip
        self.assertEqual(parseaddr(mail["From"])[1], "token@example.org")
        self.assertEqual(mail.defects, [])
        for line in content.split(b"\n"):
            self.assertFalse(line.startswith(b"."))
            self.assertLess(len(line), 999)
        self.assertNotIn(b"\r", content)

    @given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300))
    def test_text_arrives(self, text: str) -> None:
        mail = email.message_from_bytes(self.draft(text))
        content = mail.get_payload(decode=True)
        self.assertEqual(content, f"{text}\n".encode())

    @given(st.text(max_size=100))
    def test_subject_arrives(self, subject: str) -> None:
        read = read_letter(parse(self.draft(subject=subject)))
        self.assertEqual(read.subject, " ".join(one_line(subject).split()))

    def test_long_subjects(self) -> None:
        self.assertEqual(len(one_line("x" * 300)), 200)
        content = self.draft(subject="ü" * 300)
        self.assertLess(max(map(len, content.split(b"\n"))), 80)
