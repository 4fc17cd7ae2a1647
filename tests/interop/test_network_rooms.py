"""Rooms shared with people on Prosody and on ejabberd: theirs, and ours."""

from __future__ import annotations

from tests.interop.device import Refused
from tests.interop.network import rooms, servers
from tests.interop.network.federation import PASSWORD, eventually
from tests.interop.network.proxy import Proxy
from tests.interop.network.stage import S2S_PORT, Domain
from tests.interop.rooms import Guest


class WithProsody(rooms.Rooms):
    """Prosody 0.12 as Debian has it."""

    there_class = servers.Prosody


class WithEjabberd(rooms.Rooms):
    """ejabberd 23 as Debian has it."""

    there_class = servers.Ejabberd
    bans_hold = False
    settle = 3.0  # Mnesia's log


class TheLink(rooms.RoomsCase):
    """All that ours and Prosody say to each other goes through the tests, which break it; both go on living."""

    there_class = servers.Prosody
    between: tuple[str, str]

    @classmethod
    def build(cls) -> None:
        super().build()
        cls.between = cls.stage.address(), cls.stage.address()
        for domain, address in zip((cls.ours, cls.theirs), cls.between, strict=True):
            cls.stage.publish(domain.name, address)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.needs_us()
        self.proxies: list[Proxy] = []
        await self._mend()

    async def _mend(self) -> None:
        for site, address in zip((self.here, self.there), self.between, strict=True):
            proxy = Proxy((site.address, S2S_PORT))
            await proxy.start(address, S2S_PORT)
            self.addAsyncCleanup(proxy.stop)
            self.proxies.append(proxy)

    async def _cut(self) -> None:
        while self.proxies:
            await self.proxies.pop().stop()

    async def two_rooms(self) -> tuple[Guest, Guest, str, str]:
        """Return Romeo and Juliet, and a room of his and one of hers with both of them."""
        romeo, juliet = await self.couple()
        here, there = self.room(self.ours), self.room(self.theirs)
        await self.both_in(here, romeo, juliet)
        await self.both_in(there, juliet, romeo)
        return romeo, juliet, here, there

    async def test_cut_and_mended(self) -> None:
        """Each side's guests are in its rooms no more; nobody stays there as a ghost, and all can enter again."""
        romeo, juliet, here, there = await self.two_rooms()
        await self._cut()
        romeo.say(here, "are you there?")
        await romeo.expect(kind="presence", type="unavailable", from_=f"{here}/guest", codes={333})
        await romeo.expect(kind="presence", type="unavailable", from_=f"{there}/guest", codes={110, 333})
        await self._mend()
        await eventually(lambda: self._told(juliet, here), "she finds out that she is not in his room")
        await eventually(lambda: self._told(romeo, there), "he finds out that he is not in hers")
        await juliet.expect(kind="presence", type="unavailable", from_=f"{there}/guest")
        await juliet.enter(here, "guest")
        await romeo.enter(there, "guest")
        await self.all_hear(here, "guest", juliet, romeo, text="here again")
        await self.all_hear(there, "guest", romeo, juliet, text="and there")

    async def test_reset(self) -> None:
        """Connections are reset, and can be made again: who may have missed something is told that they are out."""
        romeo, juliet, here, there = await self.two_rooms()
        for number in range(3):
            for proxy in self.proxies:
                proxy.reset()
            romeo.say(here, f"owner {number}")
            juliet.say(there, f"owner {number}")
            for person, room in ((romeo, there), (juliet, here)):
                await eventually(lambda person=person, room=room: self._sure(person, room), "it is known who is in")
                if not await person.is_in(room):
                    await person.expect(kind="presence", type="unavailable", from_=f"{room}/guest", codes={110, 333})
                    await person.enter(room, "guest")
            await self.all_hear(here, "guest", juliet, romeo, text=f"still here {number}")
            await self.all_hear(there, "guest", romeo, juliet, text=f"and there {number}")

    async def _sure(self, person: Guest, room: str) -> bool:
        """Does the room answer whether somebody is in it?"""
        try:
            await person.is_in(room)
        except Refused:
            return False
        return True


class ThreeServers(rooms.RoomsCase):
    """Romeo on ours, Juliet on Prosody, and her nurse on ejabberd."""

    there_class = servers.Prosody
    third: servers.Ejabberd
    third_domain: Domain

    @classmethod
    def build(cls) -> None:
        cls.need(servers.Ejabberd)
        super().build()
        cls.third_domain = cls.stage.domain("ejabberd.example")
        cls.third = servers.Ejabberd(cls.stage, [cls.third_domain])
        cls.add(cls.third)

    async def test_one_conversation(self) -> None:
        """In a room of each of the three servers all see all, hear the same in the same order, and see them leave."""
        romeo, juliet = await self.couple()
        nurse = Guest(self.third, f"nurse{self.number}", "x", PASSWORD, register=True, domain=self.third_domain.name)
        self.addAsyncCleanup(nurse.disconnect)
        await nurse.connect()
        nurse.presence()
        people = {"romeo": romeo, "juliet": juliet, "nurse": nurse}
        for domain, host in ((self.ours, "romeo"), (self.theirs, "juliet"), (self.third_domain, "nurse")):
            await self._conversation(self.room(domain), people, host)

    async def _conversation(self, room: str, people: dict[str, Guest], host: str) -> None:
        await people[host].create(room, host)
        for nick in people.keys() - {host}:
            await people[nick].enter(room, nick)
        for number in range(5):
            for nick, person in people.items():
                person.say(room, f"{nick} {number}")
        heard: dict[str, list[str]] = {}
        for nick, person in people.items():
            seen = [await person.expect(kind="message", type="groupchat", bare=room, subject=None) for _ in range(15)]
            heard[nick] = [event.text for event in seen]
        self.assertEqual(sorted(heard[host]), sorted(f"{nick} {n}" for nick in people for n in range(5)))
        self.assertEqual(heard, dict.fromkeys(people, heard[host]))
        await people["nurse"].leaves(room)
        for nick in ("romeo", "juliet"):
            await people[nick].expect(kind="presence", type="unavailable", from_=f"{room}/nurse")
