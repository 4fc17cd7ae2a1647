"""What a client had sent before its connection was lost, and is only handled then (XEP-0198 section 5)."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.defer import Deferred

from tests.plugins.managed import ManagedTestCase
from xmppd.api import FromClient, Message, Plugin, filter
from xmppd.core.settings_file import from_table
from xmppd.wire.jid import Jid


class Slow(Plugin):
    """Messages take their time."""

    waiting: ClassVar[list[Deferred[None]]]

    async def start(self) -> None:
        type(self).waiting = []

    @filter(FromClient, kinds=(Message,))
    def sent(self, event: FromClient) -> Awaitable[None] | None:
        self.waiting.append(Deferred())
        return self.waiting[-1]


class Hibernating(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence", Slow)

    def test_presence(self) -> None:
        """It is counted as handled, so it has to be."""
        jid = Jid.parse("juliet@example.org/balcony")
        juliet, id_ = self.enabled(str(jid), presence=False)
        juliet.send("<message to='juliet@example.org'><body>1</body></message><presence><show>away</show></presence>")
        juliet.disconnect()
        Slow.waiting[0].callback(None)
        self.pump()
        juliet = self.resuming(str(jid), id_, 0)
        juliet.expect(f"<resumed xmlns='urn:xmpp:sm:3' previd='{id_}' h='2'/>")
        session = self.host.session(jid)
        assert session is not None
        self.assertIsNotNone(session.presence)


class WithoutCsi(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence", "csi")

    def test_what_was_held_back(self) -> None:
        """The plugin that held something back is gone when the server is started again: it is sent nevertheless."""
        juliet, id_ = self.enabled("juliet@example.org/balcony")
        juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        self.login("romeo@example.org/orchard").send("<presence to='juliet@example.org/balcony'/>")
        juliet.expect_nothing()
        self.plugins = ("roster", "presence")  # type: ignore[misc]
        self._settings = from_table(self.settings_table(), "other settings", Path())
        self.kill()
        juliet = self.resumed("juliet@example.org/balcony", id_, 0)
        juliet.clear()
        self.assertEqual(self.host.session(Jid.parse("juliet@example.org/balcony")).held, 0)  # type: ignore[union-attr]


class Gone(ManagedTestCase):
    config: ClassVar[Any] = {"stream_management": {"hibernation_seconds": 60}}
    plugins: ClassVar[Any] = (Slow,)
    jid = "juliet@example.org/balcony"

    def failing(self, id_: str, h: str) -> None:
        self.resuming(self.jid, id_, 0).expect(
            f"<failed xmlns='urn:xmpp:sm:3'{h}><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )

    def test_what_is_not_on_disk_yet(self) -> None:
        """What is told of a session that has ended covers what was handled (section 5), when that is on disk."""
        juliet, id_ = self.enabled(self.jid, presence=False)
        self.disk.stopped = True
        juliet.send("<iq type='result' id='1'/>")
        juliet.disconnect()
        self.pump(70)
        client = self.resuming(self.jid, id_, 0)
        client.expect_nothing()
        self.disk.go_on()
        self.pump()
        client.expect(
            "<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
        )

    def test_what_is_being_handled(self) -> None:
        """Nothing is told as long as that isn't known."""
        juliet, id_ = self.enabled(self.jid, presence=False)
        juliet.send("<message to='juliet@example.org'/>")
        self.login(self.jid)
        self.failing(id_, "")
        Slow.waiting[0].callback(None)
        self.pump()
        self.failing(id_, " h='1'")


