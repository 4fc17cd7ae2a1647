"""The rules of a session: order, waiting, repeating, acknowledging, keys, pauses, the end (XEP-0124, 8 to 15)."""

from __future__ import annotations

import unittest
from dataclasses import replace
from hashlib import sha1

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase as TestCase

from tests.net.bosh.fakes import TERMS, FakeExchange, Lone
from xmppd.wire.bosh import Body

_POLICY = "type='terminate' condition='policy-violation'"
_NOT_FOUND = "type='terminate' condition='item-not-found'"
_EMPTY = "<body xmlns='http://jabber.org/protocol/httpbind'/>"


class RuleTestCase(unittest.TestCase):
    def answered(self, exchange: FakeExchange, what: str) -> None:
        assert exchange.answer is not None, "there is no answer yet"
        self.assertIn(what, exchange.answer)

    def refused(self, lone: Lone, exchange: FakeExchange, what: str) -> None:
        """The request has ended the session."""
        self.answered(exchange, what)
        lone.clock.advance(0)
        self.assertTrue(lone.over)
        self.assertEqual((lone.sessions.by_sid, lone.sessions._filed), ({}, {}))
        assert lone.stream.lost is not None
        self.assertIsInstance(lone.stream.lost.value, ConnectionLost)
        self.assertEqual(lone.clock.getDelayedCalls(), [])


class Waiting(RuleTestCase):
    """Section 8."""

    def test_created_at_once(self) -> None:
        self.assertEqual(Lone().created.answer, _EMPTY)

    def test_until_there_is_something(self) -> None:
        """XEP-0124, examples 4, 6 and 7: a request is answered when there is something to answer with."""
        lone = Lone()
        first = lone.ask(101, "<m>1</m>")
        self.assertIsNone(first.answer)
        lone.say(1)
        lone.say(2)
        self.assertIsNone(first.answer, "what one turn of the reactor brings is one answer")
        lone.clock.advance(0)
        self.assertEqual(first.numbers, [1, 2])
        self.assertEqual(lone.stream.got, ["<m>1</m>"])

    def test_no_longer_than_wait(self) -> None:
        """XEP-0124, example 5; rather a second too early than too late."""
        lone = Lone(replace(TERMS, wait=20))
        first = lone.ask(101)
        lone.clock.pump([1] * 18)
        self.assertIsNone(first.answer)
        lone.clock.pump([1] * 2)
        self.assertEqual(first.answer, _EMPTY)

    def test_hold(self) -> None:
        for hold in (1, 2, 3):
            lone = Lone(replace(TERMS, hold=hold))
            exchanges = [lone.ask(101 + n) for n in range(hold)]
            self.assertEqual([exchange.answer for exchange in exchanges], [None] * hold)
            exchanges.append(lone.ask(101 + hold))
            self.assertEqual([exchange.answer for exchange in exchanges], [_EMPTY, *[None] * hold])

    def test_what_waits_is_in_the_next_answer(self) -> None:
        lone = Lone()
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(lone.ask(101).numbers, [1])

    def test_in_the_order_of_requests(self) -> None:
        lone = Lone(replace(TERMS, hold=2))
        third, second = lone.ask(103, "<m>3</m>"), lone.ask(102, "<m>2</m>")
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual((second.answer, third.answer, lone.stream.got), (None, None, []))
        first = lone.ask(101, "<m>1</m>")
        self.assertEqual(lone.stream.got, ["<m>1</m>", "<m>2</m>", "<m>3</m>"])
        self.assertEqual(first.numbers, [1])
        self.assertIsNone(second.answer)

    def test_large_answers_are_parted(self) -> None:
        lone = Lone(answer_octets=16_384)
        for number in range(3):
            lone.session.write(b"<n>%d</n>" % number + b" " * 10_000)
        lone.clock.advance(0)
        self.assertEqual(lone.ask(101).numbers, [0, 1])
        self.assertEqual(lone.ask(102).numbers, [2])

    def test_while_the_stream_is_paused(self) -> None:
        lone = Lone()
        first = lone.ask(101)
        lone.session.pauseProducing()
        second = lone.ask(102, "<m>2</m>")
        self.assertEqual(lone.stream.got, [])
        self.assertIsNone(first.answer)
        lone.session.resumeProducing()
        lone.clock.advance(0)
        self.assertEqual(lone.stream.got, ["<m>2</m>"])
        self.assertEqual((first.answer, second.answer), (_EMPTY, None))

    def test_paused_and_resumed_in_between(self) -> None:
        """What one request says is done before the next one's turn."""
        lone = Lone(replace(TERMS, hold=2))
        take, depth = lone.stream.take_content, []

        def slowly(body: Body) -> None:
            depth.append(body)
            lone.session.pauseProducing()
            lone.session.resumeProducing()
            self.assertEqual(len(depth), 1)
            take(body)
            depth.clear()

        lone.stream.take_content = slowly  # type: ignore[method-assign]
        for rid in (103, 102, 101):
            lone.ask(rid, f"<m>{rid}</m>")
        self.assertEqual(lone.stream.got, ["<m>101</m>", "<m>102</m>", "<m>103</m>"])

    def test_what_is_answered_waits_no_more(self) -> None:
        lone = Lone(answer_octets=16_384)
        lone.stream.limit = 60_000
        for rid in range(101, 141):
            lone.session.write(b"<n>1</n>" + b" " * 20_000)
            lone.session.write(b"<n>2</n>")
            lone.clock.advance(0)
            lone.ask(rid)
        self.assertEqual(lone.stream.overflows, 0)

    def test_too_much_waits(self) -> None:
        lone = Lone()
        lone.session.write(b"x" * (lone.stream.limit + 1))
        self.assertEqual(lone.stream.overflows, 1)


