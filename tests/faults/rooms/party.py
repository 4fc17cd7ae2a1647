"""The rooms of a round: who sits in them, who passes by, what is said there, and how they are found in the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial

from tests.faults.device import Device, Recorder, Refused
from tests.faults.history import Ending, Trait, What
from tests.faults.rooms import reading
from tests.faults.rooms.guest import Guest, State
from tests.faults.rooms.passer import Passer
from tests.faults.web.doors import Carrier, Doors
from tests.interop.server import DOMAIN

PASSERS = ("p0/d0", "p1/d0", "p2/d0")
WITNESS = "w0/d0"
#: Of the devices with stream management of our own, those that sit in a room.
SHARE = 0.5
#: Of all messages, those that are said in rooms besides.
TALK = 0.1
#: Seconds in which everybody has to see the room as it is, once nothing is broken any more.
PATIENCE = 30.0
ROLES = ("moderator", "participant", "visitor")
SHOWS = ("", "away", "dnd")
_TROUBLE = (Refused, ConnectionError, TimeoutError)


def seat(devices: Mapping[str, Trait], rooms: int, seed: str) -> dict[str, tuple[str, ...]]:
    """Return in which of so many rooms each device sits: of those of our own about half, but two at least."""
    chance = random.Random(f"{seed} rooms")
    able = sorted(name for name, trait in devices.items() if trait.library != "slixmpp")
    seated: dict[str, tuple[str, ...]] = dict.fromkeys(devices, ())
    for number in range(rooms):
        chosen = {*chance.sample(able, min(2, len(able))), *(name for name in able if chance.random() < SHARE)}
        for name in chosen:
            seated[name] = (*seated[name], f"room{number}")
    return seated


def accounts(rooms: int) -> list[str]:
    """Return the accounts there have to be besides those of the devices."""
    return [name.partition("/")[0] for name in (*PASSERS, WITNESS)] if rooms else []


class Party:
    """The rooms of a round.

    :param rate: messages a second in all of them.
    :param web: do some of those who pass by come over WebSocket and BOSH?
    """

    def __init__(
        self,
        devices: Mapping[str, Device],
        doors: Doors,
        record: Recorder,
        rate: float,
        seed: str,
        web: bool = False,
    ) -> None:
        self._devices, self._record, self._rate = devices, record, rate
        self._chance = random.Random(f"{seed} talk")
        self.rooms = sorted({room for device in devices.values() for room in device.guest.seats})
        self._endings = {room: Ending(owner=self._in(room)[0].name) for room in self.rooms}
        record.history.rooms = self._endings
        carriers = (Carrier.WSS, Carrier.BOSH, Carrier.TCP) if web else (Carrier.TCP,) * 3
        opens = [partial(doors.open, carrier) for carrier in carriers]
        passing = zip(PASSERS if self.rooms else (), opens, strict=False)
        self._passers = [Passer(name, open_, self.rooms, record) for name, open_ in passing]
        self._witness = Passer(WITNESS, partial(doors.open, Carrier.TCP), self.rooms, record, stays=True)
        self._tasks: list[asyncio.Task[None]] = []
        self._loaded = True

    def _in(self, room: str) -> list[Device]:
        return [device for device in self._devices.values() if room in device.guest.seats]

    def _owner(self, room: str) -> Device:
        return self._devices[self._endings[room].owner]

    def _guests(self) -> list[Guest]:
        here = [*(device.guest for device in self._devices.values()), *(passer.guest for passer in self._passers)]
        return [guest for guest in here if guest.seats]

    # ---- the beginning

    async def open(self) -> None:
        """Make the rooms, with everybody in them; raise RuntimeError if that doesn't work."""
        for room in self.rooms:
            for device in self._in(room):
                device.guest.seats[room].wanted = device is self._owner(room)
                device.guest.tend()
        fields = {"persistentroom": "1", "whois": "anyone", "publiclist": "1", "roomdesc": "0"}
        try:
            async with asyncio.timeout(PATIENCE):
                for room in self.rooms:
                    while self._owner(room).guest.seats[room].state is not State.IN:
                        self._owner(room).guest.tend()
                        await asyncio.sleep(0.05)
                    await self._owner(room).ask("set", reading.configuration(**fields), reading.address(room))
        except _TROUBLE as error:
            raise RuntimeError(f"the rooms could not be made: {error!r}") from None
        for device in self._devices.values():
            for one in device.guest.seats.values():
                one.wanted = True
            device.guest.tend()
        for passer in self._passers:
            passer.start()
        self._tasks = [asyncio.create_task(self._mix()), *(asyncio.create_task(self._govern(r)) for r in self.rooms)]

    # ---- the load

    async def _mix(self) -> None:
        """Let everybody talk, come and go; also those whose connection is broken."""
        start, done = time.monotonic(), 0
        while self._loaded and self.rooms:
            await asyncio.sleep(0.05)
            due = int((time.monotonic() - start) * self._rate)
            while done < due and self._loaded:
                done += 1
                self._one(self._chance.choice(self._guests()))
            for guest in self._guests():
                guest.tend()

    def _one(self, guest: Guest) -> None:
        room, way = self._chance.choice(list(guest.seats)), self._chance.random()
        one = guest.seats[room]
        if one.state is State.OUT and way < 0.8:
            one.wanted = one.wanted or not guest.name.startswith("p")  # who passes by decides that when it comes
        elif way < 0.88:
            guest.say(room)  # some from outside: to be refused
        elif way < 0.92:
            one.wanted = False
        elif way < 0.96:
            guest.rename(room)
        else:
            guest.turn(room, self._chance.choice(SHOWS))

    async def _govern(self, room: str) -> None:
        """Let the owner change what the room is, one thing after the other."""
        number = 0
        while self._loaded:
            await asyncio.sleep(self._chance.uniform(0.2, 0.8))
            owner = self._owner(room)
            if not self._loaded or not owner.ready or not owner.wanted:
                continue
            number += 1
            way = self._chance.random()
            if way < 0.2 and owner.guest.seats[room].state is State.IN:
                owner.guest.say(room, subject=True)
            elif way < 0.6:
                fact, value = f"m{self._chance.randrange(6)}", self._chance.choice(("member", "none", "outcast"))
                payload = reading.affiliation(f"{fact}@{DOMAIN}", value)
                await self._ask(owner, room, fact, value, payload)
            else:
                await self._ask(owner, room, "roomdesc", str(number), reading.configuration(roomdesc=str(number)))

    async def _ask(self, owner: Device, room: str, fact: str, value: str, payload: str) -> None:
        self._record(What.ASKED, owner.name, None, owner.session, value, fact, room)
        try:
            await owner.ask("set", payload, reading.address(room))
        except Refused as refusal:
            self._record(What.DENIED, owner.name, None, owner.session, f"{value} {refusal}", fact, room)
        except ConnectionError:
            return  # nobody knows
        else:
            self._record(What.GRANTED, owner.name, None, owner.session, value, fact, room)

    # ---- the end

    def hush(self) -> None:
        """Let nobody begin anything any more."""
        self._loaded = False

    async def settle(self) -> None:
        """Wait until everybody is where they want to be, and sees the same."""
        self.hush()
        if not self.rooms:
            return
        for number, passer in enumerate(self._passers):
            passer.stays, passer.done = number == 0, True
        await asyncio.wait(self._tasks, timeout=5)
        self._witness.start()
        end = time.monotonic() + PATIENCE
        present = [*self._passers, self._witness]
        while time.monotonic() < end and not (self._settled(present) and self._agreed()):
            for guest in self._guests():
                guest.tend()
            await asyncio.sleep(0.2)
        settled = {device.name: device.guest.settled for device in self._devices.values()}
        settled |= {passer.name: passer.settled for passer in present}
        for name in (name for name, is_settled in settled.items() if not is_settled):
            self._record(What.UNSETTLED, name, text="is not where it wants to be in its rooms")

    def _settled(self, present: Sequence[Passer]) -> bool:
        return all(one.settled for one in present) and all(one.guest.settled for one in self._devices.values())

    def _everybody(self) -> list[Guest]:
        return [*self._guests(), self._witness.guest]

    def _agreed(self) -> bool:
        return all(
            len({tuple(sorted(book.items())) for book in self._books(room).values()}) == 1 for room in self.rooms
        )

    def _books(self, room: str) -> dict[str, dict[str, tuple[str, str, str, str]]]:
        seats = {guest.name: guest.seats[room] for guest in self._everybody() if room in guest.seats}
        return {name: dict(one.book) for name, one in seats.items() if one.state is State.IN}

    async def prove(self) -> None:
        """Write down how the rooms are: as everybody sees them, as they say themselves, and their archives."""
        for room, ending in self._endings.items():
            ending.books = self._books(room)
            for guest in self._everybody():
                one = guest.seats.get(room)
                if one is not None and one.state is State.IN:
                    ending.seats[guest.name] = (one.nick, one.stay)
            ending.subject = self._witness.guest.seats[room].subject or ""
            for _ in range(3):
                try:
                    await self._look(room, ending)
                except _TROUBLE:
                    await asyncio.sleep(1)
                else:
                    break
            else:
                self._record(What.UNSETTLED, ending.owner, text=f"{room} could not be read")

    async def _look(self, room: str, ending: Ending) -> None:
        owner, jid = self._owner(room), reading.address(room)
        ending.archive = await owner.whole_archive(jid)
        async with asyncio.timeout(20):
            ending.roll, ending.facts = {}, {}
            for role in ROLES:
                for item in reading.items(await owner.ask("get", reading.asking("role", role), jid)):
                    ending.roll[item.get("nick", "")] = item.get("jid", "")
            for affiliation in ("member", "outcast"):
                for item in reading.items(await owner.ask("get", reading.asking("affiliation", affiliation), jid)):
                    ending.facts[item["jid"].partition("@")[0]] = affiliation
            listed = await owner.ask("get", f"<query xmlns='{reading.DISCO}'/>", jid)
            ending.listed = {item["jid"].partition("/")[2] for item in reading.items(listed)}
            form = await owner.ask("get", f"<query xmlns='{reading.OWNER}'/>", jid)
            ending.facts["roomdesc"] = reading.field(form, "roomdesc")

    async def stop(self) -> None:
        """End it all."""
        self._loaded = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # All at the same time: none sees another one go.
        await asyncio.gather(*(passer.stop() for passer in (*self._passers, self._witness)), return_exceptions=True)
