"""Tests of TCP that are played once more over something else: nothing above a stream may know the difference."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from twisted.trial.unittest import SkipTest

from tests.net import (
    test_account_life,
    test_bind2,
    test_copies,
    test_deleted_meanwhile,
    test_ghosts,
    test_hibernating,
    test_interleavings,
    test_losses,
    test_losses_walks,
    test_sasl2,
    test_sasl2_kills,
    test_storage_faults,
)
from xmppd.testing import ServerTestCase
from xmppd.testing.case import Over

__all__ = ["ABOVE_STREAMS", "again"]

#: Tests of what does not depend on how clients connect.
ABOVE_STREAMS = (
    test_account_life, test_bind2, test_copies, test_deleted_meanwhile, test_ghosts, test_hibernating,
    test_interleavings, test_losses, test_losses_walks, test_sasl2, test_sasl2_kills, test_storage_faults,
)  # fmt: skip


def again(
    over: Over, name: str, modules: Iterable[ModuleType], but: frozenset[str] = frozenset()
) -> dict[str, type[ServerTestCase]]:
    """Return the test cases of modules, by name, whose clients connect another way.

    :param name: of the module that they will be in.
    :param but: names of tests, as ``Class.test_method``, that are about TCP.
    """
    found: dict[str, type[ServerTestCase]] = {}
    for module in modules:
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, ServerTestCase) and cls.__module__ == module.__name__:
                key = f"{cls.__name__}Of{module.__name__.rpartition('.')[2].title().replace('_', '')}"
                left_out = {test: _skipped for case, _, test in (b.partition(".") for b in but) if case == cls.__name__}
                found[key] = type(key, (cls,), {"over": over, "__module__": name, "__qualname__": key, **left_out})
    return found


def _skipped(case: ServerTestCase) -> None:
    raise SkipTest("this is about TCP")
