"""What a message to or from an external component costs, beside one from a client to a client.

`python -m bench.components [--help]`. All in the same run, with the same 450-byte message, in closed loops; CPU is the
server's, for each stanza that it has taken and passed on.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import statistics
from pathlib import Path

from bench.client import DOMAIN, Session, log_in_all
from bench.servers import CPUS, Xmppd
from bench.workloads import BODY, Load, Meter, Result, chat, counter, drop
from tests.interop.server import free_port

COMPONENT = f"echo.{DOMAIN}"
SECRET = "secret"
_HEADER = (
    f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{COMPONENT}'>"
).encode()


class WithComponent(Xmppd):
    """This checkout, with a port for components."""

    component_port = 0

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        self.component_port = self.component_port or free_port()
        config = Path(self.run / "xmppd.toml")
        port = f'component = ["tcp:{self.component_port}:interface=127.0.0.1"]'
        text = config.read_text("utf-8").replace("[listen]\n", f"[listen]\n{port}\n")
        config.write_text(f'{text}\n[components."{COMPONENT}"]\nsecret = "{SECRET}"\n', "utf-8")


async def component(port: int) -> Session:
    """Return a component that has authenticated."""
    loop = asyncio.get_running_loop()
    _, session = await loop.create_connection(Session, "127.0.0.1", port)
    header = await session.ask(_HEADER, b">")
    while b"id='" not in header:
        header += await session.ask(b" ", b">")
    number = header.partition(b"id='")[2].partition(b"'")[0].decode()
    proof = hashlib.sha1((number + SECRET).encode(), usedforsecurity=False).hexdigest()
    await session.ask(f"<handshake>{proof}</handshake>".encode(), b"<handshake/>")
    return session


async def to_component(load: Load, gateway: Session) -> Result:
    """Everybody sends to the component, `window` messages in flight each; the component says nothing."""
    sessions = await log_in_all(load.port, load.users, None)
    meter = Meter()
    message = f"<message to='{COMPONENT}' type='chat' id='m'>{BODY}</message>".encode()
    credit = 0

    def counted(number: int) -> None:
        nonlocal credit
        meter.operations += number
        credit += number
        while credit:  # whoever's turn it is
            credit -= 1
            sessions[(meter.operations + credit) % len(sessions)].write(message)

    gateway.received = counter(b"</message>", counted)
    for session in sessions:
        session.write(message * load.window)
    result = await meter.measure(load)
    gateway.received = lambda _data: None
    drop(sessions)
    return result


async def from_component(load: Load, gateway: Session) -> Result:
    """The component sends to everybody, `window` messages in flight to each."""
    sessions = await log_in_all(load.port, load.users, None)
    meter = Meter()
    for session in sessions:
        text = f"<message from='u@{COMPONENT}' to='{session.jid}' type='chat' id='m'>{BODY}</message>"

        def counted(number: int, message: bytes = text.encode()) -> None:
            meter.operations += number
            gateway.write(message * number)

        session.received = counter(b"</message>", counted)
        gateway.write(text.encode() * load.window)
    result = await meter.measure(load)
    drop(sessions)
    return result


async def _once(way: str, server: WithComponent, options: argparse.Namespace) -> Result:
    load = Load(
        server.port, server.pid, options.connections, options.window, 0, options.seconds, 1.5, False, 0, 0
    )  # fmt: skip
    if way == "client to client":
        return await chat(load)
    gateway = await component(server.component_port)
    return await (to_component if way == "client to component" else from_component)(load, gateway)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.components", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--window", type=int, default=4)
    parser.add_argument("--connections", type=int, default=100)
    options = parser.parse_args()
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    server = WithComponent(options.connections)
    ways = ("client to client", "client to component", "component to client")
    found: dict[str, list[float]] = {way: [] for way in ways}
    try:
        for _ in range(options.repeat):
            for way in ways:
                server.fresh(archive=False)
                try:
                    result = asyncio.run(_once(way, server, options))
                finally:
                    server.stop()
                found[way].append(result.cpu_us)
                print(f"{way:22}{result.per_second:9.0f}/s {result.cpu_us:8.1f} µs", flush=True)
    finally:
        server.remove()
    usual = statistics.median(found[ways[0]])
    for way, costs in found.items():
        median = statistics.median(costs)
        print(f"median: {way:22}{median:8.1f} µs, {median / usual:.2f} of client to client")


if __name__ == "__main__":
    main()