class Inactivity(RuleTestCase):
    """Section 10."""

    def test_ends_without_a_word(self) -> None:
        lone = Lone(replace(TERMS, inactivity=30))
        first = lone.ask(101)
        lone.clock.pump([1] * 25)
        lone.say(1)
        lone.clock.pump([1] * 29)
        self.assertFalse(lone.over)
        lone.clock.pump([1] * 4)
        self.assertTrue(lone.over)
        self.assertEqual(first.numbers, [1])
        assert lone.stream.lost is not None
        self.assertIsInstance(lone.stream.lost.value, ConnectionLost)
        self.assertEqual(lone.clock.getDelayedCalls(), [])

    def test_not_while_a_request_waits(self) -> None:
        lone = Lone(replace(TERMS, inactivity=5))
        lone.ask(101)
        lone.clock.pump([1] * 50)
        self.assertFalse(lone.over)

    def test_lost_connection(self) -> None:
        """Who waits on a connection that is gone is not there."""
        lone = Lone(replace(TERMS, inactivity=5))
        lone.ask(101).lose()
        lone.clock.pump([1] * 8)
        self.assertTrue(lone.over)

    def test_pause(self) -> None:
        """XEP-0124, example 11: all requests are answered, that of the pause without payloads."""
        lone = Lone(replace(TERMS, inactivity=5), pause_seconds=60)
        first = lone.ask(101)
        lone.say(1)
        pause = lone.ask(102, pause="60")
        self.assertEqual((first.numbers, pause.answer), ([1], _EMPTY))
        lone.say(2)
        lone.clock.pump([1] * 58)
        self.assertEqual(lone.ask(103).numbers, [2])
        lone.clock.pump([1] * 8)
        self.assertTrue(lone.over, "it is over with the next request")

    def test_pause_ends(self) -> None:
        lone = Lone(pause_seconds=60)
        lone.ask(101, pause="3")
        lone.clock.pump([1] * 6)
        self.assertTrue(lone.over, "a client may be away for less than it could, too")

    def test_pause_in_addition(self) -> None:
        """Section 11: there may be one request more for it."""
        lone = Lone(pause_seconds=60)
        lone.session.pauseProducing()
        waiting = [lone.ask(rid) for rid in (101, 102)]
        pause = lone.ask(103, pause="60")
        lone.session.resumeProducing()
        lone.clock.advance(0)
        self.assertEqual([exchange.answer for exchange in (*waiting, pause)], [_EMPTY] * 3)

    def test_pause_too_long(self) -> None:
        for longest, wanted in ((60, "61"), (0, "1"), (60, "x"), (60, "-1"), (60, "0")):
            lone = Lone(pause_seconds=longest)
            self.assertIsNone(lone.ask(101, pause=wanted).answer, wanted)
            self.assertFalse(lone.over)


