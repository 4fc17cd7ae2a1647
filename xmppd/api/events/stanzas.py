"""Stanzas on their road. Filters see them in the order of this page.

Filters of these events return a verdict (:mod:`xmppd.api.verdicts`). Within one event, phases run in their order, and
inside a phase `before` and `after` decide, then the plugin's name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message, Stanza

if TYPE_CHECKING:
    from xmppd.api.interfaces import ISession

__all__ = ["FromClient", "StanzaEvent", "ToAccount", "ToDevice", "ToHost", "Undeliverable"]


@dataclass(slots=True)
class StanzaEvent:
    """Base: the stanza, with proven `from_`; `also` is what verdicts added, to be routed after it."""

    stanza: Stanza
    also: list[Stanza] | None = field(default=None, init=False)


@dataclass(slots=True)
class FromClient(StanzaEvent):
    """One of our users sent it. `to` is None where the client gave none (RFC 6120 10.3)."""

    session: ISession


@dataclass(slots=True)
class ToAccount(StanzaEvent):
    """It is for an existing account of this host (to its bare or a full address), whoever sent it.

    IQ requests that the server answers on behalf of the account pass here too.
    """

    account: Jid


@dataclass(slots=True)
class ToHost(StanzaEvent):
    """A message, presence or request to an address of the host itself (``example.org`` or ``example.org/motd``).

    A message that no filter handles is refused with service-unavailable. Results and errors do not come here.
    """


@dataclass(slots=True)
class ToDevice(StanzaEvent):
    """It is about to be written to this session."""

    session: ISession


@dataclass(slots=True)
class Undeliverable(StanzaEvent):
    """A message for an account none of whose devices could take it (RFC 6121 8.5.2.2).

    A filter that takes care of it returns ``Handled()``; if none does, the sender gets service-unavailable.
    Messages whose loss RFC 6121 wants silent (headline, error) do not come here.
    """

    stanza: Message
    account: Jid
