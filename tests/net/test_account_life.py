"""Accounts from end to end: deleted, made again, locked, given another password, while they are in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import MetaData, text
from twisted.internet.defer import Deferred, fail

from xmppd.api import AccountDeleted, Plugin, observe
from xmppd.api.roster import Subscription
from xmppd.api.storage import StorageUnavailable
from xmppd.core.accounts.keeper import AccountKeeper
from xmppd.core.plugins.sources import PluginError
from xmppd.core.settings_file import from_table
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

ROMEO = Jid.parse("romeo@example.org")
SUBSCRIBERS = (("romeo", "juliet"), ("juliet", "romeo"))


class LifeCase(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = None
    config = {"register": {"registration": True, "confirm_with_password": False}}

    def operate(self, name: str, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(name, arguments))

    def rows_about(self, word: str) -> list[str]:
        """Return every row of every table that mentions a word."""
        found = []
        metadata = MetaData()
        with self.server.engines.write.connect() as connection:
            metadata.reflect(connection)
            for table in metadata.sorted_tables:
                for row in connection.execute(table.select()):
                    if any(word in (v.decode("latin-1") if isinstance(v, bytes) else str(v)) for v in row):
                        found.append(f"{table.name}: {row}")
        return found

    def logged_in(self) -> Client:
        """A stream that has authenticated, and has not bound a resource yet."""
        client = self.connect()
        client.open()
        client.authenticate("romeo", "secret")
        return client


class Deletion(LifeCase):
    def full_life(self) -> tuple[Client, Client, Client]:
        """Romeo with two sessions and something in every plugin, and Juliet, who sees his presence."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        orchard = self.login("romeo@example.org/orchard", presence=True)
        roster = self.plugin("roster")
        for one, other in SUBSCRIBERS:
            jids = Jid.parse(f"{one}@example.org"), Jid.parse(f"{other}@example.org")
            self.wait(roster.put(*jids, subscription=Subscription.BOTH))
        for client in (juliet, orchard):
            client.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        for xml in (
            "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>",
            "<query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>mine</a></query>",
            "<block xmlns='urn:xmpp:blocking'><item jid='paris@example.org'/></block>",
        ):
            orchard.send(f"<iq type='set' id='s'>{xml}</iq>")
        orchard.send("<presence/>")
        # Priority below zero: messages wait all the same.
        for client in (orchard, garden := self.login("romeo@example.org/garden")):
            client.send("<presence><priority>-1</priority></presence>")
        nurse = self.login("nurse@example.org/house")
        nurse.send("<message to='romeo@example.org' type='chat'><body>waiting</body></message>")
        nurse.send("<presence to='romeo@example.org' type='subscribe'/>")
        self.assertEqual(self.plugin("offline").count(ROMEO), 1)
        for client in (juliet, orchard, garden):
            client.clear()
        return juliet, orchard, garden

    def test_everything_is_gone(self) -> None:
        juliet, orchard, garden = self.full_life()
        self.operate("user delete", jid="romeo@example.org")
        for client in (orchard, garden):
            self.assertIn("<not-authorized", client.received[-1])
        came = "".join(juliet.received)
        for expected in ("type='unavailable'", "type='unsubscribe'", "type='unsubscribed'", "subscription='none'"):
            self.assertIn(expected, came)
        # Their rosters know his address, the nurse has archived what she wrote to him, and the audit who deleted him.
        others = ("roster_items: ('juliet@", "roster_items: ('nurse@", "archive_messages: (1, 1, ", "xmppd_audit: ")
        self.pump(7300, step=60)  # the session journal tells of the last hour
        left = [row for row in self.rows_about("romeo") if not row.startswith(others)]
        self.assertEqual(left, [])
        self.nothing_of_the_old(juliet)

    def test_in_band(self) -> None:
        juliet, orchard, garden = self.full_life()
        orchard.send("<iq type='set' id='x' to='example.org'><query xmlns='jabber:iq:register'><remove/></query></iq>")
        self.assertIn("<iq from='example.org' to='romeo@example.org/orchard' type='result' id='x'", orchard.received[0])
        self.assertIn("<not-authorized", garden.received[-1])
        self.nothing_of_the_old(juliet)

    def nothing_of_the_old(self, juliet: Client) -> None:
        juliet.clear()
        romeo = self.login("romeo@example.org/new", presence=True)
        juliet.expect_nothing()
        for xml, answer in (
            (
                "<query xmlns='jabber:iq:roster'/>",
                "<iq type='result'><query xmlns='jabber:iq:roster' ver='{any}'/></iq>",
            ),
            ("<vCard xmlns='vcard-temp'/>", "<iq type='error'>{any}</iq>"),
            (
                "<query xmlns='jabber:iq:private'><a xmlns='urn:example:a'/></query>",
                "<iq type='result'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'/></query></iq>",
            ),
            ("<blocklist xmlns='urn:xmpp:blocking'/>", "<iq type='result'><blocklist xmlns='urn:xmpp:blocking'/></iq>"),
        ):
            romeo.send(f"<iq type='get' id='g'>{xml}</iq>")
            romeo.expect(answer)
        romeo.expect_nothing()

    def test_a_stream_without_a_resource_gets_none(self) -> None:
        self.account("romeo@example.org")
        client = self.logged_in()
        self.operate("user delete", jid="romeo@example.org")
        client.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        client.expect_closed("not-authorized")
        self.assertEqual(self.host.all_sessions(), ())


