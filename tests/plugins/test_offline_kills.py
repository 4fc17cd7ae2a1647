"""Devices that come and go while messages wait, or are stored or delivered, and a server that is killed at any moment.

A client with stream management gets everything once and in order. One without it gets everything at least once.
"""

from __future__ import annotations

import gc
import random
import re
from collections.abc import Awaitable
from typing import ClassVar

from twisted.internet.defer import Deferred

from tests.net import test_kills
from xmppd.api import Message, Phase, Plugin, ToDevice, Undeliverable, filter
from xmppd.testing import Client, ServerTestCase

JULIET = "juliet@example.org/balcony"
_BODY = re.compile("<body>m:(\\d+)</body>")


class Device(test_kills.Phone):
    """Juliet's: it has stream management, and at times it is not there."""

    def show(self, what: str) -> None:
        self.send({"away": "<presence type='unavailable'/>", "back": "<presence/>"}.get(what, what))

    def say_goodbye(self) -> None:
        """Acknowledge everything, and end the session."""
        self.case.disk.go_on()
        if not self.resumed:
            self.resume()
        self.settle()
        self.client.send(f"<a xmlns='{test_kills.SM}' h='{self.h}'/>")
        self.client.close()
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            self.take()
            self.case.pump(0.2, step=0.01)
        self.take()


class Plain:
    """A device without stream management: what came over its connection is what it has."""

    def __init__(self, case: ServerTestCase) -> None:
        self.case = case
        self.got: list[int] = []
        self.client: Client | None = None

    def come(self) -> None:
        self.case.disk.go_on()
        self.client = self.case.login(JULIET)

    def take(self) -> None:
        if self.client is not None:
            unread, self.client._unread = self.client._unread, []
            self.got += [int(body[1]) for xml in unread if (body := _BODY.search(xml))]


class Dawdling(Plugin):
    """Some messages take their time before they are stored, and on their way to a device."""

    @filter(Undeliverable, Phase.POLICY, kinds=(Message,))
    def before(self, event: Undeliverable) -> Awaitable[None] | None:
        return self.wait(event.stanza, 3)

    @filter(ToDevice, kinds=(Message,))
    def after(self, event: ToDevice) -> Awaitable[None] | None:
        return self.wait(event.stanza, 4) if isinstance(event.stanza, Message) else None

    def wait(self, message: Message, every: int) -> Awaitable[None] | None:
        body = re.search("m:(\\d+)", message.body or "")
        if body is None or int(body[1]) % every:
            return None
        done: Deferred[None] = Deferred()
        self.clock.callLater(0.01, done.callback, None)
        return done


class Walks(ServerTestCase):
    """Random walks; the seed is in the test's name."""

    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("roster", "presence", "offline")
    config = {"stream_management": {"hibernation_seconds": 20}}

    def setUp(self) -> None:
        super().setUp()
        self.account(JULIET)
        self.romeo = test_kills.Phone(self, "romeo@example.org/orchard")
        self.number = 0

        self.addCleanup(self.bury_the_dead)

    def bury_the_dead(self) -> None:
        """What a killed server was waiting for is closed in any order, and tells others that are closed already."""
        gc.collect()
        self.pump(0.1, step=0.01)
        for failure in self.flushLoggedErrors(RuntimeError):
            self.assertIn("cannot reuse already awaited coroutine", failure.getErrorMessage())

    def message(self) -> None:
        self.number += 1
        self.romeo.send(f"<message to='juliet@example.org' type='chat'><body>m:{self.number}</body></message>")

    def common_step(self, choice: random.Random, what: str) -> None:
        """What has nothing to do with the device."""
        if what == "send":
            self.message()
        elif what == "time":
            self.pump(choice.choice((0.0, 0.004, 0.011)), step=0.003)
            self.romeo.take()
        elif what == "resume" and not self.romeo.resumed:
            self.disk.go_on()
            self.romeo.resume()
            self.romeo.take()
        elif what == "stop":
            self.disk.stopped = True
        elif what == "let" and self.disk.waiting:
            self.disk.let(1)
        elif what == "go on":
            self.disk.go_on()

    def finish_romeo(self) -> None:
        self.disk.go_on()
        self.romeo.cut()
        self.romeo.resume()
        for _ in range(5):
            self.romeo.take()
            self.romeo.client.send(f"<r xmlns='{test_kills.SM}'/>")
            self.pump(0.1, step=0.01)
        self.romeo.take()
        self.assertEqual(list(self.romeo.queue), [])


