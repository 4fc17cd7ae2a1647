"""What plugins answer by HTTP (:mod:`xmppd.api.http`): whom a request is for, and what becomes of the outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from twisted.logger import Logger

from xmppd.api.http import HttpError, Request, Response
from xmppd.api.storage import StorageUnavailable
from xmppd.core.hosts import Host
from xmppd.core.plugins.dispatch import Handler
from xmppd.net.http.answers import Answer, text
from xmppd.net.http.exchange import Door, Exchange
from xmppd.net.http.routes import METHODS, Fixed, spawn

__all__ = ["PluginPages", "choose"]

_log = Logger()
#: What is no name of anything beneath a folder, however it was written.
_LEADS_OUT = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\]|$)|[\x00-\x1f\x7f]")
Table = Mapping[tuple[str, str], Handler]


class PluginPages:
    """Finds the doors of all requests that are for plugins.

    :param hosts: the hosts that are served, by domain.
    :param most: octets that a body may have.
    """

    def __init__(self, hosts: Callable[[], Mapping[str, Host]], most: Callable[[], int]) -> None:
        self._hosts = hosts
        self._most = most

    def find(self, exchange: Exchange) -> Door:
        """Return what answers a request."""
        found = choose(request_of(exchange), self._hosts())
        return Fixed(found, self._most()) if isinstance(found, Answer) else _PluginDoor(found, self._most())


class _PluginDoor:
    """A plugin's handler that takes requests whole."""

    cors = False

    def __init__(self, handler: Handler, most: int) -> None:
        self._handler = handler
        self.most = most

    def enter(self, exchange: Exchange) -> None:
        """See Door."""
        spawn(self._respond(exchange))

    async def _respond(self, exchange: Exchange) -> None:
        exchange.respond(await answer_of(request_of(exchange), self._handler))


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
    )


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
    if asked.method not in METHODS:
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
