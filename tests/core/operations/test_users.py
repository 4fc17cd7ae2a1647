"""Operations on accounts."""

from __future__ import annotations

from tests.core.operating import JULIET, NURSE, ROMEO, Observer, OperatingTestCase
from xmppd.api.events.accounts import AccountCreated, AccountDeleted
from xmppd.api.operations import OperationError
from xmppd.api.storage import StorageUnavailable
from xmppd.core.operations import users as operations_users
from xmppd.core.operations.users import new_password
from xmppd.wire.errors import Condition, StreamCondition


class AddTests(OperatingTestCase):
    def test_an_account_is_made_and_announced(self) -> None:
        observer = Observer(self.server)
        self.assertEqual(self.run_operation("user add", jid=ROMEO, password="montague"), {"account": ROMEO})
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, "montague")))
        self.assertEqual(observer.seen, [("example.org", AccountCreated(ROMEO))])

    def test_without_a_password_one_is_made_and_shown(self) -> None:
        shown = self.run_operation("user add", jid=ROMEO)
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, shown["password"])))

    def test_made_passwords_differ_and_are_long(self) -> None:
        made = {new_password() for _ in range(100)}
        self.assertEqual(len(made), 100)
        self.assertEqual({len(password.replace("-", "")) for password in made}, {16})

    def test_an_account_that_exists_is_a_conflict(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="montague")
        error = self.refused("user add", jid=ROMEO, password="other")
        self.assertEqual((str(error), error.condition), ("romeo@example.org exists already", Condition.CONFLICT))
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, "montague")))

    def test_the_domain_must_be_served(self) -> None:
        self.assertEqual(
            str(self.refused("user add", jid="romeo@example.com")),
            "example.com is not served here; the hosts are example.org, example.net",
        )

    def test_only_an_address_of_a_user_can_be_an_account(self) -> None:
        for bad in ("example.org", "romeo@example.org/orchard"):
            self.assertIn("not of the form user@domain", str(self.refused("user add", jid=bad)))

    def test_an_empty_password_is_refused(self) -> None:
        error = self.refused("user add", jid=ROMEO, password="")
        self.assertIs(error.condition, Condition.NOT_ACCEPTABLE)
        self.assertFalse(self.do(self.accounts.exists(ROMEO)))


class ImportTests(OperatingTestCase):
    def test_lines_become_accounts(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="montague")
        observer = Observer(self.server)
        text = "romeo@example.org other\njuliet@example.org capulet\n"
        self.assertEqual(self.run_operation("user import", file=text), {"created": 1, "existing": 1})
        self.assertTrue(self.do(self.accounts.check_password(JULIET, "capulet")))
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, "montague")))
        self.assertEqual(observer.of(AccountCreated), [AccountCreated(JULIET)])

    def test_progress_is_told(self) -> None:
        text = "".join(f"user{n}@example.org pw{n}\n" for n in range(150))
        told: list[tuple[int, int]] = []
        work = self.server.operations.run(
            "user import", {"file": text}, progress=lambda done, total: told.append((done, total))
        )
        self.assertEqual(self.do(work), {"created": 150, "existing": 0})
        self.assertEqual(told, [(0, 150), (100, 150), (150, 150)])

    def test_a_bad_line_stops_it_before_it_begins(self) -> None:
        error = self.refused("user import", file="romeo@example.org a\nnonsense\n")
        self.assertIn("line 2", str(error))
        self.assertFalse(self.do(self.accounts.exists(ROMEO)))


class DeleteTests(OperatingTestCase):
    def test_account_sessions_and_data_go(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="montague")
        _, stream = self.log_in("romeo@example.org/orchard")
        observer = Observer(self.server)
        self.assertEqual(self.run_operation("user delete", jid=ROMEO), "Deleted romeo@example.org.")
        self.assertFalse(self.do(self.accounts.exists(ROMEO)))
        assert stream.closed is not None
        self.assertIs(stream.closed.condition, StreamCondition.NOT_AUTHORIZED)
        self.assertEqual(self.server.directory.by_jid, {})
        # Last, when no session can make new data any more.
        self.assertEqual(observer.seen[-1], ("example.org", AccountDeleted(ROMEO)))

    def test_nobody_to_delete(self) -> None:
        observer = Observer(self.server)
        error = self.refused("user delete", jid=ROMEO)
        self.assertEqual(
            (str(error), error.condition), ("there is no account romeo@example.org", Condition.ITEM_NOT_FOUND)
        )
        self.assertEqual(observer.seen, [])


