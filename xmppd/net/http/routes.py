"""Which door a request is for (RFC 9110 section 7.4): by exact path, or else what plugins answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.net.http.answers import Answer, text
from xmppd.net.http.cors import Origins, is_preflight
from xmppd.net.http.exchange import Door, Exchange
from xmppd.net.peers import Networks

__all__ = ["METHODS", "Fixed", "Make", "Page", "Routes", "not_found", "spawn"]

_log = Logger()
#: Of RFC 9110 section 9.3 and RFC 5789: what a server knows, but a page may not allow. Others get 501.
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
Make = Callable[[Exchange], Answer | Awaitable[Answer]]
"""Makes the answer to a request."""


class Otherwise(Protocol):
    """Finds the door of a request whose path is nobody's."""

    def find(self, exchange: Exchange) -> Door: ...


class Routes:
    """Doors by path.

    :param origins: the origins whose pages may ask from within browsers.
    :param otherwise: what is asked for everything else.
    :param most: octets of a body that is read before it is refused for another reason.
    :ivar doors: by exact path, decoded, beginning with ``/``.
    """

    def __init__(
        self, most: Callable[[], int], origins: Callable[[], Origins], otherwise: Otherwise | None = None
    ) -> None:
        self.doors: dict[str, Door] = {}
        self._most = most
        self._origins = origins
        self.otherwise = otherwise

    def find(self, exchange: Exchange) -> Door:
        """Return what answers a request."""
        door = self.doors.get(exchange.path)
        if door is not None:
            if exchange.method == "OPTIONS" and door.cors and is_preflight(exchange):
                wanted = exchange.header("access-control-request-method") or ""
                return Fixed(self._origins().preflight(exchange, METHODS & {wanted}), self._most(), cors=True)
            return door
        if exchange.target == "*":  # RFC 9110 section 9.3.7
            return Fixed(
                Answer(b"", headers=((b"Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),)), self._most()
            )
        if self.otherwise is None:
            return Fixed(not_found(), self._most())
        return self.otherwise.find(exchange)


class Fixed:
    """Answers the same, whatever was asked."""

    def __init__(self, answer: Answer, most: int, cors: bool = False) -> None:
        self._answer = answer
        self.most = most
        self.cors = cors

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        exchange.respond(self._answer)


class Page:
    """What can be read, and is made anew for each request.

    :param make: makes the answer, and may take its time. If it raises, the client gets 500, the log the traceback.
    :param networks: tells who may read it; others get 403.
    :param most: octets of a body that is read before it is refused for another reason.
    """

    cors = False

    def __init__(self, make: Make, networks: Callable[[], Networks], most: Callable[[], int]) -> None:
        self._make = make
        self._networks = networks
        self._most = most

    @property
    def most(self) -> int:
        """See Door."""
        return self._most()

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        refused = self._refusal(exchange)
        if refused is None:
            spawn(self._respond(exchange))
        else:
            exchange.respond(refused)

    def _refusal(self, exchange: Exchange) -> Answer | None:
        if exchange.peer not in self._networks():
            return text("This page is not for your address.", 403)
        if exchange.method in ("GET", "HEAD"):
            return None
        if exchange.method in METHODS:
            return text("This page can only be read.", 405, (b"Allow", b"GET, HEAD"))
        return text("This server does not know that method.", 501)

    async def _respond(self, exchange: Exchange) -> None:
        try:
            answer = self._make(exchange)
            if not isinstance(answer, Answer):
                answer = await answer
        except Exception:
            _log.failure("the page {path} could not be made", path=exchange.path)
            answer = text("This page could not be made; the log says why.", 500)
        exchange.respond(answer)


def not_found() -> Answer:
    """Return the answer where there is nothing."""
    return text("There is no such page.", 404)


def spawn(coming: Coroutine[Any, Any, None]) -> None:
    """Let a request be answered; what goes wrong all the same is in the log, and only there."""
    done: Deferred[None] = Deferred.fromCoroutine(coming)
    done.addErrback(lambda failure: _log.failure("an answer failed", failure=failure))
