"""Measure a broadcast to everybody: `python -m bench.notifications [--help]`.

All devices are online, and confirm what they get with receipts (XEP-0184), as modern clients do. The server has one
CPU, all else the others, and both go before whatever else the machine has to do, if this process may say so. While the
notification is on its way, other users log in, one after the other; so they do before. Then the same once more, with
the server killed in the middle and started again: everybody comes back, and in the end every device must have the
notification, and the counters must say so.

With `--login` it is a log-in that is measured, with the plugin and without it, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.client import Session, connect, logged_in
from bench.process import cpu_seconds, resident_kib
from bench.servers import CPUS, Xmppd
from tests.interop.server import XMPPCTL

_MESSAGE = re.compile(rb"<message from='localhost'[^>]*? id='([0-9a-f]{32})'")
_PING = re.compile(rb"<iq from='localhost'[^>]*? id='([^']+)'[^>]*><ping")
_LOGGING_IN = 50
_PROBES = 200


class Quick(Xmppd):
    """This checkout, with passwords that are checked quickly: what logging in all devices costs is not measured here.

    :ivar plugins: besides the default ones.
    """

    plugins: tuple[str, ...] = ("-archive",)

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "xmppd.toml")
        text = config.read_text("utf-8").replace('["-archive"]', json.dumps(self.plugins))
        config.write_text(f"{text}\n[accounts]\nhash_iterations = 4096\n", "utf-8")

    def operation(self, *words: str) -> Any:
        """Run an operation by the command line, and return its result."""
        command = [*XMPPCTL, "-c", str(self.run / "xmppd.toml"), "--json", *words]
        done = subprocess.run(command, env=self.environment(), cwd=self.run, check=True, capture_output=True)
        return json.loads(done.stdout)

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Devices:
    """All devices. :ivar first, last: when a notification came first, and last; :ivar got: which have which."""

    def __init__(self) -> None:
        self.sessions: dict[int, Session] = {}
        self.got: dict[bytes, set[int]] = {}
        self.times = 0
        self.first = self.last = 0.0

    async def log_in(self, port: int, numbers: range) -> None:
        """Have users log in, who are to get everything."""
        gate = asyncio.Semaphore(_LOGGING_IN)

        async def one(number: int) -> None:
            async with gate:
                session = await logged_in(port, f"u{number}", None)
                session.received = lambda data: self._received(number, session, data)
                self.sessions[number] = session

        await asyncio.gather(*(one(number) for number in numbers))

    def _received(self, number: int, session: Session, data: bytes) -> None:
        answer = b""
        for id in _MESSAGE.findall(data):
            self.last = time.perf_counter()
            self.first = self.first or self.last
            self.times += 1
            self.got.setdefault(id, set()).add(number)
            answer += b"<message to='localhost'><received xmlns='urn:xmpp:receipts' id='%s'/></message>" % id
        for id in _PING.findall(data):
            answer += b"<iq type='result' to='localhost' id='%s'/>" % id
        if answer:
            session.write(answer)

    def cut(self) -> None:
        """All connections are gone."""
        for session in self.sessions.values():
            session.transport.abort()
        self.sessions.clear()


async def probe(port: int, users: range, latencies: list[float], go_on: asyncio.Event) -> None:
    """Have users log in, one after the other, as long as `go_on` is set."""
    while go_on.is_set():
        for number in users:
            if not go_on.is_set():
                return
            began = time.perf_counter()
            session = await connect(port)
            await session.login(f"u{number}", None)
            latencies.append(time.perf_counter() - began)
            await session.leave()
            await asyncio.sleep(0.01)


def shown(latencies: list[float], name: str) -> str:
    """Return a line of the table."""
    latencies = sorted(latencies)
    half, most = (latencies[min(len(latencies) - 1, len(latencies) * share // 100)] * 1e3 for share in (50, 99))
    return f"{name:44}{half:9.1f} {most:9.1f} {latencies[-1] * 1e3:9.1f} ms ({len(latencies)})"


async def until(devices: Devices, count: int, patience: float) -> None:
    """Wait until so many devices have the last notification."""
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        if devices.got and len(next(reversed(devices.got.values()))) >= count:
            return
        await asyncio.sleep(0.02)


async def settled(server: Quick, id: str, count: int) -> dict[str, Any]:
    """Wait until the counters say that all have it, or half a minute; return them."""
    for _ in range(60):
        found: dict[str, Any] = await asyncio.to_thread(server.operation, "notification", "show", id)
        if found["delivered"] == count:
            break
        await asyncio.sleep(0.5)
    return found


def check(found: dict[str, Any], devices: Devices, users: int) -> None:
    """Fail unless every device has the notification, and the counters say so."""
    states = ("queued", "sent", "reached", "delivered", "opened", "expired", "superseded", "cancelled", "failed")
    have = len(devices.got.get(found["id"].encode(), ()))
    if have != users or found["delivered"] != users or sum(found[name] for name in states) != found["recipients"]:
        raise SystemExit(f"{have} devices have it, and the counters say {found}")


def allow_files(count: int) -> None:
    """Allow this process and the server so many connections, as far as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(most, count), max(most, count)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def urgent(pid: int) -> None:
    """Have the server and its load go before others on the machine, if this process may say so."""
    with suppress(PermissionError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(thread), -10)
        os.setpriority(os.PRIO_PROCESS, 0, -10)


