"""Handlers of tx-xmpp, unmodified, as components in a whole server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.words.protocols.jabber.error import StanzaError as JabberError
from twisted.words.protocols.jabber.jid import JID
from twisted.words.xish.domish import Element
from tx_xmpp.disco import DiscoClientProtocol, DiscoHandler
from tx_xmpp.generic import FallbackHandler, Request, VersionHandler
from tx_xmpp.muc import MUCClient
from tx_xmpp.ping import PingClientProtocol, PingHandler
from tx_xmpp.pubsub import Item, PubSubResource, PubSubService, Subscription
from tx_xmpp.subprotocols import XMPPHandler
from tx_xmpp.xmppim import MessageProtocol, PresenceProtocol
from zope.interface import implementer

from xmppd.api import Condition, Iq, Plugin, Replace, StanzaError, ToAccount, Verdict, filter, iq_get
from xmppd.api.handlers import HandlerComponent
from xmppd.core.plugins.sources import PluginError
from xmppd.testing import Client, ServerTestCase

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
INFO, ITEMS = (f"http://jabber.org/protocol/disco#{part}" for part in ("info", "items"))
VERSION, PING, PUBSUB = "jabber:iq:version", "urn:xmpp:ping", "http://jabber.org/protocol/pubsub"
UNAVAILABLE = f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error>"


class Service(HandlerComponent):
    """Offer what four handlers of tx-xmpp offer."""

    def handlers(self) -> Iterable[Any]:
        return [DiscoHandler(), VersionHandler("service", "1.0"), PingHandler(), PubSubService(Nodes())]


class Nodes(PubSubResource):
    """A pubsub resource as one would write it for wokkel: nodes in memory."""

    features: ClassVar = ["publish", "subscribe", "retrieve-items"]

    def __init__(self) -> None:
        self.items_of: dict[str, list[Element]] = {}

    def getNodes(self, requestor: Any, service: Any, node: str) -> Any:
        return succeed(list(self.items_of))

    def publish(self, request: Any) -> Any:
        self.items_of.setdefault(request.nodeIdentifier, []).extend(request.items)
        return succeed(None)

    def subscribe(self, request: Any) -> Any:
        if request.subscriber.userhostJID() != request.sender.userhostJID():
            raise JabberError("bad-request")
        return succeed(Subscription(request.nodeIdentifier, request.subscriber, "subscribed"))

    def items(self, request: Any) -> Any:
        return succeed([Item(i["id"], next(i.elements())) for i in self.items_of[request.nodeIdentifier]])


class Services(ServerTestCase):
    plugins = ("disco", Service)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def test_disco_of_the_component(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='service.example.org'><query xmlns='{INFO}'/></iq>")
        self.romeo.expect(
            f"""<iq type='result' id='1' from='service.example.org' to='{{romeo}}'><query xmlns='{INFO}'>
              <identity category='pubsub' type='service' name='Publish-Subscribe Service'/>
              <feature var='{VERSION}'/><feature var='{PING}'/><feature var='{ITEMS}'/>
              <feature var='{PUBSUB}#publish'/><feature var='{PUBSUB}#subscribe'/>
              <feature var='{PUBSUB}#retrieve-items'/></query></iq>""".replace("\n", "")
        )

    def test_the_host_lists_the_component(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='example.org'><query xmlns='{ITEMS}'/></iq>")
        self.romeo.expect(
            f"<iq type='result' id='1'><query xmlns='{ITEMS}'>"
            "<item jid='service.example.org' name='service'/></query></iq>"
        )

    def test_version(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='service.example.org'><query xmlns='{VERSION}'/></iq>")
        self.romeo.expect(
            f"<iq type='result' id='1' from='service.example.org'><query xmlns='{VERSION}'>"
            "<name>service</name><version>1.0</version></query></iq>"
        )

    def test_ping_of_any_address_in_the_domain(self) -> None:
        self.romeo.send(f"<iq type='get' id='1' to='nurse@service.example.org/x'><ping xmlns='{PING}'/></iq>")
        self.romeo.expect("<iq type='result' id='1' from='nurse@service.example.org/x'/>")

    def test_pubsub(self) -> None:
        self.romeo.send(
            f"<iq type='set' id='1' to='service.example.org'><pubsub xmlns='{PUBSUB}'><publish node='news'>"
            "<item id='a'><entry xmlns='urn:example:news'>Soft! &lt;what&gt; light</entry></item>"
            "</publish></pubsub></iq>"
            f"<iq type='get' id='2' to='service.example.org'><pubsub xmlns='{PUBSUB}'>"
            "<items node='news'/></pubsub></iq>"
            f"<iq type='set' id='3' to='service.example.org'><pubsub xmlns='{PUBSUB}'>"
            "<subscribe node='news' jid='{romeo}'/></pubsub></iq>"
        )
        self.romeo.expect(
            "<iq type='result' id='1'/>",
            f"<iq type='result' id='2'><pubsub xmlns='{PUBSUB}'><items node='news'><item id='a'>"
            "<entry xmlns='urn:example:news'>Soft! &lt;what&gt; light</entry></item></items></pubsub></iq>",
            f"<iq type='result' id='3'><pubsub xmlns='{PUBSUB}'>"
            "<subscription node='news' jid='{romeo}' subscription='subscribed'/></pubsub></iq>",
        )

    def test_errors_of_handlers_reach_the_asker(self) -> None:
        self.romeo.send(
            f"<iq type='set' id='1' to='service.example.org'><pubsub xmlns='{PUBSUB}'>"
            "<subscribe node='news' jid='juliet@example.org'/></pubsub></iq>"
        )
        self.romeo.expect(
            "<iq type='error' id='1'>{...}"
            f"<error type='modify' code='400'><bad-request xmlns='{ERRORS}'/></error></iq>"
        )

    def test_what_nobody_takes_is_refused(self) -> None:
        self.romeo.send("<iq type='set' id='1' to='service.example.org'><x xmlns='urn:example:x'/></iq>")
        self.romeo.expect(f"<iq type='error' id='1'><x xmlns='urn:example:x'/>{UNAVAILABLE}</iq>")
        self.romeo.send("<message to='service.example.org'><body>hi</body></message>")
        self.romeo.expect(f"<message type='error' from='service.example.org'><body>hi</body>{UNAVAILABLE}</message>")
        self.romeo.send("<presence to='service.example.org'/>")
        self.romeo.expect_nothing()


class Recorder(XMPPHandler):
    """Write down what happens, and offer to send."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def connectionMade(self) -> None:
        self.seen.append("made")

    def connectionInitialized(self) -> None:
        self.seen.append("initialized")
        self.xmlstream.addObserver("/iq[@type='get']/later", self._later)
        self.xmlstream.addObserver("/iq[@type='get']/fail", self._fail)
        self.xmlstream.addObserver("/presence", lambda presence: self.seen.append(presence.toXml()))

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        self.seen.append(f"lost: {reason.type.__name__}")

    def _later(self, iq: Any) -> None:
        iq.handled = True
        self.seen.append(iq["id"])

    def _fail(self, iq: Any) -> None:
        raise ZeroDivisionError("as it should")


