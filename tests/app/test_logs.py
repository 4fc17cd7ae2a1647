"""The log: levels, JSON, where it goes."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import tempfile
import unittest
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.app.logs import Log
from xmppd.app.options import Options
from xmppd.core.settings import Server


class LogTests(unittest.TestCase):
    def lines(self, settings: Server, emit: Any) -> list[str]:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            log = Log({"nodaemon": True}, settings)
            observer: Any = log.observer()
            emit(Logger(namespace="xmppd.test", observer=observer), log)
        return out.getvalue().splitlines()

    def test_level(self) -> None:
        def emit(logger: Logger, log: Log) -> None:
            logger.debug("one")
            logger.info("two")
            log.configure(Server(log_level="warn"))
            logger.info("three")
            logger.error("four {n}", n=4)
            log.configure(Server(log_level="debug"))
            logger.debug("five")

        lines = self.lines(Server(), emit)
        self.assertEqual([line.partition("] ")[2] for line in lines], ["two", "four 4", "five"])

    def test_json(self) -> None:
        def emit(logger: Logger, _log: Log) -> None:
            logger.info("héllo\n{name}", name="wörld")
            logger.failure("broken", Failure(ZeroDivisionError("x")))

        info, failure = map(json.loads, self.lines(Server(log_format="json"), emit))
        self.assertEqual(set(info), {"time", "level", "namespace", "message"})
        self.assertEqual((info["level"], info["namespace"], info["message"]), ("info", "xmppd.test", "héllo\nwörld"))
        self.assertRegex(info["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00\Z")
        self.assertEqual((failure["level"], failure["message"]), ("critical", "broken"))
        self.assertIn("ZeroDivisionError: x", failure["traceback"])

    def test_file(self) -> None:
        before = signal.getsignal(signal.SIGUSR1)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.log"
            observer: Any = Log({"logfile": str(path)}, Server()).observer()
            Logger(observer=observer).info("hello")
            self.assertTrue(path.read_text().endswith("hello\n"))


class OptionTests(unittest.TestCase):
    """What twistd logs to follows the settings, unless its own options name something else."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "xmppd.toml"
        self.write("warn")

    def write(self, level: str) -> None:
        self.path.write_text(f'[server]\nlog_level = "{level}"\n[hosts.x]')

    def parse(self, **parent: Any) -> Options:
        options = Options()
        options.parent = parent
        options.parseOptions(["-c", str(self.path)])
        return options

    def test_twistd(self) -> None:
        options = self.parse(logfile=None, nodaemon=True, logger=None, syslog=False)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            observer: Any = options.log_observer()
            logger = Logger(observer=observer)
            logger.info("one")
            options.load()
            self.write("info")
            options.load()
            logger.info("two")
        self.assertEqual(out.getvalue().count("one"), 0)
        self.assertEqual(out.getvalue().count("two"), 1)

    def test_the_operator_chose(self) -> None:
        self.assertIsNone(self.parse(logfile=None, logger=print, syslog=False).log_observer())
        self.assertIsNone(self.parse(logfile=None, logger=None, syslog=True).log_observer())

    def test_twist(self) -> None:
        self.assertIsNone(self.parse(logFile=None).log_observer())
