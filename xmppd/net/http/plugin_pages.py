"""What plugins answer by HTTP (:mod:`xmppd.api.http`): whom a request is for, and what becomes of the outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from twisted.logger import Logger

from xmppd.api.hooks import HttpMark, marks
from xmppd.api.http import Body, BodyLost, HttpError, Request, Response
from xmppd.api.storage import StorageUnavailable
from xmppd.core.hosts import Host
from xmppd.core.plugins.dispatch import Handler
from xmppd.core.readiness import Phase
from xmppd.core.settings import Settings
from xmppd.core.web import named
from xmppd.net.http.answers import Answer, text
from xmppd.net.http.cors import Origins, is_preflight
from xmppd.net.http.exchange import Door, Exchange
from xmppd.net.http.files import FileAnswer, file_answer, send_file
from xmppd.net.http.routes import METHODS, Fixed, spawn

__all__ = ["Chosen", "PluginPages", "answer_of", "choose"]

_log = Logger()
#: What is no name of anything beneath a folder, however it was written.
_LEADS_OUT = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)|[\x00-\x1f\x7f]")
Table = Mapping[tuple[str, str], Handler]


class Chosen(NamedTuple):
    """The handler of a request, and how it was declared."""

    handler: Handler
    mark: HttpMark


class _NotNow:
    """Answers while there are no plugins yet, or no more: that something is not there nobody knows then."""

    cors = True
    most = None  # what comes behind the head doesn't matter

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        exchange.respond(text("The server is starting, or stopping.", 503, (b"Retry-After", b"5")))


_NOT_NOW = _NotNow()


class PluginPages:
    """Finds the doors of all requests that are for plugins.

    :param hosts: the hosts that are served, by domain.
    :param settings: those in force.
    :param origins: the origins whose pages may ask.
    :param phase: where the server is in its life. A client that is told 404 believes that a file is gone.
    """

    def __init__(
        self,
        hosts: Callable[[], Mapping[str, Host]],
        settings: Callable[[], Settings],
        origins: Callable[[], Origins],
        phase: Callable[[], Phase],
    ) -> None:
        self._hosts = hosts
        self._settings = settings
        self._origins = origins
        self._phase = phase

    def find(self, exchange: Exchange) -> Door:
        """Return what answers a request."""
        phase = self._phase()
        if phase is Phase.STARTING:
            return _NOT_NOW
        settings, asked = self._settings(), request_of(exchange)
        most = settings.http.body_octets
        if is_preflight(exchange):
            open_ = _open(asked, self._hosts(), settings)
            if exchange.header("access-control-request-method") in open_:
                return Fixed(self._origins().preflight(exchange, open_), most, cors=True)
        found = choose(asked, self._hosts(), settings)
        if isinstance(found, Answer) and phase is Phase.STOPPING and found.code == 404:
            return _NOT_NOW
        if isinstance(found, Answer):
            return Fixed(found, most, cors=bool(_open(asked, self._hosts(), settings)))
        return _PluginDoor(found, None if found.mark.streamed else most)


class _PluginDoor:
    """A plugin's handler."""

    __slots__ = ("_handler", "_method", "cors", "most")

    def __init__(self, chosen: Chosen, most: int | None) -> None:
        self._handler = chosen.handler
        self._method = chosen.mark.method
        self.cors = chosen.mark.cors
        self.most = most

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        spawn(self._respond(exchange))

    async def _respond(self, exchange: Exchange) -> None:
        body = () if exchange.stream is None else (exchange.stream,)
        answer = await answer_of(request_of(exchange), self._handler, *body, method=exchange.method)
        if isinstance(answer, FileAnswer):
            send_file(exchange, answer)
        else:
            exchange.respond(answer)


def request_of(exchange: Exchange) -> Request:
    """Return a request as plugins see it."""
    return Request(
        method="GET" if exchange.method == "HEAD" else exchange.method,
        path=exchange.path,
        query=exchange.query,
        headers=exchange.headers,
        body=exchange.body,
        host=exchange.host,
        peer=exchange.peer,
        secure=exchange.secure,
        head=exchange.method == "HEAD",
    )


