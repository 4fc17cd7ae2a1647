"""Preparation of internationalized strings: the profiles of PRECIS (RFC 8264, RFC 8265)."""

from __future__ import annotations

import re
from typing import Any

import precis_i18n

USERNAME_CASE_MAPPED: Any = precis_i18n.get_profile("UsernameCaseMapped")
"""RFC 8265 section 3.3: user names, in lower case."""

OPAQUE_STRING: Any = precis_i18n.get_profile("OpaqueString")
"""RFC 8265 section 4.2: passwords, and whatever else is not compared loosely."""

# Katakana middle dot and Arabic digits: RFC 5892 appendix A.7 to A.9.
_WHOLE_TEXT_RULE = re.compile("[\u30fb\u0660-\u0669\u06f0-\u06f9]")


class PrecisError(ValueError):
    """A text breaks a profile; the message says where and which rule."""


def enforce(profile: Any, text: str) -> str:
    """Return the text as one of the profiles above maps it. Raises PrecisError."""
    if not text:
        raise PrecisError("it is empty")
    try:
        mapped: str = profile.idempotence_check(profile.apply_five_rules(text))
        profile.base.enforce(_without_repetitions(mapped), profile.name)
    except UnicodeEncodeError as error:
        where = "it"
        if error.end - error.start == 1:
            where = f"U+{ord(error.object[error.start]):04X} at position {error.start + 1}"
        raise PrecisError(f"{where} breaks the PRECIS profile {error.encoding} ({error.reason})") from None
    return mapped


def _without_repetitions(text: str) -> str:
    """Keep the first of each character whose contextual rule looks at the whole text, put "a" for the others.

    The outcome of the rules is the same, but it does not take time that grows with the square of the length.
    """
    seen: set[str] = set()

    def first_only(match: re.Match[str]) -> str:
        if match[0] in seen:
            return "a"
        seen.add(match[0])
        return match[0]

    return _WHOLE_TEXT_RULE.sub(first_only, text)
