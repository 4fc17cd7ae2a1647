"""Break a server on purpose while clients talk, and prove what they were promised: `make faults FAULTS="..."`.

A round starts a fresh server process, connects clients (XEP-0198 with resumption, carbons, the archive) through a
network that can be broken, and lets them write to each other. Meanwhile the server is killed, stopped, paused, its
disk is filled, its database restarted; connections are reset, closed, cut inside a stanza, frozen, slowed down;
devices go away and come back. Then everything is mended, and for every message whose sender got an ack it is checked
that each device has it exactly once and in order, and both archives exactly once. Some sit in rooms, and these are
checked as well: what was said, who is there, whom everybody sees. Every violation is saved with its timeline. The exit
status is 0 if there was none, 1 if there was, 2 if it could not be found out.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults import checker, plan, report
from tests.faults.game import play
from tests.faults.network import __main__ as network
from tests.faults.report import Result
from tests.faults.rooms import checker as rooms
from tests.faults.round import Shape
from tests.faults.servers import HOUR, SERVERS
from tests.faults.storage import have_disk
from tests.faults.uploads import __main__ as uploads

EXAMPLES = """\
examples:
  make faults                                        20 kills, and cuts, in 2 rounds
  make faults FAULTS="--kills 200"                   the long one, half an hour
  make faults FAULTS="--kills 20 --server prosody"   the same on another server
  make faults FAULTS="--kills 5 --database postgres --databases 5"
  make faults FAULTS="--kills 0 --disks 3 --pauses 3 --cuts 40"
  make faults FAULTS="--web 8 --kills 20"            with devices that come over WebSocket and BOSH
  make faults FAULTS="--uploads --help"              files that are uploaded
  make faults FAULTS="--network --help"              two servers that federate, and the network between them
  make faults FAULTS="--seed 17 --round 4 ..."       one round again; its faults are the same, its timing is not
