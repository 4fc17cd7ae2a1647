"""Rooms (XEP-0045): entering, talking, leaving, as clients see it."""

from __future__ import annotations

from xmppd.testing import ServerTestCase
from xmppd.wire.jid import Jid

X = "<x xmlns='http://jabber.org/protocol/muc'/>"


class RoomTests(ServerTestCase):
    plugins = ("muc", "presence", "roster")

    def test_conversation(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        romeo.clear()
        juliet.clear()
        romeo.send(f"<presence to='garden@conference.example.org/Romeo'>{X}</presence>")
        romeo.expect(
            "<presence from='garden@conference.example.org/Romeo'><x xmlns='http://jabber.org/protocol/muc#user'>"
            "<item affiliation='owner' role='moderator' jid='{romeo}'/><status code='201'/><status code='110'/></x>"
            "{...}</presence>"
        )
        romeo.expect("<message from='garden@conference.example.org' type='groupchat'><subject/></message>")
        self.unlock("garden@conference.example.org")
        juliet.send(f"<presence to='garden@conference.example.org/Juliet'>{X}</presence>")
        user = "http://jabber.org/protocol/muc#user"
        juliet.expect(
            "<presence from='garden@conference.example.org/Romeo'>{...}"
            f"<x xmlns='{user}'><item affiliation='owner' role='moderator'/></x></presence>",
            "<presence from='garden@conference.example.org/Juliet'>{...}"
            f"<x xmlns='{user}'><item affiliation='none' role='participant' jid='{{juliet}}'/><status code='110'/></x>"
            "</presence>",
            "<message from='garden@conference.example.org' type='groupchat'><subject/></message>",
        )
        romeo.expect(
            "<presence from='garden@conference.example.org/Juliet'>{...}"
            f"<x xmlns='{user}'><item affiliation='none' role='participant' jid='{{juliet}}'/></x></presence>"
        )
        romeo.send("<message to='garden@conference.example.org' type='groupchat' id='1'><body>hi</body></message>")
        for client in (romeo, juliet):
            client.expect(
                "<message from='garden@conference.example.org/Romeo' type='groupchat' id='1'>"
                "<body>hi</body>{...}</message>"
            )
        romeo.close()
        juliet.expect(
            "<presence from='garden@conference.example.org/Romeo' type='unavailable'>{...}"
            f"<x xmlns='{user}'><item affiliation='owner' role='none'/></x></presence>"
        )

    def unlock(self, room: str) -> None:
        """Confirm a room, as its owner does by its first configuration."""
        self.plugin("muc").rooms.loaded[Jid.parse(room)].locked = False
