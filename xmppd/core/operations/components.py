"""Operations on external components and uplinks: ``component list``, ``component show``, ``component close``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.api.words import duration, plural
from xmppd.core.components.external import External
from xmppd.core.components.line import Line, Link
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.jid import Jid

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["ComponentOperations"]


class ComponentOperations:
    """External components, and services of ours that are components elsewhere."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("component list", safe=True, permission=Permission.OPERATOR, examples=("",))
    async def list_components(self) -> list[dict[str, Any]]:
        """List the external components and the uplinks that the settings name."""
        return [_row(line) for line in self._lines().values()]

    @operation("component show", safe=True, permission=Permission.OPERATOR, examples=("irc.example.org",))
    async def show(self, domain: Jid) -> dict[str, Any]:
        """Show an external component or an uplink, with its connections.

        :param domain: its domain.
        """
        line = self._find(domain)
        shown = _row(line) | {
            "received": dict(line.received),
            "sent": dict(line.sent),
            "refused": line.refused,
            "connections": [_connection(link, self._server.clock.seconds()) for link in line.links],
        }
        if isinstance(line, External):
            granted = line.privileges.model_dump()
            shown["hosts"] = [str(host.jid) for host in line.hosts]
            shown["privileges"] = {name: value for name, value in granted.items() if value not in ("none", None, {})}
            shown["delegations"] = [delegation.namespace for delegation in line.delegations]
        return shown

    @operation("component close", permission=Permission.OPERATOR, examples=("irc.example.org",))
    async def close(self, domain: Jid, *, reason: str = "closed by the operator") -> str:
        """Close the connections of an external component or an uplink. It may connect again at once.

        :param domain: its domain.
        :param reason: told to the other side.
        """
        links = list(self._find(domain).links)
        for link in links:
            link.stream.close(StreamError(StreamCondition.RESET, reason))
        return f"Closed {plural(len(links), 'connection')} of {domain}."

    def _lines(self) -> dict[str, Line]:
        server = self._server
        return {**server.components.by_domain, **server.uplinks.by_domain}

    def _find(self, domain: Jid) -> Line:
        line = self._lines().get(domain)
        if line is None:
            raise OperationError(f"the settings name no component {domain}", Condition.ITEM_NOT_FOUND)
        return line


def _row(line: Line) -> dict[str, Any]:
    return {
        "component": str(line.jid),
        "kind": "external" if isinstance(line, External) else "uplink",
        "state": _state(line),
        "address": ", ".join(link.stream.peer for link in line.links),
        "queued": line.queued,
        "received": sum(line.received.values()),
        "sent": sum(line.sent.values()),
    }


def _state(line: Line) -> str:
    if line.connected:
        return "connected"
    return "waiting" if line.patient else "not connected"


def _connection(link: Link, now: float) -> dict[str, Any]:
    return {
        "address": link.stream.peer,
        "encrypted": link.stream.secured,
        "since": format_datetime(link.since),
        "for": duration(now - link.since),
        "received": link.received,
        "sent": link.sent,
    }
