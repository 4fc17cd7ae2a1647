"""Settings of the server and its hosts, as forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xmppd.api import Condition, OperationError
from xmppd.plugins.console.option_forms import fields, put, run
from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view

__all__ = ["save", "settings", "table"]

_NEEDS = ("setting list",)
_TITLES = {
    "server": marked("Process"), "listen": marked("Ports"), "http": marked("HTTP"), "bosh": marked("BOSH"),
    "database": marked("Database"), "tls": marked("TLS"), "legacy_tls": marked("TLS for old clients"),
    "limits": marked("Limits"), "s2s": marked("Other servers"), "stream_management": marked("Stream management"),
    "accounts": marked("Accounts"), "hosts": marked("Hosts"), "components": marked("Components"),
    "uplinks": marked("Uplinks"),
}  # fmt: skip


@page("settings", title=marked("Settings"), group=Group.SERVER, icon="settings", order=60, needs=_NEEDS)
async def settings(asked: Asked) -> View:
    """The tables there are, and what is set in them."""
    rows = await asked.run("setting list")
    tables: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = tables.setdefault(_section(row), {"all": 0, "set": 0})
        counts["all"] += 1
        counts["set"] += row["set"]
    changed = [row for row in rows if row["set"]]
    return view("server/settings.html", tables=tables, titles=_TITLES, changed=changed)


@page("settings/{section}", title=marked("Settings"), within="settings", needs=_NEEDS)
async def table(asked: Asked, section: str) -> View:
    """The options of one table, those of all hosts or components one after the other."""
    rows = await _rows(asked, section)
    groups: dict[str, list[Any]] = {}
    for field in fields(rows, "setting"):
        groups.setdefault(_group(field.key), []).append(field)
    return view("server/setting_table.html", section=section, title=_TITLES.get(section, section), groups=groups)


@action("settings/{section}", needs=("setting list", "setting set"))
async def save(asked: Asked, section: str) -> Done:
    """Change what was changed."""
    shown = fields(await _rows(asked, section), "setting")

    async def change(key: str, **how: Any) -> Any:
        return await run(asked, "setting set", name=key, **how)

    done, said = await put(shown, asked.form, change)
    if not done:
        return Done(asked.gettext("Nothing was changed."), to=f"settings/{section}")
    text = asked.gettext("Changed: %(names)s.", names=", ".join(done))
    return Done(" ".join([text, *said]), to=f"settings/{section}")


async def _rows(asked: Asked, section: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await asked.run("setting list", section=section)
    if not rows:
        raise OperationError(asked.gettext("There is nothing in this table."), Condition.ITEM_NOT_FOUND)
    return rows


def _section(row: Mapping[str, Any]) -> str:
    return str(row["setting"]).partition(".")[0]


def _group(name: str) -> str:
    """What tells apart options of the same name: the host, the component, or a table inside."""
    if '"' in name:
        return name.split('"')[1]
    return ".".join(name.split(".")[1:-1])
