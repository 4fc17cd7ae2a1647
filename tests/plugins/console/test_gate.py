"""Whom the console talks to, and which forms it takes."""

from __future__ import annotations

import unittest
from urllib.parse import urlsplit

from tests.plugins.console.kit import PASSWORD, ConsoleTestCase, text_of
from tests.plugins.console.test_entrance import field
from xmppd.api.http import Headers, HttpError, Request
from xmppd.plugins.console.gate import LOOPBACK, Networks, check_peer
from xmppd.wire.jid import Jid

EVERYBODY = Networks(("0.0.0.0/0", "::/0"))
HERE = Networks(LOOPBACK)


class Peers(unittest.TestCase):
    def refused(
        self, peer: str, networks: Networks = EVERYBODY, headers: dict[str, str] | None = None, secure: bool = True
    ) -> str:
        """Return why a request is refused, or ""."""
        fields = Headers({name.replace("_", "-"): value for name, value in (headers or {}).items()})
        try:
            check_peer(Request("GET", "/console/", headers=fields, peer=peer, secure=secure), networks)
        except HttpError as error:
            self.assertEqual(error.status, 403)
            return str(error)
        return ""

    def test_networks(self) -> None:
        for peer, expected in (
            ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.1", False),
            ("2001:db8::1", False), ("", False), ("nonsense", False), ("::1%lo", True),
        ):  # fmt: skip
            self.assertEqual(peer in HERE, expected, peer)
        self.assertIn("ssh -L", self.refused("192.0.2.1", HERE))
        self.assertEqual(self.refused("192.0.2.1"), "")

    def test_tls(self) -> None:
        """Without, only the machine itself: nobody else's password shall be read on its way."""
        self.assertIn("HTTPS", self.refused("192.0.2.1", secure=False))
        self.assertEqual(self.refused("127.0.0.1", secure=False), "")

    def test_proxies_that_are_not_trusted(self) -> None:
        """Behind one that the server takes for a client, everybody would come from this machine."""
        for headers in (
            {"x_forwarded_for": "192.0.2.1"},
            {"x_forwarded_for": "127.0.0.1, 192.0.2.1"},
            {"x_forwarded_for": "2001:db8::1"},
            {"forwarded": "for=192.0.2.1"},
            {"forwarded": 'for=127.0.0.1, for="[2001:db8::1]:4711"'},
            {"forwarded": "for=_hidden"},
            {"forwarded": "proto=https"},
            {"via": "1.1 proxy"},
            {"x_real_ip": "192.0.2.1"},
            {"x_forwarded_for": "127.0.0.1", "forwarded": "for=192.0.2.1"},
        ):
            self.assertIn("trusted_proxies", self.refused("127.0.0.1", HERE, headers), headers)
        for headers in ({"x_forwarded_for": "192.0.2.1, 127.0.0.1"}, {"forwarded": 'For="127.0.0.1";proto=https'}):
            self.assertEqual(self.refused("127.0.0.1", HERE, headers), "", headers)
        self.assertEqual(self.refused("192.0.2.1", headers={"x-forwarded-for": "192.0.2.1"}), "")

    def test_wrong_networks(self) -> None:
        with self.assertRaises(ValueError):
            Networks(("192.0.2.0/99",))


