"""Calls: a real coturn gives relays for our credentials (XEP-0215), and slixmpp proposes a call (XEP-0353)."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from pydantic import SecretStr

from tests.interop import scenario, server
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice, answered
from tests.markdown import ROOT, Page
from xmppd.app.checks_relays import check_relays
from xmppd.core.settings_file import load
from xmppd.plugins.external_services.credentials import credentials_for
from xmppd.plugins.external_services.options import Service
from xmppd.wire.jid import Jid

NS = "urn:xmpp:extdisco:2"
SECRET = "a long random text"
ADDRESS = "127.0.0.1"
_GOOD = "it relays for those with our credentials"


class Coturn:
    """A turnserver process, with the settings of docs/calls.md on loopback."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="interop-coturn-"))
        self.port, self.tls_port = server.free_port(), server.free_port()
        server.write_certificate(self.folder, server.DOMAIN)
        changed = {
            "listening-ip": ADDRESS, "relay-ip": ADDRESS, "listening-port": self.port,
            "tls-listening-port": self.tls_port, "cert": self.folder / "server.crt",
            "pkey": self.folder / "server.key",
        }  # fmt: skip
        lines = Page(ROOT / "docs/calls.md").files()["turnserver.conf"].splitlines()
        lines = [line for line in lines if "127.0.0.0" not in line]  # where everything is in this test
        for name, value in changed.items():
            lines = [f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines]
        (self.folder / "turnserver.conf").write_text("\n".join([*lines, "allow-loopback-peers", ""]))
        self.log = self.folder / "coturn.log"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["turnserver", "-c", "turnserver.conf", "--log-file=stdout", "--pidfile=pid", "--userdb=users"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"coturn did not start:\n{self.log.read_text('utf-8', 'replace')}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            socket.create_connection((ADDRESS, self.port), 1).close()
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """End it and delete its folder."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        if "XMPPD_INTEROP_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)

    def relays(self, username: str, password: str, transport: str = "udp", tls: bool = False) -> bool:
        """Does it relay for who logs in like this? coturn's own client sends itself something."""
        options = (["-t"] if transport == "tcp" else []) + (["-S"] if tls else [])
        port = self.tls_port if tls else self.port
        done = subprocess.run(
            ["turnutils_uclient", "-y", "-n", "3", *options, "-u", username, "-w", password, "-p", str(port), ADDRESS],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            received = re.findall(r"tot_send_msgs=12, tot_recv_msgs=(\d+)", done.stdout)[-1]
            # Over TLS the client itself doesn't read the last of what comes.
            assert int(received) == 12 or (tls and int(received) > 0), done.stdout
            return True
        assert "Cannot complete Allocation" in done.stdout + done.stderr, done
        return False


@unittest.skipUnless(shutil.which("turnserver") and shutil.which("turnutils_uclient"), "there is no coturn")
class Relays(scenario.LiveCase):
    """Ours tells a user of slixmpp how to log in at the relay."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.coturn = Coturn()
        cls.addClassCleanup(cls.coturn.remove)
        cls.coturn.start()
        plugin = f'[hosts."{server.DOMAIN}".external_services'
        kinds = (("stun", "", "port"), ("turn", "udp", "port"), ("turn", "tcp", "port"), ("turns", "tcp", "tls_port"))
        cls.extra = f'{plugin}]\nsecret = "{SECRET}"\n' + "".join(
            f'[{plugin}.services]]\ntype = "{type_}"\nhost = "{ADDRESS}"\nport = {getattr(cls.coturn, port)}\n'
            f'transport = "{transport}"\n'
            for type_, transport, port in kinds
        )
        super().setUpClass()

    coturn: Coturn

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.romeo: Any = SlixmppDevice(self.server, await self.account("romeo"), "orchard", scenario.PASSWORD)
        self.addAsyncCleanup(self.romeo.disconnect)
        await self.romeo.connect()

    async def services(self, type_: str) -> list[dict[str, str]]:
        """Return the services that the server tells of."""
        iq = self.romeo.client.make_iq_get(ito=server.DOMAIN)
        iq.append(ElementTree.Element(f"{{{NS}}}services", {"type": type_}))
        answer = await answered(iq.send(timeout=PATIENCE))
        return [dict(service.attrib) for service in answer.xml.iter(f"{{{NS}}}service")]

    async def logs_in(self, service: dict[str, str]) -> bool:
        """Does the relay take these credentials?"""
        tls = service["type"] == "turns"
        return await asyncio.to_thread(
            self.coturn.relays, service["username"], service["password"], service["transport"], tls
        )

    async def test_relays_are_given(self) -> None:
        udp, tcp = await self.services("turn")
        (tls,) = await self.services("turns")
        self.assertEqual([udp["transport"], tcp["transport"]], ["udp", "tcp"])
        for service in (udp, tcp, tls):
            with self.subTest(service["type"], transport=service["transport"]):
                self.assertTrue(await self.logs_in(service))

    async def test_without_credentials_for_stun(self) -> None:
        (stun,) = await self.services("stun")
        self.assertNotIn("username", stun)
        done = await asyncio.to_thread(
            subprocess.run, ["turnutils_stunclient", "-p", stun["port"], stun["host"]], capture_output=True, text=True
        )
        self.assertIn("UDP reflexive addr", done.stdout)

    async def test_others_are_refused(self) -> None:
        service = (await self.services("turn"))[0]
        until, _, name = service["username"].partition(":")
        wrong = [
            {**service, "password": service["password"][::-1]},
            {**service, "username": f"{int(until) + 86_400}:{name}"},  # as if they were good for longer
            {**service, "username": f"{until}:{name[::-1]}"},  # as if they were somebody else's
        ]
        for forged in wrong:
            self.assertFalse(await self.logs_in(forged))
        # What was given out long ago is over: good for a minute, two minutes ago.
        turn = Service(type="turn")
        old = credentials_for(turn, SecretStr(SECRET), Jid.parse(self.romeo.bare), time.time() - 120, 60)
        assert old is not None
        self.assertFalse(await asyncio.to_thread(self.coturn.relays, old.username, old.password))
        current = credentials_for(turn, SecretStr(SECRET), Jid.parse(self.romeo.bare), time.time(), 60)
        assert current is not None
        self.assertTrue(await asyncio.to_thread(self.coturn.relays, current.username, current.password))

    async def test_what_xmppctl_check_says(self) -> None:
        """It asks coturn for relays itself, by TLS as well; and knows wrong secrets."""
        settings = load(self.server.config)  # type: ignore[attr-defined]
        trusting = ssl.create_default_context(cafile=str(self.coturn.folder / "server.crt"))
        trusting.check_hostname = False  # we ask for an address
        found = await asyncio.to_thread(lambda: list(check_relays(settings, trusting)))
        self.assertEqual([(finding.level, finding.text) for finding in found[1:]], [("ok", _GOOD)] * 3)
        self.assertEqual((found[0].level, found[0].text), ("ok", "it answers"))
        (self.server.folder / "wrong.toml").write_text(self.server.config.read_text().replace(SECRET, "wrong"))  # type: ignore[attr-defined]
        wrong = load(self.server.folder / "wrong.toml")
        found = await asyncio.to_thread(lambda: list(check_relays(wrong, trusting)))
        self.assertEqual([finding.level for finding in found], ["ok", "error", "error", "error"])
        self.assertIn("401", found[1].text)

    async def test_what_operators_try(self) -> None:
        shown = await asyncio.to_thread(self.server.xmppctl, "--json", "turn", "credentials", self.romeo.bare)  # type: ignore[attr-defined]
        username = re.findall(r'"username": "(\d+:[0-9a-f]+)"', shown)
        password = re.findall(r'"password": "([^"]+)"', shown)
        self.assertEqual(len(username), 3)
        self.assertTrue(await asyncio.to_thread(self.coturn.relays, username[0], password[0]))
        for text in (self.coturn.log, self.server.log):
            self.assertNotIn(SECRET, text.read_text("utf-8", "replace"))
            self.assertNotIn(password[0], text.read_text("utf-8", "replace"))


class Proposals(scenario.LiveCase):
    """slixmpp proposes calls, by messages without type, text or hints."""

    async def device(self, account: str, resource: str) -> Any:
        """Return somebody's device, with what happens to calls in its queue."""
        device: Any = SlixmppDevice(self.server, account, resource, scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        device.calls = asyncio.Queue()
        for plugin in ("xep_0280", "xep_0353"):
            device.client.register_plugin(plugin)
        for what in ("propose", "proceed", "retract"):
            device.client.add_event_handler(f"jingle_message_{what}", self._heard(device.calls, what))
        for what in ("received", "sent"):
            device.client.add_event_handler(f"carbon_{what}", self._copied(device.calls, what))
        await device.connect()
        await device.client.plugin["xep_0280"].enable(timeout=PATIENCE)
        device.presence()
        await device.fence()
        return device

    @staticmethod
    def _heard(calls: asyncio.Queue[Any], what: str) -> Any:
        return lambda message: calls.put_nowait((what, message[f"jingle_{what}"]["id"]))

    @staticmethod
    def _copied(calls: asyncio.Queue[Any], what: str) -> Any:
        def heard(message: Any) -> None:
            inner = message[f"carbon_{what}"]
            name = next(n for n in ("propose", "proceed", "retract") if inner.get_plugin(f"jingle_{n}", check=True))
            calls.put_nowait((f"{name} {what}", inner[f"jingle_{name}"]["id"]))

        return heard

    async def hears(self, device: Any, what: str, sid: str) -> None:
        """The next that it hears of a call is this."""
        async with asyncio.timeout(PATIENCE):
            self.assertEqual(await device.calls.get(), (what, sid))

    async def test_all_devices_know(self) -> None:
        romeo, juliet = await self.account("romeo"), await self.account("juliet")
        orchard, garden = await self.device(romeo, "orchard"), await self.device(romeo, "garden")
        phone, tablet = await self.device(juliet, "phone"), await self.device(juliet, "tablet")
        calls = orchard.client.plugin["xep_0353"]
        calls.propose(phone.bare, "call1", [("urn:xmpp:jingle:apps:rtp:1", "audio")])
        rings = [await phone.calls.get(), await tablet.calls.get()]
        self.assertIn(("propose", "call1"), rings)  # a copy to the other, if only one gets it (RFC 6121 8.5.2.1.1)
        self.assertLessEqual(set(rings), {("propose", "call1"), ("propose received", "call1")})
        await self.hears(garden, "propose sent", "call1")
        phone.client.plugin["xep_0353"].proceed(orchard.full, "call1")
        await self.hears(orchard, "proceed", "call1")
        await self.hears(garden, "proceed received", "call1")
        await self.hears(tablet, "proceed sent", "call1")

    async def test_nothing_is_lost(self) -> None:
        """She is away, and the server is killed: what was proposed comes, and that it was taken back."""
        orchard = await self.device(await self.account("romeo"), "orchard")
        juliet = await self.account("juliet")
        calls = orchard.client.plugin["xep_0353"]
        calls.propose(f"{juliet}@{server.DOMAIN}", "call2", [("urn:xmpp:jingle:apps:rtp:1", "video")])
        calls.retract(f"{juliet}@{server.DOMAIN}", "call2")
        await orchard.fence()
        await orchard.disconnect()
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        phone = await self.device(juliet, "phone")
        await self.hears(phone, "propose", "call2")
        await self.hears(phone, "retract", "call2")
