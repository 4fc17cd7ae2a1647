"""Ad-hoc commands by which apps register (XEP-0050 at the service), with the names and fields that p2 gave them.

| command | fields |
|---|---|
| ``register-push-fcm`` | ``token``, ``device-id`` or ``android-id``, ``app`` |
| ``register-push-apns`` | ``token``, ``device-id``, ``voip-token``, ``app`` |
| ``register-push-webpush`` | ``endpoint``, ``p256dh``, ``auth``, ``device-id`` |
| ``unregister-push`` (and ``-fcm``, ``-apns``, ``-webpush``) | ``node``, or ``device-id`` or ``android-id`` |
| ``list-push-registrations`` | |

A registration is answered with ``jid``, ``node`` and ``secret``, which the app hands to the user's server (XEP-0357
section 5).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xmppd.api import Condition, Jid, StanzaError, tag
from xmppd.api.commands import Ask, Done, Filled, ICommand, Note, bad_payload
from xmppd.plugins.push_service.carriers import WEB_PUSH
from xmppd.plugins.push_service.registering import Wish
from xmppd.plugins.push_service.roads.encryption import subscription
from xmppd.wire import ns

if TYPE_CHECKING:
    from xmppd.plugins.push_service import PushService

__all__ = ["commands"]

_TOKEN = re.compile(r"[!-~]{1,4096}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){16,100}")
_LONGEST = 256
_APNS_TITLE, _FCM_TITLE = "Register an app for Apple's devices", "Register an Android app"


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a form. A hidden one tells the program something."""

    name: str
    label: str
    required: bool = False
    value: str = ""
    hidden: bool = False

    def tag(self) -> bytes:
        kind = "hidden" if self.hidden else "text-single"
        required = tag("required") if self.required else None
        value = tag("value", self.value) if self.value else None
        return tag("field", required, value, var=self.name, type=kind, label=self.label)


Submit = Callable[[Jid, Mapping[str, str]], Awaitable[Done]]


@dataclass(frozen=True)
class _Command:
    """A command with one form. Implements :class:`xmppd.api.commands.ICommand`."""

    node: str
    name: str
    fields: Sequence[_Field]
    submit: Submit
    may: Callable[[Jid], bool]

    def allowed(self, requester: Jid) -> bool:
        """See ICommand."""
        return self.may(requester)

    async def step(self, requester: Jid, filled: Sequence[Filled]) -> Ask | Done:
        """See ICommand."""
        if self.fields and not filled:
            form = [tag("title", self.name), *(field.tag() for field in self.fields)]
            return Ask(tag("x", *form, xmlns=ns.DATA_FORMS, type="form"))
        given = {name: values[0].strip() for name, values in (filled[0] if filled else {}).items() if values}
        values = {name: value for name, value in given.items() if value}
        for field in self.fields:
            if field.required and field.name not in values:
                raise bad_payload(f"{field.name} is missing")
        return await self.submit(requester, values)


_DEVICE = _Field("device-id", "What the app calls the device: the same each time")
_APP = _Field("app", "The app, if the service has several")


def commands(plugin: PushService) -> dict[str, ICommand]:
    """Return the commands that the service has now, by node."""
    by_road = {
        "fcm": _Command(
            "register-push-fcm", _FCM_TITLE, (_Field("token", "Token", required=True), _DEVICE, _APP),
            _registering(plugin, "fcm", _fcm_target), plugin.registrar.may,
        ),
        "apns": _Command(
            "register-push-apns", _APNS_TITLE,
            (
                _Field("token", "Token, in hexadecimal digits", required=True), _DEVICE,
                _Field("voip-token", "Token for calls (PushKit)"), _APP,
            ),
            _registering(plugin, "apns", _apns_target), plugin.registrar.may,
        ),
        WEB_PUSH: _Command(
            "register-push-webpush", "Register a subscription of Web Push",
            (
                _Field("vapid-key", "The applicationServerKey to subscribe with", value=plugin.vapid, hidden=True),
                _Field("endpoint", "Endpoint", required=True),
                _Field("p256dh", "Key p256dh, in base64url", required=True),
                _Field("auth", "Key auth, in base64url", required=True),
                _DEVICE,
            ),
            _registering(plugin, WEB_PUSH, _web_target), plugin.registrar.may,
        ),
    }  # fmt: skip
    found: list[_Command] = [by_road[road] for road in plugin.roads]
    which = (_Field("node", "The registration"), _DEVICE)
    for suffix in ("", "-fcm", "-apns", "-webpush"):
        title = f"End a registration{suffix.replace('-', ' of ')}"
        submit = _unregistering(plugin, suffix[1:])
        found.append(_Command(f"unregister-push{suffix}", title, which, submit, _has_account))
    found.append(_Command("list-push-registrations", "List my registrations", (), _listing(plugin), _has_account))
    return {command.node: command for command in found}


