"""What ``xmppctl check`` looks at: settings, folders, database, ports, plugins. Every finding says what to do.

Certificates are looked at by :mod:`xmppd.net.tls.transport`, the DNS by :mod:`xmppd.app.checks_dns`.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from xmppd.api.words import plural
from xmppd.core.kernel_tables import OWNERS
from xmppd.core.options import SettingsError, table_name, validate_options
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError, Source, find_sources
from xmppd.core.settings import Settings
from xmppd.core.storage import DatabaseUrlError, Engines, open_engines
from xmppd.net.admin import is_locked

__all__ = ["Finding", "check_data_dir", "check_database", "check_plugins", "check_ports", "check_settings"]

_LITTLE_SPACE = 200 * 2**20  # octets


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    :ivar level: "ok", "hint" (fine, but), "warning" (works, but not as it should) or "error" (doesn't work).
    :ivar subject: what it is about, in a word or two.
    :ivar text: what was found.
    :ivar advice: what to do about it; empty if nothing.
    """

    level: Literal["ok", "hint", "warning", "error"]
    subject: str
    text: str
    advice: str = ""


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Look for settings that are valid but have no effect, or an unusual one."""
    yield Finding("ok", "settings", f"{plural(len(settings.hosts), 'host')}: {', '.join(settings.hosts)}")
    if settings.server.plain_without_tls:
        yield Finding(
            "warning",
            "settings",
            "plain_without_tls lets passwords go over loopback connections unencrypted",
            "Take it out unless this server is for tests.",
        )
    if not settings.tls.required:
        yield Finding(
            "warning",
            "settings",
            "clients may log in without TLS",
            "Set required = true under [tls].",
        )
    if not (settings.listen.c2s or settings.listen.c2s_tls):
        yield Finding(
            "error",
            "settings",
            "no port for clients is configured",
            'Add c2s = ["tcp:5222"] and c2s_tls = ["tcp:5223"] to [listen].',
        )
    if settings.components and not (settings.listen.component or settings.listen.component_tls):
        yield Finding(
            "warning",
            "settings",
            "there are components in the settings, but no port that they could connect to",
            'Add component = ["tcp:5347:interface=127.0.0.1"] to [listen].',
        )
    ports = settings.listen.http or settings.listen.https
    if ports and any(network.endswith("/0") for network in settings.http.operator_networks):
        yield Finding(
            "warning",
            "settings",
            "/metrics tells everybody who can reach the HTTP port how the server is doing",
            "Set operator_networks under [http] to the networks that your monitoring asks from.",
        )


def check_plugins(settings: Settings) -> Iterator[Finding]:
    """Import the plugins of every host and check their options."""
    try:
        sources = find_sources(settings.server.plugin_paths)
    except PluginError as error:
        yield Finding("error", "plugins", str(error), "Correct plugin_paths under [server].")
        return
    for domain, host in settings.hosts.items():
        table = table_name(["hosts", domain])
        try:
            names = wanted_names(host.plugins, sources)
        except PluginError as error:
            yield Finding("error", "plugins", f"{domain}: {error}", f'Correct "plugins" in {table}.')
            continue
        problems = [f for name in names for f in _check_plugin(name, sources, settings, domain)]
        yield from problems
        for name in sorted(set(host.plugin_options) - set(names)):
            yield Finding(
                "warning",
                "plugins",
                f"{domain} has options for {name}, which is not enabled there",
                f'Add "{name}" to "plugins" in {table}, or take the table {name} out.',
            )
        if not problems:
            yield Finding("ok", "plugins", f"{domain}: {len(names)} plugins, options are valid")


def _check_plugin(name: str, sources: list[Source], settings: Settings, domain: str) -> Iterator[Finding]:
    where = table_name(["hosts", domain, name])
    try:
        cls = next(source for source in sources if name in source.names()).load(name)
        validate_options(cls.Options, settings.hosts[domain].plugin_options.get(name, {}), where)
    except PluginError as error:
        yield Finding("error", "plugins", str(error), f'Repair it, or put "-{name}" into "plugins".')
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("error", "plugins", problem, f"Correct {where}.")


def check_data_dir(settings: Settings) -> Iterator[Finding]:
    """Look at the folder with everything the server keeps."""
    folder = settings.server.data_dir
    if not folder.exists():
        yield Finding("hint", "data folder", f"{folder} does not exist", "The server makes it at its first start.")
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "error",
            "data folder",
            f"{folder} can't be written by you",
            f"Run this as the user the server runs as; if you are: chown -R {_user()} {folder}",
        )
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "warning", "data folder", f"others may look into {folder} (mode {mode:04o})", f"chmod 700 {folder}"
        )
    else:
        yield Finding("ok", "data folder", f"{folder}, for its owner alone")
    free = shutil.disk_usage(folder).free
    if free < _LITTLE_SPACE:
        yield Finding(
            "warning", "data folder", f"only {free // 2**20} MiB are free in {folder}", "Make room on that disk."
        )


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())


def check_database(settings: Settings) -> Iterator[Finding]:
    """Connect to the database and compare the versions of its tables with the program."""
    url = settings.database.url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Finding("hint", "database", "there is none yet", "The server makes it at its first start.")
        return
    try:
        engines = open_engines(url)
    except DatabaseUrlError as error:
        yield Finding("error", "database", str(error), "Correct url under [database].")
        return
    try:
        yield from _check_schema(engines, settings)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0]
        yield Finding(
            "error",
            "database",
            f"it can't be used: {reason}",
            "See that it runs and that url under [database] is right.",
        )
    finally:
        engines.dispose()


def _check_schema(engines: Engines, settings: Settings) -> Iterator[Finding]:
    with engines.read.connect() as connection:
        kind = connection.dialect.name
        if not inspect(connection).has_table("xmppd_schema"):
            yield Finding("hint", "database", f"{kind}: it is empty", "The server makes its tables when it starts.")
            return
        rows = connection.execute(text("SELECT owner, version FROM xmppd_schema"))
        found = {owner: version for owner, version in rows}
    behind = []
    for owner, newest in _newest_versions(settings).items():
        if owner in found and found[owner] > newest:
            yield Finding(
                "error",
                "database",
                f"the tables of {owner} have version {found[owner]}, this program knows {newest}",
                "Install the newer xmppd that made them, or go back to a backup.",
            )
        elif found.get(owner) != newest:
            behind.append(owner)
    if behind:
        names = ", ".join(sorted(behind))
        yield Finding(
            "hint",
            "database",
            f"{kind}: tables of {names} are to be made or updated",
            "The server does it when it starts.",
        )
    else:
        yield Finding("ok", "database", f"{kind}: reachable, tables are up to date")


def _newest_versions(settings: Settings) -> dict[str, int]:
    """Return the schema version of every owner of tables that the settings enable; what can't be loaded is left out."""
    newest = {owner.OWNER: len(owner.MIGRATIONS) for owner in OWNERS}
    with suppress(PluginError):
        sources = find_sources(settings.server.plugin_paths)
        for host in settings.hosts.values():
            for name in wanted_names(host.plugins, sources):
                cls = next(source for source in sources if name in source.names()).load(name)
                if cls.tables:
                    newest[name] = len(cls.migrations)
    return newest


