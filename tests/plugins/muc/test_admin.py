"""Requests of moderators, admins and owners (XEP-0045 sections 8 to 10 and 17.4), rule by rule."""

from __future__ import annotations

from itertools import product

from tests.plugins.muc.court import ADMIN, CourtTestCase, item
from tests.plugins.muc.kit import GARDEN, USER
from xmppd.plugins.muc.room.ranks import Affiliation

WHO = ("owner", "admin", "member", "guest")


def jid(name: str) -> str:
    return f"{name}@example.org"


class AffiliationTests(CourtTestCase):
    """Sections 9.1 to 9.5, 10.3 to 10.8: what comes of every change by everybody."""

    def test_every_change(self) -> None:
        self.court("owner2", "admin2", "member2", "outcast2")
        affiliations = ("outcast", "none", "member", "admin", "owner")
        targets = {"outcast": "outcast2", "none": "guest", "member": "member2", "admin": "admin2", "owner": "owner2"}
        for actor, (before, after) in product(("admin", "member", "guest", "outcast"), product(targets, affiliations)):
            allowed = actor == "admin" and {before, after} <= {"outcast", "none", "member"}
            if allowed or actor == targets[before]:
                continue
            # Section 9.1: to ban who stands higher is not allowed; all else is not for those who ask.
            condition = "not-allowed" if actor == "admin" and after == "outcast" else "forbidden"
            with self.subTest((actor, before, after)):
                self.refused(actor, condition, item(jid=jid(targets[before]), affiliation=after))

    def test_what_admins_may(self) -> None:
        names = [f"{before}{number}" for before in ("outcast", "guest", "member") for number in (2, 3, 4)]
        self.court(*names)
        for name, after in zip(names, 3 * ("outcast", "none", "member"), strict=True):
            with self.subTest((name, after)):
                self.granted("admin", item(jid=jid(name), affiliation=after))
                self.assertEqual(self.affiliation(name), after)

    def test_what_owners_may(self) -> None:
        self.court("owner2", "admin2", "member2", "outcast2")
        for name in ("owner2", "admin2", "member2", "outcast2"):
            for after in ("owner", "admin", "member", "none", "outcast"):
                self.granted("owner", item(jid=jid(name), affiliation=after))
                self.assertEqual(self.affiliation(name), after)

    def test_own_ban(self) -> None:
        self.court("owner2")
        for name in ("owner", "admin"):
            self.refused(name, "conflict", item(jid=jid(name), affiliation="outcast"))
        for name in ("member", "guest"):
            self.refused(name, "forbidden", item(jid=jid(name), affiliation="outcast"))

    def test_last_owner(self) -> None:
        self.court()
        for affiliation in ("admin", "member", "none"):
            self.refused("owner", "conflict", item(jid=jid("owner"), affiliation=affiliation))

    def test_owners_all_at_once(self) -> None:
        self.court("owner2")
        gone = [item(jid=jid(name), affiliation="none") for name in ("owner2", "owner")]
        self.refused("owner", "conflict", *gone)
        self.granted("owner", item(jid=jid("admin"), affiliation="owner"), *gone)
        self.assertEqual([self.affiliation(name) for name in ("owner", "owner2", "admin")], ["none", "none", "owner"])

    def test_by_nickname(self) -> None:
        self.court()
        self.granted("owner", item(nick="guest", affiliation="member"))
        self.assertEqual(self.affiliation("guest"), "member")
        self.assertEqual(self.room().members[self.room().occupants["guest"].who].nick, "")
        self.refused("owner", "item-not-found", item(nick="nobody", affiliation="member"))

    def test_by_nickname_of_one_who_has_gone(self) -> None:
        """It has to be reserved."""
        self.court()
        self.granted("owner", item(jid=jid("member"), affiliation="member", nick="member"))
        for name in ("guest", "member"):
            self.people[name].send(f"<presence type='unavailable' to='{GARDEN}/{name}'/>")
        self.refused("owner", "item-not-found", item(nick="guest", affiliation="outcast"))
        self.granted("owner", item(nick="member", affiliation="outcast"))
        self.assertEqual(self.affiliation("member"), "outcast")

    def test_full_address(self) -> None:
        """Section 10.3: the bare one is meant."""
        self.court()
        self.granted("owner", item(jid="guest@example.org/elsewhere", affiliation="admin"))
        self.assertEqual(self.affiliation("guest"), "admin")

    def test_nothing_new(self) -> None:
        self.court()
        version = self.room().version
        self.granted("owner", item(jid=jid("member"), affiliation="member"), item(jid=jid("guest"), affiliation="none"))
        for client in self.people.values():
            client.expect_nothing()
        self.assertEqual(self.room().version, version)

    def test_kept(self) -> None:
        self.court(persistent=True)
        self.granted("admin", f"<item jid='{jid('guest')}' affiliation='outcast'><reason>Weeds</reason></item>")
        self.granted("admin", item(jid=jid("outcast"), affiliation="none"))
        self.kill()
        self.people = {"owner": self.login("owner@example.org/x", name="owner")}
        self.enter(self.people["owner"], "owner")
        self.ask("owner", item(affiliation="outcast"), type="get")
        reason = "<reason>Weeds</reason>"
        self.people["owner"].expect(
            f"<iq type='result' id='ask'><query xmlns='{ADMIN}'>"
            f"<item affiliation='outcast' jid='guest@example.org'>{reason}</item></query></iq>"
        )

    def test_every_change_is_a_version(self) -> None:
        self.court()
        before = self.room().version
        self.granted("owner", item(jid=jid("guest"), affiliation="member"), item(jid=jid("member"), affiliation="none"))
        self.assertEqual(self.room().version, before + 2)


