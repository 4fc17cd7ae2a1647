"""Directed presence (RFC 6121 4.6), and contacts on other servers, to plugins that have to know who is where."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from xmppd.api.interfaces import ISession
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence

__all__ = ["ContactAvailable", "IContactDevices", "IDirectedPresence"]


class IDirectedPresence(Protocol):
    """Whom devices have sent presence to by name."""

    def directed(self, session: ISession) -> Collection[Jid]:
        """Return the addresses to which a device has sent available presence and not taken it back."""

    def rooms(self, session: ISession) -> Collection[Jid]:
        """Return those of them by which it has entered rooms (XEP-0045 7.2): ``room@service/nickname``."""


class IContactDevices(Protocol):
    """Which devices of contacts on other servers and components an account knows of."""

    def devices(self, account: Jid, contact: Jid) -> Sequence[Jid]:
        """Return the full addresses from which a contact has sent an account available presence.

        A gateway's contact may have no resource. Of contacts on hosts of this server nothing is known here:
        :meth:`xmppd.api.IHost.sessions` finds their devices.

        :param account: a bare address of this host.
        :param contact: a bare address to whose presence the account is subscribed.
        """


@dataclass(slots=True)
class ContactAvailable:
    """A contact has shown an account that it is available: from another server, a component, or another host of ours.

    Of presence from another server, each is told of; of contacts on another host of this server only that one has come
    that asks for the presence of the account.

    :ivar account: of this host; it is subscribed to the contact's presence, but for contacts on another host.
    :ivar presence: `from_` is the contact's device.
    :ivar new: has this device not been available to the account before?
    """

    account: Jid
    presence: Presence
    new: bool
