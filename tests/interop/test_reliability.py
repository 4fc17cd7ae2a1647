"""A few rounds of the fault harness (`make faults`): what an ack promises is kept when the server is killed."""

from __future__ import annotations

import logging
import tempfile
import unittest
from pathlib import Path

from tests.faults import plan
from tests.faults.game import play
from tests.faults.history import What
from tests.faults.round import Shape
from tests.faults.storage import have_disk
from tests.faults.uploads import __main__ as uploads
from tests.interop.postgres import binaries


class Promises(unittest.TestCase):
    def setUp(self) -> None:
        logger = logging.getLogger("slixmpp")
        self.addCleanup(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)

    def keep(self, seed: str, faults: dict[str, int], database: str = "sqlite", rooms: int = 0, web: int = 0) -> None:
        """Play a round with these faults; fail with what is wrong, and where more is told."""
        clients = 10
        shape = Shape(clients, 0.2, 50, seed, rooms=rooms, web=web)
        drawn = plan.draw(seed, faults, clients, gap=(0.5, 1.5))
        folder = Path(tempfile.mkdtemp(prefix="xmppd-faults-"))
        played = play("xmppd", database, shape, drawn, folder / seed)
        told = [str(violation) for violation in played.violations[:5]]
        self.assertEqual(told, [], f"of {len(played.violations)}, all of which are in {folder}")
        folder.rmdir()
        events = [event.what for event in played.history.events]
        self.assertGreater(events.count(What.RECEIVED), 100)
        self.assertGreater(events.count(What.RESUMED), faults[plan.KILL])
        self.assertGreaterEqual(events.count(What.HEARD), 50 * rooms)
        self.assertGreaterEqual(events.count(What.TAKEN), web)

    def test_kills(self) -> None:
        self.keep("quick", {plan.KILL: 3, plan.STOP: 1, plan.PAUSE: 1, plan.LOCK: 1, "cuts": 25}, rooms=1)

    def test_web(self) -> None:
        """Most devices come over WebSocket and BOSH."""
        self.keep("web", {plan.KILL: 2, "cuts": 25}, rooms=1, web=6)

    def test_uploads(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="xmppd-uploads-"))
        played = uploads.play(uploads.shape_of("quick", 4, {plan.KILL: 2}), folder / "quick")
        self.assertEqual(played.violations, [], f"all that is known is in {folder}")
        folder.rmdir()
        self.assertGreater(played.figures["files that were promised"], 10)

    def test_full_disk(self) -> None:
        if not have_disk():
            self.skipTest("needs root, to mount a small disk")
        self.keep("disk", {plan.KILL: 1, plan.DISK: 2, "cuts": 10}, rooms=1)

    def test_postgres(self) -> None:
        if binaries() is None:
            self.skipTest("PostgreSQL is not installed")
        self.keep("postgres", {plan.KILL: 1, plan.DATABASE: 2, "cuts": 10}, "postgres")