class Echo(MessageProtocol):
    """Send messages back."""

    def onMessage(self, message: Any) -> None:
        if message.body is not None:
            reply = Element((None, "message"))
            reply["to"], reply["from"] = message["from"], message["to"]
            reply.addElement("body", content=str(message.body))
            self.send(reply)


class Bot(HandlerComponent):
    """Run handlers that a test can get at."""

    made: ClassVar[list[Recorder]] = []

    def handlers(self) -> Iterable[Any]:
        self.recorder, self.disco, self.pinger = Recorder(), DiscoClientProtocol(), PingClientProtocol()
        self.made.append(self.recorder)
        return [
            self.recorder,
            self.disco,
            self.pinger,
            Echo(),
            FallbackHandler(),
            PresenceProtocol(),
            MUCClient(self.clock),
        ]


class Slow(Plugin):
    """Hold stanzas to accounts back until the test lets go of them."""

    @filter(ToAccount)
    async def hold(self, event: ToAccount) -> Verdict | None:
        if event.stanza.has("jabber:client", "subject"):
            self.held: Deferred[None] = Deferred()
            await self.held
            return Replace(event.stanza.adding(b"<late xmlns='urn:example:late'/>"))
        return None

    @iq_get("urn:example:refuse", "refuse")
    def refuse(self, request: Iq) -> Iq:
        raise StanzaError(Condition.NOT_ALLOWED)