class Doors(ConsoleTestCase):
    def test_elsewhere(self) -> None:
        stranger = self.browser(peer="192.0.2.1", secure=True)
        for path in ("", "login", "users", "setup", "static/0/console.css"):
            self.assertEqual(stranger.get(path).code, 403, path)
        self.assertEqual(stranger.post("login", {"account": "juliet", "password": PASSWORD}).code, 403)

    def test_headers(self) -> None:
        """On every page: what browsers let it do, and that nobody keeps or frames it."""
        browser = self.browser("juliet")
        for path in ("", "login?x", "users", "nowhere"):
            answer = browser.get(path)
            if answer.code == 303:
                continue
            policy = field(answer, "Content-Security-Policy")
            self.assertIn("default-src 'none'; script-src 'self'; style-src 'self';", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(field(answer, "X-Frame-Options"), "DENY")
            self.assertEqual(field(answer, "Cache-Control"), "no-store")
            self.assertEqual(field(answer, "Referrer-Policy"), "same-origin")
            text = answer.body.decode()
            self.assertNotRegex(text, r"<style|\sstyle=|\son\w+=|javascript:")
            self.assertEqual(text.count("<script"), text.count("></script>"))

    def test_files(self) -> None:
        """They are at paths of their content, and may be kept for ever."""
        browser = self.browser()
        page = browser.see("login")
        path = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
        answer = browser.get(path)
        self.assertEqual((answer.code, answer.type), (200, b"text/css; charset=utf-8"))
        self.assertIn("immutable", field(answer, "Cache-Control"))
        for wrong in ("static/0000000000000000/console.css", path + "x", "static/../__init__.py", "static/"):
            self.assertEqual(browser.get(wrong).code, 404, wrong)
        self.assertEqual(browser.get("/console").code, 308)

    def test_htmx_is_there(self) -> None:
        page = self.browser("juliet").see()
        path = next(part.split('"')[1] for part in page.split("<script src=") if "htmx.js" in part)
        self.assertIn(b"htmx", self.browser().get(path).body)


class Forms(ConsoleTestCase):
    def test_tokens(self) -> None:
        """A form without its token, with another session's, or from another site, changes nothing."""
        self.account("romeo@example.org")
        browser, other = self.browser("juliet"), self.browser("juliet")
        fields = {"csrf": _token(browser.see("users/romeo@example.org")), "reason": "x"}
        path = "users/romeo@example.org/lock"
        for wrong, headers in (
            ({**fields, "csrf": ""}, {}),
            ({**fields, "csrf": "ü"}, {}),
            ({**fields, "csrf": _token(other.see())}, {}),
            (fields, {"origin": "https://evil.example"}),
            (fields, {"origin": "null"}),
            (fields, {"origin": ""}),
            (fields, {"origin": "http://example.org:8080"}),
            (fields, {"sec_fetch_site": "cross-site"}),
            (fields, {"sec_fetch_site": "same-site"}),
            (fields, {"sec_fetch_site": "none"}),
        ):
            self.assertEqual(browser.post(path, wrong, **headers).code, 403, (wrong, headers))
        self.assertIsNone(self._locked())
        self.assertEqual(browser.post(path, fields, sec_fetch_site="same-origin", origin="").code, 303)
        self.assertEqual(self._locked(), "x")

    def _locked(self) -> str | None:
        account = self.wait(self.server.accounts.get(Jid.parse("romeo@example.org")))
        return None if account is None else account.locked

    def test_login(self) -> None:
        """Nobody is logged in by another site as somebody else."""
        answer = self.browser().post("login", {"account": "juliet", "password": PASSWORD})
        self.assertEqual((answer.code, field(answer, "Location")), (303, "/console/login"))
        browser = self.browser()
        page = browser.get("login")
        self.assertEqual(browser.post("login", {"account": "juliet", "password": PASSWORD}).code, 403)
        fields = {"csrf": _token(page.body.decode()), "account": "juliet", "password": PASSWORD}
        self.assertEqual(browser.post("login", fields, origin="https://evil.example").code, 403)
        self.assertEqual(browser.post("login", fields).code, 303)

    def test_logout(self) -> None:
        browser = self.browser("juliet")
        self.assertEqual(browser.post("logout", {}).code, 403)
        browser.see()

    def test_no_get_changes_anything(self) -> None:
        self.account("romeo@example.org")
        self.assertEqual(self.browser("juliet").get("users/romeo@example.org/lock").code, 404)

    def test_bodies(self) -> None:
        browser = self.browser("juliet")
        self.assertEqual(browser.ask("POST", "users/new", b"\xff=1").code, 400)
        self.assertEqual(urlsplit(field(browser.ask("POST", "x", b""), "Location")).path, "")

    def test_what_is_escaped(self) -> None:
        evil = "<script>alert(1)</script>"
        browser = self.browser("juliet")
        answer = browser.submit("users/new", "users/new", jid=evil + "@x", password="", again="")
        self.assertNotIn(evil, answer.body.decode())
        self.assertIn("That is no address", text_of(answer))
        self.assertNotIn(evil, browser.get(f"users?search={evil}").body.decode())


def _token(page: str) -> str:
    return page.partition('name="csrf" value="')[2].partition('"')[0]
