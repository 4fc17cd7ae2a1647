"""What the console keeps: roles, sessions, second factors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Delete,
    Float,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)  # fmt: skip

from xmppd.api import IDatabase

__all__ = ["TABLES", "Person", "Session", "Store"]

_META = MetaData()
_ROLES = Table(
    "console_roles",
    _META,
    Column("host", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("role", Text, nullable=False),
)
#: A second factor is the account's, whichever host's console it is for.
_PEOPLE = Table(
    "console_people",
    _META,
    Column("account", Text, primary_key=True),
    Column("language", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("codes", Text, nullable=False),
)
_SESSIONS = Table(
    "console_sessions",
    _META,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("account", Text, nullable=False, index=True),
    Column("began_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("peer", Text, nullable=False),
    Column("browser", Text, nullable=False),
    Column("password", Text, nullable=False),
)
TABLES = (_ROLES, _PEOPLE, _SESSIONS)


@dataclass(frozen=True, slots=True)
class Person:
    """What is kept of somebody who uses the console.

    :ivar language: what they have chosen, or "".
    :ivar secret: of their second factor (RFC 6238), in base 32; "" if they have none.
    :ivar step: the time step of the last code that was used.
    :ivar codes: hashes of the recovery codes that are left.
    """

    language: str = ""
    secret: str = ""
    step: int = 0
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Times are in seconds since the epoch.

    :ivar id: the hash of what the browser has.
    :ivar password: stands for the password that was shown; another one, and the session has ended.
    """

    id: str
    host: str
    account: str
    began_at: float
    seen_at: float
    peer: str
    browser: str
    password: str