class Overactivity(RuleTestCase):
    """Sections 11 and 12."""

    def test_too_many(self) -> None:
        """XEP-0124, example 12."""
        lone = Lone(replace(TERMS, hold=2))
        held = [lone.ask(101), lone.ask(102)]
        early = lone.ask(104)
        wrong = lone.ask(105)
        self.refused(lone, wrong, _POLICY)
        for exchange in (*held, early):
            self.answered(exchange, "type='terminate' condition='other-request'")

    def test_one_more_is_one(self) -> None:
        """Who is made to wait can't leave request after request here by calling each of them the last one."""
        for last in ({"type": "terminate"}, {"pause": "10"}):
            lone = Lone()
            lone.session.pauseProducing()
            exchanges = [lone.ask(101 + n, "<m>1</m>", **last) for n in range(3)]
            self.assertFalse(lone.over)
            for exchange in exchanges:
                exchange.lose()
            self.refused(lone, lone.ask(104, "<m>1</m>", **last), _POLICY)

    def test_too_frequent(self) -> None:
        """XEP-0124, example 13; white space is nothing."""
        for content in ("", " ", "\r\n"):
            lone = Lone(replace(TERMS, polling=5))
            lone.ask(101)
            lone.clock.advance(4.9)
            self.refused(lone, lone.ask(102, content), _POLICY)

    def test_not_too_frequent(self) -> None:
        for seconds, content, more in (
            (5, "", {}), (0, "<m>1</m>", {}), (0, "", {"type": "terminate"}), (0, "", {"pause": "10"}),
            (0, "", {"x:restart": "true", "xmlns:x": "urn:xmpp:xbosh"}),
        ):  # fmt: skip
            lone = Lone(replace(TERMS, polling=5))
            lone.ask(101)
            lone.clock.advance(seconds)
            self.answered(lone.ask(102, content, **more) if "pause" in more else lone.created, "<body")
            self.assertFalse(lone.over)

    def test_answered_in_between(self) -> None:
        lone = Lone(replace(TERMS, polling=5))
        for rid in range(101, 110):
            exchange = lone.ask(rid)
            lone.say(rid)
            lone.clock.advance(0)
            self.assertEqual(exchange.numbers, [rid])

    def test_overtaken(self) -> None:
        """It is the last request that must not be empty, not the last to arrive: its connection was lost, say."""
        lone = Lone(replace(TERMS, polling=5))
        later = lone.ask(102, "<m>1</m>")
        first = lone.ask(101)
        self.assertFalse(lone.over)
        self.assertEqual(first.answer, _EMPTY)
        self.assertEqual(lone.stream.got, ["<m>1</m>"])
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(later.numbers, [1])

    def test_polling_too_frequent(self) -> None:
        """XEP-0124, example 14: sessions that poll, by either attribute."""
        for terms in (replace(TERMS, hold=0, polling=5), replace(TERMS, wait=0, polling=5)):
            lone = Lone(terms)
            lone.clock.advance(5)
            self.assertEqual(lone.ask(101).answer, _EMPTY)
            lone.clock.advance(4.9)
            self.refused(lone, lone.ask(102), _POLICY)

    def test_polling(self) -> None:
        lone = Lone(replace(TERMS, hold=0, polling=5))
        for rid in range(101, 110):
            lone.clock.advance(5)
            self.assertEqual(lone.ask(rid).answer, _EMPTY)
        lone.say(1)
        lone.clock.advance(5)
        self.assertEqual(lone.ask(110).numbers, [1])
        self.assertEqual(lone.ask(111).answer, _EMPTY, "the answer before was not empty")
        self.assertEqual(lone.ask(112, "<m>1</m>").answer, _EMPTY, "there is something in it")
        self.assertEqual(lone.ask(113).answer, _EMPTY, "they are not consecutive")

    def test_no_limit(self) -> None:
        lone = Lone(replace(TERMS, hold=0, polling=0))
        for rid in range(101, 120):
            self.assertEqual(lone.ask(rid).answer, _EMPTY)

    def test_repeats(self) -> None:
        """Section 14.3: the same request may be sent so many times."""
        lone = Lone(replace(TERMS, repeats=3))
        lone.ask(101)
        for _ in range(3):
            lone.ask(101)
        self.refused(lone, lone.ask(101), _POLICY)

    def test_repeats_with_time_in_between(self) -> None:
        """A proxy that doesn't wait long enough makes clients repeat their requests; they may."""
        lone = Lone(replace(TERMS, repeats=3))
        for _ in range(50):
            lone.ask(101)
            lone.clock.pump([1] * 30)
        self.assertFalse(lone.over)


