"""Second factors: codes that an app shows and that change with time (TOTP, RFC 6238), and recovery codes.

A code counts once: the time step of the last one is kept, and one of that step or an earlier one is refused (RFC 6238
section 5.2). Recovery codes are kept as hashes; they have 80 random bits, so a plain hash is enough.
"""

from __future__ import annotations

import hashlib
import secrets

import pyotp
import segno

__all__ = ["RECOVERY_CODES", "hashed", "new_codes", "new_secret", "picture", "step_of", "uri"]

RECOVERY_CODES = 8
_STEP_SECONDS = 30
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_secret() -> str:
    """Return a secret, in base 32."""
    return pyotp.random_base32()


def uri(secret: str, account: str, issuer: str) -> str:
    """Return what apps read: a URI with the secret."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def picture(text: str) -> str:
    """Return a QR code as an SVG element, in black on white whatever the page's colours are."""
    return segno.make(text, error="m").svg_inline(scale=4, border=3, dark="#000", light="#fff", omitsize=True)


def step_of(secret: str, code: str, now: float) -> int | None:
    """Return the time step that a code is of: this one, the one before or the next; None if it is of none of them.

    :param now: seconds since the epoch.
    """
    totp, step = pyotp.TOTP(secret), int(now) // _STEP_SECONDS
    given = code.replace(" ", "")
    found = None
    for near in (step - 1, step, step + 1):
        if secrets.compare_digest(totp.generate_otp(near).encode(), given.encode()):
            found = near
    return found


def new_codes() -> list[str]:
    """Return recovery codes, to be written down."""
    return ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
            for _ in range(RECOVERY_CODES)]  # fmt: skip


def hashed(code: str) -> str:
    """Return what is kept of a recovery code, however it is typed."""
    plain = "".join(code.lower().split()).replace("-", "")
    return hashlib.sha256(plain.encode()).hexdigest()
