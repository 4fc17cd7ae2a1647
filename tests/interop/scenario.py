"""The first conversation of two people, written once for every client library.

A test module mixes `Conversation` into a test case and names the classes of the two people's devices.
Every expectation is one of RFC 6120, RFC 6121 or of the XEP named beside it, and the scenarios pass
against Prosody too.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import logging
import signal
import unittest
from typing import Any

from tests.interop.device import Device, LoginFailed, Refused, RosterEntry
from tests.interop.server import DOMAIN, Server, chosen

PASSWORD = "wherefore art thou? ü"
FRIENDS = frozenset({"Friends"})


class LiveCase(unittest.IsolatedAsyncioTestCase):
    """A test case with one server process for all of its tests; each test makes accounts of its own."""

    server: Server
    extra = ""  # more configuration, in the server's language
    plain_without_tls = False
    _numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls) -> None:
        for library in ("slixmpp", "aioxmpp", "asyncio"):  # they log what the tests provoke
            logging.getLogger(library).setLevel(logging.CRITICAL)
        cls.server = cls.server_class()(cls.extra, cls.plain_without_tls)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()

    @classmethod
    def server_class(cls) -> type[Server]:
        """Return what the server is made of."""
        return chosen()

    async def asyncSetUp(self) -> None:
        self.number = next(self._numbers)

    def unused(self, name: str) -> str:
        """Return an account name no other test uses."""
        return f"{name}{self.number}"

    async def account(self, name: str) -> str:
        """Make an account with the operator's tool and return its name."""
        await asyncio.to_thread(self.server.add_user, self.unused(name), PASSWORD)
        return self.unused(name)


