"""The closing line of .ci/trial.py, by which a run is judged."""

from __future__ import annotations

import importlib.util
import unittest
from pathlib import Path


def _trial_module():
    path = Path(__file__).parent.parent / ".ci" / "trial.py"
    spec = importlib.util.spec_from_file_location("ci_trial", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ClosingLineTests(unittest.TestCase):
    def test_counts(self) -> None:
        closing_line = _trial_module().closing_line
        self.assertEqual(closing_line("PASSED (successes=12)"), "12 passed, 0 failed")
        self.assertEqual(
            closing_line("FAILED (skips=1, failures=2, errors=3, successes=4)"),
            "4 passed, 5 failed, 1 skipped",
        )
        self.assertEqual(closing_line("PASSED (expectedFailures=1)"), "1 passed, 0 failed")
