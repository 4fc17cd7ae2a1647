"""Who errors of rooms are from: `by` (RFC 6120 section 8.3.2)."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Message, StanzaError
from xmppd.api.waiting import as_deferred
from xmppd.plugins.muc.service.signing import signed
from xmppd.wire.jid import Jid

MESSAGE = Message(Jid.parse("coven@conference.example.org/thirdwitch"), Jid.parse("hag66@example.org/pda"))


class Service:
    def __init__(self, error: StanzaError | None, pending: Deferred[None] | None = None) -> None:
        self.error, self.pending = error, pending

    @signed
    def message(self, message: Message) -> Awaitable[None] | None:
        """Take a message."""
        if self.pending is None and self.error is not None:
            raise self.error
        return self.pending


class Signed(SynchronousTestCase):
    def test_at_once(self) -> None:
        error = StanzaError("conflict", "wait", "Not now.", b"<a xmlns='b'/>")
        with self.assertRaises(StanzaError) as caught:
            Service(error).message(MESSAGE)
        self.assertEqual(caught.exception.by, "coven@conference.example.org")
        room = MESSAGE.recipient.bare
        self.assertEqual(caught.exception, StanzaError("conflict", "wait", "Not now.", b"<a xmlns='b'/>", room))
        self.assertIsNone(error.by)  # others may raise it again

    def test_later(self) -> None:
        pending: Deferred[None] = Deferred()
        coming = Service(None, pending).message(MESSAGE)
        assert coming is not None
        done = as_deferred(coming)
        self.assertNoResult(done)
        pending.errback(StanzaError("conflict"))
        self.assertEqual(self.failureResultOf(done, StanzaError).value.by, "coven@conference.example.org")

    def test_of_another(self) -> None:
        """Who has said already whose it is knows better."""
        with self.assertRaises(StanzaError) as caught:
            Service(StanzaError("conflict", by="example.org")).message(MESSAGE)
        self.assertEqual(caught.exception.by, "example.org")

    def test_nothing_wrong(self) -> None:
        self.assertIsNone(Service(None).message(MESSAGE))
