"""The local admin socket: a Unix socket in the data folder, by which the operator's tool reaches the running server.

Only the user the server runs as may open it (mode 0600). Requests and answers are JSON, one object a line::

    -> {"id": 1, "do": "list"}
    <- {"id": 1, "result": [{"name": "user add", ...}, ...]}
    -> {"id": 2, "do": "run", "operation": "user import", "arguments": {"file": "..."}, "host": null}
    <- {"id": 2, "progress": [100, 2000]}
    <- {"id": 2, "result": {"created": 2000, "existing": 0}}
    <- {"id": 2, "error": "...", "condition": "conflict"}        (instead, if it can't be done)

One lock belongs to a data folder, so that two servers can't use the same one. It is a lock of the operating system on
an open file, which ends with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from xmppd.api.operations import OperationError
from xmppd.core.operations.catalogue import OperationRegistry, describe
from xmppd.wire.errors import Condition

__all__ = ["AdminService", "AdminSocketError", "AlreadyRunning", "DataLock", "is_locked"]

_log = Logger()
LOCK_NAME = "xmppd.lock"
MAX_LINE = 64 * 1024 * 1024  # octets; an import brings its file along
_MAX_PATH = 107  # octets of a socket's path; unix(7)


class AlreadyRunning(Exception):
    """Another server uses the data folder; the text says which."""


class AdminSocketError(Exception):
    """The admin socket can't be opened; the text says why and what to do."""


class DataLock:
    """The right to use a data folder, for as long as this process lives or until `release`.

    :raises AlreadyRunning: another process has it.
    :raises OSError: the folder can't be written.
    """

    def __init__(self, data_dir: Path) -> None:
        self._file: IO[str] | None = open(data_dir / LOCK_NAME, "a+", opener=_private)  # noqa: SIM115 - kept open
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            raise AlreadyRunning(
                f"another xmppd{f' (process {holder})' if holder else ''} uses {data_dir}; stop it, or give this one"
                " a data_dir of its own"
            ) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Let go of it."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(data_dir: Path) -> bool:
    """Does a server use that data folder, whether it answers or not?"""
    try:
        with open(data_dir / LOCK_NAME) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
    except OSError:
        pass
    return False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class AdminService(Service):
    """Serves the admin socket while it runs.

    The caller holds the `DataLock`, so a socket that is there already is left over from a process that was killed.

    :param reactor: where to listen.
    :param path: the socket.
    :param operations: what can be run.
    """

    def __init__(self, reactor: Any, path: Path, operations: OperationRegistry) -> None:
        self._reactor = reactor
        self._path = path
        self._factory = _AdminFactory(operations)
        self._port: Any = None

    def startService(self) -> None:
        """Open the socket. Raises AdminSocketError."""
        path = str(self._path)
        if len(os.fsencode(path)) > _MAX_PATH:
            raise AdminSocketError(
                f"the admin socket's path {path} is longer than the system's {_MAX_PATH} octets; set admin_socket"
                " under [server] to a shorter absolute path"
            )
        with suppress(FileNotFoundError):
            self._path.unlink()
        umask = os.umask(0o177)  # the mode is set after the socket is there, and that would be too late
        try:
            self._port = self._reactor.listenUNIX(path, self._factory, mode=0o600)
        except CannotListenError as error:
            raise AdminSocketError(f"the admin socket {path} can't be opened: {error.socketError}") from None
        finally:
            os.umask(umask)
        super().startService()

    def stopService(self) -> Deferred[None] | None:
        """Close the socket, and connections after what they are being answered."""
        super().stopService()
        for connection in list(self._factory.connections):
            connection.finish()
        if self._port is None:
            return None
        port, self._port = self._port, None
        stopped: Deferred[None] | None = port.stopListening()
        return stopped


class _AdminFactory(Factory):
    noisy = False

    def __init__(self, operations: OperationRegistry) -> None:
        self.operations = operations
        self.connections: set[_AdminConnection] = set()

    def buildProtocol(self, address: object) -> Any:
        return _AdminConnection(self)


class _AdminConnection(Protocol):
    """One client. Several of its requests may be under way."""

    transport: Any

    def __init__(self, factory: _AdminFactory) -> None:
        self.factory: _AdminFactory = factory
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._under_way = 0
        self._finishing = False
        self._actor = "operator"

    def connectionMade(self) -> None:
        self.factory.connections.add(self)
        self._actor = _peer_name(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.connections.discard(self)
        self.transport = None

    def finish(self) -> None:
        """Close when everything is answered."""
        self._finishing = True
        if not self._under_way and self.transport:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        *ended, rest = data.split(b"\n")
        for piece in ended:
            line = b"".join((*self._pieces, piece))
            self._pieces, self._waiting = [], 0
            self._line_received(line)
        if rest:
            self._pieces.append(rest)
            self._waiting += len(rest)
            if self._waiting > MAX_LINE:
                self._answer(None, error=f"a request may have {MAX_LINE} octets")
                self.transport.loseConnection()

    def _line_received(self, line: bytes) -> None:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, Mapping):
            self._answer(None, error="a request is a JSON object on one line")
            return
        self._under_way += 1
        Deferred.fromCoroutine(self._respond(request)).addBoth(self._responded)

    async def _respond(self, request: Mapping[str, Any]) -> None:
        id = request.get("id")
        try:
            result = await self._do(request)
        except OperationError as error:
            self._answer(id, error=str(error), condition=error.condition.value)
        else:
            self._answer(id, result=result)

    async def _do(self, request: Mapping[str, Any]) -> Any:
        operations, what = self.factory.operations, request.get("do")
        if what == "list":
            return [describe(entry) for entry in operations.entries().values()]
        if what != "run":
            raise OperationError('"do" is "list" or "run"')
        name, arguments, host = request.get("operation"), request.get("arguments", {}), request.get("host")
        if not isinstance(name, str) or not isinstance(arguments, Mapping) or not isinstance(host, str | None):
            raise OperationError('"operation" is a text, "arguments" an object, "host" a text or null')

        def progress(done: int, total: int) -> None:
            self._answer(request.get("id"), progress=[done, total])

        return await operations.run(name, arguments, host=host, actor=self._actor, progress=progress)

    def _answer(self, id: object, **content: object) -> None:
        if self.transport is not None:
            try:
                line = json.dumps({"id": id, **content}, ensure_ascii=False)
            except TypeError as error:
                line = json.dumps({"id": id, "error": f"the result can't be shown: {error}", "condition": _INTERNAL})
            self.transport.write(line.encode() + b"\n")

    def _responded(self, outcome: object) -> None:
        if isinstance(outcome, Failure):
            _log.failure("an admin request could not be answered", failure=outcome)
        self._under_way -= 1
        if self._finishing:
            self.finish()


_INTERNAL = Condition.INTERNAL_SERVER_ERROR.value


def _peer_name(transport: Any) -> str:
    """Return who is at the other end of a Unix socket, for the audit log: ``operator (alice)``."""
    try:
        # socket(7): struct ucred holds pid, uid and gid. Systems that have another way are content with "operator".
        found = transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", found)
        return f"operator ({pwd.getpwuid(uid).pw_name})"
    except (AttributeError, OSError, KeyError):
        return "operator"
