"""How the server was doing lately: a sample every few seconds, for an hour, in memory. Prometheus remembers longer."""

from __future__ import annotations

import os
import resource
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xmppd.api.interfaces import IClock, IDelayedCall

__all__ = ["EVERY", "History", "Sample", "cpu_seconds", "resident_mib"]

EVERY = 5.0
"""Seconds between two samples."""
_KEPT = 720
_TICK = 0.25  # seconds between two looks at how late timers are
_TICKS = round(EVERY / _TICK)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found at one moment, and in the time since the one before.

    :ivar at: seconds since the epoch.
    :ivar lateness_p50: by how many seconds half of the timers were late, at least; what clients wait for an answer
        beyond the work itself.
    :ivar lateness_p99: the same for the latest of a hundred; of a few seconds that is the latest one.
    :ivar cpu: share of one processor, 1.0 for all of it.
    :ivar memory: MiB; None where the system doesn't tell.
    """

    at: float
    sessions: int
    received: float
    sent: float
    lateness_p50: float
    lateness_p99: float
    cpu: float
    memory: float | None


class History:
    """Takes samples from `start` to `stop`.

    :param sessions: how many there are now.
    :param stanzas: how many clients have sent and were sent, ever.
    :param cpu: seconds of processor time used, ever.
    """

    def __init__(
        self,
        clock: IClock,
        sessions: Callable[[], int],
        stanzas: Callable[[], tuple[int, int]],
        cpu: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._stanzas = stanzas
        self._cpu = cpu or cpu_seconds
        self._samples: deque[Sample] = deque(maxlen=_KEPT)
        self._late: list[float] = []
        self._due = 0.0
        self._call: IDelayedCall | None = None
        self._last = (0.0, 0, 0, 0.0)  # when, received, sent, CPU seconds

    def start(self) -> None:
        """Begin."""
        self._last = (self._clock.seconds(), *self._stanzas(), self._cpu())
        self._schedule()

    def stop(self) -> None:
        """Take no more; does nothing if it hasn't begun."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def samples(self, since: float = 0.0) -> Sequence[Sample]:
        """Return what was found after that moment (seconds since the epoch), the oldest first."""
        return [sample for sample in self._samples if sample.at > since]

    def _schedule(self) -> None:
        self._due = self._clock.seconds() + _TICK
        self._call = self._clock.callLater(_TICK, self._tick)

    def _tick(self) -> None:
        # A system clock that is set back makes no timer early.
        self._late.append(max(0.0, self._clock.seconds() - self._due))
        if len(self._late) >= _TICKS:
            self._take()
            self._late.clear()
        self._schedule()

    def _take(self) -> None:
        now, cpu = self._clock.seconds(), self._cpu()
        received, sent = self._stanzas()
        then, received_then, sent_then, cpu_then = self._last
        self._last = (now, received, sent, cpu)
        passed = max(now - then, _TICK)
        late = sorted(self._late)
        self._samples.append(
            Sample(
                at=now,
                sessions=self._sessions(),
                received=(received - received_then) / passed,
                sent=(sent - sent_then) / passed,
                lateness_p50=_at(late, 0.5),
                lateness_p99=_at(late, 0.99),
                cpu=(cpu - cpu_then) / passed,
                memory=resident_mib(),
            )
        )


def _at(ordered: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cpu_seconds() -> float:
    """Processor time that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mib() -> float | None:
    """Memory in use, in MiB; None where the system has no /proc."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
