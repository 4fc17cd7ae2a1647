"""Stream management (XEP-0198 version 1.6.3) of a client, without any input or output: the counters and the queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

TURN = 2**32
T = TypeVar("T")


class Offence(Exception):
    """The server broke a rule of XEP-0198; the text says which."""


class TakenBack(Offence):
    """The server has handled less than it had said before; `tokens` are those of the stanzas in question."""

    def __init__(self, text: str, tokens: Sequence[object]) -> None:
        super().__init__(text)
        self.tokens = tokens


@dataclass(frozen=True)
class Stanza(Generic[T]):
    """A stanza that is the client's responsibility until it is acknowledged; `token` says what it is to the client."""

    xml: str
    token: T


class Management(Generic[T]):
    """One session: from <enable/> over any number of resumptions to its end.

    `received` is our h: the stanzas of the server we have handled. `acked` is the server's.
    """

    def __init__(self) -> None:
        self.id = ""
        self.seconds: float | None = None
        self.received = 0
        self.acked = 0
        self.queue: deque[Stanza[T]] = deque()
        self._done: deque[T] = deque(maxlen=2000)

    @property
    def sent(self) -> int:
        """How many stanzas were sent since <enable/>, modulo 2**32."""
        return (self.acked + len(self.queue)) % TURN

    def enabled(self, id_: str, seconds: float | None) -> None:
        """The server answered <enabled/>; an empty `id_` means that the session can't be resumed."""
        self.id, self.seconds, self.received = id_, seconds, 0

    def handled(self) -> None:
        """A stanza of the server was handled."""
        self.received = (self.received + 1) % TURN

    def sending(self, xml: str, token: T) -> None:
        """A stanza is about to be sent, or to wait until the session is resumed."""
        self.queue.append(Stanza(xml, token))

    def acknowledge(self, h: int) -> list[T]:
        """Take the h of an <a/>: return the tokens of what is acknowledged now, in order; raise Offence."""
        new = (h - self.acked) % TURN
        if new > len(self.queue):
            back = (self.acked - h) % TURN
            if back < TURN // 2:
                raise TakenBack(f"h is {h} after {self.acked}", list(self._done)[-back:])
            raise Offence(f"h is {h}, but only {self.sent} were sent")
        self.acked = h
        tokens = [self.queue.popleft().token for _ in range(new)]
        self._done.extend(tokens)
        return tokens

    def set_back(self, h: int) -> None:
        """Go on after an ack was taken back: count from `h`, as the server does."""
        self.acked = h

    def end(self, h: int | None) -> tuple[list[T], list[T]]:
        """The session can't be resumed; `h` is that of <failed/> if it had one.

        :returns: the tokens of what was handled before the end, and of what nobody is responsible for but the client.
        """
        acked: list[T] = []
        if h is not None and (h - self.acked) % TURN <= len(self.queue):
            acked = self.acknowledge(h)
        return acked, [stanza.token for stanza in self.queue]
