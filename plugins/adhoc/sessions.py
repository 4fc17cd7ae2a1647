"""Command sessions: who is at which stage of which command (XEP-0050 section 3.3). Pure; time is passed in."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from xmppd.api import Condition, Jid, StanzaError, tag
from xmppd.api.commands import NS, Filled
from xmppd.plugins.adhoc.requests import refuse

__all__ = ["CommandSession", "Sessions"]

_REMEMBERED = 1_000  # ended sessions, so that they can be told from those that never were


@dataclass
class CommandSession:
    """One execution of a command.

    :ivar owner: full address of the requester.
    :ivar filled: what was filled in at the stages that are done.
    :ivar last: the form that is now to be filled in completes the command.
    :ivar busy: a request of this session is being worked on.
    """

    id: str
    owner: Jid
    node: str
    touched: float
    filled: Sequence[Filled] = field(default=())
    last: bool = True
    busy: bool = False


class Sessions:
    """The sessions of a host's commands.

    :param seconds: how long one may wait for its requester.
    :param per_account: sessions an account may have; a new one ends its oldest.
    :param total: sessions there may be.
    """

    def __init__(self, seconds: float, per_account: int, total: int) -> None:
        self._seconds = seconds
        self._per_account = per_account
        self._total = total
        self._open: OrderedDict[str, CommandSession] = OrderedDict()  # least recently touched first
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    @staticmethod
    def new_id() -> str:
        """Return an id that nobody can guess."""
        return secrets.token_urlsafe(12)

    def begin(self, owner: Jid, node: str, now: float) -> CommandSession:
        """Make a session. Raises StanzaError if there are too many."""
        self._expire(now)
        own = [session for session in self._open.values() if session.owner.bare == owner.bare]
        if len(own) >= self._per_account:
            self.end(own[0])
        if len(self._open) >= self._total:
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, text="too many commands are being executed")
        session = CommandSession(self.new_id(), owner, node, now)
        self._open[session.id] = session
        return session

    def find(self, id: str, owner: Jid, node: str, now: float) -> CommandSession:
        """Return a session. Raises StanzaError as section 4.4 has it: bad-sessionid, session-expired."""
        self._expire(now)
        session = self._open.get(id)
        if session is None and id in self._ended:
            expired = tag("session-expired", xmlns=NS)
            raise StanzaError(Condition.NOT_ALLOWED, text="this execution of the command has ended", app=expired)
        if session is None or session.owner != owner or session.node != node:
            raise refuse("bad-sessionid", "there is no such execution of the command")
        if session.busy:
            raise StanzaError(Condition.UNEXPECTED_REQUEST, text="the command is working on the last request")
        session.touched = now
        self._open.move_to_end(id)
        return session

    def end(self, session: CommandSession) -> None:
        """Take a session out; its id is remembered for a while."""
        if self._open.pop(session.id, None) is not None:
            self.note_ended(session.id)

    def note_ended(self, id: str) -> None:
        """Remember that an execution with that id has ended."""
        self._ended[id] = None
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)

    def end_all_of(self, owner: Jid) -> None:
        """Take out the sessions of a requester that is gone."""
        for session in [session for session in self._open.values() if session.owner == owner]:
            self.end(session)

    def _expire(self, now: float) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if now - oldest.touched < self._seconds:
                return
            self.end(oldest)
