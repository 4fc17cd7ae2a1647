"""Prefixes of telephone numbers."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["longest"]


def longest(number: str, prefixes: Iterable[str]) -> str | None:
    """The longest of the prefixes that a number begins with."""
    return max((prefix for prefix in prefixes if number.startswith(prefix)), key=len, default=None)
