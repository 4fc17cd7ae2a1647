"""The walks of phones on bad networks, of a server that is killed at any moment, with BOSH in between."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import ClassVar

from tests.net import test_kills
from xmppd.api import Plugin
from xmppd.testing.bosh import BoshClient


class BoshWalks(test_kills.Walks):
    """Connections break besides, in the middle of requests and answers; the session goes on."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("roster", "presence", "offline")
    over = "bosh"

    def disturb(
        self, choice: random.Random, what: str, phone: test_kills.Phone, phones: Sequence[test_kills.Phone]
    ) -> None:
        client = phone.client
        assert isinstance(client, BoshClient)
        if what == "cut" and choice.random() < 0.5:
            client.fade()
            phone.resumed = False
            return
        super().disturb(choice, what, phone, phones)
        client = phone.client
        assert isinstance(client, BoshClient)
        if phone.resumed and choice.random() < 0.2:
            client.break_lines()
            client.resend_all()


class SlowBoshWalks(BoshWalks):
    """With handlers that wait for something, so that stanzas queue, and requests."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("roster", "presence", "offline", test_kills.Dawdling)


for _seed in range(30):
    setattr(BoshWalks, f"test_{_seed}", lambda self, seed=_seed: self.walk(seed))
    setattr(SlowBoshWalks, f"test_{_seed}", lambda self, seed=_seed + 100: self.walk(seed))
