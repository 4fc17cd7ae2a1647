"""Files as answers (RFC 9110 sections 8.8, 13, 14): whole, in part, or "not modified"."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import BinaryIO

from twisted.logger import Logger

from xmppd.api.http import Response
from xmppd.net.http.answers import Answer, Fields, text
from xmppd.net.http.exchange import Exchange

__all__ = ["FileAnswer", "file_answer", "send_file"]

_log = Logger()
#: Octets that are read at a time.
_PIECE = 65_536
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(slots=True)
class FileAnswer:
    """A file, or a part of it, that is open.

    :ivar length: octets that are sent, from where the file is read next.
    """

    file: BinaryIO
    length: int
    code: int
    type: bytes
    headers: Fields

    def whole(self) -> Answer:
        """Return all of it at once, and close the file."""
        with self.file:
            return Answer(self.file.read(self.length), self.code, self.type, self.headers)


def file_answer(method: str, asked: Mapping[str, str], response: Response) -> Answer | FileAnswer:
    """Return what is sent of the file of a response.

    :param method: of the request.
    :param asked: its header fields.
    """
    assert response.path is not None
    try:
        file = open(response.path, "rb", buffering=0)  # noqa: SIM115  # closed when it is sent
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return text("There is no such page.", 404)
    except OSError as error:
        _log.warn("a file can't be opened: {reason}", reason=str(error))
        return text("The file can't be read now.", 503, (b"Retry-After", b"10"))
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        return text("There is no such page.", 404)
    tag, modified = f'"{found.st_mtime_ns:x}-{found.st_size:x}"', int(found.st_mtime)
    own = {name.lower(): value for name, value in response.headers.items()}
    known = {"etag": tag, "last-modified": formatdate(modified, usegmt=True), "accept-ranges": "bytes", **own}
    headers = tuple((name.encode(), value.encode("latin-1")) for name, value in known.items())
    if _is_other(asked, known["etag"], modified):
        file.close()
        return text("It is another one by now.", 412)
    if method in ("GET", "HEAD") and _unchanged(asked, known["etag"], modified):
        file.close()
        return Answer(b"", 304, b"", headers)
    part = _part(method, asked, known["etag"], modified, found.st_size)
    if part is None:
        return FileAnswer(file, found.st_size, response.status, response.type.encode("latin-1"), headers)
    start, length = part
    if length <= 0:
        file.close()
        return text("There is no such part of it.", 416, (b"Content-Range", b"bytes */%d" % found.st_size))
    file.seek(start)
    range_ = (b"Content-Range", b"bytes %d-%d/%d" % (start, start + length - 1, found.st_size))
    return FileAnswer(file, length, 206, response.type.encode("latin-1"), (*headers, range_))


def _is_other(asked: Mapping[str, str], tag: str, modified: int) -> bool:
    """Does the client want what was there, and not what is (RFC 9110 sections 13.1.1, 13.1.4)?"""
    tags = asked.get("if-match")
    if tags is not None:
        return tags.strip() != "*" and (tag.startswith("W/") or tag not in {t.strip() for t in tags.split(",")})
    since = _time(asked.get("if-unmodified-since"))
    return since is not None and modified > since


def _unchanged(asked: Mapping[str, str], tag: str, modified: int) -> bool:
    """Has the client got it already (RFC 9110 sections 13.1.2, 13.1.3, 13.2.2)?"""
    tags = asked.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag.removeprefix("W/") in {t.strip().removeprefix("W/") for t in tags.split(",")}
    since = _time(asked.get("if-modified-since"))
    return since is not None and modified <= since


def _part(method: str, asked: Mapping[str, str], tag: str, modified: int, size: int) -> tuple[int, int] | None:
    """The start and length of the part that is asked for (RFC 9110 section 14.2); None: all of it.

    Several parts at once are answered with the whole, as they may be. A length of 0 or less: there is no such part.
    """
    wanted = _RANGE.fullmatch(asked.get("range", "").strip()) if method == "GET" else None
    if wanted is None or wanted[0] == "bytes=-" or not _still(asked.get("if-range"), tag, modified):
        return None
    first, last = wanted[1], wanted[2]
    if not first:  # so many at the end
        length = min(int(last), size)
        return size - length, length
    if last and int(last) < int(first):
        return None  # invalid, so it counts for nothing
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end - int(first) + 1


def _still(condition: str | None, tag: str, modified: int) -> bool:
    """Is it what the client has a part of (RFC 9110 section 13.1.5)?"""
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):
        return condition == tag and not tag.startswith("W/")
    return _time(condition) == modified


def _time(text: str | None) -> int | None:
    try:
        return None if text is None else int(parsedate_to_datetime(text).timestamp())
    except (ValueError, OverflowError):
        return None


def send_file(exchange: Exchange, answer: FileAnswer) -> None:
    """Send a file, as fast as the client reads it."""
    _Sending(exchange, answer).begin()


class _Sending:
    """A file on its way."""

    __slots__ = ("_answer", "_exchange", "_left")

    def __init__(self, exchange: Exchange, answer: FileAnswer) -> None:
        self._exchange = exchange
        self._answer = answer
        self._left = answer.length

    def begin(self) -> None:
        exchange, answer = self._exchange, self._answer
        exchange.begin(answer.code, answer.type, answer.headers, answer.length)
        if exchange.method == "HEAD" or exchange.gone:
            self._left = 0
        exchange.on_room = self.go_on
        exchange.on_gone = answer.file.close
        self.go_on()

    def go_on(self) -> None:
        """Send until the client can take no more for now."""
        exchange, file = self._exchange, self._answer.file
        while self._left and not exchange.full and not exchange.gone:
            try:
                piece = file.read(min(_PIECE, self._left))
            except OSError:
                _log.failure("a file could not be read")
                piece = b""
            if not piece:  # it is shorter than it was
                file.close()
                exchange.abort()
                return
            self._left -= len(piece)
            exchange.write(piece)
        if not self._left:
            file.close()
            exchange.finish()
