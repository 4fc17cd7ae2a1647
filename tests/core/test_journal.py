"""How sessions are written down and read back."""

from __future__ import annotations

from collections import deque
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.core.durable import journal
from xmppd.core.durable.journal import TAKEN, Journal, Recorded, Sent

STATE = {"jid": "romeo@example.org/orchard", "state": {"carbons": True}}


def sent(number: int, data: bytes, at: float = 0.0, spread: int = 0) -> bytes:
    return journal.sent(number, len(data), at, spread) + data


def read(*entries: bytes) -> Journal:
    """Return what is read of entries, each at a position of its own."""
    found = Journal()
    for position, entry in enumerate(entries, 1):
        found.read(position, entry)
    found.finish()
    return found


class Reading(TestCase):
    def test_a_life(self) -> None:
        found = read(
            journal.state(7, STATE) + journal.handled(7, 1),
            sent(7, b"<message/>", 12.5) + sent(7, b"<presence/>", 13.0),
            journal.acknowledged(7, 1) + journal.handled(7, 3),
            journal.held(7, "a", b"<iq/>") + journal.held(7, "b", b"<b/>") + journal.held(7, "a", b"<message/>"),
        )
        self.assertEqual(
            found.sessions,
            {7: Recorded(STATE, 3, 1, deque([Sent(b"<presence/>", 13.0, 0)]), {"b": b"<b/>", "a": b"<message/>"})},
        )
        self.assertEqual(list(found.sessions[7].held), ["b", "a"])
        self.assertEqual(found.last, 7)

    def test_copies(self) -> None:
        """They end as others do that were written at the same position."""
        tails = journal.common(0, b" id='1'/>") + journal.common(1, b" id='2'/>")

        def copy(number: int, head: bytes, which: int, at: float = 0.0, spread: int = 0) -> bytes:
            return journal.copy(number, len(head), at, spread, which) + head

        found = read(
            journal.state(1, STATE) + journal.state(2, STATE),
            tails + copy(1, b"<a to='1'", 0, 12.5) + copy(2, b"<a to='2'", 0, 12.5, 9) + copy(1, b"<b to='1'", 1),
            journal.common(0, b"/>") + copy(2, b"<c", 0),
        )
        self.assertEqual(
            list(found.sessions[1].queue), [Sent(b"<a to='1' id='1'/>", 12.5, 0), Sent(b"<b to='1' id='2'/>", 0, 0)]
        )
        self.assertEqual(list(found.sessions[2].queue), [Sent(b"<a to='2' id='1'/>", 12.5, 9), Sent(b"<c/>", 0, 0)])
        self.assertEqual(found.last, 2)
        with self.assertRaises(ValueError):
            read(tails, copy(1, b"<a", 0))

    def test_a_tail_is_no_session(self) -> None:
        """Its number says nothing of sessions, nor is it left out as what a session's record covers."""
        found = Journal()
        found.begin(3, 10, journal.record(3, Recorded(STATE)))
        found.read(10, journal.common(3, b"/>") + journal.copy(4, 2, 0.0, 0, 3) + b"<a")
        self.assertEqual((set(found.sessions), found.last), ({3, 4}, 4))
        self.assertEqual(found.sessions[4].queue[0].data, b"<a/>")

    def test_released(self) -> None:
        found = read(journal.state(1, STATE), journal.held(1, "a", b"<iq/>"), journal.released(1) + sent(1, b"<iq/>"))
        self.assertEqual((found.sessions[1].held, len(found.sessions[1].queue)), ({}, 1))

    def test_given_up(self) -> None:
        """It will not get them any more, but nobody has said that he has them."""
        both = (
            journal.state(1, STATE)
            + sent(1, b"<a/>", spread=99)
            + journal.state(2, STATE)
            + sent(2, b"<a/>", spread=99)
        )
        found = read(both, journal.given_up(2, 1)).sessions
        self.assertEqual((len(found[2].queue), found[2].acknowledged), (0, 1))
        self.assertEqual(found[1].queue[0].spread, 99)

    def test_parts_of_the_state(self) -> None:
        """What has changed is written down apart."""
        base = {"presence": None, "state": {"a": 1}}
        found = read(journal.state(1, base) + journal.kept(1, "b", [2]) + journal.kept(1, "a", None))
        self.assertEqual(found.sessions[1].state, {"presence": None, "state": {"b": [2]}})
        found = read(journal.state(1, base) + journal.presence(1, b"<presence/>"))
        self.assertEqual(found.sessions[1].state, {"presence": "<presence/>", "state": {"a": 1}})
        found = read(journal.state(1, base) + journal.presence(1, b"<presence/>") + journal.presence(1, b""))
        self.assertEqual(found.sessions[1].state, base)

    def test_the_end(self) -> None:
        found = read(journal.state(1, STATE) + journal.state(2, STATE), journal.ended(1))
        self.assertEqual((set(found.sessions), found.last), ({2}, 2))

    def test_a_record_replaces_what_came_before_it(self) -> None:
        recorded = Recorded(STATE, 5, 4, deque([Sent(b"<a/>", 1.0, 0)]), {"k": b"<h/>"})
        found = Journal()
        found.begin(1, 10, journal.record(1, recorded))
        found.read(9, sent(1, b"<old/>") + journal.handled(1, 4))
        found.read(10, sent(1, b"<a/>"))
        found.read(11, sent(1, b"<b/>") + journal.acknowledged(1, 5))
        self.assertEqual(found.sessions[1], Recorded(STATE, 5, 5, deque([Sent(b"<b/>", 0.0, 0)]), {"k": b"<h/>"}))

    def test_copies_that_another_device_has_taken(self) -> None:
        both = journal.state(1, STATE) + journal.state(2, STATE) + sent(1, b"<m/>", 0, 99) + sent(2, b"<m/>", 0, 99)
        self.assertEqual(read(both).sessions[1].queue[0].spread, 99)
        self.assertEqual(read(both, journal.acknowledged(2, 1)).sessions[1].queue[0].spread, TAKEN)

    def test_damage(self) -> None:
        for data in (b"S", b"\0" * 13, journal.state(1, STATE)[:-1], b"Z" + journal.ended(1)[1:]):
            with self.assertRaises(ValueError):
                read(data)

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("sent"), st.binary(max_size=20)),
                st.tuples(st.just("acknowledged"), st.integers(0, 5)),
                st.tuples(st.just("handled"), st.integers(0, 9)),
                st.tuples(st.just("held"), st.sampled_from("abc")),
                st.tuples(st.just("released"), st.none()),
            ),
            max_size=30,
        ),
        st.integers(0, 30),
    )
    def test_a_record_at_any_moment(self, events: list[tuple[str, object]], at: int) -> None:
        """What is recorded and read on is what is read from the beginning."""
        entries, acknowledged, out = [journal.state(1, STATE)], 0, 0
        for kind, what in events:
            if kind == "sent" and isinstance(what, bytes):
                entries.append(sent(1, what, float(out)))
                out += 1
            elif kind == "acknowledged" and isinstance(what, int):
                acknowledged = min(out, acknowledged + what)
                entries.append(journal.acknowledged(1, acknowledged))
            elif kind == "handled" and isinstance(what, int):
                entries.append(journal.handled(1, what))
            elif kind == "held" and isinstance(what, str):
                entries.append(journal.held(1, what, what.encode()))
            else:
                entries.append(journal.released(1))
        at = min(at, len(entries) - 1) + 1
        whole = read(*entries)
        found = Journal()
        found.begin(1, at, journal.record(1, read(*entries[:at]).sessions[1]))
        for position, entry in enumerate(entries, 1):
            found.read(position, entry)
        self.assertEqual(found.sessions, whole.sessions)
