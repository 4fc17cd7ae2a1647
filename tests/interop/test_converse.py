"""The web chat: people with converse.js in Chromium, on the page that our plugin `webchat` serves.

It needs Chromium and Playwright, and ``npm ci`` in the folder ``web``; ``tests/interop/run`` sees to all of them.
Pictures of what people see are left in the folder `browser.SHOTS`, to be looked at.
"""

from __future__ import annotations

import asyncio
import struct
import unittest
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.browser import PACKAGES, Browser, Person, skip_unless_there
from tests.interop.network.proxy import Proxy
from tests.interop.scenario import PASSWORD, LiveCase
from tests.interop.server import DOMAIN, Server, WebProsody, Xmppd, chosen, free_port
from xmppd.plugins.webchat.options import WebchatOptions
from xmppd.plugins.webchat.package import read
from xmppd.plugins.webchat.page import START, html, policy, settings

if TYPE_CHECKING:
    from playwright.async_api import Route

CONVERSE = PACKAGES / "converse.js"
WIDTH, HEIGHT = 240, 160


def write_picture(path: Path) -> None:
    """Write a PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = b"".join(
        b"\0" + bytes(value for x in range(WIDTH) for value in (x * 255 // WIDTH, y * 255 // HEIGHT, 160))
        for y in range(HEIGHT)
    )
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


class ChatXmppd(Xmppd):
    """With the web chat, behind a network that can be cut: `web_port` is where it is reached."""

    transport = "any"
    more = ""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.web_port = free_port()
        self.of_host = f'http_url = "https://{DOMAIN}:{self.web_port}"\nplugins = ["webchat"]\n{self.more}'
        ours = f'[hosts."{DOMAIN}".webchat]\nfiles = "{CONVERSE}"\ntransport = "{self.transport}"\n'
        super().configure(ours + extra, plain_without_tls)


class ChatProsody(WebProsody):
    """The same; it has no page, and the browser is given ours."""

    transport = "any"
    modules = (*WebProsody.modules, "mam")

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.web_port = free_port()
        url = f'http_external_url = "https://{DOMAIN}:{self.web_port}/"\nhttp_host = "{DOMAIN}"\n'
        rooms = f'Component "conference.{DOMAIN}" "muc"\nmuc_room_default_public = true\n'
        upload = f'Component "upload.{DOMAIN}" "http_file_share"\n{url}'
        super().configure(url + extra + rooms + upload, plain_without_tls)

    async def page(self, route: Route) -> None:
        """Give the browser what our plugin would."""
        base = f"{DOMAIN}:{self.web_port}"
        websocket, bosh = f"wss://{base}/xmpp-websocket", f"https://{base}/http-bind"
        package = await asyncio.to_thread(read, CONVERSE)
        assets = f"/chat/{package.mark}"
        name = route.request.url.partition("/chat/")[2].partition("#")[0]
        if not name:
            headers = {"Content-Security-Policy": policy((websocket, bosh)), "Content-Type": "text/html; charset=utf-8"}
            await route.fulfill(body=html(DOMAIN, "", assets), headers=headers)
        elif name == "start.js":
            await route.fulfill(body=START, content_type="text/javascript")
        elif name == "settings.json":
            websocket = "" if self.transport == "bosh" else websocket
            told = settings(WebchatOptions(), DOMAIN, websocket, bosh, assets)
            await route.fulfill(body=told, content_type="application/json")
        else:
            file = package.files[name.partition("/")[2]]
            await route.fulfill(path=file.path, content_type=file.type)


class Stage(LiveCase):
    """A browser, and a network between it and the server."""

    server: ChatXmppd | ChatProsody
    transport = "any"
    of_host = ""

    @classmethod
    def setUpClass(cls) -> None:
        skip_unless_there("converse.js")
        super().setUpClass()

    @classmethod
    def server_class(cls) -> type[Server]:
        kind = ChatProsody if chosen().name == "prosody" else ChatXmppd
        return type(kind.__name__, (kind,), {"transport": cls.transport, "more": cls.of_host})

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.url = f"https://{DOMAIN}:{self.server.web_port}/chat/"
        self.network = Proxy(("127.0.0.1", self.server.https_port))
        await self.network.start("127.0.0.1", self.server.web_port)
        self.addAsyncCleanup(self.network.stop)
        self.browser = Browser(self.server.certificate)
        await self.browser.start()
        self.addAsyncCleanup(self.browser.stop)

    async def visitor(self, name: str) -> Person:
        """Return somebody who looks at the page."""
        context = await self.browser.context()
        if isinstance(self.server, ChatProsody):
            await context.route("**/chat/**", self.server.page)
        return await Person(name, context).open(self.url)

    async def online(self, name: str) -> Person:
        """Return somebody who has logged in."""
        person = await self.visitor(await self.account(name))
        await person.log_in(PASSWORD)
        await person.is_in()
        return person

    async def pair(self) -> tuple[Person, Person]:
        """Return two who talk to each other."""
        romeo, juliet = await asyncio.gather(self.online("romeo"), self.online("juliet"))
        await romeo.talk_to(juliet.jid)
        await juliet.talk_to(romeo.jid)
        return romeo, juliet

    def shot(self, name: str) -> str:
        """Name a picture after the test."""
        return f"{type(self).__name__}-{name}"


class WebChat(Stage):
    """By WebSocket."""

    async def test_conversation(self) -> None:
        romeo, juliet = await self.pair()
        await romeo.say("But, soft! what light through yonder window breaks? \U0001f31d")
        await juliet.sees("But, soft! what light")
        await juliet.say("O Romeo, Romeo! *wherefore* art thou Romeo?")
        await romeo.sees("art thou Romeo?")
        picture = self.server.folder / "garden.png"
        write_picture(picture)
        await romeo.send_file(picture)
        for person in (juliet, romeo):
            address, width = await person.sees_picture()
            self.assertTrue(address.startswith(f"https://{DOMAIN}:{self.server.web_port}/"), address)
            self.assertEqual(width, WIDTH)
            await person.shot(self.shot("picture"))
        for person in (romeo, juliet):
            self.assertEqual(person.complaints, [])
            self.assertEqual(bool(person.received), self.transport != "bosh")
            self.assertEqual(any(url.endswith("/http-bind") for url in person.posted), self.transport == "bosh")

    async def test_room(self) -> None:
        romeo, juliet = await asyncio.gather(self.online("romeo"), self.online("juliet"))
        room = f"{self.unused('verona')}@conference.{DOMAIN}"
        await romeo.enter(room)
        await juliet.enter(room)
        await romeo.say("A plague o' both your houses!")
        await juliet.sees("A plague o' both your houses!")
        await juliet.say("Where is my Romeo?")
        await romeo.sees("Where is my Romeo?")
        for person in (romeo, juliet):
            await person.shot(self.shot("room"))
            self.assertEqual(await person.times("A plague o' both your houses!"), 1)
            self.assertEqual(person.complaints, [])

    async def test_loaded_again(self) -> None:
        """Who loads the page again is still in."""
        romeo, juliet = await self.pair()
        await juliet.say("Wilt thou be gone? It is not yet near day.")
        await romeo.sees("Wilt thou be gone?")
        await romeo.page.reload()
        await romeo.is_in()
        await romeo.is_at("chat", juliet.jid)
        await romeo.sees("Wilt thou be gone?")
        await romeo.say("I must be gone and live, or stay and die.")
        await juliet.sees("I must be gone and live")
        await juliet.say("Therefore stay yet")
        await romeo.sees("Therefore stay yet")
        await romeo.shot(self.shot("again"))

    async def test_server_killed(self) -> None:
        """They are back when it is, by themselves."""
        romeo, juliet = await self.pair()
        await romeo.say("O, I am fortune's fool!")
        await juliet.sees("fortune's fool!")
        self.server.kill()
        await asyncio.sleep(1)
        await asyncio.to_thread(self.server.start)
        for person in (romeo, juliet):
            await person.receives("<resumed")
        await juliet.say("Why dost thou stay?")
        await romeo.sees("Why dost thou stay?")
        await romeo.say("Thy Juliet is alive")
        await juliet.sees("Thy Juliet is alive")
        for person in (romeo, juliet):
            self.assertEqual(await person.times("fortune's fool!"), 1)

    async def test_encrypted(self) -> None:
        """OMEMO: the policy of the page allows what it is made of, and others get the keys."""
        juliet = await self.online("juliet")
        await juliet.receives("<devices")  # its own, which it has published
        romeo = await self.online("romeo")
        await romeo.receives("<devices")
        await romeo.talk_to(juliet.jid)
        await romeo.encrypt()
        await romeo.say("Love goes toward love")
        await juliet.talk_to(romeo.jid)
        await juliet.sees("Love goes toward love")
        self.assertTrue(any("<encrypted" in frame for frame in juliet.received))
        self.assertFalse(any("Love goes" in frame for frame in juliet.received))
        await juliet.shot(self.shot("encrypted"))
        for person in (romeo, juliet):
            self.assertEqual(person.complaints, [])

    async def test_network_lost(self) -> None:
        """What is said meanwhile is seen when the network is back, once."""
        romeo, juliet = await self.pair()
        await romeo.say("Art thou there?")
        await juliet.sees("Art thou there?")
        await romeo.context.set_offline(True)
        self.network.reset()
        if self.transport != "bosh":
            await juliet.receives("<resumed")
        await juliet.say("It is my lady, O, it is my love!")
        await juliet.sees("it is my love!")
        self.assertEqual(await romeo.times("it is my love!"), 0)
        await romeo.context.set_offline(False)
        await romeo.sees("it is my love!")
        await romeo.say("Speak again, bright angel!")
        await juliet.sees("Speak again, bright angel!")
        await romeo.shot(self.shot("back"))
        for person in (romeo, juliet):
            for text in ("it is my love!", "bright angel"):
                self.assertEqual(await person.times(text), 1)
        if self.transport != "bosh":
            await romeo.receives("<resumed")


class WebChatOverBosh(WebChat):
    """By BOSH."""

    transport = "bosh"

    # Sessions of BOSH end with the server; and to encrypt once is enough.
    test_server_killed = None  # type: ignore[assignment]
    test_encrypted = None  # type: ignore[assignment]


class Guests(Stage):
    """People without an account, whom the page takes into a room."""

    of_host = 'mechanisms = ["ANONYMOUS"]\n'
    extra = f'authentication = "anonymous"\nrooms = ["lobby@conference.{DOMAIN}"]\n'

    @classmethod
    def setUpClass(cls) -> None:
        if chosen().name == "prosody":
            raise unittest.SkipTest("it is the options of our plugin that are tried")
        super().setUpClass()

    async def test_conversation(self) -> None:
        romeo, juliet = await self.visitor("romeo"), await self.visitor("juliet")
        for person in (romeo, juliet):
            await person.is_in()
            await person.page.fill("input[name=nick]", person.name)
            await person.page.keyboard.press("Enter")
            await person.is_at("room", f"lobby@conference.{DOMAIN}")
        await romeo.say("If I profane with my unworthiest hand")
        await juliet.sees("If I profane with my unworthiest hand")
        await juliet.shot(self.shot("room"))
        for person in (romeo, juliet):
            self.assertEqual(person.complaints, [])
