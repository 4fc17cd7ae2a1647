"""XEP-0045, 9.9 and 7.10: registrations that an admin approves, what people say of themselves, and limits of both."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.plugins.muc.kit import GARDEN, JOIN, USER, RoomTestCase
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.outcome import Affiliated, Configured
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member
from xmppd.plugins.muc.service.store import find
from xmppd.testing import Client
from xmppd.wire.jid import Jid

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
NS = "jabber:iq:register"
REGISTER = "http://jabber.org/protocol/muc#register"
HAG = Jid.parse("hag@example.org")


def form(type: str = "submit", form_type: str = REGISTER, **fields: str) -> str:
    """Return a form; fields are named without ``muc#register_``, but for ``jid``."""
    rest = "".join(
        f"<field var='muc#{'' if name == 'jid' else 'register_'}{name}'>"
        + "".join(f"<value>{line}</value>" for line in value.split("\n"))
        + "</field>"
        for name, value in fields.items()
    )
    return f"<x xmlns='jabber:x:data' type='{type}'><field var='FORM_TYPE'><value>{form_type}</value></field>{rest}</x>"


class RegistrationTestCase(RoomTestCase):
    plugins: ClassVar[Any] = ("muc", "presence", "roster", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.crone = self.login("crone@example.org/desktop", presence=True)
        self.hag = self.login("hag@example.org/pda", presence=True)
        self.made = self.make_room(self.crone, "firstwitch", persistent=True)

    def set_up(self, **config: Any) -> None:
        self.made.config = self.made.config.changed(config)
        self.apply(self.made, Configured(self.made.config))

    def be(self, who: str, affiliation: Affiliation, nick: str = "") -> None:
        self.made.members[Jid.parse(who)] = member = Member(affiliation, nick)
        self.apply(self.made, Affiliated(Jid.parse(who), member))

    def register(self, client: Client, inside: str | None = None, **fields: str) -> None:
        query = form(**fields) if inside is None else inside
        client.send(f"<iq type='set' id='r' to='{GARDEN}'><query xmlns='{NS}'>{query}</query></iq>")

    def registered(self, client: Client, inside: str | None = None, **fields: str) -> None:
        client.clear()
        self.register(client, inside, **fields)
        self.assertRegex(client.received[0], "<iq [^>]*type=.result. id=.r.")

    def refused(self, client: Client, kind: str, condition: str, inside: str | None = None, **fields: str) -> None:
        client.clear()
        self.register(client, inside, **fields)
        client.expect(
            f"<iq type='error' id='r'>{{...}}<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )
        client.expect_nothing()

    def member(self, who: Jid = HAG) -> Member | None:
        found: Member | None = self.made.members.get(who)
        return found


class Registered(RegistrationTestCase):
    SAID = {"first": "Brunhilde", "email": "hag66@witchesonline", "faqentry": "Just another\nwitch."}

    def test_what_is_kept(self) -> None:
        """What somebody says is kept with their membership, and shown to them when they ask again."""
        self.registered(self.hag, roomnick="thirdwitch", **self.SAID, unknown="x")
        member = self.member()
        assert member is not None
        self.assertEqual((member.affiliation, member.nick), (Affiliation.MEMBER, "thirdwitch"))
        self.assertEqual(json.loads(member.form), {f"muc#register_{name}": value for name, value in self.SAID.items()})
        self.restart()
        hag = self.login("hag@example.org/pda")
        hag.send(f"<iq type='get' id='r' to='{GARDEN}'><query xmlns='{NS}'/></iq>")
        got = "".join(hag.received)
        for text in ("<registered/>", "<username>thirdwitch</username>", "Brunhilde", "<value>witch.</value>"):
            self.assertIn(text, got)

    def test_another_nickname(self) -> None:
        """Members get another by registering once more; admins stay admins."""
        for affiliation in (Affiliation.MEMBER, Affiliation.ADMIN, Affiliation.OWNER):
            self.be("hag@example.org", affiliation, "old")
            self.registered(self.hag, roomnick="thirdwitch")
            member = self.member()
            assert member is not None
            self.assertEqual((member.affiliation, member.nick), (affiliation, "thirdwitch"))

    def test_version(self) -> None:
        """XEP-0463: what people are to a room has a version."""
        before = self.made.version
        self.registered(self.hag, roomnick="thirdwitch")
        member = self.member()
        assert member is not None
        self.assertEqual((self.made.version, member.version), (before + 1, before + 1))

    def test_in_the_room(self) -> None:
        """A visitor is a participant by it (section 5.1.2)."""
        self.enter(self.hag, "oldhag")
        self.made.occupants["oldhag"].role = Role.VISITOR
        self.crone.clear()
        self.registered(self.hag, roomnick="thirdwitch")
        item = "<item affiliation='member' role='participant' jid='{hag}'/>"
        self.crone.expect(f"<presence from='{GARDEN}/oldhag'>{{...}}<x xmlns='{USER}'>{item}</x></presence>")

    def test_fixed_nickname(self) -> None:
        """In a room that wants it so, who is there uses the nickname from then on: status 210."""
        self.set_up(fixed_nick=True)
        self.enter(self.hag, "oldhag")
        self.crone.clear()
        self.registered(self.hag, roomnick="thirdwitch")
        presences = "".join(one for one in self.crone.received if "<presence" in one)
        self.assertIn("<status code='303'/>", presences)
        self.assertIn("<status code='210'/>", presences)
        self.assertEqual(self.nicks(), ["firstwitch", "thirdwitch"])
        self.hag.clear()
        self.crone.send(f"<message type='chat' to='{GARDEN}/thirdwitch'><body>hi</body></message>")
        self.hag.expect(f"<message type='chat' from='{GARDEN}/firstwitch'>{{...}}</message>")
        self.assertIn("thirdwitch", {seat.nick for seat in self.seats()})

    def seats(self) -> Any:
        """Return who is in the room by the database."""
        found = self.wait(self.host.db.read(lambda connection: find(connection, Jid.parse(GARDEN))))
        assert found is not None
        return found.seats

    def test_nicknames(self) -> None:
        """As an address has them; what can't be one is refused."""
        self.set_up(members_only=False)
        table = (
            ("", "not-acceptable"), (" ", "not-acceptable"), ("x" * 65, "not-acceptable"),
            ("a&#x7f;b", "not-acceptable"), ("x" * 2000, "not-acceptable"),
        )  # fmt: skip
        for nick, condition in table:
            with self.subTest(nick=nick):
                self.refused(self.hag, "modify", condition, roomnick=nick)
        self.registered(self.hag, roomnick=" thirdwitch ")
        member = self.member()
        assert member is not None
        self.assertEqual(member.nick, "thirdwitch")

    def test_hostile(self) -> None:
        for inside in (
            form(type="form", roomnick="a"), form(type="result", roomnick="a"), form(type="", roomnick="a"), form(""),
            "<x xmlns='jabber:x:data' type='submit'><field/><field var='FORM_TYPE'/></x>",
            f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{REGISTER}</value>"
            f"<value>{REGISTER}</value></field></x>",
            "<x xmlns='urn:example' type='submit'/>",
        ):  # fmt: skip
            with self.subTest(inside=inside):
                self.refused(self.hag, "modify", "bad-request", inside)
        self.assertIsNone(self.member())
        self.registered(self.hag, form(type="cancel"))
        self.assertIsNone(self.member())

    def test_who_is_blocked(self) -> None:
        """Whom the operator lets into no room becomes no member of one either; members can leave."""
        guard = self.plugin("muc").guard
        self.wait(guard.block(HAG, "No witches."))
        self.refused(self.hag, "cancel", "not-allowed", roomnick="thirdwitch")
        self.hag.send(f"<iq type='get' id='r' to='{GARDEN}'><query xmlns='{NS}'/></iq>")
        self.hag.expect(
            f"<iq type='error' id='r'>{{...}}<error type='cancel'><not-allowed xmlns='{ERRORS}'/>{{...}}</error></iq>"
        )
        self.be("hag@example.org", Affiliation.MEMBER)
        self.registered(self.hag, "<remove/>")

    def test_not_open_yet(self) -> None:
        self.made.locked = True
        self.refused(self.hag, "cancel", "item-not-found", roomnick="a")
        self.registered(self.crone, roomnick="a")

    def test_when_nobody_can(self) -> None:
        """Members stay what they are, and can leave; they get no other nickname."""
        self.be("hag@example.org", Affiliation.MEMBER, "thirdwitch")
        self.set_up(registration=False)
        self.refused(self.hag, "cancel", "service-unavailable", roomnick="other")
        self.hag.send(f"<iq type='get' id='g' to='{GARDEN}'><query xmlns='{NS}'/></iq>")
        self.hag.expect(
            f"<iq type='result' id='g'><query xmlns='{NS}'><registered/><username>thirdwitch</username></query></iq>"
        )
        self.registered(self.hag, "<remove/>")
        self.assertIsNone(self.member())


class Removing(RegistrationTestCase):
    """XEP-0077, section 3.2."""

    def test_errors(self) -> None:
        self.refused(self.hag, "auth", "registration-required", "<remove/>")
        self.be("hag@example.org", Affiliation.MEMBER)
        self.refused(self.hag, "modify", "bad-request", "<remove/><username>a</username>")
        self.be("hag@example.org", Affiliation.OUTCAST)
        self.refused(self.hag, "cancel", "not-allowed", "<remove/>")
        self.assertIsNotNone(self.member())

    def test_in_the_room(self) -> None:
        self.be("hag@example.org", Affiliation.MEMBER, "thirdwitch")
        self.enter(self.hag, "thirdwitch")
        self.crone.clear()
        self.registered(self.hag, "<remove/>")
        item = "<item affiliation='none' role='participant' jid='{hag}'/>"
        self.crone.expect(f"<presence from='{GARDEN}/thirdwitch'>{{...}}<x xmlns='{USER}'>{item}</x></presence>")

    def test_members_only(self) -> None:
        """Who is no member any more is not there any more (status 321)."""
        self.be("hag@example.org", Affiliation.MEMBER)
        self.set_up(members_only=True)
        self.enter(self.hag, "thirdwitch")
        self.registered(self.hag, "<remove/>")
        self.assertIn("<status code='321'/>", "".join(self.hag.received))
        self.assertEqual(self.nicks(), ["firstwitch"])

    def test_admins(self) -> None:
        """They stay that; the nickname, and what they have said, is gone."""
        self.be("hag@example.org", Affiliation.ADMIN)
        self.registered(self.hag, roomnick="thirdwitch", first="Brunhilde")
        self.registered(self.hag, "<remove/>")
        member = self.member()
        assert member is not None
        self.assertEqual((member.affiliation, member.nick, member.form), (Affiliation.ADMIN, "", ""))


class Approving(RegistrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.wicca = self.login("wicca@example.org/laptop", presence=True)
        self.be("wicca@example.org", Affiliation.ADMIN)
        self.set_up(registration_approval=True)
        for client in (self.crone, self.wicca, self.hag):
            client.clear()

    def waits(self) -> bool:
        return HAG in json.loads(self.made.notes.get("registrations", "{}"))

    def decide(self, client: Client, inside: str | None = None, **fields: str) -> None:
        x = inside or form(**{"allow": "1", "jid": HAG, "roomnick": "thirdwitch", **fields})
        client.send(f"<message to='{GARDEN}' id='a'>{x}</message>")

    def not_decided(self, client: Client, kind: str, condition: str, inside: str | None = None, **fields: str) -> None:
        self.decide(client, inside, **fields)
        client.expect(
            f"<message type='error' id='a' from='{GARDEN}'>{{...}}"
            f"<error type='{kind}' by='{GARDEN}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"
        )
        client.clear()

    def test_who_is_asked(self) -> None:
        """Owners and admins: in the room, or else by their account, and later if they are offline."""
        late = Jid.parse("late@example.org")
        self.account(late)
        self.be(late, Affiliation.ADMIN)
        self.registered(self.hag, roomnick="thirdwitch", first="Brunhilde", faqentry="a\nb")
        self.hag.expect("<iq type='result' id='r'/>")
        self.hag.expect_nothing()
        asked = (
            f"<message from='{GARDEN}' type='{{none}}'><x xmlns='jabber:x:data' type='form'>"
            f"<title>{{any}}</title><instructions>{{any}}</instructions>"
            f"<field var='FORM_TYPE' type='hidden'><value>{REGISTER}</value></field>"
            "<field var='muc#jid' type='jid-single' label='{any}'><value>hag@example.org</value></field>"
            "<field var='muc#register_roomnick' type='text-single' label='{any}'><value>thirdwitch</value></field>"
            "<field var='muc#register_first' type='text-single' label='{any}'><value>Brunhilde</value></field>"
            "<field var='muc#register_last' type='text-single' label='{any}'/>"
            "<field var='muc#register_url' type='text-single' label='{any}'/>"
            "<field var='muc#register_email' type='text-single' label='{any}'/>"
            "<field var='muc#register_faqentry' type='text-multi' label='{any}'><value>a</value><value>b</value>"
            "</field>"
            "<field var='muc#register_allow' type='boolean' label='{any}'><value>0</value></field></x>{...}</message>"
        )
        for client in (self.crone, self.wicca):
            client.expect(asked)
        self.assertEqual(self.waits(), True)
        self.assertIsNone(self.member())
        client = self.login("late@example.org/a")
        client.send("<presence/>")
        self.assertIn("muc#register_allow", "".join(client.received))

    def test_asked_again(self) -> None:
        """Who asks again is not told to the admins again, unless they say something else."""
        for nick, told in (("thirdwitch", 1), ("thirdwitch", 0), ("other", 1)):
            self.registered(self.hag, roomnick=nick)
            self.assertEqual(len(self.crone.received), told)
            self.crone.clear()

    def test_approved(self) -> None:
        """Somebody who isn't in the room is told of it (section 18.1)."""
        self.registered(self.hag, roomnick="thirdwitch", first="Brunhilde")
        self.hag.clear()
        self.decide(self.wicca)
        member = self.member()
        assert member is not None
        self.assertEqual((member.affiliation, member.nick), (Affiliation.MEMBER, "thirdwitch"))
        self.assertIn("Brunhilde", member.form)
        self.hag.expect(
            f"<message from='{GARDEN}'><x xmlns='{USER}'><item affiliation='member' role='none'/>"
            "<status code='101'/></x></message>"
        )
        self.assertFalse(self.waits())
        self.wicca.clear()
        self.not_decided(self.wicca, "cancel", "item-not-found")

    def test_approved_in_the_room(self) -> None:
        self.enter(self.hag, "oldhag")
        self.registered(self.hag, roomnick="thirdwitch")
        self.crone.clear()
        self.hag.clear()
        self.decide(self.crone)
        item = "<item affiliation='member' role='participant' jid='{hag}'><actor nick='firstwitch'/></item>"
        self.crone.expect(f"<presence from='{GARDEN}/oldhag'>{{...}}<x xmlns='{USER}'>{item}</x></presence>")

    def test_members_only(self) -> None:
        """There an admin always has to approve it; who becomes a member is invited (section 9.5)."""
        self.set_up(registration_approval=False, members_only=True, password="cauldronburn")
        self.registered(self.hag, roomnick="thirdwitch")
        self.hag.clear()
        self.hag.send(f"<presence to='{GARDEN}/thirdwitch'>{JOIN}</presence>")
        self.assertIn("registration-required", "".join(self.hag.received))
        self.hag.clear()
        self.decide(self.crone)
        self.hag.expect(
            f"<message from='{GARDEN}'><x xmlns='{USER}'><invite from='{GARDEN}/firstwitch'/>"
            "<password>cauldronburn</password></x></message>"
        )

    def test_who_has_approved(self) -> None:
        """Whose address is nobody's business doesn't tell it by approving somebody."""
        for anonymous, admin, inviter in (
            (True, self.wicca, GARDEN),
            (True, self.crone, f"{GARDEN}/firstwitch"),
            (False, self.crone, "crone@example.org"),
        ):
            with self.subTest(anonymous=anonymous, admin=admin.jid):
                self.set_up(members_only=True, anonymous=anonymous)
                self.registered(self.hag, roomnick="thirdwitch")
                self.hag.clear()
                self.decide(admin)
                self.assertIn(f"<invite from='{inviter}'", self.hag.received[-1].replace('"', "'"))
                self.registered(self.hag, "<remove/>")

    def test_where_members_may_do_more(self) -> None:
        """There nobody becomes one without an admin, whatever the option says."""
        for options, waits in (
            ({}, False), ({"members_only": True}, True), ({"password": "p"}, True), ({"moderated": True}, True),
            ({"public_archive": False}, True), ({"public_archive": False, "archive": False}, False),
            ({"registration_approval": True}, True),
        ):  # fmt: skip
            with self.subTest(options=options):
                self.made.config = RoomConfig().changed({"persistent": True, **options})
                self.registered(self.hag, roomnick="thirdwitch")
                self.assertEqual((self.waits(), self.member() is None), (waits, waits))
                self.registered(self.hag, "<remove/>")
                self.pump(61)

    def test_denied(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        self.hag.clear()
        self.decide(self.crone, allow="0")
        self.hag.expect(f"<message from='{GARDEN}'><body>{{any}}</body></message>")
        self.assertFalse(self.waits())
        self.assertIsNone(self.member())

    def test_left(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        self.decide(self.crone, form(type="cancel"))
        self.assertTrue(self.waits())

    def test_by_the_nickname(self) -> None:
        """Clients that know only the registered fields (16.5.1) leave out the address."""
        self.registered(self.hag, roomnick="thirdwitch")
        self.decide(self.crone, form(allow="true", roomnick="thirdwitch"))
        self.assertIsNotNone(self.member())

    def test_refused(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        mercutio = self.login("mercutio@example.org/a")
        self.be("mercutio@example.org", Affiliation.MEMBER)
        for client in (self.crone, self.wicca, self.hag):
            client.clear()
        self.not_decided(mercutio, "auth", "forbidden")
        self.not_decided(self.hag, "auth", "forbidden")
        self.not_decided(self.crone, "modify", "bad-request", form(roomnick="thirdwitch"))
        self.not_decided(self.crone, "modify", "bad-request", allow="perhaps")
        self.not_decided(self.crone, "modify", "bad-request", form(type="form", allow="1"))
        self.not_decided(self.crone, "cancel", "item-not-found", jid="other@example.org")
        self.not_decided(self.crone, "cancel", "item-not-found", form(allow="1", roomnick="other"))
        self.be("other@example.org", Affiliation.MEMBER, "thirdwitch")
        self.not_decided(self.crone, "cancel", "conflict")
        self.be("hag@example.org", Affiliation.OUTCAST)
        self.not_decided(self.crone, "cancel", "not-allowed")
        self.assertTrue(self.waits())

    def test_the_same_nickname(self) -> None:
        """Two can't wait for one nickname."""
        self.registered(self.hag, roomnick="thirdwitch")
        other = self.login("other@example.org/a")
        self.refused(other, "cancel", "conflict", roomnick="thirdwitch")
        self.be("member@example.org", Affiliation.MEMBER, "fourthwitch")
        self.refused(other, "cancel", "conflict", roomnick="fourthwitch")

    def test_withdrawn(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        self.registered(self.hag, "<remove/>")
        self.assertFalse(self.waits())
        self.refused(self.hag, "auth", "registration-required", "<remove/>")

    def test_after_a_restart(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        self.restart()
        crone, hag = self.login("crone@example.org/a"), self.login("hag@example.org/a")
        self.decide(crone)
        hag.send(f"<iq type='get' id='r' to='{GARDEN}'><query xmlns='{NS}'/></iq>")
        self.assertIn("<registered/>", "".join(hag.received))

    def test_who_exists_no_more(self) -> None:
        self.registered(self.hag, roomnick="thirdwitch")
        self.wait(self.host.delete_account(HAG))
        self.assertFalse(self.waits())


class Limits(RegistrationTestCase):
    config = {"muc": {"max_registrations": 1, "max_registration": 10, "max_affiliations": 4}}

    def test_waiting(self) -> None:
        """`max_registrations`."""
        self.set_up(registration_approval=True)
        self.registered(self.hag, roomnick="a")
        other = self.login("other@example.org/a")
        self.refused(other, "wait", "resource-constraint", roomnick="b")
        self.registered(self.hag, roomnick="c")

    def test_characters(self) -> None:
        """`max_registration`."""
        self.refused(self.hag, "modify", "not-acceptable", roomnick="a", first="12345", last="123456")
        self.registered(self.hag, roomnick="a", first="12345", last="12345")

    def test_how_often(self) -> None:
        """`registrations_per_minute`: admins are not asked without end."""
        self.set_up(registration_approval=True)
        self.plugin("muc").between.reconfigure(self.plugin("muc").options.model_copy(
            update={"registrations_per_minute": 3}))  # fmt: skip
        for nick in "abc":
            self.registered(self.hag, roomnick=nick)
        self.crone.clear()
        self.refused(self.hag, "wait", "resource-constraint", roomnick="d")
        self.refused(self.hag, "wait", "resource-constraint", "<remove/>")
        self.crone.expect_nothing()
        self.pump(61)
        self.registered(self.hag, "<remove/>")

    def test_members(self) -> None:
        """`max_affiliations`; who is a member already takes no place, and there is some left for bans."""
        self.registered(self.hag, roomnick="a")
        other = self.login("other@example.org/a")
        self.refused(other, "wait", "resource-constraint", roomnick="b")
        self.registered(self.hag, roomnick="c")
        admin = "http://jabber.org/protocol/muc#admin"
        items = "".join(f"<item affiliation='outcast' jid='{name}@example.org'/>" for name in ("other", "another"))
        self.crone.clear()
        self.crone.send(f"<iq type='set' id='b' to='{GARDEN}'><query xmlns='{admin}'>{items}</query></iq>")
        self.assertIn("type='result'", self.crone.received[0])
        self.assertEqual(len(self.made.members), 4)
