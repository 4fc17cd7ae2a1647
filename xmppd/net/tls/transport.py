"""TLS on the server's side of a connection (RFC 6120 section 5, XEP-0368).

:class:`TlsTransport` stands between a TCP transport and a protocol, as Twisted's own TLS layer does, but holds less:
an idle connection's share is nearly all OpenSSL's, and a large stanza leaves no large buffer behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IProtocol, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.net.eager import in_bulk
from xmppd.net.tls.certificates import CertificateError, Credentials, ensure, read, services
from xmppd.net.tls.context import ALPN_CLIENT, ALPN_HTTP, Contexts, HostContext
from xmppd.net.tls.info import TlsInfo
from xmppd.net.tls.legacy import legacy_contexts
from xmppd.net.tls.records import BEGINNING, count

#: Octets given to OpenSSL at a time. Its memory buffers grow to the most they ever held, and stay so; what is written
#: at once, such as a roster, is on average the larger part.
_READ = 4_096
_WRITE = 2_048
_RECORD = 16_384
#: Octets of a turn of the reactor that wait for its end, to be encrypted together.
_GATHERED = 16_384
#: Octets after which answers that OpenSSL made by itself are sent even if the application has nothing to say.
_UNANSWERED = 65_536


class Securable(Protocol):
    """A protocol that learns when its connection is protected."""

    tls: TlsInfo | None
    transport: Any

    def makeConnection(self, transport: Any) -> None: ...
    def dataReceived(self, data: bytes) -> None: ...
    def connectionLost(self, reason: Failure) -> None: ...


@implementer(IProtocol, ITransport)
class TlsTransport:
    """TLS between a TCP transport, whose protocol this is, and a protocol, whose transport this is.

    The protocol's `tls` is set when the handshake is complete; nothing reaches it before. Producers are registered
    with the TCP transport itself, whose buffer is the one that fills.

    If the TCP transport writes when a turn of the reactor ends (:mod:`xmppd.net.eager`), what the protocol writes until
    then is encrypted together: a record for each stanza costs more than what is in it.
    """

    __slots__ = (
        "_connection",
        "_error",
        "_established",
        "_gathered",
        "_piece",
        "_position",
        "_tcp",
        "_unanswered",
        "_waiting",
        "protocol",
    )  # fmt: skip

    def __init__(self, protocol: Securable, context: HostContext) -> None:
        self.protocol = protocol
        self._tcp: Any = None
        self._established = False
        self._error: SSL.Error | None = None
        self._unanswered = 0
        self._waiting: list[bytes] | None = None  # for the end of the turn
        self._gathered = 0  # octets of that
        self._position = BEGINNING
        self._piece = 0  # octets given to OpenSSL at a time, if not as usual
        self._connection: SSL.Connection | None = SSL.Connection(context, None)
        self._connection.set_accept_state()

    # The protocol of the TCP transport

    def makeConnection(self, transport: Any) -> None:
        """See IProtocol: direct TLS."""
        self._tcp = transport
        self.protocol.makeConnection(self)

    def take_over(self, transport: Any) -> None:
        """Begin TLS on a connection that the protocol has talked on before: STARTTLS."""
        self._tcp = transport
        transport.protocol = self
        self.protocol.transport = self

    def dataReceived(self, data: bytes) -> None:
        """See IProtocol."""
        connection = self._connection
        if connection is None:
            return
        plain: list[bytes] = []
        self._unanswered += len(data)
        size = self._piece or _READ
        try:
            for start in range(0, len(data), size):
                piece = data[start : start + size]
                connection.bio_write(piece)
                records, self._position = count(piece, self._position)
                if self._established or self._handshake(connection):
                    _decrypt(connection, records, plain)
        except SSL.ZeroReturnError:
            self._deliver(plain)
            self.loseConnection()
        except SSL.Error as error:
            self._deliver(plain)
            self._fail(error)
        else:
            if self._unanswered > _UNANSWERED or not plain:
                self._flush(connection)
            self._deliver(plain)

    def _deliver(self, plain: list[bytes]) -> None:
        if plain:
            self.protocol.dataReceived(plain[0] if len(plain) == 1 else b"".join(plain))

    def _handshake(self, connection: SSL.Connection) -> bool:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            return False
        self._established = True
        self._flush(connection)
        self.protocol.tls = TlsInfo(connection)
        self.established()
        return self._connection is not None

    def established(self) -> None:
        """The handshake is complete. On our side the other one speaks first: there is nothing to do."""

    def _fail(self, error: SSL.Error) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._error = error
            self._flush(connection)  # the alert
            self._tcp.loseConnection()

    def connectionLost(self, reason: Failure) -> None:
        """See IProtocol."""
        self._connection = None
        self._tcp = None
        self.protocol.connectionLost(reason if self._error is None else Failure(self._error))

    # The transport of the protocol

    def write(self, data: bytes) -> None:
        """See ITransport. Before the handshake is complete there is nobody to write to."""
        if self._connection is None or not self._established:
            return
        waiting = self._waiting
        if waiting is None:
            at_end = getattr(self._tcp, "at_end_of_turn", None)
            if at_end is None:
                self._encrypt(data)
                return
            at_end(self)
            waiting = self._waiting = []
        waiting.append(data)
        self._gathered += len(data)
        if self._gathered > _GATHERED:
            self.turn_ends()

    def turn_ends(self) -> None:
        """Write what the protocol has written, if anything."""
        waiting = self._waiting
        if waiting is not None:
            self._waiting, self._gathered = None, 0
            self._encrypt(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def _encrypt(self, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            return
        size = self._piece or _WRITE
        try:
            if len(data) <= size:
                connection.send(data)
                self._flush(connection)
                return
            out: list[bytes] = []
            for start in range(0, len(data), size):
                connection.send(data[start : start + size])
                _take(connection, out)
        except SSL.Error as error:
            self._fail(error)
        else:
            self._unanswered = 0
            self._tcp.writeSequence(out)

    def _flush(self, connection: SSL.Connection) -> None:
        """Send what OpenSSL has to say."""
        self._unanswered = 0
        out: list[bytes] = []
        _take(connection, out)
        if out:
            self._tcp.write(out[0] if len(out) == 1 else b"".join(out))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """See ITransport."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """See ITransport. The client's own close_notify is not waited for (RFC 8446 section 6.1)."""
        self.turn_ends()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._established:
            with contextlib.suppress(SSL.Error):
                connection.shutdown()
            self._flush(connection)
        self._tcp.loseConnection()

    def loseWriteConnection(self) -> None:
        """See ITCPTransport: close_notify, then the end of our direction; what the client still sends is read."""
        self.turn_ends()
        connection = self._connection
        if connection is None or not self._established:
            self.loseConnection()
            return
        with contextlib.suppress(SSL.Error):
            connection.shutdown()
        self._flush(connection)
        self._tcp.loseWriteConnection()

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self._connection = None
        if self._tcp is not None:
            self._tcp.abortConnection()

    def promote(self) -> None:
        """See ClientStream.bound."""
        promote = getattr(self._tcp, "promote", None)
        if promote is not None:
            promote()

    def bulk(self, much: bool) -> None:
        """See :func:`xmppd.net.eager.in_bulk`."""
        self._piece = _RECORD if much else 0
        in_bulk(self._tcp, much)

    def getPeer(self) -> Any:
        """See ITransport."""
        return self._tcp.getPeer()

    def getHost(self) -> Any:
        """See ITransport."""
        return self._tcp.getHost()

    def pauseProducing(self) -> None:
        """Read nothing; what is decrypted already has been delivered."""
        self._tcp.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        self._tcp.resumeProducing()

    def stopProducing(self) -> None:
        """See IPushProducer."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer."""
        self._tcp.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._tcp.unregisterProducer()


