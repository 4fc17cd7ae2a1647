"""Firebase Cloud Messaging's HTTP v1 API, and Google's token endpoint (RFC 7523) beside it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from xmppd.api.http import Headers, Request, Response
from xmppd.testing.vendors.vendor import Gone, Pushed, Rejected, Vendor, claims_of

__all__ = ["Fcm"]

ORIGIN = "https://fcm.googleapis.com"
TOKENS = "https://oauth2.googleapis.com/token"
_HOUR = 3_600
_MOST = 4_096
_FOUR_WEEKS = 2_419_200
_TTL = re.compile(r"([0-9]+)(?:\.[0-9]+)?s")
_RESERVED = re.compile(r"(?:google|gcm\.).*|from|message_type|collapse_key")
_FIELDS = {"token", "data", "android", "notification", "apns", "webpush", "fcm_options"}
_ANDROID = {"priority", "ttl", "collapse_key", "notification", "data", "restricted_package_name", "direct_boot_ok"}
#: By ``errorCode``: the status of the answer, google.rpc.Code's name, and what Google says.
ERRORS: Mapping[str, tuple[int, str, str]] = {
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for the device."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service"),
    "UNSPECIFIED_ERROR": (500, "UNKNOWN", "Unknown error."),
}
#: Errors that are none of messaging, and so have no ``errorCode``.
_GENERAL: Mapping[str, tuple[int, str, str]] = {
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "PERMISSION_DENIED": (403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied."),
    "NOT_FOUND": (404, "NOT_FOUND", "Requested entity was not found."),
    "RESOURCE_EXHAUSTED": (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
    "DEADLINE_EXCEEDED": (504, "DEADLINE_EXCEEDED", "Deadline exceeded."),
}


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


class Fcm(Vendor):
    """Google's servers, with one Firebase project.

    :ivar origin, token_url: where they are.
    :ivar devices: tokens that are registered. `strangers` are those of another project.
    :ivar grants: how many access tokens were given out.
    """

    def __init__(self, now: Callable[[], float], origin: str = ORIGIN, token_url: str = TOKENS) -> None:
        super().__init__(now)
        self.origin, self.token_url = origin, token_url
        self.project = "chat-1234"
        self.email = f"sender@{self.project}.iam.gserviceaccount.com"
        self.key_id = "0123456789abcdef"
        self.devices: set[str] = set()
        self.strangers: set[str] = set()
        self.grants = 0
        self.token_error = ""
        self._access: dict[str, float] = {}

    @property
    def service_account(self) -> str:
        """The JSON file that the Firebase console would make."""
        pem = _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
        found = {
            "type": "service_account", "project_id": self.project, "private_key_id": self.key_id, "private_key": pem,
            "client_email": self.email, "client_id": "1", "token_uri": self.token_url,
        }  # fmt: skip
        return json.dumps(found)

    def register(self) -> str:
        """Return the token of a new device."""
        token = f"{secrets.token_urlsafe(16)}:APA91b{secrets.token_urlsafe(96)}"
        self.devices.add(token)
        return token

    def revoke(self) -> None:
        """Have all access tokens end now."""
        self._access.clear()

    def check(self, request: Request) -> Pushed | Response:
        """See Vendor."""
        if request.path == self.token_url:
            return self._grant(request)
        if request.path != f"{self.origin}/v1/projects/{self.project}/messages:send" or request.method != "POST":
            raise Rejected("NOT_FOUND", f"{request.method} {urlsplit(request.path).path}")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self._access.get(token, 0) <= self.now():
            raise Rejected("UNAUTHENTICATED", "the access token is none, or has ended")
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise Rejected("INVALID_ARGUMENT", "the type of the body has to be application/json")
        message = _message(request)
        device = message["token"]
        if device in self.strangers:
            raise Gone("SENDER_ID_MISMATCH")
        if device not in self.devices:
            raise Gone("UNREGISTERED", "there is no such device")
        return Pushed(device, message)

    def accepted(self, request: Request, pushed: Pushed) -> Response:
        """See Vendor."""
        return Response.json({"name": f"projects/{self.project}/messages/{len(self.pushed)}"})

    def refusal(self, error: str, text: str, headers: Mapping[str, str]) -> Response:
        """See Vendor."""
        status, name, words = ERRORS.get(error) or _GENERAL[error]
        found: dict[str, Any] = {"code": status, "message": f"{words} {text}".strip(), "status": name}
        if error in ERRORS:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            found["details"] = [{"@type": kind, "errorCode": error}]
        made = Response.json({"error": found}, status)
        return Response(made.status, made.body, made.type, Headers(headers))

    # Access tokens

    def _grant(self, request: Request) -> Response:
        if self.token_error:
            return Response.json({"error": self.token_error, "error_description": "as the test wants it"}, 400)
        try:
            self._check_assertion(dict(parse_qsl(request.body.decode("ascii"))))
        except ValueError as error:
            self.mistakes.append(str(error))
            return Response.json({"error": "invalid_grant", "error_description": str(error)}, 400)
        self.grants += 1
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._access[token] = self.now() + _HOUR
        return Response.json({"access_token": token, "expires_in": _HOUR - 1, "token_type": "Bearer"})

    def _check_assertion(self, form: Mapping[str, str]) -> None:
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            raise ValueError(f"grant_type is {form.get('grant_type')!r}")
        key = RSAKey.import_key(_key().public_key())
        header, claims = claims_of(form.get("assertion", ""), key, "RS256")
        if header.get("kid") != self.key_id:
            raise ValueError(f"kid is {header.get('kid')!r}")
        if (claims.get("iss"), claims.get("aud")) != (self.email, self.token_url):
            raise ValueError(f"iss and aud are {claims.get('iss')!r} and {claims.get('aud')!r}")
        if "https://www.googleapis.com/auth/firebase.messaging" not in str(claims.get("scope")).split():
            raise ValueError(f"scope is {claims.get('scope')!r}")
        begins, ends = claims.get("iat", 0), claims.get("exp", 0)
        if not begins - 60 <= self.now() < ends <= begins + _HOUR:
            raise ValueError(f"iat and exp are {begins} and {ends}, and now is {self.now()}")


def _message(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
        message = body["message"]
        _check(set(body) <= {"message", "validate_only"}, "the body")
        _check(isinstance(message["token"], str) and message["token"] != "", "token")
        _check(set(message) <= _FIELDS, f"the fields {set(message)}")
        _check_texts(message.get("data", {}), message.get("notification", {}))
        _check_android(message.get("android", {}))
    except (ValueError, KeyError, TypeError) as error:
        raise Rejected("INVALID_ARGUMENT", str(error)) from None
    return dict(message)


def _check_texts(data: Mapping[str, Any], notification: Mapping[str, Any]) -> None:
    _check(all(isinstance(value, str) for value in data.values()), "data, whose values have to be texts")
    _check(not any(_RESERVED.fullmatch(name) for name in data), "data, where a name is reserved")
    _check(set(notification) <= {"title", "body", "image"}, "notification")
    texts = [*data.items(), *notification.items()]
    size = sum(len(name.encode()) + len(value.encode()) for name, value in texts)
    _check(size <= _MOST, f"the size: Android message is too big ({size} octets)")


def _check_android(android: Mapping[str, Any]) -> None:
    _check(set(android) <= _ANDROID, f"android, with {set(android)}")
    _check(android.get("priority", "NORMAL") in ("NORMAL", "HIGH"), "priority")
    ttl = _TTL.fullmatch(android.get("ttl", "0s"))
    _check(ttl is not None and int(ttl[1]) <= _FOUR_WEEKS, "ttl")


def _check(good: bool, what: str) -> None:
    if not good:
        raise ValueError(f"there is something wrong with {what}")
