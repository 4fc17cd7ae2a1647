"""Durations and numbers in words, for people."""

from __future__ import annotations

__all__ = ["duration", "plural"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Write a duration in its two largest units: ``3 d 4 h``."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 session``, ``2 sessions``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
