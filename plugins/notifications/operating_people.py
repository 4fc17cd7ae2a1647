"""What an operator can have done with those who are notified: segments, groups, aliases, tags, devices."""

from __future__ import annotations

from typing import Any, Protocol

from xmppd.api import Condition, FileText, Jid, OperationError, Result, operation
from xmppd.api.notifications import NotificationError
from xmppd.api.words import plural
from xmppd.plugins.notifications import people
from xmppd.plugins.notifications.audience import AudienceError
from xmppd.plugins.notifications.directory import Directory
from xmppd.plugins.notifications.expression import ExpressionError
from xmppd.plugins.notifications.operating import Whole, checked_limit, refused, time_text
from xmppd.plugins.notifications.people import Device

__all__ = ["PeopleOperations"]

_WRONG = (NotificationError, ExpressionError, AudienceError)


class _Knowing(Whole, Protocol):
    """The plugin, as far as these operations know it."""

    directory: Directory


class PeopleOperations:
    """Base of the plugin: operations on what is known of people."""

    # Segments

    @operation("segment add", examples=("vips 'tag:paying and seen<7d'",))
    async def add_segment(self: _Knowing, name: str, expression: str) -> Result:
        """Save an audience under a name, or another in its place.

        :param name: by which it is used, as in segment:vips.
        :param expression: the audience.
        """
        try:
            new = await self.directory.set_segment(name, expression)
        except _WRONG as error:
            raise refused(error) from None
        return f"{'Saved' if new else 'Replaced'}."

    @operation("segment list", safe=True, examples=("",))
    async def list_segments(self: _Knowing, *, limit: int = 100, after: str = "") -> Result:
        """List the saved audiences.

        :param limit: how many.
        :param after: those behind this name.
        """
        most, host = checked_limit(limit), self.sending.name
        found = await self.db.read(lambda c: people.segments(c, host))
        rows = [{"name": name, "expression": expression} for name, expression in found.items() if name > after]
        return rows[:most]

    @operation("segment delete", examples=("vips",))
    async def delete_segment(self: _Knowing, name: str) -> Result:
        """Delete a saved audience.

        :param name: which.
        """
        if not await self.directory.delete_segment(name):
            raise OperationError(f"there is no segment {name!r}", Condition.ITEM_NOT_FOUND)
        return "Deleted."

    # Groups

    @operation("group add", examples=("staff romeo@example.org", "customers --csv customers.csv"))
    async def add_to_group(
        self: _Knowing,
        name: str,
        account: Jid | None = None,
        *,
        csv: FileText | None = None,
    ) -> Result:
        """Put an account into a group for notifications, or all that a file names.

        :param name: of the group.
        :param account: who.
        :param csv: a file with addresses or aliases, one a line.
        """
        try:
            count = await self.directory.add_to_group(name, account, str(csv or ""))
        except _WRONG as error:
            raise refused(error) from None
        return f"{plural(count, 'account')} added."

    @operation("group remove", examples=("staff romeo@example.org", "staff"))
    async def remove_from_group(self: _Knowing, name: str, account: Jid | None = None) -> Result:
        """Take an account out of a group for notifications, or delete the group.

        :param name: of the group.
        :param account: who; all, unless given.
        """
        host, who = self.sending.name, [str(account.bare)] if account else []
        count = await self.db.write(lambda c: people.remove_from_group(c, host, name, who))
        if not count:
            raise OperationError("there is no such group, or nobody of that address in it", Condition.ITEM_NOT_FOUND)
        return f"{plural(count, 'account')} removed."

    @operation("group list", safe=True, examples=("", "--name staff"))
    async def list_groups(self: _Knowing, *, name: str = "", limit: int = 100, after: str = "") -> Result:
        """List the groups for notifications, or who is in one of them.

        :param name: of a group: lists its accounts.
        :param limit: how many.
        :param after: those behind this one.
        """
        most, host = checked_limit(limit), self.sending.name
        if name:
            found = await self.db.read(lambda c: people.members(c, host, name, after, most))
            return [{"account": account} for account in found]
        groups = await self.db.read(lambda c: people.groups(c, host, after, most))
        return [{"name": group, "accounts": number} for group, number in groups]

    # Aliases and tags

    @operation("alias set", examples=("romeo@example.org bob",))
    async def set_alias_of(self: _Knowing, account: Jid, alias: str) -> Result:
        """Give an account an alias for notifications; who had it loses it.

        :param account: who.
        :param alias: the name.
        """
        try:
            before = await self.directory.set_alias(account, alias)
        except _WRONG as error:
            raise refused(error) from None
        return f"{account.bare} has it now, {before} had it." if before else f"{account.bare} has it now."

    @operation("alias list", safe=True, examples=("", "--account romeo@example.org"))
    async def list_aliases(self: _Knowing, *, account: Jid | None = None, limit: int = 100, after: str = "") -> Result:
        """List aliases for notifications, and whose they are.

        :param account: only those of that account.
        :param limit: how many.
        :param after: those behind this one.
        """
        most, host, who = checked_limit(limit), self.sending.name, str(account.bare) if account else ""
        found = await self.db.read(lambda c: people.aliases(c, host, who, after, most))
        return [{"alias": alias, "account": whose} for alias, whose in found]

    @operation("alias delete", examples=("bob",))
    async def delete_alias(self: _Knowing, alias: str) -> Result:
        """Delete an alias for notifications.

        :param alias: which.
        """
        host = self.sending.name
        if not alias or not await self.db.write(lambda c: people.drop_aliases(c, host, alias=alias)):
            raise OperationError(f"nobody has the alias {alias!r}", Condition.ITEM_NOT_FOUND)
        return "Deleted."

    @operation("tag set", examples=("romeo@example.org news,offers", "romeo@example.org beta --add"))
    async def set_tags_of(self: _Knowing, account: Jid, tags: str, *, add: bool = False) -> Result:
        """Replace the tags of an account.

        :param account: whose.
        :param tags: names with commas between them; "" for none.
        :param add: add them to those it has.
        """
        try:
            await self.directory.set_tags(account, _names(tags), additive=add)
        except _WRONG as error:
            raise refused(error) from None
        found = await self.db.read(lambda c: people.tags(c, self.sending.name, str(account.bare), "", 1000))
        return {"account": str(account.bare), "tags": ",".join(tag for tag, _ in found)}

    @operation("tag list", safe=True, examples=("", "--account romeo@example.org"))
    async def list_tags(self: _Knowing, *, account: Jid | None = None, limit: int = 100, after: str = "") -> Result:
        """List tags, and how many accounts have each.

        :param account: only those of that account.
        :param limit: how many.
        :param after: those behind this one.
        """
        most, host, who = checked_limit(limit), self.sending.name, str(account.bare) if account else ""
        found = await self.db.read(lambda c: people.tags(c, host, who, after, most))
        return [{"tag": tag, "accounts": number} for tag, number in found]

    # Devices

    @operation("device list", safe=True, examples=("--account romeo@example.org", "--platform android"))
    async def list_devices(
        self: _Knowing, *, account: Jid | None = None, platform: str = "", app: str = "", version: str = "",
        locale: str = "", limit: int = 100, after: str = "",
    ) -> Result:  # fmt: skip
        """List the devices that are known, and what of them.

        :param account: only those of that account.
        :param platform: only those of that platform, such as android.
        :param app: only those with that app.
        :param version: only those with that version of it.
        :param locale: only those with that locale.
        :param limit: how many.
        :param after: those behind this device.
        """
        wanted = {"platform": platform, "app": app, "version": version, "locale": locale}
        wanted = {name: value for name, value in wanted.items() if value}
        if account is not None:
            wanted["account"] = str(account.bare)
        most = checked_limit(limit)
        return [_row(device, online) for device, online in await self.directory.devices(wanted, after, most)]

    @operation("device show", safe=True, examples=("romeo@example.org orchard",))
    async def show_device(self: _Knowing, account: Jid, device: str) -> Result:
        """Show what is known of a device, and what waits for it.

        :param account: whose.
        :param device: its id, as device list shows it behind the slash.
        """
        found = await self.directory.device(account, device)
        if found is None:
            raise OperationError(f"no such device of {account.bare} is known", Condition.ITEM_NOT_FOUND)
        one, online, waiting = found
        return {**_row(one, online), "waiting": waiting}

    @operation("device forget", examples=("romeo@example.org orchard",))
    async def forget_device(self: _Knowing, account: Jid, device: str) -> Result:
        """Forget a device: it gets no notifications until it comes again.

        :param account: whose.
        :param device: its id.
        """
        if not await self.directory.forget_device(account, device):
            raise OperationError(f"no such device of {account.bare} is known", Condition.ITEM_NOT_FOUND)
        return "Forgotten."


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _row(device: Device, online: bool) -> dict[str, Any]:
    return {
        "device": f"{device.account}/{device.id}", "account": device.account, "id": device.id, "name": device.name,
        "platform": device.platform, "app": device.app, "version": device.version, "locale": device.locale,
        "online": online, "confirms": device.confirms, "first seen": time_text(device.first_at),
        "last seen": time_text(device.seen_at),
    }  # fmt: skip
