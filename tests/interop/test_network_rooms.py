"""Rooms shared with people on Prosody and on ejabberd: theirs, and ours."""

from __future__ import annotations

from tests.interop.network import rooms, servers


class WithProsody(rooms.Rooms):
    """Prosody 0.12 as Debian has it."""

    there_class = servers.Prosody


class WithEjabberd(rooms.Rooms):
    """ejabberd 23 as Debian has it."""

    there_class = servers.Ejabberd
    bans_hold = False
    settle = 3.0  # Mnesia's log
