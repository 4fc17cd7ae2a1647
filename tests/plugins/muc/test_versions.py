"""Who is what to a room, by versions: XEP-0463."""

from __future__ import annotations

import re

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.testing import Client
from xmppd.wire.jid import Jid

NS = "urn:xmpp:muc:affiliations:1"
MUC = "http://jabber.org/protocol/muc"
Items = dict[str, str]


class Versions(RoomTestCase):
    config = {"muc": {"max_removals": 3}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.make_room(self.romeo, persistent=True, anonymous=False)
        self.affiliate("juliet", "member")

    def affiliate(self, who: str, affiliation: str) -> None:
        item = f"<item jid='{who}@example.org' affiliation='{affiliation}'/>"
        self.romeo.send(f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{MUC}#admin'>{item}</query></iq>")
        self.romeo.clear()

    def join(self, client: Client, since: str | None = None, nick: str = "Juliet") -> tuple[str | None, Items, str]:
        """Enter once more; return from when to when what is told reaches, and what it is."""
        client.send(f"<presence to='{GARDEN}/{nick}' type='unavailable'/>")
        client.clear()
        self.since = since
        version = "" if since is None else f" since='{since}'"
        client.send(f"<presence to='{GARDEN}/{nick}'><x xmlns='{MUC}'><mav xmlns='{NS}'{version}/></x></presence>")
        came = [xml.replace('"', "'") for xml in client.received]
        client.clear()
        self.first = came[0]
        own = next(xml for xml in came if "code='110'" in xml)
        until = re.search(rf"<mav xmlns='{NS}' until='([^']*)'/>", own)
        told = [xml for xml in came if xml.startswith("<message") and "<mav" in xml]
        items: Items = {}
        for xml in told:
            items |= dict(re.findall(r"<item jid='(\w+)@example.org' affiliation='(\w+)'/>", xml))
        start = re.search(r"<mav [^>]*since='([^']*)'", told[0]) if told else None
        self.messages = len(told)
        return (start[1] if start else None), items, until[1] if until else ""

    def test_whole_list(self) -> None:
        self.affiliate("benvolio", "admin")
        self.affiliate("tybalt", "outcast")
        since, items, until = self.join(self.juliet)
        self.assertIsNone(since)
        self.assertEqual(items, {"romeo": "owner", "juliet": "member", "benvolio": "admin"})
        self.assertTrue(self.first.startswith("<message"), "it comes before any presence")
        self.assertTrue(until)

    def test_bans_are_for_admins(self) -> None:
        self.affiliate("tybalt", "outcast")
        self.affiliate("juliet", "admin")
        self.assertEqual(self.join(self.juliet)[1]["tybalt"], "outcast")

    def test_nothing_new(self) -> None:
        version = self.join(self.juliet)[2]
        self.assertEqual(self.join(self.juliet, version), (None, {}, version))
        self.assertEqual(self.messages, 0)

    def test_difference(self) -> None:
        self.affiliate("benvolio", "member")
        self.affiliate("tybalt", "member")
        version = self.join(self.juliet)[2]
        self.affiliate("benvolio", "none")
        self.affiliate("tybalt", "outcast")
        self.affiliate("nurse", "member")
        self.affiliate("paris", "outcast")
        self.affiliate("paris", "none")
        since, items, until = self.join(self.juliet, version)
        self.assertEqual(since, version)
        self.assertEqual(items, {"benvolio": "none", "tybalt": "none", "nurse": "member"})
        self.assertNotEqual(until, version)
        self.assertEqual(self.join(self.romeo, version, "Romeo")[1],
                         {"benvolio": "none", "tybalt": "outcast", "nurse": "member", "paris": "none"})  # fmt: skip

    def test_after_a_restart(self) -> None:
        self.affiliate("benvolio", "member")
        version = self.join(self.juliet)[2]
        self.affiliate("benvolio", "none")
        last = self.join(self.juliet, version)[2]
        self.restart()
        self.juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.join(self.juliet, version), (version, {"benvolio": "none"}, last))
        self.romeo = self.login("romeo@example.org/orchard")
        self.affiliate("nurse", "member")
        self.assertEqual(self.join(self.juliet, last)[1], {"nurse": "member"})

    def test_unknown_versions(self) -> None:
        _, items, until = self.join(self.juliet)
        number = int(until.rpartition("-")[2])
        for version in ("x", "", "0", until.replace("-", "-9"), f"{until[:-1]}{number + 1}", until + "x", "x" + until):
            self.assertEqual(self.join(self.juliet, version), (None, items, until), version)

    def test_before_they_belonged(self) -> None:
        """What was so before somebody belonged to the room is not for them."""
        self.affiliate("benvolio", "member")
        version = self.join(self.romeo, None, "Romeo")[2]
        self.affiliate("benvolio", "none")
        self.affiliate("nurse", "member")
        nurse = self.login("nurse@example.org/hall")
        since, items, _ = self.join(nurse, version, "Nurse")
        self.assertIsNone(since)
        self.assertNotIn("benvolio", items)

    def test_max_removals(self) -> None:
        """Who knows nothing newer than what is forgotten gets the whole list."""
        for name in ("a", "b", "c", "d"):
            self.affiliate(name, "member")
        version = self.join(self.juliet)[2]
        self.affiliate("a", "none")
        later = self.join(self.juliet)[2]
        for name in ("b", "c", "d"):
            self.affiliate(name, "none")
        self.assertEqual(self.join(self.juliet, later)[:2], (later, {"b": "none", "c": "none", "d": "none"}))
        self.assertEqual(self.join(self.juliet, version)[:2], (None, {"romeo": "owner", "juliet": "member"}))

    def test_account_deleted(self) -> None:
        """Nothing is left of them, and nobody takes them for members still."""
        self.affiliate("benvolio", "member")
        self.login("benvolio@example.org/street")
        version = self.join(self.juliet)[2]
        self.wait(self.host.delete_account(Jid.parse("benvolio@example.org")))
        self.assertNotIn("benvolio", self.room().notes.get("removed", ""))
        self.assertEqual(self.join(self.juliet, version)[:2], (None, {"romeo": "owner", "juliet": "member"}))

    def test_not_for_them(self) -> None:
        """Who may not ask for the lists is told so, and enters all the same."""
        benvolio = self.login("benvolio@example.org/street")
        self.assertEqual(self.join(benvolio, nick="Benvolio"), (None, {}, ""))
        self.assertIn("forbidden", self.first)
        self.room().config = self.room().config.changed({"anonymous": True})
        self.join(self.juliet)
        self.assertIn("forbidden", self.first)
        self.assertEqual(self.join(self.romeo, nick="Romeo")[1], {"romeo": "owner", "juliet": "member"})

    def test_without_asking(self) -> None:
        """Who doesn't ask for it hears nothing of versions."""
        self.enter(self.juliet, "Juliet")
        self.affiliate("benvolio", "admin")
        self.affiliate("juliet", "admin")
        self.assertNotIn(NS, "".join(self.juliet.received))

    def test_changes(self) -> None:
        version = self.join(self.juliet)[2]
        for who, affiliation in (("nurse", "member"), ("juliet", "admin"), ("nurse", "none")):
            self.affiliate(who, affiliation)
            came = "".join(self.juliet.received).replace('"', "'")
            self.juliet.clear()
            found = re.search(rf"<mav xmlns='{NS}' since='([^']*)' until='([^']*)'/>", came)
            assert found is not None, who
            self.assertEqual(found[1], version)
            version = found[2]
        self.assertEqual(self.join(self.juliet, version)[:2], (None, {}))

    def test_not_passed_on(self) -> None:
        self.join(self.juliet)
        self.assertNotIn(NS, "".join(self.romeo.received))

    def test_many(self) -> None:
        """It comes in several messages, whose versions fit together."""
        items = "".join(f"<item jid='p{number}@example.org' affiliation='member'/>" for number in range(450))
        for start in ("a", "b", "c"):
            query = items.replace("jid='p", f"jid='{start}")
            self.romeo.send(f"<iq type='set' id='a' to='{GARDEN}'><query xmlns='{MUC}#admin'>{query}</query></iq>")
            self.romeo.clear()
        self.juliet.clear()
        _, told, until = self.join(self.juliet)
        self.assertEqual(len(told), 3 * 450 + 2)
        self.assertEqual(self.messages, 3)
        self.assertEqual(self.join(self.juliet, until)[1], {})
