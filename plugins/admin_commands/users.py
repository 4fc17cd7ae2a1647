"""Commands on accounts: XEP-0133 sections 4.1 to 4.10."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tx_xmpp.data_form import Field

from xmppd.api import Condition, IRoster, Jid, StanzaError
from xmppd.api.commands import Done, Filled, bad_payload
from xmppd.api.roster import RosterItem
from xmppd.plugins.admin_commands.command import Context, Declaration
from xmppd.plugins.admin_commands.forms import jids, required, result_form, single
from xmppd.plugins.admin_commands.logins import Logins
from xmppd.wire.delay import format_datetime
from xmppd.wire.xml import tag

__all__ = ["user_commands"]

_ACCOUNT, _ACCOUNTS = "accountjid", "accountjids"
Fields = Callable[[Context], Awaitable[Sequence[Field]]]


def _with(*fields: tuple[str, str, str]) -> Fields:
    """Return a maker of required fields of (type, var, label)."""

    async def make(context: Context) -> Sequence[Field]:
        return [required(*field) for field in fields]

    return make


def _accounts(label: str) -> Fields:
    return _with(("jid-multi", _ACCOUNTS, label))


def user_commands(logins: Logins, roster: Callable[[], IRoster | None]) -> list[Declaration]:
    """Return the commands.

    :param roster: gives the rosters, if there are any.
    """
    return [*_changing(), *_asking(logins, roster)]


def _changing() -> list[Declaration]:
    return [
        Declaration(
            "add-user", "Add User", ("user add",), _add, "Adding a User", "Fill out this form to add a user.",
            _add_fields,
        ),
        _each(
            "delete-user", "Delete User", "user delete", "Deleting a User", "delete a user",
            "The Jabber ID(s) to delete",
        ),
        _each(
            "disable-user", "Disable User", "user lock", "Disabling a User", "disable a user",
            "The Jabber ID(s) to disable",
        ),
        _each(
            "reenable-user", "Re-Enable User", "user unlock", "Re-Enable a User", "re-enable a user",
            "The Jabber ID(s) to re-enable",
        ),
        _each(
            "end-user-session", "End User Session", "session kick", "Ending a User Session", "end a user's session",
            "The Jabber ID(s) for which to end sessions",
        ),
        Declaration(
            "change-user-password", "Change User Password", ("user password",), _change_password,
            "Changing a User Password", "Fill out this form to change a user's password.",
            _with(
                ("jid-single", _ACCOUNT, "The Jabber ID for this account"),
                ("text-private", "password", "The password for this account"),
            ),
        ),
    ]  # fmt: skip


def _asking(logins: Logins, roster: Callable[[], IRoster | None]) -> list[Declaration]:
    async def get_roster(context: Context, filled: Filled) -> Done:
        return await _roster(context, jids(filled, _ACCOUNTS), roster())

    async def last_login(context: Context, filled: Filled) -> Done:
        return await _last_login(context, jids(filled, _ACCOUNTS), logins)

    async def stats(context: Context, filled: Filled) -> Done:
        return await _stats(context, _one(filled), roster())

    return [
        Declaration(
            "get-user-roster", "Get User Roster", ("roster list",), get_roster, "Getting a User's Roster",
            "Fill out this form to get a user's roster.",
            _accounts("The Jabber ID(s) for which to retrieve the roster"),
        ),
        Declaration(
            "get-user-lastlogin", "Get User Last Login Time", ("user info",), last_login,
            "Getting a User's Last Login Time", "Fill out this form to get a user's last login time.",
            _accounts("The Jabber ID(s) for which to retrieve the last login time"), covers=False,
        ),
        Declaration(
            "user-stats", "Get User Statistics", ("user info",), stats, "Get User Statistics",
            "Fill out this form to gather user statistics.",
            _with(("jid-single", _ACCOUNT, "The Jabber ID for statistics")), covers=False,
        ),
    ]  # fmt: skip


def _each(node: str, name: str, operation: str, title: str, what: str, label: str) -> Declaration:
    """Return a command that does one operation to each of some accounts."""

    async def run(context: Context, filled: Filled) -> Done:
        return await context.run_each(operation, jids(filled, _ACCOUNTS))

    return Declaration(node, name, (operation,), run, title, f"Fill out this form to {what}.", _accounts(label))


def _one(filled: Filled) -> Jid:
    found = jids(filled, _ACCOUNT)
    if len(found) != 1:
        raise bad_payload(f"{_ACCOUNT} has more than one value")
    return found[0]


async def _add_fields(context: Context) -> Sequence[Field]:
    return [
        required("jid-single", _ACCOUNT, "The Jabber ID for the account to be added"),
        Field("text-private", "password", label="The password for this account"),
        Field("text-private", "password-verify", label="Retype password"),
    ]


async def _add(context: Context, filled: Filled) -> Done:
    """Add a user. Without a password one is made, and shown."""
    account, password = _one(filled), single(filled, "password")
    again = single(filled, "password-verify")
    if again is not None and again != password:
        raise bad_payload("the two passwords differ")
    made = await context.run("user add", jid=account, password=password)
    if "password" not in made:
        return Done()
    shown = (("accountjid", None, [made["account"]]), ("password", None, [made["password"]]))
    return Done(payload=result_form(*shown))


async def _change_password(context: Context, filled: Filled) -> Done:
    account, password = _one(filled), single(filled, "password")
    if password is None:
        raise bad_payload("password is missing")
    await context.run("user password", jid=account, password=password)
    return Done()


async def _roster(context: Context, accounts: Sequence[Jid], rosters: IRoster | None) -> Done:
    """Show rosters as the protocol jabber:iq:roster has them (RFC 6121 section 2.1)."""
    if rosters is None:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
    queries = b""
    for account in accounts:
        await context.run("roster list", account=account)  # for its permission, and its line in the audit log
        items = (_roster_item(item) for item in (await rosters.load(account)).items.values())
        queries += tag("query", *items, xmlns="jabber:iq:roster")
    return Done(payload=result_form((_ACCOUNTS, None, accounts), more=queries))


def _roster_item(item: RosterItem) -> bytes:
    groups = (tag("group", group) for group in item.groups)
    return tag(
        "item",
        *groups,
        jid=item.jid,
        name=item.name,
        subscription=item.subscription.value,
        ask="subscribe" if item.ask else None,
    )


async def _last_login(context: Context, accounts: Sequence[Jid], logins: Logins) -> Done:
    times = []
    for account in accounts:
        await context.run("user info", jid=account)
        last = await logins.last(account)
        times.append("" if last is None else format_datetime(last))
    return Done(payload=result_form((_ACCOUNTS, None, accounts), ("lastlogin", None, times)))


async def _stats(context: Context, account: Jid, rosters: IRoster | None) -> Done:
    info = await context.run("user info", jid=account)
    fields = [("ipaddresses", None, info["addresses"]), ("onlineresources", None, info["resources"])]
    if rosters is not None:
        size = len((await rosters.load(account)).items)
        fields.insert(1, ("rostersize", None, [str(size)]))
    return Done(payload=result_form(*fields))
