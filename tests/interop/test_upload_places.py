"""Uploads through nginx, as docs/upload.md has it, and onto a disk that is full."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from tests.interop import scenario
from tests.interop.device import PATIENCE
from tests.interop.server import DOMAIN, Xmppd, free_port, write_certificate
from tests.interop.slix import SlixmppDevice
from tests.markdown import ROOT

_MEGABYTE = 1_048_576


class FilesCase(scenario.LiveCase):
    """Files that curl puts and gets."""

    port = 0  # where files are put and got

    async def slot(self, size: int, name: str = "romeo") -> tuple[str, str]:
        """Return the URLs of a slot that somebody new has asked for."""
        device = SlixmppDevice(self.server, await self.account(name), "x", scenario.PASSWORD)
        self.addAsyncCleanup(device.disconnect)
        await device.connect()
        device.client.register_plugin("xep_0363")
        iq = device.client.make_iq_get(ito=f"upload.{DOMAIN}")
        iq["http_upload_request"]["filename"] = "100 % très cool.bin"
        iq["http_upload_request"]["size"] = str(size)
        iq["http_upload_request"]["content-type"] = "application/octet-stream"
        slot = (await iq.send())["http_upload_slot"]
        return slot["put"]["url"], slot["get"]["url"]

    async def curl(self, *arguments: str, output: str | Path = os.devnull) -> str:
        """Run curl, and return the code of the answer."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--show-error", "--cacert", str(self.certificate), "--output", str(output),
            "--write-out", "%{http_code}", "--resolve", f"{DOMAIN}:{self.port}:127.0.0.1",
            "--header", "Content-Type: application/octet-stream", *arguments, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    @property
    def certificate(self) -> Path:
        """What curl believes."""
        return self.server.certificate

    def file(self, octets: int) -> Path:
        """Return a file full of random octets."""
        path = self.server.folder / f"{octets}.bin"
        path.write_bytes(os.urandom(octets))
        return path


class ProxiedServer(Xmppd):
    """A server whose HTTP is reached through a proxy."""

    http_port = proxy_port = 0

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.of_host = f'http_url = "https://{DOMAIN}:{self.proxy_port}"'
        super().configure(f'[http]\ntrusted_proxies = ["127.0.0.0/8"]\n{extra}', plain_without_tls)
        listen = f'[listen]\nhttp = ["tcp:{self.http_port}:interface=127.0.0.1"]'
        self.config.write_text(self.config.read_text().replace("[listen]", listen))


