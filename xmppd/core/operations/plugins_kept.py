"""Which plugins a host is started with: ``plugins`` of its table in the settings file, changed when one is enabled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmppd.api.operations import OperationError
from xmppd.core.operations.settings import file_of, write_text, written_host
from xmppd.core.options import table_name
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.server import Server

__all__ = ["changed_entries", "keep"]


async def keep(host: Host, name: str, enabled: bool, until_restart: bool) -> str:
    """Write into the settings file that a plugin is enabled, or isn't.

    :param until_restart: don't, because nobody wants it.
    :returns: what there is to say of that, with a space before it; empty if there is nothing.
    """
    server, domain = host.server, str(host.jid)
    options = server.settings.hosts[domain]
    entries = changed_entries(options.plugins, name, enabled, _by_default(host, name))
    if list(entries) == list(options.plugins):
        return ""
    if until_restart:
        return " That lasts until the server is started again."
    try:
        await _write(server, domain, entries)
    except OperationError as error:
        entry = name if enabled else f"-{name}"
        where = table_name(["hosts", domain])
        return (
            f' That lasts until the server is started again; to keep it, put "{entry}" into "plugins" of {where}:'
            f" {error}."
        )
    hosts = {**server.settings.hosts, domain: options.model_copy(update={"plugins": tuple(entries)})}
    server.settings = server.settings.model_copy(update={"hosts": hosts})
    return ""


async def _write(server: Server, domain: str, entries: Sequence[str]) -> None:
    table = await server.run_in_thread(file_of(server).table)
    await write_text(server, (("hosts", written_host(table, domain), "plugins"), list(entries)))


def changed_entries(entries: Sequence[str], name: str, enabled: bool, by_default: bool) -> Sequence[str]:
    """Return the entries of ``plugins`` with which a plugin is enabled, or isn't; as few as will do.

    :param by_default: is it enabled if nothing is said of it?
    """
    others = [entry for entry in entries if entry not in (name, f"-{name}")]
    if (by_default and "-*" not in others) == enabled:
        return entries if len(others) == len(entries) else others
    entry = name if enabled else f"-{name}"
    return entries if entry in entries and len(others) == len(entries) - 1 else [*others, entry]


def _by_default(host: Host, name: str) -> bool:
    try:
        return name in wanted_names((), host.server.sources)
    except PluginError:
        return False