def _has_account(requester: Jid) -> bool:
    return bool(requester.local)


def _registering(plugin: PushService, road: str, target_of: Callable[[Mapping[str, str]], dict[str, str]]) -> Submit:
    async def submit(requester: Jid, values: Mapping[str, str]) -> Done:
        device = _device(values) or ""
        try:
            target = target_of(values)
        except ValueError as error:
            raise bad_payload(str(error)) from None
        if road == WEB_PUSH:
            app = urlsplit(target["endpoint"]).netloc.rpartition("@")[2].lower()
        else:
            app = _app(plugin, road, values.get("app"))
        done = await plugin.registrar.register(requester, Wish(road, app, device, target))
        return Done(payload=_result({"jid": str(plugin.jid), "node": done.node, "secret": done.secret}))

    return submit


def _device(values: Mapping[str, str]) -> str | None:
    device = values.get("device-id", values.get("android-id"))
    if device is not None and len(device) > _LONGEST:
        raise bad_payload(f"a device's id has at most {_LONGEST} characters")
    return device


def _app(plugin: PushService, road: str, app: str | None) -> str:
    """Return the app that is meant: the first of the settings, if the client doesn't say."""
    apps = plugin.carriers.apps_of(road)
    if app is not None and app not in apps:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text=f"This service can't wake the app {app}.")
    return app or apps[0]


def _fcm_target(values: Mapping[str, str]) -> dict[str, str]:
    if not _TOKEN.fullmatch(values["token"]):
        raise ValueError("that is no token")
    return {"token": values["token"]}


def _apns_target(values: Mapping[str, str]) -> dict[str, str]:
    names = {"token": "token", "voip-token": "voip"}
    for name in names:
        if name in values and not _HEX.fullmatch(values[name]):
            raise ValueError(f"{name} has to be in hexadecimal digits")
    return {short: values[name].lower() for name, short in names.items() if name in values}


def _web_target(values: Mapping[str, str]) -> dict[str, str]:
    target = {name: values[name] for name in ("endpoint", "p256dh", "auth")}
    subscription(target)
    return target


def _unregistering(plugin: PushService, road: str) -> Submit:
    async def submit(requester: Jid, values: Mapping[str, str]) -> Done:
        device, wish = _device(values), {}
        if "node" in values:
            wish["node"] = values["node"]
        if device is not None:
            wish["device"] = device
        if not wish:
            raise bad_payload("node or device-id is needed")
        if road:
            wish["road"] = road
        removed = await plugin.registrar.unregister(requester, wish)
        if not removed:
            raise StanzaError(Condition.ITEM_NOT_FOUND, text="There is no such registration.")
        plugin.queue.forget((device.node for device in removed), "the app has ended its registration")
        return Done((Note("The app is not woken any more."),))

    return submit


def _listing(plugin: PushService) -> Submit:
    async def submit(requester: Jid, values: Mapping[str, str]) -> Done:
        own = await plugin.registrar.own(requester)
        if not own:
            return Done((Note("No app is registered."),))
        rows = [
            {
                "node": one.node, "road": one.road, "app": one.app, "registered": _time(one.registered_at),
                "pushed": _time(one.accepted_at), "failure": one.failure,
            }
            for one in own
        ]  # fmt: skip
        reported = tag("reported", *(tag("field", var=name, label=name, type="text-single") for name in rows[0]))
        items = (tag("item", *_fields(row)) for row in rows)
        return Done(payload=tag("x", reported, *items, xmlns=ns.DATA_FORMS, type="result"))

    return submit


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def _fields(row: Mapping[str, str]) -> list[bytes]:
    return [tag("field", tag("value", value), var=name) for name, value in row.items()]


def _result(values: Mapping[str, str]) -> bytes:
    return tag("x", *_fields(values), xmlns=ns.DATA_FORMS, type="result")
