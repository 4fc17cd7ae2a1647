"""A short round of two servers and a broken network between them (`make faults FAULTS="--network"`)."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from tests.faults import plan as single
from tests.faults.network import checker, plan
from tests.faults.network.__main__ import play
from tests.faults.network.round import Shape


class Promises(unittest.TestCase):
    def test_kills_and_cuts(self) -> None:
        """What was acknowledged arrives on the other side, or comes back; all see who is there in the end."""
        people = 3
        counts = {single.KILL: 2, single.STOP: 1, "links": 12, "cuts": 4, "shows": 8}
        drawn = plan.draw("quick", counts, 2 * people, gap=(1.0, 2.0))
        folder = Path(tempfile.mkdtemp(prefix="xmppd-faults-"))
        played = play(Shape(people, 30, "quick"), drawn, folder / "network")
        told = [str(violation) for violation in played.violations[:5]]
        self.assertEqual(told, [], f"of {len(played.violations)}, all of which are in {folder}")
        folder.rmdir()
        figures = checker.count(played.history)
        self.assertGreater(figures["arrived"], 100)
        self.assertGreater(figures["resumed"], 2)
