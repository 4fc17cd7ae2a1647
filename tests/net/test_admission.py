"""How many connections are accepted while others wait."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.net.admission import Admission


class Port:
    """A port, as far as it matters."""

    numberAccepts = 100
    connected = True

    def __init__(self) -> None:
        self.accepted: list[int] = []
        self.reading = True

    def doRead(self) -> None:
        self.accepted.append(self.numberAccepts)
        self.numberAccepts += 20  # as Twisted's does if all that it would accept were there

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


class AdmissionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.busy = self.waiting = 0
        self.port: Any = Port()
        self.admission = Admission(self.clock.callLater, lambda: self.busy, 100)
        self.admission.watch(self.port, lambda: self.waiting)

    def test_room(self) -> None:
        """No more than there is room for, together with those that wait to be read and those that are served."""
        self.port.doRead()
        self.busy, self.waiting = 50, 20
        self.port.doRead()
        self.assertEqual(self.port.accepted, [100, 30])

    def test_full(self) -> None:
        """Nothing is accepted; after a moment the port is looked at again."""
        self.busy = 100
        self.port.doRead()
        self.assertEqual((self.port.accepted, self.port.reading, self.admission.shut), ([], False, 1))
        self.clock.advance(0.01)
        self.assertTrue(self.port.reading)
        self.busy = 99
        self.port.doRead()
        self.assertEqual(self.port.accepted, [1])

    def test_closed_meanwhile(self) -> None:
        self.busy = 100
        self.port.doRead()
        self.port.connected = False
        self.clock.advance(1)
        self.assertFalse(self.port.reading)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_a_burst_was_over(self) -> None:
        """Twisted accepts fewer after few have come: there is always room for one, if there is any."""
        self.port.numberAccepts = 0
        self.port.doRead()
        self.assertEqual(self.port.accepted, [1])

    def test_other_limit(self) -> None:
        self.admission.most = 1
        self.port.doRead()
        self.assertEqual(self.port.accepted, [1])
