"""What other plugins have to push and could not be pushed at once: kept on disk, and tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from xmppd.api import IDelayedCall, IHost, StorageUnavailable, settled
from xmppd.api.push import Pushed, PushResult, PushSettled
from xmppd.plugins.push.registrations import Entry, Registrations
from xmppd.plugins.push.store import PARCELS
from xmppd.plugins.push.wakeups import Wakeups, wait_after

__all__ = ["Parcels"]

_c = PARCELS.c
_START = 5.0  # seconds; see Wakeups


class _Parcel(NamedTuple):
    """The columns of the table."""

    registration: str
    item: str
    payload: bytes
    priority: str
    since: float
    attempts: int


class Parcels:
    """What waits, for all registrations of a host.

    :param later: see :meth:`xmppd.api.Plugin.later`.
    """

    def __init__(
        self,
        host: IHost,
        later: Callable[[float, Callable[[], Any]], IDelayedCall],
        registrations: Registrations,
        wakeups: Wakeups,
    ) -> None:
        self._host, self._later, self._registrations, self._wakeups = host, later, registrations, wakeups
        self._waiting: dict[tuple[str, str], _Parcel] = {}

    async def load(self) -> None:
        """Go on with what waited when the server ended."""
        own = {entry.id for entry in self._registrations}
        for row in await self._host.db.read(_all):
            parcel = _Parcel(row[0], row[1], bytes(row[2]), *row[3:])
            if parcel.registration in own:
                self._plan(parcel, _START)

    async def push(self, entry: Entry, content: bytes, item: str, priority: str) -> Pushed:
        """Push something; what can't be pushed now is kept."""
        pushed = await self._wakeups.push(entry, content, item, priority)
        if pushed.result is PushResult.WAITING:
            now = self._host.clock.seconds()
            kept = sum(of == entry.id for of, _ in self._waiting)
            if kept >= self._wakeups.options.max_parcels and (entry.id, item) not in self._waiting:
                return Pushed(PushResult.FAILED, f"{pushed.reason}; and too much waits for it already")
            parcel = _Parcel(entry.id, item, content, priority, now, 1)
            await self._host.db.write(lambda c: _put(c, parcel))
            self._plan(parcel, wait_after(1))
        return pushed

    def _plan(self, parcel: _Parcel, seconds: float) -> None:
        key = (parcel.registration, parcel.item)
        self._waiting[key] = parcel
        if not self._wakeups.stopped:
            self._later(seconds, lambda: self._retry(key, parcel))

    async def _retry(self, key: tuple[str, str], parcel: _Parcel) -> None:
        if self._waiting.get(key) is not parcel:
            return  # it was pushed anew
        entry = next((entry for entry in self._registrations if entry.id == parcel.registration), None)
        if entry is None:
            await self._end(parcel, "", Pushed(PushResult.GONE, "the app has turned push off"))
            return
        pushed = await self._wakeups.push(entry, parcel.payload, parcel.item, parcel.priority)
        late = self._host.clock.seconds() - parcel.since > self._wakeups.options.retry_hours * 3600
        if pushed.result is PushResult.WAITING and not late:
            again = parcel._replace(attempts=parcel.attempts + 1)
            self._plan(again, wait_after(again.attempts))
        elif pushed.result is PushResult.WAITING:
            await self._end(parcel, entry.node, Pushed(PushResult.FAILED, pushed.reason))
        else:
            await self._end(parcel, entry.node, pushed)

    async def _end(self, parcel: _Parcel, node: str, pushed: Pushed) -> None:
        self._waiting.pop((parcel.registration, parcel.item), None)
        await settled(self._host.notify(PushSettled(node, parcel.item, pushed.result, pushed.reason)))
        try:
            await self._host.db.write(lambda c: _drop(c, parcel))
        except StorageUnavailable:
            return  # it is pushed once more when the server is started again, under the same id

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete what waits for some registrations."""
        for key in [key for key in self._waiting if key[0] in ids]:
            del self._waiting[key]
        await self._host.db.write(lambda c: _forget(c, ids))

    def __len__(self) -> int:
        return len(self._waiting)


def _all(connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(PARCELS))]


def _put(connection: Connection, parcel: _Parcel) -> None:
    _drop(connection, parcel)
    connection.execute(insert(PARCELS).values(dict(zip(_c.keys(), parcel, strict=True))))


def _drop(connection: Connection, parcel: _Parcel) -> None:
    connection.execute(delete(PARCELS).where(_c.registration == parcel.registration, _c.item == parcel.item))


def _forget(connection: Connection, registrations: Sequence[str]) -> None:
    connection.execute(delete(PARCELS).where(_c.registration.in_(registrations)))
