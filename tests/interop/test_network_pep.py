"""Avatars between people on our server and people on Prosody: notifications, last items, and who may fetch them."""

from __future__ import annotations

import asyncio
from typing import Any

from slixmpp.exceptions import IqError

from tests.interop.device import PATIENCE
from tests.interop.network import servers
from tests.interop.network.federation import SETTINGS, StageCase, befriend, our_part
from tests.interop.network.person import Person
from tests.interop.network.servers import Site, Xmppd
from tests.interop.network.stage import Domain

METADATA = "urn:xmpp:avatar:metadata"
EXTENSIONS = ("xep_0060", "xep_0084", "xep_0115", "xep_0163")


class Fan(Person):
    """Somebody who wants to hear of avatars."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        for extension in EXTENSIONS:
            self.client.register_plugin(extension)
        self.client.add_event_handler("pubsub_publish", self.heard.put_nowait)

    async def show(self) -> None:
        """Say so in the presence."""
        self.client.plugin["xep_0163"].add_interest([METADATA])
        await self.client.plugin["xep_0115"].update_caps(broadcast=False)
        self.presence()
        await self.fence()

    async def publish(self, picture: bytes) -> str:
        """Publish an avatar, and return its id."""
        avatars = self.client.plugin["xep_0084"]
        id_: str = avatars.generate_id(picture)
        await avatars.publish_avatar(picture)
        await avatars.publish_avatar_metadata({"id": id_, "type": "image/png", "bytes": len(picture)})
        return id_

    async def hears(self, of: str) -> str:
        """Return the id of the avatar of somebody that one is told of next."""
        while True:
            message = await asyncio.wait_for(self.heard.get(), PATIENCE)
            if message["from"].bare == of:
                id_: str = message["pubsub_event"]["items"]["item"]["id"]
                return id_


class Avatars(StageCase):
    here: Site
    there: Site
    ours: Domain
    theirs: Domain

    @classmethod
    def build(cls) -> None:
        here = our_part()
        cls.need(here, servers.Prosody)
        cls.ours, cls.theirs = cls.stage.domain("ours.example"), cls.stage.domain("theirs.example")
        cls.here = here(cls.stage, [cls.ours], SETTINGS if here is Xmppd else "")
        cls.there = servers.Prosody(cls.stage, [cls.theirs])
        cls.add(cls.here)
        cls.add(cls.there)

    async def fan(self, site: Site, name: str, domain: Domain, resource: str = "x", register: bool = True) -> Fan:
        fan = Fan(site, f"{name}{self.number}", resource, "wherefore art thou", register=register, domain=domain.name)
        self.addAsyncCleanup(fan.disconnect)
        await fan.connect()
        await fan.roster()
        await fan.show()
        return fan

    async def test_both_ways(self) -> None:
        """Who is there hears of it, who comes later as well; a stranger hears and gets nothing."""
        romeo = await self.fan(self.here, "romeo", self.ours)
        juliet = await self.fan(self.there, "juliet", self.theirs)
        tybalt = await self.fan(self.there, "tybalt", self.theirs)
        await befriend(romeo, juliet)
        # Each side asks the other's client what it wants before it can be told anything.
        await asyncio.sleep(1)
        for one, other in ((romeo, juliet), (juliet, romeo)):
            picture = f"{one.account} {'x' * 1000}".encode()
            id_ = await one.publish(picture)
            self.assertEqual(await other.hears(one.bare), id_)
            got = await other.client.plugin["xep_0084"].retrieve_avatar(one.bare, id_)
            self.assertEqual(got["pubsub"]["items"]["item"]["avatar_data"]["value"], picture)
            domain, site = (self.theirs, self.there) if other is juliet else (self.ours, self.here)
            late = await self.fan(site, "juliet" if other is juliet else "romeo", domain, "late", register=False)
            self.assertEqual(await late.hears(one.bare), id_)
        with self.assertRaises(IqError):
            await tybalt.client.plugin["xep_0084"].retrieve_avatar(romeo.bare, "x")
        self.assertTrue(tybalt.heard.empty())
