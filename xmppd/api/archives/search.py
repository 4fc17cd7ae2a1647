"""XEP-0431 Full Text Search: words of messages in SQLite's FTS5, or in PostgreSQL's text search.

Words are found here, in the same way for both, so that the same query finds the same messages: letters and digits,
without accents, in lower case. All words of a query must occur.

An archive is indexed when its owner searches it for the first time, and then brought up to date by each search: a
message costs nothing on its way, and those who don't search cost nothing at all. The table of words is made, and looked
after, by :class:`Search`, because it is another thing in each database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from html import unescape
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, bindparam, column, func, inspect, select, text, update
from sqlalchemy.sql.selectable import TextualSelect

from xmppd.api.archives.tables import ArchiveTables
from xmppd.wire import ns
from xmppd.wire.xml import parse

__all__ = ["Backlog", "Search", "expression", "text_of", "words_of"]

_LONGEST = 64  # characters of a word that count
_WORD = re.compile(r"[^\W_]+")
_TEXTS = re.compile(rb"<(body|subject)(?:\s[^<>]*)?>([^<]*)</\1\s*>")
_ENCRYPTED = re.compile(rb"<(?:\w+:)?(?:encrypted|openpgp|encryption)[\s>]")
#: A row's id may be less than that of rows before it, if its stanza took longer to handle: by microseconds at most.
_LATE = 600_000_000


class _Dialect(NamedTuple):
    """How a database does it."""

    create: tuple[str, ...]
    insert: TextClause
    remove: TextClause
    matching: TextualSelect


def _sqlite(name: str) -> _Dialect:
    # The text has been taken apart before: "ascii" leaves words with other letters as they are.
    return _Dialect(
        (f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5(words, detail=none, columnsize=0, tokenize='ascii')",),
        text(f"INSERT OR REPLACE INTO {name} (rowid, words) VALUES (:position, :words)"),
        text(f"DELETE FROM {name} WHERE rowid = :position"),
        text(f"SELECT rowid FROM {name} WHERE {name} MATCH :words").columns(column("rowid")),
    )


def _postgresql(name: str) -> _Dialect:
    return _Dialect(
        (
            f"CREATE TABLE IF NOT EXISTS {name} (position BIGINT PRIMARY KEY, words TSVECTOR NOT NULL)",
            f"CREATE INDEX IF NOT EXISTS {name}_words ON {name} USING gin (words)",
        ),
        text(
            f"INSERT INTO {name} VALUES (:position, array_to_tsvector(string_to_array(:words, ' ')))"
            " ON CONFLICT (position) DO UPDATE SET words = EXCLUDED.words"
        ),
        text(f"DELETE FROM {name} WHERE position = :position"),
        text(f"SELECT position FROM {name} WHERE words @@ CAST(:words AS tsquery)").columns(column("position")),
    )


_DIALECTS = {"sqlite": _sqlite, "postgresql": _postgresql}


def words_of(text: str) -> list[str]:
    """Return the words of a text, each once, as they are compared.

    >>> words_of("Höre, höre: it's 5 o'clock")
    ['5', 'clock', 'hore', 'it', 'o', 's']
    """
    if text.isascii():
        text = text.lower()
    else:
        apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(c for c in apart if not unicodedata.category(c).startswith("M"))
    return sorted({word[:_LONGEST] for word in _WORD.findall(text)})


def text_of(stanza: bytes) -> str:
    """Return what can be searched of a message: its bodies and subjects. What is encrypted can't."""
    if _ENCRYPTED.search(stanza):
        return ""
    if b"<![CDATA[" in stanza or b":body" in stanza or b":subject" in stanza:
        (message,) = parse(stanza)
        found = (e for e in message.elements() if e.uri == ns.CLIENT and e.name in ("body", "subject"))
        return "\n".join("".join(c for c in e.children if isinstance(c, str)) for e in found)
    return unescape("\n".join(part.decode() for _, part in _TEXTS.findall(stanza)))


def _owned(owner: int) -> str:
    """Return the word that stands for the owner of a message; no text has it."""
    return f"§{owner}"


def expression(dialect: str, owner: int, words: Iterable[str]) -> str:
    """Return what finds the messages of an archive that have all these words."""
    if dialect == "sqlite":
        return " ".join(f'"{word}"' for word in (_owned(owner), *words))
    return " & ".join(f"'{word}'" for word in (_owned(owner), *words))


class Backlog(NamedTuple):
    """What of an archive can't be searched yet.

    :ivar behind: the position behind which messages are new.
    :ivar low: the id above which they are looked for.
    :ivar newest: the last position there is.
    """

    behind: int
    low: int
    newest: int


class Search:
    """The table of words. While there is none, nothing is removed from it."""

    def __init__(self, tables: ArchiveTables) -> None:
        o, m = tables.owners.c, tables.messages.c
        self._name = tables.words
        self._there = False
        self._dialects = {dialect: make(tables.words) for dialect, make in _DIALECTS.items()}
        self._state = select(o.searched_position, o.searched_id).where(o.number == bindparam("whose"))
        self._done = update(tables.owners).where(o.number == bindparam("whose"))
        self._newest = select(func.max(m.position))
        self._unindexed = (
            select(m.position, m.id, m.stanza)
            .where(m.owner == bindparam("whose"), m.id > bindparam("low"), m.position > bindparam("behind"))
            .order_by(m.id)
            .limit(bindparam("most"))
        )

    def matching(self, dialect: str) -> TextualSelect:
        """Return the query for the positions of messages; the :func:`expression` is its parameter ``words``."""
        return self._dialects[dialect].matching

    def look(self, connection: Connection) -> None:
        """Find out whether there is a table."""
        self._there = inspect(connection).has_table(self._name)

    def create(self, connection: Connection) -> None:
        """Make the table, unless there is one."""
        for statement in self._dialects[connection.dialect.name].create:
            connection.execute(text(statement))
        self._there = True

    def remove(self, connection: Connection, positions: Sequence[int]) -> None:
        """Forget the words of messages."""
        if self._there and positions:
            remove = self._dialects[connection.dialect.name].remove
            connection.execute(remove, [{"position": position} for position in positions])

    def backlog(self, connection: Connection, owner: int) -> Backlog | None:
        """Return what has to be indexed of an archive, or None if there is nothing."""
        state = connection.execute(self._state, {"whose": owner}).first()
        if state is None:
            return None
        newest = connection.execute(self._newest).scalar() or 0
        found = Backlog(state.searched_position, state.searched_id - _LATE, newest)
        some = {"whose": owner, "low": found.low, "behind": found.behind, "most": 1}
        return found if connection.execute(self._unindexed, some).first() else None

    def index(self, connection: Connection, owner: int, backlog: Backlog, most: int) -> Backlog | None:
        """Index some messages; return what is left, None if that was all.

        :param most: how many at a time.
        """
        values = {"whose": owner, "low": backlog.low, "behind": backlog.behind, "most": most}
        rows = connection.execute(self._unindexed, values).all()
        entries = []
        for row in rows:
            words = words_of(text_of(row.stanza))
            if words:
                entries.append({"position": row.position, "words": " ".join((_owned(owner), *words))})
        if entries:
            connection.execute(self._dialects[connection.dialect.name].insert, entries)
        if len(rows) == most:
            return backlog._replace(low=rows[-1].id)
        # What was committed meanwhile, with an id that was passed already, is found next time.
        last = rows[-1].id if rows else backlog.low
        done = {"whose": owner, "searched_position": backlog.newest, "searched_id": last}
        connection.execute(self._done, done)
        return None
