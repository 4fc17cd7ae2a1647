"""Idempotency-Key: what is sent twice is done once, also over a restart, and nothing secret is kept for that."""

from __future__ import annotations

from typing import Any, ClassVar
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from twisted.internet.defer import Deferred

from tests.plugins.rest.kit import RestTestCase, content, fields
from xmppd.api import Plugin
from xmppd.api.http import Headers, Response
from xmppd.api.operations import OperationError, operation
from xmppd.net.http.answers import Answer
from xmppd.plugins.rest.idempotency import ANSWERS, Seal, key_in
from xmppd.plugins.rest.problems import Problem
from xmppd.testing.http import answered
from xmppd.wire.errors import Condition


class Slow(Plugin):
    """Count, and take time for it."""

    name = "slow"

    async def start(self) -> None:
        self.count = 0
        self.wait: Deferred[None] | None = None

    @operation("slow do")
    async def do(self, *, condition: str = "") -> dict[str, Any]:
        """Count."""
        self.count += 1
        if self.wait is not None:
            await self.wait
        if condition:
            raise OperationError("it is so", Condition(condition))
        return {"count": self.count}


class IdempotencyTests(RestTestCase):
    plugins = (*(RestTestCase.plugins or ()), Slow)

    def do(self, key: str = '"a"', body: Any = None, path: str = "/slows/do", **more: Any) -> Answer:
        return self.ask("POST", path, body, Idempotency_Key=key, **more)

    def test_the_same_answer(self) -> None:
        first = self.do('"k"', {"jid": "romeo@example.org"}, "/users")
        again = self.do('"k"', {"jid": "romeo@example.org"}, "/users")
        self.assertEqual((first.code, first.body), (again.code, again.body), "the password was made once")
        self.assertEqual(fields(again), {**fields(first), "idempotent-replayed": "true"})
        self.assertEqual(self.do('"l"', {"jid": "romeo@example.org"}, "/users").code, 409)

    def test_after_a_restart_and_a_kill(self) -> None:
        self.assertEqual(content(self.do()), {"count": 1})
        for happen in (self.restart, self.kill):
            happen()
            self.assertEqual(content(self.do()), {"count": 1})
            self.assertEqual(self.plugin("slow").count, 0)

    def test_another_request(self) -> None:
        self.do()
        self.refused(self.do(body={"condition": ""}), 409, "idempotency-key-reused")
        self.refused(self.do(path="/slows/do?host=example.org"), 409, "idempotency-key-reused")
        self.assertEqual(self.plugin("slow").count, 1)

    def test_keys_are_the_tokens_own(self) -> None:
        self.do()
        self.assertEqual(content(self.do(token=self.token("other", scopes="*"))), {"count": 2})

    def test_failures_are_kept_and_what_was_not_done_is_not(self) -> None:
        for condition, code, times in (
            ("conflict", 409, 1),
            ("internal-server-error", 500, 1),
            ("resource-constraint", 503, 2),
        ):
            with self.subTest(condition):
                before = self.plugin("slow").count
                for _ in range(2):
                    self.assertEqual(self.do(f'"{condition}"', {"condition": condition}).code, code)
                self.assertEqual(self.plugin("slow").count - before, times)

    def test_wrong_requests_leave_the_key_free(self) -> None:
        self.refused(self.do(body={"x": 1}), 422, "invalid-parameters")
        self.assertEqual(content(self.do()), {"count": 1})

    def test_while_it_is_carried_out(self) -> None:
        self.plugin("slow").wait = Deferred()
        done: list[Answer] = []
        host = self.server.server.hosts
        request = self.request("POST", "/slows/do", idempotency_key='"a"')
        coming = Deferred.fromCoroutine(answered(request, [], host, self._settings))
        coming.addCallback(done.append)
        self.pump(1)
        answer = self.do()
        self.refused(answer, 409, "request-in-progress")
        self.assertEqual(fields(answer)["retry-after"], "1")
        self.plugin("slow").wait.callback(None)
        self.pump(1)
        self.assertEqual(content(done[0]), {"count": 1})
        self.assertEqual(content(self.do()), {"count": 1})

    def test_killed_in_the_middle(self) -> None:
        self.plugin("slow").wait = Deferred()
        request = self.request("POST", "/slows/do", idempotency_key='"a"')
        Deferred.fromCoroutine(answered(request, [], self.server.server.hosts, self._settings))
        self.pump(1)
        self.kill()
        self.refused(self.do(), 409, "outcome-unknown")
        self.assertEqual(self.plugin("slow").count, 0)

    def test_for_a_day(self) -> None:
        self.do()
        self.pump(86_399, step=600)
        self.assertEqual(content(self.do()), {"count": 1})
        self.pump(3_700, step=600)
        self.assertEqual(content(self.do()), {"count": 2})

    def test_they_are_swept(self) -> None:
        self.do()
        self.assertEqual(len(self.kept()), 1)
        self.pump(90_100, step=600)
        self.assertEqual(self.kept(), [])

    def test_nothing_secret_is_kept(self) -> None:
        password = content(self.do('"k"', {"jid": "romeo@example.org"}, "/users"))["password"]
        self.assertNotIn(password, repr(self.kept()))
        self.assertNotIn("romeo", repr(self.kept()))

    def test_with_a_token_goes_what_it_was_answered(self) -> None:
        token = self.token("short", scopes="*")
        self.do(token=token)
        for row in self.done(self.server.server.operations.run("token list", {})):
            self.done(self.server.server.operations.run("token delete", {"id": row["id"]}))
        self.assertEqual(self.kept(), [])

    def test_what_is_no_key(self) -> None:
        for key in ('""', '"', "a b", '"é"', '"' + "x" * 256 + '"', "a,b"):
            with self.subTest(key):
                self.refused(self.do(key), 400, "invalid-idempotency-key")
        self.assertEqual(self.plugin("slow").count, 0)

    def kept(self) -> list[Any]:
        rows: list[Any] = self.wait(self.server.db.read(lambda c: list(c.execute(select(ANSWERS)).all())))
        return rows


