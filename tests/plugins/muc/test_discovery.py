"""Which rooms there are, and what they say of themselves (XEP-0045 sections 6, 7.12 and 16.3; XEP-0059)."""

from __future__ import annotations

import unittest
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from tests.plugins.muc.court import CourtTestCase
from tests.plugins.muc.kit import GARDEN
from xmppd.api import Condition, Element, Jid, Plugin, StanzaError, observe
from xmppd.api.disco import DiscoItems, Identity, Item
from xmppd.api.muc import RoomInfo, RoomItems
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.describing import features
from xmppd.plugins.muc.room.outcome import Configured, Created, Destroyed, Unlocked
from xmppd.plugins.muc.room.state import Subject
from xmppd.plugins.muc.service import listing, store
from xmppd.wire.rsm import PageRequest

SERVICE = Jid.parse("conference.example.org")
INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
RSM = "http://jabber.org/protocol/rsm"


class FeatureTests(unittest.TestCase):
    """Section 16.3: what a room is, as features."""

    def test_each(self) -> None:
        usual = "muc_public muc_temporary muc_unsecured muc_open muc_unmoderated muc_semianonymous"
        for option, value, other in (
            ("public", False, "muc_hidden"),
            ("persistent", True, "muc_persistent"),
            ("password", "cauldronburn", "muc_passwordprotected"),
            ("members_only", True, "muc_membersonly"),
            ("moderated", True, "muc_moderated"),
            ("anonymous", False, "muc_nonanonymous"),
        ):
            with self.subTest(option):
                found = {one for one in features(RoomConfig().changed({option: value})) if one.startswith("muc_")}
                self.assertEqual(found - set(usual.split()), {other})
                self.assertEqual(len(found), 6)
        self.assertEqual([one for one in features(RoomConfig()) if one.startswith("muc_")], usual.split())

    def test_registration(self) -> None:
        register = "http://jabber.org/protocol/muc#register"
        self.assertIn(register, features(RoomConfig()))
        self.assertNotIn(register, features(RoomConfig(registration=False)))


class DiscoveryTestCase(CourtTestCase):
    def query(self, name: str, namespace: str, to: str = GARDEN, node: str = "", inside: str = "") -> Element:
        """Return what somebody is answered."""
        client = self.people[name]
        client.clear()
        about = f" node='{node}'" if node else ""
        client.send(f"<iq type='get' id='ask' to='{to}'><query xmlns='{namespace}'{about}>{inside}</query></iq>")
        return client.take()

    def info(self, name: str) -> dict[str, list[str]]:
        """Return the form that somebody is told about the room."""
        query = self.query(name, INFO).firstChildElement()
        (form,) = (child for child in query.elements() if child.name == "x")
        return {one["var"]: [str(value) for value in one.elements()] for one in form.elements()}

    def refused_disco(self, name: str, condition: str, namespace: str, node: str) -> None:
        answer = self.query(name, namespace, node=node)
        self.assertEqual(answer["type"], "error")
        error = next(child for child in answer.elements() if child.name == "error")
        self.assertEqual(error.firstChildElement().name, condition)


