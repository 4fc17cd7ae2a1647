"""Requests that the server itself sends (RFC 6120 8.2.3)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred

from xmppd.api import Plugin, iq_get
from xmppd.testing import ServerTestCase
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq
from xmppd.wire.xml import tag


class Curious(Plugin):
    """Ask back before answering."""

    @iq_get("urn:x", "who")
    async def who(self, request: Iq) -> Iq:
        answer = await self.host.request(Iq(request.from_, type="get", payload=tag("name", xmlns="urn:x")))
        return request.result(answer.payload)


class AskingBack(ServerTestCase):
    plugins = (Curious,)

    def test_answer_passes_what_waits_for_it(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><who xmlns='urn:x'/></iq>")
        romeo.expect("<iq type='get' id='{id}' from='example.org'><name xmlns='urn:x'/></iq>")
        romeo.send("<message to='{romeo}'><body>later</body></message><iq type='result' id='?' to='example.org'/>")
        romeo.expect_nothing()
        romeo.send("<iq type='result' id='{id}' to='example.org'><me xmlns='urn:x'/></iq>")
        romeo.expect("<iq type='result' id='1'><me xmlns='urn:x'/></iq>", "<message><body>later</body></message>")


class Asking(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.outcomes: list[Any] = []

    def ask(self, to: str = "romeo@example.org/orchard", timeout: float = 60.0) -> None:
        iq = Iq(Jid.parse(to), None, "ours", "get", payload=tag("x", xmlns="urn:x"))
        ensureDeferred(self.note(self.host.request(iq, timeout)))

    async def note(self, coming: Any) -> None:
        try:
            self.outcomes.append(await coming)
        except StanzaError as error:
            self.outcomes.append(str(error.condition.value))

    def question(self, count: int = 1) -> str:
        self.romeo.expect("<iq type='get' id='{question}' from='example.org'><x xmlns='urn:x'/></iq>")
        return self.names.pop("question")

    def test_result(self) -> None:
        self.ask()
        id_ = self.question()
        self.assertNotEqual(id_, "ours")  # ours may not be unique
        self.romeo.send(f"<iq type='result' id='{id_}' to='example.org'><y xmlns='urn:x'/></iq>")
        self.assertEqual([iq.names for iq in self.outcomes], [(("urn:x", "y"),)])
        self.romeo.send(f"<iq type='result' id='{id_}' to='example.org'/>")
        self.assertEqual(len(self.outcomes), 1)
        self.romeo.expect_nothing()

    def test_error(self) -> None:
        self.ask()
        self.romeo.send(
            f"<iq type='error' id='{self.question()}' to='example.org'><error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        self.assertEqual(self.outcomes, ["forbidden"])

    def test_error_without_a_reason(self) -> None:
        self.ask()
        self.romeo.send(f"<iq type='error' id='{self.question()}' to='example.org'/>")
        self.assertEqual(len(self.outcomes), 1)

    def test_several(self) -> None:
        self.ask()
        self.ask()
        first, second = self.question(), self.question()
        for id_ in (second, first):
            self.romeo.send(f"<iq type='result' id='{id_}' to='example.org'><id xmlns='urn:x'>{id_}</id></iq>")
        self.assertEqual([iq.id for iq in self.outcomes], [second, first])

    def test_answers_of_others_do_not_count(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        self.ask()
        id_ = self.question()
        juliet.send(f"<iq type='result' id='{id_}' to='example.org'/>")
        self.assertEqual(self.outcomes, [])
        self.romeo.send(f"<iq type='result' id='{id_}' to='example.org'/>")
        self.assertEqual(len(self.outcomes), 1)

    def test_nobody_there(self) -> None:
        for to, condition in (
            ("romeo@example.org/gone", "service-unavailable"),
            ("nobody@example.org", "service-unavailable"),
            ("example.com", "remote-server-not-found"),
        ):
            self.ask(to)
            self.assertEqual(self.outcomes.pop(), condition)

    def test_silence(self) -> None:
        self.ask(timeout=30)
        id_ = self.question()
        self.pump(29)
        self.assertEqual(self.outcomes, [])
        self.pump(2)
        self.assertEqual(self.outcomes, ["remote-server-timeout"])
        self.romeo.send(f"<iq type='result' id='{id_}' to='example.org'/>")
        self.assertEqual(len(self.outcomes), 1)

    def test_server_stops(self) -> None:
        self.ask()
        self.question()
        self.restart()
        self.assertEqual(self.outcomes, ["remote-server-timeout"])

    def test_nothing_is_asked_after_that(self) -> None:
        self.server.server.requests.stop()
        self.ask()
        self.romeo.expect_nothing()
        self.assertEqual(self.outcomes, ["remote-server-timeout"])
