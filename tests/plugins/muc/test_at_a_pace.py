"""What everybody in a room has to be told of everybody: at a pace, and as it is then."""

from __future__ import annotations

import re

from tests.plugins.muc.court import CourtTestCase
from tests.plugins.muc.kit import GARDEN
from tests.plugins.muc.test_owner import OWNER, field, form
from xmppd.plugins.muc.room.outcome import Outcome
from xmppd.plugins.muc.room.owner import reconfigure

VISITORS = tuple(f"visitor{number}" for number in range(2, 8))


class PaceTests(CourtTestCase):
    #: Ten devices are in the room: of one occupant all are told at once, of the others at a pace.
    config = {"muc": {"presence_per_second": 10}}

    def setUp(self) -> None:
        super().setUp()
        self.court(*VISITORS, moderated=True)
        self.assertEqual(len(self.room().devices), 10)

    def configure(self, *fields: str) -> None:
        self.forget()
        query = f"<query xmlns='{OWNER}'>{form(*fields)}</query>"
        self.people["owner"].send(f"<iq type='set' id='ask' to='{GARDEN}'>{query}</iq>")
        self.assertIn("type='result'", self.people["owner"].received[0])

    def pass_time(self, seconds: int) -> None:
        for _ in range(20 * seconds):
            self.pump(0.05)

    def told(self, name: str) -> dict[str, str]:
        """Return what somebody was told last of each other: the role."""
        found: dict[str, str] = {}
        for xml in self.people[name].received:
            match = re.match(f"<presence from='{GARDEN}/([^']+)'", xml)
            role = re.search(" role='([a-z]+)'", xml)
            if match and role and match[1] != name:
                found[match[1]] = role[1]
        return found

    def test_voice_for_all(self) -> None:
        """Each learns at once that they have it themselves, and by and by of the others."""
        self.configure(field("moderatedroom", "0"))
        for name in VISITORS:
            self.assertIn("role='participant'", "".join(self.people[name].received))
            self.assertEqual(self.role(name), "participant")
        self.assertLess(len(self.told("member")), 3)
        self.people["member"].clear()
        self.pass_time(2)
        self.assertLess(len(self.told("member")), 4)
        self.pass_time(18)
        self.assertEqual(set(self.told("member").values()), {"participant"})
        self.assertEqual(self.told("member").keys() | {"guest"}, {*VISITORS, "guest"})

    def test_what_is_so_no_more_is_not_told(self) -> None:
        """Who has gone before their turn is gone for the others, who are told that alone."""
        self.configure(field("moderatedroom", "0"))
        waiting = [name for name in VISITORS if name not in self.told("member")]
        gone, again = waiting[:2]
        self.people[gone].send(f"<presence to='{GARDEN}/{gone}' type='unavailable'/>")
        self.room().occupants[again].role = self.room().occupants["owner"].role
        self.pass_time(10)
        told = self.told("member")
        self.assertEqual((told[gone], told[again]), ("none", "moderator"))
        self.assertEqual([told[name] for name in VISITORS if name not in (gone, again)], 4 * ["participant"])

    def test_those_who_have_to_go(self) -> None:
        """They are told at once; who is there again before others are told is not gone for them."""
        self.configure(field("membersonly", "1"))
        self.assertEqual(self.nicks(), ["admin", "member", "owner"])
        for name in VISITORS:
            self.assertIn("code='322'", "".join(self.people[name].received))
        waiting = [name for name in VISITORS if name not in self.told("member")]
        self.assertGreater(len(waiting), 1)
        self.configure(field("membersonly", "0"))
        self.enter(self.people[waiting[-1]], waiting[-1])
        self.people["member"].clear()
        self.pass_time(10)
        self.assertNotIn(waiting[-1], self.told("member"))
        self.assertEqual(self.told("member"), {name: "none" for name in waiting[:-1]})

    def test_whose_presence_is_told(self) -> None:
        """The same if nobody is to see visitors any more, and then all are: what is told last is so."""
        self.configure(field("presencebroadcast", "moderator", "participant"))
        self.configure(field("presencebroadcast", "moderator", "participant", "visitor"))
        self.people["member"].clear()
        self.pass_time(10)
        self.assertNotIn("none", self.told("member").values())

    def test_small_rooms(self) -> None:
        """All is told at once, where that is little."""
        room = self.room()
        room.service.limits = room.service.limits.__class__()
        outcome = reconfigure(room, room.config.changed({"moderated": False}), 0.0)
        self.assertEqual((outcome.later, outcome.presences), ([], 7 * 10))

    def test_add(self) -> None:
        first, second = Outcome(presences=1, later=[Outcome]), Outcome(presences=2, later=[Outcome])
        self.assertEqual((first.add(second).presences, len(first.later)), (3, 2))
