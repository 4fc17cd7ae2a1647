"""Finding rooms by words: XEP-0433."""

from __future__ import annotations

import re
from typing import Any

from tests.plugins.muc.kit import RoomTestCase

SERVICE = "conference.example.org"
NS = "urn:xmpp:channel-search:0"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
USERS, ADDRESS = f"{{{NS}:order}}nusers", f"{{{NS}:order}}address"


class SearchTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")

    def make(self, name: str, title: str = "", about: str = "", **config: Any) -> None:
        room = f"{name}@{SERVICE}"
        self.make_room(self.romeo, room=room, name=title, description=about, persistent=True, **config)

    def ask(self, page: str = "", **fields: str) -> str:
        """Search; return the answer."""
        hidden = f"<field var='FORM_TYPE' type='hidden'><value>{NS}:search-params</value></field>"
        inside = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items())
        x = f"<x xmlns='jabber:x:data' type='submit'>{hidden}{inside}</x>"
        set_ = f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>" if page else ""
        self.juliet.send(f"<iq type='get' id='s' to='{SERVICE}'><search xmlns='{NS}:search'>{set_}{x}</search></iq>")
        answer = self.juliet.received[-1]
        self.juliet.clear()
        return answer.replace('"', "'")

    def found(self, page: str = "", **fields: str) -> list[str]:
        return re.findall(rf"address='([^@]+)@{SERVICE}'", self.ask(page, key=ADDRESS, **fields))

    def refused(self, condition: str, specific: str, type_: str = "modify", **fields: str) -> None:
        answer = self.ask(**fields)
        self.assertIn(f"type='{type_}'", answer)
        self.assertRegex(answer, f"<{condition} xmlns='{ERRORS}'/>")
        self.assertRegex(answer, f"<{specific} xmlns='{NS}:error'")


