"""Devices that notifications can go to."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view

__all__ = ["device", "devices", "forget"]

_PAGE = 50
_FILTERS = ("account", "platform", "app", "version")
_PATH = "devices/{account}/{id}"


@page("devices", title=marked("Devices"), group=Group.PUSH, icon="devices", order=30, needs=("device list",))
async def devices(asked: Asked) -> View:
    """The devices that are known."""
    chosen = {name: asked.query.get(name, "").strip() for name in _FILTERS}
    account = chosen["account"].lower()
    whole = account if "@" in account or not account else f"{account}@{asked.host.jid}"
    rows = await asked.run(
        "device list", **{**chosen, "account": whole}, limit=_PAGE + 1, after=asked.query.get("after")
    )
    more = rows[_PAGE - 1]["device"] if len(rows) > _PAGE else ""
    return view("devices/list.html", rows=rows[:_PAGE], more=more, chosen=chosen)


@page(_PATH, title=marked("Device"), within="devices", needs=("device show",))
async def device(asked: Asked, account: str, id: str) -> View:
    """One of them."""
    shown = await asked.run("device show", account=account, device=id)
    return view("devices/device.html", shown=shown, account=account, id=id)


@action(f"{_PATH}/forget", needs=("device forget",), again=_PATH)
async def forget(asked: Asked, account: str, id: str) -> Done:
    """Forget it."""
    await asked.run("device forget", account=account, device=id)
    return Done(asked.gettext("The device is forgotten."), to="devices")
