"""Telephone numbers (ITU-T E.164): what addresses stand for, and which may be written to.

The rules of each country (how long a number is, which zero is left out, what costs extra) are those of libphonenumber.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from xmppd.plugins.sms.prefixes import longest

__all__ = ["BadNumber", "Rules", "normal"]

_SEPARATORS = re.compile(r"(?:\\20|\\2f|[ ./()-])+")
_DIGITS = re.compile(r"\+?[0-9]{3,20}")
_SHORT = re.compile(r"[0-9]{3,8}")
_PREMIUM = frozenset((PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST))


class BadNumber(ValueError):
    """This is no telephone number; the text says why, to who wrote it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which numbers may be written to. Of the prefixes a number begins with, the longest decides.

    :ivar allowed: prefixes such as ``+49``; empty: all.
    :ivar denied: those that are not.
    :ivar premium: also numbers that cost extra?
    :ivar short_codes: numbers of the own country's networks that may be written to, such as ``72524``.
    """

    allowed: Collection[str] = ()
    denied: Collection[str] = ()
    premium: bool = False
    short_codes: Collection[str] = ()

    def refusal(self, number: str) -> str | None:
        """Why messages to `number` are not allowed, or None if they are.

        :param number: as :func:`normal` returns it.
        """
        if not number.startswith("+"):
            return None if number in self.short_codes else f"{number} is no number that may be written to."
        allowed, denied = longest(number, self.allowed), longest(number, self.denied)
        if denied is not None and (allowed is None or len(denied) >= len(allowed)):
            return f"Numbers that begin with {denied} may not be written to."
        if self.allowed and allowed is None:
            return f"{number} is in no country or network that may be written to."
        if not self.premium and _costs_extra(number):
            return f"{number} costs extra, and may not be written to."
        return None


def normal(text: str, default_prefix: str = "") -> str:
    """Return a number as E.164 has it, with a plus sign; a short code as it is.

    :param text: as people write it, in a local part of an address.
    :param default_prefix: of the country whose numbers may be written without, such as ``+49``.
    :raises BadNumber: it is none.
    """
    digits = _SEPARATORS.sub("", text)
    if not _DIGITS.fullmatch(digits):
        raise BadNumber(f"{text} is no telephone number; write +49 170 1234567 as +491701234567.")
    if _SHORT.fullmatch(digits) and not digits.startswith("0"):
        return digits
    if not default_prefix:
        digits = re.sub("^00", "+", digits)
    region = phonenumbers.region_code_for_country_code(int(default_prefix.lstrip("+"))) if default_prefix else None
    if region is None and not digits.startswith("+"):
        raise BadNumber(f"{text} has no country code; write +49 170 1234567 as +491701234567.")
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        raise BadNumber(f"{text} is no telephone number: there is no such country code.") from None
    if not phonenumbers.is_possible_number(number):
        raise BadNumber(f"{text} is no telephone number: it is too short or too long.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _costs_extra(number: str) -> bool:
    return phonenumbers.number_type(phonenumbers.parse(number)) in _PREMIUM
