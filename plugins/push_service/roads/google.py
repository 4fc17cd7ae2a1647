"""Access to Google's servers with a service account: a signed token is exchanged for one of Google's (RFC 7523)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from joserfc.jwk import RSAKey
from twisted.internet.defer import Deferred

from xmppd.api.http import Response
from xmppd.api.interfaces import IClock
from xmppd.api.network import INetwork, NoConnection
from xmppd.plugins.push_service.roads.answers import json_of, retry_after, verdict
from xmppd.plugins.push_service.roads.contract import CredentialsError, Verdict
from xmppd.plugins.push_service.roads.tokens import load_rsa, signed

__all__ = ["AccessTokens", "Refused", "ServiceAccount", "read_account"]

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION = 3_600  # seconds that ours is good for: the most Google takes
_MARGIN = 300.0  # seconds before its end that a token is no longer used
_SHORTEST = 10.0  # seconds that a token is used, whatever is said of it
_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of a Firebase project.

    :ivar token_url: where its access tokens come from.
    """

    project: str
    email: str
    key_id: str
    key: RSAKey
    token_url: str


def read_account(text: str) -> ServiceAccount:
    """Read the JSON file that the Firebase console makes for a service account.

    :raises CredentialsError: it is something else.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise CredentialsError("the service account's file is no JSON") from None
    if not isinstance(found, dict) or found.get("type") != "service_account":
        raise CredentialsError(
            'the file is not that of a service account: "type" has to be "service_account"'
            " (Firebase console, project settings, service accounts, generate new private key)"
        )
    names = ("project_id", "client_email", "private_key_id", "private_key", "token_uri")
    missing = [name for name in names if not isinstance(found.get(name), str) or not found[name]]
    if missing:
        raise CredentialsError(f"the service account's file lacks {', '.join(missing)}")
    project, email, key_id, pem, token_url = (found[name] for name in names)
    return ServiceAccount(project, email, key_id, load_rsa(pem, "private_key of the service account"), token_url)


class Refused(Exception):
    """There is no access token.

    :ivar verdict: what that means for a parcel.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.text)
        self.verdict = verdict


class AccessTokens:
    """The access token that is good now; it is fetched once, however many want it.

    :param url: where from; "": as the account says.
    :param seconds: that the server may take to answer.
    """

    def __init__(self, network: INetwork, clock: IClock, account: ServiceAccount, url: str, seconds: float) -> None:
        self._network, self._clock = network, clock
        self._account = account
        self._url = url or account.token_url
        self._seconds = seconds
        self._token = ""
        self._until = 0.0
        self._waiting: list[Deferred[str]] | None = None  # while one is fetched

    def forget(self) -> None:
        """The token was refused."""
        self._token = ""

    async def get(self) -> str:
        """Return a token.

        :raises Refused: Google gives none.
        :raises NoConnection: Google can't be reached.
        """
        if self._waiting is not None:
            coming: Deferred[str] = Deferred()
            self._waiting.append(coming)
            return await coming
        if self._token and self._clock.seconds() < self._until:
            return self._token
        self._waiting = []
        try:
            token = await self._fetch()
        except BaseException as error:
            for waiting in self._done():
                waiting.errback(_again(error))
            raise
        for waiting in self._done():
            waiting.callback(token)
        return token

    def _done(self) -> list[Deferred[str]]:
        waiting, self._waiting = self._waiting or [], None
        return waiting

    async def _fetch(self) -> str:
        now = self._clock.seconds()
        claims: dict[str, Any] = {
            "iss": self._account.email, "scope": _SCOPE, "aud": self._account.token_url, "iat": int(now),
            "exp": int(now) + _ASSERTION,
        }  # fmt: skip
        form = urlencode({"grant_type": _GRANT, "assertion": signed(self._account.key, claims, self._account.key_id)})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._network.fetch("POST", self._url, headers, form.encode(), timeout=self._seconds)
        found = json_of(answer.body)
        token, lives = found.get("access_token"), found.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not token:
            raise Refused(_refusal(answer, now))
        self._until = now + max(_SHORTEST, (lives if isinstance(lives, int | float) else _HOUR) - _MARGIN)
        self._token = token
        return token


def _again(error: BaseException) -> Exception:
    """Return the same for somebody else: an exception gathers the tracebacks of all who raise it."""
    return Refused(error.verdict) if isinstance(error, Refused) else NoConnection(str(error))


def _refusal(answer: Response, now: float) -> Verdict:
    """Return what it means that there is no token (RFC 6749 section 5.2)."""
    found = json_of(answer.body)
    said = found.get("error_description") or found.get("error") or ""
    wait = retry_after(answer.headers, now)
    if answer.status == 429:
        return verdict("throttled", "Google gives out no more access tokens now", said, wait)
    if answer.status >= 500 or answer.status == 408:
        return verdict("temporary", f"Google gives out no access tokens now ({answer.status})", said, wait)
    meanings = {
        "invalid_grant": "Google does not accept the service account's key: it was deleted, or our clock is wrong",
        "invalid_client": "Google does not know the service account",
        "unauthorized_client": "the service account may not have access tokens",
        "invalid_scope": "the service account may not send messages",
    }
    return verdict(
        "credentials", meanings.get(str(found.get("error")), f"Google gives no token ({answer.status})"), said
    )
