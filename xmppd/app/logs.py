"""The log as the settings want it: the least level, text or JSON; where to, twistd's own options say."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    eventAsText,
    textFileLogObserver,
)
from twisted.python.logfile import LogFile

from xmppd.core.settings import Server


class Log:
    """Makes the observer that twistd logs to, in place of its own.

    :param options: those of twistd itself: "logfile", "nodaemon".
    """

    def __init__(self, options: Mapping[str, Any], settings: Server) -> None:
        self._options = options
        self._format = settings.log_format
        self._level: Any = LogLevelFilterPredicate()
        self.configure(settings)

    def configure(self, settings: Server) -> None:
        """Take over a changed level; it holds at once."""
        self._level.clearLogLevels()
        self._level.setLogLevelForNamespace("", LogLevel.levelWithName(settings.log_level))

    def observer(self) -> FilteringLogObserver:
        """Return the observer, with its file open."""
        file = self._file()
        to_file: Any = textFileLogObserver(file) if self._format == "text" else FileLogObserver(file, as_json)
        return FilteringLogObserver(to_file, [self._level])

    def _file(self) -> IO[Any]:
        name = self._options.get("logfile")
        if name == "-" or (not name and self._options.get("nodaemon")):
            return sys.stdout
        file: Any = LogFile.fromFullPath(name or "twistd.log")
        if not signal.getsignal(signal.SIGUSR1):
            signal.signal(signal.SIGUSR1, lambda *_: file.rotate())  # as twistd does it
        return file


def as_json(event: LogEvent) -> str:
    """Return an event as one line: `time` (RFC 3339), `level`, `namespace`, `message`, `traceback` if there is one."""
    level = event.get("log_level")
    fields = {
        "time": datetime.fromtimestamp(event.get("log_time", 0.0), UTC).isoformat(timespec="milliseconds"),
        "level": level.name if level is not None else "info",
        "namespace": event.get("log_namespace") or "-",
        "message": eventAsText(event, includeTimestamp=False, includeSystem=False, includeTraceback=False),
    }
    failure = event.get("log_failure")
    if failure is not None:
        fields["traceback"] = failure.getTraceback()
    return json.dumps(fields, ensure_ascii=False) + "\n"
