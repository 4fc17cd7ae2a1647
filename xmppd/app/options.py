"""The command line of ``twistd xmppd``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from twisted.logger import FilteringLogObserver
from twisted.python import usage

from xmppd import __version__
from xmppd.app.firststart import default_folder, first_start
from xmppd.app.logs import Log
from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.core.settings_file import load


class Options(usage.Options):
    """What was typed, and the settings it leads to.

    Wrong settings end the program here, while it still has the terminal: once twistd has started it may not.

    :ivar file: the settings file.
    """

    synopsis = "[options]"
    longdesc = (
        "Run the XMPP server. Without -c it makes a data folder with settings, an embedded database and a self-signed "
        "certificate at its first start, and serves this machine only."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", None, "the settings file (TOML)"],
        ["data-dir", "d", None, "without -c: the data folder, in place of ~/.local/share/xmppd"],
    ]
    compData: ClassVar[Any] = usage.Completions(
        optActions={"config": usage.CompleteFiles("*.toml"), "data-dir": usage.CompleteDirs()}
    )
    file = Path()
    _first: Settings | None = None
    _log: Log | None = None
    parent: Any = None

    def opt_version(self) -> None:
        """Print the version of xmppd and exit."""
        print(f"xmppd {__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Find and check the settings; make them at the first start."""
        if self["config"] and self["data-dir"]:
            raise usage.UsageError("--data-dir is for a server without --config")
        try:
            self.file = self._find()
            self._first = load(self.file)
        except SettingsError as error:
            sys.exit("\n".join(("xmppd can't start:", *error.problems)))

    def log_observer(self) -> FilteringLogObserver | None:
        """Return what twistd should log to, as the settings say; None if its own options say otherwise.

        ``twist`` has log options of its own, so there it is None as well.
        """
        twistd = self.parent
        if self._first is None or twistd is None or "logfile" not in twistd:
            return None
        if twistd.get("logger") or twistd.get("syslog"):
            return None
        self._log = Log(twistd, self._first.server)
        return self._log.observer()

    def _find(self) -> Path:
        # Absolute, because twistd may change the working directory before the file is read again.
        if self["config"]:
            return Path(self["config"]).expanduser().absolute()
        folder = Path(self["data-dir"]) if self["data-dir"] else default_folder()
        path, words = first_start(folder, datetime.now(UTC))
        print(words, flush=True)
        return path

    def load(self) -> Settings:
        """Return the settings as they are in the file now; the level of the log follows them.

        :raises SettingsError: they can't be read, or are wrong.
        """
        first, self._first = self._first, None
        settings = first or load(self.file)
        if self._log is not None:
            self._log.configure(settings.server)
        return settings
