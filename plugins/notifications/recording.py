"""What happens to deliveries, many a second, written down in batches.

Nobody waits for it: what is lost with the server was not confirmed, as far as it knows, and is sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import IDelayedCall, StorageUnavailable
from xmppd.plugins.notifications import deliveries
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.deliveries import Key, Move, Moved

__all__ = ["Recorder"]

_log = Logger(namespace="xmppd.plugins.notifications")
#: Seconds from the first of a batch until it is written.
_GATHER = 0.1
_AT_ONCE = 1000
_AGAIN = 2.0


class Recorder:
    """Collects moves.

    :param later: :meth:`xmppd.api.Plugin.later`.
    """

    def __init__(self, book: Book, later: Callable[[float, Callable[[], Any]], IDelayedCall]) -> None:
        self._book = book
        self._later = later
        self._moves: list[Move] = []
        self._timer: IDelayedCall | None = None
        self._writing = False
        self._waiting: list[Deferred[None]] = []

    def note(self, move: Move) -> None:
        """Have a move written soon, behind those that were noted before."""
        self._moves.append(move)
        if self._timer is None and not self._writing:
            self._timer = self._later(_GATHER, self._write)

    async def settled(self) -> None:
        """Wait until what was noted so far is written, or could not be."""
        if self._moves or self._writing:
            done: Deferred[None] = Deferred()
            self._waiting.append(done)
            await done

    async def finish(self) -> None:
        """Write what there is at once; for the end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._writing:
            await self._write()

    async def _write(self) -> None:
        self._timer, self._writing = None, True
        pause = 0.0
        try:
            while self._moves:
                moves, self._moves = self._moves[:_AT_ONCE], self._moves[_AT_ONCE:]
                try:
                    await self._record(moves)
                except StorageUnavailable as error:
                    _log.warn("what became of notifications can't be written down: {reason}", reason=error.reason)
                    self._moves, pause = moves + self._moves, _AGAIN
                    break
        finally:
            self._writing = False
            if self._moves:
                self._timer = self._later(pause or _GATHER, self._write)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)

    async def _record(self, moves: list[Move]) -> None:
        unknown: list[Key] = []

        def work(connection: Any) -> list[Moved]:
            unknown.clear()
            return deliveries.move(connection, moves, unknown)

        for one in moves:
            if one.due_at is not None:
                self._book.wake(one.due_at)
        await self._book.write(work, {one.key.message for one in moves})
        for key in unknown:
            _log.info("{account} confirms a notification that is not for that device: {number:x}",
                      account=key.account, number=key.message)  # fmt: skip
