"""Options of the push service."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from xmppd.api import Component, Field, Jid, Options
from xmppd.api.network import PORTS, Reach

__all__ = ["ApnsApp", "FcmApp", "PushServiceOptions", "WebPush"]

_DAY = 86_400.0
#: Names of Android packages and bundle ids of Apple.
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_TEAM = re.compile(r"[A-Z0-9]{10}")


def _app(name: str) -> str:
    if not _APP.fullmatch(name):
        raise ValueError("an app is named as its store does: com.example.chat")
    return name


def _ten(value: str) -> str:
    if not _TEAM.fullmatch(value):
        raise ValueError("it has ten letters and digits, as ABCDE12345")
    return value


def _domains(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name if name == "*" else Jid.parse(name).domain for name in names)


def _contact(value: str) -> str:
    if value and not value.startswith(("mailto:", "https:")):
        raise ValueError("write mailto:ADDRESS or https://PAGE")
    return value


def _networks(texts: Iterable[str]) -> tuple[str, ...]:
    given = tuple(texts)
    Reach.of(given)
    return given


def _url(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError("write https://HOST, or https://HOST:PORT")
    return value.rstrip("/")


AppName = Annotated[str, AfterValidator(_app)]
Url = Annotated[str, AfterValidator(_url)]


class _Road(Options):
    """What all roads have."""

    concurrency: int = Field(128, ge=1, le=1000, description="Pushes that may be under way at a time.")
    seconds: float = Field(30.0, gt=0, description="Seconds after which the vendor is too slow to answer.")


class WebPush(_Road):
    """Web Push (RFC 8030): browsers, UnifiedPush, and everything else that has subscriptions."""

    enabled: bool = Field(True, description="Is it offered? It needs no account with anybody.")
    contact: Annotated[str, AfterValidator(_contact)] = Field(
        "",
        description="Whom the push services of browsers may write to if something is wrong: `mailto:` or `https:`."
        " Empty: the host's web address, or `mailto:postmaster@HOST`.",
    )
    key: str = Field(
        "",
        description="File with a private key (P-256, PEM) that we identify ourselves with (VAPID); relative to"
        " `data_dir`. Empty: one is made and kept in the database. With another key all subscriptions are lost.",
    )
    origin_concurrency: int = Field(
        16, ge=1, le=1000, description="Pushes that may be under way at a time to one push service of them all."
    )
    networks: Annotated[tuple[str, ...], AfterValidator(_networks)] = Field(
        (),
        description="Private networks that endpoints may lead to, as `10.1.0.0/16`; by HTTP, too. Otherwise they lead"
        " to the public Internet, by HTTPS, or nowhere.",
    )
    ports: tuple[int, ...] = Field(tuple(sorted(PORTS)), description="Ports that endpoints may have.")


class FcmApp(_Road):
    """An Android app with Firebase Cloud Messaging: a table `[[hosts."example.org".push_service.fcm]]` for each."""

    app: AppName = Field(description="The app's package, as `com.example.chat`.")
    service_account: str = Field(
        min_length=1,
        description="File with the JSON of a service account that may send for the project; relative to `data_dir`.",
    )
    url: Url = Field("", description="Where it is sent to, if it isn't Google: for tests and relays.")
    token_url: Url = Field("", description="Where access tokens come from, if it isn't what the file says.")


class ApnsApp(_Road):
    """An app for Apple's devices: a table `[[hosts."example.org".push_service.apns]]` for each."""

    app: AppName = Field(description="The app's bundle id, as `org.example.chat`.")
    key: str = Field(min_length=1, description="File with the signing key (`AuthKey_....p8`); relative to `data_dir`.")
    key_id: Annotated[str, AfterValidator(_ten)] = Field(description="The key's id: ten letters and digits.")
    team_id: Annotated[str, AfterValidator(_ten)] = Field(description="The id of the team of developers: as many.")
    sandbox: bool = Field(False, description="Is it an app that was installed from Xcode, and not from a store?")
    url: Url = Field("", description="Where it is sent to, if it isn't Apple: for tests and relays.")


class PushServiceOptions(Component.Options):
    """Who may have their apps woken, by which vendors, and with what."""

    domain: str = Field("", description="Domain of the service; empty: push before the host's name.")
    title: str = Field("Push", description="What clients show of the service.")

    webpush: WebPush = Field(default_factory=WebPush, description="Web Push.")
    fcm: tuple[FcmApp, ...] = Field((), description="Android apps.")
    apns: tuple[ApnsApp, ...] = Field((), description="Apps for Apple's devices.")

    open: Annotated[tuple[str, ...], AfterValidator(_domains)] = Field(
        (),
        description="Other servers whose users may register their apps, and who may then push to them; `*`: everybody."
        " Users of this host always may.",
    )

    content: Literal["count", "sender", "body"] = Field(
        "count",
        description="What vendors get to see: `count`: that there is something, and how much; `sender`: from whom, as"
        " well; `body`: the text, as well. What the user's server has encrypted is always passed on, and so are"
        " notifications that this server's operators send.",
    )
    alert_title: str = Field("", max_length=100, description="What phones show as the title; empty: the app decides.")
    alert_body: str = Field(
        "New message", max_length=200, description="What phones show if there is no text; empty: the app decides."
    )

    ttl_seconds: int = Field(
        int(_DAY), ge=0, le=2_419_200, description="Seconds for which a push is tried, and kept by the vendor."
    )
    call_seconds: int = Field(45, ge=0, le=600, description="The same for calls, which nobody wants to hear of later.")
    payload_octets: int = Field(
        16_384, ge=256, description="Octets that a notification may have when it is published to us."
    )

    answer_seconds: float = Field(
        3.0,
        ge=0,
        le=30,
        description="Seconds in which a vendor may refuse a push before it is said to be taken.",
    )
    retry_seconds: float = Field(
        10.0, gt=0, description="Seconds until a push is tried again if the vendor has failed; twice as many each time."
    )
    throttled_seconds: float = Field(
        60.0, gt=0, description="The same if the vendor says that it is too much, but not when it may go on."
    )
    retry_max_seconds: float = Field(3600.0, gt=0, description="Seconds between two attempts at most.")
    hold_seconds: float = Field(
        300.0, gt=0, description="Seconds until credentials are tried again that a vendor has refused."
    )

    burst: int = Field(3, ge=1, description="Pushes that a device gets at once.")
    device_seconds: float = Field(
        10.0,
        ge=0,
        description="Seconds between those that follow; of what can stand for each other only the newest is sent. Calls"
        " don't wait.",
    )
    domain_per_minute: int = Field(6_000, ge=1, description="Pushes that another server may publish within a minute.")
    domain_waiting: int = Field(20_000, ge=1, description="Pushes of another server that may wait to be sent.")
    waiting: int = Field(200_000, ge=1, description="Pushes that may wait to be sent.")

    devices_per_account: int = Field(
        20, ge=1, description="Apps that an account may register; the one unused for longest gives way to a new one."
    )
    registrations_per_hour: int = Field(60, ge=1, description="Registrations of an account within an hour.")
    domain_registrations_per_hour: int = Field(
        3_600, ge=1, description="Registrations of all users of another server within an hour."
    )
    devices: int = Field(1_000_000, ge=1, description="Apps that may be registered.")
    unused_days: float = Field(
        180.0, ge=0, description="Days after which a registration ends that nothing was pushed to; 0: never."
    )

    @model_validator(mode="after")
    def _apps_once(self) -> PushServiceOptions:
        for kind, apps in (("fcm", self.fcm), ("apns", self.apns)):
            names = [app.app for app in apps]
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind}: {name} is there twice")
        return self
