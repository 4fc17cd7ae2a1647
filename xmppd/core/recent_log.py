"""The last lines of the log, in memory, for those who look at the server from elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText
from zope.interface import implementer

__all__ = ["LEVELS", "Line", "RecentLog"]

LEVELS = ("debug", "info", "warn", "error", "critical")
_RANK = {name: rank for rank, name in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True)
class Line:
    """One event.

    :ivar number: counts all events since the server was started.
    :ivar at: seconds since the epoch.
    :ivar traceback: empty if there is none.
    """

    number: int
    at: float
    level: str
    namespace: str
    message: str
    traceback: str


@implementer(ILogObserver)
class RecentLog:
    """An observer of the log that keeps the end of it, as text: an event itself would keep alive what it speaks of.

    It may be called in any thread.

    :param size: how many lines are kept now.
    :param level: the least level that is logged now.
    """

    def __init__(self, size: Callable[[], int], level: Callable[[], str]) -> None:
        self._size = size
        self._level = level
        self._lines: deque[Line] = deque()
        self._count = 0

    def __call__(self, event: LogEvent) -> None:
        """Take in one event."""
        found = event.get("log_level")
        level = found.name if isinstance(found, type(LogLevel.info)) else "info"
        if _RANK[level] < _RANK[self._level()]:
            return
        self._count += 1
        failure = event.get("log_failure")
        message = eventAsText(event, includeTimestamp=False, includeSystem=False, includeTraceback=False)
        traceback = failure.getTraceback() if failure is not None else ""
        namespace = event.get("log_namespace") or "-"
        self._lines.append(Line(self._count, event.get("log_time", 0.0), level, namespace, message, traceback))
        while len(self._lines) > self._size():
            self._lines.popleft()

    def find(self, level: str = "debug", contains: str = "", limit: int = 100, after: int | None = None) -> list[Line]:
        """Return lines, the oldest first.

        :param level: the least one.
        :param contains: what their namespace, message or traceback contains, in whatever case.
        :param limit: at most so many: the first ones after that number, or the last ones if there is no number.
        """
        least, words = _RANK[level], contains.casefold()
        found: Sequence[Line] = [
            line
            for line in list(self._lines)
            if _RANK[line.level] >= least
            and (after is None or line.number > after)
            and (not words or words in f"{line.namespace} {line.message} {line.traceback}".casefold())
        ]
        return list(found[-limit:] if after is None else found[:limit])
