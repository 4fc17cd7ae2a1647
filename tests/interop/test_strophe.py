"""strophe.js in a browser, over WebSocket (RFC 7395) and BOSH (XEP-0124, XEP-0206), on a page of another origin.

It needs Chromium and Playwright, and ``npm ci`` in the folder ``web``; ``tests/interop/run`` sees to all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.interop.browser import PACKAGES, Browser, skip_unless_there
from tests.interop.events import Events
from tests.interop.network.proxy import Proxy
from tests.interop.scenario import PASSWORD, LiveCase
from tests.interop.server import DOMAIN, Server, WebProsody, chosen, free_port

LIBRARY = PACKAGES / "strophe.js" / "dist" / "strophe.umd.min.js"
OURS = Path(__file__).resolve().parent / "web" / "strophe.js"
ELSEWHERE = "https://strophe.test/"


class Device:
    """A page with strophe.js."""

    def __init__(self, browser: Browser, account: str, service: str) -> None:
        self.account = account
        self.service = service
        self.events = Events(account)
        self._browser = browser

    async def open(self) -> None:
        """Open the page."""
        context = await self._browser.context()
        await context.route(
            f"{ELSEWHERE}**", lambda route: route.fulfill(body="<!DOCTYPE html>", content_type="text/html")
        )
        await context.expose_function("tell", self.events.add)
        self.page = await context.new_page()
        await self.page.goto(ELSEWHERE)
        await self.page.add_script_tag(path=LIBRARY)
        await self.page.add_script_tag(path=OURS)

    async def do(self, function: str, *arguments: str) -> Any:
        """Call one of the page's functions."""
        return await self.page.evaluate(f"arguments => {function}(...arguments)", list(arguments))

    async def log_in(self, password: str = PASSWORD, jid: str = "") -> None:
        """Begin to connect."""
        await self.do("logIn", self.service, jid or f"{self.account}@{DOMAIN}", password)


class WebSocket(LiveCase):
    """Over WebSocket."""

    scheme, path = "wss", "/xmpp-websocket"

    @classmethod
    def setUpClass(cls) -> None:
        skip_unless_there("strophe.js")
        super().setUpClass()

    @classmethod
    def server_class(cls) -> type[Server]:
        return WebProsody if chosen().name == "prosody" else chosen()

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.network = Proxy(("127.0.0.1", self.server.https_port))
        port = free_port()
        await self.network.start("127.0.0.1", port)
        self.addAsyncCleanup(self.network.stop)
        self.service = f"{self.scheme}://{DOMAIN}:{port}{self.path}"
        self.browser = Browser(self.server.certificate)
        await self.browser.start()
        self.addAsyncCleanup(self.browser.stop)

    async def device(self, name: str) -> Device:
        """Return a page of somebody with an account."""
        device = Device(self.browser, await self.account(name), self.service)
        await device.open()
        return device

    async def online(self, name: str) -> tuple[Device, str]:
        """Return a device that is available, and its full address."""
        device = await self.device(name)
        await device.log_in()
        return device, (await device.events.wait_for("CONNECTED"))["jid"]

    async def test_conversation(self) -> None:
        romeo, romeo_jid = await self.online("romeo")
        juliet, juliet_jid = await self.online("juliet")
        text = "a < b & 'c' \u00fc \U0001f600" + "x" * 20_000
        await romeo.do("say", juliet_jid, text)
        await juliet.events.wait_for("message", **{"from": romeo_jid}, body=text)
        for number in range(50):  # one after the other, and none waits for an answer
            await juliet.do("say", romeo_jid, str(number))
        for number in range(50):
            await romeo.events.wait_for("message", body=str(number))
        await romeo.do("logOut")
        await romeo.events.wait_for("DISCONNECTED")

    async def test_wrong_password(self) -> None:
        device = await self.device("romeo")
        await device.log_in("wrong")
        self.assertEqual((await device.events.wait_for("AUTHFAIL"))["reason"], "not-authorized")

    async def test_connection_lost(self) -> None:
        """The session is resumed (XEP-0198), and nothing is lost."""
        romeo, romeo_jid = await self.online("romeo")
        juliet, juliet_jid = await self.online("juliet")
        self.assertTrue(await romeo.do("isManaged"))
        self.network.reset()
        for device in (romeo, juliet):
            await device.events.wait_for("DISCONNECTED")
        await juliet.log_in(jid=juliet_jid)
        self.assertTrue((await juliet.events.wait_for("CONNECTED"))["resumed"])
        await juliet.do("say", romeo_jid, "while you were away")
        await romeo.log_in(jid=romeo_jid)
        again = await romeo.events.wait_for("CONNECTED", jid=romeo_jid)
        self.assertTrue(again["resumed"])
        await romeo.events.wait_for("message", **{"from": juliet_jid}, body="while you were away")


class Bosh(WebSocket):
    """Over BOSH."""

    scheme, path = "https", "/http-bind"

    async def test_connection_lost(self) -> None:
        """Its requests are sent again (XEP-0124 section 14.2), and nothing is lost, nor comes twice."""
        romeo, romeo_jid = await self.online("romeo")
        juliet, _ = await self.online("juliet")
        for number in range(3):
            await juliet.do("say", romeo_jid, f"before {number}")
            self.network.reset()
            await juliet.do("say", romeo_jid, f"after {number}")
        said = [f"{when} {number}" for number in range(3) for when in ("before", "after")]
        heard = [(await romeo.events.wait_for("message"))["body"] for _ in said]
        self.assertEqual(heard, said)
        await juliet.do("say", romeo_jid, "the end")
        self.assertEqual((await romeo.events.wait_for("message"))["body"], "the end")
