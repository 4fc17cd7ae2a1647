"""The nameservers, and what is to be asked of them: no more at a time than they and we can bear.

Answers may be slow: so only some questions are on their way at a time, and only some are begun in one turn of the
reactor, however many domains are looked for.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.names import dns

from xmppd.net.s2s.asking import Alias, Answer, Asking, LookupFailed, Question
from xmppd.net.s2s.targets import ip_literal

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall

__all__ = ["Nameservers", "parse_nameserver", "system_nameservers"]

_Entry = tuple[Question, float, Deferred[Answer | Alias]]
_A_TURN = 16  # questions begun in one turn of the reactor


class Nameservers:
    """The nameservers there are, and what is to be asked of them.

    :param addresses: (IP address, port) of each; None stands for the system's.
    :param seconds: how long all of them together may take for one question.
    :param outstanding: questions that may be on their way at a time.
    :param patience: seconds that a question may wait until it is its turn.
    """

    def __init__(
        self,
        reactor: Any,
        addresses: Sequence[tuple[str, int]] | None,
        seconds: float = 10.0,
        outstanding: int = 100,
        patience: float = 60.0,
    ) -> None:
        self._reactor = reactor
        self._system = SystemNameservers(reactor) if addresses is None else None
        self._addresses = list(addresses or ())
        self.seconds, self.outstanding, self.patience = seconds, outstanding, patience
        self._urgent: deque[_Entry] = deque()
        self._queue: deque[_Entry] = deque()
        self._asking: set[Asking] = set()
        self._pumping: IDelayedCall | None = None

    def ask(self, question: Question, *, first: bool = False) -> Deferred[Answer | Alias]:
        """Ask. The Deferred fails with LookupFailed if there is no answer.

        :param first: before what waits already without being the first.
        """
        result: Deferred[Answer | Alias] = Deferred()
        (self._urgent if first else self._queue).append((question, self._reactor.seconds(), result))
        self._pump_soon()
        return result

    def stop(self) -> None:
        """Ask nothing more; who waits is told that there is no answer."""
        if self._pumping is not None and self._pumping.active():
            self._pumping.cancel()
        waiting = [*self._urgent, *self._queue]
        self._urgent.clear()
        self._queue.clear()
        for asking in list(self._asking):
            asking.stop()
        for _, _, result in waiting:
            result.errback(LookupFailed("the question was given up"))

    def _pump_soon(self) -> None:
        waiting = self._urgent or self._queue
        if waiting and self._pumping is None and len(self._asking) < self.outstanding:
            self._pumping = self._reactor.callLater(0, self._pump)

    def _pump(self) -> None:
        self._pumping = None
        latest = self._reactor.seconds() - self.patience
        for _ in range(_A_TURN):
            queue = self._urgent or self._queue
            if not queue or len(self._asking) >= self.outstanding:
                break
            question, since, result = queue.popleft()
            if since < latest:
                result.errback(LookupFailed("the nameservers are too slow for all that they are asked", silent=True))
            else:
                self._begin(question, result)
        self._pump_soon()

    def _begin(self, question: Question, result: Deferred[Answer | Alias]) -> None:
        if self._system is not None:
            self._addresses = self._system.read(self._addresses)
        asking = Asking(self._reactor, self._addresses, question, self.seconds)
        self._asking.add(asking)
        asking.result.addBoth(self._ended, asking).chainDeferred(result)
        asking.next()

    def _ended(self, outcome: Any, asking: Asking) -> Any:
        self._asking.discard(asking)
        best = asking.answered_by
        if best is not None and best != self._addresses[0] and best in self._addresses:
            # Those before it have not answered, or not in time: the next question goes to this one first.
            self._addresses.remove(best)
            self._addresses.insert(0, best)
        self._pump_soon()
        return outcome


class SystemNameservers:
    """The nameservers of the system, read again when the file has changed."""

    _LOOK = 30.0  # seconds

    def __init__(self, clock: Any, file: str = "/etc/resolv.conf") -> None:
        self._clock = clock
        self._file = file
        self._looked = -self._LOOK
        self._changed: float | None = None

    def read(self, known: list[tuple[str, int]]) -> list[tuple[str, int]]:
        """Return them; `known` if nothing has changed since."""
        now = self._clock.seconds()
        if known and now - self._looked < self._LOOK:
            return known
        self._looked = now
        try:
            changed = os.stat(self._file).st_mtime
            if known and changed == self._changed:
                return known
            with open(self._file, encoding="utf-8", errors="replace") as file:
                found = system_nameservers(file.read(65_536))
        except OSError:
            return known or [("127.0.0.1", dns.PORT)]
        self._changed = changed
        return found


def system_nameservers(text: str) -> list[tuple[str, int]]:
    """Return the nameservers in the text of a resolv.conf(5); the local one if there is none."""
    words = (line.split() for line in text.splitlines())
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    found = [(literal, dns.PORT) for literal in map(ip_literal, named) if literal is not None]
    return found or [("127.0.0.1", dns.PORT)]


def parse_nameserver(text: str) -> tuple[str, int]:
    """Return address and port of a nameserver in the settings: ``IP``, ``IP:PORT`` or ``[IPv6]:PORT``.

    :raises ValueError: it is something else.
    """
    literal = ip_literal(text)
    if literal is not None:
        return literal, dns.PORT
    host, _, port = text.rpartition(":")
    literal = ip_literal(host)
    if literal is None or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is neither an IP address nor IP:PORT")
    return literal, int(port)
