"""What nobody finds out by asking for what they may not (XEP-0045 sections 13.1, 13.4): errors say the same of all."""

from __future__ import annotations

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.testing import Client

ADMIN = "http://jabber.org/protocol/muc#admin"
WHOM = (
    "jid='romeo@example.org'", "jid='romeo@example.org/orchard'", "jid='nobody@example.org'", "nick='Romeo'",
    "nick='Tybalt'", "nick='Nobody'", "jid='mercutio@example.org'", "jid='a@@b'", "nick=''", "",
)  # fmt: skip


class Oracles(RoomTestCase):
    """Romeo owns the room; Tybalt is a member who is not there; Juliet is nothing, and Hecate is not there."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.hecate = self.login("hecate@example.org/broom", presence=True)
        self.make_room(self.romeo, persistent=True)
        self.enter(self.juliet, "Juliet")
        self.ask(self.romeo, "<item affiliation='member' jid='mercutio@example.org' nick='Tybalt'/>")

    def ask(self, client: Client, inside: str, type_: str = "set") -> str:
        client.clear()
        client.send(f"<iq type='{type_}' id='q' to='{GARDEN}'><query xmlns='{ADMIN}'>{inside}</query></iq>")
        return client.received[0]

    def test_roles(self) -> None:
        """Who may change no role doesn't learn who is there, nor whose address somebody has."""
        for client in (self.juliet, self.hecate):
            for role in ("none", "visitor", "participant", "moderator"):
                for whom in WHOM:
                    with self.subTest(who=client.jid, role=role, whom=whom):
                        self.assertIn("<forbidden", self.ask(client, f"<item {whom} role='{role}'/>"))

    def test_affiliations(self) -> None:
        """Who may change no affiliation doesn't learn whose nickname is whose, nor what somebody is."""
        for client in (self.juliet, self.hecate):
            for affiliation in ("none", "member", "outcast", "admin", "owner"):
                for whom in WHOM:
                    with self.subTest(who=client.jid, affiliation=affiliation, whom=whom):
                        self.assertIn("<forbidden", self.ask(client, f"<item {whom} affiliation='{affiliation}'/>"))

    def test_lists(self) -> None:
        for name in ("moderator", "participant", "visitor"):
            self.assertIn("<forbidden", self.ask(self.juliet, f"<item role='{name}'/>", "get"))
        for name in ("owner", "admin", "member", "outcast"):
            self.assertIn("<forbidden", self.ask(self.juliet, f"<item affiliation='{name}'/>", "get"))
