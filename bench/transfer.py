"""Files sent and fetched over HTTP (XEP-0363), and what users who talk meanwhile feel of it: `bench.web upload`."""

from __future__ import annotations

import asyncio
import contextlib
import html
import http.client
import os
import re
import socket
import ssl
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.client import DOMAIN, Session, logged_in, trusting
from bench.doors import SERVICE, Doored
from bench.process import cpu_seconds, forget_peak, peak_kib, resident_kib
from bench.talk import Talk

_TALKERS = 20
_LONG_ENOUGH = 3.0
_MOST = {"put": 6, "get": 60}
"""How often a file is sent, and fetched, in a row, unless it has taken longer than that before."""
_QUIET = 5.0
_BLOCK = os.urandom(1 << 16)
_TYPE = "application/octet-stream"
_KINDS = ("put", "get", "put-tls", "get-tls")


@dataclass(frozen=True)
class Slot:
    """Where a file goes, with the header fields that the server wants, and where it is fetched."""

    put: str
    get: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Transfer:
    """What one kind of transfer has cost. Latencies in milliseconds; memory is the most there was, less that before."""

    cpu_ms: float
    megabytes_a_second: float
    p50: float
    p99: float
    quiet_p50: float
    quiet_p99: float
    grown_kib: float


async def slot(session: Session, size: int) -> Slot:
    """Ask for a slot; RuntimeError if there is none."""
    request = f"<request xmlns='urn:xmpp:http:upload:0' filename='a.bin' size='{size}' content-type='{_TYPE}'/>"
    session.received = None
    answer = (await session.ask(f"<iq type='get' to='{SERVICE}' id='slot'>{request}</iq>".encode(), b"</iq>")).decode()
    put, get = (re.search(rf"<{name}\b[^>]*\burl=['\"]([^'\"]+)", answer) for name in ("put", "get"))
    if put is None or get is None:
        raise RuntimeError(f"no slot: {answer}")
    fields = re.findall(r"<header name=['\"]([^'\"]+)['\"]>([^<]*)<", answer)
    return Slot(html.unescape(put[1]), html.unescape(get[1]), {name: html.unescape(value) for name, value in fields})


def _connection(port: int, context: ssl.SSLContext | None) -> http.client.HTTPConnection:
    plain = socket.create_connection(("127.0.0.1", port), 60)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = plain if context is None else context.wrap_socket(plain, server_hostname=DOMAIN)
    return connection


