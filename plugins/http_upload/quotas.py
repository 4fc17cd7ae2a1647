"""How much somebody may upload: what is asked for against what there is, and when there will be room again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DAY", "Limits", "Refused", "Usage", "ask", "room_at"]

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one account may have.

    :ivar octets: in the files of one bucket.
    :ivar files: in all.
    :ivar day_octets: uploaded within 24 hours.
    :ivar day_files: the same in files.
    :ivar open: slots nothing was put into yet.
    """

    octets: int
    files: int
    day_octets: int
    day_files: int
    open: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What one account has: files that are there and slots that wait for theirs, which count as if they were.

    Names are those of :class:`Limits`. `opened`: when the oldest open slot ends, or 0.0.
    """

    octets: int = 0
    files: int = 0
    day_octets: int = 0
    day_files: int = 0
    open: int = 0
    opened: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no room.

    :ivar kind: what it depends on: on files that are kept ("kept"), on those of the last 24 hours ("day"), or on open
        slots ("open").
    :ivar octets: that have to go first.
    :ivar files: the same.
    """

    text: str
    kind: str
    octets: int = 0
    files: int = 0


def ask(size: int, usage: Usage, limits: Limits) -> Refused | None:
    """Say why a file of so many octets can't be taken; None: it can be."""
    if usage.open >= limits.open:
        return Refused(f"You have {usage.open} uploads under way; finish them first.", "open")
    octets, files = usage.day_octets + size - limits.day_octets, usage.day_files + 1 - limits.day_files
    if octets > 0:
        text = f"Quota reached. You can only upload {limits.day_octets} bytes a day"
        return Refused(text, "day", octets, max(0, files))
    if files > 0:
        return Refused(f"Quota reached. You can only upload {limits.day_files} files a day", "day", 0, files)
    octets, files = usage.octets + size - limits.octets, usage.files + 1 - limits.files
    if octets > 0:
        text = f"Quota reached. Your files may have {limits.octets} bytes together"
        return Refused(text, "kept", octets, max(0, files))
    if files > 0:
        return Refused(f"Quota reached. You may have {limits.files} files", "kept", 0, files)
    return None


def room_at(refused: Refused, ends: Iterable[tuple[float, int]]) -> float | None:
    """Return when there will be room, in whole seconds since the epoch; None: nothing ends that makes enough of it.

    :param ends: when what counts ceases to, earliest first, and its octets.
    """
    octets, files = refused.octets, refused.files
    for at, size in ends:
        octets, files = octets - size, files - 1
        if octets <= 0 and files <= 0:
            return math.ceil(at)
    return None
