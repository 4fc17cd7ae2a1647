"""Mail addresses: of people on the other side (RFC 5321 section 4.1.2), and those that answers to users go to."""

from __future__ import annotations

import re
import secrets
from urllib.parse import unquote

import idna

__all__ = ["is_within", "new_token", "parse_address", "split_address"]

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*\Z")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))+\Z")
_MAX_LOCAL = 64  # octets, section 4.5.3.1.1
_TOKEN = "abcdefghijkmnpqrstuvwxyz23456789"  # letters that are not taken for others
_TOKEN_LENGTH = 24  # of five bits each: nobody guesses one


def parse_address(text: str) -> str:
    """Return a mail address in the form it is compared in: without ``mailto:``, in ASCII, and in small letters.

    Localparts with letters beyond ASCII (RFC 6531) and quoted ones are not supported.

    :raises ValueError: if it is no mail address; the text says why.
    """
    text = text.strip()
    if text[:7].lower() == "mailto:":
        text = unquote(text[7:].partition("?")[0])
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise ValueError("a mail address has the form name@example.com")
    local = local.lower()
    if len(local) > _MAX_LOCAL or not _LOCAL.match(local):
        raise ValueError("the name before the @ is not one that mail can be sent to from here")
    return f"{local}@{_ascii_domain(domain)}"


def _ascii_domain(domain: str) -> str:
    lowered = domain.lower()
    if not lowered.isascii():
        try:
            lowered = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError(f"{domain} is no domain: {error}") from None
    if not _DOMAIN.match(lowered):
        raise ValueError(f"{domain} is no domain")
    return lowered


def split_address(address: str) -> tuple[str, str]:
    """Return localpart and domain."""
    local, _, domain = address.rpartition("@")
    return local, domain


def is_within(domain: str, domains: tuple[str, ...]) -> bool:
    """Is a domain one of these, or beneath one?"""
    return any(domain == one or domain.endswith(f".{one}") for one in (name.lower() for name in domains))


def new_token() -> str:
    """Return a localpart that nobody can guess."""
    return "".join(secrets.choice(_TOKEN) for _ in range(_TOKEN_LENGTH))
