"""The walks of test_kills with phones that bind and resume in the step in which they log in (XEP-0388, XEP-0386)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

from tests.net import test_kills
from tests.net.sasl2 import SM, authenticate, bind, user_agent
from tests.net.test_kills import Dawdling
from xmppd.testing import ServerTestCase

_AGENT = "d4565fa7-4d72-4749-b3d3-{:012d}"


class Phone(test_kills.Phone):
    """A client with SASL2."""

    def __init__(self, case: ServerTestCase, jid: str, number: int) -> None:
        self.case, self.jid = case, jid
        self.h = self.sent = 0
        self.queue = deque()
        self.got = []
        self.more = user_agent(_AGENT.format(number))
        case.account(jid)
        self.log_in(self.more + bind(f"<enable xmlns='{SM}' resume='true'/>"))
        case.pump()
        id_ = re.search("<enabled [^>]*id='([^']+)'", self.client.received[-2])
        assert id_ is not None
        self.id = id_[1]
        self.client.clear()
        self.resumed = True
        self.send("<presence/>")

    def log_in(self, more: str) -> None:
        self.client = self.case.connect(name=self.jid)
        self.client.open("example.org")
        self.client.send(authenticate(self.jid.partition("@")[0], more=more))

    def resume(self) -> None:
        resume = f"<resume xmlns='{SM}' previd='{self.id}' h='{self.h}'/>"
        self.log_in(self.more + resume + bind(f"<enable xmlns='{SM}' resume='true'/>"))
        self.resumed = False

    def take(self) -> None:
        """Read what has come; what is in <success/> as if it had come by itself."""
        self.case.pump()
        self.client._unread = [_inner(xml) for xml in self.client._unread]
        super().take()


def _inner(xml: str) -> str:
    found = re.search("<(resumed|failed) .*?/>", xml) if xml.startswith("<success") else None
    return xml if found is None else found[0]


class Walks(test_kills.Walks):
    """Random walks; the seed is in the test's name."""

    def phones(self, jids: Sequence[str]) -> Sequence[Phone]:
        return [Phone(self, jid, number) for number, jid in enumerate(jids)]

    def walk(self, seed: int, steps: int = 80) -> None:
        super().walk(seed, steps)
        self.assertEqual(len(self.host.all_sessions()), 3)


class Kills(Walks):
    """With handlers that don't wait for anything."""

    plugins = ("roster", "presence", "offline")


class SlowKills(Walks):
    """With handlers that do, so that stanzas queue."""

    plugins = ("roster", "presence", "offline", Dawdling)


for _seed in range(25):
    setattr(Kills, f"test_{_seed}", test_kills._test(_seed))
    setattr(SlowKills, f"test_{_seed}", test_kills._test(_seed))
