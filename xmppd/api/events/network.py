"""Other servers and components that can be reached no more, or again: to be observed."""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid

__all__ = ["ServerReachable", "ServerUnreachable"]


@dataclass(slots=True)
class ServerUnreachable:
    """A domain that was connected can't be reached any more. Nobody knows who is there.

    :ivar domain: of another server, or of an external component.
    :ivar error: why, as senders of stanzas are told.
    """

    domain: Jid
    error: StanzaError


@dataclass(slots=True)
class ServerReachable:
    """A domain whose connection was lost is connected again. What either side has missed has to be made good."""

    domain: Jid
