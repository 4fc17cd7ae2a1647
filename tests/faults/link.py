"""A network between one device and the server that can be broken on purpose: a TCP proxy on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections import deque
from collections.abc import Callable

from tests.faults.stream import reset

UP, DOWN = 0, 1  # from the client to the server, and back


class _End(asyncio.Protocol):
    """One of the two ends of a connection."""

    def __init__(self, pair: Pair, direction: int) -> None:
        self.pair, self.direction = pair, direction

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.pair.ends[self.direction] = transport

    def data_received(self, data: bytes) -> None:
        self.pair.carry(self.direction, data)

    def eof_received(self) -> bool:
        self.pair.finish(self.direction)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.pair.lost(self.direction, error)


class Pair:
    """One connection of a client and the one that carries it on to the server."""

    def __init__(self, gone: Callable[[Pair], None]) -> None:
        self.ends: list[asyncio.Transport | None] = [None, None]
        self.frozen = False
        #: The directions in which nothing arrives any more.
        self.deaf: set[int] = set()
        self.delay = 0.0
        self._cut_in: tuple[int, float] | None = None
        self._cut_behind = False
        self._early: list[bytes] = []  # from the client, before there is a connection to the server
        self._flushed = False
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._slow: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self._finished: set[int] = set()
        #: How many octets come down before the connection is reset, if that is decided.
        self.budget: int | None = None
        self.connecting: asyncio.Task[None] | None = None

    def carry(self, direction: int, data: bytes) -> None:
        """Take what came from one end to the other, as the network is just now."""
        if self.frozen or direction in self.deaf:
            return  # what is sent into a half-open connection is never heard of again
        if direction == DOWN and self.budget is not None:
            self.budget -= len(data)
            if self.budget < 0:
                self._cut_in = (DOWN, max(0.0, 1 + self.budget / len(data)))
        if self._cut_in is not None and self._cut_in[0] == direction and len(data) > 1:
            data = data[: max(1, min(len(data) - 1, int(len(data) * self._cut_in[1])))]
            for earlier in self._slow[direction]:
                self._write(direction, earlier)
            self._write(direction, data)
            # The other end gets the fragment; a RST sent right behind would take it back.
            self._loop.call_later(0.05, self.cut)
            self.frozen = True
            return
        if self._cut_behind and direction == UP:
            self._cut_behind = False
            self.deaf.add(DOWN)
            self._loop.call_later(0.05 + self.delay, self.cut)
        if self.delay or self._slow[direction]:
            self._slow[direction].append(data)  # never before what is on its way already
            self._loop.call_later(self.delay, self._arrive, direction)
            return
        self._write(direction, data)

    def _arrive(self, direction: int) -> None:
        """What has been under way longest is there; which of the timers tells it does not matter."""
        if not self.frozen:
            self._write(direction, self._slow[direction].popleft())

    def _write(self, direction: int, data: bytes) -> None:
        target = self.ends[1 - direction]
        if self.frozen:
            return
        if target is None or (direction == UP and not self._flushed):
            self._early.append(data)
        elif not target.is_closing() and direction not in self._finished:
            target.write(data)

    def connected(self) -> None:
        """The server's end is there: send what came before."""
        server = self.ends[DOWN]
        assert server is not None
        for data in () if server.is_closing() or UP in self._finished else self._early:
            server.write(data)
        self._early.clear()
        self._flushed = True

    def finish(self, direction: int) -> None:
        """One end closed its half: so does the other, if the network tells it."""
        target = self.ends[1 - direction]
        if not self.frozen and target is not None and not target.is_closing():
            self._finished.add(direction)
            with contextlib.suppress(OSError):
                target.write_eof()
            # Nobody here works with half a connection.
            self._loop.call_later(0.2, self.close)

    def lost(self, direction: int, error: Exception | None) -> None:
        """One end is gone."""
        self.ends[direction] = None
        other = self.ends[1 - direction]
        if other is None:
            self._gone(self)
        elif not self.frozen:
            if error is None:
                other.close()
            else:
                reset(other)

    def cut(self) -> None:
        """Reset both ends."""
        for end in self.ends:
            if end is not None:
                reset(end)

    def close(self) -> None:
        """Close both ends, after what is under way."""
        for end in self.ends:
            if end is not None:
                end.close()

    def cut_inside(self, direction: int, part: float) -> None:
        """Reset the connection after a `part` (0 to 1) of what comes next in that direction."""
        self._cut_in = (direction, part)

    def cut_behind(self) -> None:
        """Reset the connection when the server has got what comes next from the client, before it can answer."""
        self._cut_behind = True


class Link:
    """The network of one device: it listens on `ports`, and connects to the server's, the targets."""

    def __init__(self, *targets: int) -> None:
        self._targets = targets
        self._servers: list[asyncio.Server] = []
        #: The budgets of the connections that are made next.
        self.budgets: list[int] = []
        self.pairs: list[Pair] = []
        self.ports: list[int] = []

    @property
    def port(self) -> int:
        """The port for the first target."""
        return self.ports[0]

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1 for each target."""
        for target in self._targets:
            accept = functools.partial(self._accept, target)
            server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def _accept(self, target: int) -> asyncio.Protocol:
        pair = Pair(self._gone)
        self.pairs.append(pair)
        pair.budget = self.budgets.pop(0) if self.budgets else None
        pair.connecting = asyncio.get_running_loop().create_task(self._connect(pair, target))
        return _End(pair, UP)

    def _gone(self, pair: Pair) -> None:
        if pair in self.pairs:
            self.pairs.remove(pair)

    async def _connect(self, pair: Pair, target: int) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _End(pair, DOWN), "127.0.0.1", target)
        except OSError:
            pair.cut()
            return
        if pair.ends[UP] is None:
            pair.cut()
        else:
            pair.connected()

    @property
    def current(self) -> Pair | None:
        """The connection made last, if it is still there."""
        return self.pairs[-1] if self.pairs else None

    def struck(self, chance: random.Random) -> list[Pair]:
        """Return the connections that a fault befalls: the one there is; or, of several, one or all of them."""
        alive = [pair for pair in self.pairs if not pair.frozen]
        return [chance.choice(alive)] if len(alive) > 1 and chance.random() < 0.5 else alive

    def mend(self) -> None:
        """End everything that is frozen or slow; connections that work are left alone."""
        self.budgets.clear()
        for pair in list(self.pairs):
            pair.delay, pair.budget = 0.0, None
            if pair.frozen or pair.deaf:
                pair.cut()

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            server.close()
        for pair in list(self.pairs):
            pair.cut()
        await asyncio.sleep(0)
