"""Messages of STUN (RFC 8489) and TURN (RFC 8656): as much as it takes to ask a relay for an address.

Credentials are long-term ones (RFC 8489 section 9.2), with MD5 and SHA-1, which every relay knows; those that are good
for a time only are made by draft-uberti-behave-turn-rest-00, section 2.2.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["Attribute", "Kind", "StunError", "StunMessage", "long_term_key", "time_limited"]

_COOKIE = 0x2112A442
_HEADER = struct.Struct(">HHI12s")
_ATTRIBUTE = struct.Struct(">HH")
_SHA1 = 20  # octets
_MOST = 20_000  # octets of a message that anybody could mean


class StunError(ValueError):
    """It is no message of STUN."""


class Kind(IntEnum):
    """Methods and classes together (RFC 8489 section 5)."""

    BINDING = 0x0001
    BOUND = 0x0101
    ALLOCATE = 0x0003
    ALLOCATED = 0x0103
    ALLOCATE_ERROR = 0x0113
    REFRESH = 0x0004


class Attribute(IntEnum):
    """Those that are needed (RFC 8489 section 14, RFC 8656 section 18)."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    LIFETIME = 0x000D
    REALM = 0x0014
    NONCE = 0x0015
    REQUESTED_TRANSPORT = 0x0019


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A message.

    :ivar transaction: 12 octets, the same in the answer.
    :ivar attributes: of several with one type the first.
    """

    kind: int
    transaction: bytes
    attributes: Mapping[int, bytes] = field(default_factory=dict)

    def to_bytes(self, key: bytes = b"") -> bytes:
        """Return it as it is sent.

        :param key: it is signed with that (MESSAGE-INTEGRITY, RFC 8489 section 14.5), unless it is empty.
        """
        body = b"".join(_attribute(type_, value) for type_, value in self.attributes.items())
        if not key:
            return self._header(len(body)) + body
        signed = self._header(len(body) + _ATTRIBUTE.size + _SHA1) + body
        return signed + _attribute(Attribute.MESSAGE_INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())

    def _header(self, length: int) -> bytes:
        return _HEADER.pack(self.kind, length, _COOKIE, self.transaction)

    @classmethod
    def from_bytes(cls, data: bytes) -> StunMessage | None:
        """Return the message that `data` begins with; None if more has to come.

        :raises StunError: it is none.
        """
        if len(data) < _HEADER.size:
            if data and data[0] > 3:
                raise StunError("it does not begin as a message of STUN")
            return None
        kind, length, cookie, transaction = _HEADER.unpack_from(data)
        if kind > 0x3FFF or cookie != _COOKIE or length % 4 or length > _MOST:
            raise StunError("it does not begin as a message of STUN")
        if len(data) < _HEADER.size + length:
            return None
        return cls(kind, transaction, _attributes(data[_HEADER.size : _HEADER.size + length]))

    @property
    def error(self) -> tuple[int, str]:
        """The code and the reason of an error (RFC 8489 section 14.8); (0, "") if none is told."""
        value = self.attributes.get(Attribute.ERROR_CODE, b"")
        if len(value) < 4:
            return 0, ""
        return value[2] % 8 * 100 + value[3], value[4:].decode("utf-8", "replace")


def _attribute(type_: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(type_, len(value)) + value + bytes(-len(value) % 4)


def _attributes(body: bytes) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        type_, length = _ATTRIBUTE.unpack_from(body, at)
        at += _ATTRIBUTE.size
        if at + length > len(body):
            raise StunError("an attribute is longer than its message")
        found.setdefault(type_, body[at : at + length])
        at += length + -length % 4
    return found


def long_term_key(username: str, realm: str, password: str) -> bytes:
    """Return what messages are signed with (RFC 8489 section 9.2.2); all of it prepared already."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def time_limited(secret: bytes, name: str, expires: int) -> tuple[str, str]:
    """Return username and password for a relay that shares `secret`.

    :param name: whose they are.
    :param expires: until when they are good, in seconds since the epoch.
    """
    username = f"{expires}:{name}"
    return username, base64.b64encode(hmac.new(secret, username.encode(), hashlib.sha1).digest()).decode()