def put(port: int, context: ssl.SSLContext | None, where: Slot, size: int) -> None:
    """Send a file; RuntimeError if it is not taken."""
    connection = _connection(port, context)
    url = urlsplit(where.put)
    connection.putrequest("PUT", f"{url.path}?{url.query}" if url.query else url.path, skip_host=True)
    for name, value in {"Host": url.netloc, "Content-Type": _TYPE, "Content-Length": str(size), **where.fields}.items():
        connection.putheader(name, value)
    connection.endheaders()
    for _ in range(size // len(_BLOCK)):
        connection.send(_BLOCK)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status not in (200, 201):
        raise RuntimeError(f"not taken: {answer.status} {text[:300]!r}")


def get(port: int, context: ssl.SSLContext | None, where: Slot, size: int) -> None:
    """Fetch a file; RuntimeError if it isn't what was sent."""
    connection = _connection(port, context)
    url = urlsplit(where.get)
    connection.request("GET", url.path, headers={"Host": url.netloc})
    answer = connection.getresponse()
    buffer, got, last = memoryview(bytearray(1 << 18)), 0, b""
    while count := answer.readinto(buffer):
        got += count
        last = bytes(buffer[max(0, count - 16) : count])
    connection.close()
    if answer.status != 200 or got != size or not _BLOCK.endswith(last):
        raise RuntimeError(f"not what was sent: {answer.status}, {got} of {size} octets")


async def some_times(server: Doored, what: str, tls: bool, slots: Sequence[Slot], size: int) -> int:
    """Send or fetch, again and again, for some seconds; return how often. What can be fetched is in the first slot."""
    context = trusting() if tls else None
    port = server.https if tls else server.http
    began, number = time.perf_counter(), 0
    while number < _MOST[what] and time.perf_counter() - began < _LONG_ENOUGH:
        if what == "put":
            await asyncio.to_thread(put, port, context, slots[number], size)
        else:
            await asyncio.to_thread(get, port, context, slots[0], size)
        number += 1
    return number


async def one_run(server: Doored, size: int) -> dict[str, Transfer]:
    """Transfer files, one after another, while some talk; return what each kind costs, less what the talk costs."""
    session = await logged_in(server.port, f"u{_TALKERS}", None)
    await asyncio.sleep(1)
    session.take()
    spans: dict[str, tuple[float, float, float, float, int]] = {}
    async with Talk(server.port, _TALKERS, True) as talk:
        with contextlib.suppress(PermissionError):  # the other end of the files has the same CPU
            os.setpriority(os.PRIO_PROCESS, talk.pid, -15)
        await asyncio.sleep(1)
        quiet, used = time.perf_counter(), cpu_seconds(server.pid)
        await asyncio.sleep(_QUIET)
        until = time.perf_counter()
        talking = (cpu_seconds(server.pid) - used) / (until - quiet)
        for kind in _KINDS:
            what = kind.removesuffix("-tls")
            if what == "put":
                slots = [await slot(session, size) for _ in range(_MOST[what])]
            before, began, used = resident_kib(server.pid), time.perf_counter(), cpu_seconds(server.pid)
            forget_peak(server.pid)
            number = await some_times(server, what, what != kind, slots, size)
            ended, cpu = time.perf_counter(), cpu_seconds(server.pid) - used
            grown = peak_kib(server.pid) - before
            spans[kind] = (began, ended, cpu - talking * (ended - began), grown, number)
    session.transport.abort()
    calm = talk.latencies(quiet, until)
    found = {}
    for kind, (began, ended, cpu, grown, number) in spans.items():
        during = talk.latencies(began, ended)
        megabytes = size * number / 1e6
        found[kind] = Transfer(
            cpu / megabytes * 1e3, megabytes / (ended - began), _ms(during, 0.5), _ms(during, 0.99), _ms(calm, 0.5),
            _ms(calm, 0.99), grown,
        )  # fmt: skip
    return found


def _ms(latencies: list[float], share: float) -> float:
    return latencies[int(len(latencies) * share)] * 1e3


def upload(servers: Sequence[Doored], megabytes: int, runs: int) -> None:
    """Measure the servers in turn, some times, and print the medians."""
    size = megabytes * 1_000_000 // len(_BLOCK) * len(_BLOCK)
    found: dict[str, list[dict[str, Transfer]]] = {server.name: [] for server in servers}
    for _ in range(runs):
        for server in servers:
            server.fresh(False)
            try:
                found[server.name].append(asyncio.run(one_run(server, size)))
            finally:
                server.stop()
    for kind in _KINDS:
        for name, each in found.items():
            _show(kind, name, [run[kind] for run in each])


def _show(kind: str, name: str, runs: list[Transfer]) -> None:
    def middle(field: str) -> float:
        return statistics.median(getattr(run, field) for run in runs)

    costs = sorted(run.cpu_ms for run in runs)
    print(
        f"{kind:9}{name:10}{middle('cpu_ms'):6.2f} ms CPU/MB ({costs[0]:.2f} to {costs[-1]:.2f})"
        f"{middle('megabytes_a_second'):7.0f} MB/s  memory +{middle('grown_kib') / 1024:.1f} MiB  "
        f"others p50 {middle('p50'):.1f}, p99 {middle('p99'):.1f} ms "
        f"(before {middle('quiet_p50'):.1f}, {middle('quiet_p99'):.1f})",
        flush=True,
    )
