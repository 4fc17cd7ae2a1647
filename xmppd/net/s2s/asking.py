"""One question to nameservers (RFC 1035), on the formats of twisted.names.

It has a socket of its own for each nameserver, connected to it: so answers of others don't reach it (RFC 5452), and a
nameserver that isn't there is noticed at once. An answer to something else than what was asked is no answer.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ClientFactory
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from xmppd.api.interfaces import IDelayedCall

__all__ = ["Alias", "Answer", "Asking", "LookupFailed", "Question", "decode", "read_answer"]

_HEADER = Struct("!6H")
_IS_ANSWER = 0x8000
_RECORDS = 100  # of one answer; parsing one takes tens of microseconds
_OCTETS = 16_384  # of one answer over TCP
_FIRST_PATIENCE = 1.0  # seconds until the next nameserver is asked as well; doubled with every round
_CODES = {
    dns.EFORMAT: "FORMERR: it did not understand the question",
    dns.ESERVER: "SERVFAIL: it could not find out",
    dns.ENOTIMP: "NOTIMP: it can't answer such questions",
    dns.EREFUSED: "REFUSED: it does not want to answer",
}


class LookupFailed(Exception):
    """No nameserver gave an answer that can be used; another time it may.

    :ivar silent: nobody answered anything.
    """

    def __init__(self, text: str, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


class Question(NamedTuple):
    """What is asked for: a name, in lower case, and the type of its records."""

    name: str
    kind: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says.

    :ivar records: payloads of twisted.names; none if there are no such records.
    :ivar seconds: how long that holds.
    :ivar exists: False if there is no such name at all (NXDOMAIN).
    """

    records: tuple[Any, ...]
    seconds: int
    exists: bool = True


class Alias(NamedTuple):
    """The name is another one's alias (CNAME), which has to be asked for."""

    name: str
    seconds: int


def read_answer(message: dns.Message, question: Question) -> Answer | Alias:
    """Return what a message answers.

    :raises LookupFailed: nothing that can be used.
    """
    if message.rCode not in (dns.OK, dns.ENAME):
        raise LookupFailed(_CODES.get(message.rCode, f"error {message.rCode}"))
    name, seconds, seen = question.name, 2**31, set[str]()
    while name not in seen:
        seen.add(name)
        found = [r for r in message.answers if r.cls == dns.IN and _text(r.name) == name]
        records = [r for r in found if r.type == question.kind]
        if records:
            return Answer(tuple(r.payload for r in records), min(seconds, *(r.ttl for r in records)))
        aliases = [r for r in found if r.type == dns.CNAME]
        if not aliases:
            return _nothing(message, name, seconds, alias=name != question.name)
        payload: Any = aliases[0].payload
        name, seconds = _text(payload.name), min(seconds, aliases[0].ttl)
    raise LookupFailed("the name is an alias of itself")


def _nothing(message: dns.Message, name: str, seconds: int, alias: bool) -> Answer | Alias:
    """There are no records (RFC 2308): how long that holds is in the SOA record."""
    authority = {record.type: record for record in message.authority}
    soa: Any = authority.get(dns.SOA)
    if message.rCode == dns.OK and soa is None:
        if alias:
            return Alias(name, seconds)
        if dns.NS in authority and not message.auth:
            raise LookupFailed("it only names other nameservers: it does not answer for others")
    negative = 0 if soa is None else min(soa.ttl, soa.payload.minimum)
    return Answer((), min(seconds, negative), message.rCode == dns.OK)


def _text(name: dns.Name) -> str:
    return name.name.decode("ascii", "replace").lower()


def decode(data: bytes, number: int, question: Question) -> dns.Message | None:
    """Return the message in `data`, or None if it is no answer to that question with that number."""
    if len(data) < _HEADER.size:
        return None
    found, flags, questions, *records = _HEADER.unpack_from(data)
    if found != number or not flags & _IS_ANSWER or questions != 1 or sum(records) > _RECORDS:
        return None
    message = dns.Message()
    try:
        message.fromStr(data)
    except Exception:  # each type of record has a decoder of its own, and they fail in all kinds of ways
        return None
    if len(message.queries) != 1:
        return None
    asked = message.queries[0]
    same = (_text(asked.name), asked.type, asked.cls) == (*question, dns.IN)
    return message if same else None


