"""Escaping of character data for XML 1.0 (sections 2.2, 2.4, 2.11 and 3.3.3)."""

from __future__ import annotations

import re

# What XML 1.0 section 2.2 leaves out of Char, lone surrogates included: no document can carry these.
_NOT_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT_SPECIAL = re.compile("[&<>\r]")
_ATTRIBUTE_SPECIAL = re.compile("[&<>'\"\t\n\r]")
_REFERENCES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&apos;",
    '"': "&quot;",
    # A parser turns these into a space or a line feed unless they come as references.
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}

# Printable ASCII without any of the special characters: nearly every attribute there is.
_PLAIN = re.compile("[ !#-%(-;=?-~]*").fullmatch


def _reference(match: re.Match[str]) -> str:
    return _REFERENCES[match[0]]


def escape_text(text: str) -> str:
    """Return `text` as XML character data; characters that XML forbids become U+FFFD."""
    return _TEXT_SPECIAL.sub(_reference, _NOT_CHAR.sub("\ufffd", text))


def escape_attribute(text: str) -> str:
    """Return `text` as an attribute's value, for either kind of quotes; forbidden characters become U+FFFD."""
    if _PLAIN(text):
        return text
    return _ATTRIBUTE_SPECIAL.sub(_reference, _NOT_CHAR.sub("\ufffd", text))
