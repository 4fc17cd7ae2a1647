"""Roles: what is shown, what is possible, and how the first one gets in."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.plugins.console.kit import PASSWORD, ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.plugins.console.pages import Group
from xmppd.plugins.console.roles import ROLES
from xmppd.plugins.console.site import collect
from xmppd.wire.jid import Jid

CHOSEN = {"password": "a glooming peace", "again": "a glooming peace"}


def menu(page: str) -> list[str]:
    """Return what is in the menu."""
    side = page.partition('<aside class="side">')[2].partition("</aside>")[0]
    return re.findall(r'href="/console/([^"]*)"', side)


class WhatIsShown(ConsoleTestCase):
    def test_menus(self) -> None:
        """Each role has less than the one above; nobody is shown what they may not."""
        menus = {role: menu(self.browser(role, role).see()) for role in ROLES}
        self.assertLess(set(menus["viewer"]), set(menus["operator"]))
        self.assertLessEqual(set(menus["admin"]), set(menus["operator"]))
        self.assertIn("users", menus["viewer"])
        self.assertNotIn("users", menus["sender"])
        for role, paths in menus.items():
            browser = self.browser(role)
            for path in menus["operator"]:
                self.assertEqual(browser.get(path).code, 200 if path in paths else 404, (role, path))

    def test_a_viewer_changes_nothing(self) -> None:
        self.account("romeo@example.org")
        browser = self.browser("viewer", "viewer")
        page = browser.see("users/romeo@example.org")
        self.assertEqual(set(re.findall(r'<form method="post" action="([^"]*)"', page)), {"/console/logout"})
        self.assertNotIn("New user", browser.see("users"))
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        for action in collect().actions:
            if action.needs:
                path = re.sub(r"\{\w+\}", "romeo@example.org", action.path)
                self.assertEqual(browser.post(path, {"csrf": token}).code, 404, path)

    def test_every_action_needs_something(self) -> None:
        """But those for one's own access; so no action is possible that no operation stands for."""
        free = {action.path for action in collect().actions if not action.needs}
        self.assertEqual({path for path in free if not path.startswith("me/")}, set())

    def test_pages_have_a_place(self) -> None:
        site = collect()
        listed = {page.path for page in site.pages if page.group is not None}
        for page in site.pages:
            self.assertTrue(page.within in listed or page.path.startswith("me"), page.path)
            self.assertTrue(page.group is None or page.icon, page.path)
        self.assertEqual(next(group.name for group in Group), "OVERVIEW")

    def test_escalation(self) -> None:
        """An administrator can't become operator by an operator's password."""
        browser = self.browser("bard")
        for action, fields in (
            ("password", {"password": "x" * 12}),
            ("lock", {}),
            ("delete", {"sure": "juliet@example.org"}),
        ):
            page = "users/juliet@example.org" + ("/delete" if action == "delete" else "")
            answer = browser.submit(page, f"users/juliet@example.org/{action}", **fields)
            self.assertEqual(answer.code, 422, action)
            self.assertIn("only operators can do that", text_of(answer))
        self.assertEqual(self.browser("juliet").get().code, 200)

    def test_escalation_by_another_way_to_write_an_address(self) -> None:
        """An address is the same however it is written (RFC 7622 section 3)."""
        browser = self.browser("bard")
        page = browser.see("users/juliet@example.org")
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        for account in ("JULIET@example.org", "juliet@EXAMPLE.org", "ｊｕｌｉｅｔ@example.org", "juliet@example.org."):
            fields = {"csrf": token, "password": "y" * 12, "sure": account.lower()}
            for action in ("password", "lock", "delete"):
                answer = browser.post(f"users/{account}/{action}", fields)
                self.assertIn("only operators can do that", text_of(answer), (account, action))
        for action in ("lock", "delete"):
            answer = browser.post(f"users/BARD@example.org/{action}", {"csrf": token, "sure": "bard@example.org"})
            self.assertIn("That is your own account", text_of(answer), action)
        self.assertEqual(self.browser("juliet").get().code, 200)

    def test_oneself(self) -> None:
        browser = self.browser("juliet")
        page = browser.see("users/juliet@example.org")
        self.assertNotIn("Lock the account", page)
        token = page.partition('name="csrf" value="')[2].partition('"')[0]
        answer = browser.post("users/juliet@example.org/lock", {"csrf": token})
        self.assertIn("That is your own account", text_of(answer))


class Granting(ConsoleTestCase):
    def test_grant_and_revoke(self) -> None:
        self.account("romeo@example.org", PASSWORD)
        browser = self.browser("juliet")
        self.assertEqual(browser.submit("roles", "roles", account="romeo", role="viewer").code, 303)
        self.assertIn("romeo@example.org may use the console now.", browser.see("roles"))
        romeo = self.browser("romeo")
        romeo.see()
        answer = browser.submit("roles", "roles/revoke", account="romeo@example.org")
        self.assertEqual(answer.code, 303)
        self.assertEqual(romeo.get().code, 303)

    def test_wrong(self) -> None:
        browser = self.browser("juliet")
        answer = browser.submit("roles", "roles", account="nobody", role="viewer")
        self.assertEqual(answer.code, 422)
        self.assertIn("there is no account nobody@example.org", text_of(answer))
        self.account("romeo@example.org")
        answer = browser.submit("roles", "roles", account="romeo", role="king")
        self.assertIn("must be one of operator, admin, sender, viewer", text_of(answer))
        self.assertEqual(
            self.refuse_to_operate("console", "console revoke", account="bard@example.org"),
            "bard@example.org has its role from admins, in the settings",
        )
        self.assertEqual(
            self.refuse_to_operate("console", "console revoke", account="romeo@example.org"),
            "romeo@example.org has no role in the console",
        )

    def test_the_mightiest_counts(self) -> None:
        self.operate("console", "console grant", account="juliet@example.org", role="viewer")
        rows = {row["account"]: (row["role"], row["by"]) for row in self.operate("console", "console roles")}
        self.assertEqual(rows["juliet@example.org"], ("operator", "operators"))
        self.assertEqual(rows["bard@example.org"], ("admin", "admins"))

    def test_who_comes_after(self) -> None:
        """An account that is made anew has nothing of the one before."""
        self.browser("romeo", "admin")
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        self.account("romeo@example.org", PASSWORD)
        self.assertEqual(self.browser().log_in("romeo").code, 422)


