"""The carriers: each app's road to its vendor, with its credentials, and how it is doing.

Web Push leads to whatever push service the user's browser has chosen, or a stranger has made up. Each of them is a
carrier of its own: one that is slow, down, or doesn't like our key is no matter to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from twisted.logger import Logger

from xmppd.api import IHost
from xmppd.api.network import Reach
from xmppd.plugins.push_service.options import ApnsApp, FcmApp, PushServiceOptions, WebPush
from xmppd.plugins.push_service.roads.apns import ApnsRoad
from xmppd.plugins.push_service.roads.contract import CredentialsError, Road, Verdict
from xmppd.plugins.push_service.roads.fcm import FcmRoad
from xmppd.plugins.push_service.roads.vapid import VapidKey
from xmppd.plugins.push_service.roads.webpush import WebPushRoad

__all__ = ["WEB_PUSH", "Carrier", "Carriers", "Key", "Load", "make_carriers"]

T = TypeVar("T")
#: Road and app; with Web Push, the host (and port) of the push service.
Key = tuple[str, str]
WEB_PUSH = "webpush"
_FORGOTTEN = 86_400.0  # seconds after which nobody remembers a push service


@dataclass(eq=False, slots=True)
class Load:
    """What carriers share: how many pushes of theirs are under way, and how many may be."""

    most: int
    running: int = 0

    @property
    def full(self) -> bool:
        """Can no more begin?"""
        return self.running >= self.most


@dataclass(eq=False, slots=True)
class Carrier:
    """One app's road. Counts are since it was made.

    :ivar concurrency: pushes that may be under way at a time; `running` are.
    :ivar row: pushes that were throttled or failed since the last one that was accepted.
    :ivar refusals: the same, of those on which our credentials were refused.
    :ivar resting_until: nothing is sent before; seconds since the epoch.
    :ivar problem: why our credentials are no good, or "".
    """

    key: Key
    road: Road
    load: Load
    concurrency: int
    running: int = 0
    accepted: int = 0
    failed: int = 0
    row: int = 0
    refusals: int = 0
    resting_until: float = 0.0
    problem: str = ""
    accepted_at: float = 0.0
    error: str = ""
    error_at: float = 0.0

    @property
    def name(self) -> str:
        """For people."""
        road, app = self.key
        return f"{road} of {app}"

    def note(self, verdict: Verdict, now: float, log: Logger) -> None:
        """Count a verdict, and tell the operator if our credentials are no good, or are again."""
        had = self.problem
        self._count(verdict, now)
        if self.problem and not had:
            # Whoever has made up a push service of their own may refuse us as they like: that is no error of ours.
            tell = log.info if self.key[0] == WEB_PUSH else log.error
            text = "{carrier}: our credentials are refused, and pushes wait: {reason}"
            tell(text, carrier=self.name, reason=self.problem)
        elif had and not self.problem:
            log.info("{carrier}: the credentials are good again", carrier=self.name)

    def _count(self, verdict: Verdict, now: float) -> None:
        if verdict.kind == "accepted":
            self.accepted += 1
            self.accepted_at, self.row, self.refusals, self.problem = now, 0, 0, ""
            return
        self.failed += 1
        self.error, self.error_at = verdict.text or verdict.kind, now
        if verdict.kind in ("throttled", "temporary"):
            self.row += 1
        elif verdict.kind == "credentials":
            self.refusals += 1
            self.problem = verdict.text or "they were refused"
        else:
            self.row, self.refusals, self.problem = 0, 0, ""  # it has looked at the parcel, so it knows us


@dataclass(eq=False, slots=True)
class Carriers:
    """All carriers of a service.

    :ivar apps: those that the options name.
    :ivar web: Web Push, if it is offered; `vapid` is its key, `origins` the push services that are used.
    """

    apps: Mapping[Key, Carrier] = field(default_factory=dict)
    web: Road | None = None
    web_load: Load = field(default_factory=lambda: Load(1))
    web_concurrency: int = 1
    vapid: str = ""
    origins: dict[str, Carrier] = field(default_factory=dict)

    def get(self, key: Key) -> Carrier | None:
        """Return a carrier, None if it isn't set up."""
        road, app = key
        if road != WEB_PUSH or self.web is None:
            return self.apps.get(key)
        if app not in self.origins:
            self.origins[app] = Carrier(key, self.web, self.web_load, self.web_concurrency)
        return self.origins[app]

    def all(self) -> list[Carrier]:
        """Return all that there are now."""
        return [*self.apps.values(), *self.origins.values()]

    def apps_of(self, road: str) -> list[str]:
        """Return the apps that a road leads to, as the options order them."""
        return [app for name, app in self.apps if name == road]

    def tidy(self, now: float) -> None:
        """Forget push services that nothing was sent to for long."""
        for origin, carrier in list(self.origins.items()):
            if not carrier.running and max(carrier.accepted_at, carrier.error_at) < now - _FORGOTTEN:
                del self.origins[origin]

    async def close(self) -> None:
        """Let go of connections."""
        for carrier in self.apps.values():
            await carrier.road.close()
        if self.web is not None:
            await self.web.close()


