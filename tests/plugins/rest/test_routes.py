"""Where operations are found over HTTP: the rule, the whole table, and what holds for whatever operations there are.

The table is kept in ``routes.txt``: programs rely on it. If it has to change,
``python -m tests.plugins.rest.test_routes`` writes it anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from xmppd.api.operations import Operation, Parameter, Permission, operations_of
from xmppd.core.operations.kernel import declared_operations
from xmppd.core.plugins.sources import PackageSource
from xmppd.plugins.rest.routes import Routes, route_of
from xmppd.wire.jid import Jid

TABLE = Path(__file__).parent / "routes.txt"


async def nothing() -> None:
    """Do nothing."""


def parameter(name: str, required: bool = True, type_: type = str) -> Parameter:
    return Parameter(name, type_, required, None, not required, "")


def operation(name: str, *needed: str, safe: bool = False, options: Sequence[str] = ()) -> Operation:
    of_jid = ("jid", "account", "room")
    parameters = [parameter(n, True, Jid if n in of_jid else str) for n in needed]
    parameters += [parameter(n, False, int if n == "limit" else str) for n in options]
    return Operation(name, nothing, Permission.ADMIN, "", tuple(parameters), safe=safe)


def bundled() -> list[Operation]:
    """Return what the kernel and all bundled plugins have."""
    found = {entry.name: entry.sample for entry in declared_operations().entries().values()}
    source = PackageSource("xmppd.plugins")
    for name in source.names():
        plugin = source.load(name)
        found |= {o.name: o for o in operations_of(plugin.__new__(plugin))}
    return list(found.values())


def written() -> str:
    rows = [f"{route.operation.name:24} {route.method:6} {route.template}" for route in Routes(bundled()).all]
    return "\n".join(sorted(rows)) + "\n"


class TableTests(TestCase):
    def test_bundled(self) -> None:
        self.maxDiff = None
        self.assertEqual(TABLE.read_text("utf-8"), written(), "programs rely on paths; see the module's docstring")

    def test_none_is_left_out(self) -> None:
        routes = Routes(bundled())
        self.assertEqual(routes.left_out, [])
        of_users = {o.name for o in bundled() if o.permission is Permission.USER}
        self.assertEqual({r.operation.name for r in routes.all}, {o.name for o in bundled()} - of_users)


class RuleTests(TestCase):
    def place(self, *arguments: Any, **options: Any) -> str:
        route = route_of(operation(*arguments, **options))
        return f"{route.method} {route.template}"

    def test_rule(self) -> None:
        for wanted, arguments, safe in (
            ("GET /users", ("user list",), True),
            ("GET /users/count", ("user count",), True),
            ("GET /users/{jid}", ("user info", "jid"), True),
            ("POST /users", ("user add", "jid"), False),
            ("DELETE /users/{jid}", ("user delete", "jid"), False),
            ("POST /users/{jid}/lock", ("user lock", "jid"), False),
            ("POST /notifications", ("notification send", "to", "title"), False),
            ("POST /notifications/test", ("notification test", "account", "title"), False),
            ("PATCH /notifications/{id}", ("notification edit", "id"), False),
            ("GET /notifications/{id}/recipients", ("notification recipients", "id"), True),
            ("GET /server/status", ("server status",), True),
            ("POST /server/stop", ("server stop",), False),
            ("PATCH /motd", ("motd set", "text"), False),
            ("DELETE /motd", ("motd delete",), False),
            ("GET /rosters/{account}", ("roster list", "account"), True),
            ("POST /rosters/{account}", ("roster add", "account", "contact"), False),
            ("DELETE /rosters/{account}/{contact}", ("roster remove", "account", "contact"), False),
            ("POST /rooms/{room}/kick", ("room kick", "room", "nickname"), False),
            ("POST /rooms/purge", ("room purge", "who"), False),
            ("GET /rooms/{room}/archive/count", ("room archive count", "room"), True),
            ("POST /email/remove", ("email remove", "user"), False),
            ("GET /aliases", ("alias list",), True),
            ("POST /users/list", ("user list",), False),  # it does more than it says
            ("POST /breaks", ("break",), False),
        ):
            with self.subTest(wanted):
                self.assertEqual(self.place(*arguments, safe=safe), wanted)

    def test_the_verb_comes_back_where_two_would_be_at_one_place(self) -> None:
        routes = Routes([operation("push list", "account", safe=True), operation("push show", "account", safe=True)])
        self.assertEqual([r.template for r in routes.all], ["/push/{account}", "/push/{account}/show"])
        routes = Routes([operation("note a", "id", safe=True), operation("note a list", "id", safe=True)])
        self.assertEqual([r.template for r in routes.all], ["/notes/{id}/a", "/notes/{id}/a/list"])

    def test_left_out(self) -> None:
        routes = Routes([operation("note burn"), operation("notes burn")])
        self.assertEqual((len(routes.all), routes.left_out), (1, ["notes burn"]))

    def test_what_users_do_for_themselves_is_left_out(self) -> None:
        own = Operation("note mine", nothing, Permission.USER, "", ())
        self.assertEqual(Routes([own]).all, [])

    def test_pages(self) -> None:
        paged = operation("note list", safe=True, options=("limit", "after"))
        self.assertTrue(route_of(paged).paged)
        self.assertFalse(route_of(operation("note list", safe=True, options=("limit",))).paged)


class FindTests(TestCase):
    def setUp(self) -> None:
        self.routes = Routes([
            operation("user list", safe=True), operation("user count", safe=True), operation("user add", "jid"),
            operation("user info", "jid", safe=True), operation("user delete", "jid"),
            operation("session kick", "jid"), operation("roster remove", "account", "contact"),
        ])  # fmt: skip

    def found(self, path: str) -> dict[str, tuple[str, dict[str, str]]]:
        return {method: (found.route.operation.name, found.path) for method, found in self.routes.find(path).items()}

    def test_words_count_for_more_than_parameters(self) -> None:
        self.assertEqual(
            self.found("/users/count"), {"GET": ("user count", {}), "DELETE": ("user delete", {"jid": "count"})}
        )
        self.assertEqual(set(self.found("/users")), {"GET", "POST"})

    def test_an_address_before_a_verb_may_have_a_resource(self) -> None:
        self.assertEqual(
            self.found("/sessions/romeo@example.org/a/b/kick"),
            {"POST": ("session kick", {"jid": "romeo@example.org/a/b"})},
        )
        self.assertEqual(self.found("/users/romeo@example.org/orchard"), {})

    def test_several_parameters(self) -> None:
        (found,) = self.found("/rosters/romeo@example.org/juliet@example.org").values()
        self.assertEqual(found[1], {"account": "romeo@example.org", "contact": "juliet@example.org"})

    def test_nothing(self) -> None:
        for path in ("/", "/user", "/users/", "//users", "/users/a/b", "/{jid}", "/users/x\n/kick"):
            self.assertEqual(self.found(path), {}, path)


WORDS = st.sampled_from(
    ("a", "b", "s", "user", "users", "list", "show", "info", "add", "delete", "set", "server", "x-y")
)
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
PARAMETERS = st.lists(st.sampled_from(("jid", "account", "id", "user", "text", "a")), max_size=3, unique=True)
OPERATIONS = st.lists(
    st.builds(lambda name, needed, safe: operation(name, *needed, safe=safe), NAMES, PARAMETERS, st.booleans()),
    max_size=8, unique_by=lambda o: o.name,
)  # fmt: skip
#: Of addresses, and of whatever else comes.
VALUES = st.text(min_size=1, max_size=12).filter(lambda text: "/" not in text)


class PropertyTests(TestCase):
    @given(OPERATIONS)
    def test_every_operation_has_a_place_of_its_own_or_is_left_out(self, operations: list[Operation]) -> None:
        routes = Routes(operations)
        self.assertEqual(len({route.shape for route in routes.all}), len(routes.all))
        names = [route.operation.name for route in routes.all]
        self.assertEqual(sorted([*names, *routes.left_out]), sorted(o.name for o in operations))
        for route in routes.all:
            self.assertEqual(route.method == "GET", route.operation.safe)
            self.assertEqual({*route.path, *route.rest}, {*route.operation.parameters})
            self.assertEqual(re.findall(r"\{(.*?)\}", route.template), [p.name for p in route.path])

    @given(OPERATIONS)
    def test_the_order_does_not_matter(self, operations: list[Operation]) -> None:
        there = {(route.shape, route.operation.name) for route in Routes(operations).all}
        self.assertEqual({(r.shape, r.operation.name) for r in Routes(reversed(operations)).all}, there)

    @given(OPERATIONS, st.lists(VALUES, min_size=3, max_size=3))
    def test_what_is_at_a_place_is_found_there(self, operations: list[Operation], values: list[str]) -> None:
        routes = Routes(operations)
        for route in routes.all:
            named = dict(zip((p.name for p in route.path), (f"={value}" for value in values), strict=False))
            found = routes.find(route.template.format(**named))
            self.assertEqual((found[route.method].route, found[route.method].path), (route, named))

    @given(OPERATIONS, st.text())
    def test_any_path(self, operations: list[Operation], text: str) -> None:
        for method, found in Routes(operations).find(f"/{text}").items():
            self.assertEqual(found.route.method, method)


if __name__ == "__main__":
    TABLE.write_text(written(), "utf-8")
