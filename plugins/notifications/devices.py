"""The devices of those who are online: which they are, and what is learned of them, written down now and then."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from xmppd.api import IHost, ISession, StorageUnavailable
from xmppd.api.interfaces import USER_AGENT
from xmppd.plugins.notifications import people
from xmppd.plugins.notifications.people import Device
from xmppd.plugins.notifications.values import NAME

__all__ = ["Devices", "device_of"]

CAPS = "http://jabber.org/protocol/caps"
#: Names that clients give the systems they run on, and what those are called here.
_PLATFORMS = {
    "android": "android", "ios": "ios", "iphone": "ios", "ipad": "ios", "windows": "windows", "macos": "macos",
    "mac os": "macos", "linux": "linux", "web": "web", "browser": "web",
}  # fmt: skip


def device_of(session: ISession) -> str:
    """Return the id of a device: what its client is known by (XEP-0388 2.3), else the resource."""
    agent = session.state.get(USER_AGENT)
    return (agent and agent.get("id")) or session.jid.resource


def described(session: ISession, now: float) -> Device:
    """Return what a session's own words say of its device: those of its log-in, and of its presence (XEP-0115)."""
    agent = session.state.get(USER_AGENT) or {}
    software, thing = agent.get("software", ""), agent.get("device", "")
    if not software and session.presence is not None:
        caps = session.presence.child(CAPS, "c")
        software = "" if caps is None else _app_of(caps.getAttribute("node", ""))
    app, version = _split(software)
    return Device(
        str(session.account), device_of(session), thing[:NAME], _platform(f"{software} {thing}"), app[:NAME],
        version[:NAME], "", False, now, now,
    )  # fmt: skip


def _app_of(node: str) -> str:
    """Return a name for the software whose caps have that node, mostly a URL."""
    try:
        parts = urlsplit(node)
    except ValueError:
        return ""
    return parts.hostname or node


def _split(software: str) -> tuple[str, str]:
    """Take a version off the end of a name, as in ``Gajim 1.9.3`` or ``Shop/2.1``."""
    for separator in ("/", " "):
        name, _, version = software.rpartition(separator)
        if name and version.lstrip("v")[:1].isdigit():
            return name.strip(), version.lstrip("v")
    return software.strip(), ""


def _platform(text: str) -> str:
    lower = text.lower()
    return next((name for word, name in _PLATFORMS.items() if word in lower), "")


class Devices:
    """Learns of devices.

    :ivar confirming: sessions whose devices have confirmed a notification at some time.
    """

    def __init__(self, host: IHost, most: Callable[[], int]) -> None:
        self._host = host
        self._most = most
        self._learned: dict[tuple[str, str], Device] = {}
        self._sessions: dict[tuple[str, str], ISession] = {}
        self.confirming: WeakSet[ISession] = WeakSet()

    def came(self, session: ISession) -> None:
        """A device is available."""
        self.learn(session, described(session, self._host.clock.seconds()))

    def left(self, session: ISession) -> None:
        """A device is gone: it was seen until now."""
        now = self._host.clock.seconds()
        self.learn(session, Device(str(session.account), device_of(session), first_at=now, seen_at=now))

    def confirms(self, session: ISession) -> None:
        """A device has confirmed a notification."""
        if session not in self.confirming:
            self.confirming.add(session)
            now = self._host.clock.seconds()
            device = Device(str(session.account), device_of(session), confirms=True, first_at=now, seen_at=now)
            self.learn(session, device)

    def learn(self, session: ISession, device: Device) -> None:
        """Note something about the device of a session; what is empty stays as it was."""
        key = (device.account, device.id)
        before = self._learned.get(key)
        self._learned[key] = device if before is None else people.merged(before, device)
        self._sessions[key] = session

    def forget(self, account: str) -> None:
        """Write nothing about an account that is gone."""
        for key in [key for key in self._learned if key[0] == account]:
            del self._learned[key]
            self._sessions.pop(key, None)

    async def write_in_turn(self) -> None:
        """Write down what was learned, if that can be done now."""
        with suppress(StorageUnavailable):  # it is tried again, and the log has said why
            await self.write()

    async def write(self) -> None:
        """Write down what was learned, so that a read sees it."""
        learned, self._learned = self._learned, {}
        sessions, self._sessions = self._sessions, {}
        if not learned:
            return
        seen, host, most = list(learned.values()), str(self._host.jid), self._most()
        try:
            known = await self._host.db.write(lambda c: people.note_devices(c, host, seen, most))
        except StorageUnavailable:
            for key, device in learned.items():
                newer = self._learned.get(key)
                self.learn(sessions[key], device if newer is None else people.merged(device, newer))
            raise
        for one in known:
            if one.confirms:
                self.confirming.add(sessions[one.account, one.id])


def with_words(session: ISession, now: float, **words: Any) -> Device:
    """Return what a device says of itself."""
    return replace(Device(str(session.account), device_of(session), first_at=now, seen_at=now), **words)
