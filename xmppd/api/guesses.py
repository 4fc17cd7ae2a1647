"""Guessing passwords: how often somebody may be wrong, whichever way they try to come in.

A plugin that asks people for their password has it as ``self.host.guesses``. Failures are counted by address and by
account, together with those of XMPP clients, and the settings say how many there may be (``[limits]``).
"""

from __future__ import annotations

from typing import Protocol

from xmppd.wire.jid import Jid

__all__ = ["IGuesses"]


class IGuesses(Protocol):
    """Failed attempts to log in, of the whole server."""

    def stopped(self, peer: str, account: Jid | None = None) -> bool:
        """Must nobody try from this address, or this account, for a while?

        The owner of an account may still, from where they have logged in before: otherwise anybody could lock anybody
        out by guessing wrong on purpose.

        :param peer: a network address.
        """

    def failed(self, peer: str, account: Jid | None = None) -> None:
        """Count a failure."""

    def succeeded(self, peer: str, account: Jid) -> None:
        """Remember where the owner of an account comes from."""

    @property
    def delay(self) -> float:
        """Seconds that somebody has to wait for the answer that it was wrong."""
