"""Who may see what is in a node: the access models of XEP-0060 4.5, as PEP has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xmppd.api import Condition, IRosterView, Jid, RosterItem, StanzaError
from xmppd.plugins.pep.config import Config
from xmppd.plugins.pep.errors import pubsub_error

__all__ = ["audience", "notified", "refusal", "visible"]


def refusal(config: Config, contact: RosterItem | None) -> StanzaError | None:
    """Say why somebody else than the owner may not see a node (XEP-0060 6.5.9), or None.

    :param contact: who asks, in the owner's roster; None for who isn't in it.
    """
    model = config.access_model
    if model == "whitelist":  # there is nobody on it but the owner
        return pubsub_error(Condition.NOT_ALLOWED, "closed-node")
    if model == "open":
        return None
    subscribed = contact is not None and contact.from_
    if model == "roster":
        if contact is None or not subscribed or set(contact.groups).isdisjoint(config.groups):
            return pubsub_error(Condition.NOT_AUTHORIZED, "not-in-roster-group")
        return None
    return None if subscribed else pubsub_error(Condition.NOT_AUTHORIZED, "presence-subscription-required")


def visible(config: Config, roster: IRosterView | None, asker: Jid) -> StanzaError | None:
    """The same of a bare address.

    :param roster: of the owner; None if there are no rosters.
    """
    return refusal(config, None if roster is None else roster.items.get(asker))


def notified(config: Config, contact: RosterItem | None) -> bool:
    """Is a contact notified? Those are who are subscribed to the presence ("auto-subscribe", section 9.1)."""
    return contact is not None and contact.from_ and refusal(config, contact) is None


def audience(config: Config, roster: IRosterView | None) -> Iterator[Jid]:
    """Return who is notified besides the owner."""
    subscribers: Iterable[Jid] = () if roster is None else roster.subscribers
    return (contact for contact in subscribers if visible(config, roster, contact) is None)
