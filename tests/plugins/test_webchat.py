"""The web chat: what browsers get, of which folder, and what an operator is told when it can't be."""

from __future__ import annotations

import gzip
import json
import os
from datetime import date
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar

from pydantic import ValidationError
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.plugins.kit import PluginTestCase
from xmppd.api.http import Headers, Request
from xmppd.net.http.answers import Answer
from xmppd.plugins.webchat import Webchat
from xmppd.plugins.webchat.package import NoPackage, read
from xmppd.plugins.webchat.page import html, origin, policy, settings

FILES = {
    "manifest.json": b'{"name": "Converse Chat", "version": "14.0.0"}',
    "converse.min.js": b"export default {};\n" * 100,
    "converse.min.css": b"body {}\n",
    "converse.min.js.map": b"{}",
    "chunkjs/locales/de.js": b"// de\n",
    "images/favicon.ico": b"\0\0\1\0",
    "images/logo/conversejs-filled.svg": b"<svg/>",
    "curve25519_compiled.wasm": b"\0asm",
    "README": b"for who reads it",
}


def write_package(folder: Path) -> Path:
    """Write what looks like the package, and return its folder."""
    for name, data in FILES.items():
        path = folder / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "package.json").write_text('{"name": "converse.js"}')
    (folder / "secret.js").write_text("not served")
    return folder


class WebchatTestCase(PluginTestCase):
    """A host with the plugin, and the package beside it."""

    plugins = ("webchat",)
    options: ClassVar[dict[str, Any]] = {}
    of_host: ClassVar[dict[str, Any]] = {"http_url": "https://chat.example.org:5281"}

    def setUp(self) -> None:
        self.folder = Path(mkdtemp())
        self.package = write_package(self.folder / "package")
        self.logged: list[tuple[LogLevel, str]] = []

        @provider(ILogObserver)  # type: ignore[untyped-decorator]
        def observe(event: Any) -> None:
            if event.get("log_namespace") == "xmppd.plugins.webchat":
                self.logged.append((event["log_level"], formatEvent(event)))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        options = {"files": str(self.package), **self.options}
        type(self).hosts = {"example.org": {**self.of_host, "webchat": options}}
        super().setUp()

    def get(self, path: str, **headers: str) -> Answer:
        """Return the answer to a request."""
        fields = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        return self.ask_http(Request("GET", path, headers=fields, host="example.org"))

    def field(self, answer: Answer, name: str) -> str:
        """Return a field of an answer, or ""."""
        return next((value.decode() for key, value in answer.headers if key.decode().lower() == name.lower()), "")

    def told(self) -> dict[str, Any]:
        """Return what converse.js is told."""
        return dict(json.loads(self.get("/chat/settings.json").body))

    def problems(self) -> list[str]:
        """Return what the operator was told to be wrong, and forget it."""
        found = [text for level, text in self.logged if level is LogLevel.error]
        self.logged.clear()
        return found


