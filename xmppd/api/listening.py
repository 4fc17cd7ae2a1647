"""Where a host is reached by those who connect with TLS from the first octet (XEP-0368): for documents of discovery.

A plugin has it as ``self.host.listening``. What listens on loopback alone is left out: others don't reach it.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["IListening"]


class IListening(Protocol):
    """The ports of one host. They can change when the settings are reloaded: ask when they are needed."""

    @property
    def clients(self) -> tuple[int, ...]:
        """Ports for clients."""

    @property
    def servers(self) -> tuple[int, ...]:
        """Ports for other servers; none if the host does not talk with any."""
