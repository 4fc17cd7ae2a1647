"""Gateways: registration, addresses, presence and subscriptions (XEP-0100, XEP-0077, XEP-0106)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xmppd.api import Condition, Jid, StanzaError
from xmppd.api.gateway import Gateway, Outgoing, RegistrationField
from xmppd.testing import ServerTestCase


class Echo(Gateway):
    """Send back what people write."""

    network = "echo"
    title = "Echo"

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> None:
        await self.deliver(user, contact, message.body)


class EchoTests(ServerTestCase):
    plugins = ("roster", "presence", Echo)

    def test_echo(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<iq type='set' to='echo.example.org' id='1'><query xmlns='jabber:iq:register'/></iq>")
        romeo.expect("<iq type='result' from='echo.example.org' id='1'/>", "<presence type='subscribe'/>")
        romeo.send("<message to='nurse@echo.example.org' type='chat'><body>hi</body></message>")
        self.pump()
        romeo.expect("<message from='nurse@echo.example.org' type='chat'><body>hi</body></message>")