class Repeating(RuleTestCase):
    """Section 14."""

    def test_beyond_the_window(self) -> None:
        """XEP-0124, example 17."""
        lone = Lone()
        held = lone.ask(101)
        self.refused(lone, lone.ask(104), _NOT_FOUND)
        self.answered(held, "other-request")

    def test_lost_answer(self) -> None:
        lone = Lone()
        first = lone.ask(101)
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(lone.ask(101).answer, first.answer)
        second = lone.ask(102)
        self.assertEqual(lone.ask(101).answer, first.answer)
        self.assertIsNone(second.answer)

    def test_not_kept_any_more(self) -> None:
        """XEP-0124, example 18."""
        lone = Lone()
        for rid in (101, 102, 103):
            lone.ask(rid)
        self.assertEqual(lone.ask(101).answer, _EMPTY)
        lone.ask(104)
        self.refused(lone, lone.ask(101), _NOT_FOUND)

    def test_repeated_while_it_waits(self) -> None:
        """XEP-0124, example 35: the older one gets a recoverable error."""
        lone = Lone()
        first = lone.ask(101)
        again = lone.ask(101)
        self.answered(first, "type='error'")
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(again.numbers, [1])

    def test_repeated_early(self) -> None:
        lone = Lone()
        first = lone.ask(102, "<m>2</m>")
        again = lone.ask(102, "<m>2</m>")
        self.answered(first, "type='error'")
        lone.ask(101, "<m>1</m>")
        self.assertEqual(lone.stream.got, ["<m>1</m>", "<m>2</m>"])
        self.assertIsNone(again.answer)

    def test_connection_lost_while_it_waits(self) -> None:
        """What comes meanwhile is not spent on a connection that is gone."""
        lone = Lone()
        lone.ask(101).lose()
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(lone.ask(101).numbers, [1])

    def test_another_request_meanwhile(self) -> None:
        lone = Lone()
        lone.ask(101).lose()
        lone.say(1)
        lone.clock.advance(0)
        self.assertEqual(lone.ask(102).numbers, [1])
        self.assertEqual(lone.ask(101).answer, _EMPTY)


class Acknowledging(RuleTestCase):
    """Section 9."""

    terms = replace(TERMS, acks=True)

    def test_requests(self) -> None:
        """XEP-0124, example 8."""
        lone = Lone(self.terms)
        first = lone.ask(101)
        second = lone.ask(102)
        self.answered(first, "ack='102'")
        lone.say(1)
        lone.clock.advance(0)
        assert second.answer is not None
        self.assertNotIn("ack", second.answer, "it would be that of the request itself")

    def test_answers(self) -> None:
        """XEP-0124, examples 9 and 10."""
        lone = Lone(self.terms)
        lone.ask(101)
        lone.ask(102)
        lone.clock.advance(0.852)
        third = lone.ask(103, ack="100")
        lone.clock.advance(0)
        second = lone.ask(102)
        self.answered(second, "report='101' time='852'")
        self.assertIsNone(third.answer)

    def test_report_at_once(self) -> None:
        lone = Lone(self.terms)
        lone.ask(101)
        lone.say(1)
        lone.clock.advance(0)
        lone.clock.advance(1.5)
        self.answered(lone.ask(102, ack="100"), "report='101' time='1500'")
        self.assertEqual(lone.ask(101).numbers, [1])

    def test_on_its_way(self) -> None:
        """An answer that was given just now is not reported."""
        lone = Lone(self.terms)
        lone.ask(101)
        lone.say(1)
        lone.clock.advance(0)
        lone.clock.advance(0.1)
        self.assertIsNone(lone.ask(102, ack="100").answer)
        self.assertIsNone(Lone(self.terms).ask(101, ack="7").answer)

    def test_without(self) -> None:
        lone = Lone()
        first = lone.ask(101, ack="1")
        lone.ask(102)
        self.assertEqual(first.answer, _EMPTY)


