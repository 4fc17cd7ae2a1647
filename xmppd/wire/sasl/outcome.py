"""What comes out of a step of a SASL mechanism (RFC 4422), and how it is written in XMPP (RFC 6120 section 6.4)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from xmppd.wire import ns
from xmppd.wire.escape import escape_text
from xmppd.wire.jid import Jid, JidError
from xmppd.wire.sasl.keys import ScramKeys, salted_password


class SaslCondition(StrEnum):
    """The defined conditions of a failure (RFC 6120 section 6.5); the value is the element's name."""

    ABORTED = "aborted"
    ACCOUNT_DISABLED = "account-disabled"
    CREDENTIALS_EXPIRED = "credentials-expired"
    ENCRYPTION_REQUIRED = "encryption-required"
    INCORRECT_ENCODING = "incorrect-encoding"
    INVALID_AUTHZID = "invalid-authzid"
    INVALID_MECHANISM = "invalid-mechanism"
    MALFORMED_REQUEST = "malformed-request"
    MECHANISM_TOO_WEAK = "mechanism-too-weak"
    NOT_AUTHORIZED = "not-authorized"
    TEMPORARY_AUTH_FAILURE = "temporary-auth-failure"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has logged in: the bare JID (of a server: its domain), and by which mechanism.

    `named`: has the client said so itself, by an authorization identity?
    """

    account: Jid
    mechanism: str
    named: bool = field(default=False, compare=False)

    @property
    def anonymous(self) -> bool:
        """True for a temporary account that SASL ANONYMOUS made (XEP-0175)."""
        return self.mechanism == "ANONYMOUS"


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send the challenge and wait for the client's response."""

    data: bytes

    def to_bytes(self) -> bytes:
        """Return the `<challenge/>` element."""
        return b"<challenge xmlns='%s'>%s</challenge>" % (_NS, base64.b64encode(self.data))


@dataclass(frozen=True, slots=True)
class Success:
    """The client is who it says. `data` is what the mechanism wants to add, or None."""

    identity: Identity
    data: bytes | None = None

    def to_bytes(self) -> bytes:
        """Return the `<success/>` element. Data of no octets is written as "=" (section 6.4.6)."""
        if self.data is None:
            return b"<success xmlns='%s'/>" % _NS
        return b"<success xmlns='%s'>%s</success>" % (_NS, base64.b64encode(self.data) or b"=")


@dataclass(frozen=True, slots=True)
class Failure:
    """The attempt has failed. `text` is for people, in English.

    `account` is whom the client claimed to be, if it came that far: for the log and for throttling.
    """

    condition: SaslCondition
    text: str | None = None
    account: Jid | None = None

    def to_bytes(self) -> bytes:
        """Return the `<failure/>` element."""
        text = "" if self.text is None else f"<text xml:lang='en'>{escape_text(self.text)}</text>"
        return b"<failure xmlns='%s'><%s/>%s</failure>" % (_NS, self.condition.encode(), text.encode())


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look up the keys of this account for this hash and pass them (or None) to `credentials`."""

    account: Jid
    hash: str


@dataclass(frozen=True, slots=True)
class Derive:
    """Call `run`, in a thread if possible, and pass what it returns to `derived`."""

    password: bytes = field(repr=False)
    hash: str
    salt: bytes
    iterations: int

    def run(self) -> bytes:
        """Do the slow part of checking a password: milliseconds of CPU, safe in any thread."""
        return salted_password(self.password, self.hash, self.salt, self.iterations)


Outcome = Challenge | Success | Failure | LookUp | Derive

_NS = ns.SASL.encode()


@dataclass(frozen=True, slots=True)
class Context:
    """What the mechanisms need to know of the server and of the stream.

    `domain` is the virtual host. `secret` and `iterations` make up keys for unknown accounts: see `fake_keys`.
    `offered` are the names of the mechanisms that this stream was offered. `secure`: it is protected by TLS.
    `bindings` maps types of channel binding to their data. `certificate` are the addresses that the client's
    verified certificate proves and this server would let it act as: bare JIDs of this host, or for a server
    the domain of its stream. `plain_hash` is the hash whose keys PLAIN is checked against.
    """

    domain: str
    secret: bytes = field(repr=False)
    iterations: int
    offered: tuple[str, ...]
    secure: bool
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    certificate: tuple[Jid, ...] = ()
    plain_hash: str = "SHA-256"


class Mechanism:
    """One run of a mechanism. It gives one outcome for each call; none of its methods raises for what a client sends.

    `step` takes the client's message, None for an absent initial response (RFC 6120 section 6.4.2). `credentials`
    answers `LookUp`, `derived` answers `Derive`. Calling one of those two unasked is a mistake of the caller.
    """

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.context = context

    def step(self, data: bytes | None) -> Outcome:
        """Take a message of the client."""
        raise NotImplementedError

    def credentials(self, found: ScramKeys | None) -> Outcome:
        """Take the keys that were looked up, or None if there are none."""
        raise RuntimeError(f"{self.name} did not ask for credentials")

    def derived(self, salted: bytes) -> Outcome:
        """Take what `Derive.run` returned."""
        raise RuntimeError(f"{self.name} did not ask for a derivation")


def malformed(text: str) -> Failure:
    """A failure because the client's message breaks the mechanism's syntax."""
    return Failure(SaslCondition.MALFORMED_REQUEST, text)


def claimed_account(username: str, authzid: str | None, domain: str) -> Jid | Failure:
    """Return the account that a client wants to log in to, from its simple user name and authorization identity.

    Nobody may act as somebody else here, so the identity has to be absent or the user's own bare JID (RFC 6120
    section 6.3.8). This is decided by syntax alone and says nothing about which accounts there are.
    """
    try:
        account = Jid.of(username, domain)
    except JidError as error:
        return Failure(SaslCondition.NOT_AUTHORIZED, f"no user name: {error}")
    if authzid is None:
        return account
    try:
        same = Jid.parse(authzid) == account
    except JidError as error:
        return Failure(SaslCondition.INVALID_AUTHZID, str(error), account)
    return account if same else Failure(SaslCondition.INVALID_AUTHZID, "not your own bare JID", account)
