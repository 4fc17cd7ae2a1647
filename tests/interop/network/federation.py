"""What people on two servers do with each other, written once for every pair of servers.

`XMPPD_INTEROP_SERVER=prosody` puts Prosody in our place, to check the stage and the scenarios themselves.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import unittest
from collections.abc import Awaitable, Callable
from typing import Any

from tests.interop.device import PATIENCE
from tests.interop.network.person import Person
from tests.interop.network.servers import Prosody, Site, Xmppd
from tests.interop.network.stage import S2S_TLS_PORT, Domain, Stage

PASSWORD = "wherefore art thou"
# Of ours: what can't be delivered is known to be so before a test loses its patience.
SETTINGS = "queue_seconds = 5.0\n"
_numbers = itertools.count(1)


def our_part() -> type[Site]:
    """Return who plays our part."""
    kinds: dict[str, type[Site]] = {"xmppd": Xmppd, "prosody": Prosody}
    return kinds[os.environ.get("XMPPD_INTEROP_SERVER", "xmppd")]


async def eventually(check: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something holds; AssertionError if it never does."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        found = check()
        if found if isinstance(found, bool) else await found:
            return
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"never happened: {what}")
        await asyncio.sleep(0.1)


class StageCase(unittest.IsolatedAsyncioTestCase):
    """A stage with servers that all tests of a class share; what they need and is missing is the reason to skip.

    When a test fails, what the servers logged last is printed.
    """

    stage: Stage
    sites: tuple[Site, ...] = ()

    @classmethod
    def build(cls) -> None:
        """Make the servers with `add`."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls) -> None:
        for library in ("slixmpp", "asyncio"):  # they log what the tests provoke
            logging.getLogger(library).setLevel(logging.CRITICAL)
        cls.sites = ()
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.remove)
        cls.stage.start()
        cls.build()

    @classmethod
    def add(cls, site: Site) -> None:
        """Start a server, which ends with the class."""
        cls.sites = (*cls.sites, site)
        cls.addClassCleanup(site.cut)
        site.start()

    @classmethod
    def need(cls, *kinds: type[Site]) -> None:
        """Skip the class if one of these servers can't run."""
        for kind in kinds:
            if reason := kind.missing():
                raise unittest.SkipTest(reason)

    async def asyncSetUp(self) -> None:
        self.number = next(_numbers)

    async def person(self, site: Site, name: str, domain: Domain, resource: str = "x", **more: Any) -> Person:
        """Return somebody with a new account there, or an old one (`register=False`), online until the test ends."""
        person = Person(
            site, f"{name}{self.number}", resource, PASSWORD, **{"register": True, "domain": domain.name, **more}
        )
        self.addAsyncCleanup(person.disconnect)
        await person.connect()
        await person.roster()
        person.presence()
        await person.fence()
        return person

    def run(self, result: Any = None) -> Any:
        """Print the servers' logs when a test has failed and XMPPD_INTEROP_LOGS is set."""
        before = len(result.failures) + len(result.errors) if result is not None else 0
        done = super().run(result)
        if (
            result is not None
            and len(result.failures) + len(result.errors) > before
            and "XMPPD_INTEROP_LOGS" in os.environ
        ):
            for site in self.sites:
                print(f"--- {site.name} at {site.address}\n{site.tail(int(os.environ['XMPPD_INTEROP_LOGS']))}")
        return done


async def befriend(romeo: Person, juliet: Person) -> None:
    """Subscribe both ways (RFC 6121 section 3.1), one after the other, until both see each other."""
    for asking, asked in ((romeo, juliet), (juliet, romeo)):
        asking.presence("subscribe", asked.bare)
        await asked.expect(kind="presence", type="subscribe", bare=asking.bare)
        asked.presence("subscribed", asking.bare)
        await asking.expect(kind="presence", type="subscribed", bare=asked.bare)
        await asking.expect(kind="presence", type="available", from_=asked.full)


