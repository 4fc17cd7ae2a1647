"""Other servers that want to cost us, or others, more than they should (RFC 6120 13.12, XEP-0220 section 5)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.net.s2s.test_receiving import BIDI, DIALBACK, EXTERNAL, ReceivingTestCase, limits
from xmppd.testing.authority import self_signed
from xmppd.testing.internet import Place
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

REFUSED = (
    "<db:result from='example.org' to='{any}' type='error'><error type='wait'>"
    f"<resource-constraint xmlns='{ns.STANZA_ERRORS}'/>{{...}}</error></db:result>"
)


class Keys(ReceivingTestCase):
    """Each key that has to be verified makes us look for a server, which may be a victim's."""

    config: ClassVar[Any] = {"s2s": {"domains_per_stream": 5}}

    def test_those_that_are_not_valid_count(self) -> None:
        peer = self.secured()
        for number in range(8):
            peer.send(f"<db:result from='v{number}.example' to='example.org'>abc</db:result>")
            self.pump(1)
        errors = [xml for xml in peer.received if "type='error'" in xml]
        self.assertEqual(["resource-constraint" in xml for xml in errors], [False] * 5 + [True] * 3)
        (stream,) = self.servers.streams
        self.assertLessEqual(len(stream._proofs), 6)

    def test_nobody_is_told_what_was_found(self) -> None:
        """DNS is the asker's: it may name a machine in our network, to find out what is there."""
        self.internet.places["v.example"] = [Place("10.1.2.3", None)]
        peer = self.secured()
        peer.send("<db:result from='v.example' to='example.org'>abc</db:result>")
        self.pump(1)
        error = next(xml for xml in peer.received if "type='error'" in xml)
        self.assertIn("v.example could not be asked</text>", error)
        self.assertNotIn("10.1.2.3", error)

    def test_what_is_proven_is_proven(self) -> None:
        """However many others are not."""
        peer = self.secured()
        peer.send("<db:result from='montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result type='valid'/>")
        for number in range(8):
            peer.send(f"<db:result from='v{number}.example' to='example.org'>abc</db:result>")
            self.pump(1)
        peer.clear()
        peer.send("<db:result from='montague.example' to='example.org'>x</db:result>")
        peer.expect("<db:result from='example.org' to='montague.example' type='valid'/>")


class Certificates(ReceivingTestCase):
    """To look at a certificate costs something, too."""

    config: ClassVar[Any] = {"s2s": {"policy": "certificate", "domains_per_stream": 5}}

    def test_they_are_looked_at_so_many_times(self) -> None:
        peer = self.secured()
        peer.external()
        for number in range(20):
            peer.send(f"<db:result from='v{number}.example' to='example.org'>abc</db:result>")
        (stream,) = self.servers.streams
        self.assertLessEqual(len(stream._proofs), 6)


class Floods(ReceivingTestCase):
    config: ClassVar[Any] = {"s2s": {"keys_per_address": 64}}

    def test_from_one_address(self) -> None:
        """So many keys are being verified at a time for one address, over however many connections."""
        for number in range(200):
            self.scripted(f"v{number}.example", "192.0.2.98")
        peers = []
        for start in range(0, 160, 16):
            peer = self.secured(trusted=False)
            for number in range(start, start + 16):
                peer.send(f"<db:result from='v{number}.example' to='example.org'>abc</db:result>")
            peers.append(peer)
        self.pump(1)
        self.assertEqual(len(self.internet.cables), 64)
        peers[-1].expect(REFUSED)
        other = ScriptedPeer.connected(self, "capulet.example", self.accept(), "198.51.100.7")
        other.show(self_signed("capulet.example"))
        other.open()
        other.start_tls()
        self.scripted("capulet.example", "198.51.100.7")
        other.send("<db:result from='capulet.example' to='example.org'>abc</db:result>")
        self.pump(1)
        self.assertEqual(len(self.internet.cables), 65)