class Served(WebchatTestCase):
    def assets(self) -> str:
        return str(self.told()["assets_path"])

    def test_page(self) -> None:
        page = self.get("/chat/")
        self.assertEqual((page.code, page.type), (200, b"text/html; charset=utf-8"))
        text, assets = page.body.decode(), self.assets()
        self.assertIn(f'<script type="module" src="{assets}/converse.min.js"></script>', text)
        self.assertIn(f'<link rel="stylesheet" href="{assets}/converse.min.css">', text)
        self.assertIn("<title>example.org</title>", text)
        allowed = self.field(page, "Content-Security-Policy")
        self.assertIn("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';", allowed)
        self.assertIn("; connect-src 'self' wss://chat.example.org:5281 https://chat.example.org:5281;", allowed)
        self.assertIn("frame-ancestors 'none'", allowed)
        # The policy allows no script in the page, and there is none.
        self.assertEqual(text.count("<script"), text.count("></script>"))
        self.assertEqual([text for level, text in self.logged if level is LogLevel.info],
                         ["converse.js 14.0.0 is at https://chat.example.org:5281/chat/"])  # fmt: skip

    def test_without_slash(self) -> None:
        answer = self.get("/chat")
        self.assertEqual((answer.code, self.field(answer, "Location")), (308, "/chat/"))

    def test_settings(self) -> None:
        told = self.told()
        self.assertEqual(told["websocket_url"], "wss://chat.example.org:5281/xmpp-websocket")
        self.assertEqual(told["bosh_service_url"], "https://chat.example.org:5281/http-bind")
        self.assertEqual(told["locked_domain"], "example.org")
        self.assertEqual((told["authentication"], told["view_mode"]), ("login", "fullscreen"))
        self.assertFalse(told["allow_registration"])
        self.assertEqual(told["auto_join_rooms"], [])
        # It asks nobody else for anything.
        self.assertFalse(told["discover_connection_methods"])
        self.assertEqual([told[name] for name in ("autocomplete_providers_url", "xmpp_providers_url")], ["", ""])
        self.assertNotIn("theme", told)
        self.assertNotIn("i18n", told)

    def test_start(self) -> None:
        start = self.get("/chat/start.js")
        self.assertEqual(start.type, b"text/javascript; charset=utf-8")
        self.assertIn(b"window.converse.initialize", start.body)

    def test_asked_again(self) -> None:
        """RFC 9110 section 13.1.2."""
        for name in ("", "start.js", "settings.json"):
            first = self.get(f"/chat/{name}")
            self.assertEqual(self.field(first, "Cache-Control"), "no-cache")
            again = self.get(f"/chat/{name}", If_None_Match=self.field(first, "ETag"))
            self.assertEqual((again.code, again.body), (304, b""))
            self.assertEqual(self.get(f"/chat/{name}", If_None_Match='"other"').code, 200)

    def test_files(self) -> None:
        types = {
            "converse.min.js": b"text/javascript; charset=utf-8",
            "converse.min.css": b"text/css; charset=utf-8",
            "chunkjs/locales/de.js": b"text/javascript; charset=utf-8",
            "images/favicon.ico": b"image/vnd.microsoft.icon",
            "images/logo/conversejs-filled.svg": b"image/svg+xml",
            "curve25519_compiled.wasm": b"application/wasm",
        }
        for name, type_ in types.items():
            answer = self.get(f"{self.assets()}/{name}")
            self.assertEqual((answer.code, answer.type, answer.body), (200, type_, FILES[name]))
            self.assertEqual(self.field(answer, "Cache-Control"), "public, max-age=31536000, immutable")
            self.assertNotEqual(self.field(answer, "ETag"), "")
            again = self.get(f"{self.assets()}/{name}", If_None_Match=self.field(answer, "ETag"))
            self.assertEqual(again.code, 304)

    def test_compressed(self) -> None:
        name = f"{self.assets()}/converse.min.js"
        for coding in ("gzip", "br, GZIP;q=0.5", "deflate,gzip ; q=1"):
            answer = self.get(name, Accept_Encoding=coding)
            self.assertEqual((answer.code, self.field(answer, "Content-Encoding")), (200, "gzip"))
            self.assertEqual(self.field(answer, "Vary"), "Accept-Encoding")
            self.assertLess(len(answer.body), 200)
            self.assertEqual(gzip.decompress(answer.body), FILES["converse.min.js"])
        for coding in ("", "br", "gzip;q=0", "gzip; q=0.000", "x-gzip"):
            answer = self.get(name, Accept_Encoding=coding)
            self.assertEqual((answer.body, self.field(answer, "Content-Encoding")), (FILES["converse.min.js"], ""))

    def test_nothing_else(self) -> None:
        assets = self.assets()
        absent = (
            "other", "start.js/", "index.html", f"{assets}/", f"{assets}/images/", f"{assets}/README",
            f"{assets}/converse.min.js.map", f"{assets}/../secret.js", f"{assets}//converse.min.js",
            f"{assets}/nothing.js", "14.0.0/converse.min.js", f"{assets}/package.json", f"{assets}/.",
            f"{assets}/converse.min.js.gz", f"{assets}/converse.min.js\0",
        )  # fmt: skip
        for name in absent:
            path = name if name.startswith("/") else f"/chat/{name}"
            self.assertEqual(self.get(path).code, 404, path)

    def test_nowhere_else(self) -> None:
        self.assertEqual(self.ask_http(Request("GET", "/chats", host="example.org")).code, 404)
        self.assertEqual(self.ask_http(Request("POST", "/chat/", host="example.org")).code, 405)

    def test_other_files(self) -> None:
        """Other files have other paths, and what was compressed of these is gone."""
        assets = self.assets()
        self.get(f"{assets}/converse.min.js", Accept_Encoding="gzip")
        kept = self.host.data_dir / "webchat" / "example.org"
        self.assertEqual([path.name for path in kept.iterdir()], [assets.rpartition("/")[2]])
        (self.package / "dist" / "converse.min.js").write_bytes(b"other")
        os.utime(self.package / "dist" / "converse.min.js", (2, 2))
        self.get("/chat/")
        self.assertNotEqual(self.assets(), assets)
        self.assertEqual(self.get(f"{assets}/converse.min.js").code, 404)
        self.assertEqual(self.get(f"{self.assets()}/converse.min.js", Accept_Encoding="gzip").code, 200)
        self.assertEqual([path.name for path in kept.iterdir()], [self.assets().rpartition("/")[2]])

    def test_files_taken_away(self) -> None:
        (self.package / "dist" / "converse.min.js").unlink()
        self.assertEqual(self.get("/chat/").code, 503)
        (problem,) = self.problems()
        self.assertIn("has no converse.min.js", problem)
        write_package(self.package)
        self.clock.advance(11)
        self.assertEqual(self.get("/chat/").code, 200)

    def test_no_room_for_compressed(self) -> None:
        (self.host.data_dir / "webchat").parent.mkdir(parents=True, exist_ok=True)
        (self.host.data_dir / "webchat").write_text("a file in the way")
        answer = self.get(f"{self.assets()}/converse.min.js", Accept_Encoding="gzip")
        self.assertEqual((answer.body, self.field(answer, "Content-Encoding")), (FILES["converse.min.js"], ""))

    def test_file_vanishes(self) -> None:
        assets = self.assets()
        (self.package / "dist" / "converse.min.css").unlink()
        self.assertEqual(self.get(f"{assets}/converse.min.css").code, 404)
        self.assertEqual(self.get(f"{assets}/converse.min.css", Accept_Encoding="gzip").code, 404)


