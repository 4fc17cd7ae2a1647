"""What ``xmppctl check --dns`` asks the DNS: do clients and other servers find the hosts? (RFC 6120 3.2, XEP-0368)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError, ResolverError

from xmppd.api.plugin import Component
from xmppd.app.checks import Finding
from xmppd.core.listening import port_of
from xmppd.core.options import SettingsError, validate_options
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError, find_sources
from xmppd.core.settings import Settings
from xmppd.net.tls.certificates import a_label

__all__ = ["check_dns"]


@dataclass(frozen=True)
class _Service:
    """A kind of connection.

    :ivar name: of its SRV record.
    :ivar port: the usual one.
    :ivar whose: who looks for it.
    :ivar findable: is it looked for at that port of the domain itself if there is no record?
    """

    name: str
    port: str
    whose: str
    findable: bool = True


_C2S = _Service("_xmpp-client", "5222", "clients")
_C2S_TLS = _Service("_xmpps-client", "5223", "clients", findable=False)
_S2S = _Service("_xmpp-server", "5269", "other servers")
_S2S_TLS = _Service("_xmpps-server", "5270", "other servers", findable=False)
#: The name of a service, our ports for it, and the machine that the DNS names.
_Record = tuple[str, Sequence[str], str]
_TIMEOUT = (2, 4)  # seconds a server may take; a second question is asked after the first


class LookupFailed(Exception):
    """The DNS gave no answer."""


async def check_dns(settings: Settings, resolver: Any) -> list[Finding]:
    """Look up the SRV and address records of every host, and of the components that other servers may talk to.

    For each host there is a finding more, whose text has the records that should be there, as a zone file has them.

    :param resolver: an IResolver of twisted.names.
    """
    findings: list[Finding] = []
    zones: dict[str, list[str]] = {}
    machines: dict[str, str] = {}  # that the records of a domain name, or should
    beneath = {inner: host for host in settings.hosts for inner in _of_plugins(settings, host)}
    for domain, services in _services(settings, beneath).items():
        host = beneath.get(domain, domain)
        machine, records = machines.get(host, a_label(host)), []
        for service, ports in services.items():
            name = f"{service.name}._tcp.{a_label(domain)}"
            numbers = [str(port_of(endpoint) or service.port) for endpoint in ports]
            finding, target = await _check_service(resolver, domain, name, service, numbers, machine)
            records.append((name, numbers, target))
            machine = machines.setdefault(domain, target) if target else machine
            if finding is not None and (domain not in beneath or service.findable):
                findings.append(_less(finding) if domain in beneath else finding)
        if domain in settings.hosts:
            findings += await _check_old_records(resolver, domain)
        zones.setdefault(host, []).extend(_zone(domain, records, machine))
    lines = (("\n".join(["these records lead here:", *zone]), domain) for domain, zone in zones.items())
    return findings + [Finding("ok", f"zone of {domain}", text) for text, domain in lines]


def _less(finding: Finding) -> Finding:
    """Whoever has no need of others in the rooms has nothing to mend."""
    return replace(finding, level="hint") if finding.level == "error" else finding


def _of_plugins(settings: Settings, domain: str) -> list[str]:
    """Return the domains of a host's plugins that other servers may talk to, such as that of its rooms."""
    host, listen, found = settings.hosts[domain], settings.listen, []
    if not host.federate or not (listen.s2s or listen.s2s_tls):
        return []
    with suppress(PluginError, SettingsError):  # of which there is another finding
        sources = find_sources(settings.server.plugin_paths)
        for name in wanted_names(host.plugins, sources):
            plugin = next(source for source in sources if name in source.names()).load(name)
            if issubclass(plugin, Component):
                options = validate_options(plugin.Options, host.plugin_options.get(name, {}), name)
                found.append(str(options.domain or f"{plugin.label or name}.{domain}"))
    return found


def _services(settings: Settings, beneath: Iterable[str]) -> Mapping[str, Mapping[_Service, Sequence[str]]]:
    """Return what may be looked for at each domain, and the endpoints that serve it; none if it is not served."""
    listen = settings.listen
    found: dict[str, dict[_Service, Sequence[str]]] = {
        domain: {_C2S: listen.c2s, _C2S_TLS: listen.c2s_tls} for domain in settings.hosts
    }
    federated = {domain: host.federate for domain, host in settings.hosts.items()}
    federated |= {domain: True for domain, component in settings.components.items() if component.federate}
    federated |= dict.fromkeys(beneath, True)
    for domain, federate in federated.items():
        servers = {_S2S: listen.s2s if federate else (), _S2S_TLS: listen.s2s_tls if federate else ()}
        found.setdefault(domain, {}).update(servers)
    return found


