"""Where the requests of BOSH come in (XEP-0124 section 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xmppd.net.bosh.session import error_answer
from xmppd.net.bosh.sessions import XML, BoshSessions, rid_of
from xmppd.net.http.answers import Answer
from xmppd.net.http.cors import NOT_ADMITTED, Origins
from xmppd.wire.bosh import BindingError, read_body

if TYPE_CHECKING:
    from xmppd.net.c2s.listener import ClientListener
    from xmppd.net.http.exchange import Exchange

__all__ = ["BoshDoor"]

_GREETING = b"""\
This is a door for XMPP clients that talk in HTTP requests (BOSH: XEP-0124, XEP-0206).

There is nothing to be seen here with a browser. Give the address of this page to a client, as its "BOSH URL".
"""
_STARTING = Answer(b"The server is still starting.\n", 503, headers=((b"Retry-After", b"5"),))


class BoshDoor:
    """Finds the session of a request.

    :param listener: what all clients' streams share; None while the server starts.
    :param most: octets that a request may have.
    :param origins: the origins whose pages may use it. Browsers ask before they show answers, not before they send.
    """

    cors = True

    def __init__(
        self, listener: Callable[[], ClientListener | None], most: Callable[[], int], origins: Callable[[], Origins]
    ) -> None:
        self._listener = listener
        self._most = most
        self._origins = origins
        self._sessions: BoshSessions | None = None

    @property
    def most(self) -> int:
        """See Door."""
        return self._most()

    @property
    def sessions(self) -> BoshSessions | None:
        """The sessions there are; None while the server starts."""
        if self._sessions is None:
            listener = self._listener()
            if listener is not None:
                self._sessions = BoshSessions(listener)
        return self._sessions

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        sessions = self._sessions or self.sessions
        if exchange.method != "POST":
            if exchange.method in ("GET", "HEAD"):
                exchange.respond(Answer(_GREETING))
            else:
                exchange.respond(Answer(b"Only POST is of use here.\n", 405, headers=((b"Allow", b"GET, HEAD, POST"),)))
        elif sessions is None:
            exchange.respond(_STARTING)
        elif not self._origins().admit(exchange, sessions.listener.server.settings, sessions.listener.server.hosts):
            exchange.respond(NOT_ADMITTED)
        else:
            self._enter(sessions, exchange)

    def _enter(self, sessions: BoshSessions, exchange: Exchange) -> None:
        legacy = False
        try:
            body = read_body(exchange.body, sessions.listener.limits_before)
            exchange.body = b""  # the exchange may wait for long
            attributes = body.attributes
            if "sid" not in attributes:
                legacy = "ver" not in attributes
                sessions.create(exchange, body)
                return
            session = sessions.by_sid.get(attributes["sid"])
            if session is None:
                raise BindingError("item-not-found", "there is no such session")
            if session.secured and not exchange.secure:
                exchange.abort()  # 19.1: the session must not end because of it
                return
            session.enter(exchange, rid_of(body), body)
        except BindingError as error:
            exchange.respond(error_answer(error, XML, legacy))
