"""Rosters in memory: those of connected accounts, and the latest of the others; written through to the database."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from twisted.internet.defer import DeferredLock

from xmppd.api import IDatabase, Jid, RosterItem, Subscription
from xmppd.plugins.roster import store
from xmppd.plugins.roster.rules import State
from xmppd.plugins.roster.store import Edit, Header, Stored

__all__ = ["Change", "Roster", "Rosters"]


class Change(NamedTuple):
    """What is to become of one contact: if `before` and `after` are equal, nothing; the same for the request."""

    contact: Jid
    before: RosterItem | None
    after: RosterItem | None
    request_before: bytes | None
    request_after: bytes | None

    @property
    def visible(self) -> bool:
        """Does the roster that clients see change?"""
        return self.before != self.after

    @property
    def anything(self) -> bool:
        """Is there anything to be stored?"""
        return self.before != self.after or self.request_before != self.request_after


class Roster:
    """One account's roster. It is changed by :meth:`apply` only, after the change has been stored."""

    __slots__ = ("_subscribers", "_subscriptions", "account", "header", "items", "removed", "requests")

    def __init__(self, account: Jid, stored: Stored) -> None:
        self.account = account
        self.header = stored.header
        self.items = stored.items
        self.requests = stored.requests
        self.removed = stored.removed
        self._subscribers: tuple[Jid, ...] | None = None
        self._subscriptions: tuple[Jid, ...] | None = None

    @property
    def subscribers(self) -> Sequence[Jid]:
        """See :class:`xmppd.api.IRosterView`."""
        found = self._subscribers
        if found is None:
            found = self._subscribers = tuple(item.jid for item in self.items.values() if item.from_)
        return found

    @property
    def subscriptions(self) -> Sequence[Jid]:
        """See :class:`xmppd.api.IRosterView`."""
        found = self._subscriptions
        if found is None:
            found = self._subscriptions = tuple(item.jid for item in self.items.values() if item.to)
        return found

    def state(self, contact: Jid) -> State:
        """Return the state of the subscription (RFC 6121 appendix A.1)."""
        item = self.items.get(contact)
        if item is None:
            return State.of(Subscription.NONE, False, contact in self.requests)
        return State.of(item.subscription, item.ask, contact in self.requests)

    # Versions (RFC 6121 2.6)

    @property
    def version(self) -> str:
        """The version as clients see it; "0" while nothing was ever in the roster."""
        return f"{self.header.epoch}-{self.header.version}" if self.header.epoch else "0"

    def changes_since(self, version: str) -> list[tuple[int, Jid]] | None:
        """Return (version, contact) of what has changed since, in order; None if that can't be told any more."""
        if version == "0":
            known = 0
        else:
            epoch, _, number = version.rpartition("-")
            if epoch != self.header.epoch or not number.isascii() or not number.isdigit() or len(number) > 18:
                return None
            known = int(number)
        if not self.header.floor <= known <= self.header.version:
            return None
        changes = [(item.version, item.jid) for item in self.items.values() if item.version > known]
        changes += [(removed, jid) for jid, removed in self.removed.items() if removed > known]
        return sorted(changes)

    # Changing

    def change(self, contact: Jid, item: RosterItem | None, request: bytes | None) -> Change:
        """Say that these are to be the contact's item and request; the item's version is set when it is stored."""
        before = self.items.get(contact)
        if item is not None and before is not None:
            item = replace(item, version=before.version)
        return Change(contact, before, item, self.requests.get(contact), request)

    def edit(self, change: Change, removals_kept: int) -> Edit:
        """Return what has to be written for a change."""
        contact = change.contact
        exists = contact in self.items or contact in self.requests or contact in self.removed
        header, item = self.header, change.after
        removed_in = self.removed.get(contact) if item is None else None
        forget: tuple[Jid, ...] = ()
        if change.visible:
            # A roster gets its epoch with its first item, or with the first request that waits for an answer.
            header = replace(header, version=header.version + 1)
            if item is not None:
                item = replace(item, version=header.version)
            else:
                removed_in = header.version
                header, forget = self._forgetting(header, removals_kept)
        if not header.epoch:
            header = replace(header, epoch=secrets.token_hex(4))
        return Edit(self.account, contact, item, change.request_after, removed_in, exists, self.header, header, forget)

    def _forgetting(self, header: Header, removals_kept: int) -> tuple[Header, tuple[Jid, ...]]:
        """Choose the removals that are no longer remembered once another one is added."""
        surplus = len(self.removed) + 1 - removals_kept
        # A row that holds a request as well stays until the request is answered.
        forget = tuple(jid for jid in list(self.removed)[: max(surplus, 0)] if jid not in self.requests)
        if not forget:
            return header, ()
        return replace(header, floor=max(self.removed[jid] for jid in forget)), forget

    def apply(self, edit: Edit) -> None:
        """Take in what has been written."""
        contact = edit.contact
        self.header = edit.header
        self._subscribers = self._subscriptions = None
        for jid in edit.forget:
            del self.removed[jid]
        if self.removed.get(contact) != edit.removed_in:  # else it keeps its place: the oldest are first
            self.removed.pop(contact, None)
            if edit.removed_in is not None:
                self.removed[contact] = edit.removed_in
        if edit.item is None:
            self.items.pop(contact, None)
        else:
            self.items[contact] = edit.item
        if edit.request is None:
            self.requests.pop(contact, None)
        else:
            self.requests[contact] = edit.request


