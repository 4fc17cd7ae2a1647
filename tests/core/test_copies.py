"""A stanza for each of many recipients: what becomes of each is what would become of it alone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from xmppd.api import Bounce, Condition, Jid, Message, Plugin, Replace, StanzaError, ToAccount, Verdict, filter, tag
from xmppd.testing import ServerTestCase
from xmppd.wire.stanza import Stanza

ROOM = Jid.parse("room@chat.example.net")


class Choosy(Plugin):
    """Filters by account."""

    @filter(ToAccount, kinds=(Message,))
    def choose(self, event: ToAccount) -> Verdict | Awaitable[Verdict] | None:
        name = event.account.local
        if name == "nurse":
            return Bounce(StanzaError(Condition.FORBIDDEN))
        if name == "romeo":
            return Replace(event.stanza.adding(tag("seen", xmlns="urn:x")))
        return self._later() if name == "tybalt" else None

    async def _later(self) -> Verdict:
        return Replace(Message(Jid.parse("tybalt@example.org/here"), ROOM, payload=b"<body>later</body>"))


class Copies(ServerTestCase):
    plugins: ClassVar[Any] = (Choosy,)
    hosts: ClassVar[Any] = ("example.org", "other.example")

    def test_each_as_if_alone(self) -> None:
        names = (
            "juliet@example.org/here",
            "romeo@example.org/here",
            "tybalt@example.org/here",
            "paris@other.example/a",
        )
        clients = {name: self.login(name, presence=True) for name in names}
        self.account("nurse@example.org", "secret")
        remote = self.remote("chat.example.net")
        abroad = self.remote("example.com")
        absent = ("nurse@example.org/here", "juliet@example.org/gone", "mercutio@example.com/a")
        message = Message(None, ROOM, "1", "groupchat", payload=b"<body>hi</body>")
        self._route(message, *(Jid.parse(name) for name in (*names, *absent)))
        hi = "<message from='room@chat.example.net' to='{to}' type='groupchat' id='1'><body>hi</body>{more}</message>"
        for name, more in zip(names, ("", "<seen xmlns='urn:x'/>", None, ""), strict=True):
            if more is None:
                clients[name].expect("<message from='room@chat.example.net' to='{me}'><body>later</body></message>")
            else:
                clients[name].expect(hi.format(to=name, more=more))
            clients[name].expect_nothing()
        abroad.expect(hi.format(to="mercutio@example.com/a", more=""))
        self.assertEqual(sum("forbidden" in xml for xml in remote.received), 1)
        self.assertEqual(sum("service-unavailable" in xml for xml in remote.received), 1)

    def _route(self, stanza: Stanza, *recipients: Jid) -> None:
        pending = self.host.route_copies(stanza, recipients)
        if pending is not None:
            self.wait(pending)
        self.pump()
