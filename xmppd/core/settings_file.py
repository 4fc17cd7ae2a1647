"""Read a settings file (TOML) into :class:`xmppd.core.settings.Settings`."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from xmppd.core.options import SettingsError, table_name, validate_options
from xmppd.core.settings import Component, Host, Section, Settings
from xmppd.wire.jid import Jid, JidError

S = TypeVar("S", bound=Section)
_SQLITE = "sqlite:///"
_DELEGATION = "urn:xmpp:delegation:2"


def load(path: Path) -> Settings:
    """Read and check the settings file `path`.

    :raises SettingsError: it can't be read, is no TOML, or says something that is unknown or wrong.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: this is not a UTF-8 text"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: can't be read: {error.strerror}"]) from None
    return parse(text, str(path), path.absolute().parent)


def parse(text: str, where: str, folder: Path) -> Settings:
    """Check settings that are given as TOML.

    :param where: what to call the source in errors.
    :param folder: what relative paths are relative to.
    :raises SettingsError: see :func:`load`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{where}: this is not TOML: {error}"]) from None
    return from_table(table, where, folder)


def from_table(table: Mapping[str, Any], where: str, folder: Path) -> Settings:
    """Check settings that are given as nested mappings; see :func:`parse`."""
    hosts = table.get("hosts")
    if isinstance(hosts, Mapping):
        _refuse_internal(hosts, where)
        hosts = {name: _with_plugin_options(host) for name, host in hosts.items()}
        table = {**table, "hosts": hosts}
    settings = validate_options(Settings, table, where)
    problems: list[str] = []
    settings = settings.model_copy(
        update={
            "s2s": settings.s2s.model_copy(update={"domains": _patterns(settings.s2s.domains, where, problems)}),
            "hosts": _domains(settings.hosts, where, "hosts", problems),
            "components": _domains(settings.components, where, "components", problems),
            "uplinks": _domains(settings.uplinks, where, "uplinks", problems),
        }
    )
    problems += _contradictions(settings, where)
    if problems:
        raise SettingsError(problems)
    return _absolute(settings, folder)


def _with_plugin_options(host: Any) -> Any:
    """Gather the tables of plugins, which stand beside the host's own options, under one key."""
    if not isinstance(host, Mapping):
        return host
    tables = {key: value for key, value in host.items() if isinstance(value, Mapping) and key not in _HOST_OPTIONS}
    return {key: value for key, value in host.items() if key not in tables} | {"plugin_options": tables}


_HOST_OPTIONS = frozenset(Host.model_fields) - {"plugin_options"}


def _refuse_internal(hosts: Mapping[str, Any], where: str) -> None:
    for name, host in hosts.items():
        if isinstance(host, Mapping) and not isinstance(host.get("plugin_options", {}), Mapping):
            raise SettingsError(
                [f'{where}: {table_name(["hosts", name])}: there is no option "plugin_options"; see "plugins"']
            )


