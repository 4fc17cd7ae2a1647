"""What an operator can see of a gateway, and do about it."""

from __future__ import annotations

from typing import Any

from xmppd.api.gateway.registering import Registering
from xmppd.api.operations import OperationError, Result, operation
from xmppd.api.words import plural
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid

__all__ = ["Operating"]


class Operating(Registering):
    """The part of :class:`~xmppd.api.gateway.Gateway` that is for operators; each gateway has it by its name."""

    @operation("{plugin} users", safe=True, examples=("",))
    async def list_users(self) -> Result:
        """List who is registered with the gateway, and what they have sent."""
        rows: list[dict[str, Any]] = []
        for user, entry in sorted(self.registrations.items()):
            today, month = self.quota.used(str(user))
            rows.append({
                "account": str(user), "since": format_datetime(entry.since), "waiting": self.queue.waiting(user),
                "today": today, "month": month,
            })  # fmt: skip
        return rows

    @operation("{plugin} remove", examples=("romeo@example.org",))
    async def remove_registration(self, user: Jid) -> Result:
        """Unregister a user: what waits to be sent is deleted, and all subscriptions end.

        :param user: the bare address, of whatever server.
        """
        if not await self.remove_user(user.bare):
            raise OperationError(f"{user} is not registered", Condition.ITEM_NOT_FOUND)
        return f"{user} is not registered any more."

    @operation("{plugin} retry", examples=("",))
    async def retry_now(self) -> Result:
        """Try to send all messages that wait, now."""
        count = self.queue.length
        self.queue.go()
        return f"Trying {plural(count, 'message')}."
