"""SASL on a client's stream: what is offered, whose keys are looked up, how often one may fail.

RFC 6120 section 6, and XEP-0388 (SASL2), which differ in their XML and in what follows success.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api.storage import StorageUnavailable
from xmppd.wire import ns, sasl
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import Challenge, Derive, Exchange, Failure, Identity, LookUp, Outcome, SaslCondition, Success
from xmppd.wire.sasl.profiles import Profile
from xmppd.wire.stanza import Nonza

if TYPE_CHECKING:
    from xmppd.net.c2s.stream import ClientStream

__all__ = ["Login"]

_log = Logger()
_TOO_MANY = "too many failures; try again later"


class Login:
    """The attempts of one stream to authenticate.

    :param claimed: the bare address that the client's stream header says it is from, if it does.
    :ivar guest: was it let in without an account (XEP-0175)?
    :ivar refused: has an attempt failed?
    """

    def __init__(self, of: ClientStream, claimed: Jid | None = None) -> None:
        self._stream = of
        self._claimed = claimed
        self.guest = self.refused = False
        self._tried: Jid | None = None  # whose password the attempt under way is about
        self._listener = of.listener
        host, settings = of.host, of.listener.server.settings
        assert host is not None
        self._domain = host.jid
        allowed = settings.mechanisms(host.jid.domain)
        tls = of.tls
        bindings = tls.channel_bindings if tls is not None else {}
        certificate = tuple(
            address
            for address in (tls.addresses if tls is not None else ())
            if address.domain == host.jid.domain and address.local and address.is_bare
        )
        offered = sasl.offered(
            allowed,
            secure=of.secured,
            bindings=bindings,
            certificate=bool(certificate),
            anonymous="ANONYMOUS" in allowed,
            plain_without_tls=settings.server.plain_without_tls and of.peer in of.listener.loopback,
        )
        accounts = of.listener.accounts
        self._bindings = bindings
        self._exchange = Exchange(
            sasl.Context(
                domain=str(host.jid),
                secret=of.listener.secret,
                iterations=accounts.iterations,
                offered=offered,
                secure=of.secured,
                bindings=bindings,
                certificate=certificate,
            )
        )

    def features(self, inline: Iterable[bytes]) -> list[bytes]:
        """The stream features of SASL (RFC 6120 6.4.1), of SASL2 (XEP-0388 2.1) and of channel binding (XEP-0440).

        :param inline: what can be asked for together with SASL2.
        """
        offered = self._exchange.context.offered
        found = [sasl.mechanisms_feature(offered)]
        if self._stream.confidential:  # "MUST only be offered after TLS negotiation", or what the settings take for it
            found.append(sasl.authentication_feature(offered, inline))
        if any(name.endswith("-PLUS") for name in offered):
            found.append(sasl.channel_binding_feature(self._bindings))
        return [feature for feature in found if feature]

    async def receive(self, nonza: Nonza) -> Outcome:
        """Take an element of one of the SASL namespaces and answer it, but for success.

        :returns: the outcome; success when the client has proven who it is, and is to be told so.
        :raises StreamError: policy-violation after too many failures (RFC 6120 6.4.5).
        """
        exchange, profile = self._exchange, sasl.PROFILES[nonza.namespace]
        if self._blocked():
            outcome: Outcome = exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE, _TOO_MANY)
        else:
            if nonza.name == profile.begins:
                self._tried = None
            outcome = await self._settle(exchange.receive(nonza))
            if _tells(outcome) and (self._blocked() or self._guessed_at(self._tried)):
                # Others failed while this one was under way: what they may not try, they may not try at once either.
                outcome = Failure(SaslCondition.TEMPORARY_AUTH_FAILURE, _TOO_MANY)
        if isinstance(outcome, Success):
            outcome = await self._admit(outcome, nonza.namespace)
        if isinstance(outcome, Failure):
            await self._refuse(outcome, profile)
        elif isinstance(outcome, Success):
            self._succeeded(outcome.identity)
        else:
            assert isinstance(outcome, Challenge)
            self._stream.write(profile.challenge(outcome))
        return outcome

    async def refuse(self, nonza: Nonza, failure: Failure) -> Outcome:
        """End an attempt in failure whatever it might have come to.

        :raises StreamError: see :meth:`receive`.
        """
        self._exchange.fail(failure.condition, failure.text)
        await self._refuse(failure, sasl.PROFILES[nonza.namespace])
        return failure

    async def failed_otherwise(self, account: Jid) -> bool:
        """Note that an attempt in another way than SASL's has failed; say whether that is too many."""
        self._exchange.fail(SaslCondition.NOT_AUTHORIZED)
        await self._failed(Failure(SaslCondition.NOT_AUTHORIZED, account=account))
        return self._exchange.exhausted

    async def _refuse(self, failure: Failure, profile: Profile) -> None:
        await self._failed(failure)
        self._stream.write(profile.failure(failure))
        self.refused = True
        if self._exchange.exhausted:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to log in")

    def _succeeded(self, identity: Identity) -> None:
        of, listener = self._stream, self._listener
        listener.login_results["success"] += 1
        listener.server.guesses.succeeded(of.peer, identity.account)
        _log.debug(
            "{account} logged in from {peer} with {mechanism}",
            account=identity.account, peer=of.peer, mechanism=identity.mechanism,
        )  # fmt: skip

    async def _settle(self, outcome: Outcome) -> Outcome:
        """Give the mechanism what it asks for until it has something to say."""
        accounts, exchange = self._listener.accounts, self._exchange
        asked, found = self._domain, None
        try:
            while True:
                if isinstance(outcome, LookUp):
                    if self._guessed_at(outcome.account):
                        return exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE, _TOO_MANY)
                    asked = self._tried = outcome.account
                    found = await accounts.keys(outcome.account, outcome.hash)
                    outcome = exchange.credentials(found)
                elif isinstance(outcome, Derive):
                    outcome = exchange.derived(await accounts.derive(asked, found, outcome))
                else:
                    return outcome
        except StorageUnavailable as error:
            _log.warn("nobody can log in: {reason}", reason=str(error))
            return exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE)

    async def _admit(self, success: Success, namespace: str) -> Success | Failure:
        """The identity is proven; may it come in?"""
        identity: Identity = success.identity
        if namespace == ns.SASL2 and identity.named and self._claimed not in (None, identity.account):
            # XEP-0388 2.3: what the header said, and the authorization string, have to be the same.
            return self._exchange.fail(SaslCondition.INVALID_AUTHZID, "the stream header is from somebody else")
        self.guest = identity.anonymous
        if self.guest:
            return success
        try:
            account = await self._listener.accounts.get(identity.account)
        except StorageUnavailable:
            return self._exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE)
        if account is None:  # a certificate for an account that does not exist
            return self._exchange.fail(SaslCondition.NOT_AUTHORIZED)
        if account.locked is not None:
            return self._exchange.fail(SaslCondition.ACCOUNT_DISABLED, account.locked or None)
        return success

    def _guessed_at(self, account: Jid | None) -> bool:
        """Must nobody try this account for a while?"""
        return account is not None and self._listener.server.guesses.stopped(self._stream.peer, account)

    def _blocked(self) -> bool:
        """Must nobody try from this address?"""
        return self._listener.server.guesses.stopped(self._stream.peer)

    async def _failed(self, failure: Failure) -> None:
        """Note it, tell the log, and make the client wait."""
        of, listener = self._stream, self._listener
        _log.info(
            "failed login to {account} from {peer}: {condition}",
            account=failure.account or self._domain, peer=of.peer, condition=str(failure.condition),
        )  # fmt: skip
        listener.login_results[str(failure.condition)] += 1
        if failure.condition is not SaslCondition.NOT_AUTHORIZED:
            return
        listener.server.guesses.failed(of.peer, failure.account)
        if listener.limits.failed_login_delay_seconds:
            waited: Deferred[None] = Deferred()
            listener.clock.callLater(listener.limits.failed_login_delay_seconds, waited.callback, None)
            await waited


def _tells(outcome: Outcome) -> bool:
    """Would the client learn from this whether its password was right?"""
    return isinstance(outcome, Success) or (
        isinstance(outcome, Failure) and outcome.condition is SaslCondition.NOT_AUTHORIZED
    )
