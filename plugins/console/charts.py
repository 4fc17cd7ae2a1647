"""Charts, as the paths of an SVG that is stretched to its place; what is written beside them is HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "Chart", "Line", "ceiling", "chart"]

WIDTH, HEIGHT = 600, 120
_POINTS = 120  # more can't be told apart


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    :ivar path: of the line.
    :ivar area: of what is below it.
    :ivar latest: the last value; None if there is none.
    """

    label: str
    path: str
    area: str
    latest: float | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart; `top` is the value at its upper edge, the lower edge is zero."""

    lines: tuple[Line, ...]
    top: float


def chart(series: Sequence[tuple[str, Sequence[float | None]]], at_least: float = 1.0) -> Chart:
    """Return a chart of values that were taken at regular times, the oldest first.

    :param series: labels and values; None is a gap.
    :param at_least: the upper edge is not lower than that.
    """
    thinned = [(label, _thinned(values)) for label, values in series]
    top = ceiling(max((value for _, values in thinned for value in values if value is not None), default=0.0), at_least)
    lines = tuple(
        Line(label, path := _path(values, top), _area(path), next(iter(_known(values)[-1:]), None))
        for label, values in thinned
    )
    return Chart(lines, top)


def ceiling(value: float, at_least: float = 1.0) -> float:
    """Return the next value above that people like to read: 1, 2 or 5 times a power of ten."""
    value = max(value, at_least)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    """At most so many values; of those that fall together the highest, because peaks are what one looks for."""
    size = math.ceil(len(values) / _POINTS) or 1
    first = len(values) % size
    parts = [values[:first]] if first else []
    parts += [values[start : start + size] for start in range(first, len(values), size)]
    return [max(_known(part), default=None) for part in parts]


def _path(values: Sequence[float | None], top: float) -> str:
    if len(values) == 1:
        values = [*values, *values]  # of the first value a level line
    step = WIDTH / max(len(values) - 1, 1)
    words, drawing = [], False
    for number, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        words.append(f"{'L' if drawing else 'M'}{number * step:.1f} {HEIGHT - value / top * HEIGHT:.1f}")
        drawing = True
    return " ".join(words)


def _area(path: str) -> str:
    """What is between a line and the lower edge; of a line with gaps nothing is filled."""
    if path.count("M") != 1 or "L" not in path:
        return ""
    first, last = path.split()[0][1:], path.split()[-2][1:]
    return f"{path} L{last} {HEIGHT} L{first} {HEIGHT} Z"
