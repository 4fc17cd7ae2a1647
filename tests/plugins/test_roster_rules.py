"""Every row of RFC 6121 appendix A against plugins/roster/rules.py.

The tables are written here the way the appendix prints them, and read from the text.
"""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.api import Subscription
from xmppd.plugins.roster.rules import (
    INBOUND,
    OUTBOUND,
    PRE_APPROVED,
    TYPES,
    Inbound,
    State,
    farewells,
    inbound,
    outbound,
)

NAMES = {
    "None": State.NONE,
    "None + Pending Out": State.NONE_OUT,
    "None + Pending In": State.NONE_IN,
    "None + Pending Out+In": State.NONE_OUT_IN,
    "To": State.TO,
    "To + Pending In": State.TO_IN,
    "From": State.FROM,
    "From + Pending Out": State.FROM_OUT,
    "Both": State.BOTH,
}

A_2 = {
    "subscribe": """
        | "None"                  |  MUST      |  "None + Pending Out"     |
        | "None + Pending Out"    |  MUST      |  no state change          |
        | "None + Pending In"     |  MUST      |  "None + Pending Out+In"  |
        | "None + Pending Out+In" |  MUST      |  no state change          |
        | "To"                    |  MUST      |  no state change          |
        | "To + Pending In"       |  MUST      |  no state change          |
        | "From"                  |  MUST      |  "From + Pending Out"     |
        | "From + Pending Out"    |  MUST      |  no state change          |
        | "Both"                  |  MUST      |  no state change          |
    """,
    "unsubscribe": """
        | "None"                  |  MUST      |  no state change          |
        | "None + Pending Out"    |  MUST      |  "None"                   |
        | "None + Pending In"     |  MUST      |  no state change          |
        | "None + Pending Out+In" |  MUST      |  "None + Pending In"      |
        | "To"                    |  MUST      |  "None"                   |
        | "To + Pending In"       |  MUST      |  "None + Pending In"      |
        | "From"                  |  MUST      |  no state change          |
        | "From + Pending Out"    |  MUST      |  "From"                   |
        | "Both"                  |  MUST      |  "From"                   |
    """,
    "subscribed": """
        | "None"                  |  MUST NOT  |  pre-approval             |
        | "None + Pending Out"    |  MUST NOT  |  pre-approval             |
        | "None + Pending In"     |  MUST      |  "From"                   |
        | "None + Pending Out+In" |  MUST      |  "From + Pending Out"     |
        | "To"                    |  MUST NOT  |  pre-approval             |
        | "To + Pending In"       |  MUST      |  "Both"                   |
        | "From"                  |  MUST NOT  |  no state change          |
        | "From + Pending Out"    |  MUST NOT  |  no state change          |
        | "Both"                  |  MUST NOT  |  no state change          |
    """,
    "unsubscribed": """
        | "None"                  |  MUST NOT  |  no state change          |
        | "None + Pending Out"    |  MUST NOT  |  no state change          |
        | "None + Pending In"     |  MUST      |  "None"                   |
        | "None + Pending Out+In" |  MUST      |  "None + Pending Out"     |
        | "To"                    |  MUST NOT  |  no state change          |
        | "To + Pending In"       |  MUST      |  "To"                     |
        | "From"                  |  MUST      |  "None"                   |
        | "From + Pending Out"    |  MUST      |  "None + Pending Out"     |
        | "Both"                  |  MUST      |  "To"                     |
    """,
}

