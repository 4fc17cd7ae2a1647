"""Who gets a slot, and for what (XEP-0363 5 to 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xmppd.api import Condition, IHost, Jid, StanzaError
from xmppd.api.limits import Window
from xmppd.plugins.http_upload import slots, store
from xmppd.plugins.http_upload.names import fits
from xmppd.plugins.http_upload.options import Bucket, UploadOptions
from xmppd.plugins.http_upload.quotas import DAY, Limits
from xmppd.plugins.http_upload.slots import Purpose, Wish
from xmppd.plugins.http_upload.store import State
from xmppd.plugins.http_upload.tickets import Ticket, new_token

__all__ = ["Grants", "largest", "offered", "retention"]

_MINUTE = 60.0


def _bucket(options: UploadOptions, purpose: Purpose) -> Bucket:
    if purpose.bucket is Purpose.MESSAGE:
        return Bucket(max_file=options.max_file, quota=options.quota, days=options.days)
    return options.profile if purpose is Purpose.PROFILE else options.permanent


def offered(options: UploadOptions) -> list[Purpose]:
    """Return the purposes that there is room for."""
    return [purpose for purpose in Purpose if _bucket(options, purpose).quota]


def largest(options: UploadOptions, purpose: Purpose = Purpose.MESSAGE) -> int:
    """Return how many octets a file may have: one that is larger than a quota would never be taken."""
    bucket = _bucket(options, purpose)
    return min(bucket.max_file, bucket.quota, options.daily_octets, options.host_quota)


def retention(options: UploadOptions) -> Mapping[str, float]:
    """Return for how many seconds files are kept, by bucket; without those that are kept for ever."""
    days = {purpose.value: _bucket(options, purpose).days for purpose in Purpose if purpose.bucket is purpose}
    return {name: some * DAY for name, some in days.items() if some}


class Grants:
    """Gives slots.

    :param service: the address that was asked.
    :param options: returns those in force.
    :ivar granted: how many slots were given. `refused`: how many were not, for want of room.
    """

    def __init__(self, host: IHost, service: Jid, options: Callable[[], UploadOptions]) -> None:
        self._host, self._service, self._options = host, service, options
        self._asked = Window(options().slots_per_minute, _MINUTE)
        self.granted = self.refused = 0

    def reconfigure(self) -> None:
        """Take other limits."""
        self._asked.set_limits(self._options().slots_per_minute, _MINUTE)

    async def may(self, asker: Jid) -> bool:
        """May somebody upload?"""
        options, account = self._options(), asker.bare
        if str(account) in options.remote or (account.local and f"*@{account.domain}" in options.remote):
            return True
        if not account.local or not self._host.serves(account.domain):
            return False
        if account.domain != self._host.jid.domain and account.domain not in options.hosts:
            return False
        return options.anonymous or await self._host.accounts.exists(account)

    def check(self, asker: Jid, wish: Wish) -> None:
        """Look at what can be said without the database. :raises StanzaError: as XEP-0363 7 says."""
        options, now = self._options(), self._host.clock.seconds()
        if self._asked.full(asker.bare, now):
            raise slots.full("You ask for too many slots; wait a moment.", now + _MINUTE)
        self._asked.add(asker.bare, now)
        if wish.purpose not in offered(options):
            raise slots.not_offered(wish.purpose)
        if options.forbidden_types and fits(wish.type, options.forbidden_types):
            raise slots.unwanted(wish.type)
        if options.allowed_types and not fits(wish.type, options.allowed_types):
            raise slots.unwanted(wish.type)
        if wish.size > largest(options, wish.purpose):
            raise slots.too_large(largest(options, wish.purpose))

    async def reserve(self, asker: Jid, wish: Wish, place: str) -> Ticket:
        """Make a slot.

        :param place: where the file will be.
        :raises StanzaError: there is no room.
        """
        options, now = self._options(), self._host.clock.seconds()
        bucket = _bucket(options, wish.purpose)
        limits = Limits(bucket.quota, options.files, options.daily_octets, options.daily_files, options.open_slots)
        ticket = Ticket(new_token(), wish.name, wish.size, wish.type, int(now) + options.put_seconds)
        row = {
            "token": ticket.token, "service": str(self._service), "account": str(asker.bare), "name": wish.name,
            "type": wish.type, "size": wish.size, "bucket": wish.purpose.bucket.value, "place": place,
            "state": State.OPEN, "created_at": now, "until": float(ticket.until), "stored_at": None,
            "expires_at": wish.before,
        }  # fmt: skip
        seconds = retention(options)
        full = await self._host.db.write(lambda c: store.reserve(c, row, limits, options.host_quota, seconds))
        if full is not None:
            self.refused += 1
            raise slots.full(full.text, full.retry)
        self.granted += 1
        return ticket


def no_room() -> StanzaError:
    """The error when the disk is full: nobody knows for how long."""
    return StanzaError(Condition.RESOURCE_CONSTRAINT, text="The server has no room for more files")
