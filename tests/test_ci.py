"""What .ci/trial.py does beside running trial: the closing line, by which a run is judged, and dealing out modules."""

from __future__ import annotations

import importlib.util
import sys
import unittest
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent


def _trial_module():
    spec = importlib.util.spec_from_file_location("ci_trial", ROOT / ".ci" / "trial.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


trial = _trial_module()


class ClosingLineTests(unittest.TestCase):
    def test_counts(self) -> None:
        for summaries, line in (
            (["PASSED (successes=12)"], "12 passed, 0 failed"),
            (["FAILED (skips=1, failures=2, errors=3, successes=4)"], "4 passed, 5 failed, 1 skipped"),
            (["PASSED (expectedFailures=1)"], "1 passed, 0 failed"),
            (["PASSED (successes=12)", "FAILED (failures=1, successes=2)"], "14 passed, 1 failed"),
            (["FAILED (unexpectedSuccesses=1)", ""], "0 passed, 1 failed"),
        ):
            with self.subTest(summaries):
                counts = trial.Counter()
                for summary in summaries:
                    counts += trial.counted(summary)
                self.assertEqual(trial.closing_line(counts), line)


class DealingTests(unittest.TestCase):
    @given(st.dictionaries(st.text(), st.integers(0, 10_000)), st.integers(1, 5))
    def test_each_module_once(self, weights: dict[str, int], hands: int) -> None:
        result = trial.dealt(list(weights.items()), hands)
        self.assertEqual(len(result), hands)
        self.assertEqual(sorted(name for hand in result for name in hand), sorted(weights))

    def test_what_weighs_the_same(self) -> None:
        self.assertEqual(trial.dealt([("a", 3), ("b", 2), ("c", 2), ("d", 1)], 2), [["a", "d"], ["b", "c"]])

    def test_what_trial_would_run(self) -> None:
        found = {path.relative_to(ROOT).as_posix() for path in trial.modules_in(ROOT / "tests")}
        self.assertIn("tests/test_ci.py", found)
        self.assertIn("tests/wire/test_jid.py", found)
        self.assertFalse([path for path in found if path.startswith("tests/interop/")])

    def test_commands(self) -> None:
        self.assertEqual(trial.commands(["tests.wire"]), [["tests.wire"]])
        self.assertEqual(trial.commands(["--processes", "2", "tests.wire.test_jid"]), [["tests.wire.test_jid"]])
        first, second = trial.commands(["--processes", "2", "--until-failure", "tests.wire"])
        self.assertEqual(first[:2], ["--temp-directory=_trial_temp-1", "--until-failure"])
        self.assertEqual(second[:2], ["--temp-directory=_trial_temp-2", "--until-failure"])
        self.assertIn("tests.wire.test_jid", first + second)
        self.assertFalse(set(first[2:]) & set(second[2:]))

    def test_python_can_import_what_is_dealt(self) -> None:
        for name in trial.commands(["--processes", "1", "tests.wire"])[0][1:]:
            self.assertTrue(name in sys.modules or importlib.util.find_spec(name))
