"""A full disk, a locked database, a database that is gone: what clients are told, and that it passes by itself."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from twisted.internet.defer import Deferred, fail
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from xmppd.api.storage import StorageUnavailable
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

BUSY = "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIG = "x" * 60_000

ROSTER_GET = "<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>"
ROSTER_SET = (
    "<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='nurse@example.org' name='{}'/></query></iq>"
)
VCARD_GET = "<iq type='get' id='v'><vCard xmlns='vcard-temp'/></iq>"
VCARD_SET = "<iq type='set' id='v'><vCard xmlns='vcard-temp'><DESC>{}</DESC></vCard></iq>"
PRIVATE_GET = "<iq type='get' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'/></query></iq>"
PRIVATE_SET = "<iq type='set' id='p'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>{}</a></query></iq>"
BLOCK = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='paris@example.org'/></block></iq>"
REGISTER = (
    "<iq type='set' id='n'><query xmlns='jabber:iq:register'>"
    "<username>tybalt</username><password>secret-of-tybalt</password></query></iq>"
)
PASSWORD = (
    "<iq type='set' id='c' to='example.org'><query xmlns='jabber:iq:register'>"
    "<username>romeo</username><password>secret-of-romeo</password></query></iq>"
)


class FaultCase(ServerTestCase):
    plugins = None
    config = {"register": {"registration": True, "confirm_with_password": False}}

    def setUp(self) -> None:
        super().setUp()
        self.logged: list[LogEvent] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.account("juliet@example.org")
        self.romeo = self.login("romeo@example.org/orchard", presence=True)

    def lines(self) -> list[str]:
        """What the server has logged at a level that operators see."""
        visible = [e for e in self.logged if e["log_namespace"].startswith("xmppd") and e["log_level"].name != "debug"]
        self.assertEqual([e for e in visible if "log_failure" in e], [])
        return [formatEvent(event) for event in visible]

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let the database grow no more, as on a full disk."""

        def set_pages(number: int) -> None:
            with self.server.engines.write.connect() as connection:
                connection.exec_driver_sql(f"PRAGMA max_page_count={number}")

        set_pages(1)  # the size it has
        try:
            yield
        finally:
            set_pages(1_000_000)

    @contextmanager
    def down(self, writes_only: bool = False) -> Iterator[None]:
        """Let the database fail as PostgreSQL does when it is stopped, or SQLite when another process locks it."""

        def failing(*arguments: object) -> Deferred[Any]:
            return fail(StorageUnavailable("nobody is at home"))

        db: Any = self.server.db
        names = ("write", "append") if writes_only else ("read", "write", "append")
        for name in names:
            setattr(db, name, failing)
        try:
            yield
        finally:
            for name in names:
                delattr(db, name)

    def stranger(self) -> Client:
        client = self.connect()
        client.open()
        return client

    def refused(self, xml: str, client: Client | None = None) -> None:
        client = client or self.romeo
        client.send(xml)
        answer = client.take()
        self.assertEqual(answer["type"], "error", answer)
        self.assertIn("<error type='wait'>", client.received[-1])
        self.assertIn("<resource-constraint ", client.received[-1])

    def message_waits(self) -> None:
        """A message waits for the database, until it is clear that this takes longer."""
        self.romeo.send("<message to='juliet@example.org' type='chat'><body>I wait</body></message>")
        self.pump(6)
        self.romeo.expect_nothing()

    def done(self, xml: str) -> str:
        self.romeo.send(xml)
        found = self.romeo.received[-1]
        self.assertIn("type='result'", found)
        self.romeo.clear()
        return found


class FullDisk(FaultCase):
    def test_nothing_half_done_and_it_passes(self) -> None:
        self.done(ROSTER_SET.format("old"))
        self.done(VCARD_SET.format("old"))
        self.done(PRIVATE_SET.format("old"))
        with self.full_disk():
            for xml in (VCARD_SET, PRIVATE_SET):
                self.refused(xml.format(BIG))
            self.romeo.send(f"<message to='juliet@example.org' type='chat'><body>{BIG}</body></message>")
            self.message_waits()
            self.refused("<message to='juliet@example.org' type='chat'><body>too late</body></message>")
            for xml in (ROSTER_GET, VCARD_GET, PRIVATE_GET):
                self.assertIn("old", self.done(xml))
            self.login("romeo@example.org/balcony")
        self.pump(6)  # until what waits is tried again
        for xml in (ROSTER_SET, VCARD_SET, PRIVATE_SET):
            self.done(xml.format("new"))
        for xml in (ROSTER_GET, VCARD_GET, PRIVATE_GET):
            self.assertIn("new", self.done(xml))
        self.romeo.send("<message to='juliet@example.org' type='chat'><body>it passes</body></message>")
        self.romeo.expect_nothing()
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<presence/>")
        bodies = re.findall("<body>(.*?)</body>", "".join(juliet.received))
        self.assertEqual(bodies, [BIG, "I wait", "it passes"])
        self.lines()


