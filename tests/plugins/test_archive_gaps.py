"""A client that reads its archive and goes on behind the last message later misses none that was stored meanwhile."""

from __future__ import annotations

import re

from twisted.internet.defer import Deferred

from xmppd.api import Message, Phase, Plugin, ToAccount, filter
from xmppd.testing import Client, ServerTestCase

RSM = "http://jabber.org/protocol/rsm"


class Slow(Plugin):
    """Messages that say so take their time, when they have their place in the archive already."""

    async def start(self) -> None:
        self.waiting: list[Deferred[None]] = []

    @filter(ToAccount, Phase.DELIVER, kinds=(Message,))
    def wait(self, event: ToAccount) -> Deferred[None] | None:
        if b"slow" not in event.stanza.payload:
            return None
        self.waiting.append(Deferred())
        return self.waiting[-1]


class Gaps(ServerTestCase):
    plugins = ("roster", "presence", "offline", "archive", Slow)

    def sync(self, client: Client, after: str) -> tuple[list[str], str]:
        """Return the bodies behind an id, and the last id."""
        behind = f"<after>{after}</after>" if after else ""
        client.clear()
        page = f"<set xmlns='{RSM}'><max>50</max>{behind}</set>"
        client.send(f"<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'>{page}</query></iq>")
        came = "".join(client.received)
        last = re.search("<last>(.*?)</last>", came)
        return re.findall("<body>(.*?)</body>", came), last[1] if last else after

    def test_a_message_that_is_handled_for_long(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        romeo, mercutio = self.login("romeo@example.org/a"), self.login("mercutio@example.org/b")
        romeo.send("<message to='juliet@example.org' type='chat'><body>one</body></message>")
        self.pump(1)
        mercutio.send("<message to='juliet@example.org' type='chat'><body>slow</body></message>")
        self.pump(1)
        romeo.send("<message to='juliet@example.org' type='chat'><body>three</body></message>")
        self.pump(1)
        bodies, last = self.sync(juliet, "")
        self.assertEqual(bodies, ["one"])
        self.plugin("slow").waiting[0].callback(None)
        self.pump(1)
        bodies, last = self.sync(juliet, last)
        self.assertEqual(bodies, ["slow", "three"])

    def test_a_clock_that_was_set_back(self) -> None:
        """Ids go on from the last one, and are ahead of the time: nothing is hidden because of that."""
        juliet, romeo = self.login("juliet@example.org/balcony"), self.login("romeo@example.org/a")
        romeo.send("<message to='juliet@example.org' type='chat'><body>one</body></message>")
        self.pump(1)
        self.clock.rightNow -= 3600
        romeo.send("<message to='juliet@example.org' type='chat'><body>two</body></message>")
        self.pump(1)
        self.disk.stopped = True
        romeo.send("<message to='juliet@example.org' type='chat'><body>three</body></message>")
        self.pump(1)
        self.assertEqual(self.sync(juliet, "")[0], ["one", "two"])
        self.disk.go_on()
        self.pump()


class LookUps(ServerTestCase):
    """A recipient has to be looked up, which takes its time."""

    plugins = ("roster", "presence", "offline", "archive")

    def test_order_is_that_of_handling(self) -> None:
        romeo, other = self.login("romeo@example.org/a"), self.login("romeo@example.org/b", name="other")
        self.account("juliet@example.org")
        self.login("mercutio@example.org/c")
        accounts, found = self.server.accounts, Deferred[bool]()
        known = accounts.known
        self.patch(accounts, "known", lambda jid: None if jid.local == "juliet" and not found.called else known(jid))
        self.patch(accounts, "exists", lambda jid: found)
        romeo.send("<message to='juliet@example.org' type='chat'><body>first</body></message>")
        self.pump(1)
        other.send("<message to='mercutio@example.org' type='chat'><body>second</body></message>")
        self.pump(1)
        found.callback(True)
        self.pump(1)
        other.clear()
        other.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>")
        self.assertEqual(re.findall("<body>(.*?)</body>", "".join(other.received)), ["second", "first"])
