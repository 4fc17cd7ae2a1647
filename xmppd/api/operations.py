"""Operations: what an operator can have done. Declared once, they are the command line, ad-hoc commands and more.

An operation is an async method (or function) marked by :func:`operation`. Its parameters say it all: those before the
``*`` are arguments, those after it are options (``--name``); the annotation is the type (str, int, bool, Jid, a
Literal for a choice); a default makes it optional; ``:param name:`` lines of the docstring are the help.
The result is plain data: a str, a dict, or a list of dicts of one shape, which is shown as text, fields or a table.

Some names of parameters have a meaning. ``actor`` is filled with who asks, ``progress`` with a function to report to.
What ends in ``password`` is neither echoed nor logged. A Jid called ``jid`` or ``account`` is an account of the
server, and a str called ``host`` one of its domains: administrators may name those of their own host only, and the
operation of the plugin of that host is the one that runs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import UnionType
from typing import Any, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid, JidError

__all__ = [
    "FileText", "IOperations", "Operation", "OperationError", "Parameter", "Permission", "Progress", "Result",
    "operation", "operations_of",
]  # fmt: skip

#: What an operation gives back.
Result = str | dict[str, Any] | list[dict[str, Any]] | None

#: Called with (done, total) while an operation that takes long goes on.
Progress = Callable[[int, int], None]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_ATTRIBUTE = "__xmppd_operation__"
_FILLED = ("actor", "progress")


class Permission(Enum):
    """Who may run an operation."""

    #: The operator of the server (the admin socket).
    OPERATOR = "operator"
    #: An administrator of the host, too (ad-hoc commands).
    ADMIN = "admin"
    #: Every user, for their own account: `actor` is the account.
    USER = "user"


class OperationError(Exception):
    """The operation can't be done; the text says why, to the person who asked.

    :ivar condition: the stanza error that says the same to a program (RFC 6120 8.3.3), for ad-hoc commands.
    """

    def __init__(self, text: str, condition: Condition = Condition.BAD_REQUEST) -> None:
        super().__init__(text)
        self.condition = condition


class FileText(str):
    """A parameter of this type is the content of a text file: the command line takes the file's name and reads it.

    It is not logged.
    """

    __slots__ = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter. `type` is str, int, bool, float, Jid or FileText; `choices` is not empty for a Literal.

    :ivar required: it has no default.
    :ivar option: on the command line it is written ``--name``.
    :ivar secret: it is neither echoed nor logged.
    """

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
                raise ValueError(f"it must be one of {', '.join(self.choices)}")
            if self.type is bool and isinstance(value, str):
                return _BOOLEANS[value.lower()]
            if self.type is Jid:
                return Jid.parse(str(value))
            return self.type(value)
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error) if isinstance(error, JidError) or self.choices else _EXPECTED[self.type]
            shown = "the value" if self.secret else repr(value)
            raise OperationError(f"{self.name}: {shown} is not valid: {reason}") from None


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_EXPECTED = {
    str: "a text is expected",
    FileText: "a text is expected",
    int: "a whole number is expected",
    float: "a number is expected",
    bool: "yes or no is expected",
}


