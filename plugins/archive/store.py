"""The tables of users' archives, and what users have said of theirs (XEP-0441)."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Text, bindparam, select, update

from xmppd.api import Jid
from xmppd.api.archives import make_tables
from xmppd.api.archives.store import Store

__all__ = ["HOSTS", "MESSAGES", "OWNERS", "TABLES", "all_preferences", "set_preferences"]

#: XEP-0441; NULL: those of the host.
TABLES = make_tables("archive", owner_columns=(Column("preferences", Text),))
OWNERS, MESSAGES, HOSTS = TABLES.all
_o = OWNERS.c
_PREFER = update(OWNERS).where(_o.number == bindparam("whose"))


def all_preferences(connection: Connection, host: Jid) -> dict[Jid, str]:
    """Return what is stored of the preferences of a host's accounts; most have none."""
    chosen = select(_o.account, _o.preferences).where(_o.preferences.is_not(None))
    chosen = chosen.where(_o.account.endswith(f"@{host}", autoescape=True))
    return {Jid.parse(account): text for account, text in connection.execute(chosen)}


def set_preferences(connection: Connection, store: Store, account: Jid, preferences: str) -> None:
    """Store what :meth:`.preferences.Preferences.to_text` says."""
    connection.execute(_PREFER, {"whose": store.make_owner(connection, account), "preferences": preferences})
