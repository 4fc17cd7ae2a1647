"""External components (XEP-0114), to plugins: who they are, what they may do, and when they come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Stanza

__all__ = ["ComponentChanged", "ComponentConnected", "ComponentGone", "IDelegation", "IExternal", "IPrivileges"]


class IPrivileges(Protocol):
    """What a component may do in the name of users (XEP-0356), as the settings say."""

    @property
    def roster(self) -> str:
        """``none``, ``get``, ``set`` or ``both``."""

    @property
    def push(self) -> bool | None:
        """Is it told of changes to rosters? None: if it may read them."""

    @property
    def message(self) -> str:
        """``none`` or ``outgoing``."""

    @property
    def iq(self) -> Mapping[str, str]:
        """Namespaces, each with ``none``, ``get``, ``set`` or ``both``."""

    @property
    def presence(self) -> str:
        """``none``, ``managed_entity`` or ``roster``."""


class IDelegation(Protocol):
    """A namespace that a component answers in (XEP-0355), as the settings say."""

    @property
    def namespace(self) -> str:
        """The namespace of the request's child."""

    @property
    def attributes(self) -> Sequence[str]:
        """Attributes that child must have."""


class IExternal(Protocol):
    """An external component that the settings name; it may have no connection."""

    @property
    def jid(self) -> Jid:
        """Its domain."""

    @property
    def connected(self) -> bool:
        """Is it connected?"""

    @property
    def privileges(self) -> IPrivileges:
        """What it may do in the name of the users of this host."""

    @property
    def delegations(self) -> Sequence[IDelegation]:
        """What it answers in place of this host."""


@dataclass(slots=True)
class ComponentConnected:
    """A component has connected. What is sent to it now comes before anything that waited for it.

    :ivar send: sends a stanza over this connection: the component may have several.
    :ivar first: it had no other.
    """

    component: IExternal
    send: Callable[[Stanza], None]
    first: bool


@dataclass(slots=True)
class ComponentGone:
    """The last connection of a component has ended; it may be back soon."""

    component: IExternal


@dataclass(slots=True)
class ComponentChanged:
    """The settings of a component have changed, or the component is not in them any more."""

    component: IExternal
