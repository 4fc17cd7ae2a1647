"""Operations on sessions and hosts: ``session list``, ``session kick``, ``session message``, ``host list``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xmppd.api.interfaces import USER_AGENT
from xmppd.api.operations import OperationError, Permission, operation
from xmppd.api.waiting import settled
from xmppd.api.words import duration, plural
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition, StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Message
from xmppd.wire.xml import tag

if TYPE_CHECKING:
    from xmppd.core.hosts import Host
    from xmppd.core.server import Server
    from xmppd.core.sessions import Session

__all__ = ["SessionOperations", "end_sessions"]


async def end_sessions(server: Server, sessions: Iterable[Session], error: StreamError) -> int:
    """End sessions, tell their clients why, and wait until nobody finds them any more.

    :returns: how many there were.
    """
    ended = list(sessions)
    for session in ended:
        session.abandon()
        session.close(error)
        await server.unbind(session)
    return len(ended)


class SessionOperations:
    """Sessions, and the hosts they are on."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("session list", safe=True, examples=("", "example.org", "--account romeo@example.org"))
    async def list_sessions(
        self, host: str | None = None, *, account: Jid | None = None, limit: int = 0, after: str = ""
    ) -> list[dict[str, Any]]:
        """List the sessions that are open.

        :param host: the domain; all if none is given.
        :param account: only those of this account.
        :param limit: at most so many; 0 is no limit.
        :param after: those behind this address only, in alphabetical order.
        """
        now = self._server.clock.seconds()
        sessions = [s for served in self._hosts(host) for s in served.all_sessions()]
        if account is not None:
            sessions = [s for s in sessions if s.account == account.bare]
        found = sorted((s for s in sessions if str(s.jid) > after), key=lambda s: s.jid)
        return [_row(session, now) for session in (found[:limit] if limit > 0 else found)]

    @operation("session kick", examples=("romeo@example.org", "romeo@example.org/orchard --reason 'too loud'"))
    async def kick(self, jid: Jid, *, reason: str = "ended by the operator") -> str:
        """End a session, or all sessions of an account. Its owner may log in again.

        :param jid: the full address of a session, or the account.
        :param reason: told to the client.
        """
        sessions = self._of(jid)
        if not sessions:
            raise OperationError(f"{jid} has no session", Condition.ITEM_NOT_FOUND)
        count = await end_sessions(self._server, sessions, StreamError(StreamCondition.POLICY_VIOLATION, text=reason))
        return f"Ended {plural(count, 'session')} of {jid}."

    @operation("session message", examples=("romeo@example.org 'Please call me.'", "example.org 'Down at 8 o''clock.'"))
    async def message(self, jid: Jid, text: str, *, subject: str | None = None) -> str:
        """Send a message from the server to open sessions.

        :param jid: a session, an account, or a host, which means all sessions on it.
        :param text: what it says.
        :param subject: its subject.
        """
        if jid.local:
            sessions = self._of(jid)
        else:
            sessions = [session for host in self._hosts(jid.domain) for session in host.all_sessions()]
        payload = (tag("subject", subject) if subject else b"") + tag("body", text)
        for session in sessions:
            await settled(session.send(Message(session.jid, session.host.jid, payload=payload)))
        if not sessions and jid.local:
            raise OperationError(f"{jid} has no session", Condition.ITEM_NOT_FOUND)
        return f"Sent to {plural(len(sessions), 'session')}."

    @operation("host list", safe=True, permission=Permission.OPERATOR, examples=("",))
    async def hosts(self) -> list[dict[str, Any]]:
        """List the domains that are served."""
        return [
            {
                "host": str(host.jid),
                "accounts": await self._server.accounts.count(str(host.jid)),
                "sessions": len(host.all_sessions()),
                "plugins": len(list(host.registry.loaded())),
                "admins": sorted(str(admin) for admin in host.admins),
            }
            for host in self._server.hosts.values()
        ]

    def _of(self, jid: Jid) -> Sequence[Session]:
        of_account = tuple(self._server.directory.of(jid.bare).values())
        return of_account if jid.is_bare else tuple(session for session in of_account if session.jid == jid)

    def _hosts(self, domain: str | None) -> Sequence[Host]:
        return hosts_named(self._server, domain)


def hosts_named(server: Server, domain: str | None) -> Sequence[Host]:
    """Return the host of that name, or all for None.

    :raises OperationError: it is not served.
    """
    if not domain:
        return list(server.hosts.values())
    if domain not in server.hosts:
        known = ", ".join(server.hosts)
        raise OperationError(f"{domain} is not served here; the hosts are {known}", Condition.ITEM_NOT_FOUND)
    return [server.hosts[domain]]


def _row(session: Session, now: float) -> dict[str, Any]:
    return {
        "session": str(session.jid),
        "client": _client(session),
        "address": session.peer,
        "over": session.over,
        "encrypted": session.secured,
        "presence": _presence(session),
        "since": format_datetime(session.bound_at),
        "idle": duration(now - session.active_at),
        "received": session.received,
        "sent": session.sent,
    }


def _client(session: Session) -> str:
    """Say what the client has said of itself: its software, and the device it runs on."""
    agent = session.state.get(USER_AGENT, {})
    return ", ".join(agent[name] for name in ("software", "device") if name in agent)


def _presence(session: Session) -> str:
    if session.presence is None:
        return "unavailable"
    show = session.presence.text("show") or "available"
    return f"{show} ({session.priority})"
