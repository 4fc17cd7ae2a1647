"""Roles: named sets of what somebody may do in the console (:mod:`xmppd.api.scopes`)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from xmppd.api import IOperations, Permission
from xmppd.api.scopes import permits

__all__ = ["ROLES", "Role", "RoleName", "allowed", "marked"]

RoleName = Literal["operator", "admin", "sender", "viewer"]


def marked(text: str) -> str:
    """Mark a text for translation where there is no language yet; it is looked up when it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Role:
    """What people may be to the console.

    :ivar title: shown to people, to be translated.
    :ivar summary: the same, in a sentence.
    :ivar granted: as which they run operations; ADMIN confines them to their host.
    :ivar scopes: which of those operations.
    """

    name: RoleName
    title: str
    summary: str
    granted: Permission
    scopes: frozenset[str]


#: From the mightiest down.
ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        Role(
            "operator", marked("Operator"), marked("May do everything on the whole server."),
            Permission.OPERATOR, frozenset({"*"}),
        ),
        Role(
            "admin", marked("Administrator"), marked("May do everything on this host."),
            Permission.ADMIN, frozenset({"*"}),
        ),
        Role(
            "sender", marked("Sender"), marked("May send notifications and look after their audiences."),
            Permission.ADMIN,
            frozenset({
                "notification:*", "segment:*", "group:*", "alias:*", "tag:*", "device:read", "push:read",
            }),
        ),
        Role(
            "viewer", marked("Viewer"), marked("May look at everything on this host and change nothing."),
            Permission.ADMIN, frozenset({"read"}),
        ),
    )
}  # fmt: skip


def allowed(role: Role, operations: IOperations) -> Collection[str]:
    """Return the names of the operations that a role may run on a host, of those there are now."""
    return {found.name for found in operations.all(role.granted) if permits(role.scopes, found)}
