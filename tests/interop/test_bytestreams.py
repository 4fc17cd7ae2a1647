"""A file through the SOCKS5 proxy (XEP-0065) and in-band (XEP-0047): slixmpp on both sides, a live process between."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import Any

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN, free_port
from tests.interop.slix import SlixmppDevice

PORT = free_port()
FILE = random.Random(65).randbytes(10_000_000)
IN_BAND = FILE[:300_000]


class Bytestreams(scenario.LiveCase):
    """Both people use slixmpp."""

    extra = f"""
[hosts."{DOMAIN}".bytestreams]
listen = ["tcp:{PORT}:interface=127.0.0.1"]
address = "127.0.0.1"
"""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        if self.server.name != "xmppd":
            self.skipTest("the settings are those of xmppd")
        if "bytestreams" not in await asyncio.to_thread(self.xmppctl, "plugin", "list"):
            await asyncio.to_thread(self.xmppctl, "plugin", "enable", "bytestreams")

    def xmppctl(self, *arguments: str) -> str:
        """Return what the operator's tool says."""
        found: str = self.server.xmppctl(*arguments)  # type: ignore[attr-defined]
        return found

    async def people(self, plugin: str) -> tuple[Any, Any]:
        """Return two clients with a plugin."""
        clients = []
        for name in ("romeo", "juliet"):
            device = SlixmppDevice(self.server, await self.account(name), "phone", scenario.PASSWORD)
            self.addAsyncCleanup(device.disconnect)
            await device.connect()
            device.presence()
            await device.fence()
            device.client.register_plugin(plugin, {"auto_accept": True})
            clients.append(device.client)
        return clients[0], clients[1]

    async def test_by_the_proxy(self) -> None:
        """The requester finds the proxy, the target connects, the stream is activated, 10 MB arrive as they were."""
        romeo, juliet = await self.people("xep_0065")
        received, whole, closed = bytearray(), asyncio.Event(), asyncio.Event()

        def take(data: bytes) -> None:
            received.extend(data)
            if len(received) >= len(FILE):
                whole.set()

        juliet.add_event_handler("socks5_data", take)
        juliet.add_event_handler("socks5_closed", lambda _: closed.set())
        to = str(juliet.boundjid)
        stream = await romeo["xep_0065"].handshake(to, timeout=PATIENCE)
        self.assertIn(str(juliet.boundjid), await asyncio.to_thread(self.xmppctl, "bytestreams", "list"))
        for at in range(0, len(FILE), 100_000):
            await stream.write(FILE[at : at + 100_000])
        await asyncio.wait_for(whole.wait(), PATIENCE * 4)
        self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(FILE).digest())
        stream.transport.close()
        await asyncio.wait_for(closed.wait(), PATIENCE)

    async def test_cut_by_the_operator(self) -> None:
        romeo, juliet = await self.people("xep_0065")
        closed = asyncio.Event()
        juliet.add_event_handler("socks5_closed", lambda _: closed.set())
        await romeo["xep_0065"].handshake(str(juliet.boundjid), timeout=PATIENCE)
        listed = await asyncio.to_thread(self.xmppctl, "bytestreams", "list", "--json")
        (stream,) = [row for row in json.loads(listed) if row["requester"] == str(romeo.boundjid)]
        await asyncio.to_thread(self.xmppctl, "bytestreams", "cut", stream["id"])
        await asyncio.wait_for(closed.wait(), PATIENCE)

    async def test_in_band(self) -> None:
        romeo, juliet = await self.people("xep_0047")
        received, closed = bytearray(), asyncio.Event()
        juliet.add_event_handler("ibb_stream_data", lambda stream: received.extend(stream.read()))
        juliet.add_event_handler("ibb_stream_end", lambda _: closed.set())
        for by_messages in (False, True):
            stream = await romeo["xep_0047"].open_stream(
                juliet.boundjid, use_messages=by_messages, block_size=4096, timeout=PATIENCE
            )
            await stream.sendall(IN_BAND, timeout=PATIENCE)
            await stream.close()
            await asyncio.wait_for(closed.wait(), PATIENCE)
            self.assertEqual(bytes(received), IN_BAND)
            received.clear()
            closed.clear()
