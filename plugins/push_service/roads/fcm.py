"""Firebase Cloud Messaging, by its HTTP v1 API: apps on Android.

What is sent is data: the app decides what the user sees. Only what has a title of its own is shown by the system where
the app is asleep. See https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from xmppd.api.http import Headers, Response
from xmppd.api.interfaces import IClock
from xmppd.api.network import INetwork, NoConnection
from xmppd.plugins.push_service.roads.answers import json_of, retry_after, unreachable, verdict
from xmppd.plugins.push_service.roads.contract import Parcel, Status, Verdict, VerdictKind
from xmppd.plugins.push_service.roads.google import AccessTokens, Refused, read_account

__all__ = ["MOST", "URL", "FcmRoad", "measure", "message_of", "verdict_of"]

URL = "https://fcm.googleapis.com"
MOST = 4_096  # octets of data and notification
_LONGEST_TTL = 2_419_200  # four weeks
_ANSWER = 65_536  # octets
_RESERVED = ("google", "gcm.")  # what names of data must not begin with
_RESERVED_NAMES = frozenset(("from", "message_type", "collapse_key"))

#: By ``errorCode`` of google.firebase.fcm.v1.FcmError.
_BY_CODE: Mapping[str, tuple[VerdictKind, str]] = {
    "UNREGISTERED": ("gone", "the app was removed, or has another token now"),
    "SENDER_ID_MISMATCH": ("gone", "the token belongs to another Firebase project"),
    "QUOTA_EXCEEDED": ("throttled", "Google says that it is too much"),
    "UNAVAILABLE": ("temporary", "Google's server is overloaded"),
    "INTERNAL": ("temporary", "Google's server has failed"),
    "THIRD_PARTY_AUTH_ERROR": ("refused", "the Firebase project lacks the keys for APNs or Web Push that it needs"),
    "INVALID_ARGUMENT": ("refused", "Google finds a mistake in the message"),
    "UNSPECIFIED_ERROR": ("temporary", "Google doesn't say what is wrong"),
}
#: By ``status`` of google.rpc.Code, if there is no such code.
_BY_STATUS: Mapping[str, tuple[VerdictKind, str]] = {
    "UNAUTHENTICATED": ("credentials", "Google does not accept the access token"),
    "PERMISSION_DENIED": ("credentials", "the service account may not send for the project"),
    "NOT_FOUND": ("credentials", "there is no such Firebase project"),
    "RESOURCE_EXHAUSTED": _BY_CODE["QUOTA_EXCEEDED"],
    "UNAVAILABLE": _BY_CODE["UNAVAILABLE"],
    "INTERNAL": _BY_CODE["INTERNAL"],
    "UNKNOWN": _BY_CODE["INTERNAL"],
    "ABORTED": _BY_CODE["INTERNAL"],
    "CANCELLED": _BY_CODE["INTERNAL"],
    "DEADLINE_EXCEEDED": ("temporary", "Google's server took too long"),
    "INVALID_ARGUMENT": _BY_CODE["INVALID_ARGUMENT"],
    "FAILED_PRECONDITION": ("credentials", "the Firebase project is not set up for messaging"),
}
#: By the status of the answer, if there is nothing in it: a proxy may have answered.
_BY_HTTP: Mapping[int, tuple[VerdictKind, str]] = {
    401: _BY_STATUS["UNAUTHENTICATED"],
    403: _BY_STATUS["PERMISSION_DENIED"],
    404: _BY_STATUS["NOT_FOUND"],
    408: ("temporary", "Google's server gave up waiting"),
    413: ("too large", "the message is too large for Google"),
    429: _BY_CODE["QUOTA_EXCEEDED"],
}


class FcmRoad:
    """Sends to one app's devices. Implements :class:`~xmppd.plugins.push_service.roads.contract.Road`.

    :param service_account: the JSON file of a service account of the Firebase project.
    :param url: of Google's server, or what stands in for it.
    :param token_url: where access tokens come from; "": where the account says.
    :param seconds: that it may take to answer.
    :raises CredentialsError: the file is none.
    """

    name = "fcm"

    def __init__(
        self, network: INetwork, clock: IClock, service_account: str, url: str = URL, token_url: str = "",
        seconds: float = 30.0,
    ) -> None:  # fmt: skip
        self._network, self._clock = network, clock
        self._account = account = read_account(service_account)
        self._url = f"{url or URL}/v1/projects/{account.project}/messages:send"
        self._tokens = AccessTokens(network, clock, account, token_url, seconds)
        self._seconds = seconds

    async def send(self, parcel: Parcel) -> Verdict:
        """See Road."""
        if not parcel.target.get("token"):
            return verdict("refused", "there is no token to send to")
        size = measure(parcel)
        if size > MOST:
            return verdict("too large", f"the message has {size} octets, {MOST} fit")
        body = json.dumps({"message": message_of(parcel)}, ensure_ascii=False).encode()
        try:
            answer = await self._post(body)
            if answer.status == 401 and not _error_code(answer.body):
                self._tokens.forget()  # it was revoked, perhaps
                answer = await self._post(body)
        except Refused as error:
            return error.verdict
        except NoConnection as error:
            return unreachable(error)
        return verdict_of(answer.status, answer.headers, answer.body, self._clock.seconds())

    async def _post(self, body: bytes) -> Response:
        token = await self._tokens.get()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json; charset=UTF-8"}
        http2 = self._url.startswith("https:")  # a relay may stand on this machine
        return await self._network.fetch(
            "POST", self._url, headers, body, timeout=self._seconds, octets=_ANSWER, http2=http2
        )

    def check(self) -> Status:
        """See Road."""
        return Status(f"Firebase project {self._account.project}, as {self._account.email}")

    async def close(self) -> None:
        """See Road: the network keeps the connection."""


def message_of(parcel: Parcel) -> dict[str, Any]:
    """Return the resource Message that is sent."""
    android: dict[str, Any] = {
        "priority": "HIGH" if parcel.urgency == "high" or parcel.kind == "call" else "NORMAL",
        "ttl": f"{min(max(0, parcel.ttl), _LONGEST_TTL)}s",
    }
    if parcel.topic:
        android["collapse_key"] = parcel.topic
    message = {"token": parcel.target["token"], "data": _data(parcel), "android": android}
    shown = _notification(parcel)
    if shown:
        message["notification"] = shown
    return message


def _data(parcel: Parcel) -> dict[str, str]:
    """Return what the app gets: names and texts, that is all there can be."""
    if isinstance(parcel.payload, bytes):
        return {"payload": b64encode(parcel.payload).decode("ascii")}
    return {_name(name): _text(value) for name, value in parcel.payload.items()}


def _name(name: str) -> str:
    return f"x-{name}" if name in _RESERVED_NAMES or name.startswith(_RESERVED) else name


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _notification(parcel: Parcel) -> dict[str, str]:
    if isinstance(parcel.payload, bytes) or parcel.kind != "alert" or not parcel.payload.get("title"):
        return {}
    return {name: str(parcel.payload[name]) for name in ("title", "body") if parcel.payload.get(name)}


def measure(parcel: Parcel) -> int:
    """Return how many octets count, of :data:`MOST`."""
    texts = [*_data(parcel).items(), *_notification(parcel).items()]
    return sum(len(name.encode()) + len(text.encode()) for name, text in texts)


def verdict_of(status: int, headers: Headers, body: bytes, now: float) -> Verdict:
    """Return what Google's answer means.

    :param now: in seconds since the epoch.
    """
    found = json_of(body)
    if status == 200:
        return Verdict("accepted", "taken", id=str(found.get("name", "")))
    error = _error(body)
    code = _error_code(body)
    meaning = _BY_CODE.get(code) or _BY_STATUS.get(str(error.get("status"))) or _BY_HTTP.get(status)
    if meaning is None:
        trouble: tuple[VerdictKind, str] = ("temporary", f"Google's server has trouble ({status})")
        meaning = trouble if status >= 500 else ("refused", f"Google's server answered {status}")
    said = str(error.get("message", ""))
    if meaning[0] == "refused":
        meaning = _mistake(error, said) or meaning
    wait = retry_after(headers, now) if meaning[0] in ("temporary", "throttled") else None
    return verdict(*meaning, said, wait)


def _error(body: bytes) -> Mapping[str, Any]:
    error = json_of(body).get("error")
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _error_code(body: bytes) -> str:
    return next((str(d["errorCode"]) for d in _details(_error(body)) if "errorCode" in d), "")


def _mistake(error: Mapping[str, Any], said: str) -> tuple[VerdictKind, str] | None:
    """Google calls both a token that is none and a message that is too large an invalid argument."""
    violations = [v for detail in _details(error) for v in detail.get("fieldViolations", ()) if isinstance(v, dict)]
    if any(violation.get("field") == "message.token" for violation in violations) or "registration token" in said:
        return "gone", "the token is none, says Google"
    if "too big" in said or "too large" in said:
        return "too large", "the message is too large for Google"
    return None
