"""Operations on the server: ``server status``, ``server stop``, ``server reload``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from xmppd import __version__
from xmppd.api.operations import OperationError, Permission, operation
from xmppd.api.words import duration
from xmppd.core.history import cpu_seconds, resident_mib
from xmppd.core.operations.sessions import SessionOperations
from xmppd.core.options import SettingsError

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["ServerOperations"]

_ANSWER_FIRST = 0.1  # seconds until a stop begins, so that whoever asked for it is answered


class ServerOperations:
    """The server as a whole."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("server status", safe=True, permission=Permission.OPERATOR, examples=("",))
    async def status(self) -> dict[str, Any]:
        """Show how the server is doing."""
        server = self._server
        received, sent = server.directory.stanzas()
        return {
            "version": __version__,
            "process": os.getpid(),
            "uptime": duration(server.clock.seconds() - server.started_at),
            "hosts": list(server.hosts),
            "sessions": len(server.directory.by_jid),
            "accounts online": len(server.directory.by_account),
            "stanzas received": received,
            "stanzas sent": sent,
            "CPU seconds": round(cpu_seconds(), 1),
            "memory MiB": resident_mib(),
        }

    @operation("server stop", permission=Permission.OPERATOR, examples=("", "--delay 120 --message 'Back in an hour.'"))
    async def stop(self, *, delay: float = 0.0, message: str | None = None) -> str:
        """Stop the server. Clients are told, and what is queued for them is sent first.

        :param delay: seconds to wait before it begins.
        :param message: sent to every session at once.
        """
        if not 0 <= delay <= 86_400:
            raise OperationError("delay: between 0 and 86400 seconds (a day) are possible")
        stop = self._server.begin_stop
        if stop is None:
            raise OperationError("this server can't be stopped from within")
        if message:
            sessions = SessionOperations(self._server)
            for host in self._server.hosts.values():
                await sessions.message(host.jid, message)
        self._server.clock.callLater(max(delay, _ANSWER_FIRST), stop)
        return f"The server stops in {duration(delay)}." if delay else "The server stops now."

    @operation("server reload", permission=Permission.OPERATOR, examples=("",))
    async def reload(self) -> str:
        """Read the settings file and the certificates again."""
        if self._server.reload is None:
            raise OperationError("this server has no settings file to read again")
        try:
            problems = await self._server.reload()
        except SettingsError as error:
            raise OperationError(f"nothing is changed, because the settings have problems: {error}") from None
        return "\n".join(["Settings and certificates are reloaded.", *problems])
