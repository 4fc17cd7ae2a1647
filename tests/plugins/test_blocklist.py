"""Which addresses an entry of a block list matches: XEP-0191 section 5."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.plugins.blocking.blocklist import BlockList, affected, matches
from xmppd.wire.jid import Jid


def blocks(*texts: str) -> BlockList:
    return frozenset(Jid.parse(text) for text in texts)


def jids(*texts: str) -> list[Jid]:
    return [Jid.parse(text) for text in texts]


class Matching(SynchronousTestCase):
    def test_table(self) -> None:
        everybody = jids(
            "user@domain.example/resource", "user@domain.example/other", "user@domain.example", "other@domain.example",
            "domain.example/resource", "domain.example/other", "domain.example", "sub.domain.example",
        )  # fmt: skip
        for entry, matched in (
            ("user@domain.example/resource", everybody[:1]),
            ("user@domain.example", everybody[:3]),
            ("domain.example/resource", everybody[4:5]),
            ("domain.example", everybody[:7]),
        ):
            found = [jid for jid in everybody if matches(blocks(entry), jid)]
            self.assertEqual(found, matched, entry)

    def test_nobody(self) -> None:
        self.assertFalse(matches(blocks(), Jid.parse("user@domain.example")))

    def test_prepared(self) -> None:
        self.assertTrue(matches(blocks("USER@Domain.Example"), Jid.parse("user@domain.example/x")))


class Affected(SynchronousTestCase):
    subscribers = jids("romeo@montague.net", "iago@shakespeare.lit", "nurse@capulet.com")

    def check(self, fewer: BlockList, more: BlockList, *expected: str) -> None:
        self.assertEqual(affected(self.subscribers, fewer, more), jids(*expected))

    def test_contacts(self) -> None:
        self.check(blocks(), blocks("romeo@montague.net", "stranger@montague.net"), "romeo@montague.net")
        self.check(blocks(), blocks("montague.net", "capulet.com"), "nurse@capulet.com", "romeo@montague.net")

    def test_those_blocked_already(self) -> None:
        self.check(blocks("montague.net"), blocks("montague.net", "romeo@montague.net"))
        self.check(blocks("romeo@montague.net"), blocks("montague.net", "romeo@montague.net"))

    def test_devices_of_contacts(self) -> None:
        self.check(blocks(), blocks("romeo@montague.net/orchard", "x@montague.net/y"), "romeo@montague.net/orchard")
        self.check(blocks(), blocks("romeo@montague.net/orchard", "romeo@montague.net"), "romeo@montague.net")
