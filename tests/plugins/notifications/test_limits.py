"""What is refused, and where the limits are."""

from __future__ import annotations

from pydantic import ValidationError

from tests.plugins.notifications.kit import NotificationCase
from xmppd.plugins.notifications.options import NotificationOptions

ROMEO = "romeo@example.org"
DAY = 86_400


class RefusalTests(NotificationCase):
    config = {"notifications": {
        "title_characters": 10, "body_characters": 20, "uri_characters": 30, "data_octets": 12, "max_ttl_seconds": 3600,
        "ttl_seconds": 1800, "schedule_days": 2, "expression_characters": 60, "csv_accounts": 2, "tags_per_account": 2,
        "aliases_per_account": 2, "segments": 1, "devices_per_account": 2, "device_days": 10, "rate": 1000.0,
    }}  # fmt: skip

    def setUp(self) -> None:
        super().setUp()
        self.account(ROMEO)

    def test_messages(self) -> None:
        for wrong, words in (
            ({"title": "x" * 11}, "title: 11 characters are too many, 10 are allowed"),
            ({"title": "a\x00"}, "title: there are characters in it that XML can't express"),
            ({"body": "x" * 21}, "body: 21 characters are too many"),
            ({"body": "\ufffe"}, "body: there are characters"),
            ({"title": " ", "body": ""}, "neither a title nor a body"),
            ({"uri": "no scheme"}, "uri: a URI is expected"),
            ({"uri": "https://example.org/" + "x" * 20}, "uri: 40 characters are too many"),
            ({"image": "javascript:alert(1)"}, "image: a URL that begins with https://"),
            ({"image": "https://[x"}, "image: a URL that begins with https://"),
            ({"data": "a"}, "data: key=value is expected, not 'a'"),
            ({"data": "a b=c"}, "data: 'a b' is no name"),
            ({"data": "a=1234567890,b=1"}, "data: 13 octets are too many, 12 are allowed"),
            ({"data": "{"}, "data: that is no JSON"),
            ({"data": '{"a": []}'}, "data: texts and numbers"),
            ({"ttl": "soon"}, "ttl: 'soon' is no duration"),
            ({"ttl": "2h"}, "ttl: more than 0 and at most 3600 seconds"),
            ({"ttl": "0s"}, "ttl: more than 0"),
            ({"at": "yesterday"}, "at: 'yesterday' is neither"),
            ({"at": "2025-12-31"}, "at: that is in the past"),
            ({"at": "3d"}, "at: at most 2 days ahead"),
            ({"rate": -1.0}, "rate: a positive number"),
            ({"rate": float("nan")}, "rate: a positive number"),
            ({"roads": "sea"}, "roads: one or more of live, push"),
            ({"roads": ""}, "roads: one or more"),
            ({"collapse": "x" * 200}, "collapse: 200 characters are too many"),
            ({"priority": "urgent"}, "must be one of high, normal, low"),
            ({"to": "tag:" + "x" * 60}, "to: 64 characters are too many, 60 are allowed"),
            ({"csv": "a@example.org\nb@example.org\nc@example.org"}, "csv: more than 2 accounts are too many"),
            ({"csv": 'x,"' + "y" * 200_000}, "csv: line"),
        ):
            with self.subTest(wrong=wrong):
                self.assertIn(
                    words, self.refused("notification send", **{"to": "all", "title": "t", "body": "", **wrong})
                )
        self.assertEqual(self.run_operation("notification list"), [])

    def test_ids_and_lists(self) -> None:
        for id in ("x", "0" * 31, "F" * 32, "f" * 32, "8" + "0" * 31):
            self.assertIn("is no id", self.refused("notification show", id=id))
        self.assertIn("no such notification", self.refused("notification cancel", id="0" * 32))
        for limit in (0, -1, 1001):
            self.assertIn("from 1 to 1000", self.refused("notification list", limit=limit))
        self.assertIn("is no id", self.refused("notification list", after="x"))

    def test_the_default_ttl(self) -> None:
        id = self.send("all", "t", "")
        self.pump(1810, step=60)
        self.assertEqual(self.counts(id), {"expired": 1})

    def test_people(self) -> None:
        self.assertIn("at most 2 tags", self.refused("tag set", account=ROMEO, tags="a,b,c"))
        self.run_operation("tag set", account=ROMEO, tags="a,b")
        self.assertIn("at most 2 tags", self.refused("tag set", account=ROMEO, tags="c", add=True))
        for alias in ("a", "b", "a"):
            self.run_operation("alias set", account=ROMEO, alias=alias)
        self.assertIn("has 2 aliases", self.refused("alias set", account=ROMEO, alias="c"))
        self.run_operation("segment add", name="a", expression="all")
        self.run_operation("segment add", name="a", expression="online")
        self.assertIn("there are 1 segments", self.refused("segment add", name="b", expression="all"))
        self.assertIn("60 characters", self.refused("segment add", name="a", expression="all or " * 20))
        self.assertIn("refer to a file", self.refused("segment add", name="a", expression="csv"))

    def test_devices(self) -> None:
        for resource in ("one", "two", "three"):
            self.login(f"romeo@example.org/{resource}", presence=True).close()
            self.pump(10)
        self.assertEqual([one["id"] for one in self.run_operation("device list")], ["three", "two"])
        self.pump(11 * DAY, step=1800)
        self.assertEqual(self.run_operation("device list"), [])

    def test_descriptions(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        for value in ("x" * 129, "a&#10;b"):
            romeo.send(f"<iq type='set' id='d'><device xmlns='urn:xmppd:device:0' app='{value}'/></iq>")
            romeo.expect("<iq type='error' id='d'>{...}<error type='modify'>{any}</error></iq>")

    def test_growing_gaps(self) -> None:
        for wrong in ((30, 10), (0, 1), (-1,)):
            self.assertRaises(ValidationError, NotificationOptions, retry_seconds=wrong)
