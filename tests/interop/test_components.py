"""External components made of slixmpp with a real server; and a plugin of ours as a component of Prosody (XEP-0114)."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import time
import unittest
from typing import Any

from slixmpp.componentxmpp import ComponentXMPP

from tests.interop import scenario, server
from tests.interop.device import PATIENCE
from tests.interop.slix import SlixmppDevice

ECHO = f"echo.{server.DOMAIN}"
SECRET = "O Romeo, Romeo"
PLUGIN = '''\
"""A service that says everything again."""

from __future__ import annotations

from xmppd.api import Component, Message


class Echo(Component):
    """Say everything again."""

    def message(self, message: Message) -> None:
        if message.type != "error":
            self.host.send(Message(message.from_, message.to, message.id, message.type, payload=message.payload))
'''


class XmppdWithComponents(server.Xmppd):
    """Ours, with ports for components."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.component_port, self.component_tls_port = server.free_port(), server.free_port()
        super().configure(extra, plain_without_tls)
        ports = (
            f'component = ["tcp:{self.component_port}:interface=127.0.0.1"]\n'
            f'component_tls = ["tcp:{self.component_tls_port}:interface=127.0.0.1"]\n'
        )
        text = self.config.read_text("utf-8").replace("[listen]\n", f"[listen]\n{ports}")
        self.config.write_text(text + f'[components."{ECHO}"]\nsecret = "{SECRET}"\n')


class Echo(ComponentXMPP):
    """A component of slixmpp that says everything again."""

    def __init__(self, port: int, secret: str = SECRET) -> None:
        super().__init__(ECHO, secret, "127.0.0.1", port)
        self.started = asyncio.Event()
        self.failed = asyncio.Event()
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_event_handler("disconnected", lambda _: self.failed.set())
        self.add_event_handler("message", self.say_again)

    def say_again(self, message: Any) -> None:
        """Answer with the same text."""
        if message["type"] != "error":
            self.send_message(mto=message["from"], mfrom=message["to"], mbody=message["body"], mtype=message["type"])


