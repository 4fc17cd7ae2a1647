"""Which faults come when: a plan drawn from a seed, so that a round can be told what another one went through."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILL, STOP, PAUSE, LOCK, DISK, DATABASE = "kill", "stop", "pause", "lock", "disk", "database"
RESET, FIN, INSIDE, BEHIND, FLAP = "reset", "fin", "inside", "behind", "flap"
FREEZE, DELAY = "freeze", "delay"
AWAY, VANISH, FORGET, SLEEP = "away", "vanish", "forget", "sleep"
#: What befalls the server, and how often compared with each other when not counted.
SERVER_FAULTS = (KILL, STOP, PAUSE, LOCK, DISK, DATABASE)
#: What befalls one device, and how often compared with each other.
DEVICE_FAULTS = {
    RESET: 4, FIN: 2, INSIDE: 4, BEHIND: 3, FLAP: 3, FREEZE: 3, DELAY: 3, AWAY: 3, VANISH: 2, FORGET: 1, SLEEP: 2,
}  # fmt: skip
EXPLAINED = {
    KILL: "SIGKILL of the server, and a start after a moment; some while its database can't be written or it starts",
    STOP: "SIGTERM of the server, and a start",
    PAUSE: "SIGSTOP of the server, SIGCONT after a moment",
    LOCK: "the database can't be written for a moment, because somebody else holds it",
    DISK: "the disk with the server's data is full for a moment",
    DATABASE: "PostgreSQL is restarted, by SIGINT or SIGQUIT (as a power cut would)",
    RESET: "a connection is reset (RST)",
    FIN: "a connection is closed (FIN) without a word",
    INSIDE: "a connection is reset inside a stanza (frame, request, answer), in one direction or the other",
    BEHIND: "a connection is reset when the server has what was sent to it, before the client hears of that",
    FLAP: "a connection is reset, and the next ones soon after they are made: while logging in, while resuming",
    FREEZE: "a connection is half open: neither side hears of the other",
    DELAY: "a connection is slow",
    AWAY: "a device ends its stream, and comes back",
    VANISH: "a device loses its connection, and resumes its session later",
    FORGET: "a device loses its connection, and knows nothing of its session any more",
    SLEEP: "a device says that nobody looks at it (XEP-0352)",
}


@dataclass(frozen=True)
class Fault:
    """One fault, `gap` seconds after the one before it was over. It lasts `seconds`; `device` counts from 0.

    `way` draws between the variants of a kind, 0 to 1.
    """

    gap: float
    kind: str
    seconds: float = 0.0
    device: int = -1
    way: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The faults of a round: those of the server one after the other, and beside them those of the devices."""

    server: tuple[Fault, ...]
    devices: tuple[Fault, ...]


#: About the seconds that a fault of the server takes, until it is started again.
_START = 2.0
_SECONDS = {
    KILL: (0.0, 1.5), STOP: (0.0, 1.0), PAUSE: (0.5, 4.0), LOCK: (0.3, 3.0), DISK: (2.0, 5.0), DATABASE: (0.0, 2.0),
    FORGET: (0.0, 4.0), SLEEP: (1.0, 8.0), FREEZE: (4.0, 15.0), DELAY: (1.0, 4.0), AWAY: (1.0, 8.0), VANISH: (1.0, 8.0),
}  # fmt: skip


def _fault(kind: str, gap: tuple[float, float], devices: int, chance: random.Random) -> Fault:
    device = -1 if kind in SERVER_FAULTS else chance.randrange(devices)
    low, high = _SECONDS.get(kind, (0.0, 0.0))
    return Fault(chance.uniform(*gap), kind, chance.uniform(low, high), device, chance.random())


def draw(
    seed: str,
    counts: Mapping[str, int],
    devices: int,
    kinds: Sequence[str] = tuple(DEVICE_FAULTS),
    gap: tuple[float, float] = (0.8, 3.0),
) -> Plan:
    """Return the plan that belongs to a seed.

    :param counts: how many of each kind; a kind of device fault that is not counted is not drawn.
    :param devices: how many devices there are.
    :param kinds: the device faults that may be drawn; ``counts["cuts"]`` is how many, by their weights.
    :param gap: seconds between two faults of the server, least and most.
    """
    chance = random.Random(seed)
    server = [_fault(kind, gap, devices, chance) for kind in SERVER_FAULTS for _ in range(counts.get(kind, 0))]
    chance.shuffle(server)
    cuts = counts.get("cuts", 0)
    span = (sum(gap) / 2 + _START) * max(len(server), 1)
    between = (0.1, max(2 * span / max(cuts, 1) - 0.1, 0.2))
    weights = [DEVICE_FAULTS[kind] for kind in kinds]
    chosen = chance.choices(list(kinds), weights, k=cuts) if kinds else []
    return Plan(tuple(server), tuple(_fault(kind, between, devices, chance) for kind in chosen))
