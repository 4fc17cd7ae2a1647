"""What is said of STUN and TURN services, with one that runs in a thread; tests.interop.test_calls has a real one."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable
from unittest import TestCase

from tests.app.test_cli import make_folder
from tests.interop.server import write_certificate
from xmppd.app.checks import Finding
from xmppd.app.checks_relays import check_relays
from xmppd.core.settings_file import parse
from xmppd.wire.stun import Attribute, Kind, StunMessage, long_term_key, time_limited

SECRET = "north wind"
REALM, NONCE = b"example.org", b"nonce"
ADDRESS = "127.0.0.1"
Answers = Callable[[StunMessage, bytes], list[bytes]]


def error(request: StunMessage, code: int, reason: str) -> bytes:
    value = bytes((0, 0, code // 100, code % 100)) + reason.encode()
    told: dict[int, bytes] = {Attribute.ERROR_CODE: value, Attribute.REALM: REALM, Attribute.NONCE: NONCE}
    return StunMessage(Kind.ALLOCATE_ERROR, request.transaction, told).to_bytes()


def relay(request: StunMessage, data: bytes) -> list[bytes]:
    """Answer as a relay with our secret does."""
    if request.kind == Kind.BINDING:
        return [StunMessage(Kind.BOUND, request.transaction).to_bytes()]
    username = request.attributes.get(Attribute.USERNAME, b"").decode()
    if not username:
        return [error(request, 401, "Unauthorized")]
    expires, _, name = username.partition(":")
    password = time_limited(SECRET.encode(), name, int(expires))[1] if name else "rosaline"
    signed = hmac.new(long_term_key(username, REALM.decode(), password), data[:-24], hashlib.sha1).digest()
    if signed != data[-20:] or request.attributes.get(Attribute.NONCE) != NONCE:
        return [error(request, 401, "Unauthorized")]
    return [StunMessage(request.kind | 0x0100, request.transaction).to_bytes()]


class Case(TestCase):
    """A service on both transports, in a thread of its own."""

    def serve(self, answers: Answers, tls: ssl.SSLContext | None = None) -> int:
        """Answer what comes; return the port."""
        stream, datagrams = socket.create_server((ADDRESS, 0)), socket.socket(type=socket.SOCK_DGRAM)
        port: int = stream.getsockname()[1]
        datagrams.bind((ADDRESS, port))
        for target in (self._stream, self._datagrams):
            threading.Thread(target=target, args=(stream, datagrams, answers, tls), daemon=True).start()
        self.addCleanup(stream.close)
        self.addCleanup(stream.shutdown, socket.SHUT_RDWR)
        self.addCleanup(datagrams.close)
        return port

    def _stream(self, stream: socket.socket, _: object, answers: Answers, tls: ssl.SSLContext | None) -> None:
        while True:
            try:
                connection = stream.accept()[0]
                with connection if tls is None else tls.wrap_socket(connection, server_side=True) as talk:
                    while data := talk.recv(4096):
                        request = StunMessage.from_bytes(data)
                        assert request is not None
                        for answer in answers(request, data):
                            talk.sendall(answer[:7])
                            talk.sendall(answer[7:])
                        if not answers(request, data):
                            break
            except ssl.SSLError:
                continue
            except OSError:
                return

    def _datagrams(self, _: object, datagrams: socket.socket, answers: Answers, __: object) -> None:
        while True:
            try:
                data, sender = datagrams.recvfrom(4096)
            except OSError:
                return
            request = StunMessage.from_bytes(data)
            assert request is not None
            for answer in answers(request, data):
                datagrams.sendto(answer, sender)

    def check(
        self, port: int, *services: str, secret: str = SECRET, context: ssl.SSLContext | None = None
    ) -> list[Finding]:
        table = '[hosts."example.org".external_services'
        tables = "".join(f'[{table}.services]]\nhost = "{ADDRESS}"\nport = {port}\n{service}\n' for service in services)
        text = f'[server]\ndata_dir = "data"\n[hosts."example.org"]\n{table}]\nsecret = "{secret}"\n{tables}'
        return list(check_relays(parse(text, "x.toml", make_folder(self)), context, seconds=1.0))


TURN, TCP, STUN = 'type = "turn"', 'type = "turn"\ntransport = "tcp"', 'type = "stun"'
STATIC = 'type = "turn"\nusername = "romeo"\npassword = "{}"'


class RelayTests(Case):
    def test_all_is_well(self) -> None:
        port = self.serve(relay)
        found = self.check(port, TURN, TCP, STUN, STATIC.format("rosaline"), 'type = "ftp"')
        good = "it relays for those with our credentials"
        self.assertEqual(
            [(f.level, f.subject, f.text) for f in found],
            [
                ("ok", f"turn {ADDRESS}:{port}/udp", good),
                ("ok", f"turn {ADDRESS}:{port}/tcp", good),
                ("ok", f"stun {ADDRESS}:{port}/udp", "it answers"),
                ("ok", f"turn {ADDRESS}:{port}/udp", good),
            ],
        )

    def test_another_secret(self) -> None:
        port = self.serve(relay)
        for found in (*self.check(port, TURN, secret="x"), *self.check(port, STATIC.format("juliet"))):
            self.assertEqual(
                (found.level, found.text), ("error", "it refuses to relay for our users: 401 Unauthorized")
            )

    def test_refused_for_another_reason(self) -> None:
        (found,) = self.check(self.serve(lambda request, _: [error(request, 486, "Quota")]), TURN)
        self.assertEqual((found.level, found.text), ("warning", "it refuses to relay for our users: 486 Quota"))

    def test_everybody(self) -> None:
        def open_(request: StunMessage, _: bytes) -> list[bytes]:
            return [StunMessage(request.kind | 0x0100, request.transaction).to_bytes()]

        (found,) = self.check(self.serve(open_), TURN)
        self.assertEqual((found.level, found.text), ("error", "it relays for everybody"))

    def test_no_stun(self) -> None:
        (found,) = self.check(self.serve(lambda request, _: [error(request, 420, "")]), STUN)
        self.assertEqual((found.level, found.text), ("warning", "it refuses to answer"))

    def test_a_datagram_is_lost(self) -> None:
        lost: list[bytes] = []

        def forgetful(request: StunMessage, data: bytes) -> list[bytes]:
            if not lost:
                lost.append(data)
                return []
            stray = StunMessage(Kind.BOUND, bytes(12)).to_bytes()
            return [stray, *relay(request, data)]

        self.assertEqual(self.check(self.serve(forgetful), STUN)[0].level, "ok")

    def test_nobody(self) -> None:
        silent = self.serve(lambda request, _: [])
        for service, reason in ((TURN, "no answer within 1 seconds"), (TCP, "it closes the connection")):
            (found,) = self.check(silent, service)
            self.assertEqual((found.level, found.text), ("warning", f"it can't be used: {reason}"))
        (found,) = self.check(1, TCP)
        self.assertEqual(found.text, "it can't be used: Connection refused")

    def test_something_else(self) -> None:
        (found,) = self.check(self.serve(lambda request, _: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]), TCP)
        self.assertEqual(found.text, "it can't be used: it does not begin as a message of STUN")


class TlsTests(Case):
    def test_certificates(self) -> None:
        folder = make_folder(self)
        write_certificate(folder, "example.org")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(folder / "server.crt", folder / "server.key")
        port = self.serve(relay, server)
        (found,) = self.check(port, 'type = "turns"')
        self.assertRegex(found.text, "its certificate is not believed: self.signed certificate")
        trusting = ssl.create_default_context(cafile=str(folder / "server.crt"))
        trusting.check_hostname = False  # its name is example.org
        found, stun = self.check(port, 'type = "turns"', 'type = "stuns"', context=trusting)
        self.assertEqual((found.level, found.text), ("ok", "it relays for those with our credentials"))
        self.assertEqual((stun.level, stun.text), ("ok", "it answers"))
        self.assertEqual(self.check(port, 'type = "turns"\ntransport = "udp"'), [])  # DTLS


class WithoutTests(Case):
    def test_no_services(self) -> None:
        self.assertEqual(self.check(1), [])
