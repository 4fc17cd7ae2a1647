"""Figures of the links with other servers."""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure

from xmppd.app.web import WebServer
from xmppd.net.figures.metrics import registry_of
from xmppd.net.s2s.asking import Answer, LookupFailed
from xmppd.net.s2s.resolver import Resolver, _result
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.internet import Place


class LinkFigures(FederatedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.figures = WebServer(self.server.server, self.clock).figures
        self.figures.servers = self.servers
        self.figures.resolver = self.resolver = Resolver(self.clock, self.server.server.settings.s2s)

    def value(self, name: str, **labels: str) -> float | None:
        return registry_of(self.figures).get_sample_value(f"xmppd_{name}", labels)

    def converse(self) -> tuple[Any, Any]:
        """Return a user here and one there, who have said something to each other."""
        verona = self.neighbour("verona.example")
        romeo = self.login("romeo@example.org/orchard")
        juliet = verona.login("juliet@verona.example/balcony")
        self.names.update(verona.names)
        romeo.send("<message to='{juliet}'><body>hi</body></message>")
        self.pump(1)
        juliet.expect("<message><body>hi</body></message>")
        juliet.send(f"<message to='{romeo.jid}'><body>ho</body></message>")
        self.pump(1)
        romeo.expect("<message><body>ho</body></message>")
        return romeo, juliet

    def test_a_conversation(self) -> None:
        self.converse()
        self.assertEqual(self.value("s2s_stanzas_sent_total", kind="message"), 1)
        self.assertEqual(self.value("s2s_stanzas_received_total", kind="message"), 1)
        self.assertEqual(self.value("s2s_stanzas_received_total", kind="presence"), 0)
        self.assertEqual(self.value("s2s_attempts_total", result="connected"), 1)
        self.assertEqual(self.value("s2s_domains", state="connected"), 1)
        self.assertEqual(self.value("s2s_streams", direction="out", state="open"), 1)
        self.assertEqual(self.value("s2s_streams_encryption", version="TLSv1.3"), len(self.servers.streams))
        self.assertEqual(self.value("s2s_streams_encryption", version="none"), 0)
        self.assertEqual(self.value("s2s_authentications_total", direction="out", method="certificate"), 1)
        self.assertEqual(self.value("s2s_authentications_total", direction="out", method="dialback"), 0)
        self.assertEqual(self.value("s2s_certificates_total", result="proven"), 1)
        self.assertEqual(self.value("s2s_waiting_stanzas"), 0)
        self.assertEqual(self.value("s2s_dialback_refused_total"), 0)
        self.pump(10)
        self.assertEqual(self.value("s2s_messages_stored"), 0)
        self.assertEqual(self.value("s2s_unacknowledged_stanzas"), 0)

    def test_one_that_is_not_there(self) -> None:
        self.internet.places["gone.example"] = [Place("192.0.2.99", None)]
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<message to='a@gone.example'><body>hi</body></message>")
        romeo.send("<message to='b@gone.example'><body>hi</body></message>")
        self.pump(3)
        self.assertEqual(self.value("s2s_waiting_stanzas"), 2)
        self.assertGreater(self.value("s2s_waiting_bytes") or 0, 400)
        self.assertEqual(self.value("s2s_waiting_seconds"), 3)
        self.assertEqual(self.value("s2s_messages_stored"), 2)
        self.assertEqual(self.value("s2s_domains", state="sought"), 1)
        self.pump(70)
        returned = self.value("s2s_stanzas_returned_total", condition="remote-server-timeout")
        self.assertEqual(returned, 2)
        self.assertEqual(self.value("s2s_waiting_stanzas"), 0)

    def test_one_that_does_not_exist(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<message to='a@nowhere.example'><body>hi</body></message>")
        self.pump(1)
        condition = "remote-server-not-found"
        self.assertEqual(self.value("s2s_stanzas_returned_total", condition=condition), 1)
        self.assertEqual(self.value("s2s_attempts_total", result=condition), 1)
        self.assertEqual(self.value("s2s_domains", state="unreachable"), 1)
        self.pump(10)
        self.assertEqual(self.value("s2s_domains", state="unreachable"), 0)

    def test_streams_that_end_with_an_error(self) -> None:
        self.converse()
        self.servers.close("verona.example")
        self.pump(1)
        self.assertGreaterEqual(self.value("s2s_stream_errors_total", way="sent", condition="reset") or 0, 1)

    def test_bounded(self) -> None:
        """No label is a domain, so there are no more figures however many domains there are."""
        before = sum(len(family.samples) for family in self.figures.collect())
        romeo = self.login("romeo@example.org/orchard")
        for number in range(20):
            romeo.send(f"<message to='a@nowhere{number}.example'><body>hi</body></message>")
        self.pump(1)
        after = sum(len(family.samples) for family in self.figures.collect())
        self.assertEqual(before, after)

    def test_questions_to_nameservers(self) -> None:
        self.assertEqual(self.value("dns_queries_total", result="failed"), 0)
        self.assertEqual(self.value("dns_query_seconds_count"), 0)
        records = (object(),)
        self.assertEqual(_result(Answer(records, 60)), "found")
        self.assertEqual(_result(Answer((), 60)), "empty")
        self.assertEqual(_result(Answer((), 60, exists=False)), "unknown")
        self.assertEqual(_result(Failure(LookupFailed("x"))), "failed")
