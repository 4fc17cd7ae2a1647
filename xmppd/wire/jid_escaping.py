r"""Addresses of other networks as localparts (XEP-0106): ``juliet@capulet.lit`` is ``juliet\40capulet.lit``."""

from __future__ import annotations

import re

__all__ = ["FEATURE", "escape_local", "unescape_local"]

FEATURE = r"jid\20escaping"  # section 5: [sic]

_ESCAPED = {" ": "20", '"': "22", "&": "26", "'": "27", "/": "2f", ":": "3a", "<": "3c", ">": "3e", "@": "40"}
_PLAIN = {code: character for character, code in _ESCAPED.items()} | {"5c": "\\"}
_CODES = "|".join(_PLAIN)
#: What RFC 7622 excludes, and a backslash that would be taken for the beginning of an escape (section 4.2, step 3).
_TO_ESCAPE = re.compile(rf"[ \"&'/:<>@]|\\(?=(?:{_CODES}))")
_TO_UNESCAPE = re.compile(rf"\\({_CODES})")


def escape_local(text: str) -> str:
    r"""Return the localpart for an address of another network; it has not been prepared yet (RFC 7622 section 3.3).

    :raises ValueError: if it begins or ends with a space, which has no escaped form there (section 4.1, rule 6).

    >>> print(escape_local("juliet@capulet.lit"))
    juliet\40capulet.lit
    """
    if text != text.strip(" "):
        raise ValueError("an address can neither begin nor end with a space")
    return _TO_ESCAPE.sub(lambda match: "\\" + _ESCAPED.get(match[0], "5c"), text)


def unescape_local(local: str) -> str:
    r"""Return what a localpart stands for. Sequences that escape nothing stay as they are (section 4.3).

    >>> unescape_local(r"d\27artagnan")
    "d'artagnan"
    """
    return _TO_UNESCAPE.sub(lambda match: _PLAIN[match[1]], local)