class RoomTests(DiscoveryTestCase):
    """Sections 6.4, 6.5 and 7.12."""

    def test_form(self) -> None:
        self.court(
            name="A Dark Cave", description="All good witches", lang="en", contacts=("hecate@example.org",),
            logs="https://example.org/logs", history=33, pubsub="xmpp:pubsub.example.org?;node=cave",
            change_subject=True, slow_mode=4, password="cauldronburn", members_only=False, invites=False,
        )  # fmt: skip
        self.people["owner"].send(f"<message to='{GARDEN}' type='groupchat'><subject>Spells</subject></message>")
        self.assertEqual(
            self.info("owner"),
            {
                "FORM_TYPE": ["http://jabber.org/protocol/muc#roominfo"],
                "muc#roominfo_description": ["All good witches"],
                "muc#roominfo_contactjid": ["hecate@example.org"],
                "muc#roominfo_subject": ["Spells"],
                "muc#roominfo_subjectmod": ["1"],
                "muc#roominfo_occupants": ["1"],  # nobody else knew the password
                "muc#roominfo_lang": ["en"],
                "muc#roominfo_logs": ["https://example.org/logs"],
                "muc#maxhistoryfetch": ["33"],
                "muc#roominfo_slow_mode_duration": ["4"],
                "muc#roomconfig_roomname": ["A Dark Cave"],
                "muc#roomconfig_changesubject": ["1"],
                "muc#roomconfig_allowinvites": ["0"],
                "muc#roomconfig_allowpm": ["anyone"],
                "muc#roomconfig_enablelogging": ["0"],  # section 13.3
                "muc#roomconfig_pubsub": ["xmpp:pubsub.example.org?;node=cave"],
            },
        )

    def test_what_goes_on_is_private(self) -> None:
        """Section 13.4: where not everybody may enter, strangers hear neither the subject nor how many are there."""
        for config in ({}, {"members_only": True}, {"password": "cauldronburn"}):
            open_ = not config
            with self.subTest(config):
                self.court("member2", **config)
                self.room().subject = Subject("owner", b"<subject>Spells</subject>", "", 0.0)
                stranger = self.login("stranger@example.org/x", name="stranger")
                self.people["stranger"] = stranger
                told = {"owner": True, "member": True, "outcast": False, "stranger": open_}
                for name, knows in told.items():
                    form = self.info(name)
                    self.assertEqual("muc#roominfo_subject" in form, knows, name)
                    self.assertEqual("muc#roominfo_occupants" in form, knows, name)
                    self.assertIn("muc#roominfo_subjectmod", form)
                self.plugin("muc").rooms.drop(Jid.parse(GARDEN))

    def test_subject_in_languages(self) -> None:
        self.court()
        for payload, expected in (
            (b"<subject xml:lang='de'>Hexen</subject><subject>Witches</subject>", ["Witches"]),
            (b"<subject xml:lang='de'>Hexen</subject><subject xml:lang='en'>Witches</subject>", ["Hexen"]),
            (b"<subject/>", None),
            (b"", None),
        ):
            self.room().subject = Subject("owner", payload, "", 0.0)
            self.assertEqual(self.info("guest").get("muc#roominfo_subject"), expected)

    def test_identity(self) -> None:
        self.court()
        query = self.query("guest", INFO).firstChildElement()
        self.assertEqual(query.firstChildElement()["name"], "garden")  # it has no name but that in its address
        features_ = [one["var"] for one in query.elements() if one.name == "feature"]
        self.assertEqual(len(features_), len(set(features_)))
        self.assertLessEqual({INFO, ITEMS, "urn:xmpp:mam:2", "urn:xmpp:occupant-id:0", "muc_public"}, set(features_))

    def test_nodes(self) -> None:
        self.court()
        self.refused_disco("guest", "service-unavailable", INFO, "http://jabber.org/protocol/muc#traffic")
        self.refused_disco("guest", "item-not-found", INFO, "nothing")
        self.refused_disco("guest", "item-not-found", ITEMS, "nothing")
        self.assertEqual(self.query("guest", INFO, node="x-roomuser-item").firstChildElement().children, [])

    def test_occupants(self) -> None:
        """Section 6.5: who is there, if the room says so; not to who is banned, nor whose presence is not told."""
        self.court("visitor2", list_occupants=True, presence_broadcast=("moderator", "participant"))
        for name, expected in (("guest", ["admin", "guest", "member", "owner"]), ("outcast", [])):
            items = self.query(name, ITEMS).firstChildElement().elements()
            self.assertEqual([one["jid"].partition("/")[2] for one in items], expected)
        page = self.query("guest", ITEMS, inside=f"<set xmlns='{RSM}'><max>2</max></set>").firstChildElement()
        *items, set_ = page.elements()
        self.assertEqual([one["jid"] for one in items], [f"{GARDEN}/admin", f"{GARDEN}/guest"])
        self.assertEqual([str(one) for one in set_.elements()], [f"{GARDEN}/admin", f"{GARDEN}/guest", "4"])

    def test_occupants_are_nobodys_business(self) -> None:
        self.court()
        for name in ("owner", "guest"):
            self.assertEqual(self.query(name, ITEMS).firstChildElement().children, [])


