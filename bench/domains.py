"""Measure what looking for thousands of domains does to everybody else: `python -m bench.domains [--help]`.

A nameserver in a process of its own takes its time for every answer, and never answers for some domains. All domains
are looked for at once, as after a start with many stanzas waiting; each leads to a port on loopback where nobody is.
Meanwhile a timer is due every five milliseconds: how late it comes is how late local traffic would be.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.names import dns

from bench.process import cpu_seconds
from xmppd.core.settings import S2s
from xmppd.net.s2s.dialer import Dialer
from xmppd.net.s2s.resolver import Resolver

_TICK = 0.005  # seconds
_HEADER = Struct("!6H")
_RECORD = Struct("!3HIH")  # a name pointing to the question's, type, class, time to live, length
_SRV = Struct("!3H")


def answer(question: bytes) -> bytes:
    """Return the answer to any question: one target for STARTTLS, none for direct TLS, 127.0.0.1, no IPv6."""
    end = question.index(b"\0", 12) + 1
    kind = int.from_bytes(question[end : end + 2], "big")
    record = b""
    if kind == dns.SRV and b"_xmpp-server" in question:
        domain = question.index(b"_tcp", 12) + 4
        payload = _SRV.pack(0, 0, 1) + b"\4xmpp" + question[domain:end]
        record = _RECORD.pack(0xC00C, kind, 1, 300, len(payload)) + payload
    elif kind == dns.A:
        record = _RECORD.pack(0xC00C, kind, 1, 300, 4) + b"\x7f\0\0\1"
    return question[:2] + b"\x81\x80\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0" + question[12:] + record


def serve(port: socket.socket, delay: float, silent: int) -> None:
    """Answer for ever, each question `delay` seconds after it came; none of every `silent`-th domain."""
    due: deque[tuple[float, bytes, Any]] = deque()
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else 1.0
        if select.select([port], [], [], wait)[0]:
            data, address = port.recvfrom(512)
            number = int("".join(filter(str.isdigit, data[12:].split(b"example")[0].decode("latin-1"))) or 1)
            if not silent or number % silent:
                due.append((time.monotonic() + delay, data, address))
        while due and due[0][0] <= time.monotonic():
            _, data, address = due.popleft()
            port.sendto(answer(data), address)


def nameserver(delay: float, silent: int) -> tuple[int, str]:
    """Start the nameserver; return its process and address."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 0))
    child = os.fork()
    if not child:
        serve(port, delay, silent)
    address = f"127.0.0.1:{port.getsockname()[1]}"
    port.close()
    return child, address


@dataclass
class Lateness:
    """How late a timer comes that is due all the time."""

    late: list[float] = field(default_factory=list)

    def begin(self, reactor: Any) -> LoopingCall:
        """Begin to measure."""
        self._last = reactor.seconds()
        call = LoopingCall(self._tick, reactor)
        call.start(_TICK)
        return call

    def _tick(self, reactor: Any) -> None:
        now = reactor.seconds()
        self.late.append(max(0.0, now - self._last - _TICK))
        self._last = now

    def line(self, name: str) -> str:
        """Return a line of the table."""
        late = sorted(self.late)
        half, most, worst = (late[min(len(late) - 1, len(late) * share // 1000)] * 1e3 for share in (500, 990, 1000))
        return f"{name:24}{half:9.2f} {most:9.2f} {worst:9.2f} ms"


async def measure(reactor: Any, options: argparse.Namespace, address: str) -> None:
    """Look for all domains and print what came of it."""
    settings = S2s.model_validate({"nameservers": [address], "dns_queries": options.queries})
    resolver = Resolver(reactor, settings)
    dialer = Dialer(reactor, resolver, settings)
    print(f"{'lateness of a timer':24}{'p50':>9} {'p99':>9} {'most':>9}")
    quiet, busy = Lateness(), Lateness()
    call = quiet.begin(reactor)
    await deferLater(reactor, 2.0)
    call.stop()
    print(quiet.line("nothing else to do"))

    def unused(_target: object) -> Any:
        raise AssertionError("nobody listens there")

    searches = [dialer.search(f"d{number}.example", unused) for number in range(options.domains)]
    before, started = cpu_seconds(os.getpid()), time.monotonic()
    call = busy.begin(reactor)
    results = []
    for search in searches:
        results.append(Deferred.fromCoroutine(search.next()))
        if len(results) % 50 == 0:
            await deferLater(reactor, 0)
    await gatherResults(results)
    call.stop()
    seconds, cpu = time.monotonic() - started, cpu_seconds(os.getpid()) - before
    print(busy.line(f"{options.domains} domains at once"))
    tried = sum(any("connection refused" in step for step in search.trail) for search in searches)
    print(
        f"{tried} of {options.domains} domains were found, the others given up, in {seconds:.1f} s and "
        f"{cpu:.1f} s of CPU: {cpu / options.domains * 1e3:.2f} ms a domain"
    )
    resolver.stop()
    await deferLater(reactor, 0.1)


def main() -> None:
    """Measure by the command line."""
    parser = argparse.ArgumentParser(prog="bench.domains", description=__doc__)
    parser.add_argument("--domains", type=int, default=5000, help="that are looked for at once (5000)")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds until the nameserver answers (0.5)")
    parser.add_argument("--silent", type=int, default=10, help="every how manyth domain gets no answer (10; 0: none)")
    parser.add_argument("--queries", type=int, default=100, help="questions on their way at a time (100)")
    options = parser.parse_args()
    child, address = nameserver(options.delay, options.silent)
    try:
        react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options, address)))
    finally:
        sys.stdout.flush()
        os.kill(child, 9)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