class ListTests(OperatingTestCase):
    def setUp(self) -> None:
        super().setUp()
        for jid in (ROMEO, JULIET, NURSE):
            self.run_operation("user add", jid=jid, password="secret")
        self.run_operation("user lock", jid=JULIET, reason="grounded")
        self.log_in("romeo@example.org/orchard")

    def listed(self, **arguments: object) -> list[str]:
        return [row["account"] for row in self.run_operation("user list", **arguments)]

    def test_all_hosts_or_one(self) -> None:
        self.assertEqual(self.listed(), [JULIET, ROMEO, NURSE])
        self.assertEqual(self.listed(host="example.net"), [NURSE])
        self.assertIn("not served", str(self.refused("user list", host="example.com")))

    def test_the_rows_tell_all(self) -> None:
        self.assertEqual(
            self.run_operation("user list", host="example.org"),
            [
                {"account": JULIET, "created": "2023-11-14T22:13:20Z", "sessions": 0, "locked": "grounded"},
                {"account": ROMEO, "created": "2023-11-14T22:13:20Z", "sessions": 1, "locked": ""},
            ],
        )

    def test_by_state(self) -> None:
        self.assertEqual(self.listed(state="locked"), [JULIET])
        self.assertEqual(self.listed(state="online"), [ROMEO])
        self.assertEqual(self.listed(state="offline"), [JULIET, NURSE])
        self.assertIn("one of all, online", str(self.refused("user list", state="asleep")))

    def test_pages(self) -> None:
        self.assertEqual(self.listed(limit=2), [JULIET, ROMEO])
        self.assertEqual(self.listed(host="example.org", after=JULIET), [ROMEO])
        self.assertEqual(self.listed(limit=2, after=JULIET), [ROMEO, NURSE], "nurse@ is before romeo@, on another host")
        self.assertEqual(self.listed(after=NURSE), [])

    def test_more_than_a_page_of_the_database(self) -> None:
        self.patch(operations_users, "_PAGE", 1)
        self.assertEqual(self.listed(), [JULIET, ROMEO, NURSE])

    def test_counts(self) -> None:
        self.assertEqual(self.run_operation("user count"), {"registered": 3, "locked": 1, "online": 1})
        self.assertEqual(
            self.run_operation("user count", host="example.net"), {"registered": 1, "locked": 0, "online": 0}
        )

    def test_info(self) -> None:
        self.assertEqual(
            self.run_operation("user info", jid=ROMEO),
            {
                "account": ROMEO,
                "created": "2023-11-14T22:13:20Z",
                "sessions": 1,
                "locked": "",
                "resources": ["orchard"],
                "addresses": ["192.0.2.7"],
            },
        )
        self.assertIn("no account", str(self.refused("user info", jid="tybalt@example.org")))


class PasswordTests(OperatingTestCase):
    def test_it_is_replaced(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="old")
        self.assertEqual(self.run_operation("user password", jid=ROMEO, password="new"), {"account": ROMEO})
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, "new")))
        self.assertFalse(self.do(self.accounts.check_password(ROMEO, "old")))

    def test_or_made(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="old")
        made = self.run_operation("user password", jid=ROMEO)["password"]
        self.assertTrue(self.do(self.accounts.check_password(ROMEO, made)))

    def test_refusals(self) -> None:
        self.assertIs(self.refused("user password", jid=ROMEO, password="x").condition, Condition.ITEM_NOT_FOUND)
        self.run_operation("user add", jid=ROMEO, password="old")
        self.assertIs(self.refused("user password", jid=ROMEO, password="").condition, Condition.NOT_ACCEPTABLE)


class LockTests(OperatingTestCase):
    def test_locking_ends_sessions_and_keeps_the_account(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="montague")
        _, stream = self.log_in("romeo@example.org/orchard")
        self.assertEqual(
            self.run_operation("user lock", jid=ROMEO, reason="spam"), "Locked romeo@example.org and ended 1 session."
        )
        assert stream.closed is not None
        self.assertIs(stream.closed.condition, StreamCondition.NOT_AUTHORIZED)
        account = self.do(self.accounts.get(ROMEO))
        assert account is not None
        self.assertEqual(account.locked, "spam")

    def test_unlocking(self) -> None:
        self.run_operation("user add", jid=ROMEO, password="montague")
        self.assertEqual(self.run_operation("user lock", jid=ROMEO), "Locked romeo@example.org.")
        self.assertEqual(self.run_operation("user unlock", jid=ROMEO), "Unlocked romeo@example.org.")
        account = self.do(self.accounts.get(ROMEO))
        assert account is not None
        self.assertIsNone(account.locked)

    def test_nobody(self) -> None:
        for name in ("user lock", "user unlock"):
            self.assertIs(self.refused(name, jid=ROMEO).condition, Condition.ITEM_NOT_FOUND)

    def test_the_database_is_away(self) -> None:
        async def broken(*arguments: object) -> None:
            raise StorageUnavailable("the disk is full")

        self.patch(self.accounts, "lock", broken)
        error = self.refused("user lock", jid=ROMEO)
        self.assertIsInstance(error, OperationError)
        self.assertEqual(str(error), "the database can't be used now: the disk is full")
        self.assertIs(error.condition, Condition.RESOURCE_CONSTRAINT)
