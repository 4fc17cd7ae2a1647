"""Handler tables: the order of filters, and what only one plugin may have."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import (
    ACCOUNT,
    Message,
    Phase,
    Plugin,
    SessionBound,
    ToAccount,
    filter,
    iq_get,
    iq_set,
    nonza,
)
from xmppd.core.plugins.dispatch import Conflict, compile_tables


def plugin(name: str, *marked: Any) -> Plugin:
    """A plugin whose methods are these decorated functions."""
    members = {f"method{number}": method for number, method in enumerate(marked)}
    cls: Any = type(name.title(), (Plugin,), {"__doc__": "Test.", "name": name, **members})
    new: Plugin = cls.__new__(cls)
    return new


def step(phase: Phase = Phase.DELIVER, **order: Any) -> Any:
    def method(self: Plugin, event: ToAccount) -> None:
        """Does nothing."""

    return filter(ToAccount, phase, kinds=(Message,), **order)(method)


class Order(SynchronousTestCase):
    """Phases first, then before and after, then names."""

    def order(self, *plugins: Plugin) -> str:
        tables = compile_tables(plugins)
        return " ".join(handler.plugin.name for handler in tables.to_account["message"])

    def test_names(self) -> None:
        self.assertEqual(self.order(plugin("b", step()), plugin("a", step()), plugin("c", step())), "a b c")

    def test_phases(self) -> None:
        plugins = [
            plugin("a", step(Phase.DELIVER)),
            plugin("b", step(Phase.STORE)),
            plugin("c", step(Phase.REWRITE)),
            plugin("d", step(Phase.POLICY)),
        ]
        self.assertEqual(self.order(*plugins), "d c b a")

    def test_before_and_after(self) -> None:
        self.assertEqual(self.order(plugin("a", step(after=("c",))), plugin("b", step()), plugin("c", step())), "b c a")
        self.assertEqual(
            self.order(plugin("a", step()), plugin("b", step()), plugin("c", step(before=("a",)))), "b c a"
        )

    def test_others_that_are_not_there(self) -> None:
        self.assertEqual(self.order(plugin("a", step(after=("x",), before=("y",))), plugin("b", step())), "a b")

    def test_not_across_phases(self) -> None:
        late = plugin("a", step(Phase.DELIVER, before=("b",)))
        self.assertEqual(self.order(late, plugin("b", step(Phase.POLICY))), "b a")

    def test_several_of_one_plugin(self) -> None:
        tables = compile_tables([plugin("a", step(), step(Phase.POLICY)), plugin("b", step(Phase.STORE))])
        self.assertEqual([h.plugin.name for h in tables.to_account["message"]], ["a", "b", "a"])

    def test_circle(self) -> None:
        circle = [plugin("a", step(after=("b",))), plugin("b", step(after=("c",))), plugin("c", step(after=("a",)))]
        problem = str(self.assertRaises(Conflict, self.order, *circle))
        self.assertIn("plugins ask for a circular order: ", problem)
        self.assertEqual(set(problem.partition(": ")[2].split(" -> ")), {"a", "b", "c"})

    def test_kinds(self) -> None:
        tables = compile_tables([plugin("a", step())])
        self.assertEqual(list(tables.to_account), ["message"])


class Claims(SynchronousTestCase):
    def conflict(self, one: Any, other: Any) -> str:
        return str(self.assertRaises(Conflict, compile_tables, [plugin("a", one), plugin("b", other)]))

    def test_iq(self) -> None:
        one = iq_get("urn:x", "x")(lambda self, iq: iq)
        self.assertIn("plugins a and b both answer iq-get urn:x x (host)", self.conflict(one, one))
        compile_tables(
            [
                plugin("a", one),
                plugin("b", iq_set("urn:x", "x")(lambda self, iq: iq)),
                plugin("c", iq_get("urn:x", "x", to=ACCOUNT)(lambda self, iq: iq)),
                plugin("d", iq_get("urn:x", "y")(lambda self, iq: iq)),
                plugin("e", iq_get("urn:y", "x")(lambda self, iq: iq)),
            ]
        )

    def test_nonza(self) -> None:
        one = nonza("urn:x", "x")(lambda self, element, stream: None)
        self.assertIn("both answer urn:x x", self.conflict(one, one))

    def test_what_can_only_be_observed(self) -> None:
        one = filter(SessionBound)(lambda self, event: None)
        self.assertIn("SessionBound can only be observed", self.conflict(one, one))
