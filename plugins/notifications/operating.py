"""What an operator can have done with notifications."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal, Protocol

from xmppd.api import Condition, FileText, IClock, IDatabase, Jid, OperationError, Result, operation
from xmppd.api.notifications import Draft, NotificationError, State
from xmppd.plugins.notifications import deliveries, messages
from xmppd.plugins.notifications.audience import AudienceError
from xmppd.plugins.notifications.drafts import data_of, roads_of, time_of, ttl_of
from xmppd.plugins.notifications.expression import ExpressionError
from xmppd.plugins.notifications.messages import Stored, number_of
from xmppd.plugins.notifications.options import NotificationOptions
from xmppd.plugins.notifications.sending import Sending
from xmppd.wire.delay import format_datetime

__all__ = ["MessageOperations", "checked_limit", "refused", "time_text"]

_MOST = 1000
_WRONG = (NotificationError, ExpressionError, AudienceError)
_States = Literal[
    "", "queued", "sent", "reached", "delivered", "opened", "expired", "superseded", "cancelled", "failed"
]
_Statuses = Literal["", "scheduled", "running", "paused", "done", "cancelled"]
_Priorities = Literal["high", "normal", "low"]


class Whole(Protocol):
    """The plugin, as far as operations know it."""

    sending: Sending

    @property
    def db(self) -> IDatabase: ...
    @property
    def clock(self) -> IClock: ...
    @property
    def options(self) -> NotificationOptions: ...


class MessageOperations:
    """Base of the plugin: operations on messages."""

    @operation("notification send", examples=(
        "'tag:news and not platform:ios' 'New' 'Something new.' --uri https://example.org/ --ttl 2d",
        "all Sale 'From 9.' --at 2026-12-01T08:00:00Z --rate 500", "csv Hello 'You are one of a few.' --csv few.csv",
    ))  # fmt: skip
    async def send_notification(
        self: Whole, to: str, title: str, body: str, actor: str, *, uri: str = "", image: str = "", data: str = "",
        ttl: str = "", priority: _Priorities = "normal", collapse: str = "", at: str = "", rate: float = 0.0,
        roads: str = "live,push", online_only: bool = False, csv: FileText | None = None,
    ) -> Result:  # fmt: skip
        """Send a notification to an audience.

        :param to: whom: all, online, user:romeo@example.org, alias:bob, tag:news, group:staff, room:...,
            platform:android, version<2.1, seen<7d, segment:vips, percent:10, csv, combined by and, or, not and
            parentheses.
        :param title: its title.
        :param body: its text.
        :param uri: what opens when the user taps on it.
        :param image: the URL of a picture.
        :param data: for the app: name=value,name=value, or a JSON object.
        :param ttl: how long it waits for devices: 30s, 90min, 12h, 7d.
        :param priority: how urgent it is for push services.
        :param collapse: a key: of those with the same that wait for a device, only the newest is sent.
        :param at: when: 2026-12-01T08:00:00Z, or how long from now, as 2h; now, unless given.
        :param rate: devices a second at most; 0: as fast as the server sends.
        :param roads: over the devices' own connections (live), by push services (push), or both.
        :param online_only: those who are not there now don't get it.
        :param csv: a file with addresses or aliases, one a line.
        """
        try:
            draft = Draft(
                title, body, uri, image, data_of(data), ttl_of(ttl), priority, collapse,
                time_of(at, self.clock.seconds()), rate or None, online_only, roads_of(roads),
            )  # fmt: skip
            id = await self.sending.send(draft, to, actor, str(csv or ""))
        except _WRONG as error:
            raise refused(error) from None
        return await _shown(self, number_of(id))

    @operation("notification preview", safe=True, examples=("'tag:news and seen<7d'",))
    async def preview(self: Whole, to: str, *, csv: FileText | None = None) -> Result:
        """Say how many would get a notification, and on which road; nothing is sent.

        :param to: the audience.
        :param csv: a file with addresses or aliases, one a line.
        """
        try:
            return await self.sending.preview(to, str(csv or ""))
        except _WRONG as error:
            raise refused(error) from None

    @operation("notification test", examples=("romeo@example.org Hello 'This is a test.'",))
    async def test(self: Whole, account: Jid, title: str, body: str, actor: str) -> Result:
        """Send a notification to the devices of one account, to see what it looks like.

        :param account: whose.
        :param title: its title.
        :param body: its text.
        """
        try:
            draft = Draft(title, body, ttl=600.0, priority="high")
            id = await self.sending.send(draft, f"user:{account.bare}", actor)
        except _WRONG as error:
            raise refused(error) from None
        return await _shown(self, number_of(id))

    @operation("notification list", safe=True, examples=("", "--status running"))
    async def list_messages(
        self: Whole, *, status: _Statuses = "", limit: int = 100, after: str = ""
    ) -> Result:  # fmt: skip
        """List notifications, the newest first, with how many recipients are in each state.

        :param status: only those that are that.
        :param limit: how many.
        :param after: those older than the one with this id.
        """
        _id(after)
        host, most = self.sending.name, checked_limit(limit)
        found = await self.db.read(lambda c: messages.recent(c, host, status, after, most))
        return [_row(message, counts) for message, counts in found]

    @operation("notification show", safe=True, examples=("0019b7b1d0a6c0ffee0123456789abcd",))
    async def show(self: Whole, id: str) -> Result:
        """Show a notification, and how many recipients are in each state: that makes all of them.

        :param id: which.
        """
        return await _shown(self, _id(id))

    @operation("notification recipients", safe=True, examples=("0019b7b1d0a6c0ffee0123456789abcd --state failed",))
    async def recipients(
        self: Whole, id: str, *, state: _States = "", account: str = "", limit: int = 100, after: str = ""
    ) -> Result:
        """List what became of a notification with each device, with reasons and times.

        :param id: which.
        :param state: only those in that state.
        :param account: only those of that account.
        :param limit: how many.
        :param after: those behind this recipient.
        """
        message, most = await _found(self, _id(id)), checked_limit(limit)
        who, _, device = after.partition("/")
        found = await self.db.read(lambda c: deliveries.listed(c, message.number, state, account, (who, device), most))
        return [_recipient(row) for row in found]

    @operation("notification pause", examples=("0019b7b1d0a6c0ffee0123456789abcd",))
    async def pause(self: Whole, id: str) -> Result:
        """Send a notification to nobody else until it is resumed.

        :param id: which.
        """
        message = await _found(self, _id(id))
        if not await self.sending.pause(message):
            raise _not(message, "paused")
        return await _shown(self, message.number)

    @operation("notification resume", examples=("0019b7b1d0a6c0ffee0123456789abcd",))
    async def resume(self: Whole, id: str) -> Result:
        """Go on with a notification that was paused.

        :param id: which.
        """
        message = await _found(self, _id(id))
        if not await self.sending.resume(message):
            raise _not(message, "resumed")
        return await _shown(self, message.number)

    @operation("notification cancel", examples=("0019b7b1d0a6c0ffee0123456789abcd",))
    async def cancel(self: Whole, id: str) -> Result:
        """Call a notification off: who has not got it yet never will.

        :param id: which.
        """
        message = await _found(self, _id(id))
        if not await self.sending.cancel(message):
            raise _not(message, "cancelled")
        return await _shown(self, message.number)

    @operation("notification rate", examples=("0019b7b1d0a6c0ffee0123456789abcd 200",))
    async def rate(self: Whole, id: str, rate: float) -> Result:
        """Send a notification to so many devices a second from now on.

        :param id: which.
        :param rate: devices a second at most; 0: as fast as the server sends.
        """
        if not 0 <= rate < 1e9:
            raise OperationError("rate: a number of devices a second is expected")
        message = await _found(self, _id(id))
        await self.sending.set_rate(message, rate)
        return await _shown(self, message.number)

    @operation("notification edit", examples=("0019b7b1d0a6c0ffee0123456789abcd --title 'New title' --at 2h",))
    async def edit(
        self: Whole, id: str, *, to: str | None = None, title: str | None = None, body: str | None = None,
        uri: str | None = None, image: str | None = None, data: str | None = None, ttl: str = "",
        priority: Literal["", "high", "normal", "low"] = "", collapse: str | None = None, at: str = "",
    ) -> Result:  # fmt: skip
        """Change a notification that was not sent to anybody yet. What isn't given stays as it is.

        :param id: which.
        :param to: the audience.
        :param title: its title.
        :param body: its text.
        :param uri: what opens when the user taps on it.
        :param image: the URL of a picture.
        :param data: for the app: name=value,name=value, or a JSON object.
        :param ttl: how long it waits for devices: 30s, 90min, 12h, 7d.
        :param priority: how urgent it is for push services.
        :param collapse: a key: of those with the same that wait for a device, only the newest is sent.
        :param at: when: 2026-12-01T08:00:00Z, or how long from now, as 2h.
        """
        message = await _found(self, _id(id))
        try:
            given = {"title": title, "body": body, "uri": uri, "image": image, "collapse": collapse}
            changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            changes |= {"data": data_of(data)} if data is not None else {}
            changes |= {"ttl": ttl_of(ttl)} if ttl else {}
            changes |= {"priority": priority} if priority else {}
            changes |= {"at": time_of(at, self.clock.seconds())} if at else {}
            done = await self.sending.edit(message, replace(self.sending.draft_of(message), **changes), to)
        except _WRONG as error:
            raise refused(error) from None
        if not done:
            raise _not(message, "changed: it has begun to be sent")
        return await _shown(self, message.number)

    @operation("notification stats", safe=True, examples=("", "--days 7"))
    async def stats(self: Whole, *, days: float = 30.0) -> Result:
        """Say how many notifications were sent lately, and what became of them.

        :param days: of how many days.
        """
        if not 0 < days < 100_000:
            raise OperationError("days: a positive number is expected")
        return await self.sending.stats(self.clock.seconds() - days * 86_400)


def refused(error: ValueError) -> OperationError:
    """Return what somebody is told who wants what can't be."""
    return OperationError(str(error))


