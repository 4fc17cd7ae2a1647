"""Audiences put together in a form: expressions as the plugin ``notifications`` understands them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from xmppd.plugins.console.roles import marked

__all__ = ["BASES", "CONDITIONS", "JOINS", "ROWS", "composed"]

BASES = {
    "all": marked("Everybody"),
    "online": marked("Everybody who is online now"),
    "csv": marked("Those on a list"),
}
"""Whom to begin with."""

CONDITIONS = {
    "": marked("—"),
    "user": marked("Address"),
    "alias": marked("Alias"),
    "tag": marked("Tag"),
    "group": marked("Group"),
    "segment": marked("Segment"),
    "room": marked("Member of the room"),
    "platform": marked("Platform"),
    "app": marked("App"),
    "below": marked("App older than version"),
    "from": marked("App of version, or newer"),
    "active": marked("Seen within days"),
    "away": marked("Not seen for days"),
    "since": marked("Registered after"),
    "percent": marked("Random percent of them"),
}
"""What can be asked of somebody."""

JOINS = {"and": marked("and"), "or": marked("or"), "and not": marked("but not")}
"""How a condition goes with those before it."""

ROWS = 3
"""How many conditions a form has."""

_TERMS = {
    "below": "version<",
    "from": "version>=",
    "active": "seen<",
    "away": "seen>",
    "since": "registered>",
}
_DAYS = ("active", "away")


def composed(form: Mapping[str, str]) -> str:
    """Return the expression that a form means; "" if it says nothing.

    What was written as an expression counts before all else.
    """
    written = form.get("expression", "").strip()
    if written:
        return written
    conditions = ""
    for row in range(1, ROWS + 1):
        kind, value = form.get(f"kind{row}", ""), form.get(f"value{row}", "").strip()
        if kind not in CONDITIONS or not kind or not value:
            continue
        join = form.get(f"join{row}", "and")
        join = join if join in JOINS else "and"
        term = _term(kind, value)
        if not conditions:
            conditions = f"not {term}" if join == "and not" else term
        elif join == "or" or " or " in conditions:
            conditions = f"({conditions}) {join} {term}"
        else:
            conditions = f"{conditions} {join} {term}"
    base = form.get("base", "")
    if base not in BASES or base == "all":
        return conditions or ("all" if base == "all" else "")
    return f"{base} and ({conditions})" if conditions else base


def _term(kind: str, value: str) -> str:
    if kind in _DAYS and value.isdecimal():
        value = f"{value}d"
    if any(character.isspace() or character in '()"\\=' for character in value):
        value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _TERMS.get(kind, f"{kind}:") + value
