"""XEP-0054 vcard-temp."""

from __future__ import annotations

from sqlalchemy import Column, Connection, LargeBinary, MetaData, Table, Text, delete, insert, select

from xmppd.api import (
    ACCOUNT,
    NO_ACCOUNT,
    OWN_ACCOUNT,
    AccountDeleted,
    Condition,
    Field,
    Iq,
    Jid,
    Plugin,
    StanzaError,
    iq_get,
    iq_set,
    observe,
)

NS = "vcard-temp"
VCARDS = Table(
    "vcard_cards",
    MetaData(),
    Column("account", Text, primary_key=True),
    Column("vcard", LargeBinary, nullable=False),
)


class Vcard(Plugin):
    """Keep users' vCards, their electronic business cards, and show them to everybody who asks."""

    xep = (54, "1.3.0")
    features = (NS,)
    account_features = (NS,)
    tables = (VCARDS,)

    class Options(Plugin.Options):
        """Limits."""

        max_octets: int = Field(128 * 1024, ge=1, description="Octets that a vCard may have, its photo included.")

    @iq_get(NS, "vCard", to=OWN_ACCOUNT)
    async def own(self, request: Iq) -> Iq:
        """Answer with the asker's own vCard (section 3.1)."""
        return await self._card(request, StanzaError(Condition.ITEM_NOT_FOUND))

    @iq_get(NS, "vCard", to=ACCOUNT)
    async def of_other(self, request: Iq) -> Iq:
        """Answer with another user's vCard (section 3.3)."""
        # Section 3.3: the same as for a user who does not exist.
        return await self._card(request, StanzaError(Condition.SERVICE_UNAVAILABLE))

    async def _card(self, request: Iq, missing: StanzaError) -> Iq:
        account = str(request.to)
        query = select(VCARDS.c.vcard).where(VCARDS.c.account == account)
        card = await self.db.read(lambda c: c.execute(query).scalar())
        if card is None:
            raise missing
        return request.result(bytes(card))

    @iq_set(NS, "vCard", to=OWN_ACCOUNT)
    async def publish(self, request: Iq) -> Iq:
        """Store a vCard in place of the one before (section 3.2)."""
        card = request.payload
        if len(card) > self.options.max_octets:
            text = f"a vCard may have {self.options.max_octets} octets, this one has {len(card)}"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)
        account = str(request.to)

        def put(connection: Connection) -> None:
            _remove(connection, account)
            connection.execute(insert(VCARDS).values(account=account, vcard=card))

        await self.db.write(put)
        return request.result()

    @iq_set(NS, "vCard", to=(ACCOUNT, NO_ACCOUNT))
    def refuse(self, request: Iq) -> Iq:
        """Section 3.2: nobody changes another's. Said of everybody, so that it doesn't tell who exists."""
        if request.recipient.resource:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        raise StanzaError(Condition.FORBIDDEN)

    @observe(AccountDeleted)
    async def forget(self, event: AccountDeleted) -> None:
        """Delete the account's vCard."""
        await self.db.write(lambda c: _remove(c, event.account))


def _remove(connection: Connection, account: Jid | str) -> None:
    connection.execute(delete(VCARDS).where(VCARDS.c.account == str(account)))
