"""What a server keeps instead of a password: the keys of SCRAM (RFC 5802 section 3).

Passwords are prepared with SASLprep (RFC 4013), as RFC 5802 and RFC 7677 ask for and clients do: both sides have
to derive the same keys from what somebody typed. What SASLprep refuses, for it knows no character newer than
Unicode 3.2, is prepared with its successor, the PRECIS profile OpaqueString (RFC 8265 section 4.2).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from scramp.utils import ScramException, saslprep

from xmppd.wire.precis import OPAQUE_STRING, PrecisError, enforce

HASHES = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
"""The hash functions of SCRAM, as in the names of the mechanisms, with their names in `hashlib`."""

_ALGORITHMS = {"SHA-1": hashes.SHA1(), "SHA-256": hashes.SHA256(), "SHA-512": hashes.SHA512()}

RANDOM = "RANDOM"
"""In place of a hash function: keys of a password that is random. Nobody guesses it, however quick it is to try one."""

# A random UUID (RFC 9562 section 5.4) without dashes: 122 random bits. Old clients make their passwords like that. What
# only looks as long, such as the MD5 sum of a word, fits once in 64 times.
_UUID4 = re.compile("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}")

MIN_ITERATIONS = 4096  # RFC 7677 section 4; clients refuse less
SALT_LENGTH = 16  # octets; the made-up salts of unknown accounts have it too
MAX_PASSWORD_OCTETS = 1024


class PasswordError(ValueError):
    """A text that can't be a password; the message says why, and never has the text."""


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """The keys of one account for one hash function, which is a key of `HASHES`."""

    hash: str
    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def prepare_password(password: str) -> bytes:
    """Return the octets that go into the derivation of keys. Raises PasswordError."""
    prepared = password if password.isascii() and password.isprintable() else _prepare(password)
    if not prepared:
        raise PasswordError("the password is empty")
    octets = prepared.encode()
    if len(octets) > MAX_PASSWORD_OCTETS:
        raise PasswordError(f"the password is longer than {MAX_PASSWORD_OCTETS} octets")
    return octets


def _prepare(password: str) -> str:
    if len(password) > MAX_PASSWORD_OCTETS:
        raise PasswordError(f"the password is longer than {MAX_PASSWORD_OCTETS} octets")
    try:
        prepared: str = saslprep(password)
    except ScramException:
        try:
            prepared = enforce(OPAQUE_STRING, password)
        except PrecisError as error:
            raise PasswordError(f"this can't be a password: {error}") from None
    return prepared


def salted_password(password: bytes, hash: str, salt: bytes, iterations: int) -> bytes:
    """Return SaltedPassword of RFC 5802 section 3, from a prepared password.

    This is PBKDF2 and slow on purpose (milliseconds). It touches nothing shared and may run in a thread.
    """
    # Half the time of hashlib's, which many systems link to an OpenSSL 3.0; both let other threads run meanwhile.
    algorithm = _ALGORITHMS[hash]
    return PBKDF2HMAC(algorithm, algorithm.digest_size, salt, iterations).derive(password)


def keys_of(salted: bytes, hash: str, salt: bytes, iterations: int) -> ScramKeys:
    """Return the keys that follow from SaltedPassword; quick."""
    name = HASHES[hash]
    stored_key = hashlib.new(name, hmac.digest(salted, b"Client Key", name)).digest()
    return ScramKeys(hash, salt, iterations, stored_key, hmac.digest(salted, b"Server Key", name))


def new_salt() -> bytes:
    """Return a random salt for a new password."""
    return secrets.token_bytes(SALT_LENGTH)


def derive_keys(password: str, hash: str, salt: bytes, iterations: int) -> ScramKeys:
    """Return the keys of a new password; slow, see `salted_password`.

    `hash` is a key of `HASHES`. Raises PasswordError for a text that can't be a password, ValueError for less than
    `MIN_ITERATIONS` iterations.
    """
    if iterations < MIN_ITERATIONS:
        raise ValueError(f"{iterations} iterations are fewer than {MIN_ITERATIONS}")
    return keys_of(salted_password(prepare_password(password), hash, salt, iterations), hash, salt, iterations)


def verify_salted(salted: bytes, keys: ScramKeys) -> bool:
    """Does this SaltedPassword belong to the keys? Takes the same time for yes and no."""
    derived = keys_of(salted, keys.hash, keys.salt, keys.iterations)
    return hmac.compare_digest(derived.stored_key, keys.stored_key)


def verify_password(password: str, keys: ScramKeys) -> bool:
    """Is this the password of the keys? Takes the same time for yes and no; slow, see `salted_password`."""
    try:
        prepared = prepare_password(password)
    except PasswordError:
        return False
    return verify_salted(salted_password(prepared, keys.hash, keys.salt, keys.iterations), keys)


def is_random(password: str) -> bool:
    """Was a password made at random, by a program?"""
    return _UUID4.fullmatch(password) is not None


def random_keys(password: str, salt: bytes) -> ScramKeys:
    """Return keys for a password that is random. They are for checking it, not for SCRAM, and take no time to derive.

    PBKDF2 makes each guess slow, for passwords that can be guessed. With 122 random bits there is nothing to slow down.
    """
    return keys_of(hmac.digest(salt, password.encode(), "sha256"), "SHA-256", salt, 1)


def verify_random(password: str, keys: ScramKeys) -> bool:
    """Is this random password that of the keys? Takes the same time for yes and no."""
    return hmac.compare_digest(random_keys(password, keys.salt).stored_key, keys.stored_key)


def fake_keys(secret: bytes, account: str, hash: str, iterations: int) -> ScramKeys:
    """Return keys for an account that does not exist, always the same ones, which no password fits.

    Without them, a stranger could tell by the missing or changing salt who has an account (RFC 5802 section 9 and
    RFC 6120 section 13.11). `secret` has to be the server's own and stay the same over restarts; `iterations`
    has to be what new accounts get.
    """

    def make(purpose: str) -> bytes:
        return hmac.digest(secret, f"{purpose}\0{hash}\0{account}".encode(), HASHES[hash])

    return ScramKeys(hash, make("salt")[:SALT_LENGTH], iterations, make("stored key"), make("server key"))
