"""profanity, a client in a terminal, used by hand: what is typed, and what its screen shows of rooms (XEP-0045)."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
import unittest
from pathlib import Path

from tests.interop import scenario
from tests.interop.server import DOMAIN
from tests.interop.terminal import TMUX, Terminal
from tests.interop.test_slixmpp_rooms import OURS, PROSODY, ROOMS

PROFANITY = shutil.which("profanity")


class Profanity(scenario.LiveCase):
    """Romeo and Juliet have a terminal each."""

    extra = "" if OURS else PROSODY

    @classmethod
    def setUpClass(cls) -> None:
        if PROFANITY is None or TMUX is None:
            raise unittest.SkipTest("profanity or tmux is not installed")
        super().setUpClass()

    async def terminal(self, name: str) -> Terminal:
        """Return the terminal of somebody who is logged in; it ends with the test."""
        assert PROFANITY is not None
        account, folder = await self.account(name), Path(tempfile.mkdtemp(prefix="interop-profanity-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        terminal = Terminal(folder, [PROFANITY])
        terminal.start()
        self.addCleanup(terminal.stop)
        await terminal.shows("Type '/help' to show complete help")
        terminal.type(f"/connect {account}@{DOMAIN} server 127.0.0.1 port {self.server.c2s_port} tls trust")
        await terminal.shows("Enter password")
        terminal.type(scenario.PASSWORD)
        await terminal.shows("logged in successfully", r"\[TLS\]")
        terminal.type("/presence room all")  # else it soon says no more who comes and goes
        return terminal

    async def both(self) -> tuple[Terminal, Terminal, str]:
        """Return Romeo's terminal, with a room that he has made, and Juliet's, in the same room; and its address."""
        romeo, juliet = await asyncio.gather(self.terminal("romeo"), self.terminal("juliet"))
        room = f"orchard{self.number}@{ROOMS}"
        romeo.type(f"/join {room} nick Romeo")
        await romeo.shows("You have joined the room as Romeo, role: moderator, affiliation: owner")
        await romeo.shows("Room locked, requires configuration")
        romeo.type("/room accept")
        await romeo.shows("Room unlocked")
        romeo.type("/subject set The balcony scene")
        await romeo.shows("Romeo has set the room subject: The balcony scene")
        romeo.type("But, soft! what light")
        await romeo.shows("Romeo: But, soft! what light")
        juliet.type(f"/join {room} nick Juliet")
        await juliet.shows(
            "You have joined the room as Juliet, role: participant, affiliation: none",
            "Romeo: But, soft! what light",  # the history
            "Romeo has set the room subject: The balcony scene",
            r"(?s)Moderators.*Romeo.*Participants.*Juliet",  # the panel
        )
        await romeo.shows(r"(?s)Moderators.*Romeo.*Participants.*Juliet")
        return romeo, juliet, room

    async def test_a_visit(self) -> None:
        """A new room, talk, private messages, a nickname, leaving and coming back."""
        romeo, juliet, room = await self.both()
        juliet.type("Ay me! ü 💘")
        for terminal in (romeo, juliet):
            await terminal.shows("Juliet: Ay me! ü 💘")
        juliet.type("/msg Romeo for you alone")
        await romeo.shows(rf"Juliet.*{room}|win 3|\[3\]|-3-")
        romeo.type("/win 3")
        await romeo.shows("Juliet: for you alone", f"{room}/Juliet")
        romeo.type("and for you")
        await juliet.shows("Juliet|me: for you alone", "Romeo: and for you")
        romeo.type("/win 2")
        juliet.type("/win 2")
        juliet.type("/nick Capulet")
        await romeo.shows("Juliet is now known as Capulet", r"(?s)Participants.*Capulet")
        await juliet.shows(r"(?s)Participants.*Capulet")
        juliet.type("/close")
        await romeo.shows("<- Capulet has left the room")
        juliet.type(f"/join {room} nick Juliet")
        await romeo.shows("-> Juliet has joined the room")
        await juliet.shows("Juliet: Ay me! ü 💘")

    async def test_a_moderator(self) -> None:
        """Affiliations, a kick, a ban and the end of the room."""
        romeo, juliet, room = await self.both()
        romeo.type("/kick Juliet enough")
        await romeo.shows("Juliet has been kicked from the room by Romeo, reason: enough")
        await juliet.shows(f"Kicked from {room} by Romeo, reason: enough")
        juliet.type(f"/join {room} nick Juliet")
        await juliet.shows("You have joined the room as Juliet")
        juliet_jid = f"juliet{self.number}@{DOMAIN}"
        romeo.type(f"/affiliation set member {juliet_jid} trusted")
        await juliet.shows("Your affiliation has been changed to: member")
        romeo.type("/affiliation list member")
        await romeo.shows(f"(?s)Affiliation: member.*{juliet_jid}")
        romeo.type(f"/ban {juliet_jid} out")
        await romeo.shows("Juliet has been banned from the room")
        await juliet.shows(f"Banned from {room}")
        juliet.type(f"/join {room} nick Juliet")
        await juliet.shows(f"Error (joining room|from) {room}.*forbidden")
        romeo.type("/room destroy")
        await romeo.shows("Room destroyed")

    async def test_the_form(self) -> None:
        """The room's configuration in a window of its own; a name, and members only."""
        romeo, _, room = await self.both()
        romeo.type("/room config")
        screen = await romeo.shows(f"{room} config", "Use '/form submit' to save changes")
        name, members = (
            re.search(pattern, screen)
            for pattern in (r"\[(field\d+)\] .*\b(?:Title|[Nn]ame)\b", r"\[(field\d+)\] .*\b[Mm]embers\b")
        )
        assert name is not None and members is not None, screen
        romeo.type(f'/{name[1]} "The orchard"')
        await romeo.shows(rf"(?s)Field updated.*\[{name[1]}\] .*: The orchard")
        romeo.type(f"/{members[1]} on")
        await romeo.shows(rf"\[{members[1]}\] .*: TRUE")
        romeo.type("/form submit")
        await romeo.shows("Room configuration successful", "The orchard")
        tybalt = await self.terminal("tybalt")
        if OURS:  # what Prosody answers is no end of an attempt to enter for profanity
            tybalt.type(f"/join {room} nick Tybalt")
            await tybalt.shows(f"Error joining room {room}.*registration-required")
        romeo.type(f"/affiliation set member tybalt{self.number}@{DOMAIN}")
        romeo.type("/affiliation list member")
        await romeo.shows(f"(?s)Affiliation: member.*tybalt{self.number}@{DOMAIN}")
        tybalt.type(f"/join {room} nick Tybalt")
        await tybalt.shows("You have joined the room as Tybalt, role: participant, affiliation: member")
