"""Requests as programs send them: what is answered, and what is refused how."""

from __future__ import annotations

from typing import Any

from tests.plugins.rest.kit import RestTestCase, content, fields
from xmppd.api import Plugin
from xmppd.api.operations import OperationError, operation
from xmppd.wire.errors import Condition


class Odd(Plugin):
    """Operations of all kinds."""

    name = "odd"

    @operation("odd nothing")
    async def nothing(self) -> None:
        """Give nothing back."""

    @operation("odd types", safe=True)
    async def types(
        self, *, number: int = 1, share: float = 0.5, loud: bool = False, from_: str = ""
    ) -> dict[str, Any]:
        """Give everything back."""
        return {"number": number, "share": share, "loud": loud, "from": from_}

    @operation("odd body")
    async def body(
        self, text: str, *, number: int = 1, share: float = 0.5, loud: bool = False, more: str | None = None
    ) -> str:
        """Give everything back."""
        return f"{text} {number} {share} {loud} {more}"

    @operation("odd fail")
    async def fail(self, condition: str) -> None:
        """Fail."""
        raise OperationError("it is so", Condition(condition))

    @operation("odd break")
    async def break_(self) -> None:
        """Break."""
        raise ZeroDivisionError("secret of the inside")


class RequestTests(RestTestCase):
    plugins = (*(RestTestCase.plugins or ()), Odd)

    def test_an_account_from_beginning_to_end(self) -> None:
        made = self.ask("POST", "/users", {"jid": "romeo@example.org"})
        self.assertEqual((made.code, made.type), (201, b"application/json"))
        self.assertEqual(set(content(made)), {"account", "password"})
        self.assertEqual(fields(made)["location"], "/api/v1/users/romeo@example.org")
        self.assertEqual(self.get("/users/romeo@example.org")["sessions"], 0)
        locked = self.ask("POST", "/users/romeo@example.org/lock", {"reason": "spam"})
        self.assertEqual((locked.code, content(locked)), (200, {"message": "Locked romeo@example.org."}))
        self.assertEqual(self.ask("POST", "/users/romeo@example.org/unlock").code, 200, "no body is an empty one")
        self.assertEqual(self.ask("DELETE", "/users/romeo@example.org").code, 200)
        self.refused(self.ask("GET", "/users/romeo@example.org"), 404, "item-not-found")

    def test_a_session_by_its_full_address(self) -> None:
        romeo = self.login("romeo@example.org/a/b c")
        answer = self.ask("POST", "/sessions/romeo@example.org/a/b c/kick", {"reason": "enough"})
        self.assertEqual(answer.code, 200, answer.body)
        romeo.expect_closed("policy-violation")

    def test_nothing_to_say(self) -> None:
        answer = self.ask("POST", "/odds/nothing")
        self.assertEqual((answer.code, answer.body), (204, b""))

    def test_index(self) -> None:
        self.assertEqual(self.get("/"), {"openapi": "/api/v1/openapi.json"})

    # What is refused

    def test_unknown_fields_name_the_nearest(self) -> None:
        said = self.refused(self.ask("POST", "/users", {"jit": "romeo@example.org"}), 422, "invalid-parameters")
        self.assertEqual(
            said["errors"],
            [
                {"in": "body", "name": "jit", "detail": "there is no such parameter; did you mean 'jid'?"},
                {"in": "body", "name": "jid", "detail": "is missing"},
            ],
        )
        said = self.refused(self.ask("GET", "/users?stat=all"), 422, "invalid-parameters")
        self.assertIn("did you mean 'state'", said["errors"][0]["detail"])

    def test_types_are_strict_in_bodies(self) -> None:
        for body, why in (
            ({"text": 1}, "must be a text, not a number"),
            ({"text": None}, "must be a text, not null"),
            ({"text": ["x"]}, "must be a text, not a list"),
            ({"text": "x", "number": "1"}, "must be a whole number"),
            ({"text": "x", "number": True}, "must be a whole number"),
            ({"text": "x", "number": 1.5}, "must be a whole number"),
            ({"text": "x", "number": 2**53}, "must be between"),
            ({"text": "x", "share": "0.5"}, "must be a number"),
            ({"text": "x", "loud": 1}, "must be true or false"),
            ({"text": "x", "loud": "true"}, "must be true or false"),
            ({"text": "\x00"}, "U+0000"),
            ({"text": "\ud800"}, "U+D800"),
            ({"text": "x\ufffe"}, "U+FFFE"),
        ):
            with self.subTest(body):
                said = self.refused(self.ask("POST", "/odds/body", body), 422, "invalid-parameters")
                self.assertIn(why, said["errors"][0]["detail"])
        answer = self.ask("POST", "/odds/body", {"text": "é\n😀", "number": -3, "share": 2, "loud": True, "more": None})
        self.assertEqual(content(answer)["message"], "é\n😀 -3 2.0 True None")

    def test_types_are_read_from_queries(self) -> None:
        self.assertEqual(
            self.get("/odds/types", number="-3", share="1e-1", loud="true", **{"from": "x y&=é"}),
            {"number": -3, "share": 0.1, "loud": True, "from": "x y&=é"},
        )
        for query in ("number=1.5", "number=x", "number=", "share=nan", "share=inf", "share=x", "loud=yes", "from_=x"):
            with self.subTest(query):
                self.refused(self.ask("GET", f"/odds/types?{query}"), 422, "invalid-parameters")

    def test_numbers_that_are_too_large(self) -> None:
        for name in ("number", "share"):
            for digits in (17, 400):
                body = b'{"text": "x", "%s": %s}' % (name.encode(), b"9" * digits)
                with self.subTest(name, digits=digits):
                    self.refused(self.ask("POST", "/odds/body", body), 422, "invalid-parameters")

    def test_what_can_not_be_read(self) -> None:
        for body in (
            b"{",
            b"[]",
            b'"x"',
            b"1",
            b"null",
            b"\xff",
            b'{"text": NaN}',
            b'{"text": "x", "text": "y"}',
            b"[" * 9999,
        ):
            with self.subTest(body[:20]):
                self.refused(self.ask("POST", "/odds/body", body), 400, "malformed-body")
        for query in ("state", "state=all&state=all", "state=%ff"):
            with self.subTest(query):
                self.refused(self.ask("GET", f"/users?{query}"), 400, "malformed-query")
        self.refused(self.ask("GET", "/users", {"state": "all"}), 400, "unexpected-body")

    def test_media_types(self) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json-seq"):
            self.refused(
                self.ask("POST", "/odds/body", {"text": "x"}, Content_Type=kind), 415, "unsupported-media-type"
            )
        answer = self.ask("POST", "/odds/body", {"text": "x"}, Content_Type="Application/JSON; charset=utf-8")
        self.assertEqual(answer.code, 200)

    def test_too_large(self) -> None:
        body = b'{"text": "' + b"x" * 1_048_576 + b'"}'
        self.refused(self.ask("POST", "/odds/body", body), 413, "too-large")

    def test_methods(self) -> None:
        for method in ("PUT", "DELETE", "PATCH"):
            answer = self.ask(method, "/users")
            self.refused(answer, 405, "method-not-allowed")
            self.assertEqual(fields(answer)["allow"], "GET, HEAD, OPTIONS, POST")
        answer = self.ask("OPTIONS", "/users/romeo@example.org", token="")
        self.assertEqual((answer.code, fields(answer)["allow"]), (204, "DELETE, GET, HEAD, OPTIONS"))
        self.refused(self.ask("POST", "/openapi.json"), 405, "method-not-allowed")
        self.refused(self.ask("GET", "/users/romeo@example.org/lock"), 405, "method-not-allowed")

    def test_nothing_there(self) -> None:
        for path in ("/nothing", "/users/", "/users//x", "//", "/openapi.json/"):
            self.refused(self.ask("GET", path), 404, "not-found")

    def test_operations_that_fail(self) -> None:
        for condition in Condition:
            with self.subTest(condition):
                answer = self.ask("POST", "/odds/fail", {"condition": str(condition)})
                said = content(answer)
                self.assertGreaterEqual(answer.code, 400)
                self.assertEqual(answer.code == 503, "retry-after" in fields(answer))
                if condition is not Condition.INTERNAL_SERVER_ERROR:
                    self.assertEqual(said["detail"], "it is so.")

    def test_operations_that_break_tell_nothing_of_the_inside(self) -> None:
        answer = self.ask("POST", "/odds/break")
        self.refused(answer, 500, "internal-error")
        self.assertNotIn(b"secret of the inside", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_the_database_can_not_work(self) -> None:
        self.disk.broken = "the disk is full"
        for headers in ({}, {"Idempotency_Key": '"x"'}):
            answer = self.ask("POST", "/users", {"jid": "romeo@example.org"}, **headers)
            self.refused(answer, 503, "resource-constraint")
            self.assertIn("retry-after", fields(answer))
        self.assertEqual(self.get("/users")["items"], [], "reading goes on")
        self.disk.broken = None
        self.assertEqual(self.ask("POST", "/users", {"jid": "romeo@example.org"}, Idempotency_Key='"x"').code, 201)


class PageTests(RestTestCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(7):
            self.account(f"u{number}@example.org")

    def test_pages(self) -> None:
        seen, path, pages = [], "/users?limit=3&state=offline", 0
        while path:
            answer = self.ask("GET", path)
            said = content(answer)
            seen += [row["account"] for row in said["items"]]
            pages += 1
            link = fields(answer).get("link", "")
            self.assertEqual(bool(link), said["next"] is not None)
            path = link.partition(">")[0].removeprefix("</api/v1")
            self.assertIn(link.partition(">")[2], ("", '; rel="next"'))
        self.assertEqual((seen, pages), ([f"u{number}@example.org" for number in range(7)], 3))

    def test_a_page_that_is_just_full_is_the_last(self) -> None:
        self.assertIsNone(self.get("/users", limit="7")["next"])
        self.assertEqual(len(self.get("/users")["items"]), 7)

    def test_limits_and_cursors(self) -> None:
        for query in (
            "limit=0",
            "limit=501",
            "limit=x",
            "cursor=x",
            "cursor=MTphAGI",  # with a NUL, which no database has a place for
            "cursor=%C3%A9",
            "cursor=",
            "after=u1@example.org",
        ):
            with self.subTest(query):
                self.refused(self.ask("GET", f"/users?{query}"), 422, "invalid-parameters")


class ShortPageTests(RestTestCase):
    config = {"rest": {"page_rows": 2, "body_octets": 1_024}}

    def test_pages_are_no_longer_than_the_option_says(self) -> None:
        for number in range(3):
            self.account(f"u{number}@example.org")
        self.assertEqual(len(self.get("/users")["items"]), 2)
        self.refused(self.ask("GET", "/users?limit=3"), 422, "invalid-parameters")

    def test_bodies_are_no_larger(self) -> None:
        self.refused(self.ask("POST", "/announce/online", {"text": "x" * 1_024}), 413, "too-large")


class AllListsTests(RestTestCase):
    plugins = None

    def test_whatever_comes_in_pages_takes_the_least_and_the_most(self) -> None:
        routes = [route for route in self.plugin("rest")._routes.all if route.paged and not route.path]
        self.assertGreater(len(routes), 10)
        for route in routes:
            for limit in (1, 500):
                with self.subTest(route.operation.name, limit=limit):
                    self.assertLessEqual(len(self.get(route.template, limit=str(limit))["items"]), limit)


class CorsTests(RestTestCase):
    config = {"rest": {"cors_origins": ["https://admin.example.org"]}}

    def test_a_page_may_ask(self) -> None:
        asked = self.ask("OPTIONS", "/users", token="", Origin="https://admin.example.org",
                         Access_Control_Request_Method="POST")  # fmt: skip
        said = fields(asked)
        self.assertEqual(said["access-control-allow-origin"], "https://admin.example.org")
        self.assertIn("POST", said["access-control-allow-methods"])
        self.assertIn("authorization", said["access-control-allow-headers"])
        answer = self.ask("GET", "/users", Origin="https://admin.example.org")
        self.assertEqual(fields(answer)["access-control-allow-origin"], "https://admin.example.org")
        self.assertEqual(fields(answer)["vary"], "Origin")

    def test_others_may_not(self) -> None:
        for origin in ("https://evil.example", "null", "http://admin.example.org"):
            for method in ("GET", "OPTIONS"):
                answer = self.ask(method, "/users", Origin=origin, Access_Control_Request_Method="GET")
                self.assertNotIn("access-control-allow-origin", fields(answer))

    def test_errors_are_seen_by_pages_too(self) -> None:
        answer = self.ask("GET", "/users", token="", Origin="https://admin.example.org")
        self.assertEqual((answer.code, "access-control-allow-origin" in fields(answer)), (401, True))


class NoCorsTests(RestTestCase):
    def test_nobody_unless_it_is_said(self) -> None:
        answer = self.ask("GET", "/users", Origin="https://admin.example.org")
        self.assertNotIn("access-control-allow-origin", fields(answer))
