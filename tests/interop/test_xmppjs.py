"""xmpp.js, which logs in with SASL2, and binds or resumes its session in the same step (XEP-0388, XEP-0386, XEP-0198).

It needs Node.js, and ``npm ci`` in the folder ``xmppjs``, which ``tests/interop/run`` does where there is npm.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import unittest
import uuid
from pathlib import Path
from typing import Any

from tests.interop import scenario
from tests.interop.events import Events
from tests.interop.scenario import PASSWORD
from tests.interop.server import DOMAIN

FOLDER = Path(__file__).resolve().parent / "xmppjs"


class Device:
    """A process with xmpp.js."""

    def __init__(self, account: str, service: str, certificate: Path) -> None:
        self.account = account
        self.agent = str(uuid.uuid4())
        self._service, self._certificate = service, certificate
        self._events = Events(account)
        self.event = self._events.wait_for

    async def start(self, password: str = PASSWORD) -> Device:
        """Let it log in."""
        options = {
            "service": self._service, "domain": DOMAIN, "username": self.account,
            "password": password, "resource": "tests", "agent": self.agent, "software": "xmpp.js",
        }  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            "node", str(FOLDER / "device.mjs"), json.dumps(options),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "NODE_EXTRA_CA_CERTS": str(self._certificate)},
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._events.add(json.loads(line))

    async def end(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    def do(self, action: str, **details: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"action": action, **details}).encode() + b"\n")


class XmppJs(scenario.LiveCase):
    """Over STARTTLS, with SCRAM-SHA-1."""

    @property
    def service(self) -> str:
        """Where it connects to."""
        return f"xmpp://localhost:{self.server.c2s_port}"

    @classmethod
    def setUpClass(cls) -> None:
        if shutil.which("node") is None or not (FOLDER / "node_modules").is_dir():
            raise unittest.SkipTest("there is no Node.js, or no xmpp.js")
        super().setUpClass()
        if cls.server.name == "prosody":
            raise unittest.SkipTest("Debian's Prosody has no SASL2")

    async def device(self, name: str, password: str = PASSWORD) -> Device:
        """Return a device that logs in to an account of its own."""
        account = await self.account(name)
        device = await Device(account, self.service, self.server.certificate).start(password)
        self.addAsyncCleanup(device.end)
        return device

    async def online(self, name: str) -> tuple[Device, str]:
        """Return a device that is available, and its full address."""
        device = await self.device(name)
        success = await device.event("nonza", name="success", xmlns="urn:xmpp:sasl:2")
        self.assertIn("urn:xmpp:bind:0", success["text"])
        self.assertIn("<enabled", success["text"])
        jid = (await device.event("online"))["jid"]
        self.assertTrue(jid.startswith(f"{device.account}@{DOMAIN}/tests/"), jid)
        device.do("presence")
        return device, jid

    async def test_conversation(self) -> None:
        """Both bind in the step in which they log in."""
        romeo, romeo_jid = await self.online("romeo")
        juliet, juliet_jid = await self.online("juliet")
        romeo.do("send", to=juliet_jid, id="1", body="hi")
        self.assertEqual((await juliet.event("message"))["from"], romeo_jid)
        await romeo.event("ack", id="1")

    async def test_wrong_password(self) -> None:
        """The failure is understood."""
        device = await self.device("romeo", "wrong")
        self.assertEqual((await device.event("error"))["condition"], "not-authorized")

    async def test_resumed(self) -> None:
        """A lost connection loses nothing; the session goes on in the step in which the client logs in."""
        romeo, romeo_jid = await self.online("romeo")
        juliet, _ = await self.online("juliet")
        romeo.do("lose")
        await romeo.event("disconnect")
        juliet.do("send", to=romeo_jid, id="1", body="while you were away")
        success = (await romeo.event("nonza", name="success"))["text"]
        self.assertIn("<resumed", success)
        self.assertIn(f"<authorization-identifier>{romeo_jid}<", success)
        await juliet.event("ack", id="1")
        juliet.do("send", to=romeo_jid, id="2", body="again")
        bodies: list[str] = []
        while "again" not in bodies:
            bodies.append((await romeo.event("message"))["body"])
        self.assertEqual(bodies, ["while you were away", "again"])

    async def test_killed(self) -> None:
        """So it does when the server is killed."""
        romeo, romeo_jid = await self.online("romeo")
        juliet, juliet_jid = await self.online("juliet")
        self.server.kill()
        for device in (romeo, juliet):
            await device.event("disconnect")
        await asyncio.to_thread(self.server.start)
        for device, jid in ((romeo, romeo_jid), (juliet, juliet_jid)):
            self.assertEqual((await device.event("resumed"))["jid"], jid)
        romeo.do("send", to=juliet_jid, id="1", body="I am here")
        await juliet.event("message", body="I am here")
        await romeo.event("ack", id="1")

    async def test_the_same_client_again(self) -> None:
        """A client that begins anew has the same address, and its earlier session is gone."""
        first, jid = await self.online("romeo")
        second = Device(first.account, self.service, self.server.certificate)
        second.agent = first.agent
        await second.start()
        self.addAsyncCleanup(second.end)
        self.assertEqual((await second.event("online"))["jid"], jid)
        self.assertEqual((await first.event("error"))["condition"], "conflict")


class XmppJsOverWebSocket(XmppJs):
    """Over WebSocket (RFC 7395)."""

    @property
    def service(self) -> str:
        return f"wss://{DOMAIN}:{self.server.https_port}/xmpp-websocket"
