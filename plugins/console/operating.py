"""Operations of the console: who may do what in it, and how the first one gets in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmppd.api import Condition, IHost, Jid, OperationError, Permission, operation
from xmppd.plugins.console.roles import RoleName
from xmppd.plugins.console.setup import SetupCode

if TYPE_CHECKING:
    from xmppd.plugins.console.store import Store

__all__ = ["ConsoleOperations"]


class ConsoleOperations:
    """The operations of the plugin."""

    host: IHost
    store: Store
    setup: SetupCode
    options: Any

    @operation("console setup", permission=Permission.OPERATOR, examples=("",))
    async def show_code(self) -> dict[str, str]:
        """Show a code that makes who has it the operator, on the console's page for the first run.

        It is possible as long as nobody is operator or administrator who has an account.
        """
        if not await self.first_run():
            raise OperationError(
                "there are people who may use the console: `console roles` lists them, `console grant` adds others",
                Condition.CONFLICT,
            )
        return {"code": self.setup.new(), "page": self.address("setup"), "ends": "in an hour"}

    @operation("console roles", permission=Permission.ADMIN, safe=True, examples=("",))
    async def list_roles(self) -> list[dict[str, Any]]:
        """List who may use the console, and as what."""
        rows = []
        for account, (role, source) in sorted((await self.everybody()).items()):
            person = await self.store.person(account)
            rows.append({
                "account": account,
                "role": role,
                "by": source,
                "second factor": bool(person.secret),
                "sessions": len(await self.store.sessions(account)),
            })  # fmt: skip
        return rows

    @operation(
        "console grant",
        permission=Permission.OPERATOR,
        examples=("romeo@example.org viewer", "juliet@example.org operator"),
    )
    async def grant(self, account: Jid, role: RoleName) -> str:
        """Let an account use the console of this host, with another role than it has now.

        :param account: whose.
        :param role: operator (the whole server), admin (this host), sender (notifications), viewer (changes nothing).
        """
        if not account.local or not account.is_bare or not await self.host.accounts.exists(account):
            raise OperationError(f"there is no account {account}", Condition.ITEM_NOT_FOUND)
        await self.store.grant(str(account), role)
        return f"{account} is {role} in the console of {self.host.jid}."

    @operation("console revoke", permission=Permission.OPERATOR, examples=("romeo@example.org",))
    async def revoke(self, account: Jid) -> str:
        """Take an account's role in the console, and end its sessions there.

        :param account: whose.
        """
        if not await self.store.revoke(str(account.bare)):
            given = (await self.everybody()).get(str(account.bare))
            if given is not None:
                raise OperationError(f"{account} has its role from {given[1]}, in the settings")
            raise OperationError(f"{account} has no role in the console", Condition.ITEM_NOT_FOUND)
        await self.store.end_all(str(account.bare))
        return f"{account} has no role in the console of {self.host.jid} any more."

    @operation("console totp reset", permission=Permission.OPERATOR, examples=("romeo@example.org",))
    async def reset_second_factor(self, account: Jid) -> str:
        """Take the second factor off an account whose owner has lost it, and end its sessions in the console.

        :param account: whose.
        """
        person = await self.store.person(str(account.bare))
        if not person.secret:
            raise OperationError(f"{account} has no second factor", Condition.ITEM_NOT_FOUND)
        await self.store.set_second_factor(str(account.bare), "", person.step, ())
        await self.store.end_all(str(account.bare))
        return f"{account} logs in with the password alone."

    # Of the plugin

    async def first_run(self) -> bool:
        """Is nobody there who could let others in?"""
        raise NotImplementedError

    async def everybody(self) -> dict[str, tuple[RoleName, str]]:
        """Roles by account, and where each comes from."""
        raise NotImplementedError

    def address(self, path: str) -> str:
        """Where a page is."""
        raise NotImplementedError
