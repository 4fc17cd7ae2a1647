"""XEP-0045, 7.8.2 and 7.9: who may invite whom, how often, and what a room remembers of it; XEP-0249."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase
from xmppd.plugins.muc.room.outcome import Affiliated, Configured
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member
from xmppd.testing import Client
from xmppd.wire.jid import Jid

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def failure(kind: str, condition: str, id: str = "i") -> str:
    return (
        f"<message type='error' id='{id}' from='{GARDEN}'>{{...}}"
        f"<error type='{kind}' by='{GARDEN}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"
    )


def invitation(by: str, inside: str = "", more: str = "", id: str = "i") -> str:
    """Return the template of an invitation from the room."""
    return (
        f"<message from='{GARDEN}' id='{id}'><x xmlns='{USER}'>"
        f"<invite from='{by}@example.org'>{inside}</invite>{more}</x>{{...}}</message>"
    )


class InvitingTestCase(RoomTestCase):
    plugins: ClassVar[Any] = ("muc", "presence", "roster", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.guest = self.login("guest@example.org/door", presence=True)
        self.made = self.make_room(self.romeo)
        self.enter(self.juliet, "Juliet")
        for client in (self.romeo, self.juliet, self.guest):
            client.clear()

    def invite(self, client: Client, *to: str, inside: str = "", room: str = GARDEN, id: str = "i") -> None:
        invites = "".join(f"<invite to='{one}'>{inside}</invite>" for one in to)
        client.send(f"<message to='{room}' id='{id}'><x xmlns='{USER}'>{invites}</x></message>")

    def decline(self, client: Client, to: str | None, inside: str = "", id: str = "d") -> None:
        whom = "" if to is None else f" to='{to}'"
        x = f"<x xmlns='{USER}'><decline{whom}>{inside}</decline></x>"
        client.send(f"<message to='{GARDEN}' id='{id}'>{x}</message>")

    def make_persistent(self) -> None:
        self.set_up(persistent=True)
        self.apply(self.made, Configured(self.made.config))

    def set_up(self, **config: Any) -> None:
        self.made.config = self.made.config.changed(config)

    def be(self, who: str, affiliation: Affiliation) -> None:
        self.made.members[Jid.parse(who)] = member = Member(affiliation)
        self.apply(self.made, Affiliated(Jid.parse(who), member))

    def noted(self) -> list[dict[str, str]]:
        noted: list[dict[str, str]] = json.loads(self.made.notes.get("invitations", "[]"))
        return noted


class Inviting(InvitingTestCase):
    def test_several(self) -> None:
        """Each gets one, to the address that was said; with an id of its own, so that errors can be told apart."""
        other = self.login("other@example.org/a", presence=True)
        inside = "<reason>Come &amp; see</reason><continue thread='t'/>"
        self.invite(self.romeo, "guest@example.org/door", "other@example.org", inside=inside)
        self.guest.expect(invitation("romeo", inside))
        other.expect(invitation("romeo", inside, id="i-1"))
        self.assertEqual([one["invitee"] for one in self.noted()], ["guest@example.org/door", "other@example.org"])

    def test_nothing_but_the_invitation(self) -> None:
        """What else the inviter puts in is left out: the room speaks."""
        inside = "<reason>r<b xmlns='urn:x'>forged</b></reason><forged xmlns='urn:x'/>"
        self.romeo.send(
            f"<message to='{GARDEN}' id='i'><body>forged</body><x xmlns='{USER}'><status code='301'/>"
            f"<invite to='guest@example.org' from='forged@a'>{inside}</invite><item jid='forged@a'/></x></message>"
        )
        self.guest.expect(invitation("romeo", "<reason>r</reason>"))

    def test_continue_without_a_thread(self) -> None:
        self.invite(self.romeo, "guest@example.org", inside="<continue/>")
        self.guest.expect(invitation("romeo", "<continue/>"))

    def test_without_an_id(self) -> None:
        self.romeo.send(f"<message to='{GARDEN}'><x xmlns='{USER}'><invite to='guest@example.org'/></x></message>")
        self.guest.expect(f"<message id='{{none}}'><x xmlns='{USER}'><invite from='romeo@example.org'/></x></message>")

    def test_who_waits_for_it(self) -> None:
        """An invitation waits for somebody who is offline."""
        self.account("late@example.org")
        self.invite(self.romeo, "late@example.org")
        self.romeo.expect_nothing()
        late = self.login("late@example.org/a")
        late.send("<presence/>")
        self.assertIn("<invite from='romeo@example.org'/>", "".join(late.received))

    def test_password(self) -> None:
        self.set_up(password="cauldronburn")
        self.invite(self.juliet, "guest@example.org")
        self.guest.expect(invitation("juliet", more="<password>cauldronburn</password>"))

    def test_who_is_there_or_banned(self) -> None:
        """Nobody finds out by an invitation who is in a semi-anonymous room, or may not be: it is sent all the same."""
        self.be("banned@example.org", Affiliation.OUTCAST)
        banned = self.login("banned@example.org/a", presence=True)
        self.invite(self.juliet, "romeo@example.org", "banned@example.org", "guest@example.org")
        for client, id_ in ((self.romeo, "i"), (banned, "i-1"), (self.guest, "i-2")):
            client.expect(invitation("juliet", id=id_))
        self.juliet.expect_nothing()

    def test_visitors(self) -> None:
        """Section 5.1.1: visitors may invite, too."""
        self.made.occupants["Juliet"].role = Role.VISITOR
        self.invite(self.juliet, "guest@example.org")
        self.guest.expect(invitation("juliet"))

    def test_refused(self) -> None:
        """One address that can't be, and nobody is invited."""
        reason = f"<reason>{'x' * 1001}</reason>"
        table = (
            ("guest@example.org", "", "romeo@@", "modify", "jid-malformed"),
            ("guest@example.org", "", "", "modify", "jid-malformed"),
            ("guest@example.org", "", "example.org", "modify", "bad-request"),
            ("guest@example.org", "", "example.org/x", "modify", "bad-request"),
            ("guest@example.org", "", "hall@conference.example.org", "cancel", "item-not-found"),
            ("guest@example.org", "", f"{GARDEN}/Romeo", "cancel", "item-not-found"),
            ("guest@example.org", reason, "guest@example.org", "modify", "not-acceptable"),
        )
        for first, inside, second, kind, condition in table:
            with self.subTest(to=second):
                self.invite(self.romeo, first, second, inside=inside)
                self.romeo.expect(failure(kind, condition))
                self.guest.expect_nothing()
        self.assertEqual(self.noted(), [])

    def test_without_an_address(self) -> None:
        self.romeo.send(f"<message to='{GARDEN}' id='i'><x xmlns='{USER}'><invite/></x></message>")
        self.romeo.expect(failure("modify", "jid-malformed"))

    def test_outsiders(self) -> None:
        """Not even those who own it."""
        self.be("guest@example.org", Affiliation.OWNER)
        self.invite(self.guest, "juliet@example.org")
        self.guest.expect(failure("modify", "not-acceptable"))
        self.juliet.expect_nothing()

    def test_locked(self) -> None:
        """Section 17.2: nobody can enter, so nobody can be invited."""
        self.made.locked = True
        self.invite(self.romeo, "guest@example.org")
        self.romeo.expect(failure("cancel", "item-not-found"))
        self.guest.expect_nothing()

    def test_no_room(self) -> None:
        self.invite(self.romeo, "guest@example.org", room="nowhere@conference.example.org")
        self.romeo.expect(f"<message type='error'>{{...}}<error type='cancel' by='nowhere@conference.example.org'>"
                          f"<item-not-found xmlns='{ERRORS}'/>{{...}}</error></message>")  # fmt: skip

    def test_direct(self) -> None:
        """XEP-0249: what people send each other is none of the room's business."""
        direct = f"<x xmlns='jabber:x:conference' jid='{GARDEN}' password='p' reason='r' continue='true' thread='t'/>"
        self.set_up(members_only=True)
        self.guest.send(f"<message to='romeo@example.org' id='i'>{direct}</message>")
        self.romeo.expect(f"<message from='{{guest}}' id='i'>{direct}</message>")
        self.guest.expect_nothing()

    def test_other_messages(self) -> None:
        """Section 17.2: what is none of all that is refused."""
        for type_ in ("normal", "chat", "headline"):
            for inside in (
                "<body>hi</body>", "", f"<x xmlns='{USER}'/>",
                f"<x xmlns='{USER}'><invite xmlns='urn:x' to='a@b'/></x>", "<x xmlns='jabber:x:data' type='submit'/>",
            ):  # fmt: skip
                self.romeo.send(f"<message to='{GARDEN}' id='i' type='{type_}'>{inside}</message>")
                self.romeo.expect(failure("modify", "bad-request"))
        for type_ in ("chat", "headline"):
            x = f"<x xmlns='{USER}'><invite to='guest@example.org'/></x>"
            self.romeo.send(f"<message to='{GARDEN}' id='i' type='{type_}'>{x}</message>")
            self.romeo.expect(failure("modify", "bad-request"))
        self.guest.expect_nothing()


