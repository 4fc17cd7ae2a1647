"""One round of two servers: people on both write to each other, faults come as the plan says, then all is quiet."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass

from tests.faults import plan
from tests.faults.device import Offer, Recorder, Refused
from tests.faults.history import Event, History, Trait, What
from tests.faults.link import DOWN, UP, Link
from tests.faults.network.person import Person
from tests.faults.network.plan import ONE_WAY, Plan
from tests.faults.network.servers import SIDES, Neighbour
from tests.faults.plan import Fault

PATIENCE = 60.0
#: Of so many messages, those to a full JID.
FULL = 0.3
PING = "<ping xmlns='urn:xmpp:ping'/>"


@dataclass(frozen=True)
class Shape:
    """How many devices there are on each side, of one account each, and messages a second from all together."""

    people: int
    rate: float
    seed: str


class Round:
    """A round of two servers that were made for it. The last on each side only shows who is there; nobody writes to it.

    :ivar kills: by side, when the server was killed. :ivar offences: see the checker.
    """

    def __init__(self, servers: tuple[Neighbour, Neighbour], shape: Shape, faults: Plan) -> None:
        self.servers, self.shape, self.plan = servers, shape, faults
        self.names = [f"{side}{number}/d" for side in SIDES for number in range(shape.people)]
        self.watchers = [f"{side}{shape.people - 1}/d" for side in SIDES]
        self.writers = [name for name in self.names if name not in self.watchers]
        self.history = History({name: Trait() for name in self.names})
        self._chance = random.Random(f"{shape.seed} load")
        self._loaded = True

    async def run(self) -> History:
        """Play the round; return what happened."""
        self.record = Recorder(self.history)
        self.links = [Link(self.servers[1].s2s_port), Link(self.servers[0].s2s_port)]
        for side in (0, 1):
            await self.links[side].start()
            self.servers[side].reached_by(self.servers[1 - side].domain, self.links[side].port)
            names = [name.partition("/")[0] for name in self.names if name[0] == SIDES[side]]
            await asyncio.to_thread(self.servers[side].add_users, names)
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.servers))
        self.device_links = {name: Link(self.servers[SIDES.index(name[0])].c2s_port) for name in self.names}
        self.people: dict[str, Person] = {}
        try:
            await self._gather()
            await self._play()
            await self._settle()
        finally:
            await asyncio.gather(*(person.stop() for person in self.people.values()), return_exceptions=True)
            links = (*self.links, *self.device_links.values())
            await asyncio.gather(*(link.stop() for link in links), return_exceptions=True)
        return self.history

    async def _gather(self) -> None:
        offer = Offer()
        for name, link in self.device_links.items():
            await link.start()
            self.people[name] = Person(name, link.port, self.history.devices[name], offer, self.record)
            self.people[name].come()
        await self._until(lambda: all(person.connected for person in self.people.values()), "not everybody logged in")
        self.history.carbons, self.history.archive = offer.carbons, offer.archive
        for person in self.people.values():
            for other in self._others(person):
                person.befriend(other.account)
        await self._until(lambda: not self._unseen(), "not everybody sees everybody")

    def _others(self, person: Person) -> list[Person]:
        return [other for other in self.people.values() if other.name[0] != person.name[0]]

    def _unseen(self) -> list[str]:
        """Who sees somebody on the other side otherwise than he is; in words."""
        wrong = []
        for person in self.people.values():
            for other in self._others(person):
                seen = person.seen.get(other.jid)
                if person.status is not None and seen != other.status:
                    wrong.append(f"{person.name} sees {other.name} as {seen!r} and not as {other.status!r}")
        return wrong

    async def _until(self, done: object, otherwise: str) -> None:
        assert callable(done)
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                raise RuntimeError(f"{otherwise}:\n{self.servers[0].tail()}\n{self.servers[1].tail()}")
            await asyncio.sleep(0.05)

    # ---- the load

    async def _load(self) -> None:
        start, sent = time.monotonic(), 0
        while self._loaded:
            await asyncio.sleep(0.02)
            due = int((time.monotonic() - start) * self.shape.rate)
            while sent < due:
                sent += 1
                person = self.people[self._chance.choice(self.writers)]
                others = [name for name in self.writers if name[0] != person.name[0]]
                to = self._chance.choice(others).partition("/")[0]
                person.say(to, "d" if self._chance.random() < FULL else "")

    async def _play(self) -> None:
        load = asyncio.create_task(self._load())
        beside = [
            asyncio.create_task(self._one_by_one(self.plan.links, self._befall_link)),
            asyncio.create_task(self._one_by_one(self.plan.devices, self._befall_device)),
            asyncio.create_task(self._one_by_one(self.plan.shows, self._show)),
        ]
        try:
            for fault in self.plan.servers:
                await asyncio.sleep(fault.gap)
                side = int(fault.way * 1000) % 2
                self._say(fault, f"server {SIDES[side]}")
                await getattr(self, f"_on_{fault.kind}")(self.servers[side], fault)
                self.record(What.FAULT, text=f"server {SIDES[side]}: {fault.kind} is over")
            await asyncio.wait(beside, timeout=10 if self.plan.servers else PATIENCE)
            await asyncio.sleep(1)
        finally:
            self._loaded = False
            for task in beside:
                task.cancel()
            await asyncio.gather(load, *beside, return_exceptions=True)

    # ---- the faults

    def _say(self, fault: Fault, whom: str) -> None:
        self.record(What.FAULT, text=f"{whom}: {fault.kind}, {fault.seconds:.2f} s")

    async def _start(self, server: Neighbour) -> None:
        await asyncio.to_thread(server.start)

    async def _on_kill(self, server: Neighbour, fault: Fault) -> None:
        if fault.way > 0.7:
            with contextlib.ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, server.blocked())
                await asyncio.sleep(fault.way)
                server.kill()
        else:
            server.kill()
        self.record(What.FAULT, text=f"killed {server.side}")
        await asyncio.sleep(4 * fault.seconds)
        await self._start(server)

    async def _on_lock(self, server: Neighbour, fault: Fault) -> None:
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, server.blocked())
            await asyncio.sleep(fault.seconds)

    async def _on_stop(self, server: Neighbour, fault: Fault) -> None:
        try:
            await asyncio.to_thread(server.stop)
            self.record(What.FAULT, text=f"stopped {server.side}")
        except RuntimeError as error:
            self.record(What.OFFENCE, text=str(error).splitlines()[0])
        await asyncio.sleep(4 * fault.seconds)
        await self._start(server)

    async def _on_pause(self, server: Neighbour, fault: Fault) -> None:
        server.pause()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            server.go_on()

    async def _on_disk(self, server: Neighbour, fault: Fault) -> None:
        assert server.disk is not None
        await asyncio.to_thread(server.disk.fill)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            server.disk.free()
        await asyncio.sleep(0.3)
        if server.process is not None and server.process.poll() is not None:
            self.record(What.OFFENCE, text=f"server {server.side} ended by itself")
            await self._start(server)

    async def _one_by_one(self, faults: tuple[Fault, ...], befall: object) -> None:
        assert callable(befall)
        lasting: set[asyncio.Task[None]] = set()
        for fault in faults:
            await asyncio.sleep(fault.gap)
            task = asyncio.create_task(befall(fault))
            lasting.add(task)
            task.add_done_callback(lasting.discard)
        await asyncio.gather(*lasting)

    async def _befall_link(self, fault: Fault) -> None:
        self._say(fault, f"connection made by {SIDES[fault.device]}")
        await self._befall(fault, self.links[fault.device])

    async def _befall_device(self, fault: Fault) -> None:
        name = self.names[fault.device % len(self.names)]
        self._say(fault, name)
        if fault.kind == plan.VANISH:
            self.people[name].vanish()
            await asyncio.sleep(fault.seconds)
            self.people[name].come()
        else:
            await self._befall(fault, self.device_links[name])

    @staticmethod
    async def _befall(fault: Fault, link: Link) -> None:
        if fault.kind == plan.FLAP:
            chance = random.Random(fault.way)
            link.budgets = [chance.randrange(200, 8000) for _ in range(chance.randrange(1, 5))]
        for pair in list(link.pairs):
            if fault.kind in (plan.RESET, plan.FLAP):
                pair.cut()
            elif fault.kind == plan.FIN:
                pair.close()
            elif fault.kind == plan.INSIDE:
                pair.cut_inside(DOWN if fault.way < 0.5 else UP, fault.way * 2 % 1)
            elif fault.kind == plan.FREEZE:
                pair.frozen = True
            elif fault.kind == ONE_WAY:
                pair.deaf.add(DOWN if fault.way < 0.5 else UP)
            else:
                pair.delay = fault.seconds / 10
        pairs = list(link.pairs)
        await asyncio.sleep(fault.seconds)
        for pair in pairs:
            if fault.kind in (plan.FREEZE, ONE_WAY):
                pair.cut()
            pair.delay = 0.0

    async def _show(self, fault: Fault) -> None:
        whose = self.watchers if fault.way < 0.5 else self.writers
        person = self.people[whose[int(fault.way * 10_000) % len(whose)]]
        gone = person.name in self.watchers and person.status is not None
        person.show(None if gone else f"s{int(fault.way * 1000)}")
        self.record(What.FAULT, person.name, text=f"shows {person.status!r}")

    # ---- the end

    async def _settle(self) -> None:
        """Everything works: wait until everybody is there, and all is counted, answered and seen."""
        for link in (*self.links, *self.device_links.values()):
            link.mend()
        for person in self.people.values():
            person.come()
        self.record(What.FAULT, text="everything works again")
        loop, end = asyncio.get_running_loop(), time.monotonic() + 2 * PATIENCE
        people = list(self.people.values())
        while time.monotonic() < end and not all(person.connected and not person.waiting for person in people):
            await asyncio.sleep(0.1)
        await asyncio.gather(*(self._reach(person, other) for person in people for other in self._others(person)))
        while time.monotonic() < end and (loop.time() - self.record.moved < 25.0 or self._unseen()):
            if loop.time() - self.record.moved > 3 and not self._open() and not self._unseen():
                break
            await asyncio.sleep(0.1)
        for person in people:
            if not person.connected or person.waiting:
                self._unsettled(person, f"connected: {person.connected}, waiting for acks: {person.waiting}")
        for wrong in self._unseen():
            self.record(What.UNSETTLED, text=wrong)
        await asyncio.gather(*(self._read(person) for person in people))

    def _open(self) -> bool:
        """Is there a message of which nothing has been heard but that it was taken? It may wait for `queue_seconds`."""
        done = {event.key for event in self.history.events if event.what in (What.RECEIVED, What.BOUNCED)}
        return any(event.what is What.ACKED and event.key not in done for event in self.history.events)

    def _unsettled(self, person: Person, text: str) -> None:
        self.record(What.UNSETTLED, person.name, None, person.session, text)

    async def _reach(self, person: Person, other: Person) -> None:
        """A request arrives on the other side, and its answer here, soon after all works again."""
        for _ in range(20):
            try:
                async with asyncio.timeout(20):
                    await person.ask("get", PING, other.jid)
            except (Refused, ConnectionError, TimeoutError) as error:
                why = f"{type(error).__name__} {error}"
                await asyncio.sleep(1)
            else:
                return
        self._unsettled(person, f"{other.name} can't be reached: {why}")

    async def _read(self, person: Person) -> None:
        for _ in range(3):
            try:
                self.history.archives[person.account] = await person.whole_archive()
            except (Refused, ConnectionError, TimeoutError):
                await asyncio.sleep(1)
            else:
                return
        self._unsettled(person, "could not read the whole archive")


def ends(events: list[Event], side: str) -> list[float]:
    """Return when the server of a side was killed or stopped."""
    told = (f"killed {side}", f"stopped {side}")
    return [event.time for event in events if event.what is What.FAULT and event.text in told]
