"""Files that are put and got."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from xmppd.api.hooks import HttpMark, marks
from xmppd.net.http.answers import Answer
from xmppd.plugins.http_upload import disk

from .kit import BASE, UploadTestCase, request_of


def field(answer: Answer, name: str) -> str | None:
    """Return a header field of an answer."""
    found = [value.decode() for key, value in answer.headers if key.decode().lower() == name.lower()]
    return found[0] if found else None


class TransferTests(UploadTestCase):
    config = {"http_upload": {"days": 0.5}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def assertCode(self, code: int, answer: Answer) -> None:
        self.assertEqual(answer.code, code, answer.body)

    # PUT

    def test_put_and_get(self) -> None:
        put, get = self.slot(self.romeo, size=9)
        self.assertCode(404, self.get(get))
        self.assertCode(201, self.put(put, [b"some", b"", b"thing"]))
        answer = self.get(get)
        self.assertEqual((answer.code, answer.body, answer.type), (200, b"something", b"image/png"))
        self.assertEqual([name.split("/")[0] for name in self.files()], ["files"])

    def test_much(self) -> None:
        chunk = bytes(range(256)) * 200
        get = self.upload(self.romeo, chunk * 20)
        self.assertEqual(self.get(get).body, chunk * 20)

    def test_little_is_in_memory(self) -> None:
        """However large a file is, no more of it is in memory than is gathered for one write."""
        written: list[int] = []
        files = self.plugin("http_upload")._folder.disk.files
        real = files.write

        def write(descriptor: int, data: bytes) -> None:
            written.append(len(data))
            real(descriptor, data)

        self.patch(files, "write", write)
        put, _ = self.slot(self.romeo, size=5_000_000)
        self.assertCode(201, self.put(put, [b"x" * 50_000] * 100))
        self.assertEqual(sum(written), 5_000_000)
        self.assertLess(max(written), disk._GATHERED + 50_000)
        self.assertLess(len(written), 20)

    def test_only_once(self) -> None:
        put, get = self.slot(self.romeo)
        self.assertCode(201, self.put(put, b"one!"))
        self.assertCode(409, self.put(put, b"two!"))
        self.assertEqual(self.get(get).body, b"one!")

    def test_at_once(self) -> None:
        """Of two at the same time the first one is the one."""
        put, get = self.slot(self.romeo)
        codes = []

        def chunks() -> Iterator[bytes]:
            yield b"on"
            codes.append(self.put(put, b"two!").code)
            yield b"e!"

        self.assertCode(201, self.put(put, chunks(), length=4))
        self.assertEqual(codes, [409])
        self.assertEqual(self.get(get).body, b"one!")

    def test_at_once_with_a_reload_between(self) -> None:
        """A plugin that was started anew doesn't know who is sending; the first one to be whole is the one."""
        put, get = self.slot(self.romeo)

        def chunks() -> Iterator[bytes]:
            yield b"on"
            self.restart_plugin("http_upload")
            self.assertCode(201, self.put(put, b"two!"))
            yield b"e!"

        self.assertCode(409, self.put(put, chunks(), length=4))
        self.assertEqual(self.get(get).body, b"two!")
        self.assertEqual(len(self.files()), 1)

    def test_too_late(self) -> None:
        put, _ = self.slot(self.romeo)
        self.pump(300)
        self.assertCode(201, self.put(put))
        put, _ = self.slot(self.romeo)
        self.clock.advance(301)
        self.assertCode(403, self.put(put))

    def test_late_to_end(self) -> None:
        """What has begun in time may take its time, also while slots are cleared away."""
        put, get = self.slot(self.romeo)

        def chunks() -> Iterator[bytes]:
            yield b"da"
            self.pump(1000)
            yield b"ta"

        self.assertCode(201, self.put(put, chunks(), length=4))
        self.assertEqual(self.get(get).body, b"data")

    def test_what_is_wrong_is_said_before_the_body(self) -> None:
        """XEP-0363, 8: length and type are those of the request."""
        put, get = self.slot(self.romeo)

        def never() -> Iterator[bytes]:
            self.fail("the body was read")
            yield b""

        self.assertCode(411, self.put(put, never(), None))
        self.assertCode(413, self.put(put, never(), 5))
        self.assertCode(400, self.put(put, never(), 3))
        for type_ in ("image/jpeg", "text/html", "nonsense", ""):
            self.assertCode(415, self.put(put, never(), 4, content_type=type_))
        self.assertCode(404, self.put(f"{BASE}/upload/", never(), 4))
        self.assertCode(404, self.put(f"{BASE}/upload/{'a' * 32}", never(), 4))
        self.assertCode(403, self.put(get, never(), 4))
        self.assertCode(403, self.put(put.replace("me.png", "me.exe"), never(), 4))
        self.assertCode(403, self.put(put[:-1] + ("A" if put[-1] != "A" else "B"), never(), 4))
        self.assertCode(201, self.put(put))

    def test_types(self) -> None:
        for asked, sent, code in (
            ("image/PNG", "image/png", 201), ("text/plain; charset=utf-8", "text/plain", 201),
            ("text/plain", "text/plain; charset=utf-8", 201), (None, "text/html", 201), (None, "", 201),
            ("application/octet-stream", "", 201),
        ):  # fmt: skip
            put, _ = self.slot(self.romeo, type=asked)
            self.assertCode(code, self.put(put, content_type=sent))

    def test_methods(self) -> None:
        put, _ = self.slot(self.romeo)
        for method in ("POST", "DELETE", "PATCH"):
            self.assertCode(405, self.ask_http(request_of(method, put)))

    # GET

    def test_other_addresses(self) -> None:
        get = self.upload(self.romeo)
        token = get.split("/")[4]
        for url in (get.replace("me.png", "you.png"), f"{get}/more", get.replace(token, "a" * 32), f"{BASE}/upload/",
                    f"{BASE}/upload/{token}", f"{BASE}/upload/{token}/", f"{BASE}/upload/../{token}/me.png",
                    f"{BASE}/upload/{token}/..%2fme.png", get.upper()):  # fmt: skip
            self.assertIn(self.get(url).code, (404,), url)

    def test_headers(self) -> None:
        answer = self.get(self.upload(self.romeo, name="très cool.png"))
        for name, value in (
            ("Content-Disposition", "inline; filename=\"tr_s cool.png\"; filename*=UTF-8''tr%C3%A8s%20cool.png"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
            ("X-Content-Type-Options", "nosniff"), ("Cross-Origin-Resource-Policy", "cross-origin"),
            ("Cache-Control", "private, max-age=43200, immutable"), ("Accept-Ranges", "bytes"),
        ):  # fmt: skip
            self.assertEqual(field(answer, name), value)
        self.assertTrue(field(answer, "ETag"))

    def test_nothing_runs(self) -> None:
        """Pages, scripts and drawings with scripts are octets to be saved, whatever their owner calls them."""
        for name, type_ in (("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.js", "text/javascript"),
                            ("a.xml", "text/xml"), ("a.png", "application/xhtml+xml"), ("a.html", None)):  # fmt: skip
            put, get = self.slot(self.romeo, name, type=type_)
            self.assertCode(201, self.put(put, content_type=type_ or "text/html"))
            answer = self.get(get)
            self.assertEqual(answer.type, b"application/octet-stream")
            self.assertTrue((field(answer, "Content-Disposition") or "").startswith("attachment; "))
            self.assertIn("sandbox", field(answer, "Content-Security-Policy") or "")

    def test_parts(self) -> None:
        get = self.upload(self.romeo, b"0123456789")
        whole = self.get(get)
        answer = self.get(get, range="bytes=4-", if_range=field(whole, "ETag") or "")
        self.assertEqual((answer.code, answer.body), (206, b"456789"))
        self.assertEqual(field(answer, "Content-Range"), "bytes 4-9/10")
        self.assertIn("sandbox", field(answer, "Content-Security-Policy") or "")
        self.assertCode(416, self.get(get, range="bytes=10-"))
        self.assertCode(304, self.get(get, if_none_match=field(whole, "ETag") or ""))

    def test_pages_of_others_may_ask(self) -> None:
        plugin = type(self.plugin("http_upload"))
        found = [mark for function in (plugin.get, plugin.put) for mark in marks(function)]
        self.assertEqual(
            {mark.method: mark.cors for mark in found if isinstance(mark, HttpMark)}, {"GET": True, "PUT": True}
        )

    def test_queries_are_ignored(self) -> None:
        get = self.upload(self.romeo)
        self.assertCode(200, self.get(f"{get}?{urlencode({'a': 'b'})}"))

    def test_a_restart(self) -> None:
        get = self.upload(self.romeo)
        put, later = self.slot(self.romeo)
        self.restart()
        self.assertEqual(self.get(get).body, b"data")
        self.assertCode(201, self.put(put))
        self.assertEqual(self.get(later).body, b"data")

    def test_a_lost_file(self) -> None:
        """A file that somebody has taken away is not there, and the log says so."""
        get = self.upload(self.romeo)
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        self.assertCode(404, self.get(get))
