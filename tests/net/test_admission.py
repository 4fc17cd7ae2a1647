"""When connections are accepted while others wait."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.net.admission import Admission
from xmppd.net.newcomers import Newcomers
from xmppd.testing import ServerTestCase


class Port:
    """A port, as far as it matters."""

    connected = True

    def __init__(self) -> None:
        self.accepted = 0
        self.reading = True

    def doRead(self) -> None:
        self.accepted += 1

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


class AdmissionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.busy, self.late = 0, 0.0
        self.port = Port()
        self.admission = Admission(self.clock.callLater, lambda: self.busy, 100)
        self.admission.watch(cast(Any, self.port), lambda: self.late)

    def tried(self) -> bool:
        """There is a connection; is it accepted?"""
        before = self.port.accepted
        self.port.doRead()
        return bool(self.port.accepted > before)

    def test_in_time(self) -> None:
        self.busy, self.late = 99, 1.9
        self.assertTrue(self.tried())

    def test_late(self) -> None:
        """Nothing is accepted; after a moment the port is looked at again."""
        self.late = 2.0
        self.assertFalse(self.tried())
        self.assertFalse(self.port.reading)
        self.clock.advance(0.01)
        self.assertTrue(self.port.reading)
        self.late = 0.5
        self.assertTrue(self.tried())

    def test_busy(self) -> None:
        self.busy = 100
        self.assertFalse(self.tried())
        self.admission.most = 101
        self.assertTrue(self.tried())

    def test_closed_meanwhile(self) -> None:
        self.late = 10.0
        self.assertFalse(self.tried())
        self.port.connected = False
        self.clock.advance(1)
        self.assertFalse(self.port.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SettingTests(ServerTestCase):
    config = {"limits": {"logins_at_once": 7}}

    def test_how_many(self) -> None:
        """The settings say it, also when they are read again."""
        listener = self._listener
        assert listener is not None
        listener.admission = Admission(self.clock.callLater, lambda: 0, 100)
        listener.reconfigure()
        self.assertEqual(listener.admission.most, 7)


class LateTests(SynchronousTestCase):
    def test_how_long_the_first_has_waited(self) -> None:
        clock = Clock()
        newcomers = Newcomers(clock.callLater, budget=0.0, seconds=clock.seconds)
        self.assertEqual(newcomers.late, 0.0)
        newcomers.read(Connection())
        clock.rightNow += 2
        newcomers.read(Connection())
        self.assertEqual(newcomers.late, 2.0)


class Connection:
    """One that has something to be read."""

    queued = False

    def read_now(self) -> None: ...
    def stopReading(self) -> None: ...
    def admitted(self) -> None: ...