class _Server:
    """One nameserver, for one question."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket: _Socket | None = None
        self.connector: Any = None
        self.problem = ""

    def __str__(self) -> str:
        host, port = self.address
        return f"nameserver {host}" + ("" if port == dns.PORT else f" port {port}")


@implementer(IReadDescriptor)
class _Socket:
    """A socket connected to one nameserver. (Twisted's ports for UDP log each opening and closing.)

    :raises OSError: it can't be opened.
    """

    def __init__(self, reactor: Any, asking: Asking, server: _Server) -> None:
        self._reactor = reactor
        self._asking = asking
        self._server = server
        host, port = server.address
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect((host, port))
        except OSError:
            self._socket.close()
            raise
        reactor.addReader(self)

    def send(self, data: bytes) -> None:
        """Send. :raises OSError: it can't be sent."""
        with suppress(BlockingIOError):  # as good as lost on the way
            self._socket.send(data)

    def close(self) -> None:
        """Hear nothing more."""
        self._reactor.removeReader(self)
        self._socket.close()

    def fileno(self) -> int:
        """See IFileDescriptor."""
        return self._socket.fileno()

    def doRead(self) -> None:
        """See IReadDescriptor."""
        try:
            data = self._socket.recv(_OCTETS)
        except BlockingIOError:
            return
        except OSError as error:
            self._asking.failed(self._server, _why(error))
        else:
            self._asking.received(self._server, data)

    def connectionLost(self, reason: Failure) -> None:
        """See IFileDescriptor: that a port is closed comes here with some reactors."""
        self._asking.failed(self._server, "nothing answers there")

    def logPrefix(self) -> str:
        """See ILoggingContext."""
        return "DNS"


def _why(error: OSError) -> str:
    return "nothing answers there" if isinstance(error, ConnectionRefusedError) else f"it can't be asked: {error}"


class _Stream(Int16StringReceiver):
    MAX_LENGTH = _OCTETS

    def __init__(self, asking: Asking, server: _Server) -> None:
        self._asking = asking
        self._server = server

    def connectionMade(self) -> None:
        self.sendString(self._asking.query)

    def stringReceived(self, data: bytes) -> None:
        self._asking.received(self._server, data, whole=True)


class _StreamFactory(ClientFactory):
    noisy = False

    def __init__(self, asking: Asking, server: _Server) -> None:
        self._asking = asking
        self._server = server

    def buildProtocol(self, address: Any) -> _Stream:
        return _Stream(self._asking, self._server)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._asking.failed(self._server, "its answer is too long for UDP, and it can't be reached by TCP")

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self._asking.failed(self._server, "it closed the connection before it answered")


class Asking:
    """One question, put to one nameserver after the other until there is an answer.

    :ivar result: called back with an Answer or Alias, or fails with LookupFailed.
    """

    def __init__(self, reactor: Any, addresses: Sequence[tuple[str, int]], question: Question, seconds: float) -> None:
        self._reactor = reactor
        self._servers = [_Server(address) for address in addresses]
        self._question = question
        self._number = secrets.randbits(16)
        message = dns.Message(self._number, recDes=1)
        message.addQuery(question.name, question.kind)
        self.query: bytes = message.toStr()
        self._turn = 0
        self._patience = _FIRST_PATIENCE
        self._seconds = seconds
        self._again: IDelayedCall | None = None
        self._deadline: IDelayedCall = reactor.callLater(seconds, self._too_late)
        self.result: Deferred[Answer | Alias] = Deferred()
        self.answered_by: tuple[str, int] | None = None

    def next(self) -> None:
        """Put the question to the next nameserver, or to the same once more."""
        if self._again is not None and self._again.active():
            self._again.cancel()
        willing = [server for server in self._servers if not server.problem]
        if not willing:
            self._end(LookupFailed("; ".join(f"{server}: {server.problem}" for server in self._servers)))
            return
        server = willing[self._turn % len(willing)]
        self._turn += 1
        self._again = self._reactor.callLater(self._patience, self.next)
        if self._turn % len(willing) == 0:
            self._patience *= 2
        self._send(server)

    def _send(self, server: _Server) -> None:
        if server.connector is not None:
            return
        try:
            if server.socket is None:
                server.socket = _Socket(self._reactor, self, server)
            server.socket.send(self.query)
        except OSError as error:
            self.failed(server, _why(error))

    def received(self, server: _Server, data: bytes, whole: bool = False) -> None:
        """Take what may be an answer.

        :param whole: did it come by TCP?
        """
        message = decode(data, self._number, self._question)
        if message is None or self.result.called:
            return
        if message.trunc and not whole:
            if server.connector is None:
                host, port = server.address
                factory = _StreamFactory(self, server)
                server.connector = self._reactor.connectTCP(host, port, factory, timeout=self._seconds)
            return
        try:
            answer = read_answer(message, self._question)
        except LookupFailed as error:
            self.failed(server, str(error))
            return
        self.answered_by = server.address
        self._end(answer)

    def failed(self, server: _Server, problem: str) -> None:
        """A nameserver is of no use for this question."""
        if not server.problem and not self.result.called:
            server.problem = problem
            self.next()

    def _too_late(self) -> None:
        asked = [server for server in self._servers if server.socket is not None]
        text = "; ".join(f"{s}: {s.problem or f'no answer within {self._seconds:g} seconds'}" for s in asked)
        self._end(LookupFailed(text, silent=not any(server.problem for server in asked)))

    def stop(self) -> None:
        """Ask no further."""
        if not self.result.called:
            self._end(LookupFailed("the question was given up"))

    def _end(self, outcome: Answer | Alias | LookupFailed) -> None:
        for call in (self._again, self._deadline):
            if call is not None and call.active():
                call.cancel()
        self.result.callback(outcome) if not isinstance(outcome, LookupFailed) else self.result.errback(outcome)
        for server in self._servers:
            if server.socket is not None:
                server.socket.close()
            if server.connector is not None:
                server.connector.disconnect()
