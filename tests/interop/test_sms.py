"""The SMS gateway of a real server, between slixmpp and a message centre over TCP; calls of a provider by HTTP."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from tests.interop import scenario, server
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice, answered
from tests.plugins.smsc import Centre, CentreSession
from xmppd.plugins.sms.options import Webhook
from xmppd.plugins.sms.webhook import signature

GATEWAY = f"sms.{server.DOMAIN}"
NUMBER = f"+491701234567@{GATEWAY}"
SECRET = "O Romeo"


class XmppdWithSms(server.Xmppd):
    """Ours, with a message centre to connect to, and an HTTP port."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.centre_port, self.http_port = server.free_port(), server.free_port()
        super().configure(extra, plain_without_tls)
        http = f'http = ["tcp:{self.http_port}:interface=127.0.0.1"]\n'
        text = self.config.read_text("utf-8").replace("[listen]\n", f"[listen]\n{http}")
        text = text.replace(f'[hosts."{server.DOMAIN}"]\n', f'[hosts."{server.DOMAIN}"]\nplugins = ["sms"]\n')
        sms = f'[hosts."{server.DOMAIN}".sms'
        self.config.write_text(
            f'{text}\n{sms}.smpp]\nendpoint = "tcp:127.0.0.1:{self.centre_port}"\nreconnect_seconds = 0.2\n'
            f'reconnect_max_seconds = 0.2\n{sms}.webhook]\nsecret = "{SECRET}"\n'
        )


class _Transport:
    """A stream of asyncio, as a transport of Twisted."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def loseConnection(self) -> None:
        self._writer.close()


class Sms(scenario.LiveCase):
    """One user, one telephone."""

    server: XmppdWithSms

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = XmppdWithSms(cls.extra, cls.plain_without_tls)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.centre = Centre()
        self.writers: list[asyncio.StreamWriter] = []
        account = await self.account("romeo")
        self.romeo: Any = SlixmppDevice(self.server, account, "orchard", scenario.PASSWORD)
        self.addAsyncCleanup(self.romeo.disconnect)
        await self.romeo.connect()
        self.romeo.presence()
        iq = self.romeo.client.make_iq_set(ito=GATEWAY)
        iq.enable("register")
        await answered(iq.send(timeout=PATIENCE))

    async def open_centre(self) -> None:
        """Open the message centre, and wait until the gateway is there."""
        self.port = await asyncio.start_server(self._connected, "127.0.0.1", self.server.centre_port)
        self.addAsyncCleanup(self.close_centre)
        await self.until(lambda: "bind_transceiver" in self.centre.commands())

    async def close_centre(self) -> None:
        """Close it, with all connections."""
        self.port.close()
        for writer in self.writers:
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: CentreSession = self.centre()
        self.writers.append(writer)
        session.makeConnection(_Transport(writer))
        while data := await reader.read(4096):
            session.dataReceived(data)
        writer.close()

    async def until(self, condition: Any) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)

    async def test_there_and_back(self) -> None:
        await self.open_centre()
        receipts: asyncio.Queue[Any] = asyncio.Queue()
        self.romeo.client.register_plugin("xep_0184")
        self.romeo.client.plugin["xep_0184"].auto_request = True
        self.romeo.client.add_event_handler("receipt_received", receipts.put_nowait)
        message = self.romeo.client.make_message(NUMBER, "Grüße 😀 " + "x" * 100, mtype="chat")
        message["id"] = "m1"
        message.send()
        await self.until(lambda: len(self.centre.submitted) == 2)
        for name in ("m2", "m1"):
            self.centre.session.report(name)
        receipt = await asyncio.wait_for(receipts.get(), PATIENCE)
        self.assertEqual((receipt["receipt"], receipt["from"].bare), ("m1", NUMBER))
        self.centre.session.deliver("żółw".encode("utf-16-be"), data_coding=8)
        await self.romeo.inbox.expect(kind="message", bare=NUMBER, type="chat", text="żółw")

    async def test_killed_while_the_centre_is_away(self) -> None:
        self.romeo.message(NUMBER, "first")
        self.romeo.message(NUMBER, "second")
        await self.romeo.ping(server.DOMAIN)  # so both were accepted
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        await self.open_centre()
        await self.until(lambda: len(self.centre.submitted) >= 2)
        self.assertEqual(self.centre.texts, [b"first", b"second"])

    async def test_what_operators_see(self) -> None:
        await self.open_centre()
        shown = await asyncio.to_thread(self.server.xmppctl, "sms", "link")
        self.assertIn("bound", shown)
        self.assertIn("romeo", await asyncio.to_thread(self.server.xmppctl, "sms", "usage"))

    async def test_a_provider_calls(self) -> None:
        await self.open_centre()
        self.romeo.message(NUMBER, "hello")
        await self.until(lambda: self.centre.submitted)
        body = json.dumps({"from": "+491701234567", "text": "by HTTP"}).encode()
        sign = signature(Webhook(secret=SECRET), body)
        self.assertEqual(await asyncio.to_thread(self.call, body, sign), 200)
        await self.romeo.inbox.expect(kind="message", bare=NUMBER, text="by HTTP")
        self.assertEqual(await asyncio.to_thread(self.call, body, sign[::-1]), 401)

    def call(self, body: bytes, sign: str) -> int:
        """POST to the webhook; return the status."""
        url = f"http://127.0.0.1:{self.server.http_port}/sms/incoming"
        headers = {"Content-Type": "application/json", "X-Signature": sign}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=PATIENCE) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
