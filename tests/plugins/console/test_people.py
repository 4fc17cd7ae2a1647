"""Users, sessions and rooms: what can be done with them, and what is said of it."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.console.kit import PASSWORD, ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.wire.jid import Jid

ROMEO = "romeo@example.org"


class Users(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.browser_ = self.browser("juliet")

    def test_none(self) -> None:
        self.assertIn("Nobody fits", self.browser_.see("users?search=nobody-at-all"))

    def test_new(self) -> None:
        answer = self.browser_.submit("users/new", "users/new", jid="romeo", password=PASSWORD, again=PASSWORD)
        self.assertEqual(field(answer, "Location"), f"/console/users/{ROMEO}")
        page = self.browser_.see(f"users/{ROMEO}")
        self.assertIn("romeo@example.org is there.", page)
        self.assertNotIn("is there.", self.browser_.see(f"users/{ROMEO}"))  # it is said once
        self.assertTrue(self.wait(self.server.accounts.check_password(Jid.parse(ROMEO), PASSWORD)))

    def test_new_with_a_password_made_up(self) -> None:
        answer = self.browser_.submit("users/new", "users/new", jid=ROMEO, password="", again="")
        password = answer.body.decode().partition("data-copy>")[2].partition("<")[0]
        self.assertTrue(self.wait(self.server.accounts.check_password(Jid.parse(ROMEO), password)))

    def test_new_but_wrong(self) -> None:
        for fields, problem in (
            ({"jid": "juliet"}, "juliet@example.org exists already"),
            ({"jid": "romeo@elsewhere.example"}, "elsewhere.example is not served here"),
            ({"jid": "rom eo"}, "That is no address"),
            ({"jid": ""}, "That is no address"),
            ({"jid": "romeo@example.org/orchard"}, "That is not of the form name@example.org."),
            ({"jid": "romeo", "again": "x"}, "That is another one than above."),
        ):
            answer = self.browser_.submit("users/new", "users/new", **{"password": "", "again": "", **fields})
            self.assertEqual(answer.code, 422, fields)
            self.assertIn(problem, text_of(answer))
            self.assertIn(f'value="{fields["jid"]}"', answer.body.decode())  # nothing is to be typed again

    def test_pages(self) -> None:
        for number in range(60):
            self.account(f"u{number:02}@example.org")
        first = self.browser_.see("users")
        self.assertIn("u48@example.org", first)
        self.assertNotIn("u49@example.org", first)
        second = first.rpartition('class="more"')[2].partition('href="/console/')[2].partition('"')[0]
        self.assertIn("u49@example.org", self.browser_.see(second.replace("&amp;", "&")))
        self.assertIn("u59@example.org", self.browser_.see("users?search=u59"))

    def test_a_part_for_htmx(self) -> None:
        part = self.browser_.get("users?search=juliet", hx_request="true", hx_target="rows").body.decode()
        self.assertTrue(part.lstrip().startswith('<div id="rows">'), part[:80])
        self.assertIn("juliet@example.org", part)
        self.assertNotIn("<html", part)

    def test_lock(self) -> None:
        self.login(f"{ROMEO}/orchard", presence=True)
        page = f"users/{ROMEO}"
        self.assertIn("orchard", self.browser_.see(page))
        self.assertEqual(self.browser_.submit(page, f"{page}/lock", reason="sings").code, 303)
        self.assertEqual(self.host.sessions(Jid.parse(ROMEO)), ())
        self.assertIn("Nobody can log in to this account: sings", self.browser_.see(page))
        self.assertEqual(self.browser_.submit(page, f"{page}/unlock").code, 303)
        self.assertNotIn("Nobody can log in", self.browser_.see(page))

    def test_password(self) -> None:
        self.account(ROMEO)
        page = f"users/{ROMEO}"
        self.browser_.submit(page, f"{page}/password", password=PASSWORD)
        self.assertTrue(self.wait(self.server.accounts.check_password(Jid.parse(ROMEO), PASSWORD)))
        self.assertIn("There is a new password", text_of(self.browser_.submit(page, f"{page}/password", password="")))

    def test_delete(self) -> None:
        self.account(ROMEO)
        page = f"users/{ROMEO}/delete"
        answer = self.browser_.submit(page, page, sure="romeo")
        self.assertEqual(answer.code, 422)
        self.assertIn("Type the address as it is above.", text_of(answer))
        self.assertEqual(self.browser_.submit(page, page, sure=f" {ROMEO.upper()}").code, 303)
        self.assertEqual(self.browser_.get(f"users/{ROMEO}").code, 404)

    def test_what_waits_and_contacts(self) -> None:
        nurse = self.login("nurse@example.org/chamber", presence=True)
        self.account(ROMEO)
        nurse.send(f"<message to='{ROMEO}' type='chat'><body>hi</body></message>")
        self.pump(1)
        self.operate("roster", "roster add", account=Jid.parse(ROMEO), contact=Jid.parse("tybalt@example.org"))
        page = f"users/{ROMEO}"
        text = self.browser_.see(page)
        self.assertIn("1 message waits until the owner is online", text)
        self.assertIn("tybalt@example.org", text)
        self.browser_.submit(page, f"{page}/offline")
        self.browser_.submit(page, f"{page}/contact", contact="tybalt@example.org")
        text = self.browser_.see(page)
        self.assertNotIn("message waits", text)
        self.assertIn("No contacts", text)

    def test_audit(self) -> None:
        """What is done is kept, with who has done it; passwords are not."""
        self.browser_.submit("users/new", "users/new", jid="romeo", password=PASSWORD, again=PASSWORD)
        rows: Any = self.wait(self.server.server.operations.run("audit list", {"operation": "user add"}))
        self.assertEqual(rows[0]["actor"], "juliet@example.org (console)")
        self.assertNotIn(PASSWORD, repr(rows))


class Sessions(ConsoleTestCase):
    def test_none(self) -> None:
        self.assertIn("Nobody is online", self.browser("juliet").see("sessions"))

    def test_end(self) -> None:
        romeo = self.login(f"{ROMEO}/orchard")
        browser = self.browser("juliet")
        self.assertIn("orchard", browser.see("sessions?search=ROMEO"))
        self.assertIn("Nobody fits", browser.see("sessions?search=tybalt"))
        self.assertEqual(browser.submit("sessions", "sessions/kick", jid=f"{ROMEO}/orchard").code, 303)
        romeo.expect_closed("policy-violation")
        token = browser.see("me").partition('name="csrf" value="')[2].partition('"')[0]
        answer = browser.post("sessions/kick", {"csrf": token, "jid": f"{ROMEO}/orchard"})
        self.assertIn("has no session", text_of(answer))

    def test_message(self) -> None:
        romeo = self.login(f"{ROMEO}/orchard")
        browser = self.browser("juliet")
        answer = browser.submit("sessions/message", "sessions/message", text=" ", subject="")
        self.assertIn("There is nothing to send yet.", text_of(answer))
        answer = browser.submit("sessions/message", "sessions/message", text="Down at eight.", subject="Soon")
        self.assertEqual(answer.code, 303)
        romeo.expect("<message from='example.org'><subject>Soon</subject><body>Down at eight.</body></message>")


class Rooms(ConsoleTestCase):
    plugins: ClassVar[Any] = ("console", "roster", "muc", "disco")

    def test_room(self) -> None:
        browser = self.browser("juliet")
        self.assertIn("There are no rooms yet", browser.see("rooms"))
        answer = browser.submit("rooms/new", "rooms/new", room="garden", name="The garden", owner="juliet")
        page = "rooms/garden@conference.example.org"
        self.assertEqual(field(answer, "Location"), f"/console/{page}")
        self.assertIn("The garden", browser.see("rooms"))
        self.assertIn("juliet@example.org", browser.see(page))
        self.assertEqual(browser.submit(page, f"{page}/affiliate", who=ROMEO, affiliation="outcast").code, 303)
        self.assertIn("Banned", browser.see(page))
        self.assertEqual(browser.submit(page, f"{page}/affiliate", who="@", affiliation="member").code, 422)
        answer = browser.submit(f"{page}/destroy", f"{page}/destroy", sure="garden", reason="", venue="")
        self.assertEqual(answer.code, 422)
        sure = {"sure": "garden@conference.example.org", "reason": "", "venue": ""}
        self.assertEqual(browser.submit(f"{page}/destroy", f"{page}/destroy", **sure).code, 303)
        self.assertEqual(browser.get(page).code, 404)

    def test_without_rooms(self) -> None:
        """What no plugin offers is not there."""
        self.wait(self.host.registry.disable("muc"))
        browser = self.browser("juliet")
        self.assertNotIn('href="/console/rooms"', browser.see())
        self.assertEqual(browser.get("rooms").code, 404)


class Dashboard(ConsoleTestCase):
    def test_figures(self) -> None:
        history = self.server.server.history
        history.start()
        self.addCleanup(history.stop)
        browser = self.browser("juliet")
        self.assertIn("The first figures come in a few seconds", browser.see())
        self.login(f"{ROMEO}/orchard")
        self.pump(30, step=0.25)
        page = browser.see()
        self.assertEqual(page.count('<path class="line line-1"'), 5)
        part = browser.get("", hx_request="true", hx_target="live", x_poll="yes").body.decode()
        self.assertTrue(part.lstrip().startswith('<div id="live"'), part[:80])

    def test_warnings(self) -> None:
        """What somebody should look after is said on top."""
        ends = {"example.org": self.clock.seconds() + 3.5 * 86_400}
        self.server.server.certificates = lambda: ends
        browser = self.browser("juliet")
        self.assertIn("The certificate of example.org ends in 3 days.", browser.see())
        ends["example.org"] = 0
        self.assertIn("The certificate of example.org has ended", browser.see())
        ends["example.org"] = self.clock.seconds() + 90 * 86_400
        self.assertNotIn("The certificate", browser.see())

    def test_of_a_host(self) -> None:
        """An administrator of a host sees nothing of the server."""
        page = self.browser("bard").see()
        self.assertNotIn("Memory", page)
        self.assertIn("sessions", page)


class Languages(ConsoleTestCase):
    def test_choice(self) -> None:
        """What somebody has chosen counts more than what their browser says, and stays."""
        browser = self.browser("juliet")
        self.assertIn('<html lang="en">', browser.see())
        self.assertEqual(browser.submit("me", "me/language", language="tlh").code, 422)
        self.assertEqual(browser.submit("me", "me/language", language="zh_Hans").code, 303)
        self.assertIn('<html lang="zh-Hans">', browser.see())
        self.assertIn("仪表盘", self.browser("juliet").see())

    def test_before_the_login(self) -> None:
        browser = self.browser(language="zh-CN")
        self.assertIn('<html lang="zh-Hans">', browser.see("login"))
        self.assertIn('<html lang="en">', browser.see("login?lang=en"))

    def test_words_of_operations(self) -> None:
        self.login(f"{ROMEO}/orchard", presence=True)
        self.assertIn("在线 (0)", self.browser("juliet", language="zh").see("sessions"))

    def test_problems_of_operations(self) -> None:
        browser = self.browser("juliet", language="zh")
        answer = browser.submit("users/new", "users/new", jid="juliet", password="", again="")
        self.assertIn("juliet@example.org 已存在。", text_of(answer))
        self.assertIn("没有账号 nobody@example.org。", text_of(browser.get("users/nobody@example.org")))
