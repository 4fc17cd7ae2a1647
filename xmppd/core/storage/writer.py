"""Group commit: one thread in which the writes of everybody share transactions.

A commit costs an fsync however much is in it. So a batch is taken when its first job has waited for `gather`
seconds, when it is full, or when there is a job in it that has gathered enough by itself; and while one batch is being
committed, the next one gathers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from xmppd.core.histogram import Histogram
from xmppd.core.storage.batch import Append, Job, Outcome, run_batch


@dataclass(frozen=True)
class WriterLimits:
    """`gather`: seconds a write waits for company. `batch`: most jobs in a transaction. `queue`: most jobs waiting."""

    gather: float = 0.002
    batch: int = 500
    queue: int = 10_000


@dataclass
class WriterCounters:
    """What the writer has done so far. `seconds`: of transactions, from the first statement to the end of COMMIT."""

    batches: int = 0
    jobs: int = 0
    rows: int = 0
    failed_batches: int = 0
    refused: int = 0
    seconds: Histogram = field(default_factory=Histogram)

    def count(self, jobs: Sequence[Job], seconds: float) -> None:
        """Add a transaction that was tried, and how long it took."""
        self.batches += 1
        self.seconds.observe(seconds)
        self.jobs += len(jobs)
        self.rows += sum(len(job.rows) for job in jobs if isinstance(job, Append))


Report = Callable[[Sequence[Job], Sequence[Outcome], float], None]
"""Called in the writer's thread with the jobs of a batch, their outcomes, and the seconds they took."""


class GroupCommitWriter:
    """The thread. `report` is called once a batch."""

    def __init__(self, engine: Engine, limits: WriterLimits, report: Report) -> None:
        self._engine = engine
        self._limits = limits
        self._report = report
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._first_queued = 0.0
        self._stopping = False
        self._soon = False
        # A daemon: a process that ends without stopping its writer must not hang.
        self._thread = threading.Thread(target=self._work, name="xmppd-writer", daemon=True)

    def __len__(self) -> int:
        """Return how many jobs wait for a transaction."""
        return len(self._queue)

    @property
    def gather(self) -> float:
        """Return how many seconds a write waits for company."""
        return self._limits.gather

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: Job, soon: bool = False) -> bool:
        """Queue `job`, to be taken at once if `soon`; false if the queue is full."""
        queue = self._queue
        with self._changed:
            waiting = len(queue)
            if waiting >= self._limits.queue:
                return False
            queue.append(job)
            if soon:
                self._soon = True
                self._changed.notify()
            elif not waiting:
                self._first_queued = time.monotonic()
                self._changed.notify()
            elif waiting + 1 == self._limits.batch:
                self._changed.notify()
        return True

    def stop(self) -> None:
        """Let the thread end once everything queued is done. `put` must not be called any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            began = time.perf_counter()
            outcomes = run_batch(self._engine, batch)
            self._report(batch, outcomes, time.perf_counter() - began)

    def _next_batch(self) -> list[Job]:
        """Wait for work and return it; nothing when the writer has been stopped and everything is done."""
        limits, queue = self._limits, self._queue
        with self._changed:
            while not queue and not self._stopping:
                self._changed.wait()
            taken_at = self._first_queued + limits.gather
            while not (self._stopping or self._soon) and len(queue) < limits.batch:
                left = taken_at - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._soon = False
            return [queue.popleft() for _ in range(min(len(queue), limits.batch))]
