"""Owners in memory: looked up once, and not kept if they were dropped meanwhile."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid, StorageUnavailable
from xmppd.api.archives.owners import Owners

ROMEO, JULIET = Jid.parse("romeo@example.org"), Jid.parse("juliet@example.org")


class SlowDatabase:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.reads: list[Deferred[Any]] = []

    def read(self, fn: Any) -> Deferred[Any]:
        self.reads.append(Deferred())
        return self.reads[-1]


class OwnersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.db: Any = SlowDatabase()
        self.owners = Owners(self.db, None, lambda address: False)  # type: ignore[arg-type]  # nothing is looked up

    def load(self, address: Jid) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.owners.load(address))

    def test_kept(self) -> None:
        found = self.load(ROMEO)
        self.db.reads[0].callback(7)
        owner = self.successResultOf(found)
        self.assertEqual(owner.number, 7)
        self.assertIs(self.successResultOf(self.load(ROMEO)), owner)
        self.assertEqual(len(self.db.reads), 1)

    def test_none(self) -> None:
        found = self.load(ROMEO)
        self.db.reads[0].callback(None)
        self.assertIsNone(self.successResultOf(found))
        self.assertEqual(self.owners.known, {})

    def test_dropped_meanwhile(self) -> None:
        """What was found may be an archive that is gone by now."""
        found, other = self.load(ROMEO), self.load(JULIET)
        self.owners.drop(ROMEO)
        for number, read in enumerate(self.db.reads):
            read.callback(number)
        self.assertEqual(self.successResultOf(found).number, 0)
        self.successResultOf(other)
        self.assertEqual(set(self.owners.known), {JULIET})
        again = self.load(ROMEO)
        self.db.reads[2].callback(9)
        self.successResultOf(again)
        self.assertEqual(self.owners.known[ROMEO].number, 9)

    def test_failing(self) -> None:
        done = Deferred.fromCoroutine(self.owners.look_up(ROMEO))
        self.assertFalse(self.owners.missing(ROMEO))
        self.owners.drop(ROMEO)
        self.db.reads[0].errback(StorageUnavailable("full"))
        self.successResultOf(done)
        self.assertTrue(self.owners.missing(ROMEO))
        found = self.load(ROMEO)
        self.db.reads[1].callback(3)
        self.successResultOf(found)
        self.assertIn(ROMEO, self.owners.known)
