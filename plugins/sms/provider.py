"""What ways of sending short messages have in common: what they are given, and whom they give what comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from xmppd.api.gateway import Outgoing, TryAgain

__all__ = ["NoProvider", "Nobody", "Note", "Provider", "Short", "number_of"]

Note = Callable[[str], Awaitable[None]]
"""Writes something down about a message that is being sent, for the next attempt."""


class Nobody(Exception):
    """A message has come that is for nobody."""


@dataclass(frozen=True)
class Short:
    """A message to be sent.

    :ivar source: the number of ours, or the name, that it comes from; "" leaves that to the network.
    :ivar number: whom it is for, as E.164 has it, or a short code.
    :ivar text: the text.
    :ivar parts: how many short messages it takes.
    :ivar message: what the user has sent.
    """

    source: str
    number: str
    text: str
    parts: int
    message: Outgoing


class Provider(Protocol):
    """A way of sending short messages."""

    #: How many messages may be sent at the same time.
    concurrency: int

    def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """Let go of everything."""

    async def send(self, short: Short, note: Note) -> Sequence[str]:
        """Send a message; as :meth:`xmppd.api.gateway.Gateway.outgoing`, with what it returns and raises.

        :returns: by which names its parts will be reported on; empty if they won't be.
        """

    def describe(self) -> dict[str, Any]:
        """Its state, for operators."""


class NoProvider:
    """What there is before an operator has said how messages are sent.

    :param problem: what is missing.
    """

    concurrency = 1

    def __init__(self, problem: str) -> None:
        self.problem = problem

    def start(self) -> None:
        """See Provider."""

    async def stop(self) -> None:
        """See Provider."""

    async def send(self, short: Short, note: Note) -> Sequence[str]:
        """See Provider: what waits from earlier waits on."""
        raise TryAgain(self.problem)

    def describe(self) -> dict[str, Any]:
        """See Provider."""
        return {"provider": "", "problem": self.problem}


def number_of(text: str) -> str:
    """Return the digits of a number without its plus sign; a name as it is."""
    return text.removeprefix("+")
