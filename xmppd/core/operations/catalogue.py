"""The operations of a server: gathered from the kernel and the plugins of every host, found by name, run and logged.

Everybody who runs one comes by here: the command line through the admin socket, ad-hoc commands (XEP-0050) and whatever
else carries them. What a run leaves behind is in :mod:`xmppd.core.operations.running`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.logger import Logger

from xmppd.api.operations import (
    Operation,
    OperationError,
    Permission,
    Progress,
    Result,
    operations_of,
)
from xmppd.api.plugin import Plugin
from xmppd.core.audit import Run
from xmppd.core.operations.running import Runner, host_named, is_account, is_host
from xmppd.core.options import nearest
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid

__all__ = ["Entry", "HostOperations", "OperationRegistry", "describe"]

_log = Logger()
_RANK = {Permission.USER: 0, Permission.ADMIN: 1, Permission.OPERATOR: 2}

#: Yields (domain, plugin) for every plugin that is loaded, in the order of the hosts.
Plugins = Callable[[], Iterable[tuple[str, Plugin]]]


@dataclass
class Entry:
    """An operation by name: the kernel's one, or one for each host whose plugin has it."""

    name: str
    kernel: Operation | None = None
    hosts: dict[str, Operation] = field(default_factory=dict)

    @property
    def sample(self) -> Operation:
        """Any of them: they are declared alike."""
        return self.kernel or next(iter(self.hosts.values()))

    def on(self, domain: str) -> Operation | None:
        """The one for a host."""
        return self.kernel or self.hosts.get(domain)

    def pick(self, domain: str | None, arguments: Mapping[str, Any]) -> Operation:
        """The one meant: the kernel's, or that of the host named, or of the account in the arguments.

        :raises OperationError: the host doesn't have it, or it isn't clear which host is meant.
        """
        if self.kernel:
            return self.kernel
        domain = domain or host_named(self.sample, arguments)
        if domain is None:
            if len(self.hosts) == 1:
                return self.sample
            raise OperationError(f"several hosts have {self.name}; name one of {', '.join(self.hosts)}")
        if domain not in self.hosts:
            raise OperationError(
                f"{domain} has no {self.name}: no plugin that is enabled there offers it", Condition.ITEM_NOT_FOUND
            )
        return self.hosts[domain]


class OperationRegistry:
    """All operations of a server.

    :param kernel: objects with operations that are there whatever plugins are loaded.
    :param plugins: tells which plugins are loaded now.
    :param trail: told of what was run.
    :ivar runner: what everything is run by.
    """

    def __init__(
        self, kernel: Sequence[object], plugins: Plugins = tuple, trail: Callable[[Run], object] | None = None
    ) -> None:
        self.runner = Runner(trail)
        self._kernel = [operation for owner in kernel for operation in operations_of(owner)]
        self._plugins = plugins
        self._gathered_from: list[tuple[str, Plugin]] | None = None
        self._entries: dict[str, Entry] = {}

    def entries(self) -> Mapping[str, Entry]:
        """All operations by name, in the order of the names. A plugin can't replace one of the kernel's."""
        loaded = list(self._plugins())
        if loaded != self._gathered_from:
            self._gathered_from = loaded
            self._entries = dict(sorted(self._gather(loaded).items()))
        return self._entries

    def _gather(self, loaded: Iterable[tuple[str, Plugin]]) -> dict[str, Entry]:
        entries = {operation.name: Entry(operation.name, operation) for operation in self._kernel}
        for domain, plugin in loaded:
            for operation in operations_of(plugin):
                entry = entries.setdefault(operation.name, Entry(operation.name))
                if entry.kernel or domain in entry.hosts:
                    _log.warn(
                        "{operation} of plugin {plugin} is left out: that name is taken on {host}",
                        operation=operation.name, plugin=plugin.name, host=domain,
                    )  # fmt: skip
                else:
                    entry.hosts[domain] = operation
        return entries

    def find(self, name: str) -> Entry:
        """Return the operation of that name.

        :raises OperationError: there is none; the text names the nearest.
        """
        entries = self.entries()
        if name not in entries:
            guess = nearest(name, entries)
            hint = f"; did you mean {guess}?" if guess else ""
            raise OperationError(f"there is no operation {name!r}{hint}", Condition.ITEM_NOT_FOUND)
        return entries[name]

    async def run(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        host: str | None = None,
        actor: str = "operator",
        progress: Progress | None = None,
    ) -> Result:
        """Run an operation for the operator, who may everything.

        :param host: whose plugin it is, where that can't be told from the arguments.
        :raises OperationError: it is unknown, or can't be done.
        """
        return await self.runner.run(self.find(name).pick(host, arguments), arguments, actor, progress, host)