class MembersOnly(InvitingTestCase):
    """Sections 7.8.2 and 9.5."""

    def setUp(self) -> None:
        super().setUp()
        self.be("juliet@example.org", Affiliation.MEMBER)
        self.set_up(members_only=True, invites=False)

    def affiliation(self, who: str = "guest@example.org") -> Affiliation:
        found: Affiliation = self.made.affiliation(Jid.parse(who))
        return found

    def test_who_may(self) -> None:
        table = (
            (Affiliation.MEMBER, False, False),
            (Affiliation.MEMBER, True, True),
            (Affiliation.ADMIN, False, True),
            (Affiliation.OWNER, False, True),
            (Affiliation.NONE, True, False),
        )
        for affiliation, invites, may in table:
            with self.subTest(affiliation=affiliation, invites=invites):
                self.be("juliet@example.org", affiliation)
                self.set_up(invites=invites)
                self.invite(self.juliet, "guest@example.org")
                if may:
                    self.guest.expect(invitation("juliet"))
                else:
                    self.juliet.expect(failure("auth", "forbidden"))
                self.guest.expect_nothing()
                self.assertIs(self.affiliation(), Affiliation.MEMBER if may else Affiliation.NONE)
                self.made.members.pop(Jid.parse("guest@example.org"), None)
                self.juliet.clear()

    def test_written_down(self) -> None:
        self.invite(self.romeo, "guest@example.org/door")
        self.make_persistent()
        self.restart()
        self.guest = self.login("guest@example.org/door")
        self.guest.send(f"<presence to='{GARDEN}/Guest'><x xmlns='{USER[:-5]}'/></presence>")
        self.assertIn("affiliation='member'", "".join(self.guest.received))

    def test_who_is_something_already(self) -> None:
        """Stays what they are: banned people, too, until somebody says so."""
        for affiliation in (Affiliation.OUTCAST, Affiliation.ADMIN):
            self.be("guest@example.org", affiliation)
            self.invite(self.romeo, "guest@example.org")
            self.assertIs(self.affiliation(), affiliation)

    def test_too_many(self) -> None:
        """`max_affiliations`: then nobody is invited."""
        service = self.plugin("muc").service
        service.limits = type(service.limits)(affiliations=3)
        self.invite(self.romeo, "guest@example.org", "other@example.org")
        self.romeo.expect(failure("wait", "resource-constraint"))
        self.guest.expect_nothing()
        self.assertIs(self.affiliation(), Affiliation.NONE)

    def test_open_rooms(self) -> None:
        """9.5: invitations sent through an open room MUST NOT make anybody a member."""
        self.set_up(members_only=False)
        self.invite(self.romeo, "guest@example.org")
        self.assertIs(self.affiliation(), Affiliation.NONE)


