"""What a megabyte costs that passes through the SOCKS5 proxy (XEP-0065): `python -m bench.bytestreams`.

Requesters and targets are threads of this process with plain sockets, on another CPU than the server. `fast` is one
stream that carries as much as it can, `many` twenty of them, `slow` twenty streams that each get 8 KiB a hundred times
a second: what arrives from people's connections arrives in small pieces.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.client import logged_in
from bench.process import cpu_seconds
from bench.servers import CPUS, Ejabberd, Measured, Prosody, Xmppd
from tests.interop.server import free_port

MEBIBYTE = 1 << 20
PIECE = bytes(262_144)
SMALL = bytes(8_192)
PAUSE = 0.01
"""Seconds between small pieces."""
PROXY = "proxy.localhost"
NS = "http://jabber.org/protocol/bytestreams"


class Proxied(Measured):
    """A server with a proxy. :ivar proxy: its port."""

    def __init__(self, users: int) -> None:
        self.proxy = free_port()
        super().__init__(users)

    def append(self, name: str, text: str) -> None:
        """Add to a file of settings."""
        with Path(self.run / name).open("a", encoding="utf-8") as file:
            file.write(text)


class XmppdProxy(Proxied, Xmppd):
    """Ours."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "xmppd.toml")
        config.write_text(config.read_text("utf-8").replace('plugins = ["', 'plugins = ["bytestreams", "'), "utf-8")
        options = f'listen = ["tcp:{self.proxy}:interface=127.0.0.1"]\nstreams_per_account = 100\n'
        self.append("xmppd.toml", f"\n[hosts.localhost.bytestreams]\n{options}")


class ProsodyProxy(Proxied, Prosody):
    """Prosody's mod_proxy65."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        config = Path(self.run / "prosody.cfg.lua")
        ports = f'proxy65_ports = {{ {self.proxy} }}\nproxy65_interfaces = {{ "127.0.0.1" }}\n'
        text = config.read_text("utf-8").replace('VirtualHost "localhost"', f'{ports}VirtualHost "localhost"')
        config.write_text(f'{text}Component "{PROXY}" "proxy65"\n', "utf-8")


class EjabberdProxy(Proxied, Ejabberd):
    """ejabberd's mod_proxy65."""

    def configure(self, archive: bool) -> None:
        super().configure(archive)
        where = f'host: {PROXY}, ip: "127.0.0.1", port: {self.proxy}, hostname: "127.0.0.1"'
        self.append("ejabberd.yml", f"  mod_proxy65: {{{where}, access: all, max_connections: infinity}}\n")


SERVERS: dict[str, type[Proxied]] = {kind.name: kind for kind in (XmppdProxy, ProsodyProxy, EjabberdProxy)}


def enter(port: int, digest: str) -> socket.socket:
    """Connect to a proxy."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"\5\1\0")
    expect(client, b"\5\0")
    client.sendall(b"\5\1\0\3\x28" + digest.encode() + b"\0\0")
    expect(client, b"\5\0\0\3\x28" + digest.encode() + b"\0\0")
    return client


def expect(client: socket.socket, wanted: bytes) -> None:
    """Read an answer; ConnectionError if it is another."""
    got = b""
    while len(got) < len(wanted):
        piece = client.recv(len(wanted) - len(got))
        if not piece:
            break
        got += piece
    if got != wanted:
        raise ConnectionError(f"the proxy answered {got!r}, not {wanted!r}")


async def streams(server: Proxied, count: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return requester and target of so many active streams."""
    session = await logged_in(server.port, "u0", None)
    pairs = []
    for number in range(count):
        digest = hashlib.sha1(f"s{number}{session.jid}u1@localhost/b".encode()).hexdigest()
        target = await asyncio.to_thread(enter, server.proxy, digest)
        requester = await asyncio.to_thread(enter, server.proxy, digest)
        query = f"<query xmlns='{NS}' sid='s{number}'><activate>u1@localhost/b</activate></query>"
        iq = f"<iq type='set' id='a{number}' to='{PROXY}'>{query}</iq>"
        answer = await session.ask(iq.encode(), f"a{number}".encode())
        if b"error" in answer:
            raise ConnectionError(f"the stream was not activated: {answer!r}")
        pairs.append((requester, target))
    return pairs


class Flow:
    """What passes through streams, in threads. :ivar octets: how much has arrived."""

    def __init__(self, pairs: list[tuple[socket.socket, socket.socket]], send: Callable[[socket.socket], None]) -> None:
        self.octets = 0
        self._pairs = pairs
        for requester, target in pairs:
            for work, client in ((send, requester), (self._take, target)):
                threading.Thread(target=_until_closed, args=(work, client), daemon=True).start()

    def _take(self, client: socket.socket) -> None:
        buffer = bytearray(MEBIBYTE)
        while taken := client.recv_into(buffer):
            self.octets += taken

    def end(self) -> None:
        """Close all."""
        for pair in self._pairs:
            for client in pair:
                client.close()


def _until_closed(work: Callable[[socket.socket], None], client: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it was closed
        work(client)


def at_full_speed(client: socket.socket) -> None:
    """Send as much as the other side takes."""
    while True:
        client.sendall(PIECE)


def slowly(client: socket.socket) -> None:
    """Send small pieces."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    due = time.monotonic()
    while True:
        client.sendall(SMALL)
        due += PAUSE
        time.sleep(max(0.0, due - time.monotonic()))


MODES: dict[str, tuple[int, Callable[[socket.socket], None]]] = {
    "fast": (1, at_full_speed),
    "many": (20, at_full_speed),
    "slow": (20, slowly),
}


@dataclass
class Result:
    """What one run has cost."""

    per_second: float
    cpu_ms: float


def one_run(server: Proxied, mode: str, seconds: float) -> Result:
    """Start the server, let data flow, stop the server."""
    count, send = MODES[mode]
    server.fresh(archive=False)
    try:
        flow = Flow(asyncio.run(streams(server, count)), send)
        time.sleep(1)
        octets, cpu, began = flow.octets, cpu_seconds(server.pid), time.monotonic()
        time.sleep(seconds)
        mebibytes = (flow.octets - octets) / MEBIBYTE
        used, passed = cpu_seconds(server.pid) - cpu, time.monotonic() - began
        flow.end()
    finally:
        server.stop()
    return Result(mebibytes / passed, 1000 * used / mebibytes)


def main() -> int:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(prog="bench.bytestreams", description=__doc__)
    parser.add_argument("modes", nargs="*", default=list(MODES), help=f"from {', '.join(MODES)}")
    parser.add_argument("--servers", default=",".join(name for name, kind in SERVERS.items() if kind.installed()))
    parser.add_argument("--seconds", type=float, default=8.0, help="measured in each run (8)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the table has the medians (3)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    if len(CPUS) > 1:
        os.sched_setaffinity(0, set(CPUS[1:]))
    servers = [SERVERS[name](2) for name in options.servers.split(",")]
    try:
        print(f"{'mode':8}{'server':10}{'MiB/s':>10}{'CPU ms per MiB':>18}")
        for mode in options.modes:
            for server in servers:
                runs = [one_run(server, mode, options.seconds) for _ in range(options.repeat)]
                rate, cost = (
                    statistics.median(getattr(run, name) for run in runs) for name in ("per_second", "cpu_ms")
                )
                print(f"{mode:8}{server.name:10}{rate:10.1f}{cost:18.3f}", flush=True)
    finally:
        for server in servers:
            server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
