"""What a request asks for: the arguments of the operation, taken from path, query and body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xmppd.api.http import Body, Request
from xmppd.api.operations import Parameter
from xmppd.plugins.rest import paging
from xmppd.plugins.rest.idempotency import key_in
from xmppd.plugins.rest.options import RestOptions
from xmppd.plugins.rest.problems import Problem, sentence
from xmppd.plugins.rest.results import JSON
from xmppd.plugins.rest.routes import Found, Route
from xmppd.plugins.rest.values import Errors, body_of, collect, query_of

__all__ = ["CURSOR", "HOST", "LIMIT", "Asked", "ask", "default_rows", "in_body", "in_query", "limited"]

#: Which host's plugin is meant; for tokens of the whole server.
HOST = Parameter("host", str, False, None, True, "Which host is meant, where several have that plugin: its domain.")
#: These stand for `limit` and `after` of operations that give lists page by page.
LIMIT = Parameter("limit", int, False, None, True, "Rows of a page at most.")
CURSOR = Parameter("cursor", str, False, None, True, "What the page before said is `next`.")
_ROWS = 100


@dataclass(frozen=True)
class Asked:
    """What is asked.

    :ivar host: the domain whose plugin is meant, if it is said apart from the arguments.
    :ivar query: the parameters of the query as they were written.
    :ivar limit: how many rows a page has; None: it is no page.
    :ivar body: the body as it came.
    :ivar key: the Idempotency-Key.
    """

    arguments: Mapping[str, Any]
    host: str | None
    query: Mapping[str, str]
    limit: int | None
    body: bytes
    key: str | None


def in_query(route: Route) -> tuple[Parameter, ...]:
    """Return the parameters that may stand in the query."""
    own = route.rest if route.in_query else ()
    if route.paged:
        own = (*(p for p in own if p.name not in ("limit", "after")), LIMIT, CURSOR)
    return own if any(p.name == "host" for p in (*route.path, *route.rest)) else (*own, HOST)


def in_body(route: Route) -> tuple[Parameter, ...]:
    """Return the parameters that stand in the body."""
    return () if route.in_query else route.rest


def default_rows(most: int) -> int:
    """How many rows a page has unless it is said."""
    return min(_ROWS, most)


async def ask(request: Request, body: Body | None, here: Found, options: RestOptions) -> Asked:
    """Return what a request asks for.

    :param body: to be read, for POST and PATCH.
    :raises Problem: it can't be understood: 400, 413, 415 or 422.
    """
    route = here.route
    query, key = query_of(request.query), key_in(request.headers)
    data = request.body if body is None else await _read(request, body, options.body_octets)
    if route.in_query and data:
        raise Problem(400, "unexpected-body", f"{route.method} takes no body; parameters stand in the query.")
    errors: Errors = []
    arguments = collect(route.path, here.path, "path", errors)
    given = collect(in_query(route), query, "query", errors)
    if not route.in_query:
        arguments |= collect(route.rest, body_of(data), "body", errors)
    host = None if any(p.name == "host" for p in route.rest) else given.pop("host", None)
    limit = _page(given, options.page_rows, errors) if route.paged else None
    if errors:
        raise _invalid(errors)
    return Asked({**arguments, **given}, host, query, limit, data, key)


def _page(given: dict[str, Any], most: int, errors: Errors) -> int:
    """Put what the operation takes in place of what programs say, and return how many rows they want."""
    limit: int = given.get("limit", default_rows(most))
    if not 1 <= limit <= most:
        errors.append(("query", "limit", f"must be between 1 and {most}"))
    given["limit"] = limit + 1  # is there another page?
    cursor = given.pop("cursor", None)
    if cursor is not None:
        given["after"] = paging.after(cursor)
    return limit


async def _read(request: Request, body: Body, most: int) -> bytes:
    # One of unknown length may be empty.
    if request.type != JSON and (body.length or request.type):
        raise Problem(415, "unsupported-media-type", f"The body must be {JSON}.", {"Accept": JSON})
    pieces, length = [], body.length or 0
    if length <= most:
        length = 0
        async for piece in body:
            pieces.append(piece)
            length += len(piece)
            if length > most:
                break
    if length > most:
        raise Problem(413, "too-large", f"The body may have {most} octets.")
    return b"".join(pieces)


def _invalid(errors: Errors) -> Problem:
    said = [f"{name} ({place}): {text}" for place, name, text in errors]
    return Problem(422, "invalid-parameters", sentence("; ".join(said)), errors=errors)


def limited(parameter: Parameter, most: int) -> Parameter:
    """Return the parameter for the rows of a page with its default."""
    return replace(parameter, default=default_rows(most)) if parameter.name == "limit" else parameter
