"""What a client had sent before its connection was lost, and is only handled then (XEP-0198 section 5)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.plugins.managed import ManagedTestCase
from xmppd.api import FromClient, Message, Plugin, filter
from xmppd.wire.jid import Jid


class Slow(Plugin):
    """Messages take their time."""

    waiting: ClassVar[list[Deferred[None]]]

    async def start(self) -> None:
        type(self).waiting = []

    @filter(FromClient, kinds=(Message,))
    def sent(self, event: FromClient) -> Awaitable[None] | None:
        self.waiting.append(Deferred())
        return self.waiting[-1]


class Hibernating(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence", Slow)

    def test_presence(self) -> None:
        """It is counted as handled, so it has to be."""
        jid = Jid.parse("juliet@example.org/balcony")
        juliet, id_ = self.enabled(str(jid), presence=False)
        juliet.send("<message to='juliet@example.org'><body>1</body></message><presence><show>away</show></presence>")
        juliet.disconnect()
        Slow.waiting[0].callback(None)
        self.pump()
        juliet = self.resuming(str(jid), id_, 0)
        juliet.expect(f"<resumed xmlns='urn:xmpp:sm:3' previd='{id_}' h='2'/>")
        session = self.host.session(jid)
        assert session is not None
        self.assertIsNotNone(session.presence)
