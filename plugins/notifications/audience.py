"""Who an expression is about: the accounts that may be meant, in pages, and which of their devices are.

An expression is looked at twice. First for the accounts that it can be true of at all: some terms name them, as
``user:`` and ``tag:`` do; if none does, all accounts of the host are gone through. Then, page by page, each device is
asked for; what has to be known for that is read for the whole page at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from xmppd.api import IHost, ISession, Jid
from xmppd.api.muc import IRooms
from xmppd.plugins.notifications import people
from xmppd.plugins.notifications.expression import And, Expression, Not, Or, Term, parse, terms
from xmppd.plugins.notifications.people import Device
from xmppd.plugins.notifications.values import is_older, share_of, version_key

__all__ = ["BY_DEVICE", "Audience", "AudienceError", "Person", "Resolver"]

_PAGE = 500
#: How much an expression may grow to by its segments: terms, and what is in each other.
_TERMS = 5_000
_DEEPEST = 150
#: Terms that tell devices of an account from each other.
BY_DEVICE = frozenset({"online", "platform", "app", "version", "locale", "seen"})


class AudienceError(ValueError):
    """An expression names what there isn't; the text says what."""


@dataclass(frozen=True, slots=True)
class Person:
    """An account, and those of its devices that are meant; None stands for one that isn't known yet.

    :ivar online: the sessions of its devices that are available now, by device.
    """

    account: str
    devices: Sequence[Device | None]
    online: Mapping[str, ISession]


@dataclass(frozen=True, slots=True)
class _Page:
    """What is known of a page of accounts."""

    created: Mapping[str, float]
    devices: Mapping[str, Sequence[Device]]
    holders: Mapping[Term, Collection[str]]
    now: float


@dataclass(frozen=True, slots=True)
class Audience:
    """An expression whose names are resolved.

    :ivar named: by term, the accounts that are meant by it, if it names them.
    :ivar candidates: all accounts that can be meant, in order; None: any account of the host.
    """

    expression: Expression
    named: Mapping[Term, frozenset[str]]
    candidates: Sequence[str] | None

    @property
    def by_device(self) -> bool:
        """Does it tell the devices of an account from each other?"""
        return any(term.kind in BY_DEVICE for term in terms(self.expression))

    def has(self, kind: str) -> bool:
        """Is there a term of that kind?"""
        return any(term.kind == kind for term in terms(self.expression))


@dataclass
class Resolver:
    """Finds those who are meant, on one host.

    :ivar rooms: to be asked for the people in rooms; None: there are none.
    :ivar device_of: says which device a session is.
    """

    host: IHost
    rooms: Callable[[], IRooms | None]
    device_of: Callable[[ISession], str]
    _host: str = field(init=False)

    def __post_init__(self) -> None:
        self._host = str(self.host.jid)

    async def resolve(self, text: str, listed: Collection[str] | None = None) -> Audience:
        """Return the audience of an expression.

        :param listed: the accounts in a file; None: there is none.
        :raises ExpressionError: it is none.
        :raises AudienceError: it names what there isn't.
        """
        expression = await self._inlined(parse(text))
        if listed is not None and not any(term.kind == "csv" for term in terms(expression)):
            expression = And((expression, Term("csv")))
        named: dict[Term, frozenset[str]] = {}
        for term in terms(expression):
            found = await self._named(term, listed)
            if found is not None:
                named[term] = frozenset(found)
        candidates = _candidates(expression, named)
        return Audience(expression, named, None if candidates is None else sorted(candidates))

    @staticmethod
    def check_segments(known: Mapping[str, str], expression: Expression) -> None:
        """Are all segments there that an expression is made of, and none part of itself?

        :raises AudienceError: not so.
        """
        _Inliner(known).inline(expression)

    async def _inlined(self, expression: Expression) -> Expression:
        """Replace segments by what they stand for."""
        if not any(term.kind == "segment" for term in terms(expression)):
            return expression
        known = await self.host.db.read(lambda c: people.segments(c, self._host))
        return _Inliner(known).inline(expression)

    async def _named(self, term: Term, listed: Collection[str] | None) -> Collection[str] | None:
        value, host, read = term.value, self._host, self.host.db.read
        match term.kind:
            case "user":
                return [await self._existing(value)]
            case "alias":
                found = await read(lambda c: people.accounts_with_alias(c, host, [value]))
                if not found:
                    raise AudienceError(f"nobody has the alias {value!r}")
                return list(found.values())
            case "tag":
                return await read(lambda c: people.tagged(c, host, value))
            case "group":
                group = await read(lambda c: people.members(c, host, value))
                if not group:
                    raise AudienceError(f"there is no group {value!r}")
                return group
            case "room":
                return await self._room(Jid.parse(value))
            case "csv":
                if listed is None:
                    raise AudienceError("csv stands for the accounts in a file, and there is none")
                return listed
            case "online":
                return {str(session.account) for session in self.host.all_sessions() if session.presence is not None}
        return None

    async def _existing(self, text: str) -> str:
        jid = Jid.parse(text)
        if jid.domain != self._host or not await self.host.accounts.exists(jid):
            raise AudienceError(f"{text} is not an account of {self._host}")
        return text

    async def _room(self, room: Jid) -> Collection[str]:
        rooms = self.rooms()
        people_there = None if rooms is None else await rooms.people_of(room)
        if people_there is None:
            raise AudienceError(f"there is no room {room}")
        return {str(who) for who in people_there if who.domain == self._host and who.local}

    async def pages(
        self, audience: Audience, after: str = "", size: Callable[[], int] = lambda: _PAGE
    ) -> AsyncIterator[tuple[str, list[Person]]]:
        """Go through those who are meant, from the account behind `after` on.

        Yields the account up to which a page goes, with the people of it who are meant.

        :param size: says how many accounts the next page may have.
        """
        while True:
            accounts = await self._page(audience, after, min(size(), _PAGE))
            if not accounts:
                return
            names = list(accounts)
            page = await self._facts(audience, accounts)
            after = names[-1]
            yield after, [person for name in names if (person := self._person(audience, page, name)) is not None]

    async def _page(self, audience: Audience, after: str, size: int) -> dict[str, float]:
        """Return accounts, and when they were made as far as that matters."""
        accounts = self.host.accounts
        if audience.candidates is None:
            return {str(one.jid): one.created for one in await accounts.list(self._host, after, size)}
        start = bisect_right(audience.candidates, after)
        found: dict[str, float] = {}
        dated = audience.has("registered")
        while not found and start < len(audience.candidates):
            for name in audience.candidates[start : start + size]:
                jid = Jid.parse(name)
                if dated:
                    account = await accounts.get(jid)
                    if account is not None:
                        found[name] = account.created
                elif accounts.known(jid) or await accounts.exists(jid):
                    found[name] = 0.0
            start += size
        return found

    async def _facts(self, audience: Audience, accounts: Mapping[str, float]) -> _Page:
        names = list(accounts)
        devices = await self.host.db.read(lambda c: people.devices_of(c, names))
        return _Page(accounts, devices, audience.named, self.host.clock.seconds())

    def _person(self, audience: Audience, page: _Page, account: str) -> Person | None:
        online = self.online(Jid.parse(account))
        known: Sequence[Device | None] = page.devices.get(account) or (None,)
        meant = [one for one in known if _holds(audience.expression, page, account, one, online)]
        return Person(account, meant, online) if meant else None

    def online(self, account: Jid) -> dict[str, ISession]:
        """Return the sessions of an account that can be sent to now, by device."""
        return {
            self.device_of(session): session
            for session in self.host.sessions(account)
            if session.presence is not None and not session.hibernating
        }


