"""SASL on a client's stream: what is offered, whose keys are looked up, how often one may fail (RFC 6120 section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from xmppd.api.limits import network_of
from xmppd.api.storage import StorageUnavailable
from xmppd.wire import sasl
from xmppd.wire.errors import StreamCondition, StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.sasl import Derive, Exchange, Failure, Identity, LookUp, Outcome, SaslCondition, Success
from xmppd.wire.stanza import Nonza

if TYPE_CHECKING:
    from xmppd.net.c2s import ClientStream

__all__ = ["Login"]

_log = Logger()
_TOO_MANY = "too many failures; try again later"


class Login:
    """The attempts of one stream to authenticate.

    :ivar guest: was it let in without an account (XEP-0175)?
    """

    def __init__(self, of: ClientStream) -> None:
        self._stream = of
        self.guest = False
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
            secure=tls is not None,
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
                secure=tls is not None,
                bindings=bindings,
                certificate=certificate,
            )
        )

    def features(self) -> list[bytes]:
        """The stream features of SASL (RFC 6120 6.4.1) and of channel binding (XEP-0440)."""
        offered = self._exchange.context.offered
        found = [sasl.mechanisms_feature(offered)]
        if any(name.endswith("-PLUS") for name in offered):
            found.append(sasl.channel_binding_feature(self._bindings))
        return [feature for feature in found if feature]

    async def receive(self, nonza: Nonza) -> Jid | None:
        """Take an element of the SASL namespace and answer it.

        :returns: the account when the client has proven who it is; ``<success/>`` is written then.
        :raises StreamError: policy-violation after too many failures (RFC 6120 6.4.5).
        """
        of, exchange = self._stream, self._exchange
        if self._blocked():
            outcome: Outcome = exchange.fail(SaslCondition.TEMPORARY_AUTH_FAILURE, _TOO_MANY)
        else:
            if nonza.name == "auth":
                self._tried = None
            outcome = await self._settle(exchange.receive(nonza))
            if _tells(outcome) and (self._blocked() or self._guessed_at(self._tried)):
                # Others failed while this one was under way: what they may not try, they may not try at once either.
                outcome = Failure(SaslCondition.TEMPORARY_AUTH_FAILURE, _TOO_MANY)
        if isinstance(outcome, Success):
            outcome = await self._admit(outcome)
        if isinstance(outcome, Failure):
            await self._failed(outcome)
        assert not isinstance(outcome, LookUp | Derive)
        of.write(outcome.to_bytes())
        if exchange.exhausted:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to log in")
        if isinstance(outcome, Success):
            self._listener.login_results["success"] += 1
            self._listener.logins.put((outcome.identity.account, network_of(of.peer)), True)
            _log.debug(
                "{account} logged in from {peer} with {mechanism}",
                account=outcome.identity.account, peer=of.peer, mechanism=outcome.identity.mechanism,
            )  # fmt: skip
            return outcome.identity.account
        return None

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

    async def _admit(self, success: Success) -> Success | Failure:
        """The identity is proven; may it come in?"""
        identity: Identity = success.identity
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
        """Must nobody try this account for a while? Its owner may still, from where the last log-in came from.

        Otherwise anybody could lock anybody out by guessing wrong on purpose.
        """
        listener = self._listener
        if account is None or not listener.account_failures.full(account, listener.clock.seconds()):
            return False
        return listener.logins.get((account, network_of(self._stream.peer))) is None

    def _blocked(self) -> bool:
        of = self._stream
        if of.peer in self._listener.exempt:
            return False
        return self._listener.address_failures.full(network_of(of.peer), self._listener.clock.seconds())

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
        now = listener.clock.seconds()
        listener.address_failures.add(network_of(of.peer), now)
        if failure.account is not None:
            listener.account_failures.add(failure.account, now)
        if listener.limits.failed_login_delay_seconds:
            waited: Deferred[None] = Deferred()
            listener.clock.callLater(listener.limits.failed_login_delay_seconds, waited.callback, None)
            await waited


def _tells(outcome: Outcome) -> bool:
    """Would the client learn from this whether its password was right?"""
    return isinstance(outcome, Success) or (
        isinstance(outcome, Failure) and outcome.condition is SaslCondition.NOT_AUTHORIZED
    )
