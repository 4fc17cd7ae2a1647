"""Who may use the console, and as what."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, Group, View, action, marked, page, view
from xmppd.plugins.console.roles import ROLES
from xmppd.plugins.console.views.users import address


@page("roles", title=marked("Roles"), group=Group.SERVER, icon="roles", order=60, needs=("console roles",))
async def roles(asked: Asked) -> View:
    """Those who have a role."""
    titles = {name: asked.gettext(role.title) for name, role in reversed(ROLES.items())}
    return view("roles.html", rows=await asked.run("console roles"), roles=ROLES, titles=titles)


@action("roles", needs=("console grant",))
async def grant(asked: Asked) -> Done:
    """Give somebody a role."""
    account, role = address(asked, asked.form.get("account", ""), "account"), asked.form.get("role", "")
    await asked.run("console grant", account=account, role=role)
    return Done(asked.gettext("%(account)s may use the console now.", account=account), to="roles")


@action("roles/revoke", needs=("console revoke",), again="roles")
async def revoke(asked: Asked) -> Done:
    """Take somebody's role."""
    account = asked.form.get("account", "")
    await asked.run("console revoke", account=account)
    return Done(asked.gettext("%(account)s has no role any more.", account=account), to="roles")


@action("roles/reset", needs=("console totp reset",), again="roles")
async def reset(asked: Asked) -> Done:
    """Take the second factor of somebody who has lost it."""
    account = asked.form.get("account", "")
    await asked.run("console totp reset", account=account)
    return Done(asked.gettext("%(account)s logs in with the password alone now.", account=account), to="roles")