class Managed(Walks):
    """Exactly once, in order."""

    def walk(self, seed: int, steps: int = 100) -> None:
        choice = random.Random(seed)
        device: Device | None = None
        got: list[int] = []
        weights = {
            "send": 40, "time": 25, "resume": 8, "stop": 8, "let": 20, "go on": 4, "kill": 3, "kill after commit": 3,
            "come": 10, "bye": 3, "away": 8, "back": 12, "<presence><priority>-1</priority></presence>": 3, "take": 20,
            "cut": 4, "return": 12, "lose": 2,
        }  # fmt: skip
        for _ in range(steps):
            (what,) = choice.choices(list(weights), list(weights.values()))
            if what.startswith("kill"):
                if what == "kill after commit" and self.disk.waiting:
                    self.disk.let_unseen()
                self.kill()
                self.romeo.resumed = False
                if device is not None:
                    device.resumed = False
            elif what == "come" and device is None:
                device = self.come()
            elif device is not None:
                device = self.device_step(device, what, got)
            self.common_step(choice, what)
        self.finish_romeo()
        if device is not None:
            self.leave(device, got)
        device = self.come()
        self.leave(device, got)
        self.assertEqual(got, list(range(1, self.number + 1)))

    def come(self) -> Device:
        self.disk.go_on()
        return Device(self, JULIET)

    def leave(self, device: Device, got: list[int]) -> None:
        device.say_goodbye()
        got += [number for _, number in device.got]

    def device_step(self, device: Device, what: str, got: list[int]) -> Device | None:
        if what == "bye":
            self.leave(device, got)
            return None
        if what in ("away", "back") or what[0] == "<":
            device.show(what)
        elif what == "take":
            device.take()
        elif what == "cut":
            device.cut()
        elif what == "return" and not device.resumed:
            self.disk.go_on()
            device.resume()
            device.take()
        elif what == "lose":
            self.lose(device, got)
            return None
        return device

    def lose(self, device: Device, got: list[int]) -> None:
        """It never comes back, with messages on their way: they go to the next device."""
        self.disk.go_on()
        if not device.resumed:
            device.resume()
        device.settle()
        device.client.send(f"<a xmlns='{test_kills.SM}' h='{device.h}'/>")
        self.pump(2)
        device.take()
        device.client.send(f"<a xmlns='{test_kills.SM}' h='{device.h}'/>")
        if not self.romeo.resumed:
            self.romeo.resume()
            self.romeo.take()
        for _ in range(3):
            self.message()
        self.pump(0.02, step=0.01)
        device.cut()
        self.message()
        for _ in range(25):
            self.pump(1)
            self.romeo.take()
        self.pump(0.2, step=0.01)  # what it has left goes on its way
        got += [number for _, number in device.got]


class SlowlyManaged(Managed):
    """With handlers that wait in between."""

    plugins = ("roster", "presence", "offline", Dawdling)


class Unmanaged(Walks):
    """At least once, in order but for what comes again."""

    def walk(self, seed: int, steps: int = 100) -> None:
        choice = random.Random(seed)
        device = Plain(self)
        weights = {
            "send": 40, "time": 25, "resume": 8, "stop": 8, "let": 20, "go on": 4, "kill": 4,
            "come": 20, "bye": 5, "away": 8, "back": 15,
        }  # fmt: skip
        for _ in range(steps):
            (what,) = choice.choices(list(weights), list(weights.values()))
            if what == "kill":
                device.take()
                self.kill()
                self.romeo.resumed, device.client = False, None
            elif what == "come" and device.client is None:
                device.come()
            elif device.client is not None:
                self.device_step(device, what)
            self.common_step(choice, what)
        self.finish_romeo()
        if device.client is None:
            device.come()
        self.device_step(device, "back")
        self.pump(0.5, step=0.01)
        device.take()
        firsts = list(dict.fromkeys(device.got))
        self.assertEqual(firsts, list(range(1, self.number + 1)))

    def device_step(self, device: Plain, what: str) -> None:
        assert device.client is not None
        if what == "bye":
            self.disk.go_on()
            device.client.send("<presence type='unavailable'/>")
            self.pump(0.1, step=0.01)
            device.take()
            device.client.close()
            self.pump(0.1, step=0.01)
            device.client = None
        elif what == "away":
            device.client.send("<presence type='unavailable'/>")
        elif what == "back":
            device.client.send("<presence/>")


class SlowlyUnmanaged(Unmanaged):
    """With handlers that wait in between."""

    plugins = ("roster", "presence", "offline", Dawdling)


def _test(seed: int) -> object:
    return lambda self: self.walk(seed)


for _seed in range(15):
    for _case in (Managed, SlowlyManaged, Unmanaged, SlowlyUnmanaged):
        setattr(_case, f"test_{_seed}", _test(_seed))
