"""An IRC server, biboumi in front of it, and somebody on IRC."""

from __future__ import annotations

import asyncio
import shutil

from tests.interop.device import PATIENCE
from tests.interop.network.daemon import Daemon
from tests.interop.network.servers import Site
from tests.interop.network.stage import COMPONENT_PORT, Stage

IRC_PORT = 6667
NGIRCD = shutil.which("ngircd", path="/usr/sbin:/usr/bin")
BIBOUMI = shutil.which("biboumi")


def ngircd(stage: Stage) -> tuple[Daemon, str]:
    """Start ngircd; returns it and the address it listens on."""
    address, folder = stage.address(), stage.folder / "ngircd"
    folder.mkdir()
    config = folder / "ngircd.conf"
    config.write_text(
        f"""\
[Global]
Name = irc.verona.example
Info = Verona
Listen = {address}
Ports = {IRC_PORT}
MotdPhrase = Fair Verona
[Limits]
MaxConnectionsIP = 0
MaxNickLength = 20
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
"""
    )
    daemon = Daemon(folder, [NGIRCD or "", "-n", "-f", str(config)])
    daemon.start(address, IRC_PORT)
    return daemon, address


def biboumi(stage: Stage, site: Site, domain: str, admin: str) -> Daemon:
    """Return biboumi, not yet started, as a component of `site`, with nothing but what its manual says."""
    folder = stage.folder / "biboumi"
    folder.mkdir()
    config = folder / "biboumi.cfg"
    config.write_text(
        f"""\
hostname={domain}
password={site.components[domain]}
xmpp_server_ip={site.address}
port={COMPONENT_PORT}
admin={admin}
db_name={folder}/biboumi.sqlite
identd_port=0
policy_directory={folder}
log_level=0
"""
    )
    return Daemon(folder, [BIBOUMI or "", str(config)])


class IrcPerson:
    """A client of the IRC server itself (RFC 2812), of which a test reads the lines."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.lines: list[str] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self, address: str) -> None:
        """Log in."""
        self._reader, self._writer = await asyncio.open_connection(address, IRC_PORT)
        self.send(f"NICK {self.nick}", f"USER {self.nick} 0 * :{self.nick}")
        await self.expect(" 001 ")

    def send(self, *lines: str) -> None:
        """Send commands."""
        for line in lines:
            self._writer.write(f"{line}\r\n".encode())

    async def expect(self, *parts: str) -> str:
        """Take the first line with all these parts out, waiting for it; AssertionError if none comes."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for line in self.lines:
                        if all(part in line for part in parts):
                            self.lines.remove(line)
                            return line
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{parts} did not come; there is {self.lines}") from None

    async def _read(self) -> None:
        line = (await self._reader.readline()).decode().rstrip("\r\n")
        if not line:
            raise AssertionError("the IRC server closed the connection")
        if line.startswith("PING"):
            self.send(line.replace("PING", "PONG", 1))
        else:
            self.lines.append(line)

    async def disconnect(self) -> None:
        """Leave."""
        self.send("QUIT")
        self._writer.close()
