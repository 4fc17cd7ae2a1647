"""Long lists piece by piece: what operations with `limit` and `after` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["page"]


def page(rows: Sequence[dict[str, Any]], limit: int, after: str) -> list[dict[str, Any]]:
    """Return a piece of a list.

    :param rows: in the order of their first field.
    :param limit: how many rows; 0 is no limit. Rows whose first field is the same stay together, whatever it is.
    :param after: only rows whose first field comes behind that.
    """
    found = [row for row in rows if _key(row) > after] if after else list(rows)
    if limit <= 0 or len(found) <= limit:
        return found
    end = limit
    while end < len(found) and _key(found[end]) == _key(found[end - 1]):
        end += 1
    return found[:end]


def _key(row: dict[str, Any]) -> str:
    return str(next(iter(row.values())))
