"""Files in a bucket of S3, which is played here; ``tests/interop/test_upload_s3.py`` asks one that is not ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

from xmppd.api.http import Headers, HttpError, Request, Response
from xmppd.api.waiting import as_deferred
from xmppd.plugins.http_upload.bucket import base_url
from xmppd.plugins.http_upload.options import S3
from xmppd.plugins.http_upload.signing import Signer
from xmppd.testing.network import MemoryNetwork
from xmppd.wire.jid import Jid

from .kit import BASE, UploadTestCase, request_of

ENDPOINT = "https://s3.example.com"
OPTIONS = {"endpoint": ENDPOINT, "bucket": "files", "access_key": "KEY", "secret_key": "SECRET", "region": "eu-north-1",
           "prefix": "xmpp/", "get_seconds": 600}  # fmt: skip


class Bucket:
    """What S3 does with signed URLs: it believes nothing that is not signed.

    :ivar objects: content and type by path.
    :ivar broken: answer everything with 503?
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.broken = False

    def ask(self, method: str, url: str, body: bytes = b"", **headers: str) -> Response:
        """Answer a request."""
        if self.broken:
            return Response(503)
        path = unquote(urlsplit(url).path)
        if not self._believes(method, url, {"content-length": str(len(body)), **headers}):
            return Response(403, b"SignatureDoesNotMatch")
        if method == "PUT":
            self.objects[path] = (body, headers.get("content-type", ""))
        elif method == "DELETE":
            self.objects.pop(path, None)
            return Response(204)
        if path not in self.objects:
            return Response(404)
        content = self.objects[path][0]
        return Response(
            200, b"" if method == "HEAD" else content, headers=Headers({"Content-Length": str(len(content))})
        )

    def _believes(self, method: str, url: str, headers: dict[str, str]) -> bool:
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        more = {name: value for name, value in query.items() if not name.startswith("X-Amz-")}
        signed = {name.replace("_", "-"): value for name, value in headers.items()}
        names = set(query["X-Amz-SignedHeaders"].split(";")) - {"host"}
        if names - signed.keys():
            return False
        seconds = int(query["X-Amz-Expires"])
        signer = Signer(f"{ENDPOINT}/files", "eu-north-1", "KEY", "SECRET")
        key = unquote(urlsplit(url).path).removeprefix("/files/")
        at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        right = signer.url(method, key, at, seconds, {name: signed[name] for name in names}, more)
        return self.now() <= at + seconds and right == url