class Store:
    """The tables, for the console of one host."""

    def __init__(self, db: IDatabase, host: str) -> None:
        self._db = db
        self._host = host

    # Roles

    async def roles(self) -> dict[str, str]:
        """Return the roles that were granted, by account."""
        query = select(_ROLES.c.account, _ROLES.c.role).where(_ROLES.c.host == self._host).order_by(_ROLES.c.account)
        return await self._db.read(lambda c: {account: role for account, role in c.execute(query)})

    async def operators(self) -> list[str]:
        """Return those who were granted to be operator, on any host: it is the whole server that they look after."""
        query = select(_ROLES.c.account).where(_ROLES.c.role == "operator")
        return await self._db.read(lambda c: list(c.scalars(query)))

    async def grant(self, account: str, role: str) -> None:
        """Give somebody a role, in place of the one they have."""
        remove = self._role_of(account)
        add = insert(_ROLES).values(host=self._host, account=account, role=role)

        def work(connection: Connection) -> None:
            connection.execute(remove)
            connection.execute(add)

        await self._db.write(work)

    async def revoke(self, account: str) -> bool:
        """Take somebody's role; had they one?"""
        remove = self._role_of(account)
        return await self._db.write(lambda c: bool(c.execute(remove).rowcount))

    def _role_of(self, account: str) -> Delete:
        return delete(_ROLES).where(_ROLES.c.host == self._host, _ROLES.c.account == account)

    # Second factors, languages

    async def person(self, account: str) -> Person:
        """Return what is kept of somebody; of most people nothing."""
        return await self._db.read(lambda c: _person(c, account))

    async def set_language(self, account: str, language: str) -> None:
        """Keep the language that somebody has chosen."""
        await self._change(account, lambda person: replace(person, language=language))

    async def set_second_factor(self, account: str, secret: str, step: int, codes: Sequence[str]) -> None:
        """Keep a second factor; no secret takes it away.

        :param step: of the code that was used to prove it.
        :param codes: hashes of recovery codes.
        """
        await self._change(account, lambda person: replace(person, secret=secret, step=step, codes=tuple(codes)))

    async def _change(self, account: str, change: Callable[[Person], Person]) -> None:
        def work(connection: Connection) -> None:
            _put(connection, account, change(_person(connection, account)))

        await self._db.write(work)

    async def use_step(self, account: str, step: int) -> bool:
        """Use a time step up. Was it later than any before? If not, somebody has seen a code and types it again."""
        later = (
            update(_PEOPLE).where(_PEOPLE.c.account == account, _PEOPLE.c.step < step, _PEOPLE.c.secret != "")
            .values(step=step)
        )  # fmt: skip
        return await self._db.write(lambda c: bool(c.execute(later).rowcount))

    async def use_code(self, account: str, code: str) -> bool:
        """Use a recovery code up, by its hash. Was there such a one?"""

        def work(connection: Connection) -> bool:
            person = _person(connection, account)
            if code not in person.codes:
                return False
            _put(connection, account, replace(person, codes=tuple(left for left in person.codes if left != code)))
            return True

        return await self._db.write(work)

    # Sessions

    async def begin(self, session: Session) -> None:
        """Keep a session."""
        row = dict(zip(_SESSIONS.c.keys(), astuple(replace(session, host=self._host)), strict=True))
        await self._db.write(lambda c: c.execute(insert(_SESSIONS).values(row)).rowcount)

    async def session(self, id: str) -> Session | None:
        """Return the session of that id."""
        query = select(_SESSIONS).where(_SESSIONS.c.id == id, _SESSIONS.c.host == self._host)

        def work(connection: Connection) -> Session | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else Session(*row)

        return await self._db.read(work)

    async def sessions(self, account: str) -> list[Session]:
        """Return somebody's sessions, the latest first."""
        query = (
            select(_SESSIONS).where(_SESSIONS.c.account == account, _SESSIONS.c.host == self._host)
            .order_by(_SESSIONS.c.seen_at.desc())
        )  # fmt: skip
        return await self._db.read(lambda c: [Session(*row) for row in c.execute(query)])

    async def seen(self, id: str, now: float) -> None:
        """Note that a session is in use."""
        change = update(_SESSIONS).where(_SESSIONS.c.id == id).values(seen_at=now)
        await self._db.write(lambda c: c.execute(change).rowcount)

    async def end(self, id: str) -> None:
        """Forget a session."""
        await self._db.write(lambda c: c.execute(delete(_SESSIONS).where(_SESSIONS.c.id == id)).rowcount)

    async def end_all(self, account: str, but: str = "") -> int:
        """Forget somebody's sessions, on all hosts. How many were there?

        :param but: the id of one that stays.
        """
        which = delete(_SESSIONS).where(_SESSIONS.c.account == account, _SESSIONS.c.id != but)
        return await self._db.write(lambda c: c.execute(which).rowcount)

    async def end_old(self, began_before: float, seen_before: float) -> None:
        """Forget those that nobody may use any more."""
        old = (_SESSIONS.c.began_at < began_before) | (_SESSIONS.c.seen_at < seen_before)
        which = delete(_SESSIONS).where(_SESSIONS.c.host == self._host, old)
        await self._db.write(lambda c: c.execute(which).rowcount)

    # All of it

    async def forget(self, account: str) -> None:
        """Delete all that is kept of an account."""

        def work(connection: Connection) -> None:
            for table in TABLES:
                connection.execute(delete(table).where(table.c.account == account))

        await self._db.write(work)


def _person(connection: Connection, account: str) -> Person:
    row = connection.execute(select(_PEOPLE).where(_PEOPLE.c.account == account)).one_or_none()
    return Person() if row is None else Person(row.language, row.secret, row.step, tuple(json.loads(row.codes)))


def _put(connection: Connection, account: str, person: Person) -> None:
    connection.execute(delete(_PEOPLE).where(_PEOPLE.c.account == account))
    values = {
        "account": account,
        "language": person.language,
        "secret": person.secret,
        "step": person.step,
        "codes": json.dumps(person.codes),
    }
    connection.execute(insert(_PEOPLE).values(values))
