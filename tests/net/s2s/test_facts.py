"""What real streams tell the operator, and messages on them that need not be on disk."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from xmppd.api import OperationError
from xmppd.core.federation.contract import Pair, StreamFacts
from xmppd.core.federation.store import MESSAGES
from xmppd.testing.client import Client
from xmppd.testing.federation import FederatedTestCase

PAIR = Pair("example.org", "verona.example")


class Linked(FederatedTestCase):
    def meet(self, **other: Any) -> FederatedTestCase:
        """Return another server that a message was sent to."""
        verona = self.neighbour("verona.example", **other)
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = verona.login("juliet@verona.example/balcony")
        self.say("hi")
        return verona

    def say(self, text: str) -> None:
        self.romeo.send(f"<message to='{{juliet}}'><body>{text}</body></message>")
        self.juliet.expect(f"<message><body>{text}</body></message>")

    def operate(self, name: str, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(name, arguments))


class FactsTests(Linked):
    def test_by_certificate_in_both_directions_on_one_connection(self) -> None:
        verona = self.meet()
        (ours,), (theirs,) = self.servers.facts(), verona.servers.facts()
        self.assertEqual((ours.local, ours.remote, ours.state), ("example.org", "verona.example", "open"))
        self.assertEqual((ours.incoming, theirs.incoming), (False, True))
        self.assertEqual((ours.proven_by, ours.we_proved), ({"verona.example": "certificate"}, "EXTERNAL"))
        self.assertEqual((theirs.proven_by, theirs.we_proved), ({"example.org": "certificate"}, ""))
        self.assertEqual((ours.sends, ours.takes, ours.bidi), ([PAIR], [PAIR], True))
        self.assertEqual(theirs.takes, [Pair("verona.example", "example.org")])
        self.assertRegex(ours.encryption, r"\ATLSv1\.3, \w+\Z")
        self.assertEqual((ours.sent, theirs.received, ours.address), (1, 1, "192.0.2.2"))
        self.assertEqual(ours.certificate["subject"], "verona.example")
        self.assertIn("was issued by", ours.certificate["verdict"])
        self.assertRegex(ours.certificate["valid until"], r"\A\d{4}-\d\d-\d\dT[\d:]+Z\Z")
        self.assertEqual(ours.unacknowledged, 1)
        self.pump(10)
        (ours,) = self.servers.facts()
        self.assertEqual(ours.unacknowledged, 0)
        self.assertLess(ours.since, ours.quiet_since + 10)

    def test_list_and_show(self) -> None:
        self.meet()
        (row,) = self.operate("s2s list")
        self.assertEqual((row["direction"], row["state"], row["TLS"]), ("both", "open", "TLSv1.3"))
        shown = self.operate("s2s show", domain="verona.example")
        self.assertEqual(shown["last attempt"][0]["what was tried"], "192.0.2.2: connected")
        self.assertEqual(shown["routes"][0]["state"], "open")
        self.assertEqual(shown["attempts"], {"connected": 1})

    def test_by_dialback(self) -> None:
        verona = self.meet(trusted=False)
        self.pump(30)
        ours = [facts for facts in self.servers.facts() if not facts.incoming]
        self.assertEqual([facts.proven_by for facts in ours], [{"verona.example": "DNS"}])
        theirs = [facts for facts in verona.servers.facts() if facts.incoming]
        self.assertEqual([facts.state for facts in theirs], ["open"])

    def test_before_anybody_has_said_who_he_is(self) -> None:
        self.peer()
        (facts,) = self.servers.facts()
        expected = StreamFacts(
            local="", remote="", incoming=True, state="negotiating", address=facts.address, takes=[], sends=[],
            proven_by={}, we_proved="", encryption="", certificate={}, since=self.clock.seconds(),
            quiet_since=self.clock.seconds(), received=0, sent=0, unacknowledged=None, bidi=True,
        )  # fmt: skip
        self.assertEqual(vars(facts) | {"bidi": True}, vars(expected))

    def test_close(self) -> None:
        verona = self.meet()
        self.assertEqual(self.operate("s2s close", domain="verona.example"), "Closed 1 stream with verona.example.")
        self.pump(1)
        self.assertEqual((self.servers.facts(), verona.servers.facts()), ([], []))
        self.say("again")
        with self.assertRaises(OperationError):
            self.operate("s2s close", domain="example.org")


class UnstoredTests(Linked):
    """Nobody is told that we have a message, and the stream takes it at once: it is stored when that takes long."""

    def stored(self) -> int:
        return len(self.wait(self.disk.read(lambda connection: connection.execute(select(MESSAGES)).all())))

    def test_not_at_first(self) -> None:
        self.meet()
        self.pump(20)
        self.assertEqual(self.stored(), 0)
        self.disk.stopped = True
        self.say("at once")
        self.assertEqual(self.disk.waiting, 0)

    def test_with_stream_management(self) -> None:
        self.meet()
        self.pump(20)
        self.romeo.send("<enable xmlns='urn:xmpp:sm:3'/>")
        self.say("to be kept")
        self.assertEqual(self.stored(), 1)

    def test_not_acknowledged_for_some_seconds(self) -> None:
        self.meet()
        self.pump(20)
        self.break_off()
        self.romeo.send("<message to='{juliet}'><body>nobody hears this</body></message>")
        self.assertEqual(self.stored(), 0)
        self.pump(12)
        self.assertEqual(self.stored(), 1)

    def test_the_connection_is_lost(self) -> None:
        self.meet()
        self.pump(20)
        self.break_off()
        self.romeo.send("<message to='{juliet}'><body>hello?</body></message>")
        self.internet.places.clear()
        for cable in self.internet.cables:
            cable.lose()
        self.pump(0.1)
        self.assertEqual(self.stored(), 1)

    def test_the_server_stops(self) -> None:
        self.meet()
        self.pump(20)
        self.break_off()
        self.romeo.send("<message to='{juliet}'><body>see you</body></message>")
        self.restart()
        self.assertEqual(self.stored(), 1)

    def break_off(self) -> None:
        """From now on nothing arrives any more."""
        for cable in self.internet.cables:
            cable.frozen = True

    romeo: Client
    juliet: Client
