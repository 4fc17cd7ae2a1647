"""XEP-0045, section 5: what roles and affiliations allow, cell by cell of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.plugins.muc.coven import MUC, ROOM, USER, CovenTestCase
from xmppd.testing import Client

ROLES = ("none", "visitor", "participant", "moderator")
AFFILIATIONS = ("outcast", "none", "member", "admin", "owner")


class PrivilegesTestCase(CovenTestCase):
    def tell(self, client: Client, item: str, namespace: str = f"{MUC}#admin") -> str:
        """Send the room a request to change something. Return "result", or the condition of the error."""
        client.clear()
        client.send(f"<iq type='set' id='change' to='{ROOM}'><query xmlns='{namespace}'>{item}</query></iq>")
        answer = next(xml for xml in client.received if xml.startswith("<iq"))
        if "type='result'" in answer:
            return "result"
        conditions = ("forbidden", "not-allowed", "bad-request", "item-not-found", "conflict", "service-unavailable")
        return next((condition for condition in conditions if f"<{condition} " in answer), answer)

    def cause(self, client: Client, xml: str, seen_by: Client, sign: str) -> bool:
        """Send something. Does the other one see a sign of it?"""
        seen_by.clear()
        client.send(xml)
        return sign in "".join(seen_by.received)


class PrivilegesOfRoles(PrivilegesTestCase):
    """5.1.1: each test is a row of the table; what it may say is "no", "yes", by role."""

    def setUp(self) -> None:
        super().setUp()
        self.create(moderatedroom="1", changesubject="1")
        self.clients: dict[str, Client] = {}
        for role in ROLES:
            client = self.clients[role] = self.login(f"{role}@example.org/pda")
            if role != "none":
                self.enter(client, role)
            if role in ("participant", "moderator"):
                self.give_role(role, role)
        self.victim = self.login("victim@example.org/pda", presence=True)
        self.enter(self.victim, "victim")

    def row(self, wanted: str, act: Callable[[Client, str], bool]) -> None:
        """Check a row: who can do something, given as an act of a client and its nickname."""
        got = " ".join("yes" if act(self.clients[role], role) else "no" for role in ROLES)
        self.assertEqual(got, wanted, " ".join(ROLES))

    def test_receive_messages(self) -> None:
        message = f"<message to='{ROOM}' type='groupchat'><body>heard</body></message>"
        self.row("no yes yes yes", lambda client, nick: self.cause(self.crone, message, client, "heard"))

    def test_receive_occupant_presence(self) -> None:
        for show, change in enumerate(ROLES):
            presence = f"<presence to='{ROOM}/firstwitch'><status>{change}</status></presence>"
            seen = self.cause(self.crone, presence, self.clients[change], f"<status>{change}</status>")
            self.assertEqual(seen, show > 0, change)

    def test_broadcast_presence_and_change_availability(self) -> None:
        self.row(
            "no yes yes yes",
            lambda client, nick: self.cause(
                client, f"<presence to='{ROOM}/{nick}'><show>dnd</show></presence>", self.victim, "<show>dnd</show>"
            ),
        )

    def test_change_nickname(self) -> None:
        self.row(
            "no yes yes yes",
            lambda client, nick: self.cause(client, f"<presence to='{ROOM}/{nick}2'/>", self.victim, f"nick='{nick}2'"),
        )

    def test_send_private_messages(self) -> None:
        message = f"<message to='{ROOM}/victim' type='chat'><body>psst</body></message>"
        self.row("no yes yes yes", lambda client, nick: self.cause(client, message, self.victim, "psst"))

    def test_invite(self) -> None:
        guest = self.login("guest@example.org/pda", presence=True)
        invitation = f"<message to='{ROOM}'><x xmlns='{USER}'><invite to='guest@example.org'/></x></message>"
        self.row("no yes yes yes", lambda client, nick: self.cause(client, invitation, guest, "<invite"))

    def test_send_messages_to_all(self) -> None:
        message = f"<message to='{ROOM}' type='groupchat'><body>heard</body></message>"
        self.row("no no yes yes", lambda client, nick: self.cause(client, message, self.victim, "heard"))

    def test_modify_subject(self) -> None:
        message = f"<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>"
        self.row("no no yes yes", lambda client, nick: self.cause(client, message, self.victim, "Spells"))
        self.configure(changesubject="0")
        self.row("no no no yes", lambda client, nick: self.cause(client, message, self.victim, "Spells"))

    def test_kick(self) -> None:
        def kick(client: Client, nick: str) -> bool:
            kicked = self.tell(client, "<item nick='victim' role='none'/>") == "result"
            if kicked:
                self.enter(self.victim, "victim")
            return kicked

        self.row("no no no yes", kick)

    def test_grant_voice(self) -> None:
        item = "<item nick='victim' role='participant'/>"
        self.row("no no no yes", lambda client, nick: self.tell(client, item) == "result")

    def test_revoke_voice(self) -> None:
        """8.4 asks for more than the table: a higher affiliation as well."""
        self.affiliate("moderator", "member")
        self.give_role("victim", "participant")
        item = "<item nick='victim' role='visitor'/>"
        self.row("no no no yes", lambda client, nick: self.tell(client, item) == "result")

    def test_voice_of_admins_and_owners(self) -> None:
        """A moderator MUST NOT be able to revoke it; nor is anybody else (8.4)."""
        wicca = self.wicca()
        self.affiliate("wiccarocks", "admin")
        self.enter(wicca, "secondwitch")
        for nick in ("firstwitch", "secondwitch"):
            for client in (self.clients["moderator"], wicca, self.crone):
                self.assertEqual(self.tell(client, f"<item nick='{nick}' role='visitor'/>"), "not-allowed", nick)


class PrivilegesOfAffiliations(PrivilegesTestCase):
    """5.2.1: each test is a row of the table."""

    def setUp(self) -> None:
        super().setUp()
        self.create(whois="anyone")
        self.clients = {one: self.login(f"{one}@example.org/pda") for one in AFFILIATIONS}
        for affiliation in AFFILIATIONS:
            if affiliation != "none":
                self.affiliate(affiliation, affiliation)

    def row(self, wanted: str, act: Callable[[Client, str], bool]) -> None:
        """Check a row: who can do something, given as an act of a client and its nickname."""
        got = " ".join("yes" if act(self.clients[one], one) else "no" for one in AFFILIATIONS)
        self.assertEqual(got, wanted, " ".join(AFFILIATIONS))

    def enters(self, client: Client, nick: str) -> bool:
        x = f"<x xmlns='{MUC}'/>"
        return self.cause(client, f"<presence to='{ROOM}/{nick}'>{x}</presence>", client, "<status code='110'/>")

    def test_enter_open_room(self) -> None:
        self.row("no yes yes yes yes", self.enters)

    def test_enter_members_only_room(self) -> None:
        self.configure(membersonly="1")
        self.row("no no yes yes yes", self.enters)

    def test_register_with_open_room(self) -> None:
        """Those who are members or more are registered by that; they may choose another nickname."""
        request = f"<iq type='get' id='r' to='{ROOM}'><query xmlns='jabber:iq:register'/></iq>"
        self.row(
            "no yes yes yes yes", lambda client, nick: self.cause(client, request, client, "muc#register_roomnick")
        )
        self.row("no no yes yes yes", lambda client, nick: self.cause(client, request, client, "<registered"))

    def test_retrieve_member_list(self) -> None:
        request = (
            f"<iq type='get' id='l' to='{ROOM}'><query xmlns='{MUC}#admin'><item affiliation='member'/></query></iq>"
        )
        self.row("no no yes yes yes", lambda client, nick: self.cause(client, request, client, "type='result'"))

    def changes(self, item: str) -> Callable[[Client, str], bool]:
        return lambda client, nick: self.tell(client, item) == "result"

    def test_ban(self) -> None:
        self.affiliate("oldhag", "member")
        for who in ("oldhag", "stranger"):
            self.row("no no no yes yes", self.changes(f"<item affiliation='outcast' jid='{who}@example.org'/>"))

    def test_edit_member_list(self) -> None:
        self.row("no no no yes yes", self.changes("<item affiliation='member' jid='stranger@example.org'/>"))
        self.row("no no no yes yes", self.changes("<item affiliation='none' jid='stranger@example.org'/>"))

    def test_assign_and_remove_moderator_role(self) -> None:
        self.enter(self.hag(), "thirdwitch")
        for nick, client in self.clients.items():
            if nick != "outcast":
                self.enter(client, nick)
        self.row("no no no yes yes", self.changes("<item nick='thirdwitch' role='moderator'/>"))
        self.row("no no no yes yes", self.changes("<item nick='thirdwitch' role='participant'/>"))

    def test_edit_admin_and_owner_list(self) -> None:
        for affiliation in ("admin", "owner", "none"):
            self.row("no no no no yes", self.changes(f"<item affiliation='{affiliation}' jid='stranger@example.org'/>"))
            if affiliation == "owner":
                self.affiliate("stranger", "admin")

    def test_change_configuration(self) -> None:
        def configure(client: Client, nick: str) -> bool:
            return self.tell(client, "<x xmlns='jabber:x:data' type='submit'/>", f"{MUC}#owner") == "result"

        self.row("no no no no yes", configure)
        form = f"<iq type='get' id='f' to='{ROOM}'><query xmlns='{MUC}#owner'/></iq>"
        self.row("no no no no yes", lambda client, nick: self.cause(client, form, client, "muc#roomconfig_roomname"))

    def test_destroy(self) -> None:
        self.row("no no no no yes", lambda client, nick: self.tell(client, "<destroy/>", f"{MUC}#owner") == "result")


class Changing(PrivilegesTestCase):
    def affiliations(self) -> Iterator[tuple[str, str]]:
        return ((before, after) for before in AFFILIATIONS for after in AFFILIATIONS if before != after)

    def test_affiliations(self) -> None:
        """5.2.2, its chart: an owner makes anybody anything; an admin, those below admins what is below admins."""
        self.create()
        wicca = self.wicca()
        self.affiliate("wiccarocks", "admin")
        for before, after in self.affiliations():
            item = f"<item jid='hag66@example.org' affiliation='{after}'/>"
            for client, may in (
                (wicca, "admin" not in (before, after) and "owner" not in (before, after)),
                (self.crone, True),
            ):
                self.affiliate("hag66", before)
                got = self.tell(client, item)
                self.assertEqual(got == "result", may, f"{client.name} from {before} to {after}: {got}")
                if not may:
                    self.assertIn(got, ("forbidden", "not-allowed"))

    def test_roles(self) -> None:
        """5.1.3, its chart, for somebody with no affiliation: by a moderator who is a member, an admin, an owner."""
        chart = {
            ("visitor", "none"): "moderator", ("visitor", "participant"): "moderator",
            ("visitor", "moderator"): "admin",
            ("participant", "none"): "moderator", ("participant", "visitor"): "moderator",
            ("participant", "moderator"): "admin", ("moderator", "none"): "admin", ("moderator", "visitor"): "admin",
            ("moderator", "participant"): "admin",
        }  # fmt: skip
        self.create(moderatedroom="1")
        moderator, wicca, hag = self.login("mod@example.org/pda"), self.wicca(), self.hag()
        self.affiliate("mod", "member")
        self.enter(moderator, "mod")
        self.give_role("mod", "moderator")
        self.affiliate("wiccarocks", "admin")
        self.enter(wicca, "secondwitch")
        for (before, after), least in chart.items():
            for client, may in ((moderator, least == "moderator"), (wicca, True), (self.crone, True)):
                self.enter(hag, "thirdwitch")
                self.give_role("thirdwitch", before)
                got = self.tell(client, f"<item nick='thirdwitch' role='{after}'/>")
                self.assertEqual(got == "result", may, f"{client.name} from {before} to {after}: {got}")
                self.assertIn(got, ("result", "forbidden", "not-allowed"))
                hag.send(f"<presence to='{ROOM}/thirdwitch' type='unavailable'/>")

    def test_roles_that_come_with_affiliations(self) -> None:
        """5.1.3, the note: who becomes an admin is a moderator by that, who becomes a member has voice."""
        self.create(moderatedroom="1")
        hag = self.hag()
        self.enter(hag, "thirdwitch")
        for affiliation, role in (("member", "participant"), ("admin", "moderator"), ("owner", "moderator")):
            self.affiliate("hag66", affiliation)
            shown = hag.received or self.shown(hag)
            self.assertIn(f"role='{role}'", "".join(shown))

    def shown(self, hag: Client) -> list[str]:
        """Return what an occupant is shown of itself who enters again."""
        hag.send(f"<presence to='{ROOM}/thirdwitch'><x xmlns='{MUC}'/></presence>")
        return [xml for xml in hag.received if "<status code='110'/>" in xml]
