"""The HTTP interface with programs that read its description: schemathesis, which tries to break what it describes, the
validator of OpenAPI, and who verifies signatures of webhooks by the library of Standard Webhooks."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
import unittest
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

from tests.interop.server import DOMAIN, Xmppd, free_port

FOLDER = Path(__file__).resolve().parent
TOOLS = Path(os.environ.get("XMPPD_FUZZ", FOLDER / ".fuzz")) / "bin"
SECONDS = 30
#: What would end the server, or the interface, or leads out of this machine.
NOT_TRIED = (
    "server_stop",
    "server_reload",
    "plugin_disable",
    "plugin_configure",
    "plugin_reload",
    "setting_set",
    "s2s_test",
    "webhook_add",
)
#: No server knows all methods there may be, and the HTTP server has limits of its own.
SETTINGS = """\
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "DELETE", "PATCH"]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429]
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    got: ClassVar[list[tuple[dict[str, str], str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@unittest.skipUnless((TOOLS / "schemathesis").exists(), "schemathesis is not installed")
class WithPrograms(unittest.TestCase):
    server: ClassVar[Xmppd]
    token: ClassVar[str]
    port: ClassVar[int]

    @classmethod
    def setUpClass(cls) -> None:
        cls.port = free_port()
        cls.server = Xmppd(f"""\
[hosts."{DOMAIN}".rest]
requests_per_second = 100000
requests_at_once = 100000
failures_per_address = 100000
[hosts."{DOMAIN}".webhooks]
networks = ["127.0.0.0/8"]
""")
        cls.addClassCleanup(cls.server.remove)
        config = cls.server.config.read_text("utf-8")
        listen = f'[listen]\nhttp = ["tcp:{cls.port}:interface=127.0.0.1"]\n'
        plugins = 'plugins = ["bytestreams", "androidpn", "push_service", "unified_push", "legacy_auth"]\n'
        config = config.replace("[listen]\n", listen, 1).replace(
            f'[hosts."{DOMAIN}"]\n', f'[hosts."{DOMAIN}"]\n{plugins}', 1
        )
        cls.server.config.write_text(config, "utf-8")
        cls.server.start()
        made = cls.server.xmppctl("--json", "token", "add", "fuzz", "--scopes", "*", "--server-wide")
        cls.token = json.loads(made)["token"]
        cls.server.add_user("romeo", "secret")

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1{path}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url(path), data, headers, method=method)) as answer:
            return json.load(answer)

    def run_tool(self, *command: str, given: str = "") -> str:
        done = subprocess.run(
            [str(TOOLS / command[0]), *command[1:]],
            input=given,
            capture_output=True,
            text=True,
            cwd=self.server.folder,
            timeout=SECONDS + 120,
        )
        (self.server.folder / f"{command[0]}.log").write_text(done.stdout, "utf-8")  # see XMPPD_INTEROP_KEEP
        self.assertEqual(done.returncode, 0, f"{done.stdout[-6000:]}{done.stderr[-3000:]}\n{self.server.tail(30)}")
        return done.stdout

    def test_the_description_is_one(self) -> None:
        path = self.server.folder / "openapi.json"
        path.write_text(json.dumps(self.ask("GET", "/openapi.json")), "utf-8")
        self.assertIn("OK", self.run_tool("openapi-spec-validator", str(path)))

    def test_nothing_breaks(self) -> None:
        excluded = [argument for name in NOT_TRIED for argument in ("--exclude-operation-id", name)]
        options = {
            "url": self.url(""),
            "header": f"Authorization: Bearer {self.token}",
            "checks": ",".join(CHECKS),
            "phases": "examples,coverage,fuzzing",
            "max-examples": "4",
            "max-time": str(SECONDS),
            "request-timeout": "20",
            "generation-database": "none",
            "warnings": "off",
        }
        (self.server.folder / "schemathesis.toml").write_text(SETTINGS, "utf-8")
        given = [text for name, value in options.items() for text in (f"--{name}", value)]
        said = self.run_tool(
            "schemathesis", "run", self.url("/openapi.json"), *given, "--no-shrink", "--no-color", *excluded
        )
        self.assertIn("No issues found", said)

    def test_heads_and_bodies_that_nobody_reads(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("HEAD", "/api/v1/users", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        self.assertGreater(int(answer.headers["Content-Length"]), 10)
        connection.putrequest("POST", "/api/v1/users")
        for name, value in (("Content-Length", "1000000000"), ("Content-Type", "application/json")):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        self.assertEqual(answer.status, 401, "strangers don't get to send anything")

    def test_webhooks_are_verified_by_the_library(self) -> None:
        receiver = HTTPServer(("127.0.0.1", 0), Receiver)
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        self.addCleanup(receiver.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(receiver.shutdown)
        url = f"http://127.0.0.1:{receiver.server_port}/"
        made = self.ask("POST", "/webhooks", {"url": url, "events": "account.*"})
        self.ask("POST", "/users", {"jid": f"paris@{DOMAIN}"})
        end = time.monotonic() + 20
        while not Receiver.got and time.monotonic() < end:
            time.sleep(0.05)
        (headers, body), *_ = Receiver.got
        program = (
            "import json, sys; from standardwebhooks import Webhook\n"
            "secret, headers, body = json.load(sys.stdin)\n"
            "said = Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})\n"
            "print(said['events'][0]['data']['account'])"
        )
        said = self.run_tool("python", "-c", program, given=json.dumps([made["secret"], headers, body]))
        self.assertEqual(said.strip(), f"paris@{DOMAIN}")


if __name__ == "__main__":
    unittest.main()
