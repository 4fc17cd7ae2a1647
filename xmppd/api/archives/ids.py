"""Archive ids: to clients they are opaque and unpredictable (XEP-0313 section 3, XEP-0359 section 3, rule 1).

A message's id is a number: the time at which it came. What clients see is that number as an encrypted block: it tells
nothing of times and sizes, can't be guessed, and costs no column and no index.
"""

from __future__ import annotations

from struct import Struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

__all__ = ["KEY_OCTETS", "ArchiveIds"]

KEY_OCTETS = 16
_BLOCK = Struct(">QQ")  # the number, and a 0, by which others are told from ours


class ArchiveIds:
    """Translates between numbers and what clients see of them.

    :param key: secret, of :data:`KEY_OCTETS` octets, and the same for ever.
    """

    def __init__(self, key: bytes) -> None:
        # One block that never repeats is what a block cipher is made for, so it needs no mode around it.
        cipher = Cipher(algorithms.AES(key), modes.ECB())
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update

    def text(self, id: int) -> str:
        """Return what clients see of a message's id."""
        return self._encrypt(_BLOCK.pack(id, 0)).hex()

    def number(self, text: str) -> int | None:
        """Return the id that clients see as `text`; None if we have never given such a one."""
        try:
            block = bytes.fromhex(text)
        except ValueError:
            return None
        if len(block) != _BLOCK.size or block.hex() != text:
            return None
        id_, rest = _BLOCK.unpack(self._decrypt(block))
        return None if rest else id_