async def make_carriers(host: IHost, options: PushServiceOptions, vapid_key: str) -> Carriers:
    """Return all that the options name, with their credentials checked.

    :param vapid_key: of the service, if the options name no file.
    :raises CredentialsError: with the place in the settings, and what is wrong.
    """
    files = await host.in_thread(lambda: dict(_read(host.data_dir, options)))
    apps: dict[Key, Carrier] = {}
    for place, key, concurrency, make in _apps(host, options, files):
        apps[key] = Carrier(key, _checked(place, make), Load(concurrency), concurrency)
    carriers = Carriers(apps)
    web = options.webpush
    if web.enabled:
        contact = web.contact or (host.web.base if host.web.base.startswith("https:") else "")
        pem = files[web.key] if web.key else vapid_key
        vapid = _checked("webpush: key", lambda: VapidKey(pem, contact or f"mailto:postmaster@{host.jid.domain}"))
        carriers.web, carriers.vapid = _webpush(host, web, vapid), vapid.public
        carriers.web_load, carriers.web_concurrency = Load(web.concurrency), web.origin_concurrency
    return carriers


def _checked(place: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except CredentialsError as error:
        raise CredentialsError(f"{place}: {error}") from None


def _read(folder: Path, options: PushServiceOptions) -> Iterator[tuple[str, str]]:
    """Read the files that the options name."""
    named = [("webpush: key", options.webpush.key)] if options.webpush.enabled and options.webpush.key else []
    named += [(f"fcm: {app.app}: service_account", app.service_account) for app in options.fcm]
    named += [(f"apns: {app.app}: key", app.key) for app in options.apns]
    for place, name in named:
        try:
            yield name, (folder / name).read_text("utf-8")
        except OSError as error:
            raise CredentialsError(f"{place}: {folder / name} can't be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CredentialsError(f"{place}: {folder / name} is no text") from None


def _apps(
    host: IHost, options: PushServiceOptions, files: Mapping[str, str]
) -> Iterator[tuple[str, Key, int, Callable[[], Road]]]:
    for fcm in options.fcm:
        yield f"fcm: {fcm.app}", ("fcm", fcm.app), fcm.concurrency, partial(_fcm, host, fcm, files)
    for apns in options.apns:
        yield f"apns: {apns.app}", ("apns", apns.app), apns.concurrency, partial(_apns, host, apns, files)


def _webpush(host: IHost, web: WebPush, key: VapidKey) -> Road:
    return WebPushRoad(host.network, host.clock, key, Reach.of(web.networks, web.ports), web.seconds)


def _fcm(host: IHost, app: FcmApp, files: Mapping[str, str]) -> Road:
    text = files[app.service_account]
    return FcmRoad(
        host.network, host.clock, service_account=text, seconds=app.seconds, url=app.url, token_url=app.token_url
    )


def _apns(host: IHost, app: ApnsApp, files: Mapping[str, str]) -> Road:
    return ApnsRoad(
        host.network, host.clock, key=files[app.key], key_id=app.key_id, team_id=app.team_id, topic=app.app,
        sandbox=app.sandbox, seconds=app.seconds, url=app.url,
    )  # fmt: skip
