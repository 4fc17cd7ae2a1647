"""What programs use: tokens of the REST interface, and webhooks."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view

__all__ = [
    "add_hook", "add_token", "delete_hook", "delete_token", "disable_hook", "enable_hook", "hooks", "test_hook",
    "tokens",
]  # fmt: skip

_SCOPES = {
    "read": marked("Look at everything, change nothing"), "*": marked("Everything that you may"),
    "notification:*": marked("Send notifications"), "user:*": marked("Manage users"),
    "session:*": marked("Manage sessions"), "room:*": marked("Manage rooms"),
}  # fmt: skip
_EVENTS = {
    "*": marked("Everything"), "account.*": marked("Accounts: made, deleted"),
    "session.*": marked("Sessions: started, ended"), "notification.*": marked("Notifications: each step with a device"),
    "push.*": marked("Push: an app is not pushed to any more"), "room.*": marked("Rooms: made, destroyed"),
    "server.*": marked("Other servers: unreachable, reachable again"),
}  # fmt: skip


@page("tokens", title=marked("Tokens"), group=Group.SERVER, icon="key", order=90, needs=("token list",))
async def tokens(asked: Asked) -> View:
    """The tokens there are."""
    return view("programs/tokens.html", rows=await asked.run("token list"), scopes=_SCOPES, made=None)


@action("tokens", needs=("token list", "token add"))
async def add_token(asked: Asked) -> View:
    """Make one; it is shown once."""
    chosen = [scope for scope in _SCOPES if f"scope-{scope}" in asked.form]
    more = [scope.strip() for scope in asked.form.get("scopes", "").split(",") if scope.strip()]
    made = await asked.run("token add", label=asked.form.get("label", ""), scopes=", ".join([*chosen, *more]) or "read",
                           days=asked.form.get("days", "").strip())  # fmt: skip
    asked.form = {}
    return view("programs/tokens.html", rows=await asked.run("token list"), scopes=_SCOPES, made=made)


@action("tokens/{id}/delete", needs=("token delete",), again="tokens")
async def delete_token(asked: Asked, id: str) -> Done:
    """Take it away from whoever has it."""
    await asked.run("token delete", id=id)
    return Done(asked.gettext("The token is deleted. Whoever uses it is refused from now on."), to="tokens")


@page("webhooks", title=marked("Webhooks"), group=Group.SERVER, icon="hook", order=95, needs=("webhook list",))
async def hooks(asked: Asked) -> View:
    """Which programs are told what, and whether that works."""
    return view("programs/webhooks.html", rows=await asked.run("webhook list"), events=_EVENTS, made=None, tested=None)


@action("webhooks", needs=("webhook list", "webhook add"))
async def add_hook(asked: Asked) -> View:
    """Tell events to one more program; the secret that they are signed with is shown once."""
    form = asked.form
    events = ", ".join(name for name in _EVENTS if f"event-{name}" in form)
    if not events:
        raise FormError({"events": asked.gettext("Which events?")})
    made = await asked.run(
        "webhook add", url=form.get("url", "").strip(), events=events, label=form.get("label", "").strip()
    )
    asked.form = {}
    shown = await hooks(asked)
    return view(shown.template, **{**shown.data, "made": made})


@action("webhooks/{id}/test", needs=("webhook test", "webhook list"), again="webhooks")
async def test_hook(asked: Asked, id: str) -> View:
    """Send it something made up, and say what it answers."""
    tested = await asked.run("webhook test", id=id)
    shown = await hooks(asked)
    return view(shown.template, **{**shown.data, "tested": tested})


@action("webhooks/{id}/enable", needs=("webhook enable",), again="webhooks")
async def enable_hook(asked: Asked, id: str) -> Done:
    """Try again."""
    await asked.run("webhook enable", id=id)
    return Done(asked.gettext("It is told again, beginning with what waits."), to="webhooks")


@action("webhooks/{id}/disable", needs=("webhook disable",), again="webhooks")
async def disable_hook(asked: Asked, id: str) -> Done:
    """Tell it nothing for now."""
    await asked.run("webhook disable", id=id)
    return Done(asked.gettext("It is told nothing until you enable it."), to="webhooks")


@action("webhooks/{id}/delete", needs=("webhook delete",), again="webhooks")
async def delete_hook(asked: Asked, id: str) -> Done:
    """Tell it nothing any more."""
    await asked.run("webhook delete", id=id)
    return Done(asked.gettext("The webhook is deleted."), to="webhooks")
