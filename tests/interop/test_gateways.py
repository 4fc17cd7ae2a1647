"""Gateways of a real server: the component of docs/gateways.md, and mail between slixmpp and a mail server over TCP."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

from tests.interop import scenario, server
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice, answered
from tests.markdown import ROOT, Page

GATEWAY = f"email.{server.DOMAIN}"
FRIAR = rf"friar\40lawrence.example@{GATEWAY}"
ECHO = f"echo.{server.DOMAIN}"


class XmppdWithGateways(server.Xmppd):
    """Ours, with a port for components, a mail server to send to, and a port for mail."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.component_port, self.smarthost_port, self.mail_port = (server.free_port() for _ in range(3))
        super().configure(extra, plain_without_tls)
        host = f'[hosts."{server.DOMAIN}"'
        text = self.config.read_text("utf-8").replace(
            "[listen]\n", f'[listen]\ncomponent = ["tcp:{self.component_port}:interface=127.0.0.1"]\n'
        )
        text = text.replace(f"{host}]\n", f'{host}]\nplugins = ["email"]\n')
        self.config.write_text(
            f'{text}\n[components."{ECHO}"]\nsecret = "O Romeo, Romeo"\n\n{host}.email]\n'
            f'smarthost = "tcp:127.0.0.1:{self.smarthost_port}"\nlisten = "tcp:{self.mail_port}:interface=127.0.0.1"\n'
            "retry_seconds = 0.2\nretry_max_seconds = 0.2\n"
        )


class Smarthost:
    """A mail server that takes everything.

    :ivar mails: (recipient, content) of each.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.senders: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client."""
        writer.write(b"220 mail.example ESMTP\r\n")
        recipient = ""
        while line := await reader.readline():
            command = line.split(b":")[0].split(b" ")[0].strip().upper()
            argument = re.sub(r".*<(.*)>.*", r"\1", line.decode().strip())
            if command == b"MAIL":
                self.senders.append(argument)
            elif command == b"RCPT":
                recipient = argument
            elif command == b"DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append((recipient, await reader.readuntil(b"\r\n.\r\n")))
            writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 yes\r\n")
            if command == b"QUIT":
                break
        writer.close()


class Gateways(scenario.LiveCase):
    """One user, and a friar who has mail."""

    server: XmppdWithGateways

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = XmppdWithGateways(cls.extra, cls.plain_without_tls)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.smarthost = Smarthost()
        self.name = await self.account("romeo")
        self.romeo = await self.log_in()

    async def log_in(self) -> Any:
        """Return a device of Romeo's."""
        romeo: Any = SlixmppDevice(self.server, self.name, "orchard", scenario.PASSWORD)
        self.addAsyncCleanup(romeo.disconnect)
        await romeo.connect()
        romeo.presence()
        return romeo

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not done():
                await asyncio.sleep(0.05)

    async def register(self) -> None:
        """Register with the mail gateway."""
        iq = self.romeo.client.make_iq_set(ito=GATEWAY)
        iq.enable("register")
        await answered(iq.send(timeout=PATIENCE))

    async def open_smarthost(self) -> None:
        """Open the mail server."""
        port = await asyncio.start_server(self.smarthost.serve, "127.0.0.1", self.server.smarthost_port)
        self.addCleanup(port.close)

    async def bring(self, recipient: str, content: str) -> bytes:
        """Bring a mail to the gateway; return the last answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.mail_port)
        answer = await reader.readline()
        for line in ("HELO x", "MAIL FROM:<friar@lawrence.example>", f"RCPT TO:<{recipient}>", "DATA", content):
            writer.write(line.encode() + b"\r\n")
            answer = await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()
        return answer

    async def test_mail_and_answer(self) -> None:
        await self.open_smarthost()
        await self.register()
        self.romeo.message(FRIAR, "Good morrow, father.")
        await self.until(lambda: self.smarthost.mails)
        recipient, content = self.smarthost.mails[0]
        self.assertEqual(recipient, "friar@lawrence.example")
        mail = message_from_bytes(content)
        answer = f"From: friar@lawrence.example\r\nIn-Reply-To: {mail['Message-ID']}\r\n\r\nBenedicite!\r\n."
        self.assertTrue((await self.bring(self.smarthost.senders[0], answer)).startswith(b"250"))
        await self.romeo.expect(kind="message", from_=FRIAR, text="Benedicite!")

    async def test_kill(self) -> None:
        """A message that was accepted while the mail server was down is sent after the server was killed."""
        await self.register()
        self.romeo.message(FRIAR, "It is the east.")
        await self.romeo.fence()
        self.server.kill()
        self.server.start()
        await self.open_smarthost()
        await self.until(lambda: self.smarthost.mails)
        self.assertIn(b"It is the east.", self.smarthost.mails[0][1])

    async def test_component(self) -> None:
        """The program in docs/gateways.md, with the address of this server's host."""
        text = Page(ROOT / "docs/gateways.md").files()["echo_component.py"].replace("echo.example.org", ECHO)
        program = self.server.folder / "echo_component.py"
        program.write_text(text, "utf-8")
        process = subprocess.Popen([sys.executable, str(program), "127.0.0.1", str(self.server.component_port)])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        await self.until(lambda: "echo" in self.server.log.read_text("utf-8", "replace"))
        self.romeo.message(f"anybody@{ECHO}", "hi")
        await self.romeo.expect(kind="message", from_=f"anybody@{ECHO}", text="hi")
