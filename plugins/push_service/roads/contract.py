"""What a road is: one way to a vendor's push service, such as Web Push, FCM or APNs.

A road sends one parcel once and says what has become of it. It keeps nothing, tries nothing again, and knows of no
registrations: the queue of the push service does. What a vendor's answer means is a table in each road.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["CredentialsError", "Kind", "Parcel", "Road", "Status", "Urgency", "Verdict", "VerdictKind"]

#: How soon it has to be there (RFC 8030 section 5.3 has the same words): ``high`` wakes a phone that sleeps.
Urgency = Literal["high", "normal", "low"]

#: What the device does with it: shows something to the user, wakes the app without a sound, or rings.
Kind = Literal["alert", "background", "call"]

#: What a vendor's answer means to the queue.
VerdictKind = Literal["accepted", "gone", "throttled", "temporary", "too large", "credentials", "refused"]


class CredentialsError(ValueError):
    """Credentials that can't be used; the text says why, and what to do, to the operator. It never quotes a secret."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is handed to a vendor.

    :ivar id: of the parcel: the same when it is sent again. 32 lower-case hexadecimal digits, as a UUID has.
    :ivar target: where to. Web Push: ``endpoint``, ``p256dh``, ``auth`` (both in base64url). FCM, APNs: ``token``.
    :ivar payload: what the app gets. A mapping of what JSON can express; names that a road knows, all of them optional:
        ``title``, ``body``, ``sender`` (texts) and ``count`` (a number, the badge), which are shown to the user where
        the kind is ``alert``; everything else is data, handed to the app as it is. bytes: what the app gets instead, as
        they are; we can't read them. An empty mapping only wakes.
    :ivar ttl: seconds for which the vendor keeps it for a device that can't be reached; 0: now or never.
    :ivar topic: a later parcel to the same target with the same topic replaces one that waits; "": none does. At most
        32 characters of the base64url alphabet, as RFC 8030 section 5.4 has it.
    :ivar kind: see :data:`Kind`.
    """

    id: str
    target: Mapping[str, str]
    payload: Mapping[str, Any] | bytes = field(default_factory=dict)
    ttl: int = 86_400
    urgency: Urgency = "normal"
    topic: str = ""
    kind: Kind = "alert"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a vendor has answered, or that it has not.

    :ivar kind: ``accepted``: the vendor has it. ``gone``: there is no such device any more. ``throttled``: too many,
        for this device or for us. ``temporary``: the vendor can't be reached, or can't do its work now. ``too large``:
        with a smaller payload it may pass. ``credentials``: ours are wrong, expired, or not allowed to do this.
        ``refused``: this parcel never will be accepted, for another reason.
    :ivar text: the same in plain words, for the operator.
    :ivar retry_after: seconds after which the vendor wants to be asked again, if it has said so.
    :ivar id: what the vendor calls the parcel, or "".
    """

    kind: VerdictKind
    text: str = ""
    retry_after: float | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What a road is set up with, for the operator.

    :ivar text: whom it sends for, and with what: a Firebase project, a key id and team, a contact.
    :ivar expires_at: when its credentials end, in seconds since the epoch; None: they don't.
    """

    text: str
    expires_at: float | None = None


class Road(Protocol):
    """One way to one vendor, with the credentials of one app."""

    @property
    def name(self) -> str:
        """``webpush``, ``fcm``, ``apns``."""

    async def send(self, parcel: Parcel) -> Verdict:
        """Send a parcel, once. It raises nothing: whatever goes wrong is a verdict."""

    def check(self) -> Status:
        """Say what it is set up with. Its credentials were checked when it was made."""

    async def close(self) -> None:
        """Let go of connections."""
