"""Coming in: passwords, second factors, guesses, where one comes from, and what cookies and forms are good for."""

from __future__ import annotations

import base64
import re
from typing import Any

import pyotp
from pydantic import ValidationError

from tests.plugins.console.kit import PASSWORD, Browser, ConsoleTestCase, text_of
from xmppd.plugins.console import totp
from xmppd.plugins.console.sessions import hashed
from xmppd.wire.jid import Jid

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
WRONG = "That name and password don't lead in here."


def field(answer: Any, name: str) -> str:
    """Return a field of an answer, or ""."""
    return next((value.decode() for key, value in answer.headers if key.decode().lower() == name.lower()), "")


class LoggingIn(ConsoleTestCase):
    def test_in_and_out(self) -> None:
        browser = self.browser()
        answer = browser.get("users")
        self.assertEqual((answer.code, field(answer, "Location")), (303, "/console/login?next=users"))
        answer = browser.submit("login?next=users", "login", account="juliet", password=PASSWORD)
        self.assertEqual((answer.code, field(answer, "Location")), (303, "/console/users"))
        self.assertIn("juliet@example.org", browser.see("users"))
        self.assertEqual(field(browser.get("login"), "Location"), "/console/")
        kept = browser.cookie
        self.assertEqual(browser.submit("", "logout").code, 303)
        browser.cookie = kept
        self.assertEqual(browser.get().code, 303)

    def test_nobody_learns_who_is_there(self) -> None:
        """A wrong name, a wrong password, a locked account and one without a role get the same, after the same time."""
        self.account("tybalt@example.org", PASSWORD)
        self.account("locked@example.org", PASSWORD)
        self.operate("console", "console grant", account="locked@example.org", role="viewer")
        self.wait(self.server.accounts.lock(Jid.parse("locked@example.org"), "quarrels"))
        pages = set()
        for account, password in (
            ("nobody", PASSWORD), ("juliet", "wrong"), ("tybalt", PASSWORD), ("locked", PASSWORD), ("a b@@", PASSWORD),
            ("juliet", ""), ("juliet@elsewhere.example", PASSWORD),
        ):  # fmt: skip
            browser, before = self.browser(), self.clock.seconds()
            answer = browser.log_in(account, password)
            self.assertEqual(answer.code, 422)
            self.assertGreaterEqual(self.clock.seconds() - before, 1.0)
            self.assertIn(WRONG, text_of(answer).replace("&#39;", "'"))
            text = answer.body.decode().replace(account, "NAME")
            pages.add(re.sub(r'name="csrf" value="\w+"', "", text))
        self.assertEqual(len(pages), 1)

    def test_cookie(self) -> None:
        """It is another one after the log-in, only its hash is kept, and scripts and other sites don't get it."""
        browser = self.browser(secure=True)
        browser.get("login")
        before = browser.cookie
        answer = browser.log_in("juliet")
        self.assertNotEqual(browser.cookie, before)
        name, _, value = browser.cookie.partition("=")
        self.assertEqual(name, "__Host-console")
        self.assertRegex(
            field(answer, "Set-Cookie"), r"\A__Host-console=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict; Secure\Z"
        )
        kept = self.wait(self.plugin("console").store.sessions("juliet@example.org"))
        self.assertEqual([session.id for session in kept], [hashed(value)])
        self.assertNotIn(value, repr(kept))

    def test_open_redirect(self) -> None:
        for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example"):
            answer = self.browser().submit(f"login?next={wanted}", "login", account="juliet", password=PASSWORD)
            self.assertTrue(field(answer, "Location").startswith("/console/"), field(answer, "Location"))

    def test_sessions_end(self) -> None:
        browser = self.browser("juliet")
        self.pump(29 * 60, step=60)
        browser.see()
        self.pump(29 * 60, step=60)
        browser.see()
        self.pump(31 * 60, step=60)
        self.assertEqual(browser.get().code, 303)

    def test_a_page_that_asks_by_itself_is_not_somebody(self) -> None:
        browser = self.browser("juliet")
        for _ in range(31):
            self.pump(60, step=10)
            answer = browser.get("", x_poll="yes", hx_request="true")
        self.assertEqual((answer.code, field(answer, "HX-Redirect")), (204, "/console/login"))

    def test_sessions_end_anyway(self) -> None:
        browser = self.browser("juliet")
        for _ in range(12 * 3):
            browser.get()
            self.pump(20 * 60, step=60)
        self.assertEqual(browser.get().code, 303)

    def test_what_ends_sessions(self) -> None:
        """Another password, a lock, the loss of the role or of the account."""
        accounts = self.server.accounts
        for name, work in (
            ("a", lambda jid: accounts.set_password(jid, "another one entirely")),
            ("b", lambda jid: accounts.lock(jid, "why not")),
            ("c", lambda jid: self.plugin("console").revoke(jid)),
            ("d", lambda jid: self.host.delete_account(jid)),
        ):
            browser = self.browser(name, "viewer")
            browser.see()
            self.wait(work(Jid.parse(f"{name}@example.org")))
            self.assertEqual(browser.get().code, 303, name)

    def test_audit(self) -> None:
        self.browser().log_in("juliet", "wrong")
        browser = self.browser("juliet")
        browser.submit("", "logout")
        rows: Any = self.wait(self.server.server.operations.run("audit list", {"operation": "console"}))
        self.assertEqual(
            [(row["actor"], row["operation"], row["outcome"].partition(":")[0]) for row in rows],
            [("juliet@example.org", "console logout", "done"), ("juliet@example.org", "console login", "done"),
             ("juliet@example.org", "console login", "failed")],
        )  # fmt: skip


