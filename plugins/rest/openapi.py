"""The description of the interface for programs (OpenAPI 3.1), generated from what operations declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xmppd.api.operations import Operation, Parameter, Permission
from xmppd.plugins.rest.asked import in_body, in_query, limited
from xmppd.plugins.rest.examples import example_of
from xmppd.plugins.rest.problems import TYPE
from xmppd.plugins.rest.results import JSON, kinds
from xmppd.plugins.rest.routes import Route
from xmppd.plugins.rest.values import schema, written_name

__all__ = ["document"]

_VERSION = "1"
_ABOUT = (
    "Everything that an operator can have done, by programs. A token is made by `xmppctl token add`; its scopes say"
    " which operations it may run. What a request is refused with has a `code` that stays the same, and a `detail`"
    " for people."
)
#: What any request may be answered, besides what it asks for.
_REFUSALS = {
    "400": "The request can't be understood.",
    "401": "There is no token that counts.",
    "403": "The token may not do that.",
    "404": "What is named is not there.",
    "409": "It is not possible as things are, or not for this Idempotency-Key.",
    "414": "The URL is too long.",
    "422": "A parameter is wrong, or what is asked can't be done.",
    "429": "Too many requests.",
    "500": "The operation failed; the server's log says why.",
    "503": "It can't be done now.",
}
_OF_BODIES = {"413": "The body is too large.", "415": "The body is no JSON."}
#: What the server's HTTP says by itself, before this plugin is asked, it says in plain words.
_PLAIN = frozenset(("400", "404", "414", "503"))
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}}}
_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["title", "status", "code", "detail"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "A short name that stays the same."},
        "detail": {"type": "string", "description": "For people."},
        "errors": {
            "type": "array",
            "description": "What is wrong with which parameter.",
            "items": {
                "type": "object",
                "required": ["in", "name", "detail"],
                "properties": {
                    "in": {"enum": ["path", "query", "body"]},
                    "name": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_MESSAGE = {
    "type": "object",
    "description": "What was done, in words for people.",
    "required": ["message"],
    "properties": {"message": {"type": "string"}},
    "additionalProperties": False,
}
_LIST = {
    "type": "object",
    "required": ["items", "next"],
    "properties": {
        "items": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"], "description": "The `cursor` of the page that follows."},
    },
    "additionalProperties": False,
}
_SCHEMAS = {"Problem": _PROBLEM, "Message": _MESSAGE, "List": _LIST, "Object": {"type": "object"}}
_OF_KIND = {str: "Message", dict: "Object", list: "List"}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A text of the client's own. The same request with the same key is done once, and answered alike.",
    # Without a type, since a number without quotes is one as well.
    "schema": {"minLength": 1, "maxLength": 255, "pattern": r'^("([ !#-\[\]-~]|\\["\\])+"|[!#-+\--:<-~]+)$'},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}


def document(routes: Iterable[Route], url: str, rows: int) -> dict[str, Any]:
    """Return the description.

    :param url: where the interface is.
    :param rows: how many a page may have.
    """
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, None] = {}
    for route in routes:
        tags.setdefault(_tag(route.operation))
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, rows)
    return {
        "openapi": "3.1.0",
        "info": {"title": "xmppd", "version": _VERSION, "description": _ABOUT},
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in sorted(tags)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "xmppd_..."}},
            "schemas": _SCHEMAS,
            "responses": {status: _refusal(status, text) for status, text in {**_REFUSALS, **_OF_BODIES}.items()},
        },
    }


def _tag(operation: Operation) -> str:
    return operation.name.split()[0]


def _operation(route: Route, rows: int) -> dict[str, Any]:
    operation, example = route.operation, example_of(route.operation)
    parameters = [_parameter(p, "path") for p in route.path]
    parameters += [
        _parameter(limited(p, rows) if route.paged else p, "query", route.paged, rows) for p in in_query(route)
    ]
    for p, shown in zip((*route.path, *in_query(route)), parameters, strict=True):
        if p.name in example and p.name != "limit":
            shown["example"] = example[p.name]
    about = [operation.help, f"Also `xmppctl {operation.name}`."]
    if operation.permission is Permission.OPERATOR:
        about.append("For tokens of the whole server.")
    if operation.progress:
        about.append("It may take long, and is answered when it is done.")
    found: dict[str, Any] = {
        "operationId": operation.name.replace(" ", "_"),
        "summary": _first_sentence(operation.help) or operation.name,
        "description": "\n\n".join(filter(None, about)),
        "tags": [_tag(operation)],
        "security": [{"token": [operation.name]}],
        "parameters": parameters,
        "responses": _responses(route),
    }
    if not route.in_query:
        parameters.append(_KEY)
        if in_body(route):
            found["requestBody"] = _body(in_body(route), example)
    return found


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:;])\s", text, maxsplit=1)[0].rstrip(".:;")


def _parameter(parameter: Parameter, place: str, paged: bool = False, rows: int = 0) -> dict[str, Any]:
    content = schema(parameter)
    if paged and parameter.name == "limit":
        content |= {"minimum": 1, "maximum": rows}
    required = place == "path" or parameter.required
    shown = {"name": written_name(parameter), "in": place, "required": required, "schema": content}
    return shown | ({"description": parameter.help} if parameter.help else {})


def _body(parameters: Sequence[Parameter], example: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for parameter in parameters:
        content = schema(parameter)
        if parameter.help:
            content["description"] = parameter.help
        if not parameter.required and parameter.default is None:
            content["type"] = [content["type"], "null"]
            if "enum" in content:
                content["enum"].append(None)
        properties[written_name(parameter)] = content
    needed = [written_name(parameter) for parameter in parameters if parameter.required]
    members = {"type": "object", "properties": properties, "additionalProperties": False}
    shown: dict[str, Any] = {"schema": members | ({"required": needed} if needed else {})}
    if example and all(parameter.name in example for parameter in parameters if parameter.required):
        shown["example"] = {written_name(p): example[p.name] for p in parameters if p.name in example}
    return {"required": bool(needed), "content": {JSON: shown}}


def _responses(route: Route) -> dict[str, Any]:
    refusals = {**_REFUSALS, **({} if route.in_query else _OF_BODIES)}
    found: dict[str, Any] = {status: {"$ref": f"#/components/responses/{status}"} for status in refusals}
    given = kinds(route.operation)
    if type(None) in given:
        found["204"] = {"description": "It is done."}
    schemas = [{"$ref": f"#/components/schemas/{_OF_KIND[kind]}"} for kind in (str, dict, list) if kind in given]
    if schemas:
        content = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        good: dict[str, Any] = {"description": "It is done.", "content": {JSON: {"schema": content}}}
        if list in given and route.paged:
            good["headers"] = {"Link": {"description": "The next page (RFC 8288).", "schema": {"type": "string"}}}
        if route.makes:
            good["headers"] = {
                "Location": {"description": "Where it is, if it can be shown.", "schema": {"type": "string"}}
            }
        found["201" if route.makes else "200"] = good
    return dict(sorted(found.items()))


def _refusal(status: str, text: str) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if status != "414":
        content[TYPE] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if status in _PLAIN:
        content["text/plain"] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {"description": text, "content": content}
    if status in ("429", "503"):
        found["headers"] = _RETRY
    if status == "401":
        found["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found
