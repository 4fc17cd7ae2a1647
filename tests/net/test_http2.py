"""HTTP/2 without a network: requests and answers, limits on streams, flow control, goodbyes, misbehaviour."""

from __future__ import annotations

import unittest
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, PingFrame
from hypothesis import given
from hypothesis import strategies as st

from xmppd.net.http2 import Answered, Failed, Http2, Query


def query(body: bytes = b"", octets: int = 65_536) -> Query:
    return Query("POST", "https", "push.example", "/3/device/1", (("apns-topic", "x"),), body, octets)


class Server:
    """The other side, and what goes to and fro."""

    def __init__(self, client: Http2, streams: int | None = None, window: int | None = None) -> None:
        self.client = client
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        changes = {SettingCodes.MAX_CONCURRENT_STREAMS: streams, SettingCodes.INITIAL_WINDOW_SIZE: window}
        self.settings: dict[SettingCodes | int, int] = {
            code: value for code, value in changes.items() if value is not None
        }
        self.events: list[Any] = []

    def begin(self) -> list[Any]:
        self.client.start()
        self.h2.initiate_connection()
        if self.settings:
            self.h2.update_settings(self.settings)
        return self.settle()

    def settle(self, step: int = 0) -> list[Any]:
        """Exchange until both are silent; return what the client has to say."""
        found: list[Any] = []
        while True:
            sent, data = self.client.outgoing(), self.h2.data_to_send()
            if not sent and not data:
                return found
            if sent:
                self.events += self.h2.receive_data(sent)
            size = step or len(data) or 1
            for start in range(0, len(data), size):
                found += self.client.receive(data[start : start + size])

    def asked(self) -> list[int]:
        return [event.stream_id for event in self.events if isinstance(event, RequestReceived)]

    def body(self, number: int) -> bytes:
        pieces = [event for event in self.events if isinstance(event, DataReceived) and event.stream_id == number]
        return b"".join(piece.data or b"" for piece in pieces)

    def reply(self, number: int, body: bytes = b"", status: str = "200", **fields: str) -> None:
        self.h2.send_headers(number, [(":status", status), *fields.items()], end_stream=not body)
        if body:
            self.h2.send_data(number, body, end_stream=True)

    def goodbye(self, last: int, code: int = 0) -> list[Any]:
        """Say GOAWAY as servers do that go on with what was begun, which h2 can't."""
        frame = GoAwayFrame(0)
        frame.last_stream_id, frame.error_code, frame.additional_data = last, code, b"bye"
        return self.client.receive(frame.serialize())


