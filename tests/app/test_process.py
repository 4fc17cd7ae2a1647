"""A server as systemd runs it: sockets that are open already, READY, reload, an orderly end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.net.figures.test_metrics import EVERYTHING
from tests.net.figures.test_plugins import OF_PLUGINS
from tests.test_docs import free_port
from xmppd.app.cli.backend import ServerBackend, connect
from xmppd.app.docs import ROOT
from xmppd.core.settings_file import load

PATIENCE = 60.0  # seconds until a test gives up; nothing is measured by it
SETTINGS = """\
[listen]
c2s = ["systemd:domain=INET:index=0"]
[server]
log_format = "json"
[hosts."example.org"]
"""
# What systemd does between fork and exec: the sockets become descriptors from 3 on, and the process is told.
LAUNCH = (
    'import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ["LISTEN_PID"] = str(os.getpid()); '
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)
TWISTD = ["-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile="]


def opened(client: socket.socket) -> bytes:
    """Open a stream; return what the server answers, up to its features."""
    client.sendall(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' ")
    client.sendall(b"to='example.org' version='1.0'>")
    received = b""
    while b"</stream:features>" not in received:
        received += client.recv(4096)
    return received


def fetch(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Ask for a page; with `body`, send it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class SystemdTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "xmppd.toml").write_text(SETTINGS)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(PATIENCE)
        self.manager.bind(str(self.folder / "notify"))
        self.port = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.port.close)

    def write_settings(self, listen: str = "", rest: str = "") -> None:
        """Write the settings file, with more in its table `listen` and behind its tables."""
        text = SETTINGS.replace("[listen]\n", f"[listen]\n{listen}\n")
        (self.folder / "xmppd.toml").write_text(text + rest)

    def start(self) -> subprocess.Popen[bytes]:
        descriptor = self.port.fileno()
        twistd = [*TWISTD, f"--logfile={self.folder}/log"]
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(descriptor), *twistd, "xmppd", "-c", str(self.folder / "xmppd.toml")],
            pass_fds=[descriptor],
            cwd=self.folder,
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(self.folder / "notify"),
                "LISTEN_FDS": "1",
                "LISTEN_FDNAMES": "xmppd-c2s",
                "PYTHONPATH": str(ROOT),
            },
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def heard(self, first: str) -> None:
        """Wait until the server has said `first`."""
        while True:
            try:
                said = self.manager.recv(4096).decode()
            except TimeoutError:
                self.fail(f"the server has not said {first}: {(self.folder / 'log').read_text()}")
            if said.startswith(first):
                return

    def test_a_life(self) -> None:
        process = self.start()
        self.heard("READY=1")
        with socket.create_connection(self.port.getsockname(), PATIENCE) as client:
            received = opened(client)
            self.assertIn(b"<starttls", received)
            process.send_signal(signal.SIGHUP)
            self.heard("RELOADING=1")
            self.heard("READY=1")
            process.send_signal(signal.SIGTERM)
            self.heard("STOPPING=1")
            while not received.endswith(b"</stream:stream>"):
                received += client.recv(4096)
            self.assertIn(b"<system-shutdown", received)
        self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)  # twistd ends by the signal it was sent
        self.assertIn('"level": "info"', (self.folder / "log").read_text())

    def test_looked_at_and_changed_by_command(self) -> None:
        """The log is kept in memory from the start, and the settings file is the one that was given."""
        process = self.start()
        self.heard("READY=1")
        backend = connect(load(self.folder / "xmppd.toml"))
        assert isinstance(backend, ServerBackend)
        self.addCleanup(backend.close)

        def run(name: str, /, **arguments: Any) -> Any:
            return backend.run(name, arguments, None, lambda done, total: None)

        self.assertIn("ready: serving example.org", [line["message"] for line in run("log list")])
        run("setting set", name="limits.connections", value="900")
        self.heard("RELOADING=1")
        self.heard("READY=1")
        self.assertEqual(load(self.folder / "xmppd.toml").limits.connections, 900)
        self.assertEqual(run("setting show", name="limits.connections")["value"], 900)
        self.assertEqual([row["operation"] for row in run("audit list")], ["setting set"])
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)

    def test_http(self) -> None:
        """Pages are there while the server serves, and until its last client is gone; a reload changes who may read."""
        port = free_port()
        ports = {name: f"tcp:{number}:interface=127.0.0.1" for name, number in (("http", port), ("s2s", free_port()))}
        self.write_settings("\n".join(f'{name} = ["{endpoint}"]' for name, endpoint in ports.items()))
        process = self.start()
        self.heard("READY=1")
        self.assertEqual(fetch(port, "/health"), (200, b"alive\n"))
        self.assertEqual(fetch(port, "/ready"), (200, b"ready\n"))
        code, body = fetch(port, "/metrics")
        self.assertEqual(code, 200)
        figures = {f.name: f.samples for f in text_string_to_metric_families(body.decode())}
        others = ("xmppd_bytestreams_", "xmppd_push_service_")
        by_default = {name for name in OF_PLUGINS if not name.startswith(others)}
        ours = {name.removesuffix("_total") for name in EVERYTHING | by_default}
        self.assertLessEqual(ours | {"process_cpu_seconds"}, set(figures))
        self.assertEqual(figures["xmppd_build_info"][0].labels["database"], "sqlite")
        self.assertGreaterEqual(figures["xmppd_database_batches"][0].value, 1)
        self.assertEqual(fetch(port, "/metrics", bytes(100_000))[0], 413)
        with socket.create_connection(self.port.getsockname(), PATIENCE) as client:
            opened(client)
            process.send_signal(signal.SIGTERM)
            self.heard("STOPPING=1")
            self.assertEqual(fetch(port, "/ready"), (503, b"the server is stopping\n"))
            self.assertEqual(fetch(port, "/health")[0], 200)
        self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
        self.assertNotIn("raceback", (self.folder / "log").read_text())

    def test_http_after_a_reload(self) -> None:
        port = free_port()
        self.write_settings(f'http = ["tcp:{port}:interface=127.0.0.1"]', "[http]\noperator_networks = []\n")
        process = self.start()
        self.heard("READY=1")
        self.assertEqual(fetch(port, "/metrics")[0], 403)
        self.write_settings(f'http = ["tcp:{port}"]', "[limits]\nelement_depth = 32\n")
        process.send_signal(signal.SIGHUP)
        self.heard("RELOADING=1")
        self.heard("READY=1")
        self.assertEqual(fetch(port, "/metrics")[0], 200)
        self.assertIn("[listen] http needs a restart", (self.folder / "log").read_text())

    def test_signals_while_it_stops(self) -> None:
        """None of them ends it before everything is on disk."""
        process = self.start()
        self.heard("READY=1")
        with socket.create_connection(self.port.getsockname(), PATIENCE) as client:
            received = opened(client)
            process.send_signal(signal.SIGTERM)
            while not received.endswith(b"</stream:stream>"):
                received += client.recv(4096)
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                process.send_signal(number)
        self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
        log = (self.folder / "log").read_text()
        self.assertIn("everything is on disk", log)
        self.assertNotIn("Traceback", log)
        self.assertNotIn("traceback", log)

    def test_broken_settings_change_nothing(self) -> None:
        process = self.start()
        self.heard("READY=1")
        (self.folder / "xmppd.toml").write_text(SETTINGS.replace("[server]", "[server]\nlog_level = 'loud'"))
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            self.heard("READY=1")
        (self.folder / "xmppd.toml").write_text(SETTINGS + '[hosts."example.net"]\n')
        process.send_signal(signal.SIGHUP)
        self.heard("READY=1")
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        log = (self.folder / "log").read_text()
        self.assertEqual(log.count("the settings were not reloaded, the old ones stay in force"), 2)
        self.assertIn("log_level", log)
        self.assertIn("host example.net is served from now on", log)
        self.assertNotIn("traceback", log)
        self.assertNotIn("Unhandled", log)

    def test_wrong_settings(self) -> None:
        (self.folder / "xmppd.toml").write_text(SETTINGS + "admin = []")
        ended = subprocess.run(
            [sys.executable, *TWISTD, "xmppd", "-c", "xmppd.toml"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertEqual(ended.returncode, 1)
        self.assertIn('there is no option "admin"; did you mean "admins"?', ended.stderr)
        self.assertNotIn("Traceback", ended.stderr + ended.stdout)


class CommandLineTests(unittest.TestCase):
    def test_accounts_before_the_first_start(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = Path(folder) / "xmppd.toml"
            settings.write_text("[hosts.localhost]")
            xmppctl = [sys.executable, "-c", "from xmppd.app.cli import main; main()", "-c", str(settings)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            for words, expected in (
                (["add", "juliet@localhost", "--password", "secret"], ""),
                (["list"], "juliet@localhost"),
            ):
                ended = subprocess.run(
                    [*xmppctl, "user", *words],
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                    check=False,
                )
                self.assertEqual(ended.returncode, 0, ended.stderr)
                self.assertIn(expected, ended.stdout)
            self.assertEqual(stat.S_IMODE((Path(folder) / "xmppd-data").stat().st_mode), 0o700)
