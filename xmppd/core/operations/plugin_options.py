"""Options of plugins: ``plugin options``, ``plugin configure``. What they change is in the settings file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.core.operations.sessions import hosts_named
from xmppd.core.operations.settings import checked, file_of, said, write_setting, written_host
from xmppd.core.option_fields import Option, option_fields
from xmppd.core.options import table_name, unknown_name, validate_options
from xmppd.core.plugins.sources import PluginError
from xmppd.core.settings import Settings
from xmppd.wire.errors import Condition

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.server import Server

__all__ = ["PluginOptionOperations"]


class PluginOptionOperations:
    """What plugins can be told."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("plugin options", safe=True, examples=("muc", "archive --host example.org"))
    async def list_options(self, name: str, *, host: str | None = None) -> list[dict[str, Any]]:
        """List the options of a plugin, with what they take and what they are now. Secrets are not shown.

        :param name: the plugin.
        :param host: the domain; the first host if none is given.
        """
        served = hosts_named(self._server, host)[0]
        plugin = served.registry.get(name)
        written = self._server.settings.hosts[str(served.jid)].plugin_options.get(name, {})
        current = plugin.options if plugin is not None else None
        return [option.row(written, current) for option in _options(served, name)]

    @operation(
        "plugin configure",
        permission=Permission.OPERATOR,
        conceal="_concealed",
        examples=("archive days 90 --host example.org", "muc archive_search --reset"),
    )
    async def configure(
        self, name: str, key: str, value: str | None = None, *, host: str | None = None, reset: bool = False
    ) -> str:
        """Change an option of a plugin in the settings file, and put it in force.

        :param name: the plugin.
        :param key: the option.
        :param value: what it is to be; of a list, with commas between, or as TOML writes it.
        :param host: the domain; it may be left out if there is one host.
        :param reset: take it out of the file instead, so that it has its default.
        """
        server, served = self._server, self._single(host)
        option = _option(served, name, key)
        new = checked(option, value, reset)
        domain, model = str(served.jid), served.registry.load_class(name).Options

        def check(settings: Settings) -> None:
            where = f"{table_name(['hosts', domain, name])}"
            validate_options(model, settings.hosts[domain].plugin_options.get(name, {}), where)

        table = await server.run_in_thread(file_of(server).table)
        path = ("hosts", written_host(table, domain), name, *option.path)
        problems = await write_setting(server, (path, new), check, option.secret)
        return said(f"{name} {option.name} on {domain}", option, new, problems)

    def _concealed(self, arguments: Mapping[str, Any]) -> Sequence[str]:
        try:
            served = hosts_named(self._server, arguments.get("host"))[0]
            secret = _option(served, str(arguments.get("name")), str(arguments.get("key"))).secret
        except OperationError:
            secret = True  # nobody knows what it was meant to be
        return ("value",) if secret else ()

    def _single(self, host: str | None) -> Host:
        found = hosts_named(self._server, host)
        if len(found) != 1:
            raise OperationError(f"name the host with --host: {', '.join(str(h.jid) for h in found)}")
        return found[0]


def _options(host: Host, name: str) -> Sequence[Option]:
    try:
        return list(option_fields(host.registry.load_class(name).Options))
    except PluginError as error:
        raise OperationError(str(error), Condition.ITEM_NOT_FOUND) from None


def _option(host: Host, name: str, key: str) -> Option:
    options = {option.name: option for option in _options(host, name)}
    if key not in options:
        raise OperationError(unknown_name(key, options, f"plugin {name}"), Condition.ITEM_NOT_FOUND)
    return options[key]
