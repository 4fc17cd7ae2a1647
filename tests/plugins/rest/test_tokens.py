"""Tokens: who gets in, what they may do, and what of them is kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tests.plugins.rest.kit import RestTestCase, content, fields
from xmppd.api.operations import OperationError, Permission
from xmppd.plugins.rest.tokens import TOKENS, bearer, id_of, new_text
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid


class TokenTests(RestTestCase):
    hosts = {"example.org": {"admins": ["bard@example.org"]}, "example.net": {}}
    plugins = ("rest", "roster", "announce", "disco")
    config = {
        "rest": {
            "requests_per_second": 1, "requests_at_once": 5, "failures_per_address": 3, "failure_seconds": 30,
            "token_days": 10,
        },
    }  # fmt: skip

    def setUp(self) -> None:
        super(RestTestCase, self).setUp()
        self.secret = self.token("everything", scopes="*", server_wide=True, host="example.org")

    def run_(self, name: str, actor: str = "operator", **arguments: Any) -> Any:
        operations = self.server.server.operations
        return self.done(operations.run(name, {"host": "example.org", **arguments}, actor=actor))

    def refusal(self, name: str, actor: str = "operator", **arguments: Any) -> OperationError:
        with self.assertRaises(OperationError) as caught:
            self.run_(name, actor, **arguments)
        return caught.exception

    def test_only_a_digest_is_kept(self) -> None:
        rows = self.wait(self.server.db.read(lambda c: c.execute(select(TOKENS)).all()))
        self.assertNotIn(self.secret.removeprefix("xmppd_"), repr(rows))
        self.assertRegex(self.secret, r"^xmppd_[A-Za-z0-9_-]{43}$")

    def test_no_token(self) -> None:
        for value in ("", "Basic eDp5", "Bearer", "Bearer x", f"Bearer {self.secret}x", f"Bearer {self.secret} x"):
            with self.subTest(value):
                answer = self.ask("GET", "/users", token="", peer=f"192.0.2.{len(value)}",
                                  **({"Authorization": value} if value else {}))  # fmt: skip
                self.refused(answer, 401, "unknown-token" if value else "no-token")
                self.assertEqual('error="invalid_token"' in fields(answer)["www-authenticate"], bool(value))
        self.assertEqual(self.ask("GET", "/nothing", token="", peer="::1").code, 401, "nothing is told to strangers")

    def test_the_scheme_is_written_as_one_likes(self) -> None:
        self.assertEqual(self.ask("GET", "/users", token="", Authorization=f"BEARER  {self.secret}").code, 200)

    def test_only_where_nobody_listens(self) -> None:
        self.refused(self.ask("GET", "/users", secure=False), 403, "not-secure")
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            self.assertEqual(self.ask("GET", "/users", secure=False, peer=peer).code, 200)

    def test_scopes(self) -> None:
        token = self.token("reader", scopes="user:read, announce online", host="example.org")
        self.assertEqual(self.ask("GET", "/users", token=token).code, 200)
        answer = self.ask("POST", "/users", {"jid": "x@example.org"}, token=token)
        self.refused(answer, 403, "insufficient-scope")
        self.assertIn("insufficient_scope", fields(answer)["www-authenticate"])
        self.assertEqual(self.ask("POST", "/announce/online", {"text": "x"}, token=token).code, 200)
        self.refused(self.ask("POST", "/announce/all", {"text": "x"}, token=token), 403, "insufficient-scope")

    def test_of_one_host(self) -> None:
        self.account("nurse@example.net")
        token = self.token("org", scopes="*", host="example.org")
        self.assertEqual(self.ask("GET", "/users?host=example.org", token=token).code, 200)
        self.refused(self.ask("GET", "/users?host=example.net", token=token), 403, "forbidden")
        self.refused(self.ask("GET", "/users/nurse@example.net", token=token), 403, "forbidden")
        self.refused(self.ask("GET", "/server/status", token=token), 403, "forbidden")
        answer = self.ask("POST", "/announce/online?host=example.net", {"text": "x"}, token=token)
        self.refused(answer, 403, "forbidden")
        self.refused(self.ask("GET", "/users", token=token, host="example.net"), 401, "unknown-token")

    def test_of_the_whole_server(self) -> None:
        self.account("nurse@example.net")
        self.assertEqual(self.ask("GET", "/server/status").code, 200)
        self.assertEqual(self.ask("GET", "/users/nurse@example.net").code, 200)
        self.assertEqual(self.ask("GET", "/users", host="example.net").code, 200, "at every host")
        nurse = self.login("nurse@example.net/home", presence=True)
        self.assertEqual(self.ask("POST", "/announce/online?host=example.net", {"text": "x"}).code, 200)
        nurse.expect("<message type='headline'><body>x</body></message>")
        self.pump(10)
        self.refused(self.ask("POST", "/announce/online?host=example.com", {"text": "x"}), 404, "item-not-found")

    def test_it_expires(self) -> None:
        token = self.token("short", days=1, host="example.org")
        self.assertEqual(self.ask("GET", "/users", token=token).code, 200)
        self.pump(86_400, step=3600)
        self.refused(self.ask("GET", "/users", token=token), 401, "expired-token")
        self.assertEqual(self.ask("GET", "/users").code, 200)

    def test_deleted_ones_are_unknown_at_once(self) -> None:
        token = self.token("gone", host="example.org")
        self.assertEqual(self.run_("token delete", id=id_of(token)), f"Deleted the token {id_of(token)}.")
        self.refused(self.ask("GET", "/users", token=token), 401, "unknown-token")
        self.assertEqual(self.refusal("token delete", id=id_of(token)).condition, Condition.ITEM_NOT_FOUND)

    def test_list(self) -> None:
        self.ask("GET", "/users")
        (row,) = self.run_("token list")
        self.assertEqual(
            (row["id"], row["label"], row["host"], row["scopes"]), (id_of(self.secret), "everything", "(server)", "*")
        )
        self.assertEqual((row["by"], row["used"][:10], row["expires"][:10]), ("operator", "2026-01-01", "2026-01-11"))
        self.assertNotIn(self.secret, repr(row))

    def test_it_is_noted_once_a_minute_that_it_is_used(self) -> None:
        for seconds, used in ((0, "12:00:00"), (30, "12:00:00"), (60, "12:01:30")):
            self.pump(seconds)
            self.ask("GET", "/users")
            self.assertIn(used, self.run_("token list")[0]["used"])

    def test_administrators_make_and_see_those_of_their_host(self) -> None:
        operations = self.host.operations
        bard = Jid.parse("bard@example.org")
        made = self.done(operations.run("token add", {"label": "mine", "scopes": "*"}, bard))
        rows = self.done(operations.run("token list", {}, bard))
        self.assertEqual([(row["label"], row["by"]) for row in rows], [("mine", "bard@example.org")])
        self.assertEqual(self.ask("GET", "/users", token=made["token"]).code, 200)
        with self.assertRaises(OperationError) as caught:
            self.done(operations.run("token add", {"label": "x", "server_wide": True}, bard))
        self.assertEqual(caught.exception.condition, Condition.FORBIDDEN)
        with self.assertRaises(OperationError):
            self.done(operations.run("token delete", {"id": id_of(self.secret)}, bard))

    def test_they_go_with_who_has_made_them(self) -> None:
        self.account("bard@example.org")
        made = [
            self.done(self.host.operations.run("token add", {"label": "x"}, actor, Permission.ADMIN))["token"]
            for actor in (Jid.parse("bard@example.org"), "bard@example.org (console)", "other@example.org")
        ]
        self.wait(self.host.delete_account(Jid.parse("bard@example.org")))
        self.assertEqual([self.ask("GET", "/users", token=token).code for token in made], [401, 401, 200])

    def test_who_is_the_operator(self) -> None:
        self.run_("token add", "operator (alice)", label="x", server_wide=True)
        for actor in ("operators", "operator@example.org", "bard@example.org (console)", "token operator"):
            refused = self.refusal("token add", actor, label="x", server_wide=True)
            self.assertEqual(refused.condition, Condition.FORBIDDEN)
            self.assertEqual(self.run_("token list", actor), [])

    def test_a_token_makes_no_tokens(self) -> None:
        self.refused(self.ask("POST", "/tokens", {"label": "x", "scopes": "*"}), 403, "forbidden")

    def test_what_can_not_be_one(self) -> None:
        for wrong, why in (
            ({"label": ""}, "label"), ({"label": "x" * 65}, "label"), ({"label": "a\nb"}, "label"),
            ({"label": "x", "scopes": "everything"}, "is no scope"), ({"label": "x", "scopes": ","}, "there is none"),
            ({"label": "x", "days": -1}, "days"), ({"label": "x", "days": 99_999}, "days"),
        ):  # fmt: skip
            with self.subTest(wrong):
                self.assertIn(why, str(self.refusal("token add", **wrong)))

    def test_it_can_be_for_ever(self) -> None:
        self.assertEqual(self.run_("token add", label="x", days=0)["expires"], "")

    # How often

    def test_too_many_failures(self) -> None:
        for _ in range(3):
            self.refused(self.ask("GET", "/users", token="xmppd_x"), 401, "unknown-token")
        answer = self.ask("GET", "/users")
        self.refused(answer, 429, "too-many-failures")
        self.assertEqual(fields(answer)["retry-after"], "30")
        self.assertEqual(self.ask("GET", "/users", peer="192.0.2.99").code, 200, "others are not concerned")
        self.pump(30)
        self.assertEqual(self.ask("GET", "/users").code, 200)

    def test_too_many_requests(self) -> None:
        other = self.token("other", host="example.org")
        codes = [self.ask("GET", "/users").code for _ in range(7)]
        self.assertEqual(codes, [200] * 5 + [429] * 2)
        answer = self.ask("GET", "/users")
        self.refused(answer, 429, "too-many-requests")
        self.assertEqual(fields(answer)["retry-after"], "1")
        self.assertEqual(self.ask("GET", "/users", token=other).code, 200)
        self.pump(1)
        self.assertEqual(self.ask("GET", "/users").code, 200)

    def test_the_log_names_the_token(self) -> None:
        self.ask("POST", "/users", {"jid": "romeo@example.org"})
        rows = self.done(self.server.server.operations.run("audit list", {}))
        self.assertIn("token everything", {row["actor"] for row in rows})


class OpenTests(RestTestCase):
    config = {"rest": {"without_tls": True}}

    def test_without_tls_if_the_operator_wants(self) -> None:
        self.assertEqual(self.ask("GET", "/users", secure=False).code, 200)


class TextTests(RestTestCase):
    def test_bearer(self) -> None:
        text = new_text()
        self.assertEqual(bearer(f"Bearer {text}"), text)
        for wrong in (
            "",
            text,
            f"Bearer{text}",
            f"Bearer {text[:-1]}",
            f"Bearer {text}\n",
            f"Token {text}",
            "Bearer é",
        ):
            self.assertIsNone(bearer(wrong))

    def test_every_answer_is_data(self) -> None:
        self.assertEqual(content(self.ask("GET", "/users"))["items"], [])
