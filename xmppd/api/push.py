"""Push notifications (XEP-0357), as other plugins see them: what apps have registered, and how to wake them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from xmppd.wire.jid import Jid

__all__ = ["IPush", "PushDisabled", "PushResult", "PushSettled", "Pushed", "Registration"]


class PushResult(Enum):
    """What became of a push."""

    #: The push service has it; it says no more (0357), unless it is ours: then the vendor has it.
    ACCEPTED = "accepted"
    #: The service, or the way to it, is down or busy. It is kept and tried again; :class:`PushSettled` tells the end.
    WAITING = "waiting"
    #: It will not be delivered; others to the same registration may be.
    FAILED = "failed"
    #: The app is not there any more; the registration is disabled.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Pushed:
    """The answer to a push.

    :ivar reason: in plain words, unless it was accepted.
    """

    result: PushResult
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Registration:
    """An app of an account that has enabled push (XEP-0357 section 5).

    :ivar account: the bare address.
    :ivar service: the app's push service.
    :ivar node: which the service knows the app by; "" if it gave none.
    :ivar device: the id by which the app's client is told from others of the account; "" if it isn't known.
    :ivar enabled_at: seconds since the epoch.
    :ivar disabled: why it is not used now, in plain words; None while it is.
    """

    account: Jid
    service: Jid
    node: str
    device: str
    enabled_at: float
    disabled: str | None = None


@dataclass(slots=True)
class PushSettled:
    """A push has come to an end that waited, or that this server's own push service had taken. To be observed.

    :ivar node: the app's.
    :ivar item: the id of the item that was published.
    """

    node: str
    item: str
    result: PushResult
    reason: str = ""


@dataclass(slots=True)
class PushDisabled:
    """Nothing is sent to a registration any more, because of what its service has answered. To be observed.

    :ivar registration: its `disabled` says why.
    """

    registration: Registration


class IPush(Protocol):
    """Push to the apps of the accounts of a host."""

    async def registrations(self, account: Jid) -> Sequence[Registration]:
        """Return what the apps of an account have registered, disabled ones as well."""

    async def push(self, registration: Registration, payload: bytes, *, item: str, priority: str = "normal") -> Pushed:
        """Publish to a registration (XEP-0357 section 7), and tell what came of it.

        :param payload: elements that go into the notification beside the summary form; b"" wakes the app, no more.
        :param item: an id; the same one again stands for the same notification.
        :param priority: ``high``, ``normal`` or ``low``.
        """
