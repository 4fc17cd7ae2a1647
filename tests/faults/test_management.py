"""The client's side of XEP-0198 without a network."""

from __future__ import annotations

import unittest

from tests.faults.management import TURN, Management, Offence, TakenBack


class Acks(unittest.TestCase):
    def setUp(self) -> None:
        self.management: Management[int] = Management()
        self.management.enabled("id", 60.0)
        for number in range(5):
            self.management.sending(f"<m{number}/>", number)

    def test_counts(self) -> None:
        self.assertEqual(self.management.sent, 5)
        self.assertEqual(self.management.acknowledge(2), [0, 1])
        self.assertEqual(self.management.acknowledge(2), [])
        self.assertEqual(self.management.acknowledge(5), [2, 3, 4])
        self.assertEqual((self.management.sent, self.management.acked), (5, 5))

    def test_too_high(self) -> None:
        with self.assertRaisesRegex(Offence, "h is 6, but only 5 were sent") as caught:
            self.management.acknowledge(6)
        self.assertNotIsInstance(caught.exception, TakenBack)

    def test_taken_back(self) -> None:
        self.management.acknowledge(4)
        with self.assertRaises(TakenBack) as caught:
            self.management.acknowledge(1)
        self.assertEqual(caught.exception.tokens, [1, 2, 3])
        self.management.set_back(1)
        self.assertEqual(self.management.acknowledge(2), [4])

    def test_turns_over(self) -> None:
        self.management.acknowledge(5)
        self.management.acked = TURN - 1
        for number in range(2):
            self.management.sending("<m/>", number)
        self.assertEqual(self.management.sent, 1)
        self.assertEqual(self.management.acknowledge(0), [0])
        self.assertEqual(self.management.acknowledge(1), [1])
        self.management.received = TURN - 1
        self.management.handled()
        self.assertEqual(self.management.received, 0)

    def test_what_was_sent_before_enabled_counts(self) -> None:
        self.management.handled()
        self.management.enabled("other", None)
        self.assertEqual((self.management.received, self.management.sent), (0, 5))

    def test_end(self) -> None:
        self.management.acknowledge(1)
        self.assertEqual(self.management.end(3), ([1, 2], [3, 4]))
        self.assertEqual(self.management.end(None), ([], [3, 4]))
        self.assertEqual(self.management.end(99), ([], [3, 4]))
