"""XEP-0045 17.4: whatever happens in whichever order, an answer reaches who has asked, once, and nobody else."""

from __future__ import annotations

import unittest
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.ranks import Role
from xmppd.plugins.muc.room.relaying import Relay, Relaying
from xmppd.plugins.muc.room.state import Occupant, Room, Service
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import tag

PEOPLE = "abc"
EACH, TOTAL, SECONDS = 3, 5, 10.0


def device(name: str, number: int) -> Jid:
    return Jid.parse(f"{name}@{name}.example/{number}")


def room() -> Room:
    """A room with three people, with two devices each."""
    made = Room(Service(Jid.parse("c"), b"x" * 32), Jid.parse("room@c"), 1, RoomConfig(), 0.0)
    for name in PEOPLE:
        made.occupants[name] = occupant = Occupant(made, name, Jid.parse(f"{name}@{name}.example"), Role.PARTICIPANT)
        for number in (1, 2):
            occupant.seat(device(name, number), b"")
            made.devices[device(name, number)] = occupant
    return made


_devices = st.builds(device, st.sampled_from(PEOPLE), st.sampled_from((1, 2)))
_acts = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), _devices, st.sampled_from(PEOPLE), st.sampled_from("xy")),
        st.tuples(st.just("answer"), st.integers(0, 20), st.sampled_from(("result", "error"))),
        st.tuples(st.just("forge"), st.integers(0, 20), _devices, st.sampled_from(PEOPLE)),
        st.tuples(st.just("wait"), st.sampled_from((1.0, 9.0))),
    ),
    max_size=40,
)


class Walks(unittest.TestCase):
    @settings(max_examples=200, deadline=None)
    @given(_acts)
    def test_all(self, acts: list[tuple[object, ...]]) -> None:
        made, relay, now = room(), Relay(Relaying(TOTAL, EACH, SECONDS)), 0.0
        waiting: dict[str, tuple[Iq, Iq, float]] = {}  # by the id under which it is on its way
        sent: list[str] = []
        for act, *rest in acts:
            if act == "ask":
                asker, nick, id_ = rest
                asked = Iq(made.jid.with_resource(str(nick)), asker, str(id_), "get", None, tag("q", xmlns="urn:q"))  # type: ignore[arg-type]
                mine = Counter(one.from_ for one, _, _ in waiting.values())[asked.from_]
                try:
                    passed = relay.request(made, asked, now)
                except StanzaError:
                    self.assertTrue(mine == EACH or len(waiting) == TOTAL)
                    continue
                self.assertTrue(mine < EACH and len(waiting) < TOTAL)
                self.assertEqual(passed.from_, made.devices[asked.sender].jid)
                self.assertEqual(passed.recipient.bare, made.occupants[str(nick)].who)
                waiting[passed.id or ""] = (asked, passed, now + SECONDS)
                sent.append(passed.id or "")
            elif act == "answer" and sent:
                id_ = sent[rest[0] % len(sent)]  # type: ignore[operator]
                self.answer(relay, waiting, id_, str(rest[1]))
            elif act == "forge" and sent:
                self.forge(relay, waiting, sent[rest[0] % len(sent)], rest[1], str(rest[2]))  # type: ignore[operator, arg-type]
            elif act == "wait":
                now += float(rest[0])  # type: ignore[arg-type]
                over = {id_ for id_, (_, _, until) in waiting.items() if until <= now}
                told = [(iq.to, iq.from_, iq.id, iq.type) for iq in relay.expire(now)]
                want = [(waiting[id_][0].from_, waiting[id_][0].to, waiting[id_][0].id, "error") for id_ in over]
                self.assertEqual(Counter(told), Counter(want))
                for id_ in over:
                    del waiting[id_]
            self.assertEqual(len(relay), len(waiting))

    def answer(self, relay: Relay, waiting: dict[str, tuple[Iq, Iq, float]], id: str, type: str) -> None:
        found = waiting.pop(id, None)
        if found is None:
            answer = relay.answer(Iq(Jid.parse("room@c/a"), device("a", 1), id, type))
            self.assertIsNone(answer)
            return
        asked, passed, _ = found
        answer = relay.answer(Iq(passed.from_, passed.to, id, type))
        assert answer is not None
        self.assertEqual((answer.to, answer.from_, answer.id, answer.type), (asked.from_, asked.to, asked.id, type))

    def forge(
        self, relay: Relay, waiting: dict[str, tuple[Iq, Iq, float]], id: str, device: Jid, nick: str
    ) -> None:  # fmt: skip
        answer = Iq(Jid.parse(f"room@c/{nick}"), device, id, "result")
        found = waiting.get(id)
        if found is None or (found[1].to, found[1].from_) != (answer.from_, answer.to):
            self.assertIsNone(relay.answer(answer))
