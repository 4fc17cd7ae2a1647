"""Random walks: whatever comes and goes, each stanza for a component arrives once and in order, or comes back.

A connection in memory takes at once what is written to it, so none is lost with it.
"""

from __future__ import annotations

import random
import re

from xmppd.testing import Client, ComponentClient, ServerTestCase

IRC = "irc.example.org"
_ID = re.compile(r" id='(\d+)-(\d+)'")


class WalkTests(ServerTestCase):
    plugins = ("roster", "presence", "archive", "disco")
    components = {IRC: {"connections": 2, "queue_seconds": 10, "queue_stanzas": 6}}

    def setUp(self) -> None:
        super().setUp()
        self.users = [self.login(f"user{number}@example.org/x") for number in range(3)]
        self.arrived: list[tuple[int, int]] = []

    def connect_one(self) -> ComponentClient:
        component = self.component(IRC, enter=False)
        note = component._arrived

        def arrived(xml: str) -> None:
            found = _ID.search(xml)
            if xml.startswith("<message") and found:
                self.arrived.append((int(found[1]), int(found[2])))
            note(xml)

        component._arrived = arrived  # type: ignore[method-assign]
        component.enter()
        return component

    def walk(self, seed: int, steps: int = 60) -> None:
        chance = random.Random(seed)
        connected: list[ComponentClient] = []
        sent = [0] * len(self.users)
        self.arrived.clear()
        for user in self.users:
            user.clear()
        for _ in range(steps):
            step = chance.random()
            if step < 0.6:
                which = chance.randrange(len(self.users))
                sent[which] += 1
                body = f"<body>{'x' * chance.randrange(50)}</body>"
                self.users[which].send(f"<message to='{IRC}' type='chat' id='{which}-{sent[which]}'>{body}</message>")
            elif step < 0.7:
                connected = [one for one in connected if not one.ended]
                connected.append(self.connect_one())
            elif step < 0.8 and connected:
                one = connected.pop(chance.randrange(len(connected)))
                chance.choice((one.disconnect, one.close))()
            elif step < 0.9:
                self.pump(chance.choice((0, 0.1, 1, 6)))
            else:
                self.disk.stopped = not self.disk.stopped
                if not self.disk.stopped:
                    self.disk.go_on()
        self.disk.go_on()
        self.pump(1)
        self.connect_one()
        self.pump(30)
        self.check(sent)

    def check(self, sent: list[int]) -> None:
        for which, user in enumerate(self.users):
            there = [number for sender, number in self.arrived if sender == which]
            back = self.returned(user)
            self.assertEqual(there, sorted(set(there)), "in order, and once")
            self.assertEqual(sorted(there + back), list(range(1, sent[which] + 1)), "there, or back")

    def returned(self, user: Client) -> list[int]:
        found = (_ID.search(xml) for xml in user.received if " type='error'" in xml)
        return [int(match[2]) for match in found if match]

    def test_walks(self) -> None:
        for seed in range(40):
            with self.subTest(seed=seed):
                self.walk(seed)
