"""Gateways that are stopped, loaded anew or given other options while messages are on their way."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from twisted.internet.defer import Deferred

from tests.api.test_gateway_queue import PAGER, Pager, PagerTestCase
from xmppd.api import Jid
from xmppd.api.gateway import Outgoing

#: What all gateways of a test have sent, whichever runs.
_SENT: list[tuple[str, bool]] = []


class Stubborn(Pager):
    """Takes its time before it accepts what says so."""

    name = "pager"
    checking: Deferred[None] | None = None

    async def check(self, user: Jid, contact: str, message: Outgoing) -> None:
        if message.body == "check":
            type(self).checking = waiting = Deferred[None]()
            await waiting

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> Any:
        _SENT.append((message.body, message.uncertain))
        return await super().outgoing(user, contact, message)


class StoppingTests(PagerTestCase):
    plugins = ("roster", "presence", "offline", Stubborn)

    def setUp(self) -> None:
        super().setUp()
        _SENT.clear()

    def reload(self, seconds: float = 0.0) -> None:
        """Load the gateway anew; the disk, if it was stopped, goes on after a moment."""
        coming = Deferred.fromCoroutine(self.host.registry.reload("pager"))
        self.pump()
        self.disk.go_on()
        self.wait(coming, seconds)
        self.pump(5)

    def test_accepted_at_that_moment(self) -> None:
        """A message that is not on disk yet is sent by the gateway that follows, and not forgotten until a restart."""
        self.disk.stopped = True
        self.send("a")
        self.reload()
        self.assertEqual((_SENT, self.rows("queue")), ([("a", False)], 0))

    def test_beginning_at_that_moment(self) -> None:
        """An attempt that is only noted on disk is not begun any more, or there would be two."""
        self.disk.stopped = True
        self.send("a")
        self.disk.let()  # it is accepted, and the attempt is noted next
        self.pump()
        self.assertEqual((_SENT, self.disk.waiting), ([], 1))
        self.reload()
        self.assertEqual((_SENT, self.rows("queue")), ([("a", False)], 0))

    def test_sent_at_that_moment(self) -> None:
        """What was sent, which is noted on disk next, is not sent again by the gateway that follows."""
        sending: Deferred[None] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        self.disk.stopped = True
        sending.callback(None)
        self.pump()
        self.assertEqual((_SENT, self.disk.waiting), ([("a", False)], 1))
        self.reload()
        self.assertEqual((_SENT, self.rows("queue")), ([("a", False)], 0))

    def test_sent_while_the_database_does_not_work(self) -> None:
        sending: Deferred[None] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        self.disk.broken = "full"
        sending.callback(None)
        self.pump(1)
        self.disk.broken = None
        self.reload()
        self.assertEqual((_SENT, self.rows("queue")), ([("a", False)], 0))

    def test_a_database_that_does_not_answer(self) -> None:
        """Stopping is not held up for ever."""
        self.disk.stopped = True
        self.send("a")
        self.wait(self.host.registry.disable("pager"), 30)
        self.disk.go_on()
        self.wait(self.host.registry.enable("pager"))
        self.pump(1)
        self.assertEqual(_SENT, [("a", False)])

    def test_accepted_too_late(self) -> None:
        """What is still being looked at is refused: nobody would send it."""
        self.send("check")
        self.pump()
        self.wait(self.host.registry.disable("pager"), 30)
        assert Stubborn.checking is not None
        Stubborn.checking.callback(None)
        self.expect_error("check", "wait", "recipient-unavailable")
        with self.server.engines.read.connect() as connection:
            self.assertEqual(connection.scalar(text("SELECT count(*) FROM pager_queue")), 0)

    def test_another_domain(self) -> None:
        """What waits under the old address stays there, and what is under way is noted there."""
        self.romeo.send(f"<presence to='{PAGER}'/>")
        self.pump()
        self.romeo.clear()
        sending: Deferred[None] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        options = {**self.config["pager"], "domain": "beeper.example.org"}
        self.clock.callLater(1, sending.callback, None)
        self.wait(self.host.registry.reconfigure("pager", options), 30)
        self.pump(1)
        self.assertEqual((_SENT, self.rows("queue")), ([("a", False)], 0))
        self.romeo.expect(f"<presence type='unavailable' from='{PAGER}'/>")
