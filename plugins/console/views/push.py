"""How push goes: the services that our users' apps have, our own service, and a test to one's own phone."""

from __future__ import annotations

from typing import Any

from xmppd.api import OperationError
from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view

__all__ = ["apps", "disable", "forget", "push", "registrations", "test", "test_app"]

_PAGE = 50


@page("push", title=marked("Push health"), group=Group.PUSH, icon="push", order=40, needs=("push health",))
async def push(asked: Asked) -> View:
    """Each push service, our own with its roads, and one's own apps."""
    mine = await asked.run("push list", account=str(asked.user.jid.bare)) if asked.may("push list") else []
    roads, none = await _roads(asked)
    return view("push/health.html", services=await asked.run("push health"), roads=roads, no_roads=none, mine=mine,
                tested=None)  # fmt: skip


async def _roads(asked: Asked) -> tuple[list[dict[str, Any]], str]:
    """What our own push service is set up for; and why not, if it isn't."""
    if not asked.may("push-service status"):
        return [], ""
    try:
        return await asked.run("push-service status"), ""
    except OperationError as error:
        return [], str(error)


@action("push/test", needs=("push test", "push health"), again="push")
async def test(asked: Asked) -> View:
    """Push to all apps of one's own, and show what their services say."""
    rows = await asked.run("push test", account=str(asked.user.jid.bare))
    shown = await push(asked)
    return view(shown.template, **{**shown.data, "tested": rows})


@page("push/apps", title=marked("Apps with push"), within="push", needs=("push list",))
async def registrations(asked: Asked) -> View:
    """The apps of our users that have enabled push."""
    account = asked.query.get("account", "").strip().lower()
    whole = account if "@" in account or not account else f"{account}@{asked.host.jid}"
    rows = await asked.run("push list", account=whole, limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["id"] if len(rows) > _PAGE else ""
    return view("push/apps.html", rows=rows[:_PAGE], more=more, account=account)


@action("push/apps/disable", needs=("push disable",), again="push/apps")
async def disable(asked: Asked) -> Done:
    """Turn push off for an app, until it turns it on again."""
    given = {name: asked.form.get(name, "") for name in ("account", "service", "node")}
    return Done(await asked.run("push disable", **given), to="push/apps")


@page("push/service", title=marked("Registrations"), within="push", needs=("push-service devices",))
async def apps(asked: Asked) -> View:
    """The apps that our own push service wakes; their users may be on other servers."""
    user = asked.query.get("user", "").strip().lower()
    rows = await asked.run("push-service devices", user=user, limit=_PAGE + 1, after=asked.query.get("after"))
    more = rows[_PAGE - 1]["node"] if len(rows) > _PAGE else ""
    return view("push/service.html", rows=rows[:_PAGE], more=more, user_=user)


@action("push/service/{node}/test", needs=("push-service test",), again="push/service")
async def test_app(asked: Asked, node: str) -> Done:
    """Wake an app, and say what its vendor has answered."""
    return Done(await asked.run("push-service test", node=node), to="push/service")


@action("push/service/{node}/forget", needs=("push-service forget",), again="push/service")
async def forget(asked: Asked, node: str) -> Done:
    """End a registration."""
    return Done(await asked.run("push-service forget", node=node), to="push/service")