class Shorter(ConsoleTestCase):
    """With other options."""

    options = {
        "operators": ["juliet@example.org"], "idle_minutes": 5, "session_hours": 0.25, "password_min_length": 20,
        "networks": ["127.0.0.0/8", "192.0.2.0/24"],
    }  # fmt: skip

    def test_idle(self) -> None:
        browser = self.browser("juliet")
        self.pump(4 * 60, step=60)
        browser.see()
        self.pump(5 * 60, step=60)
        self.assertEqual(browser.get().code, 303)

    def test_longest(self) -> None:
        browser = self.browser("juliet")
        for _ in range(3):
            self.pump(4 * 60, step=60)
            browser.see()
        self.pump(4 * 60, step=60)
        self.assertEqual(browser.get().code, 303)

    def test_password(self) -> None:
        fields = {"password": PASSWORD, "new": "nineteen characters", "again": "nineteen characters"}
        answer = self.browser("juliet").submit("me", "me/password", **fields)
        self.assertIn("It needs 20 characters at least.", text_of(answer))

    def test_networks(self) -> None:
        self.assertEqual(self.browser(peer="192.0.2.7", secure=True).get("login").code, 200)
        self.assertEqual(self.browser(peer="192.0.2.7").get("login").code, 403)
        self.assertEqual(self.browser(peer="198.51.100.1", secure=True).get("login").code, 403)

    def test_what_can_not_be(self) -> None:
        options = type(self.plugin("console")).Options
        for wrong in ({"networks": ["example.org"]}, {"operators": ["example.org"]}, {"operators": ["a@b/c"]},
                      {"idle_minutes": 0}, {"session_hours": -1}):  # fmt: skip
            with self.assertRaises(ValidationError):
                options(**wrong)


class Guesses(ConsoleTestCase):
    config = {"limits": {"failed_logins_per_account": 3, "failed_logins_per_address": 5, "exempt_networks": []}}

    def test_account(self) -> None:
        """After some failures nobody may try, not even with the right password; but its owner, from where they were."""
        home = self.browser("juliet", peer="127.0.0.5")
        for _ in range(3):
            self.assertEqual(self.browser().log_in("juliet", "wrong").code, 422)
        self.assertEqual(self.browser().log_in("juliet").code, 429)
        self.assertEqual(home.submit("", "logout").code, 303)
        self.assertEqual(home.log_in("juliet").code, 303)
        self.pump(601, step=60)
        self.assertEqual(self.browser().log_in("juliet").code, 303)

    def test_address(self) -> None:
        for number in range(5):
            self.assertEqual(self.browser().log_in(f"nobody{number}").code, 422)
        self.assertEqual(self.browser().log_in("juliet").code, 429)
        self.assertEqual(self.browser(peer="127.0.0.9").log_in("juliet").code, 303)

    def test_with_those_of_clients(self) -> None:
        """Who has guessed by XMPP too often may not go on here."""
        client = self.connect()
        client.open()
        for _ in range(3):
            initial = base64.b64encode(b"\0juliet\0wrong").decode()
            client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{initial}</auth>")
            self.pump(2)
        self.assertEqual(self.browser().log_in("juliet").code, 429)


