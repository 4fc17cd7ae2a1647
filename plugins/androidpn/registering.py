"""Accounts that androidpn's clients make by themselves (XEP-0077), without ever being told of an error they can't take.

A client that gets an error when it registers, whichever, does nothing more until its app is started anew. So whoever
comes too often, or while the database can't work, waits for the answer; the client waits as long as it takes. And it
registers again, with the same password, when it never saw the answer.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api import Condition, IHost, IStream, Jid, JidError, StanzaError, StorageUnavailable
from xmppd.api.accounts import AccountExists
from xmppd.api.limits import TokenBucket, network_of
from xmppd.api.logins import IPasswordKeeper, LoginRefused, Refusal
from xmppd.plugins.androidpn.options import AndroidpnOptions
from xmppd.wire.sasl import PasswordError

__all__ = ["Registrations"]

#: Seconds until what could not be done is tried again.
_AGAIN = 5.0
#: Seconds that are left to a client, once it has waited, to log in.
_REST = 60.0
#: Seconds after which the server is told again that a client only waits.
_STEP = 60.0
#: Addresses whose pace is remembered.
_ADDRESSES = 20_000

Later = Callable[[float, Callable[[], None]], object]


class Registrations:
    """Makes accounts of one host.

    :param later: calls something after some seconds.
    """

    def __init__(self, host: IHost, options: AndroidpnOptions, keeper: IPasswordKeeper, later: Later) -> None:
        self._host = host
        self._options = options
        self._keeper = keeper
        self._later = later
        self._log = Logger()
        self._names = re.compile(options.usernames)
        rate, seconds = options.registrations_per_second, host.clock.seconds
        self._pace = TokenBucket(rate, max(1.0, rate), seconds)
        self._paces: OrderedDict[str, TokenBucket] = OrderedDict()

    def takes(self, fields: Mapping[str, str]) -> bool:
        """Is that a registration by such a client?"""
        return self._options.registration and self._names.fullmatch(fields.get("username", "").strip()) is not None

    async def register(self, stream: IStream, fields: Mapping[str, str]) -> None:
        """Make an account, or find that it was made before with the same password.

        :raises StanzaError: it was made with another password (conflict), or there can be no such account.
        """
        account, password = self._account(fields["username"].strip()), fields.get("password", "")
        if not password:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text="a password is needed")
        await self._wait(stream, self._pace_of(stream.peer).take(1))
        await self._wait(stream, self._pace.take(1))
        while not stream.closing:
            try:
                await self._make(stream, account, password)
                await self._keeper.keep_password(account, password)
                return
            except StorageUnavailable as error:
                self._log.warn("{account} can't register yet: {reason}", account=account, reason=str(error))
            except LoginRefused as refused:
                self._log.info("{account} can't register yet: {reason}", account=account, reason=str(refused))
            await self._wait(stream, _AGAIN)

    def _account(self, name: str) -> Jid:
        try:
            account = Jid.of(name, self._host.jid.domain)
        except JidError as error:
            raise StanzaError(Condition.JID_MALFORMED, text=str(error)) from None
        if account in self._host.admins:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=f"{name} can't be had")
        return account

    async def _make(self, stream: IStream, account: Jid, password: str) -> None:
        """:raises LoginRefused: it isn't to be tried now. :raises StorageUnavailable: it can't be done now."""
        try:
            if not await self._host.accounts.exists(account):
                await self._host.create_account(account, password)
                self._log.info("{account} was registered from {address}", account=account, address=stream.peer)
                return
        except AccountExists:
            pass
        except PasswordError as error:
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=str(error)) from None
        await self._again(stream, account, password)

    async def _again(self, stream: IStream, account: Jid, password: str) -> None:
        """The account is there. To guess passwords this way is no easier than by logging in."""
        check = partial(self._host.accounts.check_password, account, password)
        try:
            await stream.prove(account, check, "registering again")
        except LoginRefused as refused:
            if refused.refusal is Refusal.WRONG:
                raise StanzaError(Condition.CONFLICT) from None
            if refused.refusal is not Refusal.LOCKED:  # whose it is learns of the lock when logging in
                raise

    def _pace_of(self, peer: str) -> TokenBucket:
        address = network_of(peer)
        pace = self._paces.get(address)
        if pace is None:
            a_minute = self._options.registrations_per_address_per_minute
            pace = self._paces[address] = TokenBucket(a_minute / 60, max(1.0, a_minute), self._host.clock.seconds)
            if len(self._paces) > _ADDRESSES:
                self._paces.popitem(last=False)
        self._paces.move_to_end(address)
        return pace

    async def _wait(self, stream: IStream, seconds: float) -> None:
        while seconds > 0 and not stream.closing:
            step = min(seconds, _STEP)
            seconds -= step
            stream.allow(step + _REST)
            await self._sleep(step)

    async def _sleep(self, seconds: float) -> None:
        waited: Deferred[None] = Deferred()
        self._later(seconds, lambda: waited.callback(None))
        await waited
