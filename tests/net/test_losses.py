"""Sessions that are lost for good while the server is killed: what they have left goes elsewhere, once (XEP-0198 4)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.plugins.managed import ManagedTestCase
from xmppd.api import FromClient, Handled, Message, Plugin, ToAccount, filter, settled
from xmppd.testing import Client
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@example.org")


class Doorman(Plugin):
    """Let some messages wait, when they are sent or when they come again, until the test lets them go."""

    waiting: ClassVar[list[Deferred[None]]]

    async def start(self) -> None:
        type(self).waiting = []

    @filter(FromClient, kinds=(Message,))
    def sent(self, event: FromClient) -> Awaitable[None] | None:
        return self.wait() if event.stanza.has("urn:example:slow", "sent") else None

    @filter(ToAccount, kinds=(Message,))
    def again(self, event: ToAccount) -> Awaitable[None] | None:
        return self.wait() if event.stanza.again and event.stanza.has("urn:example:slow", "again") else None

    def wait(self) -> Deferred[None]:
        self.waiting.append(Deferred())
        return self.waiting[-1]


class SendsTwice(Plugin):
    """Wait when a message has been sent to its device, with more to do."""

    @filter(FromClient, kinds=(Message,), after=("doorman",))
    async def sent(self, event: FromClient) -> Handled | None:
        if event.stanza.has("urn:example:slow", "later"):
            await settled(self.host.route(event.stanza))
            Doorman.waiting.append(Deferred())
            await Doorman.waiting[-1]
            return Handled()
        return None


class LossCase(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline", Doorman)
    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 60}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def say(self, text: str, slow: str = "") -> None:
        inside = f"<{slow} xmlns='urn:example:slow'/>" if slow else ""
        self.romeo.send(f"<message to='juliet@example.org' type='chat'><body>{text}</body>{inside}</message>")

    def texts(self, client: Client) -> list[str]:
        client.send("<presence/>")
        self.pump()
        messages = (element for element in self.taken(client) if element.name == "message")
        return [str(element.body) for element in messages]

    def taken(self, client: Client) -> list[Any]:
        found = []
        while client._unread:
            found.append(client.take())
        return found


class Losses(LossCase):
    def test_killed_in_the_middle(self) -> None:
        """The first has gone elsewhere, the second is on its way: after the start the rest follows."""
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.say("1")
        self.say("2", "again")
        self.say("3")
        self.pump()
        juliet.disconnect()
        self.pump(70)
        self.assertEqual(len(Doorman.waiting), 1)
        self.assertEqual(self.plugin("offline").count(JULIET), 1)
        self.kill()
        self.pump()
        for waiting in Doorman.waiting:
            waiting.callback(None)
        self.pump()
        chamber = self.login("juliet@example.org/chamber")
        self.assertEqual(self.texts(chamber), ["1", "2", "3"])

    def test_can_not_be_resumed_any_more(self) -> None:
        """Part of what it has left is gone already."""
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        self.say("1")
        self.say("2", "again")
        self.pump()
        juliet.disconnect()
        self.pump(70)
        self.kill()
        self.resuming("juliet@example.org/balcony", id_, 0).expect(
            "<failed xmlns='urn:xmpp:sm:3' h='{any}'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )
        Doorman.waiting[0].callback(None)
        self.pump()


class Ended(LossCase):
    """The session ends while the handling of a message to it is not over."""

    plugins = ("offline", Doorman, SendsTwice)

    def send_and_lose(self) -> None:
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.say("1", "later")
        self.pump()
        juliet.disconnect()
        self.pump(70)
        self.assertIsNone(self.host.session(Jid.parse("juliet@example.org/balcony")))
        self.assertEqual(self.plugin("offline").count(JULIET), 0)

    def test_goes_elsewhere(self) -> None:
        self.send_and_lose()
        Doorman.waiting[0].callback(None)
        self.pump()
        self.assertEqual(self.texts(self.login("juliet@example.org/chamber")), ["1"])

    def test_other_devices_have_it(self) -> None:
        """They are given their copies only after the one that has ended."""
        for managed in (True, False):
            gone = (
                self.enabled("juliet@example.org/balcony")[0] if managed else self.login("juliet@example.org/balcony")
            )
            gone.send("<presence/>")
            juliet, _ = self.enabled("juliet@example.org/chamber")
            self.say("1", "later")
            gone.close()
            self.pump()
            self.assertIsNone(self.host.session(Jid.parse("juliet@example.org/balcony")))
            juliet.clear()
            Doorman.waiting[-1].callback(None)
            self.pump()
            self.assertEqual([str(e.body) for e in self.taken(juliet) if e.name == "message"], ["1"])
            juliet.close()
            self.pump()
            self.assertEqual(self.texts(self.login("juliet@example.org/chamber")), ["1"])  # not acknowledged

    def test_killed_when_the_handling_is_over(self) -> None:
        """What is promised by the commit is kept after it, though the session had ended before."""
        self.send_and_lose()
        self.disk.stopped = True
        Doorman.waiting[0].callback(None)
        self.pump()
        self.disk.let_unseen()
        self.kill()
        self.assertEqual(self.texts(self.login("juliet@example.org/chamber")), ["1"])

    def test_killed_while_it_goes_elsewhere(self) -> None:
        """It is written down with the session that had it, until it is somewhere else."""
        juliet, _ = self.enabled("juliet@example.org/balcony")
        self.romeo.send(
            "<message to='juliet@example.org' type='chat'><body>1</body>"
            "<later xmlns='urn:example:slow'/><again xmlns='urn:example:slow'/></message>"
        )
        juliet.disconnect()
        self.pump(70)
        Doorman.waiting[0].callback(None)
        self.pump()
        self.assertEqual((len(Doorman.waiting), self.plugin("offline").count(JULIET)), (2, 0))
        self.kill()
        self.pump()
        Doorman.waiting[0].callback(None)
        self.pump()
        self.assertEqual(self.texts(self.login("juliet@example.org/chamber")), ["1"])
