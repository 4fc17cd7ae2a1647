"""The registry: whose operation runs, who may run it, and what the audit log says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.api.plugin import Plugin
from xmppd.core.operations.catalogue import HostOperations, OperationRegistry, describe
from xmppd.core.operations.kernel import declared_operations
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid

ADMIN, USER, STRANGER = (Jid.parse(f"{name}/x") for name in ("bard@a.example", "user@a.example", "user@c.example"))


class Kernel:
    """Operations that are always there."""

    @operation("kernel do", permission=Permission.OPERATOR)
    async def do(self) -> str:
        """Do it."""
        return "done"

    @operation("account touch")
    async def touch(self, jid: Jid, *, host: str | None = None, password: str = "") -> str:
        """Touch an account."""
        return f"{jid} {host}"

    @operation("account all")
    async def all(self, host: str | None = None) -> str:
        """Touch all."""
        return str(host)

    @operation("break")
    async def breaks(self) -> None:
        """Be broken."""
        raise ZeroDivisionError("by accident")


class Notes(Plugin):
    """Keep notes."""

    name = "notes"

    def __init__(self, domain: str) -> None:
        self.domain = domain

    @operation("note show")
    async def show(self, account: Jid) -> str:
        """Show a note."""
        return f"{account} on {self.domain}"

    @operation("note count")
    async def count(self) -> str:
        """Count notes."""
        return f"none on {self.domain}"

    @operation("note mine", permission=Permission.USER)
    async def mine(self, *, actor: str) -> str:
        """Show one's own."""
        return f"{actor}'s on {self.domain}"

    @operation("kernel do")
    async def usurp(self) -> str:
        """Be what it must not be."""
        return "usurped"


class RegistryCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.loaded: list[tuple[str, Plugin]] = [("a.example", Notes("a.example")), ("b.example", Notes("b.example"))]
        self.registry = OperationRegistry([Kernel()], lambda: self.loaded)
        self.host = HostOperations(self.registry, "a.example", lambda: frozenset((ADMIN.bare,)))
        self.events: list[LogEvent] = []
        observer: Any = self.events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def audit(self) -> list[str]:
        """The lines of the audit log."""
        lines = []
        for event in self.events:
            if event["log_namespace"] == "xmppd.audit" and event["log_level"] is LogLevel.info:
                lines.append(event["log_format"].format(**event))
        return lines

    def run_operation(self, name: str, host: str | None = None, **arguments: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(self.registry.run(name, arguments, host=host)))

    def refused(self, work: Any) -> tuple[str, Condition]:
        error = self.failureResultOf(Deferred.fromCoroutine(work), OperationError).value
        assert isinstance(error, OperationError)
        return str(error), error.condition


class FindTests(RegistryCase):
    def test_all_of_them_by_name(self) -> None:
        self.assertEqual(
            list(self.registry.entries()),
            ["account all", "account touch", "break", "kernel do", "note count", "note mine", "note show"],
        )

    def test_a_plugin_can_not_replace_the_kernel(self) -> None:
        self.assertEqual(self.run_operation("kernel do"), "done")
        warned = [event for event in self.events if event["log_level"] is LogLevel.warn]
        self.assertEqual([(event["operation"], event["plugin"]) for event in warned], [("kernel do", "notes")] * 2)

    def test_the_host_of_the_account(self) -> None:
        self.assertEqual(self.run_operation("note show", account="x@b.example"), "x@b.example on b.example")

    def test_the_host_that_is_named(self) -> None:
        self.assertEqual(self.run_operation("note count", host="b.example"), "none on b.example")

    def test_the_host_that_is_not_named(self) -> None:
        reason = self.refused(self.registry.run("note count", {}))
        self.assertEqual(
            reason, ("several hosts have note count; name one of a.example, b.example", Condition.BAD_REQUEST)
        )
        del self.loaded[1]
        self.assertEqual(self.run_operation("note count"), "none on a.example")

    def test_a_host_without_it(self) -> None:
        self.assertEqual(
            self.refused(self.registry.run("note show", {"account": "x@c.example"})),
            ("c.example has no note show: no plugin that is enabled there offers it", Condition.ITEM_NOT_FOUND),
        )

    def test_unknown_names(self) -> None:
        self.assertEqual(
            self.refused(self.registry.run("note shwo", {})),
            ("there is no operation 'note shwo'; did you mean note show?", Condition.ITEM_NOT_FOUND),
        )
        self.assertEqual(
            self.refused(self.registry.run("xyz", {})), ("there is no operation 'xyz'", Condition.ITEM_NOT_FOUND)
        )

    def test_plugins_that_come_and_go(self) -> None:
        self.registry.entries()
        self.loaded.clear()
        self.assertNotIn("note show", self.registry.entries())
        self.loaded.append(("b.example", Notes("b.example")))
        self.assertEqual(list(self.registry.entries()["note show"].hosts), ["b.example"])