async def check_ports(settings: Settings, reactor: Any) -> list[Finding]:
    """Try the ports the server is to listen on. If it runs, they must be taken, else free."""
    running = is_locked(settings.server.data_dir)
    findings = []
    for key in ("c2s", "c2s_tls", "s2s", "s2s_tls", "component", "component_tls", "http", "https"):
        for endpoint in getattr(settings.listen, key):
            findings.append(await _check_port(key, endpoint, running, reactor))
    return findings


async def _check_port(key: str, endpoint: str, running: bool, reactor: Any) -> Finding:
    subject = f"port {endpoint}"
    if endpoint.startswith("systemd:"):
        return Finding("hint", subject, "systemd opens it", "See systemctl status xmppd.socket.")
    try:
        port = await serverFromString(reactor, endpoint).listen(Factory())
    except CannotListenError as error:
        reason = getattr(error.socketError, "strerror", None) or str(error.socketError)
        if running:
            return Finding("ok", subject, "taken, as it should be while the server runs")
        return Finding("error", subject, f"can't be opened: {reason}", _port_advice(error.socketError))
    except (ValueError, TypeError, KeyError) as error:
        return Finding("error", subject, f"is no endpoint: {error}", f"Correct {key} under [listen].")
    await port.stopListening()
    if running:
        return Finding(
            "error",
            subject,
            "nobody listens there, though the server runs",
            "Restart it: ports are opened at its start.",
        )
    return Finding("ok", subject, "free")


def _port_advice(error: Any) -> str:
    if isinstance(error, PermissionError):
        return "Ports below 1024 need a right: give it by systemd (AmbientCapabilities=CAP_NET_BIND_SERVICE)."
    return "Another program has it; ss -ltnp says which. Stop that one, or choose another port under [listen]."
