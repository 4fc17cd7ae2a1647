"""A server that is told to stop while its database can't be written: it does stop."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import ensureDeferred

from tests.plugins.managed import ManagedTestCase


class Stopping(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline",)

    def test_no_answer(self) -> None:
        self.account("juliet@example.org")
        romeo, _ = self.enabled("romeo@example.org/orchard")
        self.disk.stopped = True
        romeo.send("<message to='juliet@example.org' type='chat'><body>1</body></message>")
        self.stops()

    def test_refuses(self) -> None:
        self.account("juliet@example.org")
        romeo, _ = self.enabled("romeo@example.org/orchard")
        self.disk.broken = "the disk is full"
        romeo.send("<message to='juliet@example.org' type='chat'><body>1</body></message>")
        self.stops()

    def stops(self) -> None:
        self.pump()
        stopped = ensureDeferred(self.server.server.stop())
        self.pump(40)
        self.successResultOf(stopped)
