"""Two servers of ours: one connection for both directions (XEP-0288), and nothing lost on it (XEP-0198)."""

from __future__ import annotations

import asyncio

from tests.interop.network import federation
from tests.interop.network.person import Person
from tests.interop.network.proxy import Proxy
from tests.interop.network.servers import Xmppd
from tests.interop.network.stage import S2S_PORT, Domain


class BothOurs(federation.Federation):
    """The same conversations as with others."""

    there_class = Xmppd


class OneConnection(federation.StageCase):
    """Two of ours, and all that they say to each other goes through the tests."""

    here: Xmppd
    there: Xmppd
    ours: Domain
    theirs: Domain
    between: tuple[str, str]

    @classmethod
    def build(cls) -> None:
        cls.ours, cls.theirs = (cls.stage.domain(f"{name}.example") for name in ("montague", "capulet"))
        cls.here, cls.there = Xmppd(cls.stage, [cls.ours]), Xmppd(cls.stage, [cls.theirs])
        cls.between = cls.stage.address(), cls.stage.address()
        for domain, address in zip((cls.ours, cls.theirs), cls.between, strict=True):
            cls.stage.publish(domain.name, address)
        cls.add(cls.here)
        cls.add(cls.there)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.proxies = []
        for site, address in zip((self.here, self.there), self.between, strict=True):
            proxy = Proxy((site.address, S2S_PORT))
            await proxy.start(address, S2S_PORT)
            self.addAsyncCleanup(proxy.stop)
            self.proxies.append(proxy)

    async def pair(self) -> tuple[Person, Person]:
        """Return two people who see each other."""
        romeo = await self.person(self.here, "romeo", self.ours)
        juliet = await self.person(self.there, "juliet", self.theirs)
        await federation.befriend(romeo, juliet)
        return romeo, juliet

    def connections(self) -> int:
        return sum(proxy.connections for proxy in self.proxies)

    async def test_bidi(self) -> None:
        """A whole conversation needs one connection."""
        romeo, juliet = await self.pair()
        for one, other in ((romeo, juliet), (juliet, romeo)):
            one.message(other.full, "one way or the other")
            await other.expect(kind="message", from_=one.full)
            await one.ping(other.full)
        self.assertEqual(self.connections(), 1)

    async def test_nothing_is_lost_when_connections_are_reset(self) -> None:
        """Both write while connections are reset again and again: what does not arrive once, in order, comes back."""
        romeo, juliet = await self.pair()
        texts = [f"message {number}" for number in range(300)]

        async def write(one: Person, other: Person) -> None:
            for number, text in enumerate(texts):
                one.message(other.full, text)
                if number % 10 == 9:
                    await asyncio.sleep(0.05)

        async def reset() -> None:
            for _ in range(5):
                await asyncio.sleep(0.3)
                for proxy in self.proxies:
                    proxy.reset()

        await asyncio.gather(write(romeo, juliet), write(juliet, romeo), reset())
        await federation.eventually(lambda: self._complete(romeo, juliet, texts), "each arrives or comes back")
        await federation.eventually(lambda: self._complete(juliet, romeo, texts), "each arrives or comes back")
        self.assertGreater(self.connections(), 3)

    def _complete(self, one: Person, other: Person, texts: list[str]) -> bool:
        arrived = [event.text for event in other.inbox.find(kind="message", type="chat", from_=one.full)]
        returned = {event.text for event in one.inbox.find(kind="message", type="error", from_=other.full)}
        self.assertEqual(arrived, [text for text in texts if text in set(arrived)])  # none twice, all in order
        return returned | set(arrived) == set(texts)
