"""Other servers that a test plays itself: connections with what it sends and what came (RFC 6120, XEP-0220)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryptography.x509 import Certificate
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import FailTest

from xmppd.net.tls.certificates import Credentials, PrivateKey
from xmppd.testing.authority import certificate
from xmppd.testing.client import Client
from xmppd.testing.tls import ClientTls
from xmppd.wire import ns
from xmppd.wire.dialback import key

if TYPE_CHECKING:
    from xmppd.testing.federation import FederatedTestCase

__all__ = ["ScriptedPeer", "ScriptedServer"]

_SECRET = b"the secret of the test's servers"


class _Wire:
    """The transport of a connection that the server under test has opened, as :class:`Client` uses it."""

    def __init__(self, end: Any) -> None:
        self._end = end
        self.stalled = False

    def receive(self, data: bytes) -> None:
        self._end.write(data)

    @property
    def closed(self) -> bool:
        return bool(self._end.closed)

    @property
    def disconnecting(self) -> bool:
        return bool(self._end.closed)

    def cut(self) -> None:
        self._end.cut()

    def hang_up(self) -> None:
        self._end.hang_up()


class ScriptedPeer(Client):
    """One connection with the server under test; the other end is another server.

    :ivar domain: whose server the test plays.
    """

    def __init__(self, case: FederatedTestCase, domain: str, address: str = "192.0.2.99") -> None:
        super().__init__(case.clock, case.names, domain, address)
        self.domain = domain
        self._accepting = False
        self.show(certificate(domain, f"*.{domain}"))

    @classmethod
    def connected(cls, case: FederatedTestCase, domain: str, protocol: Any, address: str) -> ScriptedPeer:
        """Return the end of a connection that the test has made to the server."""
        peer = cls(case, domain, address)
        peer.transport.connect(protocol)
        return peer

    def accept(self, end: Any) -> None:
        """Be the end of a connection that the server has made."""
        self._accepting = True
        self.transport = _Wire(end)  # type: ignore[assignment]  # the part of it that is used

    def show(self, credentials: Credentials | None) -> None:
        """Show that certificate in TLS, or none."""
        found: tuple[PrivateKey, Sequence[Certificate]] | None = None
        if credentials is not None:
            found = (credentials.key, credentials.chain)
        self.credentials = found

    def expect_closed(self, error: str | None = None) -> None:
        """See Client. Our side of the stream is closed as well, for which the server may wait (RFC 6120 4.4)."""
        self._settle()
        if self.ended and not self.transport.disconnecting:
            self.send_raw("</stream:stream>")
        super().expect_closed(error)

    # What the test says

    def open(self, to: str | None = "example.org", **attributes: str | None) -> None:
        """Begin a stream, from :attr:`domain` unless `from_` is given; or answer with a header (`id`)."""
        self._splitter_reset()
        self._opened_with = attributes
        all_ = {"from": self.domain, "to": to, "version": "1.0"}
        all_ |= {name.rstrip("_"): value for name, value in attributes.items()}
        self.send_raw(_header(all_))
        if self._unread and self._unread[0].startswith("<stream:features"):
            self.features = self._unread.pop(0)

    def _splitter_reset(self) -> None:
        if not self._accepting:
            self.restarted()

    def answer(self, features: str = "", id: str = "s2s", **attributes: str | None) -> None:
        """Answer the header of the server with one, and with features."""
        self._settle()
        header = self.header or {}
        all_ = {"from": self.domain, "to": header.get("from"), "id": id, "version": "1.0"} | attributes
        text = _header(all_)
        if all_["version"]:
            text += f"<stream:features>{features}</stream:features>"
        self.send_raw(text)

    def encrypt(self, server_name: str = "example.org") -> None:
        """Begin TLS."""
        if not self._accepting:
            super().encrypt(server_name)
            return
        pair, certificates = self.credentials or (None, ())
        self.tls = ClientTls(self.transport.receive, server_name, pair, certificates, accepting=True)

    def accept_tls(self) -> None:
        """Answer `<starttls/>`, shake hands; the server's next header follows."""
        self.expect(f"<starttls xmlns='{ns.TLS}'/>")
        self.restarted()
        self._write(f"<proceed xmlns='{ns.TLS}'/>".encode())
        self.encrypt()
        self._settle()

    def accept_external(self) -> None:
        """Answer SASL EXTERNAL with success; the server's next header follows."""
        self.expect(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{{any}}</auth>")
        self.restarted()
        self.send_raw(f"<success xmlns='{ns.SASL}'/>")

    def external(self, authzid: str = "") -> None:
        """Authenticate by the certificate, and begin a new stream. :raises AssertionError: it was refused."""
        text = base64.b64encode(authzid.encode()).decode() if authzid else "="
        self.send(f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{text}</auth>")
        self.expect(f"<success xmlns='{ns.SASL}'/>")
        self.open((self.header or {}).get("from", "example.org"), **self._opened_with)

    def result(self, to: str = "example.org", from_: str = "") -> str:
        """Return the request to send stanzas from a domain, with the right key for this stream."""
        from_ = from_ or self.domain
        found = key(_SECRET, to, from_, (self.header or {}).get("id", ""))
        return f"<db:result from='{from_}' to='{to}'>{found}</db:result>"


class ScriptedServer:
    """A server that the server under test connects to.

    :param direct_tls: does TLS come first?
    :ivar peers: the connections that were made, in order.
    :ivar credentials: what it shows in TLS.
    """

    def __init__(self, case: FederatedTestCase, domain: str, address: str, direct_tls: bool = False) -> None:
        self._case = case
        self._direct_tls = direct_tls
        self._address = address
        self.domain = domain
        self.peers: list[ScriptedPeer] = []
        self.credentials = certificate(domain, f"*.{domain}")

    def accept(self) -> IProtocol:
        """See Place."""
        peer = ScriptedPeer(self._case, self.domain, self._address)
        peer.show(self.credentials)
        self.peers.append(peer)
        protocol: Any = _Accepting(peer, self._direct_tls)
        found: IProtocol = protocol
        return found

    def connection(self, number: int = -1) -> ScriptedPeer:
        """Return a connection that the server has made, the last one unless told otherwise."""
        self._case.pump()
        if not self.peers:
            raise FailTest(f"nobody has connected to {self.domain}")
        return self.peers[number]


class _Accepting:
    """What a connection of the server under test meets."""

    def __init__(self, peer: ScriptedPeer, direct_tls: bool) -> None:
        self._peer = peer
        self._direct_tls = direct_tls

    def makeConnection(self, transport: Any) -> None:
        self._peer.accept(transport)
        if self._direct_tls:
            self._peer.encrypt()

    def dataReceived(self, data: bytes) -> None:
        self._peer._deliver(data)

    def connectionLost(self, reason: Failure) -> None:
        """The other end says so itself."""


def _header(attributes: dict[str, str | None]) -> str:
    text = "".join(f" {name}='{value}'" for name, value in attributes.items() if value is not None)
    declared = f"xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' xmlns:db='{ns.DIALBACK}'"
    return f"<?xml version='1.0'?><stream:stream {declared}{text}>"
