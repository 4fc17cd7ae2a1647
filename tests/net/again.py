"""Tests of TCP that are played once more over something else: nothing above a stream may know the difference."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from twisted.trial.unittest import SkipTest

from xmppd.testing import ServerTestCase
from xmppd.testing.case import Over

__all__ = ["again"]


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
