"""The end of the log, in memory."""

from __future__ import annotations

import unittest
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.core.recent_log import RecentLog


class RecentLogTests(unittest.TestCase):
    def setUp(self) -> None:
        self.size, self.level = 100, "info"
        self.log = RecentLog(lambda: self.size, lambda: self.level)
        observer: Any = self.log
        self.logger = Logger(namespace="xmppd.test", observer=observer)

    def messages(self, *args: Any, **options: Any) -> list[str]:
        return [line.message for line in self.log.find(*args, **options)]

    def test_a_line(self) -> None:
        self.logger.warn("{what} is late", what="the post")
        (line,) = self.log.find()
        self.assertEqual((line.number, line.level, line.namespace), (1, "warn", "xmppd.test"))
        self.assertEqual((line.message, line.traceback), ("the post is late", ""))

    def test_what_it_speaks_of_is_not_kept_alive(self) -> None:
        what = ["the post"]
        self.logger.info("{what}", what=what)
        what.append("changed later")
        self.assertEqual(self.messages(), ["['the post']"])

    def test_traceback(self) -> None:
        self.logger.failure("broken", Failure(ZeroDivisionError("by accident")))
        (line,) = self.log.find()
        self.assertEqual(line.level, "critical")
        self.assertIn("by accident", line.traceback)
        self.assertEqual(self.messages(contains="zerodivision"), ["broken"])

    def test_levels(self) -> None:
        self.logger.debug("not logged")
        self.level = "debug"
        self.logger.debug("logged")
        self.logger.error("bad")
        self.assertEqual(self.messages(), ["logged", "bad"])
        self.assertEqual(self.messages("warn"), ["bad"])

    def test_size(self) -> None:
        for number in range(5):
            self.logger.info("{n}", n=number)
        self.size = 3
        self.logger.info("5")
        self.assertEqual(self.messages(), ["3", "4", "5"])
        self.size = 0
        self.logger.info("6")
        self.assertEqual(self.messages(), [])

    def test_going_on(self) -> None:
        for number in range(1, 6):
            self.logger.info("{n}", n=number)
        self.assertEqual(self.messages(limit=2), ["4", "5"], "the end of it")
        self.assertEqual(self.messages(limit=2, after=1), ["2", "3"], "what comes next")
        self.assertEqual(self.messages(after=5), [])

    def test_what_it_contains(self) -> None:
        self.logger.info("Romeo has come")
        self.logger.info("Juliet has come")
        self.assertEqual(self.messages(contains="romeo"), ["Romeo has come"])
        self.assertEqual(self.messages(contains="xmppd.TEST", limit=1), ["Juliet has come"])
