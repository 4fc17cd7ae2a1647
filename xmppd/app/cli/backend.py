"""Who runs operations for the command line: the running server, or we ourselves, on the database."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from xmppd.api.operations import OperationError
from xmppd.app.looking import Looking
from xmppd.core.accounts.accounts import Accounts
from xmppd.core.kernel_tables import migrate_kernel
from xmppd.core.operations.catalogue import OperationRegistry, describe
from xmppd.core.operations.kernel import declared_operations, offline_operations
from xmppd.core.settings import Settings
from xmppd.core.storage import DatabaseUrlError, DirectDatabase, SchemaError, open_engines
from xmppd.net.admin import is_locked

__all__ = ["Backend", "NotRunning", "OfflineBackend", "ServerBackend", "connect", "declarations", "run_in_reactor"]

T = TypeVar("T")
Told = Callable[[int, int], None]


class NotRunning(Exception):
    """The operation needs a running server, or the one that runs can't be reached; the text says what to do."""


class Backend(Protocol):
    """Somebody who runs operations."""

    def operations(self) -> list[dict[str, Any]]:
        """Return the declarations of all operations, as `xmppd.core.operations.catalogue.describe` gives them."""

    def run(self, name: str, arguments: Mapping[str, Any], host: str | None, progress: Told) -> Any:
        """Run an operation and return its result. Raises OperationError, NotRunning."""


def declarations() -> list[dict[str, Any]]:
    """Return the operations every server has, whether one runs or not."""
    return [describe(entry) for entry in declared_operations().entries().values()]


def connect(settings: Settings) -> Backend:
    """Return the running server of these settings, or what can be done without it.

    :raises NotRunning: it runs, but can't be reached.
    """
    path = settings.server.admin_socket
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(str(path))
    except PermissionError:
        client.close()
        raise NotRunning(f"{path} may only be opened by the user the server runs as: try sudo -u") from None
    except OSError:
        client.close()
        if is_locked(settings.server.data_dir):
            raise NotRunning(
                f"a server uses {settings.server.data_dir}, but does not answer at {path}; it may be starting or"
                " stopping: try again, or look into its log"
            ) from None
        return OfflineBackend(settings)
    return ServerBackend(client)


class ServerBackend:
    """The running server, at the other end of its admin socket."""

    def __init__(self, client: socket.socket) -> None:
        self._socket = client
        self._lines = client.makefile("rb")
        self._last = 0

    def operations(self) -> list[dict[str, Any]]:
        """See Backend."""
        found: list[dict[str, Any]] = self._ask({"do": "list"}, lambda done, total: None)
        return found

    def run(self, name: str, arguments: Mapping[str, Any], host: str | None, progress: Told) -> Any:
        """See Backend."""
        request = {"do": "run", "operation": name, "arguments": arguments, "host": host}
        return self._ask(request, progress)

    def close(self) -> None:
        """Let go of the server."""
        self._lines.close()
        self._socket.close()

    def _ask(self, request: Mapping[str, Any], progress: Told) -> Any:
        self._last += 1
        try:
            self._socket.sendall(json.dumps({"id": self._last, **request}).encode() + b"\n")
            while line := self._lines.readline():
                answer = json.loads(line)
                if "progress" in answer:
                    progress(*answer["progress"])
                elif "error" in answer:
                    raise OperationError(answer["error"])
                else:
                    return answer["result"]
        except OSError as error:
            raise NotRunning(f"the connection to the server was lost: {error.strerror}") from None
        raise NotRunning("the server closed the connection before it answered; its log may say why")


class OfflineBackend:
    """The database, without a server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def operations(self) -> list[dict[str, Any]]:
        """See Backend."""
        return declarations()

    def run(self, name: str, arguments: Mapping[str, Any], host: str | None, progress: Told) -> Any:
        """See Backend."""
        if not declared_operations().find(name).sample.offline:
            raise NotRunning(
                f"{name} needs a running server, and none answers at {self._settings.server.admin_socket}; start it"
                " with: twistd xmppd -c CONFIG.toml"
            )
        try:
            self._settings.server.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            engines = open_engines(self._settings.database.url)
        except (DatabaseUrlError, OSError) as error:
            raise OperationError(f"the database can't be opened: {error}") from None
        try:
            migrate_kernel(engines.write)

            async def work(reactor: SelectReactor) -> Any:
                registry = self._registry(DirectDatabase(engines), reactor)
                return await registry.run(name, arguments, host=host, progress=progress)

            return run_in_reactor(work)
        except SchemaError as error:
            raise OperationError(f"the database can't be used: {error}") from None
        finally:
            engines.dispose()

    def _registry(self, db: DirectDatabase, reactor: SelectReactor) -> OperationRegistry:
        def run_in_thread(fn: Callable[[], T], /) -> Deferred[T]:
            return deferToThreadPool(reactor, reactor.getThreadPool(), fn)

        iterations = self._settings.accounts.hash_iterations
        accounts = Accounts(db, run_in_thread, time.time, iterations=iterations)
        return offline_operations(db, accounts, self._settings, Looking(self._settings, reactor).inspect)


def run_in_reactor(work: Callable[[SelectReactor], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, in a reactor of its own that it is given, and return its result."""
    reactor = SelectReactor()
    outcome: list[Any] = []

    def start() -> None:
        Deferred.fromCoroutine(work(reactor)).addBoth(ended)

    def ended(result: Any) -> None:
        outcome.append(result)
        reactor.stop()

    reactor.callWhenRunning(start)
    reactor.run()
    if not outcome:
        raise KeyboardInterrupt
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result
