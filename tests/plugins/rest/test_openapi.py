"""The description for programs, as far as it can be looked at without a library of others (see tests/interop)."""

from __future__ import annotations

import re
from typing import Any
from unittest import TestCase

from tests.plugins.rest.kit import RestTestCase, content
from tests.plugins.rest.test_routes import bundled
from xmppd.api.operations import FileText, operation, operations_of
from xmppd.plugins.rest.examples import values_in
from xmppd.plugins.rest.idempotency import key_in
from xmppd.plugins.rest.problems import STATUSES, Problem
from xmppd.wire.errors import Condition


class Exemplary:
    """Has an operation with examples."""

    @operation("thing do", examples=("a",))
    async def do(
        self, name: str, count: int = 0, *, share: float = 0.5, loud: bool = False, from_: str = "",
        file: FileText | None = None, password: str = "",
    ) -> None:  # fmt: skip
        """Do it."""


class ExampleTests(TestCase):
    def test_as_on_the_command_line(self) -> None:
        (operation,) = operations_of(Exemplary())
        for text, values in (
            ("", {}),
            ("a", {"name": "a"}),
            ("'a b' 3 --share 0.25 --loud", {"name": "a b", "count": 3, "share": 0.25, "loud": True}),
            ("a --from=b", {"name": "a", "from_": "b"}),
            ("a --from b", {"name": "a", "from_": "b"}),
            ("a --file x.csv", None),
            ("a --password -", None),
            ("a x", None),
            ("a 1 2", None),
            ("a --share", None),
            ("a --other x", None),
            ("'a", None),
        ):
            with self.subTest(text):
                self.assertEqual(values_in(operation, text), values)

    def test_all_that_come_with_the_server_can_be_read(self) -> None:
        for found in bundled():
            for text in found.examples:
                with self.subTest(f"{found.name} {text}"):
                    people = any(p.type is FileText or p.secret for p in found.parameters)
                    self.assertTrue(people or values_in(found, text) is not None)


class DescriptionTests(RestTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.said = self.get("/openapi.json")

    def at(self, path: str, method: str) -> dict[str, Any]:
        found: dict[str, Any] = self.said["paths"][path][method]
        return found

    def test_what_it_is(self) -> None:
        self.assertEqual((self.said["openapi"], self.said["info"]["title"]), ("3.1.0", "xmppd"))
        self.assertEqual(self.said["components"]["securitySchemes"]["token"]["scheme"], "bearer")
        self.assertTrue(self.said["servers"][0]["url"].endswith("/api/v1"))

    def test_every_route_is_described(self) -> None:
        described = {(method.upper(), path) for path, there in self.said["paths"].items() for method in there}
        routes = self.plugin("rest")._routes.all
        self.assertEqual(described, {(route.method, route.template) for route in routes})
        ids = [one["operationId"] for there in self.said["paths"].values() for one in there.values()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_references_lead_somewhere(self) -> None:
        for reference in set(re.findall(r"'\$ref': '#/([^']+)'", repr(self.said))):
            place = self.said
            for part in reference.split("/"):
                place = place[part]

    def test_parameters(self) -> None:
        listed = {p["name"]: p for p in self.at("/users", "get")["parameters"]}
        self.assertEqual(set(listed), {"host", "state", "limit", "cursor"})
        self.assertEqual(listed["state"]["schema"]["enum"], ["all", "online", "offline", "locked"])
        self.assertEqual(listed["state"]["schema"]["default"], "all")
        self.assertEqual((listed["limit"]["schema"]["maximum"], listed["limit"]["schema"]["default"]), (500, 100))
        (jid,) = [p for p in self.at("/users/{jid}", "get")["parameters"] if p["in"] == "path"]
        self.assertEqual((jid["required"], jid["description"]), (True, "which account."))

    def test_bodies(self) -> None:
        added = self.at("/users", "post")
        schema = added["requestBody"]["content"]["application/json"]["schema"]
        self.assertEqual((schema["required"], schema["additionalProperties"]), (["jid"], False))
        self.assertEqual(schema["properties"]["password"]["type"], ["string", "null"])
        self.assertEqual(schema["properties"]["password"]["format"], "password")
        self.assertIn("Idempotency-Key", {p["name"] for p in added["parameters"]})
        self.assertNotIn("requestBody", self.at("/users/{jid}", "delete"))

    def test_examples(self) -> None:
        added = self.at("/users", "post")["requestBody"]["content"]["application/json"]
        self.assertEqual(added["example"], {"jid": "romeo@example.org", "password": "R0m30 + J"})
        (jid,) = [p for p in self.at("/users/{jid}/lock", "post")["parameters"] if p["in"] == "path"]
        self.assertEqual(jid["example"], "romeo@example.org")
        (state,) = [p for p in self.at("/users", "get")["parameters"] if p["name"] == "state"]
        self.assertEqual(state["example"], "locked")

    def test_answers_and_what_a_token_needs(self) -> None:
        added = self.at("/users", "post")
        self.assertIn("201", added["responses"])
        self.assertLessEqual({"401", "403", "409", "413", "415", "422", "429", "503"}, set(added["responses"]))
        self.assertEqual(added["security"], [{"token": ["user add"]}])
        listed = self.at("/users", "get")["responses"]["200"]
        self.assertEqual(listed["content"]["application/json"]["schema"], {"$ref": "#/components/schemas/List"})
        self.assertIn("Link", listed["headers"])

    def test_it_needs_a_token_and_no_scope(self) -> None:
        self.assertEqual(self.ask("GET", "/openapi.json", token="").code, 401)
        token = self.token("narrow", scopes="motd show")
        self.assertEqual(content(self.ask("GET", "/openapi.json", token=token))["openapi"], "3.1.0")

    def test_it_changes_with_the_plugins(self) -> None:
        self.assertIn("/rosters/{account}", self.said["paths"])
        self.wait(self.host.registry.disable("roster"))
        self.assertNotIn("/rosters/{account}", self.get("/openapi.json")["paths"])
        self.refused(self.ask("GET", "/rosters/romeo@example.org"), 404, "not-found")

    def test_the_pattern_of_keys_is_what_is_taken(self) -> None:
        (key,) = [p for p in self.at("/users", "post")["parameters"] if p["name"] == "Idempotency-Key"]
        for text in (
            '"a b"',
            '"a\\"b"',
            '"a\\b"',
            "a-b",
            "0",
            "a.b:c",
            'a"',
            '"',
            "a b",
            "é",
            '"é"',
            "a,b",
            "a;b",
            key["example"],
        ):
            try:
                taken = key_in({"idempotency-key": text}) is not None
            except Problem:
                taken = False
            self.assertEqual(re.search(key["schema"]["pattern"], text) is not None, taken, text)

    def test_every_condition_has_a_status(self) -> None:
        self.assertEqual(set(STATUSES), set(Condition))
        described = set(self.said["components"]["responses"])
        self.assertLessEqual({str(int(status)) for status in STATUSES.values()}, described)
