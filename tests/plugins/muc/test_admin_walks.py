"""Requests of admins at random: what is always true of a room, of what is stored of it, and of what people see."""

from __future__ import annotations

import unittest

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.api import Iq, Jid, Presence, StanzaError, tag
from xmppd.plugins.muc.room import admin, entering
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.outcome import Affiliated, Destroyed, Outcome, Seated, Vacated
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Member, Room, Service
from xmppd.plugins.muc.room.words import ADMIN, MUC, USER

JID = Jid.parse("coven@conference.example.org")
NAMES = ("owner", "admin", "member", "guest", "crone", "king")
PEOPLE = [Jid.parse(f"{name}@{'example.net' if name == 'king' else 'example.org'}/x") for name in NAMES]
WHO = [*(str(one.bare) for one in PEOPLE), "example.net", "stranger@example.com"]

ITEMS = st.one_of(
    st.builds(lambda nick, role: {"nick": nick, "role": role}, st.sampled_from(NAMES), st.sampled_from(list(Role))),
    st.builds(
        lambda jid, affiliation, nick: {"jid": jid, "affiliation": affiliation, **nick},
        st.sampled_from(WHO),
        st.sampled_from(list(Affiliation)),
        st.sampled_from(({}, {}, {"nick": "rose"}, {"nick": ""})),
    ),
)
ACTS = st.lists(st.tuples(st.sampled_from(PEOPLE), st.lists(ITEMS, min_size=1, max_size=3)), max_size=12)
CONFIGS = st.builds(
    RoomConfig,
    persistent=st.just(True),
    members_only=st.booleans(),
    moderated=st.booleans(),
    anonymous=st.booleans(),
    presence_broadcast=st.sampled_from((RoomConfig().presence_broadcast, ("moderator",), ("moderator", "participant"))),
)


class Watched:
    """A room, what is stored of it, and what each device has been shown."""

    def __init__(self, config: RoomConfig) -> None:
        self.room = Room(Service(Jid.parse(JID.domain), b"secret"), JID, 1, config, 0.0)
        self.members: dict[Jid, Affiliation] = {}
        self.seats: dict[Jid, tuple[str, str]] = {}
        self.views: dict[Jid, dict[str, tuple[str, str]]] = {}
        self.knew: set[Jid] = set()  # those who may have seen addresses during the last request
        for name, affiliation in (("owner", "owner"), ("admin", "admin"), ("member", "member"), ("guest", "member")):
            who = Jid.parse(f"{name}@example.org")
            self.room.members[who] = Member(Affiliation(affiliation))
            self.members[who] = Affiliation(affiliation)
        for device in PEOPLE:
            self.enter(device)

    def enter(self, device: Jid) -> None:
        """Have somebody enter who may."""
        nick = JID.with_resource(device.local)
        presence = Presence(nick, device, payload=tag("x", xmlns=MUC))
        try:
            self.take(entering.enter(self.room, presence, 0.0))
        except StanzaError:
            return

    def ask(self, device: Jid, items: list[dict[str, str]]) -> bool:
        """Have somebody send a request. Is it granted? If not, nothing has changed."""
        query = tag("query", *(tag("item", attributes=dict(one)) for one in items), xmlns=ADMIN)
        before = self.state()
        # Who is named twice may be a moderator for a moment.
        named = {one.get("nick", "") for one in items} | {one.get("jid", "").partition("@")[0] for one in items}
        self.knew = self.knowing() | {one for one in PEOPLE if one.local in named}
        try:
            outcome = admin.change(self.room, Iq(JID, device, "x", "set", payload=query), 0.0)
        except StanzaError:
            assert self.state() == before, "an error has changed something"
            return False
        self.take(outcome)
        return True

    def knowing(self) -> set[Jid]:
        """Return the devices of moderators."""
        return {device for device, one in self.room.devices.items() if one.role is Role.MODERATOR}

    def state(self) -> object:
        room = self.room
        occupants = {one.nick: (one.who, one.role, tuple(one.devices)) for one in room.occupants.values()}
        return dict(room.members), occupants, dict(room.devices), room.version, dict(room.notes)

    def take(self, outcome: Outcome) -> None:
        """Store what has changed, and see what is sent."""
        for change in outcome.changes:
            if isinstance(change, Affiliated):
                self.members.pop(change.who, None)
                if change.member is not None:
                    self.members[change.who] = change.member.affiliation
            elif isinstance(change, Seated):
                self.seats[change.device] = (change.nick, change.role)
            elif isinstance(change, Vacated):
                del self.seats[change.device]
            assert not isinstance(change, Destroyed)
        for stanza, recipients in outcome.sent:
            if isinstance(stanza, Presence):
                for device in recipients:
                    self.see(device, stanza)

    def see(self, device: Jid, presence: Presence) -> None:
        assert presence.from_ is not None
        nick, view = presence.from_.resource, self.views.setdefault(device, {})
        x = presence.child(USER, "x")
        assert x is not None
        item = next(one for one in x.elements() if one.name == "item")
        shown = item.getAttribute("jid")
        if self.room.config.anonymous and shown and Jid.parse(shown) != device:
            assert device in self.knew | self.knowing(), f"{device} may not know who {nick} is"
        if presence.type == "unavailable":
            del view[nick]
            if any(one.getAttribute("code") == "110" for one in x.elements()):
                self.views.pop(device)
        else:
            view[nick] = (item["role"], item["affiliation"])


class AdminWalks(unittest.TestCase):
    def check(self, watched: Watched) -> None:
        room = watched.room
        affiliations = {one.nick: room.affiliation(one.who) for one in room.occupants.values()}
        self.assertIn(Affiliation.OWNER, [member.affiliation for member in room.members.values()])
        for occupant in room.occupants.values():
            affiliation = affiliations[occupant.nick]
            self.assertNotIn(occupant.role, (Role.NONE,))
            self.assertIsNot(affiliation, Affiliation.OUTCAST)
            if affiliation.rank >= Affiliation.ADMIN.rank:
                self.assertIs(occupant.role, Role.MODERATOR)
            if room.config.members_only:
                self.assertGreaterEqual(affiliation.rank, Affiliation.MEMBER.rank)
        nicks = [member.nick for member in room.members.values() if member.nick]
        self.assertEqual(len(nicks), len(set(nicks)))
        self.assertEqual(watched.members, {who: member.affiliation for who, member in room.members.items()})
        seats = {device: (one.nick, one.role) for device, one in room.devices.items()}
        self.assertEqual(watched.seats, seats)
        for device, viewer in room.devices.items():
            seen = [one for one in room.occupants.values() if one is viewer or room.broadcasts(one.role)]
            truth = {one.nick: (str(one.role), str(affiliations[one.nick])) for one in seen}
            self.assertEqual(watched.views.pop(device), truth)
            watched.views[device] = truth
        self.assertEqual(set(watched.views), set(room.devices))

    @settings(max_examples=150, deadline=None)
    @given(CONFIGS, ACTS)
    def test_walks(self, config: RoomConfig, acts: list[tuple[Jid, list[dict[str, str]]]]) -> None:
        watched = Watched(config)
        self.check(watched)
        for device, items in acts:
            watched.ask(device, items)
            self.check(watched)
            for person in PEOPLE:
                if person not in watched.room.devices:
                    watched.enter(person)
            self.check(watched)
