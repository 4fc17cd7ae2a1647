"""What a proxy says of a connection before it passes it on: the PROXY protocol, versions 1 and 2 (haproxy's
proxy-protocol.txt)."""

from __future__ import annotations

import ipaddress
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.python.failure import Failure

from xmppd.net.http.timed import Timed

if TYPE_CHECKING:
    from xmppd.net.http.server import HttpServer, Wrap

__all__ = ["Announced", "Announcement", "NotAnnounced", "read"]

_OLD = b"PROXY "
_NEW = b"\r\n\r\n\0\r\nQUIT\n"
_LONGEST_OLD = 107
#: Octets that a header of version 2 may have: addresses, and what there is room for besides them.
_LONGEST_NEW = 16_384
_FAMILIES = {b"TCP4": 4, b"TCP6": 6}
#: The octet of address family and transport: octets of an address. Others have none that says anything to us.
_SIZES = {0x11: 4, 0x21: 16}
_SSL = 0x20
_CLIENT_SSL = 0x01


class NotAnnounced(ValueError):
    """A connection does not begin as it has to."""


class Announcement(NamedTuple):
    """What a header says.

    :ivar octets: how long it is.
    :ivar peer: the client's address; "" if the connection is the proxy's own.
    :ivar secure: does the client's connection have TLS, which the proxy has taken off?
    """

    octets: int
    peer: str
    secure: bool


def read(data: bytes) -> Announcement | None:
    """Read the header at the beginning of a connection; None if it is not complete yet.

    :raises NotAnnounced: there is none.
    """
    if data.startswith(_NEW):
        return _read_new(data)
    if data.startswith(_OLD):
        return _read_old(data)
    if _NEW.startswith(data) or _OLD.startswith(data):
        return None
    raise NotAnnounced("there is no PROXY header")


def _read_old(data: bytes) -> Announcement | None:
    end = data.find(b"\r\n", 0, _LONGEST_OLD)
    if end < 0:
        if len(data) >= _LONGEST_OLD:
            raise NotAnnounced("the line of the PROXY header is too long")
        return None
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Announcement(end + 2, "", False)
    version = _FAMILIES.get(words[1])
    if version is None or len(words) != 6 or not all(word.isdigit() and int(word) < 65_536 for word in words[4:]):
        raise NotAnnounced("the PROXY header is no good")
    try:
        peers = [ipaddress.ip_address(word.decode("ascii")) for word in words[2:4]]
    except ValueError:
        raise NotAnnounced("the PROXY header has no addresses") from None
    if {peer.version for peer in peers} != {version}:
        raise NotAnnounced("the PROXY header has other addresses than it says")
    return Announcement(end + 2, str(peers[0]), False)


def _read_new(data: bytes) -> Announcement | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    end = 16 + length
    if command not in (0x20, 0x21) or end > _LONGEST_NEW:
        raise NotAnnounced("the PROXY header is no good")
    if len(data) < end:
        return None
    if command == 0x20:  # LOCAL: the proxy looks whether we are there
        return Announcement(end, "", False)
    size = _SIZES.get(family)
    if size is None:
        return Announcement(end, "", False)
    more = 16 + 2 * size + 4
    if more > end:
        raise NotAnnounced("the PROXY header has no addresses")
    return Announcement(end, str(ipaddress.ip_address(data[16 : 16 + size])), _has_tls(data[more:end]))


def _has_tls(more: bytes) -> bool:
    """Is there, among the further values, one that says that the client uses TLS?"""
    while more:
        if len(more) < 3:
            raise NotAnnounced("the PROXY header ends in the middle")
        type_, length = struct.unpack_from("!BH", more)
        value, more = more[3 : 3 + length], more[3 + length :]
        if len(value) < length:
            raise NotAnnounced("the PROXY header ends in the middle")
        if type_ == _SSL and value and value[0] & _CLIENT_SSL:
            return True
    return False


class Announced(Timed):
    """A connection of a proxy that has to say first whose it is. What is no such header ends it without a word.

    :param peer: the proxy's address.
    :param wrap: puts TLS before the connection.
    """

    __slots__ = ("_buffer", "_peer", "_server", "_wrap", "tls", "transport")

    def __init__(self, server: HttpServer, peer: str, wrap: Wrap | None) -> None:
        super().__init__(server.clock)
        self._server = server
        self._peer = peer
        self._wrap = wrap
        self._buffer = b""
        self.transport: Any = None
        self.tls = None

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol."""
        self.transport = transport
        self.watch(self._server.limits.request_seconds)

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        self._buffer += data
        try:
            found = read(self._buffer)
        except NotAnnounced:
            self._buffer = b""
            self.transport.abortConnection()
            return
        if found is None:
            return
        rest, self._buffer = self._buffer[found.octets :], b""
        self.unwatch()
        self._server.peers.leave(self._peer)
        inner = self._server.connect(found.peer or self._peer, self._wrap, found.secure)
        transport = self.transport
        transport.protocol = inner
        inner.makeConnection(transport)
        if rest:
            inner.dataReceived(rest)

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self.unwatch()
        self._server.peers.leave(self._peer)

    def expired(self) -> None:
        """See Timed."""
        self.transport.abortConnection()