class FirstRun(ConsoleTestCase):
    options: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        self.said: list[str] = []

        @provider(ILogObserver)  # type: ignore[untyped-decorator]
        def observe(event: Any) -> None:
            if event.get("log_namespace") == "xmppd.plugins.console":
                self.said.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        super().setUp()

    def code(self) -> str:
        """Return the code that the log tells."""
        found = re.search(r"types ([a-z0-9-]{14}) there", self.said[0])
        assert found is not None
        return found[1]

    def test_first_run(self) -> None:
        browser = self.browser()
        self.assertIn("Set it up", browser.see("login"))
        answer = browser.submit("setup", "setup", code=self.code().upper(), account="nurse", **CHOSEN)
        self.assertEqual((answer.code, field(answer, "Location")), (303, "/console/"))
        self.assertIn("roles", menu(browser.see()))
        other = self.browser()
        self.assertNotIn("Set it up", other.see("login"))
        self.assertNotIn('name="code"', other.see("setup"))
        problem = self.refuse_to_operate("console", "console setup")
        self.assertIn("there are people who may use the console", problem)

    def test_wrong(self) -> None:
        browser = self.browser()
        for fields, problem in (
            ({"code": "aaaa-bbbb-cccc"}, "That is not the code"),
            ({"password": "short", "again": "short"}, "It needs 10 characters at least."),
            ({"again": "another"}, "That is another one than above."),
            ({"account": "a b@"}, "be a name."),
            ({"account": "nurse@elsewhere.example"}, "be a name."),
            ({"account": "juliet"}, "juliet@example.org exists already"),
        ):
            answer = browser.submit("setup", "setup", **{"code": self.code(), "account": "nurse", **CHOSEN, **fields})
            self.assertEqual(answer.code, 422, fields)
            self.assertIn(problem, text_of(answer))
        self.assertEqual(browser.submit("setup", "setup", code=self.code(), account="nurse", **CHOSEN).code, 303)

    def test_the_code_ends(self) -> None:
        self.pump(3601, step=600)
        browser = self.browser()
        self.assertEqual(browser.submit("setup", "setup", code=self.code(), account="nurse", **CHOSEN).code, 422)
        code = self.operate("console", "console setup")["code"]
        self.assertEqual(browser.submit("setup", "setup", code=code, account="nurse", **CHOSEN).code, 303)

    def test_guesses(self) -> None:
        """The code is void after ten."""
        browser = self.browser()
        for _ in range(10):
            self.assertEqual(browser.submit("setup", "setup", code="x", account="nurse", **CHOSEN).code, 422)
        self.assertEqual(browser.submit("setup", "setup", code=self.code(), account="nurse", **CHOSEN).code, 422)

    def test_the_settings_name_somebody(self) -> None:
        """Who is named in the settings and has an account can let others in; so there is no first run."""
        self.account("bard@example.org", PASSWORD)
        self.assertNotIn("Set it up", self.browser().see("login"))
        browser = self.browser()
        self.assertNotIn('name="code"', browser.see("setup"))


class SeveralHosts(ConsoleTestCase):
    """Each host has a console of its own, and the server one operator or several."""

    def setUp(self) -> None:
        super().setUp()
        self.account("paris@example.net", PASSWORD)
        self.account("juliet@example.net", PASSWORD)

    def prepare(self) -> dict[str, Any]:
        return {"example.org": {"console": self.options}, "example.net": {"admins": ["paris@example.net"]}}

    def test_operator(self) -> None:
        """Sees the whole server; who is granted a role gets it where their account is."""
        browser = self.browser("juliet")
        self.assertIn("paris@example.net", browser.see("users"))
        self.assertEqual(browser.submit("roles", "roles", account="juliet@example.net", role="viewer").code, 303)
        self.assertNotIn("juliet@example.net</a>", browser.see("roles"))
        other = self.browser(host="example.net")
        self.assertEqual(other.log_in("juliet").code, 303)
        self.assertNotIn("juliet@example.org", other.see("users"))

    def test_administrator(self) -> None:
        """Sees their own host alone, and nobody else's host lets them in."""
        browser = self.browser(host="example.net")
        self.assertEqual(browser.log_in("paris").code, 303)
        self.assertNotIn("juliet@example.org", browser.see("users"))
        self.assertEqual(browser.get("users/juliet@example.org").code, 403)
        self.assertEqual(self.browser().log_in("paris@example.net").code, 422)
        theirs = browser.cookie
        browser = self.browser()
        browser.cookie = theirs
        self.assertEqual(browser.get("users").code, 303)  # a session is one host's
