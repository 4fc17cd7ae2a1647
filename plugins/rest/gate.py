"""Who may come in: only where nobody listens, only with a token that counts, and not too often (RFC 6750)."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmppd.api.http import Request
from xmppd.api.limits import TokenBucket, Window, network_of
from xmppd.api.operations import Operation, Permission
from xmppd.api.scopes import permits
from xmppd.plugins.rest.problems import Problem
from xmppd.plugins.rest.tokens import Token, bearer

if TYPE_CHECKING:
    from xmppd.plugins.rest.options import RestOptions

__all__ = ["Caller", "Gate", "is_loopback"]

_REMEMBERED = 1_000  # tokens


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    :ivar text: the token itself.
    """

    text: str
    token: Token

    @property
    def name(self) -> str:
        """What the audit log calls it."""
        return f"token {self.token.label}"

    @property
    def granted(self) -> Permission:
        """What it may do, within its scopes."""
        return Permission.ADMIN if self.token.host else Permission.OPERATOR

    def check(self, operation: Operation) -> None:
        """Make sure that it may run an operation.

        :raises Problem: it may not (403).
        """
        if not permits(self.token.scopes, operation):
            raise Problem(403, "insufficient-scope", f"This token may not run {operation.name!r}.",
                          {"WWW-Authenticate": 'Bearer realm="xmppd", error="insufficient_scope"'})  # fmt: skip
        if self.granted is not Permission.OPERATOR and operation.permission is Permission.OPERATOR:
            raise Problem(403, "forbidden", f"{operation.name!r} is for tokens of the whole server.")


class Gate:
    """Lets callers in.

    :param look_up: finds a token.
    :param seconds: the time, since the epoch.
    """

    def __init__(
        self, options: RestOptions, look_up: Callable[[str], Awaitable[Token | None]], seconds: Callable[[], float]
    ) -> None:
        self._options = options
        self._look_up = look_up
        self._seconds = seconds
        self._failures = Window(options.failures_per_address, options.failure_seconds)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    async def enter(self, request: Request) -> Caller:
        """Return who asks.

        :raises Problem: they may not come in: 401, 403 or 429.
        """
        if not (request.secure or is_loopback(request.peer) or self._options.without_tls):
            raise Problem(403, "not-secure", "Tokens may be sent by HTTPS only. Delete the one that you have sent.")
        now, address = self._seconds(), network_of(request.peer)
        if self._failures.full(address, now):
            raise Problem(429, "too-many-failures", "There were too many requests without a valid token.",
                          {"Retry-After": str(math.ceil(self._options.failure_seconds))})  # fmt: skip
        text = bearer(request.headers.get("authorization", ""))
        token = None if text is None else await self._look_up(text)
        if text is None or token is None or (token.expires_at is not None and token.expires_at <= now):
            self._failures.add(address, now)
            raise _not_authorized(request, token)
        self._pace(token)
        return Caller(text, token)

    def _pace(self, token: Token) -> None:
        bucket = self._buckets.get(token.id)
        if bucket is None:
            options = self._options
            bucket = TokenBucket(options.requests_per_second, options.requests_at_once, self._seconds)
            self._buckets[token.id] = bucket
            if len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        wait = bucket.take(1.0)
        if wait:
            bucket.take(-1.0)  # what was refused doesn't count
            raise Problem(429, "too-many-requests", "This token is used too often.",
                          {"Retry-After": str(max(1, math.ceil(wait)))})  # fmt: skip


def _not_authorized(request: Request, token: Token | None) -> Problem:
    if "authorization" not in request.headers:  # RFC 6750 section 3.1: then no reason is given
        return Problem(401, "no-token", "A token is needed: Authorization: Bearer xmppd_...",
                       {"WWW-Authenticate": 'Bearer realm="xmppd"'})  # fmt: skip
    code, why = ("unknown-token", "no token of this server, or one that was deleted")
    if token is not None:
        code, why = ("expired-token", "a token that has expired")
    challenge = f'Bearer realm="xmppd", error="invalid_token", error_description="It is {why}."'
    return Problem(401, code, f"What was sent is {why}.", {"WWW-Authenticate": challenge})


def is_loopback(peer: str) -> bool:
    """Did a request come from this machine?"""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