class Conversations(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Http2()
        self.server = Server(self.client)

    def begin(self, **settings: int) -> None:
        self.server = Server(self.client, **settings)
        self.server.begin()

    def test_there_and_back(self) -> None:
        ticket = self.client.ask(query(b"hello"))  # before there is a connection
        self.assertTrue(self.client.busy)
        self.assertEqual(self.server.begin(), [])
        (number,) = self.server.asked()
        self.assertEqual(self.server.body(number), b"hello")
        head = next(event for event in self.server.events if isinstance(event, RequestReceived)).headers
        expected = [
            (":method", "POST"), (":scheme", "https"), (":authority", "push.example"), (":path", "/3/device/1"),
            ("apns-topic", "x"),
        ]  # fmt: skip
        self.assertEqual([tuple(entry) for entry in head], expected)
        self.server.reply(number, b"world", apns="1")
        self.assertEqual(self.server.settle(), [Answered(ticket, 200, (("apns", "1"),), b"world")])
        self.assertFalse(self.client.busy)

    @given(st.integers(1, 60))
    def test_however_it_is_cut(self, step: int) -> None:
        client = Http2()
        server = Server(client)
        ticket = client.ask(query(b"x"))
        server.begin()
        server.reply(1, b"y" * 100, status="429", name="v")
        self.assertEqual(server.settle(step), [Answered(ticket, 429, (("name", "v"),), b"y" * 100)])

    def test_nothing_is_sent_before_the_settings_are_there(self) -> None:
        self.client.start()
        self.client.ask(query())
        preface = self.client.outgoing()
        self.server.h2.initiate_connection()
        self.server.events += self.server.h2.receive_data(preface)
        self.assertEqual(self.server.asked(), [])
        self.server.settle()
        self.assertEqual(len(self.server.asked()), 1)

    def test_servers_may_push_nothing(self) -> None:
        self.begin()
        self.assertEqual(self.server.h2.remote_settings.enable_push, 0)

    def test_as_many_streams_as_allowed(self) -> None:
        self.begin(streams=2)
        for _ in range(5):
            self.client.ask(query())
        self.server.settle()
        self.assertEqual(self.server.asked(), [1, 3])
        self.server.reply(3)
        self.server.settle()
        self.assertEqual(self.server.asked(), [1, 3, 5])
        self.server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        self.server.settle()
        self.assertEqual(len(self.server.asked()), 5)

    def test_bodies_wait_for_the_window(self) -> None:
        self.begin(window=10)
        ticket = self.client.ask(query(b"0123456789abcdefghij"))
        self.server.settle()
        self.assertEqual(self.server.body(1), b"0123456789")
        self.server.h2.increment_flow_control_window(4, 1)
        self.server.settle()
        self.assertEqual(self.server.body(1), b"0123456789abcd")
        self.server.h2.increment_flow_control_window(100, 1)
        self.server.settle()
        self.assertEqual(self.server.body(1), b"0123456789abcdefghij")
        self.server.reply(1)
        self.assertEqual([outcome.ticket for outcome in self.server.settle()], [ticket])

    def test_large_bodies_both_ways(self) -> None:
        self.begin()
        self.client.ask(query(b"x" * 200_000, octets=200_000))
        for _ in range(20):
            self.server.settle()
            for event in self.server.events:
                if isinstance(event, DataReceived) and event.flow_controlled_length:
                    self.server.h2.acknowledge_received_data(event.flow_controlled_length, 1)
                    event.flow_controlled_length = 0
        self.assertEqual(len(self.server.body(1)), 200_000)
        self.server.h2.send_headers(1, [(":status", "200")])
        left, found = 200_000, list[Any]()
        while left:
            size = min(left, self.server.h2.local_flow_control_window(1), 16_384)
            self.server.h2.send_data(1, bytes(size), end_stream=size == left)
            left -= size
            found += self.server.settle()
        self.assertEqual(len(found[0].body), 200_000)
        self.assertTrue(any(isinstance(event, WindowUpdated) for event in self.server.events))

    def test_answers_that_are_too_long(self) -> None:
        self.begin()
        ticket = self.client.ask(query(octets=10))
        self.server.settle()
        self.server.reply(1, b"x" * 11)
        self.assertEqual(self.server.settle(), [Failed(ticket, "the answer is too long")])
        other = self.client.ask(query())
        self.server.settle()
        self.server.reply(3)
        self.assertEqual(self.server.settle()[0].ticket, other)

    def test_an_answer_before_the_whole_request(self) -> None:
        self.begin(window=10)
        ticket = self.client.ask(query(b"x" * 100))
        self.server.settle()
        self.server.reply(1, b"no", status="413")
        self.assertEqual(self.server.settle(), [Answered(ticket, 413, (), b"no")])
        self.assertTrue(any(isinstance(event, StreamReset) for event in self.server.events))

    def test_interim_answers_are_passed_over(self) -> None:
        self.begin()
        ticket = self.client.ask(query())
        self.server.settle()
        self.server.h2.send_headers(1, [(":status", "103")])
        self.assertEqual(self.server.settle(), [])
        self.server.reply(1)
        self.assertEqual(self.server.settle(), [Answered(ticket, 200, (), b"")])

    def test_taken_back(self) -> None:
        self.begin(streams=1)
        first, second, third = (self.client.ask(query()) for _ in range(3))
        self.client.forget(second)
        self.client.forget(first)
        self.server.settle()
        resets = [event for event in self.server.events if isinstance(event, StreamReset)]
        self.assertEqual([event.error_code for event in resets], [ErrorCodes.CANCEL])
        self.assertEqual(self.server.asked(), [1, 3])
        self.server.reply(3)
        self.assertEqual([outcome.ticket for outcome in self.server.settle()], [third])
        self.client.forget(99)

    def test_an_answer_to_what_was_taken_back(self) -> None:
        self.begin()
        ticket = self.client.ask(query())
        self.server.settle()
        self.server.reply(1, b"x" * 1_000)
        late = self.server.h2.data_to_send()
        self.client.forget(ticket)
        self.assertEqual(self.client.receive(late), [])
        self.assertFalse(self.client.closing)

    def test_cut_off_by_the_server(self) -> None:
        self.begin()
        tickets = [self.client.ask(query()) for _ in range(2)]
        self.server.settle()
        self.server.h2.reset_stream(1, ErrorCodes.REFUSED_STREAM)
        self.server.h2.reset_stream(3, ErrorCodes.INTERNAL_ERROR)
        refused, failed = self.server.settle()
        self.assertEqual((refused.ticket, refused.untouched), (tickets[0], True))
        self.assertEqual((failed.ticket, failed.untouched), (tickets[1], False))
        self.assertIn("INTERNAL_ERROR", failed.text)

    def test_pings(self) -> None:
        self.begin()
        self.client.ping()
        self.assertTrue(self.client.quiet)
        self.server.settle()
        self.assertTrue(any(isinstance(event, PingReceived) for event in self.server.events))
        self.assertFalse(self.client.quiet)

    def test_their_pings_are_answered(self) -> None:
        self.begin()
        self.assertEqual(self.client.receive(PingFrame(0, b"12345678").serialize()), [])
        self.assertIn(b"12345678", self.client.outgoing())


class Goodbyes(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Http2()
        self.server = Server(self.client, streams=2)
        self.tickets = [self.client.ask(query()) for _ in range(3)]
        self.server.begin()

    def untouched(self, failed: list[Failed]) -> list[bool]:
        found = {one.ticket: one.untouched for one in failed}
        return [found[ticket] for ticket in self.tickets]

    def test_what_was_begun_ends_well(self) -> None:
        text = "the server closes the connection (NO_ERROR)"
        waited, ignored = self.server.goodbye(1)
        self.assertEqual(waited, Failed(self.tickets[2], text, untouched=True))
        self.assertEqual(ignored, Failed(self.tickets[1], text, untouched=True))
        self.assertTrue(self.client.closing)
        self.assertTrue(self.client.busy)
        self.server.reply(1, b"after all")
        self.assertEqual(self.server.settle(), [Answered(self.tickets[0], 200, (), b"after all")])
        self.assertFalse(self.client.busy)

    def test_twice(self) -> None:
        self.assertEqual(len(self.server.goodbye(2**31 - 1)), 1)
        self.assertEqual([outcome.ticket for outcome in self.server.goodbye(1)], [self.tickets[1]])

    def test_with_a_reason(self) -> None:
        self.assertIn("ENHANCE_YOUR_CALM", self.server.goodbye(3, 11)[0].text)
        self.assertIn("error 999", self.server.goodbye(0, 999)[0].text)

    def test_ours(self) -> None:
        self.assertEqual(self.untouched(self.client.leave()), [False, False, True])
        self.assertIn(b"\x07", self.client.outgoing())
        self.assertEqual(self.client.receive(b"anything"), [])

    def test_lost(self) -> None:
        self.assertEqual(self.untouched(self.client.end("the connection was lost")), [False, False, True])
        self.assertEqual(self.client.end("again"), [])

    def test_before_anything(self) -> None:
        client = Http2()
        ticket = client.ask(query())
        self.assertEqual(client.leave(), [Failed(ticket, "the connection was closed", untouched=True)])
        self.assertEqual(client.outgoing(), b"")


class Misbehaviour(unittest.TestCase):
    """What is not HTTP/2 ends the connection, and every request fails with the reason."""

    def setUp(self) -> None:
        self.client = Http2()
        self.server = Server(self.client)
        self.ticket = self.client.ask(query())
        self.server.begin()

    def assertRefused(self, data: bytes, why: str = "does not keep to HTTP/2") -> None:
        (failed,) = self.client.receive(data)
        assert isinstance(failed, Failed)
        self.assertEqual((failed.ticket, failed.untouched), (self.ticket, False))
        self.assertIn(why, failed.text)
        self.assertTrue(self.client.closing)
        self.assertEqual(self.client.receive(b"more"), [])

    def test_http_1(self) -> None:
        self.assertRefused(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def test_frames_that_are_too_long(self) -> None:
        self.assertRefused((16_385).to_bytes(3, "big") + bytes(6), "16385 octets")

    def test_a_goodbye_without_content(self) -> None:
        self.assertRefused(b"\0\0\4\7\0\0\0\0\0abcd", "4 octets")

    def test_a_stream_that_nobody_began(self) -> None:
        self.assertRefused(DataFrame(7, b"x").serialize())

    def test_header_fields_that_are_none(self) -> None:
        frame = HeadersFrame(1, b"\xff\xff\xff\xff\xff\xff\xff")
        frame.flags.add("END_HEADERS")
        self.assertRefused(frame.serialize())

    def test_a_status_that_is_none(self) -> None:
        frame = HeadersFrame(1, b"\x08\x03abc")
        frame.flags.add("END_HEADERS")
        self.assertRefused(frame.serialize())

    def test_endless_pings(self) -> None:
        flood = PingFrame(0, bytes(8)).serialize() * 1_000
        for _ in range(100):
            outcome = self.client.receive(flood)
            self.client.outgoing()
            if outcome:
                break
        self.assertIn("nobody has asked for", str(outcome))

    def test_endless_frames_without_data(self) -> None:
        self.client.ask(query())
        self.server.settle()
        self.server.h2.send_headers(1, [(":status", "200")])
        self.server.settle()
        flood = DataFrame(1).serialize() * 10_000
        outcomes = [outcome for _ in range(15) for outcome in self.client.receive(flood)]
        self.assertIn("nobody has asked for", str(outcomes))

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        client = Http2()
        server = Server(client)
        client.ask(query())
        server.begin()
        client.receive(data)
        client.outgoing()

    def test_streams_that_end_without_an_answer(self) -> None:
        self.assertTrue(any(isinstance(event, StreamEnded) for event in self.server.events))
        self.assertRefused(DataFrame(1, b"x", flags=["END_STREAM"]).serialize())