def choose(asked: Request, hosts: Mapping[str, Host], settings: Settings) -> Chosen | Answer:
    """Return the handler of a request, or why there is none.

    :param hosts: by domain; if several have something at that path, the Host field has to name one.
    """
    found = _locate(asked, hosts, settings)
    if isinstance(found, Answer):
        return found
    table, path = found
    handler = table.get((asked.method, path))
    if handler is not None:
        return Chosen(handler, _mark(handler, asked.method, path))
    if asked.method not in METHODS:
        return text("This server does not know that method.", 501)
    allowed = {method for method, its_path in table if its_path == path}
    if "GET" in allowed:
        allowed.add("HEAD")
    return text("That can't be done with this page.", 405, (b"Allow", ", ".join(sorted(allowed)).encode()))


def _locate(asked: Request, hosts: Mapping[str, Host], settings: Settings) -> tuple[Table, str] | Answer:
    """Where is the path of a request: in which host's table, and under which path there?"""
    if _LEADS_OUT.search(asked.path):
        return text("There is no such page.", 404)
    tables = {domain: host.tables.http for domain, host in hosts.items()}
    fitting = {domain: path for domain, table in tables.items() if (path := _path_for(asked.path, table))}
    host = named(asked.host, settings, hosts)
    if host is not None:  # and nobody else: what is told of one host is not true of another
        domain = host.jid.domain
        if domain not in fitting:
            return text("There is no such page.", 404)
    elif len(fitting) == 1:
        domain = next(iter(fitting))
    else:
        return text("There is no such page." if not fitting else "The Host field names none of our hosts.", 404)
    return tables[domain], fitting[domain]


def _open(asked: Request, hosts: Mapping[str, Host], settings: Settings) -> set[str]:
    """The methods that pages of other origins may use at a path."""
    found = _locate(asked, hosts, settings)
    if isinstance(found, Answer):
        return set()
    table, path = found
    return {method for (method, its), handler in table.items() if its == path and _mark(handler, method, path).cors}


def _mark(handler: Handler, method: str, path: str) -> HttpMark:
    """How a handler was declared."""
    return next(
        mark for mark in marks(handler.function)
        if isinstance(mark, HttpMark) and (mark.method, mark.path) == (method, path)
    )  # fmt: skip


def _path_for(path: str, table: Iterable[tuple[str, str]]) -> str:
    """The longest path of a table that a request's path fits, or ""."""
    found = [own for _, own in table if path == own or (own.endswith("/") and path.startswith(own))]
    return max(found, key=len, default="")


async def answer_of(asked: Request, handler: Handler, *body: Body, method: str = "") -> Answer | FileAnswer:
    """Ask a handler; what goes wrong becomes an error, and is logged with the plugin's name.

    :param body: for a handler that takes the body while it comes.
    :param method: what the client has said, if that is something else than the plugin sees.
    """
    try:
        outcome = handler(asked, *body)
        response: Response = outcome if isinstance(outcome, Response) else await outcome
        if not 200 <= response.status < 600:
            raise ValueError(f"{response.status} is no code of an answer")
        if response.path is not None:
            return file_answer(method or asked.method, asked.headers, response)
        headers = tuple((name.encode(), value.encode("latin-1")) for name, value in response.headers.items())
        return Answer(response.body, response.status, response.type.encode("latin-1"), headers)
    except HttpError as error:
        fields = ((name.encode(), value.encode("latin-1")) for name, value in error.headers.items())
        return text(str(error), error.status, *fields)
    except BodyLost:
        return text("The body is not complete.", 400)  # for nobody: the client has gone
    except StorageUnavailable as error:
        handler.stats.failed(error)
        _log.warn("plugin {plugin} could not answer {path}: {reason}", plugin=handler.plugin.name, path=asked.path,
                  reason=str(error))  # fmt: skip
        return text("The database can't work now.", 503, (b"Retry-After", b"10"))
    except Exception as error:
        handler.stats.failed(error)
        _log.failure("plugin {plugin} failed in {label} on a request for {path}", plugin=handler.plugin.name,
                     label=handler.label, path=asked.path)  # fmt: skip
        return text("This request could not be handled; the log says why.", 500)
