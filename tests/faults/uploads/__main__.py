"""Upload files to a server that is killed, over connections that are cut: `make faults FAULTS="--uploads ..."`.

People ask for slots over TCP, WebSocket and BOSH, and put files there, in clear text and over TLS. Connections are
reset, closed, cut, frozen in the middle of a file, or when all of it is there and no answer has come; the server is
killed at any time, when a file was sent, right after it has said 201; it is stopped, paused, its database locked, its
disk full. Then it is started again: what was answered with 201 has to be there, to the octet; what was not is there
whole, or it isn't; and nothing is left in the folder, or held of a quota, that belongs to no file. The exit status is 0
if nothing is wrong, 1 if something is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import plan as single
from tests.faults.servers import Xmppd
from tests.faults.storage import have_disk
from tests.faults.uploads.plan import kills
from tests.faults.uploads.round import SETTINGS, Round, Shape


def shape_of(seed: str, people: int, counts: dict[str, int]) -> Shape:
    """Draw a round.

    :param counts: how many faults of each kind befall the server.
    """
    drawn = single.draw(seed, counts, people, gap=(0.4, 2.0)).server
    chance = random.Random(seed)
    faults = [single.Fault(fault.gap, fault.kind, min(fault.seconds, 3.0), way=fault.way) for fault in drawn]
    chance.shuffle(faults)
    return Shape(people, seed, tuple(faults), tuple(kills(seed, counts.get(single.KILL, 0))))


def play(shape: Shape, save: Path, keep: bool = False) -> Round:
    """Play a round. If anything is wrong, or with `keep`, `save` is made and holds what is known about it."""
    disk = any(fault.kind == single.DISK for fault in shape.faults)
    server = Xmppd(disk, settings=SETTINGS, disk_mebibytes=512)
    try:
        server.add_users([f"u{number}" for number in range(shape.people)])
        return asyncio.run(_play(server, shape, save, keep))
    finally:
        server.clean()


async def _play(server: Xmppd, shape: Shape, save: Path, keep: bool) -> Round:
    game = Round(server, shape)
    try:
        await game.run()
    except RuntimeError as error:
        game.wrong(str(error))
    for part in server.log.read_text("utf-8", "replace").split("Traceback (most recent call last)")[1:]:
        game.wrong(f"in the server's log: {part[:2000]}")
    if game.violations or keep:
        game.save(save)
    return game


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults --uploads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--uploads", action="store_true", help="files: what this page is about")
    parser.add_argument("--seed", default="1", help="of all that is drawn (1)")
    parser.add_argument("--rounds", type=int, default=2, help="(2)")
    parser.add_argument("--round", type=int, help="play this one only")
    parser.add_argument("--people", type=int, default=6, help="who upload, one file after the other (6)")
    for name, number, text in (
        ("kills", 8, "SIGKILLs"), ("stops", 1, "SIGTERMs"), ("pauses", 1, "SIGSTOPs"), ("locks", 1, "locked databases"),
        ("disks", 0, "full disks; needs root"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=number, help=f"{text}, in each round ({number})")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--save", type=Path, help="where violations are kept (a new temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep all about rounds without violations, too")
    options = parser.parse_args()
    if options.disks and not have_disk():
        parser.error("--disks needs root, to mount a small disk")
    return options


def main() -> int:
    """Play all rounds."""
    options = arguments()
    save = options.save or Path(tempfile.mkdtemp(prefix="xmppd-uploads-"))
    counts = {
        single.KILL: options.kills, single.STOP: options.stops, single.PAUSE: options.pauses,
        single.LOCK: options.locks, single.DISK: options.disks,
    }  # fmt: skip
    total: Counter[str] = Counter()
    violations: list[str] = []
    for number in range(1, options.rounds + 1) if options.round is None else (options.round,):
        seed = f"{options.seed}.{number}"
        began = time.monotonic()
        game = play(shape_of(seed, options.people, counts), save / f"uploads-{seed}", options.keep)
        total.update(game.figures)
        violations += game.violations
        told = f"{game.figures['files asked for']} files, {game.figures['files that were promised']} promised"
        print(f"round {seed}: {told}, {len(game.violations)} violations, {time.monotonic() - began:.0f} s", flush=True)
    print("\n".join(f"{name:42}{total[name]:10}" for name in sorted(total)))
    print("\n".join(violations[:20]) or "no violations")
    if options.json:
        options.json.write_text(json.dumps({"figures": total, "violations": violations}, indent=1))
    if violations:
        print(f"{len(violations)} violations; events, files and logs are in {save}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