class WrittenDown(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence")

    def test_what_has_changed(self) -> None:
        """However large the rest is: otherwise some small stanzas of a client would fill the journal."""
        juliet, _ = self.enabled("juliet@example.org/balcony", presence=False)
        juliet.send(f"<presence><status>{'x' * 50_000}</status></presence>")
        self.pump()
        ledger = self.server.server.ledger
        before = ledger.counters.octets
        for number in range(100):
            juliet.send(f"<presence to='someone-{number}@example.net'/>")
        self.pump()
        self.assertLess(ledger.counters.octets - before, 100_000)
        before = ledger.counters.octets
        juliet.send("<presence/>")
        self.pump()
        self.assertLess(ledger.counters.octets - before, 1_000)


class Held(ManagedTestCase):
    plugins: ClassVar[Any] = ("roster", "presence", "csi")
    config: ClassVar[Any] = {"stream_management": {"queue_octets": 100_000}}

    def test_not_too_many_octets(self) -> None:
        """What is held back has a limit in octets, too; what replaces something counts once."""
        juliet, _ = self.enabled("juliet@example.org/balcony")
        juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
        romeo = self.login("romeo@example.org/orchard")
        session = self.host.session(Jid.parse("juliet@example.org/balcony"))
        assert session is not None
        large = f"<status>{'x' * 10_000}</status>"
        for _ in range(5):
            romeo.send(f"<presence to='juliet@example.org/balcony'>{large}</presence>")
        self.assertEqual(session.held, 1)
        for number in range(3):
            self.login(f"paris@example.org/{number}").send(
                f"<presence to='juliet@example.org/balcony'>{large}</presence>"
            )
        self.assertLess(session.held, 3)


class WaitingForTheDisk(ManagedTestCase):
    plugins: ClassVar[Any] = ("ping", "offline")
    config: ClassVar[Any] = {"limits": {"output_queue_octets": 65_536}}

    def test_not_for_ever(self) -> None:
        """A client that goes on asking while its answers wait for a message that waits for the disk."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        session = self.host.session(Jid.parse("juliet@example.org/balcony"))
        assert session is not None
        self.disk.stopped = True
        session.write_in_turn(b"<message/>", self.server.server.ledger.gathering())
        self.pump()
        for _ in range(1000):
            juliet.send("<iq type='get' to='example.org' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.assertIsNone(self.host.session(session.jid))

    def test_what_is_written_does_not_count(self) -> None:
        """A client for whom something waits all the time, but never much."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        session = self.host.session(Jid.parse("juliet@example.org/balcony"))
        assert session is not None
        ledger = self.server.server.ledger
        self.disk.stopped = True
        for _ in range(20):
            session.write_in_turn(b"<message>" + b"x" * 10_000 + b"</message>", ledger.gathering())
            self.pump()
            if self.disk.waiting:
                session.write_in_turn(b"<message/>", ledger.gathering())
                self.disk.let(1)
        self.assertIsNotNone(self.host.session(session.jid))
        juliet.clear()


class Together(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline",)
    config: ClassVar[Any] = {"stream_management": {"total_octets": 100_000}}

    def test_too_much_for_all(self) -> None:
        """The queues of all sessions have a limit: the longest one goes first, and nothing of it is lost."""
        romeo = self.login("romeo@example.org/orchard")
        for name, count in (("juliet", 7), ("paris", 5)):
            client, _ = self.enabled(f"{name}@example.org/balcony")
            client.disconnect()
            for number in range(count):
                romeo.send(
                    f"<message to='{name}@example.org' type='chat'><body>{number}{'x' * 10_000}</body></message>"
                )
        self.pump(2)
        self.assertIsNone(self.host.session(Jid.parse("juliet@example.org/balcony")))
        self.assertIsNotNone(self.host.session(Jid.parse("paris@example.org/balcony")))
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 7)


class Returned(ManagedTestCase):
    plugins: ClassVar[Any] = ("offline",)
    config: ClassVar[Any] = {"offline": {"max_messages": 2, "max_returned": 3}}

    def test_not_without_end(self) -> None:
        """Devices that come and go, and take nothing, don't make the limits of what waits offline void."""
        romeo = self.login("romeo@example.org/orchard")
        for _ in range(4):
            juliet, _ = self.enabled("juliet@example.org/balcony", presence=False)
            for number in range(2):
                romeo.send(
                    f"<message to='juliet@example.org/balcony' type='chat' id='{number}'><body>x</body></message>"
                )
            juliet.close()
            self.pump()
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 6)
        for _ in range(2):
            self.assertEqual(romeo.take()["type"], "error")
        romeo.expect_nothing()


class NotServed(ManagedTestCase):
    hosts: ClassVar[Any] = ("example.org", "example.com")
    plugins: ClassVar[Any] = ("offline",)

    def start_with(self, *hosts: str) -> None:
        self.hosts = hosts  # type: ignore[misc]
        self._settings = from_table(self.settings_table(), "other settings", Path())
        self.kill()
        self.pump(5)

    def test_for_some_time(self) -> None:
        """The settings lack a host when the server is started, and the next time they have it."""
        romeo, (juliet, id_) = self.login("romeo@example.com/orchard"), self.enabled("juliet@example.com/balcony")
        romeo.send("<message to='juliet@example.com' type='chat'><body>1</body></message>")
        juliet.disconnect()
        for _ in range(2):
            self.start_with("example.org")
            self.server.server.ledger._journal_octets = 0  # which shortens it
            self.login("paris@example.org/palace").send("<presence/>")
            self.pump()
        self.start_with("example.org", "example.com")
        juliet = self.connect(name="juliet")
        juliet.open("example.com")
        juliet.authenticate("juliet", "secret")
        juliet.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{id_}' h='0'/>")
        juliet.expect(f"<resumed xmlns='urn:xmpp:sm:3' previd='{id_}' h='1'/>")
        self.assertEqual(str(juliet.take().body), "1")
