"""What the web door costs: `python -m bench.web [--help]`.

What can be measured:

  chat     a message between two users, over TCP and over WebSocket, both in the clear and with TLS
  archive  the same, with the messages of both sides archived
  bosh     an HTTP request of a BOSH session with two connections, in the clear and with TLS
  idle     sessions in which nothing happens, over BOSH with a request held and over WebSocket: memory of each, and CPU
  upload   a file sent and fetched (XEP-0363): CPU for each megabyte, memory, and what users who talk feel of it
  page     a small page, again and again (ours alone)

CPU is user and system time of the server, from /proc. For chat, archive, bosh and page all servers are up, and
everybody is logged in, while the loads take turns in short slices; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
from collections.abc import Sequence

from bench.doors import SERVERS, Doored
from bench.doorways import Chat, Page, Polls
from bench.lanes import Lane, against, in_turn, line
from bench.servers import CPUS
from bench.silence import KINDS, idle
from bench.transfer import upload

MODES = ("chat", "archive", "bosh", "page", "idle", "upload")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="bench.web", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=f"from {', '.join(MODES)} (all)")
    available = [name for name, kind in SERVERS.items() if kind.installed()]
    parser.add_argument("--servers", default=",".join(available), help="names, with commas between (those installed)")
    parser.add_argument("--plain", action="store_true", help="nothing with TLS, where loads take turns")
    parser.add_argument("--users", type=int, default=100, help="of each load but idle (100)")
    parser.add_argument("--window", type=int, default=4, help="messages in flight from each user, for chat (4)")
    parser.add_argument("--rounds", type=int, default=7, help="of slices; runs of upload (7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="measured in each slice (2)")
    parser.add_argument("--warmup", type=float, default=0.5, help="seconds before them (0.5)")
    parser.add_argument("--sessions", type=int, default=10_000, help="for idle (10000)")
    parser.add_argument("--wait", type=int, default=60, help="seconds a request may be held, for idle (60)")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"for idle, from {','.join(KINDS)} (all)")
    parser.add_argument("--megabytes", type=int, default=100, help="of the file for upload (100)")
    options = parser.parse_args()
    options.what = options.what or list(MODES)
    if wrong := set(options.what) - set(MODES):
        parser.error(f"no such thing: {', '.join(wrong)}; there is {', '.join(MODES)}")
    options.servers = options.servers.split(",")
    if any(name not in SERVERS for name in options.servers):
        parser.error(f"servers are {', '.join(SERVERS)}")
    options.kinds = options.kinds.split(",")
    if any(kind not in KINDS for kind in options.kinds):
        parser.error(f"kinds are {', '.join(KINDS)}")
    return options


def users_for(what: str, options: argparse.Namespace) -> int:
    """Return how many accounts a mode needs."""
    number: int = {"chat": 4 * options.users, "archive": 4 * options.users, "bosh": 2 * options.users}.get(what, 30)
    return options.sessions if what == "idle" else number


def lanes_for(what: str, servers: Sequence[Doored], options: argparse.Namespace) -> list[Lane]:
    """Return the loads of a mode, in the order of their turns. Each has users of its own."""
    lanes = []

    def users(number: int) -> list[str]:
        return [f"u{user}" for user in range(number * options.users, (number + 1) * options.users)]

    for server in servers:
        if what == "page":
            if server.name == "xmppd":
                pages = ((tls, Page(server, "/health", options.users // 5, tls)) for tls in (False, True))
                lanes += [Lane("page-tls" if tls else "page", server.name, server.pid, page) for tls, page in pages]
        elif what == "bosh":
            for number, tls in enumerate((False, True)):
                polls = Polls(server, users(number), tls)
                lanes.append(Lane("bosh-tls" if tls else "bosh", server.name, server.pid, polls))
        else:
            for number, name in enumerate(("tcp", "ws", "tcp-tls", "ws-tls")):
                over, tls = name.removesuffix("-tls"), name.endswith("-tls")
                chat = Chat(server, users(number), options.window, over, tls)
                lanes.append(Lane(f"{what} {name}", server.name, server.pid, chat))
    return [lane for lane in lanes if not (options.plain and lane.name.endswith("-tls"))]


def show(lanes: Sequence[Lane]) -> None:
    """Print the table, and the shares that matter: ours of the rivals', and WebSocket of TCP."""
    for lane in sorted(lanes, key=lambda lane: lane.name.removesuffix("-tls")):
        shares = []
        for other in lanes:
            ours = lane.server == "xmppd" and other.name == lane.name and other is not lane
            web = other.server == lane.server and other.name == lane.name.replace(" ws", " tcp") != lane.name
            if ours or web:
                median, low, high = against(lane, other)
                shares.append(f"{median:.2f} ({low:.2f} to {high:.2f}) of {other.name if web else other.server}")
        print(line(lane) + "".join(f"; {share}" for share in shares), flush=True)


def take_turns(what: str, servers: Sequence[Doored], options: argparse.Namespace) -> None:
    """Start all servers, measure, stop them."""
    try:
        for server in servers:
            server.fresh(what == "archive")
        lanes = lanes_for(what, servers, options)
        asyncio.run(in_turn(lanes, options.rounds, options.warmup, options.seconds))
        show(lanes)
    finally:
        for server in servers:
            if server.process is not None:
                server.stop()


def measure(what: str, servers: Sequence[Doored], options: argparse.Namespace) -> None:
    """Measure one mode, and print what comes of it."""
    if what == "idle":
        for kind in options.kinds:
            for server in servers:
                server.fresh(False)
                try:
                    asyncio.run(idle(server, kind, options.sessions, options.wait))
                finally:
                    server.stop()
    elif what == "upload":
        upload(servers, options.megabytes, options.rounds)
    else:
        take_turns(what, servers, options)


def main() -> int:
    """Measure everything."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the servers are to be stopped
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    users = max(users_for(what, options) for what in options.what)
    servers: list[Doored] = []
    try:
        for name in options.servers:
            print(f"preparing {users} users for {name}", flush=True)
            servers.append(SERVERS[name](users))
        for what in options.what:
            measure(what, servers, options)
    finally:
        for server in servers:
            server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
