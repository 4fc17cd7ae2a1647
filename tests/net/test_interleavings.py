"""Sessions that begin and end while something else is under way."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from xmppd.api import (
    AccountDeleted,
    AvailabilityChanged,
    FromClient,
    Handled,
    Message,
    Plugin,
    SessionBound,
    SessionEnded,
    Verdict,
    filter,
    observe,
)
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
ROMEO = Jid.parse("romeo@example.org")


class Gate(Plugin):
    """Hold up what the test says, until it opens."""

    async def start(self) -> None:
        self.held: tuple[type, ...] = ()
        self.waiting: list[Deferred[None]] = []
        self.seen: list[str] = []

    def open(self) -> None:
        self.held = ()
        for waiting in self.waiting:
            waiting.callback(None)
        self.waiting = []

    async def wait(self, what: object) -> None:
        if isinstance(what, self.held):
            waiting: Deferred[None] = Deferred()
            self.waiting.append(waiting)
            await waiting

    @observe(SessionBound)
    @observe(SessionEnded)
    @observe(AvailabilityChanged)
    async def pass_on(self, event: SessionBound | SessionEnded | AvailabilityChanged) -> None:
        await self.wait(event)
        self.seen.append(f"{type(event).__name__} {event.session.jid.resource}")

    @observe(AccountDeleted)
    def forget(self, event: AccountDeleted) -> None:
        self.seen.append("AccountDeleted")

    @filter(FromClient, kinds=(Message,))
    async def hold_up(self, event: FromClient) -> Verdict | None:
        await self.wait(event.stanza)
        return Handled() if event.stanza.id == "gate" else None


class GateCase(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = (Gate, "roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.gate: Any = self.plugin("gate")
        self.juliet = self.login("juliet@example.org/balcony")
        self.account("romeo@example.org")

    def hold(self, *what: type) -> None:
        self.gate.held = what

    def open(self) -> None:
        self.gate.open()
        self.pump()

    def begin(self, resource: str = "orchard") -> Client:
        """Return a client that has asked for a resource."""
        client = self.connect(name=f"romeo@example.org/{resource}")
        client.open()
        client.authenticate("romeo", "secret")
        client.send(f"<iq type='set' id='1'><bind xmlns='{_BIND}'><resource>{resource}</resource></bind></iq>")
        return client


class Beginning(GateCase):
    def test_nothing_comes_before_the_result_of_binding(self) -> None:
        """RFC 6120 7.1: until it has that, a client knows of no session."""
        self.hold(SessionBound)
        client = self.begin()
        self.juliet.send("<message to='romeo@example.org/orchard'><body>hi</body></message>")
        self.pump()
        self.open()
        client.expect("<iq type='result' id='1'>{any}</iq>", "<message>{any}</message>")

    def test_account_deleted_while_an_older_session_ends(self) -> None:
        """The new session is not there yet when those of the account are ended, and must not come to be."""
        self.login("romeo@example.org/orchard")
        self.hold(SessionEnded)
        client = self.begin()
        self.spawn(self.host.delete_account(ROMEO))
        self.open()
        self.assertEqual(self.host.sessions(ROMEO), ())
        client.expect("<iq type='result' id='1'>{any}</iq>")
        client.expect_closed("not-authorized")


class Ending(GateCase):
    """A session whose stanzas wait is ended from outside."""

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet.send("<presence/>")
        self.juliet.clear()
        self.hold(Message)
        self.romeo.send("<message to='juliet@example.org/balcony' id='gate'/>")

    def test_what_an_account_sent_before_its_end_is_not_done_after_it(self) -> None:
        self.romeo.send(
            "<presence to='juliet@example.org' type='subscribe'/>"
            "<message to='juliet@example.org/balcony'><body>late</body></message>"
        )
        self.wait(self.host.delete_account(ROMEO))
        self.open()
        self.juliet.expect_nothing()
        self.assertEqual(dict(self.wait(self.plugin("roster").load(ROMEO)).items), {})

    def test_what_was_sent_before_another_client_took_the_resource_is_done(self) -> None:
        self.romeo.send("<message to='juliet@example.org/balcony'><body>before</body></message>")
        self.begin()
        self.open()
        self.juliet.expect("<message><body>before</body></message>")

    def test_no_presence_of_a_session_that_has_ended(self) -> None:
        """Nobody would ever be told that it is gone."""
        self.romeo.send("<presence to='juliet@example.org/balcony'/>")
        self.begin()
        self.open()
        self.juliet.expect_nothing()
        self.assertEqual(len(self.plugin("presence")._directed._recipients), 0)


class Ended(GateCase):
    def test_an_account_is_forgotten_when_all_is_told_of_the_end_of_its_sessions(self) -> None:
        """Plugins would note something about the end of the last session after they have forgotten the account."""
        romeo = self.login("romeo@example.org/orchard")
        self.gate.seen.clear()
        self.hold(SessionEnded)
        romeo.disconnect()
        self.spawn(self.host.delete_account(ROMEO))
        self.assertEqual(self.gate.seen, [])
        self.open()
        self.assertEqual(self.gate.seen, ["SessionEnded orchard", "AccountDeleted"])

    def test_the_next_one_begins_when_all_is_told_of_the_end(self) -> None:
        self.login("romeo@example.org/orchard", presence=True)
        self.gate.seen.clear()
        self.hold(AvailabilityChanged)
        client = self.begin()
        self.assertEqual(self.gate.seen, [])
        self.open()
        self.assertEqual(
            self.gate.seen, ["AvailabilityChanged orchard", "SessionEnded orchard", "SessionBound orchard"]
        )
        client.expect("<iq type='result' id='1'>{any}</iq>")
