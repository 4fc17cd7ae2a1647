"""Plugins: which there are, whether they run, what went wrong with them, and their options as forms."""

from __future__ import annotations

from typing import Any

from xmppd.plugins.console.option_forms import fields, put, run
from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view

__all__ = ["configure", "disable", "enable", "plugin", "plugins", "reload"]

_NEEDS = ("plugin list", "plugin info")
_WHICH = {"": marked("All"), "on": marked("Enabled"), "off": marked("Not enabled"), "bad": marked("With problems")}
_PATH = "plugins/{host}/{name}"


@page("plugins", title=marked("Plugins"), group=Group.SERVER, icon="plugin", order=50, needs=_NEEDS)
async def plugins(asked: Asked) -> View:
    """All plugins of a host."""
    host = asked.query.get("host", "") or str(asked.host.jid)
    which = asked.query.get("which", "") if asked.query.get("which", "") in _WHICH else ""
    search = asked.query.get("search", "").strip().lower()
    rows = await asked.run("plugin list", host=host, all=True)
    counts = {"on": sum(row["enabled"] for row in rows), "bad": sum(bool(row["problem"]) for row in rows)}
    fits = {"": lambda row: True, "on": lambda row: row["enabled"], "off": lambda row: not row["enabled"],
            "bad": lambda row: row["problem"]}  # fmt: skip
    found = [row for row in rows if fits[which](row) and search in f"{row['plugin']} {row['summary']}".lower()]
    return view(
        "plugins/list.html", rows=found, of=host, hosts=await _hosts(asked, host), counts=counts, which=which,
        kinds=_WHICH, search=search,
    )  # fmt: skip


@page(_PATH, title=marked("Plugin"), within="plugins", needs=_NEEDS)
async def plugin(asked: Asked, host: str, name: str) -> View:
    """One plugin, with its options."""
    info = await asked.run("plugin info", name=name, host=host)
    rows = await asked.run("plugin list", host=host, all=True)
    options = await asked.run("plugin options", name=name, host=host) if asked.may("plugin options") else []
    return view(
        "plugins/plugin.html", info=info, of=host, name=name, options=fields(options, "option"),
        row=next((row for row in rows if row["plugin"] == name), None),
        handlers=sorted(info.get("handlers", ()), key=lambda row: -row["calls"])[:20],
    )  # fmt: skip


@action(_PATH, needs=("plugin options", "plugin configure"))
async def configure(asked: Asked, host: str, name: str) -> Done:
    """Change the options that were changed."""
    shown = fields(await asked.run("plugin options", name=name, host=host), "option")

    async def change(key: str, **how: Any) -> Any:
        return await run(asked, "plugin configure", name=name, key=key, host=host, **how)

    done, said = await put(shown, asked.form, change)
    text = (
        asked.gettext("Changed: %(names)s.", names=", ".join(done)) if done else asked.gettext("Nothing was changed.")
    )
    return Done(" ".join([text, *said]), to=f"plugins/{host}/{name}")


@action(f"{_PATH}/enable", needs=("plugin enable",), again=_PATH)
async def enable(asked: Asked, host: str, name: str) -> Done:
    """Start it."""
    return await _change(asked, "plugin enable", host, name)


@action(f"{_PATH}/disable", needs=("plugin disable",), again=_PATH)
async def disable(asked: Asked, host: str, name: str) -> Done:
    """Stop it."""
    return await _change(asked, "plugin disable", host, name)


@action(f"{_PATH}/reload", needs=("plugin reload",), again=_PATH)
async def reload(asked: Asked, host: str, name: str) -> Done:
    """Start it anew."""
    return await _change(asked, "plugin reload", host, name)


async def _change(asked: Asked, operation: str, host: str, name: str) -> Done:
    return Done(str(await asked.run(operation, name=name, host=host)), to=f"plugins/{host}/{name}")


async def _hosts(asked: Asked, host: str) -> list[str]:
    if not asked.may("host list"):
        return [host]
    return [row["host"] for row in await asked.run("host list")]