class Rosters:
    """All rosters of a host.

    :param online: says whether an account is connected; the rosters of those stay in memory.
    :param cache: how many rosters of other accounts are kept.
    """

    def __init__(self, db: IDatabase, online: Callable[[Jid], bool], cache: int, removals_kept: int) -> None:
        self._db = db
        self._is_online = online
        self.cache = cache
        self.removals_kept = removals_kept
        self._online: dict[Jid, Roster] = {}
        self._offline: OrderedDict[Jid, Roster] = OrderedDict()
        self._locks: dict[Jid, DeferredLock] = {}

    def cached(self, account: Jid) -> Roster | None:
        """Return the roster if it is in memory."""
        return self._online.get(account) or self._offline.get(account)

    async def load(self, account: Jid) -> Roster:
        """Return the roster, reading it if need be. Raises StorageUnavailable."""
        roster = self.cached(account)
        if roster is not None:
            return roster
        async with self._alone(account):
            return await self._load(account)

    async def _load(self, account: Jid) -> Roster:
        roster = self.cached(account)
        if roster is None:
            roster = Roster(account, await self._db.read(partial(store.load, account=account)))
            if self._is_online(account):
                self._online[account] = roster
            else:
                self._keep(account, roster)
        return roster

    def came(self, account: Jid) -> None:
        """The account is connected now."""
        roster = self._offline.pop(account, None)
        if roster is not None:
            self._online[account] = roster

    def left(self, account: Jid) -> None:
        """The account is no longer connected."""
        roster = self._online.pop(account, None)
        if roster is not None:
            self._keep(account, roster)

    def _keep(self, account: Jid, roster: Roster) -> None:
        self._offline[account] = roster
        while len(self._offline) > self.cache:
            self._offline.popitem(last=False)

    async def change(
        self,
        account: Jid,
        decide: Callable[[Roster], Change],
        then: Callable[[Roster, Change], None] | None = None,
    ) -> Change:
        """Change one contact, one change of an account at a time.

        :param decide: chooses the change from the roster as it is; what it raises ends it.
        :param then: called when the change is on disk and in memory, before any other change of that roster.
        :raises StorageUnavailable: nothing has been changed.
        """
        async with self._alone(account):
            roster = await self._load(account)
            change = decide(roster)
            if change.anything:
                edit = roster.edit(change, self.removals_kept)
                try:
                    await self._db.write(partial(store.save, edit=edit))
                except Exception:
                    # A lost connection leaves it unknown whether it was written: read it again.
                    self._forget(account)
                    raise
                roster.apply(edit)
                change = change._replace(after=edit.item)
            if then is not None:
                then(roster, change)
            return change

    async def delete(self, account: Jid) -> Roster:
        """Delete an account's roster, and return what it was."""
        async with self._alone(account):
            roster = await self._load(account)
            self._forget(account)
            await self._db.write(partial(store.delete_account, account=account))
            return roster

    def _forget(self, account: Jid) -> None:
        self._online.pop(account, None)
        self._offline.pop(account, None)

    @asynccontextmanager
    async def _alone(self, account: Jid) -> AsyncIterator[None]:
        """Keep others from loading or changing the account's roster meanwhile."""
        lock = self._locks.get(account)
        if lock is None:
            lock = self._locks[account] = DeferredLock()
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            # Whoever waited may have run to its end inside release() and have thrown the lock away.
            if not lock.locked and not lock.waiting and self._locks.get(account) is lock:
                del self._locks[account]