def _decrypt(connection: SSL.Connection, records: int, plain: list[bytes]) -> None:
    """Append what can be decrypted by now.

    :param records: how many may have come; some have nothing in them for us.
    """
    try:
        for _ in range(records):
            plain.append(connection.recv(_RECORD))
    except SSL.WantReadError:
        return


def _take(connection: SSL.Connection, out: list[bytes]) -> None:
    """Append what OpenSSL wants to send."""
    try:
        chunk = connection.bio_read(_RECORD)
        while len(chunk) == _RECORD:
            out.append(chunk)
            chunk = connection.bio_read(_RECORD)
        out.append(chunk)
    except SSL.WantReadError:
        return


class ServerTls:
    """The TLS of all ports for clients and browsers, by the certificates there are, which can be replaced while it
    serves.

    :ivar notices: what the operator should know of the certificates that were loaded last, in plain words.
    :ivar credentials: the certificates, by domain.
    :ivar ends: when they end, in seconds since the epoch, by domain.
    :raises SettingsError: a certificate, a key, or a setting can't be used; names every one of them.
    """

    def __init__(self, settings: Settings, now: datetime | None = None) -> None:
        self.notices: list[str] = []
        self.ends: dict[str, float] = {}
        self.credentials: dict[str, Credentials] = {}
        self.reload(settings, now)

    def reload(self, settings: Settings, now: datetime | None = None) -> list[str]:
        """Use the certificates as they are in the files now. Connections keep theirs; a failure changes nothing.

        :param now: with a time zone, by default the present; what self-signed certificates and the notices go by.
        :returns: the notices.
        :raises SettingsError: see above.
        """
        now = now or datetime.now(UTC)
        credentials, notices = load_credentials(settings, now)
        starttls = Contexts(settings.tls, credentials)
        legacy = legacy_contexts(settings, credentials) if settings.listen.c2s_legacy_tls else starttls
        self._https = Contexts(settings.tls, credentials, alpn=ALPN_HTTP)
        self._direct = Contexts(settings.tls, credentials, alpn=ALPN_CLIENT)
        self._starttls, self._legacy = starttls, legacy
        self.credentials = credentials
        self.notices = notices
        self.ends = {host: found.leaf.not_valid_after_utc.timestamp() for host, found in credentials.items()}
        return notices

    def start(self, protocol: Securable, host: str | None) -> None:
        """Begin TLS on the connection of `protocol`, whose stream is to `host`."""
        TlsTransport(protocol, self._starttls.get(host)).take_over(protocol.transport)

    def start_legacy(self, protocol: Securable, host: str | None) -> None:
        """The same on a port for old clients."""
        TlsTransport(protocol, self._legacy.get(host)).take_over(protocol.transport)

    def wrap(self, protocol: Securable) -> TlsTransport:
        """Return what a factory builds in place of `protocol` for a port of direct TLS."""
        return TlsTransport(protocol, self._direct.get(None))

    def wrap_http(self, protocol: Securable) -> TlsTransport:
        """The same for a port of HTTPS."""
        return TlsTransport(protocol, self._https.get(None))


def load_credentials(settings: Settings, now: datetime) -> tuple[dict[str, Credentials], list[str]]:
    """Read the certificate of every host, and make a self-signed one for those that have none; read those of services.

    :returns: credentials by domain, and what the operator should know of them.
    :raises SettingsError: some can't be read, or don't fit.
    """
    credentials: dict[str, Credentials] = {}
    notices: list[str] = []
    problems: list[str] = []
    for host in (*settings.hosts, *services(settings)):
        try:
            files, new = ensure(settings, host, now)
            credentials[host] = read(files)
        except CertificateError as error:
            problems.append(str(error))
            continue
        if new:
            notices.append(f"{host} had no certificate; one was made and self-signed: {files.certificate}")
        end = credentials[host].leaf.not_valid_after_utc
        if end < now:
            notices.append(f"the certificate of {host} has expired on {end:%Y-%m-%d}: {files.certificate}")
        elif end < now + timedelta(days=settings.tls.expires_soon_days):
            notices.append(f"the certificate of {host} expires on {end:%Y-%m-%d}: {files.certificate}")
    if problems:
        raise SettingsError(problems)
    return credentials, notices
