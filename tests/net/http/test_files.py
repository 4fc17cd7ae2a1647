"""Files as answers: whole, in part, unchanged, gone; and clients that read slowly, or not to the end."""

from __future__ import annotations

import errno
import os
from email.utils import formatdate
from pathlib import Path
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.net.fetching import Connection
from tests.net.http.test_plugin_pages import WebCase
from xmppd.api import Plugin
from xmppd.api.http import Headers, Request, Response, http_get, http_post
from xmppd.net.http.files import FileAnswer, file_answer

CONTENT = b"0123456789"
MODIFIED = 1_767_268_800
DATE = formatdate(MODIFIED, usegmt=True)
LATER, EARLIER = formatdate(MODIFIED + 1, usegmt=True), formatdate(MODIFIED - 1, usegmt=True)
TAG = f'"{MODIFIED * 10**9:x}-a"'
_OTHER = b"It is another one by now.\n"

#: (Range and so on; code, Content-Range, body)
RANGES: tuple[tuple[dict[str, str], int, str, bytes], ...] = (
    ({}, 200, "", CONTENT),
    ({"Range": "bytes=0-"}, 206, "bytes 0-9/10", CONTENT),
    ({"Range": "bytes=2-4"}, 206, "bytes 2-4/10", b"234"),
    ({"Range": "bytes=9-9"}, 206, "bytes 9-9/10", b"9"),
    ({"Range": "bytes=7-99"}, 206, "bytes 7-9/10", b"789"),
    ({"Range": "bytes=-3"}, 206, "bytes 7-9/10", b"789"),
    ({"Range": "bytes=-99"}, 206, "bytes 0-9/10", CONTENT),
    ({"Range": "bytes=10-"}, 416, "bytes */10", b"There is no such part of it.\n"),
    ({"Range": "bytes=10-20"}, 416, "bytes */10", b"There is no such part of it.\n"),
    ({"Range": "bytes=-0"}, 416, "bytes */10", b"There is no such part of it.\n"),
    # What is no range, or several of them, or of other units, counts for nothing.
    ({"Range": "bytes=4-2"}, 200, "", CONTENT),
    ({"Range": "bytes=-"}, 200, "", CONTENT),
    ({"Range": "bytes=0-1,3-4"}, 200, "", CONTENT),
    ({"Range": "lines=0-1"}, 200, "", CONTENT),
    ({"Range": "bytes=a-b"}, 200, "", CONTENT),
    ({"Range": "bytes=0-" + "9" * 30}, 200, "", CONTENT),
    # RFC 9110 section 13.1.5.
    ({"Range": "bytes=2-4", "If-Range": TAG}, 206, "bytes 2-4/10", b"234"),
    ({"Range": "bytes=2-4", "If-Range": DATE}, 206, "bytes 2-4/10", b"234"),
    ({"Range": "bytes=2-4", "If-Range": '"other"'}, 200, "", CONTENT),
    ({"Range": "bytes=2-4", "If-Range": f"W/{TAG}"}, 200, "", CONTENT),
    ({"Range": "bytes=2-4", "If-Range": EARLIER}, 200, "", CONTENT),
    ({"Range": "bytes=2-4", "If-Range": "nonsense"}, 200, "", CONTENT),
    # Sections 13.1.2, 13.1.3 and 13.2.2.
    ({"If-None-Match": TAG}, 304, "", b""),
    ({"If-None-Match": f'"x", W/{TAG}'}, 304, "", b""),
    ({"If-None-Match": "*"}, 304, "", b""),
    ({"If-None-Match": '"x"'}, 200, "", CONTENT),
    ({"If-None-Match": '"x"', "If-Modified-Since": LATER}, 200, "", CONTENT),
    ({"If-Modified-Since": DATE}, 304, "", b""),
    ({"If-Modified-Since": LATER}, 304, "", b""),
    ({"If-Modified-Since": EARLIER}, 200, "", CONTENT),
    ({"If-Modified-Since": "nonsense"}, 200, "", CONTENT),
    ({"If-Modified-Since": "Thu, 01 Jan 0000 00:00:00 GMT"}, 200, "", CONTENT),
    ({"If-None-Match": TAG, "Range": "bytes=2-4"}, 304, "", b""),
    # Sections 13.1.1, 13.1.4 and 13.2.2: who goes on with a file wants the same one.
    ({"If-Match": TAG, "Range": "bytes=2-4"}, 206, "bytes 2-4/10", b"234"),
    ({"If-Match": f'"x", {TAG}'}, 200, "", CONTENT),
    ({"If-Match": "*"}, 200, "", CONTENT),
    ({"If-Match": '"x"', "Range": "bytes=2-4"}, 412, "", _OTHER),
    ({"If-Match": f"W/{TAG}"}, 412, "", _OTHER),
    ({"If-Match": '"x"', "If-None-Match": TAG}, 412, "", _OTHER),
    ({"If-Match": TAG, "If-Unmodified-Since": EARLIER}, 200, "", CONTENT),
    ({"If-Unmodified-Since": DATE}, 200, "", CONTENT),
    ({"If-Unmodified-Since": EARLIER}, 412, "", _OTHER),
    ({"If-Unmodified-Since": "nonsense"}, 200, "", CONTENT),
)


