"""The end of the log, as it is written."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Group, View, marked, page, view

__all__ = ["log"]

_SHOWN = 200
_LEVELS = {
    "debug": marked("Everything"), "info": marked("Information and worse"), "warn": marked("Warnings and worse"),
    "error": marked("Errors and worse"),
}  # fmt: skip


@page("log", title=marked("Log"), group=Group.SERVER, icon="log", order=70, needs=("log list",))
async def log(asked: Asked) -> View:
    """The last lines, the latest first."""
    level = asked.query.get("level", "debug")
    level = level if level in _LEVELS else "debug"
    contains, held = asked.query.get("contains", "").strip(), "hold" in asked.query
    lines = await asked.run("log list", level=level, contains=contains, limit=_SHOWN)
    return view("server/log.html", lines=lines[::-1], level=level, levels=_LEVELS, contains=contains, held=held)
