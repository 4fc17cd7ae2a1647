"""Files that pages refer to: style sheet, script, htmx. Their names hold a hash, so browsers keep them for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

__all__ = ["Asset", "read"]

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_HTMX = "static/django_htmx/htmx-2.min.js"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file.

    :ivar mark: of its content.
    :ivar type: its media type.
    """

    name: str
    mark: str
    type: str
    content: bytes

    @property
    def path(self) -> str:
        """Where it is, beneath ``/console/``."""
        return f"static/{self.mark}/{self.name}"


def read() -> Mapping[str, Asset]:
    """Return all of them by name. It reads from the disk.

    htmx is taken from the package django-htmx, which carries it as a file; Django itself is not imported.
    """
    found = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    found["htmx.js"] = files("django_htmx").joinpath(_HTMX).read_bytes()
    return {
        name: Asset(name, hashlib.sha256(content).hexdigest()[:16], _TYPES[Path(name).suffix], content)
        for name, content in found.items()
    }
