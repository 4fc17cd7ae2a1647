"""What the tests of uploads share: slots, and files that are put there and got."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from xmppd.api.http import Headers, Request
from xmppd.net.http.answers import Answer
from xmppd.testing.client import Client
from xmppd.wire.errors import StanzaError
from xmppd.wire.xml import escape_attribute, parse, serialise

from ..kit import PluginTestCase

__all__ = ["BASE", "NS", "SERVICE", "UploadTestCase", "request_of", "taken"]

NS = "urn:xmpp:http:upload:0"
BASE = "https://example.org:5281"
SERVICE = "upload.example.org"


def request_of(method: str, url: str, **headers: str) -> Request:
    """Return a request for a URL."""
    parts = urlsplit(url)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, unquote(parts.path), parts.query, Headers(fields), b"", parts.hostname or "", "192.0.2.1")


def taken(client: Any) -> str:
    """Return what came next."""
    return serialise(client.take()).decode()


class UploadTestCase(PluginTestCase):
    """A server with uploads."""

    plugins: ClassVar[tuple[str, ...]] = ("disco", "http_upload")
    hosts = {"example.org": {"http_url": BASE}}

    def setUp(self) -> None:
        super().setUp()
        self._asked = 0

    @property
    def folder(self) -> Path:
        """Where files are."""
        return self.host.data_dir / "http_upload" / "example.org"

    def files(self) -> list[str]:
        """What there is in the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def answer(self, client: Any, name: str, size: object, type: str | None, purpose: str) -> str:
        """Return what is answered to a request for a slot."""
        self._asked += 1
        content_type = "" if type is None else f" content-type='{escape_attribute(type)}'"
        sender = "" if isinstance(client, Client) else f" from='{client.sender}'"
        client.send(
            f"<iq type='get' id='slot{self._asked}' to='{SERVICE}'{sender}><request xmlns='{NS}'"
            f" filename='{escape_attribute(name)}' size='{size}'{content_type}>{purpose}</request></iq>"
        )
        return taken(client)

    def slot(
        self, client: Any, name: str = "me.png", size: object = 4, type: str | None = "image/png", purpose: str = ""
    ) -> tuple[str, str]:
        """Return the two URLs of a new slot."""
        answered = self.answer(client, name, size, type, purpose)
        found = re.search(r"<put url='([^']*)'/><get url='([^']*)'/>", answered)
        assert found is not None, answered
        return found[1].replace("&amp;", "&"), found[2]

    def refused(
        self, client: Any, name: str = "me.png", size: object = 4, type: str | None = "image/png", purpose: str = ""
    ) -> StanzaError:
        """Return why there is no slot."""
        answered = self.answer(client, name, size, type, purpose)
        iq = parse(answered.encode())[0]
        self.assertEqual(iq["type"], "error", answered)
        return StanzaError.from_element(next(child for child in iq.elements() if child.name == "error"))

    def put(
        self, url: str, data: bytes | Iterable[bytes | Exception] = b"data", length: int | None = -1, **headers: str
    ) -> Answer:
        """Put a file.

        :param length: what the client says; None: nothing; -1: what is true.
        """
        chunks: Iterable[bytes | Exception] = [data] if isinstance(data, bytes) else data
        if length == -1:
            chunks = list(chunks)
            length = sum(len(chunk) for chunk in chunks if isinstance(chunk, bytes))
        fields = {"content_type": "image/png", **headers}
        if length is not None:
            fields["content_length"] = str(length)
        return self.put_http(request_of("PUT", url, **fields), chunks)

    def get(self, url: str, **headers: str) -> Answer:
        """Get a file."""
        return self.ask_http(request_of("GET", url, **headers))

    def upload(self, client: Any, data: bytes = b"data", **request: Any) -> str:
        """Upload a file, and return where it is."""
        put, get = self.slot(client, size=len(data), **request)
        answered = self.put(put, data, content_type=request.get("type", "image/png"))
        self.assertEqual(answered.code, 201, answered.body)
        return get
