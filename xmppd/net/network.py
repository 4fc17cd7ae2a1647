"""Connections of plugins to elsewhere (:mod:`xmppd.api.network`): Twisted's endpoints, and its HTTP client."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol, serverFromString
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed
from twisted.web.error import SchemeNotSupported
from zope.interface import implementer

from xmppd.api.http import Response
from xmppd.api.network import IPort, NoConnection, Reach
from xmppd.net.accepting import Door, make_direct
from xmppd.net.reach import reach_of
from xmppd.net.tls.web import is_for
from xmppd.net.web_client import WebClient

__all__ = ["Network"]

#: In Twisted's strings for endpoints, where a backslash takes its meaning from what follows.
_COLON = re.compile(r"(?<!\\):")
_ESCAPED = re.compile(r"\\(.)")


class Network:
    """The network as the reactor has it. Implements :class:`xmppd.api.network.INetwork`.

    :param roots: the authorities whose certificates HTTPS servers may show, as :mod:`twisted.internet.ssl` has them;
        None: those that the system trusts.
    """

    def __init__(self, reactor: Any, roots: Any = None) -> None:
        self._reactor = reactor
        self._web = WebClient(reactor, roots)

    async def connect(self, endpoint: str, protocol: Any, timeout: float = 30.0) -> Any:
        """See INetwork."""
        try:
            target = clientFromString(self._reactor, endpoint)
        except Exception as error:  # whatever its parser has to say, or the files that it names
            raise NoConnection(f"{endpoint} is no endpoint: {error}") from None
        await self._in_time(connectProtocol(target, _Bare(protocol, _tls_host(endpoint))), endpoint, timeout)
        return protocol

    async def listen(self, endpoint: str, factory: Any) -> IPort:
        """See INetwork."""
        try:
            port: IPort = await serverFromString(self._reactor, endpoint).listen(factory)
        except Exception as error:  # whatever an endpoint's parser or the system has to say
            raise NoConnection(f"{endpoint} can't be opened: {error}") from None
        return port

    async def accept(self, endpoint: str, make: Callable[[str], Any | None]) -> IPort:
        """See INetwork."""
        port = await self.listen(endpoint, Door(make))
        make_direct(port)
        return port

    async def fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        timeout: float = 30.0,
        octets: int = 65_536,
        http2: bool = False,
        public: bool | Reach = False,
    ) -> Response:
        """See INetwork."""
        reach = reach_of(public)
        ask = self._web.ask_http2 if http2 else self._web.ask
        asking = Deferred.fromCoroutine(ask(method, url, headers or {}, body, octets, reach))
        # Only the server is named: in what follows there may be keys, or what somebody has written.
        found: Response = await self._in_time(asking, "/".join(url.split("/", 3)[:3]).partition("?")[0], timeout)
        return found

    async def _in_time(self, coming: Deferred[Any], what: str, timeout: float) -> Any:
        timer = self._reactor.callLater(timeout, coming.cancel)
        try:
            return await coming
        except (CancelledError, ConnectingCancelledError):
            raise NoConnection(f"{what} did not answer within {timeout:g} seconds") from None
        except ResponseFailed as error:
            reasons = "; ".join(str(reason.value) or reason.type.__name__ for reason in error.reasons)
            if any(reason.check(CancelledError) for reason in error.reasons):
                reasons = f"no answer within {timeout:g} seconds"
            raise NoConnection(f"{what} failed: {reasons}") from None
        except (ConnectError, DNSLookupError, SchemeNotSupported, ValueError, OSError) as error:
            raise NoConnection(f"{what} can't be reached: {error}") from None
        finally:
            if timer.active():
                timer.cancel()

    async def close(self) -> None:
        """Close what is kept open."""
        await self._web.close()


def _tls_host(endpoint: str) -> str | None:
    """Return the server that an endpoint of TLS names; None for others."""
    kind, *parts = _COLON.split(endpoint)
    if kind != "tls":
        return None
    named = [part.removeprefix("host=") for part in parts if part.startswith("host=")]
    return _ESCAPED.sub(r"\1", (named or parts)[0])


@implementer(IHandshakeListener)
class _Bare(Protocol):
    """Hands a connection on to a protocol that may be none of Twisted's classes.

    :param host: whose name the certificate has to have, if there is TLS; Twisted lets those without any name pass.
    """

    transport: Any

    def __init__(self, inner: Any, host: str | None) -> None:
        self.inner = inner
        self._host = host

    def handshakeCompleted(self) -> None:
        """See IHandshakeListener: nothing that was written has gone out yet."""
        if self._host is not None and not is_for(self.transport.getPeerCertificate(), self._host):
            self.transport.abortConnection()

    def connectionMade(self) -> None:
        self.inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self.inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.inner.connectionLost(reason)
