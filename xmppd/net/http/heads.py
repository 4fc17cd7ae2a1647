"""What is made of the head of a request beyond its parts (RFC 9112 sections 2, 3, 6), and which heads are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xmppd.net.http.origin import host_of

if TYPE_CHECKING:
    from xmppd.net.http.exchange import Exchange

__all__ = ["BadRequest", "complete", "unfinished"]

#: What no head has in it: lines that end in another way than CRLF does, and control characters.
_BAD = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) +([!-~]+) HTTP/(\d\.\d)\r\n")
_URL = re.compile(r"(?i:https?)://([^/?#]*)([/?].*|)")
_VERSIONS = (b"1.0", b"1.1")
_METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"))


class BadRequest(Exception):
    """A request that is refused, and its connection with it.

    :ivar code: what it gets.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    @classmethod
    def of(cls, head: bytes) -> BadRequest:
        """Say what is wrong with a head that could not be parsed."""
        line = _LINE.match(head)
        if line is None:
            return cls(400)
        method, _, version = line.groups()
        return cls(505 if version not in _VERSIONS else 501 if method not in _METHODS else 400)


def unfinished(head: bytes, limit: int) -> int:
    """Return the code with which the beginning of a head is refused; 0 if more of it may come.

    :param limit: octets that a head may have.
    """
    if _BAD.search(head, 0, limit):
        return BadRequest.of(head).code
    if len(head) < limit:
        return 0
    return 431 if b"\r\n" in head[:limit] else 414


def complete(exchange: Exchange, head: bytes) -> None:
    """Set what a parsed head says of its request: version, target, length, what becomes of the connection.

    :raises BadRequest: it can't be answered, or it would be dangerous to guess what it means.
    """
    line = head.find(b"\r\n")
    version = head[line - 9 : line]
    exchange.modern = modern = version == b" HTTP/1.1"
    if not modern and version != b" HTTP/1.0":
        raise BadRequest.of(head)
    fields = exchange.fields
    host = fields.get(b"host")
    if modern if host is None else host_of(host) is None:
        raise BadRequest(400)  # RFC 9112 section 3.2
    if not exchange.target.startswith("/") or "#" in exchange.target:
        _other_target(exchange)
    exchange.length = _length(exchange)
    exchange.stays = _stays(fields.get(b"connection"), modern)
    exchange.expects = False
    expectation = fields.get(b"expect")
    if expectation is not None and modern:
        if expectation.lower() != b"100-continue":
            raise BadRequest(417)
        exchange.expects = True


def _other_target(exchange: Exchange) -> None:
    """A target that is no path (RFC 9112 section 3.2): a whole URL, whose host counts, or `*`."""
    url = _URL.fullmatch(exchange.target)
    if url is not None:
        if not url[1] or host_of(url[1].encode("latin-1")) is None:
            raise BadRequest(400)
        exchange.named = url[1]
        exchange.set_path(url[2] if url[2].startswith("/") else f"/{url[2]}")
    elif (exchange.method, exchange.target) != ("OPTIONS", "*") and exchange.method != "CONNECT":
        raise BadRequest(400)


def _length(exchange: Exchange) -> int | None:
    """The length of the body (RFC 9112 section 6.3), which the parser has made sure is said in one way only."""
    coding = exchange.fields.get(b"transfer-encoding")
    if coding is not None:
        if not exchange.modern:
            raise BadRequest(400)  # section 6.1: HTTP/1.0 doesn't know it, whatever forwarded it
        if coding.lower() != b"chunked":
            raise BadRequest(501)
        return None
    length = exchange.fields.get(b"content-length")
    if length is None:
        return 0
    if not length.isdigit():
        raise BadRequest(400)
    return int(length)


def _stays(options: bytes | None, modern: bool) -> bool:
    """May there be another request on the connection (RFC 9112 section 9.3)?"""
    if options is None:
        return modern
    named = {option.strip() for option in options.lower().split(b",")}
    return b"close" not in named and (modern or b"keep-alive" in named)
