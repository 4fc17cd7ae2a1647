"""Roles, affiliations, and what they allow (XEP-0045 section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmppd.plugins.muc.room.config import RoomConfig

__all__ = ["Affiliation", "Role", "default_role", "may_change_affiliation", "may_change_role"]


class Role(StrEnum):
    """What an occupant may do, as long as the visit lasts (section 5.1)."""

    NONE = "none"
    VISITOR = "visitor"
    PARTICIPANT = "participant"
    MODERATOR = "moderator"

    @property
    def rank(self) -> int:
        """Its place in the hierarchy: each may do whatever those below may."""
        return _ROLES[self]


class Affiliation(StrEnum):
    """What somebody is to a room, from visit to visit (section 5.2)."""

    OUTCAST = "outcast"
    NONE = "none"
    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """Its place in the hierarchy."""
        return _AFFILIATIONS[self]


_ROLES: Mapping[Role, int] = {role: rank for rank, role in enumerate(Role)}
_AFFILIATIONS: Mapping[Affiliation, int] = {affiliation: rank for rank, affiliation in enumerate(Affiliation)}


def default_role(config: RoomConfig, affiliation: Affiliation) -> Role:
    """Return the role with which somebody enters (section 5.1.2); NONE for those who may not."""
    if affiliation.rank >= Affiliation.ADMIN.rank:
        return Role.MODERATOR
    if affiliation is Affiliation.MEMBER:
        return Role.PARTICIPANT
    if affiliation is Affiliation.OUTCAST or config.members_only:
        return Role.NONE
    return Role.VISITOR if config.moderated else Role.PARTICIPANT


def may_change_role(actor: tuple[Role, Affiliation], target: tuple[Role, Affiliation], role: Role) -> bool:
    """May one occupant give another one a role (sections 5.1.1, 5.1.3, 8.2 to 8.4, 9.6, 9.7)?

    To make a moderator, or to unmake or kick one, takes an admin. Nobody is kicked by who stands lower. Voice is taken
    only from those who stand lower. Admins and owners are moderators as long as they are there.
    """
    (acting, standing), (before, affiliation) = actor, target
    if acting is not Role.MODERATOR:
        return False
    if role.rank > before.rank:  # raised
        return role is not Role.MODERATOR or standing.rank >= Affiliation.ADMIN.rank
    if before is Role.MODERATOR and standing.rank < Affiliation.ADMIN.rank:
        return False
    if role is Role.NONE:
        return standing.rank >= affiliation.rank
    if affiliation.rank >= Affiliation.ADMIN.rank:
        return False
    return role is not Role.VISITOR or standing.rank > affiliation.rank


def may_change_affiliation(actor: Affiliation, before: Affiliation, after: Affiliation) -> bool:
    """May somebody change what another one is to the room (sections 5.2.1, 5.2.2)? Owners all, admins below them."""
    if actor is Affiliation.OWNER:
        return True
    limit = Affiliation.ADMIN.rank
    return actor is Affiliation.ADMIN and before.rank < limit and after.rank < limit
