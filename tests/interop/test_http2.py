"""Our HTTP/2 client, which pushes to Apple and Google, with a server of Node's (nghttp2)."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN, PROJECT, write_certificate

SERVER = Path(__file__).resolve().parent / "http2" / "server.js"


@unittest.skipUnless(shutil.which("node"), "needs Node.js")
class Http2(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="interop-http2-"))
        self.addCleanup(shutil.rmtree, self.folder)
        write_certificate(self.folder, DOMAIN)
        self.server = await asyncio.create_subprocess_exec(
            "node", str(SERVER), str(self.folder / "server.crt"), str(self.folder / "server.key"),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self.addAsyncCleanup(self.end)
        assert self.server.stdout is not None
        self.port = int(await asyncio.wait_for(self.server.stdout.readline(), PATIENCE))

    async def end(self) -> None:
        self.server.kill()
        await self.server.wait()

    async def test_all(self) -> None:
        """Streams and windows have limits, answers are large, one is refused, and the server says goodbye."""
        certificate = str(self.folder / "server.crt")
        fetching = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.interop.fetches", f"https://{DOMAIN}:{self.port}", certificate,
            cwd=PROJECT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(fetching.communicate(), 3 * PATIENCE)
        found = json.loads(said)
        expected = {
            "echoed": True, "asked": True, "most": 5, "sessions": 1, "large": 1_000_000,
            "cut": f"https://{DOMAIN} failed: the answer is too long", "refused": "again", "left": True,
            "sessions at the end": 2,
        }  # fmt: skip
        self.assertEqual(found, expected)
