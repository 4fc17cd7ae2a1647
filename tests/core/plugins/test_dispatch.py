"""Handlers: what they may decide, and what becomes of those that fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from xmppd.api import (
    ACCOUNT,
    HOST,
    OWN_ACCOUNT,
    AvailabilityChanged,
    Bounce,
    Drop,
    FromClient,
    Handled,
    Iq,
    Message,
    Nonza,
    Pass,
    Phase,
    Plugin,
    Replace,
    SessionBound,
    SessionEnded,
    StorageUnavailable,
    ToAccount,
    ToDevice,
    ToHost,
    Undeliverable,
    filter,
    iq_get,
    nonza,
    observe,
    stream_feature,
    tag,
)
from xmppd.testing import ServerTestCase
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.stanza import Stanza

_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def error(condition: str, type_: str, kind: str = "message") -> str:
    return (
        f"<{kind} type='error'>{{...}}<error type='{type_}'>{{...}}<{condition} xmlns='{_STANZAS}'/></error></{kind}>"
    )


class Scripted(Plugin):
    """Do what a message says."""

    seen: list[str]
    waiting: list[Deferred[None]]
    raises: ClassVar[dict[str, Callable[[], Exception]]] = {
        "raise-error": lambda: ZeroDivisionError("as it should"),
        "raise-stanza": lambda: StanzaError(Condition.NOT_ACCEPTABLE),
        "raise-storage": lambda: StorageUnavailable("the disk is full"),
    }

    async def start(self) -> None:
        self.seen, self.waiting = [], []

    def verdict(self, stanza: Stanza, place: str) -> Any:
        text = stanza.text("subject") or ""
        where, _, act = text.partition(" ")
        if where != place or stanza.type == "error":
            return None
        self.seen.append(act)
        if act in self.raises:
            raise self.raises[act]()
        if act.startswith("later "):
            return self.later_verdict(stanza, f"{where} {act[6:]}")
        copy = Message(stanza.from_, self.host.jid, "copy", payload=tag("body", "copy"))
        verdicts: dict[str, object] = {
            "pass": Pass(),
            "pass-and": Pass(also=[copy]),
            "handle": Handled(),
            "handle-and": Handled(also=[copy]),
            "drop": Drop(),
            "bounce": Bounce(StanzaError(Condition.FORBIDDEN)),
            "bounce-and": Bounce(StanzaError(Condition.FORBIDDEN), also=[copy]),
            "replace": Replace(stanza.with_payload(tag("body", "other"))),
            "nonsense": 5,
        }
        return verdicts[act]

    async def later_verdict(self, stanza: Stanza, text: str) -> Any:
        waited: Deferred[None] = Deferred()
        self.waiting.append(waited)
        await waited
        return self.verdict(stanza.with_payload(tag("subject", text)), text.partition(" ")[0])

    @filter(FromClient)
    def from_client(self, event: FromClient) -> Any:
        return self.verdict(event.stanza, "from-client")

    @filter(ToAccount)
    def to_account(self, event: ToAccount) -> Any:
        return self.verdict(event.stanza, "to-account")

    @filter(ToDevice)
    def to_device(self, event: ToDevice) -> Any:
        return self.verdict(event.stanza, "to-device")

    @filter(ToHost)
    def to_host(self, event: ToHost) -> Any:
        return self.verdict(event.stanza, "to-host")

    @filter(Undeliverable, kinds=(Message,))
    def undeliverable(self, event: Undeliverable) -> Any:
        return self.verdict(event.stanza, "undeliverable")


class Second(Plugin):
    """Note what comes after the script."""

    async def start(self) -> None:
        self.bodies: list[str] = []

    @filter(FromClient, after=("scripted",), kinds=(Message,))
    def from_client(self, event: FromClient) -> None:
        self.bodies.append(event.stanza.text("body") or "")


class Refusing(Plugin):
    """Refuse whatever asks for it."""

    @filter(ToAccount, Phase.POLICY)
    def refuse(self, event: ToAccount) -> Bounce | None:
        return Bounce(StanzaError(Condition.FORBIDDEN)) if event.stanza.has("urn:x", "refuse") else None


class Verdicts(ServerTestCase):
    """What filters decide, at each place a stanza passes, at once or later."""

    plugins = (Scripted, Second, Refusing)
    PLACES = ("from-client", "to-account", "to-device")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony", presence=True)

    def every(self, act: str, to: str = "juliet@example.org") -> Any:
        """Yield for each place, once at once and once later, after a message that asks for that act there."""
        for place in self.PLACES:
            for when in ("", "later "):
                with self.subTest(place=place, when=when):
                    text = f"{place} {when}{act}"
                    self.romeo.send(f"<message to='{to}'><body>hi</body><subject>{text}</subject></message>")
                    if when:
                        self.romeo.expect_nothing()
                        self.juliet.expect_nothing()
                        self.plugin("scripted").waiting.pop().callback(None)
                    yield place
                    self.romeo.expect_nothing()
                    self.juliet.expect_nothing()

    def test_pass(self) -> None:
        for _ in self.every("pass"):
            self.juliet.expect("<message><body>hi</body><subject>{any}</subject></message>")

    def test_also(self) -> None:
        """Extra stanzas follow the stanza itself."""
        for _ in self.every("pass-and"):
            self.juliet.expect("<message><body>hi</body><subject>{any}</subject></message>")
            self.romeo.expect("<message from='example.org' id='copy'><body>copy</body></message>")

    def test_handled(self) -> None:
        for _ in self.every("handle"):
            pass
        for _ in self.every("handle-and"):
            self.romeo.expect("<message from='example.org' id='copy'><body>copy</body></message>")

    def test_drop(self) -> None:
        for _ in self.every("drop"):
            pass

    def test_bounce(self) -> None:
        for _ in self.every("bounce"):
            self.romeo.expect(error("forbidden", "auth"))
        for _ in self.every("raise-stanza"):
            self.romeo.expect(error("not-acceptable", "modify"))
        for _ in self.every("bounce-and"):
            self.romeo.expect(error("forbidden", "auth"), "<message id='copy'><body>copy</body></message>")

    def test_replace(self) -> None:
        for _ in self.every("replace"):
            self.juliet.expect("<message from='{romeo}'><body>other</body></message>")

    def test_later_filters_see_the_replacement(self) -> None:
        self.romeo.send("<message to='{juliet}'><body>1</body><subject>from-client replace</subject></message>")
        self.romeo.send("<message to='{juliet}'><body>2</body><subject>from-client pass</subject></message>")
        self.romeo.send("<message to='{juliet}'><body>3</body><subject>from-client handle</subject></message>")
        self.assertEqual(self.plugin("second").bodies, ["other", "2"])

    def test_failure(self) -> None:
        """The stanza is refused, the log names the plugin, and the session goes on."""
        count = 0
        for _ in self.every("raise-error"):
            count += 1
            self.romeo.expect(error("internal-server-error", "cancel"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), count)
        failures = sum(handler.stats.failures for handler in self.host.registry.handlers("scripted"))
        self.assertEqual(failures, count)

    def test_every_call_is_counted(self) -> None:
        """Also one that ends in an error: `plugin info` shows what a plugin costs, whatever it decides."""
        figures = {handler.label: handler.stats for handler in self.host.registry.handlers("scripted")}
        (stats,) = {id(s): s for label, s in figures.items() if label.endswith("FromClient")}.values()
        for act in ("pass", "bounce", "raise-error"):
            before = stats.calls
            text = f"from-client {act}"
            self.romeo.send(f"<message to='{{juliet}}'><body>hi</body><subject>{text}</subject></message>")
            self.assertEqual(stats.calls, before + 1, act)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_storage_that_can_not_be_used(self) -> None:
        for _ in self.every("raise-storage"):
            self.romeo.expect(error("resource-constraint", "wait"))

    def test_nonsense(self) -> None:
        for place in self.PLACES:
            text = f"<message to='juliet@example.org'><subject>{place} nonsense</subject></message>"
            self.romeo.send(text)
            self.romeo.expect(error("internal-server-error", "cancel"))
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), len(self.PLACES))

    def test_errors_are_not_answered(self) -> None:
        for kind, type_ in (("message", "error"), ("presence", "error"), ("iq", "result"), ("iq", "error")):
            self.romeo.send(f"<{kind} type='{type_}' id='1' to='{{juliet}}'><refuse xmlns='urn:x'/></{kind}>")
            self.romeo.expect_nothing()
            self.juliet.expect_nothing()

    def test_dropped_request(self) -> None:
        """An IQ is answered all the same (RFC 6120 8.2.3)."""
        for place in self.PLACES:
            self.romeo.send(f"<iq type='get' id='1' to='{{juliet}}'><subject>{place} drop</subject></iq>")
            self.romeo.expect(error("service-unavailable", "cancel", "iq"))
            self.juliet.expect_nothing()

    def test_undeliverable(self) -> None:
        for act, answer in (
            ("handle", None),
            ("drop", None),
            ("pass", "service-unavailable"),
            ("bounce", "forbidden"),
            ("raise-error", "internal-server-error"),
        ):
            self.account("nurse@example.org")
            self.romeo.send(f"<message to='nurse@example.org'><subject>undeliverable {act}</subject></message>")
            if answer is not None:
                self.romeo.expect(error(answer, "auth" if answer == "forbidden" else "cancel"))
            self.romeo.expect_nothing()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_to_host(self) -> None:
        for act, answer in (("handle", None), ("pass", "service-unavailable"), ("bounce", "forbidden")):
            self.romeo.send(f"<message to='example.org'><subject>to-host {act}</subject></message>")
            if answer is not None:
                self.romeo.expect(error(answer, "auth" if answer == "forbidden" else "cancel"))
            self.romeo.expect_nothing()


class Asked(Plugin):
    """Answer requests in every way there is."""

    waiting: list[Deferred[None]]

    async def start(self) -> None:
        self.waiting = []

    @iq_get("urn:x", "sync", to=(HOST, ACCOUNT))
    def sync(self, request: Iq) -> Iq:
        return request.result(b"<sync xmlns='urn:x'/>")

    @iq_get("urn:x", "own", to=OWN_ACCOUNT)
    def own(self, request: Iq) -> Iq:
        return request.result(b"<own xmlns='urn:x'/>")

    @iq_get("urn:x", "both", to=OWN_ACCOUNT)
    def both_own(self, request: Iq) -> Iq:
        return request.result(b"<own xmlns='urn:x'/>")

    @iq_get("urn:x", "both", to=ACCOUNT)
    def both_any(self, request: Iq) -> Iq:
        return request.result(b"<any xmlns='urn:x'/>")

    @iq_get("urn:x", "later")
    def later_(self, request: Iq) -> Awaitable[Iq]:
        waited: Deferred[None] = Deferred()
        self.waiting.append(waited)
        return waited.addCallback(lambda _: request.result())

    @iq_get("urn:x", "async")
    async def soon(self, request: Iq) -> Iq:
        return request.result()

    @iq_get("urn:x", "fail")
    def fail(self, request: Iq) -> Iq:
        raise ZeroDivisionError

    @iq_get("urn:x", "fail-later")
    async def fail_later(self, request: Iq) -> Iq:
        raise ZeroDivisionError

    @iq_get("urn:x", "refuse")
    def refuse(self, request: Iq) -> Iq:
        raise StanzaError(Condition.FORBIDDEN)

    @iq_get("urn:x", "storage")
    async def storage(self, request: Iq) -> Iq:
        raise StorageUnavailable("the disk is full")

    @iq_get("urn:x", "nothing")
    def nothing(self, request: Iq) -> Any:
        return None

    @iq_get("urn:x", "nobody")
    def nobody(self, request: Iq) -> Iq:
        return Iq(None, None, request.id, "result")

    @nonza("urn:x", "nonza")
    def element(self, element: Nonza, stream: Any) -> bytes:
        return tag("answer", element.text, xmlns="urn:x")

    @nonza("urn:x", "broken")
    def broken(self, element: Nonza, stream: Any) -> bytes:
        raise ZeroDivisionError

    @stream_feature
    def offer(self, stream: Any) -> bytes | None:
        return tag("feature", xmlns="urn:x") if stream.account else None

    @stream_feature
    def broken_offer(self, stream: Any) -> bytes | None:
        raise ZeroDivisionError


class Requests(ServerTestCase):
    plugins = (Asked,)

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)  # broken_offer
        self.juliet = self.login("juliet@example.org/balcony")
        self.flushLoggedErrors(ZeroDivisionError)

    def ask(self, name: str, to: str | None = "example.org", type_: str = "get") -> None:
        address = f" to='{to}'" if to else ""
        self.romeo.send(f"<iq type='{type_}' id='1'{address}><{name} xmlns='urn:x'/></iq>")

    def assertAnswers(self, name: str, content: str = "", to: str | None = "example.org") -> None:
        self.ask(name, to)
        self.romeo.expect(f"<iq type='result' id='1'>{content}</iq>")

    def assertRefuses(self, name: str, condition: str, to: str | None = "example.org", type_: str = "cancel") -> None:
        self.ask(name, to)
        self.romeo.expect(error(condition, type_, "iq"))

    def test_scopes(self) -> None:
        sync, own, any_ = ("<sync xmlns='urn:x'/>", "<own xmlns='urn:x'/>", "<any xmlns='urn:x'/>")
        self.assertAnswers("sync", sync)
        self.assertAnswers("sync", sync, "juliet@example.org")
        self.assertAnswers("sync", sync, "romeo@example.org")
        self.assertAnswers("sync", sync, None)
        self.assertRefuses("sync", "service-unavailable", "nobody@example.org")
        self.assertRefuses("sync", "service-unavailable", "juliet@example.org/no")
        self.assertAnswers("own", own, None)
        self.assertAnswers("own", own, "romeo@example.org")
        self.assertRefuses("own", "service-unavailable", "juliet@example.org")
        self.assertRefuses("own", "service-unavailable")
        self.assertAnswers("both", own, None)
        self.assertAnswers("both", any_, "juliet@example.org")

    def test_type(self) -> None:
        self.ask("sync", type_="set")
        self.romeo.expect(error("service-unavailable", "cancel", "iq"))

    def test_not_to_devices(self) -> None:
        self.ask("sync", "juliet@example.org/balcony")
        self.juliet.expect("<iq type='get' from='{romeo}' id='1'><sync xmlns='urn:x'/></iq>")

    def test_failures(self) -> None:
        self.assertRefuses("fail", "internal-server-error")
        self.assertRefuses("fail-later", "internal-server-error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertRefuses("refuse", "forbidden", type_="auth")
        self.assertRefuses("storage", "resource-constraint", type_="wait")

    def test_answers_that_are_none(self) -> None:
        self.assertRefuses("nothing", "internal-server-error")
        self.assertRefuses("nobody", "internal-server-error")
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 2)
        self.assertAnswers("async")

    def test_order_while_one_waits(self) -> None:
        """Stanzas of a session stay in order; those of others don't wait."""
        self.ask("later")
        self.ask("async")
        self.romeo.send("<message to='{juliet}'><body>hi</body></message>")
        self.romeo.expect_nothing()
        self.juliet.expect_nothing()
        self.juliet.send("<iq type='get' id='2' to='example.org'><async xmlns='urn:x'/></iq>")
        self.juliet.expect("<iq type='result' id='2'/>")
        self.plugin("asked").waiting.pop().callback(None)
        self.romeo.expect("<iq type='result' id='1'/>", "<iq type='result' id='1'/>")
        self.juliet.expect("<message from='{romeo}'><body>hi</body></message>")

    def test_many_that_wait(self) -> None:
        """However many are answered one behind the other, the stack doesn't grow."""
        self.ask("later")
        for _ in range(2_000):
            self.romeo.transport.protocol.dataReceived(
                b"<iq type='get' id='2' to='example.org'><async xmlns='urn:x'/></iq>"
            )
        self.plugin("asked").waiting.pop().callback(None)
        self.romeo.expect("<iq type='result' id='1'/>", *["<iq type='result' id='2'/>"] * 2_000)

    def test_closing_while_one_waits(self) -> None:
        """What the client sent before it closed its stream is done and answered, and nothing follows the end."""
        self.ask("later")
        self.romeo.send("<message to='{juliet}'><body>bye</body></message>")
        self.romeo.send_raw("</stream:stream>")
        self.romeo.expect_nothing()
        self.plugin("asked").waiting.pop().callback(None)
        self.juliet.expect("<message from='{romeo}'><body>bye</body></message>")
        self.romeo.expect("<iq type='result' id='1'/>")
        self.romeo.expect_closed()
        self.assertEqual(len(self.host.all_sessions()), 1)

    def test_nonzas(self) -> None:
        self.romeo.send("<nonza xmlns='urn:x'>a&amp;b</nonza>")
        self.romeo.expect("<answer xmlns='urn:x'>a&amp;b</answer>")
        self.romeo.send("<broken xmlns='urn:x'/>")
        self.romeo.expect_closed("internal-server-error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stream_feature(self) -> None:
        self.assertIn("<feature xmlns='urn:x'/>", self.romeo.features)


class Watcher(Plugin):
    """Note what happens."""

    async def start(self) -> None:
        self.events: list[str] = []

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        self.events.append(f"bound {event.session.jid}")

    @observe(SessionEnded)
    async def ended(self, event: SessionEnded) -> None:
        self.events.append(f"ended {event.session.jid}")

    @observe(AvailabilityChanged)
    def changed(self, event: AvailabilityChanged) -> None:
        self.events.append(f"{event.presence.type} {event.session.jid}")


class Careless(Plugin):
    """Fail to observe."""

    @observe(SessionBound)
    def bound(self, event: SessionBound) -> None:
        raise ZeroDivisionError

    @observe(SessionBound)
    async def bound_later(self, event: SessionBound) -> None:
        raise ZeroDivisionError


class Observers(ServerTestCase):
    plugins = (Watcher, Careless)

    def events(self) -> list[str]:
        events: list[str] = self.plugin("watcher").events
        self.plugin("watcher").events = []
        return events

    def test_a_session(self) -> None:
        """What fails to observe is logged, and nobody else notices."""
        romeo = self.login("romeo@example.org/orchard")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual(self.events(), ["bound romeo@example.org/orchard"])
        romeo.send("<presence/><presence><show>away</show></presence><presence type='unavailable'/>")
        self.assertEqual(
            self.events(), [f"{t} romeo@example.org/orchard" for t in ("available", "available", "unavailable")]
        )
        romeo.send("<presence type='unavailable'/><presence/>")
        romeo.disconnect()
        expected = [f"{t} romeo@example.org/orchard" for t in ("available", "unavailable", "ended")]
        self.assertEqual(self.events()[-3:], expected)

    def test_never_available(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.flushLoggedErrors(ZeroDivisionError)
        romeo.close()
        self.assertEqual(self.events(), ["bound romeo@example.org/orchard", "ended romeo@example.org/orchard"])


class Ghosts(ServerTestCase):
    """A session that has ended can't become available by what its client had sent before."""

    plugins = (Asked, Watcher)

    def test_replaced_while_a_stanza_waits(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><later xmlns='urn:x'/></iq><presence/>")
        self.login("romeo@example.org/orchard")
        self.flushLoggedErrors(ZeroDivisionError)
        self.plugin("asked").waiting.pop().callback(None)
        events = self.plugin("watcher").events
        self.assertNotIn("available romeo@example.org/orchard", events)
        romeo.expect_closed("conflict")