"""


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        epilog=EXAMPLES + "faults:\n" + "".join(f"  {kind:10}{text}\n" for kind, text in plan.EXPLAINED.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--server", choices=list(SERVERS), default="xmppd", help="which one to break (xmppd)")
    parser.add_argument("--database", choices=("sqlite", "postgres", "own"), default="sqlite", help="(sqlite)")
    parser.add_argument("--seed", default="1", help="of all that is drawn (1)")
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs in total (20)")
    parser.add_argument(
        "--blocked", type=float, default=0.4, help="the share of kills while the database can't be written (0.4)"
    )
    parser.add_argument("--stops", type=int, default=2, help="SIGTERMs in total (2)")
    parser.add_argument("--pauses", type=int, default=2, help="SIGSTOPs in total (2)")
    parser.add_argument("--locks", type=int, default=2, help="locked databases in total (2)")
    parser.add_argument("--disks", type=int, default=0, help="full disks in total; needs root (0)")
    parser.add_argument("--databases", type=int, default=0, help="restarts of PostgreSQL in total (0)")
    parser.add_argument("--cuts", type=int, default=200, help="faults of devices and their connections in total (200)")
    parser.add_argument("--kinds", default=",".join(plan.DEVICE_FAULTS), help="of these kinds (all)")
    parser.add_argument("--rounds", type=int, help="in how many rounds (one for 10 faults of the server)")
    parser.add_argument("--round", type=int, help="play this one only")
    parser.add_argument("--clients", type=int, default=24, help="devices, on half as many accounts (24)")
    parser.add_argument("--slixmpp", type=float, default=0.2, help="the share of devices made of slixmpp (0.2)")
    parser.add_argument("--rate", type=float, default=80, help="messages a second from all together (80)")
    parser.add_argument(
        "--rooms", type=int, help="rooms in which half of the devices sit, and others come and go (2; xmppd only)"
    )
    parser.add_argument(
        "--web", type=int, default=0, help="how many of the devices come over WebSocket and BOSH (0; xmppd only)"
    )
    parser.add_argument("--hibernation", type=int, default=HOUR, help="seconds sessions wait to be resumed (3600)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--save", type=Path, help="where violations are kept (a new temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep all about rounds without violations, too")
    options = parser.parse_args()
    _verify(parser, options)
    return options


def _verify(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    kind = SERVERS[options.server]
    options.kinds = [name for name in options.kinds.split(",") if name]
    wrong = [name for name in options.kinds if name not in plan.DEVICE_FAULTS]
    if wrong:
        parser.error(f"no such kinds: {', '.join(wrong)}; there are {', '.join(plan.DEVICE_FAULTS)}")
    if not kind.installed():
        parser.error(f"{options.server} is not installed")
    if options.database not in kind.databases:
        parser.error(f"{options.server} is run with {' or '.join(kind.databases)}")
    if options.databases and options.database != "postgres":
        parser.error("--databases needs --database postgres")
    if options.disks and (not have_disk() or options.database != "sqlite"):
        parser.error("--disks needs root (to mount a small disk) and SQLite")
    options.rooms = (2 if kind.rooms else 0) if options.rooms is None else options.rooms
    if options.rooms and not kind.rooms:
        parser.error(f"{options.server} is run without rooms")
    if options.web and not kind.web:
        parser.error(f"{options.server} is run without WebSocket and BOSH")
    total = options.kills + options.stops + options.pauses + options.locks + options.disks + options.databases
    options.rounds = options.rounds or max(1, round(total / 10))


def share(total: int, rounds: int, number: int) -> int:
    """Return how much of `total` falls on round `number`, counted from 0."""
    return total * (number + 1) // rounds - total * number // rounds


def counts(options: argparse.Namespace, number: int) -> dict[str, int]:
    """Return how many faults of each kind round `number` has."""
    totals = {
        plan.KILL: options.kills,
        plan.STOP: options.stops,
        plan.PAUSE: options.pauses,
        plan.LOCK: options.locks,
        plan.DISK: options.disks,
        plan.DATABASE: options.databases,
        "cuts": options.cuts,
    }
    return {kind: share(total, options.rounds, number) for kind, total in totals.items()}


def one(options: argparse.Namespace, number: int) -> Result:
    """Play round `number`, counted from 0, and return its figures."""
    seed = f"{options.seed}.{number + 1}"
    faults = plan.draw(seed, counts(options, number), options.clients, options.kinds)
    shape = Shape(options.clients, options.slixmpp, options.rate, seed, options.blocked, options.rooms, options.web)
    began = time.monotonic()
    folder = options.save / f"{options.server}-{seed}"
    played = play(options.server, options.database, shape, faults, folder, options.hibernation, options.keep)
    return Result(
        number + 1,
        seed,
        round(time.monotonic() - began, 1),
        played.kills,
        len(faults.devices),
        dict(checker.count(played.history) + rooms.count(played.history)),
        dict(Counter(violation.kind.value for violation in played.violations)),
    )


def main() -> int:
    """Play all rounds."""
    options = arguments()
    for name in ("slixmpp", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they complain of every fault
    options.save = options.save or Path(tempfile.mkdtemp(prefix="xmppd-faults-"))
    chosen = range(options.rounds) if options.round is None else [options.round - 1]
    print(
        f"{options.server} with {options.database}, seed {options.seed}, "
        f"{options.clients} devices, {options.rounds} rounds"
    )
    print(report.HEADER, flush=True)
    results: list[Result] = []
    kills = other = 0
    for number in chosen:
        result = one(options, number)
        results.append(result)
        kills += result.kills
        other += sum(counts(options, number)[kind] for kind in plan.SERVER_FAULTS if kind != plan.KILL)
        print(report.line(result, kills, other), flush=True)
    print(f"\n{report.table(results)}")
    if options.json:
        told = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        options.json.write_text(report.as_json(results, told))
    bad = sum(result.bad for result in results)
    if bad:
        print(f"\n{bad} violations; timelines, events and the server's log are in {options.save}")
    else:
        print("\nno violations")
    return 1 if bad else 0


if __name__ == "__main__":
    if "--network" in sys.argv:
        sys.exit(network.main())
    sys.exit(uploads.main() if "--uploads" in sys.argv else main())
