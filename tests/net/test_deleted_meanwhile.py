"""An account is deleted while a message to it is being handled: who has its name later gets nothing of that."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, ensureDeferred

from tests.plugins.managed import ManagedTestCase
from xmppd.api import Message, Phase, Plugin, ToAccount, filter
from xmppd.wire.jid import Jid

JULIET = Jid.parse("juliet@example.org")


class Slow(Plugin):
    """Messages take their time when they have reached the account."""

    waiting: ClassVar[list[Deferred[None]]]

    async def start(self) -> None:
        type(self).waiting = []

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,), before=("offline",))
    def received(self, event: ToAccount) -> Awaitable[None]:
        self.waiting.append(Deferred())
        return self.waiting[-1]


class Deleted(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline", "archive", Slow)

    def setUp(self) -> None:
        super().setUp()
        self.account(JULIET)
        romeo, _ = self.enabled("romeo@example.org/orchard")
        romeo.send(f"<message to='{JULIET}' type='chat'><body>for the first Juliet</body></message>")
        self.pump()
        self.deleted = ensureDeferred(self.host.delete_account(JULIET))
        self.pump()

    def test_nothing_is_left(self) -> None:
        Slow.waiting[0].callback(None)
        self.pump()
        self.assertTrue(self.successResultOf(self.deleted))
        self.account(JULIET)
        juliet = self.login(f"{JULIET}/balcony")
        juliet.send("<presence/><iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        self.pump()
        self.assertNotIn("first Juliet", "".join(juliet.received))

    def test_not_for_ever(self) -> None:
        """A handler that hangs keeps no account alive."""
        self.assertNoResult(self.deleted)
        self.pump(20)
        self.assertTrue(self.successResultOf(self.deleted))
        Slow.waiting[0].callback(None)