class Declining(InvitingTestCase):
    def test_who_is_told(self) -> None:
        """The device that has invited; the account if that device has left."""
        self.make_persistent()
        other = self.login("romeo@example.org/other", presence=True, name="other")
        inside = "<decline from='guest@example.org'><reason>No</reason></decline>"
        declined = f"<message from='{GARDEN}' id='d'><x xmlns='{USER}'>{inside}</x>{{...}}</message>"
        for left in (False, True):
            self.invite(self.romeo, "guest@example.org")
            if left:
                self.romeo.send(f"<presence to='{GARDEN}/Romeo' type='unavailable'/>")
            for client in (self.romeo, self.juliet, other, self.guest):
                client.clear()
            self.decline(self.guest, "romeo@example.org", "<reason>No</reason><forged xmlns='urn:x'/>")
            self.romeo.expect(declined)
            if left:
                other.expect(declined)
            for client in (self.romeo, other, self.juliet):
                client.expect_nothing()

    def test_by_which_address(self) -> None:
        """The inviter's bare, full or occupant's address, or none."""
        for to in ("romeo@example.org", "romeo@example.org/elsewhere", f"{GARDEN}/Romeo", None):
            with self.subTest(to=to):
                self.invite(self.romeo, "guest@example.org/door")
                self.decline(self.guest, to)
                self.assertIn("<decline from='guest@example.org'/>", "".join(self.romeo.received))
                self.romeo.clear()

    def test_once(self) -> None:
        self.invite(self.romeo, "guest@example.org")
        self.decline(self.guest, "romeo@example.org")
        self.romeo.clear()
        self.guest.clear()
        self.decline(self.guest, "romeo@example.org")
        self.guest.expect(failure("auth", "forbidden", "d"))
        self.romeo.expect_nothing()
        self.assertEqual(self.noted(), [])

    def test_who_may_not(self) -> None:
        """Who was not invited, or by another."""
        self.invite(self.romeo, "guest@example.org")
        self.guest.clear()
        stranger = self.login("stranger@example.org/a")
        for client, to in (
            (stranger, "romeo@example.org"), (self.guest, "juliet@example.org"), (self.guest, f"{GARDEN}/Juliet"),
            (self.guest, "@@"), (stranger, None),
        ):  # fmt: skip
            self.decline(client, to)
            client.expect(failure("auth", "forbidden", "d"))
        for client in (self.romeo, self.juliet):
            client.expect_nothing()

    def test_reason(self) -> None:
        self.invite(self.romeo, "guest@example.org")
        self.guest.clear()
        self.decline(self.guest, None, f"<reason>{'x' * 1001}</reason>")
        self.guest.expect(failure("modify", "not-acceptable", "d"))
        self.romeo.expect_nothing()

    def test_after_a_restart(self) -> None:
        self.make_persistent()
        self.invite(self.romeo, "guest@example.org")
        self.restart()
        romeo = self.login("romeo@example.org/other", presence=True, name="other")
        guest = self.login("guest@example.org/x")
        self.decline(guest, "romeo@example.org")
        self.assertIn("<decline from='guest@example.org'/>", "".join(romeo.received))

    def test_who_exists_no_more(self) -> None:
        """Nothing is kept of accounts that are deleted."""
        self.account("other@example.org")
        self.invite(self.romeo, "guest@example.org", "other@example.org")
        self.invite(self.juliet, "other@example.org")
        self.wait(self.host.delete_account(Jid.parse("other@example.org")))
        self.assertEqual([one["invitee"] for one in self.noted()], ["guest@example.org"])
        self.wait(self.host.delete_account(Jid.parse("guest@example.org")))
        self.assertNotIn("invitations", self.made.notes)


