"""What rooms cost (XEP-0045): `python -m bench.rooms [--help]`.

What can be measured:

  delivery  a message in a room, for each occupant who gets it. A few send, one message in flight each
  join      the room is filled, then some more enter it one by one: CPU of each presence, and of each join, all included
  idle      rooms with one silent occupant each, and then rooms that nobody is in: memory of each, and CPU

CPU is user and system time of the server, from /proc: throughput says little on a machine that others use as well.
Rivals that are installed are measured in the same run, the servers in turn, and repetitions in between. What their
archives promise is less: ours has a message on disk, with fsync, before anybody gets it; Prosody appends to files, and
ejabberd's Mnesia writes later, both without. Where archives are off, ours still has the room's discussion history on
disk; theirs is in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import statistics
import sys
from pathlib import Path

from bench.occupants import SERVICE, Crowd, Figure, delivery, flood, idle
from bench.servers import CPUS, Ejabberd, Measured, Prosody, Xmppd

WAYS = ("", "-tls", "-sm", "-archive", "-archive-sm")
_MANY = 20_000  # occupants, more than any room has here
_UNLIMITED = 1_000_000_000
_UNLOADED = 10  # seconds


class XmppdRooms(Xmppd):
    """Ours, with the archive of rooms and of users, or without both, and without limits on entering and speaking."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "xmppd.toml")
        rooms = f"""\
[hosts.localhost.muc]
max_occupants = {_MANY}
idle_seconds = {_UNLOADED}
max_owned = {_MANY}
joins_per_minute = {_UNLIMITED}
join_presence_per_second = {_UNLIMITED}
deliveries_per_second = {_UNLIMITED}

[hosts.localhost.muc.defaults]
archive = {str(archive).lower()}
"""
        config.write_text(f"{config.read_text('utf-8')}\n{rooms}", "utf-8")


class ProsodyRooms(Prosody):
    """Prosody's, with mod_muc_mam for the archive."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "prosody.cfg.lua")
        archived = 'modules_enabled = { "muc_mam" }\nmuc_log_by_default = true\n' if archive else ""
        rooms = f'Component "{SERVICE}" "muc"\nrestrict_room_creation = false\n{archived}'
        config.write_text(config.read_text("utf-8") + rooms, "utf-8")


class EjabberdRooms(Ejabberd):
    """ejabberd's, with mod_mam for the archive."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "ejabberd.yml")
        room = f"max_users: {_MANY}, default_room_options: {{mam: {str(archive).lower()}, max_users: {_MANY}}}"
        rooms = f"  mod_muc: {{host: {SERVICE}, access_create: all, access_persistent: all, {room}}}\n"
        config.write_text(config.read_text("utf-8") + rooms, "utf-8")


SERVERS: dict[str, type[Measured]] = {kind.name: kind for kind in (XmppdRooms, ProsodyRooms, EjabberdRooms)}


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.rooms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=f"delivery and join, unless said; delivery with {', '.join(WAYS[1:])}")
    available = [name for name, kind in SERVERS.items() if kind.installed()]
    parser.add_argument("--servers", default=",".join(available), help="names, with commas between (those installed)")
    parser.add_argument("--occupants", type=int, help="of the room (delivery 200, join 1000)")
    parser.add_argument("--senders", type=int, default=5, help="who send messages (5)")
    parser.add_argument("--rooms", type=int, default=10_000, help="for idle (10000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each run (5)")
    parser.add_argument("--warmup", type=float, default=2.0, help="seconds before them (2)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the table has the medians (1)")
    options = parser.parse_args()
    options.what = options.what or [*("delivery" + way for way in WAYS), "join"]
    known = {*("delivery" + way for way in WAYS), "join", "idle"}
    if wrong := set(options.what) - known:
        parser.error(f"no such thing: {', '.join(wrong)}; there is {', '.join(sorted(known))}")
    options.servers = options.servers.split(",")
    if any(name not in SERVERS for name in options.servers):
        parser.error(f"servers are {', '.join(SERVERS)}")
    return options


def occupants_for(what: str, options: argparse.Namespace) -> int:
    """Return how many there are in the room."""
    number: int = options.occupants or (1000 if what == "join" else 200)
    return number


def one_run(server: Measured, what: str, options: argparse.Namespace) -> dict[str, Figure]:
    """Start the server, measure, stop it."""
    server.fresh("archive" in what)
    try:
        crowd = Crowd(
            server.port, server.pid, occupants_for(what, options), options.senders, options.seconds, options.warmup,
            "tls" in what, "sm" in what,
        )  # fmt: skip
        if what == "join":
            filling, joining = asyncio.run(flood(crowd))
            return {"presence": filling, "join": joining}
        if what == "idle":
            silent, empty = asyncio.run(idle(crowd, options.rooms, _UNLOADED + 60))
            return {"silent room": silent, "empty room": empty}
        return {what: asyncio.run(delivery(crowd))}
    finally:
        server.stop()


def show(runs: dict[str, list[dict[str, Figure]]]) -> None:
    """Print the medians of each server, and ours as a share of the best rival's."""
    for what in next(iter(runs.values()))[0]:
        costs = {name: statistics.median(run[what].cost for run in each) for name, each in runs.items()}
        rivals = [cost for name, cost in costs.items() if name != "xmppd"]
        for name, each in runs.items():
            figure = sorted((run[what] for run in each), key=lambda figure: figure.cost)[len(each) // 2]
            share = f"  {costs[name] / min(rivals):.2f} of the best" if name == "xmppd" and rivals else ""
            print(f"{what:20}{name:10}{costs[name]:9.2f} {figure.unit:4}{figure.rest}{share}", flush=True)


def main() -> int:
    """Measure everything and print the table."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the servers are to be stopped
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    users = max(occupants_for(what, options) for what in options.what) + 20
    servers: list[Measured] = []
    try:
        for name in options.servers:
            print(f"preparing {users} users for {name}", flush=True)
            servers.append(SERVERS[name](users))
        for what in options.what:
            runs: dict[str, list[dict[str, Figure]]] = {server.name: [] for server in servers}
            for _ in range(options.repeat):
                for server in servers:
                    runs[server.name].append(one_run(server, what, options))
            show(runs)
    finally:
        for server in servers:
            server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
