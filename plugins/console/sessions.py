"""Sessions of the console: a cookie with a random id, of which the database has a hash only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from xmppd.api import IAccounts, IClock, Jid
from xmppd.api.http import Request
from xmppd.plugins.console.store import Session, Store

__all__ = ["Sessions", "cookie_of", "hashed", "new_cookie", "set_cookie"]

_OCTETS = 32
_LONGEST = 200  # characters of what a browser calls itself
_SEEN_EVERY = 60.0  # seconds between two notes that a session is in use


def hashed(cookie: str) -> str:
    """Return the id that a session is known by."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def _name(secure: bool) -> str:
    """With that prefix browsers see to it that nobody else has set the cookie (RFC 6265bis section 4.1.3)."""
    return "__Host-console" if secure else "console"


def cookie_of(request: Request) -> str:
    """Return what the browser has as the cookie, or ""."""
    wanted = _name(request.secure)
    for part in request.headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return value
    return ""


def set_cookie(value: str, secure: bool) -> str:
    """Return the field that has a browser keep a cookie until it is closed; "" has it forget the one it has."""
    attributes = ["Path=/", "HttpOnly", "SameSite=Strict"]
    if secure:
        attributes.append("Secure")
    if not value:
        attributes.append("Max-Age=0")
    return "; ".join((f"{_name(secure)}={value}", *attributes))


def new_cookie() -> str:
    """Return a value nobody can guess."""
    return secrets.token_urlsafe(_OCTETS)


class Sessions:
    """Those of one host.

    :param idle: tells after how many seconds without a request a session ends.
    :param longest: tells after how many it ends anyway.
    """

    def __init__(
        self,
        store: Store,
        accounts: IAccounts,
        clock: IClock,
        idle: Callable[[], float],
        longest: Callable[[], float],
    ) -> None:
        self._store, self._accounts, self._clock, self._idle, self._longest = store, accounts, clock, idle, longest

    async def begin(self, account: Jid, request: Request) -> str:
        """Begin a session, and return its cookie: another one than the browser has had."""
        cookie, now = new_cookie(), self._clock.seconds()
        browser = request.headers.get("user-agent", "")[:_LONGEST]
        password = await self._password(account)
        await self._store.begin(Session(hashed(cookie), "", str(account), now, now, request.peer, browser, password))
        return cookie

    async def _password(self, account: Jid) -> str:
        """What changes with an account's password, and tells nothing of it: the hash of a salt; "" of no account."""
        keys = await self._accounts.keys(account, "SHA-256")
        return "" if keys is None else hashlib.sha256(keys.salt).hexdigest()

    async def _holds(self, session: Session, now: float) -> bool:
        if now - session.began_at >= self._longest() or now - session.seen_at >= self._idle():
            return False
        account = await self._accounts.get(Jid.parse(session.account))
        if account is None or account.locked is not None:
            return False
        return await self._password(account.jid) == session.password

    async def current(self, cookie: str, polled: bool = False) -> Session | None:
        """Return the session of a cookie, if it has not ended: with time, the account's lock, or another password.

        :param polled: the request is a page's own, and nobody has touched anything.
        """
        session = await self._store.session(hashed(cookie)) if cookie else None
        if session is None:
            return None
        now = self._clock.seconds()
        if not await self._holds(session, now):
            await self._store.end(session.id)
            return None
        if not polled and now - session.seen_at >= _SEEN_EVERY:
            await self._store.seen(session.id, now)
        return session

    async def end_old(self) -> None:
        """Forget those that have ended."""
        now = self._clock.seconds()
        await self._store.end_old(now - self._longest(), now - self._idle())
