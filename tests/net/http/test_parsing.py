"""Bodies that are read whole, on their way: what they cost, each and all together."""

from __future__ import annotations

import tracemalloc

from tests.net.fetching import Connection
from tests.net.http.test_connection import PollCase
from xmppd.net.http.answers import Answer

_CHUNKED = "POST /poll HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
_MOST = 500_000


class BodyCase(PollCase):
    def setUp(self) -> None:
        super().setUp()
        self.door.most = _MOST
        self.door.at_once = Answer(b"x")

    def codes(self, connection: Connection) -> list[int]:
        return [response.code for response in connection.responses()]


class Crumbs(BodyCase):
    def test_what_they_cost(self) -> None:
        """A body costs its octets, however many pieces it comes in."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        connection = self.connect(_CHUNKED)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(50):
            connection.send("2\nab\n" * 1_000)
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess(after - before, 200_000)

    def test_whole(self) -> None:
        self.door.at_once = None
        for count in (1, 31, 32, 33, 34, 500):
            connection = self.connect(_CHUNKED)
            wanted = [b"%d" % number for number in range(count)]
            for piece in wanted:
                connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.send("0\n\n")
            body = self.door.held.pop().body
            self.assertEqual((type(body), body), (bytes, b"".join(wanted)), count)


class Together(BodyCase):
    """Of who leaves them unfinished (`unfinished_octets`)."""

    limits = {"unfinished_octets": 100_000}

    def begin(self, octets: int) -> Connection:
        """Return a connection that has sent so much of a body."""
        return self.connect(f"POST /poll HTTP/1.1\nHost: x\nContent-Length: {_MOST}\n\n", b"x" * octets)

    def test_too_much(self) -> None:
        one = self.begin(60_000)
        self.assertEqual(self.codes(self.begin(60_000)), [503])
        self.assertEqual(self.server.unfinished.octets, 60_000)
        self.assertFalse(one.ended)
        one.send(b"x" * 40_000)
        self.assertFalse(one.ended)
        one.send(b"x")
        self.assertEqual((self.codes(one), one.ended, self.server.unfinished.octets), ([503], True, 0))

    def test_the_first_do_not_count(self) -> None:
        """Nobody can keep others from what nearly all requests are like."""
        self.begin(100_000)
        self.assertEqual([self.codes(self.begin(16_384)) for _ in range(20)], [[]] * 20)
        small = self.connect("POST /poll HTTP/1.1\nHost: x\nContent-Length: 16384\n\n", b"x" * 16_384)
        self.assertEqual(self.codes(small), [200])

    def test_until_they_end(self) -> None:
        """In whatever way."""
        whole, gone, broken, large, late = (self.begin(20_000) for _ in range(5))
        self.assertEqual(self.server.unfinished.octets, 100_000)
        gone.leave()
        self.assertEqual(self.server.unfinished.octets, 80_000)
        whole.send(b"x" * 100_000)  # too much
        self.assertEqual((self.codes(whole), self.server.unfinished.octets), ([503], 60_000))
        self.server.unfinished.most = 1_000_000
        broken.send(b"x" * (_MOST - 20_000))
        self.assertEqual((self.codes(broken), self.server.unfinished.octets), ([200], 40_000))
        for connection in (large, late):
            connection.send(b"x")
        self.clock.advance(61)
        self.assertEqual((self.codes(large), self.codes(late), self.server.unfinished.octets), ([408], [408], 0))
        self.clock.advance(61)

    def test_chunks(self) -> None:
        connection = self.connect(_CHUNKED, *["4e20\n" + "x" * 20_000 + "\n"] * 2)
        self.assertEqual(self.server.unfinished.octets, 40_000)
        connection.send("wrong\n")
        self.assertEqual((self.codes(connection), self.server.unfinished.octets), ([400], 0))
        self.assertEqual(self.codes(self.connect(_CHUNKED, "4e20\n" + "x" * 20_000 + "\n0\n\n")), [200])
        self.assertEqual(self.server.unfinished.octets, 0)