class Keys(RuleTestCase):
    """Section 15."""

    def keys(self, count: int = 10) -> list[str]:
        """XEP-0124, example 19."""
        keys = ["seed"]
        for _ in range(count):
            keys.append(sha1(keys[-1].encode()).hexdigest())
        return keys[1:]

    def begun(self, keys: list[str], hold: int = 1) -> Lone:
        lone = Lone(replace(TERMS, hold=hold))
        lone.ask(101, newkey=keys.pop())
        return lone

    def test_sequence(self) -> None:
        """XEP-0124, examples 20 and 21; case is not significant in what is compared."""
        keys = self.keys()
        lone = Lone()
        lone.ask(101, newkey=keys.pop().upper())
        for rid in range(102, 108):
            lone.ask(rid, f"<m>{rid}</m>", key=keys.pop())
        self.assertEqual(len(lone.stream.got), 6)

    def test_wrong(self) -> None:
        """XEP-0124, example 22: what it says is not done."""
        for attributes in ({"key": "0" * 40}, {}, {"newkey": "0" * 40}):
            keys = self.keys()
            lone = self.begun(keys)
            wrong = lone.ask(102, "<m>1</m>", **attributes)
            self.refused(lone, wrong, _NOT_FOUND)
            self.assertEqual(lone.stream.got, [])

    def test_out_of_order(self) -> None:
        keys = self.keys()
        lone = self.begun(keys, hold=2)
        first, second = keys.pop(), keys.pop()
        lone.ask(103, "<m>2</m>", key=second)
        lone.ask(102, "<m>1</m>", key=first)
        self.assertEqual(lone.stream.got, ["<m>1</m>", "<m>2</m>"])

    def test_switch(self) -> None:
        """XEP-0124, example 23."""
        keys, others = self.keys(2), self.keys(5)
        lone = self.begun(keys)
        lone.ask(102, key=keys.pop(), newkey=others.pop())
        lone.ask(103, "<m>1</m>", key=others.pop())
        self.assertEqual(lone.stream.got, ["<m>1</m>"])

    def test_repeated(self) -> None:
        keys = self.keys()
        lone = self.begun(keys)
        key = keys.pop()
        lone.ask(102, key=key)
        again = lone.ask(102, key=key)
        self.assertIsNone(again.answer)
        self.refused(lone, lone.ask(102, key=keys.pop()), _NOT_FOUND)

    def test_repeated_before_its_turn(self) -> None:
        """Who has seen a request, and can't know its key, gets no answer in its place."""
        for paused in (False, True):
            keys = self.keys()
            lone = self.begun(keys, hold=2)
            first, second = keys.pop(), keys.pop()
            if paused:
                lone.session.pauseProducing()
                lone.ask(102, key=first)
            lost = lone.ask(103, "<m>2</m>", key=second)
            mine = lone.ask(103, "<m>2</m>", key=second)
            self.answered(lost, "type='error'")
            self.refused(lone, lone.ask(103, "<m>2</m>", key="0" * 40), _NOT_FOUND)
            self.answered(mine, "other-request")


class Mishaps(TestCase):
    def test_others_are_answered(self) -> None:
        """What goes wrong with one session is in the log, and no matter to those that are looked at behind it."""
        broken, other = Lone(), Lone()
        other.session.sessions = broken.sessions
        broken.ask(101).respond = None  # type: ignore[assignment,method-assign]
        exchange = other.ask(101)
        for lone in (broken, other):
            lone.say(1)
        broken.clock.advance(0)
        self.assertEqual(exchange.numbers, [1])
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)


class Ending(RuleTestCase):
    """Section 13."""

    def test_by_the_client(self) -> None:
        """XEP-0124, examples 15 and 16: the oldest connection is told, others get an empty answer."""
        lone = Lone(replace(TERMS, hold=2))
        first = lone.ask(101)
        last = lone.ask(102, "<m>1</m>", type="terminate")
        self.assertTrue(lone.stream.ended)
        self.assertEqual(lone.stream.got, ["<m>1</m>"])
        lone.say(1)
        lone.session.finish(None)  # what a stream does that is closed
        lone.session.loseConnection()
        lone.clock.advance(0)
        self.answered(first, "type='terminate'>")
        self.assertEqual(first.numbers, [1])
        self.assertEqual(last.answer, _EMPTY)
        assert lone.stream.lost is not None
        self.assertIsInstance(lone.stream.lost.value, ConnectionDone)

    def test_told_with_the_next_request(self) -> None:
        lone = Lone()
        lone.session.finish(None)
        lone.session.loseWriteConnection()
        lone.clock.advance(1)
        self.assertFalse(lone.over)
        last = lone.ask(101, "<m>1</m>")
        self.answered(last, "type='terminate'")
        self.assertEqual(lone.stream.got, [])
        self.assertTrue(lone.over)

    def test_aborted(self) -> None:
        """XEP-0124, example 32."""
        lone = Lone()
        held = lone.ask(101)
        lone.session.abortConnection()
        lone.clock.advance(0)
        self.answered(held, "type='terminate' condition='remote-connection-failed'")
        self.assertTrue(lone.over)

    def test_errors_of_http(self) -> None:
        """Section 17.1: for clients that don't say which version they speak."""
        lone = Lone()
        lone.session.legacy = True
        held = lone.ask(101)
        wrong = lone.ask(109)
        lone.clock.advance(0)
        self.assertEqual((held.code, wrong.code), (200, 404))
        lone = Lone(replace(TERMS, polling=5))
        lone.session.legacy = True
        lone.ask(101)
        self.assertEqual(lone.ask(102).code, 403)
