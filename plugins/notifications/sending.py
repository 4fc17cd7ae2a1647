"""What can be done with a message: send, preview, pause, resume, cancel, edit; and its beginning in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from xmppd.api import IHost, Jid, StorageUnavailable
from xmppd.api.notifications import Draft, NotificationError, State
from xmppd.api.push import IPush
from xmppd.plugins.notifications import deliveries, messages, people
from xmppd.plugins.notifications.audience import Audience, Person, Resolver
from xmppd.plugins.notifications.book import NEVER, Book
from xmppd.plugins.notifications.csvs import entries
from xmppd.plugins.notifications.deliveries import Moved
from xmppd.plugins.notifications.devices import Devices
from xmppd.plugins.notifications.drafts import prepared
from xmppd.plugins.notifications.expanding import Expanding
from xmppd.plugins.notifications.expression import write
from xmppd.plugins.notifications.messages import Status, Stored, new_id
from xmppd.plugins.notifications.options import NotificationOptions

__all__ = ["Sending"]

#: Messages that are expanded at the same time.
_AT_ONCE = 8
_SAMPLE = 10
#: Accounts whose registrations a preview looks at; of more it counts as many in proportion.
_ASKED = 500
_AGAIN = 5.0


class Sending:
    """The messages of a host."""

    def __init__(
        self, host: IHost, book: Book, resolver: Resolver, devices: Devices, expanding: Expanding,
        push: Callable[[], IPush | None], options: Callable[[], NotificationOptions],
    ) -> None:  # fmt: skip
        self._host = host
        self._book = book
        self._resolver = resolver
        self._devices = devices
        self._expanding = expanding
        self._push = push
        self._options = options
        self._next_start = 0.0
        self._last_id = ""
        self._stopped = False

    @property
    def name(self) -> str:
        """The host's name."""
        return self._book.name

    async def message(self, number: int) -> Stored | None:
        """Return a message of this host."""
        host = self.name
        return await self._host.db.read(lambda c: messages.find_of(c, number, host))

    # Sending

    async def send(self, draft: Draft, to: str, actor: str, csv: str = "") -> str:
        """Keep a message that is to be sent, and return its id.

        :param csv: the content of a file with accounts.
        :raises NotificationError, ExpressionError, AudienceError: it can't be sent like that.
        """
        listed = await self._listed(csv)
        audience = await self._audience(to, listed)
        by_device, text = audience.by_device, to.strip()
        self._last_id = new_id(self._book.now, self._last_id)
        message = prepared(self._last_id, draft, text, by_device, actor, self._book.now, self._options())
        accounts = listed or ()
        await self._host.db.write(lambda c: messages.add(c, message, self.name, accounts))
        if message.starts_at <= self._book.now:
            self._begin(message)
        else:
            self._next_start = min(self._next_start, message.starts_at)
        return message.id

    async def _audience(self, to: str, listed: Sequence[str] | None) -> Audience:
        most = self._options().expression_characters
        if len(to) > most:
            raise NotificationError(f"to: {len(to)} characters are too many, {most} are allowed")
        return await self._resolver.resolve(to, listed)

    async def _listed(self, csv: str) -> list[str] | None:
        """Return the accounts that a file names."""
        if not csv.strip():
            return None
        addresses, aliases = entries(csv, self.name, self._options().csv_accounts)
        host = self.name
        found = await self._host.db.read(lambda c: people.accounts_with_alias(c, host, aliases))
        unknown = [alias for alias in aliases if alias not in found]
        if unknown:
            raise NotificationError(f"csv: nobody has the alias {unknown[0]!r}")
        return sorted({*addresses, *found.values()})

    def _begin(self, message: Stored) -> None:
        self._host.spawn(self._run(message), f"sending notification {message.id}")

    async def _run(self, message: Stored) -> None:
        try:
            await self._expanding.run(message)
        except StorageUnavailable:
            self._next_start = self._book.now + _AGAIN  # it goes on where it was
            raise
        await self.start_due()  # others may have waited for it

    async def start_due(self) -> None:
        """Begin messages whose time has come, and go on with those that were begun."""
        now, host = self._book.now, self.name
        if self._next_start > now or self._stopped:
            return
        room = _AT_ONCE - len(self._expanding.running)
        if room <= 0:
            return
        most = room + len(self._expanding.running)
        some = await self._host.db.read(lambda c: messages.startable(c, host, now, most))
        following = await self._host.db.read(lambda c: messages.next_start(c, host))
        self._next_start = NEVER if following is None else max(following, now)
        for message in some:
            if message.number not in self._expanding.running:
                self._begin(message)
        if len(some) >= most:
            self._next_start = now

    # Preview

    async def preview(self, to: str, csv: str = "") -> dict[str, Any]:
        """Say how many an audience has, and how they would be reached."""
        await self._devices.write()
        audience = await self._audience(to, await self._listed(csv))
        accounts = recipients = live = asked = pushed = 0
        offline = 0
        sample: list[str] = []
        async for _, some in self._resolver.pages(audience):
            accounts += len(some)
            for person in some:
                here = sum(device is not None and device.id in person.online for device in person.devices)
                recipients, live = recipients + len(person.devices), live + here
                if len(sample) < _SAMPLE:
                    sample.append(person.account)
                if not here:
                    offline += 1
                    if asked < _ASKED:
                        asked += 1
                        pushed += await self._can_be_pushed(person)
        push = round(pushed * offline / asked) if asked else 0
        return {
            "audience": write(audience.expression), "accounts": accounts, "recipients": recipients, "live": live,
            "push": push, "waiting": offline - push, "sample": ", ".join(sample),
        }  # fmt: skip

    async def _can_be_pushed(self, person: Person) -> bool:
        push = self._push()
        if push is None:
            return False
        return any(not one.disabled for one in await push.registrations(Jid.parse(person.account)))

    # Changing

    async def pause(self, message: Stored) -> bool:
        """Send a message to nobody else; false if it is over, or paused already."""
        return await self._status(message, Status.PAUSED, (Status.SCHEDULED, Status.RUNNING))

    async def resume(self, message: Stored) -> bool:
        """Go on with a message; false if it isn't paused."""
        number, now = message.number, self._book.now
        begun = message.cursor or message.expanded or message.starts_at <= now
        status = Status.RUNNING if begun else Status.SCHEDULED
        if not await self._status(message, status, (Status.PAUSED,)):
            return False
        await self._host.db.write(lambda c: deliveries.postpone(c, number, now))
        self._book.wake(now)
        self._next_start = now
        return True

    async def cancel(self, message: Stored) -> bool:
        """Call a message off; false if it is over."""
        number, now = message.number, self._book.now
        alive = (Status.SCHEDULED, Status.RUNNING, Status.PAUSED)

        def work(connection: Connection) -> list[Moved]:
            if not messages.set_status(connection, number, Status.CANCELLED, alive, now):
                raise _Over
            which = deliveries.of_message(number)
            return deliveries.end_open(connection, which, State.CANCELLED, "it was cancelled", now)

        try:
            await self._book.write(work)
        except _Over:
            return False
        self._book.changed(number)
        return True

    async def _status(self, message: Stored, new: Status, old: tuple[Status, ...]) -> bool:
        number = message.number
        done = await self._host.db.write(lambda c: messages.set_status(c, number, new, old))
        self._book.changed(number)
        return done

    async def set_rate(self, message: Stored, rate: float) -> None:
        """Send a message faster or slower."""
        number = message.number
        await self._host.db.write(lambda c: messages.set_rate(c, number, rate))
        self._book.changed(number)

    @staticmethod
    def draft_of(message: Stored) -> Draft:
        """Return what a message was made of."""
        n = message.notification
        return Draft(
            n.title, n.body, n.uri, n.image, n.data, message.ttl, n.priority, n.collapse, message.starts_at,
            message.rate or None, message.online_only, message.roads,
        )  # fmt: skip

    async def edit(self, message: Stored, draft: Draft, to: str | None) -> bool:
        """Replace a message that nobody was sent yet; false if somebody was.

        :param to: another audience; None: the same.
        """
        now, number, host = self._book.now, message.number, self.name
        listed = await self._host.db.read(lambda c: messages.listed(c, number))
        text = message.audience if to is None else to.strip()
        audience = await self._audience(text, listed or None)
        draft = replace(draft, at=None if draft.at == message.starts_at else draft.at)
        new = prepared(message.id, draft, text, audience.by_device, message.actor, now, self._options())
        starts_at = message.starts_at if draft.at is None else new.starts_at
        notification = replace(
            new.notification, created_at=message.notification.created_at, expires_at=starts_at + new.ttl
        )
        changed = replace(new, notification=notification, starts_at=starts_at)
        done = await self._host.db.write(lambda c: messages.change(c, changed, host))
        self._book.changed(number)
        self._next_start = min(self._next_start, starts_at)
        return done

    async def stats(self, since: float) -> dict[str, Any]:
        """Return how many notifications there were since a moment, and what became of them."""
        host = self.name
        return await self._host.db.read(lambda c: {**messages.totals(c, host, since), **messages.by_status(c, host)})


class _Over(Exception):
    """A message can't be cancelled any more."""