class NicknameTests(CourtTestCase):
    """Sections 9.3 and 9.5: nicknames that are reserved with a membership."""

    def nick(self, name: str) -> str:
        return self.room().members[self.room().occupants[name].who].nick

    def test_reserved(self) -> None:
        self.court()
        self.granted("admin", item(jid=jid("member"), affiliation="member", nick="Gardener"))
        self.assertEqual(self.nick("member"), "Gardener")
        self.granted("admin", item(jid=jid("member"), affiliation="member"))
        self.assertEqual(self.nick("member"), "Gardener")
        self.granted("admin", item(jid=jid("member"), affiliation="member", nick=""))
        self.assertEqual(self.nick("member"), "")

    def test_taken(self) -> None:
        self.court("member2")
        self.granted("admin", item(jid=jid("member"), affiliation="member", nick="Gardener"))
        self.refused("admin", "conflict", item(jid=jid("member2"), affiliation="member", nick="Gardener"))
        both = [item(jid=jid(name), affiliation="member", nick="Rose") for name in ("member", "member2")]
        self.refused("admin", "conflict", *both)

    def test_impossible(self) -> None:
        self.court()
        self.refused("admin", "not-acceptable", item(jid=jid("member"), affiliation="member", nick="x" * 65))

    def test_banned(self) -> None:
        """Section 9.1: it is removed from the list of registered nicknames."""
        self.court()
        self.granted("admin", item(jid=jid("member"), affiliation="member", nick="Gardener"))
        self.granted("admin", item(jid=jid("member"), affiliation="outcast"))
        self.assertIsNone(self.room().reserved_for("Gardener"))