class Shelf(Plugin):
    """Has files."""

    path: Path

    @http_get("/file")
    def read(self, request: Request) -> Response:
        """One of them."""
        return Response.file(self.path, "x/y", {"Content-Disposition": "attachment"})

    @http_get("/tagged")
    def tagged(self, request: Request) -> Response:
        """One whose tag is known otherwise."""
        return Response.file(self.path, "x/y", {"ETag": '"known"', "Cache-Control": "max-age=5"})

    @http_post("/file")
    async def made(self, request: Request) -> Response:
        """The same, after a request with a body."""
        return Response.file(self.path, "x/y")


class FileCase(WebCase):
    plugins = (Shelf,)

    def setUp(self) -> None:
        super().setUp()
        self.path = self.plugin("shelf").path = Path(self.mktemp())
        self.write(CONTENT)

    def write(self, content: bytes) -> None:
        self.path.write_bytes(content)
        os.utime(self.path, ns=(0, MODIFIED * 10**9))

    def ask(self, head: str = "GET /file HTTP/1.1") -> Connection:
        connection = Connection(self.web.site)
        connection.send(f"{head}\nHost: x\n\n")
        return connection


class Files(FileCase):
    def test_table(self) -> None:
        for fields, code, range_, body in RANGES:
            answer = self.ask_http(Request("GET", "/file", headers=Headers(fields)))
            found = {name.lower(): value for name, value in answer.headers}
            self.assertEqual(
                (answer.code, found.get(b"content-range", b"").decode(), answer.body), (code, range_, body), fields
            )
            if code not in (412, 416):
                self.assertEqual((found[b"etag"], found[b"last-modified"]), (TAG.encode(), DATE.encode()), fields)
                self.assertEqual(found[b"accept-ranges"], b"bytes")

    def test_no_more_files(self) -> None:
        """That is said in a line, however many ask."""
        with mock.patch("builtins.open", side_effect=OSError(errno.EMFILE, "Too many open files")):
            answer = self.ask_http(Request("GET", "/file"))
        self.assertEqual((answer.code, dict(answer.headers).get(b"Retry-After")), (503, b"10"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_over_the_wire(self) -> None:
        found = self.fetch("/file")
        self.assertEqual((found.code, found.body, found.headers["content-type"]), (200, CONTENT.decode(), "x/y"))
        self.assertEqual(found.headers["content-disposition"], "attachment")
        part = self.fetch("/file", Range="bytes=2-4")
        self.assertEqual((part.code, part.body, part.headers["content-length"]), (206, "234", "3"))

    def test_not_modified_has_no_body(self) -> None:
        connection = self.ask(f"GET /file HTTP/1.1\nIf-None-Match: {TAG}")
        data = connection.value()
        self.assertTrue(data.startswith(b"HTTP/1.1 304 ") and data.endswith(b"\r\n\r\n"), data)
        self.assertNotIn(b"content-length", data.lower())
        self.assertNotIn(b"\ncontent-type:", data.lower())
        connection.leave()

    def test_head(self) -> None:
        """It knows no ranges (RFC 9110 section 14.2), but conditions."""
        self.assertEqual(self.fetch("/file", method="HEAD", If_None_Match=TAG).code, 304)
        found = self.fetch("/file", method="HEAD", Range="bytes=2-4")
        self.assertEqual((found.code, found.headers["content-length"], found.body), (200, "10", ""))

    def test_another_method(self) -> None:
        found = self.fetch("/file", "x", "POST", Range="bytes=2-4", If_None_Match=TAG)
        self.assertEqual((found.code, found.body), (200, CONTENT.decode()))

    def test_what_the_plugin_says_counts(self) -> None:
        found = self.fetch("/tagged")
        self.assertEqual((found.headers["etag"], found.headers["cache-control"]), ('"known"', "max-age=5"))
        answer = self.ask_http(Request("GET", "/tagged", headers=Headers({"If-None-Match": '"known"'})))
        self.assertEqual(answer.code, 304)

    def test_an_empty_one(self) -> None:
        self.write(b"")
        self.assertEqual(self.fetch("/file").body, "")
        self.assertEqual(self.fetch("/file", Range="bytes=0-").code, 416)

    def test_none(self) -> None:
        self.path.unlink()
        self.assertEqual(self.fetch("/file").code, 404)
        self.path.mkdir()
        self.assertEqual(self.fetch("/file").code, 404)
        self.plugin("shelf").path = Path("/dev/null")
        self.assertEqual(self.fetch("/file").code, 404)
        self.plugin("shelf").path = Path("/dev/null/x")
        self.assertEqual(self.fetch("/file").code, 404)

    @given(st.text(st.sampled_from("bytes=0123456789-, "), max_size=30))
    def test_any_range(self, text: str) -> None:
        asked = Headers({"Range": text})
        answer = file_answer("GET", asked, Response.file(self.path, "x/y"))
        if isinstance(answer, FileAnswer):
            answer = answer.whole()
            self.assertIn(answer.body, CONTENT)
            self.assertEqual(
                answer.code == 200, answer.body == CONTENT and b"Content-Range" not in dict(answer.headers)
            )
        else:
            self.assertEqual(answer.code, 416)


class Slowly(FileCase):
    """Large files, and who reads them."""

    def setUp(self) -> None:
        super().setUp()
        self.write(bytes(range(256)) * 4096)
        self.open = len(os.listdir("/proc/self/fd"))
        self.addCleanup(lambda: self.assertEqual(len(os.listdir("/proc/self/fd")), self.open))

    def ask_slowly(self) -> Connection:
        """A client whose connection takes 64 KiB at a time."""
        connection = Connection(self.web.site)
        write = connection.write

        def write_and_stop(data: bytes) -> None:
            write(data)
            if len(connection.value()) >= 65_536:
                connection.protocol.pauseProducing()

        connection.write = write_and_stop  # type: ignore[method-assign]
        connection.send("GET /file HTTP/1.1\nHost: x\n\n")
        return connection

    def test_as_fast_as_it_is_read(self) -> None:
        connection = self.ask_slowly()
        read = b""
        for _ in range(100):
            self.assertLess(len(connection.value()), 140_000)
            read += connection.value()
            connection.clear()
            connection.protocol.resumeProducing()
        self.assertEqual(read.partition(b"\r\n\r\n")[2], self.path.read_bytes())
        connection.send("GET /file HTTP/1.1\nHost: x\nRange: bytes=0-1\n\n")
        self.assertEqual(connection.response().code, 206)
        connection.leave()

    def test_who_leaves(self) -> None:
        self.ask_slowly().leave()

    def test_who_stops_reading(self) -> None:
        connection = self.ask_slowly()
        self.pump(61)
        self.assertTrue(connection.cut)
        connection.leave()

    def test_a_file_that_becomes_shorter(self) -> None:
        connection = self.ask_slowly()
        os.truncate(self.path, 70_000)
        connection.clear()
        for _ in range(3):
            connection.protocol.resumeProducing()
        self.assertTrue(connection.cut)
        connection.leave()
