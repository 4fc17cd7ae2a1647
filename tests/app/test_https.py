"""A real server over TCP: HTTP and HTTPS, many requests on a connection, large bodies, the log, slow clients."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

from tests.app.test_process import PATIENCE, TWISTD
from tests.test_docs import free_port

CHUNKED = {"Transfer-Encoding": "chunked"}
SETTINGS = """\
[server]
plugin_paths = ["plugins"]
[listen]
http = ["tcp:{http}:interface=127.0.0.1", "unix:{folder}/http.sock"]
https = ["tcp:{https}:interface=127.0.0.1"]
[http]
access_log = "access.log"
request_seconds = 2.0
body_idle_seconds = 2.0
[hosts."example.org"]
plugins = ["large"]
"""
PLUGIN = '''\
"""Takes and gives large bodies."""
from pathlib import Path
from xmppd.api import Plugin
from xmppd.api.http import Body, Request, Response, http_get, http_stream


class Large(Plugin):
    """Take and give large bodies."""

    name = "large"

    @http_stream("PUT", "/large")
    async def put(self, request: Request, body: Body) -> Response:
        octets = 0
        async for piece in body:
            octets += len(piece)
        return Response.text(f"{octets} {request.secure}")

    @http_get("/large")
    def get(self, request: Request) -> Response:
        return Response.file(Path("LARGE"), "application/octet-stream")
'''


class RealServer(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.ports = free_port(), free_port()
        (self.folder / "large").write_bytes(os.urandom(1 << 20) * 4)
        (self.folder / "plugins").mkdir()
        (self.folder / "plugins/large.py").write_text(PLUGIN.replace("LARGE", str(self.folder / "large")))
        text = SETTINGS.format(http=self.ports[0], https=self.ports[1], folder=self.folder)
        (self.folder / "xmppd.toml").write_text(text)
        command = [sys.executable, *TWISTD, f"--logfile={self.folder}/log", "xmppd", "-c", "xmppd.toml"]
        self.server = subprocess.Popen(command, cwd=self.folder)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        wait_for(lambda: "ready: serving" in self.log())

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def tearDown(self) -> None:
        self.assertNotIn("Traceback", self.log())

    def plain(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def secure(self) -> http.client.HTTPSConnection:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", self.ports[1], timeout=PATIENCE, context=context)
        self.addCleanup(connection.close)
        return connection

    def test_many_requests_on_a_connection(self) -> None:
        for connection in (self.plain(), self.secure()):
            for _ in range(20):
                connection.request("GET", "/ready", headers={"Accept": "application/json"})
                response = connection.getresponse()
                self.assertTrue(json.loads(response.read())["ready"])
                self.assertEqual(response.headers["Server"], "xmppd")

    def test_large_bodies(self) -> None:
        data = (self.folder / "large").read_bytes()
        for connection, secure in ((self.plain(), False), (self.secure(), True)):
            connection.request("PUT", "/large", data)
            self.assertEqual(connection.getresponse().read().decode(), f"{len(data)} {secure}\n")
            connection.request("PUT", "/large", iter([data[:1000]] * 50), CHUNKED, encode_chunked=True)
            self.assertEqual(connection.getresponse().read().decode(), f"50000 {secure}\n")
            connection.request("GET", "/large")
            self.assertEqual(connection.getresponse().read(), data)
            connection.request("GET", "/large", headers={"Range": "bytes=3000000-3000009"})
            self.assertEqual(connection.getresponse().read(), data[3_000_000:3_000_010])

    def test_over_a_unix_socket(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.folder / "http.sock"))
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            self.assertTrue(everything(client).endswith(b"alive\n"))

    def test_last_words_arrive(self) -> None:
        """Also if the client is still sending: it isn't reset."""
        for request, code in (
            (b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", b"413"),
            (b"nonsense\r\n\r\n", b"400"),
            (b"GET /" + b"x" * 20_000, b"414"),
        ):
            with socket.create_connection(("127.0.0.1", self.ports[0]), PATIENCE) as client:
                client.sendall(request)
                client.sendall(b"x" * 300_000)
                time.sleep(0.05)  # the answer is there by now, and what nobody reads must not undo it (RFC 9112 9.6)
                self.assertTrue(everything(client).startswith(b"HTTP/1.1 " + code), code)

    def test_slow_ones_and_others(self) -> None:
        slow = [socket.create_connection(("127.0.0.1", self.ports[0]), PATIENCE) for _ in range(50)]
        for number, client in enumerate(slow):
            self.addCleanup(client.close)
            client.sendall(b"GET /he" if number % 2 else b"PUT /large HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        connection = self.plain()
        connection.request("GET", "/health")
        self.assertEqual(connection.getresponse().read(), b"alive\n")
        for client in slow:
            self.assertTrue(everything(client).startswith(b"HTTP/1.1 408 "))

    def test_the_log_is_reopened(self) -> None:
        path, old = self.folder / "xmppd-data/access.log", self.folder / "xmppd-data/access.log.1"
        self.ask("/health?1")
        self.assertIn('"GET /health?1 HTTP/1.1" 200 6', path.read_text())
        path.rename(old)
        self.server.send_signal(signal.SIGHUP)
        wait_for(path.exists)
        self.ask("/health?2")
        self.assertIn('"GET /health?2 HTTP/1.1" 200 6', path.read_text())
        self.assertNotIn("?2", old.read_text())

    def ask(self, path: str) -> bytes:
        connection = self.plain()
        connection.request("GET", path)
        return connection.getresponse().read()


def everything(client: socket.socket) -> bytes:
    found = b""
    while data := client.recv(65_536):
        found += data
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it took too long")
        time.sleep(0.05)
