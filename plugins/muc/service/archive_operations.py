"""What operators can see of the archives of rooms, and delete of them."""

from __future__ import annotations

from xmppd.api import Jid, OperationError, Result, operation
from xmppd.api.archives import HIGHEST_ID
from xmppd.api.words import plural
from xmppd.plugins.muc.service.managing import RoomManagement
from xmppd.wire.delay import format_datetime, parse_datetime

__all__ = ["ArchiveOperations"]


class ArchiveOperations(RoomManagement):
    """More of the plugin's operations."""

    @operation("room archive count", safe=True, examples=("garden@conference.example.org",))
    async def count_said(self, room: Jid) -> Result:
        """Say how many messages are in the archive of a room, and from when.

        :param room: its address.
        """
        found = await self.archive.measure(await self.existing(room))
        first, last = (format_datetime(at) for at in (found.first, found.last)) if found.messages else ("", "")
        return {"room": str(room), "messages": found.messages, "first": first, "last": last}

    @operation(
        "room archive purge",
        examples=(
            "garden@conference.example.org",
            "garden@conference.example.org --before 2026-01-01T00:00:00Z",
        ),
    )
    async def purge_said(self, room: Jid, *, before: str = "") -> Result:
        """Delete what was said in a room from its archive and its history. Nobody is told.

        :param room: its address.
        :param before: delete what was said before that time only.
        """
        made = await self.existing(room)
        try:
            highest = round(parse_datetime(before) * 1e6) - 1 if before else HIGHEST_ID
        except ValueError as error:
            raise OperationError(str(error)) from None
        return f"Deleted {plural(await self.archive.clear(made, highest), 'message')}."
