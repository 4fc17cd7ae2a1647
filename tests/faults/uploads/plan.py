"""What befalls the uploads of a round: a plan drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import StrEnum


class Trouble(StrEnum):
    """What befalls one PUT."""

    NONE = "none"
    RESET = "reset"  # by the client, with a RST, after a part of the file
    FIN = "fin"  # closed by the client, after a part
    INSIDE = "inside"  # reset by the network inside a segment
    FREEZE = "freeze"  # neither side hears of the other any more, after a part
    SLOW = "slow"
    BEHIND = "behind"  # reset when all of it is there, before the answer
    LIE = "lie"  # less is sent than was said, and then nothing
    TWICE = "twice"  # two at once to the same slot


_WEIGHTS = {
    Trouble.NONE: 10, Trouble.RESET: 3, Trouble.FIN: 2, Trouble.INSIDE: 3, Trouble.FREEZE: 1, Trouble.SLOW: 2,
    Trouble.BEHIND: 3, Trouble.LIE: 1, Trouble.TWICE: 1,
}  # fmt: skip
#: Octets of files: most are small, some have to be written in many parts.
SIZES = ((1, 2_000), (2_000, 300_000), (250_000, 300_000), (300_000, 4_000_000))


class When(StrEnum):
    """When the server is killed."""

    ANY = "any"
    SENT = "sent"  # when the last octet of a file was sent, before the answer has come
    TOLD = "told"  # right after a 201


def troubles(seed: str) -> Iterator[tuple[Trouble, int, float]]:
    """Yield for each upload what befalls it, how large the file is, and where it is cut (0 to 1)."""
    chance = random.Random(f"{seed} uploads")
    while True:
        trouble = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        yield trouble, chance.randint(*chance.choice(SIZES)), chance.random()


def kills(seed: str, number: int) -> list[When]:
    """Return when the server is killed, so many times."""
    chance = random.Random(f"{seed} kills")
    return [chance.choice(list(When)) for _ in range(number)]
