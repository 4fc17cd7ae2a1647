"""What owners do with rooms: configure them, create and destroy them (XEP-0045 section 10), rule by rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, func, select

from tests.plugins.muc.court import CourtTestCase
from tests.plugins.muc.kit import GARDEN, USER
from xmppd.api import Jid
from xmppd.plugins.muc.room.outcome import Configured
from xmppd.plugins.muc.room.owner import reconfigure
from xmppd.plugins.muc.service.store import find
from xmppd.plugins.muc.service.tables import TABLES
from xmppd.wire.xml import parse

OWNER = "http://jabber.org/protocol/muc#owner"
ADMIN = "http://jabber.org/protocol/muc#admin"
CONFIG = "http://jabber.org/protocol/muc#roomconfig"
DATA = "jabber:x:data"


def field(name: str, *values: str) -> str:
    var = name if "#" in name else f"muc#roomconfig_{name}"
    return f"<field var='{var}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"


def form(*fields: str) -> str:
    form_type = f"<field var='FORM_TYPE'><value>{CONFIG}</value></field>"
    return f"<x xmlns='{DATA}' type='submit'>{form_type}{''.join(fields)}</x>"


INSTANT = f"<x xmlns='{DATA}' type='submit'/>"
CANCEL = f"<x xmlns='{DATA}' type='cancel'/>"
NAMED = form(field("roomname", "A Dark Cave"))


class OwnerTestCase(CourtTestCase):
    def ask(self, name: str, *inside: str, type: str = "set") -> None:
        """Have somebody send a request of owners; what came to them before is forgotten."""
        self.people[name].clear()
        query = f"<query xmlns='{OWNER}'>{''.join(inside)}</query>"
        self.people[name].send(f"<iq type='{type}' id='ask' to='{GARDEN}'>{query}</iq>")

    def state(self) -> Any:
        room = self.room()
        return super().state(), room.config, room.locked

    def exists(self, room: str = GARDEN) -> bool:
        return self.wait(self.plugin("muc").room(Jid.parse(room))) is not None

    def codes(self, name: str) -> list[str]:
        """Return the status codes of the messages from the room that somebody has got."""
        found = []
        self.pump(0)
        for xml in self.people[name].received:
            (stanza,) = parse(xml.encode())
            if stanza.name == "message" and stanza["from"] == GARDEN:
                self.assertEqual(stanza["type"], "groupchat")
                x = next(stanza.elements())
                self.assertEqual((x.uri, [child.name for child in x.elements()]), (USER, ["status"]))
                found.append(x.firstChildElement()["code"])
        return found


class RequestTests(OwnerTestCase):
    def test_only_owners(self) -> None:
        """Sections 10.2 and 10.9."""
        self.court()
        for name in ("admin", "member", "guest", "outcast"):
            self.refused(name, "forbidden", type="get")
            for inside in (INSTANT, NAMED, CANCEL, "<destroy/>", "", "<nonsense/>"):
                with self.subTest((name, inside)):
                    self.refused(name, "forbidden", inside)
        self.granted("owner", type="get")
        self.granted("owner", CANCEL)
        self.granted("owner", NAMED)
        self.assertEqual(self.room().config.name, "A Dark Cave")

    def test_owner_who_is_not_there(self) -> None:
        self.court("owner2")
        self.people["owner2"].send(f"<presence to='{GARDEN}/owner2' type='unavailable'/>")
        self.granted("owner2", type="get")
        self.granted("owner2", NAMED)

    def test_no_such_request(self) -> None:
        self.court()
        form_type = NAMED.replace("roomconfig</", "register</")
        for inside in (
            "", "<nonsense/>", INSTANT * 2, f"{INSTANT}<destroy/>", f"{INSTANT}<nonsense/>", "<destroy/><destroy/>",
            f"<x xmlns='{DATA}' type='form'/>", f"<x xmlns='{DATA}'/>", "<x/>", form_type,
            form(field("persistentroom", "perhaps")), "<item affiliation='admin'/>",
        ):  # fmt: skip
            with self.subTest(inside):
                self.refused("owner", "bad-request", inside)
        self.refused("owner", "bad-request", "<item affiliation='admin'/>", type="get")

    def test_not_acceptable(self) -> None:
        """All or nothing."""
        self.court()
        name = field("roomname", "A Dark Cave")
        for wrong in (
            field("passwordprotectedroom", "1"),
            field("maxusers", "10001"),
            field("roomadmins", "example.org"),
        ):
            with self.subTest(wrong):
                self.refused("owner", "not-acceptable", form(name, wrong))

    def test_form(self) -> None:
        self.court(name="A Dark Cave", password="cauldronburn", moderated=True)
        self.ask("owner", type="get")
        self.people["owner"].expect(
            f"<iq type='result'><query xmlns='{OWNER}'><x xmlns='{DATA}' type='form'><title>{{any}}</title>"
            f"<instructions>{{any}}</instructions>{{...}}"
            "<field var='muc#roomconfig_passwordprotectedroom' type='boolean' label='{any}'><value>1</value></field>"
            "<field var='muc#roomconfig_roomsecret' type='text-private' label='{any}'>"
            "<value>cauldronburn</value></field>"
            "<field var='muc#roomconfig_roomadmins' type='jid-multi' label='{any}'>"
            "<value>admin@example.org</value></field>"
            "<field var='muc#roomconfig_roomowners' type='jid-multi' label='{any}'>"
            "<value>owner@example.org</value></field></x></query></iq>"
        )


class ChangeTests(OwnerTestCase):
    """Sections 10.2 and 10.2.1: what follows from another configuration."""

    def test_codes(self) -> None:
        self.court()
        for fields, codes in (
            ([field("enablelogging", "1")], ["170"]),
            ([field("enablelogging", "0")], ["171"]),
            ([field("whois", "anyone")], ["172"]),
            ([field("whois", "moderators")], ["173"]),
            ([field("roomname", "A Dark Cave")], ["104"]),
            ([field("roomname", "A Dark Cave")], []),
            ([], []),
            ([field("roomadmins", "admin@example.org", "hecate@example.org")], ["104"]),
            ([field("whois", "anyone"), field("enablelogging", "1"), field("roomname", "")], ["172", "170", "104"]),
        ):
            with self.subTest(fields):
                self.forget()
                self.granted("owner", form(*fields))
                self.assertEqual(sorted(self.codes("guest")), sorted(codes))

    def test_members_only(self) -> None:
        """Who may not be there has to go; who stays is told of each, and who goes of themselves."""
        self.court("guest2")
        self.granted("owner", form(field("membersonly", "1")))
        self.assertEqual(self.nicks(), ["admin", "member", "owner"])
        for name in ("guest", "guest2"):
            self.people[name].expect(
                f"<presence from='{GARDEN}/{name}' type='unavailable'>{{...}}<x xmlns='{USER}'>"
                f"<item affiliation='none' role='none' jid='{name}@example.org/x'/>"
                "<status code='322'/><status code='110'/></x></presence>"
            )
            self.people[name].expect_nothing()
            self.people["member"].expect(
                f"<presence from='{GARDEN}/{name}' type='unavailable'>{{...}}<x xmlns='{USER}'>"
                "<item affiliation='none' role='none'/><status code='322'/></x></presence>"
            )
        self.assertEqual(self.codes("member"), ["104"])

    def test_members_only_leaves_nobody(self) -> None:
        """Nobody who may be there is: a temporary room is gone, another one stays."""
        for persistent in (False, True):
            room = GARDEN.replace("garden", f"room{persistent}")
            owner, guest = (self.login(f"{name}{persistent}@example.org/x") for name in ("lear", "fool"))
            self.make_room(owner, "lear", room, persistent=persistent)
            self.enter(guest, "fool", room)
            owner.send(f"<presence to='{room}/lear' type='unavailable'/>")
            owner.clear()
            query = f"<query xmlns='{OWNER}'>{form(field('membersonly', '1'))}</query>"
            owner.send(f"<iq type='set' id='ask' to='{room}'>{query}</iq>")
            owner.expect("<iq type='result' id='ask'/>")
            self.assertEqual(self.exists(room), persistent)

    def test_moderated_no_more(self) -> None:
        """Visitors are given voice, as there is nobody who would have to; others keep what they have."""
        self.court("visitor2", "moderator2", moderated=True)
        self.granted("owner", form(field("moderatedroom", "0")))
        roles = {name: self.role(name) for name in ("owner", "moderator2", "member", "visitor2", "guest")}
        self.assertEqual(list(roles.values()), ["moderator", "moderator", *3 * ["participant"]])
        self.people["guest"].send(f"<message to='{GARDEN}' type='groupchat' id='m'><body>Hail!</body></message>")
        self.assertIn("<body>Hail!</body>", "".join(self.people["member"].received))

    def test_moderated_from_now_on(self) -> None:
        """Those who are there keep their voice; who comes has none."""
        self.court()
        self.granted("owner", form(field("moderatedroom", "1")))
        self.assertEqual(self.role("guest"), "participant")
        self.enter(self.login("late@example.org/x", name="late"), "late")
        self.assertEqual(self.role("late"), "visitor")

    def test_fewer_occupants(self) -> None:
        """Nobody has to go; but nobody comes."""
        self.court()
        self.granted("owner", form(field("maxusers", "2")))
        self.assertEqual(len(self.nicks()), 4)
        late = self.login("late@example.org/x", name="late")
        late.send(f"<presence to='{GARDEN}/late'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        self.assertIn("service-unavailable", late.received[-1])

    def test_temporary_and_nobody_there(self) -> None:
        self.court(persistent=True)
        for name in ("owner", "admin", "member", "guest"):
            self.people[name].send(f"<presence to='{GARDEN}/{name}' type='unavailable'/>")
        self.granted("owner", form(field("roomname", "A Dark Cave")))
        self.assertTrue(self.exists())
        self.granted("owner", form(field("persistentroom", "0")))
        self.assertFalse(self.exists())

    def test_kept(self) -> None:
        """It is on disk when the owner is told."""
        self.court(persistent=True)
        self.granted("owner", form(field("roomname", "A Dark Cave"), field("presencebroadcast", "moderator")))
        self.granted("owner", form(field("roomowners", "owner@example.org", "hecate@example.org")))
        self.restart()
        self.assertTrue(self.exists())
        config = self.room().config
        self.assertEqual((config.name, config.presence_broadcast), ("A Dark Cave", ("moderator",)))
        self.assertEqual(self.affiliation("hecate"), "owner")


class PeopleTests(OwnerTestCase):
    """Section 10.2: full lists of owners and admins."""

    #: The fields, and what owner, owner2, admin, member and outcast are then.
    LISTS: Sequence[tuple[dict[str, str], str]] = (
        ({}, "owner owner admin member outcast"),
        ({"roomowners": "owner"}, "owner admin admin member outcast"),
        ({"roomowners": "owner", "roomadmins": "admin"}, "owner member admin member outcast"),
        ({"roomowners": "owner", "roomadmins": "admin owner2"}, "owner admin admin member outcast"),
        ({"roomadmins": ""}, "owner owner member member outcast"),
        ({"roomadmins": "member"}, "owner owner member admin outcast"),
        ({"roomadmins": "outcast"}, "owner owner member member admin"),
        ({"roomowners": "owner admin"}, "owner admin owner member outcast"),
        ({"roomowners": "admin owner", "roomadmins": "admin"}, "owner member owner member outcast"),
        ({"roomadmins": "owner"}, "owner owner member member outcast"),
        ({"roomowners": "member"}, "admin admin admin owner outcast"),
    )

    def test_lists(self) -> None:
        self.court("owner2")
        names = ("owner", "owner2", "admin", "member", "outcast")
        room = self.room()
        before = dict(room.members)
        for lists, after in self.LISTS:
            with self.subTest(lists):
                people = {var: [f"{name}@example.org" for name in text.split()] for var, text in lists.items()}
                self.granted("owner", form(*(field(var, *values) for var, values in people.items())))
                self.assertEqual(" ".join(map(self.affiliation, names)), after)
                room.members.clear()
                room.members.update(before)

    def test_somebody_has_to_own_it(self) -> None:
        self.court()
        for fields in ([field("roomowners")], [field("roomowners", ""), field("roomadmins", "owner@example.org")]):
            with self.subTest(fields):
                self.refused("owner", "conflict", form(field("roomname", "A Dark Cave"), *fields))

    def test_too_many(self) -> None:
        self.court()
        self.plugin("muc").service.limits = self.plugin("muc")._limits().__class__(items=2)
        people = [f"witch{number}@example.org" for number in range(3)]
        self.refused("owner", "not-acceptable", form(field("roomadmins", "admin@example.org", *people)))
        self.granted("owner", form(field("roomadmins", "admin@example.org", *people[:2])))


class CreationTests(OwnerTestCase):
    """Section 10.1."""

    def create(self) -> None:
        self.people = {name: self.login(f"{name}@example.org/x", name=name) for name in ("owner", "guest")}
        self.people["owner"].send(
            f"<presence to='{GARDEN}/owner'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        )
        self.forget()

    def test_locked(self) -> None:
        """To others it is not there, whatever they ask."""
        self.create()
        for query in (OWNER, ADMIN, "http://jabber.org/protocol/disco#info", "jabber:iq:register"):
            self.people["guest"].send(f"<iq type='get' id='ask' to='{GARDEN}'><query xmlns='{query}'/></iq>")
            self.people["guest"].expect(
                "<iq type='error' id='ask'>{...}<error type='cancel'>"
                "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
            )

    def test_unacceptable_stays_locked(self) -> None:
        self.create()
        self.refused("owner", "not-acceptable", form(field("passwordprotectedroom", "1")))
        self.assertTrue(self.room().locked)

    def test_confirmed(self) -> None:
        """Nobody is told of anything but that it is done."""
        for inside in (INSTANT, NAMED, form(field("roomadmins", "hecate@example.org"), field("membersonly", "1"))):
            with self.subTest(inside):
                self.create()
                self.granted("owner", inside)
                self.people["owner"].expect_nothing()
                self.assertFalse(self.room().locked)
                self.granted("owner", "<destroy/>")

    def test_owner_leaves(self) -> None:
        """Section 10.1.3: it is destroyed."""
        self.create()
        self.people["owner"].send(f"<presence to='{GARDEN}/owner' type='unavailable'/>")
        self.people["owner"].expect(
            f"<presence from='{GARDEN}/owner' type='unavailable'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='owner' role='none' jid='{owner}'/><destroy/><status code='110'/></x></presence>"
        )
        self.assertFalse(self.exists())

    def test_owner_is_lost(self) -> None:
        self.create()
        self.people["owner"].disconnect()
        self.assertFalse(self.exists())


class DestroyTests(OwnerTestCase):
    """Section 10.9."""

    def test_nothing_is_left(self) -> None:
        self.court(persistent=True)
        self.granted("owner", form(field("roomadmins", "hecate@example.org")))
        self.people["owner"].send(f"<message to='{GARDEN}' type='groupchat'><subject>Fire</subject></message>")
        self.people["owner"].send(f"<message to='{GARDEN}' type='groupchat'><body>Burn</body></message>")
        self.granted("owner", "<destroy/>")
        self.pump(1)
        self.assertEqual({table.name for table in TABLES if self.rows(table)}, {"muc_services"})

    def test_nothing_is_left_when_the_last_one_leaves(self) -> None:
        self.court()
        for name in ("admin", "member", "guest", "owner"):
            self.people[name].send(f"<presence to='{GARDEN}/{name}' type='unavailable'/>")
        self.assertEqual({table.name for table in TABLES if self.rows(table)}, {"muc_services"})

    def rows(self, table: Table) -> int:
        """Return how many rows a table has."""
        query = select(func.count()).select_from(table)
        return self.wait(self.host.db.read(lambda c: c.execute(query).scalar_one()))

    def test_every_device(self) -> None:
        """One presence each, and none about others."""
        self.court()
        second = self.login("guest@example.org/y", name="second")
        self.enter(second, "guest")
        self.forget()
        self.granted(
            "owner", "<destroy jid='cave@conference.example.org'><reason>Macbeth doth come.</reason></destroy>"
        )
        for client, nick in ((self.people["guest"], "guest"), (second, "guest"), (self.people["member"], "member")):
            client.expect(
                f"<presence from='{GARDEN}/{nick}' type='unavailable'>{{...}}<x xmlns='{USER}'>"
                "<item affiliation='none' role='none'/><destroy jid='cave@conference.example.org'>"
                "<reason>Macbeth doth come.</reason></destroy><status code='110'/></x></presence>"
            )
            client.expect_nothing()

    def test_refused(self) -> None:
        self.court()
        long = f"<reason>{'x' * 1001}</reason>"
        for inside, condition in (
            ("<destroy jid='@'/>", "jid-malformed"),
            (f"<destroy>{long}</destroy>", "policy-violation"),
            (f"<destroy><password>{'x' * 2001}</password></destroy>", "policy-violation"),
        ):
            with self.subTest(inside[:40]):
                self.refused("owner", condition, inside)

    def test_made_again(self) -> None:
        """It is another room: nothing is left of what people were to the first."""
        self.court()
        self.granted("owner", "<destroy/>")
        self.make_room(self.people["guest"], "guest")
        self.assertEqual([self.affiliation(name) for name in ("guest", "owner", "outcast")], ["owner", "none", "none"])


class OperatorTests(OwnerTestCase):
    """Options of the service: `defaults` and `forced`."""

    config = {
        "muc": {
            "defaults": {"persistent": True, "history": 7, "lang": "en"},
            "forced": {"anonymous": False, "max_users": 9},
            "max_text": 20,
            "max_contacts": 1,
        }
    }

    def test_new_rooms(self) -> None:
        romeo = self.login("romeo@example.org/x", name="romeo")
        room = self.make_room(romeo)
        config = room.config
        self.assertEqual((config.persistent, config.history, config.lang, config.anonymous), (True, 7, "en", False))
        romeo.send(f"<presence to='{GARDEN}/Romeo' type='unavailable'/>")
        self.restart()
        self.assertTrue(self.exists())
        self.assertEqual(self.room().config, config)

    def test_forced(self) -> None:
        self.court()
        self.refused("owner", "not-acceptable", form(field("whois", "moderators")))
        self.granted("owner", form(field("whois", "anyone"), field("lang", "fr")))
        self.ask("owner", type="get")
        shown = self.people["owner"].received[-1]
        self.assertNotIn("muc#roomconfig_whois", shown)
        self.assertIn("What can't be changed on this service: Who sees the real addresses of occupants?", shown)

    def test_settings_that_were_read_by_a_start(self) -> None:
        """Rooms that are there already take what is forced when they are needed."""
        self.court()
        muc = self.plugin("muc")
        room = self.room()
        room.config = room.config.changed({"anonymous": True, "persistent": True})
        self.apply(room, Configured(room.config))
        self.restart()
        self.assertTrue(self.exists())
        self.assertFalse(self.room().config.anonymous)
        stored = self.wait(self.host.db.read(lambda c: find(c, room.jid)))
        assert stored is not None
        self.assertFalse(stored.config.anonymous)
        self.assertIsNot(muc, self.plugin("muc"))

    def test_history_of_who_says_nothing(self) -> None:
        """They see as many messages as the owner says; others as many as they want, up to another number."""
        self.court(history=4, default_history=2)
        for number in range(6):
            self.people["owner"].send(f"<message to='{GARDEN}' type='groupchat'><body>{number}</body></message>")
        for inside, expected in (
            ("", "45"),
            ("<history maxstanzas='9'/>", "2345"),
            ("<history seconds='60'/>", "2345"),
        ):
            late = self.login("late@example.org/x", name="late")
            late.clear()
            late.send(f"<presence to='{GARDEN}/late'><x xmlns='http://jabber.org/protocol/muc'>{inside}</x></presence>")
            said = [match for xml in late.received for match in re.findall("<body>(.)</body>", xml)]
            self.assertEqual("".join(said), expected)
            late.disconnect()

    def test_limits(self) -> None:
        self.court()
        self.refused("owner", "not-acceptable", form(field("roomname", "x" * 21)))
        self.refused("owner", "not-acceptable", form(field("contactjid", "a@example.org", "b@example.org")))

    def test_changed_while_rooms_are_there(self) -> None:
        """What is forced from now on is so at once, with all that follows."""
        self.court()
        muc = self.plugin("muc")
        options = muc.options.model_copy(
            update={"forced": muc.options.forced.model_copy(update={"members_only": True})}
        )
        muc._options = options
        self.wait(muc.reconfigured(options))
        self.pump(0)
        self.assertEqual(self.nicks(), ["admin", "member", "owner"])
        self.people["guest"].expect("<presence type='unavailable'>{any}</presence>")

    def test_nothing_changes(self) -> None:
        self.court()
        room = self.room()
        outcome = reconfigure(room, room.config, 0.0)
        self.assertEqual((outcome.sent, outcome.changes), ([], []))


class AdministratorTests(OwnerTestCase):
    """Administrators of the host may do in every room what its owners may."""

    hosts = {"example.org": {"admins": ["guest@example.org"]}}

    def test_configure_and_destroy(self) -> None:
        self.court()
        self.granted("guest", type="get")
        self.granted("guest", NAMED)
        self.refused("guest", "conflict", form(field("roomowners")))
        self.granted("guest", form(field("roomowners", "member@example.org"), field("roomadmins")))
        self.assertEqual([self.affiliation(name) for name in ("owner", "member")], ["member", "owner"])
        self.granted("guest", "<destroy/>")
        self.assertFalse(self.exists())

    def test_room_that_is_not_confirmed(self) -> None:
        """To them it is there."""
        self.people = {name: self.login(f"{name}@example.org/x", name=name) for name in ("owner", "guest", "member")}
        self.enter(self.people["owner"], "owner")
        self.granted("guest", CANCEL)
        self.assertFalse(self.exists())
        self.assertIn("<destroy", self.people["owner"].received[-1])
