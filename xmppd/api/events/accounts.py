"""Accounts made and deleted: to be observed."""

from __future__ import annotations

from dataclasses import dataclass

from xmppd.wire.jid import Jid

__all__ = ["AccountCreated", "AccountDeleted"]


@dataclass(slots=True)
class AccountCreated:
    """A new account, by whatever door."""

    account: Jid


@dataclass(slots=True)
class AccountDeleted:
    """The account is gone and its sessions are closed. Every plugin deletes what it kept for it."""

    account: Jid
