"""The page of one account: all that is known of it, and what can be done with it."""

from __future__ import annotations

from typing import Any

from xmppd.api import Condition, Jid, JidError, OperationError
from xmppd.plugins.console.pages import Asked, Done, FormError, View, action, marked, page, view

__all__ = ["user"]

#: What is asked about an account, besides `user info`: the name in the template, the operation.
_SECTIONS = {
    "sessions": "session list",
    "roster": "roster list",
    "offline": "offline count",
    "archive": "archive count",
    "files": "upload list",
    "pushes": "push list",
    "devices": "device list",
}
_SHOWN = 100  # rows of a list


@page("users/{account}", title=marked("User"), within="users", needs=("user info",))
async def user(asked: Asked, account: str) -> View:
    """All that is known of an account."""
    info = await asked.run("user info", jid=account)
    found: dict[str, Any] = {}
    for name, operation in _SECTIONS.items():
        found[name] = await _about(asked, operation, account)
    return view("users/user.html", account=account, info=info, role=await _role(asked, account), shown=_SHOWN, **found)


async def _about(asked: Asked, operation: str, account: str) -> Any:
    """What an operation says of an account; None if there is nothing to say, or nobody to say it."""
    if not asked.may(operation):
        return None
    try:
        return await asked.run(operation, account=account)
    except OperationError as error:
        if error.condition is Condition.ITEM_NOT_FOUND:
            return None
        raise


async def _role(asked: Asked, account: str) -> str:
    """What an account is to the console; "" if it is nothing."""
    if not asked.may("console roles"):
        return ""
    rows = await asked.run("console roles")
    return next((str(row["role"]) for row in rows if row["account"] == _normal(account)), "")


def _normal(account: str) -> str:
    """Return an address in its one form (RFC 7622 section 3): operations take any, and it is the same account."""
    try:
        return str(Jid.parse(account).bare)
    except JidError:
        return account  # which operations refuse


async def _may_touch(asked: Asked, account: str) -> None:
    """An administrator who resets an operator's password would be operator.

    :raises OperationError: that is how it is (forbidden).
    """
    if asked.user.role.name != "operator" and await _role(asked, account) == "operator":
        text = asked.gettext("%(account)s is an operator; only operators can do that.", account=account)
        raise OperationError(text, Condition.FORBIDDEN)


def _not_oneself(asked: Asked, account: str) -> None:
    if _normal(account) == str(asked.user.jid):
        raise OperationError(asked.gettext("That is your own account. Somebody else has to do that."))


@action("users/{account}/password", needs=("user password",), again="users/{account}")
async def password(asked: Asked, account: str) -> View | Done:
    """Give an account another password; if none is given one is made up, and shown once."""
    await _may_touch(asked, account)
    chosen = asked.form.get("password", "")
    result = await asked.run("user password", jid=account, password=chosen)
    if chosen:
        return Done(asked.gettext("%(account)s has another password.", account=account), to=f"users/{account}")
    return view("users/password.html", account=account, password=result["password"], created=False)


@action("users/{account}/lock", needs=("user lock",), again="users/{account}")
async def lock(asked: Asked, account: str) -> Done:
    """Let nobody log in."""
    _not_oneself(asked, account)
    await _may_touch(asked, account)
    await asked.run("user lock", jid=account, reason=asked.form.get("reason", ""))
    return Done(
        asked.gettext("%(account)s is locked; its sessions have ended.", account=account), to=f"users/{account}"
    )


@action("users/{account}/unlock", needs=("user unlock",), again="users/{account}")
async def unlock(asked: Asked, account: str) -> Done:
    """Let the owner in again."""
    await asked.run("user unlock", jid=account)
    return Done(asked.gettext("%(account)s may log in again.", account=account), to=f"users/{account}")


@page("users/{account}/delete", title=marked("Delete an account"), within="users", needs=("user delete", "user info"))
async def confirm(asked: Asked, account: str) -> View:
    """Ask whether that is meant."""
    return view("users/delete.html", account=account, info=await asked.run("user info", jid=account))


@action("users/{account}/delete", needs=("user delete",))
async def delete(asked: Asked, account: str) -> Done:
    """Delete an account, if its address was typed."""
    _not_oneself(asked, account)
    await _may_touch(asked, account)
    if asked.form.get("sure", "").strip().lower() != account:
        raise FormError({"sure": asked.gettext("Type the address as it is above.")})
    await asked.run("user delete", jid=account)
    return Done(asked.gettext("%(account)s is deleted, with all that it had.", account=account), to="users")


@action("users/{account}/offline", needs=("offline purge",), again="users/{account}")
async def purge(asked: Asked, account: str) -> Done:
    """Throw away what waits for an account."""
    await asked.run("offline purge", account=account)
    return Done(asked.gettext("Nothing waits for %(account)s any more.", account=account), to=f"users/{account}")


@action("users/{account}/contact", needs=("roster remove",), again="users/{account}")
async def remove_contact(asked: Asked, account: str) -> Done:
    """Remove a contact from the roster."""
    contact = asked.form.get("contact", "")
    await asked.run("roster remove", account=account, contact=contact)
    return Done(asked.gettext("%(contact)s is no longer in the roster.", contact=contact), to=f"users/{account}")


@action("users/{account}/push", needs=("push test",), again="users/{account}")
async def test_push(asked: Asked, account: str) -> Done:
    """Wake the phones of an account up."""
    result = await asked.run("push test", account=account)
    text = result if isinstance(result, str) else asked.gettext("A test push is on its way.")
    return Done(text, to=f"users/{account}")
