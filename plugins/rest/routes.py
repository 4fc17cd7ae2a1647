"""Where each operation is found over HTTP: method and path, told from its name, its parameters and what it does.

The rule, in the order in which it is applied to ``SUBJECT [WORDS] VERB``:

- The path begins with the subject in the plural, or as it is where there is but one of its kind (:data:`SINGLE`).
- What the operation is about follows, ``/users/{jid}``: the first argument that has to be given, if it is the subject's
  own name (:data:`KEYS`), or the account whose things these are. What is to be made is not there yet, and has no path.
- The words and the verb follow, ``/users/{jid}/lock``; verbs that HTTP has a method for are left out.
- An operation that only reads is GET. Of the others, those that end something (``delete``, ``destroy``, ``forget``,
  ``remove``) are DELETE, ``set`` and ``edit`` PATCH, and all else POST.
- If two would be at the same place, the one whose verb was left out gets it back.

Everything else an operation takes is in the query for GET and DELETE, and in the body for POST and PATCH.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xmppd.api.operations import FileText, Operation, Parameter, Permission
from xmppd.wire.jid import Jid

__all__ = ["KEYS", "PLURALS", "SINGLE", "Found", "Route", "Routes", "route_of"]

#: Subjects that there is one of, or that are not counted.
SINGLE = frozenset((
    "announce", "archive", "audit", "bytestreams", "console", "email", "host-meta", "log", "motd", "offline", "push",
    "push-service", "s2s", "server", "sms", "turn", "unified-push",
))  # fmt: skip
#: Plurals that are not made by an "s".
PLURALS = {"alias": "aliases"}
#: Names of arguments that say which one of the subject is meant; the subject's own word is another.
KEYS = frozenset(("id", "jid", "name"))
#: Further ones of some subjects.
MORE_KEYS = {
    "alias": ("alias",),
    "component": ("domain",),
    "push-service": ("node",),
    "s2s": ("domain",),
    "setting": ("key", "option"),
}
#: Subjects that don't belong to accounts, although an operation may be about one.
_NOBODYS = frozenset(("notification",))
_MAKING = frozenset(("add", "create", "send"))
_DELETING = frozenset(("delete", "destroy", "forget", "remove"))
_CHANGING = frozenset(("set", "edit"))
#: Verbs of operations that read, those first that keep the place without a verb if several want it.
_LOOKING = ("list", "show", "info")
_IN_QUERY = frozenset(("GET", "DELETE"))


@dataclass(frozen=True)
class Route:
    """Where an operation is found.

    :ivar template: the path beneath ``/api/v1``, as ``/users/{jid}/lock``.
    :ivar path: the parameters that stand in the path, in order.
    :ivar rest: the others.
    :ivar plain: is the verb left out?
    """

    method: str
    template: str
    operation: Operation
    path: tuple[Parameter, ...]
    rest: tuple[Parameter, ...]
    plain: bool

    @property
    def in_query(self) -> bool:
        """Does what is not in the path stand in the query? Else in the body."""
        return self.method in _IN_QUERY

    @property
    def shape(self) -> tuple[str, str]:
        """What no two routes may share: the method, and the path without the names of its parameters."""
        return self.method, re.sub(r"\{[^}]*\}", "{}", self.template)

    @property
    def paged(self) -> bool:
        """Is the answer a list that is given page by page (`limit` and `after`)?"""
        options = {p.name: p.type for p in self.rest if p.option}
        return self.operation.safe and options.get("limit") is int and options.get("after") is str

    @property
    def makes(self) -> bool:
        """Is something there afterwards that wasn't before?"""
        return self.method == "POST" and self.operation.name.split()[-1] in _MAKING

    @property
    def pattern(self) -> re.Pattern[str]:
        """What fits the path. An address before a verb may have a resource, and that a slash."""
        text = re.escape(self.template)
        for place, parameter in enumerate(self.path):
            last = place == len(self.path) - 1
            spans = parameter.type is Jid and last and not self.template.endswith("}")
            name = re.escape("{" + parameter.name + "}")
            text = text.replace(name, rf"(?P<{parameter.name}>.+)" if spans else rf"(?P<{parameter.name}>[^/]+)", 1)
        return re.compile(text, re.S)


class Found(NamedTuple):
    """A route, and the texts that stand for the parameters in its path."""

    route: Route
    path: dict[str, str]


