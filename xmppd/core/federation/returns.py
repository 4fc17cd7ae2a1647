"""What can't be sent to another server goes back to where it came from (RFC 6120 section 8.3)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twisted.logger import Logger

from xmppd.api.waiting import settled
from xmppd.core.arrivals import handle
from xmppd.core.durable.units import Unit
from xmppd.core.federation.remote import Remotes
from xmppd.core.federation.store import Store
from xmppd.wire.errors import StanzaError
from xmppd.wire.stanza import Presence, Stanza

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Returns"]

_log = Logger()
#: Presence whose sender learns from :class:`xmppd.api.ServerUnreachable` what he has to, and not by an error for each.
_SILENT = ("available", "unavailable", "probe")
#: But who wants to enter a room (XEP-0045 section 7.2) waits for an answer.
_MUC = "http://jabber.org/protocol/muc"


class Returns:
    """Gives stanzas back.

    :param remotes: what is known of other domains.
    :param store: the messages under way.
    :ivar counts: how many there were, by the condition of the error.
    """

    def __init__(self, server: Server, remotes: Remotes, store: Store) -> None:
        self._server = server
        self._remotes = remotes
        self._store = store
        self.counts: Counter[str] = Counter()

    def answer(self, stanza: Stanza, error: StanzaError, sent: bool = False) -> Stanza | None:
        """A stanza can't be sent; return what its sender is told, if anything.

        :param sent: it was sent, and may have arrived.
        """
        self.counts[error.condition] += 1
        if stanza.from_ is None or stanza.from_.domain not in self._server.router.owners:
            # Neither domain is ours: somebody would have this server relay. Nobody may be answered either.
            _log.warn("a stanza from {who} to {whom} is not ours to pass on", who=stanza.from_, whom=stanza.to)
            return None
        if isinstance(stanza, Presence) and stanza.type in _SILENT and (sent or not stanza.has(_MUC, "x")):
            remote = self._remotes.get(stanza.recipient.domain)
            if remote is not None:
                remote.lost = True  # when it is found, it has to be told who is here
            return None
        return self._server.router.refusal(stanza, error)

    def bounce(self, stanza: Stanza, error: StanzaError, sent: bool = False) -> None:
        """Give a stanza back to its sender some time after it was taken, and forget it in the same unit of work.

        :param sent: see :meth:`answer`.
        """
        reply = self.answer(stanza, error, sent)
        if reply is None:
            self._store.forget((stanza,))
            return
        unit = Unit(octets=len(reply.payload))
        self._store.forget_with(stanza, unit)
        try:
            pending = handle(self._server, reply, unit)
        except Exception:
            _log.failure("what was for {whom} could not be given back", whom=stanza.to)
            return
        if pending is not None:
            self._server.spawn(settled(pending), f"giving back what was for {stanza.to}")
