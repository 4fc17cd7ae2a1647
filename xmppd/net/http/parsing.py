"""Requests taken apart by llhttp, in its strict mode (RFC 9112 sections 2 to 7)."""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from xmppd.net.http.heads import BadRequest

__all__ = ["Parser", "Unfinished"]

_USUAL = (
    "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Content-Length", "Content-Type",
    "Cookie", "Forwarded", "Host", "Origin", "Pragma", "Range", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
    "Sec-Fetch-Site", "Transfer-Encoding", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
)  # fmt: skip
#: In lower case, by how clients write them: thousands of requests that are held have their names in common.
_KNOWN = {form.encode(): name.lower().encode() for name in _USUAL for form in (name, name.lower())}


#: Pieces of a body that are kept one by one; each costs more than its octets.
_MANY = 32
#: Octets of a body that are not counted: what nearly all requests have.
_SMALL = 16_384


class Unfinished:
    """Bodies that are read whole, on all connections, as long as they are not.

    :ivar most: octets that they may have together, beyond the first few of each.
    :ivar octets: those that they have.
    """

    __slots__ = ("most", "octets")

    def __init__(self) -> None:
        self.most = self.octets = 0


class Parser:
    """Reads the requests of one connection: exactly a head, then exactly its body, and so on.

    :param unfinished: what is counted for all connections.
    :ivar target: of the last head.
    :ivar fields: its header fields; names in lower case, several of one name joined.
    :ivar whole: was that all of the request?
    :ivar upgrade: does it want another protocol on the connection? Then its body has to be asked for with
        :meth:`expect_body`.
    """

    __slots__ = (
        "_counted", "_most", "_overhead", "_parser", "_pieces", "_size", "_trailing", "_unfinished", "fields",
        "target", "upgrade", "whole",
    )  # fmt: skip

    def __init__(self, unfinished: Unfinished) -> None:
        self._parser: Any = HttpRequestParser(self)
        self._unfinished = unfinished
        self._most: int | None = None  # octets that the body may have
        self._size = self._overhead = self._counted = 0
        self._pieces: list[bytes | bytearray] = []
        self._trailing = False
        self.target = b""
        self.fields: dict[bytes, bytes] = {}
        self.whole = self.upgrade = False

    def read_head(self, head: bytes) -> bytes:
        """Read a head, and return its method. Raises BadRequest."""
        self.fields = {}
        self._trailing = self.whole = self.upgrade = False
        try:
            self._parser.feed_data(head)
        except HttpParserUpgrade:
            self.upgrade = True
        except HttpParserError:
            raise BadRequest.of(head) from None
        self._trailing = True
        method: bytes = self._parser.get_method()
        return method

    def begin_body(self, most: int | None) -> None:
        """A body follows.

        :param most: octets that it may have, if it is read whole.
        """
        self._most = most
        self._size = self._overhead = 0

    def read_body(self, piece: bytes, most_overhead: int) -> None:
        """Read a part of a body, and nothing behind it. Raises BadRequest.

        :param most_overhead: octets of chunk extensions, and of trailers, that there may be in a row; 0: any.
        """
        pieces = self._pieces
        had = len(pieces)
        try:
            self._parser.feed_data(piece)
        except HttpParserError:
            raise BadRequest(400) from None
        octets = sum(map(len, pieces[had:]))
        self._size += octets
        self._overhead = 0 if octets else self._overhead + len(piece)
        if most_overhead and self._overhead > most_overhead:
            raise BadRequest(431)
        if self._most is not None:
            if self._size > self._most:
                raise BadRequest(413)
            if len(pieces) > _MANY:
                self._gather()
            if self._size > _SMALL:
                self._count()

    def _gather(self) -> None:
        """Make one of the pieces."""
        first, *more = self._pieces
        whole = first if isinstance(first, bytearray) else bytearray(first)
        whole += b"".join(more)
        self._pieces[:] = (whole,)

    def _count(self) -> None:
        """Who leaves much unfinished does not do so at everybody's expense. Raises BadRequest."""
        unfinished = self._unfinished
        unfinished.octets += self._size - self._counted
        self._counted = self._size
        if unfinished.octets > unfinished.most:
            raise BadRequest(503)

    def take(self) -> bytes:
        """Return what has come of the body, and forget it."""
        self._unfinished.octets -= self._counted
        self._counted = 0
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def expect_body(self, length: int | None) -> None:
        """Read a body all the same: nobody has to change the protocol because a client would like to.

        :param length: in octets; None: it is in chunks.
        """
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % framing)
        self.whole = False

    def close(self) -> None:
        """Read no more. llhttp and this object know each other; they would stay until somebody looks for such pairs."""
        self.take()
        self._parser = None

    # What llhttp calls

    def on_url(self, url: bytes) -> None:
        """The target of a request."""
        if not self._trailing:
            self.target = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; or a trailer field, which we have no use for."""
        if self._trailing:
            return
        fields = self.fields
        name = _KNOWN.get(name) or name.lower()
        value = value.rstrip()  # llhttp has left out what stands before it
        if name not in fields:
            fields[name] = value
        elif name == b"host":  # there is one (RFC 9112 section 3.2)
            raise BadRequest(400)
        else:
            fields[name] += (b"; " if name == b"cookie" else b", ") + value

    def on_body(self, data: bytes) -> None:
        """A part of the body."""
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self.whole = True
