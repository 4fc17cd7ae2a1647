"""Lists page by page: cursors that mean something to the server only, and links to the next page (RFC 8288)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from xmppd.plugins.rest.problems import Problem
from xmppd.plugins.rest.values import unfit

__all__ = ["after", "cursor", "link", "next_page"]

_PREFIX = "1:"  # so that cursors can mean something else one day
_LONGEST = 8192  # characters


def cursor(last: Mapping[str, Any]) -> str:
    """Return the cursor for what follows a row. What follows is told by its first field."""
    text = _PREFIX + str(next(iter(last.values())))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def after(text: str) -> str:
    """Return what the rows of the page have to follow.

    :raises Problem: we have never given that cursor (422).
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
    except ValueError:
        decoded = ""
    if not decoded.startswith(_PREFIX) or len(decoded) > _LONGEST or unfit(decoded):
        wrong = ("query", "cursor", "is none that this server has given")
        raise Problem(422, "invalid-parameters", f"The parameter cursor {wrong[2]}.", errors=[wrong])
    return decoded.removeprefix(_PREFIX)


def next_page(rows: list[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return the rows of a page, and the cursor of the next one if there is one.

    :param rows: one more than `limit`, if there are more. Those whose first field is the same stay together.
    :param limit: 1 or more.
    """
    if len(rows) <= limit:
        return rows, None
    end = limit
    while end < len(rows) and cursor(rows[end]) == cursor(rows[end - 1]):
        end += 1
    return rows[:end], cursor(rows[end - 1])


def link(path: str, query: Mapping[str, str], following: str) -> str:
    """Return the value of a Link field that leads to the next page.

    :param query: that of the request.
    """
    return f'<{quote(path)}?{urlencode({**query, "cursor": following})}>; rel="next"'
