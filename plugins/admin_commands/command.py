"""How a command of XEP-0133 is declared: a form, and what is done with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tx_xmpp.data_form import Field

from xmppd.api import IHost, Jid, OperationError, Permission, Result, StanzaError
from xmppd.api.commands import Ask, Done, Filled, Note, Severity
from xmppd.plugins.admin_commands.forms import NS, empty_form

__all__ = ["AdminCommand", "Context", "Declaration"]


class Context:
    """Who runs a command, and where."""

    def __init__(self, host: IHost, requester: Jid) -> None:
        self.host = host
        self.requester = requester

    async def run(self, operation: str, granted: Permission | None = None, **arguments: Any) -> Any:
        """Run an operation.

        :raises StanzaError: it can't be done; section 5 wants an error stanza then.
        """
        try:
            result: Result = await self.host.operations.run(operation, arguments, self.requester, granted)
        except OperationError as error:
            raise StanzaError(error.condition, text=str(error)) from None
        return result

    async def run_each(self, operation: str, accounts: Iterable[Jid]) -> Done:
        """Run an operation for each account.

        :raises StanzaError: none of them could be done.
        """
        failures: list[StanzaError] = []
        accounts = list(accounts)
        for account in accounts:
            try:
                await self.run(operation, jid=account)
            except StanzaError as error:
                failures.append(error)
        if len(failures) == len(accounts):
            raise failures[0]
        return Done([Note(failure.text or str(failure), Severity.ERROR) for failure in failures])


@dataclass(frozen=True)
class Declaration:
    """One command of the XEP.

    :ivar node: the part of the node behind ``#``.
    :ivar name: its name in lists.
    :ivar needs: the operations it is made of; it is offered to who may run them all.
    :ivar run: does it, with what was filled in.
    :ivar title: of the form; "" if there is nothing to fill in.
    :ivar fields: makes the form's fields anew each time: they may show what is set now.
    :ivar admins_only: it is offered to administrators of the host, whatever operations it is made of.
    :ivar covers: it does what those operations do, so that they need not be offered by themselves.
    """

    node: str
    name: str
    needs: tuple[str, ...]
    run: Callable[[Context, Filled], Awaitable[Done]]
    title: str = ""
    instructions: str = ""
    fields: Callable[[Context], Awaitable[Sequence[Field]]] | None = None
    admins_only: bool = False
    covers: bool = True


class AdminCommand:
    """A declaration at work on a host; an ICommand."""

    def __init__(self, host: IHost, declaration: Declaration) -> None:
        self._host = host
        self._declaration = declaration
        self.node = f"{NS}#{declaration.node}"
        self.name = declaration.name

    def allowed(self, requester: Jid) -> bool:
        """See ICommand."""
        if self._declaration.admins_only and requester.bare not in self._host.admins:
            return False
        allowed = {operation.name for operation in self._host.operations.list(requester)}
        return all(name in allowed for name in self._declaration.needs)

    async def step(self, requester: Jid, filled: Sequence[Filled]) -> Ask | Done:
        """See ICommand."""
        context, declaration = Context(self._host, requester), self._declaration
        if declaration.fields is not None and not filled:
            fields = await declaration.fields(context)
            return Ask(empty_form(declaration.title, declaration.instructions, fields))
        return await declaration.run(context, filled[0] if filled else {})
