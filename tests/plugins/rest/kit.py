"""What the tests of the HTTP interface share."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from tests.plugins.kit import PluginTestCase
from xmppd.api.http import Headers, Request
from xmppd.net.http.answers import Answer
from xmppd.plugins.rest import ROOT

__all__ = ["RestTestCase", "content", "fields"]


def content(answer: Answer) -> Any:
    """Return what an answer says, as data."""
    return json.loads(answer.body)


def fields(answer: Answer) -> dict[str, str]:
    """Return the header fields of an answer."""
    return {name.decode().lower(): value.decode() for name, value in answer.headers}


class RestTestCase(PluginTestCase):
    """A host with the plugin.

    :ivar secret: a token that may do everything on the server.
    """

    plugins: ClassVar[tuple[Any, ...] | None] = ("rest", "roster", "announce", "muc", "disco")

    def setUp(self) -> None:
        super().setUp()
        self.secret = self.token("everything", scopes="*", server_wide=True)

    def done(self, coming: Awaitable[Any]) -> Any:
        """Return the result of an operation."""
        return self.wait(coming)

    def token(self, label: str, **options: Any) -> str:
        """Make a token and return it."""
        operations = self.server.server.operations
        made: str = self.done(operations.run("token add", {"label": label, **options}))["token"]
        return made

    def request(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, peer: str = "192.0.2.1",
        secure: bool = True, host: str = "example.org", **headers: str,
    ) -> Request:  # fmt: skip
        """Return a request.

        :param path: beneath the root, with a query if there is one; not encoded.
        :param body: data, or octets.
        :param token: the one that may everything, unless it is said; "" for none.
        :param headers: underscores stand for hyphens.
        """
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {self.secret if token is None else token}"} if token != "" else {}
        given["Content-Length"] = str(len(data))
        if data:
            given["Content-Type"] = "application/json"
        given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        where, _, query = path.partition("?")
        return Request(method, f"{ROOT}{where}", query, Headers(given), data, host, peer, secure)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Return the answer to a request; see :meth:`request`."""
        request = self.request(method, path, body, **more)
        return self.put_http(request, [request.body] if request.body else [])

    def get(self, path: str, **query: str) -> Any:
        """Return what is answered to a GET that has to succeed."""
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        answer = self.ask("GET", f"{path}?{asked}" if asked else path)
        self.assertEqual(answer.code, 200, answer.body)
        return content(answer)

    def refused(self, answer: Answer, code: int, problem: str) -> Mapping[str, Any]:
        """Check that an answer is a problem, and return it."""
        said: dict[str, Any] = content(answer)
        self.assertEqual((answer.code, said["code"]), (code, problem), said)
        self.assertEqual(answer.type, b"application/problem+json")
        self.assertEqual((said["status"], bool(said["title"]), bool(said["detail"])), (code, True, True))
        self.assertNotIn("Traceback", said["detail"])
        return said