class HostTests(RegistryCase):
    """What can be run by XMPP on a.example."""

    def run_as(self, actor: Jid, name: str, granted: Permission | None = None, **arguments: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(self.host.run(name, arguments, actor, granted)))

    def names(self, actor: Jid) -> Iterable[str]:
        return [operation.name for operation in self.host.list(actor)]

    def test_who_sees_what(self) -> None:
        self.assertEqual(
            self.names(ADMIN), ["account all", "account touch", "break", "note count", "note mine", "note show"]
        )
        self.assertEqual(self.names(USER), ["note mine"])
        self.assertEqual(self.names(STRANGER), [])

    def test_what_is_no_operation(self) -> None:
        """It is in the audit all the same, on one line."""
        self.host.note("console login", {"from": "192.0.2.1\n"}, "user@a.example", "failed: wrong password")
        self.assertEqual(self.audit(), ["user@a.example: console login from='192.0.2.1\\n': failed: wrong password"])

    def test_who_may_what(self) -> None:
        self.assertEqual(self.run_as(USER, "note mine"), "user@a.example's on a.example")
        for actor, name in ((USER, "note count"), (STRANGER, "note mine"), (ADMIN, "kernel do")):
            reason = self.refused(self.host.run(name, {}, actor))
            self.assertEqual(reason, (f"you may not run {name}", Condition.FORBIDDEN))
        self.assertEqual(self.run_as(ADMIN, "kernel do", Permission.OPERATOR), "done")

    def test_administrators_stay_on_their_host(self) -> None:
        self.assertEqual(self.run_as(ADMIN, "account touch", jid="x@a.example"), "x@a.example a.example")
        self.assertEqual(self.run_as(ADMIN, "account all"), "a.example")
        self.assertEqual(self.run_as(ADMIN, "account all", host="a.example"), "a.example")
        for name, arguments, reason in (
            ("account touch", {"jid": "x@b.example"}, "x@b.example is not an account of a.example"),
            ("account touch", {"jid": "x@a.example", "host": "b.example"}, "you may not administer b.example"),
            ("account all", {"host": "b.example"}, "you may not administer b.example"),
            ("note show", {"account": "x@b.example"}, "x@b.example is not an account of a.example"),
        ):
            self.assertEqual(self.refused(self.host.run(name, arguments, ADMIN)), (reason, Condition.FORBIDDEN))

    def test_the_plugin_of_this_host(self) -> None:
        self.assertEqual(self.run_as(ADMIN, "note count"), "none on a.example")
        found = self.host.find("note count")
        assert found is not None
        del self.loaded[0]
        self.assertIsNone(self.host.find("note count"))
        self.assertIsNone(self.host.find("none"))

    def test_the_operator_may_everything(self) -> None:
        del self.loaded[0]
        everything = [operation.name for operation in self.host.all(Permission.OPERATOR)]
        self.assertEqual(everything, list(self.registry.entries()))
        self.assertEqual(
            [operation.name for operation in self.host.all(Permission.ADMIN)], ["account all", "account touch", "break"]
        )

        def run(name: str, host: str | None = None, **arguments: Any) -> Any:
            work = self.host.run(name, arguments, "token ci", Permission.OPERATOR, host=host)
            return self.successResultOf(Deferred.fromCoroutine(work))

        self.assertEqual(run("kernel do"), "done")
        self.assertEqual(run("account all", host="b.example"), "None")  # `host` is whose plugin it is
        self.assertEqual(run("note show", account="x@b.example"), "x@b.example on b.example")
        self.assertEqual(run("note count"), "none on b.example")  # nobody else has it
        self.loaded.insert(0, ("a.example", Notes("a.example")))
        self.assertEqual(run("note count"), "none on a.example")  # the host where the request came in
        self.assertEqual(run("note count", host="b.example"), "none on b.example")
        self.assertEqual(run("note show", account="x@b.example"), "x@b.example on b.example")

    def test_somebody_without_an_address(self) -> None:
        run = self.host.run("note count", {}, "token ci", Permission.ADMIN)
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(run)), "none on a.example")
        self.assertEqual(self.audit(), ["token ci ran note count: done"])
        reason = self.refused(self.host.run("note count", {}, "token ci"))
        self.assertEqual(reason, ("you may not run note count", Condition.FORBIDDEN))
        refused = self.host.run("account all", {"host": "b.example"}, "token ci", Permission.ADMIN)
        self.assertEqual(self.refused(refused)[1], Condition.FORBIDDEN)

    def test_what_administrators_may_run_can_be_confined(self) -> None:
        """Every operation of the kernel that isn't the operator's own names an account or a host."""
        for entry in declared_operations().entries().values():
            if entry.sample.permission is not Permission.OPERATOR:
                names = {parameter.name for parameter in entry.sample.parameters}
                self.assertTrue(names & {"jid", "account", "host"}, entry.name)