def _base(subject: str) -> str:
    if subject in SINGLE or (subject.endswith("s") and subject not in PLURALS):
        return subject
    return PLURALS.get(subject, f"{subject}s")


def _named(operation: Operation, subject: str, making: bool) -> tuple[Parameter, ...]:
    """The arguments that have to be given, if the first of them says what the operation is about; or none."""
    needed = tuple(p for p in operation.parameters if p.required and not p.option and p.type is not FileText)
    if not needed:
        return ()
    first = needed[0].name
    if first == "account" and subject not in _NOBODYS:
        return needed
    own = first in KEYS or first == subject.replace("-", "_") or first in MORE_KEYS.get(subject, ())
    return needed if own and not making else ()


def _method(operation: Operation, verb: str, about: bool) -> str:
    if operation.safe:
        return "GET"
    if verb in _CHANGING:
        return "PATCH"
    return "DELETE" if verb in _DELETING and about else "POST"


def route_of(operation: Operation, plain: bool = True) -> Route:
    """Return where an operation is found.

    :param plain: leave its verb out of the path, if the method says as much.
    """
    subject, *words = operation.name.split()
    verb = words[-1] if words else ""
    making = verb in _MAKING and not operation.safe
    named = _named(operation, subject, making)
    alone = not any(p.required and not p.option for p in operation.parameters)
    about = bool(named) or (subject in SINGLE and alone)
    method = _method(operation, verb, about)
    known = _LOOKING if method == "GET" else (*_MAKING, *_CHANGING) if method in ("POST", "PATCH") else _DELETING
    # Whatever leads to one thing among several is part of its path; what an action needs besides is not.
    whole = verb in (_LOOKING if operation.safe else _DELETING)
    first, others = named[:1], named[1:] if whole else ()
    plain = plain and verb in known
    parts = [_base(subject), *_places(first), *(words[:-1] if plain else words), *_places(others)]
    path = (*first, *others)
    rest = tuple(p for p in operation.parameters if p not in path)
    return Route(method, "/" + "/".join(parts), operation, path, rest, plain)


def _places(parameters: Iterable[Parameter]) -> list[str]:
    return ["{" + parameter.name + "}" for parameter in parameters]


def _rank(route: Route) -> tuple[bool, int, str]:
    verb = route.operation.name.split()[-1]
    return route.plain, _LOOKING.index(verb) if verb in _LOOKING else 0, route.operation.name


class Routes:
    """The routes of a server's operations.

    What users do for themselves is not among them: whoever asks is a program, and has no account.

    :ivar all: in the order of path and method.
    :ivar left_out: names of operations that would be where another one is, however they are written.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        chosen = {o.name: route_of(o) for o in operations if o.permission is not Permission.USER}
        self.left_out: list[str] = []
        while clash := next((routes for routes in _by_shape(chosen.values()).values() if len(routes) > 1), None):
            for route in sorted(clash, key=_rank)[1:]:
                name = route.operation.name
                if route.plain:
                    chosen[name] = route_of(route.operation, plain=False)
                else:
                    self.left_out.append(name)
                    del chosen[name]
        self.all = sorted(chosen.values(), key=lambda route: (route.template, route.method))
        self._by_subject: dict[str, list[tuple[re.Pattern[str], Route]]] = defaultdict(list)
        for route in sorted(self.all, key=lambda route: [part.startswith("{") for part in route.template.split("/")]):
            self._by_subject[route.template.split("/")[1]].append((route.pattern, route))

    def find(self, path: str) -> Mapping[str, Found]:
        """Return what is at a path beneath ``/api/v1``, by method. Words count for more than parameters.

        :param path: decoded, beginning with ``/``.
        """
        found: dict[str, Found] = {}
        for pattern, route in self._by_subject.get(path.split("/", 2)[1], ()):
            match = pattern.fullmatch(path)
            if match is not None:
                found.setdefault(route.method, Found(route, match.groupdict()))
        return found

    def of(self, name: str) -> Route | None:
        """Return the route of an operation."""
        return next((route for route in self.all if route.operation.name == name), None)


def _by_shape(routes: Iterable[Route]) -> Mapping[tuple[str, str], Sequence[Route]]:
    shapes: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        shapes[route.shape].append(route)
    return shapes
