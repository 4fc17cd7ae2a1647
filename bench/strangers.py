"""Measure what messages to thousands of domains do to local ones: `python -m bench.strangers [--help]`.

Twenty users of a server talk, 200 messages a second in all, from a process of their own. Then another user sends one
message to each of many domains, all at once. The nameserver (see `bench.domains`) takes its time, and never answers for
some; where a domain is found, nobody listens, so that every message comes back as an error, sooner or later.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from bench.client import logged_in
from bench.domains import nameserver
from bench.process import cpu_seconds
from bench.servers import CPUS, Xmppd
from bench.talk import Talk
from bench.workloads import BODY, counter
from tests.interop.server import free_port

TALKING = 20
QUIET = 5.0  # seconds before it begins


class WithServers(Xmppd):
    """This checkout, talking with other servers.

    :ivar nameserver: "IP:PORT".
    """

    nameserver = "127.0.0.1:53"

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "xmppd.toml")
        port = f's2s = ["tcp:{free_port()}:interface=127.0.0.1"]'
        text = config.read_text("utf-8").replace("[listen]\n", f"[listen]\n{port}\n")
        config.write_text(f'{text}\n[s2s]\nnameservers = ["{self.nameserver}"]\n', "utf-8")


def shown(latencies: list[float], name: str) -> str:
    """Return a line of the table."""
    half, most = (latencies[min(len(latencies) - 1, len(latencies) * share // 100)] * 1e3 for share in (50, 99))
    return f"{name:32}{half:9.2f} {most:9.2f} {latencies[-1] * 1e3:9.2f} ms"


async def measure(server: Xmppd, options: argparse.Namespace) -> None:
    """Send to all domains while others talk, and print what it did to them."""
    back = 0
    all_back = asyncio.get_running_loop().create_future()

    def came(number: int) -> None:
        nonlocal back
        back += number
        if back >= options.domains and not all_back.done():
            all_back.set_result(None)

    async with Talk(server.port, TALKING, tls=False) as talking:
        sender = await logged_in(server.port, f"u{TALKING}", None)
        sender.received = counter(b"</error>", came)
        await asyncio.sleep(QUIET)
        cpu, began = cpu_seconds(server.pid), time.perf_counter()
        for number in range(options.domains):
            sender.write(f"<message to='juliet@d{number}.example' id='m{number}'>{BODY}</message>".encode())
        with suppress(TimeoutError):
            await asyncio.wait_for(all_back, options.patience)
        ended = time.perf_counter()
        cpu = cpu_seconds(server.pid) - cpu
        await sender.leave()
    print(f"{'local messages took':32}{'p50':>9} {'p99':>9} {'most':>9}")
    print(shown(talking.latencies(began - QUIET, began), "before"))
    print(shown(talking.latencies(began, ended), f"while {options.domains} domains are tried"))
    print(
        f"{back} of {options.domains} messages came back within {ended - began:.1f} s; {cpu:.1f} s of CPU, all included"
    )


def run(server: Xmppd, options: argparse.Namespace) -> None:
    """Start the server, measure, stop it."""
    try:
        server.fresh(archive=False)
        try:
            if len(CPUS) > 1:
                os.sched_setaffinity(0, set(CPUS[1:]))
            asyncio.run(measure(server, options))
        finally:
            server.stop()
    finally:
        server.remove()


def main() -> None:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(prog="bench.strangers", description=__doc__)
    parser.add_argument("--domains", type=int, default=5000, help="that messages are sent to (5000)")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds until the nameserver answers (0.5)")
    parser.add_argument("--silent", type=int, default=10, help="every how manyth domain gets no answer (10; 0: none)")
    parser.add_argument("--patience", type=float, default=100.0, help="seconds until it ends anyway (100)")
    options = parser.parse_args()
    child, address = nameserver(options.delay, options.silent)
    WithServers.nameserver = address
    try:
        run(WithServers(TALKING + 1), options)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