class HostOperations:
    """What can be run on one host by XMPP; see :class:`xmppd.api.IOperations`.

    :param admins: tells who the host's administrators are now.
    """

    def __init__(self, registry: OperationRegistry, domain: str, admins: Callable[[], frozenset[Jid]]) -> None:
        self._registry = registry
        self._domain = domain
        self._admins = admins

    def _granted(self, actor: Jid) -> Permission | None:
        if actor.bare in self._admins():
            return Permission.ADMIN
        return Permission.USER if actor.domain == self._domain else None

    def list(self, actor: Jid) -> Sequence[Operation]:
        """See IOperations.list."""
        granted = self._granted(actor)
        found = (entry.on(self._domain) for entry in self._registry.entries().values())
        return [operation for operation in found if operation and _allows(granted, operation.permission)]

    def all(self, granted: Permission) -> Sequence[Operation]:
        """See IOperations.all."""
        entries = self._registry.entries().values()
        if granted is Permission.OPERATOR:
            return [entry.on(self._domain) or entry.sample for entry in entries]
        found = (entry.on(self._domain) for entry in entries)
        return [operation for operation in found if operation and _allows(granted, operation.permission)]

    def find(self, name: str) -> Operation | None:
        """See IOperations.find."""
        entry = self._registry.entries().get(name)
        return entry.on(self._domain) if entry else None

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
        """See IOperations.run."""
        label = str(actor.bare) if isinstance(actor, Jid) else actor
        if granted is None and isinstance(actor, Jid):
            granted = self._granted(actor)
        entry, runner = self._registry.find(name), self._registry.runner
        if granted is Permission.OPERATOR:
            return await runner.run(self._for_operator(entry, arguments, host), arguments, label, progress, host)
        operation = entry.pick(self._domain, arguments)
        if not _allows(granted, operation.permission):
            runner.note(operation, arguments, str(actor), "refused: not allowed", self._domain)
            raise OperationError(f"you may not run {name}", Condition.FORBIDDEN)
        if granted is Permission.ADMIN:
            try:
                arguments = confined(operation, arguments, self._domain)
            except OperationError as error:
                runner.note(operation, arguments, str(actor), f"refused: {error}", self._domain)
                raise
        return await runner.run(operation, arguments, label, progress, self._domain)

    def note(self, what: str, arguments: Mapping[str, Any], actor: str, outcome: str = "done") -> None:
        """See IOperations.note."""
        self._registry.runner.note_other(what, arguments, actor, outcome, self._domain)

    def _for_operator(self, entry: Entry, arguments: Mapping[str, Any], host: str | None) -> Operation:
        if host is None and entry.on(self._domain) and host_named(entry.sample, arguments) is None:
            host = self._domain
        return entry.pick(host, arguments)


def _allows(granted: Permission | None, needed: Permission) -> bool:
    return granted is not None and _RANK[granted] >= _RANK[needed]


def confined(operation: Operation, arguments: Mapping[str, Any], domain: str) -> dict[str, Any]:
    """Return the arguments of an administrator of `domain`, who may name nothing of another host.

    :raises OperationError: they do (forbidden).
    """
    result = dict(arguments)
    for parameter in operation.parameters:
        value = arguments.get(parameter.name)
        if is_host(parameter):
            if value not in (None, "", domain):
                raise OperationError(f"you may not administer {value}", Condition.FORBIDDEN)
            result[parameter.name] = domain
        elif is_account(parameter) and value is not None and parameter.convert(value).domain != domain:
            raise OperationError(f"{value} is not an account of {domain}", Condition.FORBIDDEN)
    return result


def describe(entry: Entry) -> dict[str, Any]:
    """Return a declaration as plain data, from which a command line or a form can be made."""
    operation = entry.sample
    return {
        "name": operation.name,
        "help": operation.help,
        "permission": operation.permission.value,
        "offline": operation.offline,
        "safe": operation.safe,
        "examples": list(operation.examples),
        "hosts": list(entry.hosts),
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type.__name__,
                "required": parameter.required,
                "default": parameter.default,
                "option": parameter.option,
                "help": parameter.help,
                "choices": list(parameter.choices),
                "secret": parameter.secret,
            }
            for parameter in operation.parameters
        ],
    }
