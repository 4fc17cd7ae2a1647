"""Who owns the address a stanza is for: a host of ours, a component, or another server (RFC 6120 section 10)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from xmppd.wire import stanza_id
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Stanza

__all__ = ["Owner", "Router", "iq_key"]


def iq_key(iq: Iq) -> str:
    """Return the key of a get or set in the handler tables."""
    return iq.type + iq.raw_names[0]


class Owner(Protocol):
    """Takes the stanzas for the domains it owns."""

    @property
    def federates(self) -> bool:
        """Do its domains talk with other servers?"""

    def receive(self, stanza: Stanza) -> Awaitable[None] | None:
        """Deal with a stanza whose `to` is in a domain of this owner. Await what is returned, if anything."""


class Router:
    """Domains and their owners.

    :ivar elsewhere: the owner of all others.
    """

    elsewhere: Owner

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {}

    def route(self, stanza: Stanza) -> Awaitable[None] | None:
        """Hand a stanza, with `to` and proven `from_`, to the owner of its domain."""
        to = stanza.to
        assert to is not None
        return (self.owners.get(to.domain) or self.elsewhere).receive(stanza)

    def bounce(self, stanza: Stanza, error: StanzaError, by: Jid | None = None) -> Awaitable[None] | None:
        """Tell the sender about an error, if the stanza may be answered (RFC 6120 8.3.1).

        :param by: whom the error comes from if the stanza had no `to`.
        """
        reply = self.refusal(stanza, error, by)
        return None if reply is None else self.route(reply)

    @staticmethod
    def refusal(stanza: Stanza, error: StanzaError, by: Jid | None = None) -> Stanza | None:
        """Return what :meth:`bounce` tells the sender; None if the stanza may not be answered."""
        if not stanza.answerable or stanza.from_ is None:
            return None
        if isinstance(stanza, Message) and stanza.to is not None:
            # Who reads an archive may know its ids, the sender may not (XEP-0313 3.5).
            stanza = stanza_id.without(stanza, stanza.to.bare)
        reply = stanza.error(error)
        return reply if reply.from_ is not None or by is None else reply.readdressed(from_=by)
