"""Plans come from their seed alone."""

from __future__ import annotations

import unittest
from collections import Counter

from tests.faults import plan


class Plans(unittest.TestCase):
    counts = {plan.KILL: 5, plan.STOP: 1, plan.PAUSE: 2, "cuts": 300}

    def test_same_seed(self) -> None:
        self.assertEqual(plan.draw("7.1", self.counts, 10), plan.draw("7.1", self.counts, 10))
        self.assertNotEqual(plan.draw("7.1", self.counts, 10), plan.draw("7.2", self.counts, 10))

    def test_counts(self) -> None:
        drawn = plan.draw("7", self.counts, 10)
        self.assertEqual(Counter(fault.kind for fault in drawn.server), {"kill": 5, "stop": 1, "pause": 2})
        self.assertEqual({fault.device for fault in drawn.server}, {-1})
        self.assertEqual(len(drawn.devices), 300)
        self.assertEqual({fault.kind for fault in drawn.devices}, set(plan.DEVICE_FAULTS))
        self.assertEqual({fault.device for fault in drawn.devices}, set(range(10)))
        self.assertTrue(all(fault.gap > 0 for fault in (*drawn.server, *drawn.devices)))

    def test_kinds(self) -> None:
        drawn = plan.draw("7", self.counts, 10, [plan.RESET])
        self.assertEqual({fault.kind for fault in drawn.devices}, {plan.RESET})
        self.assertEqual(plan.draw("7", self.counts, 10, []).devices, ())

    def test_none(self) -> None:
        self.assertEqual(plan.draw("7", {}, 3), plan.Plan((), ()))

    def test_every_kind_is_explained(self) -> None:
        self.assertEqual(set(plan.EXPLAINED), {*plan.SERVER_FAULTS, *plan.DEVICE_FAULTS})
