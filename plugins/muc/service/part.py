"""What the parts of the plugin may expect of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmppd.api import IDatabase, IHost, Jid
    from xmppd.plugins.muc.options import MucOptions
    from xmppd.plugins.muc.room.state import Service

__all__ = ["Part"]


class Part:
    """Base of those parts of the plugin whose handlers are its own."""

    if TYPE_CHECKING:  # what the plugin has of its own
        service: Service
        host: IHost

        @property
        def jid(self) -> Jid: ...
        @property
        def db(self) -> IDatabase: ...
        @property
        def options(self) -> MucOptions: ...
