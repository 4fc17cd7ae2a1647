"""The part of SOCKS5 (RFC 1928) that XEP-0065 uses: a method is chosen, and CONNECT names a hash in place of a host.

Bytes go in and come out; there is no connection here.
"""

from __future__ import annotations

import hashlib
import re
from enum import IntEnum
from typing import NamedTuple

from xmppd.api import Jid

__all__ = ["Negotiation", "Reply", "Step", "digest_of"]

_VERSION = 5
_NO_AUTHENTICATION, _NO_METHOD = 0x00, 0xFF
_CONNECT = 1
_IPV4, _DOMAIN = 1, 3
_HEAD = 4  # octets of a request before its address
_DIGEST = re.compile(rb"[0-9A-Fa-f]{40}")
_NOWHERE = bytes((_IPV4, 0, 0, 0, 0, 0, 0))


class Reply(IntEnum):
    """What a request is answered with (section 6). Nothing is connected to from here: 3 to 6 don't occur."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


class Step(NamedTuple):
    """What comes of some bytes.

    :ivar answer: to be sent.
    :ivar digest: the hash that was asked for, in lower case; what is to be answered depends on who else is there.
    :ivar failed: the connection is to be closed.
    :ivar rest: how many octets came behind the request.
    """

    answer: bytes = b""
    digest: str = ""
    failed: bool = False
    rest: int = 0


class Negotiation:
    """One client's. It keeps no more than a request can have, 262 octets and those that came with its last one."""

    def __init__(self) -> None:
        self._data = b""
        self._greeted = False
        self._address = _NOWHERE

    def feed(self, data: bytes) -> Step:
        """Take bytes, however they were cut."""
        self._data += data
        answer = b""
        if not self._greeted:
            step = self._greeting()
            if step is None or step.failed:
                return step or Step()
            answer, self._greeted = step.answer, True
        step = self._request()
        return Step(answer) if step is None else step._replace(answer=answer + step.answer)

    def reply(self, reply: Reply) -> bytes:
        """Return the answer to the request. It mirrors the address (XEP-0065 section 6.3.2), once that is known."""
        return bytes((_VERSION, reply, 0)) + self._address

    def _greeting(self) -> Step | None:
        """Choose a method (section 3): there is no authentication, or nothing."""
        if self._data and self._data[0] != _VERSION:
            return Step(failed=True)  # another protocol, which is not answered in this one
        if len(self._data) < 2 or len(self._data) < 2 + self._data[1]:
            return None
        end = 2 + self._data[1]
        methods, self._data = self._data[2:end], self._data[end:]
        if _NO_AUTHENTICATION not in methods:
            return Step(bytes((_VERSION, _NO_METHOD)), failed=True)
        return Step(bytes((_VERSION, _NO_AUTHENTICATION)))

    def _request(self) -> Step | None:
        """Read a request (section 4)."""
        data = self._data
        if len(data) < _HEAD:
            return None
        version, command, reserved, kind = data[:_HEAD]
        if version != _VERSION or reserved != 0:
            return self._refuse(Reply.GENERAL_FAILURE)
        if command != _CONNECT:
            return self._refuse(Reply.COMMAND_NOT_SUPPORTED)
        if kind != _DOMAIN:
            return self._refuse(Reply.ADDRESS_TYPE_NOT_SUPPORTED)
        if len(data) < _HEAD + 1 or len(data) < (end := _HEAD + 1 + data[_HEAD] + 2):
            return None
        host, port = data[_HEAD + 1 : end - 2], data[end - 2 : end]
        self._address = data[_HEAD - 1 : end]
        self._data = b""
        if not _DIGEST.fullmatch(host) or port != b"\0\0":
            return self._refuse(Reply.NOT_ALLOWED)
        return Step(digest=host.decode("ascii").lower(), rest=len(data) - end)

    def _refuse(self, reply: Reply) -> Step:
        self._data = b""
        return Step(self.reply(reply), failed=True)


def digest_of(sid: str, requester: Jid, target: Jid) -> str:
    """Return the hash that both parties name (XEP-0065 section 6.3.2), in lower case hexadecimal.

    :param requester: as all addresses it is prepared, which the XEP asks for.
    """
    return hashlib.sha1(f"{sid}{requester}{target}".encode(), usedforsecurity=False).hexdigest()