class Components(scenario.LiveCase):
    """One component, and people who talk with it."""

    server: XmppdWithComponents

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = XmppdWithComponents(cls.extra, cls.plain_without_tls)
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()

    async def echo(self, secret: str = SECRET) -> Echo:
        echo = Echo(self.server.component_port, secret)
        self.addAsyncCleanup(self.leave, echo)
        echo.connect()
        return echo

    async def leave(self, echo: Echo) -> None:
        echo.abort()
        await asyncio.sleep(0)

    async def entered(self) -> Echo:
        echo = await self.echo()
        await asyncio.wait_for(echo.started.wait(), PATIENCE)
        return echo

    async def romeo(self) -> SlixmppDevice:
        device = SlixmppDevice(self.server, await self.account("romeo"), "orchard", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        device.presence()
        await device.fence()
        return device

    async def test_echo(self) -> None:
        await self.entered()
        romeo = await self.romeo()
        for number in range(20):
            romeo.message(f"juliet@{ECHO}", f"line {number}")
        for number in range(20):
            await romeo.expect(kind="message", text=f"line {number}", bare=f"juliet@{ECHO}")

    async def test_wrong_secret(self) -> None:
        echo = await self.echo("Tybalt")
        await asyncio.wait_for(echo.failed.wait(), PATIENCE)
        self.assertFalse(echo.started.is_set())
        self.assertIn("does not know the secret", self.server.log.read_text())

    async def test_nothing_is_lost_while_it_restarts(self) -> None:
        echo = await self.entered()
        romeo = await self.romeo()
        echo.abort()
        await asyncio.sleep(0.2)
        romeo.message(f"juliet@{ECHO}", "are you there?")
        await self.entered()
        await romeo.expect(kind="message", text="are you there?")

    async def test_server_restarts(self) -> None:
        """The component finds it again by itself."""
        echo = await self.entered()
        romeo = await self.romeo()
        await romeo.disconnect()
        echo.started.clear()
        await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)
        romeo = SlixmppDevice(self.server, romeo.account, "orchard", scenario.PASSWORD)
        self.addAsyncCleanup(romeo.disconnect)
        await romeo.connect()
        romeo.presence()
        await romeo.fence()
        if not echo.started.is_set():
            echo.connect()
        romeo.message(f"juliet@{ECHO}", "again")
        await romeo.expect(kind="message", text="again")

    async def test_operator(self) -> None:
        """`xmppctl component` shows and closes it."""
        echo = await self.entered()
        shown = await asyncio.to_thread(self.server.xmppctl, "component", "show", ECHO)
        self.assertIn("connected", shown)
        self.assertIn(ECHO, await asyncio.to_thread(self.server.xmppctl, "component", "list"))
        echo.failed.clear()
        closed = await asyncio.to_thread(self.server.xmppctl, "component", "close", ECHO)
        self.assertIn("Closed 1 connection", closed)
        await asyncio.wait_for(echo.failed.wait(), PATIENCE)

    async def test_tls(self) -> None:
        """Direct TLS, and STARTTLS for who says version 1.0."""
        context = ssl.create_default_context(cafile=str(self.server.certificate))
        header = (
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
            f"to='{ECHO}' version='1.0'>"
        ).encode()

        def direct() -> bytes:
            plain = socket.create_connection(("127.0.0.1", self.server.component_tls_port), PATIENCE)
            with plain, context.wrap_socket(plain, server_hostname=server.DOMAIN) as secured:
                secured.sendall(header)
                return _until(secured, b"</stream:features>", b"<stream:features/>")

        def starttls() -> bytes:
            with socket.create_connection(("127.0.0.1", self.server.component_port), PATIENCE) as plain:
                plain.sendall(header)
                _until(plain, b"</stream:features>")
                plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                _until(plain, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
                with context.wrap_socket(plain, server_hostname=server.DOMAIN) as secured:
                    secured.sendall(header)
                    return _until(secured, b"</stream:features>", b"<stream:features/>")

        for way in (direct, starttls):
            self.assertIn(b"jabber:component:accept", await asyncio.to_thread(way))


def _until(connection: socket.socket, *ends: bytes) -> bytes:
    got = b""
    until = time.monotonic() + PATIENCE
    while not any(got.endswith(end) for end in ends):
        if time.monotonic() > until:
            raise TimeoutError(repr(got))
        more = connection.recv(65536)
        if not more:
            raise ConnectionError(repr(got))
        got += more
    return got


class XmppdAsComponent(server.Xmppd):
    """Ours, with a plugin whose domain is a component of another server."""

    other_port = 0

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        super().configure(extra, plain_without_tls)
        (self.folder / "echo.py").write_text(PLUGIN, "utf-8")
        host = '[hosts."ours.test"]\nplugins = ["echo"]\n'
        text = self.config.read_text("utf-8").replace("[server]\n", f'[server]\nplugin_paths = ["{self.folder}"]\n')
        text = text.replace(f'[hosts."{server.DOMAIN}"', '[hosts."ours.test"').replace('[hosts."ours.test"]\n', host, 1)
        self.config.write_text(
            text + f'[hosts."ours.test".echo]\ndomain = "{ECHO}"\n'
            f'[uplinks."{ECHO}"]\naddress = "127.0.0.1:{self.other_port}"\nsecret = "{SECRET}"\n'
        )


class ProsodyWithComponent(server.Prosody):
    """Prosody, which has it."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.component_port = server.free_port()
        ours = f'Component "{ECHO}"\n    component_secret = "{SECRET}"\n'
        super().configure(extra + ours, plain_without_tls)
        ports = f'component_ports = {{ {self.component_port} }}\ncomponent_interfaces = {{ "127.0.0.1" }}\n'
        self.config.write_text(ports + self.config.read_text("utf-8"))


class Uplinks(scenario.LiveCase):
    """People on Prosody talk with a plugin of ours."""

    server: ProsodyWithComponent
    ours: XmppdAsComponent

    @classmethod
    def setUpClass(cls) -> None:
        if shutil.which("prosody") is None:
            raise unittest.SkipTest("Prosody is not installed")
        cls.server = ProsodyWithComponent()
        cls.addClassCleanup(cls.server.remove)
        cls.server.start()
        XmppdAsComponent.other_port = cls.server.component_port
        cls.ours = XmppdAsComponent()
        cls.addClassCleanup(cls.ours.remove)
        cls.ours.start()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.connected()

    async def connected(self) -> None:
        until = time.monotonic() + PATIENCE
        while "connected" not in (shown := await asyncio.to_thread(self.ours.xmppctl, "component", "list")) or (
            "not connected" in shown
        ):
            self.assertLess(time.monotonic(), until, shown)
            await asyncio.sleep(0.1)

    async def test_echo(self) -> None:
        juliet = SlixmppDevice(self.server, await self.account("juliet"), "balcony", scenario.PASSWORD)
        self.addAsyncCleanup(juliet.disconnect)
        await juliet.connect()
        juliet.presence()
        await juliet.fence()
        juliet.message(f"romeo@{ECHO}", "wherefore art thou?")
        await juliet.expect(kind="message", text="wherefore art thou?", bare=f"romeo@{ECHO}")

    async def test_prosody_restarts(self) -> None:
        await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)
        await self.connected()
        await self.test_echo()
