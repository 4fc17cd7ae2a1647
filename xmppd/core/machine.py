"""The machine a host runs on, as far as plugins may use it: threads for what blocks, and a place for files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = ["Machine"]

T = TypeVar("T")


class Machine:
    """Base of a host."""

    server: Server

    def in_thread(self, fn: Callable[[], T]) -> Deferred[T]:
        """See :class:`xmppd.api.IHost`."""
        return maybeDeferred(self.server.run_in_thread, fn)

    @property
    def data_dir(self) -> Path:
        """See :class:`xmppd.api.IHost`."""
        return self.server.settings.server.data_dir
