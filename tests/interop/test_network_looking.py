"""`xmppctl s2s test`: other servers as an operator sees them, with and without our server running."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

from tests.interop.network.federation import StageCase
from tests.interop.network.servers import Ejabberd, Prosody, Xmppd
from tests.interop.network.stage import Domain
from tests.interop.server import XMPPCTL


class Looking(StageCase):
    here: Xmppd
    ours: Domain
    ours_self: Domain

    @classmethod
    def build(cls) -> None:
        cls.need(Prosody, Ejabberd)
        stage = cls.stage
        cls.ours = stage.domain("ours.example")
        cls.ours_self = stage.domain("self.ours.example", self_signed=True)
        cls.here = Xmppd(stage, [cls.ours, cls.ours_self], "dns_seconds = 1.0")
        cls.add(Prosody(stage, [stage.domain("prosody.example"), stage.domain("wrong.example", dns=["x.example"])]))
        cls.add(Ejabberd(stage, [stage.domain("ejabberd.example")]))
        cls.add(Xmppd(stage, [stage.domain("xmppd.example")]))
        stage.fault("silent.example", "silent")

    async def look(self, domain: str, *arguments: str) -> dict[str, Any]:
        command = [*XMPPCTL, "-c", str(self.here.config), "s2s", "test", domain, "--json", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=self.here.environment(), timeout=60
        )
        found: dict[str, Any] = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if found["ok"] else 1, done.stderr)
        return found

    async def check_servers(self) -> None:
        for domain in ("prosody.example", "ejabberd.example", "xmppd.example"):
            with self.subTest(domain):
                found = await self.look(domain)
                self.assertEqual(found["result"], f"{domain} accepts stanzas from ours.example, by EXTERNAL")
                self.assertEqual(found["certificate"], f"its certificate for {domain} was issued by {found['issuer']}")
                self.assertIn("SASL EXTERNAL, dialback", found["offers"])
                self.assertEqual("stream management" in found["offers"], domain != "ejabberd.example")
        found = await self.look("wrong.example")
        self.assertIn("but its certificate is for x.example, not for wrong.example", found["result"])
        found = await self.look("nobody.example")
        self.assertEqual(found["result"], "nobody.example can't be reached: nobody.example has no address")
        found = await self.look("silent.example")
        self.assertIn("the nameservers do not answer", found["result"])

    async def test_without_our_server(self) -> None:
        await self.check_servers()
        found = await self.look("prosody.example", "--from", "self.ours.example")
        self.assertIn("can only be tried while the server runs", found["result"])

    async def test_with_it(self) -> None:
        await asyncio.to_thread(self.here.start)
        self.addAsyncCleanup(asyncio.to_thread, self.here.cut)
        await self.check_servers()
        for domain in ("prosody.example", "ejabberd.example", "xmppd.example"):
            with self.subTest(domain):
                found = await self.look(domain, "--from", "self.ours.example")
                self.assertEqual(found["result"], f"{domain} accepts stanzas from self.ours.example, by dialback")
