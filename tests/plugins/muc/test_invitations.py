"""XEP-0045, 7.8: mediated invitations and their declining, beyond the examples."""

from __future__ import annotations

from tests.plugins.muc.coven import ERRORS, ROOM, SERVICE, USER, CovenTestCase, error, joining
from xmppd.testing import Client


def invitation(*to: str, inside: str = "", type_: str = "") -> str:
    kind = f" type='{type_}'" if type_ else ""
    invites = "".join(f"<invite to='{one}'>{inside}</invite>" for one in to)
    return f"<message to='{ROOM}' id='i'{kind}><x xmlns='{USER}'>{invites}</x></message>"


class Invitations(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.create()
        self.guest = self.login("hecate@example.org/broom", presence=True, name="guest")
        self.member = self.hag()
        self.enter(self.member, "thirdwitch")
        self.guest.clear()

    def test_type(self) -> None:
        """The message MUST be of type normal, said or unsaid."""
        self.crone.send(invitation("hecate@example.org", type_="normal"))
        self.assertIn("<invite", "".join(self.guest.received))
        self.guest.clear()
        self.crone.send(invitation("hecate@example.org", type_="groupchat"))
        self.assertNotIn("<invite", "".join(self.guest.received))

    def test_nobody_else_is_told(self) -> None:
        self.crone.send(invitation("hecate@example.org"))
        self.member.expect_nothing()
        self.crone.expect_nothing()

    def test_who_it_is_from(self) -> None:
        """The bare address, the full one, or the occupant's; what the inviter says of that does not count."""
        self.crone.send(
            f"<message to='{ROOM}'><x xmlns='{USER}'>"
            "<invite to='hecate@example.org' from='forged@example.org'/></x></message>"
        )
        seen = "".join(self.guest.received)
        self.assertNotIn("forged", seen)
        self.assertRegex(seen, rf"<invite [^>]*from='(crone1@example.org(/desktop)?|{ROOM}/firstwitch)'")

    def test_only_the_room_adds_a_password(self) -> None:
        self.configure(passwordprotectedroom="1", roomsecret="cauldronburn")
        self.crone.send(
            f"<message to='{ROOM}'><x xmlns='{USER}'>"
            "<invite to='hecate@example.org'/><password>wrong</password></x></message>"
        )
        seen = "".join(self.guest.received)
        self.assertIn("<password>cauldronburn</password>", seen)
        self.assertNotIn("wrong", seen)

    def test_nobody_there(self) -> None:
        """The room SHOULD say item-not-found, if the inviter supplies an address that is nobody's."""
        self.crone.send(invitation("nobody@example.org"))
        self.crone.expect(
            f"<message type='error' from='{ROOM}'>{{...}}<error type='cancel' by='{ROOM}'>"
            f"<item-not-found xmlns='{ERRORS}'/>{{...}}</error></message>"
        )

    def test_not_an_address(self) -> None:
        for to in ("", "@", "a@@b"):
            self.crone.send(invitation(to))
            self.assertRegex("".join(self.crone.received), "bad-request|jid-malformed")
            self.crone.clear()

    def test_outsiders(self) -> None:
        """5.1.1: who has no role can't invite."""
        outsider = self.login("outsider@example.org/pda")
        outsider.send(invitation("hecate@example.org"))
        outsider.expect(
            f"<message type='error' id='i' from='{ROOM}'>{{...}}{error('modify', 'not-acceptable')}</message>"
        )
        self.guest.expect_nothing()

    def test_to_members_only_room(self) -> None:
        """7.8.2: who can't edit the member list can't invite, unless the owner lets members (10.1.3)."""
        self.affiliate("hag66", "member")
        self.configure(membersonly="1", allowinvites="0")
        self.member.clear()
        self.member.send(invitation("hecate@example.org"))
        self.member.expect(f"<message type='error' id='i' from='{ROOM}'>{{...}}{error('auth', 'forbidden')}</message>")
        self.guest.expect_nothing()
        self.guest.send(joining("queen"))
        self.assertIn("registration-required", "".join(self.guest.received))
        self.crone.send(invitation("hecate@example.org"))
        self.guest.clear()
        self.guest.send(joining("queen"))
        self.assertIn("affiliation='member'", "".join(self.guest.received))

    def test_of_somebody_who_is_banned(self) -> None:
        """An invitation takes back no ban that its sender could not take back."""
        self.affiliate("hecate", "outcast")
        self.guest.clear()
        self.member.send(invitation("hecate@example.org"))
        self.guest.clear()
        self.guest.send(joining("queen"))
        self.assertIn("forbidden", "".join(self.guest.received))


class Declining(CovenTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.crone.send("<presence/>")
        self.create()
        self.guest = self.login("hecate@example.org/broom", presence=True, name="guest")
        self.crone.clear()

    def decline(self, client: Client, to: str) -> None:
        client.send(
            f"<message to='{ROOM}' id='d'><x xmlns='{USER}'>"
            f"<decline to='{to}'><reason>No</reason></decline></x></message>"
        )

    def invite(self) -> str:
        """Invite the guest; return who the invitation says it is from."""
        self.crone.send(invitation("hecate@example.org"))
        found = "".join(self.guest.received).partition("<invite ")[2].partition("from='")[2].partition("'")[0]
        self.assertNotEqual(found, "")
        self.guest.clear()
        return found

    def test_from(self) -> None:
        self.decline(self.guest, self.invite())
        seen = "".join(self.crone.received)
        self.assertRegex(seen, r"<decline [^>]*from='hecate@example.org")
        self.assertIn("<reason>No</reason>", seen)
        self.guest.expect_nothing()

    def test_by_bare_address(self) -> None:
        self.invite()
        self.decline(self.guest, "crone1@example.org")
        self.assertIn("<decline ", "".join(self.crone.received))

    def test_not_invited(self) -> None:
        """Rooms don't pass on what anybody likes to say to people: what can be declined is an invitation."""
        stranger = self.login("stranger@example.org/pda")
        self.decline(stranger, "crone1@example.org")
        self.decline(self.guest, "crone1@example.org")
        self.crone.expect_nothing()

    def test_room_that_is_gone(self) -> None:
        inviter = self.invite()
        self.crone.send(f"<presence to='{ROOM}/firstwitch' type='unavailable'/>")
        self.crone.clear()
        self.decline(self.guest, inviter)
        self.guest.expect(
            f"<message type='error' id='d' from='{ROOM}'>{{...}}{error('cancel', 'item-not-found')}</message>"
        )
        self.crone.expect_nothing()

    def test_nobody_but_a_room(self) -> None:
        self.guest.send(
            f"<message to='{SERVICE}' id='d'><x xmlns='{USER}'><decline to='crone1@example.org'/></x></message>"
        )
        self.crone.expect_nothing()
