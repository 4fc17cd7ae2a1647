"""What ``xmppctl check`` says of host-meta: do clients find WebSocket and BOSH? (XEP-0156, XEP-0487)"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin
from xml.parsers.expat import ExpatError, ParserCreate

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from xmppd.api.http import Response
from xmppd.api.network import NoConnection
from xmppd.app.checks import Finding
from xmppd.core.listening import Listening
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import PluginError, find_sources
from xmppd.core.settings import Settings
from xmppd.core.web import Web
from xmppd.net.tls.certificates import CertificateError, a_label, find, read

__all__ = ["check_host_meta", "check_web"]

Fetch = Callable[[str], Awaitable[Response]]

_PLUGIN = "host_meta"
_PATH = "/.well-known/host-meta"
_REL = "urn:xmpp:alt-connections:"
_LINK = "http://docs.oasis-open.org/ns/xri/xrd-1.0 Link"
_REDIRECTIONS = 3
_MOVED = (301, 302, 303, 307, 308)


class _Unreadable(Exception):
    """What is there is no such document; the text says why."""


def check_host_meta(settings: Settings) -> Iterator[Finding]:
    """Look at what XEP-0487 tells: who reads that asks nobody else, so it has to be all, and right."""
    for domain in _domains(settings):
        options = settings.hosts[domain].plugin_options.get(_PLUGIN, {})
        if not options.get("ips"):
            continue
        subject = f"host-meta of {domain}"
        told, listening = options.get("links", ()), Listening(domain, lambda: settings)
        for listen, key, ports, rel, whose in (
            ("c2s_tls", "tls_port", listening.clients, "tls", "clients"),
            ("s2s_tls", "s2s_tls_port", listening.servers, "s2s-tls", "other servers"),
        ):
            needed = rel == "tls" or settings.hosts[domain].federate
            if needed and not (options.get(key) or ports or any(link.get("rel") == _REL + rel for link in told)):
                yield Finding(
                    "warning", subject, f"{whose} that know XEP-0487 look nowhere else, and find no direct TLS",
                    f"Add {listen} to [listen], or {key} to the options of {_PLUGIN}; or take ips out of them.",
                )  # fmt: skip
        yield from _check_pins(settings, domain, subject, options.get("pins", ()))


def _check_pins(settings: Settings, domain: str, subject: str, pins: Any) -> Iterator[Finding]:
    files = find(settings, domain) if pins else None
    if files is None:
        return
    with suppress(CertificateError):  # of which there is another finding
        key = read(files).leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
        if pin not in pins:
            yield Finding(
                "error", subject, "none of the pins is that of the certificate's key: who knows XEP-0487 refuses it",
                f"Go back to the former key. Before a new one is used, its hash is in pins for some time: {pin}",
            )  # fmt: skip


async def check_web(settings: Settings, fetch: Fetch) -> list[Finding]:
    """Ask the domain of every host for host-meta, as a browser would, and compare it with what is ours.

    :param fetch: takes a URL, and gives the answer or raises NoConnection.
    """
    findings = []
    for domain in _domains(settings):
        subject = f"host-meta of {domain}"
        web = Web(domain, lambda: settings)
        ours = {_REL + "websocket": web.websocket, _REL + "xbosh": web.bosh}
        ours = {rel: url for rel, url in ours.items() if url.startswith(("wss://", "https://"))}
        if not ours:
            advice = f'Add https = ["tcp6:5281"] to [listen], or http_url to [hosts."{domain}"].'
            findings.append(Finding("hint", subject, "browsers don't reach the host: it has no HTTPS", advice))
            continue
        for suffix in ("", ".json"):
            findings.append(await _check_document(fetch, domain, subject, suffix, ours, web.base))
    return findings


async def _check_document(
    fetch: Fetch, domain: str, subject: str, suffix: str, ours: Mapping[str, str], base: str
) -> Finding:
    url = f"https://{a_label(domain)}{_PATH}{suffix}"
    option = "" if suffix else " --xml"
    advice = (
        f"Have the web server of {domain} pass {_PATH}{suffix} on to {base}, or put there what is printed by:"
        f" xmppctl host-meta show {domain}{option}"
    )
    # Others than browsers do without, and those have the first of the two.
    level: Any = "hint" if suffix else "warning"
    try:
        answer = await _follow(fetch, url)
        if answer.status != 200:
            return Finding(level, subject, f"{url} answers with {answer.status}", advice)
        links = _links_in_json(answer.body) if suffix else _links_in_xml(answer.body)
    except NoConnection as error:
        return Finding(level, subject, str(error), advice)
    except _Unreadable as error:
        return Finding("warning", subject, f"{url}: {error}", advice)
    wrong = [wanted for rel, wanted in ours.items() if wanted not in links.get(rel, ())]
    if wrong:
        return Finding("warning", subject, f"{url} does not name {' and '.join(wrong)}", advice)
    if answer.headers.get("access-control-allow-origin") != "*":
        text = f"{url} may not be read by web chats of other domains"
        return Finding(level, subject, text, "Have it sent with: Access-Control-Allow-Origin: *")
    return Finding("ok", subject, f"{url} leads here")


async def _follow(fetch: Fetch, url: str) -> Response:
    """Ask, and go where that leads."""
    for _ in range(_REDIRECTIONS):
        answer = await fetch(url)
        if answer.status not in _MOVED:
            return answer
        url = urljoin(url, answer.headers.get("location", ""))
        if not url.startswith("https://"):
            raise NoConnection(f"it leads to {url}, which is not encrypted")
    raise NoConnection(f"it leads from one place to the next, at last to {url}")


def _links_in_xml(body: bytes) -> dict[str, set[str]]:
    """Return the URLs in an XRD, by relation."""
    links: list[dict[str, str]] = []
    parser = ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = lambda name, attributes: links.append(attributes) if name == _LINK else None
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except ExpatError as error:
        raise _Unreadable(f"it is no XML: {error}") from None
    return _by_relation(links)


def _refuse_doctype(*_: object) -> None:
    raise _Unreadable("it is no XRD")  # whatever it defines, nobody needs it


def _links_in_json(body: bytes) -> dict[str, set[str]]:
    """Return the URLs in a JRD, by relation."""
    try:
        links = json.loads(body)["links"]
        return _by_relation([link for link in links if isinstance(link, dict)])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _Unreadable("it is no JRD") from None


def _by_relation(links: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for link in links:
        found.setdefault(str(link.get("rel")), set()).add(str(link.get("href")))
    return found


def _domains(settings: Settings) -> list[str]:
    """Return the hosts that have the plugin."""
    with suppress(PluginError):  # of which there is another finding
        sources = find_sources(settings.server.plugin_paths)
        return [domain for domain, host in settings.hosts.items() if _PLUGIN in wanted_names(host.plugins, sources)]
    return []
