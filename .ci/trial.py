"""Run trial with the given arguments; afterwards print ``N passed, N failed`` alone on the last line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_COUNT = re.compile(r"(failures|errors|skips|expectedFailures|unexpectedSuccesses|successes)=(\d+)")


def closing_line(summary: str) -> str:
    """Turn trial's last line, ``FAILED (failures=1, successes=2)``, into ``2 passed, 1 failed``."""
    counts = {name: int(number) for name, number in _COUNT.findall(summary)}
    passed = counts.get("successes", 0) + counts.get("expectedFailures", 0)
    failed = sum(counts.get(name, 0) for name in ("failures", "errors", "unexpectedSuccesses"))
    skipped = counts.get("skips", 0)
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main(arguments: list[str]) -> int:
    """Return trial's exit status, or 1 when it ended without a summary or ran nothing."""
    summary = ""
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "twisted.trial", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace", cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith(("PASSED", "FAILED")):
                summary = line
    status = process.returncode
    if not summary:
        print("trial ended without a summary")
        print("0 passed, 1 failed")
        return status or 1
    print(closing_line(summary))
    return status or ("successes=" not in summary and "skips=" not in summary)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
