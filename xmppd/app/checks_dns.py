"""What ``xmppctl check --dns`` asks the DNS: can clients find the hosts? (RFC 6120 section 3.2, XEP-0368)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import TimeoutError
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError, ResolverError

from xmppd.app.checks import Finding
from xmppd.core.settings import Settings
from xmppd.net.tls.certificates import a_label

__all__ = ["check_dns"]

_TIMEOUT = (2, 4)  # seconds a server may take; a second question is asked after the first


class LookupFailed(Exception):
    """The DNS gave no answer."""


async def check_dns(settings: Settings, resolver: Any) -> list[Finding]:
    """Look up the SRV and address records of every host.

    :param resolver: an IResolver of twisted.names.
    """
    findings = []
    for domain in settings.hosts:
        for service, ports in (("_xmpp-client", settings.listen.c2s), ("_xmpps-client", settings.listen.c2s_tls)):
            if ports:
                findings.append(await _check_service(resolver, domain, service, _port_number(ports[0])))
    return findings


async def _check_service(resolver: Any, domain: str, service: str, port: str) -> Finding:
    name = f"{service}._tcp.{a_label(domain)}"
    subject = f"DNS {domain}"
    try:
        targets = [record.payload for record in await _look_up(resolver.lookupService, name, dns.SRV)]
    except LookupFailed as error:
        return Finding("warning", subject, f"{name} could not be looked up: {error}", "Try again later.")
    if not targets:
        return await _without_record(resolver, domain, name, port)
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


async def _without_record(resolver: Any, domain: str, name: str, port: str) -> Finding:
    """There is no SRV record: then clients try port 5222 of the domain itself (RFC 6120 section 3.2.2)."""
    advice = f"Add to the zone: {name}. 3600 IN SRV 0 5 {port} {a_label(domain)}."
    if name.startswith("_xmpps"):
        return Finding("hint", f"DNS {domain}", f"{name} has no record: clients won't find direct TLS", advice)
    if not await _has_address(resolver, a_label(domain)):
        return Finding("error", f"DNS {domain}", f"neither {name} nor {domain} has a record", advice)
    if port != "5222":
        return Finding("error", f"DNS {domain}", f"{name} has no record: clients try port 5222, not {port}", advice)
    return Finding("hint", f"DNS {domain}", f"{name} has no record: clients try port 5222 of {domain} itself", advice)


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


def _port_number(endpoint: str) -> str:
    """Return the port in an endpoint string such as ``tcp:5222``, or ``5222`` if it isn't told there."""
    parts = endpoint.split(":")
    return parts[1] if len(parts) > 1 and parts[1].isdigit() else "5222"
