"""Numbers and lists of users: XEP-0133 sections 4.13 to 4.22."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tx_xmpp.data_form import Field

from xmppd.api import IHost, Jid
from xmppd.api.commands import Done, Filled, Note, Severity, bad_payload
from xmppd.plugins.admin_commands.command import Context, Declaration
from xmppd.plugins.admin_commands.forms import max_items, result_form, single

__all__ = ["list_commands"]

_LABELS = {
    "registered": "The list of all users",
    "disabled": "The list of all disabled users",
    "online": "The list of all online users",
    "active": "The list of active users",
    "idle": "The list of idle users",
}

#: Gives a host's accounts in some state, at most so many (0: all).
Accounts = Callable[[Context, int], Awaitable[Sequence[str]]]


def list_commands(host: IHost, idle_seconds: Callable[[], float], longest: Callable[[], int]) -> list[Declaration]:
    """Return the commands.

    :param idle_seconds: gives how long a user's devices have sent nothing when the user counts as idle.
    :param longest: gives how many accounts a list may have.
    """

    def by_activity(idle: bool) -> Accounts:
        async def accounts(context: Context, limit: int) -> Sequence[str]:
            await context.run("session list", host=str(host.jid))  # for its permission, and its line in the log
            found = _online(host, idle, idle_seconds())
            return found[:limit] if limit else found

        return accounts

    commands = []
    for word, plural_node, accounts, needs in (
        ("registered", "get-registered-users-list", _in_state("all"), "user list"),
        ("disabled", "get-disabled-users-list", _in_state("locked"), "user list"),
        ("online", "get-online-users-list", _in_state("online"), "user list"),
        ("active", "get-active-users", by_activity(False), "session list"),
        ("idle", "get-idle-users", by_activity(True), "session list"),
    ):
        commands.append(_number(word, accounts, needs))
        commands.append(_list(word, plural_node, accounts, needs, longest))
    return commands


def _in_state(state: str) -> Accounts:
    async def accounts(context: Context, limit: int) -> Sequence[str]:
        rows = await context.run("user list", host=str(context.host.jid), state=state, limit=limit)
        return [row["account"] for row in rows]

    return accounts


def _online(host: IHost, idle: bool, idle_seconds: float) -> list[str]:
    """Return the accounts with a session; idle ones are those all of whose sessions are."""
    border = host.clock.seconds() - idle_seconds
    active: dict[Jid, bool] = {}
    for session in host.all_sessions():
        active[session.account] = active.get(session.account, False) or session.active_at > border
    return sorted(str(account) for account, is_active in active.items() if is_active != idle)


def _number(word: str, accounts: Accounts, needs: str) -> Declaration:
    async def run(context: Context, filled: Filled) -> Done:
        if word in ("registered", "disabled", "online"):
            counts = await context.run("user count", host=str(context.host.jid))
            count = counts["locked" if word == "disabled" else word]
        else:
            count = len(await accounts(context, 0))
        return Done(payload=result_form((f"{word}usersnum", f"The number of {word} users", [str(count)])))

    needed = "user count" if needs == "user list" else needs
    name = f"Get Number of {word.title()} Users"
    return Declaration(f"get-{word}-users-num", name, (needed,), run, covers=needed == "user count")


def _list(word: str, node: str, accounts: Accounts, needs: str, longest: Callable[[], int]) -> Declaration:
    async def run(context: Context, filled: Filled) -> Done:
        wanted = _wanted(filled) or longest()
        limit = min(wanted, longest())
        found = await accounts(context, limit + 1)
        # Told only where it is more than the requester wanted to see.
        cut = len(found) > limit < wanted or len(found) > limit == longest()
        notes = [Note(f"Only the first {limit} are shown.", Severity.WARN)] if cut else []
        label = _LABELS[word]
        return Done(notes, result_form((f"{word}userjids", label, found[:limit])))

    async def fields(context: Context) -> Sequence[Field]:
        return [max_items()]

    title = f"Requesting List of {word.title()} Users"
    instructions = f"Fill out this form to request the {word} users of this service."
    name = f"Get List of {word.title()} Users"
    return Declaration(node, name, (needs,), run, title, instructions, fields, covers=needs == "user list")


def _wanted(filled: Filled) -> int:
    """Return max_items; 0 means all. Raises bad-payload."""
    value = single(filled, "max_items")
    if value is None or value == "none":
        return 0
    if not value.isdecimal() or not 0 < int(value) < 1_000_000:
        raise bad_payload(f"max_items: {value!r} is no number of items")
    return int(value)