class RoleTests(CourtTestCase):
    """Sections 8.2 to 8.4, 9.6 and 9.7 in a room; what may change at all is in test_ranks.py."""

    def test_errors(self) -> None:
        self.court("moderator", "moderator2", "visitor")
        rows = (
            # Not for those who are no moderators
            *((who, role, "owner", "forbidden") for who, role in product(("member", "guest"), ("none", "visitor"))),
            ("outcast", "none", "guest", "forbidden"),
            # Section 8.2
            ("admin", "none", "owner", "not-allowed"),
            ("moderator", "none", "admin", "not-allowed"),
            ("moderator", "none", "member", "not-allowed"),
            ("moderator", "none", "moderator2", "not-allowed"),
            # Section 8.4
            ("owner", "visitor", "admin", "not-allowed"),
            ("admin", "visitor", "owner", "not-allowed"),
            ("moderator", "visitor", "member", "not-allowed"),
            ("moderator", "visitor", "guest", "not-allowed"),
            # Section 9.6
            ("moderator", "moderator", "guest", "forbidden"),
            # Section 9.7
            ("admin", "participant", "owner", "not-allowed"),
            ("owner", "participant", "admin", "not-allowed"),
            ("moderator", "participant", "moderator2", "forbidden"),
            ("moderator", "participant", "admin", "forbidden"),
            # Themselves
            ("owner", "none", "owner", "conflict"),
            ("moderator", "none", "moderator", "conflict"),
            # Nobody
            ("owner", "none", "nobody", "item-not-found"),
        )
        for actor, role, nick, condition in rows:
            with self.subTest((actor, role, nick)):
                self.refused(actor, condition, item(nick=nick, role=role))

    def test_granted(self) -> None:
        self.court("moderator", "visitor", "guest2", "member2")
        for actor, role, nick in (
            ("moderator", "participant", "visitor"),
            ("owner", "visitor", "visitor"),
            ("admin", "visitor", "member"),
            ("admin", "moderator", "member"),
            ("admin", "participant", "member"),
            ("owner", "moderator", "guest"),
            ("admin", "visitor", "guest"),
            ("admin", "visitor", "moderator"),
            ("admin", "none", "moderator"),
            ("owner", "none", "admin"),
        ):
            with self.subTest((actor, role, nick)):
                self.granted(actor, item(nick=nick, role=role))
                self.assertEqual(self.role(nick), role)

    def test_from_outside(self) -> None:
        """Admins and owners needn't be there; nobody is named then as who has done it."""
        self.court()
        self.people["admin"].send(f"<presence type='unavailable' to='{GARDEN}/admin'/>")
        self.forget()
        self.granted("admin", item(nick="guest", role="none"))
        self.people["guest"].expect(
            f"<presence type='unavailable' from='{GARDEN}/guest'><x xmlns='{USER}'>"
            "<item affiliation='none' jid='guest@example.org/x' role='none'/><status code='307'/><status code='110'/>"
            "</x>{...}</presence>"
        )

    def test_other_device(self) -> None:
        """Section 8: it is the bare address that counts."""
        self.court("moderator")
        self.people["phone"] = self.login("moderator@example.org/phone")
        self.granted("phone", item(nick="guest", role="none"))
        self.assertEqual(self.role("guest"), "none")

    def test_by_address(self) -> None:
        self.court()
        self.granted("owner", item(jid="guest@example.org/x", role="visitor"))
        self.assertEqual(self.role("guest"), "visitor")
        self.granted("owner", item(jid=jid("guest"), role="participant"))
        self.assertEqual(self.role("guest"), "participant")
        self.refused("owner", "item-not-found", item(jid="nobody@example.org", role="visitor"))

    def test_all_devices_are_kicked(self) -> None:
        self.court()
        tablet = self.login("guest@example.org/tablet")
        self.enter(tablet, "guest")
        self.forget()
        self.granted("owner", item(nick="guest", role="none"))
        for client, resource in ((self.people["guest"], "x"), (tablet, "tablet")):
            client.expect(
                f"<presence type='unavailable' from='{GARDEN}/guest'><x xmlns='{USER}'>"
                f"<item affiliation='none' jid='guest@example.org/{resource}' role='none'><actor nick='owner'/></item>"
                "<status code='307'/><status code='110'/></x>{...}</presence>"
            )
            client.expect_nothing()

    def test_kept(self) -> None:
        """Section 5.1: roles SHOULD persist in moderated rooms, here as long as somebody stays."""
        self.court(persistent=True, moderated=True)
        self.granted("owner", item(nick="guest", role="participant"))
        rows = self.wait(
            self.plugin("muc").db.read(lambda c: c.exec_driver_sql("select nick, role from muc_seats").all())
        )
        self.assertIn(("guest", "participant"), [tuple(row) for row in rows])