class Forgetful(Plugin):
    """Forget what is kept of an account when told to, and slowly."""

    waiting: Deferred[None] | None = None
    fails = 0
    forgot: int

    async def start(self) -> None:
        self.forgot = 0

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        if self.fails:
            self.fails -= 1
            raise StorageUnavailable("nobody is at home")
        if self.waiting is not None:
            await self.waiting
        self.forgot += 1


class Again(LifeCase):
    """An account of the same name never gets what its predecessor left."""

    plugins = (Forgetful,)

    def setUp(self) -> None:
        super().setUp()
        self.account("romeo@example.org")
        self.forgetful = self.plugin("forgetful")

    def create(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.host.create_account(ROMEO, "secret"))

    def test_made_while_it_is_deleted(self) -> None:
        self.forgetful.waiting = Deferred()
        deleting = Deferred.fromCoroutine(self.host.delete_account(ROMEO))
        creating = self.create()
        self.assertNoResult(creating)
        self.forgetful.waiting.callback(None)
        self.assertTrue(self.successResultOf(deleting))
        self.successResultOf(creating)
        self.assertEqual(self.forgetful.forgot, 1)

    def test_made_after_plugins_failed_to_forget(self) -> None:
        self.forgetful.fails = 1
        self.assertTrue(self.wait(self.host.delete_account(ROMEO)))
        self.assertEqual(self.forgetful.forgot, 0)
        self.successResultOf(self.create())
        self.assertEqual(self.forgetful.forgot, 1)

    def test_not_made_while_plugins_fail_to_forget(self) -> None:
        self.forgetful.fails = 2
        self.wait(self.host.delete_account(ROMEO))
        self.failureResultOf(self.create(), StorageUnavailable)
        self.successResultOf(self.create())

    def test_what_plugins_failed_to_forget_is_forgotten_at_the_next_start(self) -> None:
        self.forgetful.fails = 1
        self.wait(self.host.delete_account(ROMEO))
        self.restart()
        self.assertEqual(self.plugin("forgetful").forgot, 1)

    def test_deleted_while_the_database_fails(self) -> None:
        """Either it is there with everything, or it is gone and so is everything, in the end."""
        db: Any = self.server.db
        write = db.write
        for allowed in range(3):
            calls = iter(range(100))

            def failing(fn: Any, calls: Any = calls, allowed: int = allowed) -> Any:
                return write(fn) if next(calls) < allowed else fail(StorageUnavailable("full"))

            db.write = failing
            outcome = Deferred.fromCoroutine(self.host.delete_account(ROMEO)).addErrback(lambda failure: None)
            self.successResultOf(outcome)
            db.write = write
            if self.wait(self.server.accounts.exists(ROMEO)):
                continue
            self.successResultOf(self.create())
            self.assertGreaterEqual(self.forgetful.forgot, 1)


