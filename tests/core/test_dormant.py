"""Filters that are declared dormant: not in the tables until their plugin has something to filter for."""

from __future__ import annotations

from xmppd.api import Drop, FromClient, Message, Plugin, SessionBound, Verdict, filter, observe
from xmppd.testing import ServerTestCase


class Censor(Plugin):
    """Keep a word from being said, once there is a word."""

    async def start(self) -> None:
        self.asked = 0
        self.word = ""

    def forbid(self, word: str) -> None:
        self.word = word
        self.wake()

    @observe(SessionBound, dormant=True)
    def see(self, event: SessionBound) -> None:
        self.asked += 1

    @filter(FromClient, kinds=(Message,), dormant=True)
    def listen(self, event: FromClient) -> Verdict | None:
        self.asked += 1
        return Drop() if self.word in str(event.stanza.text("body")) else None


class DormantTests(ServerTestCase):
    plugins = (Censor,)

    def say(self, text: str) -> None:
        self.romeo.send(f"<message to='romeo@example.org/orchard'><body>{text}</body></message>")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_it_costs_nothing_until_it_is_woken(self) -> None:
        self.say("Montague")
        self.romeo.expect("<message><body>Montague</body></message>")
        self.assertEqual(self.plugin("censor").asked, 0)
        self.assertNotIn("message", self.host.tables.from_client)
        self.plugin("censor").forbid("Montague")
        self.say("Montague")
        self.romeo.expect_nothing()
        self.say("Capulet")
        self.romeo.expect("<message><body>Capulet</body></message>")
        self.assertEqual(self.plugin("censor").asked, 2)

    def test_woken_twice_is_there_once(self) -> None:
        self.plugin("censor").forbid("a")
        self.plugin("censor").forbid("b")
        self.assertEqual(len(self.host.tables.from_client["message"]), 1)

    def test_a_stopped_plugin_leaves_nothing(self) -> None:
        self.plugin("censor").forbid("a")
        self.wait(self.host.registry.disable("censor"))
        self.assertNotIn("message", self.host.tables.from_client)
        self.wait(self.host.registry.enable("censor"))
        self.assertNotIn("message", self.host.tables.from_client)

    def test_observers(self) -> None:
        self.assertFalse(self.host.observed(SessionBound))
        self.plugin("censor").forbid("a")
        self.assertTrue(self.host.observed(SessionBound))
        self.login("juliet@example.org/balcony")
        self.assertEqual(self.plugin("censor").asked, 1)
