"""Messages to systemd."""

from __future__ import annotations

import os
import socket
import tempfile
import unittest
from pathlib import Path

from twisted.internet.task import Clock

from xmppd.app.notify import Notifier


class NotifierTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "notify")
        self.manager = self.listen(self.path)

    def listen(self, address: str) -> socket.socket:
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(address)
        manager.setblocking(False)
        return manager

    def heard(self, manager: socket.socket | None = None) -> list[str]:
        messages = []
        try:
            while True:
                messages.append((manager or self.manager).recv(4096).decode())
        except BlockingIOError:
            return messages

    def test_states(self) -> None:
        notifier = Notifier({"NOTIFY_SOCKET": self.path})
        notifier.ready()
        notifier.status("zwölf\nUhr")
        notifier.reloading()
        notifier.stopping()
        first, status, reloading, stopping = self.heard()
        self.assertEqual((first, status, stopping), ("READY=1", "STATUS=zwölf; Uhr", "STOPPING=1"))
        self.assertRegex(reloading, r"\ARELOADING=1\nMONOTONIC_USEC=\d+\Z")

    def test_abstract_socket(self) -> None:
        name = f"xmppd-test-{os.getpid()}"
        manager = self.listen("\0" + name)
        Notifier({"NOTIFY_SOCKET": "@" + name}).ready()
        self.assertEqual(self.heard(manager), ["READY=1"])

    def test_without_systemd(self) -> None:
        clock = Clock()
        notifier = Notifier({"WATCHDOG_USEC": "1000000"})
        notifier.ready()
        notifier.watch(clock)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_a_manager_that_is_gone(self) -> None:
        Notifier({"NOTIFY_SOCKET": self.path + "-gone"}).ready()

    def test_a_manager_that_does_not_listen(self) -> None:
        notifier = Notifier({"NOTIFY_SOCKET": self.path})
        for _ in range(2000):
            notifier.ready()

    def test_watchdog(self) -> None:
        clock = Clock()
        notifier = Notifier({"NOTIFY_SOCKET": self.path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
        notifier.watch(clock)
        self.assertEqual(self.heard(), ["WATCHDOG=1"])
        clock.advance(14)
        self.assertEqual(self.heard(), [])
        clock.advance(1)
        self.assertEqual(self.heard(), ["WATCHDOG=1"])
        notifier.stopping()
        self.heard()
        clock.advance(60)
        self.assertEqual(self.heard(), [])

    def test_no_watchdog(self) -> None:
        for environment in ({}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
            Notifier({"NOTIFY_SOCKET": self.path, **environment}).watch(Clock())
        self.assertEqual(self.heard(), [])