class Tells(Plugin):
    """Adds to what rooms say of themselves."""

    @observe(RoomInfo)
    def describe(self, event: RoomInfo) -> None:
        """Add a feature, and a node."""
        event.features.append(f"urn:example:{event.entity.local}")
        if event.node == "cauldron":
            event.identities.append(Identity("automation", "cauldron"))
        elif event.node == "secret":
            event.refusal = StanzaError(Condition.FORBIDDEN)

    @observe(RoomItems)
    async def list(self, event: RoomItems) -> None:
        """Add an item."""
        event.items.append(Item("cauldron.example.org", "The cauldron"))

    @observe(DiscoItems)
    def list_service(self, event: DiscoItems) -> None:
        """Add an item to those of the service."""
        if event.entity == SERVICE:
            event.items.append(Item("elsewhere.example.org"))


class OtherPluginsTests(DiscoveryTestCase):
    plugins = ("muc", Tells)

    def test_room(self) -> None:
        self.court()
        query = self.query("guest", INFO).firstChildElement()
        self.assertIn("urn:example:garden", [one.getAttribute("var") for one in query.elements()])
        node = self.query("guest", INFO, node="cauldron").firstChildElement()
        self.assertEqual(node.firstChildElement()["type"], "cauldron")
        self.refused_disco("guest", "forbidden", INFO, "secret")
        (item,) = self.query("guest", ITEMS).firstChildElement().elements()
        self.assertEqual(item["jid"], "cauldron.example.org")

    def test_service(self) -> None:
        """What others list is there once: on the first page."""
        self.court()
        self.make_room(self.people["guest"], "guest", GARDEN.replace("garden", "heath"))
        found = []
        for inside in ("", "<max>1</max>", f"<max>1</max><after>{GARDEN}</after>", "<max>0</max>"):
            set_ = f"<set xmlns='{RSM}'>{inside}</set>" if inside else ""
            items = self.query("guest", ITEMS, str(SERVICE), inside=set_).firstChildElement().elements()
            found.append([one["jid"].partition("@")[0] for one in items if one.name == "item"])
        self.assertEqual(
            found, [["garden", "heath", "elsewhere.example.org"], ["garden", "elsewhere.example.org"], ["heath"], []]
        )