class Undeliverable(InvitingTestCase):
    def test_nobody(self) -> None:
        """Accounts that don't exist; of others the same is said if they take nothing (7.8.2)."""
        self.invite(self.romeo, "nobody@example.org")
        x = f"<x xmlns='{USER}'><invite to='nobody@example.org'/></x>"
        self.romeo.expect(
            f"<message type='error' id='i' from='{GARDEN}' to='{{romeo}}'>{x}<error type='cancel' by='{GARDEN}'>"
            f"<item-not-found xmlns='{ERRORS}'/>{{...}}</error></message>"
        )
        self.assertEqual(self.noted(), [])

    def test_elsewhere(self) -> None:
        """Errors are told once, and if they come from who was invited."""
        away = self.remote("verona.example")
        self.invite(self.romeo, "a@verona.example", "b@verona.example")
        away.clear()
        error = f"<error type='cancel'><gone xmlns='{ERRORS}'>xmpp:c@verona.example</gone></error>"
        for from_, id_, told in (
            ("c@verona.example", "i", False),
            ("b@verona.example", "i", False),
            ("b@verona.example", "i-1", True),
            ("b@verona.example", "i-1", False),
            ("a@verona.example", "i", True),
        ):
            with self.subTest(from_=from_, id=id_):
                away.send(f"<message type='error' from='{from_}' to='{GARDEN}' id='{id_}'>{error}</message>")
                if told:
                    self.romeo.expect(
                        f"<message type='error' id='i' from='{GARDEN}'><x xmlns='{USER}'><invite to='{from_}'/></x>"
                        f"<error type='cancel' by='{GARDEN}'><gone xmlns='{ERRORS}'/>{{...}}</error></message>"
                    )
                self.romeo.expect_nothing()

    def test_error_without_an_error(self) -> None:
        away = self.remote("verona.example")
        self.invite(self.romeo, "a@verona.example")
        away.send(f"<message type='error' from='a@verona.example' to='{GARDEN}' id='i'/>")
        self.romeo.expect(f"<message type='error'>{{...}}<error type='cancel' by='{GARDEN}'>"
                          f"<undefined-condition xmlns='{ERRORS}'/>{{...}}</error></message>")  # fmt: skip


