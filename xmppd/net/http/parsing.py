"""Requests taken apart by llhttp, in its strict mode (RFC 9112 sections 2 to 7)."""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from xmppd.net.http.heads import BadRequest

__all__ = ["Parser"]

_USUAL = (
    "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Content-Length", "Content-Type",
    "Cookie", "Forwarded", "Host", "Origin", "Pragma", "Range", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode",
    "Sec-Fetch-Site", "Transfer-Encoding", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
)  # fmt: skip
#: In lower case, by how clients write them: thousands of requests that are held have their names in common.
_KNOWN = {form.encode(): name.lower().encode() for name in _USUAL for form in (name, name.lower())}


class Parser:
    """Reads the requests of one connection: exactly a head, then exactly its body, and so on.

    :ivar target: of the last head.
    :ivar fields: its header fields; names in lower case, several of one name joined.
    :ivar whole: was that all of the request?
    :ivar upgrade: does it want another protocol on the connection? Then its body has to be asked for with
        :meth:`expect_body`.
    :ivar pieces: of the body, as far as it was read; to be emptied by who takes them.
    """

    __slots__ = ("_parser", "_trailing", "fields", "pieces", "target", "upgrade", "whole")

    def __init__(self) -> None:
        self._parser: Any = HttpRequestParser(self)
        self._trailing = False
        self.target = b""
        self.fields: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
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

    def read_body(self, piece: bytes) -> None:
        """Read a part of a body, and nothing behind it. Raises BadRequest."""
        try:
            self._parser.feed_data(piece)
        except HttpParserError:
            raise BadRequest(400) from None

    def expect_body(self, length: int | None) -> None:
        """Read a body all the same: nobody has to change the protocol because a client would like to.

        :param length: in octets; None: it is in chunks.
        """
        framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % framing)
        self.whole = False

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
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self.whole = True
