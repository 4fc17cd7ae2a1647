"""Devices that come and go for good while the server is killed: every message is seen, by no session twice."""

from __future__ import annotations

import random
from typing import Any, ClassVar

from tests.net.test_kills import SM, Dawdling, Phone
from xmppd.testing import ServerTestCase
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid

SENDER = "romeo@example.org/a"
JULIET = Jid.parse("juliet@example.org")


class Device(Phone):
    """A client that may lose its session; it is another device then."""

    lost = False

    def take(self) -> None:
        if self.lost:
            return
        try:
            super().take()
        except AssertionError:
            self.lost = True


class LossWalks(ServerTestCase):
    """Random walks; the seed is in the test's name."""

    plugins: ClassVar[Any] = ("roster", "presence", "offline", "carbons", Dawdling)
    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 60, "queue_stanzas": 20}}

    def walk(self, seed: int, steps: int = 100) -> None:
        choice = random.Random(seed)
        self.account(JULIET)
        sender = Phone(self, SENDER)
        self.devices: list[Device] = []
        self.count = 0
        for _ in range(steps):
            self.step(choice, sender)
        self.disk.go_on()
        sender.cut()
        sender.resume()
        for _ in range(4):
            self.pump(1, step=0.01)
            sender.take()
            sender.client.send(f"<r xmlns='{SM}'/>")
            sender.client.send(f"<a xmlns='{SM}' h='{sender.h}'/>")
        self.assertEqual(list(sender.queue), [])
        self.end_all()
        last = Device(self, "juliet@example.org/last")
        for _ in range(50):
            self.pump(1, step=0.01)
            last.take()
            last.client.send(f"<a xmlns='{SM}' h='{last.h}'/>")
        self.check([*self.devices, last])

    def end_all(self) -> None:
        """All devices go, in whatever order their time is over."""
        for device in self.devices:
            device.take()
            if not device.lost and device.resumed:
                device.client.send(f"<a xmlns='{SM}' h='{device.h}'/>")
                device.client.disconnect()
        self.pump(130)

    def check(self, devices: list[Device]) -> None:
        for device in devices:
            numbers = [number for _, number in device.got]
            self.assertEqual(len(numbers), len(set(numbers)), f"{device.jid}: {numbers}")
        seen = {number for device in devices for _, number in device.got}
        self.assertEqual(sorted(set(range(1, self.count + 1)) - seen), [])

    def step(self, choice: random.Random, sender: Phone) -> None:
        alive = [device for device in self.devices if not device.lost]
        device = choice.choice(alive) if alive else None
        what = choice.choices(
            ("send", "take", "new", "again", "cut", "resume", "close", "kick", "kill", "stop", "let", "go on", "wait"),
            (50, 25, 4, 2, 5, 8, 2, 2, 3, 4, 10, 3, 2),
        )[0]
        if what == "send":
            self.count += 1
            sender.send(f"<message to='{JULIET}' type='chat'><body>{SENDER}:{self.count}</body></message>")
        elif what == "take":
            self.pump(choice.choice((0.0, 0.004, 0.011)), step=0.003)
            sender.take()
            if device is not None:
                device.take()
        elif what == "kill":
            self.kill()
            sender.resumed = False
            for one in self.devices:
                one.resumed = False
            self.disk.go_on()
            sender.resume()
        elif what == "wait":
            self.disk.go_on()
            for _ in range(2):
                sender.cut()
                sender.resume()
                self.pump(20)
                sender.take()
        elif what in ("stop", "let", "go on"):
            self.disk_step(what)
        else:
            self.device_step(choice, what, device)

    def disk_step(self, what: str) -> None:
        if what == "stop":
            self.disk.stopped = True
        elif what == "go on":
            self.disk.go_on()
        elif self.disk.waiting:
            self.disk.let(1)
            self.pump()

    def device_step(self, choice: random.Random, what: str, device: Device | None) -> None:
        if what == "new" or (what == "again" and device is not None):
            resource = f"d{len(self.devices)}" if what == "new" else device.jid.partition("/")[2]  # type: ignore[union-attr]
            self.disk.go_on()
            if what == "again":
                assert device is not None
                self.device_step(choice, "kick", device)
                self.pump(1, step=0.01)
            self.devices.append(Device(self, f"{JULIET}/{resource}"))
        elif device is None:
            return
        elif what == "cut":
            device.cut()
        elif what == "resume" and not device.resumed:
            self.disk.go_on()
            device.resume()
        elif what == "close":
            device.take()
            device.client.close()
            device.lost = True
        elif what == "kick":
            session = self.host.session(Jid.parse(device.jid))
            if session is not None:
                device.take()
                device.lost = True
                session.close(StreamError(StreamCondition.POLICY_VIOLATION))


def _test(seed: int) -> object:
    return lambda self: self.walk(seed)


for _seed in range(40):
    setattr(LossWalks, f"test_{_seed}", _test(_seed))
