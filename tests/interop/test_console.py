"""The console in Chromium: somebody sets the server up, looks at every page in both languages, on a screen and a phone.

It needs Chromium and Playwright; ``tests/interop/run`` sees to both. Pictures of what people see are left in the folder
`browser.SHOTS`, to be looked at.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.interop.browser import LONG, SHOTS, Browser, skip_unless_there
from tests.interop.scenario import PASSWORD, LiveCase
from tests.interop.server import DOMAIN, Server, Xmppd
from tests.interop.slix import SlixmppDevice

OPERATOR, SECRET = "nurse", "my fan, Peter"
SIZES = {"screen": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
LANGUAGES = {"en": "en-GB", "zh-Hans": "zh-CN"}
#: Pages that are in no menu.
MORE = (
    "users/new", "users/romeo@" + DOMAIN, f"users/romeo@{DOMAIN}/delete", "sessions/message", "rooms/new",
    f"rooms/garden@conference.{DOMAIN}", f"rooms/garden@conference.{DOMAIN}/destroy", "me",
    "me/second-factor", "nowhere",
)  # fmt: skip


class ConsoleXmppd(Xmppd):
    """With HTTPS on loopback, as the console wants it."""

    of_host = ""

    def setup_code(self) -> str:
        """Return the code for the first run, as the log has it."""
        found = re.search(r"types ([a-z0-9]{4}(?:-[a-z0-9]{4}){2}) there", self.log.read_text("utf-8", "replace"))
        assert found is not None, self.tail()
        return found[1]


class Walk(LiveCase):
    """One server; the tests run in the order of their names, since the first sets it up."""

    server: ConsoleXmppd

    @classmethod
    def setUpClass(cls) -> None:
        skip_unless_there("")
        super().setUpClass()

    @classmethod
    def server_class(cls) -> type[Server]:
        return ConsoleXmppd

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.url = f"https://{DOMAIN}:{self.server.https_port}/console/"
        self.browser = Browser(self.server.certificate)
        await self.browser.start()
        self.addAsyncCleanup(self.browser.stop)
        SHOTS.mkdir(parents=True, exist_ok=True)

    async def page(self, language: str = "en", size: str = "screen", **more: Any) -> Any:
        """Return a page of a browser that is new."""
        context = await self.browser.context(locale=LANGUAGES[language], viewport=SIZES[size], **more)
        page = await context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        self.said = said
        return page

    async def shot(self, page: Any, *names: str) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")
        await page.screenshot(path=SHOTS / f"console-{name}.png", full_page=True)

    async def log_in(self, page: Any, name: str = OPERATOR, secret: str = SECRET) -> None:
        await page.goto(self.url)
        await page.fill("input[name=account]", name)
        await page.fill("input[name=password]", secret)
        await page.click("button.first")
        await page.locator("header.top").wait_for()

    async def test_1_first_run(self) -> None:
        """The code from the log leads in, and makes the account."""
        page = await self.page()
        await page.goto(self.url)
        await self.shot(page, "login")
        await page.click("text=Set it up")
        await page.fill("input[name=code]", "aaaa-bbbb-cccc")
        await page.fill("input[name=account]", OPERATOR)
        await page.fill("input[name=password]", SECRET)
        await page.fill("input[name=again]", SECRET)
        await page.click("button.first")
        await page.locator(".problem").wait_for()
        await self.shot(page, "setup")
        await page.fill("input[name=code]", self.server.setup_code())
        await page.fill("input[name=password]", SECRET)
        await page.fill("input[name=again]", SECRET)
        await page.click("button.first")
        await page.locator("h1", has_text="Dashboard").wait_for()
        cookies = await page.context.cookies()
        self.assertEqual([cookie["name"] for cookie in cookies], ["__Host-console"])
        self.assertTrue(cookies[0]["httpOnly"] and cookies[0]["secure"] and cookies[0]["sameSite"] == "Strict")
        self.assertNotIn("Content Security Policy", " ".join(self.said))

    async def _people(self) -> None:
        """Some who are online, and a room."""
        path = self.server.folder / "users.csv"
        path.write_text("".join(f"{name}@{DOMAIN} {PASSWORD}\n" for name in ("romeo", "juliet", "tybalt", "mercutio")))
        await asyncio.to_thread(self.server.xmppctl, "user", "import", str(path))
        room = f"garden@conference.{DOMAIN}"
        await asyncio.to_thread(self.server.xmppctl, "room", "create", room, f"juliet@{DOMAIN}", "--name", "The garden")
        await asyncio.to_thread(self.server.xmppctl, "user", "lock", f"tybalt@{DOMAIN}", "--reason", "quarrelsome")
        for name, resource in (("romeo", "orchard"), ("romeo", "phone"), ("juliet", "balcony")):
            device = SlixmppDevice(self.server, name, resource, PASSWORD)
            self.addAsyncCleanup(device.disconnect)
            await device.connect()
            await device.roster()
            device.presence()
            await device.fence()

    async def test_2_every_page(self) -> None:
        """All pages are there, nothing is wider than the window, and browsers have nothing to complain about."""
        await self._people()
        for language in LANGUAGES:
            page = await self.page(language)
            await self.log_in(page)
            links = await page.eval_on_selector_all("aside nav a", "found => found.map(link => link.href)")
            self.assertGreater(len(links), 4)
            for link in (*links, *(self.url + path for path in MORE)):
                await self._look(page, link, language)

    async def _look(self, page: Any, link: str, language: str) -> None:
        answer = await page.goto(link)
        path = link.removeprefix(self.url)
        self.assertEqual(answer.status, 404 if path == "nowhere" else 200, link)
        self.assertEqual(await page.get_attribute("html", "lang"), language)
        for size, viewport in SIZES.items():
            await page.set_viewport_size(viewport)
            await self.shot(page, language, size, path or "dashboard")
            wide = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            self.assertLessEqual(wide[0], wide[1], f"{link} is too wide ({language}, {size})")
        unnamed = await page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
            ".filter(one => !one.labels?.length && !one.ariaLabel).map(one => one.outerHTML)"
        )
        self.assertEqual(unnamed, [], link)
        said = [text for text in self.said if "404" not in text]
        self.assertEqual(said, [], link)
        self.said.clear()

    async def test_3_work(self) -> None:
        """An account is made, found while one types, locked and deleted; sessions end."""
        page = await self.page()
        await self.log_in(page)
        await page.goto(self.url + "users/new")
        await page.fill("input[name=jid]", "benvolio")
        await page.click("button.first")
        await page.locator("code.secret").wait_for()
        await page.goto(self.url + "users")
        await page.fill("#search", "benv")
        await page.locator("#rows tbody tr:only-child").wait_for()
        await page.click(f"text=benvolio@{DOMAIN}")
        await page.fill("input[name=reason]", "for now")
        await page.click("text=Lock the account")
        await page.locator(".toast").wait_for()
        await self.shot(page, "locked")
        await page.click("text=Delete")
        await page.fill("input[name=sure]", "somebody else")
        await page.click("button.sure")
        await page.locator(".problem").wait_for()
        await page.fill("input[name=sure]", f"benvolio@{DOMAIN}")
        await page.click("button.sure")
        await page.locator(".toast", has_text="deleted").wait_for()
        self.assertNotIn("Content Security Policy", " ".join(self.said))

    async def test_4_without_scripts(self) -> None:
        """Everything works without JavaScript."""
        page = await self.page(java_script_enabled=False)
        await self.log_in(page)
        await page.click("aside nav a[href$='/users']")
        await page.fill("#search", "juliet")
        await page.click("text=Show")
        self.assertEqual(await page.locator("#rows tbody tr").count(), 1)
        await page.click("button[aria-label='Log out']")
        await page.locator("input[name=password]").wait_for()
        await page.goto(self.url + "users")
        self.assertIn("/console/login?next=users", page.url)

    async def test_6_in_the_dark(self) -> None:
        """Whoever prefers dark colours gets them."""
        page = await self.page(color_scheme="dark")
        await self.log_in(page)
        self.assertEqual(
            await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(15, 17, 26)", "not dark"
        )
        for path in ("", "users", f"users/romeo@{DOMAIN}", "me", "roles"):
            await page.goto(self.url + path)
            await self.shot(page, "dark", path or "dashboard")

    async def test_5_by_keyboard(self) -> None:
        """The first thing that one reaches leads past the menu; what has the focus is seen."""
        page = await self.page()
        await self.log_in(page)
        await page.goto(self.url + "users")
        await page.keyboard.press("Tab")
        self.assertEqual(await page.evaluate("document.activeElement.className"), "skip")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        self.assertTrue(await page.evaluate("document.querySelector('main').contains(document.activeElement)"))
        await asyncio.wait_for(self.shot(page, "focus"), LONG)
