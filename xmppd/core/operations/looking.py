"""Looking back: ``audit list``, ``log list``, ``server history``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.core.audit import AuditTrail, Wanted
from xmppd.core.history import History
from xmppd.core.recent_log import RecentLog
from xmppd.wire.delay import format_datetime, parse_datetime

__all__ = ["AuditOperations", "HistoryOperations", "LogOperations", "moment"]

_MOST = 1_000  # rows that are given at once
_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_NUMBER = re.compile("[0-9]{1,18}")  # what databases have a place for
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class AuditOperations:
    """What was done.

    :param now: the time, in seconds since the epoch.
    """

    def __init__(self, trail: AuditTrail, now: Callable[[], float]) -> None:
        self._trail = trail
        self._now = now

    @operation(
        "audit list", offline=True, safe=True, examples=("", "--operation user --since 7d", "--by alice --failed")
    )
    async def list_runs(
        self,
        *,
        limit: int = 100,
        after: str = "",
        by: str = "",
        operation: str = "",
        since: str = "",
        failed: bool = False,
        host: str | None = None,
    ) -> list[dict[str, Any]]:
        """List the operations that were run, the latest first; without those that only read.

        :param limit: at most so many, up to 1000.
        :param after: go on after the row with this id.
        :param by: only those of somebody whose name contains this.
        :param operation: only this one, or all that begin with this word, such as `user`.
        :param since: only later ones than a date, a time, or so long ago, such as `2026-01-01`, `7d` or `12h`.
        :param failed: only those that were refused or failed.
        :param host: only those that were about this domain.
        """
        if after and not _NUMBER.fullmatch(after):
            raise OperationError("after: the id of a row is expected")
        wanted = Wanted(
            host=host,
            actor=by,
            operation=operation,
            failed=failed,
            since=moment(since, self._now()) if since else None,
            before=int(after) if after else None,
            limit=checked_limit(limit),
        )
        return await self._trail.find(wanted)


class LogOperations:
    """The end of the log."""

    def __init__(self, log: RecentLog) -> None:
        self._log = log

    @operation("log list", permission=Permission.OPERATOR, safe=True, examples=("", "--level warn", "--contains romeo"))
    async def list_lines(
        self,
        *,
        level: Literal["debug", "info", "warn", "error", "critical"] = "debug",
        contains: str = "",
        limit: int = 100,
        after: str = "",
    ) -> list[dict[str, Any]]:
        """Show the last lines of the log, the oldest first.

        :param level: only those that are at least so important.
        :param contains: only those with this in them.
        :param limit: at most so many, up to 1000.
        :param after: only those after the line with this number; the first ones of them.
        """
        if after and not _NUMBER.fullmatch(after):
            raise OperationError("after: the number of a line is expected")
        lines = self._log.find(level, contains, checked_limit(limit), int(after) if after else None)
        return [
            {
                "number": line.number,
                "time": format_datetime(line.at, 3),
                "level": line.level,
                "namespace": line.namespace,
                "message": line.message,
                "traceback": line.traceback,
            }
            for line in lines
        ]


class HistoryOperations:
    """How the server was doing."""

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self._history = history
        self._now = now

    @operation("server history", permission=Permission.OPERATOR, safe=True, examples=("", "--minutes 10"))
    async def history(self, *, minutes: int = 60) -> list[dict[str, Any]]:
        """Show how the server was doing in the last hour, by samples every five seconds.

        Rates are of stanzas from and to clients a second. Lateness is by how many milliseconds timers were late.

        :param minutes: the last ones only, up to 60.
        """
        if not 1 <= minutes <= 60:
            raise OperationError("minutes: 1 to 60 are possible")
        return [
            {
                "time": format_datetime(sample.at),
                "sessions": sample.sessions,
                "received_per_second": round(sample.received, 1),
                "sent_per_second": round(sample.sent, 1),
                "lateness_p50_ms": round(sample.lateness_p50 * 1e3, 2),
                "lateness_p99_ms": round(sample.lateness_p99 * 1e3, 2),
                "memory_mib": sample.memory,
                "cpu_percent": round(sample.cpu * 100, 1),
            }
            for sample in self._history.samples(self._now() - minutes * 60)
        ]


def checked_limit(limit: int) -> int:
    """Return it. :raises OperationError: it is no number of rows that can be asked for."""
    if not 1 <= limit <= _MOST:
        raise OperationError(f"limit: 1 to {_MOST} are possible")
    return limit


def moment(text: str, now: float) -> float:
    """Return what a text means: a date, a time (XEP-0082), or so long ago, in seconds since the epoch.

    :raises OperationError: it is none of them.
    """
    if match := re.fullmatch(r"(\d{1,6}) ?([a-z]{1,3})", text.strip(), re.ASCII):
        if match[2] in _UNITS:
            return now - int(match[1]) * _UNITS[match[2]]
    elif _DATE.fullmatch(text.strip()):
        text = f"{text.strip()}T00:00:00Z"
    try:
        return parse_datetime(text)
    except ValueError:
        raise OperationError(
            f"since: {text!r} is no date such as 2026-01-01, no time such as 2026-01-01T12:00:00Z, and not how long"
            " ago it was, such as 30min, 12h or 7d"
        ) from None
