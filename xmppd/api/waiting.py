"""Waiting for what may be there to wait for.

`route`, `notify`, `send` and their kin return None when they are done at once, which is nearly always, and an awaitable
otherwise: so that what need not wait costs no coroutine.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from twisted.internet.defer import Deferred, ensureDeferred

__all__ = ["as_deferred", "settled"]

T = TypeVar("T")


async def settled(*pending: Awaitable[None] | None) -> None:
    """Wait for these, one after the other; None stands for what is done. Raises what they raise."""
    for one in pending:
        if one is not None:
            await one


def as_deferred(pending: Awaitable[T]) -> Deferred[T]:
    """Return a Deferred for a Deferred or a coroutine, which begins to run at once."""
    return pending if isinstance(pending, Deferred) else ensureDeferred(pending)  # type: ignore[arg-type]
