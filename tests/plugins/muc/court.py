"""A room with somebody of every kind in it, for tests of what each may do."""

from __future__ import annotations

from typing import Any

from tests.plugins.muc.kit import GARDEN, RoomTestCase
from xmppd.plugins.muc.room.outcome import Affiliated
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member
from xmppd.wire.jid import Jid

__all__ = ["ADMIN", "CourtTestCase", "item", "refusal"]

ADMIN = "http://jabber.org/protocol/muc#admin"


def item(**attributes: str) -> str:
    """Return an item of a request."""
    return "<item" + "".join(f" {name}='{value}'" for name, value in attributes.items()) + "/>"


def refusal(condition: str) -> str:
    """Return the template of a request that is refused."""
    kind = {"forbidden": "auth", "bad-request": "modify", "jid-malformed": "modify", "not-acceptable": "modify"}
    kind |= {"policy-violation": "modify", "resource-constraint": "wait"}
    return (
        f"<iq type='error' id='ask' from='{GARDEN}'>{{...}}<error type='{kind.get(condition, 'cancel')}'>"
        f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></iq>"
    )


class CourtTestCase(RoomTestCase):
    """``garden`` with owner, admin, member and guest in it under these names, and outcast at the door.

    :ivar people: the clients by these names.
    """

    def court(self, *more: str, **config: Any) -> None:
        """Make the room.

        :param more: further people, each called as what they are to the room and a digit: ``member2``.
        """
        names = ("owner", "admin", "member", "guest", "outcast", *more)
        self.people = {name: self.login(f"{name}@example.org/x", name=name) for name in names}
        room = self.make_room(self.people["owner"], "owner", **config)
        for name in names:
            affiliation = name.rstrip("23456789")
            if affiliation not in ("guest", "moderator", "visitor"):
                self.affiliate(name, Affiliation(affiliation))
        for name in names[1:]:
            self.enter(self.people[name], name)
        for name in names:
            role = name.rstrip("23456789")
            if role in ("moderator", "visitor"):
                room.occupants[name].role = Role(role)
        self.forget()

    def affiliate(self, name: str, affiliation: Affiliation) -> None:
        """Say what somebody is to the room, who isn't in it."""
        who, member = Jid.parse(f"{name}@example.org"), Member(affiliation)
        self.room().members[who] = member
        self.apply(self.room(), Affiliated(who, member))

    def forget(self) -> None:
        """Forget what came to anybody."""
        for client in self.people.values():
            client.clear()

    def ask(self, name: str, *items: str, type: str = "set") -> None:
        """Have somebody send a request; what came to them before is forgotten."""
        self.people[name].clear()
        query = f"<query xmlns='{ADMIN}'>{''.join(items)}</query>"
        self.people[name].send(f"<iq type='{type}' id='ask' to='{GARDEN}'>{query}</iq>")

    def granted(self, name: str, *items: str, type: str = "set") -> None:
        """Have somebody send a request that is granted."""
        self.ask(name, *items, type=type)
        self.people[name].expect(f"<iq type='result' id='ask' from='{GARDEN}'>{{...}}</iq>")

    def refused(self, name: str, condition: str, *items: str, type: str = "set") -> None:
        """Have somebody send a request that is refused; nothing else happens."""
        self.forget()
        before = self.state()
        self.ask(name, *items, type=type)
        self.people[name].expect(refusal(condition))
        for client in self.people.values():
            client.expect_nothing()
        self.assertEqual(self.state(), before)

    def state(self) -> Any:
        """Return who is what in the room."""
        room = self.room()
        return dict(room.members), {nick: one.role for nick, one in room.occupants.items()}, room.version

    def role(self, name: str) -> str:
        """Return what role somebody has."""
        occupant = self.room().occupants.get(name)
        return "none" if occupant is None else str(occupant.role)

    def affiliation(self, name: str) -> str:
        """Return what somebody is to the room."""
        return str(self.room().affiliation(Jid.parse(f"{name}@example.org")))