class Lost(ReceivingTestCase):
    """Streams that can be resumed cost memory without a connection, too."""

    config: ClassVar[Any] = {"s2s": {"connections": 3, "resume_seconds": 300}}

    def test_so_many(self) -> None:
        for number in range(6):
            peer = self.secured(f"v{number}.montague.example")
            peer.external()
            peer.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            peer.expect(f"<enabled xmlns='urn:xmpp:sm:3' resume='true' id='{{id{number}}}' max='300'/>")
            peer.disconnect()
        failed = f"<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='{ns.STANZA_ERRORS}'/></failed>"
        for number, answer in ((2, failed), (3, "<resumed xmlns='urn:xmpp:sm:3' previd='{id3}' h='0'/>")):
            peer = self.secured(f"v{number}.montague.example")
            peer.external()
            peer.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{{id{number}}}' h='0'/>")
            peer.expect(answer)
            peer.close()


class Logs(ReceivingTestCase):
    def test_answers_that_nobody_asked_for(self) -> None:
        """The log tells of the first one on a stream."""
        seen: list[LogEvent] = []
        observer = cast(ILogObserver, seen.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        peer = self.secured()
        peer.external()
        for _ in range(20):
            peer.send("<db:result from='capulet.example' to='example.org' type='valid'/>")
        self.assertEqual(sum("nobody had asked for" in str(event.get("log_format")) for event in seen), 1)
        self.assertEqual(self.servers.counts["unsolicited dialback"], 20)


class BeforeTls(ReceivingTestCase):
    """What was said before TLS may have been said by somebody in between (RFC 6120 5.4.3.3)."""

    config: ClassVar[Any] = {"s2s": {"tls_required": False}}

    def test_bidi(self) -> None:
        peer = self.peer()
        peer.open()
        peer.send("<bidi xmlns='urn:xmpp:bidi'/>")
        peer.start_tls()
        peer.expect_features(f"<stream:features>{EXTERNAL}{DIALBACK}{BIDI}{limits(10000)}</stream:features>")
        self.assertFalse(next(iter(self.servers.streams)).bidi)

    def test_a_key(self) -> None:
        """It was for the stream before TLS, and proves nothing of the one after it (XEP-0220 2.1.2)."""
        authoritative = self.scripted("montague.example")
        peer = self.peer()
        peer.open()
        peer.send(peer.result())
        back = authoritative.connection()
        back.answer(DIALBACK)
        back.expect("<db:verify from='example.org' to='montague.example' id='{stream}'>{key}</db:verify>")
        peer.show(self_signed("capulet.example"))
        peer.start_tls()
        back.send("<db:verify from='montague.example' to='example.org' id='{stream}' type='valid'/>")
        peer.expect_nothing()
        peer.send("<message from='romeo@montague.example' to='juliet@example.org'/>")
        peer.expect_closed("not-authorized")


class Meanwhile(ReceivingTestCase):
    """Settings that change while a key is being verified."""

    def asked(self) -> tuple[ScriptedPeer, ScriptedPeer]:
        authoritative = self.scripted("montague.example")
        peer = self.secured(trusted=False)
        peer.send(peer.result())
        back = authoritative.connection()
        back.answer(f"<starttls xmlns='{ns.TLS}'/>")
        back.accept_tls()
        back.answer(DIALBACK)
        back.expect("<db:verify from='example.org' to='{any}' id='{stream}'>{key}</db:verify>")
        return peer, back

    def test_the_domain_is_ours_now(self) -> None:
        peer, back = self.asked()
        self.server.server.router.owners["montague.example"] = self.host
        back.send("<db:verify from='montague.example' to='example.org' id='{stream}' type='valid'/>")
        peer.expect("<db:result type='error'>{...}</db:result>")
        self.assertIn("<forbidden ", peer.received[-1])
        stream = next(s for s in self.servers.streams if s.incoming)
        self.assertFalse(stream.proven)

    def test_the_domain_was_proven_before(self) -> None:
        peer, back = self.asked()
        back.send("<db:verify from='montague.example' to='example.org' id='{stream}' type='valid'/>")
        peer.expect("<db:result type='valid'/>")
        self.server.server.router.owners["montague.example"] = self.host
        self.servers.reconfigure()
        peer.send("<message from='romeo@montague.example' to='juliet@example.org'/>")
        peer.expect_closed("not-authorized")
