"""Sessions in which nothing happens: what `python -m bench.web idle` measures of one started server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bench.client import logged_in, trusting
from bench.doors import Doored
from bench.longpoll import poller
from bench.managed import some_at_once
from bench.process import cpu_seconds, resident_kib
from bench.websocket import web_socket

KINDS = ("bosh", "ws", "bosh-tls", "ws-tls", "tcp", "tcp-tls")
_AT_ONCE = 40
_SETTLE = 5.0


async def idle(server: Doored, kind: str, sessions: int, wait: int) -> None:
    """Log in that many, wait until every held request was answered once and was sent again, and print the memory.

    CPU is that of the same time, in which nothing happens but that.
    """
    before = resident_kib(server.pid)
    began = time.perf_counter()
    drops, problem = await _log_in(server, kind, sessions, wait)
    took = time.perf_counter() - began
    await asyncio.sleep(_SETTLE)
    used, began = cpu_seconds(server.pid), time.perf_counter()
    first = resident_kib(server.pid)
    await asyncio.sleep(wait + _SETTLE)
    percent = (cpu_seconds(server.pid) - used) / (time.perf_counter() - began)
    after = resident_kib(server.pid)
    broken = problem()
    for drop in drops:
        drop()
    if broken:
        raise RuntimeError(broken)
    print(
        f"idle {kind:10}{server.name:10}{(after - before) / sessions:7.1f} KiB each ({(first - before) / sessions:.1f} "
        f"at first)  {sessions} sessions, logged in within {took:.0f} s; CPU {percent:.2%}",
        flush=True,
    )


async def _log_in(
    server: Doored, kind: str, sessions: int, wait: int
) -> tuple[list[Callable[[], None]], Callable[[], str]]:
    """Return what cuts the connections, and what says why a session has ended, or ""."""
    context = trusting() if kind.endswith("-tls") else None
    port = server.https if context else server.http
    over = kind.removesuffix("-tls")
    users = [f"u{number}" for number in range(sessions)]
    if over == "bosh":
        pollers = await some_at_once(
            lambda user: poller(port, server.bosh, user, context, connections=1, wait=wait), users, _AT_ONCE
        )
        return [each.drop for each in pollers], lambda: next((each.broken for each in pollers if each.broken), "")
    if over == "ws":
        others = await some_at_once(lambda user: web_socket(port, server.websocket, user, context), users, _AT_ONCE)
        silent = list(others)
    else:
        silent = await some_at_once(lambda user: logged_in(server.port, user, context), users, _AT_ONCE)
    for session in silent:
        session.received = lambda _data: None
    return [each.transport.abort for each in silent], lambda: "lost" * any(each.closed.done() for each in silent)