class AuditTests(RegistryCase):
    def test_success(self) -> None:
        self.run_operation("account touch", jid="x@a.example", password="hunter2")
        self.assertEqual(self.audit(), ["operator ran account touch jid=x@a.example password=***: done"])
        self.assertNotIn("hunter2", repr(self.events))

    def test_failure(self) -> None:
        self.refused(self.registry.run("account touch", {"password": "hunter2", "host": None}))
        self.refused(self.registry.run("kernel do", {"any_password": "hunter2"}))
        self.assertEqual(
            self.audit(),
            [
                "operator ran account touch password=***: failed: account touch needs jid",
                "operator ran kernel do any_password=***: failed: kernel do has no parameter 'any_password'",
            ],
        )
        self.assertNotIn("hunter2", repr(self.events))

    def test_refusals(self) -> None:
        self.refused(self.host.run("note count", {}, USER))
        self.refused(self.host.run("account all", {"host": "b.example"}, ADMIN))
        self.assertEqual(
            self.audit(),
            [
                "user@a.example/x ran note count: refused: not allowed",
                "bard@a.example/x ran account all host=b.example: refused: you may not administer b.example",
            ],
        )

    def test_a_fault_of_the_program(self) -> None:
        reason, condition = self.refused(self.registry.run("break", {}))
        self.assertEqual(reason, "break failed: ZeroDivisionError: by accident (the log has more)")
        self.assertIs(condition, Condition.INTERNAL_SERVER_ERROR)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.audit(), ["operator ran break: failed: ZeroDivisionError"])

    def test_nobody_can_forge_lines(self) -> None:
        self.run_operation("account touch", jid="x@a.example", host="a\noperator ran everything: done")
        self.assertEqual(len(self.audit()[0].splitlines()), 1)
        self.run_operation("account touch", jid="x@a.example", host="x" * 1000)
        self.assertLess(len(self.audit()[1]), 300)


class DescribeTests(RegistryCase):
    def test_plain_data(self) -> None:
        self.assertEqual(
            describe(self.registry.find("note show")),
            {
                "name": "note show",
                "help": "Show a note.",
                "permission": "admin",
                "offline": False,
                "safe": False,
                "examples": [],
                "hosts": ["a.example", "b.example"],
                "parameters": [
                    {
                        "name": "account", "type": "Jid", "required": True, "default": None, "option": False,
                        "help": "", "choices": [], "secret": False,
                    }
                ],
            },
        )  # fmt: skip

    def test_every_operation_of_the_kernel_teaches(self) -> None:
        """Help for the operation and each parameter, and an example."""
        for entry in declared_operations().entries().values():
            sample = entry.sample
            self.assertTrue(sample.help.endswith("."), entry.name)
            self.assertTrue(sample.examples, entry.name)
            for parameter in sample.parameters:
                self.assertTrue(parameter.help, (entry.name, parameter.name))
