"""Who may read the archive of a room, and what of it (XEP-0313 section 6.1.2, "MUC Archives")."""

from __future__ import annotations

from enum import Enum

from xmppd.api import Condition, Jid, StanzaError
from xmppd.plugins.muc.room.ranks import Affiliation, Role
from xmppd.plugins.muc.room.state import Room

__all__ = ["Sees", "check_reader", "sees"]


class Sees(Enum):
    """Whose real addresses somebody sees who reads the archive."""

    NOBODYS = 0
    #: Of those who have spoken while everybody in the room was told who they are.
    KNOWN = 1
    ALL = 2


def check_reader(room: Room, who: Jid) -> None:
    """Find out whether somebody may read the archive: those who may enter now, and would be let in.

    :param who: the full real address.
    :raises StanzaError: service-unavailable, if the room has no archive; item-not-found, if it is not open yet;
        forbidden.
    """
    affiliation = room.affiliation(who)
    if room.locked and affiliation is not Affiliation.OWNER:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such room.")
    if affiliation is Affiliation.OUTCAST:
        raise StanzaError(Condition.FORBIDDEN, text="You are banned from this room.")
    if not room.config.archive:
        raise StanzaError(Condition.SERVICE_UNAVAILABLE, text="Nothing is kept of what is said in this room.")
    if affiliation.rank >= Affiliation.MEMBER.rank or who in room.devices:
        return
    if room.config.members_only or not room.config.public_archive:
        raise StanzaError(Condition.FORBIDDEN, text="Only members may read what was said.")
    if room.config.password:
        raise StanzaError(Condition.FORBIDDEN, text="Enter the room first, which takes a password.")


def sees(room: Room, who: Jid) -> Sees:
    """Return whose real addresses somebody sees in the archive.

    Those who spoke while the room was semi-anonymous stay so when it is made non-anonymous later.

    :param who: the full real address.
    """
    occupant = room.devices.get(who)
    if room.affiliation(who).rank >= Affiliation.ADMIN.rank or (occupant and occupant.role is Role.MODERATOR):
        return Sees.ALL
    return Sees.NOBODYS if room.config.anonymous else Sees.KNOWN
