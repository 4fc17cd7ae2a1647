"""What mail is taken for, and what its bringer is told; :mod:`.smtp_in` is how it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from xmppd.api import IClock

__all__ = ["Answer", "Inbox"]


@dataclass(frozen=True)
class Answer:
    """What the other server is told of a mail: code and text of SMTP, the text with an enhanced code (RFC 3463)."""

    code: int
    text: str


@dataclass(frozen=True)
class Inbox:
    """What mail is taken for, and what is done with it.

    :ivar name: our name.
    :ivar clock: the time.
    :ivar exists: is there such an address? May fail with StorageUnavailable.
    :ivar take: take a mail: (envelope sender, "" for none; recipient addresses; content).
    :ivar octets: how long a mail may be.
    :ivar connections: how many may be open at the same time.
    :ivar timeout: seconds that the other server may be silent.
    """

    name: str
    clock: IClock
    exists: Callable[[str], Awaitable[bool]]
    take: Callable[[str, list[str], bytes], Awaitable[Answer]]
    octets: int
    connections: int
    timeout: int
