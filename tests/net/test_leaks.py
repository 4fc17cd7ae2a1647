"""Nothing stays in memory of clients that have gone, however they went, and nothing in the log of what they said."""

from __future__ import annotations

import base64
import gc
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar, cast

from twisted.internet.defer import fail
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from xmppd.api import Plugin
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

ROUNDS = 200
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
#: A connection to SQLite lets go of cursors that are gone two hundred at a time.
CURSORS = "weakref.ReferenceType"


def counted() -> Counter[str]:
    """Count the objects there are, by their types."""
    for _ in range(3):
        gc.collect()
    return Counter(f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())


class Leaks(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = None
    config = {"register": {"registration": True}}
    tls = True

    def forget_clients(self) -> None:
        """Let go of what the test itself keeps."""
        self.pump(10)
        self._clients.clear()
        self.names.clear()

    def check(self, one: Callable[[int], object], *cached: str) -> None:
        """Do something many times, and see that there is no more of anything than after a few times.

        :param cached: types of which bounded caches hold some.
        """
        for number in range(20):
            one(number)
        self.pump(600, 60)  # what plugins do now and then has been done once: its SQL is compiled, and kept
        self.forget_clients()
        before = counted()
        for number in range(20, 20 + ROUNDS):
            one(number)
            if number % 20 == 0:
                self.forget_clients()
        self.forget_clients()
        more = {
            name: count
            for name, count in (counted() - before).items()
            if count >= ROUNDS // 4 and name not in (*cached, CURSORS)
        }
        self.assertEqual(more, {})

    def visit(self, number: int) -> Client:
        client = self.login("romeo@example.org/orchard", presence=True, tls=True)
        client.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
        client.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        return client

    def test_leaving_in_good_order(self) -> None:
        self.check(lambda number: self.visit(number).close())

    def test_lost_connections(self) -> None:
        self.check(lambda number: self.visit(number).disconnect())

    def test_lost_in_the_middle_of_a_stanza(self) -> None:
        def one(number: int) -> None:
            client = self.visit(number)
            client.send_raw("<message><body>")
            client.disconnect()

        self.check(one)

    def test_lost_while_logging_in(self) -> None:
        def one(number: int) -> None:
            client = self.connect()
            client.open()
            if number % 2:
                client.send_raw(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>biwsbj1yb21lbyxyPXh4</auth>")
            client.disconnect()

        self.check(one)

    def test_slow_readers(self) -> None:
        def one(number: int) -> None:
            client = self.visit(number)
            client.stall()
            for _ in range(20):
                client.send(f"<message to='romeo@example.org/orchard'><body>{'x' * 9000}</body></message>")
            client.disconnect()

        self.check(one)

    def test_different_accounts(self) -> None:
        def one(number: int) -> None:
            client = self.login(f"u{number}@example.org/x", presence=True)
            client.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
            client.close()
            self.wait(self.host.delete_account(Jid.of(f"u{number}", "example.org")))

        # Addresses that were parsed, and from where who has logged in.
        self.check(one, "xmppd.wire.jid.Jid", "builtins.tuple")


class Logged(ServerTestCase):
    """What somebody types as a password never gets into the log, whatever its level."""

    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = None
    config = {"register": {"registration": True, "confirm_with_password": False}}

    def setUp(self) -> None:
        self.logged: list[LogEvent] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        super().setUp()

    def test_no_passwords(self) -> None:
        secrets = ["hunter2-right", "hunter2-wrong", "hunter2-new", "hunter2-registered", "whispered"]
        for password in secrets[:2]:
            token = base64.b64encode(f"\0romeo\0{password}".encode()).decode()
            secrets.append(token)
            secrets.append(token[8:-4])
        romeo = self.login("romeo@example.org/orchard", "hunter2-right", presence=True)
        for mechanism, token in (("PLAIN", secrets[7]), ("SCRAM-SHA-1", secrets[7]), ("NONE", secrets[7])):
            client = self.connect()
            client.open()
            client.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{token}</auth>")
            self.pump(2)
            client.send(f"<response xmlns='{SASL}'>{token}</response>")
            client.send_raw(f"<auth xmlns='{SASL}'>{token}<")
            client.send_raw("&&")
        stranger = self.connect()
        stranger.open()
        register = "<query xmlns='jabber:iq:register'><username>{}</username><password>{}</password></query>"
        stranger.send(f"<iq type='set' id='1'>{register.format('tybalt', 'hunter2-registered')}</iq>")
        stranger.expect("<iq type='result'/>")
        romeo.send(f"<iq type='set' id='2' to='example.org'>{register.format('romeo', 'hunter2-new')}</iq>")
        romeo.send("<message to='juliet@example.org'><body>whispered</body></message>")

        def broken(*arguments: Any) -> Any:
            return fail(ZeroDivisionError())

        write = self.patch(self.server.db, "write", broken)
        self.patch(self.server.db, "append", broken)
        romeo.send(f"<iq type='set' id='3' to='example.org'>{register.format('romeo', 'hunter2-new')}</iq>")
        romeo.send("<message to='juliet@example.org' type='chat'><body>whispered</body></message>")
        self.pump(1)
        write.restore()
        shown = [str(formatEvent(event)) + str(event.get("log_failure", "")) for event in self.logged]
        self.assertTrue(any("failed login" in line for line in shown))
        self.assertTrue(any("logged in from" in line for line in shown))
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        for line in shown:
            for secret in secrets:
                self.assertNotIn(secret, line)


class Work(ServerTestCase):
    """Whoever guesses learns nothing from how much work a refusal is."""

    config = {"accounts": {"mechanisms": ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1"]}}

    def work(self, user: str, password: str) -> tuple[int, int]:
        """Return how many keys were derived, and how often the database was read, for a log-in that is refused."""
        client = self.connect()
        client.open()
        done = Counter[str]()
        accounts, db = self.server.accounts, self.server.db
        run, read = accounts._run_in_thread, db.read

        def running(fn: Any) -> Any:
            done["derived"] += 1
            return run(fn)

        def reading(fn: Any) -> Any:
            done["read"] += 1
            return read(fn)

        accounts._run_in_thread = cast(Any, running)
        db.read = reading  # type: ignore[method-assign]
        try:
            token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
            client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{token}</auth>")
            self.pump(2)
        finally:
            accounts._run_in_thread = run
            del db.read
        client.expect(f"<failure xmlns='{SASL}'><not-authorized/></failure>")
        return done["derived"], done["read"]

    def test_unknown_users_are_as_much_work_as_wrong_passwords(self) -> None:
        self.login("romeo@example.org/orchard", "right")  # his password is in the cache now
        self.account("juliet@example.org")
        self.wait(self.server.accounts.lock(Jid.of("juliet", "example.org"), "spam"))
        work = {user: self.work(user, "wrong") for user in ("romeo", "juliet", "mercutio", "romeo", "mercutio")}
        self.assertEqual(work, dict.fromkeys(work, (1, 1)))
