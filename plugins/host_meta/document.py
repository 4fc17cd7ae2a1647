"""The documents: XRD and JRD of RFC 6415, with the links of XEP-0156, and all that XEP-0487 adds to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import idna

from xmppd.api import tag
from xmppd.api.listening import IListening
from xmppd.api.web import IWeb
from xmppd.plugins.host_meta.options import BOSH, CONNECTIONS, WEBSOCKET, HostMetaOptions, Link

__all__ = ["jrd", "links_of", "xrd"]

_XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_DECLARATION = b"<?xml version='1.0' encoding='utf-8'?>\n"
#: What an XRD link can say; all else is XEP-0487's, which is for JSON alone.
_IN_XML = ("rel", "type", "href", "template")


def links_of(domain: str, options: HostMetaOptions, web: IWeb, listening: IListening) -> list[Mapping[str, Any]]:
    """Return all links, as JRD has them.

    Without addresses in the options, connections that have no URL are left out: those who look for them here would get
    too little to connect, and find them in the DNS.
    """
    return [_written(link, domain, options) for link in _connections(options, web, listening)]


def _connections(options: HostMetaOptions, web: IWeb, listening: IListening) -> Iterator[Link]:
    ports = (
        ("tls", options.tls_port, listening.clients),
        ("s2s-tls", options.s2s_tls_port, listening.servers),
    )
    for name, chosen, open_ports in ports if options.ips else ():
        port = chosen or next(iter(open_ports), 0)
        if port:
            yield Link(rel=CONNECTIONS + name, port=port, priority=options.tls_priority, weight=options.weight)
    urls = (
        (WEBSOCKET, web.websocket, "wss://", options.websocket_priority),
        (BOSH, web.bosh, "https://", options.bosh_priority),
    )
    for rel, url, scheme, priority in urls:
        if url.startswith(scheme):  # XEP-0156 section 2.2: no others are told
            yield Link(rel=rel, href=url, priority=priority, weight=options.weight, ips=options.web_ips)
    yield from (link for link in options.links if options.ips or not link.port)


def _written(link: Link, domain: str, options: HostMetaOptions) -> Mapping[str, Any]:
    said: dict[str, Any] = {name: getattr(link, name) for name in (*_IN_XML, "port") if getattr(link, name)}
    ips = link.ips or options.ips
    if options.ips and link.rel.startswith(CONNECTIONS):
        said |= {"ips": list(ips), "priority": link.priority, "weight": link.weight}
        said["sni"] = link.sni or options.sni or urlsplit(link.href).hostname or _ascii(domain)
        ech = link.ech or options.ech
        if ech:
            said["ech"] = ech
    return said


def _ascii(domain: str) -> str:
    """Return a domain as TLS has it (RFC 6066 section 3)."""
    try:
        return idna.encode(domain).decode()
    except idna.IDNAError:  # a name of a private network
        return domain


def xrd(links: Iterable[Mapping[str, Any]]) -> bytes | None:
    """Return the document in XML; None if there is nothing to say in it."""
    found = [
        tag("Link", attributes={name: link[name] for name in _IN_XML if name in link})
        for link in links
        if "href" in link or "template" in link
    ]
    return _DECLARATION + tag("XRD", *found, xmlns=_XRD) + b"\n" if found else None


def jrd(links: Iterable[Mapping[str, Any]], options: HostMetaOptions) -> bytes | None:
    """Return the document in JSON; None if there is nothing to say in it."""
    found = list(links)
    if not found:
        return None
    document: dict[str, Any] = {}
    if options.ips:
        document["xmpp"] = {"ttl": options.ttl_seconds}
        if options.pins:
            document["xmpp"]["public-key-pins-sha-256"] = list(options.pins)
    return json.dumps({**document, "links": found}, indent=2, ensure_ascii=False).encode() + b"\n"
