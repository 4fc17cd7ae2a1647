"""A nameserver on loopback that says what a test wants it to say, by UDP and TCP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver

from xmppd.core.settings.network import S2s

reactor: Any = global_reactor

#: A name and a type of records.
Key = tuple[str, int]
#: Records (payloads), a response code, or a function that changes the answer as it likes and may return False: then
#: nothing is sent.
Says = Sequence[Any] | int | Callable[[dns.Message], object]


def settings(*servers: Nameserver, **values: Any) -> S2s:
    """Return settings with these nameservers."""
    return S2s.model_validate({"nameservers": [server.address for server in servers], **values})


def srv(host: str, port: int = 5269, priority: int = 0, weight: int = 0, ttl: int = 300) -> dns.Record_SRV:
    return dns.Record_SRV(priority, weight, port, host, ttl)


def a(address: str = "127.0.0.1", ttl: int = 300) -> dns.Record_A:
    return dns.Record_A(address, ttl)


def aaaa(address: str = "::1", ttl: int = 300) -> dns.Record_AAAA:
    return dns.Record_AAAA(address, ttl)


def header(name: str, payload: Any, ttl: int = 0) -> dns.RRHeader:
    return dns.RRHeader(name, payload.TYPE, dns.IN, ttl, payload)


def alias(name: str, other: str) -> dns.RRHeader:
    return header(name, dns.Record_CNAME(other))


def soa(minimum: int = 60, ttl: int = 60) -> dns.RRHeader:
    return header("example", dns.Record_SOA("ns.example", "admin.example", 1, 1, 1, 1, minimum, ttl), ttl)


class Nameserver:
    """Answers from a table: names that are not in it don't exist.

    :ivar questions: what it was asked, in order.
    :ivar delay: seconds before each answer.
    """

    def __init__(self, says: Mapping[Key, Says]) -> None:
        self.says = dict(says)
        self.questions: list[Key] = []
        self.delay = 0.0
        self.by_tcp = 0
        self.most = 512
        factory: Any = Factory.forProtocol(_Stream)
        factory.server = self
        self.tcp, self._udp = self._listen(factory)

    def _listen(self, factory: Any) -> tuple[Any, Any]:
        """Open the same port for both."""
        for _ in range(20):
            udp = reactor.listenUDP(0, _Datagrams(self), interface="127.0.0.1")
            try:
                return reactor.listenTCP(udp.getHost().port, factory, interface="127.0.0.1"), udp
            except CannotListenError:
                udp.stopListening()
        raise AssertionError("no port is free for both UDP and TCP")

    @property
    def port(self) -> int:
        port: int = self._udp.getHost().port
        return port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        await maybeDeferred(self._udp.stopListening)
        await maybeDeferred(self.tcp.stopListening)

    def answer(self, data: bytes) -> dns.Message | None:
        message = dns.Message()
        message.fromStr(data)
        query = message.queries[0]
        key = (query.name.name.decode().lower(), query.type)
        self.questions.append(key)
        message.answer, message.recAv = 1, 1
        says = self.says.get(key)
        if says is None:
            message.rCode = dns.OK if any(name == key[0] for name, _ in self.says) else dns.ENAME
            message.authority = [soa()]
        elif isinstance(says, int):
            message.rCode = says
        elif isinstance(says, Sequence):
            message.answers = [header(key[0], record, record.ttl) for record in says]
        elif says(message) is False:
            return None
        return message


class _Datagrams(DatagramProtocol):
    transport: Any = None

    def __init__(self, server: Nameserver) -> None:
        self._server = server

    def datagramReceived(self, data: bytes, address: Any) -> None:
        message = self._server.answer(data)
        if message is None:
            return
        octets = message.toStr()
        if len(octets) > self._server.most:
            message.trunc, message.answers = 1, []
            octets = message.toStr()
        reactor.callLater(self._server.delay, self._send, octets, address)

    def _send(self, octets: bytes, address: Any) -> None:
        if self.transport is not None:
            self.transport.write(octets, address)


class _Stream(Int16StringReceiver):
    factory: Any
    transport: Any

    def stringReceived(self, data: bytes) -> None:
        server: Nameserver = self.factory.server
        server.by_tcp += 1
        message = server.answer(data)
        if message is None:
            self.transport.loseConnection()
        else:
            message.maxSize = 0
            self.sendString(message.toStr())


def pause(seconds: float) -> Deferred[None]:
    result: Deferred[None] = Deferred()
    reactor.callLater(seconds, result.callback, None)
    return result
