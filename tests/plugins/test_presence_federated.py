"""Two servers that talk with each other: presence and subscriptions over real streams, that are lost and come back."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from tests.plugins.test_pep import EVENT, item, publish, tune
from tests.plugins.test_pep_notices import caps, info, is_question
from xmppd.testing import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.wire.jid import Jid

NS = "jabber:iq:roster"
PUBSUB = "http://jabber.org/protocol/pubsub"
MUC = "http://jabber.org/protocol/muc"
ORCHARD, BALCONY = "romeo@example.org/orchard", "juliet@verona.example/balcony"
ROMEO, JULIET = Jid.parse("romeo@example.org"), Jid.parse("juliet@verona.example")


class TwoServers(FederatedTestCase):
    """Romeo is here and Juliet there."""

    plugins: ClassVar[Any] = ("roster", "presence", "pep", "disco", "ping", "session")
    config: ClassVar[Any] = {
        "s2s": {"queue_seconds": 20.0, "resume_seconds": 0.0},
        "presence": {"repair_seconds": 5.0, "answer_seconds": 5.0, "retry_seconds": 30.0},
    }

    def setUp(self) -> None:
        super().setUp()
        self.there = self.neighbour("verona.example")
        self.romeo = self.interested(self.login(ORCHARD))
        self.juliet = self.interested(self.there.login(BALCONY))
        self.befriend()

    def interested(self, client: Client, content: str = "") -> Client:
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq><presence>{content}</presence>")
        self.settle()
        client.clear()
        return client

    def settle(self, seconds: float = 2.0) -> None:
        self.pump(seconds, step=0.1)

    def befriend(self) -> None:
        self.romeo.send("<presence type='subscribe' to='juliet@verona.example'/>")
        self.settle()
        self.juliet.send("<presence type='subscribed' to='romeo@example.org'/>")
        self.juliet.send("<presence type='subscribe' to='romeo@example.org'/>")
        self.settle()
        self.romeo.send("<presence type='subscribed' to='juliet@verona.example'/>")
        self.settle()

    def quiet(self) -> None:
        self.settle()
        self.romeo.clear()
        self.juliet.clear()

    def cut(self) -> None:
        """Lose all connections, and have no other."""
        self._places = dict(self.internet.places)
        self.internet.places.clear()
        for cable in self.internet.cables:
            cable.lose()
        self.settle()

    def mend(self) -> None:
        self.internet.places.update(self._places)

    def came(self, client: Client, *parts: str) -> bool:
        """Has something come that has all of this in it?"""
        return any(all(part in text for part in parts) for text in client.received)

    def items(self, test: FederatedTestCase, account: Jid) -> dict[Jid, str]:
        roster = test.wait(test.plugin("roster").load(account))
        return {jid: str(item.subscription) for jid, item in roster.items.items()}


class Subscriptions(TwoServers):
    def test_both_ways(self) -> None:
        self.assertEqual(self.items(self, ROMEO), {JULIET: "both"})
        self.assertEqual(self.items(self.there, JULIET), {ROMEO: "both"})
        kinds = [
            next(k for k in ("'subscribed'", "'subscribe'", "'to'", "'both'", "/balcony'", "'none'") if k in text)
            for text in self.romeo.received
        ]
        self.assertEqual(kinds, ["'subscribe'", "'subscribed'", "'to'", "/balcony'", "'subscribe'", "'both'"])
        self.assertTrue(self.came(self.juliet, "<presence", f"from='{ORCHARD}' to='juliet@verona.example'"))
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 1)
        self.assertEqual(len(self.there.plugin("presence").devices(JULIET, ROMEO)), 1)

    def test_presence(self) -> None:
        self.quiet()
        self.romeo.send("<presence><show>away</show></presence>")
        self.settle()
        self.juliet.expect(f"<presence from='{ORCHARD}'><show>away</show></presence>")
        self.romeo.clear()
        self.juliet.close()
        self.settle()
        self.romeo.expect(f"<presence type='unavailable' from='{BALCONY}'/>")
        juliet = self.there.login(BALCONY)
        juliet.send("<presence/>")
        self.settle()
        juliet.expect(f"<presence from='{BALCONY}'/>", f"<presence from='{ORCHARD}'><show>away</show></presence>")
        self.romeo.expect(f"<presence from='{BALCONY}'/>")

    def test_removing(self) -> None:
        self.quiet()
        removal = "<item jid='juliet@verona.example' subscription='remove'/>"
        self.romeo.send(f"<iq type='set' id='x'><query xmlns='{NS}'>{removal}</query></iq>")
        self.settle()
        self.assertTrue(self.came(self.juliet, f"from='{ORCHARD}'", "type='unavailable'"))
        self.assertTrue(self.came(self.romeo, f"from='{BALCONY}'", "type='unavailable'"))
        self.assertEqual(self.items(self.there, JULIET), {ROMEO: "none"})

    def test_an_account_that_is_deleted(self) -> None:
        self.quiet()
        self.wait(self.host.delete_account(ROMEO), 10)
        self.settle()
        self.assertTrue(self.came(self.juliet, f"from='{ORCHARD}'", "type='unavailable'"))
        self.assertEqual(self.items(self.there, JULIET), {ROMEO: "none"})

    def test_a_server_that_stops_takes_leave(self) -> None:
        self.quiet()
        self.there._stop()
        self.settle()
        self.romeo.expect(f"<presence type='unavailable' from='{BALCONY}'/>")


class Lost(TwoServers):
    def test_and_back(self) -> None:
        self.romeo.send(f"<presence to='tomb@verona.example/romeo'><x xmlns='{MUC}'/></presence>")
        self.quiet()
        self.cut()
        self.pump(60)
        self.romeo.expect_all(
            f"<presence type='unavailable' from='{BALCONY}'><status>{{any}}</status></presence>",
            "<presence type='unavailable' from='tomb@verona.example/romeo'>{...}</presence>",
        )
        self.romeo.expect_nothing()
        self.romeo.send("<presence><show>dnd</show></presence>")
        self.quiet()
        self.mend()
        for _ in range(10):
            self.pump(10)
            for client in (self.romeo, self.juliet):
                client.send_raw(" ")
        self.assertTrue(self.came(self.romeo, f"<presence from='{BALCONY}' to='romeo@example.org'"))
        self.assertTrue(self.came(self.juliet, f"from='{ORCHARD}'", "<show>dnd</show>"))

    def test_back_at_once(self) -> None:
        """Nobody has noticed, and all is as it was."""
        self.quiet()
        for cable in self.internet.cables:
            cable.lose()
        self.romeo.send("<presence><show>dnd</show></presence>")
        self.pump(30)
        self.assertNotIn("unavailable", "".join(self.romeo.received + self.juliet.received))
        self.assertIn("<show>dnd</show>", "".join(self.juliet.received))

    def test_who_has_left_meanwhile(self) -> None:
        self.quiet()
        self.cut()
        self.juliet.close()
        self.pump(60)
        self.romeo.clear()
        self.mend()
        self.pump(1000, step=2)
        self.assertFalse(self.came(self.romeo, f"from='{BALCONY}' to='romeo@example.org' xml"))
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])


class Events(TwoServers):
    def test_events_and_last_items(self) -> None:
        self.quiet()
        request = f"<pubsub xmlns='{PUBSUB}'>{publish(item('1', tune('a')))}</pubsub>"
        self.romeo.send(f"<iq type='set' id='p'>{request}</iq>")
        self.juliet.send(f"<presence>{caps('tune')}</presence>")
        self.settle()
        questions = [text for text in self.juliet.received if is_question(text)]
        self.assertEqual(len(questions), 2)  # one of each server
        for text in questions:
            asker, id_ = re.findall(" from='([^']+)'", text)[0], re.findall(" id='([^']+)'", text)[0]
            self.juliet.send(f"<iq type='result' id='{id_}' to='{asker}'>{info('tune').query().decode()}</iq>")
        self.settle()
        again = self.there.login("juliet@verona.example/chamber")
        again.send(f"<presence>{caps('tune')}</presence>")
        self.settle()
        self.assertEqual("".join(again.received).count("<title>a</title>"), 1)
        self.romeo.send(f"<iq type='set' id='p'>{request.replace('>a<', '>b<')}</iq>")
        self.settle()
        for client in (self.juliet, again):
            events = [text for text in client.received if EVENT in text and "<title>b</title>" in text]
            self.assertEqual(len(events), 1)
