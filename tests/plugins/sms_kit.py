"""A server with the SMS gateway, connected to a message centre of the test."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.smsc import Centre
from xmppd.plugins.sms.pdus import Pdu
from xmppd.testing import Client, ServerTestCase
from xmppd.testing.network import MemoryNetwork

__all__ = ["ENDPOINT", "NUMBER", "SmsCase"]

ENDPOINT = "tcp:smsc.example:2775"
NUMBER = "+491701234567"
OWN = "4915100000000"


class SmsCase(ServerTestCase):
    """Romeo is registered; `options` and `smpp` are options of the gateway."""

    plugins: ClassVar[tuple[str, ...]] = ("sms", "disco")
    options: ClassVar[dict[str, Any]] = {}
    smpp: ClassVar[dict[str, Any]] = {}

    def setUp(self) -> None:
        self.centre = Centre()
        super().setUp()
        self.romeo = self.register("romeo@example.org/orchard")

    def prepare_network(self, network: MemoryNetwork) -> None:
        network.peers[ENDPOINT] = self.centre

    def settings_table(self) -> dict[str, Any]:
        table = super().settings_table()
        smpp = {"endpoint": ENDPOINT, "messages_per_second": 1000.0, **self.smpp}
        for host in table["hosts"].values():
            host["sms"] = {"sender": "+4915100000000", "smpp": smpp, **self.options, **host.get("sms", {})}
        return table

    def register(self, jid: str) -> Client:
        """Log in, and register with the gateway."""
        client = self.login(jid, presence=True)
        client.send("<iq type='set' id='r' to='sms.example.org'><query xmlns='jabber:iq:register'/></iq>")
        self.pump(1)
        self.assertIn("type='result'", "".join(client.received))
        client.clear()
        return client

    def send(self, text: str = "hello", number: str = NUMBER, client: Client | None = None, more: str = "") -> None:
        """Have a user send a message, and let it reach the centre."""
        (client or self.romeo).send(
            f"<message to='{number}@sms.example.org' type='chat' id='m1'><body>{text}</body>{more}</message>"
        )
        self.pump(1, step=0.25)

    def submitted(self) -> list[bytes]:
        """The texts that have come to the centre."""
        return [pdu.fields["short_message"] for pdu in self.centre.submitted]

    def last(self) -> Pdu:
        """The last short message."""
        return self.centre.submitted[-1]

    def deliver(
        self, text: bytes, source: str = "491701234567", destination: str = "4915100000000", **more: Any
    ) -> int:
        """Have a short message come; return the status that it is answered with."""
        session = self.centre.session
        number = session.deliver(text, source, destination, dest_addr_ton=1, **more)
        self.pump(1)
        status = session.status_of(number)
        assert status is not None
        return status

    def report(self, name: str, state: str = "DELIVRD", error: str = "000") -> None:
        """Have a report come."""
        session = self.centre.session
        number = session.report(name, state, error)
        self.pump(1)
        self.assertEqual(session.status_of(number), 0)
