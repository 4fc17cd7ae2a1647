"""What ``xmppctl check --dns`` asks the DNS: do clients and other servers find the hosts? (RFC 6120 3.2, XEP-0368)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError, ResolverError

from xmppd.app.checks import Finding
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
_TIMEOUT = (2, 4)  # seconds a server may take; a second question is asked after the first


class LookupFailed(Exception):
    """The DNS gave no answer."""


async def check_dns(settings: Settings, resolver: Any) -> list[Finding]:
    """Look up the SRV and address records of every host, and of the components that other servers may talk to.

    :param resolver: an IResolver of twisted.names.
    """
    return [
        await _check_service(resolver, domain, service, _port_number(ports[0], service.port))
        for domain, service, ports in _services(settings)
        if ports
    ]


def _services(settings: Settings) -> Iterator[tuple[str, _Service, Sequence[str]]]:
    """Yield domains, what may be looked for there, and the ports that serve it."""
    listen = settings.listen
    for domain in settings.hosts:
        yield domain, _C2S, listen.c2s
        yield domain, _C2S_TLS, listen.c2s_tls
    open_to_others = [domain for domain, host in settings.hosts.items() if host.federate]
    open_to_others += [domain for domain, component in settings.components.items() if component.federate]
    for domain in open_to_others:
        yield domain, _S2S, listen.s2s
        yield domain, _S2S_TLS, listen.s2s_tls


async def _check_service(resolver: Any, domain: str, service: _Service, port: str) -> Finding:
    name = f"{service.name}._tcp.{a_label(domain)}"
    subject = f"DNS {domain}"
    try:
        targets = [record.payload for record in await _look_up(resolver.lookupService, name, dns.SRV)]
    except LookupFailed as error:
        return Finding("warning", subject, f"{name} could not be looked up: {error}", "Try again later.")
    if not targets:
        return await _without_record(resolver, domain, name, service, port)
    for payload in targets:
        target = payload.target.name.decode()
        if target in ("", "."):
            return Finding("error", subject, f"{name} says that there is no such service", "Remove that record.")
        if not await _has_address(resolver, target):
            return Finding(
                "error", subject, f"{name} names {target}, which has no address", f"Give {target} an A or AAAA record."
            )
    shown = ", ".join(f"{p.target.name.decode()} port {p.port}" for p in targets)
    return Finding("ok", subject, f"{name}: {shown}")


async def _without_record(resolver: Any, domain: str, name: str, service: _Service, port: str) -> Finding:
    """There is no SRV record: then the usual port of the domain itself is tried (RFC 6120 section 3.2.2)."""
    subject, whose = f"DNS {domain}", service.whose
    advice = f"Add to the zone: {name}. 3600 IN SRV 0 5 {port} {a_label(domain)}."
    if not service.findable:
        return Finding("hint", subject, f"{name} has no record: {whose} won't find direct TLS", advice)
    if not await _has_address(resolver, a_label(domain)):
        return Finding("error", subject, f"neither {name} nor {domain} has a record", advice)
    if port != service.port:
        return Finding("error", subject, f"{name} has no record: {whose} try port {service.port}, not {port}", advice)
    return Finding("hint", subject, f"{name} has no record: {whose} try port {service.port} of {domain} itself", advice)


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


def _port_number(endpoint: str, usual: str) -> str:
    """Return the port in an endpoint string such as ``tcp:5222``, or the usual one if it isn't told there."""
    parts = endpoint.split(":")
    return parts[1] if len(parts) > 1 and parts[1].isdigit() else usual
