"""Who may ask from within a browser, on a page of another origin (the Fetch standard, section 3.2: CORS)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from xmppd.core.settings import Settings
from xmppd.core.web import named
from xmppd.net.http.answers import Answer, Fields, text
from xmppd.net.http.exchange import Exchange

__all__ = ["NOT_ADMITTED", "Origins", "is_preflight"]

_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]*")
#: An origin (RFC 6454 section 6.2), with its scheme and host.
_PAGE = re.compile(r"(https?)://([^/?#@:\[\]]+|\[[0-9a-f:.]+\])(?::\d+)?")
#: Seconds for which a browser need not ask again.
_AGE = b"7200"
_VARY = (b"Vary", b"Origin")
NOT_ADMITTED = text("Invalid Origin: this server's settings (cors_origins) don't let that page in.", 403, _VARY)


def is_preflight(exchange: Exchange) -> bool:
    """Does a browser ask whether it may ask?"""
    return (
        exchange.method == "OPTIONS"
        and b"origin" in exchange.fields
        and b"access-control-request-method" in exchange.fields
    )


class Origins:
    """The origins whose pages may ask.

    :param origins: as ``https://chat.example.org``; or ``*`` for any.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._known = {origin.encode() for origin in origins}
        self._any = _allowing(b"*") if b"*" in self._known else None

    def fields(self, origin: bytes | None) -> Fields:
        """Return the header fields that let a page see an answer.

        :param origin: the Origin field of the request.
        """
        if self._any is not None:
            return self._any
        return (*_allowing(origin), _VARY) if origin in self._known and origin is not None else (_VARY,)

    def admit(self, exchange: Exchange, settings: Settings, hosts: Mapping[str, object]) -> bool:
        """May who asks use what is of use to a page even if it sees no answer?

        That are programs, the pages of these origins, and those of the host itself; if it is one of ours, since a
        page of anybody's can have any name lead here.

        :param hosts: those that are served, by domain.
        """
        origin = exchange.fields.get(b"origin")
        if self._any is not None or origin is None or origin in self._known:
            return True
        page = _PAGE.fullmatch(origin.decode("latin-1"))
        if page is None or page[2] != exchange.host or (page[1] == "https") != exchange.secure:
            return False
        return named(exchange.host, settings, hosts) is not None

    def preflight(self, exchange: Exchange, methods: Iterable[str]) -> Answer:
        """Return what a browser is told that asks whether it may.

        :param methods: those that may be used.
        """
        allowing = self.fields(exchange.fields[b"origin"])
        if allowing == (_VARY,):
            return text("This page is not for pages of your origin.", 403, _VARY)
        wanted = exchange.fields.get(b"access-control-request-headers", b"")
        headers = [(b"Access-Control-Allow-Methods", ", ".join(sorted(methods)).encode())]
        if wanted and _NAMES.fullmatch(wanted):
            headers.append((b"Access-Control-Allow-Headers", wanted))
        return Answer(b"", 204, b"", (*headers, (b"Access-Control-Max-Age", _AGE)))


def _allowing(origin: bytes) -> Fields:
    return (b"Access-Control-Allow-Origin", origin), (b"Cross-Origin-Resource-Policy", b"cross-origin")