A_3 = {
    "subscribe": """
        | "None"                  |  MUST      |  "None + Pending In"      |
        | "None + Pending Out"    |  MUST      |  "None + Pending Out+In"  |
        | "None + Pending In"     |  MUST NOT  |  no state change          |
        | "None + Pending Out+In" |  MUST NOT  |  no state change          |
        | "To"                    |  MUST      |  "To + Pending In"        |
        | "To + Pending In"       |  MUST NOT  |  no state change          |
        | "From"                  |  reply     |  no state change          |
        | "From + Pending Out"    |  reply     |  no state change          |
        | "Both"                  |  reply     |  no state change          |
    """,
    "unsubscribe": """
        | "None"                  |  MUST NOT  |  no state change          |
        | "None + Pending Out"    |  MUST NOT  |  no state change          |
        | "None + Pending In"     |  MUST      |  "None"                   |
        | "None + Pending Out+In" |  MUST      |  "None + Pending Out"     |
        | "To"                    |  MUST NOT  |  no state change          |
        | "To + Pending In"       |  MUST      |  "To"                     |
        | "From"                  |  MUST      |  "None"                   |
        | "From + Pending Out"    |  MUST      |  "None + Pending Out"     |
        | "Both"                  |  MUST      |  "To"                     |
    """,
    "subscribed": """
        | "None"                  |  MUST NOT  |  no state change          |
        | "None + Pending Out"    |  MUST      |  "To"                     |
        | "None + Pending In"     |  MUST NOT  |  no state change          |
        | "None + Pending Out+In" |  MUST      |  "To + Pending In"        |
        | "To"                    |  MUST NOT  |  no state change          |
        | "To + Pending In"       |  MUST NOT  |  no state change          |
        | "From"                  |  MUST NOT  |  no state change          |
        | "From + Pending Out"    |  MUST      |  "Both"                   |
        | "Both"                  |  MUST NOT  |  no state change          |
    """,
    "unsubscribed": """
        | "None"                  |  MUST NOT  |  no state change          |
        | "None + Pending Out"    |  MUST      |  "None"                   |
        | "None + Pending In"     |  MUST NOT  |  no state change          |
        | "None + Pending Out+In" |  MUST      |  "None + Pending In"      |
        | "To"                    |  MUST      |  "None"                   |
        | "To + Pending In"       |  MUST      |  "None + Pending In"      |
        | "From"                  |  MUST NOT  |  no state change          |
        | "From + Pending Out"    |  MUST      |  "From"                   |
        | "Both"                  |  MUST      |  "From"                   |
    """,
}


def rows(text: str) -> list[tuple[State, str, str]]:
    """Return (state, second column, third column) of a table."""
    found = []
    for line in text.strip().splitlines():
        _, name, second, third, _ = (cell.strip().strip('"') for cell in line.split("|"))
        found.append((NAMES[name], second, third))
    return found


def new_state(state: State, text: str) -> State:
    return state if text in ("no state change", "pre-approval") else NAMES[text]


class AppendixA(TestCase):
    def test_the_tables_here_are_whole(self) -> None:
        for tables in (A_2, A_3):
            self.assertEqual(set(tables), TYPES)
            for text in tables.values():
                self.assertEqual({state for state, _, _ in rows(text)}, set(State))

    def test_outbound(self) -> None:
        for type_, text in A_2.items():
            for state, route, new in rows(text):
                with self.subTest(type=type_, state=state.name):
                    rule = outbound(state, type_)
                    self.assertEqual(rule.route, route == "MUST")
                    self.assertEqual(rule.state, new_state(state, new))
                    self.assertEqual(rule.approved is True, new == "pre-approval")

    def test_an_outbound_cancellation_takes_back_a_pre_approval_in_every_state(self) -> None:
        for state in State:
            self.assertIs(outbound(state, "unsubscribed").approved, False)

    def test_only_subscribed_and_unsubscribed_touch_a_pre_approval(self) -> None:
        for type_ in ("subscribe", "unsubscribe"):
            self.assertEqual({rule.approved for rule in OUTBOUND[type_].values()}, {None})

    def test_inbound(self) -> None:
        for type_, text in A_3.items():
            for state, deliver, new in rows(text):
                with self.subTest(type=type_, state=state.name):
                    rule = inbound(state, type_)
                    self.assertEqual(rule.deliver, deliver == "MUST")
                    self.assertEqual(rule.state, new_state(state, new))
                    self.assertEqual(rule.reply, "subscribed" if deliver == "reply" else None)

    def test_a_request_approved_in_advance_is_answered_and_not_delivered(self) -> None:
        expected = {State.NONE: State.FROM, State.NONE_OUT: State.FROM_OUT, State.TO: State.BOTH}
        for state in State:
            with self.subTest(state=state.name):
                rule = inbound(state, "subscribe", approved=True)
                if state in expected:
                    self.assertEqual(rule, Inbound(False, expected[state], "subscribed"))
                else:
                    self.assertEqual(rule, inbound(state, "subscribe"))
        self.assertEqual(set(PRE_APPROVED), set(expected))

    def test_an_approval_in_advance_counts_for_requests_only(self) -> None:
        for type_ in TYPES - {"subscribe"}:
            for state in State:
                self.assertEqual(inbound(state, type_, approved=True), inbound(state, type_))

    def test_an_approval_exists_only_where_it_can_be_used(self) -> None:
        given_in = {state for state, rule in OUTBOUND["subscribed"].items() if rule.approved}
        self.assertEqual(given_in, set(PRE_APPROVED))


