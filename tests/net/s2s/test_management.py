"""Stream management between servers (XEP-0198): acknowledgements that can be relied on, and lost connections."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from tests.net.s2s.test_initiating import DIALBACK, EXTERNAL, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.testing.client import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

SM = "urn:xmpp:sm:3"
FEATURE = f"<sm xmlns='{SM}'/>"


class Acknowledging(ReceivingTestCase):
    """What we say that we have."""

    plugins = ("offline",)

    def managed(self) -> ScriptedPeer:
        peer = self.secured()
        peer.external()
        peer.send(f"<enable xmlns='{SM}'/>")
        peer.expect(f"<enabled xmlns='{SM}' resume='{{none}}' id='{{none}}'/>")
        return peer

    def letter(self, peer: ScriptedPeer, to: str = "juliet@example.org") -> None:
        peer.send(f"<message from='romeo@montague.example' to='{to}' type='chat'><body>hi</body></message>")

    def test_handled_and_on_disk(self) -> None:
        self.account("juliet@example.org")
        peer = self.managed()
        self.letter(peer)
        self.disk.stopped = True
        self.letter(peer)
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect_nothing()
        self.disk.go_on()
        self.pump()
        peer.expect(f"<a xmlns='{SM}' h='2'/>")

    def test_a_slow_disk(self) -> None:
        """An answer is not withheld for ever, but promises no more than is true."""
        self.account("juliet@example.org")
        peer = self.managed()
        self.letter(peer)
        self.pump(1)
        self.disk.stopped = True
        self.letter(peer)
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect_nothing()
        self.pump(11)
        peer.expect(f"<a xmlns='{SM}' h='1'/>")
        self.disk.go_on()

    def test_nothing_has_come(self) -> None:
        peer = self.managed()
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect(f"<a xmlns='{SM}' h='0'/>")

    def test_stanzas_to_nobody_count(self) -> None:
        peer = self.managed()
        self.letter(peer, "nobody@example.org")
        peer.send("<message from='romeo@montague.example' to='@@' type='error'/>")
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect(f"<a xmlns='{SM}' h='2'/>")

    def test_before_authentication(self) -> None:
        peer = self.secured()
        peer.send(f"<enable xmlns='{SM}'/>")
        peer.expect(f"<failed xmlns='{SM}'><unexpected-request xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_twice(self) -> None:
        peer = self.managed()
        peer.send(f"<enable xmlns='{SM}'/>")
        peer.expect(f"<failed xmlns='{SM}'><unexpected-request xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_not_enabled(self) -> None:
        peer = self.secured()
        peer.external()
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect(f"<failed xmlns='{SM}'><unexpected-request xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_unknown_elements(self) -> None:
        peer = self.managed()
        peer.send(f"<surprise xmlns='{SM}'/>")
        peer.expect_closed("unsupported-stanza-type")

    def test_answers_that_were_not_asked_for(self) -> None:
        for name in ("enabled", "resumed", "failed"):
            peer = self.managed()
            peer.send(f"<{name} xmlns='{SM}' h='0'/>")
            peer.expect_closed("unsupported-stanza-type")

    def test_nothing_to_resume(self) -> None:
        peer = self.secured()
        peer.external()
        peer.send(f"<resume xmlns='{SM}' previd='x' h='0'/>")
        peer.expect(f"<failed xmlns='{SM}'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>")
        peer.send(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect(f"<enabled xmlns='{SM}' resume='true' id='{{id}}' max='300'/>")

    def test_what_came_is_acknowledged_at_the_end(self) -> None:
        self.account("juliet@example.org")
        peer = self.managed()
        self.letter(peer)
        peer.send("</stream:stream>")
        peer.expect(f"<a xmlns='{SM}' h='1'/>")
        peer.expect_closed()


class Resuming(ReceivingTestCase):
    """Somebody resumes a stream with us."""

    plugins = ("offline",)

    def resumable(self) -> ScriptedPeer:
        peer = self.secured()
        peer.external()
        peer.send(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect(f"<enabled xmlns='{SM}' resume='true' id='{{id}}' max='300'/>")
        return peer

    def back(self, domain: str = "montague.example") -> ScriptedPeer:
        peer = self.secured(domain)
        peer.external()
        peer.send(f"<resume xmlns='{SM}' previd='{{id}}' h='0'/>")
        return peer

    def test_counting_goes_on(self) -> None:
        juliet = self.login("juliet@example.org/x")
        juliet.clear()
        peer = self.resumable()
        peer.send("<message from='romeo@montague.example' to='juliet@example.org/x'/>" * 3)
        peer.disconnect()
        peer = self.back()
        peer.expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='3'/>")
        peer.send("<message from='romeo@montague.example' to='juliet@example.org/x'/>")
        peer.send(f"<r xmlns='{SM}'/>")
        peer.expect(f"<a xmlns='{SM}' h='4'/>")
        self.assertEqual(len(juliet.received), 4)

    def test_not_before_all_is_on_disk(self) -> None:
        """Otherwise what is still under way would be sent once more."""
        self.account("juliet@example.org")
        peer = self.resumable()
        self.disk.stopped = True
        peer.send("<message from='romeo@montague.example' to='juliet@example.org' type='chat'><body>1</body></message>")
        peer.disconnect()
        peer = self.back()
        peer.expect_nothing()
        self.disk.go_on()
        self.pump()
        peer.expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='1'/>")

    def test_leaving_while_the_disk_is_slow(self) -> None:
        self.account("juliet@example.org")
        peer = self.resumable()
        self.disk.stopped = True
        peer.send("<message from='romeo@montague.example' to='juliet@example.org' type='chat'><body>1</body></message>")
        peer.disconnect()
        self.back().disconnect()
        self.disk.go_on()
        self.pump()
        self.back().expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='1'/>")

    def test_somebody_else(self) -> None:
        peer = self.resumable()
        peer.disconnect()
        thief = self.back("capulet.example")
        thief.expect(f"<failed xmlns='{SM}'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_too_late(self) -> None:
        self.resumable().disconnect()
        self.pump(301)
        self.back().expect(f"<failed xmlns='{SM}'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_after_an_end_in_good_order(self) -> None:
        self.resumable().close()
        self.back().expect(f"<failed xmlns='{SM}'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>")

    def test_while_the_old_connection_is_there(self) -> None:
        """We have not noticed yet that it is lost."""
        peer = self.resumable()
        again = self.back()
        again.expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='0'/>")
        peer.expect_closed("conflict")
        self.pump(100)
        again.expect_open()

    def test_more_than_was_sent(self) -> None:
        self.resumable().disconnect()
        peer = self.secured()
        peer.external()
        peer.send(f"<resume xmlns='{SM}' previd='{{id}}' h='7'/>")
        peer.expect_closed("undefined-condition")

    def test_all_pairs_are_there_again(self) -> None:
        juliet = self.login("juliet@example.org/x")
        peer = self.resumable()
        peer.send("<db:result from='rooms.montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result type='valid'/>")
        peer.disconnect()
        peer = self.back()
        peer.expect(f"<resumed xmlns='{SM}' previd='{{id}}' h='0'/>")
        peer.send("<message from='a@rooms.montague.example' to='juliet@example.org/x'><body>hi</body></message>")
        juliet.expect("<message from='a@rooms.montague.example'><body>hi</body></message>")


class Acknowledged(InitiatingTestCase):
    """What we have sent."""

    config: ClassVar = {"s2s": {"queue_seconds": 20, "resume_seconds": 30}}

    def carrying(self, enabled: str = f"<enabled xmlns='{SM}'/>") -> ScriptedPeer:
        peer = self.negotiated(EXTERNAL + DIALBACK)
        peer.accept_external()
        peer.answer(FEATURE)
        peer.expect(f"<enable xmlns='{SM}' resume='true'/>")
        peer.expect("<message><body>hi</body></message>")
        peer.send(enabled)
        return peer

    def more(self, number: int) -> None:
        for _ in range(number):
            self.romeo.send("<message to='juliet@montague.example' id='m'><body>hi</body></message>")

    def test_asked_for(self) -> None:
        peer = self.carrying()
        self.more(9)
        peer.expect(*["<message><body>hi</body></message>"] * 9, f"<r xmlns='{SM}'/>")
        self.more(9)
        peer.expect(*["<message><body>hi</body></message>"] * 9)  # not twice
        peer.send(f"<a xmlns='{SM}' h='15'/>")
        self.pump(6)
        peer.expect(f"<r xmlns='{SM}'/>")

    def test_too_many(self) -> None:
        peer = self.carrying()
        peer.send(f"<a xmlns='{SM}' h='2'/>")
        peer.expect_closed("undefined-condition")

    def test_no_number(self) -> None:
        for bad in ("", "x", "-1", "1" * 11):
            peer = self.carrying() if not self.montague.peers else None
            if peer is not None:
                peer.send(f"<a xmlns='{SM}' h='{bad}'/>")
                peer.expect_closed("invalid-xml")

    def test_nothing_is_acknowledged(self) -> None:
        peer = self.carrying()
        self.pump(6)
        peer.expect(f"<r xmlns='{SM}'/>")
        self.pump(65)
        peer.expect_closed("connection-timeout")

    def test_never_acknowledged(self) -> None:
        """The connection is lost, and the other server can't resume: the senders learn of it."""
        peer = self.carrying()
        self.more(2)
        peer.send(f"<a xmlns='{SM}' h='1'/>")
        peer.disconnect()
        self.pump(1)
        for _ in range(2):
            self.returned("it may have it or not")

    def test_not_resumed_in_time(self) -> None:
        peer = self.carrying(f"<enabled xmlns='{SM}' id='theirs' resume='1'/>")
        peer.disconnect()
        self.pump(1)
        self.romeo.expect_nothing()
        self.pump(40)
        self.returned("it may have it or not")

    def test_resumed(self) -> None:
        peer = self.carrying(f"<enabled xmlns='{SM}' id='theirs' resume='1'/>")
        self.romeo.send("<message to='juliet@montague.example' id='2'><body>two</body></message>")
        peer.expect("<message><body>two</body></message>")
        peer.disconnect()
        self.romeo.send("<message to='juliet@montague.example' id='3'><body>three</body></message>")
        again = self.again()
        again.send(f"<resumed xmlns='{SM}' previd='theirs' h='1'/>")
        again.expect("<message id='2'><body>two</body></message>", f"<r xmlns='{SM}'/>")
        again.expect("<message id='3'><body>three</body></message>")
        again.send(f"<a xmlns='{SM}' h='3'/>")
        self.pump(60)
        self.romeo.expect_nothing()

    def again(self) -> ScriptedPeer:
        self.pump(1)
        again = self.montague.connection()
        again.answer("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        again.accept_tls()
        again.answer(EXTERNAL)
        again.accept_external()
        again.answer(FEATURE)
        again.expect(f"<resume xmlns='{SM}' previd='theirs' h='0'/>")
        return again

    def test_it_can_not_be_resumed(self) -> None:
        peer = self.carrying(f"<enabled xmlns='{SM}' id='theirs' resume='1'/>")
        self.more(1)
        peer.disconnect()
        again = self.again()
        again.send(f"<failed xmlns='{SM}' h='1'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>")
        again.expect(f"<enable xmlns='{SM}' resume='true'/>")
        self.returned("it may have it or not")
        self.romeo.expect_nothing()

    def test_it_does_not_want_management(self) -> None:
        peer = self.carrying(f"<failed xmlns='{SM}'><feature-not-implemented xmlns='{ns.STANZA_ERRORS}'/></failed>")
        self.more(20)
        peer.expect(*["<message><body>hi</body></message>"] * 20)
        peer.disconnect()
        self.pump(60)
        self.romeo.expect_nothing()


class TooMany(Acknowledged):
    config: ClassVar = {"s2s": {"queue_seconds": 20, "resume_seconds": 30, "unacknowledged_stanzas": 10}}

    def test_asked_for(self) -> None:
        peer = self.carrying()
        self.more(10)
        peer.expect(*["<message><body>hi</body></message>"] * 9, f"<r xmlns='{SM}'/>", "<message>{any}</message>")
        peer.expect_closed("resource-constraint")


class BetweenOurs(FederatedTestCase):
    """Both directions on one connection, which is lost again and again."""

    tls = True

    def setUp(self) -> None:
        super().setUp()
        self.other = self.neighbour("verona.example")
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.other.login("juliet@verona.example/balcony")
        self.numbers = [0, 0]

    def write(self, number: int, one: Client, other: str, side: int) -> None:
        for _ in range(number):
            one.send(f"<message to='{{{other}}}' id='{side}'><body>{self.numbers[side]}</body></message>")
            self.numbers[side] += 1

    def came(self, to: Client) -> list[str]:
        return [xml.split("<body>")[1].split("</body>")[0] for xml in to.received if "<body>" in xml]

    def walk(self, seed: int) -> None:
        """Both write, and connections are lost, at random moments of what is going on."""
        chance = Random(seed)
        for _ in range(40):
            what = chance.random()
            if what < 0.4:
                self.write(chance.randint(1, 4), self.romeo, "juliet", 0)
            elif what < 0.8:
                self.write(chance.randint(1, 4), self.juliet, "romeo", 1)
            elif what < 0.9:
                for cable in self.internet.cables:
                    cable.lose()
            self.steps(chance.randint(0, 12))
        self.pump(60)
        self.assertEqual(self.came(self.juliet), [str(n) for n in range(self.numbers[0])])
        self.assertEqual(self.came(self.romeo), [str(n) for n in range(self.numbers[1])])

    def steps(self, number: int) -> None:
        """Let so many things happen, one after the other."""
        for _ in range(number):
            calls = self.clock.getDelayedCalls()
            if not calls:
                return
            self.clock.rightNow = max(self.clock.rightNow, calls[0].time)
            call: Any = self.clock.calls.pop(0)
            call.called = 1
            call.func(*call.args, **call.kw)

    def test_nothing_is_lost_and_all_is_in_order(self) -> None:
        self.walk(1)

    def test_another_walk(self) -> None:
        self.walk(2)

    def test_and_another(self) -> None:
        self.walk(3)

    def test_the_other_server_was_killed(self) -> None:
        """It knows of nothing any more; what it never acknowledged comes back."""
        self.write(1, self.romeo, "juliet", 0)
        self.pump(1)
        for cable in self.internet.cables:
            cable.lose()
        self.other.servers.sessions.stop()
        self.write(1, self.romeo, "juliet", 0)
        self.pump(30)
        self.assertEqual(self.came(self.juliet)[-1], "1")


class Asking(FederatedTestCase):
    """Two of ours: one asks to resume a stream, and the other's disk has to catch up before it can say so."""

    config: ClassVar = {"s2s": {"queue_seconds": 20, "resume_seconds": 10, "negotiation_seconds": 40}}
    plugins = ("offline",)

    def lost(self) -> Client:
        """The connection is lost, with a message on it; the other server's disk does nothing."""
        self.other = self.neighbour("verona.example", address="192.0.2.2")
        romeo = self.login("romeo@example.org/orchard")
        self.other.account("juliet@verona.example")
        romeo.send("<message to='juliet@verona.example' id='1'><body>one</body></message>")
        self.pump(6)
        self.other.disk.stopped = True
        romeo.send("<message to='juliet@verona.example' id='2'><body>two</body></message>")
        self.pump(0.1)
        self.internet.cables[-1].lose()
        self.pump(0.1)
        return romeo

    def test_it_takes_longer_than_a_stream_lasts(self) -> None:
        """The session is not given up while the answer may be on its way: nothing comes back that has arrived."""
        romeo = self.lost()
        self.pump(15)
        self.other.disk.go_on()
        self.pump(10)
        romeo.expect_nothing()
        juliet = self.other.login("juliet@verona.example/balcony")
        juliet.send("<presence/>")
        juliet.expect("<message><body>one</body>{...}</message>", "<message><body>two</body>{...}</message>")
        (stream,) = self.servers.streams
        self.assertIsNotNone(stream.session)

    def test_no_answer(self) -> None:
        """A server that does not say whether the stream goes on has lost its connection, and its messages come back."""
        romeo = self.lost()
        self.internet.cables[-1].frozen = True
        self.pump(45)
        self.assertTrue(self.internet.cables[-2].ours.closed)
        self.other.disk.go_on()
        self.pump(60)
        self.assertLessEqual(sum("id='2'" in xml for xml in romeo.received), 1)
        self.assertEqual(len(self.server.server.federation.store), 0)


class TwoConnections(FederatedTestCase):
    """Both sides have made a connection at the same time; one of them is lost, with something on it."""

    def lose(self, which: int) -> None:
        other = self.neighbour("verona.example", address="192.0.2.2")
        romeo, juliet = self.login("romeo@example.org/a"), other.login("juliet@verona.example/b")
        for client, to in ((romeo, "juliet@verona.example/b"), (juliet, "romeo@example.org/a")):
            client._write(f"<message to='{to}'><body>0</body></message>".encode())
        self.pump(1)
        self.assertEqual(len(self.internet.cables), 2)
        cable = self.internet.cables[which]
        cable.frozen = True
        for number in (1, 2, 3):
            for client, to in ((romeo, "juliet@verona.example/b"), (juliet, "romeo@example.org/a")):
                client.send(f"<message to='{to}'><body>{number}</body></message>")
            if number == 1:
                cable.lose()
            self.pump(0.1)
        self.pump(60)
        for client in (romeo, juliet):
            client.expect(*[f"<message><body>{number}</body></message>" for number in range(4)])
            client.expect_nothing()

    def test_ours(self) -> None:
        self.lose(0)

    def test_theirs(self) -> None:
        self.lose(1)
