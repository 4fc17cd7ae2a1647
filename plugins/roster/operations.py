"""What operators can do with rosters."""

from __future__ import annotations

from typing import Literal

from xmppd.api import Condition, IHost, IRoster, Jid, OperationError, Subscription, operation

__all__ = ["RosterOperations"]


class RosterOperations(IRoster):
    """The operations of the roster plugin, for a class that is an :class:`xmppd.api.IRoster`."""

    host: IHost

    @operation("roster list", safe=True, examples=("romeo@example.org",))
    async def roster_list(self, account: Jid) -> list[dict[str, str]]:
        """Show the contacts of an account.

        :param account: whose roster.
        """
        roster = await self.load(await self._existing(account))
        return [
            {
                "contact": str(item.jid),
                "name": item.name or "",
                "groups": ", ".join(item.groups),
                "subscription": str(item.subscription),
                "asked": "yes" if item.ask else "",
                "approved": "yes" if item.approved else "",
            }
            for item in roster.items.values()
        ]

    @operation("roster add", examples=("romeo@example.org juliet@example.org --name Juliet --subscription both",))
    async def roster_add(
        self,
        account: Jid,
        contact: Jid,
        *,
        name: str = "",
        groups: str = "",
        subscription: Literal["keep", "none", "to", "from", "both"] = "keep",
    ) -> str:
        """Put a contact into an account's roster, or change the one that is there. The contact's roster stays as it is.

        :param account: whose roster.
        :param contact: who is to be in it.
        :param name: how the contact is called there.
        :param groups: the groups it is in, separated by commas.
        :param subscription: who sees whose presence, without asking the contact: to (the account sees the
            contact's), from (the contact sees the account's), both, none; keep leaves it as it is.
        """
        await self._existing(account)
        if not contact.is_bare or contact == account:
            raise OperationError(f"{contact} can't be a contact of {account}")
        names = tuple(dict.fromkeys(group.strip() for group in groups.split(",") if group.strip()))
        wanted = None if subscription == "keep" else Subscription(subscription)
        item = await self.put(account, contact, name or None, names, wanted)
        return f"{contact} is in the roster of {account}, subscription {item.subscription}."

    @operation("roster remove", examples=("romeo@example.org tybalt@example.org",))
    async def roster_remove(self, account: Jid, contact: Jid) -> str:
        """Remove a contact from an account's roster, and end their subscriptions to each other.

        :param account: whose roster.
        :param contact: who is to go.
        """
        if not await self.remove(await self._existing(account), contact):
            raise OperationError(f"{contact} is not in the roster of {account}", Condition.ITEM_NOT_FOUND)
        return f"{contact} is no longer in the roster of {account}."

    async def _existing(self, account: Jid) -> Jid:
        """Return the account. Raises OperationError if it is none of this host."""
        if account.domain != self.host.jid or not account.local or not await self.host.accounts.exists(account.bare):
            raise OperationError(f"there is no account {account}", Condition.ITEM_NOT_FOUND)
        return account.bare