class Configured(WebchatTestCase):
    options: ClassVar[dict[str, Any]] = {
        "transport": "bosh", "registration": True, "rooms": ["lobby@conference.example.org"], "title": "A <chat>",
        "theme": "dracula", "language": "pt_BR", "connect": ["https://files.example.net", "https:"],
        "settings": {"show_send_button": False, "view_mode": "embedded"},
    }  # fmt: skip

    def test_settings(self) -> None:
        told = self.told()
        self.assertNotIn("websocket_url", told)
        self.assertIn("bosh_service_url", told)
        self.assertTrue(told["allow_registration"])
        self.assertEqual(told["auto_join_rooms"], ["lobby@conference.example.org"])
        self.assertEqual((told["theme"], told["dark_theme"], told["i18n"]), ("dracula", "dracula", "pt_BR"))
        self.assertEqual((told["show_send_button"], told["view_mode"]), (False, "embedded"))

    def test_page(self) -> None:
        page = self.get("/chat/")
        self.assertIn(b"<title>A &lt;chat&gt;</title>", page.body)
        self.assertIn(b'<html lang="pt-BR">', page.body)
        allowed = self.field(page, "Content-Security-Policy")
        self.assertIn("connect-src 'self' https://chat.example.org:5281 https://files.example.net https:;", allowed)


class Guests(WebchatTestCase):
    options: ClassVar[dict[str, Any]] = {
        "authentication": "anonymous", "transport": "websocket", "registration": True,
    }  # fmt: skip
    of_host: ClassVar[dict[str, Any]] = {**WebchatTestCase.of_host, "mechanisms": ["ANONYMOUS"]}

    def test_settings(self) -> None:
        told = self.told()
        self.assertEqual((told["authentication"], told["jid"], told["auto_login"]), ("anonymous", "example.org", True))
        self.assertNotIn("bosh_service_url", told)
        self.assertNotIn("locked_domain", told)
        self.assertFalse(told["allow_registration"])
        self.assertEqual(self.problems(), [])


class NoGuests(WebchatTestCase):
    options: ClassVar[dict[str, Any]] = {"authentication": "anonymous"}

    def test_told(self) -> None:
        (problem,) = self.problems()
        self.assertIn('ANONYMOUS is not among the `mechanisms` of [hosts."example.org"]', problem)


class NotReached(WebchatTestCase):
    config: ClassVar[Any] = {"listen": {"c2s": ["tcp:5222"], "http": ["tcp:5280:interface=127.0.0.1"]}}
    of_host: ClassVar[dict[str, Any]] = {}

    def test_told(self) -> None:
        (problem,) = self.problems()
        self.assertIn("neither WebSocket nor BOSH", problem)
        self.assertEqual(self.get("/chat/").code, 200)


class NoFiles(WebchatTestCase):
    options: ClassVar[dict[str, Any]] = {"files": ""}

    def test_told(self) -> None:
        (problem,) = self.problems()
        self.assertIn("the option `files` is not set", problem)
        self.assertIn("npm pack converse.js", problem)
        answer = self.get("/chat/")
        self.assertEqual(answer.code, 503)
        self.assertIn(b"the server's log tells why", answer.body)


