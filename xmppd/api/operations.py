"""Operations: what an operator can have done. Declared once, they are the command line, ad-hoc commands and more.

An operation is an async method (or function) marked by :func:`operation`. Its parameters say it all: those before the
``*`` are arguments, those after it are options (``--name``); the annotation is the type (str, int, bool, Jid, a
Literal for a choice); a default makes it optional; ``:param name:`` lines of the docstring are the help.
The result is plain data: a str, a dict, or a list of dicts of one shape, which is shown as text, fields or a table.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from xmppd.wire.jid import Jid, JidError

__all__ = ["Operation", "OperationError", "Parameter", "Permission", "Result", "operation", "operations_of"]

#: What an operation gives back.
Result = str | dict[str, Any] | list[dict[str, Any]] | None

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_ATTRIBUTE = "__xmppd_operation__"


class Permission(Enum):
    """Who may run an operation."""

    #: The operator of the server (the admin socket).
    OPERATOR = "operator"
    #: An administrator of the host, too (ad-hoc commands).
    ADMIN = "admin"
    #: Every user, for their own account: `actor` is the account.
    USER = "user"


class OperationError(Exception):
    """The operation can't be done; the text says why, to the person who asked."""


@dataclass(frozen=True)
class Parameter:
    """One parameter. `type` is str, int, bool, float or Jid; `choices` is not empty for a Literal."""

    name: str
    type: type
    required: bool
    default: Any
    option: bool
    help: str
    choices: tuple[str, ...] = ()
    secret: bool = False

    def convert(self, value: Any) -> Any:
        """Return `value` (a text, or what JSON gives) as this parameter's type.

        :raises OperationError: if it isn't one.
        """
        try:
            if self.choices and value not in self.choices:
                raise ValueError(f"one of {', '.join(self.choices)}")
            if self.type is bool:
                if isinstance(value, str):
                    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
                        value.lower()
                    ]
                return bool(value)
            if self.type is Jid:
                return Jid.parse(str(value))
            return self.type(value)
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error) if isinstance(error, JidError) or self.choices else f"{self.type.__name__} expected"
            raise OperationError(f"{self.name}: {value!r} is not valid: {reason}") from None


@dataclass(frozen=True)
class Operation:
    """A declared operation, bound to its object.

    :ivar name: words, the first names the subject: ``user add``.
    :ivar help: the docstring's first paragraph.
    :ivar offline: it needs only the database, and can be run while the server doesn't.
    """

    name: str
    function: Callable[..., Awaitable[Result]]
    permission: Permission
    help: str
    parameters: tuple[Parameter, ...]
    offline: bool = False
    actor: bool = False

    async def run(self, arguments: dict[str, Any], actor: str = "operator") -> Result:
        """Check the arguments and run it.

        :param actor: who asks, for the operation if it wants to know, and for the log.
        :raises OperationError: if an argument is missing, unknown or wrong, or the operation can't be done.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in arguments:
            if name not in known:
                raise OperationError(f"{self.name} has no parameter {name!r}")
        values: dict[str, Any] = {}
        for name, parameter in known.items():
            value = arguments.get(name)
            if value is None:
                if parameter.required:
                    raise OperationError(f"{self.name} needs {name}")
                values[name] = parameter.default
            else:
                values[name] = parameter.convert(value)
        if self.actor:
            values["actor"] = actor
        return await self.function(**values)


@dataclass(frozen=True)
class _Mark:
    name: str
    permission: Permission
    offline: bool


def operation(name: str, permission: Permission = Permission.ADMIN, offline: bool = False) -> Callable[[F], F]:
    """Declare an async method an operation.

    A parameter called ``actor`` is filled with who asks; one called ``password`` is not echoed or logged.

    :param name: subject and verb, such as ``roster list``.
    """

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, _Mark(name, permission, offline))
        return function

    return mark


def operations_of(owner: object) -> list[Operation]:
    """Return the operations declared on an object's methods, in the order of their names."""
    found = []
    for attribute in dir(type(owner)):
        mark = getattr(getattr(type(owner), attribute, None), _ATTRIBUTE, None)
        if isinstance(mark, _Mark):
            found.append(_describe(mark, getattr(owner, attribute)))
    return sorted(found, key=lambda operation: operation.name)


def _describe(mark: _Mark, function: Callable[..., Awaitable[Result]]) -> Operation:
    doc = inspect.getdoc(function) or ""
    helps = dict(re.findall(r":param (\w+):\s*(.+?)(?=\n\s*:|\n\n|\Z)", doc, re.S))
    hints = get_type_hints(function)
    parameters = []
    for p in inspect.signature(function).parameters.values():
        if p.name == "actor":
            continue
        hint = hints[p.name]
        options = [a for a in get_args(hint) if a is not type(None)] if get_origin(hint) is not None else []
        choices = tuple(options) if options and isinstance(options[0], str) else ()
        kind = str if choices else options[0] if options else hint
        text = " ".join(helps.get(p.name, "").split())
        required = p.default is inspect.Parameter.empty
        option = p.kind is inspect.Parameter.KEYWORD_ONLY
        secret = p.name.endswith("password")
        default = None if required else p.default
        parameters.append(Parameter(p.name, kind, required, default, option, text, choices, secret))
    summary = " ".join(doc.split("\n\n")[0].split())
    actor = "actor" in inspect.signature(function).parameters
    return Operation(mark.name, function, mark.permission, summary, tuple(parameters), mark.offline, actor)