def _domains(table: Mapping[str, Any], where: str, section: str, problems: list[str]) -> dict[str, Any]:
    """Return `table` under its keys' normalized forms (RFC 7622 section 3.2)."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        place = f"{where}: {table_name([section, name])}"
        try:
            jid = Jid.parse(name)
        except JidError as error:
            problems.append(f"{place}: {error}")
            continue
        if jid != jid.domain:
            problems.append(f"{place}: this is an address, not a domain; did you mean {jid.domain}?")
        elif jid.domain in found:
            problems.append(f"{place}: {jid.domain} is there twice")
        else:
            found[jid.domain] = value
    return found


def _patterns(table: dict[str, Any], where: str, problems: list[str]) -> dict[str, Any]:
    """The same for domains before which `*.` may stand."""
    whole = {name: value for name, value in table.items() if not name.startswith("*.")}
    parts = {name[2:]: value for name, value in table.items() if name.startswith("*.")}
    found = _domains(whole, where, "s2s.domains", problems)
    found.update({f"*.{name}": value for name, value in _domains(parts, where, "s2s.domains", problems).items()})
    return found


def _contradictions(settings: Settings, where: str) -> Iterable[str]:
    """Yield what no single option can tell."""
    if not settings.hosts:
        yield f'{where}: no host is served; add a table such as [hosts."example.org"]'
    for domain, component in settings.components.items():
        if domain in settings.hosts:
            yield f"{where}: {domain} is both a host and a component"
        yield from _component(settings, component, f"{where}: {table_name(['components', domain])}")
    for domain, uplink in settings.uplinks.items():
        if domain in settings.hosts or domain in settings.components:
            yield f"{where}: an uplink is for the domain of a plugin, but {domain} is a host or an external component"
        name, separator, port = uplink.address.rpartition(":")
        if not (name and separator and port.isdecimal()):
            yield f"{where}: {table_name(['uplinks', domain])}: address: HOST:PORT is expected, not {uplink.address}"
    for domain, host in settings.hosts.items():
        place = f"{where}: {table_name(['hosts', domain])}"
        yield from _bad_admins(host, place)
        if host.key and not host.certificate:
            yield f'{place}: "key" is there, but not "certificate"'
    if settings.tls.key and not settings.tls.certificate:
        yield f'{where}: [tls]: "key" is there, but not "certificate"'
    if settings.legacy_tls.key and not settings.legacy_tls.certificate:
        yield f'{where}: [legacy_tls]: "key" is there, but not "certificate"'
    yield from _bad_networks(settings.limits.exempt_networks, f"{where}: [limits]: exempt_networks")
    yield from _bad_networks(settings.http.operator_networks, f"{where}: [http]: operator_networks")


def _component(settings: Settings, component: Component, place: str) -> Iterable[str]:
    yield from _bad_networks(component.addresses, f"{place}: addresses")
    yield from _bad_networks(component.plain_networks, f"{place}: plain_networks")
    for host in component.hosts:
        if host not in settings.hosts:
            yield f"{place}: hosts: {host} is not served"
    if component.privileges.presence == "roster" and component.privileges.roster not in ("get", "both"):
        # XEP-0356 7.2: "The server MUST reject the permission"
        yield f'{place}: privileges: presence = "roster" needs roster to be "get" or "both"'
    for delegation in component.delegations:
        if delegation.namespace == _DELEGATION:
            yield f"{place}: delegations: {_DELEGATION} can't be delegated"  # XEP-0355 8


def _bad_networks(networks: Iterable[str], place: str) -> Iterable[str]:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"{place}: {error}"


def _bad_admins(host: Host, place: str) -> Iterable[str]:
    for admin in host.admins:
        try:
            jid = Jid.parse(admin)
        except JidError as error:
            yield f'{place}: admins: "{admin}": {error}'
            continue
        if not jid.local or not jid.is_bare:
            yield f'{place}: admins: "{admin}" is not of the form user@domain'


def _absolute(settings: Settings, folder: Path) -> Settings:
    """Make every path absolute, and the addresses of admins normal."""

    def beside(path: Path | None) -> Path | None:
        return folder / path.expanduser() if path else None

    def absolute(section: S, *names: str) -> S:
        return section.model_copy(update={name: beside(getattr(section, name)) for name in names})

    server = settings.server
    data_dir = folder / server.data_dir.expanduser()
    server = server.model_copy(
        update={
            "data_dir": data_dir,
            "admin_socket": data_dir / server.admin_socket.expanduser(),
            "plugin_paths": tuple(folder / path.expanduser() for path in server.plugin_paths),
        }
    )
    tls = absolute(settings.tls, "certificate", "key", "client_ca")
    hosts = {
        domain: absolute(host, "certificate", "key").model_copy(
            update={"admins": tuple(Jid.parse(admin) for admin in host.admins)}
        )
        for domain, host in settings.hosts.items()
    }
    log = settings.http.access_log
    return settings.model_copy(
        update={
            "server": server,
            "tls": tls.model_copy(update={"certificate_dir": data_dir / tls.certificate_dir.expanduser()}),
            "legacy_tls": absolute(settings.legacy_tls, "certificate", "key"),
            "hosts": hosts,
            "s2s": absolute(settings.s2s, "ca"),
            "http": settings.http.model_copy(update={"access_log": data_dir / log.expanduser() if log else None}),
            "database": settings.database.model_copy(update={"url": database_url(settings.database.url, data_dir)}),
        }
    )


def database_url(url: str, data_dir: Path) -> str:
    """Return `url` with an absolute SQLite file, and psycopg 3 as the driver of PostgreSQL unless it names one."""
    if url.startswith(_SQLITE) and not url.startswith((_SQLITE + "/", _SQLITE + ":memory:")):
        return _SQLITE + str(data_dir / url.removeprefix(_SQLITE))
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest
