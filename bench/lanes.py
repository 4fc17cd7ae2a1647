"""Loads that take turns on servers that are all up: what each costs is measured in short slices, again and again.

Machines that others use as well are faster at one time than at another. With slices of different loads in turn, all
have the same share of that, and the medians can be compared.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.process import cpu_seconds

_PATIENCE = 20.0


class Load(Protocol):
    """What can be started and stopped."""

    @property
    def done(self) -> int:
        """Operations so far."""

    async def prepare(self) -> None:
        """Connect and log in."""

    def start(self) -> None:
        """Let it run."""

    def idle(self) -> bool:
        """Stop beginning new operations, and say whether all that had begun have ended."""

    def close(self) -> None:
        """Cut the connections."""


@dataclass
class Lane:
    """A load on a server.

    :ivar costs: seconds of the server's CPU for an operation, for each slice.
    :ivar rates: operations in a second, for each slice.
    """

    name: str
    server: str
    pid: int
    load: Load
    costs: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    server_share: list[float] = field(default_factory=list)
    generator_share: list[float] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """The median, in microseconds."""
        return statistics.median(self.costs) * 1e6

    async def slice(self, warmup: float, seconds: float) -> None:
        """Run for a while, and note what an operation cost; RuntimeError if something was lost."""
        self.load.start()
        await asyncio.sleep(warmup)
        began, used, own, count = time.perf_counter(), cpu_seconds(self.pid), time.process_time(), self.load.done
        await asyncio.sleep(seconds)
        count = self.load.done - count
        took, own, cpu = time.perf_counter() - began, time.process_time() - own, cpu_seconds(self.pid) - used
        if not count:
            raise RuntimeError(f"{self.name} of {self.server}: nothing came")
        self.costs.append(cpu / count)
        self.rates.append(count / took)
        self.server_share.append(cpu / took)
        self.generator_share.append(own / took)
        until = time.perf_counter() + _PATIENCE
        while not self.load.idle():
            if time.perf_counter() > until:
                raise RuntimeError(f"{self.name} of {self.server}: something was lost")
            await asyncio.sleep(0.01)


async def in_turn(lanes: Sequence[Lane], rounds: int, warmup: float, seconds: float) -> None:
    """Prepare all lanes, give each a slice in every round, and cut the connections."""
    for lane in lanes:
        await lane.load.prepare()
    for lane in lanes:  # caches are filled, and the interpreter has seen every path
        await lane.slice(warmup, warmup)
        for measured in (lane.costs, lane.rates, lane.server_share, lane.generator_share):
            measured.clear()
    for number in range(rounds):
        for lane in lanes if number % 2 == 0 else reversed(lanes):
            await lane.slice(warmup, seconds)
    for lane in lanes:
        lane.load.close()


def against(lane: Lane, other: Lane) -> tuple[float, float, float]:
    """Return what an operation of a lane costs as a share of another's: median, least and most of the rounds."""
    shares = sorted(one / two for one, two in zip(lane.costs, other.costs, strict=True))
    return statistics.median(shares), shares[0], shares[-1]


def line(lane: Lane) -> str:
    """Return a line of the table."""
    low, high = min(lane.costs) * 1e6, max(lane.costs) * 1e6
    rate = statistics.median(lane.rates)
    server, generator = statistics.median(lane.server_share), statistics.median(lane.generator_share)
    return (
        f"{lane.name:16}{lane.server:10}{lane.cost:8.1f} µs ({low:.1f} to {high:.1f}) {rate:8.0f}/s  "
        f"server {server:4.0%}  generator {generator:4.0%}"
    )