class NoDatabase(FaultCase):
    def test_writes(self) -> None:
        with self.down(writes_only=True):
            self.writes()
            self.login("romeo@example.org/garden")
        self.recovered()

    def test_everything(self) -> None:
        with self.down():
            self.writes()
            for xml in (VCARD_GET, PRIVATE_GET):
                self.refused(xml)
            self.login_fails()
        self.recovered()

    def writes(self) -> None:
        for xml in (ROSTER_SET, VCARD_SET, PRIVATE_SET):
            self.refused(xml.format("new"))
        self.message_waits()
        for xml in (BLOCK, PASSWORD, "<message to='juliet@example.org' type='chat'><body>hi</body></message>"):
            self.refused(xml)
        self.refused(REGISTER, self.stranger())

    def login_fails(self) -> None:
        client = self.stranger()
        secret = base64.b64encode(b"\0juliet\0secret").decode()
        client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{secret}</auth>")
        client.expect(f"<failure xmlns='{SASL}'><temporary-auth-failure/></failure>")

    def recovered(self) -> None:
        self.done(ROSTER_SET.format("new"))
        self.done(BLOCK)
        stranger = self.stranger()
        stranger.send(REGISTER)
        stranger.expect("<iq type='result' id='n'/>")
        self.login("romeo@example.org/balcony")  # with the old password
        for line in self.lines():
            self.assertNotIn("secret", line)
            self.assertNotIn("\n", line)

    def test_recipients_that_have_to_be_looked_up(self) -> None:
        """Nothing is known of them, so nothing but the database can say whether they exist."""
        with self.down():
            self.refused("<message to='mercutio@example.org' type='chat'><body>hi</body></message>")
            self.refused("<iq type='get' id='1' to='mercutio@example.org'><vCard xmlns='vcard-temp'/></iq>")
            self.romeo.send("<message type='error' to='mercutio@example.org'/>")
            self.romeo.expect_nothing()
            self.romeo.send("<iq type='get' id='2' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
            self.romeo.expect("<iq type='result' id='2'/>")
        self.assertTrue(any("mercutio@example.org" in line for line in self.lines()), self.lines())
        self.romeo.send("<message to='mercutio@example.org' type='chat'><body>hi</body></message>")
        self.romeo.expect("<message type='error'>{any}</message>")
        self.assertIn("<service-unavailable", self.romeo.received[-1])

    def test_a_line_says_who(self) -> None:
        with self.down(writes_only=True):
            self.message_waits()
            self.refused("<message to='juliet@example.org' type='chat'><body>whisper</body></message>")
        waiting, line = self.lines()
        self.assertIn("nobody is at home", waiting)
        for part in ("archive", "romeo@example.org/orchard", "juliet@example.org", "messages wait"):
            self.assertIn(part, line)
        self.assertNotIn("whisper", line)

    def test_leaving(self) -> None:
        """Sessions end whatever becomes of what plugins would write down."""
        with self.down():
            self.romeo.close()
            self.assertEqual(self.host.all_sessions(), ())
        self.login("romeo@example.org/orchard", presence=True)
        self.lines()

    def test_messages_that_wait(self) -> None:
        self.romeo.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        juliet = self.login("juliet@example.org/balcony")
        with self.down():
            juliet.send("<presence/>")
        juliet.clear()
        self.pump(120)
        juliet.expect("<message type='chat'><body>hi</body>{...}</message>")
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 0)
        self.lines()

    def test_messages_that_can_not_be_deleted_are_not_sent_again(self) -> None:
        self.romeo.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        juliet = self.login("juliet@example.org/balcony")
        with self.down(writes_only=True):
            for _ in range(3):
                juliet.send("<presence/>")
            self.assertEqual("".join(juliet.received).count("<body>hi</body>"), 1)
        juliet.clear()
        self.romeo.send("<message to='juliet@example.org' type='chat'><body>you</body></message>")
        self.pump(6)
        juliet.expect("<message type='chat'><body>you</body>{...}</message>")
        self.pump(120)
        juliet.expect_nothing()
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 0)


class Patience(FaultCase):
    config = {"database": {"patience_seconds": 20}}

    def test_it_is_an_option(self) -> None:
        with self.down(writes_only=True):
            for _ in range(3):
                self.message_waits()
            self.pump(3)
            self.refused("<message to='juliet@example.org' type='chat'><body>too late</body></message>")
        self.lines()


class Crowds(ServerTestCase):
    """Too much waits for the disk: clients are read no further."""

    plugins = None
    config = {"database": {"queue_stanzas": 8, "queue_octets": 1_000_000}}

    def flood(self, size: int, count: int) -> Client:
        romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")
        self.disk.stopped = True
        for _ in range(count):
            body = "x" * size
            romeo.send(f"<message to='juliet@example.org' type='chat'><body>{body}</body></message>")
        return romeo

    def test_stanzas(self) -> None:
        romeo = self.flood(10, 20)
        self.assertTrue(romeo.transport.paused)
        self.disk.go_on()
        self.pump(1)
        self.assertFalse(romeo.transport.paused)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.assertEqual(sum("<body>" in xml for xml in juliet.received), 20)

    def test_octets(self) -> None:
        romeo = self.flood(100, 1)  # what is stored in the transaction under way is counted no more
        body = "x" * 200_000
        for paused in (False, True):  # both archives, and offline
            romeo.send(f"<message to='juliet@example.org' type='chat'><body>{body}</body></message>")
            self.assertEqual(romeo.transport.paused, paused)


class Answers(ServerTestCase):
    """A client without stream management."""

    plugins = None

    def test_an_answer_says_that_what_came_before_is_stored(self) -> None:
        self.account("juliet@example.org")
        romeo = self.login("romeo@example.org/orchard")
        self.pump()
        self.disk.stopped = True
        romeo.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        romeo.send("<iq type='get' id='p' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.expect_nothing()
        self.disk.go_on()
        self.pump()
        romeo.expect("<iq type='result' from='example.org' to='{romeo}' id='p'/>")