class LaterFiles(WebchatTestCase):
    """The package is put where it belongs after the server was started."""

    options: ClassVar[dict[str, Any]] = {"files": "beside/{converse}"}

    def test_found(self) -> None:
        (problem,) = self.problems()
        folder = self.host.data_dir / "beside" / "{converse}"
        self.assertIn(f"there is no folder {folder}", problem)
        write_package(folder)
        self.assertEqual(self.get("/chat/").code, 503)  # it doesn't look at every request
        self.clock.advance(11)
        self.assertEqual(self.get("/chat/").code, 200)
        self.assertEqual(self.problems(), [])


class Folders(PluginTestCase):
    """Which folders are taken for the package."""

    plugins = ()

    def setUp(self) -> None:
        super().setUp()
        self.package = write_package(Path(mkdtemp()))
        self.dist = self.package / "dist"

    def refused(self, folder: Path) -> str:
        with self.assertRaises(NoPackage) as caught:
            read(folder)
        return str(caught.exception)

    def test_either(self) -> None:
        self.assertEqual(read(self.package), read(self.dist))
        self.assertEqual(read(self.dist).version, "14.0.0")
        self.assertEqual(set(FILES) - set(read(self.dist).files), {"README", "converse.min.js.map"})

    def test_none(self) -> None:
        self.assertIn("there is no folder", self.refused(self.package / "nothing"))
        self.assertIn("there is no folder", self.refused(self.dist / "manifest.json"))
        self.assertIn("has no manifest.json", self.refused(self.dist / "images"))

    def test_other_manifests(self) -> None:
        for content, reason in (
            (b"{", "is no JSON"),
            (b"\xff", "is no JSON"),
            (b"[]", "is not that of converse.js"),
            (b"{}", "is not that of converse.js"),
            (b'{"name": "Movim", "version": "1"}', "is not that of converse.js"),
        ):
            (self.dist / "manifest.json").write_bytes(content)
            self.assertIn(reason, self.refused(self.package))

    def test_odd_version(self) -> None:
        """It becomes part of a path."""
        (self.dist / "manifest.json").write_text('{"name": "converse", "version": "../<x>"}')
        self.assertEqual(read(self.dist).version, "unknown")

    def test_incomplete(self) -> None:
        (self.dist / "converse.min.css").unlink()
        self.assertIn("has no converse.min.css", self.refused(self.dist))

    def test_links(self) -> None:
        """Those that lead out of the folder are not followed."""
        (self.dist / "out.js").symlink_to(self.package / "secret.js")
        (self.dist / "in.js").symlink_to("converse.min.js")
        (self.dist / "broken.js").symlink_to("nothing")
        (self.dist / "etc").symlink_to("/etc")
        names = read(self.dist).files
        self.assertIn("in.js", names)
        self.assertEqual({"out.js", "broken.js"} & set(names), set())
        self.assertFalse(any(name.startswith("etc/") for name in names))

    def test_marks(self) -> None:
        before = read(self.dist).mark
        self.assertEqual(read(self.dist).mark, before)
        os.utime(self.dist / "images" / "favicon.ico", (1, 1))
        self.assertNotEqual(read(self.dist).mark, before)


class Parts(PluginTestCase):
    plugins = ()

    def test_options(self) -> None:
        for wrong in (
            {"rooms": ["lobby"]}, {"rooms": ["a@b/c"]}, {"rooms": ["@"]}, {"language": "german"}, {"theme": "blue"},
            {"connect": ["http://x.example"]}, {"connect": ["https://x.example/path"]}, {"transport": "tcp"},
            {"connect": ["https://x.example; script-src *"]}, {"authentication": "external"},
            {"settings": {"since": date(2026, 1, 1)}}, {"settings": {"a": [float("inf")]}}, {"settings": 1},
        ):  # fmt: skip
            self.assertRaises(ValidationError, Webchat.Options, **wrong)
        Webchat.Options(
            connect=["https:", "wss://x.example:1", "https://*.example.org"], language="de", rooms=["a@b.c"]
        )

    def test_origin(self) -> None:
        self.assertEqual(origin("wss://example.org:1/path?x"), "wss://example.org:1")
        self.assertEqual(origin("https:"), "")
        self.assertEqual(policy(("", "")).count("connect-src 'self';"), 1)

    def test_language(self) -> None:
        self.assertIn(b'lang="en"', html("x", "", "/a"))
        self.assertEqual(json.loads(settings(Webchat.Options(), "a.example", "", "", "/x"))["assets_path"], "/x")
