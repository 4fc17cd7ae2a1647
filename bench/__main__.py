"""Measure the server, and its rivals where they are installed: `python -m bench [--help]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import signal
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

from bench.modes import DEFAULT, MODES, TLS, named
from bench.servers import CPUS, SERVERS, Measured
from bench.workloads import Load, Result


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "modes", nargs="*", default=[], metavar="MODE", help=f"from {', '.join(MODES)}, {TLS} behind it"
    )
    parser.add_argument("--servers", help="names, with commas between (xmppd and those installed)")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured in each run (5)")
    parser.add_argument("--warmup", type=float, default=1.5, help="seconds before them (1.5)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the table has the medians (1)")
    parser.add_argument("--window", type=int, default=4, help="requests in flight a user (4)")
    parser.add_argument("--contacts", type=int, default=20, help="contacts of each user for presence (20)")
    parser.add_argument("--messages", type=int, default=5000, help="in the archive for sync (5000)")
    parser.add_argument("--page", type=int, default=50, help="messages on a page for sync; Prosody gives no more (50)")
    parser.add_argument("--connections", type=int, help="users connected, whatever the mode")
    parser.add_argument("--json", type=Path, help="append one JSON object a run to this file")
    options = parser.parse_args()
    options.modes = options.modes or DEFAULT
    unknown = [mode for mode in options.modes if mode.removesuffix(TLS) not in MODES]
    if unknown:
        parser.error(f"no such mode: {', '.join(unknown)}")
    if options.servers is None:
        names = [name for name, kind in SERVERS.items() if kind.installed()]
    else:
        names = options.servers.split(",")
    if any(name not in SERVERS for name in names):
        parser.error(f"servers are {', '.join(SERVERS)}")
    options.servers = names
    return options


def connected(mode: str, options: argparse.Namespace) -> int:
    """Return how many users a mode needs."""
    number: int = options.connections or named(mode).users
    return number


def one_run(server: Measured, mode: str, options: argparse.Namespace) -> Result:
    """Start the server, drive the workload, stop the server."""
    server.fresh(named(mode).archive)
    try:
        load = Load(
            server.port,
            server.pid,
            connected(mode, options),
            options.window,
            options.contacts,
            options.seconds,
            options.warmup,
            mode.endswith(TLS),
            options.messages,
            options.page,
        )
        return asyncio.run(named(mode).drive(load))
    finally:
        server.stop()


def median(results: list[Result]) -> Result:
    """Return the medians of every figure."""
    rows = [asdict(result) for result in results]
    return Result(**{key: statistics.median(row[key] for row in rows) for key in rows[0]})


def line(mode: str, name: str, result: Result, rivals: list[Result]) -> str:
    """Return a line of the table; the ratio is to the best of `rivals`."""
    if result.kib:
        cost, best = result.kib, [rival.kib for rival in rivals]
        figures = f"{'':>9} {result.kib:9.1f} KiB/session{'':22}{result.server_percent:5.1f}%"
    else:
        cost, best = result.cpu_us, [rival.cpu_us for rival in rivals]
        figures = (
            f"{result.per_second:9.0f} {result.cpu_us:9.1f} µs  p50 {result.p50_ms:7.2f}  p99 {result.p99_ms:7.2f} ms  "
            f"{result.server_percent:5.1f}% {result.generator_percent:6.1f}%"
        )
    if result.last_ms:
        figures += f"  first pages {result.first_ms:.2f}, last {result.last_ms:.2f} ms"
    if result.quiet_ms:
        figures += f"  p99 without {result.quiet_ms:.2f} ms"
    ratio = f"  {cost / min(best):.2f} of the best" if best else ""
    return f"{mode:12}{name:10}{figures}{ratio}"


def main() -> int:
    """Run everything and print the table."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # the servers are to be stopped
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    users = max(connected(mode, options) for mode in options.modes)
    print(f"Python {platform.python_version()}, {len(CPUS)} CPUs; the server has one of them to itself", flush=True)
    servers: list[Measured] = []
    try:
        for name in options.servers:
            print(f"preparing {users} users for {name}", flush=True)
            servers.append(SERVERS[name](users))
        print(f"{'mode':12}{'server':10}{'ops/s':>9} {'CPU per op':>12}{'latency':>14}{'server':>18} {'generator':>9}")
        for mode in options.modes:
            done: dict[str, Result] = {}
            for server in servers:
                results = [one_run(server, mode, options) for _ in range(options.repeat)]
                if options.json:
                    with options.json.open("a") as file:
                        for result in results:
                            file.write(json.dumps({"server": server.name, "mode": mode, **asdict(result)}) + "\n")
                done[server.name] = median(results)
                if server.name != "xmppd":
                    print(line(mode, server.name, done[server.name], []), flush=True)
            if "xmppd" in done:
                rivals = [result for name, result in done.items() if name != "xmppd"]
                print(line(mode, "xmppd", done["xmppd"], rivals), flush=True)
    finally:
        for server in servers:
            server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
