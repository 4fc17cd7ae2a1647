"""Tables are made for whoever uses them, and those of users' archives are what they always were."""

from __future__ import annotations

from sqlalchemy import Column, Text
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.archives import ArchiveTables, make_tables
from xmppd.plugins.archive.store import TABLES


def described(tables: ArchiveTables) -> list[tuple[str, str]]:
    return [(table.name, " ".join(column.name for column in table.columns)) for table in tables.all]


class Tables(SynchronousTestCase):
    def test_those_of_users(self) -> None:
        """There are databases with them: who changes this needs a migration."""
        self.assertEqual(
            described(TABLES),
            [
                ("archive_owners", "number account preferences searched_position searched_id"),
                ("archive_messages", "position owner id peer mark address stanza"),
                ("archive_hosts", "host key expired"),
            ],
        )
        (index,) = TABLES.messages.indexes
        self.assertEqual(index.name, "archive_messages_owner")
        self.assertEqual([column.name for column in index.columns], ["owner", "id", "peer", "mark"])
        self.assertEqual(TABLES.words, "archive_search")

    def test_others(self) -> None:
        tables = make_tables("x", "room", (Column("a", Text),), (Column("b", Text), Column("c", Text)))
        self.assertEqual(
            described(tables),
            [
                ("x_owners", "number room a searched_position searched_id"),
                ("x_messages", "position owner id peer mark address stanza b c"),
                ("x_hosts", "host key expired"),
            ],
        )
        self.assertEqual([index.name for index in tables.messages.indexes], ["x_messages_owner"])
        self.assertEqual((tables.words, tables.address.name), ("x_search", "room"))
