"""What is sent back (RFC 9110 section 15, RFC 9112 section 4): answers, and the octets that their heads become."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from xmppd.api.interfaces import IClock

__all__ = ["CONTINUE", "NO_BODY", "Answer", "Fields", "Heads", "text"]

Fields = tuple[tuple[bytes, bytes], ...]
_TEXT = b"text/plain; charset=utf-8"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: Codes whose answers have no body, and say nothing of a length either (RFC 9110 section 8.6).
NO_BODY = frozenset((204, 304))
_REASONS = {code.value: code.phrase.encode() for code in HTTPStatus}
#: For programs, not for browsers: nothing of it is to be shown in a frame, guessed at, or kept. An answer's own field
#: of the same name counts instead.
_DEFAULTS = (
    (b"Server", b"xmppd"),
    (b"Cache-Control", b"no-store"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
)
#: What would end a field, or the head (RFC 9110 section 5.5).
_ENDS = re.compile(rb"[\r\n\0]+")
_KEPT = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    :ivar code: RFC 9110 section 15; 200 and above.
    :ivar type: the media type of the body; b"" for none.
    :ivar headers: further fields, also some that there would be without them.
    """

    body: bytes = b""
    code: int = 200
    type: bytes = _TEXT
    headers: Fields = ()


def text(line: str, code: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """Return an answer in plain words."""
    return Answer(f"{line}\n".encode(), code, headers=headers)


class Heads:
    """Renders heads of answers, and keeps those that are alike for as long as their Date holds.

    :param clock: the time, in seconds since the epoch.
    """

    __slots__ = ("_clock", "_kept", "_second", "_stamp")

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._second = -1
        self._stamp = b""
        self._kept: dict[tuple[int, bytes, Fields, Fields], bytes] = {}

    def get(self, code: int, type_: bytes, headers: Fields, more: Fields) -> bytes:
        """Return the head of an answer, without a length and without the empty line at its end.

        :param headers: what the answer says, in place of what is sent otherwise.
        :param more: what the server adds to it, in place of what it sends otherwise.
        """
        second = int(self._clock.seconds())
        if second != self._second:
            self._second = second
            self._stamp = formatdate(second, usegmt=True).encode()
            self._kept.clear()
        key = (code, type_, headers, more)
        head = self._kept.get(key)
        if head is None:
            head = self._render(code, type_, headers, more)
            if len(self._kept) < _KEPT:
                self._kept[key] = head
        return head

    def last_words(self, code: int) -> bytes:
        """Return a whole answer that is the last one of its connection: its request was not worth reading on."""
        body = _REASONS[code] + b"\n"
        head = self.get(code, _TEXT, (), ())
        return b"%bConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def _render(self, code: int, type_: bytes, headers: Fields, more: Fields) -> bytes:
        own = {name.lower() for name, _ in headers}
        added = [field for field in more if field[0].lower() not in own]
        own.update(name.lower() for name, _ in added)
        fields = [(b"Date", self._stamp), *(field for field in _DEFAULTS if field[0].lower() not in own), *added]
        if type_ and code not in NO_BODY and b"content-type" not in own:
            fields.append((b"Content-Type", type_))
        return b"HTTP/1.1 %d %b\r\n%b" % (code, _REASONS.get(code, b"Unknown"), _lines((*fields, *headers)))


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % (_ENDS.sub(b" ", name), _ENDS.sub(b" ", value)) for name, value in fields)
