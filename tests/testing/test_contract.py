"""The contract of plugins finds what it is there to find."""

from __future__ import annotations

from typing import Protocol
from unittest import TestResult

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import ACCOUNT, HOST, AccountCreated, Iq, Options, Plugin, SessionBound, iq_get, need, observe
from xmppd.testing import ClassSource, contract


class Nowhere(Protocol):
    """What nobody provides."""


class Silent(Plugin):
    pass


class Numberless(Plugin):
    """Implement something."""

    xep = (199, "two")


class Undescribed(Plugin):
    """Have options."""

    class Options(Options):
        secret: int = 5


class Leaking(Plugin):
    """Leave a timer behind."""

    async def start(self) -> None:
        self.clock.callLater(60, print)


class Swallowing(Plugin):
    """Answer what is not asked."""

    @iq_get("urn:example:unknown", "unknown", to=(HOST, ACCOUNT))
    def answer(self, request: Iq) -> Iq:
        return request.result()


class Keeping(Plugin):
    """Keep what belongs to accounts that are gone."""

    kept = Table("kept", MetaData(), Column("id", Integer, primary_key=True), Column("account", Text))
    tables = (kept,)

    @observe(AccountCreated)
    async def keep(self, event: AccountCreated) -> None:
        def write(connection: Connection) -> None:
            connection.execute(insert(self.kept).values(account=str(event.account)))

        await self.db.write(write)


class Needy(Plugin):
    """Need what there is not."""

    nowhere = need(Nowhere)


class Proper(Plugin):
    """Do no harm."""

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        self.later(5, lambda: None)


class Contract(SynchronousTestCase):
    def run_one(self, cls: type[Plugin], test: str) -> TestResult:
        source = ClassSource(cls)
        (case,) = contract.contracts(source, __name__).values()
        result = TestResult()
        case(test).run(result)
        return result

    def assertFinds(self, cls: type[Plugin], test: str, hint: str) -> None:
        result = self.run_one(cls, test)
        problems = [text for _, text in (*result.failures, *result.errors)]
        self.assertTrue(problems, f"{cls.__name__} passes {test}")
        self.assertIn(hint, "".join(problems))

    def test_no_docstring(self) -> None:
        self.assertFinds(Silent, "test_docstrings", "sentence")

    def test_bad_version(self) -> None:
        self.assertFinds(Numberless, "test_xep", "two")

    def test_option_without_description(self) -> None:
        self.assertFinds(Undescribed, "test_options", "the option secret has no description")

    def test_timer_left_behind(self) -> None:
        self.assertFinds(Leaking, "test_enable_and_disable_leave_nothing", "print")

    def test_unknown_iq_answered(self) -> None:
        self.assertFinds(Swallowing, "test_unknown_iq", "type is 'result', not 'error'")

    def test_rows_of_deleted_accounts(self) -> None:
        self.assertFinds(Keeping, "test_deleted_account", "juliet@example.org")

    def test_need_that_nobody_provides(self) -> None:
        self.assertFinds(Needy, "test_schema", "nobody provides Nowhere, which Needy needs")

    def test_a_proper_one_passes(self) -> None:
        for name in (name for name in dir(contract.PluginContract) if name.startswith("test_")):
            result = self.run_one(Proper, name)
            self.assertTrue(result.wasSuccessful(), f"{name}: {result.failures}{result.errors}")
