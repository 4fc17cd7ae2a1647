"""Uploads into a bucket (moto's, of what speaks S3), with signatures that botocore would have made.

moto is in an environment of its own, ``.s3``, which ``tests/interop/run`` makes: it brings much.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN, Xmppd, free_port
from tests.interop.slix import SlixmppDevice
from xmppd.plugins.http_upload.signing import Signer

PYTHON = Path(os.environ.get("XMPPD_S3", Path(__file__).parent / ".s3")) / "bin" / "python"
_SERVER = (
    "import sys, threading; from moto.server import ThreadedMotoServer; "
    "s = ThreadedMotoServer(ip_address='127.0.0.1', port=int(sys.argv[1])); s.start(); threading.Event().wait()"
)
_BOTOCORE = """
import datetime, json, sys
from unittest import mock
import botocore.auth, botocore.awsrequest, botocore.credentials
asked = json.load(sys.stdin)
now = datetime.datetime.fromtimestamp(asked["now"], datetime.timezone.utc)
request = botocore.awsrequest.AWSRequest(asked["method"], asked["url"], headers=asked["headers"], params=asked["query"])
keys = botocore.credentials.Credentials("KEY", "SECRET")
with mock.patch.object(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None)):
    botocore.auth.S3SigV4QueryAuth(keys, "s3", "eu-north-1", asked["seconds"]).add_auth(request)
print(request.url)
"""


class Moto:
    """moto's server, with one empty bucket."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="interop-s3-"))
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-c", _SERVER, str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        end = time.monotonic() + 4 * PATIENCE
        while not self._made():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"moto did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.1)

    def _made(self) -> bool:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/uploads", method="PUT")
        try:
            return bool(urllib.request.urlopen(request, timeout=5).status == 200)
        except OSError:
            return False

    def objects(self) -> list[str]:
        """Return the names of what is in the bucket."""
        found = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/uploads?list-type=2", timeout=5).read().decode()
        return [part.partition("</Key>")[0] for part in found.split("<Key>")[1:]]

    def remove(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class BucketServer(Xmppd):
    """A server whose files are in moto's bucket."""

    s3_port = 0

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.of_host = f'http_url = "https://{DOMAIN}:{self.https_port}"'
        super().configure(
            extra
            + f"""
[hosts."{DOMAIN}".http_upload]
purge_seconds = 0.5
[hosts."{DOMAIN}".http_upload.s3]
endpoint = "http://127.0.0.1:{self.s3_port}"
bucket = "uploads"
access_key = "KEY"
secret_key = "SECRET"
prefix = "xmpp/"
""",
            plain_without_tls,
        )


@unittest.skipUnless(shutil.which("curl") and PYTHON.exists(), "there is no moto, or no curl")
class BucketTests(scenario.LiveCase):
    moto: Moto
    server: BucketServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.moto = Moto()
        cls.addClassCleanup(cls.moto.remove)
        super().setUpClass()

    @classmethod
    def server_class(cls) -> type[BucketServer]:
        return type("BucketServer", (BucketServer,), {"s3_port": cls.moto.port})

    async def curl(self, *arguments: str) -> str:
        """Run curl, and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--show-error", "--cacert", str(self.server.certificate), "--location",
            "--resolve", f"{DOMAIN}:{self.server.https_port}:127.0.0.1", *arguments, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode("latin-1")

    async def slot(self, device: SlixmppDevice, size: int) -> tuple[str, str]:
        """Return the URLs of a slot."""
        device.client.register_plugin("xep_0363")
        iq = device.client.make_iq_get(ito=f"upload.{DOMAIN}")
        iq["http_upload_request"]["filename"] = "très cool.html"
        iq["http_upload_request"]["size"] = str(size)
        iq["http_upload_request"]["content-type"] = "text/html"
        slot = (await iq.send())["http_upload_slot"]
        return slot["put"]["url"], slot["get"]["url"]

    async def code(self, *arguments: str) -> str:
        return await self.curl("--output", os.devnull, "--write-out", "%{http_code}", *arguments)

    async def test_there_and_back(self) -> None:
        account = await self.account("romeo")
        device = SlixmppDevice(self.server, account, "x", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        file = self.server.folder / "file"
        file.write_bytes(os.urandom(300_000))
        put, get = await self.slot(device, 300_000)
        self.assertEqual(await self.code(get), "404")
        sent = ("--upload-file", str(file), "--header", "Content-Type: text/html", put)
        self.assertEqual(await self.code(*sent), "200")
        got = self.server.folder / "got"
        head = (await self.curl("--dump-header", "-", "--output", str(got), get)).lower()
        self.assertEqual(got.read_bytes(), file.read_bytes())
        self.assertIn("content-type: application/octet-stream", head)
        self.assertIn("filename*=utf-8''tr%c3%a8s%20cool.html", head)
        self.assertEqual(await self.code("--head", get), "200")
        self.assertEqual(await self.code("--range", "0-9", get), "206")
        self.assertEqual(len(self.moto.objects()), 1)
        self.assertEqual(list((self.server.folder / "data").glob("http_upload")), [])
        await asyncio.to_thread(self.server.xmppctl, "upload", "delete", f"{account}@{DOMAIN}")
        self.assertEqual((await self.code(get), self.moto.objects()), ("404", []))

    def test_signatures(self) -> None:
        """botocore signs the same requests in the same way."""
        cases: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
            ("GET", "a", {}, {}),
            ("PUT", "xmpp/example.org/abc", {"content-length": "123", "content-type": "text/plain; charset=UTF-8"}, {}),
            ("HEAD", "with space~and+plus", {}, {"response-content-disposition": "attachment; filename=\"é x.png\""}),
            ("DELETE", "ü/ß", {}, {"response-cache-control": "private, max-age=5, immutable"}),
        ]  # fmt: skip
        signer = Signer("https://s3.example.com:9000/uploads", "eu-north-1", "KEY", "SECRET")
        for method, key, headers, query in cases:
            asked = {"method": method, "url": f"{signer.base}/{quote(key, safe='/~')}", "now": 1_800_000_000,
                     "seconds": 300, "headers": headers, "query": query}  # fmt: skip
            ours = signer.url(method, key, 1_800_000_000, 300, headers, query)
            self.assertEqual(_signature(ours), _signature(self._botocore(asked)), (method, key))

    def _botocore(self, asked: dict[str, Any]) -> str:
        done = subprocess.run(
            [PYTHON, "-c", _BOTOCORE], input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()


def _signature(url: str) -> str:
    return url.rpartition("X-Amz-Signature=")[2]
