"""Pages: whoever walks an archive, in whatever direction, gets every message once, in order, and true places."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid, Message
from xmppd.api.archives.ids import KEY_OCTETS, ArchiveIds
from xmppd.api.archives.pages import Pages, Selection, Wanted
from xmppd.api.archives.reader import Answer, Limits, Reader
from xmppd.api.archives.search import Search
from xmppd.api.archives.tables import make_tables, row_of
from xmppd.api.archives.walks import Walk
from xmppd.core.storage import DirectDatabase, migrate, open_engines
from xmppd.core.storage.batch import insert_rows
from xmppd.wire.mam import Query
from xmppd.wire.rsm import PageRequest
from xmppd.wire.xml import parse

ROMEO = Jid.parse("romeo@example.org")
PEERS = [Jid.parse(jid) for jid in ("juliet@example.org/a", "juliet@example.org/b", "nurse@example.org", "example.org")]
OWNER, OTHER = 1, 2
TABLES = make_tables("archive")
#: A message: how much later it comes than the one before, from whom, and whether it is in another's archive.
MESSAGES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, len(PEERS) - 1), st.booleans()), max_size=40)


class Archive:
    """An archive in memory, and what should be found in it."""

    def __init__(self, messages: Any) -> None:
        self.engines = open_engines("sqlite://")
        migrate(self.engines.write, "archive", TABLES.all, ())
        self.ids = ArchiveIds(bytes(KEY_OCTETS))
        search = Search(TABLES)
        db, pages = DirectDatabase(self.engines), Pages(TABLES, search)
        self.reader = Reader(db, self.ids, pages, search, lambda: Limits(4, 7, 1 << 20, 9))
        self.mine: list[tuple[int, Jid]] = []
        rows, id_ = [], 0
        for later, peer, others in messages:
            id_ += later
            if not others:
                self.mine.append((id_, PEERS[peer]))
            message = Message(ROMEO, PEERS[peer], type="chat", payload=b"<body>hi</body>")
            rows.append(row_of(OTHER if others else OWNER, id_, PEERS[peer], message))
        with self.engines.write.begin() as connection:
            if rows:
                insert_rows(connection, TABLES.messages, rows)

    def ask(self, query: Query, walk: Walk | None = None) -> Answer:
        found: list[Any] = []
        Deferred.fromCoroutine(self.reader.answer(OWNER, query, walk, math.inf)).addBoth(found.append)
        assert isinstance(found[0], Answer), found
        return found[0]

    def matching(self, with_: Jid | None) -> list[str]:
        return [
            self.ids.text(id_)
            for id_, peer in self.mine
            if with_ is None or peer == with_ or (with_.is_bare and peer.bare == with_)
        ]


def described(answer: Answer) -> tuple[int, int | None]:
    """Return the count, and the index if there is one."""
    (page,) = parse(answer.page)
    values = {e.name: e for e in page.elements()}
    index = values["first"].getAttribute("index") if "first" in values else None
    return int(str(values["count"])), None if index is None else int(index)


WITH = st.sampled_from([None, *PEERS, PEERS[0].bare])


class Walking(SynchronousTestCase):
    @settings(max_examples=60, deadline=None)
    @given(MESSAGES, WITH, st.integers(1, 9))
    def test_forwards(self, messages: Any, with_: Jid | None, size: int) -> None:
        archive = Archive(messages)
        self.addCleanup(archive.engines.dispose)
        expected = archive.matching(with_)
        got: list[str] = []
        walk: Walk | None = None
        while True:
            answer = archive.ask(Query(with_=with_, page=PageRequest(size, after=got[-1] if got else None)), walk)
            count, index = described(answer)
            self.assertEqual(count, len(expected))
            self.assertEqual(index, len(got) if answer.messages else None)
            self.assertEqual(len(answer.messages), min(size, 7, len(expected) - len(got)))
            got += [message.id for message in answer.messages]
            walk = answer.walk
            if answer.complete:
                break
        self.assertEqual(got, expected)

    @settings(max_examples=60, deadline=None)
    @given(MESSAGES, WITH, st.integers(1, 9), st.booleans())
    def test_backwards(self, messages: Any, with_: Jid | None, size: int, flipped: bool) -> None:
        archive = Archive(messages)
        self.addCleanup(archive.engines.dispose)
        expected = archive.matching(with_)
        got: list[str] = []
        walk: Walk | None = None
        while True:
            page = PageRequest(size, before=got[0] if got else "")
            answer = archive.ask(Query(with_=with_, page=page, flipped=flipped), walk)
            found = [message.id for message in answer.messages]
            got = [*(found[::-1] if flipped else found), *got]
            count, index = described(answer)
            # The places of pages that are reached from the end are left out, but for the first one.
            self.assertEqual((count, index), (len(expected), 0 if found and answer.complete else None))
            walk = answer.walk
            if answer.complete:
                break
        self.assertEqual(got, expected)

    @settings(max_examples=60, deadline=None)
    @given(MESSAGES, st.integers(0, 45), st.integers(1, 7))
    def test_by_index(self, messages: Any, index: int, size: int) -> None:
        archive = Archive(messages)
        self.addCleanup(archive.engines.dispose)
        expected = archive.matching(None)
        answer = archive.ask(Query(page=PageRequest(size, index=index)))
        self.assertEqual([message.id for message in answer.messages], expected[index : index + size])
        self.assertEqual(answer.complete, index + size >= len(expected))

    @settings(max_examples=60, deadline=None)
    @given(MESSAGES, st.integers(0, 60), st.integers(0, 60))
    def test_times(self, messages: Any, start: int, end: int) -> None:
        """Both ends count."""
        archive = Archive(messages)
        self.addCleanup(archive.engines.dispose)
        expected = [archive.ids.text(id_) for id_, _ in archive.mine if start <= id_ <= end]
        answer = archive.ask(Query(start=start / 1e6, end=end / 1e6, page=PageRequest(7)))
        self.assertEqual([message.id for message in answer.messages], expected[:7])
        self.assertEqual(described(answer)[0], len(expected))

    def test_it_grows_meanwhile(self) -> None:
        archive = Archive([(1, 0, False)] * 6)
        self.addCleanup(archive.engines.dispose)
        first = archive.ask(Query(page=PageRequest(4)))
        with archive.engines.write.begin() as connection:
            message = Message(ROMEO, PEERS[0], type="chat", payload=b"<body>hi</body>")
            insert_rows(connection, TABLES.messages, [row_of(OWNER, 100, PEERS[0], message)])
        second = archive.ask(Query(page=PageRequest(4, after=first.messages[-1].id)), first.walk)
        self.assertEqual((len(second.messages), second.complete, described(second)), (3, True, (7, 4)))


class Statements(SynchronousTestCase):
    """What a page costs does not depend on how much there is."""

    def plan(self, selection: Selection, wanted: Wanted) -> str:
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        migrate(engines.write, "archive", TABLES.all, ())
        plans = []
        connection: Any
        with engines.write.begin() as connection:
            execute = connection.execute

            def explained(statement: Any, values: Any) -> Any:
                compiled = statement.compile(
                    dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
                ).construct_params(values)
                sql = str(statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True}))
                rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, tuple(compiled.values()))
                plans.append(" ".join(row[3] for row in rows))
                return execute(statement, values)

            connection.execute = explained
            Pages(TABLES, Search(TABLES)).find(connection, selection, wanted)
        return plans[-1]

    def test_index_is_used(self) -> None:
        for backwards in (False, True):
            for with_ in (None, PEERS[0], PEERS[0].bare):
                plan = self.plan(Selection(OWNER, with_=with_), Wanted(10, 1000, backwards, after=5, count=False))
                self.assertIn("archive_messages_owner (owner=? AND id>? AND id<?)", plan)
                self.assertNotIn("TEMP B-TREE", plan)

    def test_counting_reads_the_index_alone(self) -> None:
        plan = self.plan(Selection(OWNER), Wanted(0, 1000))
        self.assertIn("COVERING INDEX archive_messages_owner", plan)

    def test_tables(self) -> None:
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        migrate(engines.write, "archive", TABLES.all, ())
        with engines.read.connect() as connection:
            sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'archive_messages'")).scalar_one()
        self.assertIn("position INTEGER NOT NULL", sql)
        self.assertNotIn("AUTOINCREMENT", sql)
