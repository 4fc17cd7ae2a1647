"""Rosters and presence subscriptions (RFC 6121 sections 2 and 3), to plugins that look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from xmppd.api.interfaces import ISession
from xmppd.wire.jid import Jid
from xmppd.wire.xml import escape_attribute, escape_text

__all__ = ["IRoster", "IRosterView", "RosterChanged", "RosterItem", "Subscription", "SubscriptionApproved"]


class Subscription(StrEnum):
    """Who sees whose presence (RFC 6121 2.1.2.5), from the side of the roster's owner."""

    #: Neither sees the other's.
    NONE = "none"
    #: The owner sees the contact's.
    TO = "to"
    #: The contact sees the owner's.
    FROM = "from"
    #: Both.
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class RosterItem:
    """One contact in a roster (RFC 6121 2.1.2).

    :ivar jid: the contact's bare address.
    :ivar name: the name the owner gave it, or None.
    :ivar groups: the groups the owner put it in, without repetitions.
    :ivar ask: has the owner asked to see the contact's presence, without an answer yet? ("Pending Out")
    :ivar approved: has the owner approved in advance that the contact sees its presence (section 3.4)?
    :ivar version: number of the roster's version that brought the item into this form.
    """

    jid: Jid
    name: str | None = None
    groups: tuple[str, ...] = ()
    subscription: Subscription = Subscription.NONE
    ask: bool = False
    approved: bool = False
    version: int = 0

    @property
    def to(self) -> bool:
        """Does the owner see the contact's presence?"""
        return self.subscription in (Subscription.TO, Subscription.BOTH)

    @property
    def from_(self) -> bool:
        """Does the contact see the owner's presence?"""
        return self.subscription in (Subscription.FROM, Subscription.BOTH)

    def to_bytes(self) -> bytes:
        """Return the ``<item/>`` of a roster or a roster push."""
        # Put together by hand: a large roster has this done a thousand times at every log-in.
        name = "" if self.name is None else f" name='{escape_attribute(self.name)}'"
        ask = " ask='subscribe'" if self.ask else ""
        approved = " approved='true'" if self.approved else ""
        head = f"<item jid='{self.jid.xml}'{name} subscription='{self.subscription}'{ask}{approved}"
        groups = "".join([f"<group>{escape_text(group)}</group>" for group in self.groups])
        return (f"{head}>{groups}</item>" if groups else head + "/>").encode()


class IRosterView(Protocol):
    """An account's roster as it is now. Read it and let it go: what is kept may be out of date."""

    @property
    def items(self) -> Mapping[Jid, RosterItem]:
        """The items by the contacts' bare addresses."""

    @property
    def subscribers(self) -> Sequence[Jid]:
        """The contacts that see the account's presence (subscription "from" or "both"), by bare address."""

    @property
    def subscriptions(self) -> Sequence[Jid]:
        """The contacts whose presence the account sees (subscription "to" or "both"), by bare address."""


class IRoster(Protocol):
    """The rosters of the accounts of one host. What needs the database may fail with StorageUnavailable."""

    def cached(self, account: Jid) -> IRosterView | None:
        """Return the roster if it is in memory, as those of connected accounts soon are; costs a lookup.

        :param account: a bare address, here and below.
        """

    async def load(self, account: Jid) -> IRosterView:
        """Return the roster, from the database if it must be. An account that has none has an empty one."""

    def interested(self, account: Jid) -> Sequence[ISession]:
        """Return the "interested resources" (RFC 6121 2.2): the sessions that have asked for their roster."""

    async def put(
        self,
        account: Jid,
        contact: Jid,
        name: str | None = None,
        groups: Sequence[str] = (),
        subscription: Subscription | None = None,
    ) -> RosterItem:
        """Add a contact or change one, on behalf of the operator or of a service the account trusts.

        Limits don't apply. The contact's own roster is not touched.

        :param subscription: the new state, without asking anybody; None leaves it as it is ("none" for a new item).
        :raises ValueError: if `contact` is no bare address, or the account itself.
        """

    async def remove(self, account: Jid, contact: Jid) -> bool:
        """Remove a contact, cancelling subscriptions both ways (RFC 6121 2.5.2); false if it was not in the roster."""


@dataclass(slots=True)
class RosterChanged:
    """A roster item has changed; that is stored, and the interested resources have been told.

    When a contact is losing its subscription, this comes before the contact is told, so that the last presence can
    still be sent (RFC 6121 3.2.2).

    :ivar before: the item before, or None if there was none.
    :ivar after: the item now, or None if it was removed.
    """

    account: Jid
    contact: Jid
    before: RosterItem | None
    after: RosterItem | None


@dataclass(slots=True)
class SubscriptionApproved:
    """A contact has been sent "subscribed" on behalf of an account: now the account's presence is due (RFC 6121 3.1.5).

    It comes for a new subscription and also when a contact that has one asked again.
    """

    account: Jid
    contact: Jid
