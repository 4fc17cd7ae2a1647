"""Break two servers of ours, and the network between them, while people on both write to each other.

`make faults FAULTS="--network ..."`. A round starts two fresh server processes that federate over TLS through a proxy
for each direction. Both are killed, stopped, paused, their databases locked; the connections between them and those of
their clients are reset, closed, cut inside a stanza, frozen, in one direction or both. Then everything is mended, and
it is checked what became of every message that was acknowledged, who sees whom, and that everybody can be reached. The
exit status is 0 if nothing is wrong, 1 if something is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults import plan as single
from tests.faults import report
from tests.faults.checker import Kind, Violation
from tests.faults.history import History
from tests.faults.network import checker, plan
from tests.faults.network.round import Round, Shape
from tests.faults.network.servers import SIDES, Neighbour
from tests.faults.storage import have_disk
from tests.interop.network.authority import Authority


@dataclass(frozen=True)
class Played:
    """What came of a round."""

    history: History
    violations: list[Violation]


def play(shape: Shape, faults: plan.Plan, save: Path, dialback: bool = False, keep: bool = False) -> Played:
    """Play a round. If anything is wrong, or with `keep`, `save` is made and holds what is known about it."""
    disk = any(fault.kind == single.DISK for fault in faults.servers)
    with tempfile.TemporaryDirectory(prefix="xmppd-authority-") as folder:
        authority = Authority(Path(folder))
        one, other = (Neighbour(side, authority, disk, dialback) for side in SIDES)
        game = Round((one, other), shape, faults)
        violations: list[Violation] = []
        try:
            asyncio.run(game.run())
        except RuntimeError as error:
            violations.append(Violation(Kind.UNSETTLED, "servers", None, str(error)))
        try:
            violations += checker.check(game.history)
            for server in (one, other):
                for part in server.log.read_text("utf-8", "replace").split("Traceback (most recent call last)")[1:]:
                    violations.append(Violation(Kind.OFFENCE, server.side, None, f"in its log: {part[:2000]}"))
            if violations or keep:
                everything = (*faults.servers, *faults.links, *faults.devices)
                report.save(save, game.history, violations, "\n".join(map(str, everything)), one.log)
                (save / "server-b.log").write_bytes(other.log.read_bytes())
        finally:
            one.clean()
            other.clean()
    return Played(game.history, violations)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults --network",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--network", action="store_true", help="two servers: what this page is about")
    parser.add_argument("--seed", default="1", help="of all that is drawn (1)")
    parser.add_argument("--rounds", type=int, default=2, help="(2)")
    parser.add_argument("--round", type=int, help="play this one only")
    parser.add_argument("--dialback", action="store_true", help="certificates that nobody believes")
    parser.add_argument("--people", type=int, default=5, help="on each side, with a device each (5)")
    parser.add_argument("--rate", type=float, default=40, help="messages a second from all together (40)")
    for name, number, text in (
        ("kills", 5, "SIGKILLs of either server"), ("stops", 1, "SIGTERMs"), ("pauses", 1, "SIGSTOPs"),
        ("locks", 1, "locked databases"), ("disks", 0, "full disks; needs root"),
        ("links", 40, "faults of the connections between the servers"), ("cuts", 20, "faults of clients' connections"),
        ("shows", 30, "changes of presence"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=number, help=f"{text}, in each round ({number})")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--save", type=Path, help="where violations are kept (a new temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep all about rounds without violations, too")
    options = parser.parse_args()
    if options.disks and not have_disk():
        parser.error("--disks needs root, to mount a small disk")
    return options


def counts(options: argparse.Namespace) -> Mapping[str, int]:
    """Return how many faults of each kind a round has."""
    return {
        single.KILL: options.kills, single.STOP: options.stops, single.PAUSE: options.pauses,
        single.LOCK: options.locks, single.DISK: options.disks,
        "links": options.links, "cuts": options.cuts, "shows": options.shows,
    }  # fmt: skip


FIGURES = (
    "kills", "faults of links", "broken", "resumed", "sent", "acked messages", "arrived", "came back",
    "arrived and came back", "arrived twice",
)  # fmt: skip


def main() -> int:
    """Play all rounds."""
    options = arguments()
    save = options.save or Path(tempfile.mkdtemp(prefix="xmppd-faults-"))
    total: Counter[str] = Counter()
    violations: Counter[str] = Counter()
    for number in range(1, options.rounds + 1) if options.round is None else (options.round,):
        seed = f"{options.seed}.{number}"
        shape = Shape(options.people, options.rate, seed)
        began = time.monotonic()
        faults = plan.draw(seed, counts(options), 2 * options.people)
        played = play(shape, faults, save / f"network-{seed}", options.dialback, options.keep)
        figures = checker.count(played.history)
        total.update(figures)
        violations.update(violation.kind.value for violation in played.violations)
        told = ", ".join(f"{figures[name]} {name}" for name in FIGURES)
        print(
            f"round {seed}: {told}; {len(played.violations)} violations, {time.monotonic() - began:.0f} s", flush=True
        )
    print("\n".join(f"{name:42}{total[name]:10}" for name in FIGURES))
    print("\n".join(f"{name:42}{number:10}" for name, number in violations.items()) or "no violations")
    if options.json:
        options.json.write_text(json.dumps({"figures": total, "violations": violations}, indent=1))
    if violations:
        print(f"timelines, events and logs are in {save}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
