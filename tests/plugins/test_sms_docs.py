"""The examples of docs/sms.md do what the page says."""

from __future__ import annotations

import json
import subprocess
import tomllib
from typing import Any, ClassVar
from unittest import mock

from tests.markdown import ROOT, Page
from tests.plugins.smsc import Centre
from xmppd.api.http import Headers, Request, Response
from xmppd.testing import ServerTestCase
from xmppd.testing.network import MemoryNetwork

PAGE = Page(ROOT / "docs/sms.md")
EXAMPLES = [tomllib.loads(block.text)["hosts"]["example.org"]["sms"] for block in PAGE.blocks("toml")]
SMPP, HTTP, NUMBERS, LIMITS = EXAMPLES
CALL = next(block.text for block in PAGE.blocks("text") if "hmac" in block.text)


class Example(ServerTestCase):
    plugins: ClassVar = ("sms",)
    options: ClassVar[dict[str, Any]] = {}

    def settings_table(self) -> dict[str, Any]:
        table = super().settings_table()
        table["hosts"]["example.org"]["sms"] = self.options
        return table

    def prepare_network(self, network: MemoryNetwork) -> None:
        self.centre = Centre()
        network.peers["tls:smsc.example:3550"] = self.centre
        network.web = lambda request: Response.json({"messages": [{"id": "a", "status": "queued"}]})

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.romeo.send("<iq type='set' id='r' to='sms.example.org'><query xmlns='jabber:iq:register'/></iq>")
        self.pump(1)
        self.romeo.clear()

    def send(self, number: str) -> None:
        self.romeo.send(f"<message to='{number}@sms.example.org' type='chat' id='m1'><body>hello</body></message>")
        self.pump(1)


class OverSmpp(Example):
    options = SMPP

    def test_it_is_sent(self) -> None:
        self.send("0170-1234567")
        (pdu,) = self.centre.submitted
        self.assertEqual(
            [pdu.text(name) for name in ("source_addr", "destination_addr")], ["4915112345678", "491701234567"]
        )
        self.assertEqual(self.centre.heard[0].fields["system_id"], b"example")  # type: ignore[union-attr]


class OverHttp(Example):
    options = HTTP

    def test_it_is_sent(self) -> None:
        self.send("+491701234567")
        (request,) = self.network.requests
        self.assertEqual(request.path, "https://api.provider.example/v1/messages")
        self.assertEqual(request.headers["Authorization"], "Bearer s3cret")
        self.assertEqual(json.loads(request.body), {"recipient": "+491701234567", "sender": "+4915112345678",
                         "content": {"text": "hello"}, "client_reference": mock.ANY})  # fmt: skip

    def test_the_provider_calls(self) -> None:
        self.send("+491701234567")
        now = str(int(self.clock.seconds()))
        script = CALL.replace("$(date +%s)", now)
        begin, curl = script.index("body="), script.index("curl ")
        shown = script[begin:curl] + 'printf "%s\\n%s" "$signature" "$body"'
        signature, _, body = subprocess.run(
            ["sh", "-c", shown], capture_output=True, text=True, check=True
        ).stdout.partition("\n")
        headers = Headers(
            {"X-Timestamp": now, "X-Signature": f"sha256={signature}", "Content-Type": "application/json"}
        )
        answer = self.ask_http(Request("POST", "/sms/incoming", headers=headers, body=body.encode()))
        self.assertEqual((answer.code, answer.body), (200, b'{"messages": 1}\n'))
        self.romeo.expect("<message from='+491701234567@sms.example.org' type='chat'><body>hello</body></message>")


class WithLimits(Example):
    options = {**SMPP, **LIMITS}  # what it is declared as in the base

    def test_prices(self) -> None:
        self.send("+491701234567")
        self.send("+33612345678")
        usage = self.wait(self.plugin("sms").show_usage())
        self.assertEqual(usage[0]["spent"], "27.5 cent")


class WithNumbers(Example):
    options = {**SMPP, **NUMBERS}

    def test_routes(self) -> None:
        for own, account in (("+4915112345678", "juliet"), ("72524", "support"), ("+43123456789", "reception")):
            found = self.wait(self.plugin("sms").show_route("+491701234567", own))
            self.assertEqual(found, [{"account": f"{account}@example.org"}])
