"""HTTP of plugins (RFC 9110): what they answer on the server's HTTP ports.

A plugin marks an async method (or a plain one) with the method and path that it answers::

    @http_post("/sms/incoming")
    async def incoming(self, request: Request) -> Response:
        ...
        return Response()

It is there as long as the plugin runs. A path that ends in ``/`` stands for all paths beneath it as well; the longest
that fits is the one that is asked. If several hosts have a path, the request's Host field says which is meant. The
server's limits on sizes, times and connections hold for all (``[http]`` in the settings).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from xmppd.api.hooks import HttpMark, mark

__all__ = ["BodyLost", "Headers", "HttpError", "Request", "Response", "http", "http_get", "http_post"]

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
    """

    method: str
    path: str
    query: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    host: str = ""
    peer: str = ""
    secure: bool = False

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
    """What is answered, or what came back from another server (:meth:`xmppd.api.network.INetwork.fetch`)."""

    status: int = 200
    body: bytes = b""
    type: str = _TEXT
    headers: Headers = field(default_factory=Headers)

    @classmethod
    def text(cls, line: str, status: int = 200) -> Response:
        """A line in plain words."""
        return cls(status, f"{line}\n".encode())

    @classmethod
    def json(cls, content: Any, status: int = 200) -> Response:
        """Data as JSON."""
        return cls(status, json.dumps(content).encode() + b"\n", _JSON)


class HttpError(Exception):
    """A handler raises it to refuse a request; the text is for who reads the client's log.

    :param status: 400 and above.
    """

    def __init__(self, status: int, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text or HTTPStatus(status).phrase)
        self.status = status
        self.headers = Headers(headers)


class BodyLost(Exception):
    """A client went away, or was too slow, in the middle of a body."""


def http(method: str, path: str) -> Callable[[F], F]:
    """Answer requests: the marked method takes the :class:`Request` and returns a :class:`Response`, or raises.

    :param method: in capitals.
    :param path: beginning with ``/``; ending with it, it stands for everything beneath.
    :raises ValueError: if it is no such method, or no such path, or one that the server has a page at.
    """
    if method not in _METHODS:
        raise ValueError(f"{method} is no method that plugins answer")
    if not path.startswith("/") or "//" in path or "?" in path:
        raise ValueError(f"{path} is no path")
    if f"/{path.split('/')[1]}" in _OURS:
        raise ValueError(f"{path} is the server's own")
    return mark(HttpMark(method, path))


def http_get(path: str) -> Callable[[F], F]:
    """Answer GET, and HEAD; see :func:`http`."""
    return http("GET", path)


def http_post(path: str) -> Callable[[F], F]:
    """Answer POST; see :func:`http`."""
    return http("POST", path)
