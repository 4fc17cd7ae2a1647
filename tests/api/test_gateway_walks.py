"""Gateways whose server is killed at any moment, with a network that takes, refuses, hangs, and forgets to answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar

from twisted.internet.defer import Deferred

from xmppd.api import Jid
from xmppd.api.gateway import Gateway, Outgoing, TryAgain
from xmppd.testing import Client, ServerTestCase

ROMEO = "romeo@example.org/orchard"
MESSAGE = "<message to='{}@walk.example.org' type='chat' id='{}'><body>{}</body></message>"
PING = "<iq type='get' to='example.org' id='{}'><ping xmlns='urn:xmpp:ping'/></iq>"
CONTACTS = ("nurse", "friar", "juliet")


class Network:
    """The other network: it outlives the server.

    :ivar got: (contact, text, was the gateway uncertain?) of all messages that it has taken.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.calm = False
        self.got: list[tuple[str, str, bool]] = []
        self.hanging: list[Deferred[None]] = []

    async def send(self, contact: str, message: Outgoing) -> None:
        what = 1.0 if self.calm else self.chance.random()
        if what < 0.3:
            raise TryAgain("busy")
        if what < 0.4:
            self.hanging.append(Deferred())
            await self.hanging[-1]  # nobody knows whether it has come
        self.got.append((contact, message.body, message.uncertain))
        if what < 0.5:
            self.hanging.append(Deferred())
            await self.hanging[-1]  # it has, but the answer never comes
        if what < 0.6:
            raise TryAgain("the answer was lost", uncertain=True)


class Walk(Gateway):
    """A gateway to it."""

    network = "walk"
    there: ClassVar[Network]

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> None:
        await self.there.send(contact, message)


class Walks(ServerTestCase):
    plugins = ("ping", Walk)
    config = {
        "walk": {
            "retry_seconds": 1.0, "retry_max_seconds": 4.0, "attempt_seconds": 3.0, "per_minute": 100_000, "per_day": 0,
            "per_month": 0, "waiting": 10_000,
        },
        "limits": {"idle_ping_seconds": 100_000},
    }  # fmt: skip

    def walk(self, seed: int, steps: int = 60) -> None:
        chance = random.Random(seed)
        network = Walk.there = Network(chance)
        self.romeo = self.come()
        self.romeo.send("<iq type='set' to='walk.example.org' id='r'><query xmlns='jabber:iq:register'/></iq>")
        accepted: list[tuple[str, str]] = []
        number = 0
        for _ in range(steps):
            step = chance.random()
            if step < 0.6:
                number += 1
                contact = chance.choice(CONTACTS)
                if chance.random() < 0.5:
                    self.disk.stopped = True
                self.romeo.send(MESSAGE.format(contact, number, f"m{number}"))
                self.romeo.send(PING.format(f"p{number}"))
                self.pump()
                if chance.random() < 0.7:
                    self.disk.go_on()
                    self.pump()
                if any(f"id='p{number}'" in xml for xml in self.romeo.received):
                    accepted.append((contact, f"m{number}"))  # now the server has said that it has it
            elif step < 0.8:
                self.disk.go_on()
                self.pump(chance.choice((0.5, 1, 3)), step=0.5)
            elif step < 0.9:
                self.kill()
                self.romeo = self.come()
            else:
                self.disk.go_on()
                self.restart()
                self.romeo = self.come()
        self.disk.go_on()
        network.calm = True
        self.pump(30)
        self.check(accepted, network.got, seed)

    def come(self) -> Client:
        self.disk.go_on()
        return self.login(ROMEO)

    def check(self, accepted: list[tuple[str, str]], got: list[tuple[str, str, bool]], seed: int) -> None:
        texts = [text for _, text, _ in got]
        for _, text in accepted:
            self.assertIn(text, texts, f"seed {seed}: {text} is lost")
        for place, (_, text, uncertain) in enumerate(got):
            if text in texts[:place]:
                self.assertTrue(uncertain, f"seed {seed}: {text} came twice, and the gateway wasn't told")
        for contact in CONTACTS:
            first = list(dict.fromkeys(int(text[1:]) for name, text, _ in got if name == contact))
            self.assertEqual(first, sorted(first), f"seed {seed}: the order is wrong")
        self.assertEqual(self.plugin("walk").queue.length, 0)


def _walk(seed: int) -> Callable[[Walks], None]:
    return lambda case: case.walk(seed)


for _seed in range(6):
    setattr(Walks, f"test_walk_{_seed}", _walk(_seed))
