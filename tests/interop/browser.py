"""Chromium without a screen, driven by Playwright, and people who use converse.js in it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN

try:
    from playwright.async_api import BrowserContext, Locator, Page, Playwright, WebSocket, async_playwright
except ImportError:
    async_playwright = None

CHROMIUM = shutil.which("chromium")
LONG = 2 * PATIENCE  # browsers make much work for a machine
PACKAGES = Path(__file__).resolve().parent / "web" / "node_modules"
#: Where pictures of what people see are written.
SHOTS = Path(os.environ.get("XMPPD_INTEROP_SHOTS") or Path(tempfile.gettempdir()) / "xmppd-shots")


def skip_unless_there(package: str) -> None:
    """:raises unittest.SkipTest: without a browser, or a package for it."""
    if CHROMIUM is None or async_playwright is None:
        raise unittest.SkipTest("there is no Chromium, or no Playwright")
    if not (PACKAGES / package).is_dir():
        raise unittest.SkipTest(f"there is no {package}")


def _key_hash(certificate: Path) -> str:
    """What Chromium calls a key that it shall trust."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


class Browser:
    """A browser that finds the tests' domain on this machine and trusts its certificate, and no others."""

    def __init__(self, certificate: Path) -> None:
        self._certificate = certificate
        self._playwright: Playwright | None = None

    async def start(self) -> None:
        """Start it."""
        self._playwright = await async_playwright().start()
        arguments = [
            f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1, MAP *.{DOMAIN} 127.0.0.1, MAP * ~NOTFOUND",
            f"--ignore-certificate-errors-spki-list={_key_hash(self._certificate)}",
            # Pages that Playwright makes up count as those of a public address, which may not connect to this machine.
            "--disable-features=LocalNetworkAccessChecks",
        ]
        self._browser = await self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, chromium_sandbox=os.geteuid() != 0
        )

    async def stop(self) -> None:
        """End it."""
        await self._browser.close()
        if self._playwright is not None:
            await self._playwright.stop()

    async def context(self, **options: Any) -> BrowserContext:
        """Return a profile of its own."""
        defaults = {"locale": "en-GB", "viewport": {"width": 1100, "height": 700}}
        context = await self._browser.new_context(**{**defaults, **options})
        context.set_default_timeout(LONG * 1000)
        return context


class Person:
    """Somebody who has the web chat open.

    :ivar received: what came over their WebSockets.
    :ivar posted: addresses that something was posted to.
    :ivar complaints: what went wrong in the page, or was not allowed.
    """

    def __init__(self, name: str, context: BrowserContext) -> None:
        self.name = name
        self.jid = f"{name}@{DOMAIN}"
        self.context = context
        self.received: list[str] = []
        self.posted: list[str] = []
        self.complaints: list[str] = []

    async def open(self, url: str) -> Person:
        """Open the page."""
        self.page: Page = await self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        self.page.on("console", lambda said: self._console(said.type, said.text))
        self.page.on("request", lambda request: self.posted.append(request.url) if request.method == "POST" else None)
        self.page.on("websocket", self._websocket)
        await self.page.goto(url)
        return self

    def _console(self, kind: str, text: str) -> None:
        # What the browser says; converse.js tells of all that it asks people's devices in vain.
        if kind == "error" and ("Content Security Policy" in text or "Failed to load resource" in text):
            self.complaints.append(text)

    def _websocket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self.received.append(str(frame)))

    async def receives(self, text: str) -> None:
        """Wait for something by WebSocket."""
        async with asyncio.timeout(LONG):
            while not any(text in frame for frame in self.received):
                await asyncio.sleep(0.05)

    async def log_in(self, password: str) -> None:
        """Fill in the form."""
        await self.page.fill("input[name=jid]", self.name)
        await self.page.fill("input[name=password]", password)
        await self.page.click("#converse-login button[type=submit]")

    async def is_in(self) -> None:
        """Wait until they are logged in."""
        await self.page.locator("converse-user-profile").wait_for()

    async def talk_to(self, jid: str) -> None:
        """Open a chat with somebody."""
        await self._go_to("chat", jid)

    async def enter(self, room: str) -> None:
        """Enter a room."""
        await self._go_to("room", room)

    async def _go_to(self, kind: str, jid: str) -> None:
        await self.page.evaluate("place => { location.hash = place }", f"#converse/{kind}?jid={jid}")
        await self.is_at(kind, jid)

    async def is_at(self, kind: str, jid: str) -> None:
        """Wait until they are in a room, or a chat, and can speak."""
        element = "converse-muc" if kind == "room" else "converse-chat"
        self._place = self.page.locator(f"{element}[jid='{jid}']")
        await self._place.locator(".chat-textarea").wait_for()

    async def say(self, text: str) -> None:
        """Write something, where they are."""
        box = self._place.locator(".chat-textarea")
        await box.fill(text)
        await box.press("Enter")

    async def encrypt(self) -> None:
        """Encrypt what they say from now on, where they are."""
        await self._place.locator(".toggle-omemo[data-disabled=false]").click()  # when the others' keys are known
        await self._place.locator(".toggle-omemo .fa-lock").wait_for()

    async def send_file(self, path: Path) -> None:
        """Send a file, where they are."""
        await self._place.locator("input[type=file]").first.set_input_files(path)

    def _message(self, text: str) -> Locator:
        return self._place.locator(".chat-msg__text", has_text=text)

    async def sees(self, text: str) -> None:
        """Wait for something to be said, where they are."""
        try:
            await self._message(text).first.wait_for()
        except Exception:
            await self.shot("missing")
            raise

    async def times(self, text: str) -> int:
        """How often it was said."""
        return await self._message(text).count()

    async def sees_picture(self) -> tuple[str, int]:
        """Wait for a picture, and return its address and how many pixels wide it is when it is loaded."""
        picture = self._place.locator("img.chat-image").first
        await picture.wait_for()
        loaded = "async image => { await image.decode(); return [image.src, image.naturalWidth] }"
        address, width = await picture.evaluate(loaded)
        return address, width

    async def shot(self, name: str) -> None:
        """Write down what they see."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=SHOTS / f"{name}-{self.name}.png")
