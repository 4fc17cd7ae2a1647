"""Run trial with the given arguments; afterwards print ``N passed, N failed`` alone on the last line.

``--processes N`` deals the modules of the packages that are named to N processes, which run side by side. Each has a
working folder of its own; what the second and later ones print is shown when the ones before them are done.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_COUNT = re.compile(r"(failures|errors|skips|expectedFailures|unexpectedSuccesses|successes)=(\d+)")
_ROOT = Path(__file__).resolve().parent.parent


def counted(summary: str) -> Counter[str]:
    """Read trial's last line, ``FAILED (failures=1, successes=2)``."""
    return Counter({name: int(number) for name, number in _COUNT.findall(summary)})


def closing_line(counts: Counter[str]) -> str:
    """Return ``2 passed, 1 failed``."""
    passed = counts["successes"] + counts["expectedFailures"]
    failed = counts["failures"] + counts["errors"] + counts["unexpectedSuccesses"]
    skipped = counts["skips"]
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def modules_in(folder: Path) -> Iterator[Path]:
    """Find the modules of tests that trial would find in a package and those beneath it."""
    if (folder / "__init__.py").exists():
        yield from folder.glob("test_*.py")
        for inner in folder.iterdir():
            if inner.is_dir():
                yield from modules_in(inner)


def dealt(modules: Sequence[tuple[str, int]], hands: int) -> list[list[str]]:
    """Deal modules, each with its weight, so that the hands weigh about the same. None is left out, or dealt twice."""
    result: list[list[str]] = [[] for _ in range(hands)]
    weights = [0] * hands
    for name, weight in sorted(modules, key=lambda module: (-module[1], module[0])):
        lightest = weights.index(min(weights))
        result[lightest].append(name)
        weights[lightest] += weight
    return [sorted(hand) for hand in result]


def commands(arguments: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each trial that is to run."""
    if arguments[:1] != ["--processes"]:
        return [list(arguments)]
    processes, *rest = arguments[1:]
    packages = [each for each in rest if (_ROOT / each.replace(".", "/")).is_dir()]
    if not packages:
        return [rest]
    options = [each for each in rest if each not in packages]
    found = [path for each in packages for path in modules_in(_ROOT / each.replace(".", "/"))]
    modules = [(".".join(path.relative_to(_ROOT).with_suffix("").parts), path.stat().st_size) for path in found]
    hands = [hand for hand in dealt(modules, int(processes)) if hand]
    return [[f"--temp-directory=_trial_temp-{n}", *options, *hand] for n, hand in enumerate(hands, 1)]


def _start(arguments: Sequence[str], output: IO[str] | int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "twisted.trial", *arguments]
    return subprocess.Popen(command, stdout=output, text=True, errors="replace", cwd=_ROOT)


def _shown(lines: Iterator[str]) -> str:
    """Print what a trial prints, and return its summary; "" if there is none."""
    summary = ""
    for line in lines:
        print(line, end="", flush=True)
        if line.startswith(("PASSED", "FAILED")):
            summary = line
    return summary


def main(arguments: list[str]) -> int:
    """Return trial's exit status, or 1 when one ended without a summary or they ran nothing."""
    first, *others = commands(arguments)
    files = [tempfile.TemporaryFile("w+", errors="replace") for _ in others]  # noqa: SIM115 - they are read at the end
    running = [_start(each, file.fileno()) for each, file in zip(others, files, strict=True)]
    with _start(first, subprocess.PIPE) as process:
        assert process.stdout is not None
        summaries = [_shown(process.stdout)]
    status = process.returncode
    for process, file in zip(running, files, strict=True):
        status = process.wait() or status
        file.seek(0)
        summaries.append(_shown(file))
        file.close()
    counts = sum((counted(summary) for summary in summaries), Counter[str]())
    if not all(summaries):
        print("trial ended without a summary")
        counts["errors"] += 1
        status = status or 1
    print(closing_line(counts))
    return status or not (counts["successes"] or counts["skips"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
