"""Run the tests of this folder, or those named, and print ``N passed, N failed`` on the last line.

trial does not run a class's ``setUpClass``, in which these tests start their server.
"""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Return 0 if at least one test ran and none failed."""
    modules = [f"tests.interop.{path.stem}" for path in sorted(FOLDER.glob("test_*.py"))]
    suite = unittest.defaultTestLoader.loadTestsFromNames(names or modules)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = result.testsRun - failed - skipped
    print(f"{max(passed, 0)} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if passed > 0 and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
