"""PEP as slixmpp does it, with a real server: avatars, bookmarks, what was displayed, and who is notified."""

from __future__ import annotations

import asyncio
from typing import Any

from slixmpp.exceptions import IqError

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice

MDS = "urn:xmpp:mds:displayed:0"
METADATA = "urn:xmpp:avatar:metadata"
PICTURE = bytes(range(256)) * 40
EXTENSIONS = ("xep_0060", "xep_0084", "xep_0115", "xep_0163", "xep_0223", "xep_0402", "xep_0490")


class SlixmppPep(scenario.LiveCase):
    """Slixmpp's own implementations of XEP-0060, XEP-0084, XEP-0115, XEP-0163, XEP-0223, XEP-0402 and XEP-0490."""

    async def online(self, account: str, resource: str, *interests: str) -> tuple[SlixmppDevice, asyncio.Queue[Any]]:
        """Return a device that wants to hear of these nodes beside those of its extensions, and what it hears."""
        device = SlixmppDevice(self.server, account, resource, scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        for extension in EXTENSIONS:
            device.client.register_plugin(extension)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        for event in ("pubsub_publish", "pubsub_retract", "pubsub_purge", "pubsub_delete"):
            device.client.add_event_handler(event, heard.put_nowait)
        await device.connect()
        await device.roster()
        device.client.plugin["xep_0163"].add_interest(list(interests))
        await device.client.plugin["xep_0115"].update_caps(broadcast=False)
        device.presence()
        await device.fence()
        return device, heard

    async def hears(self, heard: asyncio.Queue[Any], node: str) -> Any:
        message = await asyncio.wait_for(heard.get(), PATIENCE)
        self.assertEqual(message["pubsub_event"]["items"]["node"], node)
        return message["pubsub_event"]["items"]["item"]

    async def test_displayed(self) -> None:
        """Flagged on one device, known to the other at once; all is there after a crash."""
        account = await self.account("juliet")
        phone, _ = await self.online(account, "phone")
        desk, heard = await self.online(account, "desk")
        for chat, id_ in (("romeo@localhost", "a"), ("nurse@localhost", "b"), ("romeo@localhost", "c")):
            await phone.client.plugin["xep_0490"].flag_chat(chat, id_)
            item = await self.hears(heard, MDS)
            self.assertEqual((item["id"], item["displayed"]["stanza_id"]["id"]), (chat, id_))
        await phone.disconnect()
        await desk.disconnect()
        self.server.kill()
        self.server.start()
        phone, _ = await self.online(account, "phone")
        items = (await phone.client.plugin["xep_0490"].catch_up())["pubsub"]["items"]
        found = [(item["id"], item["displayed"]["stanza_id"]["id"]) for item in items]
        self.assertEqual(found, [("nurse@localhost", "b"), ("romeo@localhost", "c")])

    async def test_avatar(self) -> None:
        """A contact is told of it, also one who comes online later, and gets it; a stranger doesn't."""
        romeo, heard = await self.online(await self.account("romeo"), "orchard")
        juliet, _ = await self.online(await self.account("juliet"), "balcony")
        nurse, unheard = await self.online(await self.account("nurse"), "chamber")
        romeo.presence("subscribe", juliet.bare)
        await juliet.expect(kind="presence", type="subscribe", bare=romeo.bare)
        juliet.presence("subscribed", romeo.bare)
        await romeo.expect(kind="presence", type="subscribed", bare=juliet.bare)
        await juliet.fence()
        avatars = juliet.client.plugin["xep_0084"]
        id_ = avatars.generate_id(PICTURE)
        await avatars.publish_avatar(PICTURE)
        metadata = {"id": id_, "type": "image/png", "bytes": len(PICTURE)}
        await avatars.publish_avatar_metadata(metadata)
        self.assertEqual((await self.hears(heard, METADATA))["id"], id_)
        got = await romeo.client.plugin["xep_0084"].retrieve_avatar(juliet.bare, id_)
        self.assertEqual(got["pubsub"]["items"]["item"]["avatar_data"]["value"], PICTURE)
        await juliet.disconnect()
        _, late = await self.online(romeo.account, "garden")
        self.assertEqual((await self.hears(late, METADATA))["id"], id_)
        with self.assertRaises(IqError) as caught:
            await nurse.client.plugin["xep_0084"].retrieve_avatar(juliet.bare, id_)
        self.assertEqual(caught.exception.condition, "not-authorized")
        self.assertTrue(unheard.empty())

    async def test_nodes(self) -> None:
        """Nodes are made, configured, emptied and deleted."""
        account = await self.account("juliet")
        device, heard = await self.online(account, "balcony", "urn:example:notes")
        pubsub, own = device.client.plugin["xep_0060"], None
        await pubsub.create_node(own, "urn:example:notes")
        form = (await pubsub.get_node_config(own, "urn:example:notes"))["pubsub_owner"]["configure"]["form"]
        self.assertEqual(form["values"]["pubsub#access_model"], "presence")
        form.reply()
        await pubsub.set_node_config(own, "urn:example:notes", form)
        note = device.client.plugin["xep_0490"].stanza.Displayed()
        made = await pubsub.publish(own, "urn:example:notes", payload=note.xml)
        id_ = made["pubsub"]["publish"]["item"]["id"]
        self.assertEqual((await self.hears(heard, "urn:example:notes"))["id"], id_)
        found = await pubsub.get_nodes(device.bare)
        self.assertIn(("urn:example:notes"), {item[1] for item in found["disco_items"]["items"]})
        await pubsub.retract(own, "urn:example:notes", id_, notify=True)
        self.assertTrue((await asyncio.wait_for(heard.get(), PATIENCE))["pubsub_event"]["items"]["retract"]["id"])
        await pubsub.purge(own, "urn:example:notes")
        await pubsub.delete_node(own, "urn:example:notes")
        with self.assertRaises(IqError) as caught:
            await pubsub.get_items(own, "urn:example:notes")
        self.assertEqual(caught.exception.condition, "item-not-found")