class BotTestCase(ServerTestCase):
    plugins = ("disco", "ping", Bot, Slow)
    bot: Any
    romeo: Client

    def setUp(self) -> None:
        Bot.made.clear()
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.bot = self.plugin("bot")
        self.warnings: list[str] = []
        self.systems: list[str] = []

        @implementer(ILogObserver)  # type: ignore[untyped-decorator]
        def note(event: Any) -> None:
            self.systems.append(event.get("log_system", ""))
            if "why" in event:
                self.warnings.append(event["why"])

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)


class Lives(BotTestCase):
    def test_handlers_see_a_connection_begin_and_end(self) -> None:
        recorder = Bot.made[0]
        self.assertEqual(recorder.seen, ["made", "initialized"])
        self.wait(self.host.registry.disable("bot"))
        self.assertEqual(recorder.seen[2:], ["lost: ConnectionDone"])
        self.assertIsNone(recorder.parent)
        self.assertIsNone(recorder.xmlstream)

    def test_nothing_is_left_when_disabled(self) -> None:
        bot, stream = self.bot, self.bot.recorder.xmlstream
        waiting = bot.recorder.request(_request("juliet@elsewhere.example"))
        self.failureResultOf(waiting, JabberError)  # nobody is there
        waiting = bot.disco.requestInfo(JID("romeo@example.org/orchard"))
        self.wait(self.host.registry.disable("bot"))
        self.failureResultOf(waiting, ConnectionDone)
        self.romeo.clear()
        stream.send(_message("romeo@example.org/orchard"))
        self.romeo.expect_nothing()
        self.romeo.send("<iq type='get' id='1' to='bot.example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.romeo.expect("<iq type='error' id='1'>{...}</iq>")
        self.assertEqual(bot._timers, set())
        self.assertEqual(list(bot._manager), [])
        self.assertNotIn("bot.example.org", self.server.server.router.owners)

    def test_other_options_make_new_handlers(self) -> None:
        self.wait(self.host.registry.reconfigure("bot", {"domain": "robot.example.org"}))
        self.pump()
        self.assertEqual(Bot.made[0].seen[-1], "lost: ConnectionDone")
        self.assertEqual(Bot.made[1].seen, ["made", "initialized"])
        self.bot.recorder.send(_message("romeo@example.org/orchard"))
        self.romeo.expect("<message from='robot.example.org'><body>hi</body></message>")

    def test_enabled_again(self) -> None:
        self.wait(self.host.registry.disable("bot"))
        self.wait(self.host.registry.enable("bot"))
        self.pump()
        self.romeo.send("<message to='bot.example.org'><body>hi</body></message>")
        self.romeo.expect("<message from='bot.example.org'><body>hi</body></message>")

    def test_a_request_from_connectionInitialized_is_answered(self) -> None:
        class Early(XMPPHandler):
            def connectionInitialized(self) -> None:
                self.answer = self.request(_request("example.org"))

        early = Early()
        self.patch(Bot, "handlers", lambda bot: [early])
        self.wait(self.host.registry.reload("bot"))
        self.pump()
        self.assertEqual(self.successResultOf(early.answer)["type"], "result")

    def test_a_handler_that_cannot_connect_stops_the_start(self) -> None:
        class Broken(XMPPHandler):
            def connectionMade(self) -> None:
                raise OSError("no such modem")

        recorder = Recorder()
        self.wait(self.host.registry.disable("bot"))
        self.patch(Bot, "handlers", lambda bot: [recorder, Broken()])
        error = self.assertRaises(PluginError, self.wait, self.host.registry.enable("bot"))
        self.assertIn("bot could not be started: OSError: no such modem", str(error))
        self.assertEqual(recorder.seen, ["made", "lost: ConnectionDone"])


class Sending(BotTestCase):
    def test_from_is_the_component(self) -> None:
        self.bot.recorder.send(_message("romeo@example.org/orchard"))
        self.romeo.expect("<message from='bot.example.org' to='{romeo}'><body>hi</body></message>")

    def test_from_may_be_any_address_of_the_component(self) -> None:
        self.bot.recorder.send(_message("romeo@example.org/orchard", "nurse@bot.example.org/x"))
        self.romeo.expect("<message from='nurse@bot.example.org/x'><body>hi</body></message>")

    def test_from_may_be_nobody_else(self) -> None:
        for sender in ("example.org", "juliet@example.org", "other.bot.example.org", "bot.example.org.evil.example"):
            self.bot.recorder.send(_message("romeo@example.org/orchard", sender))
        self.romeo.expect_nothing()
        self.assertEqual(self.warnings, ["it is not from bot.example.org"] * 4)

    def test_a_refused_request_fails(self) -> None:
        request = _request("example.org")
        request.sender = JID("juliet@example.org")
        error = self.failureResultOf(self.bot.recorder.request(request), JabberError).value
        self.assertEqual(error.condition, "not-allowed")
        error = self.failureResultOf(self.bot.recorder.request(_request(None)), JabberError).value
        self.assertEqual(error.condition, "bad-request")

    def test_text_is_framed_like_an_element(self) -> None:
        self.bot.recorder.send("<message to='romeo@example.org/orchard'><body>1</body></message> ")
        self.bot.recorder.send(b"<message to='romeo@example.org/orchard'><body>2</body></message>")
        self.romeo.expect("<message><body>1</body></message><message><body>2</body></message>")
        self.assertEqual(self.warnings, [])

    def test_what_would_break_streams_is_refused(self) -> None:
        faulty = ("<message to='a@example.org'>", "</message>", "<a/>", "text", "</stream:stream>", "<!-- --><iq/>")
        for text in faulty:
            self.bot.recorder.send(text)
        self.romeo.expect_nothing()
        self.assertEqual(len(self.warnings), len(faulty))
        self.bot.recorder.send(_message("romeo@example.org/orchard"))
        self.romeo.expect("<message><body>hi</body></message>")

    def test_what_xml_can_not_say_is_replaced(self) -> None:
        control = _message("romeo@example.org/orchard")
        control.addElement("x", content="\x07")
        self.bot.recorder.send(control)
        self.romeo.expect("<message><body>hi</body><x>\ufffd</x></message>")

    def test_stanzas_that_break_the_rules_are_refused(self) -> None:
        for text in (
            "<iq type='get' to='example.org'><a xmlns='b'/></iq>",
            "<iq type='get' id='1' to='example.org'/>",
            "<iq type='other' id='1' to='example.org'/>",
            "<presence type='other' to='romeo@example.org'/>",
            "<message to='@@'><body>hi</body></message>",
        ):
            self.bot.recorder.send(text)
            self.assertEqual(len(self.warnings), 1, text)
            self.warnings.clear()
        self.romeo.expect_nothing()

    def test_the_namespace_of_components_is_understood(self) -> None:
        message = Element(("jabber:component:accept", "message"))
        message["to"] = "romeo@example.org/orchard"
        message.addElement("body", content="hi")
        self.bot.recorder.send(message)
        self.romeo.expect("<message><body>hi</body></message>")

    def test_order_holds_while_a_filter_waits(self) -> None:
        first = _message("romeo@example.org/orchard")
        first.addElement("subject", content="1")
        self.bot.recorder.send(first)
        self.bot.recorder.send(_message("romeo@example.org/orchard"))
        self.romeo.expect_nothing()
        self.plugin("slow").held.callback(None)
        self.romeo.expect("<message><body>hi</body><subject>1</subject><late xmlns='urn:example:late'/></message>")
        self.romeo.expect("<message><body>hi</body></message>")

    def test_stop_while_a_filter_waits(self) -> None:
        first = _message("romeo@example.org/orchard")
        first.addElement("subject", content="1")
        self.bot.recorder.send(first)
        self.bot.recorder.send(_message("romeo@example.org/orchard"))
        self.wait(self.host.registry.reload("bot"))
        self.plugin("slow").held.callback(None)
        self.pump()
        self.romeo.expect("<message>{...}</message>")
        self.romeo.expect_nothing()
        self.plugin("bot").recorder.send(_message("romeo@example.org/orchard"))
        self.romeo.expect("<message from='bot.example.org'><body>hi</body></message>")


class Receiving(BotTestCase):
    def test_requests_by_both_ways_of_tx_xmpp(self) -> None:
        info = self.successResultOf(self.bot.disco.requestInfo(JID("example.org")))
        self.assertIn(PING, info.features)
        self.assertIsNone(self.successResultOf(self.bot.pinger.ping(JID("example.org"))))

    def test_errors_come_as_failures(self) -> None:
        request = _request("example.org")
        request.namespace, request.name = "urn:example:refuse", "refuse"
        error = self.failureResultOf(self.bot.recorder.request(request), JabberError).value
        self.assertEqual(error.condition, "not-allowed")

    def test_a_request_that_times_out(self) -> None:
        request = _request("romeo@example.org/orchard")
        request.timeout = 10
        answer = self.bot.recorder.request(request)
        self.assertNoResult(answer)
        self.pump(11)
        self.failureResultOf(answer)

    def test_messages(self) -> None:
        self.romeo.send("<message to='nurse@bot.example.org' xml:lang='en'><body>hi &amp; ho</body></message>")
        self.romeo.expect("<message from='nurse@bot.example.org'><body>hi &amp; ho</body></message>")

    def test_presence_keeps_all_attributes(self) -> None:
        self.romeo.send(
            "<presence to='bot.example.org' id='p' xml:lang='de' type='unavailable'><show>away</show></presence>"
        )
        xml = self.bot.recorder.seen[-1]
        for part in (
            "type='unavailable'",
            "xml:lang='de'",
            "id='p'",
            "from='romeo@example.org/orchard'",
            "<show>away</show>",
        ):
            self.assertIn(part, xml)

    def test_a_late_answer(self) -> None:
        self.romeo.send("<iq type='get' id='x1' to='bot.example.org'><later xmlns='urn:example:later'/></iq>")
        self.romeo.expect_nothing()
        self.bot.recorder.send("<iq type='result' id='x1' to='romeo@example.org/orchard'/>")
        self.romeo.expect("<iq type='result' id='x1' from='bot.example.org'/>")

    def test_the_fallback_handler_answers_once(self) -> None:
        self.romeo.send("<iq type='get' id='1' to='bot.example.org'><x xmlns='urn:example:x'/></iq>")
        self.romeo.expect("<iq type='error' id='1'>{...}<error type='cancel' code='503'>{...}</error></iq>")
        self.romeo.expect_nothing()

    def test_a_handler_that_fails_is_logged_by_name(self) -> None:
        self.romeo.send("<iq type='get' id='1' to='bot.example.org'><fail xmlns='urn:example:fail'/></iq>")
        self.romeo.expect("<iq type='error' id='1'>{...}</iq>")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("plugin bot", self.systems)

    def test_handlers_may_change_what_they_see(self) -> None:
        def spoil(element: Any) -> None:
            element["from"] = "spoilt@example.org"
            element.children.clear()

        self.bot.recorder.xmlstream.addObserver("/message", spoil, 10)
        self.romeo.send("<message to='bot.example.org' type='chat'><body>hi</body></message>")
        self.romeo.expect_nothing()


class Undecided(HandlerComponent):
    """Forget to say which handlers there are."""


class Forgotten(ServerTestCase):
    plugins = ("ping",)

    def test_it_does_not_start(self) -> None:
        self._sources[0]._classes["undecided"] = Undecided  # type: ignore[attr-defined]
        Undecided.name = "undecided"
        error = self.assertRaises(PluginError, self.wait, self.host.registry.enable("undecided"))
        self.assertIn("does not say which handlers it has", str(error))


def _message(to: str, sender: str | None = None) -> Any:
    message = Element((None, "message"))
    message["to"] = to
    if sender:
        message["from"] = sender
    message.addElement("body", content="hi")
    return message


class _Ask(Request):
    namespace, name = PING, "ping"

    def toElement(self) -> Any:
        element = super().toElement()
        element.addElement((self.namespace, self.name))
        return element


def _request(to: str | None) -> Any:
    return _Ask(JID(to) if to else None)