class _Inliner:
    """Puts expressions in place of the segments that stand for them, as long as that makes no monster.

    :param known: expressions by segment.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._terms = 0

    def inline(self, expression: Expression, within: tuple[str, ...] = (), depth: int = 0) -> Expression:
        """Return an expression without segments.

        :param within: the segments that it is part of.
        :raises AudienceError: it can't be had.
        """
        if depth > _DEEPEST:
            raise AudienceError("the segments are too deep in each other")
        match expression:
            case Term("segment", name):
                return self.inline(self._of(name, within), (*within, name), depth + 1)
            case Term():
                self._terms += 1
                if self._terms > _TERMS:
                    raise AudienceError(f"with its segments it has too many terms; {_TERMS} are allowed")
                return expression
            case Not(inner):
                return Not(self.inline(inner, within, depth + 1))
            case And(parts):
                return And(tuple([self.inline(part, within, depth + 1) for part in parts]))
            case Or(parts):
                return Or(tuple([self.inline(part, within, depth + 1) for part in parts]))

    def _of(self, name: str, within: tuple[str, ...]) -> Expression:
        if name in within:
            raise AudienceError(f"the segment {name!r} is part of itself")
        if name not in self._known:
            raise AudienceError(f"there is no segment {name!r}")
        return parse(self._known[name])


def _candidates(expression: Expression, named: Mapping[Term, frozenset[str]]) -> frozenset[str] | None:
    """Return all accounts that an expression can be true of; None if that isn't known."""
    match expression:
        case Term():
            return named.get(expression)
        case Not():
            return None
        case And(parts):
            known = [found for part in parts if (found := _candidates(part, named)) is not None]
            return frozenset.intersection(*known) if known else None
        case Or(parts):
            either = [_candidates(part, named) for part in parts]
            return None if None in either else frozenset().union(*(found for found in either if found is not None))


def _holds(e: Expression, page: _Page, account: str, device: Device | None, online: Mapping[str, ISession]) -> bool:
    match e:
        case Not(inner):
            return not _holds(inner, page, account, device, online)
        case And(parts):
            return all(_holds(part, page, account, device, online) for part in parts)
        case Or(parts):
            return any(_holds(part, page, account, device, online) for part in parts)
        case Term("all"):
            return True
        case Term("online"):
            return device is not None and device.id in online
        case Term("percent", value):
            return share_of(account) < float(value)
        case Term("registered", value, operator):
            return is_older(page.created[account], operator, value, page.now)
        case Term("seen", value, operator):
            # Who was never seen was not seen lately.
            seen_at = page.now if device is not None and device.id in online else device.seen_at if device else 0.0
            return is_older(seen_at, operator, value, page.now)
        case Term("version", value, operator):
            return device is not None and bool(device.version) and _compares(device.version, operator, value)
        case Term("platform" | "app" | "locale"):
            return device is not None and getattr(device, e.kind).lower() == e.value.lower()
        case _:
            return account in page.holders[e]


def _compares(version: str, operator: str, value: str) -> bool:
    ours, theirs = version_key(version), version_key(value)
    match operator:
        case "<":
            return ours < theirs
        case "<=":
            return ours <= theirs
        case ">":
            return ours > theirs
        case ">=":
            return ours >= theirs
    return ours == theirs
