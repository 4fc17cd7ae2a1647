"""Apple's Push Notification service, by HTTP/2 with a signing key: apps on Apple's devices.

See https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns and, for what is
answered, .../handling-notification-responses-from-apns.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

from xmppd.api.http import Headers, Response
from xmppd.api.interfaces import IClock
from xmppd.api.network import INetwork, NoConnection
from xmppd.plugins.push_service.roads.answers import json_of, retry_after, unreachable, verdict
from xmppd.plugins.push_service.roads.contract import Parcel, Status, Urgency, Verdict, VerdictKind
from xmppd.plugins.push_service.roads.tokens import Kept, load_ec, signed

__all__ = ["MOST", "SANDBOX", "URL", "VERDICTS", "ApnsRoad", "headers_of", "measure", "payload_of", "verdict_of"]

URL = "https://api.push.apple.com"
SANDBOX = "https://api.sandbox.push.apple.com"
MOST = 4_096  # octets
_MOST_VOIP = 5_120
_RENEWED = 40 * 60.0  # seconds; Apple wants 20 to 60 minutes
_AGAIN = 20 * 60.0  # seconds until Apple takes a new token
_ANSWER = 4_096  # octets
_PRIORITY: Mapping[Urgency, str] = {"high": "10", "normal": "5", "low": "1"}
_SHOWN = ("title", "body", "sender", "count")

#: By ``reason``, which says more than the status.
VERDICTS: Mapping[str, tuple[VerdictKind, str]] = {
    "BadCollapseId": ("refused", "the topic is too long for Apple"),
    "BadDeviceToken": ("gone", "the token is none, or one of the other environment (sandbox or production)"),
    "BadEnvironmentKeyIdInToken": ("credentials", "the key is for the other environment (sandbox or production)"),
    "BadExpirationDate": ("refused", "Apple finds a mistake in apns-expiration"),
    "BadMessageId": ("refused", "Apple finds a mistake in apns-id"),
    "BadPath": ("refused", "Apple finds a mistake in the path"),
    "BadPriority": ("refused", "Apple finds a mistake in apns-priority"),
    "BadTopic": ("credentials", "Apple does not know the bundle id"),
    "BadCertificate": ("credentials", "the certificate is not valid"),
    "BadCertificateEnvironment": ("credentials", "the certificate is for the other environment"),
    "DeviceTokenNotForTopic": ("gone", "the token belongs to another app than the bundle id says"),
    "DuplicateHeaders": ("refused", "Apple finds a header field twice"),
    "ExpiredProviderToken": ("credentials", "our token has expired; the clock may be wrong"),
    "ExpiredToken": ("gone", "the token has expired"),
    "Forbidden": ("credentials", "Apple does not allow it"),
    "IdleTimeout": ("temporary", "Apple's server gave up waiting"),
    "InternalServerError": ("temporary", "Apple's server has failed"),
    "InvalidProviderToken": ("credentials", "the key, its id or the team's id is wrong, or the key was revoked"),
    "InvalidPushType": ("refused", "Apple finds a mistake in apns-push-type"),
    "MethodNotAllowed": ("refused", "Apple finds a mistake in the method"),
    "MissingDeviceToken": ("refused", "Apple misses the token"),
    "MissingProviderToken": ("credentials", "Apple misses our token"),
    "MissingTopic": ("credentials", "Apple misses the bundle id"),
    "PayloadEmpty": ("refused", "Apple finds nothing in the push"),
    "PayloadTooLarge": ("too large", "the payload is too large for Apple"),
    "ServiceUnavailable": ("temporary", "Apple's server can't do its work now"),
    "Shutdown": ("temporary", "Apple's server is shutting down"),
    "TooManyProviderTokenUpdates": ("throttled", "Apple has seen too many tokens of ours"),
    "TooManyRequests": ("throttled", "Apple says that it is too much for this device"),
    "TopicDisallowed": ("credentials", "the key may not be used for the bundle id"),
    "UnrelatedKeyIdInToken": ("credentials", "the key does not belong to the team"),
    "Unregistered": ("gone", "the app was removed"),
}
#: By the status, if there is no reason.
_BY_STATUS: Mapping[int, tuple[VerdictKind, str]] = {
    403: ("credentials", "Apple does not accept our token"),
    408: VERDICTS["IdleTimeout"],
    410: VERDICTS["Unregistered"],
    413: VERDICTS["PayloadTooLarge"],
    429: VERDICTS["TooManyRequests"],
}


class ApnsRoad:
    """Sends to one app's devices. Implements :class:`~xmppd.plugins.push_service.roads.contract.Road`.

    A target may have a ``voip`` token beside its ``token``: calls go there (PushKit); without it they are alerts.

    :param key: the signing key, as in the file ``AuthKey_....p8``.
    :param topic: the app's bundle id.
    :param sandbox: is it an app that was installed from Xcode?
    :param url: what stands in for Apple's server, if anything.
    :param seconds: that it may take to answer.
    :raises CredentialsError: the key can't be used.
    """

    name = "apns"

    def __init__(
        self, network: INetwork, clock: IClock, key: str, key_id: str, team_id: str, topic: str, sandbox: bool = False,
        seconds: float = 30.0, url: str = "",
    ) -> None:  # fmt: skip
        signing = load_ec(key, "the signing key")
        self._network, self._clock = network, clock
        self._topic, self._seconds = topic, seconds
        self._url = url or (SANDBOX if sandbox else URL)
        self._who = f"key {key_id} of team {team_id}, for {topic}{' (sandbox)' if sandbox else ''}"
        self._token = Kept(lambda now: signed(signing, {"iss": team_id, "iat": int(now)}, key_id), _RENEWED)

    async def send(self, parcel: Parcel) -> Verdict:
        """See Road."""
        if not parcel.target.get("token"):
            return verdict("refused", "there is no token to send to")
        if parcel.kind == "call":
            if parcel.target.get("voip"):
                found = await self._send(parcel, parcel.target["voip"], _MOST_VOIP)
                if found.kind != "gone":
                    return found
            parcel = replace(parcel, kind="alert", urgency="high")
        return await self._send(parcel, parcel.target["token"], MOST)

    async def _send(self, parcel: Parcel, token: str, most: int) -> Verdict:
        body = payload_of(parcel)
        if len(body) > most:
            return verdict("too large", f"the payload has {len(body)} octets, {most} fit")
        try:
            answer = await self._post(parcel, token, body)
            now = self._clock.seconds()
            if _reason(answer) == "ExpiredProviderToken" and self._token.renew(now, _AGAIN):
                answer = await self._post(parcel, token, body)
        except NoConnection as error:
            return unreachable(error)
        return verdict_of(answer.status, answer.headers, answer.body, now)

    async def _post(self, parcel: Parcel, token: str, body: bytes) -> Response:
        now = self._clock.seconds()
        headers = {"authorization": f"bearer {self._token.get(now)}"} | headers_of(parcel, self._topic, now)
        url = f"{self._url}/3/device/{quote(token, safe='')}"
        http2 = url.startswith("https:")  # a relay may stand on this machine
        return await self._network.fetch("POST", url, headers, body, timeout=self._seconds, octets=_ANSWER, http2=http2)

    def check(self) -> Status:
        """See Road."""
        return Status(self._who)

    async def close(self) -> None:
        """See Road: the network keeps the connection."""


def headers_of(parcel: Parcel, bundle: str, now: float) -> dict[str, str]:
    """Return the fields that say what is to be done with a push.

    :param bundle: the app's bundle id.
    :param now: in seconds since the epoch.
    """
    kind = _push_type(parcel)
    headers = {
        "apns-id": str(UUID(parcel.id)),
        "apns-push-type": kind,
        "apns-topic": f"{bundle}.voip" if kind == "voip" else bundle,
        "apns-priority": {"voip": "10", "background": "5"}.get(kind) or _PRIORITY[parcel.urgency],
        "apns-expiration": str(int(now) + parcel.ttl) if parcel.ttl > 0 else "0",
    }
    if parcel.topic:
        headers["apns-collapse-id"] = parcel.topic
    return headers


def _push_type(parcel: Parcel) -> str:
    if parcel.kind == "call":
        return "voip"
    return "alert" if "alert" in _aps(parcel) or "badge" in _aps(parcel) else "background"


def _aps(parcel: Parcel) -> dict[str, Any]:
    """Return what the device itself understands. An alert without words is none: the app is woken instead."""
    if parcel.kind == "call":
        return {}
    payload: Mapping[str, Any] = {} if isinstance(parcel.payload, bytes) else parcel.payload
    if parcel.kind == "background":
        return {"content-available": 1}
    names = {"title": "title", "sender": "subtitle" if payload.get("title") else "title", "body": "body"}
    alert = {names[name]: str(payload[name]) for name in names if payload.get(name)}
    aps: dict[str, Any] = {"alert": alert, "sound": "default", "mutable-content": 1} if alert else {}
    if isinstance(payload.get("count"), int):
        aps["badge"] = payload["count"]
    return aps or {"content-available": 1}


def payload_of(parcel: Parcel) -> bytes:
    """Return the body of a push."""
    if isinstance(parcel.payload, bytes):
        data: dict[str, Any] = {"payload": b64encode(parcel.payload).decode("ascii")}
    else:
        shown = _SHOWN if parcel.kind == "alert" else ()
        data = {name: value for name, value in parcel.payload.items() if name != "aps" and name not in shown}
    return json.dumps({"aps": _aps(parcel)} | data, ensure_ascii=False, separators=(",", ":")).encode()


def measure(parcel: Parcel) -> int:
    """Return how many octets count, of :data:`MOST`."""
    return len(payload_of(parcel))


def _reason(answer: Response) -> str:
    return str(json_of(answer.body).get("reason", ""))


def verdict_of(status: int, headers: Headers, body: bytes, now: float) -> Verdict:
    """Return what Apple's answer means.

    :param now: in seconds since the epoch.
    """
    if status == 200:
        return Verdict("accepted", "taken", id=headers.get("apns-id", ""))
    reason = str(json_of(body).get("reason", ""))
    meaning = VERDICTS.get(reason) or _BY_STATUS.get(status)
    if meaning is None:
        trouble: tuple[VerdictKind, str] = ("temporary", f"Apple's server has trouble ({status})")
        meaning = trouble if status >= 500 else ("refused", f"Apple's server answered {status}")
    wait = retry_after(headers, now) if meaning[0] in ("temporary", "throttled") else None
    if reason == "TooManyProviderTokenUpdates":
        wait = wait or _AGAIN
    return verdict(*meaning, reason, wait)