async def broadcast(server: Quick, options: argparse.Namespace) -> None:
    """Measure a broadcast, and what logging in takes before and meanwhile."""
    devices, online = Devices(), range(options.devices)
    probing = range(options.devices, options.devices + _PROBES)
    urgent(server.pid)
    began = time.perf_counter()
    await devices.log_in(server.port, online)
    print(f"{options.devices} devices have logged in within {time.perf_counter() - began:.1f} s, "
          f"{resident_kib(server.pid) / 1024:.0f} MiB")  # fmt: skip
    audience, before, meanwhile = "online", list[float](), list[float]()
    for turn in range(options.repeat):
        going = asyncio.Event()
        going.set()
        task = asyncio.ensure_future(probe(server.port, probing, before, going))
        await asyncio.sleep(3)
        going.clear()
        await task
        going.set()
        devices.first, devices.got = 0.0, {}
        sent = asyncio.ensure_future(
            asyncio.to_thread(server.operation, "notification", "send", audience, "Sale", "From 9 to 5.")
        )
        while not devices.first and not sent.done():
            await asyncio.sleep(0.001)
        cpu = cpu_seconds(server.pid)
        task = asyncio.ensure_future(probe(server.port, probing, meanwhile, going))
        await until(devices, options.devices, options.patience)
        took = devices.last - devices.first
        going.clear()
        await task
        found = await settled(server, (await sent)["id"], options.devices)
        check(found, devices, options.devices)
        cpu = (cpu_seconds(server.pid) - cpu) / options.devices * 1e6
        print(f"broadcast {turn + 1}: {options.devices / took:8.0f} notifications/s, all within {took:.2f} s; "
              f"{cpu:.0f} µs of CPU each, receipts and log-ins included")  # fmt: skip
    print(f"{'a log-in takes':44}{'p50':>9} {'p99':>9} {'most':>9}")
    print(shown(before, "before"))
    print(shown(meanwhile, "while the notification is sent"))
    devices.cut()


async def killed(server: Quick, options: argparse.Namespace) -> None:
    """Kill the server in the middle of a broadcast; everybody comes back."""
    devices, online = Devices(), range(options.devices)
    urgent(server.pid)
    await devices.log_in(server.port, online)
    words = ("online or seen<1d", "Sale", "From 9 to 5.", "--rate", str(options.devices / 5))
    sent = asyncio.ensure_future(asyncio.to_thread(server.operation, "notification", "send", *words))
    while sum(map(len, devices.got.values())) < options.devices * options.kill_at:
        await asyncio.sleep(0.005)
    id = (await sent)["id"]
    server.kill()
    there = sum(map(len, devices.got.values()))
    devices.cut()
    server.start()
    urgent(server.pid)
    began = time.perf_counter()
    await devices.log_in(server.port, online)
    back = time.perf_counter() - began
    await until(devices, options.devices, options.patience)
    found = await settled(server, id, options.devices)
    print(f"killed when {there} devices had it; all were back within {back:.1f} s, and had it after "
          f"{devices.last - began:.1f} s; it was sent {devices.times} times")  # fmt: skip
    check(found, devices, options.devices)
    devices.cut()


async def log_ins(port: int, count: int) -> None:
    """Log in and out, so many times, with presence."""
    for number in range(count):
        session = await logged_in(port, f"u{number}", None)
        await session.ask(b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", b"id='p'")
        await session.leave()


def login(options: argparse.Namespace) -> None:
    """Measure a log-in with the plugin and without it."""
    costs: dict[str, list[float]] = {"with notifications": [], "without": []}
    server = Quick(500)
    try:
        for _ in range(options.repeat):
            for name, plugins in zip(costs, (("-archive",), ("-archive", "-notifications")), strict=True):
                server.plugins = plugins
                server.fresh(archive=False)
                try:
                    asyncio.run(log_ins(server.port, 500))
                    cpu = cpu_seconds(server.pid)
                    asyncio.run(log_ins(server.port, 500))
                    asyncio.run(log_ins(server.port, 500))
                    costs[name].append((cpu_seconds(server.pid) - cpu) / 1000 * 1e6)
                finally:
                    server.stop()
    finally:
        server.remove()
    for name, values in costs.items():
        print(f"{name:20} {min(values):7.0f} µs of CPU a log-in (of {', '.join(f'{one:.0f}' for one in values)})")


def main() -> None:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(prog="bench.notifications", description=__doc__)
    parser.add_argument("--devices", type=int, default=20_000, help="that are online (20000)")
    parser.add_argument("--repeat", type=int, default=3, help="broadcasts (3)")
    parser.add_argument("--kill-at", type=float, default=0.5, help="share of the devices that have it then (0.5)")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds until a broadcast has failed (120)")
    parser.add_argument("--login", action="store_true", help="measure log-ins")
    options = parser.parse_args()
    if options.login:
        login(options)
        return
    allow_files(options.devices + 1000)
    server = Quick(options.devices + _PROBES)
    try:
        for what in (broadcast, killed):
            server.fresh(archive=False)
            try:
                if len(CPUS) > 1:
                    os.sched_setaffinity(0, set(CPUS[1:]))
                asyncio.run(what(server, options))
            finally:
                server.stop()
    finally:
        server.remove()


if __name__ == "__main__":
    main()
