"""One request and its answer (RFC 9110 section 3.4), between the connection it came on and the door that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from xmppd.api.http import Headers
from xmppd.net.eager import in_bulk
from xmppd.net.http.answers import NO_BODY, Answer, Fields
from xmppd.net.http.body import StreamedBody
from xmppd.net.http.origin import Origin
from xmppd.net.tls.info import TlsInfo

if TYPE_CHECKING:
    from xmppd.net.http.connection import Connection

__all__ = ["Door", "Exchange"]

_MUCH = 65_536  # octets of a body
_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}


class Door(Protocol):
    """What answers at a path.

    :ivar most: octets of a body that is read whole before :meth:`enter`; a larger one gets 413. None: :meth:`enter` is
        called at the end of the head, and the body is read from :attr:`Exchange.stream`.
    :ivar cors: browsers may use it from pages of other origins (as the settings say of which).
    """

    @property
    def most(self) -> int | None: ...
    @property
    def cors(self) -> bool: ...

    def enter(self, exchange: Exchange) -> None:
        """Answer a request, now or later."""


class Exchange:
    """One request, and how it is answered: by :meth:`respond`, or by :meth:`begin`, :meth:`write` and :meth:`finish`,
    or by :meth:`upgrade`.

    :ivar method: as it came.
    :ivar target: as it came (RFC 9112 section 3.2).
    :ivar path: decoded, without the query.
    :ivar query: what stands behind the question mark, not decoded.
    :ivar fields: the header fields, names in lower case; several of one name are one, with commas.
    :ivar body: all of it, if the door wants it whole.
    :ivar stream: the body, if the door wants it piece by piece.
    :ivar length: octets of the body as the request says; None if it comes in chunks.
    :ivar modern: is it HTTP/1.1? Else it is HTTP/1.0.
    :ivar stays: may the connection have another request?
    :ivar expects: does the client wait to be told to send the body?
    :ivar named: the authority in the target, if that is a whole URL.
    :ivar cors: may scripts of other origins see the answer?
    :ivar began: when its head was there.
    :ivar on_gone: called once if the connection ends before the answer is complete; for who answers later.
    :ivar on_room: called when :attr:`full` is over; for who answers piece by piece.
    :ivar code: of the answer; 0 while there is none.
    :ivar bulk: has the transport been told that a large body comes, or goes?
    :ivar sent: octets of the answer's body so far.
    """

    __slots__ = (
        "_chunked", "_connection", "_headers", "_origin", "_way", "began", "body", "bulk", "code", "cors", "door",
        "expects",
        "fields", "length", "method", "modern", "named", "on_gone", "on_room", "path", "query", "sent", "stays",
        "stream", "target",
    )  # fmt: skip

    began: float
    code: int
    door: Door
    expects: bool
    length: int | None
    modern: bool
    stays: bool

    def __init__(self, connection: Connection, method: bytes, target: bytes, fields: dict[bytes, bytes]) -> None:
        self._way = connection
        self._connection: Connection | None = connection  # as long as there is something to be said on it
        self._origin: Origin | None = None
        self._headers: Headers | None = None
        self.method = _METHODS.get(method) or method.decode("latin-1")
        self.target = text = target.decode("latin-1")
        self.set_path(text)
        self.fields = fields
        self.body = b""
        self.named = ""  # by a target that is a whole URL
        self.stream: StreamedBody | None = None
        self.on_gone: Callable[[], None] | None = None
        self.on_room: Callable[[], None] | None = None
        self.sent = self.code = 0
        self.bulk = self.cors = False

    # The request

    def set_path(self, text: str) -> None:
        """Take path and query from a target."""
        self.query = ""
        if "?" in text:
            text, _, self.query = text.partition("?")
        self.path = unquote(text) if "%" in text else text

    def header(self, name: str) -> str | None:
        """Return the value of a header field.

        :param name: in lower case.
        """
        value = self.fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    @property
    def headers(self) -> Headers:
        """The header fields."""
        if self._headers is None:
            self._headers = Headers({k.decode("latin-1"): v.decode("latin-1") for k, v in self.fields.items()})
        return self._headers

    @property
    def origin(self) -> Origin:
        """Who asks, and what: as it came, or as trusted proxies tell."""
        if self._origin is None:
            self._origin = self._way.origin_of(self)
        return self._origin

    @property
    def host(self) -> str:
        """The host that is asked, in lower case, without a port; "" if none is named."""
        return self.origin.host

    @property
    def peer(self) -> str:
        """The client's network address."""
        return self.origin.peer

    @property
    def secure(self) -> bool:
        """Does TLS protect the way from the client, or from it to a trusted proxy?"""
        return self.origin.secure

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of the connection by its TLS, if it has any here."""
        return self._way.tls

    def prepare(self, length: int | None) -> None:
        """There will be so many octets of a body, in one direction or the other; None: nobody knows."""
        connection = self._connection
        if connection is not None and (length is None or length > _MUCH):
            self.bulk = True
            in_bulk(connection.transport, True)

    # The answer

    @property
    def gone(self) -> bool:
        """Is nobody there any more who could be answered, or has everything been said?"""
        return self._connection is None

    @property
    def full(self) -> bool:
        """Does the client read more slowly than it is written to? Then no more should be written for now."""
        return self._connection is not None and self._connection.clogged

    def respond(self, answer: Answer) -> None:
        """Answer; the first answer counts. It does nothing if the client has gone."""
        connection = self._connection
        if connection is None:
            return
        body = answer.body
        head = connection.head_for(self, answer.code, answer.type, answer.headers)
        self.code = answer.code
        if answer.code in NO_BODY:
            data = head + b"\r\n"
        elif self.method == "HEAD":
            data = b"%bContent-Length: %d\r\n\r\n" % (head, len(body))
        else:
            self.sent = len(body)
            data = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
        self._connection = None
        connection.answered(self, data)

    def begin(self, code: int, type_: bytes, headers: Fields = (), length: int | None = None) -> None:
        """Begin an answer whose body is written bit by bit.

        :param length: of the body, in octets; None: it comes in chunks (RFC 9112 section 7.1), or ends with the
            connection, as the client knows it.
        """
        connection = self._connection
        if connection is None:
            return
        self._chunked = length is None and self.modern
        self.stays = self.stays and (self.modern or length is not None)
        head = connection.head_for(self, code, type_, headers)
        self.code = code
        self.prepare(length)
        if length is not None:
            head += b"Content-Length: %d\r\n" % length
        elif self.modern:
            head += b"Transfer-Encoding: chunked\r\n"
        connection.send(head + b"\r\n")

    def write(self, data: bytes) -> None:
        """Write a part of the body of an answer that has begun. Wait while :attr:`full`."""
        connection = self._connection
        if connection is not None and data and self.method != "HEAD":
            self.sent += len(data)
            connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        """The answer is complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.answered(self, b"0\r\n\r\n" if self._chunked and self.method != "HEAD" else b"")

    def abort(self) -> None:
        """The answer that has begun can't be completed: the client must see that."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cut()

    def upgrade(self, head: bytes, protocol: Any) -> None:
        """Leave the connection to another protocol (RFC 9110 section 7.8). It stays counted until it is lost.

        :param head: what is written before: an answer with the code 101.
        :param protocol: gets makeConnection(transport), dataReceived(data), connectionLost(reason) from now on.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self.code = 101
            connection.upgrade(self, head, protocol)

    def leave(self) -> None:
        """The client has gone."""
        if self._connection is not None:
            self._connection = None
            gone, self.on_gone = self.on_gone, None
            if gone is not None:
                gone()
        if self.stream is not None:
            self.stream.lose()
