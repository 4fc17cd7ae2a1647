"""Push with a real server: slixmpp is the phone, and the push service of its app, a component (XEP-0357)."""

from __future__ import annotations

import asyncio
from typing import Any
from xml.etree import ElementTree as ET

from slixmpp.componentxmpp import ComponentXMPP

from tests.interop import scenario, server
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice

SERVICE = f"push.app.{server.DOMAIN}"
SECRET = "O Romeo, Romeo"
NS = "urn:xmpp:push:0"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
FORM = "{jabber:x:data}"


class XmppdWithPush(server.Xmppd):
    """Ours, with a port for the push service."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.component_port = server.free_port()
        super().configure(extra, plain_without_tls)
        port = f'component = ["tcp:{self.component_port}:interface=127.0.0.1"]\n'
        text = self.config.read_text("utf-8").replace("[listen]\n", f"[listen]\n{port}")
        self.config.write_text(text + f'[components."{SERVICE}"]\nsecret = "{SECRET}"\n')


class Service(ComponentXMPP):
    """A push service of slixmpp: what is published to it, by node, with the count of messages."""

    def __init__(self, port: int) -> None:
        super().__init__(SERVICE, SECRET, "127.0.0.1", port)
        self.started = asyncio.Event()
        self.published: asyncio.Queue[tuple[str, dict[str, str], Any]] = asyncio.Queue()
        self.silent = False
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_filter("in", self._take)

    def _take(self, stanza: Any) -> Any:
        publish = stanza.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish")
        if publish is None:
            return stanza
        fields = {
            field.get("var"): field.findtext(f"{FORM}value", "")
            for field in publish.iterfind(f"{PUBSUB}item/{{{NS}}}notification/{FORM}x/{FORM}field")
        }
        self.published.put_nowait((publish.get("node"), fields, stanza))
        if not self.silent:
            stanza.reply().send()
        return None


class Push(scenario.LiveCase):
    """A phone is lost, and its app is told."""

    server: XmppdWithPush

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = XmppdWithPush(cls.extra, cls.plain_without_tls)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()

    async def service(self) -> Service:
        service = Service(self.server.component_port)

        async def leave() -> None:
            service.abort()
            await asyncio.sleep(0)

        self.addAsyncCleanup(leave)
        service.connect()
        await asyncio.wait_for(service.started.wait(), PATIENCE)
        return service

    async def online(self, account: str, resource: str, *plugins: str) -> SlixmppDevice:
        device = SlixmppDevice(self.server, account, resource, scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        for plugin in plugins:
            device.client.register_plugin(plugin)
        await device.connect()
        device.presence()
        await device.fence()
        return device

    async def enable(self, phone: SlixmppDevice, node: str) -> None:
        iq = phone.client.make_iq_set(ito=phone.client.boundjid.bare)
        iq.append(ET.Element(f"{{{NS}}}enable", {"jid": SERVICE, "node": node}))
        await iq.send(timeout=PATIENCE)

    async def told(self, service: Service) -> tuple[str, dict[str, str]]:
        node, fields, _ = await asyncio.wait_for(service.published.get(), PATIENCE)
        return node, fields

    async def test_gone(self) -> None:
        """Nobody is there, and the server is killed before the service has answered."""
        service = await self.service()
        phone = await self.online(await self.account("juliet"), "phone")
        info = await phone.disco_info(phone.client.boundjid.bare)
        self.assertIn(NS, info.features)
        await self.enable(phone, "n1")
        await phone.disconnect()
        romeo = await self.online(await self.account("romeo"), "orchard")
        service.silent = True
        romeo.message(phone.client.boundjid.bare, "hi")
        self.assertEqual((await self.told(service))[1]["message-count"], "1")
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        service = await self.service()
        node, fields = await self.told(service)
        self.assertEqual((node, fields["message-count"], fields["last-message-body"]), ("n1", "1", "New Message!"))

    async def test_lost(self) -> None:
        """The connection breaks: told of what it has not acknowledged, and of what comes after."""
        service = await self.service()
        phone = await self.online(await self.account("juliet"), "phone", "xep_0198")
        await self.enable(phone, "n2")
        romeo = await self.online(await self.account("romeo"), "orchard")
        phone.client.abort()
        romeo.message(phone.client.boundjid.bare, "hi")
        self.assertEqual(await self.told(service), ("n2", {**SUMMARY, "message-count": "1"}))
        shown = await asyncio.to_thread(self.server.xmppctl, "push", "show", phone.client.boundjid.bare)
        self.assertIn("enabled", shown)
        self.assertIn(SERVICE, await asyncio.to_thread(self.server.xmppctl, "push", "health"))


SUMMARY = {"FORM_TYPE": "urn:xmpp:push:summary", "last-message-body": "New Message!"}
