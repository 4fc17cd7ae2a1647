"""The log of requests, in the Combined Log Format that web servers write and programs for statistics read."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from twisted.logger import Logger

if TYPE_CHECKING:
    from xmppd.net.http.exchange import Exchange

__all__ = ["AccessLog", "line"]

_log = Logger()
#: What old clients of HTTP interfaces can only say in the URL, and nobody who reads the log should be able to.
_SECRET = re.compile(r"([?&](?:token|password)=)[^&\s]*", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f-\U0010ffff]')


def line(now: float, peer: str, request: str, code: int, octets: int, referer: str, agent: str) -> str:
    """Return a line; whatever a client has written, it is one line, and its fields are where they belong.

    :param now: seconds since the epoch.
    :param octets: of the answer's body.
    """
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
    size = octets or "-"
    texts = (_UNSAFE.sub(_escaped, _SECRET.sub(r"\1***", text)) for text in (request, referer, agent))
    first, *others = (f'"{text}"' for text in texts)
    return f"{peer} - - [{stamp}] {first} {code} {size} {' '.join(others)}\n"


def _escaped(found: re.Match[str]) -> str:
    octet = found[0]
    return f"\\{octet}" if octet in '"\\' else f"\\x{ord(octet):02x}"


def _only_for_us(path: str, flags: int) -> int:
    """Who reads it finds the addresses of files that people have sent each other."""
    return os.open(path, flags, 0o640)


class AccessLog:
    """A file that requests are written to."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._failed = False

    def __bool__(self) -> bool:
        """Is there one?"""
        return self._file is not None

    def open(self, path: Path | None) -> None:
        """Begin to write to a file, or to the same one anew: it may have been moved away.

        :param path: None for no log.
        """
        self.close()
        self._path = path
        if path is None:
            return
        try:
            self._file = open(path, "ab", buffering=0, opener=_only_for_us)  # noqa: SIM115  # closed by close()
        except OSError as error:
            _log.error("requests are not logged: {path}: {reason}", path=str(path), reason=error.strerror)

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._failed = False

    def tell(self, now: float, exchange: Exchange, peer: str) -> None:
        """Write of a request that was answered.

        :param now: seconds since the epoch.
        :param peer: the client's address.
        """
        version = "1.1" if exchange.modern else "1.0"
        request = f"{exchange.method} {exchange.target} HTTP/{version}"
        referer, agent = exchange.header("referer") or "-", exchange.header("user-agent") or "-"
        self._write(line(now, peer, request, exchange.code, exchange.sent, referer, agent))

    def tell_refused(self, now: float, peer: str, code: int) -> None:
        """Write of what was no whole request."""
        self._write(line(now, peer, "-", code, 0, "-", "-"))

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text.encode("ascii", "backslashreplace"))
        except OSError as error:
            if not self._failed:  # once: a full disk has been heard of soon enough
                _log.error("requests are not logged: {path}: {reason}", path=str(self._path), reason=error.strerror)
            self._failed = True