class RequestTests(CourtTestCase):
    """Requests that mean nothing (section 17.4), and limits."""

    def test_bad_requests(self) -> None:
        self.court()
        for wrong in (
            "",
            "<item/>",
            "<item xmlns='urn:example:other' nick='guest' role='none'/>",
            item(nick="guest", role="none", affiliation="none"),
            item(jid=jid("guest"), affiliation="king"),
            item(nick="guest", role="king"),
            item(affiliation="member"),
            item(role="none"),
            item(nick="", affiliation="member"),
        ):
            with self.subTest(wrong):
                self.refused("owner", "bad-request", wrong)

    def test_twice(self) -> None:
        """What would be done of it is anybody's guess."""
        self.court()
        for key, values in (("role", ("none", "visitor")), ("affiliation", ("member", "outcast"))):
            name = {"nick": "guest"} if key == "role" else {"jid": jid("guest")}
            self.refused("owner", "bad-request", *(item(**name, **{key: value}) for value in values))

    def test_bad_addresses(self) -> None:
        self.court()
        for wrong in (item(jid="@example.org", affiliation="member"), item(jid="", affiliation="outcast")):
            self.refused("owner", "jid-malformed", wrong)

    def test_domains(self) -> None:
        self.court()
        self.granted("owner", item(jid="verona.example", affiliation="member"))
        for affiliation in ("admin", "owner"):
            self.refused("owner", "not-acceptable", item(jid="verona.example", affiliation=affiliation))

    def test_all_or_nothing(self) -> None:
        self.court()
        kick, ban = item(nick="guest", role="none"), item(jid=jid("guest"), affiliation="outcast")
        for first, second, condition in (
            (kick, item(nick="owner", role="none"), "not-allowed"),
            (kick, item(nick="nobody", role="none"), "item-not-found"),
            (ban, item(jid=jid("owner"), affiliation="outcast"), "not-allowed"),
            (ban, item(jid=jid("admin"), affiliation="outcast"), "conflict"),
            (ban, "<item/>", "bad-request"),
            (kick, item(jid=jid("member"), affiliation="admin"), "forbidden"),
        ):
            with self.subTest(second):
                self.refused("admin", condition, first, second)
                self.refused("admin", condition, second, first)

    def test_both_kinds(self) -> None:
        self.court()
        self.granted(
            "owner",
            item(nick="guest", role="none"),
            item(jid=jid("member"), affiliation="outcast"),
            item(nick="admin", role="none"),
            item(jid=jid("guest"), affiliation="outcast"),
        )
        self.assertEqual(self.nicks(), ["owner"])

    def test_last_one_banned_from_outside(self) -> None:
        """A room that isn't persistent is gone when nobody is left in it (section 7.14)."""
        self.court()
        for name in ("owner", "member", "guest"):
            self.people[name].send(f"<presence type='unavailable' to='{GARDEN}/{name}'/>")
        self.granted(
            "owner", item(jid=jid("admin"), affiliation="outcast"), item(jid=jid("guest"), affiliation="member")
        )
        self.assertNotIn(GARDEN, self.plugin("muc").rooms.loaded)

    def test_no_room(self) -> None:
        self.court()
        self.people["owner"].send(
            f"<iq type='get' id='x' to='moat@conference.example.org'><query xmlns='{ADMIN}'>{item(role='moderator')}"
            "</query></iq>"
        )
        self.people["owner"].expect(
            "<iq type='error' id='x'>{...}<error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
        )


