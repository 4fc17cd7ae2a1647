"""What the tests of the SOCKS5 proxy share: clients that speak SOCKS5, and streams that are active."""

from __future__ import annotations

from hashlib import sha1
from typing import ClassVar

from tests.plugins.kit import PluginTestCase
from xmppd.api import Plugin
from xmppd.testing import Client
from xmppd.testing.visitor import Visitor

__all__ = ["NS", "ProxyTestCase", "greeting", "hash_of", "request"]

NS = "http://jabber.org/protocol/bytestreams"
ENDPOINT = "tcp:7777"


def hash_of(sid: str, requester: str, target: str) -> str:
    return sha1(f"{sid}{requester}{target}".encode()).hexdigest()


def greeting(*methods: int) -> bytes:
    return bytes((5, len(methods), *methods))


def request(host: str, *, command: int = 1, port: int = 0) -> bytes:
    name = host.encode()
    return bytes((5, command, 0, 3, len(name))) + name + port.to_bytes(2, "big")


class ProxyTestCase(PluginTestCase):
    """A proxy at proxy.example.org, and two people."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("bytestreams", "disco")
    sid = "vxf9n471bn46"

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")

    def visit(self, host: str = "192.0.2.1") -> Visitor:
        visitor = self.network.visit(ENDPOINT, host)
        self.addCleanup(visitor.cut)
        return visitor

    def enter(self, sid: str = "", host: str = "192.0.2.1", requester: str = "", target: str = "") -> Visitor:
        """Return who has connected for a stream and was welcome."""
        digest = hash_of(sid or self.sid, requester or self.romeo.jid, target or self.juliet.jid)
        visitor = self.visit(host)
        visitor.send(greeting(0))
        self.assertEqual(visitor.take(), b"\5\0")
        visitor.send(request(digest))
        self.assertEqual(visitor.take(), b"\5\0\0\3\x28" + digest.encode() + b"\0\0")
        return visitor

    def ask(self, sid: str = "", target: str = "", client: Client | None = None, attributes: str = "") -> None:
        activate = f"<activate>{target or self.juliet.jid}</activate>"
        query = f"<query xmlns='{NS}' sid='{sid or self.sid}' {attributes}>{activate}</query>"
        (client or self.romeo).send(f"<iq type='set' id='a' to='proxy.example.org'>{query}</iq>")

    def expect_refusal(self, condition: str, type_: str, client: Client | None = None, id_: str = "a") -> None:
        error = (
            f"<error type='{type_}'>{{...}}<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error>"
        )
        (client or self.romeo).expect(f"<iq type='error' id='{id_}' from='proxy.example.org'>{{...}}{error}</iq>")

    def stream(self, sid: str = "", hosts: tuple[str, str] = ("192.0.2.1", "192.0.2.2")) -> tuple[Visitor, Visitor]:
        """Return requester and target of an active stream."""
        target = self.enter(sid, hosts[1])
        requester = self.enter(sid, hosts[0])
        self.ask(sid)
        self.romeo.expect("<iq type='result' id='a' from='proxy.example.org'/>")
        return requester, target

    def figure(self, name: str) -> float:
        return next(f.value for f in self.plugin("bytestreams").figures() if f.name == name)
