"""The sessions that are open: who is online, with what, from where; and a message to them, or their end."""

from __future__ import annotations

from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view

_SHOWN = 200
_NEEDS = ("session list",)


@page("sessions", title=marked("Sessions"), group=Group.PEOPLE, icon="sessions", order=20, needs=_NEEDS)
async def sessions(asked: Asked) -> View:
    """The sessions, those with a text in them if one is searched for."""
    rows = await asked.run("session list")
    search = asked.query.get("search", "").strip().lower()
    found = [row for row in rows if _fits(search, row)] if search else rows
    return view("sessions/list.html", rows=found[:_SHOWN], found=len(found), total=len(rows), search=search)


def _fits(search: str, row: dict[str, object]) -> bool:
    return any(search in str(row[name]).lower() for name in ("session", "client", "address"))


@page("sessions/message", title=marked("Message"), within="sessions", needs=("session message",))
async def message(asked: Asked) -> View:
    """The form for a message to a session, an account or all."""
    return view("sessions/message.html", to=asked.query.get("to", str(asked.host.jid)))


@action("sessions/message", needs=("session message",))
async def send(asked: Asked) -> Done:
    """Send it."""
    text = asked.form.get("text", "").strip()
    if not text:
        raise FormError({"text": asked.gettext("There is nothing to send yet.")})
    to = asked.form.get("jid", "")
    await asked.run("session message", jid=to, text=text, subject=asked.form.get("subject", ""))
    return Done(asked.gettext("The message to %(to)s is sent.", to=to), to="sessions")


@action("sessions/kick", needs=("session kick",), again="sessions")
async def kick(asked: Asked) -> Done:
    """End a session; its owner may come again."""
    jid = asked.form.get("jid", "")
    await asked.run("session kick", jid=jid, reason=asked.form.get("reason", ""))
    account = asked.form.get("account", "")
    back = f"users/{account}" if account and "/" not in account else "sessions"
    return Done(asked.gettext("The session %(session)s has ended.", session=jid), to=back)
