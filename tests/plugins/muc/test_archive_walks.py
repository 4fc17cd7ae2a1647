"""Whoever walks the archive of a room gets what they may see: each message once, in order, and no address more."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.plugins.muc.kit import RoomTestCase
from xmppd.api import Message
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.reading import Sees
from xmppd.plugins.muc.room.state import Occupant, Room
from xmppd.plugins.muc.service.archive import _view
from xmppd.wire.jid import Jid
from xmppd.wire.mam import Query
from xmppd.wire.rsm import PageRequest

ROOM = Jid.parse("walks@conference.example.org")
DEVICES = [Jid.parse(jid) for jid in ("a@example.org/x", "a@example.org/y", "b@example.org/x", "c@example.com/x")]
NICKS = ("Ann", "ann", "B/B", "[x]")
ASKER = DEVICES[2]
#: What is said: by which device, under which nickname, while the room was non-anonymous, and whether it is no history.
SAID = st.lists(
    st.tuples(st.integers(0, len(DEVICES) - 1), st.integers(0, len(NICKS) - 1), st.booleans(), st.booleans()),
    max_size=30,
)
NAMES = [ROOM.with_resource(nick) for nick in NICKS]
WITH = st.sampled_from([None, ROOM, *NAMES, *DEVICES, *(jid.bare for jid in DEVICES)])


class Walks(RoomTestCase):
    numbers = iter(range(1, 1_000_000))

    def result(self, coming: Any) -> Any:
        return self.wait(Deferred.fromCoroutine(coming))

    def say(self, room: Room, said: Any) -> list[tuple[str, Jid, str, bool, bool]]:
        """Have it said; return the id of each, by whom, the nickname, who was told, and whether it is history."""
        kept, archive = [], self.plugin("muc").archive
        for device, nick, known, past in said:
            room.config = room.config.changed({"anonymous": not known})
            occupant = Occupant(room, NICKS[nick], DEVICES[device].bare, Role.PARTICIPANT)
            room.devices = {DEVICES[device]: occupant}
            message = Message(None, occupant.jid, "1", "groupchat", payload=b"<body>hi</body>")
            with self.host.unit(message):
                added = archive.add(room, message, DEVICES[device], past)
            (given_,) = [e["id"] for e in added.elements if e.name == "stanza-id"]
            kept.append((given_, DEVICES[device], NICKS[nick], known, past))
        return kept

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(SAID, WITH, st.sampled_from(Sees), st.integers(1, 7), st.booleans())
    def test_walks(self, said: Any, with_: Jid | None, sees: Sees, size: int, backwards: bool) -> None:
        archive = self.plugin("muc").archive
        room = Room(self.plugin("muc").service, ROOM, next(self.numbers), RoomConfig(), 0.0)
        kept = self.say(room, said)
        expected = [one for one in kept if matches(with_, one, sees)]
        got: list[Any] = []
        walk = None
        owner, view = archive._owner(room.number), _view(ROOM, ASKER.bare, sees)
        while True:
            at = got[0 if backwards else -1].id if got else None
            page = PageRequest(size, before=at or "", after=None) if backwards else PageRequest(size, after=at)
            answer = self.result(archive._archives.answer(owner, Query(with_=with_, page=page), walk, view))
            got = [*answer.messages, *got] if backwards else [*got, *answer.messages]
            walk = answer.walk
            if answer.complete:
                break
            self.assertEqual(len(answer.messages), size)
        self.assertEqual([message.id for message in got], [one[0] for one in expected])
        for message, (_, author, nick, known, _) in zip(got, expected, strict=True):
            shown = sees is Sees.ALL or (sees is Sees.KNOWN and known)
            self.assertEqual(str(author).encode() in message.stanza, shown)
            self.assertIn(ROOM.with_resource(nick).xml.encode(), message.stanza)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(SAID, st.integers(1, 9))
    def test_history(self, said: Any, most: int) -> None:
        archive = self.plugin("muc").archive
        room = Room(self.plugin("muc").service, ROOM, next(self.numbers), RoomConfig(), 0.0)
        expected = [one[0] for one in self.say(room, said) if one[4]][-most:]
        past = self.result(archive.latest(room, most, 1_000_000))
        self.assertEqual([e["id"] for one in past for e in one.message.elements if e.name == "stanza-id"], expected)


def matches(with_: Jid | None, one: tuple[str, Jid, str, bool, bool], sees: Sees) -> bool:
    """Is a message one that is found with an address?"""
    _, author, nick, known, _ = one
    if with_ is None or with_ == ROOM:
        return True
    if with_.bare == ROOM:
        return with_.resource == nick
    if with_ not in (author, author.bare):
        return False
    return sees is Sees.ALL or with_.bare == ASKER.bare or (sees is Sees.KNOWN and known)