class Meaning(TestCase):
    """What the tables must have in common, whatever their rows say."""

    def test_a_stanza_that_is_ignored_changes_nothing(self) -> None:
        for type_, table in INBOUND.items():
            for state, rule in table.items():
                if not rule.deliver:
                    self.assertEqual(rule.state, state, f"{type_} in {state}")

    def test_outbound_stanzas_of_a_request_leave_the_other_direction_alone(self) -> None:
        for type_ in ("subscribe", "unsubscribe"):
            for state, rule in OUTBOUND[type_].items():
                self.assertEqual(their_side(rule.state), their_side(state), f"{type_} in {state}")

    def test_outbound_answers_leave_ones_own_request_alone(self) -> None:
        for type_ in ("subscribed", "unsubscribed"):
            for state, rule in OUTBOUND[type_].items():
                self.assertEqual(own_side(rule.state), own_side(state), f"{type_} in {state}")

    def test_inbound_requests_leave_ones_own_request_alone(self) -> None:
        for type_ in ("subscribe", "unsubscribe"):
            for state, rule in INBOUND[type_].items():
                self.assertEqual(own_side(rule.state), own_side(state), f"{type_} in {state}")

    def test_inbound_answers_leave_the_other_direction_alone(self) -> None:
        for type_ in ("subscribed", "unsubscribed"):
            for state, rule in INBOUND[type_].items():
                self.assertEqual(their_side(rule.state), their_side(state), f"{type_} in {state}")

    def test_what_is_impossible_is_put_right(self) -> None:
        self.assertIs(State.of(Subscription.BOTH, True, True), State.BOTH)
        self.assertIs(State.of(Subscription.TO, True, True), State.TO_IN)
        self.assertIs(State.of(Subscription.FROM, True, True), State.FROM_OUT)

    def test_every_state_is_found_by_what_it_is_made_of(self) -> None:
        for state in State:
            self.assertIs(State.of(state.subscription, state.pending_out, state.pending_in), state)

    def test_removal_says_farewell_to_each_direction_there_is(self) -> None:
        expected = {
            State.NONE: (),
            State.NONE_OUT: ("unsubscribe",),
            State.NONE_IN: ("unsubscribed",),
            State.NONE_OUT_IN: ("unsubscribe", "unsubscribed"),
            State.TO: ("unsubscribe",),
            State.TO_IN: ("unsubscribe", "unsubscribed"),
            State.FROM: ("unsubscribed",),
            State.FROM_OUT: ("unsubscribe", "unsubscribed"),
            State.BOTH: ("unsubscribe", "unsubscribed"),
        }
        self.assertEqual({state: farewells(state) for state in State}, expected)


def own_side(state: State) -> tuple[bool, bool]:
    return state.subscription in (Subscription.TO, Subscription.BOTH), state.pending_out


def their_side(state: State) -> tuple[bool, bool]:
    return state.subscription in (Subscription.FROM, Subscription.BOTH), state.pending_in


class Mirror(TestCase):
    """Two servers that follow the tables agree, as long as nothing is lost between them."""

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(TYPES))), max_size=40))
    def test_both_sides_agree_after_any_sequence(self, acts: list[tuple[bool, str]]) -> None:
        states = [State.NONE, State.NONE]
        approved = [False, False]

        def receive(who: int, type_: str) -> None:
            rule = inbound(states[who], type_, approved[who])
            states[who] = rule.state
            if own_to_from(states[who]):
                approved[who] = False
            if rule.reply is not None:
                receive(1 - who, rule.reply)

        for first, type_ in acts:
            who = int(first)
            rule = outbound(states[who], type_)
            states[who] = rule.state
            if rule.approved is not None:
                approved[who] = rule.approved
            if rule.route:
                receive(1 - who, type_)
            self.assertEqual(own_side(states[0]), their_side(states[1]))
            self.assertEqual(own_side(states[1]), their_side(states[0]))


def own_to_from(state: State) -> bool:
    return state.subscription in (Subscription.FROM, Subscription.BOTH)
