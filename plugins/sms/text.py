"""The text of short messages: alphabets (3GPP TS 23.038), how long texts are cut (3GPP TS 23.040 section 9.2.3.24.1).

Over SMPP a septet of the default alphabet travels in an octet of its own; the message centre packs them. A text with a
character outside of that alphabet goes as UCS-2, which is UTF-16 nowadays: an emoji takes two units of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DEFAULT", "LATIN1", "MAX_PARTS", "UCS2", "Alphabet", "Cut", "Header", "TooLong", "count", "cut", "decode",
    "headed", "joined", "speakable", "split_header",
]  # fmt: skip

#: Values of SMPP's data_coding (SMPP 3.4 section 5.2.19).
DEFAULT, LATIN1, UCS2 = 0, 3, 8
#: A part is numbered by one octet.
MAX_PARTS = 255
#: What the message centre takes data_coding 0 for. On the air it is always the default alphabet.
Alphabet = Literal["gsm", "latin1"]

_ESCAPE = "\x1b"
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|",
              0x65: "€"}  # fmt: skip
_ENCODED = {
    **{character: bytes([code]) for code, character in enumerate(_BASIC) if character != _ESCAPE},
    **{character: bytes([0x1B, code]) for code, character in _EXTENSION.items()},
}
_DECODED = {code: text for text, code in _ENCODED.items()}
_SEPTETS = re.compile(rb"\x1b.|.", re.DOTALL)
#: What XML can't have (XML 1.0 section 2.2), and what shows nothing.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
#: Other codings somebody may use towards us, as Python calls them.
_CODECS = {1: "ascii", LATIN1: "latin-1", 6: "iso8859-5", 7: "iso8859-8", UCS2: "utf-16-be"}


class TooLong(ValueError):
    """The text takes more parts than are allowed."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as it travels.

    :ivar coding: SMPP's data_coding.
    :ivar parts: the octets of each part, without headers.
    """

    coding: int
    parts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Which part of which message (the information elements 0x00 and 0x08 of 3GPP TS 23.040 9.2.3.24).

    :ivar reference: the same in all parts of one message.
    :ivar total: how many parts there are.
    :ivar number: which one this is, from 1.
    """

    reference: int
    total: int
    number: int


def cut(text: str, alphabet: Alphabet = "gsm", wide: bool = False, most: int = MAX_PARTS, whole: bool = False) -> Cut:
    """Encode a text, in the smaller alphabet if it has all of its characters, and cut it if it has to be.

    Neither an escaped character nor one of two units is cut through.

    :param wide: the reference in the parts' headers will have two octets, so a part has less room.
    :param whole: don't cut, however long it is: it goes as one (message_payload, SMPP 3.4 section 5.3.2.32).
    :raises TooLong: it takes more than `most` parts, whether they are sent as such or as a whole.
    """
    coding, parts = _parts(text, alphabet, wide)
    if len(parts) > min(most, MAX_PARTS):
        raise TooLong(f"the text takes {len(parts)} short messages, {most} are allowed")
    return Cut(coding, (b"".join(parts),) if whole else tuple(parts))


def count(text: str, alphabet: Alphabet = "gsm", wide: bool = False) -> int:
    """How many short messages does a text take?"""
    return len(_parts(text, alphabet, wide)[1])


def _parts(text: str, alphabet: Alphabet, wide: bool) -> tuple[int, list[bytes]]:
    header = 7 if wide else 6
    characters = _septets(text, alphabet)
    if characters is not None:
        # 140 octets have room for 160 septets; a header is filled up to whole septets.
        return DEFAULT, _packed(characters, 160, (140 - header) * 8 // 7)
    units = [character.encode("utf-16-be", "replace") for character in text]
    return UCS2, _packed([(unit, len(unit)) for unit in units], 140, 140 - header & ~1)


def _septets(text: str, alphabet: Alphabet) -> list[tuple[bytes, int]] | None:
    """Each character's octets, and how many septets it takes; None if the default alphabet doesn't have them all."""
    try:
        if alphabet == "gsm":
            return [(_ENCODED[character], len(_ENCODED[character])) for character in text]
        return [(character.encode("latin-1"), len(_ENCODED[character])) for character in text]
    except (KeyError, UnicodeEncodeError):
        return None


def _packed(characters: list[tuple[bytes, int]], alone: int, room: int) -> list[bytes]:
    if sum(size for _, size in characters) <= alone:
        return [b"".join(octets for octets, _ in characters)]
    parts, part, taken = [], b"", 0
    for octets, size in characters:
        if taken + size > room:
            parts.append(part)
            part, taken = b"", 0
        part += octets
        taken += size
    return [*parts, part]


def headed(part: bytes, header: Header, wide: bool = False) -> bytes:
    """Put the header before a part."""
    if wide:
        return bytes([6, 8, 4]) + header.reference.to_bytes(2) + bytes([header.total, header.number]) + part
    return bytes([5, 0, 3, header.reference, header.total, header.number]) + part


def split_header(data: bytes) -> tuple[Header | None, bytes]:
    """Take the user data header off; the Header is None if it is about something else, or makes no sense.

    :param data: what came with the UDH indicator set.
    """
    if not data or data[0] >= len(data):
        return None, data
    elements, rest = data[1 : data[0] + 1], data[data[0] + 1 :]
    while len(elements) >= 2:
        kind, length, value = elements[0], elements[1], elements[2 : 2 + elements[1]]
        wide = kind == 8
        if (kind, length) in ((0, 3), (8, 4)) and len(value) == length:
            header = Header(int.from_bytes(value[: 1 + wide]), value[1 + wide], value[2 + wide])
            return (header if header.total and 0 < header.number <= header.total else None), rest
        elements = elements[2 + length :]
    return None, rest


def joined(parts: list[tuple[int, bytes]], alphabet: Alphabet = "gsm") -> str:
    """Put parts together: (data_coding, octets) in order. A character that was cut through is whole again."""
    text, coding, octets = "", None, b""
    for its_coding, its_octets in parts:
        if its_coding != coding:
            text += decode(octets, coding or DEFAULT, alphabet)
            coding, octets = its_coding, b""
        octets += its_octets
    return text + decode(octets, coding or DEFAULT, alphabet)


def decode(data: bytes, coding: int, alphabet: Alphabet = "gsm") -> str:
    """Decode what came, in any coding: what can't be decoded, or said in XML, becomes U+FFFD.

    :param coding: SMPP's data_coding; those with a message class (3GPP TS 23.038 section 4) are understood as well.
    """
    if coding & 0xF0 == 0xF0:  # a message class, and in bit 2 which alphabet
        coding = LATIN1 if coding & 4 else -1
    elif 0x10 <= coding < 0x40:  # general data coding
        coding = (-1, LATIN1, UCS2, -1)[coding >> 2 & 3]
    codec = _CODECS.get(coding)
    if codec is None and coding != -1 and alphabet == "latin1":
        codec = "latin-1"
    text = data.decode(codec, "replace") if codec else _from_septets(data)
    return speakable(text)


def speakable(text: str) -> str:
    """Return text that XML and databases can have: what they can't becomes U+FFFD."""
    return _UNSPEAKABLE.sub("\ufffd", text)


def _from_septets(data: bytes) -> str:
    return "".join(_character(septet) for septet in _SEPTETS.findall(data))


def _character(septet: bytes) -> str:
    found = _DECODED.get(septet)
    if found is not None or len(septet) == 1:
        return found or ("\ufffd" if septet != b"\x1b" else " ")
    return _DECODED.get(septet[1:], " ")  # one that isn't in the extension table is shown as in the basic one
