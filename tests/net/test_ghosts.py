"""Clients without stream management that were there when the server was killed."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.net.c2s.test_management import SM, Managed
from tests.plugins.managed import ManagedTestCase
from xmppd.api import Plugin, SessionEnded, observe
from xmppd.core.durable.ghosts import lay_to_rest


class Ghosts(Managed):
    def _start(self) -> None:
        self.room = self.remote("rooms.example")
        super()._start()

    def befriend(self) -> None:
        """Let Romeo and Juliet see each other's presence."""
        for one, other in (("romeo", "juliet"), ("juliet", "romeo")):
            client = self.login(f"{one}@example.org/x", presence=True)
            for type_ in ("subscribe", "subscribed"):
                client.send(f"<presence to='{other}@example.org' type='{type_}'/>")
            client.close()

    def test_contacts_are_told(self) -> None:
        self.befriend()
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet.expect("<presence from='romeo@example.org/orchard' to='juliet@example.org'/>")
        self.pump()
        self.kill()
        self.pump(1, step=0.1)
        again = self.resuming(juliet.jid, id_, 2)
        again.expect(f"<resumed xmlns='{SM}' previd='{id_}' h='1'/>")
        again.expect(f"<presence from='{romeo.jid}' to='juliet@example.org' type='unavailable'/>")

    def test_others_are_told(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<presence to='verona@rooms.example/romeo'/>")
        self.room.expect("<presence from='romeo@example.org/orchard' to='verona@rooms.example/romeo'/>")
        self.kill()
        self.pump(1, step=0.1)
        self.room.expect(
            "<presence from='romeo@example.org/orchard' to='verona@rooms.example/romeo' type='unavailable'/>"
        )
        self.room.expect_nothing()
        self.kill()
        self.pump(1, step=0.1)
        self.room.expect_nothing()

    def test_not_those_who_have_left(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<presence to='verona@rooms.example/romeo'/>")
        romeo.close()
        self.kill()
        self.pump(1, step=0.1)
        self.room.expect_nothing()

    def test_not_those_who_are_back(self) -> None:
        """Their clients were faster than the server, which tells one after the other."""
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<presence to='verona@rooms.example/romeo'/>")
        self.room.clear()
        session = self.host.all_sessions()[0]
        self.wait(lay_to_rest(self.server.server, deque([(99, session)])), seconds=1)
        self.room.expect_nothing()


class Stuck(Plugin):
    """Takes for ever about sessions that have ended."""

    @observe(SessionEnded)
    def ended(self, event: SessionEnded) -> Deferred[None]:
        return Deferred()


class Interrupted(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence", Stuck)

    def _start(self) -> None:
        self.room = self.remote("rooms.example")
        super()._start()

    def _stop(self) -> None:
        self.kill()  # which waits for nobody
        self.server.server.ledger.stop()
        self.clock.calls.clear()

    def test_killed_again_before_they_were_told(self) -> None:
        """What is written down of those who are gone stays in the journal, also if that is shortened meanwhile."""
        for name in ("romeo", "paris", "tybalt"):
            client = self.login(f"{name}@example.org/x", presence=True)
            client.send(f"<presence to='verona@rooms.example/{name}'/>")
        for _ in range(3):
            self.kill()
            self.room.expect("<presence type='unavailable'>{any}</presence>")
            self.room.expect_nothing()
            self.server.server.ledger._journal_octets = 0
            self.server.server.ledger.gathering()
            self.pump()