class Absent(LifeCase):
    """Plugins that don't run when an account is deleted hear of it when they do."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("private", Forgetful)

    def setUp(self) -> None:
        super().setUp()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(
            "<iq type='set' id='1'><query xmlns='jabber:iq:private'><a xmlns='urn:example:a'>secret</a></query></iq>"
        )
        romeo.expect("<iq type='result' id='1'/>")

    def rows(self) -> int:
        with self.server.engines.read.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM private_entries")) or 0

    def missed(self) -> int:
        with self.server.engines.read.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM xmppd_missed_deletions")) or 0

    def create(self) -> None:
        self.wait(self.host.create_account(ROMEO, "secret"))

    def test_enabled_again(self) -> None:
        self.wait(self.host.registry.disable("private"))
        self.wait(self.host.delete_account(ROMEO))
        self.create()
        self.assertEqual((self.rows(), self.missed()), (1, 1))
        self.wait(self.host.registry.enable("private"))
        self.assertEqual((self.rows(), self.missed()), (0, 0))

    def test_deleted_twice(self) -> None:
        self.wait(self.host.registry.disable("private"))
        for _ in range(2):
            self.wait(self.host.delete_account(ROMEO))
            self.create()
        self.assertEqual(self.missed(), 1)
        self.wait(self.host.registry.enable("private"))
        self.assertEqual((self.rows(), self.missed()), (0, 0))

    def test_running(self) -> None:
        """Nothing is noted for those who are told at once, or keep nothing."""
        self.wait(self.host.registry.disable("forgetful"))
        self.wait(self.host.delete_account(ROMEO))
        self.assertEqual((self.rows(), self.missed()), (0, 0))

    def test_server_was_stopped(self) -> None:
        """An account deleted by a tool, and the server started without the plugin before it is started with it."""
        self.wait(AccountKeeper(self.server.db, self.server.accounts).delete(ROMEO))
        self.restart_with(Forgetful)
        self.create()
        self.assertEqual((self.rows(), self.missed()), (1, 1))
        self.restart_with("private", Forgetful)
        self.assertEqual((self.rows(), self.missed()), (0, 0))

    def restart_with(self, *plugins: str | type[Plugin]) -> None:
        self.plugins = plugins  # type: ignore[misc]
        self._settings = from_table(self.settings_table(), "the settings of the test", Path(self.mktemp()).absolute())
        self.restart()

    def test_deleted_while_it_starts(self) -> None:
        """Between being told what it has missed and being told everything."""
        self.wait(self.host.registry.disable("private"))
        waiting: Deferred[None] = Deferred()

        async def start(plugin: Plugin) -> None:
            await waiting

        self.patch(self.host.registry.load_class("private"), "start", start)
        enabling = Deferred.fromCoroutine(self.host.registry.enable("private"))

        def in_between() -> None:
            self.disk.stopped = True
            waiting.callback(None)

        deleting = Deferred.fromCoroutine(self.host.delete_account(ROMEO, in_between))
        while self.disk.waiting:
            self.disk.let(1)
        self.successResultOf(enabling)
        self.assertTrue(self.successResultOf(deleting))
        self.disk.go_on()
        self.assertEqual((self.rows(), self.missed()), (0, 0))

    def test_fails_to_forget(self) -> None:
        """Then it isn't started, and told again."""
        self.wait(self.host.registry.disable("private"))
        self.wait(self.host.delete_account(ROMEO))
        cls = self.host.registry.load_class("private")

        async def fails(plugin: Plugin, event: AccountDeleted) -> None:
            raise StorageUnavailable("nobody is at home")

        self.patch(cls, "forget", observe(AccountDeleted)(fails))
        enabling = Deferred.fromCoroutine(self.host.registry.enable("private"))
        self.failureResultOf(enabling, PluginError)
        self.assertEqual((self.rows(), self.missed()), (1, 1))


class Locking(LifeCase):
    def test_sessions_end_and_nobody_gets_in(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        late = self.logged_in()
        self.operate("user lock", jid="romeo@example.org", reason="spam")
        romeo.expect_closed("not-authorized")
        late.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        late.expect_closed("not-authorized")
        client = self.connect()
        client.open()
        with self.assertRaisesRegex(AssertionError, "account-disabled"):
            client.authenticate("romeo", "secret")
        self.operate("user unlock", jid="romeo@example.org")
        self.login("romeo@example.org/orchard")


class Passwords(LifeCase):
    def test_sessions_stay(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.operate("user password", jid="romeo@example.org", password="banished")
        romeo.send("<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
        romeo.expect("<iq type='result' id='1'/>")
        client = self.connect()
        client.open()
        with self.assertRaisesRegex(AssertionError, "not-authorized|received nothing"):
            client.authenticate("romeo", "secret")
        self.pump(1)
        self.login("romeo@example.org/garden", "banished")


class HostsTakenAway(LifeCase):
    hosts = ("example.org", "example.net")

    def test_streams_without_a_session_end_too(self) -> None:
        session = self.login("romeo@example.net/orchard")
        self.account("juliet@example.net")
        stranger, other, logged_in = self.connect(), self.connect(), self.connect()
        for client in (stranger, logged_in):
            client.open("example.net")
        other.open("example.org")
        logged_in.authenticate("juliet", "secret")
        self.wait(self.server.server.remove_host("example.net"))
        assert self._listener is not None
        self._listener.reconfigure()
        for client in (session, stranger, logged_in):
            client.expect_closed("host-gone")
        other.expect_open()
