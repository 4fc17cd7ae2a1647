"""Webhooks: what happens on the server is told to other programs by HTTPS, signed (Standard Webhooks)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from pydantic import field_validator

from xmppd.api import AccountCreated, AccountDeleted, Field, Plugin, SessionBound, SessionEnded, observe
from xmppd.api.events.network import ServerReachable, ServerUnreachable
from xmppd.api.figures import Figure
from xmppd.api.muc import RoomCreated, RoomDestroyed
from xmppd.api.network import PORTS, Reach
from xmppd.api.notifications import DeliveryChanged
from xmppd.api.operations import OperationError, Result, operation
from xmppd.api.push import PushDisabled
from xmppd.plugins.webhooks import store
from xmppd.plugins.webhooks.delivery import Delivery, single
from xmppd.plugins.webhooks.kinds import chosen, event, wants
from xmppd.plugins.webhooks.signing import new_secret
from xmppd.plugins.webhooks.store import EVENTS, HOOKS, Hook
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition

_LONGEST_URL, _LONGEST_LABEL = 2_000, 64


class Webhooks(Plugin):
    """Tell other programs what happens, by HTTPS."""

    tables = (HOOKS, EVENTS)

    class Options(Plugin.Options):
        """Limits, and where they may lead."""

        networks: tuple[str, ...] = Field(
            (),
            description="Private networks (as `10.1.0.0/16`) that webhooks may lead to, by HTTP as well and at every"
            " port. Elsewhere they lead to the public Internet, by HTTPS.",
        )
        ports: tuple[int, ...] = Field(tuple(sorted(PORTS)), description="Ports that they may lead to elsewhere.")
        most: int = Field(50, ge=0, description="Webhooks of a host.")
        timeout_seconds: float = Field(15.0, gt=0, description="How long a receiver has to answer, in seconds.")
        batch_seconds: float = Field(
            1.0, ge=0, description="How long events are gathered before they are sent, in seconds."
        )
        batch_events: int = Field(100, ge=1, description="Events that are sent together at most.")
        queue_events: int = Field(
            100_000,
            ge=1,
            description="Events that wait for one receiver at most; further ones are dropped, and counted.",
        )
        give_up_days: float = Field(
            3.0, gt=0, description="A webhook that has failed for so long is disabled, in days."
        )

        @field_validator("networks")
        @classmethod
        def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            Reach.of(value)
            return value

    async def start(self) -> None:
        """Go on with what waits."""
        host = str(self.host.jid)
        loaded = await self.db.read(lambda c: store.load(c, host))
        self._deliveries = {hook.id: Delivery(self, hook, waiting) for hook, waiting in loaded}
        for delivery in self._deliveries.values():
            delivery.go()
        if self._deliveries:
            self.wake()

    async def stop(self) -> None:
        """Leave the rest for the next time."""
        for delivery in self._deliveries.values():
            delivery.stop()

    def figures(self) -> Iterable[Figure]:
        """How many there are, and what waits."""
        yield Figure("waiting", "Events that wait to be told.", sum(d.waiting for d in self._deliveries.values()))
        disabled = sum(d.hook.disabled is not None for d in self._deliveries.values())
        yield Figure("disabled", "Webhooks that are disabled, because they failed.", disabled)

    # What happens

    def _tell(self, kind: str, **data: Any) -> None:
        text = ""
        for delivery in self._deliveries.values():
            if wants(delivery.hook.events, kind):
                text = text or event(kind, str(self.host.jid), self.clock.seconds(), data)
                delivery.take(text)

    @observe(AccountCreated, dormant=True)
    def account_created(self, event: AccountCreated) -> None:
        """Tell of it."""
        self._tell("account.created", account=event.account)

    @observe(AccountDeleted, dormant=True)
    async def account_deleted(self, event: AccountDeleted) -> None:
        """Tell of it, and forget whether it was an administrator who has made some of these."""
        self._tell("account.deleted", account=event.account)
        makers = (str(event.account), f"{event.account} (console)")
        for delivery in self._deliveries.values():
            if delivery.hook.created_by in makers:
                delivery.hook.created_by = ""
        await self.db.write(lambda c: store.forget(c, makers))

    @observe(SessionBound, dormant=True)
    def session_started(self, event: SessionBound) -> None:
        """Tell of it, unless it was there before the server was started."""
        if not event.restored:
            self._tell("session.started", account=event.session.account, session=event.session.jid)

    @observe(SessionEnded, dormant=True)
    def session_ended(self, event: SessionEnded) -> None:
        """Tell of it."""
        self._tell("session.ended", account=event.session.account, session=event.session.jid)

    @observe(RoomCreated, dormant=True)
    def room_created(self, event: RoomCreated) -> None:
        """Tell of it."""
        self._tell("room.created", room=event.room, creator=event.creator)

    @observe(RoomDestroyed, dormant=True)
    def room_destroyed(self, event: RoomDestroyed) -> None:
        """Tell of it."""
        self._tell("room.destroyed", room=event.room)

    @observe(ServerUnreachable, dormant=True)
    def server_unreachable(self, event: ServerUnreachable) -> None:
        """Tell of it."""
        reason = event.error.text or str(event.error.condition)
        self._tell("server.unreachable", domain=event.domain, reason=reason)

    @observe(ServerReachable, dormant=True)
    def server_reachable(self, event: ServerReachable) -> None:
        """Tell of it."""
        self._tell("server.reachable", domain=event.domain)

    @observe(DeliveryChanged, dormant=True)
    def notification_changed(self, event: DeliveryChanged) -> None:
        """Tell of it."""
        self._tell(
            "notification.changed", notification=event.notification, account=event.account, device=event.device,
            state=str(event.state), reason=event.reason, at=format_datetime(event.at),
        )  # fmt: skip

    @observe(PushDisabled, dormant=True)
    def push_disabled(self, event: PushDisabled) -> None:
        """Tell of it."""
        of = event.registration
        self._tell(
            "push.disabled", account=of.account, service=of.service, node=of.node, device=of.device, reason=of.disabled
        )

    # Operations

    @operation(
        "webhook add",
        examples=(
            "https://example.com/xmpp --events 'account.*, room.created'",
            "https://example.com/xmpp --events notification.changed --label crm",
        ),
    )
    async def add(self, url: str, *, events: str = "*", label: str = "", actor: str = "operator") -> Result:
        """Have another program told of what happens. The secret by which it knows who tells it is shown once.

        :param url: where requests are sent, beginning with https://.
        :param events: which, separated by commas: `account.created`, `account.*` or `*`.
        :param label: what it is for.
        """
        if len(self._deliveries) >= self.options.most:
            raise OperationError(f"there are {self.options.most} webhooks already", Condition.CONFLICT)
        if len(label) > _LONGEST_LABEL or not label.isprintable():
            raise OperationError(f"label: a text of at most {_LONGEST_LABEL} characters is expected")
        try:
            names = chosen(events)
        except ValueError as error:
            raise OperationError(f"events: {error}") from None
        hook = Hook(
            f"wh_{secrets.token_hex(8)}", str(self.host.jid), _checked(url), label, names, new_secret(),
            self.clock.seconds(), actor,
        )  # fmt: skip
        row = hook.row
        await self.db.write(lambda c: store.add(c, row))
        self._deliveries[hook.id] = Delivery(self, hook, 0)
        self.wake()
        return {"id": hook.id, "url": hook.url, "events": ", ".join(names), "secret": hook.secret}

    @operation("webhook list", safe=True, examples=("",))
    async def list_hooks(self, *, limit: int = 0, after: str = "") -> list[dict[str, Any]]:
        """List whom this host tells what, and whether it can.

        :param limit: at most so many; 0 is no limit.
        :param after: those behind this id only.
        """
        found = sorted((d for d in self._deliveries.values() if d.hook.id > after), key=lambda d: d.hook.id)
        return [_shown(delivery) for delivery in (found[:limit] if limit > 0 else found)]

    @operation("webhook show", safe=True, examples=("wh_0123456789abcdef",))
    async def show(self, id: str) -> Result:
        """Show what has become of a webhook.

        :param id: as in the list.
        """
        return _shown(self._delivery(id))

    @operation("webhook delete", examples=("wh_0123456789abcdef",))
    async def delete(self, id: str) -> Result:
        """Delete a webhook, and what waits to be told.

        :param id: as in the list.
        """
        delivery = self._delivery(id)
        delivery.stop()
        del self._deliveries[id]
        await self.db.write(lambda c: store.remove(c, id))
        return f"Deleted the webhook {id}."

    @operation("webhook enable", examples=("wh_0123456789abcdef",))
    async def enable(self, id: str) -> Result:
        """Try again with a webhook that was disabled, beginning with what waits since then.

        :param id: as in the list.
        """
        delivery = self._delivery(id)
        hook = delivery.hook
        hook.disabled, hook.failing_since, hook.failures, hook.next_at = None, None, 0, 0.0
        row = hook.row
        await self.db.write(lambda c: store.save(c, row))
        delivery.go()
        return f"Enabled the webhook {id}."

    @operation("webhook disable", examples=("wh_0123456789abcdef",))
    async def disable(self, id: str) -> Result:
        """Tell a receiver nothing until it is enabled again. What happens meanwhile it never learns.

        :param id: as in the list.
        """
        hook = self._delivery(id).hook
        hook.disabled = "by the operator"
        row = hook.row
        await self.db.write(lambda c: store.save(c, row))
        return f"Disabled the webhook {id}."

    @operation("webhook test", examples=("wh_0123456789abcdef",))
    async def test(self, id: str) -> Result:
        """Send a receiver an event of the type `test`, now, and say what it answers.

        :param id: as in the list.
        """
        delivery = self._delivery(id)
        before = self.clock.seconds()
        said = {"webhook": delivery.hook.id}
        answer = await delivery.send(single(event("test", str(self.host.jid), before, said)))
        took = round(self.clock.seconds() - before, 3)
        return {**said, "accepted": not answer.problem, "problem": answer.problem, "seconds": took}

    def _delivery(self, id: str) -> Delivery:
        if id not in self._deliveries:
            raise OperationError(f"there is no webhook {id}", Condition.ITEM_NOT_FOUND)
        return self._deliveries[id]


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("https", "http") or not parts.hostname or parts.port == 0 or parts.fragment
    except ValueError:
        wrong = True
    if wrong or not url.isascii() or not url.isprintable() or " " in url or len(url) > _LONGEST_URL:
        raise OperationError("url: https://HOST/PATH is expected")
    if parts.username is not None:
        raise OperationError("url: names and passwords don't belong there; the receiver knows us by the signature")
    return url


def _shown(delivery: Delivery) -> dict[str, Any]:
    hook = delivery.hook
    state = "working" if hook.failing_since is None else f"failing since {format_datetime(hook.failing_since)}"
    return {
        "id": hook.id,
        "url": hook.url,
        "label": hook.label,
        "events": ", ".join(hook.events),
        "state": state if hook.disabled is None else "disabled",
        "problem": hook.disabled or hook.problem,
        "waiting": delivery.waiting,
        "dropped": hook.dropped,
        "delivered": "" if hook.delivered_at is None else format_datetime(hook.delivered_at),
        "created": format_datetime(hook.created_at),
        "by": hook.created_by,
    }
