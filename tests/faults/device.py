"""A device as the harness sees it: what it sends and gets is written down, what it missed is fetched."""

from __future__ import annotations

import asyncio
import itertools
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults import reading
from tests.faults.history import Entry, Event, History, Key, Trait, What
from tests.faults.rooms.guest import Guest
from tests.faults.rooms.reading import Sight
from tests.interop.server import DOMAIN

PAGE = 50


class Refused(Exception):
    """An IQ was answered with an error; the text is its condition."""


class Recorder:
    """Writes down what happens in a round, with its time."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        #: When the last message came, whoever got it; the loop's time.
        self.moved = self._start

    def __call__(
        self, what: What, device: str = "", key: Key | None = None, session: int = 0, text: str = "", id: str = "",
        room: str = "", sight: Sight | None = None,
    ) -> None:  # fmt: skip
        now = self._loop.time()
        if what in (What.RECEIVED, What.HEARD, What.SAW):
            self.moved = now
        self.history.events.append(Event(now - self._start, what, device, key, session, text, id, room, sight))


@dataclass
class Offer:
    """What the server offers, as the first device found out."""

    carbons: bool = False
    archive: bool = False
    extended: bool = False


@dataclass
class _Query:
    """A query of the archive that is under way: what came so far."""

    entries: list[Entry] = field(default_factory=list)


class Device:
    """One resource of one account. Subclasses bring the connection."""

    def __init__(self, name: str, port: int, trait: Trait, offer: Offer, recorder: Recorder) -> None:
        self.name, self.port, self.trait, self.offer = name, port, trait, offer
        self.account, _, self.resource = name.partition("/")
        self.bare = self.address(self.account)
        self.record = recorder
        self.session = 0
        #: Wants to be connected.
        self.wanted = False
        #: The present session is ready, its connection may be broken.
        self.ready = False
        #: The archive up to here is known, all of it; what comes live is known beyond.
        self.known = ""
        self.caught_up = False
        self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._queries: dict[str, _Query] = {}
        self._query_ids = itertools.count(1)
        self._syncing: asyncio.Task[None] | None = None
        #: What it does in rooms.
        self.guest = Guest(name, trait.rooms, self.put, recorder)

    # ---- what subclasses do

    def put(self, xml: str, token: Key | str) -> None:
        """Send a stanza in the present session, now or when it is resumed; `token` says what it is."""
        raise NotImplementedError

    async def run(self) -> None:
        """Connect, resume and start again for as long as the device is wanted; never return before."""
        raise NotImplementedError

    def submit(self, key: Key, to: str) -> None:
        """Send a message now or as soon as possible."""
        raise NotImplementedError

    async def ask(self, type_: str, payload: str, to: str = "") -> ET.Element:
        """Send an IQ and return the result; raise Refused, or ConnectionError if there will be no answer."""
        raise NotImplementedError

    async def leave(self) -> None:
        """End the stream and stay away."""
        raise NotImplementedError

    def vanish(self) -> None:
        """Break the connection and stay away."""
        raise NotImplementedError

    async def forget(self) -> None:
        """Break the connection and know nothing of the session any more, if the server has counted everything."""
        raise NotImplementedError

    def sleep(self, asleep: bool) -> None:
        """Say that nobody looks at the device, or that somebody does (XEP-0352), if the server wants to know."""
        raise NotImplementedError

    def typing(self, to: str) -> None:
        """Send a chat state (XEP-0085): nothing that has to arrive."""
        raise NotImplementedError

    def come(self) -> None:
        """Connect again."""
        raise NotImplementedError

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which the session goes on."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many stanzas the server has not counted yet."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Close everything; the round is over."""
        raise NotImplementedError

    def address(self, account: str) -> str:
        """Return the bare JID of an account."""
        return f"{account}@{DOMAIN}"

    # ---- messages

    def say(self, to: str, resource: str) -> None:
        """Send the next message to an account, or to one of its resources."""
        key = Key(self.name, to, next(self._numbers[to]))
        address = self.address(to) + (f"/{resource}" if resource else "")
        self.record(What.SENT, self.name, key, self.session, f"{to}/{resource}" if resource else to)
        self.submit(key, address)

    def got(self, message: ET.Element) -> None:
        """Take a message that came."""
        if self.guest.heard(message):
            return
        incoming = reading.read(message, self.bare)
        if incoming is None:
            return
        if incoming.way == "result":
            self._got_result(incoming)
        elif incoming.way == "error":
            if incoming.key is not None:
                self.record(What.BOUNCED, self.name, incoming.key, self.session, incoming.id)
        elif incoming.key is None:
            self.record(What.GARBLED, self.name, None, self.session, f"{incoming.way}: {incoming.text[:200]!r}")
        else:
            self.record(What.RECEIVED, self.name, incoming.key, self.session, incoming.way, incoming.id)
            if self.caught_up and incoming.id:
                self.known = incoming.id

    def _got_result(self, incoming: reading.Incoming) -> None:
        query = self._queries.get(incoming.query)
        if query is None:
            self.record(
                What.OFFENCE, self.name, incoming.key, self.session, f"a result of no query, {incoming.query!r}"
            )
            return
        query.entries.append(Entry(incoming.id, incoming.key, incoming.text))

    # ---- the archive

    async def page(self, after: str, size: int = PAGE, to: str = "") -> tuple[list[Entry], reading.Fin]:
        """Return a page of the own archive, or that of a room; raise Refused, ConnectionError, TimeoutError."""
        query_id = f"q{next(self._query_ids)}"
        query = self._queries[query_id] = _Query()
        payload = reading.query(query_id, after, size, self.offer.extended)
        async with asyncio.timeout(20):
            answer = await self.ask("set", payload, to)
        fin = reading.fin(answer)
        if fin is None:
            raise Refused("the answer has no <fin/>")
        return query.entries, fin

    async def whole_archive(self, to: str = "") -> list[Entry]:
        """Return everything in the own archive, or that of a room, page by page."""
        found: list[Entry] = []
        after = ""
        while True:
            entries, fin = await self.page(after, 100, to)
            found += entries
            if fin.complete or not entries:
                return found
            after = fin.last

    async def _fetch(self) -> None:
        """Fetch what came since `known`, once."""
        while True:
            try:
                entries, fin = await self.page(self.known)
            except Refused as refusal:
                if str(refusal) != "item-not-found" or not self.known:
                    raise
                self.record(What.FORGOTTEN, self.name, None, self.session, f"{self.known} is not in the archive")
                self.known = ""
                continue
            for entry in entries:
                if entry.key is not None and entry.key.sender != self.name:
                    self.record(What.FETCHED, self.name, entry.key, self.session, "", entry.id)
            self.known = fin.last or self.known
            if fin.complete or not entries:
                self.caught_up = True
                return

    async def fetch(self) -> None:
        """Fetch until it works, or the session is over."""
        session = self.session
        while self.session == session and self.wanted:
            try:
                await self._fetch()
            except (Refused, ConnectionError, TimeoutError):
                await asyncio.sleep(0.3)
            else:
                return

    def begin(self) -> None:
        """A new session begins: what comes from now on may lie behind what was missed."""
        self.session += 1
        self.ready = self.caught_up = False
        self.record(What.BEGAN, self.name, None, self.session)

    def catch_up(self) -> None:
        """Begin to fetch, in the background, what was missed before this session."""
        if self._syncing is not None:
            self._syncing.cancel()
        if self.offer.archive and self.trait.archive:
            self._syncing = asyncio.create_task(self.fetch())
        else:
            self.caught_up = True

    async def look(self) -> None:
        """Ask the server what it offers to the account."""
        disco = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        features: set[str] = set()
        for to in (self.bare.partition("@")[2], self.bare):
            try:
                answer = await self.ask("get", disco, to)
            except Refused:
                continue
            features |= {element.get("var", "") for element in answer.iter() if element.tag.endswith("}feature")}
        self.offer.carbons = reading.CARBONS in features
        self.offer.archive = reading.MAM in features
        self.offer.extended = f"{reading.MAM}#extended" in features


Making = Callable[[str, int, Trait, Offer, Recorder], Device]
