"""What a declared operation says of itself, and how its arguments are checked."""

from __future__ import annotations

from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.operations import (
    FileText,
    Operation,
    OperationError,
    Parameter,
    Permission,
    Progress,
    Result,
    operation,
    operations_of,
)
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid


class Owner:
    """Some operations."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    @operation("thing make", offline=True, examples=("a b", ""))
    async def make(
        self,
        jid: Jid,
        count: int = 3,
        *,
        kind: Literal["small", "large"] = "small",
        other: Literal["x", "y"] | None = None,
        password: str | None = None,
        loud: bool = False,
        share: float = 0.5,
        file: FileText | None = None,
        actor: str,
        progress: Progress,
    ) -> Result:
        """Make a thing, in two
        lines.

        More of it.

        :param jid: whose,
            in two lines
        :param count: how many
        """
        progress(1, 2)
        self.seen = {k: v for k, v in locals().items() if k not in ("self", "progress")}
        return "made"

    @operation("thing break", permission=Permission.USER)
    async def destroy(self) -> None:
        """Break it."""


class OperationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.owner = Owner()
        self.breaks, self.makes = operations_of(self.owner)

    def run_it(self, operation: Operation, **arguments: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(operation.run(arguments)))

    def refused(self, operation: Operation, **arguments: Any) -> str:
        error = self.failureResultOf(Deferred.fromCoroutine(operation.run(arguments)), OperationError).value
        assert isinstance(error, OperationError)
        self.assertIs(error.condition, Condition.BAD_REQUEST)
        return str(error)

    def test_declarations(self) -> None:
        self.assertEqual((self.breaks.name, self.makes.name), ("thing break", "thing make"))
        self.assertEqual(self.makes.help, "Make a thing, in two lines.")
        self.assertEqual((self.makes.permission, self.breaks.permission), (Permission.ADMIN, Permission.USER))
        self.assertEqual((self.makes.offline, self.breaks.offline), (True, False))
        self.assertEqual(self.makes.examples, ("a b", ""))

    def test_parameters(self) -> None:
        self.assertEqual(
            self.makes.parameters,
            (
                Parameter("jid", Jid, True, None, False, "whose, in two lines"),
                Parameter("count", int, False, 3, False, "how many"),
                Parameter("kind", str, False, "small", True, "", ("small", "large")),
                Parameter("other", str, False, None, True, "", ("x", "y")),
                Parameter("password", str, False, None, True, "", (), True),
                Parameter("loud", bool, False, False, True, ""),
                Parameter("share", float, False, 0.5, True, ""),
                Parameter("file", FileText, False, None, True, "", (), True),
            ),
        )

    def test_defaults(self) -> None:
        self.assertEqual(self.run_it(self.makes, jid="Romeo@example.org"), "made")
        self.assertEqual(
            self.owner.seen,
            {
                "jid": Jid.parse("romeo@example.org"), "count": 3, "kind": "small", "other": None, "password": None,
                "loud": False, "share": 0.5, "file": None, "actor": "operator",
            },
        )  # fmt: skip

    def test_texts_become_what_they_stand_for(self) -> None:
        self.run_it(
            self.makes,
            jid="romeo@example.org",
            count="7",
            kind="large",
            other="y",
            loud="Yes",
            share="0.25",
            file="a\nb",
        )
        seen = self.owner.seen
        self.assertEqual(
            [seen[name] for name in ("count", "kind", "other", "loud", "share", "file")],
            [7, "large", "y", True, 0.25, "a\nb"],
        )
        self.assertIsInstance(seen["jid"], Jid)
        self.assertIsInstance(seen["file"], FileText)
        for text, value in (("true", True), ("1", True), ("no", False), ("FALSE", False), (True, True), (0, False)):
            self.run_it(self.makes, jid="romeo@example.org", loud=text)
            self.assertIs(self.owner.seen["loud"], value)

    def test_null_is_the_default(self) -> None:
        self.run_it(self.makes, jid="romeo@example.org", count=None)
        self.assertEqual(self.owner.seen["count"], 3)

    def test_what_is_wrong(self) -> None:
        good = {"jid": "romeo@example.org"}
        for arguments, reason in (
            ({}, "thing make needs jid"),
            ({**good, "size": 1}, "thing make has no parameter 'size'"),
            ({**good, "actor": "me"}, "thing make has no parameter 'actor'"),
            ({"jid": "@"}, "jid: '@' is not valid: "),
            ({**good, "count": "many"}, "count: 'many' is not valid: a whole number is expected"),
            ({**good, "share": []}, "share: [] is not valid: a number is expected"),
            ({**good, "kind": "huge"}, "kind: 'huge' is not valid: it must be one of small, large"),
            ({**good, "loud": "perhaps"}, "loud: 'perhaps' is not valid: yes or no is expected"),
        ):
            self.assertTrue(self.refused(self.makes, **arguments).startswith(reason), arguments)

    def test_secrets_are_not_shown(self) -> None:
        secret = Parameter("new_password", int, True, None, True, "", (), True)
        with self.assertRaises(OperationError) as caught:
            secret.convert("hunter2")
        self.assertEqual(str(caught.exception), "new_password: the value is not valid: a whole number is expected")

    def test_progress_and_actor(self) -> None:
        told: list[tuple[int, int]] = []
        work = self.makes.run({"jid": "a@example.org"}, "romeo", lambda done, total: told.append((done, total)))
        self.successResultOf(Deferred.fromCoroutine(work))
        self.assertEqual((told, self.owner.seen["actor"]), ([(1, 2)], "romeo"))
