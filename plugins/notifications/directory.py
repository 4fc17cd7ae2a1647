"""What is known of the people of a host, to those who ask and those who change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection
from twisted.logger import Logger

from xmppd.api import IHost, Jid
from xmppd.api.notifications import NotificationError, State
from xmppd.plugins.notifications import deliveries, people
from xmppd.plugins.notifications.audience import Resolver
from xmppd.plugins.notifications.book import Book
from xmppd.plugins.notifications.csvs import entries
from xmppd.plugins.notifications.deliveries import Moved
from xmppd.plugins.notifications.devices import Devices
from xmppd.plugins.notifications.expression import parse, terms
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.people import Device
from xmppd.plugins.notifications.values import check_name

__all__ = ["Directory"]

_log = Logger(namespace="xmppd.plugins.notifications")


class Directory:
    """People, by what notifications are for."""

    def __init__(
        self, host: IHost, book: Book, resolver: Resolver, devices: Devices, options: Callable[[], NotificationOptions]
    ) -> None:
        self._host = host
        self._book = book
        self._resolver = resolver
        self._devices = devices
        self._options = options

    @property
    def _name(self) -> str:
        return self._book.name

    def _checked(self, what: str, name: str) -> str:
        try:
            return check_name(name)
        except ValueError as error:
            raise NotificationError(f"{what}: {error}") from None

    async def _account(self, account: Jid) -> str:
        jid = account.bare
        if str(jid.domain) != self._name or not await self._host.accounts.exists(jid):
            raise NotificationError(f"{jid} is not an account of {self._name}")
        return str(jid)

    async def set_alias(self, account: Jid, alias: str) -> str | None:
        """Give an account an alias, or take all from it if that is empty; return who else had it."""
        who, host, most = await self._account(account), self._name, self._options().aliases_per_account
        if not alias:
            await self._host.db.write(lambda c: people.drop_aliases(c, host, who))
            return None
        self._checked("alias", alias)

        def work(connection: Connection) -> tuple[str | None, bool]:
            there = [name for name, _ in people.aliases(connection, host, who, "", most + 1)]
            if alias not in there and len(there) >= most:
                return None, False
            return people.set_alias(connection, host, alias, who), True

        before, done = await self._host.db.write(work)
        if not done:
            raise NotificationError(f"{who} has {most} aliases; that is enough")
        if before is not None:
            _log.info("the alias {alias} passes from {before} to {account}", alias=alias, before=before, account=who)
        return before

    async def set_tags(self, account: Jid, tags: Sequence[str], *, additive: bool = False) -> None:
        """Replace the tags of an account, or add to them."""
        who, host, most = await self._account(account), self._name, self._options().tags_per_account
        wanted = [self._checked("tag", tag) for tag in dict.fromkeys(tags)]
        if not await self._host.db.write(lambda c: people.set_tags(c, host, who, wanted, additive, most)):
            raise NotificationError(f"an account has at most {most} tags")

    async def set_segment(self, name: str, expression: str) -> bool:
        """Save an audience; say whether it is a new one."""
        self._checked("segment", name)
        host, now, options = self._name, self._book.now, self._options()
        if len(expression) > options.expression_characters:
            raise NotificationError(f"expression: {options.expression_characters} characters are allowed")
        tree = parse(expression)
        if any(term.kind == "csv" for term in terms(tree)):
            raise NotificationError("a segment can't refer to a file")
        known = await self._host.db.read(lambda c: people.segments(c, host))
        if name not in known and len(known) >= options.segments:
            raise NotificationError(f"there are {options.segments} segments; that is enough")
        self._resolver.check_segments({**known, name: expression}, tree)
        return not await self._host.db.write(lambda c: people.set_segment(c, host, name, expression, now))

    async def delete_segment(self, name: str) -> bool:
        """Delete a segment; false if there is none. One that others are made of stays."""
        host, now = self._name, self._book.now
        return await self._host.db.write(lambda c: people.set_segment(c, host, name, "", now))

    async def add_to_group(self, name: str, account: Jid | None, csv: str) -> int:
        """Put an account into a group, and those that a file names; return how many are new."""
        self._checked("group", name)
        host, who = self._name, [] if account is None else [await self._account(account)]
        addresses, aliases = entries(csv, host, self._options().csv_accounts)
        if not who and not addresses and not aliases:
            raise NotificationError("name an account, or a file")
        for address in addresses:
            await self._account(Jid.parse(address))
        found = await self._host.db.read(lambda c: people.accounts_with_alias(c, host, aliases))
        unknown = [alias for alias in aliases if alias not in found]
        if unknown:
            raise NotificationError(f"csv: nobody has the alias {unknown[0]!r}")
        everybody = [*who, *addresses, *found.values()]
        return await self._host.db.write(lambda c: people.add_to_group(c, host, name, everybody))

    # Devices

    async def devices(self, wanted: Mapping[str, str], after: str, limit: int) -> list[tuple[Device, bool]]:
        """Return devices, and whether each is online."""
        await self._devices.write()
        account, _, device = after.partition("/")
        host = self._name
        found = await self._host.db.read(lambda c: people.devices(c, host, wanted, (account, device), limit))
        return [(one, one.id in self._resolver.online(Jid.parse(one.account))) for one in found]

    async def device(self, account: Jid, device: str) -> tuple[Device, bool, int] | None:
        """Return a device, whether it is online, and how many notifications wait for it."""
        await self._devices.write()
        who = str(account.bare)
        found = await self._host.db.read(lambda c: people.find_device(c, who, device))
        if found is None:
            return None
        waiting = await self._host.db.read(lambda c: deliveries.waiting(c, [who]))
        online = device in self._resolver.online(account.bare)
        return found, online, sum(one.device == device for one in waiting)

    async def forget_device(self, account: Jid, device: str) -> bool:
        """Forget a device, and what waits for it; false if there is none."""
        who, now = str(account.bare), self._book.now
        forgotten = False

        def work(connection: Connection) -> list[Moved]:
            nonlocal forgotten
            forgotten = people.forget_device(connection, who, device)
            which = deliveries.of_device(who, device)
            return deliveries.end_open(connection, which, State.CANCELLED, "the device was forgotten", now)

        await self._devices.write()
        await self._book.write(work)
        return forgotten

    async def forget(self, account: Jid) -> None:
        """Forget all of an account that is gone."""
        who, now = str(account), self._book.now
        self._devices.forget(who)

        def work(connection: Connection) -> list[Moved]:
            people.forget_account(connection, who)
            return deliveries.forget_account(connection, who, now)

        await self._book.write(work)