class SecondFactor(ConsoleTestCase):
    def turn_on(self, browser: Browser) -> tuple[str, list[str]]:
        """Return the secret, and the recovery codes."""
        page = browser.see("me/second-factor")
        secret = re.search(r'name="secret" value="(\w+)"', page)
        assert secret is not None
        code = pyotp.TOTP(secret[1]).at(int(self.clock.seconds()))
        body = {"csrf": _csrf(page), "secret": secret[1], "password": PASSWORD}
        wrong = browser.post("me/second-factor", body | {"code": "000000"})
        self.assertEqual(wrong.code, 422)
        self.assertIn(secret[1], wrong.body.decode())
        answer = browser.post("me/second-factor", body | {"code": code})
        self.assertEqual(answer.code, 200, text_of(answer))
        return secret[1], re.findall(r"<li><code>([\w-]+)</code>", answer.body.decode())

    def halfway(self) -> Browser:
        browser = self.browser()
        answer = browser.log_in("juliet")
        self.assertEqual(field(answer, "Location"), "/console/login/code")
        self.assertEqual(browser.get().code, 303)  # the password alone is not enough
        return browser

    def test_codes(self) -> None:
        secret, recovery = self.turn_on(self.browser("juliet"))
        self.assertEqual(len(set(recovery)), totp.RECOVERY_CODES)
        browser = self.halfway()
        used = pyotp.TOTP(secret).at(int(self.clock.seconds()))
        # The code that turned it on does not count again (RFC 6238 5.2).
        self.assertEqual(browser.submit("login/code", "login/code", code=used).code, 422)
        self.pump(30)
        fresh = pyotp.TOTP(secret).at(int(self.clock.seconds()))
        self.assertEqual(browser.submit("login/code", "login/code", code=f"{fresh[:3]} {fresh[3:]}").code, 303)
        browser.see()
        again = self.halfway()
        self.assertEqual(again.submit("login/code", "login/code", code=fresh).code, 422)
        self.assertEqual(again.submit("login/code", "login/code", code=recovery[0].upper()).code, 303)
        once_more = self.halfway()
        self.assertEqual(once_more.submit("login/code", "login/code", code=recovery[0]).code, 422)

    def test_too_many_codes(self) -> None:
        self.turn_on(self.browser("juliet"))
        browser = self.halfway()
        for _ in range(5):
            self.assertEqual(browser.submit("login/code", "login/code", code="000000").code, 422)
        form = browser.see("login/code")
        answer = browser.post("login/code", {"csrf": _csrf(form), "code": "000000"})
        self.assertEqual(field(answer, "Location"), "/console/login")

    def test_too_many_codes_whoever_has_the_password(self) -> None:
        """Who knows the password comes to the second form as often as they like, and from where its owner does."""
        secret, recovery = self.turn_on(self.browser("juliet"))
        for _ in range(2):
            browser = self.halfway()
            for _ in range(5):
                self.assertEqual(browser.submit("login/code", "login/code", code="000000").code, 422)
        self.pump(30)
        browser = self.halfway()
        for code in (pyotp.TOTP(secret).at(int(self.clock.seconds())), recovery[0]):
            self.assertEqual(browser.submit("login/code", "login/code", code=code).code, 429)
        self.pump(3600, step=60)
        self.assertEqual(self.halfway().submit("login/code", "login/code", code=recovery[0]).code, 303)

    def test_time_runs_out(self) -> None:
        self.turn_on(self.browser("juliet"))
        browser = self.halfway()
        self.pump(301, step=60)
        self.assertEqual(field(browser.get("login/code"), "Location"), "/console/login")

    def test_off(self) -> None:
        browser = self.browser("juliet")
        self.turn_on(browser)
        self.assertEqual(browser.submit("me", "me/second-factor/off", **{"off-password": "wrong"}).code, 422)
        self.assertEqual(browser.submit("me", "me/second-factor/off", **{"off-password": PASSWORD}).code, 303)
        self.assertEqual(field(self.browser().log_in("juliet"), "Location"), "/console/")

    def test_reset(self) -> None:
        self.turn_on(self.browser("juliet"))
        self.operate("console", "console totp reset", account="juliet@example.org")
        self.assertEqual(field(self.browser().log_in("juliet"), "Location"), "/console/")
        problem = self.refuse_to_operate("console", "console totp reset", account="juliet@example.org")
        self.assertEqual(problem, "juliet@example.org has no second factor")

    def test_password(self) -> None:
        """Changing it ends all sessions; a wrong old one is a guess."""
        browser, other = self.browser("juliet"), self.browser("juliet")
        new = "thou knowest the mask of night"
        wrong = browser.submit("me", "me/password", password="wrong", new=new, again=new)
        self.assertEqual(wrong.code, 422)
        self.assertIn("That is not your password.", text_of(wrong))
        short = browser.submit("me", "me/password", password=PASSWORD, new="short", again="short")
        self.assertIn("It needs 10 characters at least.", text_of(short))
        self.assertEqual(browser.submit("me", "me/password", password=PASSWORD, new=new, again=new).code, 303)
        self.assertEqual([one.get().code for one in (browser, other)], [303, 303])
        self.assertEqual(self.browser().log_in("juliet", new).code, 303)


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found is not None
    return found[1]
