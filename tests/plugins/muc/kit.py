"""What tests of rooms share."""

from __future__ import annotations

from typing import Any, ClassVar

from xmppd.api import settled
from xmppd.plugins.muc.room.outcome import Configured, Outcome, Unlocked
from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid

__all__ = ["GARDEN", "JOIN", "USER", "RoomTestCase"]

JOIN = "<x xmlns='http://jabber.org/protocol/muc'/>"
USER = "http://jabber.org/protocol/muc#user"
GARDEN = "garden@conference.example.org"


class RoomTestCase(ServerTestCase):
    """A server with rooms; ``garden@conference.example.org`` is Romeo's, once he has made it."""

    plugins: ClassVar[Any] = ("muc", "presence", "roster")

    def enter(self, client: Any, nick: str, room: str = GARDEN) -> None:
        """Have a client enter a room, and forget what came."""
        client.send(f"<presence to='{room}/{nick}'>{JOIN}</presence>")
        client.clear()

    def make_room(self, client: Any, nick: str = "Romeo", room: str = GARDEN, **config: Any) -> Any:
        """Have a client make a room, with this configuration, and return it."""
        self.enter(client, nick, room)
        made = self.plugin("muc").rooms.loaded[Jid.parse(room)]
        made.locked, made.config = False, made.config.changed(config)
        self.apply(made, Unlocked(), Configured(made.config))
        client.clear()
        return made

    def apply(self, room: Any, *changes: Any) -> None:
        """Store changes of a room."""
        pending = self.plugin("muc").delivering.on_behalf(room, Outcome(changes=list(changes)))
        self.wait(settled(pending))

    def room(self, jid: str = GARDEN) -> Any:
        """Return a room that is loaded."""
        return self.plugin("muc").rooms.loaded[Jid.parse(jid)]

    def nicks(self, jid: str = GARDEN) -> list[str]:
        """Return who is in a room."""
        return sorted(self.room(jid).occupants)
