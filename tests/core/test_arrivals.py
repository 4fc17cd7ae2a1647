"""Stanzas from components (and other servers): order between two accounts, and nobody else waits."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from xmppd.api import Iq, Message, Plugin, ToAccount, Verdict, filter, iq_get
from xmppd.api.hooks import Scope
from xmppd.testing import ServerTestCase

IRC = "irc.example.org"


class Slow(Plugin):
    """Hold messages up that say so; ask whoever asks something else first."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.held: list[Deferred[None]] = []

    @filter(ToAccount, kinds=(Message,))
    def hold(self, event: ToAccount) -> Any:
        text = event.stanza.text("body") or ""
        if text.startswith("fail"):
            raise ZeroDivisionError
        return self.wait(text) if text.startswith("wait") else None

    async def wait(self, text: str) -> Verdict | None:
        waiting: Deferred[None] = Deferred()
        self.held.append(waiting)
        await waiting
        if text.endswith("!"):
            raise ZeroDivisionError
        return None

    @iq_get("urn:ask", "ask", to=Scope.HOST)
    async def ask(self, request: Iq) -> Iq:
        """Ask the asker for something before the answer."""
        answer = await self.host.request(Iq(request.from_, type="get", payload=b"<what xmlns='urn:ask'/>"))
        return request.result(answer.payload)


class ArrivalTests(ServerTestCase):
    plugins = (Slow,)
    components = {IRC: {"input_queue_stanzas": 4}}

    def setUp(self) -> None:
        super().setUp()
        self.irc = self.component(IRC)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.nurse = self.login("nurse@example.org/x", presence=True)
        self.slow: Slow = self.plugin("slow")

    def say(self, text: str, from_: str = f"a@{IRC}", to: str = "juliet@example.org") -> None:
        self.irc.send(f"<message from='{from_}' to='{to}' type='chat'><body>{text}</body></message>")

    def go_on(self) -> None:
        self.slow.held.pop(0).callback(None)

    def test_order(self) -> None:
        self.say("wait")
        self.say("2", to="juliet@example.org/balcony")
        self.say("3", from_=f"a@{IRC}/x")
        self.juliet.expect_nothing()
        self.go_on()
        for text in ("wait", "2", "3"):
            self.juliet.expect(f"<message type='chat'><body>{text}</body></message>")

    def test_others_go_on(self) -> None:
        self.say("wait")
        self.say("2", to="nurse@example.org")
        self.nurse.expect("<message type='chat'><body>2</body></message>")
        self.say("3", from_=f"b@{IRC}")
        self.juliet.expect("<message type='chat'><body>3</body></message>")
        self.go_on()
        self.juliet.expect("<message type='chat'><body>wait</body></message>")

    def test_one_after_the_other(self) -> None:
        self.say("wait 1")
        self.say("wait 2")
        self.say("3")
        self.go_on()
        self.juliet.expect("<message type='chat'><body>wait 1</body></message>")
        self.juliet.expect_nothing()
        self.go_on()
        self.juliet.expect("<message type='chat'><body>wait 2</body></message>")
        self.juliet.expect("<message type='chat'><body>3</body></message>")

    def test_failures(self) -> None:
        self.say("wait!")
        self.say("fail")
        self.say("3")
        self.go_on()
        for text in ("wait!", "fail"):
            self.irc.expect(
                f"<message type='error'><body>{text}</body>{{...}}<error type='cancel'>{{...}}</error></message>"
            )
        self.juliet.expect("<message type='chat'><body>3</body></message>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_too_many(self) -> None:
        """`input_queue_stanzas`: nothing more is read from the connection until there is room."""
        for text in ("wait", "2", "3"):
            self.say(text)
        self.assertFalse(self.irc.transport.paused)
        self.say("4")
        self.assertTrue(self.irc.transport.paused)
        self.say("5")
        self.go_on()
        self.pump()
        self.assertFalse(self.irc.transport.paused)
        for text in ("wait", "2", "3", "4", "5"):
            self.juliet.expect(f"<message type='chat'><body>{text}</body></message>")

    def test_the_server_waits_for_the_component(self) -> None:
        """An answer that is waited for isn't held up by what waits for it."""
        self.irc.send(f"<iq from='{IRC}' to='example.org' type='get' id='1'><ask xmlns='urn:ask'/></iq>")
        self.irc.expect("<iq from='example.org' type='get' id='{id}'><what xmlns='urn:ask'/></iq>")
        self.irc.send(f"<iq from='{IRC}' to='example.org' type='result' id='{{id}}'><this xmlns='urn:ask'/></iq>")
        self.irc.expect("<iq from='example.org' type='result' id='1'><this xmlns='urn:ask'/></iq>")

    def test_the_connection_ends_meanwhile(self) -> None:
        self.say("wait")
        self.say("2")
        self.irc.disconnect()
        self.go_on()
        for text in ("wait", "2"):
            self.juliet.expect(f"<message type='chat'><body>{text}</body></message>")
