"""A client as on an old phone, and a server process: over real TLS 1.0, and killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from tests.test_docs import free_port
from xmppd.app.docs import ROOT
from xmppd.testing.smack import Lost, Refused, Smack

PATIENCE = 60.0  # seconds until a test gives up; nothing is measured by it
SETTINGS = """\
[listen]
c2s = ["tcp:{modern}:interface=127.0.0.1"]
c2s_legacy_tls = ["tcp:{port}:interface=127.0.0.1"]
[legacy_tls]
required = {required}
[hosts."push.example"]
plugins = ["-*", "androidpn", "legacy_auth", "notifications", "register", "roster", "presence", "ping"]
"""
TWISTD = ["-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]
XMPPCTL = ["-c", "from xmppd.app.cli import main; main()"]


class Process:
    """A server with ports for old clients and for others."""

    def __init__(self, folder: Path, required: bool = True) -> None:
        self.folder = folder
        self.port, self.modern = free_port(), free_port()
        self.settings = folder / "xmppd.toml"
        text = SETTINGS.format(port=self.port, modern=self.modern, required=str(required).lower())
        self.settings.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        log = self.folder / "log"
        command = [sys.executable, *TWISTD, f"--logfile={log}", "xmppd", "-c", str(self.settings)]
        before = log.read_text().count("ready: serving") if log.exists() else 0
        self._process = subprocess.Popen(command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
        until = time.monotonic() + PATIENCE
        while not log.exists() or log.read_text().count("ready: serving") == before:
            if time.monotonic() > until or self._process.poll() is not None:
                raise AssertionError(log.read_text() if log.exists() else "the server did not start")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE)

    async def operate(self, *words: str) -> str:
        """Run xmppctl, and return what it says."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *XMPPCTL, "-c", str(self.settings), *words,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode:
            raise AssertionError(output.decode())
        return output.decode()


class ProcessCase(unittest.IsolatedAsyncioTestCase):
    """Tests with a server process each."""

    required = True

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.server = Process(Path(folder.name), self.required)
        self.addCleanup(self.server.stop)
        self.server.start()

    def phone(self, **more: Any) -> Smack:
        """Return a phone that has never been here."""
        return Smack("127.0.0.1", self.server.port, **more)

    async def comes(self, phone: Smack) -> Smack:
        """Have it do all it does when its app is started."""
        self.addCleanup(phone.close)
        await asyncio.wait_for(phone.run(), PATIENCE)
        await phone.roster()
        phone.listen()
        return phone


class OldTls(ProcessCase):
    """Where TLS is required, but never said to be."""

    async def test_tls_required_client(self) -> None:
        """It connects to a bare address, and speaks TLS 1.0; then all goes as with androidpn's own server."""
        phone = await self.comes(self.phone(confirms=True))
        self.assertEqual(phone.tls_version, "TLSv1")
        self.assertEqual(phone.service, "push.example")
        self.assertEqual(phone.jid, f"{phone.username}@push.example/AndroidpnClient")
        phone.tell("settags", "androidpn:iq:settags", username=phone.username, tags="news,sport")
        phone.tell("setalias", "androidpn:iq:setalias", username=phone.username, alias=phone.username[:8])
        sent = await self.server.operate(
            "notification", "send", f"user:{phone.username}@push.example", "Sale", "9 & all"
        )
        await phone.notified(1, PATIENCE)
        [shown] = phone.notifications
        self.assertEqual((shown["title"], shown["message"], shown["id"]), ("Sale", "9 & all", shown["uuid"]))
        self.assertIn(shown["id"], sent)
        await self.until("delivered", shown["id"])
        phone.space()
        await asyncio.wait_for(self.server.operate("notification", "preview", "tag:news and tag:sport"), PATIENCE)

    async def until(self, state: str, id: str) -> None:
        """Wait until the notification's only recipient is in that state."""
        async with asyncio.timeout(PATIENCE):
            while state not in await self.server.operate("notification", "recipients", id, "--state", state):
                await asyncio.sleep(0.1)

    async def test_what_goes_wrong(self) -> None:
        await self._tls_disabled_client()
        await self._ports_for_others_are_as_they_were()
        phone = await self.comes(self.phone())
        await self._register_repeat(phone)
        await self._401_makes_a_new_account(phone)

    async def _tls_disabled_client(self) -> None:
        """It can connect, for nothing is said to be required; but not register: passwords don't cross in the clear."""
        phone = self.phone(security="disabled")
        self.addCleanup(phone.close)
        await phone.connect()
        with self.assertRaises(Lost):
            await phone.register()
        self.assertFalse(phone.clean)

    async def _ports_for_others_are_as_they_were(self) -> None:
        """TLS 1.0 is spoken on the ports for old clients alone."""
        phone = Smack("127.0.0.1", self.server.modern, service="push.example")
        with self.assertRaises((OSError, Lost)):
            await asyncio.wait_for(phone.connect(), PATIENCE)

    async def _register_repeat(self, phone: Smack) -> None:
        """The answer was lost: the same names once more."""
        again = self.phone(username=phone.username, password=phone.password)
        self.addCleanup(again.close)
        await asyncio.wait_for(again.run(register=True), PATIENCE)

    async def _401_makes_a_new_account(self, phone: Smack) -> None:
        """So 401 is said of wrong passwords alone; and then the client comes with new names."""
        wrong = self.phone(username=phone.username, password="0" * 32)
        self.addCleanup(wrong.close)
        with self.assertRaises(Refused) as caught:
            await wrong.run()
        self.assertIn("401", str(caught.exception))
        await self.comes(self.phone())

    async def test_killed_and_back(self) -> None:
        """What waits is there after a kill, and comes once, when the client listens."""
        phone = await self.comes(self.phone())
        await asyncio.to_thread(self.server.stop, signal.SIGKILL)
        await asyncio.wait_for(phone.ended(), PATIENCE)
        self.assertFalse(phone.clean)
        await asyncio.to_thread(self.server.start)
        await self.server.operate("notification", "send", f"user:{phone.username}@push.example", "Sale", "Now")
        back = self.phone(username=phone.username, password=phone.password)
        await self.comes(back)
        await back.notified(1, PATIENCE)
        self.assertEqual((len(back.notifications), back.unseen), (1, []))
        await asyncio.to_thread(self.server.stop)
        await asyncio.wait_for(back.ended(), PATIENCE)
        self.assertFalse(back.clean, "shutdown without </stream:stream>: else the client doesn't connect again")


class Plain(ProcessCase):
    """Where the settings let clients in without TLS."""

    required = False

    async def test_both_kinds(self) -> None:
        """A client that can't do TLS, and one that gives up if it isn't on offer."""
        phones = [await self.comes(self.phone(security="disabled")), await self.comes(self.phone())]
        await self.server.operate("notification", "send", "online", "Sale", "Now")
        for phone in phones:
            await phone.notified(1, PATIENCE)
