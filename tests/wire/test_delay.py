"""Dates, times, offsets and delay stamps against the examples of XEP-0082, XEP-0202 and XEP-0203."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.delay import delay, format_datetime, format_offset, parse_datetime, without
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message
from xmppd.wire.xml import parse

MOON = datetime(1969, 7, 21, 2, 56, 15, tzinfo=UTC).timestamp()


class DateTimes(SynchronousTestCase):
    def test_examples(self) -> None:
        """XEP-0082, examples 2 and 3."""
        self.assertEqual(format_datetime(MOON), "1969-07-21T02:56:15Z")
        self.assertEqual(parse_datetime("1969-07-21T02:56:15Z"), MOON)
        self.assertEqual(parse_datetime("1969-07-20T21:56:15-05:00"), MOON)

    def test_other_forms(self) -> None:
        for text, seconds in (
            ("1970-01-01T00:00:00.5Z", 0.5),
            ("1970-01-01T00:00:00.1234567891Z", 0.123456),
            ("1970-01-01T05:30:00+05:30", 0.0),
            (" 1970-01-01T00:00:01Z\n", 1.0),
        ):
            self.assertEqual(parse_datetime(text), seconds, text)

    def test_not_datetimes(self) -> None:
        for text in (
            "", "1969-07-21", "1969-07-21T02:56:15", "19690721T02:56:15", "1969-07-21 02:56:15Z",
            "1969-13-21T02:56:15Z", "1969-07-21T24:56:15Z", "1969-07-21T02:56:15+99:00", "1969-07-21T02:56:15+02:60",
            "11969-07-21T02:56:15Z",
            "１969-07-21T02:56:15Z", "1969-07-21T02:56:15.Z",
        ):  # fmt: skip
            self.assertRaises(ValueError, parse_datetime, text)

    def test_digits(self) -> None:
        self.assertEqual(format_datetime(0.9999995, 3), "1970-01-01T00:00:01.000Z")
        self.assertEqual(format_datetime(1.25, 6), "1970-01-01T00:00:01.250000Z")
        self.assertEqual(format_datetime(1.25, 1), "1970-01-01T00:00:01.2Z")
        self.assertEqual(format_datetime(-62135596800.0), "0001-01-01T00:00:00Z")

    @given(st.integers(-62135596800, 253402300799))
    def test_there_and_back(self, seconds: int) -> None:
        self.assertEqual(parse_datetime(format_datetime(seconds)), seconds)


class Offsets(SynchronousTestCase):
    def test_offsets(self) -> None:
        for seconds, text in ((0, "+00:00"), (-21600, "-06:00"), (19800, "+05:30"), (-12600, "-03:30")):
            self.assertEqual(format_offset(seconds), text)


class Stamps(SynchronousTestCase):
    def test_stamp(self) -> None:
        when = parse_datetime("2002-09-10T23:08:25Z")
        stamped = delay(Jid.parse("capulet.com"), when, "Offline Storage")
        self.assertEqual(
            stamped,
            b"<delay xmlns='urn:xmpp:delay' from='capulet.com' stamp='2002-09-10T23:08:25Z'>Offline Storage</delay>",
        )
        self.assertEqual(parse(delay(Jid.parse("a.example"), 0.0))[0]["stamp"], "1970-01-01T00:00:00Z")


class ForgedStamps(SynchronousTestCase):
    """XEP-0203, section 6: what claims to be somebody's own is taken out by them."""

    BODY = b"<body>Art thou not Romeo?</body>"
    OURS = b"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2002-09-10T23:08:25Z'/>"
    THEIRS = b"<delay xmlns='urn:xmpp:delay' from='other.example' stamp='2002-09-10T23:08:25Z'/>"
    host = Jid.parse("example.org")

    def test_ours_go(self) -> None:
        message = Message(payload=self.BODY + self.OURS + self.THEIRS)
        self.assertEqual(without(message, self.host).payload, self.BODY + self.THEIRS)

    def test_however_it_is_written(self) -> None:
        message = Message(payload=self.BODY + self.OURS.replace(b"example.org", b"Example.ORG"))
        self.assertEqual(without(message, self.host).payload, self.BODY)

    def test_others_stay(self) -> None:
        for payload in (self.BODY, self.BODY + self.THEIRS, self.BODY + self.THEIRS.replace(b"other.example", b"@")):
            message = Message(payload=payload)
            self.assertIs(without(message, self.host), message)