class BucketTests(UploadTestCase):
    config = {"http_upload": {"s3": OPTIONS, "days": 1}}

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.bucket = Bucket(self.clock.seconds)
        network.web = self.answer_web

    def answer_web(self, request: Request) -> Response:
        return self.bucket.ask(request.method, request.path)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def ask(self, url: str, head: bool = False) -> Response:
        """Ask the server for a file, and the bucket, if it says so."""
        request = request_of("GET", url)
        if head:
            request = Request("GET", request.path, request.query, request.headers, b"", request.host, "", False, True)
        plugin = self.plugin("http_upload")
        coming = as_deferred(plugin.get(request))
        self.pump()
        response: Response = self.successResultOf(coming)
        self.assertEqual(response.status, 302)
        return self.bucket.ask("HEAD" if head else "GET", response.headers["location"])

    def code(self, url: str) -> int:
        """The code of the server's own answer."""
        coming = as_deferred(self.plugin("http_upload").get(request_of("GET", url)))
        self.pump(0)
        self.pump(0)
        return int(self.failureResultOf(coming, HttpError).value.status)

    def test_there_and_back(self) -> None:
        put, get = self.slot(self.romeo, "très cool.png", 4)
        self.assertTrue(put.startswith(f"{ENDPOINT}/files/xmpp/example.org/"))
        self.assertTrue(get.startswith(f"{BASE}/upload/"))
        self.assertEqual(self.code(get), 404)
        self.assertEqual(self.bucket.ask("PUT", put, b"data", content_type="image/png").status, 200)
        self.assertEqual(self.ask(get).body, b"data")
        self.assertEqual(self.ask(get, head=True).status, 200)
        self.assertFalse((self.host.data_dir / "http_upload").exists())

    def test_size_and_type_are_bound(self) -> None:
        put, get = self.slot(self.romeo, size=4)
        for body, type_ in ((b"datum", "image/png"), (b"dat", "image/png"), (b"data", "text/html")):
            self.assertEqual(self.bucket.ask("PUT", put, body, content_type=type_).status, 403)
        self.assertEqual(self.bucket.ask("PUT", put, b"data").status, 403)
        self.assertEqual(self.bucket.ask("GET", put).status, 403)
        self.assertEqual(self.code(get), 404)

    def test_type_as_it_was_written(self) -> None:
        put, _ = self.slot(self.romeo, size=4, type="text/plain; charset=UTF-8")
        self.assertEqual(self.bucket.ask("PUT", put, b"data", content_type="text/plain; charset=UTF-8").status, 200)

    def test_put_seconds(self) -> None:
        put, _ = self.slot(self.romeo, size=4)
        self.clock.advance(301)
        self.assertEqual(self.bucket.ask("PUT", put, b"data", content_type="image/png").status, 403)

    def where(self, get: str) -> dict[str, str]:
        """Return the parameters of the URL that who wants a file is sent on to."""
        self.ask(get)
        response = self.successResultOf(as_deferred(self.plugin("http_upload").get(request_of("GET", get))))
        self.assertEqual(response.headers["cache-control"], "no-store")
        return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}

    def sent(self, name: str = "me.png", type: str | None = "image/png", data: bytes = b"data") -> str:
        put, get = self.slot(self.romeo, name, len(data), type)
        fields = {"content_type": type} if type else {}
        self.assertEqual(self.bucket.ask("PUT", put, data, **fields).status, 200)
        return get

    def test_what_the_bucket_says_of_it(self) -> None:
        """Type and disposition are ours, and signed."""
        query = self.where(self.sent("a.html", "text/html"))
        self.assertEqual(query["response-content-type"], "application/octet-stream")
        self.assertEqual(
            query["response-content-disposition"], "attachment; filename=\"a.html\"; filename*=UTF-8''a.html"
        )
        self.assertEqual(query["X-Amz-Expires"], "600")

    def test_get_seconds_end_with_the_file(self) -> None:
        get = self.sent()
        self.clock.advance(86_400 - 100)
        self.assertEqual(self.where(get)["X-Amz-Expires"], "100")

    def test_used_and_unused_slots(self) -> None:
        """When slots have ended the bucket is asked, once what was begun has had an hour to end."""
        used, unused = self.sent(), self.slot(self.romeo)[1]
        self.pump(3600, step=60)
        self.assertEqual(self._usage(), 2)
        self.pump(400, step=60)
        self.assertEqual(self._usage(), 1)
        self.assertEqual(self.ask(used).body, b"data")
        self.assertEqual(self.code(unused), 404)

    def _usage(self) -> int:
        files: int = self.operate("http_upload", "upload usage", host="example.org")[0]["files"]
        return files

    def test_a_wrong_size(self) -> None:
        """Whatever is in the bucket, if it is not what was asked for it is not the file."""
        get = self.sent()
        self.bucket.objects = {path: (b"longer", "") for path in self.bucket.objects}
        self.assertEqual(self.code(get), 404)

    def test_deleted(self) -> None:
        get = self.sent()
        self.ask(get)
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        self.pump(1)
        self.assertEqual(self.code(get), 404)
        self.assertEqual(self.bucket.objects, {})

    def test_deleted_later(self) -> None:
        """What can't be deleted because the bucket doesn't answer is deleted when it does."""
        gets = [self.sent() for _ in range(3)]
        for get in gets:
            self.ask(get)
        self.bucket.broken = True
        self.clock.advance(86_401)
        self.pump(61)
        self.assertEqual([self.code(get) for get in gets], [404] * 3)
        self.assertEqual(len(self.bucket.objects), 3)
        self.bucket.broken = False
        self.pump(61)
        self.assertEqual(self.bucket.objects, {})

    def test_unreachable(self) -> None:
        _, get = self.slot(self.romeo)
        self.network.web = None
        self.assertEqual(self.code(get), 404)
        self.clock.advance(4000)
        self.pump(61)
        self.assertEqual(self._usage(), 1)
        self.network.web = self.answer_web
        self.pump(61)
        self.assertEqual(self._usage(), 0)

    def test_silent(self) -> None:
        """The bucket may take timeout_seconds."""
        self.wait(self.host.registry.reconfigure("http_upload", {"s3": {**OPTIONS, "timeout_seconds": 2}}))
        _, get = self.slot(self.romeo)
        self.network.silent = True
        coming = as_deferred(self.plugin("http_upload").get(request_of("GET", get)))
        self.pump(1.5)
        self.assertNoResult(coming)
        self.pump(1)
        self.failureResultOf(coming, HttpError)
        self.network.silent = False

    def test_moving_to_a_bucket_and_back(self) -> None:
        """Files stay where they are, and can be got as long as the options say where that is."""
        there = self.sent()
        self.ask(there)
        self.wait(self.host.registry.reconfigure("http_upload", {}))
        here = self.upload(self.romeo)
        self.assertEqual(self.get(here).body, b"data")
        self.assertEqual(self.code(there), 404)
        self.wait(self.host.registry.reconfigure("http_upload", {"s3": OPTIONS}))
        self.assertEqual(self.get(here).body, b"data")
        self.assertEqual(self.ask(there).body, b"data")

    def test_path_style(self) -> None:
        options = S3(endpoint="https://s3.example.com:9000/", bucket="files", access_key="a", secret_key="b")
        self.assertEqual(base_url(options), "https://s3.example.com:9000/files")
        options = S3(
            endpoint="https://s3.example.com", bucket="files", access_key="a", secret_key="b", path_style=False
        )
        self.assertEqual(base_url(options), "https://files.s3.example.com")

    def test_the_secret_is_not_told(self) -> None:
        self.assertNotIn("SECRET", repr(self.plugin("http_upload").options))
        self.assertFalse(re.search("SECRET", "".join(self.slot(self.romeo))))
