"""One round: a fresh server and its clients, a load, the faults of a plan, then quiet, and what everybody has."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, replace

from tests.faults import plan
from tests.faults.client import Client
from tests.faults.device import Device, Offer, Recorder, Refused
from tests.faults.history import History, Trait, What
from tests.faults.link import DOWN, UP, Link, Pair
from tests.faults.plan import Fault, Plan
from tests.faults.rooms.party import TALK, Party, seat
from tests.faults.servers import Ejabberd, Prosody, Xmppd
from tests.faults.slix import SlixmppDevice
from tests.faults.web.client import WebClient
from tests.faults.web.doors import WAYS, Doors, trusting
from tests.faults.web.plain import PlainSender
from tests.interop.server import DOMAIN

Target = Xmppd | Prosody | Ejabberd
PATIENCE = 60.0
LEAVING = (plan.AWAY, plan.VANISH, plan.FORGET)
#: Of so many messages, those to a full JID.
FULL = 0.3
#: Of so many messages, those that a chat state follows.
TYPING = 0.1
#: Of so many kills, those that are followed by another while the server starts.
IN_VAIN = 0.2


@dataclass(frozen=True)
class Shape:
    """Who takes part: how many devices, the share of them made of slixmpp, messages a second from all together.

    `blocked` is the share of kills that come while the database can't be written. `rooms` is how many there are; `web`
    how many devices come by the web door.
    """

    clients: int
    slixmpp: float
    rate: float
    seed: str
    blocked: float = 0.4
    rooms: int = 0
    web: int = 0


def cast(shape: Shape) -> dict[str, Trait]:
    """Return the devices: accounts have one, two or three. Some that are alone rely on offline storage."""
    chance = random.Random(shape.seed)
    devices: dict[str, Trait] = {}
    account = 0
    while len(devices) < shape.clients:
        size = min(account % 3 + 1, shape.clients - len(devices))
        for number in range(size):
            library = "slixmpp" if chance.random() < shape.slixmpp else "own"
            archive = size > 1 or account % 2 == 1
            first = archive and library == "own" and (account + number) % 3 == 1
            devices[f"u{account}/d{number}"] = Trait(archive, library, first)
        account += 1
    own = sorted(name for name, trait in devices.items() if trait.library == "own")
    for number, name in enumerate(chance.sample(own, min(shape.web, len(own)))):
        devices[name] = replace(devices[name], library="web", way=number % len(WAYS))
    seated = seat(devices, shape.rooms, shape.seed)
    return {name: replace(trait, rooms=seated[name]) for name, trait in devices.items()}


class Round:
    """A round against a server that was made for it and is not started yet."""

    def __init__(self, server: Target, shape: Shape, faults: Plan) -> None:
        self.server, self.shape, self.plan = server, shape, faults
        self.history = History(devices=cast(shape))
        self.names = sorted(self.history.devices)
        self._chance = random.Random(f"{shape.seed} load")
        self._loaded = True
        self.kills = 0

    async def run(self) -> History:
        """Play the round; return what happened."""
        self.record = Recorder(self.history)
        self.context = trusting(self.server.certificate)
        self.offer = Offer()
        server, traits = self.server, self.history.devices
        ports = (server.c2s_port, server.http_port, server.https_port)
        self.links = {name: Link(*ports[: 3 if traits[name].library == "web" else 1]) for name in self.names}
        self.devices: dict[str, Device] = {}
        self.party: Party | None = None
        self.plain: list[PlainSender] = []
        await asyncio.to_thread(self.server.start)
        try:
            await self._gather()
            load = asyncio.create_task(self._load())
            cuts = asyncio.create_task(self._device_faults())
            try:
                await self._server_faults()
                await asyncio.wait({cuts}, timeout=10)
                await asyncio.sleep(1)
            finally:
                self._loaded = False
                for sender in self.plain:
                    sender.hush()
                if self.party is not None:
                    self.party.hush()
                cuts.cancel()
                await asyncio.gather(load, cuts, return_exceptions=True)
            await self._settle()
            await self._prove()
        finally:
            await self._end()
        return self.history

    async def _gather(self) -> None:
        for name, link in self.links.items():
            await link.start()
            self.devices[name] = self._make(name, link)
        first = next(device for device in self.devices.values() if isinstance(device, Client))
        first.come()
        await self._until(lambda: first.connected, "no client could log in")
        for device in self.devices.values():
            device.come()
        await self._until(lambda: all(device.connected for device in self.devices.values()), "not everybody logged in")
        self.history.carbons, self.history.archive = self.offer.carbons, self.offer.archive
        rate = self.shape.rate * TALK
        ports = (self.server.c2s_port, self.server.http_port, self.server.https_port)
        doors = Doors(*ports, self.context)
        self.party = Party(self.devices, doors, self.record, rate, self.shape.seed, web=bool(self.shape.web))
        await self.party.open()
        await self._gather_plain()

    async def _gather_plain(self) -> None:
        """Who writes over BOSH without stream management: a resource more on some of the accounts."""
        accounts = sorted({name.partition("/")[0] for name in self.names})
        for account in accounts[1:3] if self.shape.web else ():
            name = f"{account}/b0"
            link = self.links[name] = Link(self.server.http_port)
            await link.start()
            sender = PlainSender(name, link, accounts, self.record)
            self.plain.append(sender)
            sender.start()

    def _make(self, name: str, link: Link) -> Device:
        trait = self.history.devices[name]
        if trait.library == "web":
            tcp, http, https = link.ports
            doors = Doors(tcp, http, https, self.context)
            return WebClient(name, doors, trait, self.offer, self.record, WAYS[trait.way])
        kind = SlixmppDevice if trait.library == "slixmpp" else Client
        return kind(name, link.port, trait, self.offer, self.record)

    async def _until(self, done: object, otherwise: str) -> None:
        assert callable(done)
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                raise RuntimeError(f"{otherwise}:\n{self.server.tail()}")
            await asyncio.sleep(0.05)

    async def _end(self) -> None:
        await asyncio.gather(*(device.stop() for device in self.devices.values()), return_exceptions=True)
        await asyncio.gather(*(link.stop() for link in self.links.values()), return_exceptions=True)
        if self.party is not None:
            await self.party.stop()
        await asyncio.gather(*(sender.stop() for sender in self.plain))

    # ---- the load

    async def _load(self) -> None:
        """Send at the rate, from devices that are not away, whether or not their connection works."""
        accounts = sorted({name.partition("/")[0] for name in self.names})
        start, sent = time.monotonic(), 0
        while self._loaded:
            await asyncio.sleep(0.02)
            due = int((time.monotonic() - start) * self.shape.rate)
            while sent < due:
                sent += 1
                device = self.devices[self._chance.choice(self.names)]
                to = self._chance.choice(accounts)
                if device.wanted and to != device.account:
                    resources = [name.partition("/")[2] for name in self.history.devices_of(to)]
                    full = self._chance.random() < FULL
                    device.say(to, self._chance.choice(resources) if full else "")
                    if self._chance.random() < TYPING:
                        device.typing(f"{to}@{DOMAIN}")

    # ---- the faults

    async def _server_faults(self) -> None:
        for fault in self.plan.server:
            await asyncio.sleep(fault.gap)
            self._is_alive()
            self.record(What.FAULT, text=f"server: {fault.kind}, {fault.seconds:.2f} s")
            await getattr(self, f"_on_{fault.kind}")(fault)
            self.record(What.FAULT, text=f"server: {fault.kind} is over")

    def _is_alive(self) -> None:
        process = self.server.process
        if process is not None and process.poll() is not None:
            self.record(What.OFFENCE, text=f"the server ended by itself with status {process.returncode}")

    async def _start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def _on_kill(self, fault: Fault) -> None:
        blocked = self.shape.blocked
        if fault.way > 1 - blocked:
            # What is promised meanwhile was promised too early, and everybody will see it.
            self.record(What.FAULT, text="server: nothing can be written")
            await self._blocked(0.2 + (1 - fault.way) / blocked)
        else:
            self.server.kill()
        self.kills += 1
        await asyncio.sleep(fault.seconds)
        if fault.way < IN_VAIN:
            await self._start_in_vain(0.1 + fault.way / IN_VAIN)
        await self._start()

    async def _blocked(self, seconds: float) -> None:
        """Kill the server while its database can't be written."""
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, self.server.blocked())
            await asyncio.sleep(seconds)
            self.server.kill()

    async def _on_lock(self, fault: Fault) -> None:
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, self.server.blocked())
            await asyncio.sleep(fault.seconds)

    async def _start_in_vain(self, seconds: float) -> None:
        """Kill the server again while it starts, or soon after."""
        start = asyncio.create_task(self._start())
        await asyncio.sleep(seconds)
        self.record(What.FAULT, text="server: killed again")
        assert self.server.process is not None
        self.server.process.kill()
        self.kills += 1
        with contextlib.suppress(RuntimeError):
            await start
        self.server.kill()

    async def _on_stop(self, fault: Fault) -> None:
        try:
            await asyncio.to_thread(self.server.stop)
        except RuntimeError as error:
            self.record(What.OFFENCE, text=str(error).splitlines()[0])
        await asyncio.sleep(fault.seconds)
        await self._start()

    async def _on_pause(self, fault: Fault) -> None:
        self.server.pause()
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            self.server.go_on()

    async def _on_disk(self, fault: Fault) -> None:
        disk = self.server.disk
        assert disk is not None
        await asyncio.to_thread(disk.fill)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            disk.free()
        await self._start_if_ended()

    async def _start_if_ended(self) -> None:
        """A server that a full disk has ended is started again; that is noted."""
        await asyncio.sleep(0.3)
        process = self.server.process
        if process is not None and process.poll() is not None:
            self._is_alive()
            await self._start()

    async def _on_database(self, fault: Fault) -> None:
        cluster = self.server.cluster
        assert cluster is not None
        await asyncio.to_thread(cluster.stop, "immediate" if fault.way < 0.5 else "fast")
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(cluster.start)

    async def _device_faults(self) -> None:
        lasting: set[asyncio.Task[None]] = set()
        try:
            for fault in self.plan.devices:
                await asyncio.sleep(fault.gap)
                name = self.names[fault.device]
                self.record(What.FAULT, name, text=f"{fault.kind}, {fault.seconds:.2f} s")
                task = asyncio.create_task(self._befall(fault, name))
                lasting.add(task)
                task.add_done_callback(lasting.discard)
            await asyncio.gather(*lasting)
        finally:
            for task in list(lasting):
                task.cancel()
            await asyncio.gather(*lasting, return_exceptions=True)

    async def _befall(self, fault: Fault, name: str) -> None:
        device, chance = self.devices[name], random.Random(fault.way)
        pairs = self._struck(name, chance)
        if fault.kind == plan.AWAY and device.wanted:
            await device.leave()
        elif fault.kind == plan.VANISH and device.wanted:
            device.vanish()
        elif fault.kind == plan.FORGET and device.wanted:
            await device.forget()
        elif fault.kind == plan.SLEEP:
            device.sleep(True)
        elif not pairs or fault.kind in LEAVING:
            return
        elif fault.kind == plan.FLAP:
            self.links[name].budgets = [chance.randrange(200, 8000) for _ in range(chance.randrange(1, 5))]
        for pair in pairs:
            self._strike(pair, fault)
        await asyncio.sleep(fault.seconds)
        if fault.kind in LEAVING:
            device.come()
        elif fault.kind == plan.SLEEP:
            device.sleep(False)
        for pair in pairs:
            if fault.kind == plan.FREEZE:
                pair.cut()
            pair.delay = 0.0

    def _struck(self, name: str, chance: random.Random) -> list[Pair]:
        link = self.links[name]
        if self.history.devices[name].library == "web":
            return link.struck(chance)
        return [link.current] if link.current is not None else []

    @staticmethod
    def _strike(pair: Pair, fault: Fault) -> None:
        if fault.kind in (plan.RESET, plan.FLAP):
            pair.cut()
        elif fault.kind == plan.FIN:
            pair.close()
        elif fault.kind == plan.INSIDE:
            pair.cut_inside(DOWN if fault.way < 0.5 else UP, fault.way * 2 % 1)
        elif fault.kind == plan.BEHIND:
            pair.cut_behind()
        elif fault.kind == plan.FREEZE:
            pair.frozen = True  # for good: what TCP has swallowed it can't leave out
        elif fault.kind == plan.DELAY:
            pair.delay = fault.seconds / 10

    # ---- the end

    async def _settle(self) -> None:
        """Everything works again: wait until everybody is there, and everything sent was counted and has come."""
        for name, device in self.devices.items():
            self.links[name].mend()
            device.come()
            device.sleep(False)
        self.record(What.FAULT, text="everything works again")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not all(self._calm(device) for device in self.devices.values()):
            await asyncio.sleep(0.1)
        for device in self.devices.values():
            if not self._calm(device):
                text = f"connected: {device.connected}, waiting for acks: {device.waiting}"
                self.record(What.UNSETTLED, device.name, None, device.session, text)
        assert self.party is not None
        await self.party.settle()
        for _ in range(2):
            await asyncio.gather(*(self._ping(device) for device in self.devices.values()))
        self._answered()
        loop = asyncio.get_running_loop()
        while time.monotonic() < end and loop.time() - self.record.moved < 1.0:
            await asyncio.sleep(0.1)

    def _answered(self) -> None:
        """Every message was counted by now, and every request of the present sessions that was counted is answered."""
        events = self.history.events
        acked = {event.key for event in events if event.what in (What.ACKED, What.LET_GO)}
        sent = [event for event in events if event.what is What.SENT and event.device in self.devices]
        for event in [event for event in sent if event.key not in acked]:
            self.record(What.UNSETTLED, event.device, event.key, event.session, "never acked")
        for device in self.devices.values():
            if isinstance(device, Client) and device.connected and device.unanswered:
                text = f"counted and not answered: {device.unanswered}"
                self.record(What.OFFENCE, device.name, None, device.session, text)

    @staticmethod
    def _calm(device: Device) -> bool:
        return device.connected and device.waiting == 0

    @staticmethod
    async def _ping(device: Device) -> None:
        with contextlib.suppress(Refused, ConnectionError, TimeoutError):
            async with asyncio.timeout(20):
                await device.ask("get", "<ping xmlns='urn:xmpp:ping'/>")

    async def _prove(self) -> None:
        """Let the devices fetch what they missed, and read all archives, and how the rooms are."""
        assert self.party is not None
        await self.party.prove()
        if not self.offer.archive:
            return
        await asyncio.gather(
            *(self._fetch(device) for device in self.devices.values() if device.trait.archive),
            *(self._read(account) for account in sorted({device.account for device in self.devices.values()})),
        )

    async def _fetch(self, device: Device) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await device.fetch()
        except TimeoutError:
            self.record(What.UNSETTLED, device.name, None, device.session, "could not fetch from the archive")

    async def _read(self, account: str) -> None:
        device = self.devices[next(self.history.devices_of(account))]
        for _ in range(3):
            try:
                self.history.archives[account] = await device.whole_archive()
            except (Refused, ConnectionError, TimeoutError):
                await asyncio.sleep(1)
            else:
                return
        self.record(What.UNSETTLED, device.name, None, device.session, "could not read the whole archive")
        self.history.archives[account] = []
