"""The page that shows converse.js, what starts it, what it is told, and what browsers let it do (CSP Level 3)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any
from urllib.parse import urlsplit

from xmppd.plugins.webchat.options import WebchatOptions
from xmppd.plugins.webchat.package import SCRIPT, STYLE

__all__ = ["START", "html", "origin", "policy", "settings"]

#: A script of its own, because the policy allows none in the page. Modules are run in the order of the page.
START = b"""\
// Here converse.js has links to its makers' site, and pictures from there, which would tell it of every visitor.
for (const name of ["converse-footer", "converse-controlbox-navbar"]) {
  customElements.define(name, class extends HTMLElement {});
}

const answer = await fetch("settings.json");
await window.converse.initialize(await answer.json());
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="{assets}/images/favicon.ico">
<link rel="stylesheet" href="{assets}/{style}">
<script type="module" src="{assets}/{script}"></script>
<script type="module" src="start.js"></script>
</head>
<body class="converse-fullscreen">
<noscript>This chat needs JavaScript.</noscript>
</body>
</html>
"""


def html(title: str, language: str, assets: str) -> bytes:
    """Return the page, in HTML.

    :param assets: path of the package's files, without a slash at the end.
    """
    lang = language.replace("_", "-") or "en"
    text = _PAGE.format(lang=escape(lang), title=escape(title), assets=assets, style=STYLE, script=SCRIPT)
    return text.encode()


def origin(url: str) -> str:
    """Return the origin of a URL (RFC 6454), or "" if it has none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def policy(reached: Iterable[str]) -> str:
    """Return the Content-Security-Policy of the page.

    The encryption of converse.js is WebAssembly, and some of its styles are in its script; pictures are wherever who
    sends them has uploaded them.

    :param reached: URLs that it connects to besides its own origin, and origins.
    """
    connect = " ".join(dict.fromkeys(("'self'", *(origin(url) or url for url in reached if url))))
    return "; ".join((
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' https: data: blob:",
        "media-src 'self' https: data: blob:",
        "font-src 'self' data:",
        f"connect-src {connect}",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ))  # fmt: skip


def settings(options: WebchatOptions, domain: str, websocket: str, bosh: str, assets: str) -> bytes:
    """Return what converse.js is told, as JSON.

    :param domain: the host's.
    :param websocket: where it connects to by WebSocket (RFC 7395), or "".
    :param bosh: the same for BOSH (XEP-0124).
    :param assets: see :func:`html`.
    """
    told: dict[str, Any] = {
        "view_mode": "fullscreen",
        "assets_path": assets,
        "notification_icon": f"{assets}/images/logo/conversejs-filled.svg",
        "authentication": options.authentication,
        "auto_join_rooms": list(options.rooms),
        # It is told where the server is; it asks nobody else for anything.
        "discover_connection_methods": False,
        "autocomplete_providers_url": "",
        "xmpp_providers_url": "",
        "providers_link": "",
        "embed_3rd_party_media_players": False,
        "allow_registration": options.registration and options.authentication == "login",
    }
    if websocket:
        told["websocket_url"] = websocket
    if bosh:
        told["bosh_service_url"] = bosh
    if options.authentication == "anonymous":
        told |= {"jid": domain, "auto_login": True}
    else:
        told |= {"locked_domain": domain, "registration_domain": domain, "muc_nickname_from_jid": True}
    if options.theme:
        told |= {"theme": options.theme, "dark_theme": options.theme}
    if options.language:
        told["i18n"] = options.language
    return json.dumps(told | options.settings).encode()
