"""Running an operation, and what that leaves behind: a line in the log and a row in the audit trail.

Both have who ran what, with which arguments (secrets left out), and how it ended. The line is of the namespace
``xmppd.audit``. Of what only reads the line is for debugging, and there is no row, unless it is refused: otherwise a
page that is open in a browser would write one every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger

from xmppd.api.operations import Operation, OperationError, Parameter, Progress, Result
from xmppd.api.storage import StorageUnavailable
from xmppd.core.audit import Run
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid

__all__ = ["Runner", "host_named", "is_account", "is_host"]

_audit = Logger(namespace="xmppd.audit")
_ACCOUNT = ("jid", "account")
_LOGGED = 200  # characters of an argument


class Runner:
    """Runs operations.

    :param trail: told of what was run.
    """

    def __init__(self, trail: Callable[[Run], object] | None = None) -> None:
        self._trail = trail

    async def run(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        actor: str,
        progress: Progress | None = None,
        host: str | None = None,
    ) -> Result:
        """Run an operation and note it.

        :param host: the domain that it is about, if the arguments don't tell.
        :raises OperationError: it can't be done, for whatever reason; what is a fault of the program is in the log.
        """
        try:
            result = await operation.run(arguments, actor, progress)
        except OperationError as error:
            self.note(operation, arguments, actor, f"failed: {error}", host)
            raise
        except StorageUnavailable as error:
            self.note(operation, arguments, actor, f"failed: {error.reason}", host)
            raise OperationError(
                f"the database can't be used now: {error.reason}", Condition.RESOURCE_CONSTRAINT
            ) from error
        except Exception as error:
            _audit.failure("{operation} failed", operation=operation.name)
            self.note(operation, arguments, actor, f"failed: {type(error).__name__}", host)
            raise OperationError(
                f"{operation.name} failed: {type(error).__name__}: {error} (the log has more)",
                Condition.INTERNAL_SERVER_ERROR,
            ) from error
        self.note(operation, arguments, actor, "done", host)
        return result

    def note(
        self, operation: Operation, arguments: Mapping[str, Any], actor: str, outcome: str, host: str | None
    ) -> None:
        """Leave the line and the row."""
        secret = operation.secrets(arguments)
        shown = {
            name: "***" if name in secret else _on_one_line(value)
            for name, value in arguments.items()
            if value is not None
        }
        reading = operation.safe and not outcome.startswith("refused")
        (_audit.debug if reading else _audit.info)(
            "{actor} ran {operation}{shown}: {outcome}",
            actor=actor,
            operation=operation.name,
            arguments=shown,
            shown="".join(f" {name}={value}" for name, value in shown.items()),
            outcome=outcome,
        )
        if not reading:
            self._keep(Run(_on_one_line(actor), operation.name, _host_of(operation, arguments) or host or "", shown,
                           _on_one_line(outcome)))  # fmt: skip

    def note_other(self, what: str, arguments: Mapping[str, Any], actor: str, outcome: str, host: str) -> None:
        """Leave the line and the row of something that is no operation, such as a log-in."""
        shown = {name: _on_one_line(value) for name, value in arguments.items()}
        run = Run(_on_one_line(actor), what, host, shown, _on_one_line(outcome))
        _audit.info(
            "{actor}: {what}{shown}: {outcome}",
            actor=run.actor,
            what=what,
            arguments=shown,
            shown="".join(f" {name}={value}" for name, value in shown.items()),
            outcome=run.outcome,
        )
        self._keep(run)

    def _keep(self, run: Run) -> None:
        if self._trail is not None:
            self._trail(run)


def _host_of(operation: Operation, arguments: Mapping[str, Any]) -> str | None:
    try:
        return host_named(operation, arguments)
    except OperationError:
        return None


def _on_one_line(value: object) -> str:
    text = str(value)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= _LOGGED else text[:_LOGGED] + "..."


def is_account(parameter: Parameter) -> bool:
    """Is it an account of the server?"""
    return parameter.type is Jid and parameter.name in _ACCOUNT


def is_host(parameter: Parameter) -> bool:
    """Is it one of the domains?"""
    return parameter.type is str and parameter.name == "host"


def host_named(operation: Operation, arguments: Mapping[str, Any]) -> str | None:
    """Return the domain that the arguments name, or that of the account in them.

    :raises OperationError: an address is none.
    """
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if value is not None and is_host(parameter):
            return str(value)
        if value is not None and is_account(parameter):
            domain: str = parameter.convert(value).domain
            return domain
    return None
