"""How an element is written that stands for itself, without the header of a stream above it."""

from __future__ import annotations

import re

from tests.faults.reading import CLIENT

_TAG = re.compile(r"<([a-z]+)([^>]*)>")


def qualified(xml: str) -> str:
    """Return an element with its namespace, if its text relies on that of a stream over TCP."""
    found = _TAG.match(xml)
    if found is None or " xmlns=" in found[2]:
        return xml
    return f"<{found[1]} xmlns='{CLIENT}'{xml[1 + len(found[1]) :]}"
