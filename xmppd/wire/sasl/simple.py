"""The mechanisms of one message: PLAIN (RFC 4616), EXTERNAL (RFC 4422 appendix A, XEP-0178), ANONYMOUS (XEP-0175)."""

from __future__ import annotations

import uuid

from xmppd.wire.jid import Jid, JidError
from xmppd.wire.sasl.keys import PasswordError, ScramKeys, fake_keys, prepare_password, verify_salted
from xmppd.wire.sasl.outcome import (
    Challenge,
    Context,
    Derive,
    Failure,
    Identity,
    LookUp,
    Mechanism,
    Outcome,
    SaslCondition,
    Success,
    claimed_account,
    malformed,
)

_MAX_TRACE = 255  # characters: RFC 4505 section 2


class Plain(Mechanism):
    """A run of PLAIN. The password of an unknown account is hashed like any other before it is refused."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        self._account: Jid | None = None
        self._named = False
        self._password = b""
        self._keys: ScramKeys | None = None

    def step(self, data: bytes | None) -> Outcome:
        """Take the message `[authzid] NUL authcid NUL passwd`."""
        if self._account is not None:
            return malformed("no message was expected")
        if data is None:
            return Challenge(b"")
        try:
            authzid, authcid, password = data.decode().split("\0")
        except ValueError:
            return malformed("no message of PLAIN in UTF-8")
        if not authcid or not password:
            return malformed("the user name or the password is empty")
        account = claimed_account(authcid, authzid or None, self.context.domain)
        if isinstance(account, Failure):
            return account
        try:
            self._password = prepare_password(password)
        except PasswordError as error:
            return Failure(SaslCondition.NOT_AUTHORIZED, str(error), account)
        self._account, self._named = account, bool(authzid)
        return LookUp(account, self.context.plain_hash)

    def credentials(self, found: ScramKeys | None) -> Outcome:
        """Take the keys, or None for an unknown account, and ask for the derivation."""
        if self._account is None or self._keys is not None:
            return super().credentials(found)
        context = self.context
        fake = fake_keys(context.secret, self._account, context.plain_hash, context.iterations)
        keys = fake if found is None else found
        self._keys = keys
        return Derive(self._password, keys.hash, keys.salt, keys.iterations)

    def derived(self, salted: bytes) -> Outcome:
        """Compare with the stored key."""
        if self._account is None or self._keys is None:
            return super().derived(salted)
        if verify_salted(salted, self._keys):
            return Success(Identity(self._account, self.name, self._named))
        return Failure(SaslCondition.NOT_AUTHORIZED, None, self._account)


class External(Mechanism):
    """A run of EXTERNAL: TLS has verified the certificate already, here it is decided whom it speaks for."""

    def step(self, data: bytes | None) -> Outcome:
        """Take the authorization identity; no octets mean the one that the certificate names."""
        if data is None:
            return Challenge(b"")
        addresses = self.context.certificate
        if not addresses:
            return Failure(SaslCondition.NOT_AUTHORIZED, "the certificate names no address of this server")
        if not data:
            if len(addresses) > 1:
                return Failure(SaslCondition.INVALID_AUTHZID, "the certificate names more than one address")
            return Success(Identity(addresses[0], self.name))
        try:
            authzid = Jid.parse(data.decode())
        except (JidError, UnicodeDecodeError) as error:
            return Failure(SaslCondition.INVALID_AUTHZID, str(error))
        if authzid not in addresses:
            return Failure(SaslCondition.INVALID_AUTHZID, "the certificate does not name that address", authzid)
        return Success(Identity(authzid, self.name, named=True))


class Anonymous(Mechanism):
    """A run of ANONYMOUS: everybody gets a temporary account with a UUID as its localpart."""

    def step(self, data: bytes | None) -> Outcome:
        """Take the trace information, which is checked (RFC 4505 section 2) and not used."""
        try:
            trace = (data or b"").decode()
        except UnicodeDecodeError:
            return malformed("the trace information is not UTF-8")
        if len(trace) > _MAX_TRACE:
            return malformed(f"the trace information is longer than {_MAX_TRACE} characters")
        return Success(Identity(Jid.of(str(uuid.uuid4()), self.context.domain), self.name))