class LimitTests(CourtTestCase):
    config = {"muc": {"max_items": 2, "max_reason": 5, "max_affiliations": 6}}

    def test_items(self) -> None:
        self.court()
        three = [item(jid=f"n{i}@example.org", affiliation="none") for i in range(3)]
        self.refused("owner", "policy-violation", *three)
        self.refused("owner", "policy-violation", *three, type="get")
        self.granted("owner", *three[:2])

    def test_reason(self) -> None:
        self.court()
        for named in ("nick='guest' role='none'", f"jid='{jid('guest')}' affiliation='outcast'"):
            self.refused("owner", "policy-violation", f"<item {named}><reason>123456</reason></item>")
        self.granted("owner", "<item nick='guest' role='none'><reason> 12345 </reason></item>")

    def test_affiliations(self) -> None:
        """There are owner, admin, member and outcast."""
        self.court()
        self.granted(
            "owner", item(jid="a@example.org", affiliation="outcast"), item(jid="b@example.org", affiliation="outcast")
        )
        self.refused("owner", "resource-constraint", item(jid="c@example.org", affiliation="outcast"))
        self.granted(
            "owner", item(jid="c@example.org", affiliation="outcast"), item(jid="b@example.org", affiliation="none")
        )


class ListTests(CourtTestCase):
    """Sections 6.12 and 9.5, 10.5, 10.8: who gets which list in which kind of room."""

    def gets(self, **config: object) -> dict[str, set[str]]:
        self.court("moderator", **config)
        found: dict[str, set[str]] = {}
        for who, key in product((*WHO, "moderator", "outcast"), ("owner", "admin", "member", "outcast")):
            self.ask(who, item(affiliation=key), type="get")
            answer = self.people[who].take()
            if answer["type"] == "result":
                found.setdefault(who, set()).add(key)
            else:
                self.assertIn("<forbidden", answer.toXml())
        return found

    def test_semi_anonymous(self) -> None:
        everything = {"owner", "admin", "member", "outcast"}
        self.assertEqual(self.gets(), {"owner": everything, "admin": {"member", "outcast"}})

    def test_non_anonymous(self) -> None:
        everything = {"owner", "admin", "member", "outcast"}
        expected = {"owner": everything, "admin": everything, "member": everything - {"outcast"}}
        self.assertEqual(self.gets(anonymous=False), expected)

    def test_by_configuration(self) -> None:
        """muc#roomconfig_getmemberlist."""
        got = self.gets(anonymous=False, member_list=("moderator",))
        self.assertEqual(set(got), {"owner", "admin"})

    def test_members_who_are_not_there(self) -> None:
        self.court(anonymous=False, members_only=True)
        self.people["member"].send(f"<presence type='unavailable' to='{GARDEN}/member'/>")
        self.people["member"].clear()
        self.granted("member", item(affiliation="member"), type="get")

    def test_roles(self) -> None:
        self.court("moderator", "visitor")
        for role, who in (("participant", "moderator"), ("visitor", "moderator"), ("moderator", "admin")):
            self.granted(who, item(role=role), type="get")
        self.refused("moderator", "forbidden", item(role="moderator"), type="get")
        for role in ("participant", "visitor", "moderator"):
            self.refused("guest", "forbidden", item(role=role), type="get")

    def test_content(self) -> None:
        """Section 17.4: roles with everything; affiliations without a role, and outcasts without a nickname."""
        self.court()
        owner = self.people["owner"]
        for asked, expected in (
            (
                item(role="participant"),
                "<item affiliation='member' jid='member@example.org/x' nick='member' role='participant'/>"
                "<item affiliation='none' jid='guest@example.org/x' nick='guest' role='participant'/>",
            ),
            (item(affiliation="member"), "<item affiliation='member' jid='member@example.org' nick='member'/>"),
            (item(affiliation="outcast"), "<item affiliation='outcast' jid='outcast@example.org'/>"),
        ):
            self.ask("owner", asked, type="get")
            owner.expect(f"<iq type='result' id='ask'><query xmlns='{ADMIN}'>{expected}</query></iq>")

    def test_nobody_has_nothing(self) -> None:
        self.court()
        for wrong in (item(affiliation="none"), item(role="none")):
            self.refused("owner", "bad-request", wrong, type="get")


