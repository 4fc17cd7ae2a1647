"""Random walks: other servers that say anything at any time. Nothing may fail, and nothing unproven may pass.

An error that is logged fails a test by itself (:class:`xmppd.testing.ServerTestCase`).
"""

from __future__ import annotations

import base64
from random import Random

from tests.net.s2s.test_initiating import DIALBACK, EXTERNAL, STARTTLS, InitiatingTestCase
from tests.net.s2s.test_receiving import ReceivingTestCase
from xmppd.core.federation.contract import Pair
from xmppd.testing.authority import certificate, self_signed
from xmppd.testing.peer import ScriptedPeer
from xmppd.wire import ns

_DOMAINS = ("montague.example", "rooms.montague.example", "capulet.example", "example.org", "nowhere.example", "@", "")
_SM = "urn:xmpp:sm:3"


def _element(chance: Random) -> str:
    """Return something that a server may say; rarely what is right at that moment."""
    one, other = chance.choice(_DOMAINS), "example.org"
    if chance.random() < 0.5:
        one = "montague.example"
    if chance.random() < 0.1:
        other = chance.choice(_DOMAINS)
    authzid = base64.b64encode(one.encode()).decode()
    return chance.choice(
        (
            f"<db:result from='{one}' to='{other}'>{chance.choice(('', 'key'))}</db:result>",
            f"<db:result from='{one}' to='{other}' type='{chance.choice(('valid', 'invalid', 'error', 'x'))}'/>",
            f"<db:verify from='{one}' to='{other}' id='{chance.choice(('', 'x'))}'>key</db:verify>",
            f"<db:verify from='{one}' to='{other}' id='x' type='{chance.choice(('valid', 'invalid', 'error'))}'/>",
            f"<message from='juliet@{one}' to='romeo@{other}/x' type='chat'><body>{one}</body></message>",
            f"<iq from='{one}' to='{other}' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
            f"<presence from='juliet@{one}' to='romeo@{other}'/>",
            f"<auth xmlns='{ns.SASL}' mechanism='EXTERNAL'>{chance.choice(('', '=', authzid))}</auth>",
            f"<{chance.choice(('response', 'abort', 'success', 'failure', 'challenge'))} xmlns='{ns.SASL}'/>",
            f"<{chance.choice(('enable', 'enabled', 'r', 'failed'))} xmlns='{_SM}' resume='true' id='{one}'/>",
            f"<{chance.choice(('a', 'resume', 'resumed'))} xmlns='{_SM}' h='{chance.choice('01x')}' previd='{one}'/>",
            "<bidi xmlns='urn:xmpp:bidi'/>",
            *([" "] * 6),
            f"<{chance.choice(('proceed', 'failure', 'starttls'))} xmlns='{ns.TLS}'/>",
            f"<stream:features>{chance.choice((EXTERNAL, DIALBACK, STARTTLS, ''))}</stream:features>",
            f"<stream:error><{chance.choice(('reset', 'host-gone'))} xmlns='{ns.STREAM_ERRORS}'/></stream:error>",
            "</stream:stream>",
            " ",
        )
    )


class _Deaf:
    """Doesn't mind what the server says, nor where a new stream begins."""

    def feed(self, data: bytes) -> None:
        """Take it."""


def deafen(peer: ScriptedPeer) -> None:
    """Let a peer not listen any more."""
    peer._splitter = _Deaf()  # type: ignore[assignment]


class ToUs(ReceivingTestCase):
    def walk(self, seed: int) -> None:
        chance = Random(seed)
        romeo = self.login("romeo@example.org/x")
        self.scripted("montague.example")
        peer = self.peer(direct_tls=True)
        peer.show(chance.choice((certificate("montague.example"), self_signed("montague.example"), None)))
        peer.encrypt()
        peer.open(from_=chance.choice(("montague.example", "capulet.example", None)))
        deafen(peer)
        for _ in range(12):
            peer.send_raw("".join(_element(chance) for _ in range(chance.randint(1, 2))))
            if chance.random() < 0.3:
                peer.send_raw(f"<stream:stream xmlns='{ns.SERVER}' xmlns:stream='{ns.STREAM}' to='example.org'>")
            self.pump(chance.choice((0, 0, 1, 40)))
        self.pump(700, 5)
        trusted = peer.credentials is not None and peer.credentials[1] == certificate("montague.example").chain
        for xml in romeo.received:
            if "<body>" in xml:
                self.assertTrue(trusted, "what nobody has proven has passed")
                self.assertIn("<body>montague.example</body>", xml)

    def test_walks(self) -> None:
        for seed in range(40):
            self.walk(seed)


class FromUs(InitiatingTestCase):
    def walk(self, seed: int) -> None:
        chance = Random(seed)
        self.servers.connect(Pair("example.org", "montague.example"))
        peer = self.montague.connection()
        if chance.random() < 0.8 and not peer.ended and peer.header is not None:
            peer.answer(STARTTLS)
            self.begin_tls(peer)
            if chance.random() < 0.8 and not peer.ended:
                peer.answer(chance.choice((EXTERNAL, DIALBACK, EXTERNAL + DIALBACK, "")))
        deafen(peer)
        for _ in range(10):
            peer.send_raw(_element(chance))
            self.pump(chance.choice((0, 0, 1, 40)))
        self.servers.close("montague.example")
        self.pump(700, 5)

    def begin_tls(self, peer: ScriptedPeer) -> None:
        self.pump()
        if any("starttls" in xml for xml in peer._unread):
            peer.accept_tls()

    def test_walks(self) -> None:
        for seed in range(25):
            self.walk(seed)
        self.assertFalse([xml for xml in self.romeo.received if "<body>capulet" in xml])
