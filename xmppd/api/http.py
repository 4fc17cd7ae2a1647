"""HTTP of plugins (RFC 9110): what they answer on the server's HTTP ports.

A plugin marks an async method (or a plain one) with the method and path that it answers::

    @http_post("/sms/incoming")
    async def incoming(self, request: Request) -> Response:
        ...
        return Response()

It is there as long as the plugin runs. A path that ends in ``/`` stands for all paths beneath it as well; the longest
that fits is the one that is asked. The request's Host field says which host is meant; one that names none of ours leads
to the only host that has the path, if there is but one. The server's limits on sizes, times and connections hold for
all (``[http]`` in the settings).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from xmppd.api.hooks import HttpMark, mark

__all__ = [
    "Body", "BodyLost", "Headers", "HttpError", "Request", "Response", "http", "http_get", "http_post", "http_stream",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
#: Of RFC 9110 section 9.3 and RFC 5789. HEAD is answered wherever GET is.
_OURS = frozenset(("/metrics", "/health", "/ready"))  # the operator's pages
_METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"))


class Headers(Mapping[str, str]):
    """Header fields by name in any case. Several of one name are one, with commas (RFC 9110 section 5.3)."""

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        self._fields = {name.lower(): value for name, value in (fields or {}).items()}

    def __getitem__(self, name: str) -> str:
        """Return a field's value."""
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in lower case."""
        return iter(self._fields)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._fields)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks.

    :ivar method: ``GET``, ``POST``...; a HEAD comes as GET.
    :ivar path: decoded, beginning with ``/``, without the query; no part of it is ``.`` or ``..``.
    :ivar query: what stood behind the question mark, not decoded.
    :ivar host: the Host field without a port, in lower case; or "".
    :ivar peer: the network address it came from; behind reverse proxies that the settings trust, the client's.
    :ivar secure: does TLS protect it on its way from the client, as far as the server, or a trusted proxy, can tell?
    :ivar head: was it a HEAD? Then the body of the answer is not sent; only who sends clients elsewhere needs to know.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    host: str = ""
    peer: str = ""
    secure: bool = False
    head: bool = False

    @property
    def type(self) -> str:
        """The media type of the body, without parameters, in lower case; or ""."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def parameters(self) -> dict[str, str]:
        """The query's parameters; of several with one name the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """The body as a form (``application/x-www-form-urlencoded``); of several fields with one name the last.

        :raises HttpError: it is none (400).
        """
        try:
            return dict(
                parse_qsl(self.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
            )
        except ValueError:
            raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no form.") from None

    def json(self) -> Any:
        """The body as JSON.

        :raises HttpError: it is none (400).
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise HttpError(HTTPStatus.BAD_REQUEST, "The body is no JSON.") from None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered, or what came back from another server (:meth:`xmppd.api.network.INetwork.fetch`).

    :ivar path: the file that is sent as the body; see :meth:`file`.
    """

    status: int = 200
    body: bytes = b""
    type: str = _TEXT
    headers: Headers = field(default_factory=Headers)
    path: Path | None = None

    @classmethod
    def text(cls, line: str, status: int = 200) -> Response:
        """A line in plain words."""
        return cls(status, f"{line}\n".encode())

    @classmethod
    def json(cls, content: Any, status: int = 200) -> Response:
        """Data as JSON."""
        return cls(status, json.dumps(content).encode() + b"\n", _JSON)

    @classmethod
    def file(cls, path: Path, type: str, headers: Mapping[str, str] | None = None) -> Response:
        """A file, sent as fast as the client reads it; a part of it, or only that it has not changed, if the client
        asks for that (RFC 9110 sections 13 and 14). If there is no such file, it is 404.

        :param type: its media type.
        """
        return cls(type=type, headers=Headers(headers), path=path)


class HttpError(Exception):
    """A handler raises it to refuse a request; the text is for who reads the client's log.

    :param status: 400 to 599.
    :raises ValueError: it is another one.
    """

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        if not 400 <= status < 600:
            raise ValueError(f"{status} is no code of an error")
        super().__init__(text or HTTPStatus(status).phrase)
        self.status = status
        self.headers = Headers(headers)


class BodyLost(Exception):
    """A client went away, or was too slow, in the middle of a body."""


class Body(Protocol):
    """The body of a request, while it comes; to be read once.

    :ivar length: how many octets it will have, as the client says; None if it doesn't say. The server sees to it that
        there are no more, and no fewer.
    """

    length: int | None

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the octets, in pieces of any size. The client can send only as fast as they are taken.

        :raises BodyLost: the client has gone before the end, or was silent for too long.
        """


def http(method: str, path: str, cors: bool = False) -> Callable[[F], F]:
    """Answer requests: the marked method takes the :class:`Request` and returns a :class:`Response`, or raises.

    :param method: in capitals.
    :param path: beginning with ``/``; ending with it, it stands for everything beneath.
    :param cors: pages of other origins may ask from within a browser, as far as the settings say (``cors_origins``);
        the server answers what browsers ask before they ask.
    :raises ValueError: if it is no such method, or no such path, or one that the server has a page at.
    """
    return _marked(HttpMark(method, path, cors))


def http_get(path: str, cors: bool = False) -> Callable[[F], F]:
    """Answer GET, and HEAD; see :func:`http`."""
    return http("GET", path, cors)


def http_post(path: str, cors: bool = False) -> Callable[[F], F]:
    """Answer POST; see :func:`http`."""
    return http("POST", path, cors)


def http_stream(method: str, path: str, cors: bool = False) -> Callable[[F], F]:
    """Answer requests with a body of any size: the marked method takes the :class:`Request`, whose body is empty, and
    a :class:`Body` to be read while it comes.

    It is called when the head is there. As long as it has not begun to read, a client that asks first (``Expect:
    100-continue``) sends nothing: who raises :class:`HttpError`, or answers, before that spares both sides the body.

    :raises ValueError: see :func:`http`.
    """
    return _marked(HttpMark(method, path, cors, streamed=True))


def _marked(new: HttpMark) -> Callable[[F], F]:
    if new.method not in _METHODS:
        raise ValueError(f"{new.method} is no method that plugins answer")
    if not new.path.startswith("/") or "//" in new.path or "?" in new.path:
        raise ValueError(f"{new.path} is no path")
    if f"/{new.path.split('/')[1]}" in _OURS:
        raise ValueError(f"{new.path} is the server's own")
    return mark(new)
