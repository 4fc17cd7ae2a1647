"""What people do with their own access to the console, whatever their role is: password, second factor, language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xmppd.api import Jid
from xmppd.plugins.console import totp
from xmppd.plugins.console.store import Person, Session
from xmppd.wire.sasl import PasswordError

if TYPE_CHECKING:
    from xmppd.plugins.console import Console

__all__ = ["Own", "PasswordError"]


class Own:
    """Somebody's own access. What is changed is in the audit trail."""

    def __init__(self, console: Console, account: Jid, session: Session) -> None:
        self._console, self._account, self._session = console, account, session

    @property
    def session(self) -> str:
        """The id of the session that asks."""
        return self._session.id

    @property
    def password_min_length(self) -> int:
        """How many characters a password has at least."""
        return int(self._console.options.password_min_length)

    async def person(self) -> Person:
        """Return what is kept of them."""
        return await self._console.store.person(str(self._account))

    async def sessions(self) -> Sequence[Session]:
        """Return their sessions in the console, the latest first."""
        return await self._console.store.sessions(str(self._account))

    async def end_others(self) -> int:
        """End all but the one that asks; how many were there?"""
        ended = await self._console.store.end_all(str(self._account), but=self.session)
        self._note("console logout others", f"done: {ended}")
        return ended

    async def set_language(self, language: str) -> None:
        """Keep the language they want."""
        await self._console.store.set_language(str(self._account), language)

    async def proves(self, password: str) -> bool:
        """Is it their password? Those who are wrong too often are not told, and wait as at the door."""
        guesses, peer = self._console.host.guesses, self._session.peer
        if guesses.stopped(peer, self._account):
            return False
        right = bool(password) and await self._console.host.accounts.check_password(self._account, password)
        if not right:
            guesses.failed(peer, self._account)
        return right

    async def set_password(self, password: str) -> None:
        """Change their password. All their sessions in the console end, this one too.

        :raises PasswordError: that can't be one.
        """
        await self._console.host.accounts.set_password(self._account, password)
        await self._console.store.end_all(str(self._account))
        self._note("console password")

    async def turn_on(self, secret: str, code: str) -> list[str]:
        """Ask for a second factor from now on.

        :param code: shows that their app has the secret.
        :returns: recovery codes, to be shown once; empty if the code is wrong.
        """
        step = totp.step_of(secret, code, self._console.clock.seconds())
        if step is None:
            return []
        codes = totp.new_codes()
        hashes = [totp.hashed(code) for code in codes]
        await self._console.store.set_second_factor(str(self._account), secret, step, hashes)
        await self._console.store.end_all(str(self._account), but=self.session)
        self._note("console totp on")
        return codes

    async def turn_off(self) -> None:
        """Ask for the password alone."""
        person = await self.person()
        await self._console.store.set_second_factor(str(self._account), "", person.step, ())
        self._note("console totp off")

    def _note(self, what: str, outcome: str = "done") -> None:
        arguments = {"account": str(self._account)}
        self._console.host.operations.note(what, arguments, f"{self._account} (console)", outcome)
