"""What is decided without a server: verdicts, payloads, turns."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.push_service.payloads import Words, build, deadline, dump, load, wake_only
from xmppd.plugins.push_service.publishing import Notice
from xmppd.plugins.push_service.roads.contract import Verdict, VerdictKind
from xmppd.plugins.push_service.turns import Book, Entry, Spacing, Turns
from xmppd.plugins.push_service.verdicts import Patience, Step, decide

PATIENCE = Patience(retry=10.0, throttled=60.0, most=3600.0, hold=300.0)
NO_WORDS = Words("", "")


class Decisions(unittest.TestCase):
    def test_table(self) -> None:
        """The table of the module, and the times."""
        cases: list[tuple[VerdictKind, int, bool, float | None, Step, float]] = [
            ("accepted", 0, False, None, Step.ACCEPTED, 0.0),
            ("gone", 0, False, None, Step.GONE, 0.0),
            ("throttled", 0, False, None, Step.AGAIN, 60.0),
            ("throttled", 3, False, None, Step.AGAIN, 480.0),
            ("throttled", 3, False, 5.0, Step.AGAIN, 5.0),
            ("temporary", 0, False, None, Step.AGAIN, 10.0),
            ("temporary", 2, False, None, Step.AGAIN, 40.0),
            ("temporary", 1000, False, None, Step.AGAIN, 3600.0),
            ("temporary", 0, False, 0.0, Step.AGAIN, 1.0),  # now: but not all the time
            ("throttled", 9, False, 0.0, Step.AGAIN, 64.0),
            ("too large", 0, False, None, Step.STRIP, 0.0),
            ("too large", 0, True, None, Step.FAILED, 0.0),
            ("credentials", 5, False, None, Step.HOLD, 300.0),
            ("refused", 0, False, None, Step.FAILED, 0.0),
        ]
        for kind, failures, stripped, retry_after, step, delay in cases:
            with self.subTest(kind=kind, failures=failures, retry_after=retry_after):
                decision = decide(Verdict(kind, "why", retry_after), failures, stripped, 86_400.0, PATIENCE)
                self.assertEqual((decision.step, decision.delay), (step, delay))

    @given(st.floats(0, 1e6), st.integers(0, 10_000), st.sampled_from(("throttled", "temporary")))
    def test_never_beyond_its_time(self, left: float, failures: int, kind: str) -> None:
        decision = decide(Verdict(kind), failures, False, left, PATIENCE)  # type: ignore[arg-type]
        if decision.step is Step.AGAIN:
            self.assertLessEqual(decision.delay, left)
        else:
            self.assertIs(decision.step, Step.FAILED)


class Payloads(unittest.TestCase):
    def test_words_are_for_apple(self) -> None:
        words = Words("Chat", "New message")
        notice = Notice(count=2)
        self.assertEqual(
            build("1", "n", "apns", notice, "count", words).payload,
            {"title": "Chat", "body": "New message", "node": "n", "count": 2},
        )
        self.assertEqual(build("1", "n", "fcm", notice, "count", words).payload, {"node": "n", "count": 2})
        silent = build("1", "n", "apns", Notice(count=2, silent=True), "count", words)
        self.assertEqual((silent.payload, silent.kind), ({"node": "n", "count": 2}, "background"))

    def test_wake_only(self) -> None:
        content = build("1", "n", "fcm", Notice(count=2, json={"title": "x" * 5000}), "count", NO_WORDS)
        self.assertEqual(wake_only(content, "fcm", NO_WORDS).payload, {"node": "n", "count": 2})
        self.assertEqual(wake_only(content, "apns", Words("", "New")).payload, {"node": "n", "count": 2, "body": "New"})

    def test_topics(self) -> None:
        topic = build("1", "n", "fcm", Notice(count=1), "count", NO_WORDS).topic
        self.assertRegex(topic, r"\A[A-Za-z0-9_-]{32}\Z")
        for notice, same in (
            (Notice(count=5, body="x"), True),
            (Notice(call=True), False),
            (Notice(json={"title": "x"}), False),
            (Notice(encrypted={"encrypted": "x"}), False),
            (Notice(collapse="other"), False),
        ):
            self.assertEqual(build("2", "n", "fcm", notice, "count", NO_WORDS).topic == topic, same, notice)
        self.assertEqual(build("1", "n", "fcm", Notice(collapse=""), "count", NO_WORDS).topic, "")

    def test_nobody_can_say_that_it_is_for_another(self) -> None:
        for notice in (Notice(json={"node": "other"}), Notice(encrypted={"node": "other", "encrypted": "x"})):
            self.assertEqual(build("1", "n", "fcm", notice, "count", NO_WORDS).payload["node"], "n")

    def test_deadline(self) -> None:
        self.assertEqual(deadline(Notice(), 100.0, 60, 5), 160.0)
        self.assertEqual(deadline(Notice(ttl=10), 100.0, 60, 5), 110.0)
        self.assertEqual(deadline(Notice(ttl=1000), 100.0, 60, 5), 160.0)
        self.assertEqual(deadline(Notice(call=True), 100.0, 60, 5), 105.0)
        for stated, end in ((130.5, 130.5), (500, 160.0), (1, 100.0), ("soon", 160.0), (None, 160.0)):
            self.assertEqual(deadline(Notice(json={"expires_at": stated}), 100.0, 60, 5), end)

    def test_kept_as_it_is(self) -> None:
        content = build("1", "n", "fcm", Notice(json={"title": "\u2603", "data": {"a": [1, None]}}), "count", NO_WORDS)
        self.assertEqual(load(dump(content)), content)


def entry(number: int, publisher: str = "a", node: str = "n", topic: str = "", call: bool = False) -> Entry:
    return Entry(number, node, "", ("fcm", "x"), publisher, topic, call, 1e9)


class Waiting(unittest.TestCase):
    def taken(self, turns: Turns) -> list[int]:
        found = []
        while (one := turns.take()) is not None:
            found.append(one.number)
        return found

    def test_turns(self) -> None:
        turns = Turns()
        for number, publisher in enumerate("aaabcb"):
            turns.put(entry(number, publisher))
        turns.put(entry(9, "a", call=True))
        self.assertEqual(self.taken(turns), [9, 0, 3, 4, 1, 5, 2])

    def test_what_is_over_is_left_out(self) -> None:
        turns, over = Turns(), entry(1)
        over.over = True
        for one in (over, entry(2)):
            turns.put(one)
        self.assertEqual(self.taken(turns), [2])

    @given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("xyz"), st.booleans())))
    def test_book(self, steps: list[tuple[int, str, bool]]) -> None:
        """It knows what was entered and has not left, and forgets everything else."""
        book, there = Book(), dict[int, Entry]()
        for number, node, enters in steps:
            if enters and number not in there:
                there[number] = entry(number, node, node, "t")
                book.enter(there[number])
            elif not enters and number in there:
                book.leave(there[number])
                book.leave(there.pop(number))
        self.assertEqual({one.number for one in book}, set(there))
        for name in "xyz":
            mine = sorted(number for number, one in there.items() if one.node == name)
            self.assertEqual([one.number for one in book.of_node(name)], mine)
            self.assertEqual(book.published_by(name), len(mine))
            for one in book.of_node(name):
                self.assertEqual(len(book.like(one)), len(mine) - 1)
        for one in list(there.values()):
            book.leave(one)
        self.assertEqual((book._nodes, dict(book._publishers)), ({}, {}))

    @given(st.integers(1, 5), st.floats(0.5, 100), st.lists(st.floats(0, 50), max_size=40))
    def test_spacing(self, burst: int, seconds: float, gaps: list[float]) -> None:
        """No more than `burst`, and one for each `seconds`, within any time."""
        spacing, now, sent = Spacing(burst, seconds), 1000.0, list[float]()
        for gap in gaps:
            now += gap
            if spacing.free_at("n", now) <= now:
                spacing.note("n", now)
                sent.append(now)
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                within = sent[last] - sent[first]
                self.assertLessEqual(last - first + 1, burst + within / seconds + 1e-6)
        spacing.tidy(now + 1e6)
        self.assertEqual(spacing._next, {})
