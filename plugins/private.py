"""XEP-0049 Private XML Storage."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from xmppd.api import (
    OWN_ACCOUNT,
    AccountDeleted,
    Condition,
    Element,
    Field,
    Iq,
    Jid,
    Plugin,
    StanzaError,
    iq_get,
    iq_set,
    observe,
    tag,
)
from xmppd.wire.xml import serialise

NS = "jabber:iq:private"
ENTRIES = Table(
    "private_entries",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("namespace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
_c = ENTRIES.c

#: Namespace and name of an element.
Key = tuple[str, str]


class Private(Plugin):
    """Let clients keep settings and other data of their own on the server."""

    xep = (49, "1.2")
    features = (NS,)
    tables = (ENTRIES,)

    class Options(Plugin.Options):
        """Limits for each account."""

        max_octets: int = Field(256 * 1024, ge=1, description="Octets that all data of one account may have together.")
        max_entries: int = Field(100, ge=1, description="Elements, of different names, that one account may store.")

    # Requests for the data of others find no handler, and are refused as if there were no such account (section 2.3).

    @iq_get(NS, "query", to=OWN_ACCOUNT)
    async def read(self, request: Iq) -> Iq:
        """Answer with what is stored under the names asked for (section 2.3)."""
        keys = list(_grouped(request.request))
        if len({namespace for namespace, _ in keys}) > 1:
            text = "only one namespace can be asked for at a time"
            raise StanzaError(Condition.BAD_REQUEST, text=text)
        account = str(request.to)
        found = await self.db.read(lambda c: [_content(c, account, key) for key in keys])
        return request.result(tag("query", *found, xmlns=NS))

    @iq_set(NS, "query", to=OWN_ACCOUNT)
    async def write(self, request: Iq) -> Iq:
        """Store elements in place of those of the same names (section 2.3)."""
        new = _grouped(request.request)
        account = str(request.to)

        def put(connection: Connection) -> None:
            for key, content in new.items():
                connection.execute(delete(ENTRIES).where(*_is(account, key)))
                values = {"account": account, "namespace": key[0], "name": key[1], "octets": len(content)}
                connection.execute(insert(ENTRIES).values(content=content, **values))
            self._check_limits(connection, account)

        await self.db.write(put)
        return request.result()

    def _check_limits(self, connection: Connection, account: str) -> None:
        """Raise, and so undo, what would be too much."""
        query = select(func.count(), func.coalesce(func.sum(_c.octets), 0)).where(_c.account == account)
        entries, octets = connection.execute(query).one()
        if octets > self.options.max_octets:
            text = f"{self.options.max_octets} octets may be stored, with this it would be {octets}"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)
        if entries > self.options.max_entries:
            text = f"{self.options.max_entries} elements may be stored, with this it would be {entries}"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete what is stored for the account."""
        await self.db.write(lambda c: _remove_all(c, event.account))


def _grouped(query: Element) -> Mapping[Key, bytes]:
    """Return the elements in a request by namespace and name; those that have both in common are stored as one.

    :raises StanzaError: not-acceptable, if there is none (section 2.3), one without a namespace of its own, or one in a
        reserved namespace (section 3).
    """
    groups: dict[Key, bytes] = {}
    for element in query.elements():
        if element.uri == NS:
            text = f"{element.name} has no namespace of its own"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
        if element.uri.startswith(("jabber:", "http://jabber.org/")) or element.uri == "vcard-temp":
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"the namespace {element.uri} is reserved")
        key = (element.uri, element.name)
        groups[key] = groups.get(key, b"") + serialise(element)
    if not groups:
        raise StanzaError(Condition.NOT_ACCEPTABLE, text="an element with a namespace of its own is needed")
    return groups


def _is(account: str, key: Key) -> tuple[ColumnElement[bool], ...]:
    return _c.account == account, _c.namespace == key[0], _c.name == key[1]


def _content(connection: Connection, account: str, key: Key) -> bytes:
    """Return what is stored under a name, or an empty element."""
    stored = connection.execute(select(_c.content).where(*_is(account, key))).scalar()
    return bytes(stored) if stored is not None else tag(key[1], xmlns=key[0])


def _remove_all(connection: Connection, account: Jid) -> None:
    connection.execute(delete(ENTRIES).where(_c.account == str(account)))
