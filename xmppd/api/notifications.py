"""Notifications: what a sender has to say to people's devices, as other plugins see them.

They are sent by the plugin ``notifications``. How a kind of client is spoken to over its own stream is a format
(:class:`IFormat`); what devices tell about what they got is handed to :meth:`INotifications.confirm`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from xmppd.api.interfaces import ISession
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Stanza

__all__ = [
    "DeliveryChanged", "Draft", "IFormat", "INotifications", "Notification", "NotificationError", "Priority", "Road",
    "State",
]  # fmt: skip

Priority = Literal["high", "normal", "low"]
Road = Literal["live", "push"]


class NotificationError(ValueError):
    """A notification can't be sent like that; the text says why, to the sender."""


class State(StrEnum):
    """Of a notification on its way to one device of one recipient. It never goes back to an earlier one.

    The first four follow on each other, and some may be left out: of a client that confirms nothing nobody learns
    more than that it was sent.
    """

    QUEUED = "queued"
    #: It was written to the device's connection, or a push service has accepted it.
    SENT = "sent"
    #: The device's program has read it: it answered what was sent behind it.
    REACHED = "reached"
    #: The device has confirmed it.
    DELIVERED = "delivered"
    #: The user has opened it.
    OPENED = "opened"
    #: Its time was over before anybody confirmed it. Here and below the device may know better, and say so later.
    EXPIRED = "expired"
    #: A newer one with the same collapse key took its place.
    SUPERSEDED = "superseded"
    #: The sender called it off before it was sent to this device.
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sender wants to have sent.

    :ivar uri: what opens when the user taps on it; any scheme.
    :ivar image: the URL of a picture.
    :ivar data: for the app.
    :ivar ttl: how long it may wait for a device, in seconds; None: the option's default.
    :ivar collapse: of those with the same key that wait for a device, only the newest is sent.
    :ivar at: when to send it, in seconds since the epoch; None: now.
    :ivar rate: devices a second at most; None: the option's default.
    :ivar online_only: those who aren't there now don't get it.
    :ivar roads: how it may reach devices: over their own connection (``live``), by a push service (``push``).
    """

    title: str
    body: str
    uri: str = ""
    image: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    ttl: float | None = None
    priority: Priority = "normal"
    collapse: str = ""
    at: float | None = None
    rate: float | None = None
    online_only: bool = False
    roads: tuple[Road, ...] = ("live", "push")


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent to devices: the same each time it is sent again.

    :ivar id: 32 lower-case hexadecimal digits.
    :ivar created_at: seconds since the epoch.
    :ivar expires_at: the same.
    """

    id: str
    title: str
    body: str
    uri: str
    image: str
    data: Mapping[str, str]
    priority: Priority
    collapse: str
    created_at: float
    expires_at: float


class IFormat(Protocol):
    """How one kind of client is spoken to over its own stream."""

    @property
    def name(self) -> str:
        """For the operator, such as ``androidpn``."""

    def speaks(self, session: ISession) -> bool:
        """Is that a client of this kind? The first format that says so is used; the standard message is the last."""

    def stanza(self, notification: Notification, to: Jid) -> Stanza:
        """Return what is sent to a device."""

    def settling_seconds(self, session: ISession) -> float:
        """How long such a client has to be left alone after its first presence, in seconds."""

    def fenced(self, session: ISession) -> bool:
        """Does a ping behind the notification tell whether it was read? If not, SENT is all that is known at first."""


@dataclass(slots=True)
class DeliveryChanged:
    """A notification has got further with a device. To be observed; made only if somebody does.

    :ivar device: the device's id, see the operation ``device list``; "" while none is known.
    :ivar at: seconds since the epoch.
    """

    notification: str
    account: Jid
    device: str
    state: State
    reason: str
    at: float


class INotifications(Protocol):
    """Notifications to the accounts of a host. Accounts are bare addresses."""

    def add_format(self, format: IFormat) -> Callable[[], None]:
        """Speak to clients in another way from now on; call what is returned to undo it."""

    async def send(self, draft: Draft, to: str, actor: str) -> str:
        """Send to an audience, and return the notification's id once it is certain to be sent.

        :param to: an expression such as ``tag:news and not user:romeo@example.org``.
        :param actor: who sends it, for the history.
        :raises NotificationError: the draft or the expression is wrong.
        """

    def confirm(self, session: ISession, notification: str, state: State) -> None:
        """Take a device's word for what it has got. Of notifications that are not for its account nothing is changed.

        :param notification: the id.
        """

    def describe_device(
        self, session: ISession, *, platform: str = "", app: str = "", version: str = "", locale: str = ""
    ) -> None:
        """Learn something about a device; what is empty stays as it was."""

    async def set_alias(self, account: Jid, alias: str) -> None:
        """Give an account an alias; another account that had it loses it. "" takes all of the account's away.

        :raises NotificationError: it is none.
        """

    async def set_tags(self, account: Jid, tags: Sequence[str], *, additive: bool = False) -> None:
        """Replace the tags of an account, or add to them.

        :raises NotificationError: one is none, or there are too many.
        """