class SeveralHostsTests(RestTestCase):
    plugins = (*(RestTestCase.plugins or ()), Slow)
    hosts: ClassVar[Any] = {"example.org": {}, "example.net": {"rest": {"answer_seconds": 60.0}}}

    def token(self, label: str, **options: Any) -> str:
        return super().token(label, host="example.org", **options)

    def test_one_host_does_not_sweep_for_another(self) -> None:
        first = self.ask("POST", "/slows/do", Idempotency_Key='"a"')
        self.pump(7_500, step=600)
        again = self.ask("POST", "/slows/do", Idempotency_Key='"a"')
        self.assertEqual((content(first), content(again)), ({"count": 1}, {"count": 1}))


class KeyTests(TestCase):
    def test_keys(self) -> None:
        for field, key in (
            ('"a b"', "a b"),
            ('"a\\"b\\\\"', 'a"b\\'),
            ("8e03978e-40d5", "8e03978e-40d5"),
            (' "x" ', "x"),
        ):
            self.assertEqual(key_in(Headers({"Idempotency-Key": field})), key)
        self.assertIsNone(key_in(Headers()))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        try:
            key = key_in(Headers({"Idempotency-Key": text}))
        except Problem as problem:
            self.assertEqual(problem.status, 400)
        else:
            self.assertTrue(key is not None and 1 <= len(key) <= 255 and key.isascii())

    @given(st.binary(), st.text(), st.text())
    def test_who_has_the_token_can_read(self, body: bytes, token: str, key: str) -> None:
        seal = Seal(f"xmppd_{token.encode('utf-8', 'replace').hex()}")
        key = key.encode("utf-8", "replace").hex()
        answer = Response(201, body, "application/json", Headers({"Location": "/x"}))
        kept = seal.close(answer, key)
        opened = seal.open(kept, key)
        self.assertEqual((opened.status, opened.body, dict(opened.headers)), (201, body, {"location": "/x"}))
        with self.assertRaises(Exception):  # noqa: B017 - InvalidTag, of the library
            Seal("xmppd_other").open(kept, key)
        self.assertNotEqual(seal.fingerprint(b"a", b"b"), seal.fingerprint(b"ab", b""))
