"""Random walks of two servers: links are cut between any two writes, either is killed between any two of its disk's.

Who writes has stream management, so that he knows what his server has taken. A message arrives, or comes back as an
error; both only where nobody can know. Twice it arrives only if the server of its sender was killed, or stopped. Order
holds, and in the end everybody sees who is there. ``python -m tests.faults --network`` does the same with real servers.
"""

from __future__ import annotations

from typing import Any

from tests.net.s2s.walking import WalkingTestCase


class Walks(WalkingTestCase):
    """By dialback, so with two connections, on which there is no bidi nor, before they are proven, anything else."""


class TrustedWalks(WalkingTestCase):
    """By certificates: one connection, both directions."""

    encrypted = True


def _walk(seed: int) -> Any:
    def test(self: WalkingTestCase) -> None:
        self.walk(seed)

    return test


for _seed in range(40):
    setattr(Walks, f"test_{_seed}", _walk(_seed))
for _seed in range(10):
    setattr(TrustedWalks, f"test_{_seed}", _walk(_seed))
