"""How our server finds others: SRV, addresses, direct TLS (RFC 6120 section 3.2, XEP-0368), and what goes wrong."""

from __future__ import annotations

import asyncio

from tests.interop.device import Event
from tests.interop.network.federation import StageCase, our_part
from tests.interop.network.person import Person
from tests.interop.network.proxy import Proxy
from tests.interop.network.servers import Prosody, Site, Xmppd
from tests.interop.network.stage import S2S_PORT, S2S_TLS_PORT, Domain

NOT_FOUND, TIMEOUT = "remote-server-not-found", "remote-server-timeout"
DEAD_PORT = 5999  # of addresses of the stage; nobody listens there


class Names(StageCase):
    """Romeo on our server writes to Juliet, whose domain is found in one way or another."""

    here: Site
    there: Site
    ours: Domain
    theirs: dict[str, Domain]

    @classmethod
    def build(cls) -> None:
        here = our_part()
        cls.need(here, Prosody)
        stage = cls.stage
        cls.ours = stage.domain("ours.example")
        names = ("prosody", "direct", "fallback", "second", "six", "alias", "slow", "proxied", "fixed", "healed")
        cls.theirs = {name: stage.domain(f"{name}.example") for name in names}
        cls.here = here(stage, [cls.ours], cls.settings() if here is Xmppd else "")
        cls.there = Prosody(stage, list(cls.theirs.values()))
        cls._publish()
        cls.add(cls.here)
        cls.add(cls.there)

    @classmethod
    def settings(cls) -> str:
        """Return more of our configuration."""
        # The servers' addresses are handed out in order: ours first, then theirs.
        prefix, _, last = cls.stage.nameserver.rpartition(".")
        address = f"{prefix}.{int(last) + 2}:{S2S_PORT}"
        fixed = f'[s2s.domains."fixed.example"]\naddress = "{address}"\n'
        return f"dns_seconds = 2.0\nqueue_seconds = 4.0\nretry_seconds = 0.5\n{fixed}"

    @classmethod
    def _publish(cls) -> None:
        stage, there = cls.stage, cls.there.address
        stage.publish("direct.example", there, port=None, tls_port=S2S_TLS_PORT)
        stage.publish("fallback.example", there, srv=False)
        service, host = "_xmpp-server._tcp", "host"
        stage.records(
            "second.example",
            [
                [f"{service}.second.example", "SRV", 1, [5, 0, DEAD_PORT, f"{host}.second.example"]],
                [f"{service}.second.example", "SRV", 1, [9, 0, S2S_PORT, f"{host}.second.example"]],
                [f"{host}.second.example", "A", 1, [there]],
            ],
        )
        stage.records(
            "six.example",
            [
                [f"{service}.six.example", "SRV", 1, [0, 0, S2S_PORT, f"{host}.six.example"]],
                [f"{host}.six.example", "AAAA", 1, ["::1"]],
                [f"{host}.six.example", "A", 1, [there]],
            ],
        )
        stage.records(
            "alias.example",
            [["alias.example", "CNAME", 1, ["real.example"]], ["real.example", "A", 1, [there]]],
        )
        stage.records("fixed.example", [])
        stage.records("none.example", [[f"{service}.none.example", "SRV", 1, [0, 0, 0, "."]]])
        stage.publish("closed.example", there, port=DEAD_PORT)
        stage.records("nowhere.example", [])
        stage.fault("slow.example", "slow 1")
        stage.fault("broken.example", "servfail")
        stage.fault("silent.example", "silent")

    async def reached(self, name: str) -> Person:
        """Juliet at that domain gets what Romeo writes, and answers; returns Romeo."""
        romeo, juliet = await self.both(self.theirs[name])
        romeo.message(juliet.full, "is it you?")
        await juliet.expect(kind="message", from_=romeo.full, text="is it you?")
        juliet.message(romeo.full, "it is")
        await romeo.expect(kind="message", from_=juliet.full, text="it is")
        return romeo

    async def both(self, theirs: Domain) -> tuple[Person, Person]:
        return await self.person(self.here, "romeo", self.ours), await self.person(self.there, "juliet", theirs)

    async def refused(self, domain: str) -> Event:
        """Return the error that Romeo gets for a message to that domain."""
        romeo = await self.person(self.here, "romeo", self.ours)
        romeo.message(f"juliet@{domain}", "is anybody there?")
        return await romeo.expect(kind="message", type="error", bare=f"juliet@{domain}")

    async def test_srv(self) -> None:
        await self.reached("prosody")

    async def test_direct_tls(self) -> None:
        """XEP-0368: only _xmpps-server is published."""
        await self.reached("direct")

    async def test_without_srv(self) -> None:
        """RFC 6120 section 3.2.2: the domain's own address and port 5269."""
        await self.reached("fallback")

    async def test_alias(self) -> None:
        """The domain is a CNAME."""
        await self.reached("alias")

    async def test_second_target(self) -> None:
        """RFC 6120 section 3.2.1: where nobody listens at the first target there is the next."""
        await self.reached("second")

    async def test_second_address_family(self) -> None:
        """Nobody listens at the IPv6 address of the target."""
        await self.reached("six")

    async def test_slow_answers(self) -> None:
        await self.reached("slow")

    async def test_address_in_the_settings(self) -> None:
        if not isinstance(self.here, Xmppd):
            self.skipTest("a setting of ours")
        await self.reached("fixed")

    async def test_service_not_available(self) -> None:
        """The target "." says that there is no XMPP (RFC 2782)."""
        self.assertEqual((await self.refused("none.example")).condition, NOT_FOUND)

    async def test_no_such_domain(self) -> None:
        event = await self.refused("nowhere.example")
        self.assertEqual(event.condition, NOT_FOUND)
        self.assertTrue(event.reason)

    async def test_name_server_fails(self) -> None:
        self.assertIn((await self.refused("broken.example")).condition, (NOT_FOUND, TIMEOUT))

    async def test_name_server_is_repaired(self) -> None:
        """What could not be found is looked up again after a while."""
        if not isinstance(self.here, Xmppd):
            self.skipTest("others take longer")
        self.stage.fault("healed.example", "servfail")
        await self.refused("healed.example")
        self.stage.fault("healed.example", "")
        await asyncio.sleep(1)
        self.number += 1000
        await self.reached("healed")

    async def test_name_server_is_silent(self) -> None:
        event = await self.refused("silent.example")
        self.assertIn(event.condition, (NOT_FOUND, TIMEOUT))
        self.assertTrue(event.reason)

    async def test_nobody_listens(self) -> None:
        event = await self.refused("closed.example")
        self.assertIn(event.condition, (NOT_FOUND, TIMEOUT))
        self.assertRegex(event.reason, "(?i)refused")

    async def test_a_link_is_reset(self) -> None:
        """RST in the middle of a conversation: the next message finds a new way."""
        proxy, address = Proxy((self.there.address, S2S_PORT)), self.stage.address()
        await proxy.start(address, S2S_PORT)
        self.addAsyncCleanup(proxy.stop)
        self.stage.publish("proxied.example", address)
        romeo, juliet = await self.both(self.theirs["proxied"])
        for turn in range(3):
            romeo.message(juliet.full, f"before {turn}")
            await juliet.expect(kind="message", from_=romeo.full, text=f"before {turn}")
            proxy.reset()
            await asyncio.sleep(0.2)
        self.assertGreaterEqual(proxy.connections, 3)
        romeo.message(juliet.full, "after")
        await juliet.expect(kind="message", from_=romeo.full, text="after")

    async def test_a_link_to_us_is_reset(self) -> None:
        """The same in the other direction."""
        proxy, address = Proxy((self.here.address, S2S_PORT)), self.stage.address()
        await proxy.start(address, S2S_PORT)
        self.addAsyncCleanup(proxy.stop)
        self.stage.publish("ours.example", address)
        self.addAsyncCleanup(asyncio.sleep, 1.5)  # until Prosody has forgotten this address
        self.addCleanup(self.stage.publish, "ours.example", self.here.address)
        if isinstance(self.here, Xmppd):  # so that Prosody looks us up again
            await asyncio.to_thread(self.here.xmppctl, "s2s", "close", "prosody.example")
            await asyncio.sleep(1)
        romeo, juliet = await self.both(self.theirs["prosody"])
        for turn in range(3):
            juliet.message(romeo.full, f"before {turn}")
            await romeo.expect(kind="message", from_=juliet.full, text=f"before {turn}")
            proxy.reset()
            await asyncio.sleep(0.2)
        self.assertGreaterEqual(proxy.connections, 2)

    async def test_silent_name_server_delays_nobody_else(self) -> None:
        """While domains are looked up in vain, messages at home and over links that are there pass."""
        romeo, juliet = await self.both(self.theirs["prosody"])
        romeo.message(juliet.full, "before")
        await juliet.expect(kind="message", from_=romeo.full, text="before")
        for number in range(20):
            romeo.message(f"juliet@d{number}.silent.example", "hello?")
        romeo.message(juliet.full, "in time")
        romeo.message(romeo.bare, "to myself")
        await juliet.expect(kind="message", from_=romeo.full, text="in time")
        await romeo.expect(kind="message", from_=romeo.full, text="to myself")
        self.assertEqual(romeo.inbox.find(kind="message", type="error"), [])