class Nginx:
    """nginx with the location that docs/upload.md shows."""

    def __init__(self, port: int, upstream: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="interop-nginx-"))
        write_certificate(self.folder, DOMAIN)
        shown = re.search(r"```nginx\n(.*?)```", (ROOT / "docs/upload.md").read_text("utf-8"), re.S)
        assert shown is not None
        location = shown[1].replace("127.0.0.1:5280", f"127.0.0.1:{upstream}")
        (self.folder / "nginx.conf").write_text(
            f"""
daemon off;
pid {self.folder}/pid;
error_log {self.folder}/error.log;
{"user root;" if os.geteuid() == 0 else ""}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {self.folder}/bodies;
    proxy_temp_path {self.folder}/proxied;
    fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        server_name {DOMAIN};
        ssl_certificate {self.folder}/server.crt;
        ssl_certificate_key {self.folder}/server.key;
        {location}
    }}
}}
"""
        )
        command = ["nginx", "-p", str(self.folder), "-e", f"{self.folder}/error.log", "-c", f"{self.folder}/nginx.conf"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def remove(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


@unittest.skipUnless(shutil.which("curl") and shutil.which("nginx"), "there is no nginx, or no curl")
class ThroughNginx(FilesCase):
    nginx: Nginx
    http_port = 0

    @classmethod
    def setUpClass(cls) -> None:
        cls.http_port, cls.port = free_port(), free_port()
        super().setUpClass()
        cls.nginx = Nginx(cls.port, cls.http_port)
        cls.addClassCleanup(cls.nginx.remove)
        time.sleep(0.5)

    @classmethod
    def server_class(cls) -> type[ProxiedServer]:
        return type("ProxiedServer", (ProxiedServer,), {"http_port": cls.http_port, "proxy_port": cls.port})

    @property
    def certificate(self) -> Path:
        return self.nginx.folder / "server.crt"

    async def test_there_and_back(self) -> None:
        put, get = await self.slot(30 * _MEGABYTE)
        file, got = self.file(30 * _MEGABYTE), self.server.folder / "got"
        self.assertEqual(await self.curl("--upload-file", str(file), put), "201")
        self.assertEqual(await self.curl(get, output=got), "200")
        self.assertEqual(got.read_bytes(), file.read_bytes())
        self.assertEqual(await self.curl("--range", "5-", get), "206")
        self.assertEqual(await self.curl("--upload-file", str(file), put), "409")

    async def test_it_is_not_kept_on_the_way(self) -> None:
        """The server has the beginning while the end has not been sent yet, and nginx has no copy."""
        put, _ = await self.slot(20 * _MEGABYTE)
        upload = asyncio.create_task(
            self.curl("--limit-rate", "6M", "--upload-file", str(self.file(20 * _MEGABYTE)), put)
        )
        incoming = self.server.folder / "data" / "http_upload" / DOMAIN / "incoming"
        end = time.monotonic() + PATIENCE
        while not any(path.stat().st_size > _MEGABYTE for path in incoming.glob("*")):
            self.assertLess(time.monotonic(), end)
            self.assertFalse(upload.done())
            await asyncio.sleep(0.05)
        self.assertEqual([path for path in (self.nginx.folder / "bodies").rglob("*") if path.is_file()], [])
        self.assertEqual(await upload, "201")

    async def test_wrong_size(self) -> None:
        put, _ = await self.slot(1000)
        self.assertEqual(await self.curl("--upload-file", str(self.file(2000)), put), "413")


class FullServer(Xmppd):
    """A server whose files are on a disk of 8 MiB."""

    def configure(self, extra: str, plain_without_tls: bool) -> None:
        self.of_host = f'http_url = "https://{DOMAIN}:{self.https_port}"'
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(self.disk)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise unittest.SkipTest("no file system can be mounted here")
        ours = f'[hosts."{DOMAIN}".http_upload]\nfolder = "{self.disk}"\nfree_octets = 0\nopen_slots = 5\n'
        super().configure(ours + extra, plain_without_tls)

    def remove(self) -> None:
        self.kill()
        subprocess.run(["umount", str(self.disk)], capture_output=True, check=False)
        super().remove()


@unittest.skipUnless(shutil.which("curl") and shutil.which("mount"), "there is no curl, or no mount")
class FullDisk(FilesCase):
    server: FullServer

    @classmethod
    def server_class(cls) -> type[FullServer]:
        return FullServer

    async def test_full(self) -> None:
        """Two uploads that would fit, but not both: the one that doesn't leaves nothing, and is told why."""
        self.port = self.server.https_port
        slots = [await self.slot(6 * _MEGABYTE, name) for name in ("romeo", "juliet")]
        file = self.file(6 * _MEGABYTE)
        self.assertEqual(await self.curl("--upload-file", str(file), slots[0][0]), "201")
        self.assertEqual(await self.curl("--upload-file", str(file), slots[1][0]), "507")
        self.assertEqual(await self.curl(slots[0][1]), "200")
        self.assertEqual(await self.curl(slots[1][1]), "404")
        files = [path for path in self.server.disk.rglob("*") if path.is_file()]
        self.assertEqual([path.stat().st_size for path in files], [6 * _MEGABYTE])
        self.assertIn("No space left on device", self.server.tail())
        with self.assertRaises(Exception) as caught:
            await self.slot(6 * _MEGABYTE, "nurse")
        self.assertIn("resource-constraint", str(caught.exception))
