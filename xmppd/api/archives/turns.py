"""Turns: who wants something done that others are doing already waits until they have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock

__all__ = ["Turns"]


class Turns:
    """One at a time for each key::

    async with self._turns.of(owner):
        if not done:
            await do_it()
    """

    def __init__(self) -> None:
        self._locks: dict[Hashable, DeferredLock] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait until it is one's turn; it ends with the block."""
        lock = self._locks.setdefault(key, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(key, None)
