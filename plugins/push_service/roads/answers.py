"""What is alike in the answers of all vendors (RFC 9110), and how they become verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from xmppd.api.http import Headers
from xmppd.api.network import Forbidden, NoConnection
from xmppd.plugins.push_service.roads.contract import Verdict, VerdictKind

__all__ = ["json_of", "plain", "retry_after", "unreachable", "verdict"]

_LONGEST_TEXT = 200
_LONGEST_WAIT = 7 * 86_400.0  # seconds; whoever says more has lost their mind, or wants us to


def retry_after(headers: Headers, now: float) -> float | None:
    """Return what Retry-After says (RFC 9110 section 10.2.3), in either form, as seconds from now; None: nothing.

    :param now: in seconds since the epoch.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), _LONGEST_WAIT)


def json_of(body: bytes) -> Mapping[str, Any]:
    """Return the object in an answer's body; an empty one, if there is something else in it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def plain(text: object) -> str:
    """Return what a vendor says as one line that can be shown to an operator."""
    line = " ".join(str(text).split())
    return "".join(character for character in line if character.isprintable())[:_LONGEST_TEXT]


def verdict(kind: VerdictKind, meaning: str, said: object = "", wait: float | None = None) -> Verdict:
    """Return a verdict.

    :param meaning: in our words; what the vendor said in its own follows.
    """
    words = plain(said)
    return Verdict(kind, f"{meaning} ({words})" if words else meaning, wait)


def unreachable(error: NoConnection) -> Verdict:
    """Return what it means that there was no answer."""
    if isinstance(error, Forbidden):
        return verdict("refused", "the address is not one that may be pushed to", error)
    return verdict("temporary", "no answer", error)
