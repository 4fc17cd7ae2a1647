"""Operations of the push service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.logger import Logger

from xmppd.api import IClock, IDatabase, Jid, OperationError, operation
from xmppd.plugins.push_service import payloads, store
from xmppd.plugins.push_service.carriers import Carrier, Carriers
from xmppd.plugins.push_service.payloads import Words
from xmppd.plugins.push_service.publishing import Notice
from xmppd.plugins.push_service.queue import Queue
from xmppd.plugins.push_service.registering import Registrar
from xmppd.plugins.push_service.store import Device
from xmppd.plugins.push_service.tables import DEVICES

__all__ = ["PushServiceOperations"]

_TEST_SECONDS = 300


class _Whole(Protocol):
    """The plugin, as far as operations know it."""

    registrar: Registrar
    queue: Queue
    carriers: Carriers
    log: Logger

    @property
    def db(self) -> IDatabase: ...
    @property
    def clock(self) -> IClock: ...
    @property
    def jid(self) -> Jid: ...
    def registrations_ended(self, devices: Sequence[Device], reason: str) -> None: ...


class PushServiceOperations:
    """Base of the plugin."""

    @operation("push-service status", examples=("",), safe=True)
    async def status(self: _Whole, *, host: str | None = None) -> list[dict[str, Any]]:
        """Say what the push service of a host is set up for, and how that is doing.

        :param host: the host, if several have a push service.
        """
        service = str(self.jid)
        found = await self.db.read(lambda c: store.totals(c, service))
        registered = {(road, app): (count, at) for road, app, count, at in found}
        waiting = self.queue.waiting()
        rows = []
        for carrier in self.carriers.all():
            count, at = registered.pop(carrier.key, (0, 0.0))
            rows.append(_of(carrier, self.clock.seconds(), count, max(at, carrier.accepted_at), waiting[carrier.key]))
        for (road, app), (count, at) in registered.items():
            usable = self.carriers.get((road, app)) is not None
            state = "ready" if usable else "not set up"
            rows.append(_row(road, app, state, count, waiting[road, app], at))
        if not rows:
            raise OperationError(
                "The push service has no road to anybody: Web Push is switched off, and no app is named."
            )
        return sorted(rows, key=lambda row: (row["road"], row["app"]))

    @operation("push-service devices", examples=("", "--user romeo@example.org"), safe=True)
    async def devices(
        self: _Whole, *, user: Jid | None = None, limit: int = 100, after: str = "", host: str | None = None
    ) -> list[dict[str, Any]]:
        """List the apps that are registered with the push service of a host.

        :param user: only those of this account, which may be one of another server.
        :param limit: how many at most.
        :param after: go on behind this node.
        :param host: the host, if several have a push service.
        """
        service, whose = str(self.jid), "" if user is None else str(user.bare)
        found = await self.db.read(lambda c: store.listed(c, service, whose, after, max(1, limit)))
        return [
            {
                "node": device.node, "account": device.account, "road": device.road, "app": device.app,
                "registered": _time(device.registered_at), "published": _time(device.published_at),
                "accepted": _time(device.accepted_at), "failure": device.failure,
            }
            for device in found
        ]  # fmt: skip

    @operation("push-service forget", examples=("NODE",))
    async def forget_device(self: _Whole, node: str, *, host: str | None = None) -> str:
        """End the registration of an app. The user's server is told, and learns it at the next push if not before.

        :param node: of the registration; see `push-service devices`.
        :param host: the host, if several have a push service.
        """
        removed = await self.registrar.remove(DEVICES.c.node == node)
        if not removed:
            raise OperationError("There is no such registration.")
        self.registrations_ended(removed, "an administrator has ended the registration")
        return f"The app of {removed[0].account} is not woken any more."

    @operation("push-service test", examples=("NODE",))
    async def test(
        self: _Whole, node: str, *, title: str = "Test", body: str = "This is a test.", host: str | None = None
    ) -> str:
        """Send a push to an app, at once, and say what its vendor has answered.

        :param node: of the registration; see `push-service devices`.
        :param title: what the phone shows as the title.
        :param body: what it shows as the text.
        :param host: the host, if several have a push service.
        """
        service = str(self.jid)
        device = await self.db.read(lambda c: store.find(c, service, node))
        if device is None:
            raise OperationError("There is no such registration.")
        carrier = self.carriers.get((device.road, device.app))
        if carrier is None:
            raise OperationError(f"There are no credentials for {device.road} of {device.app} in the settings.")
        notice = Notice(json={"title": title, "body": body, "test": True}, urgency="high")
        number = f"{int(self.clock.seconds() * 1e6):016x}{device.target_hash[:16]}"
        content = payloads.build(number, node, device.road, notice, "body", Words("", ""))
        parcel = payloads.parcel(content, json.loads(device.target), _TEST_SECONDS, carrier.key[0])
        verdict = await carrier.road.send(parcel)
        carrier.note(verdict, self.clock.seconds(), self.log)
        if verdict.kind != "accepted":
            raise OperationError(f"{carrier.name}: {verdict.kind}: {verdict.text}")
        return f"{carrier.name} has taken it{f', as {verdict.id}' if verdict.id else ''}."

    @operation("push-service key", examples=("",), safe=True)
    async def key(self: _Whole, *, host: str | None = None) -> str:
        """Show the public key that subscriptions of Web Push are made with (VAPID's applicationServerKey).

        :param host: the host, if several have a push service.
        """
        if not self.carriers.vapid:
            raise OperationError("Web Push is not offered.")
        return self.carriers.vapid


def _of(carrier: Carrier, now: float, devices: int, accepted_at: float, waiting: int) -> dict[str, Any]:
    status = carrier.road.check()
    state = "credentials refused" if carrier.problem else "resting" if carrier.resting_until > now else "ready"
    return _row(*carrier.key, state, devices, waiting, accepted_at) | {
        "accepted": carrier.accepted,
        "failed": carrier.failed,
        "last_error": f"{_time(carrier.error_at)}: {carrier.error}" if carrier.error else "",
        "credentials": status.text,
        "credentials_end": _time(status.expires_at),
    }


def _row(road: str, app: str, state: str, devices: int, waiting: int, accepted_at: float) -> dict[str, Any]:
    return {
        "road": road, "app": app, "state": state, "devices": devices, "waiting": waiting,
        "last_accepted": _time(accepted_at), "accepted": 0, "failed": 0, "last_error": "", "credentials": "",
        "credentials_end": "",
    }  # fmt: skip


def _time(at: float | None) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at else ""
