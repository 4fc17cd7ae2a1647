"""Who is meant: people by name, alias, tag, group and room, devices by what is known of them; and files."""

from __future__ import annotations

from tests.plugins.notifications.kit import NotificationCase
from xmppd.api import Jid, OperationError

DAY = 86_400


class AudienceTests(NotificationCase):
    plugins = ("notifications", "muc")

    def setUp(self) -> None:
        super().setUp()
        for name in ("romeo", "juliet", "nurse", "paris"):
            self.account(f"{name}@example.org")
        self.romeo = self.login("romeo@example.org/phone", presence=True)
        self.juliet = self.login("juliet@example.org/web", presence=True)
        self.describe(self.romeo, platform="android", app="shop", version="2.0", locale="it")
        self.describe(self.juliet, platform="ios", app="shop", version="2.10")
        self.run_operation("tag set", account="romeo@example.org", tags="news,offers")
        self.run_operation("tag set", account="nurse@example.org", tags="news")
        self.run_operation("alias set", account="juliet@example.org", alias="jule")
        self.run_operation("group add", name="household", account="nurse@example.org")
        self.run_operation("group add", name="household", csv="account\njule\n\n# nobody\nnurse@example.org\n")
        self.settle()

    def describe(self, client: object, **words: str) -> None:
        text = " ".join(f"{name}='{value}'" for name, value in words.items())
        client.send(f"<iq type='set' id='d'><device xmlns='urn:xmppd:device:0' {text}/></iq>")  # type: ignore[attr-defined]
        client.expect("<iq type='result' id='d'/>")  # type: ignore[attr-defined]

    def meant(self, to: str, **options: str) -> str:
        found = self.run_operation("notification preview", to=to, **options)
        return " ".join(name.partition("@")[0] for name in found["sample"].split(", "))

    def test_expressions(self) -> None:
        for to, names in (
            ("all", "juliet nurse paris romeo"),
            ("not all", ""),
            ("online", "juliet romeo"),
            ("not online", "nurse paris"),
            ("user:paris@example.org", "paris"),
            ("alias:jule or user:paris@example.org", "juliet paris"),
            ("tag:news", "nurse romeo"),
            ("tag:none", ""),
            ("all and not tag:news", "juliet paris"),
            ("tag:news and tag:offers", "romeo"),
            ("group:household", "juliet nurse"),
            ("platform:android", "romeo"),
            ("platform:Android or platform:ios", "juliet romeo"),
            ("app:shop and version<2.1", "romeo"),
            ("version>=2.1", "juliet"),
            ("version=2.10.0", "juliet"),
            ("locale:it", "romeo"),
            ("seen<1d", "juliet romeo"),
            ("seen>1d", "nurse paris"),
            ("registered<1d and not online", "nurse paris"),
            ("registered>2026-01-02", ""),
            ("percent:100 and tag:news", "nurse romeo"),
            ("percent:0", ""),
        ):
            with self.subTest(to=to):
                self.assertEqual(self.meant(to), names)

    def test_room(self) -> None:
        room = "garden@conference.example.org"
        self.romeo.send(f"<presence to='{room}/r'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        self.settle()
        self.romeo.send(
            f"<iq type='set' id='o' to='{room}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
            "<x xmlns='jabber:x:data' type='submit'/></query></iq>"
        )
        self.run_operation("room affiliate", room=room, who="nurse@example.org", affiliation="member")
        self.assertEqual(self.meant(f"room:{room}"), "nurse romeo")
        self.assertIn("there is no room", self.refused("notification preview", to="room:x@conference.example.org"))

    def test_segments(self) -> None:
        self.run_operation("segment add", name="readers", expression="tag:news")
        self.run_operation("segment add", name="others", expression="not segment:readers and online")
        self.assertEqual(self.meant("segment:others"), "juliet")
        self.assertIn("part of itself", self.refused("segment add", name="readers", expression="segment:others"))
        self.assertIn("no segment 'x'", self.refused("segment add", name="new", expression="segment:x"))
        self.assertEqual(self.run_operation("segment add", name="readers", expression="tag:offers"), "Replaced.")
        listed = self.run_operation("segment list", after="others")
        self.assertEqual(listed, [{"name": "readers", "expression": "tag:offers"}])
        self.run_operation("segment delete", name="others")
        self.assertIn("there is no segment", self.refused("segment delete", name="others"))

    def test_segments_do_not_grow_without_bounds(self) -> None:
        many = " or ".join(["segment:s0"] * 200)
        self.run_operation("segment add", name="s0", expression=" or ".join(["tag:a"] * 100))
        self.assertIn("too many terms", self.refused("segment add", name="s1", expression=many))
        self.assertIn("too many terms", self.refused("notification preview", to=many))
        self.run_operation("segment add", name="d0", expression="all")
        deep = 0
        for number in range(20):
            expression = "(not " * 20 + f"segment:d{number}" + ")" * 20
            try:
                self.run_operation("segment add", name=f"d{number + 1}", expression=expression)
            except OperationError as error:
                self.assertIn("too deep", str(error))
                break
            deep = number + 1
        else:
            self.fail("they may be as deep as they like")
        self.assertIn(self.meant(f"segment:d{deep}"), ("", "juliet nurse paris romeo"))

    def test_files(self) -> None:
        self.assertEqual(self.meant("csv", csv="paris@example.org\njule,ignored\n"), "juliet paris")
        self.assertEqual(self.meant("all", csv="paris@example.org\n"), "paris")
        self.assertEqual(self.meant("csv and online", csv="paris@example.org\njule\n"), "juliet")
        id = self.send("csv", csv="paris@example.org/x\nromeo@example.org\nromeo@example.org\n")
        self.assertEqual(self.counts(id), {"queued": 1, "sent": 1})
        for csv, words in (
            ("jule\nbob", "nobody has the alias 'bob'"),
            ("x@example.net", "line 1: x@example.net is not an account of example.org"),
            ("a\n@@", "line 2"),
        ):
            self.assertIn(words, self.refused("notification send", to="csv", title="x", body="", csv=csv))
        self.assertIn("there is none", self.refused("notification preview", to="csv"))

    def test_what_there_is_not(self) -> None:
        for to, words in (
            ("user:tybalt@example.org", "tybalt@example.org is not an account of example.org"),
            ("user:romeo@example.net", "is not an account of example.org"),
            ("alias:bob", "nobody has the alias 'bob'"),
            ("group:none", "there is no group 'none'"),
            ("segment:none", "there is no segment 'none'"),
            ("everybody", "is unknown"),
            ("x" * 5000, "5000 characters are too many"),
        ):
            with self.subTest(to=to[:20]):
                self.assertIn(words, self.refused("notification send", to=to, title="x", body=""))

    def test_devices(self) -> None:
        (row,) = self.run_operation("device list", platform="android")
        self.assertEqual((row["device"], row["version"], row["online"]), ("romeo@example.org/phone", "2.0", True))
        rows = self.run_operation("device list", after="juliet@example.org/web")
        self.assertEqual([one["id"] for one in rows], ["phone"])
        self.romeo.close()
        self.settle()
        id = self.send("all", roads="live")
        shown = self.run_operation("device show", account="romeo@example.org", device="phone")
        self.assertEqual((shown["waiting"], shown["online"]), (1, False))
        self.run_operation("device forget", account="romeo@example.org", device="phone")
        self.assertIn("no such device", self.refused("device show", account="romeo@example.org", device="phone"))
        self.assertIn("no such device", self.refused("device forget", account="romeo@example.org", device="phone"))
        self.assertEqual(self.counts(id), {"queued": 2, "sent": 1, "cancelled": 1})

    def test_only_devices_that_are_meant(self) -> None:
        tablet = self.login("romeo@example.org/tablet", presence=True)
        self.settle()
        id = self.send("platform:android")
        self.assertEqual(self.counts(id), {"sent": 1})
        tablet.expect_nothing()

    def test_aliases_and_tags(self) -> None:
        self.assertEqual(self.run_operation("alias set", account="paris@example.org", alias="jule"),
                         "paris@example.org has it now, juliet@example.org had it.")  # fmt: skip
        self.assertEqual(self.run_operation("alias list"), [{"alias": "jule", "account": "paris@example.org"}])
        self.run_operation("alias delete", alias="jule")
        self.assertIn("nobody has", self.refused("alias delete", alias="jule"))
        self.assertIn("control", self.refused("alias set", account="paris@example.org", alias="a\nb"))
        self.assertIn("not an account", self.refused("alias set", account="x@example.org", alias="a"))
        self.assertEqual(self.run_operation("tag list"),
                         [{"tag": "news", "accounts": 2}, {"tag": "offers", "accounts": 1}])  # fmt: skip
        found = self.run_operation("tag set", account="romeo@example.org", tags="beta", add=True)
        self.assertEqual(found["tags"], "beta,news,offers")
        self.run_operation("tag set", account="romeo@example.org", tags="")
        self.assertEqual(self.run_operation("tag list", account="romeo@example.org"), [])

    def test_groups(self) -> None:
        self.assertEqual(self.run_operation("group list"), [{"name": "household", "accounts": 2}])
        self.assertEqual(len(self.run_operation("group list", name="household", limit=1)), 1)
        self.run_operation("group remove", name="household", account="nurse@example.org")
        self.assertEqual(self.run_operation("group list", name="household"), [{"account": "juliet@example.org"}])
        self.run_operation("group remove", name="household")
        self.assertIn("no such group", self.refused("group remove", name="household"))
        self.assertIn("name an account", self.refused("group add", name="x"))
        self.wait(self.host.delete_account(Jid.parse("juliet@example.org")))
        self.assertEqual(self.run_operation("alias list"), [])
