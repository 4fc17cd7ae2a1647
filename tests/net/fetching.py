"""An HTTP client in memory, for tests of what the HTTP server answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport

from xmppd.net.http.server import HttpServer


@dataclass(frozen=True)
class Response:
    """What came back. Names of header fields are in lower case."""

    code: int
    headers: dict[str, str]
    body: str


class Connection(StringTransport):
    """A connection to a server, and the client at its other end.

    :ivar ended: has the server closed its direction, or all of it?
    """

    def __init__(self, server: HttpServer, peer: str = "127.0.0.1") -> None:
        address: Any = (IPv6Address if ":" in peer else IPv4Address)("TCP", peer, 40000)
        super().__init__(peerAddress=address)
        self.ended = self.cut = False
        self.protocol: Any = server.buildProtocol(address)
        self.protocol.makeConnection(self)

    def loseWriteConnection(self) -> None:
        self.ended = True

    def loseConnection(self) -> None:
        super().loseConnection()
        self.ended = True

    def abortConnection(self) -> None:
        self.ended = self.cut = True

    def send(self, data: bytes | str) -> None:
        """Send octets; lines of a text end as HTTP has it."""
        self.protocol.dataReceived(data.replace("\n", "\r\n").encode() if isinstance(data, str) else data)

    def leave(self) -> None:
        """Close the connection."""
        self.protocol.connectionLost(connectionDone)

    def responses(self, bodies: bool = True) -> list[Response]:
        """Take what has come so far; it has to be whole responses.

        :param bodies: false for answers to HEAD.
        """
        data = self.value()
        self.clear()
        found = []
        while data:
            head, end, data = data.partition(b"\r\n\r\n")
            assert end, f"this is no whole head: {head!r}"
            status, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            size = int(headers["content-length"]) if bodies else 0
            assert len(data) >= size, "this is no whole body"
            found.append(Response(int(status.split()[1]), headers, data[:size].decode()))
            data = data[size:]
        return found

    def response(self, bodies: bool = True) -> Response:
        """Take the one response that has come."""
        (found,) = self.responses(bodies)
        return found


def fetch(server: HttpServer, path: str, accept: str = "*/*", method: str = "GET", peer: str = "127.0.0.1") -> Response:
    """Return the answer to one request, which has to come at once."""
    connection = Connection(server, peer)
    connection.send(f"{method} {path} HTTP/1.1\nHost: localhost:5280\nAccept: {accept}\n\n")
    found = connection.response(method != "HEAD")
    connection.leave()
    return found
