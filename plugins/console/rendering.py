"""Templates become pages: Jinja2 with everything escaped, and the answers they are sent in (CSP Level 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from babel.dates import format_datetime as localized
from babel.dates import format_timedelta
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from xmppd.api.http import Headers, Response
from xmppd.plugins.console.assets import Asset
from xmppd.plugins.console.languages import Words
from xmppd.plugins.console.vocabulary import word

__all__ = ["HEADERS", "ROOT", "Templates", "link", "page_response"]

ROOT = "/console/"
_FOLDER = Path(__file__).parent / "templates"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Of all pages. The referrer stays within the console: without any, browsers hide where forms come from (Fetch, 4.10).
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_OCTETS = ("B", "KiB", "MiB", "GiB", "TiB")


def link(path: str = "", /, **query: Any) -> str:
    """Return where a page of the console is.

    :param path: not encoded, without ``/console/``.
    :param query: parameters; what is None or "" is left out.
    """
    given = "&".join(f"{quote(k)}={quote(str(v), safe='')}" for k, v in query.items() if v not in (None, ""))
    return quote(ROOT + path, safe="/@:,") + (f"?{given}" if given else "")


class Templates:
    """The templates, in one language.

    :param assets: files that pages refer to, by name.
    """

    def __init__(self, words: Words, assets: Mapping[str, Asset]) -> None:
        self._words = words
        environment: Any = Environment(  # extensions add methods to it
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)
        environment.filters |= {"when": self._when, "number": self._number, "octets": self._octets, "word": self._word}
        environment.globals |= {"url": link, "asset": lambda name: ROOT + assets[name].path, "lang": words.tag}
        self._environment = environment

    def render(self, name: str, data: Mapping[str, Any], block: str = "", now: float = 0.0) -> str:
        """Return a page, or a block of it if there is one of that name.

        :param now: the time, in seconds since the epoch.
        """
        template = self._environment.get_template(name)
        values = {**data, "now": now}
        if block and block in template.blocks:
            context = template.new_context(values)
            next(template.root_render_func(context), "")  # what is imported and set outside of blocks
            return "".join(template.blocks[block](context))
        return template.render(values)

    # Filters

    def _when(self, moment: object, now: float = 0.0) -> Markup:
        """A time (XEP-0082 or seconds since the epoch) as people say it, with the exact one to be looked up."""
        at = _moment(moment)
        if at is None:
            return escape(moment or "")
        locale = self._words.locale
        exact = localized(at, "d MMM y HH:mm:ss", tzinfo=UTC, locale=locale) + " UTC"
        if now and abs(at.timestamp() - now) < 1:
            shown = self._words.gettext("now")
        elif now:
            shown = format_timedelta(timedelta(seconds=at.timestamp() - now), add_direction=True, locale=locale)
        else:
            shown = localized(at, "d MMM y HH:mm", tzinfo=UTC, locale=locale)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, shown)

    def _word(self, text: object) -> str:
        """A word that operations answer with."""
        return word(text, self._words.gettext)

    def _number(self, value: Any) -> str:
        """A number with separators between thousands."""
        return format_decimal(value, locale=self._words.locale) if isinstance(value, int | float) else str(value)

    def _octets(self, value: float) -> str:
        """So many octets."""
        power = min(int(math.log(value, 1024)), len(_OCTETS) - 1) if value >= 1 else 0
        return f"{format_decimal(round(value / 1024**power, 1), locale=self._words.locale)} {_OCTETS[power]}"


def _moment(value: object) -> datetime | None:
    """A time as operations write it."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def page_response(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a page as an answer."""
    fields = Headers({**{k.lower(): v for k, v in HEADERS.items()}, **(headers or {})})
    return Response(status, html.encode(), "text/html; charset=utf-8", fields)