class Limits(InvitingTestCase):
    config = {"muc": {"invitations_per_minute": 3, "max_invitations": 2}}

    def test_per_minute(self) -> None:
        """`invitations_per_minute`, in all rooms together, by person."""
        self.invite(self.romeo, "guest@example.org", "guest@example.org")
        second = self.login("romeo@example.org/second")
        self.enter(second, "Romeo")
        self.invite(second, "guest@example.org")
        self.guest.clear()
        self.invite(second, "guest@example.org")
        second.expect(failure("wait", "resource-constraint"))
        self.guest.expect_nothing()
        self.invite(self.juliet, "guest@example.org")
        self.guest.expect(invitation("juliet"))
        self.pump(61)
        self.invite(self.romeo, "guest@example.org")
        self.guest.expect(invitation("romeo"))

    def test_at_once(self) -> None:
        self.invite(self.romeo, *["guest@example.org"] * 4)
        self.romeo.expect(failure("wait", "resource-constraint"))
        self.guest.expect_nothing()

    def test_remembered(self) -> None:
        """`max_invitations`: the oldest are forgotten; of one person by another, the last counts."""
        for name in ("a", "b", "guest"):
            self.account(f"{name}@example.org") if name != "guest" else None
            self.invite(self.romeo, f"{name}@example.org", id=name)
        self.invite(self.juliet, "guest@example.org", id="again")
        self.invite(self.juliet, "guest@example.org", id="and again")
        self.assertEqual([one["origin"] for one in self.noted()], ["guest", "and again"])
