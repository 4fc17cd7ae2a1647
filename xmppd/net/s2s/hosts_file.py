"""Names that the operator has written into the hosts file of the system (hosts(5)): they come before the DNS."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import idna

from xmppd.net.s2s.targets import Unresolvable, dns_name, ip_literal

__all__ = ["HostsFile", "read_hosts"]

_LOOK = 30.0  # seconds
_LONGEST = 4 << 20  # octets of the file that are read


class HostsFile:
    """The hosts file, read again when it has changed.

    :param clock: the time.
    """

    def __init__(self, clock: Any, file: str = "/etc/hosts") -> None:
        self._clock = clock
        self._file = file
        self._looked = -_LOOK
        self._changed: float | None = None
        self._text = ""

    def addresses(self, name: str) -> Sequence[str]:
        """Return the IP addresses of a name (as A-labels, in lower case); none if it is not in the file."""
        now = self._clock.seconds()
        if now - self._looked >= _LOOK:
            self._looked = now
            with suppress(OSError):
                self._read()
        # Some have a hundred thousand lines, against advertisements: only those with the name in them are parsed.
        lines = [line for form in {name, _u_label(name)} for line in _lines_with(form, self._text)]
        return read_hosts("\n".join(lines)).get(name, ())

    def _read(self) -> None:
        changed = os.stat(self._file).st_mtime
        if changed != self._changed:
            with open(self._file, encoding="utf-8", errors="replace") as file:
                self._text = file.read(_LONGEST).lower()
            self._changed = changed


def _u_label(name: str) -> str:
    try:
        return idna.decode(name)
    except UnicodeError:
        return name


def _lines_with(name: str, text: str) -> Iterator[str]:
    at = text.find(name)
    while at >= 0:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield text[text.rfind("\n", 0, at) + 1 : end]
        at = text.find(name, end)


def read_hosts(text: str) -> dict[str, list[str]]:
    """Return the addresses in the text of a hosts file by name; what is not valid in it is left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        literal = ip_literal(address)
        if literal is None:
            continue
        for name in names:
            with suppress(Unresolvable):
                known = found.setdefault(dns_name(name), [])
                if literal not in known:
                    known.append(literal)
    return found
