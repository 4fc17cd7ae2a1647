"""Other settings for a running server: what changed is applied, the rest goes on undisturbed."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.logger import Logger

from xmppd.core.hosts import Host
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError
from xmppd.core.server import Server
from xmppd.core.settings import Host as HostSettings
from xmppd.core.settings import Settings

__all__ = ["apply"]

_log = Logger()


async def apply(server: Server, new: Settings) -> list[str]:
    """Put `new` in force: limits, hosts, administrators, plugins and their options.

    :returns: what could not be done, in plain words; all else is done.
    """
    old, server.settings = server.settings, new
    problems: list[str] = []
    for domain in old.hosts:
        if domain not in new.hosts:
            await server.remove_host(domain)
            _log.info("host {domain} is not served any more", domain=domain)
    for domain, options in new.hosts.items():
        host = server.hosts.get(domain)
        if host is None:
            host = server.add_host(domain, options)
            _log.info("host {domain} is served from now on", domain=domain)
        host.limits = new.limits
        host.set_admins(options.admins)
        problems += await _plugins(server, host, options)
    problems += server.components.configure(new.components)
    server.uplinks.configure(new.uplinks)
    server.federation.reconfigure()
    return problems


async def _plugins(server: Server, host: Host, options: HostSettings) -> list[str]:
    """Stop, start and reconfigure plugins until they are as the settings say."""
    registry, problems = host.registry, []
    try:
        wanted = wanted_names(options.plugins, server.sources)
    except PluginError as error:
        return [f"{host.jid}: {error}"]
    changed = registry.changed_options(options.plugin_options)
    for plugin in reversed(list(registry.loaded())):
        if plugin.name not in wanted:
            problems += await _try(host, registry.disable(plugin.name))
    for name in changed:
        if registry.get(name) is not None:
            problems += await _try(host, registry.reconfigure(name, options.plugin_options.get(name, {})))
        else:
            registry.set_options(name, options.plugin_options.get(name, {}))
    missing = [name for name in wanted if registry.get(name) is None]
    if missing:
        problems += await _try(host, registry.start(missing))
    return problems


async def _try(host: Host, work: Awaitable[None]) -> list[str]:
    try:
        await work
    except PluginError as error:
        return [f"{host.jid}: {error}"]
    return []
