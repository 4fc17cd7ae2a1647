"""What plugins answer by HTTP (:mod:`xmppd.api.http`): whom a request is for, and what becomes of the outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from twisted.web.server import Request as WebRequest

from xmppd.api.http import Headers, HttpError, Request, Response
from xmppd.api.storage import StorageUnavailable
from xmppd.core.hosts import Host
from xmppd.core.plugins.dispatch import Handler
from xmppd.net.http.server import METHODS, Answer, peer_of, send, text

__all__ = ["PluginPages", "choose"]

_log = Logger()
#: What is no name of anything beneath a folder, however it was written.
_LEADS_OUT = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)|[\x00-\x1f\x7f]")
Table = Mapping[tuple[str, str], Handler]


class PluginPages(Resource):
    """The resource of all requests that are for plugins.

    :param hosts: the hosts that are served, by domain.
    """

    isLeaf = True

    def __init__(self, hosts: Callable[[], Mapping[str, Host]]) -> None:
        super().__init__()
        self._hosts = hosts

    def render(self, request: WebRequest) -> int:
        """See IResource."""
        asked = request_of(request)
        found = choose(asked, self._hosts())
        if isinstance(found, Answer):
            send(request, found)
        else:
            Deferred.fromCoroutine(self._respond(request, asked, found))
        return NOT_DONE_YET

    async def _respond(self, request: WebRequest, asked: Request, handler: Handler) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        answer = await answer_of(asked, handler)
        if not gone:
            send(request, answer)


def request_of(request: WebRequest) -> Request:
    """Return a request as plugins see it."""
    path, _, query = request.uri.decode("latin-1").partition("?")
    named = ""
    if not path.startswith("/"):  # a whole URL, whose host counts (RFC 9112 3.2.2)
        named, _, beneath = path.partition("://")[2].partition("/")
        path = f"/{beneath}"
    content: Any = request.content
    method = request.method.decode("latin-1")
    headers = {
        name.decode("latin-1"): ", ".join(value.decode("latin-1") for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    return Request(
        method="GET" if method == "HEAD" else method,
        path=unquote(path),
        query=query,
        headers=Headers(headers),
        body=content.read(),
        host=_without_port(named or headers.get("Host", "")),
        peer=peer_of(request.getClientAddress()),
    )


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def choose(asked: Request, hosts: Mapping[str, Host]) -> Handler | Answer:
    """Return the handler of a request, or why there is none.

    :param hosts: by domain; if several have something at that path, the Host field has to name one.
    """
    if _LEADS_OUT.search(asked.path):
        return text("There is no such page.", 404)
    tables = {domain: host.tables.http for domain, host in hosts.items()}
    fitting = {domain: path for domain, table in tables.items() if (path := _path_for(asked.path, table))}
    if asked.host in fitting:
        domain = asked.host
    elif len(fitting) == 1:
        domain = next(iter(fitting))
    else:
        return text("There is no such page." if not fitting else "The Host field names none of our hosts.", 404)
    table, path = tables[domain], fitting[domain]
    handler = table.get((asked.method, path))
    if handler is not None:
        return handler
    if asked.method.encode() not in METHODS:
        return text("This server does not know that method.", 501)
    allowed = {method for method, its_path in table if its_path == path}
    if "GET" in allowed:
        allowed.add("HEAD")
    return text("That can't be done with this page.", 405, (b"Allow", ", ".join(sorted(allowed)).encode()))


def _path_for(path: str, table: Iterable[tuple[str, str]]) -> str:
    """The longest path of a table that a request's path fits, or ""."""
    found = [own for _, own in table if path == own or (own.endswith("/") and path.startswith(own))]
    return max(found, key=len, default="")


async def answer_of(asked: Request, handler: Handler) -> Answer:
    """Ask a handler; what goes wrong becomes an error, and is logged with the plugin's name."""
    try:
        outcome = handler(asked)
        response: Response = outcome if isinstance(outcome, Response) else await outcome
        headers = tuple((name.encode(), value.encode("latin-1")) for name, value in response.headers.items())
        return Answer(response.body, response.status, response.type.encode("latin-1"), headers)
    except HttpError as error:
        fields = ((name.encode(), value.encode("latin-1")) for name, value in error.headers.items())
        return text(str(error), error.status, *fields)
    except StorageUnavailable as error:
        handler.stats.failures += 1
        _log.warn("plugin {plugin} could not answer {path}: {reason}", plugin=handler.plugin.name, path=asked.path,
                  reason=str(error))  # fmt: skip
        return text("The database can't work now.", 503, (b"Retry-After", b"10"))
    except Exception:
        handler.stats.failures += 1
        _log.failure("plugin {plugin} failed in {label} on a request for {path}", plugin=handler.plugin.name,
                     label=handler.label, path=asked.path)  # fmt: skip
        return text("This request could not be handled; the log says why.", 500)
