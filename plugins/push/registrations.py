"""The registrations of a host, all of them in memory: whether an account has any has to be known for each message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from typing import Any

from xmppd.api import IDelayedCall, IHost, ISession, Jid
from xmppd.api.interfaces import USER_AGENT
from xmppd.api.push import Registration
from xmppd.plugins.push import store
from xmppd.plugins.push.payload import NOTHING, Last
from xmppd.plugins.push.requests import Enabling, Extras
from xmppd.plugins.push.rules import Importance

__all__ = ["ENABLED", "Entry", "Registrations", "device_of"]

#: The name under which a session remembers what its client has enabled: pairs of service and node.
ENABLED = "push"


def device_of(session: ISession) -> str:
    """Return what tells a client from others of its account: the id it logs in with (XEP-0388), or its resource."""
    agent = session.state.get(USER_AGENT) or {}
    return agent.get("id") or session.jid.resource


@dataclass(slots=True, eq=False)
class Entry:
    """A registration, and how it stands with it.

    :ivar errors: how many in a row that count.
    :ivar disabled: why it is not used, or None; `gone`: because the service says that the app is gone.
    :ivar accepted_at: when the service took something last, in seconds since the epoch, or 0.0; `error`, `error_at`:
        what went wrong last, and when.
    :ivar waiting: the most important of what the app is still to be told; `since`: since when.
    :ivar count: how many messages have come since the app was there; `last`: the last of them.
    :ivar pushed: the most important of what it was told since it was there; `pushed_at`: when.
    :ivar attempts: how often telling it has failed; `repeats`: how often it was told the same again.
    :ivar flying: is it being told just now? `fresh`: the most important of what has come since that began.
    :ivar dropped: is it not in force any more, or another one in its place?
    """

    id: str
    account: Jid
    service: Jid
    node: str
    form: bytes
    extras: Extras
    device: str
    enabled_at: float
    errors: int = 0
    disabled: str | None = None
    gone: bool = False
    accepted_at: float = 0.0
    error: str = ""
    error_at: float = 0.0
    waiting: Importance = Importance.NONE
    since: float = 0.0
    count: int = 0
    last: Last = NOTHING
    pushed: Importance = Importance.NONE
    pushed_at: float = 0.0
    attempts: int = 0
    repeats: int = 0
    flying: bool = False
    fresh: Importance = Importance.NONE
    dropped: bool = False
    timer: IDelayedCall | None = None
    repeater: IDelayedCall | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        """Return what was stored."""
        values = dict(row)
        values["account"], values["service"] = Jid.parse(row["account"]), Jid.parse(row["service"])
        values["extras"] = Extras.from_bytes(bytes(row["extras"]))
        values["form"] = bytes(row["form"])
        values["gone"] = bool(row["gone"])
        values["waiting"] = Importance(row["waiting"])
        values["last"] = Last.from_text(row["last"])
        return cls(**values)

    def row(self, extras: bytes) -> dict[str, Any]:
        """Return it as it is stored first."""
        return {
            "id": self.id, "account": str(self.account), "service": str(self.service), "node": self.node,
            "form": self.form, "extras": extras, "device": self.device, "enabled_at": self.enabled_at, **self.health(),
            **self.wakeup(),
        }  # fmt: skip

    def health(self) -> dict[str, Any]:
        """Return how it stands with it, as it is stored."""
        return {
            "errors": self.errors, "disabled": self.disabled, "gone": int(self.gone), "accepted_at": self.accepted_at,
            "error": self.error, "error_at": self.error_at,
        }  # fmt: skip

    def wakeup(self) -> dict[str, Any]:
        """Return what the app is to be told, as it is stored."""
        return {"waiting": int(self.waiting), "since": self.since, "count": self.count, "last": self.last.to_text()}

    @property
    def used(self) -> bool:
        """May something be sent to its service (XEP-0357 section 6)?"""
        return self.disabled is None and not self.dropped

    def public(self) -> Registration:
        """Return it as other plugins see it."""
        return Registration(self.account, self.service, self.node, self.device, self.enabled_at, self.disabled)

    def is_of(self, session: ISession) -> bool:
        """Does it belong to the client of a session?"""
        enabled = session.state.get(ENABLED, ())
        return [str(self.service), self.node] in enabled or self.device == device_of(session)

    def stop(self) -> None:
        """Cancel what was to be done about it later."""
        for timer in (self.timer, self.repeater):
            if timer is not None:
                timer.cancel()
        self.timer = self.repeater = None


class Registrations:
    """All registrations of the accounts of a host; of an account those enabled last come last."""

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._entries: dict[Jid, tuple[Entry, ...]] = {}

    async def load(self) -> None:
        """Read them all."""
        for row in await self._host.db.read(partial(store.load, host=self._host.jid)):
            self._put(Entry.from_row(row))

    def of(self, account: Jid) -> Sequence[Entry]:
        """Return those of an account."""
        return self._entries.get(account, ())

    @property
    def accounts(self) -> Set[Jid]:
        """The accounts that have any."""
        return self._entries.keys()

    def __contains__(self, account: object) -> bool:
        return account in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entries in self._entries.values() for entry in entries)

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def find(self, account: Jid, service: Jid, node: str) -> Entry | None:
        """Return that of a node."""
        return next((e for e in self.of(account) if e.service == service and e.node == node), None)

    def of_session(self, session: ISession) -> list[Entry]:
        """Return those of the client of a session."""
        return [entry for entry in self.of(session.account) if entry.is_of(session)]

    async def enable(self, account: Jid, wanted: Enabling, device: str, most: int) -> Entry:
        """Add one, or renew one, and wait until that is on disk.

        :param most: how many an account may have: of more, those that are disabled go first, then the oldest.
        """
        old = self.find(account, wanted.service, wanted.node)
        id_, now = token_hex(6) if old is None else old.id, self._host.clock.seconds()
        extras = Extras.from_bytes(wanted.extras)
        entry = Entry(id_, account, wanted.service, wanted.node, wanted.form, extras, device, now)
        if old is not None:
            entry.accepted_at, entry.error, entry.error_at = old.accepted_at, old.error, old.error_at
        others = sorted((e for e in self.of(account) if e is not old), key=lambda e: (e.disabled is None, e.enabled_at))
        surplus = others[: max(0, len(others) + 1 - most)]
        row, gone = entry.row(wanted.extras), [e.id for e in surplus]
        await self._host.db.write(partial(store.add, row=row, instead=gone))
        same = self.find(account, wanted.service, wanted.node)
        self._drop(account, surplus if same is None else [*surplus, same])
        self._put(entry)
        return entry

    async def remove(self, entries: Sequence[Entry]) -> None:
        """Remove some of one account, and wait until that is on disk."""
        if entries:
            self._drop(entries[0].account, entries)
            ids = [entry.id for entry in entries]
            await self._host.db.write(lambda c: store.remove(c, ids))

    async def forget(self, account: Jid) -> None:
        """Remove all of an account."""
        self._drop(account, self.of(account))
        await self._host.db.write(lambda c: store.forget(c, account))

    def _put(self, entry: Entry) -> None:
        self._entries[entry.account] = (*self.of(entry.account), entry)

    def _drop(self, account: Jid, entries: Sequence[Entry]) -> None:
        for entry in entries:
            entry.dropped = True
            entry.stop()
        left = tuple(entry for entry in self.of(account) if entry not in entries)
        if left:
            self._entries[account] = left
        else:
            self._entries.pop(account, None)
