"""A client of our own that keeps XEP-0198 to the letter, and notices when the server doesn't."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from tests.faults import reading
from tests.faults.device import Device, Offer, Recorder, Refused
from tests.faults.history import Key, Trait, What
from tests.faults.management import Management, Offence, TakenBack
from tests.faults.servers import PASSWORD
from tests.faults.stream import BIND, STREAMS, Stream, TcpStream

SM = reading.SM
_SM = f"{{{SM}}}"
_CLIENT = f"{{{reading.CLIENT}}}"
_BROKEN = (OSError, TimeoutError, ConnectionError, ET.ParseError)
#: Stanzas sent, or received, between two acknowledgements asked for, or given, besides those by time.
EVERY = 5


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Client(Device):
    """A device that resumes its session whenever it can."""

    def __init__(self, name: str, port: int, trait: Trait, offer: Offer, recorder: Recorder) -> None:
        super().__init__(name, port, trait, offer, recorder)
        self._chance = random.Random(name)
        #: Seconds without any answer after which a connection is taken for dead.
        self._patience = self._chance.uniform(5.0, 8.0)
        self._sm: Management[Key | str] | None = None
        self._ended_at = 0.0
        self._stream: Stream | None = None
        self._on = False  # the session goes on on this stream
        #: What waits for a session to be ready; those that were sent in an earlier one already are in `_again`.
        self._backlog: list[Key] = []
        self._again: set[Key] = set()
        self._addresses: dict[Key, str] = {}
        self._ids = itertools.count(1)
        self._asked: dict[str, asyncio.Future[ET.Element]] = {}
        self._request: float | None = None
        self._told = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._leaving = self._sleeps = False
        #: We ended the stream, and never heard that the server knows.
        self._unconfirmed = False

    # ---- the life of a device

    @property
    def connected(self) -> bool:
        return self._on and self.ready

    @property
    def waiting(self) -> int:
        return len(self._backlog) + (len(self._sm.queue) if self._sm else 0)

    def come(self) -> None:
        self.wanted = True
        self._leaving = False
        self._wake.set()
        if self._task is None:
            self._task = asyncio.create_task(self.run())

    async def run(self) -> None:
        while True:
            while not self.wanted:
                self._wake.clear()
                await self._wake.wait()
            try:
                async with asyncio.timeout(2 * self._patience):
                    await self._connect()
            except _BROKEN as error:
                self._drop(str(error) or type(error).__name__)
            else:
                await self._watch()
            await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def _watch(self) -> None:
        """Ask for acknowledgements, give them, and give the connection up when nothing is heard any more."""
        stream = self._stream
        while stream is not None and stream.open:
            await _either(stream.ended, 0.3)
            now = self._loop.time()
            if self._request is not None and now - self._request > self._patience:
                self._drop("no answer")
                return
            if self._sm is None or not self._on or self._leaving:
                continue
            if self._told != self._sm.received:
                self._tell()
            if self._sm.queue or now - stream.heard > 3:
                self._ask_ack()

    def _drop(self, why: str) -> None:
        if self._stream is not None:
            self._stream.drop(why)

    def _lost(self, why: str) -> None:
        if self._on:
            self.record(What.BROKEN, self.name, None, self.session, why)
            # The server may have lost us at any time since.
            self._ended_at = self._stream.heard if self._stream is not None else self._loop.time()
        self._on, self._stream, self._request = False, None, None

    def vanish(self) -> None:
        self.wanted = False
        self._drop("vanished")

    async def leave(self) -> None:
        """End the stream if everything was counted; what comes after our last <a/> we have not handled."""
        end = self._loop.time() + 3
        while self.waiting and self._loop.time() < end:
            await asyncio.sleep(0.1)
        stream = self._stream
        if self.waiting or not self.connected or stream is None:
            self.vanish()
            return
        self.wanted, self._leaving, self._on = False, True, False
        self.guest.part()
        stream.hand_over(lambda _element: None)
        self._tell()
        stream.close()
        await _either(stream.ended, self._patience)
        self._unconfirmed = not stream.ended_properly
        if stream.ended_properly:
            self.record(What.CLOSED, self.name, None, self.session)
            self._give_up(None)
        self._drop("left")

    async def forget(self) -> None:
        end = self._loop.time() + 3
        while self.waiting and self._loop.time() < end:
            await asyncio.sleep(0.1)
        if self.waiting or self._sm is None:
            return
        self.vanish()
        self.record(What.FORGOT, self.name, None, self.session)
        self._forget()

    def sleep(self, asleep: bool) -> None:
        if self._on and self._sleeps and self._stream is not None:
            self._stream.write(f"<{'inactive' if asleep else 'active'} xmlns='{reading.CSI}'/>")

    def typing(self, to: str) -> None:
        if self._on:
            self._stanza(reading.typing(to), "typing")

    @property
    def unanswered(self) -> list[str]:
        """The ids of requests that the server has counted, and not answered."""
        waiting = {stanza.token for stanza in self._sm.queue} if self._sm else set()
        return [id_ for id_ in self._asked if id_ not in waiting]

    async def stop(self) -> None:
        self.wanted = False
        for task in (self._task, self._syncing):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._drop("the end")

    # ---- sessions

    async def open(self, lost: Callable[[str], None]) -> Stream:
        """Connect; `lost` is told when the connection is gone. To be overridden by who comes another way."""
        return await TcpStream.connect(self.port, lost, self.bare.partition("@")[2])

    async def _connect(self) -> None:
        stream = self._stream = await self.open(self._lost)
        features = await stream.log_in(self.account, PASSWORD)
        self._sleeps = features.find(f"{{{reading.CSI}}}csi") is not None
        if features.find(f"{_SM}sm") is None:
            raise ConnectionError("no stream management is offered")
        if self._sm is not None:
            if self._sm.id and await self._resume(stream, self._sm):
                return
            self._give_up(None)
        await self._bind(stream)
        self.begin()
        sm: Management[Key | str] = Management()
        stream.write(f"<enable xmlns='{SM}' resume='true'/>")
        answer = await self._answer(stream, "enabled")
        if answer.tag == f"{_SM}failed":
            raise ConnectionError("stream management is refused")
        resumable = answer.get("resume") in ("true", "1")
        self._sm, self._told, self._on = sm, 0, True
        sm.enabled(answer.get("id", "") if resumable else "", float(answer.get("max", "inf")))
        stream.hand_over(self._element)
        await self._set_up()

    async def _answer(self, stream: Stream, wanted: str) -> ET.Element:
        """Wait for an answer of stream management; messages that come before are not counted yet."""
        while True:
            element = await stream.next()
            if element.tag == f"{_SM}{wanted}" or element.tag == f"{_SM}failed":
                return element
            if element.tag == f"{_CLIENT}message":
                self.got(element)
            elif element.tag == f"{STREAMS}error":
                raise ConnectionError(self._stream_error(element))

    async def _resume(self, stream: Stream, sm: Management[Key | str]) -> bool:
        stream.write(f"<resume xmlns='{SM}' h='{sm.received}' previd={quoteattr(sm.id)}/>")
        told = sm.received
        answer = await self._answer(stream, "resumed")
        if answer.tag == f"{_SM}failed":
            self._refused(sm, answer)
            return False
        self._on, self._told, self._unconfirmed = True, told, False
        self._acknowledged(answer)
        self.record(What.RESUMED, self.name, None, self.session, f"h {answer.get('h')}, {len(sm.queue)} sent again")
        stream.write_all(stanza.xml for stanza in sm.queue)
        stream.hand_over(self._element)
        if sm.queue:
            self._ask_ack()
        if not self.ready:
            await self._set_up()
        return True

    def _refused(self, sm: Management[Key | str], answer: ET.Element) -> None:
        conditions = [child.tag.rpartition("}")[2] for child in answer]
        if "item-not-found" not in conditions and "feature-not-implemented" not in conditions and conditions:
            raise ConnectionError(f"not resumed for now: {conditions}")
        away = self._loop.time() - self._ended_at
        over = self._unconfirmed or away > (sm.seconds or 0)
        h = answer.get("h")
        what = What.EXPIRED if over else What.REFUSED
        self.record(what, self.name, None, self.session, f"{conditions} h {h}, {away:.1f} s away, max {sm.seconds}")
        self._give_up(int(h) if h is not None else None)

    def _give_up(self, h: int | None) -> None:
        """The session can't be resumed: what the server did not count will be sent in the next one."""
        if self._sm is not None:
            acked, left = self._sm.end(h)
            self._ack(acked)
            keys = [token for token in left if isinstance(token, Key)]
            for key in [key for key in keys if self.guest.concerns(key)]:
                keys.remove(key)
                self.record(What.LET_GO, self.name, key, self.session)
            self._again.update(keys)
            self._backlog[:0] = keys
        self._forget()

    def _forget(self) -> None:
        """The session is over."""
        self._sm, self._unconfirmed = None, False
        self.guest.over("its session is over")
        self.ready = self.caught_up = False
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ConnectionError("the session is over"))
                future.exception()
        self._asked.clear()

    async def _bind(self, stream: Stream) -> None:
        resource = f"<resource>{self.resource}</resource>"
        stream.write(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{resource}</bind></iq>")
        while True:
            answer = await stream.next()
            if answer.tag == f"{_CLIENT}iq" and answer.get("id") == "bind":
                break
        if answer.get("type") != "result":
            raise ConnectionError("not bound")

    async def _set_up(self) -> None:
        """Presence and carbons, what is to be sent again, and the archive."""
        if self.session == 1:
            await self.look()
        if self.offer.carbons:
            await self.ask("set", f"<enable xmlns='{reading.CARBONS}'/>")
        if self.trait.first and self.offer.archive:
            await self.fetch()
            self.caught_up = False  # only up to the presence, which is still to come
        self._stanza("<presence/>", "presence")
        with contextlib.suppress(Refused):
            await self.ask("get", "<ping xmlns='urn:xmpp:ping'/>")
        self.record(What.READY, self.name, None, self.session)
        self.ready = True
        backlog, self._backlog = self._backlog, []
        for key in backlog:
            if key in self._again:
                self.record(What.AGAIN, self.name, key, self.session)
            self._stanza(reading.message(key, self._addresses[key]), key)
        self.guest.ready(self.session)
        self.catch_up()

    # ---- what is sent

    def put(self, xml: str, token: Key | str) -> None:
        if self._sm is not None and self.ready:
            self._stanza(xml, token)

    def submit(self, key: Key, to: str) -> None:
        self._addresses[key] = to
        if self._sm is None or not self.ready:
            self._backlog.append(key)
        else:
            self._stanza(reading.message(key, to), key)

    def _stanza(self, xml: str, token: Key | str) -> None:
        assert self._sm is not None
        self._sm.sending(xml, token)
        if self._on and self._stream is not None:
            self._stream.write(xml)
            if len(self._sm.queue) % EVERY == 0:
                self._ask_ack()

    async def ask(self, type_: str, payload: str, to: str = "") -> ET.Element:
        if self._sm is None:
            raise ConnectionError("there is no session")
        id_ = f"i{next(self._ids)}"
        future = self._asked[id_] = self._loop.create_future()
        address = f" to={quoteattr(to)}" if to else ""
        self._stanza(f"<iq type='{type_}' id='{id_}'{address}>{payload}</iq>", id_)
        try:
            answer = await future
        finally:
            self._asked.pop(id_, None)
        if answer.get("type") == "error":
            error = answer.find(f"{_CLIENT}error")
            conditions = [child.tag.rpartition("}")[2] for child in error] if error is not None else []
            raise Refused(conditions[0] if conditions else "?")
        return answer

    def _ask_ack(self) -> None:
        if self._request is None and self._stream is not None:
            self._request = self._loop.time()
            self._stream.write(f"<r xmlns='{SM}'/>")

    def _tell(self) -> None:
        assert self._sm is not None
        self._told = self._sm.received
        if self._stream is not None:
            self._stream.write(f"<a xmlns='{SM}' h='{self._told}'/>")

    # ---- what comes

    def saw(self, presence: ET.Element) -> None:
        """Take presence; to be overridden by who looks at more of it."""
        self.guest.saw(presence)

    def _element(self, element: ET.Element) -> None:
        tag = element.tag
        if tag == f"{_CLIENT}message":
            self._count()
            self.got(element)
        elif tag == f"{_CLIENT}iq":
            self._count()
            self._iq(element)
        elif tag == f"{_CLIENT}presence":
            self._count()
            self.saw(element)
        elif tag == f"{_SM}r":
            self._tell()
        elif tag == f"{_SM}a":
            self._request = None
            self._acknowledged(element)
        elif tag == f"{STREAMS}error":
            self._drop(self._stream_error(element))
        else:
            self.record(What.OFFENCE, self.name, None, self.session, f"unexpected {tag}")

    @staticmethod
    def _stream_error(element: ET.Element) -> str:
        return "stream error " + " ".join(f"{child.tag.rpartition('}')[2]} {child.text or ''}" for child in element)

    def _count(self) -> None:
        assert self._sm is not None
        self._sm.handled()
        if (self._sm.received - self._told) % 2**32 >= EVERY:
            self._tell()

    def _iq(self, iq: ET.Element) -> None:
        if iq.get("type") in ("result", "error"):
            future = self._asked.get(iq.get("id", ""))
            if future is not None and not future.done():
                future.set_result(iq)
            return
        to = f" to={quoteattr(iq.get('from', ''))}" if iq.get("from") else ""
        id_ = quoteattr(iq.get("id", ""))
        if iq.find("{urn:xmpp:ping}ping") is not None:
            self._stanza(f"<iq type='result' id={id_}{to}/>", "answer")
        else:
            error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            self._stanza(f"<iq type='error' id={id_}{to}>{error}</iq>", "answer")

    def _acknowledged(self, element: ET.Element) -> None:
        assert self._sm is not None
        h = int(element.get("h", "-1"))
        try:
            self._ack(self._sm.acknowledge(h))
        except TakenBack as offence:
            self.record(What.TAKEN_BACK, self.name, None, self.session, str(offence))
            for token in offence.tokens:
                if isinstance(token, Key):
                    self.record(What.TAKEN_BACK, self.name, token, self.session, str(offence))
            self._sm.set_back(h)
        except Offence as offence:
            self.record(What.OFFENCE, self.name, None, self.session, str(offence))
            self._drop(str(offence))

    def _ack(self, tokens: list[Key | str]) -> None:
        for token in tokens:
            if isinstance(token, Key):
                self.record(What.ACKED, self.name, token, self.session)
                self._addresses.pop(token, None)
                self._again.discard(token)
