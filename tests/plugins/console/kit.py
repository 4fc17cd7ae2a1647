"""What the tests of the console share: a browser without a screen, that keeps a cookie and fills in forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from tests.plugins.kit import PluginTestCase
from xmppd.api.http import Headers, Request
from xmppd.net.http.answers import Answer
from xmppd.testing.http import answered

__all__ = ["PASSWORD", "Browser", "ConsoleTestCase", "text_of"]

PASSWORD = "a rose by any other name"


class _Page(HTMLParser):
    """The forms of a page: by action, the fields with what they hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._form: dict[str, str] = {}
        self._into = ""  # the name of the field that text belongs to
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        name, value = given.get("name") or "", given.get("value")
        if tag == "form" and (given.get("method") or "").lower() == "post":
            self._form = self.forms.setdefault(given["action"] or "", {})
        elif tag == "form":
            self._form = {}
        elif tag == "input" and name and (given.get("type") != "checkbox" or "checked" in given):
            self._form[name] = value or ""
        elif tag in ("textarea", "select") and name:
            self._into, self._form[name] = name, ""
        elif tag == "option" and self._into and ("selected" in given or not self._form[self._into]):
            self._form[self._into] = value if value is not None else ""

    def handle_data(self, data: str) -> None:
        if self._into and self.lasttag == "textarea":
            self._form[self._into] += data
        elif self._into and self.lasttag == "option" and data.strip() and not self._form[self._into]:
            self._form[self._into] = data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("textarea", "select"):
            self._into = ""


class Browser:
    """Somebody who looks at the console.

    :param peer: where they come from.
    :param secure: by HTTPS.
    :param host: whose console.
    """

    def __init__(
        self,
        case: ConsoleTestCase,
        peer: str = "127.0.0.1",
        secure: bool = False,
        language: str = "en",
        host: str = "example.org",
    ) -> None:
        self.case, self.peer, self.secure, self.language, self.host = case, peer, secure, language, host
        self.cookie = ""
        self.more: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Ask for a path beneath /console/, and keep the cookie."""
        path, _, query = path.partition("?")
        fields = {"host": self.host, "accept-language": self.language, **self.more}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            fields["cookie"] = f"other=1; {self.cookie}"
        where = path if path.startswith("/") else f"/console/{path}"
        answer = self.case.ask_patiently(
            Request(method, where, query, Headers(fields), body, self.host, self.peer, self.secure)
        )
        for name, value in answer.headers:
            if name.lower() == b"set-cookie":
                self.cookie = value.decode().partition(";")[0]
        return answer

    def get(self, path: str = "", **headers: str) -> Answer:
        """Look at a page."""
        return self.ask("GET", path, b"", **headers)

    def see(self, path: str = "") -> str:
        """Look at a page that has to be there, and return its text."""
        answer = self.get(path)
        self.case.assertEqual(answer.code, 200, answer.body.decode())
        return answer.body.decode()

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        """Send a form just so."""
        headers = {"origin": f"{'https' if self.secure else 'http'}://{self.host}", **headers}
        return self.ask("POST", path, urlencode(fields).encode(), **headers)

    def submit(self, page: str, action: str, **fields: str) -> Answer:
        """Look at a page, fill in the form on it with that action, and send it."""
        answer = self.get(page)
        forms = _Page(answer.body.decode()).forms
        found = next((path for path in forms if urlsplit(path).path == f"/console/{action}"), None)
        self.case.assertIsNotNone(found, f"{page} has no form for {action}, but {list(forms)}: {answer.code}")
        return self.post(action, {**forms[found or ""], **fields})

    def log_in(self, account: str, password: str = PASSWORD) -> Answer:
        """Fill in the first form."""
        return self.submit("login", "login", account=account, password=password)


class ConsoleTestCase(PluginTestCase):
    """A server with the console; juliet is its operator."""

    plugins: ClassVar[Any] = ("console", "roster")
    options: ClassVar[dict[str, Any]] = {"operators": ["juliet@example.org"]}
    hosts: ClassVar[Any] = {}

    def setUp(self) -> None:
        type(self).hosts = self.prepare()
        super().setUp()
        self.account("juliet@example.org", PASSWORD)

    def prepare(self) -> dict[str, Any]:
        """Return the hosts, with their tables in the settings."""
        return {"example.org": {"admins": ["bard@example.org"], "console": self.options}}

    def ask_patiently(self, request: Request) -> Answer:
        """Return the answer to a request; who was wrong has to wait for it."""
        hosts = self.server.server.hosts
        return self.wait(answered(request, [request.body], hosts, self.server.server.settings), 3)

    def browser(self, account: str = "", role: str = "", **more: Any) -> Browser:
        """Return somebody's browser; of an account that has logged in, with that role.

        The account is made if need be.
        """
        browser = Browser(self, **more)
        if account:
            jid = account if "@" in account else f"{account}@example.org"
            self.account(jid, PASSWORD)
            if role:
                self.operate("console", "console grant", account=jid, role=role)
            answer = browser.log_in(account)
            self.assertEqual(answer.code, 303, text_of(answer))
        return browser


def text_of(answer: Answer) -> str:
    """Return what is to be read on a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.body.decode()).split())
