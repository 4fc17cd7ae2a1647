"""A TLS client in memory, a TCP transport that only remembers, and certificates for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from xmppd.core.settings import Settings
from xmppd.core.settings_file import parse
from xmppd.net.tls.certificates import XMPP_ADDR, Credentials, PrivateKey, der_text
from xmppd.net.tls.info import TlsInfo
from xmppd.net.tls.transport import TlsTransport

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO, FAR_OFF = NOW.replace(year=2020), NOW.replace(year=2090)  # OpenSSL looks at the real time


def make_settings(folder: Path, extra: str = "", hosts: tuple[str, ...] = ("example.org", "example.net")) -> Settings:
    tables = "".join(f'[hosts."{host}"]\n' for host in hosts)
    return parse(f'[server]\ndata_dir = "{folder}"\n{extra}\n{tables}', "x.toml", folder)


def issue(
    common_name: str,
    names: Sequence[x509.GeneralName] | None = None,
    issuer: Credentials | None = None,
    *,
    authority: bool = False,
    key: PrivateKey | None = None,
    hash_: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None = None,
    start: datetime = LONG_AGO,
    end: datetime = FAR_OFF,
    purposes: x509.ExtendedKeyUsage | None = None,
) -> Credentials:
    """Make a certificate, signed by `issuer` or by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.leaf.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purposes:
        builder = builder.add_extension(purposes, critical=False)
    signer: Any = issuer.key if issuer else key
    certificate = builder.sign(signer, hash_ or hashes.SHA256())
    return Credentials(
        key, (certificate, *(issuer.chain if issuer and issuer.leaf.subject != issuer.leaf.issuer else ()))
    )


def xmpp_name(address: str) -> x509.OtherName:
    return x509.OtherName(XMPP_ADDR, der_text(0x0C, address))


class Tcp(StringTransport):
    """A TCP transport in memory; knows its protocol, as those of the reactor do."""

    protocol: Any = None
    aborted = False
    at_end_of_turn: Any = None

    def loseWriteConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True

    def take(self) -> bytes:
        data = self.value()
        self.clear()
        return data


class Application:
    """What sits on top of TLS in these tests."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.tls: TlsInfo | None = None
        self.received = b""
        self.calls: list[int] = []
        self.reason: Failure | None = None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.calls.append(len(data))

    def connectionLost(self, reason: Failure) -> None:
        self.reason = reason


class Client:
    """The other side: OpenSSL as a client, connected by hand."""

    def __init__(
        self,
        server_name: str | None = None,
        alpn: list[bytes] | None = None,
        newest: int = SSL.TLS1_3_VERSION,
        credentials: Credentials | None = None,
        again: Client | None = None,
    ) -> None:
        context = again.connection.get_context() if again else SSL.Context(SSL.TLS_CLIENT_METHOD)
        if not again:
            context.set_min_proto_version(0)
            context.set_max_proto_version(newest)
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
        if alpn:
            context.set_alpn_protos(alpn)
        if credentials:
            context.use_privatekey(credentials.key)
            context.use_certificate(credentials.leaf)
            for certificate in credentials.chain[1:]:
                context.add_extra_chain_cert(certificate)
        self.connection: SSL.Connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        if server_name:
            self.connection.set_tlsext_host_name(server_name.encode())
        if again:
            session = again.connection.get_session()
            assert session is not None
            self.connection.set_session(session)
        self.received = b""
        self.octets = 0

    def out(self) -> bytes:
        try:
            return self.connection.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    def talk(self, layer: TlsTransport, tcp: Tcp, split: int = 1 << 20) -> None:
        """Carry octets until both sides have nothing more to say, the client's in parts of at most `split`."""
        for _ in range(20):
            self.handshake()
            data = self.out()
            for start in range(0, len(data), split):
                layer.dataReceived(data[start : start + split])
            back = tcp.take()
            if back:
                self.octets += len(back)
                self.connection.bio_write(back)
                self.read()
            if not data and not back:
                return

    def handshake(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            self.connection.do_handshake()

    def read(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self.received += self.connection.recv(65536)


def connect(layer: TlsTransport, client: Client, split: int = 1 << 20) -> Tcp:
    """Connect a client by direct TLS."""
    tcp = Tcp()
    tcp.protocol = layer
    layer.makeConnection(tcp)
    client.talk(layer, tcp, split)
    return tcp