class Federation(StageCase):
    """The scenarios: Romeo is on our server, Juliet on the other one."""

    there_class: type[Site]
    #: How streams are proven between good certificates; where all of our domains share one, by dialback as well.
    by_certificates = frozenset({"certificate", "we by EXTERNAL", "we by dialback"})
    here: Site
    there: Site
    ours: Domain
    ours_self: Domain
    ours_direct: Domain
    theirs: Domain
    theirs_self: Domain
    theirs_direct: Domain
    theirs_bidi: Domain

    @classmethod
    def build(cls) -> None:
        here = our_part()
        cls.need(here, cls.there_class)
        stage, name = cls.stage, cls.there_class.name
        cls.ours = stage.domain("ours.example")
        cls.ours_self = stage.domain("self.ours.example", self_signed=True)
        cls.ours_direct = stage.domain("direct.ours.example")
        cls.theirs = stage.domain(f"{name}.example")
        cls.theirs_self = stage.domain(f"self.{name}.example", self_signed=True)
        cls.theirs_direct = stage.domain(f"direct.{name}.example")
        cls.theirs_bidi = stage.domain(f"bidi.{name}.example", bidi=True)
        theirs = [cls.theirs, cls.theirs_self, cls.theirs_direct, cls.theirs_bidi]
        cls.here = here(stage, [cls.ours, cls.ours_self, cls.ours_direct], SETTINGS if here is Xmppd else "")
        cls.there = cls.there_class(stage, theirs)
        for site, domain in ((cls.here, cls.ours_direct), (cls.there, cls.theirs_direct)):
            stage.publish(domain.name, site.address, port=None, tls_port=S2S_TLS_PORT)
        cls.add(cls.here)
        cls.add(cls.there)

    async def pair(self, here: Domain, there: Domain) -> tuple[Person, Person]:
        """Return Romeo and Juliet, who see each other."""
        romeo = await self.person(self.here, "romeo", here)
        juliet = await self.person(self.there, "juliet", there)
        await befriend(romeo, juliet)
        return romeo, juliet

    async def proofs(self, ours: Domain, theirs: Domain) -> set[str]:
        """Return how the streams between two domains were proven, as `xmppctl s2s show` has it; of ours only."""
        if not isinstance(self.here, Xmppd):
            return set()
        shown = json.loads(await asyncio.to_thread(self.here.xmppctl, "--json", "s2s", "show", theirs.name))
        streams = [stream for stream in shown["streams"] if stream["state"] == "open"]
        found = [stream["proven by"].split("; ") for stream in streams if ours.name in stream["ours"].split(", ")]
        self.assertTrue(found)
        return {proof for proofs in found for proof in proofs}

    # ---- a whole conversation

    async def _conversation(self, here: Domain, there: Domain) -> None:
        romeo, juliet = await self.pair(here, there)
        await self._presence(romeo, juliet)
        await self._talk(romeo, juliet)
        await self._questions(romeo, juliet)
        await self._questions(juliet, romeo)
        await self._room(romeo, juliet, f"orchard{self.number}@{there.rooms}")
        await self._room(juliet, romeo, f"orchard{self.number}@{here.rooms}")

    async def _presence(self, romeo: Person, juliet: Person) -> None:
        for one, other in ((romeo, juliet), (juliet, romeo)):
            one.presence(show="dnd", status="thinking ü")
            event = await other.expect(kind="presence", from_=one.full, show="dnd")
            self.assertEqual(event.text, "thinking ü")
            self.assertEqual((await one.roster())[other.bare].subscription, "both")

    async def _talk(self, romeo: Person, juliet: Person) -> None:
        for one, other in ((romeo, juliet), (juliet, romeo)):
            for to in (other.full, other.bare):
                for number in range(3):
                    one.message(to, f"{number} to <{to}> & 💘")
                for number in range(3):
                    event = await other.expect(kind="message", from_=one.full)
                    self.assertEqual(event.text, f"{number} to <{to}> & 💘")
            one.message(f"nobody@{other.domain}", "hello?")
            event = await one.expect(kind="message", type="error", bare=f"nobody@{other.domain}")
            self.assertIn(event.condition, ("service-unavailable", "item-not-found"))

    async def _questions(self, one: Person, other: Person) -> None:
        info = await one.disco_info(other.domain)
        self.assertIn(("server", "im"), info.identities)
        self.assertIn("urn:xmpp:ping", info.features)
        await one.ping(other.domain)
        self.assertEqual((await one.version(other.domain))[0].lower(), other.server.name)
        await other.vcard_set(f"{other.account} & family")
        self.assertEqual(await one.vcard_get(other.bare), f"{other.account} & family")
        await one.ping(other.full)

    async def _room(self, guest: Person, owner: Person, room: str) -> None:
        await owner.join(room, "owner")
        await guest.join(room, "guest")
        await guest.expect(kind="presence", type="available", from_=f"{room}/owner")
        await owner.expect(kind="presence", type="available", from_=f"{room}/guest")
        for one, nick in ((guest, "guest"), (owner, "owner")):
            one.say(room, f"{nick} is here")
            for person in (guest, owner):
                await person.expect(kind="message", type="groupchat", from_=f"{room}/{nick}", text=f"{nick} is here")
        await guest.leave(room, "guest")
        await owner.expect(kind="presence", type="unavailable", from_=f"{room}/guest")

    async def test_conversation_with_certificates(self) -> None:
        """Both show certificates that the other trusts: SASL EXTERNAL (XEP-0178) in both directions."""
        await self._conversation(self.ours, self.theirs)
        self.assertLessEqual(await self.proofs(self.ours, self.theirs), self.by_certificates)

    async def test_conversation_with_a_self_signed_peer(self) -> None:
        """Their certificate proves nothing, so dialback (XEP-0220) has to, or the DNS when we call them."""
        await self._conversation(self.ours, self.theirs_self)
        proofs = await self.proofs(self.ours, self.theirs_self)
        self.assertLessEqual(proofs, {"dialback", "DNS", "we by EXTERNAL", "we by dialback"})

    async def test_conversation_when_we_are_self_signed(self) -> None:
        """They can't trust our certificate, so dialback has to prove us."""
        await self._conversation(self.ours_self, self.theirs)
        self.assertLessEqual(await self.proofs(self.ours_self, self.theirs), {"certificate", "we by dialback"})

    async def test_conversation_over_direct_tls(self) -> None:
        """Both publish nothing but _xmpps-server (XEP-0368)."""
        await self._conversation(self.ours_direct, self.theirs_direct)

    # ---- leaving

    async def test_logging_out_is_seen(self) -> None:
        romeo, juliet = await self.pair(self.ours, self.theirs)
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        juliet = await self.person(self.there, "juliet", self.theirs, register=False)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)
        await romeo.disconnect()
        await juliet.expect(kind="presence", type="unavailable", from_=romeo.full)

    async def test_unsubscribing(self) -> None:
        """RFC 6121 section 2.5: who is removed from a roster hears so on the other server."""
        romeo, juliet = await self.pair(self.ours, self.theirs)
        await romeo.roster_remove(juliet.bare)
        for type_ in ("unsubscribe", "unsubscribed"):
            await juliet.expect(kind="presence", type=type_, bare=romeo.bare)
        self.assertEqual((await juliet.roster())[romeo.bare].subscription, "none")
        romeo, juliet = await self._again(romeo, juliet)

    async def _again(self, romeo: Person, juliet: Person) -> tuple[Person, Person]:
        romeo.inbox.clear()
        juliet.inbox.clear()
        await befriend(juliet, romeo)
        return romeo, juliet

    # ---- accidents

    async def _restart(self, site: Site) -> None:
        await asyncio.to_thread(site.start)

    async def test_their_server_dies_and_comes_back(self) -> None:
        """kill -9 in the middle: what is sent meanwhile arrives later or comes back; presence is right again then."""
        romeo, juliet = await self.pair(self.ours, self.theirs)
        romeo.inbox.clear()
        await asyncio.sleep(self.settle)
        self.there.cut()
        await asyncio.sleep(self.unnoticed)
        romeo.message(juliet.bare, "are you there?")
        await romeo.fence()
        await self._restart(self.there)
        juliet = await self.person(self.there, "juliet", self.theirs, register=False)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)
        await self._arrived_or_returned(romeo, juliet)
        await self._talk(romeo, juliet)

    async def _arrived_or_returned(self, romeo: Person, juliet: Person) -> None:
        def arrived() -> int:
            return len(juliet.inbox.find(kind="message", bare=romeo.bare, text="are you there?"))

        def returned() -> int:
            return len(romeo.inbox.find(kind="message", type="error", bare=juliet.bare))

        await eventually(lambda: arrived() + returned() > 0, "the message arrives or comes back")
        self.assertEqual(arrived() + returned(), 1)
        juliet.inbox.clear()
        romeo.inbox.clear()

    settle = 0.0  # seconds until their server has written to disk what it acknowledged
    #: Seconds for which nobody has noticed that their server is gone. Without stream management between servers, what
    #: is sent in this moment is lost with the connection.
    unnoticed = 0.0

    async def test_our_server_dies_and_comes_back(self) -> None:
        romeo, juliet = await self.pair(self.ours, self.theirs)
        juliet.inbox.clear()
        self.here.cut()
        await self._restart(self.here)
        romeo = await self.person(self.here, "romeo", self.ours, register=False)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        await self._talk(romeo, juliet)

    async def test_our_server_is_stopped(self) -> None:
        """Who was there is gone for everybody; afterwards things are as before."""
        self._needs_us()
        romeo, juliet = await self.pair(self.ours, self.theirs)
        await asyncio.to_thread(self.here.stop)
        await juliet.expect(kind="presence", type="unavailable", from_=romeo.full)
        await self._restart(self.here)
        romeo = await self.person(self.here, "romeo", self.ours, register=False)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)

    async def test_who_was_there_when_our_server_died_is_gone(self) -> None:
        """Romeo does not come back after kill -9, and Juliet learns that he is away."""
        self._needs_us()
        romeo, juliet = await self.pair(self.ours, self.theirs)
        self.here.cut()
        await self._restart(self.here)
        await juliet.expect(kind="presence", type="unavailable", from_=romeo.full)

    async def test_whose_server_is_gone_is_gone(self) -> None:
        """When it can't be reached, its users are taken for unavailable, until they show that they are there."""
        self._needs_us()
        romeo, juliet = await self.pair(self.ours, self.theirs)
        await asyncio.sleep(self.settle)
        self.there.cut()
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        await self._restart(self.there)
        juliet = await self.person(self.there, "juliet", self.theirs, register=False)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)

    def _needs_us(self) -> None:
        if not isinstance(self.here, Xmppd):
            self.skipTest("more than others do")

    async def test_request_while_their_server_is_away(self) -> None:
        """A subscription is asked for again when the server is back (RFC 6121 section 3.1.2)."""
        self._needs_us()
        romeo = await self.person(self.here, "romeo", self.ours)
        juliet = await self.person(self.there, "juliet", self.theirs)
        await asyncio.sleep(self.settle)
        self.there.cut()
        romeo.presence("subscribe", juliet.bare)
        await romeo.fence()
        await self._restart(self.there)
        juliet = await self.person(self.there, "juliet", self.theirs, register=False)
        juliet.message(romeo.bare, "I am back")
        await juliet.expect(kind="presence", type="subscribe", bare=romeo.bare)

    async def test_links_are_closed_by_the_operator(self) -> None:
        """`xmppctl s2s close`: the next stanza makes a new one, and nobody notices."""
        if not isinstance(self.here, Xmppd):
            self.skipTest("a command of ours")
        romeo, juliet = await self.pair(self.ours, self.theirs)
        romeo.inbox.clear()
        await asyncio.to_thread(self.here.xmppctl, "s2s", "close", self.theirs.name)
        await self._talk(romeo, juliet)
        self.assertEqual(romeo.inbox.find(kind="presence", type="unavailable"), [])