class Searching(SearchTestCase):
    config = {"muc": {"search_results": 3, "searches_per_minute": 20}}

    def test_words(self) -> None:
        self.make("garden", "The Garden", "Of roses and thorns")
        self.make("hall", "Great Hall", "Masked balls; roses on the table")
        self.make("tomb", "Ünder the GARDEN", "x")
        self.assertEqual(self.found(q="garden"), ["garden", "tomb"])
        self.assertEqual(self.found(q="Roses"), ["garden", "hall"])
        self.assertEqual(self.found(q="roses hall"), ["hall"])
        self.assertEqual(self.found(q="ünder"), ["tomb"])
        self.assertEqual(self.found(q="tomb"), ["tomb"])
        self.assertEqual(self.found(q="100%"), [])

    def test_places(self) -> None:
        self.make("garden", "Hall", "tomb")
        places = ("sinaddress", "sinname", "sindescription")
        for word, place in zip(("garden", "hall", "tomb"), places, strict=True):
            self.assertEqual(self.found(q=word, **{one: str(one == place).lower() for one in places}), ["garden"])
            self.assertEqual(self.found(q=word, **{one: str(one != place).lower() for one in places}), [])
        self.assertEqual(self.found(q="garden", sinaddr="false"), [], "as an example calls it")

    def test_changed(self) -> None:
        self.make("garden", "The Garden")
        owner = "http://jabber.org/protocol/muc#owner"
        fields = "".join(
            f"<field var='{var}'><value>{value}</value></field>"
            for var, value in (("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"),
                               ("muc#roomconfig_roomname", "The Orchard"))
        )  # fmt: skip
        x = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        self.romeo.send(f"<iq type='set' id='c' to='garden@{SERVICE}'><query xmlns='{owner}'>{x}</query></iq>")
        self.assertEqual(self.found(q="orchard"), ["garden"])
        self.assertEqual(self.found(q="the garden", sinaddress="false"), [])

    def test_not_found(self) -> None:
        """Hidden rooms, and those that are not confirmed."""
        self.make("garden", public=False)
        self.enter(self.romeo, "Romeo", f"hall@{SERVICE}")
        self.assertEqual(self.found(all="true"), [])

    def test_other_services(self) -> None:
        self.make("garden")
        self.assertEqual(self.found(all="true", types="xep-0369"), [])
        self.assertEqual(self.found(all="true", types="xep-0045"), ["garden"])

    def test_what_is_said(self) -> None:
        self.make("garden", "The Garden", "Roses", lang="en", anonymous=False)
        self.make("hall", members_only=True)
        garden, hall = re.findall("<item .*?</item>", self.ask(all="true", key=ADDRESS))
        for part in ("<name>The Garden</name>", "<description>Roses</description>", "<language>en</language>",
                     "<nusers>1</nusers>", "<service-type>xep-0045</service-type>", "<is-open>true</is-open>",
                     f"<anonymity-mode>{{{NS}:anonymity}}none</anonymity-mode>"):  # fmt: skip
            self.assertIn(part, garden)
        self.assertIn("<name>hall</name>", hall)
        self.assertIn("<anonymity-mode>muc_semianonymous</anonymity-mode>", hall)
        self.assertNotIn("is-open", hall)
        self.assertNotIn("nusers", hall)  # disco#info doesn't say it either

    def pages(self, key: str, move: str, start: str) -> list[str]:
        """Go through all pages of two."""
        names: list[str] = []
        at = start
        while True:
            answer = self.ask(f"<max>2</max>{at}", all="true", key=key)
            got = re.findall(rf"address='([^@]+)@{SERVICE}'", answer)
            if not got:
                return names
            names = names + got if move == "after" else got + names
            end = re.search("<last>(.*?)</last>" if move == "after" else "<first[^>]*>(.*?)</first>", answer)
            assert end is not None
            at = f"<{move}>{end[1]}</{move}>"

    def test_pages(self) -> None:
        for name in ("a", "b", "c", "d", "e"):
            self.make(name)
        self.enter(self.juliet, "Juliet", f"d@{SERVICE}")
        self.assertEqual(self.pages(ADDRESS, "after", ""), ["a", "b", "c", "d", "e"])
        self.assertEqual(self.pages(ADDRESS, "before", "<before/>"), ["a", "b", "c", "d", "e"])
        self.assertEqual(self.pages(USERS, "after", ""), ["d", "a", "b", "c", "e"])
        self.assertEqual(self.pages(USERS, "before", "<before/>"), ["d", "a", "b", "c", "e"])

    def test_search_results(self) -> None:
        for name in ("a", "b", "c", "d"):
            self.make(name)
        self.assertEqual(self.found(all="true"), ["a", "b", "c"])
        self.assertEqual(self.found("<max>100</max>", all="true"), ["a", "b", "c"])
        self.assertEqual(self.found("<max>2</max><index>1</index>", all="true"), ["b", "c"])
        self.assertEqual(self.found("<max>0</max>", all="true"), [])
        self.assertIn("<count>4</count>", self.ask("<max>0</max>", all="true"))

    def test_no_such_place(self) -> None:
        for place in ("x", "x:a", "1234567890123:a", ":"):
            self.assertIn("item-not-found", self.ask(f"<after>{place}</after>", all="true"), place)

    def test_refused(self) -> None:
        self.refused("feature-not-implemented", "invalid-sort-key", q="hall", key="size")
        self.refused("bad-request", "invalid-search-terms", q="x")
        self.refused("bad-request", "conflicting-fields", q="hall", all="true")
        self.refused("bad-request", "no-search-conditions", "cancel")
        self.refused(
            "bad-request", "no-search-conditions", "cancel", q="x", sinname="0", sindescription="0", sinaddress="0"
        )

    def test_searches_per_minute(self) -> None:
        for _ in range(20):
            self.found(all="true")
        self.refused("resource-constraint", "rate-limit", "wait", all="true")
        self.assertIn("retry-after='60'", self.ask(all="true"))
        self.pump(60)
        self.assertEqual(self.found(all="true"), [])


class NotAll(SearchTestCase):
    config = {"muc": {"search_all": False}}

    def test_all(self) -> None:
        """The option search_all is off."""
        self.make("garden")
        self.assertEqual(self.found(q="garden"), ["garden"])
        self.refused("not-allowed", "full-set-retrieval-rejected", "cancel", all="true")
        self.juliet.send(f"<iq type='get' id='s' to='{SERVICE}'><search xmlns='{NS}:search'/></iq>")
        self.assertNotIn("'all'", self.juliet.received[-1].replace('"', "'"))
