"""BOSH sessions from end to end, through the HTTP server (XEP-0124, XEP-0206)."""

from __future__ import annotations

from typing import Any

from xmppd.testing import ServerTestCase
from xmppd.testing.bosh import BoshClient
from xmppd.testing.transport import MemoryTransport


class BoshTestCase(ServerTestCase):
    def dial(self, transport: MemoryTransport) -> None:
        transport.connect(self.web.site.buildProtocol(transport.getPeer()))  # type: ignore[arg-type]

    def bosh(self, name: str = "the client", peer: str = "127.0.0.1") -> BoshClient:
        client = BoshClient(self.clock, self.names, name, peer, dial=self.dial)
        self.addCleanup(client.break_lines)
        return client

    def enter(self, jid: str, **attributes: Any) -> BoshClient:
        local, _, rest = jid.partition("@")
        self.account(jid)
        client = self.bosh(jid)
        client.open(rest.partition("/")[0], **attributes)
        client.authenticate(local, "secret")
        client.bind(rest.partition("/")[2])
        self.names[local] = client.name = client.jid
        return client


class Smoke(BoshTestCase):
    plugins = ("roster", "presence")

    def test_message(self) -> None:
        romeo = self.enter("romeo@example.org/x")
        juliet = self.login("juliet@example.org/y", presence=True)
        romeo.send("<message to='{juliet}'><body>hi</body></message>")
        juliet.expect("<message from='{romeo}' to='{juliet}'><body>hi</body></message>")
        juliet.send("<message to='{romeo}'><body>ho</body></message>")
        romeo.expect("<message from='{juliet}' to='{romeo}'><body>ho</body></message>")
        romeo.close()
        romeo.expect_closed()
