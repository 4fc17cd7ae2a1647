"""Whom the console talks to at all: from which networks, encrypted or not, and whether a POST comes from its own pages.

A browser says of a POST where it comes from: ``Sec-Fetch-Site`` (Fetch Metadata) or ``Origin`` (RFC 6454). Besides that
each form has a token that is made from the cookie, so another site would have to know that.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from xmppd.api.http import HttpError, Request

__all__ = ["LOOPBACK", "Networks", "check_peer", "check_post", "is_loopback", "token_for"]

LOOPBACK = ("127.0.0.0/8", "::1/128")
_ELSEWHERE = (
    "The console does not talk to the address that you come from ({peer}). Its option `networks` says to whom it does. "
    "From your own machine, `ssh -L 5281:localhost:5281 SERVER` brings you there by way of the server itself."
)
_PROXY = (
    "This request came through a reverse proxy that the server was not told to trust, so it can't see who is asking. "
    "Set `trusted_proxies` under [http]."
)
_OPEN = "The console needs HTTPS, except on the machine of the server itself."


class Networks:
    """Networks that addresses may be in.

    :raises ValueError: one is none.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def __contains__(self, address: str) -> bool:
        """Is an address in one of them?"""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip.version == network.version and ip in network for network in self._networks)


_LOOPBACK = Networks(LOOPBACK)


def is_loopback(address: str) -> bool:
    """Is that address this machine's own?"""
    return address in _LOOPBACK


def check_peer(request: Request, networks: Networks) -> None:
    """See to it that the console is for who is asking.

    :raises HttpError: it is not (403).
    """
    if is_loopback(request.peer) and _hides_somebody(request):
        raise HttpError(HTTPStatus.FORBIDDEN, _PROXY)
    if request.peer not in networks:
        raise HttpError(HTTPStatus.FORBIDDEN, _ELSEWHERE.format(peer=request.peer or "unknown"))
    if not request.secure and not is_loopback(request.peer):
        raise HttpError(HTTPStatus.FORBIDDEN, _OPEN)


def _hides_somebody(request: Request) -> bool:
    """Did a proxy on this machine pass the request on, which the server believes to be the one who asks?

    A proxy names who has asked it at the end of the field. If the server trusts it, that is whom the server takes for
    the one who asks; what stands before may be anybody's invention.
    """
    said = [
        _LAST[name](request.headers[name].rpartition(",")[2]) for name in _LAST if name in request.headers
    ]  # fmt: skip
    if not said:
        return "via" in request.headers
    return any(address != request.peer for address in said)


def _in_forwarded(element: str) -> str:
    """The address in an element of ``Forwarded`` (RFC 7239 section 4)."""
    found = _FOR.search(element)
    return found[1] if found else ""


_FOR = re.compile(r"""\bfor="?\[?([^\]";,\s]+)""", re.IGNORECASE)
_LAST: dict[str, Callable[[str], str]] = {
    "x-forwarded-for": str.strip, "x-real-ip": str.strip, "forwarded": _in_forwarded
}  # fmt: skip


def check_post(request: Request, cookie: str, token: str, base: str) -> None:
    """See to it that a POST comes from a page of the console.

    :param cookie: what the browser has as the cookie.
    :param token: the form's.
    :param base: what the server calls itself: an origin.
    :raises HttpError: it doesn't (403).
    """
    if not cookie or not hmac.compare_digest(token.encode(), token_for(cookie).encode()):
        raise HttpError(HTTPStatus.FORBIDDEN, "This form is not of this session any more. Go back, and load it again.")
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        ours = site == "same-origin"
    else:
        origin = request.headers.get("origin", "")
        ours = bool(origin) and (origin == base or urlsplit(origin).netloc == request.headers.get("host", ""))
    if not ours:
        raise HttpError(HTTPStatus.FORBIDDEN, "This form was sent from another site.")


def token_for(cookie: str) -> str:
    """Return the token that goes into the forms of a browser with that cookie."""
    return hmac.new(cookie.encode(), b"console form", hashlib.sha256).hexdigest()
