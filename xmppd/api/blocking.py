"""Whom an account has blocked (XEP-0191), to plugins that speak on behalf of accounts."""

from __future__ import annotations

from typing import Protocol

from xmppd.wire.jid import Jid

__all__ = ["IBlocking"]


class IBlocking(Protocol):
    """The block lists of the accounts of one host."""

    def blocks(self, account: Jid, other: Jid) -> bool:
        """Has the account, a bare address, blocked `other`? Costs one dict lookup for those who block nobody.

        Clients' own stanzas to those they blocked are refused before any other plugin sees them. Who sends presence
        on behalf of an account leaves out whom it has blocked.
        """
