"""Whatever anybody does in a semi-anonymous room: only moderators learn whose address is whose (XEP-0045 13.1)."""

from __future__ import annotations

import re
from random import Random
from typing import Any, ClassVar

from tests.plugins.muc.coven import ROOM, CovenTestCase, joining
from tests.plugins.muc.test_hostile import Maker
from xmppd.testing import Client

#: Parts of the addresses of those who are in the room, which no stanza that is made has.
SECRETS = ("montague", "orchard7", "capulet", "balcony7")
SPY = "spy@example.net/z"


class Secrets(CovenTestCase):
    config: ClassVar[Any] = {
        "muc": {
            "joins_per_minute": 10**6, "presence_per_minute": 10**6, "invitations_per_minute": 10**6,
            "voice_requests_per_minute": 10**6, "max_owned": 10**6, "forced": {"anonymous": True, "persistent": True},
        }
    }  # fmt: skip

    def setUp(self) -> None:
        super().setUp()
        self.crone = self.login("montague@example.org/orchard7", name="crone")
        self.capulet = self.login("capulet@example.org/balcony7")
        self.peeker = self.login("peeker@example.org/w")
        self.net = self.remote("example.net")
        self.create()

    def come(self) -> None:
        """Have everybody be there, as far as they may."""
        self.crone.send(joining("firstwitch"))
        self.capulet.send(joining("thirdwitch"))
        self.peeker.send(joining("watcher"))
        self.net.send(joining("spy").replace("<presence", f"<presence from='{SPY}'"))

    def answer(self, client: Client) -> None:
        """Answer a request with an error that says who it is from."""
        for id_ in re.findall(r"<iq [^>]*type='get'[^>]*id='([^']+)'", "".join(client.received).replace('"', "'")):
            for nick in ("watcher", "spy"):
                client.send(
                    f"<iq type='error' to='{ROOM}/{nick}' id='{id_}'><error type='cancel' by='{client.jid}'>"
                    "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:capulet@example.org</gone>"
                    f"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Not for {client.jid}</text></error></iq>"
                )

    def check(self, doing: str) -> None:
        for watcher in (self.peeker, self.net):
            seen = "".join(watcher.received)
            for secret in SECRETS:
                self.assertNotIn(secret, seen, doing)
            self.assertNotIn("internal-server-error", seen, doing)
            watcher.clear()

    def walk(self, seed: int, steps: int = 200) -> None:
        random = Random(seed)
        maker = Maker(random)
        self.come()
        self.peeker.clear()
        self.net.clear()
        for number in range(steps):
            xml, *_ = maker.stanza(number)
            who = random.choice((self.crone, self.capulet, self.peeker, self.net))
            if who is self.net:
                xml = re.sub(r"^<(\w+)", rf"<\1 from='{SPY}'", xml)
            who.send(xml)
            self.pump()
            self.answer(self.crone)
            self.answer(self.capulet)
            self.check(xml)
            self.crone.clear()
            self.capulet.clear()
            if not number % 7:
                self.come()
                self.check(xml)

    def test_walks(self) -> None:
        for seed in range(6):
            self.walk(seed)

    def test_the_walk_sees(self) -> None:
        """It would fail if addresses were told."""
        self.plugin("muc").service.forced = {}
        self.configure(whois="anyone")
        self.come()
        with self.assertRaises(self.failureException):
            self.check("")
