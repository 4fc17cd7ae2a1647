"""Reads in a few threads, whose results come back to the reactor together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from sqlalchemy import Connection, Engine
from twisted.internet.defer import Deferred

from xmppd.core.storage.batch import Outcome, run_read

Read = tuple[Callable[[Connection], Any], Deferred[Any]]
CallFromThread = Callable[..., object]
"""`reactor.callFromThread`: has a function called with arguments in the reactor's thread, soon."""


class ReaderPool:
    """Threads that run read functions. `deliver` gets each Deferred and its outcome, in the reactor's thread."""

    def __init__(
        self,
        engine: Engine,
        threads: int,
        call_from_thread: CallFromThread,
        deliver: Callable[[Deferred[Any], Outcome], None],
    ) -> None:
        self._engine = engine
        self._call_from_thread = call_from_thread
        self._deliver = deliver
        self._reads: SimpleQueue[Read | None] = SimpleQueue()
        self._results: deque[tuple[Deferred[Any], Outcome]] = deque()
        self._delivery_due = False
        self._threads = [
            threading.Thread(target=self._work, name=f"xmppd-reader-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def put(self, fn: Callable[[Connection], Any], waiting: Deferred[Any]) -> None:
        """Queue a read."""
        self._reads.put((fn, waiting))

    def stop(self) -> None:
        """Let the threads end once everything queued is read. `put` must not be called any more."""
        for _ in self._threads:
            self._reads.put(None)

    def join(self) -> None:
        """Wait until the threads have ended. Their last results may still be on their way to the reactor."""
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while read := self._reads.get():
            fn, waiting = read
            self._results.append((waiting, run_read(self._engine, fn)))
            # Where two threads find this false at once, the second delivery finds nothing to do.
            if not self._delivery_due:
                self._delivery_due = True
                self._call_from_thread(self._deliver_all)

    def _deliver_all(self) -> None:
        # First: whatever is added from now on asks for a delivery of its own.
        self._delivery_due = False
        while self._results:
            self._deliver(*self._results.popleft())
