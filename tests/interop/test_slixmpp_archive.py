"""Archives as slixmpp reads them, from a real server: walking them, the form, the last message, preferences."""

from __future__ import annotations

import datetime
from typing import Any

from slixmpp import JID

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice

TEXTS = [f"line {n}" for n in range(35)]


def body_of(result: Any) -> str:
    """Return the text of a result."""
    text: str = result["mam_result"]["forwarded"]["stanza"]["body"]
    return text


class SlixmppArchive(scenario.LiveCase):
    """Slixmpp's own implementation of XEP-0313, with XEP-0059 beneath."""

    async def online(self, account: str, resource: str) -> SlixmppDevice:
        device = SlixmppDevice(self.server, account, resource, scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        device.presence()
        await device.fence()
        return device

    async def pair(self) -> tuple[SlixmppDevice, SlixmppDevice]:
        romeo = await self.online(await self.account("romeo"), "orchard")
        return romeo, await self.online(await self.account("juliet"), "balcony")

    async def reading(self, account: str, resource: str) -> Any:
        device = await self.online(account, resource)
        for plugin in ("xep_0059", "xep_0297", "xep_0313", "xep_0359", "xep_0441"):
            device.client.register_plugin(plugin)
        return device.client

    async def walk(self, client: Any, **options: Any) -> list[str]:
        return [body_of(result) async for result in client.plugin["xep_0313"].iterate(**options)]

    async def test_reading(self) -> None:
        """What was sent before is there on another device, after a crash of the server as well."""
        romeo, juliet = await self.pair()
        for text in TEXTS:
            romeo.message(juliet.bare, text)
        for text in TEXTS:
            await juliet.expect(kind="message", text=text)
        juliet.message(romeo.bare, "answer")
        await romeo.expect(kind="message", text="answer")
        await juliet.disconnect()
        await romeo.disconnect()
        self.server.kill()
        self.server.start()
        client = await self.reading(juliet.account, "chamber")
        everything = [*TEXTS, "answer"]
        self.assertEqual(await self.walk(client), everything)
        self.assertEqual(await self.walk(client, with_jid=JID(romeo.bare)), everything)
        self.assertEqual(await self.walk(client, with_jid=JID("nurse@localhost")), [])
        self.assertEqual(await self.walk(client, reverse=True), everything[::-1])
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        self.assertEqual(await self.walk(client, end=past), [])
        self.assertEqual(await self.walk(client, start=past, rsm={"max": 7}), everything)

    async def test_what_there_is(self) -> None:
        romeo, juliet = await self.pair()
        romeo.message(juliet.bare, "the only one")
        await juliet.expect(kind="message", text="the only one")
        client = await self.reading(juliet.account, "chamber")
        mam = client.plugin["xep_0313"]
        form = await mam.get_fields(timeout=PATIENCE)
        self.assertLessEqual({"with", "start", "end", "before-id", "after-id", "ids"}, set(form.get_fields()))
        found = (await mam.get_archive_metadata(timeout=PATIENCE))["mam_metadata"]
        self.assertEqual(found["start"]["id"], found["end"]["id"])
        info = await client.plugin["xep_0030"].get_info(jid=JID(juliet.bare), cached=False, timeout=PATIENCE)
        self.assertLessEqual(
            {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "urn:xmpp:sid:0"}, set(info["disco_info"]["features"])
        )

    async def test_preferences(self) -> None:
        romeo, juliet = await self.pair()
        client = await self.reading(juliet.account, "chamber")
        prefs = client.plugin["xep_0441"]
        await prefs.set_preferences(default="always", never=[JID(romeo.bare)], timeout=PATIENCE)
        told = await prefs.get_preferences(timeout=PATIENCE)
        self.assertEqual((told[0], {str(jid) for jid in told[2]}), ("always", {romeo.bare}))
        romeo.message(juliet.bare, "for your eyes only")
        await juliet.expect(kind="message", text="for your eyes only")
        self.assertEqual(await self.walk(client), [])
