"""Where a device can come in, and what carries its stream there."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.faults.stream import Stream, TcpStream
from tests.faults.web.bosh import BoshStream
from tests.faults.web.socket import WebSocketStream
from tests.interop.server import DOMAIN


class Carrier(StrEnum):
    """What a stream goes over."""

    TCP = "TCP"
    WS = "WebSocket"
    WSS = "WebSocket and TLS"
    BOSH = "BOSH"
    BOSHS = "BOSH and TLS"


#: The orders in which devices take carriers, one after the other each time that they connect.
WAYS: tuple[tuple[Carrier, ...], ...] = (
    (Carrier.WSS,),
    (Carrier.BOSH,),
    (Carrier.TCP, Carrier.WSS, Carrier.BOSH),
    (Carrier.BOSHS,),
    (Carrier.WS,),
    (Carrier.TCP, Carrier.WS, Carrier.BOSHS),
)


def trusting(certificate: Path) -> ssl.SSLContext:
    """Return what TLS needs that believes this certificate."""
    return ssl.create_default_context(cafile=str(certificate))


@dataclass(frozen=True)
class Doors:
    """The ports of a server, or of the network before it; and what TLS needs."""

    tcp: int
    http: int
    https: int
    context: ssl.SSLContext

    async def open(
        self,
        carrier: Carrier,
        lost: Callable[[str], None],
        repeated: Callable[[str], None] = lambda why: None,
        acks: bool = False,
    ) -> Stream:
        """Connect; raise OSError. `acks` and `repeated` are those of :class:`BoshStream`."""
        if carrier is Carrier.TCP:
            return await TcpStream.connect(self.tcp, lost)
        secure = carrier in (Carrier.WSS, Carrier.BOSHS)
        port, context = (self.https, self.context) if secure else (self.http, None)
        if carrier in (Carrier.WS, Carrier.WSS):
            return await WebSocketStream.connect(port, lost, DOMAIN, context)
        return BoshStream(port, lost, DOMAIN, context, acks, repeated)
