"""Accounts: those there are, and new ones."""

from __future__ import annotations

from xmppd.api import Jid, JidError
from xmppd.plugins.console.pages import Asked, Done, FormError, Group, View, action, marked, page, view

_PAGE = 50
_STATES = {
    "all": marked("All"), "online": marked("Online"), "offline": marked("Offline"), "locked": marked("Locked"),
}  # fmt: skip


@page("users", title=marked("Users"), group=Group.PEOPLE, icon="users", order=10, needs=("user list",))
async def users(asked: Asked) -> View:
    """The accounts, by name."""
    state = asked.query.get("state", "all")
    state = state if state in _STATES else "all"
    search, after = asked.query.get("search", "").strip().lower(), asked.query.get("after", "")
    rows = await asked.run("user list", state=state, after=after, limit=0 if search else _PAGE + 1)
    if search:
        rows = [row for row in rows if search in row["account"]][: _PAGE + 1]
    more = rows[_PAGE - 1]["account"] if len(rows) > _PAGE else ""
    return view(
        "users/list.html", rows=rows[:_PAGE], more=more, state=state, states=_STATES, search=search,
        # It goes through all accounts, so not for each key that is pressed.
        count=await asked.run("user count") if asked.may("user count") and not (search or after) else None,
    )  # fmt: skip


@page("users/new", title=marked("New user"), within="users", needs=("user add",))
async def new(asked: Asked) -> View:
    """The form for a new account."""
    return view("users/new.html")


@action("users/new", needs=("user add",))
async def add(asked: Asked) -> View | Done:
    """Make an account; without a password one is made up, and shown once."""
    account = address(asked, asked.form.get("jid", ""))
    password = asked.form.get("password", "")
    if password != asked.form.get("again", ""):
        raise FormError({"again": asked.gettext("That is another one than above.")})
    result = await asked.run("user add", jid=account, password=password)
    if password:
        return Done(asked.gettext("%(account)s is there.", account=account), to=f"users/{account}")
    return view("users/password.html", account=account, password=result["password"], created=True)


def address(asked: Asked, text: str, field: str = "jid") -> str:
    """Return the address of an account that was typed; without a domain it is one of this host.

    :raises FormError: it is none.
    """
    text = text.strip()
    try:
        jid = Jid.parse(text if "@" in text else f"{text}@{asked.host.jid}")
    except JidError as error:
        raise FormError({field: asked.gettext("That is no address: %(reason)s.", reason=error)}) from None
    if not jid.local or not jid.is_bare:
        raise FormError({field: asked.gettext("That is not of the form name@%(host)s.", host=asked.host.jid)})
    return str(jid)
