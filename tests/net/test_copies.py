"""Copies of a message for several devices that end, or acknowledge, in any order; also across kills (XEP-0198 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.core.durable.ledger import Ledger
from xmppd.testing import Client
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@example.org")


class CopiesCase(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline",)
    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 600, "queue_stanzas": 10}}

    def say(self, client: Client, text: str, to: str = "juliet@example.org", type: str = "chat") -> None:
        client.send(f"<message to='{to}' type='{type}'><body>{text}</body></message>")
        self.pump()

    def texts(self, client: Client) -> list[str]:
        self.pump()
        found = []
        while client._unread:
            element = client.take()
            if element.name == "message":
                found.append(str(element.body))
        return found


class Overflows(CopiesCase):
    def test_one_of_several(self) -> None:
        """A device that doesn't acknowledge ends while the others are given their copies: they get one."""
        romeo = self.login("romeo@example.org/orchard")
        lost, _ = self.enabled("juliet@example.org/balcony")
        lost.disconnect()
        juliet, _ = self.enabled("juliet@example.org/chamber")
        for number in range(11):
            self.say(romeo, str(number))
            juliet.send(f"<a xmlns='{SM}' h='{number + 1}'/>")
        self.assertEqual(self.texts(juliet), [str(number) for number in range(11)])

    def test_connected(self) -> None:
        """The same for one that has a connection, and does not acknowledge."""
        romeo = self.login("romeo@example.org/orchard")
        self.enabled("juliet@example.org/balcony")
        juliet, _ = self.enabled("juliet@example.org/chamber")
        for number in range(11):
            self.say(romeo, str(number))
            juliet.send(f"<a xmlns='{SM}' h='{number + 1}'/>")
        self.assertEqual(self.texts(juliet), [str(number) for number in range(11)])


class Taken(CopiesCase):
    def expire(self) -> None:
        self.pump(700, step=1.0)

    def test_by_a_device_that_does_not_acknowledge(self) -> None:
        """One device has it for all we will ever hear; after a kill the other's copy goes nowhere else."""
        romeo = self.login("romeo@example.org/orchard")
        lost, _ = self.enabled("juliet@example.org/balcony")
        lost.disconnect()
        juliet = self.login("juliet@example.org/chamber", presence=True)
        self.say(romeo, "1")
        self.assertEqual(self.texts(juliet), ["1"])
        self.kill()
        self.expire()
        juliet = self.login("juliet@example.org/chamber", presence=True)
        self.assertEqual(self.texts(juliet), [])

    def test_before_the_journal_was_shortened(self) -> None:
        """A device was recorded, then the other one has acknowledged its copy, and the journal begins behind that."""
        romeo = self.login("romeo@example.org/orchard")
        lost, _ = self.enabled("juliet@example.org/balcony")
        lost.disconnect()
        juliet, id_ = self.enabled("juliet@example.org/chamber")
        self.say(romeo, "1")
        self.shorten()
        juliet.send(f"<a xmlns='{SM}' h='1'/>")
        self.pump(2)
        self.shorten()
        self.kill()
        juliet = self.resumed("juliet@example.org/chamber", id_, 1)
        self.expire_one(juliet)
        self.assertEqual(self.texts(juliet), [])

    def expire_one(self, client: Client) -> None:
        for _ in range(14):
            self.pump(50, step=1.0)
            client.send(f"<a xmlns='{SM}' h='1'/>")
        self.assertEqual([session.jid.resource for session in self.host.sessions(JULIET)], ["chamber"])

    def shorten(self) -> None:
        """Have every session recorded, and the journal begin anew."""
        ledger: Ledger = self.server.server.ledger
        ledger._journal_octets = 0
        for _ in range(2):
            ledger.gathering()
            self.pump()
        ledger._journal_octets = 1 << 24
