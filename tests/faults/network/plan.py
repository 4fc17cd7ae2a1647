"""Which faults come when between two servers: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults import plan
from tests.faults.plan import DELAY, DISK, FIN, FLAP, FREEZE, INSIDE, KILL, LOCK, PAUSE, RESET, STOP, VANISH, Fault

ONE_WAY, SHOW = "one way", "show"
SERVERS = (KILL, STOP, PAUSE, LOCK, DISK)
#: What befalls the connections between the servers, and how often compared with each other.
LINKS = {RESET: 4, FIN: 2, INSIDE: 5, FLAP: 3, FREEZE: 2, ONE_WAY: 2, DELAY: 2}
#: What befalls those of devices; their sessions last.
DEVICES = (RESET, FIN, INSIDE, FLAP, FREEZE, DELAY, VANISH)
_SECONDS = {FREEZE: (1.0, 8.0), ONE_WAY: (1.0, 8.0), DELAY: (1.0, 3.0)}


@dataclass(frozen=True)
class Plan:
    """The faults of a round: of the servers, one after the other; beside them of the links between them (`device` is
    the side that connects, 0 or 1), of devices, and changes of presence."""

    servers: tuple[Fault, ...]
    links: tuple[Fault, ...]
    devices: tuple[Fault, ...]
    shows: tuple[Fault, ...]


def draw(seed: str, counts: Mapping[str, int], devices: int, gap: tuple[float, float] = (1.5, 5.0)) -> Plan:
    """Return the plan that belongs to a seed.

    :param counts: how many of each of SERVERS; of ``links``, ``cuts`` (of devices) and ``shows``.
    """
    base = plan.draw(seed, {**{kind: counts.get(kind, 0) for kind in SERVERS}, "cuts": counts.get("cuts", 0)},
                     devices, DEVICES, gap)  # fmt: skip
    chance = random.Random(f"{seed} links")
    span = (sum(gap) / 2 + 2.5) * max(1, len(base.server))
    links = []
    for kind in chance.choices(list(LINKS), list(LINKS.values()), k=counts.get("links", 0)):
        between = chance.uniform(0.2, 1.8) * span / counts["links"]
        low, high = _SECONDS.get(kind, (0.0, 0.0))
        links.append(Fault(between, kind, chance.uniform(low, high), chance.randrange(2), chance.random()))
    number = counts.get("shows", 0)
    shows = [Fault(chance.uniform(0.2, 1.8) * span / number, SHOW, way=chance.random()) for _ in range(number)]
    return Plan(base.server, tuple(links), base.devices, tuple(shows))