class Conversation(LiveCase):
    """The scenarios. `romeo_class` and `juliet_class` say which library each of the two uses."""

    romeo_class: type[Device]
    juliet_class: type[Device]

    async def online(self, device: Device) -> Device:
        """Log in, ask for the roster (as clients do, and get pushes from then on) and send presence.

        The device logs out when the test ends.
        """
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        await device.roster()
        device.presence()
        await device.fence()
        return device

    async def romeo(self, account: str, resource: str = "orchard", **more: Any) -> Device:
        """Return Romeo's device, online."""
        return await self.online(self.romeo_class(self.server, account, resource, PASSWORD, **more))

    async def juliet(self, account: str, resource: str = "balcony", **more: Any) -> Device:
        """Return Juliet's device, online."""
        return await self.online(self.juliet_class(self.server, account, resource, PASSWORD, **more))

    async def befriend(self, romeo: Device, juliet: Device) -> None:
        """Subscribe both to each other's presence (RFC 6121 section 3)."""
        for asking, asked in ((romeo, juliet), (juliet, romeo)):
            asking.presence("subscribe", asked.bare)
            await asked.expect(kind="presence", type="subscribe", bare=asking.bare)
            asked.presence("subscribed", asking.bare)
            await asking.expect(kind="presence", type="subscribed", bare=asked.bare)
            await asking.expect(kind="presence", type="available", from_=asked.full)
        for device in (romeo, juliet):
            await device.fence()

    async def pair(self) -> tuple[Device, Device]:
        """Return two people with one device each who see each other."""
        romeo = await self.romeo(await self.account("romeo"))
        juliet = await self.juliet(await self.account("juliet"))
        await self.befriend(romeo, juliet)
        romeo.inbox.clear()
        juliet.inbox.clear()
        return romeo, juliet

    # ---- the conversation itself

    async def _conversation(self, direct_tls: bool) -> None:
        orchard = await self.romeo(await self.account("romeo"), direct_tls=direct_tls)
        garden = await self.romeo(orchard.account, "garden", direct_tls=direct_tls)
        # Juliet makes her account in-band (XEP-0077) with her first device.
        balcony = await self.juliet(self.unused("juliet"), direct_tls=direct_tls, register=True)
        chamber = await self.juliet(balcony.account, "chamber", direct_tls=direct_tls)
        # RFC 6121 section 4.2.2: a user's own devices see each other.
        await orchard.expect(kind="presence", type="available", from_=garden.full)
        await balcony.expect(kind="presence", type="available", from_=chamber.full)

        # RFC 6121 section 2.3: the roster push goes to both devices.
        await orchard.roster_set(balcony.bare, "Juliet", ("Friends",))
        for device in (orchard, garden):
            await device.expect(kind="push", from_=balcony.bare, type="none", text="Juliet")

        await self._subscribe(orchard, garden, balcony, chamber)
        await self._talk(orchard, garden, balcony, chamber)

        # RFC 6121 section 4.5: leaving is seen too, also when the connection just closes.
        chamber.presence("unavailable")
        await balcony.disconnect()
        for device in (orchard, garden):
            await device.expect(kind="presence", type="unavailable", from_=chamber.full)
            await device.expect(kind="presence", type="unavailable", from_=balcony.full)

    async def _subscribe(self, orchard: Device, garden: Device, balcony: Device, chamber: Device) -> None:
        """RFC 6121 section 3.1: request, approval, and the presence of both of the other's devices."""
        orchard.presence("subscribe", balcony.bare)
        for device in (balcony, chamber):
            await device.expect(kind="presence", type="subscribe", bare=orchard.bare)
        chamber.presence("subscribed", orchard.bare)
        for device in (orchard, garden):
            await device.expect(kind="push", from_=balcony.bare, type="to")
            await device.expect(kind="presence", type="available", from_=balcony.full)
            await device.expect(kind="presence", type="available", from_=chamber.full)
        balcony.presence("subscribe", orchard.bare)
        await garden.expect(kind="presence", type="subscribe", bare=balcony.bare)
        garden.presence("subscribed", balcony.bare)
        for device in (balcony, chamber):
            await device.expect(kind="presence", type="available", from_=orchard.full)
            await device.expect(kind="presence", type="available", from_=garden.full)
            await device.expect(kind="push", from_=orchard.bare, type="both")
        entry = RosterEntry("Juliet", "both", FRIENDS, False)
        self.assertEqual(await garden.roster(), {balcony.bare: entry})

    async def _talk(self, orchard: Device, garden: Device, balcony: Device, chamber: Device) -> None:
        # RFC 6121 section 4.4: a change is seen by every device of the other.
        balcony.presence(show="dnd", status="Thou know'st the mask of night is on my face", prio=5)
        for device in (orchard, garden):
            event = await device.expect(kind="presence", from_=balcony.full, show="dnd")
            self.assertEqual(event.text, "Thou know'st the mask of night is on my face")

        # RFC 6121 section 8.5: to a full JID exactly that device, to the bare JID at least the best one.
        orchard.message(chamber.full, "Art thou not Romeo, & a <Montague>? 💘")
        event = await chamber.expect(kind="message", from_=orchard.full, type="chat")
        self.assertEqual(event.text, "Art thou not Romeo, & a <Montague>? 💘")
        self.assertIsNone(event.delay)
        chamber.message(orchard.full, "Neither, fair saint, if either thee dislike.")
        await orchard.expect(kind="message", from_=chamber.full, text="Neither, fair saint, if either thee dislike.")
        garden.message(balcony.bare, "How cam'st thou hither?")
        await balcony.expect(kind="message", from_=garden.full, text="How cam'st thou hither?")
        await balcony.fence()
        self.assertEqual(balcony.inbox.find(kind="message"), [])
        self.assertEqual(garden.inbox.find(kind="message"), [])

    async def test_conversation_over_starttls(self) -> None:
        """Two people on two devices each, RFC 6120 section 5."""
        await self._conversation(direct_tls=False)

    async def test_conversation_over_direct_tls(self) -> None:
        """The same over XEP-0368."""
        await self._conversation(direct_tls=True)

    async def test_offline_messages(self) -> None:
        """XEP-0160 with the stamp of XEP-0203: delivered once, in order, to whoever comes next."""
        romeo, juliet = await self.pair()
        before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=2)
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        for number in range(5):
            romeo.message(juliet.bare, f"message {number}")
        await romeo.fence()
        juliet = await self.juliet(juliet.account)
        for number in range(5):
            event = await juliet.expect(kind="message", from_=romeo.full)
            self.assertEqual(event.text, f"message {number}")
            assert event.delay is not None, event
            after = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
            self.assertTrue(before <= event.delay <= after, event)
        await juliet.disconnect()
        juliet = await self.juliet(juliet.account)
        await juliet.fence()
        self.assertEqual(juliet.inbox.find(kind="message"), [])

    async def test_blocking(self) -> None:
        """XEP-0191: the blocked one sees us leave, gets errors, and sees us come back."""
        romeo, juliet = await self.pair()
        chamber = await self.juliet(juliet.account, "chamber")
        self.assertEqual(await chamber.blocked(), set())  # who asked for the list gets the pushes
        await juliet.blocked()
        await juliet.block(romeo.bare)
        await chamber.expect(kind="block", from_=romeo.bare)
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        self.assertEqual(await juliet.blocked(), {romeo.bare})
        romeo.message(juliet.bare, "Wilt thou leave me so unsatisfied?")
        await romeo.expect(kind="message", type="error", condition="service-unavailable")
        with self.assertRaises(Refused) as caught:
            await romeo.ping(juliet.full)
        self.assertEqual(caught.exception.condition, "service-unavailable")
        juliet.message(romeo.bare, "What satisfaction canst thou have to-night?")
        await juliet.expect(kind="message", type="error", condition="not-acceptable")
        await juliet.fence()
        self.assertEqual(juliet.inbox.find(kind="message", bare=romeo.bare, type="chat"), [])
        await juliet.unblock(romeo.bare)
        await chamber.expect(kind="unblock", from_=romeo.bare)
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        romeo.message(juliet.full, "Th' exchange of thy love's faithful vow for mine.")
        await juliet.expect(kind="message", from_=romeo.full, type="chat")

    async def test_remove_contact(self) -> None:
        """RFC 6121 section 2.5: removing a contact ends both subscriptions."""
        romeo, juliet = await self.pair()
        await romeo.roster_remove(juliet.bare)
        await romeo.expect(kind="push", from_=juliet.bare, type="remove")
        for subscription in ("unsubscribe", "unsubscribed"):
            await juliet.expect(kind="presence", type=subscription, bare=romeo.bare)
        await juliet.expect(kind="push", from_=romeo.bare, type="none")
        self.assertEqual(await romeo.roster(), {})
        self.assertEqual((await juliet.roster())[romeo.bare].subscription, "none")
        romeo.presence(show="away")
        await romeo.fence()
        await juliet.fence()
        self.assertEqual(juliet.inbox.find(show="away"), [])

    async def test_vcard(self) -> None:
        """XEP-0054: others read what one published; there is none at first."""
        romeo, juliet = await self.pair()
        await juliet.vcard_set("Juliet Capulet")
        self.assertEqual(await juliet.vcard_get(), "Juliet Capulet")
        self.assertEqual(await romeo.vcard_get(juliet.bare), "Juliet Capulet")

    async def test_private_storage(self) -> None:
        """XEP-0049: stored for all of one's devices and nobody else."""
        romeo, juliet = await self.pair()
        self.assertEqual(await romeo.private_get(), "")
        await romeo.private_set("Hamlet")
        garden = await self.romeo(romeo.account, "garden")
        self.assertEqual(await garden.private_get(), "Hamlet")
        self.assertEqual(await juliet.private_get(), "")

    async def test_questions_to_the_server(self) -> None:
        """XEP-0030, 0092, 0202, 0012, 0199: what the server says about itself, its users and strangers."""
        romeo, juliet = await self.pair()
        server = await romeo.disco_info(DOMAIN)
        self.assertIn(("server", "im"), server.identities)
        for feature in (
            "http://jabber.org/protocol/disco#info",
            "jabber:iq:last",
            "jabber:iq:version",
            "urn:xmpp:blocking",
            "urn:xmpp:ping",
            "urn:xmpp:time",
            "vcard-temp",
        ):
            self.assertIn(feature, server.features)
        account = await romeo.disco_info(juliet.bare)
        self.assertIn(("account", "registered"), account.identities)
        await romeo.disco_items(DOMAIN)
        name, version = await romeo.version(DOMAIN)
        self.assertEqual(name.lower(), self.server.name)
        self.assertTrue(version)
        there = await romeo.entity_time(DOMAIN)
        here = datetime.datetime.now(datetime.UTC)
        self.assertLess(abs(there - here), datetime.timedelta(seconds=30))
        self.assertGreaterEqual(await romeo.last_activity(DOMAIN), 0)
        self.assertEqual(await romeo.last_activity(juliet.bare), 0)  # XEP-0012: connected
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        self.assertGreaterEqual(await romeo.last_activity(juliet.bare), 0)
        with self.assertRaises(Refused) as caught:
            await romeo.ping(juliet.full)  # nobody there: RFC 6121 section 8.5.3.2.3
        self.assertEqual(caught.exception.condition, "service-unavailable")
        stranger = await self.romeo(await self.account("stranger"))
        with self.assertRaises(Refused):
            await stranger.last_activity(romeo.bare)  # XEP-0012: only for those who see the presence

    async def test_login_refused(self) -> None:
        """A wrong password and an account nobody has get the same answer, RFC 6120 section 6.5.10."""
        account = await self.account("romeo")
        for name in (account, self.unused("nobody")):
            device = self.romeo_class(self.server, name, "orchard", "wrong")
            with self.assertRaises(LoginFailed) as caught:
                await device.connect()
            self.assertEqual(str(caught.exception), "not-authorized")
        await self.romeo(account)

    async def test_account_by_its_owner(self) -> None:
        """XEP-0077: change the password, and cancel the account."""
        old = await self.romeo(self.unused("romeo"), register=True)
        await old.change_password("new password")
        await old.disconnect()
        with self.assertRaises(LoginFailed):
            await self.romeo_class(self.server, old.account, "orchard", PASSWORD).connect()
        new = self.romeo_class(self.server, old.account, "orchard", "new password")
        await self.online(new)
        await new.cancel_account()
        await new.disconnect()
        with self.assertRaises(LoginFailed):
            await self.romeo_class(self.server, old.account, "orchard", "new password").connect()

    async def test_registration_of_a_taken_name(self) -> None:
        """XEP-0077 section 3.1.1: `conflict`."""
        taken = await self.account("romeo")
        with self.assertRaises((Refused, LoginFailed)) as caught:
            await self.romeo(taken, register=True)
        self.assertEqual(str(caught.exception), "conflict")

    # ---- a restart

    async def test_everything_survives_a_restart(self) -> None:
        """SIGTERM tells the clients why; afterwards roster, vCard, block list and messages are there."""
        romeo, juliet = await self.pair()
        enemy = f"{await self.account('tybalt')}@{DOMAIN}"
        await romeo.roster_set(juliet.bare, "Juliet", ("Friends",))
        await romeo.vcard_set("Romeo Montague")
        await romeo.private_set("Hamlet")
        await romeo.block(enemy)
        await juliet.disconnect()
        await romeo.expect(kind="presence", type="unavailable", from_=juliet.full)
        romeo.message(juliet.bare, "sent before the restart")
        romeo.presence("subscribe", enemy)
        await romeo.fence()
        status = await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)
        # twistd ends by the signal it was sent, as shells expect it to.
        self.assertIn(status, (0, -signal.SIGTERM))
        await romeo.expect(kind="closed", condition="system-shutdown")  # RFC 6120 section 4.9.3.21
        romeo = await self.romeo(romeo.account)
        juliet = await self.juliet(juliet.account)
        event = await juliet.expect(kind="message", bare=romeo.bare)
        self.assertEqual(event.text, "sent before the restart")
        self.assertIsNotNone(event.delay)
        roster = await romeo.roster()
        self.assertEqual(roster[juliet.bare], RosterEntry("Juliet", "both", FRIENDS, False))
        self.assertEqual(await romeo.vcard_get(), "Romeo Montague")
        self.assertEqual(await romeo.private_get(), "Hamlet")
        self.assertEqual(await romeo.blocked(), {enemy})
        await romeo.expect(kind="presence", type="available", from_=juliet.full)
        await juliet.expect(kind="presence", type="available", from_=romeo.full)
        romeo.message(juliet.full, "and after it")
        await juliet.expect(kind="message", from_=romeo.full, text="and after it")