@dataclass(frozen=True)
class Operation:
    """A declared operation, bound to its object.

    :ivar name: words, the first names the subject: ``user add``.
    :ivar help: the docstring's first paragraph.
    :ivar offline: it needs only the database, and can be run while the server doesn't.
    :ivar safe: it only reads, and changes nothing (RFC 9110 section 9.2.1).
    :ivar concealed: names those of some arguments that nobody may read, where that depends on the others.
    :ivar examples: arguments as one would write them behind the name, for the help.
    """

    name: str
    function: Callable[..., Awaitable[Result]]
    permission: Permission
    help: str
    parameters: tuple[Parameter, ...]
    offline: bool = False
    actor: bool = False
    progress: bool = False
    examples: tuple[str, ...] = ()
    safe: bool = False
    concealed: Callable[[Mapping[str, Any]], Collection[str]] | None = None

    def secrets(self, arguments: Mapping[str, Any]) -> set[str]:
        """Name those of the arguments that are neither shown nor logged."""
        found = {parameter.name for parameter in self.parameters if parameter.secret}
        found |= {name for name in arguments if name.endswith("password")}
        return found.union(self.concealed(arguments)) if self.concealed else found

    async def run(
        self, arguments: Mapping[str, Any], actor: str = "operator", progress: Progress | None = None
    ) -> Result:
        """Check the arguments and run it.

        :param actor: who asks, for the operation if it wants to know, and for the log.
        :param progress: told how far it is, if it takes long.
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
        if self.progress:
            values["progress"] = progress or _unheard
        return await self.function(**values)


def _unheard(done: int, total: int) -> None:
    """Take progress that nobody wants to know of."""


class IOperations(Protocol):
    """The operations that can be run on a host: the kernel's and those of its plugins. Runs are logged."""

    def list(self, actor: Jid) -> Sequence[Operation]:
        """Return what `actor` may run, by name. Administrators of the host may more than others."""

    def all(self, granted: Permission) -> Sequence[Operation]:
        """Return what those may run who are granted that, by name; the operator what is on other hosts as well."""

    def find(self, name: str) -> Operation | None:
        """Return the operation of that name, whoever may run it."""

    async def run(
        self,
        name: str,
        arguments: Mapping[str, Any],
        actor: Jid | str,
        granted: Permission | None = None,
        progress: Progress | None = None,
        *,
        host: str | None = None,
    ) -> Result:
        """Run an operation for `actor`.

        An administrator can name nothing of another host. The operator can, by `host`, or by an argument that is an
        account or called ``host``; what is on one host only is found by itself.

        :param actor: a text is somebody who has no address, such as a program, and is for the log; then `granted`
            is needed.
        :param granted: what `actor` may do, if the caller knows better than the list of administrators.
        :param progress: told how far it is, if it takes long.
        :param host: whose plugin it is, where the operator is asking and that can't be told from the arguments.
        :raises OperationError: it is unknown, not allowed (condition forbidden), or can't be done.
        """

    def note(self, what: str, arguments: Mapping[str, Any], actor: str, outcome: str = "done") -> None:
        """Leave in the audit trail, and the log, what is no operation but belongs there, such as a log-in.

        :param what: in words, as operations have them: ``console login``.
        :param arguments: nothing that is secret.
        :param outcome: ``done``, ``failed: ...`` or ``refused: ...``.
        """


@dataclass(frozen=True)
class _Mark:
    name: str
    permission: Permission
    offline: bool
    examples: tuple[str, ...]
    safe: bool
    conceal: str


def operation(
    name: str,
    permission: Permission = Permission.ADMIN,
    offline: bool = False,
    examples: tuple[str, ...] = (),
    safe: bool = False,
    conceal: str = "",
) -> Callable[[F], F]:
    """Declare an async method an operation.

    :param name: subject and verb, such as ``roster list``. In those of a base class of plugins, ``{plugin}`` stands for
        the plugin's name.
    :param permission: who may run it.
    :param offline: can it be run while the server doesn't? For operations of the kernel only.
    :param examples: arguments as one would write them behind the name, such as ``juliet@example.org``.
    :param safe: it only reads: programs ask for it by GET, and those who may look but not touch may run it.
    :param conceal: a method of the same object that is given the arguments, and names those that nobody may read.
    """

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, _Mark(name, permission, offline, examples, safe, conceal))
        return function

    return mark


def operations_of(owner: object) -> list[Operation]:
    """Return the operations declared on an object's methods, in the order of their names."""
    found = []
    for attribute in dir(type(owner)):
        mark = getattr(getattr(type(owner), attribute, None), _ATTRIBUTE, None)
        if isinstance(mark, _Mark):
            name = mark.name.replace("{plugin}", getattr(owner, "name", ""))
            described = _describe(replace(mark, name=name), getattr(owner, attribute))
            found.append(replace(described, concealed=getattr(owner, mark.conceal) if mark.conceal else None))
    return sorted(found, key=lambda operation: operation.name)


def _describe(mark: _Mark, function: Callable[..., Awaitable[Result]]) -> Operation:
    doc = inspect.getdoc(function) or ""
    helps = dict(re.findall(r":param (\w+):\s*(.+?)(?=\n\s*:|\n\n|\Z)", doc, re.S))
    hints = get_type_hints(function)
    parameters = []
    for p in inspect.signature(function).parameters.values():
        if p.name in _FILLED:
            continue
        hint = hints[p.name]
        if get_origin(hint) in (UnionType, Union):  # X | None
            hint = next(inner for inner in get_args(hint) if inner is not type(None))
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        kind = str if choices else hint
        text = " ".join(helps.get(p.name, "").split())
        required = p.default is inspect.Parameter.empty
        option = p.kind is inspect.Parameter.KEYWORD_ONLY
        secret = p.name.endswith("password") or kind is FileText
        default = None if required else p.default
        parameters.append(Parameter(p.name, kind, required, default, option, text, choices, secret))
    summary = " ".join(doc.split("\n\n")[0].split())
    actor, progress = (name in inspect.signature(function).parameters for name in _FILLED)
    return Operation(
        mark.name,
        function,
        mark.permission,
        summary,
        tuple(parameters),
        mark.offline,
        actor,
        progress,
        mark.examples,
        mark.safe,
    )
