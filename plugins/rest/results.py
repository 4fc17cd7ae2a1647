"""What operations give back, as answers: texts, objects and lists, and what is new where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

from xmppd.api.http import Headers, Response
from xmppd.api.operations import Operation, Result
from xmppd.plugins.rest.paging import link, next_page
from xmppd.plugins.rest.routes import Route

__all__ = ["JSON", "answer", "kinds", "location", "written"]

JSON = "application/json"
_ALL: frozenset[type] = frozenset((str, dict, list, type(None)))


def kinds(operation: Operation) -> frozenset[type]:
    """Return what an operation may give back, as far as its declaration says: str, dict, list, NoneType."""
    hint = get_type_hints(operation.function).get("return", Result)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    found = frozenset(get_origin(option) or option for option in options)
    return found if found <= _ALL else _ALL


def answer(result: Result, route: Route, path: str, query: Mapping[str, str], limit: int | None) -> Response:
    """Return the answer to a request that was carried out.

    :param path: of the request.
    :param limit: how many rows a page has, if it is one; `result` has one more if there are more.
    """
    if result is None:
        return Response(HTTPStatus.NO_CONTENT, b"", "")
    headers: dict[str, str] = {}
    content: Any = result
    if isinstance(result, str):
        content = {"message": result}
    elif isinstance(result, list):
        rows, following = (result, None) if limit is None else next_page(result, limit)
        content = {"items": rows, "next": following}
        if following is not None:
            headers["Link"] = link(path, query, following)
    return Response(HTTPStatus.CREATED if route.makes else HTTPStatus.OK, written(content), JSON, Headers(headers))


def written(content: Any) -> bytes:
    """Return data as JSON; what JSON has no form for becomes a text."""
    return json.dumps(content, default=str, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def location(
    route: Route, looking: Route | None, arguments: Mapping[str, Any], result: Result, root: str
) -> str | None:
    """Return where that is which was made, if it can be looked at.

    :param looking: the route of the operation that shows one.
    :param root: what paths of routes are beneath.
    """
    if looking is None or not route.makes:
        return None
    known = {**arguments, **(result if isinstance(result, dict) else {})}
    path = looking.template
    for parameter in looking.path:
        if parameter.name not in known:
            return None
        path = path.replace("{" + parameter.name + "}", quote(str(known[parameter.name]), safe="@"))
    return root + path
