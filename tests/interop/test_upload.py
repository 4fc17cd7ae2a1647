"""HTTP File Upload (XEP-0363) with slixmpp and curl, over HTTPS of a real server process, while others chat."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
import time
import unittest
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop import scenario
from tests.interop.device import Device
from tests.interop.server import DOMAIN, Xmppd
from tests.interop.slix import SlixmppDevice

_MEGABYTE = 1_048_576
#: What the server's memory may grow by, whatever is uploaded.
_GROWTH_KIB = 32 * 1024
_PAUSE = 0.02


class UploadServer(Xmppd):
    """A server whose files are got from where it listens."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.of_host = f'http_url = "https://{DOMAIN}:{self.https_port}"'
        super().configure(extra, plain_without_tls)

    @property
    def uploads(self) -> Path:
        """The folder of files."""
        return self.folder / "data" / "http_upload" / DOMAIN

    def peak_kib(self) -> int:
        """Return the most memory that the process has had since :meth:`forget_peak`, in KiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii", "replace")
        return int(status.split("VmHWM:")[1].split()[0])

    def forget_peak(self) -> None:
        """Begin anew with what the process has now (proc(5), clear_refs)."""
        assert self.process is not None
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


class Conversation:
    """Two people who answer each other, and how long each message has taken.

    :ivar seconds: from one device to the other.
    """

    def __init__(self, one: Device, other: Device) -> None:
        self._one, self._other = one, other
        self.seconds: list[float] = []

    async def talk(self) -> None:
        """Go on until cancelled."""
        for number in range(1_000_000):
            speaker, hearer = (self._one, self._other) if number % 2 else (self._other, self._one)
            begun = time.monotonic()
            speaker.message(hearer.full, str(number))
            await hearer.inbox.expect(kind="message", text=str(number))
            self.seconds.append(time.monotonic() - begun)
            await asyncio.sleep(_PAUSE)

    def taken(self) -> str:
        """Say how long messages took since the last time."""
        found, self.seconds = sorted(self.seconds), []
        shares = {"half": 0.5, "95 %": 0.95, "99 %": 0.99}
        times = ", ".join(f"{name} {found[int(len(found) * share)] * 1000:.1f}" for name, share in shares.items())
        return f"{len(found)} messages, ms: {times}, all {found[-1] * 1000:.1f}"


@unittest.skipUnless(shutil.which("curl"), "there is no curl")
class UploadTests(scenario.LiveCase):
    server: UploadServer

    @classmethod
    def server_class(cls) -> type[UploadServer]:
        try:
            import aiohttp  # noqa: F401
        except ImportError:
            raise unittest.SkipTest("there is no aiohttp, which slixmpp uploads with") from None
        return UploadServer

    async def person(self, name: str) -> SlixmppDevice:
        """Return somebody who is online."""
        device = SlixmppDevice(self.server, await self.account(name), "x", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        device.presence()
        return device

    async def upload(self, account: str, file: Path) -> str:
        """Upload a file with a client of its own, and return where it is."""
        asked = {
            "jid": f"{account}@{DOMAIN}/uploader", "password": scenario.PASSWORD, "address": self.server.address,
            "port": self.server.c2s_port, "certificate": str(self.server.certificate), "file": str(file),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", "-m", "tests.interop.uploader", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self.server.environment(),
        )  # fmt: skip
        out, err = await process.communicate(json.dumps(asked).encode())
        self.assertEqual(process.returncode, 0, err.decode())
        took, url = out.decode().split()
        print(f"\n  uploaded {file.stat().st_size / _MEGABYTE:.0f} MiB in {float(took):.2f} s")
        return url

    async def curl(self, *arguments: str) -> str:
        """Run curl, and return what it prints."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--show-error", "--cacert", str(self.server.certificate),
            "--resolve", f"{DOMAIN}:{self.server.https_port}:127.0.0.1", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        self.assertEqual(process.returncode, 0, err.decode())
        return out.decode()

    def file(self, name: str, octets: int) -> Path:
        """Return a file full of random octets."""
        path = self.server.folder / name
        path.write_bytes(os.urandom(octets))
        return path

    @asynccontextmanager
    async def chat(self) -> AsyncIterator[Conversation]:
        """Have two others talk meanwhile."""
        talk = Conversation(await self.person("romeo"), await self.person("juliet"))
        talking = asyncio.create_task(talk.talk())
        try:
            await asyncio.sleep(2)
            print(f"\n  in peace:          {talk.taken()}")
            yield talk
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def test_large_file(self) -> None:
        """100 MB come whole, cost no memory, and others go on talking; a broken download goes on where it broke."""
        account = await self.account("mercutio")
        file = self.file("large ✓.bin", 100 * _MEGABYTE)
        await self.upload(account, self.file("small.bin", 100_000))
        async with self.chat() as talk:
            self.server.forget_peak()
            before = self.server.resident_kib()
            url = await self.upload(account, file)
            grown = self.server.peak_kib() - before
            print(f"  during the upload: {talk.taken()}\n  memory has grown by {grown} KiB")
            got = self.server.folder / "got.bin"
            await self.curl("--range", f"0-{40 * _MEGABYTE}", "--output", str(got), url)
            self.assertEqual(got.stat().st_size, 40 * _MEGABYTE + 1)
            await self.curl("--continue-at", "-", "--output", str(got), url)
            print(f"  during downloads:  {talk.taken()}")
        self.assertLess(grown, _GROWTH_KIB)
        self.assertLess(self.server.peak_kib() - before, _GROWTH_KIB)
        self.assertEqual(self._sum(got), self._sum(file))
        self.assertEqual(list((self.server.uploads / "incoming").iterdir()), [])

    def _sum(self, path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    async def test_headers(self) -> None:
        url = await self.upload(await self.account("benvolio"), self.file("page.html", 1000))
        head = (await self.curl("--head", url)).lower()
        self.assertIn("http/1.1 200", head)
        for field in (
            "content-length: 1000", "content-type: application/octet-stream", "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'; sandbox", "accept-ranges: bytes",
            "content-disposition: attachment; filename=\"page.html\"; filename*=utf-8''page.html",
        ):  # fmt: skip
            self.assertIn(f"\r\n{field}\r\n", head)
        tag = head.partition("\r\netag: ")[2].partition("\r\n")[0]
        code = ("--output", os.devnull, "--write-out", "%{http_code}")
        self.assertEqual(await self.curl(*code, "--header", f"If-None-Match: {tag}", url), "304")
        self.assertEqual(await self.curl(*code, url + "x"), "404")
        preflight = await self.curl(
            "--request", "OPTIONS", "--include", "--header", "Origin: https://chat.example", "--header",
            "Access-Control-Request-Method: PUT", "--header", "Access-Control-Request-Headers: content-type", url,
        )  # fmt: skip
        self.assertIn("access-control-allow-origin: *", preflight.lower())
        self.assertRegex(preflight.lower(), r"access-control-allow-methods: .*put")

    async def test_refused_before_it_is_sent(self) -> None:
        """Who asks first (``Expect: 100-continue``) is spared a body that would not be taken."""
        url = await self.upload(await self.account("paris"), self.file("a.bin", 1000))
        file = self.file("other.bin", 20 * _MEGABYTE)
        said = await self.curl(
            "--upload-file", str(file), "--header", "Expect: 100-continue", "--expect100-timeout", "15",
            "--output", os.devnull, "--write-out", "%{http_code} %{size_upload}", url,
        )  # fmt: skip
        self.assertEqual(said, "403 0")

    async def test_cut(self) -> None:
        """A client that goes away in the middle leaves nothing, and neither does a server that is killed."""
        device = await self.person("tybalt")
        for kill in (False, True):
            iq = device.client.make_iq_get(ito=f"upload.{DOMAIN}")
            device.client.register_plugin("xep_0363")
            iq["http_upload_request"]["filename"] = "a.bin"
            iq["http_upload_request"]["size"] = str(20 * _MEGABYTE)
            iq["http_upload_request"]["content-type"] = "application/octet-stream"
            slot = (await iq.send())["http_upload_slot"]
            process = await asyncio.create_subprocess_exec(
                "curl", "--silent", "--cacert", str(self.server.certificate), "--limit-rate", "4M",
                "--resolve", f"{DOMAIN}:{self.server.https_port}:127.0.0.1", "--header", "Expect:",
                "--header", "Content-Type: application/octet-stream", "--upload-file",
                str(self.file("a.bin", 20 * _MEGABYTE)), slot["put"]["url"],
            )  # fmt: skip
            await self._until(lambda: self._incoming() > _MEGABYTE)
            if kill:
                self.server.kill()
            else:
                process.terminate()
            await process.wait()
            if kill:
                await asyncio.to_thread(self.server.start)
            await self._until(lambda: not self._incoming())
            code = ("--output", os.devnull, "--write-out", "%{http_code}")
            self.assertEqual(await self.curl(*code, slot["get"]["url"]), "404")

    def _incoming(self) -> int:
        folder = self.server.uploads / "incoming"
        return sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0

    async def _until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, "it has not happened")
            await asyncio.sleep(0.02)

    async def test_operations(self) -> None:
        account = await self.account("lawrence")
        url = await self.upload(account, self.file("notes.txt", 1234))
        listed = await asyncio.to_thread(self.server.xmppctl, "upload", "list", f"{account}@{DOMAIN}")
        self.assertIn("1234", listed)
        await asyncio.to_thread(self.server.xmppctl, "upload", "delete", f"{account}@{DOMAIN}")
        code = ("--output", os.devnull, "--write-out", "%{http_code}")
        self.assertEqual(await self.curl(*code, url), "404")
        usage = await asyncio.to_thread(self.server.xmppctl, "upload", "usage", DOMAIN)
        self.assertNotIn(account, usage)