async def _check_service(
    resolver: Any, domain: str, name: str, service: _Service, ports: Sequence[str], machine: str
) -> tuple[Finding | None, str]:
    """Return what is found, and the machine that is named, or "".

    :param machine: that should be named if none is.
    """
    subject = f"DNS {domain}"
    try:
        targets = [record.payload for record in await _look_up(resolver.lookupService, name, dns.SRV)]
    except LookupFailed as error:
        return Finding("warning", subject, f"{name} could not be looked up: {error}", "Try again later."), ""
    if not targets:
        return (await _without_record(resolver, domain, service, ports[0], machine) if ports else None), ""
    shown = ", ".join(f"{p.target.name.decode()} port {p.port}" for p in targets)
    for payload in targets:
        target = payload.target.name.decode()
        if target in ("", "."):
            if not ports:
                return None, ""  # so it says
            return Finding("error", subject, f"{name} says that there is no such service", "Remove that record."), ""
        if not await _has_address(resolver, target):
            advice = f"Give {target} an A or AAAA record."
            return Finding("error", subject, f"{name} names {target}, which has no address", advice), ""
    finding = Finding("ok", subject, f"{name}: {shown}")
    elsewhere = [str(p.port) for p in targets if str(p.port) not in ports]
    if not ports:
        advice = "Remove that record, unless another program serves it."
        finding = Finding("hint", subject, f"{name}: {shown}, where nothing of ours listens", advice)
    elif elsewhere:
        text = f"{name}: {shown}; we listen at {', '.join(ports)}"
        advice = f"See that something passes port {elsewhere[0]} on to us, or correct the record."
        finding = Finding("hint", subject, text, advice)
    return finding, targets[0].target.name.decode()


async def _without_record(resolver: Any, domain: str, service: _Service, port: str, machine: str) -> Finding:
    """There is no SRV record: then the usual port of the domain itself is tried (RFC 6120 section 3.2.2)."""
    subject, whose, name = f"DNS {domain}", service.whose, f"{service.name}._tcp.{a_label(domain)}"
    advice = f"Add to the zone: {_srv(name, port, machine)}"
    if not service.findable:
        return Finding("hint", subject, f"{name} has no record: {whose} won't find direct TLS", advice)
    if not await _has_address(resolver, a_label(domain)):
        return Finding("error", subject, f"neither {name} nor {domain} has a record", advice)
    if port != service.port:
        return Finding("error", subject, f"{name} has no record: {whose} try port {service.port}, not {port}", advice)
    return Finding("hint", subject, f"{name} has no record: {whose} try port {service.port} of {domain} itself", advice)


async def _check_old_records(resolver: Any, domain: str) -> list[Finding]:
    """Look for what XEP-0156 had before version 1.4, and took out because nothing proves that it is true."""
    name = f"_xmppconnect.{a_label(domain)}"
    try:
        found = await _look_up(resolver.lookupText, name, dns.TXT)
    except LookupFailed:
        return []
    if not found:
        return []
    advice = "Remove that record: clients look into https://DOMAIN/.well-known/host-meta."
    return [Finding("warning", f"DNS {domain}", f"{name} has a TXT record, which clients can't trust", advice)]


def _zone(domain: str, records: Sequence[_Record], machine: str) -> list[str]:
    """Return the records that should be there: names of services, our ports, and machines that are named already."""
    lines = [_srv(name, ports[0], target or machine) for name, ports, target in records if ports]
    if not any(ports for name, ports, _ in records if name.startswith(_S2S.name)):
        lines.append(f"{_S2S.name}._tcp.{a_label(domain)}. 3600 IN SRV 0 0 0 .")  # RFC 6120 3.2.1: there is none
    return lines


def _srv(name: str, port: str, target: str) -> str:
    return f"{name}. 3600 IN SRV 0 5 {port} {target}."


async def _has_address(resolver: Any, name: str) -> bool:
    for look_up, kind in ((resolver.lookupAddress, dns.A), (resolver.lookupIPV6Address, dns.AAAA)):
        try:
            if await _look_up(look_up, name, kind):
                return True
        except LookupFailed:
            continue
    return False


async def _look_up(look_up: Any, name: str, kind: int) -> Sequence[Any]:
    """Return the records of that kind; none if there is no such name. Raises LookupFailed if nobody can tell."""
    try:
        answers, _, _ = await look_up(name, timeout=_TIMEOUT)
    except (DNSNameError, AuthoritativeDomainError):
        return ()
    except (DomainError, ResolverError, TimeoutError) as error:
        raise LookupFailed(type(error).__name__) from None
    return [record for record in answers if record.type == kind]