def checked_limit(limit: int) -> int:
    """Return a limit. :raises OperationError: it is none."""
    if not 1 <= limit <= _MOST:
        raise OperationError(f"limit: a number from 1 to {_MOST} is expected")
    return limit


def time_text(at: float | None) -> str:
    """Return a moment as a DateTime, "" for none."""
    return "" if at is None else format_datetime(at)


def _id(text: str) -> int:
    try:
        return number_of(text) if text else 0
    except ValueError as error:
        raise OperationError(str(error), Condition.ITEM_NOT_FOUND) from None


async def _found(plugin: Whole, number: int) -> Stored:
    message = await plugin.sending.message(number)
    if message is None:
        raise OperationError("there is no such notification", Condition.ITEM_NOT_FOUND)
    return message


def _not(message: Stored, what: str) -> OperationError:
    return OperationError(f"it is {message.status.value}, and can't be {what}", Condition.UNEXPECTED_REQUEST)


async def _shown(plugin: Whole, number: int) -> dict[str, Any]:
    message = await _found(plugin, number)
    counts = (await plugin.db.read(lambda c: messages.counts(c, [number])))[number]
    n = message.notification
    return {
        **_row(message, counts), "uri": n.uri, "image": n.image, "data": json.dumps(dict(n.data), ensure_ascii=False),
        "priority": n.priority, "collapse": n.collapse, "roads": ",".join(message.roads),
        "online_only": message.online_only, "rate": message.rate, "body": n.body,
        "expires": time_text(n.expires_at), "ended": time_text(message.ended_at),
        "problem": message.problem,
    }  # fmt: skip


def _row(message: Stored, counts: dict[str, int]) -> dict[str, Any]:
    n = message.notification
    return {
        "id": message.id, "status": message.status.value, "title": n.title, "audience": message.audience,
        "actor": message.actor, "created": time_text(n.created_at), "starts": time_text(message.starts_at),
        "accounts": counts["accounts"], "recipients": counts["recipients"],
        **{state.value: counts[state.value] for state in State},
    }  # fmt: skip


def _recipient(row: deliveries.Listed) -> dict[str, Any]:
    return {
        "recipient": f"{row.account}/{row.device}", "account": row.account, "device": row.device, "state": row.state,
        "reason": row.reason, "road": row.road, "attempts": row.attempts, "queued": time_text(row.queued_at),
        "sent": time_text(row.sent_at), "reached": time_text(row.reached_at),
        "delivered": time_text(row.delivered_at), "opened": time_text(row.opened_at), "ended": time_text(row.ended_at),
    }  # fmt: skip