class ListTests(DiscoveryTestCase):
    """Section 6.3 and XEP-0059: rooms, read from the database in pages."""

    config = {"muc": {"list_rooms": 4}}

    def setUp(self) -> None:
        super().setUp()
        self.people = {"guest": self.login("guest@example.org/x", name="guest")}
        for number in range(9):
            self.add(f"room{number}", RoomConfig(name=f"Room {number}"))
        self.add("hidden", RoomConfig(public=False))
        self.add("locked", None)
        self.add("room5-gone", RoomConfig(), Destroyed())

    def add(self, name: str, config: RoomConfig | None, *more: Any) -> None:
        jid = Jid.of(name, SERVICE)
        changes = [
            Created(Jid.parse("owner@example.org")),
            *([Configured(config), Unlocked()] if config else []),
            *more,
        ]
        key = store.Key(crc32(name.encode()), jid, 0.0, 1)
        self.wait(self.host.db.write(lambda c: store.write(c, key, changes)))

    #: What is asked for, the rooms that are on the page, and the place of the first.
    PAGES: Sequence[tuple[str, str, int | None]] = (
        ("", "0123", 0),
        ("<max>2</max>", "01", 0),
        ("<max>100</max>", "0123", 0),
        ("<max>0</max>", "", None),
        ("<max>2</max><after>room1@conference.example.org</after>", "23", 2),
        ("<after>room7@conference.example.org</after>", "8", 8),
        ("<after>room8@conference.example.org</after>", "", None),
        ("<max>2</max><after>room5-gone@conference.example.org</after>", "67", 6),  # it is there no more
        ("<max>3</max><before/>", "678", 6),
        ("<max>3</max><before>room6@conference.example.org</before>", "345", 3),
        ("<max>3</max><before>room1@conference.example.org</before>", "0", 0),
        ("<max>3</max><before>room0@conference.example.org</before>", "", None),
        ("<max>2</max><index>5</index>", "56", 5),
        ("<max>2</max><index>99</index>", "", None),
    )

    def test_pages(self) -> None:
        for inside, rooms, place in self.PAGES:
            with self.subTest(inside):
                set_ = f"<set xmlns='{RSM}'>{inside}</set>" if inside else ""
                query = self.query("guest", ITEMS, str(SERVICE), inside=set_).firstChildElement()
                items = [one for one in query.elements() if one.name == "item"]
                self.assertEqual([(one["jid"], one["name"]) for one in items],
                                 [(f"room{number}@{SERVICE}", f"Room {number}") for number in rooms])  # fmt: skip
                said = {one.name: one for one in next(one for one in query.elements() if one.name == "set").elements()}
                self.assertEqual(str(said["count"]), "9")
                self.assertEqual("first" in said, bool(rooms))
                if rooms:
                    self.assertEqual((said["first"]["index"], str(said["first"])), (str(place), items[0]["jid"]))
                    self.assertEqual(str(said["last"]), items[-1]["jid"])

    def test_refused(self) -> None:
        for inside, condition in (
            ("<after>room1@elsewhere.example</after>", "item-not-found"),
            ("<before>conference.example.org</before>", "item-not-found"),
            ("<after>@@</after>", "item-not-found"),
            ("<max>x</max>", "bad-request"),
            ("<before/><index>1</index>", "bad-request"),
        ):
            with self.subTest(inside):
                set_ = f"<set xmlns='{RSM}'>{inside}</set>"
                answer = self.query("guest", ITEMS, str(SERVICE), inside=set_)
                error = next(child for child in answer.elements() if child.name == "error")
                self.assertEqual(error.firstChildElement().name, condition)

    def test_whole_list_says_nothing_of_pages(self) -> None:
        self.plugin("muc")._options = self.plugin("muc").options.model_copy(update={"list_rooms": 9})
        query = self.query("guest", ITEMS, str(SERVICE)).firstChildElement()
        self.assertEqual([one.name for one in query.elements()], 9 * ["item"])

    def page(self, wanted: PageRequest, public: bool | None = None) -> listing.Page:
        return self.wait(self.host.db.read(lambda c: listing.page(c, SERVICE, wanted, 100, public)))

    def test_operator_decides(self) -> None:
        """All rooms are public, or none is, whatever was said of each."""
        for public, expected in ((None, 9), (True, 10), (False, 0)):
            page = self.page(PageRequest(), public)
            self.assertEqual((page.total, len(page.items)), (expected, expected))

    def test_changes(self) -> None:
        """A room that is hidden, shown, renamed or destroyed is listed as what it is now."""
        self.add("room0", RoomConfig(name="Another name"))
        self.add("room1", RoomConfig(public=False))
        self.add("room2", RoomConfig(), Destroyed())
        page = self.page(PageRequest(max=2))
        self.assertEqual(
            [(one.jid.local, one.title) for one in page.items], [("room0", "Another name"), ("room3", "Room 3")]
        )
        self.assertEqual(page.total, 7)


class OccupantPageTests(unittest.TestCase):
    JIDS = [Jid.parse(f"{GARDEN}/{nick}") for nick in "edcba"]

    def test_pages(self) -> None:
        def jid(nick: str) -> str:
            return f"{GARDEN}/{nick}"

        for wanted, nicks, place in (
            (PageRequest(), "abcd", 0),
            (PageRequest(max=2), "ab", 0),
            (PageRequest(max=0), "", 0),
            (PageRequest(max=2, after=jid("b")), "cd", 2),
            (PageRequest(max=2, after=jid("bb")), "cd", 2),
            (PageRequest(max=2, after=jid("e")), "", 5),
            (PageRequest(max=2, before=""), "de", 3),
            (PageRequest(max=2, before=jid("d")), "bc", 1),
            (PageRequest(max=2, before=jid("b")), "a", 0),
            (PageRequest(max=2, index=4), "e", 4),
        ):
            with self.subTest(wanted):
                page = listing.occupants(self.JIDS, wanted, 4)
                self.assertEqual("".join(one.jid.resource for one in page.items), nicks)
                self.assertEqual((page.place, page.total), (place, 5))
