"""Web Push (RFC 8030): browsers, UnifiedPush distributors, and FCM for apps that take it from there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from xmppd.api.http import Headers
from xmppd.api.interfaces import IClock
from xmppd.api.network import INetwork, NoConnection, Reach
from xmppd.plugins.push_service.roads.answers import json_of, retry_after, unreachable, verdict
from xmppd.plugins.push_service.roads.contract import Parcel, Status, Verdict, VerdictKind
from xmppd.plugins.push_service.roads.encryption import MOST, Subscription, encrypt, subscription
from xmppd.plugins.push_service.roads.vapid import VapidKey

__all__ = ["WebPushRoad", "headers_of", "measure", "plaintext", "verdict_of"]

_LONGEST_ID = 512
_ANSWER = 16_384  # octets

#: What push services answer; RFC 8030 and what Mozilla, Google, Apple and Microsoft say of theirs.
VERDICTS: Mapping[int, tuple[VerdictKind, str]] = {
    200: ("accepted", "taken"),
    201: ("accepted", "taken"),
    202: ("accepted", "taken"),
    204: ("accepted", "taken"),
    400: ("refused", "the push service finds a mistake in the push"),
    401: ("credentials", "the push service does not accept our VAPID key"),
    402: ("credentials", "the push service wants to be paid"),
    403: ("credentials", "the subscription was made with another VAPID key, or ours is not accepted"),
    404: ("gone", "the subscription has ended"),
    406: ("throttled", "the push service says that it is too much"),
    408: ("temporary", "the push service gave up waiting"),
    410: ("gone", "the subscription has ended"),
    413: ("too large", "the payload is too large for the push service"),
    425: ("temporary", "the push service wants it later"),
    429: ("throttled", "the push service says that it is too much"),
}


class WebPushRoad:
    """Sends to everybody's push services. Implements :class:`~xmppd.plugins.push_service.roads.contract.Road`.

    :param key: see :class:`VapidKey`.
    :param reach: how far endpoints may lead.
    :param seconds: that a push service may take to answer.
    """

    name = "webpush"

    def __init__(
        self, network: INetwork, clock: IClock, key: VapidKey, reach: Reach | None = None, seconds: float = 30.0
    ) -> None:
        self._network, self._clock = network, clock
        self._key = key
        self._reach = Reach() if reach is None else reach
        self._seconds = seconds

    async def send(self, parcel: Parcel) -> Verdict:
        """See Road."""
        try:
            to = subscription(parcel.target)
        except ValueError as error:
            return verdict("refused", "the subscription can't be used", error)
        plain = plaintext(parcel)
        if len(plain) > MOST:
            return verdict("too large", f"the payload has {len(plain)} octets, {MOST} fit")
        now = self._clock.seconds()
        headers = headers_of(parcel, bool(plain)) | {"Authorization": self._key.authorization(to.origin, now)}
        return await self._post(to, headers, encrypt(plain, to) if plain else b"", now)

    async def _post(self, to: Subscription, headers: Mapping[str, str], body: bytes, now: float) -> Verdict:
        try:
            answer = await self._network.fetch(
                "POST", to.endpoint, headers, body, timeout=self._seconds, octets=_ANSWER, public=self._reach
            )
        except NoConnection as error:
            return unreachable(error)
        return verdict_of(answer.status, answer.headers, answer.body, now)

    def check(self) -> Status:
        """See Road."""
        return Status(f"VAPID key {self._key.public}")

    async def close(self) -> None:
        """See Road: there is nothing to let go of."""


def plaintext(parcel: Parcel) -> bytes:
    """Return what is encrypted; empty for what only wakes."""
    if isinstance(parcel.payload, bytes):
        return parcel.payload
    if not parcel.payload:
        return b""
    return json.dumps(dict(parcel.payload), ensure_ascii=False, separators=(",", ":")).encode()


def measure(parcel: Parcel) -> int:
    """Return how many octets count, of :data:`~xmppd.plugins.push_service.roads.encryption.MOST`."""
    return len(plaintext(parcel))


def headers_of(parcel: Parcel, has_body: bool) -> dict[str, str]:
    """Return the fields of RFC 8030 section 5 and RFC 8291 section 4."""
    headers = {"TTL": str(max(0, parcel.ttl)), "Urgency": "high" if parcel.kind == "call" else parcel.urgency}
    if parcel.topic:
        headers["Topic"] = parcel.topic
    if has_body:
        headers |= {"Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream"}
    return headers


def verdict_of(status: int, headers: Headers, body: bytes, now: float) -> Verdict:
    """Return what a push service's answer means.

    :param now: in seconds since the epoch.
    """
    kind, meaning = VERDICTS.get(status, ("refused", f"the push service answered {status}"))
    if status >= 500:
        kind, meaning = "temporary", f"the push service has trouble ({status})"
    if kind == "accepted":
        return Verdict(kind, meaning, id=headers.get("location", "")[:_LONGEST_ID])
    wait = retry_after(headers, now) if kind in ("temporary", "throttled") else None
    return verdict(kind, meaning, _said(body), wait)


def _said(body: bytes) -> object:
    """Return why: Mozilla says it in ``message``, Apple in ``reason``, others in plain text, or a page."""
    found = json_of(body)
    for name in ("message", "reason", "error"):
        if isinstance(found.get(name), str):
            return found[name]
    text = body[:_LONGEST_ID].decode("utf-8", "replace")
    return "" if text.lstrip().startswith("<") or found else text