class AbsentTests(CourtTestCase):
    """Those who are not in the room are told what they are to it, and others of them (10.3, 10.6, 18.1 note 2)."""

    def test_told(self) -> None:
        self.court()
        friar = self.login("friar@example.org/cell", presence=True)
        self.forget()
        for affiliation, told in (
            ("outcast", False),
            ("none", False),
            ("member", True),
            ("admin", True),
            ("none", True),
        ):
            with self.subTest(affiliation):
                self.granted("owner", item(jid="friar@example.org", affiliation=affiliation))
                if told:
                    friar.expect(
                        f"<message from='{GARDEN}' to='friar@example.org'><x xmlns='{USER}'>"
                        f"<item affiliation='{affiliation}' role='none'/><status code='101'/></x></message>"
                    )
                    for name in ("owner", "admin"):
                        self.people[name].expect(
                            f"<message from='{GARDEN}'><x xmlns='{USER}'><item affiliation='{affiliation}' "
                            "jid='friar@example.org' role='none'><actor nick='owner'/></item></x></message>"
                        )
                friar.expect_nothing()
                self.people["guest"].expect_nothing()

    def test_invited_without_address(self) -> None:
        """In a semi-anonymous room the occupant invites (section 7.8.2)."""
        self.court(members_only=True)
        friar = self.login("friar@example.org/cell", presence=True)
        self.granted("admin", "<item jid='friar@example.org' affiliation='member'><reason>Shrift</reason></item>")
        friar.expect(
            f"<message from='{GARDEN}' to='friar@example.org'><x xmlns='{USER}'>"
            f"<invite from='{GARDEN}/admin'><reason>Shrift</reason></invite></x>{{...}}</message>"
        )
        friar.expect_nothing()

    def test_only_who_was_nothing_is_invited(self) -> None:
        self.court(members_only=True)
        friar = self.login("friar@example.org/cell", presence=True)
        self.affiliate("friar", Affiliation.ADMIN)
        self.granted("owner", item(jid="friar@example.org", affiliation="member"))
        friar.expect(
            f"<message><x xmlns='{USER}'><item affiliation='member' role='none'/><status code='101'/></x></message>"
        )


class RevealedTests(CourtTestCase):
    """Section 8: a moderator knows who is who, as soon as they are one."""

    def test_by_affiliation(self) -> None:
        self.court()
        self.granted("owner", item(jid=jid("guest"), affiliation="admin"))
        shown = "".join(self.people["guest"].received)
        for name in ("owner", "admin", "member"):
            self.assertIn(f"jid='{name}@example.org/x'", shown)

    def test_not_once_more(self) -> None:
        self.court(anonymous=False)
        self.granted("owner", item(nick="guest", role="moderator"))
        self.assertEqual(len(self.people["guest"].received), 1)

    def test_presence_that_is_not_broadcast(self) -> None:
        """muc#roomconfig_presencebroadcast: who becomes visible is seen, and who becomes invisible as well."""
        self.court(presence_broadcast=("moderator",))
        self.granted("owner", item(nick="guest", role="moderator"))
        self.assertEqual(len(self.people["member"].received), 1)
        self.granted("owner", item(nick="guest", role="participant"))
        self.assertEqual(len(self.people["member"].received), 3)
        self.assertIn("type='unavailable'", self.people["member"].received[2])
        self.granted("owner", item(nick="guest", role="visitor"))
        self.assertEqual(len(self.people["member"].received), 3)
