"""Plugins that own a domain."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.internet.defer import Deferred

from xmppd.api import ACCOUNT, Component, Condition, Iq, Message, Presence, StanzaError, iq_get, tag
from xmppd.testing import ServerTestCase

_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class Quiet(Component):
    """Own a domain and do nothing."""


class Echo(Component):
    """Send back what it gets."""

    label = "echo"

    async def start(self) -> None:
        self.waiting: list[Deferred[None]] = []

    def message(self, message: Message) -> Awaitable[None] | None:
        if message.body == "fail":
            raise ZeroDivisionError
        if message.body == "refuse":
            raise StanzaError(Condition.NOT_ACCEPTABLE)
        if message.body == "wait":
            waited: Deferred[None] = Deferred()
            self.waiting.append(waited)
            return waited.addCallback(lambda _: self.back(message))
        self.back(message)
        return None

    def back(self, message: Message) -> None:
        self.host.send(message.readdressed(to=message.from_, from_=message.to))

    def presence(self, presence: Presence) -> None:
        self.host.send(Presence(presence.from_, presence.to, type=presence.type))

    def iq(self, iq: Iq) -> None:
        if iq.answerable:
            self.host.send(iq.result(tag("any", xmlns="urn:x")))

    @iq_get("urn:x", "x")
    def at_domain(self, request: Iq) -> Iq:
        return request.result(tag("domain", xmlns="urn:x"))

    @iq_get("urn:x", "x", to=ACCOUNT)
    def at_address(self, request: Iq) -> Iq:
        return request.result(tag("address", xmlns="urn:x"))


def error(kind: str, condition: str, type_: str = "cancel") -> str:
    return (
        f"<{kind} type='error'>{{...}}<error type='{type_}'>{{...}}<{condition} xmlns='{_STANZAS}'/></error></{kind}>"
    )


class Domains(ServerTestCase):
    plugins = (Echo, Quiet)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_message(self) -> None:
        for address in ("echo.example.org", "a@echo.example.org", "a@echo.example.org/b"):
            self.romeo.send(f"<message to='{address}' id='1'><body>hi</body></message>")
            self.romeo.expect(f"<message from='{address}' id='1'><body>hi</body></message>")

    def test_presence(self) -> None:
        self.romeo.send("<presence to='a@echo.example.org/b'/><presence to='echo.example.org' type='unavailable'/>")
        self.romeo.expect("<presence from='a@echo.example.org/b'/>", "<presence type='unavailable'/>")

    def test_presence_to_nobody_does_not_reach_it(self) -> None:
        self.romeo.send("<presence/>")
        self.romeo.expect_nothing()

    def test_requests(self) -> None:
        for address, name in (
            ("echo.example.org", "domain"),
            ("a@echo.example.org", "address"),
            ("a@echo.example.org/b", "address"),
        ):
            self.romeo.send(f"<iq type='get' id='1' to='{address}'><x xmlns='urn:x'/></iq>")
            self.romeo.expect(f"<iq type='result' id='1' from='{address}'><{name} xmlns='urn:x'/></iq>")
        self.romeo.send("<iq type='get' id='2' to='echo.example.org'><y xmlns='urn:x'/></iq>")
        self.romeo.expect("<iq type='result' id='2'><any xmlns='urn:x'/></iq>")
        self.romeo.send("<iq type='result' id='3' to='echo.example.org'/>")
        self.romeo.expect_nothing()

    def test_requests_that_break_the_rules(self) -> None:
        remote = self.remote("other.example")
        remote.send("<iq type='get' id='1' from='a@other.example' to='echo.example.org'/>")
        remote.expect(error("iq", "bad-request", "modify"))

    def test_failures(self) -> None:
        self.romeo.send("<message to='echo.example.org'><body>fail</body></message>")
        self.romeo.expect(error("message", "internal-server-error"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.romeo.send("<message to='echo.example.org'><body>refuse</body></message>")
        self.romeo.expect(error("message", "not-acceptable", "modify"))
        self.romeo.send("<message to='echo.example.org' type='error'><body>refuse</body></message>")
        self.romeo.expect_nothing()

    def test_failure_later(self) -> None:
        self.romeo.send("<message to='echo.example.org'><body>wait</body></message>")
        self.plugin("echo").waiting.pop().errback(StanzaError(Condition.GONE))
        self.romeo.expect(error("message", "gone"))

    def test_order(self) -> None:
        self.romeo.send("<message to='echo.example.org'><body>wait</body></message>")
        self.romeo.send("<message to='echo.example.org'><body>2</body></message>")
        self.romeo.expect_nothing()
        self.plugin("echo").waiting.pop().callback(None)
        self.romeo.expect("<message><body>wait</body></message>", "<message><body>2</body></message>")

    def test_nothing_overridden(self) -> None:
        """Messages and requests are refused, presence is ignored."""
        self.romeo.send("<message to='quiet.example.org'><body>hi</body></message>")
        self.romeo.expect(error("message", "service-unavailable"))
        self.romeo.send("<iq type='set' id='1' to='a@quiet.example.org'><x xmlns='urn:x'/></iq>")
        self.romeo.expect(error("iq", "service-unavailable"))
        self.romeo.send("<presence to='quiet.example.org'/><iq type='result' id='1' to='quiet.example.org'/>")
        self.romeo.expect_nothing()

    def test_two_components(self) -> None:
        self.assertEqual(sorted(map(str, self.host.components())), ["echo.example.org", "quiet.example.org"])
