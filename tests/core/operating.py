"""A server without plugins or sockets, for the tests of operations."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api.operations import OperationError
from xmppd.core.accounts.accounts import Accounts
from xmppd.core.kernel_tables import migrate_kernel
from xmppd.core.server import Server
from xmppd.core.sessions import Session
from xmppd.core.settings import Host, Settings
from xmppd.core.storage import DirectDatabase, open_engines
from xmppd.wire.errors import StreamError
from xmppd.wire.frames import Malformed
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import MIN_ITERATIONS
from xmppd.wire.stanza import Nonza

T = TypeVar("T")
ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.org")
NURSE = Jid.parse("nurse@example.net")
SETTINGS = Settings(hosts={"example.org": Host(admins=("romeo@example.org",)), "example.net": Host()})


class FakeStream:
    """What a session writes to."""

    peer = "192.0.2.7"
    secured = True
    confidential = True

    def __init__(self) -> None:
        self.written: list[str] = []
        self.over = "TCP"
        self.closed: StreamError | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data.decode())

    def write_all(self, elements: Iterable[bytes]) -> None:
        for element in elements:
            self.write(element)

    def close(self, error: StreamError | None = None) -> None:
        self.closed = error

    def pause(self, why: str = "inbox") -> None:
        pass

    def resume(self, why: str = "inbox") -> None:
        pass

    def handle_nonza(self, nonza: Nonza) -> None:
        pass

    def handle_malformed(self, frame: Malformed) -> None:
        pass

    def release_session(self) -> None:
        pass


class Observer:
    """Stands in for the plugins: keeps what hosts are told."""

    def __init__(self, server: Server) -> None:
        self.seen: list[tuple[str, object]] = []
        for domain, host in server.hosts.items():
            host.notify = lambda event, domain=domain: self.seen.append((domain, event))  # type: ignore[method-assign, misc]

    def of(self, kind: type) -> list[Any]:
        return [event for _, event in self.seen if isinstance(event, kind)]


class OperatingTestCase(SynchronousTestCase):
    """Has `self.server` with the hosts example.org and example.net, and `self.run_operation`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.engines = open_engines("sqlite://")
        self.addCleanup(self.engines.dispose)
        migrate_kernel(self.engines.write)
        self.db = DirectDatabase(self.engines)
        self.accounts = self.make_accounts()
        self.server = self.make_server()

    def make_accounts(self) -> Accounts:
        return Accounts(self.db, run_here, self.clock.seconds, iterations=MIN_ITERATIONS)

    def make_server(self) -> Server:
        return Server(SETTINGS, self.clock, self.db, self.accounts, (), migrate_nothing)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that waits for nothing."""
        return self.successResultOf(Deferred.fromCoroutine(work))

    def run_operation(self, name: str, /, **arguments: Any) -> Any:
        return self.do(self.server.operations.run(name, arguments))

    def refused(self, name: str, /, **arguments: Any) -> OperationError:
        """Run an operation that must fail, and return why."""
        work = Deferred.fromCoroutine(self.server.operations.run(name, arguments))
        error = self.failureResultOf(work, OperationError).value
        assert isinstance(error, OperationError)
        return error

    def log_in(self, jid: str) -> tuple[Session, FakeStream]:
        full = Jid.parse(jid)
        stream = FakeStream()
        session = self.do(self.server.bind(self.server.hosts[full.domain], full.bare, full.resource, stream))
        return session, stream


def run_here(fn: Callable[[], T], /) -> Deferred[T]:
    return maybeDeferred(fn)


async def migrate_nothing(plugin: object) -> None:
    pass
