"""The npm package converse.js as it is on the disk: which release, and which of its files are sent to browsers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SCRIPT", "STYLE", "TYPES", "File", "NoPackage", "Package", "read"]

SCRIPT, STYLE = "converse.min.js", "converse.min.css"
#: Kinds of files that are sent, and their media types. Others, such as source maps, are of no use to who chats.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")


class NoPackage(Exception):
    """A folder does not hold the package; the text tells an operator why."""


@dataclass(frozen=True, slots=True)
class File:
    """A file to send.

    :ivar path: where it is.
    :ivar type: its media type.
    """

    path: Path
    type: str


@dataclass(frozen=True, slots=True)
class Package:
    """What is served.

    :ivar version: the release, as the package tells it.
    :ivar mark: another one whenever a file is another one; goes into paths, so that browsers may keep files for ever.
    :ivar files: by the name relative to the package's ``dist``.
    :ivar written: when its script was, in nanoseconds since the epoch.
    """

    version: str
    mark: str
    files: Mapping[str, File]
    written: int

    def is_other(self) -> bool:
        """Have the files been replaced since they were read? It looks at the disk."""
        return _written(self.files[SCRIPT].path) != self.written


def read(folder: Path) -> Package:
    """Return what is in a folder: the package's own, or ``dist`` in it. It reads from the disk.

    :raises NoPackage: that is something else, or nothing.
    """
    if not folder.is_dir():
        raise NoPackage(f"there is no folder {folder}")
    dist = folder / "dist" if (folder / "dist").is_dir() else folder
    try:
        version = _version(dist)
        found = sorted(_files(dist))
        seen = hashlib.sha256(version.encode())
        for name, path in found:
            facts = path.stat()
            seen.update(f"\n{name} {facts.st_size} {facts.st_mtime_ns}".encode())
    except OSError as error:
        raise NoPackage(f"{error.filename}: {error.strerror}") from None
    files = {name: File(path, TYPES[path.suffix]) for name, path in found}
    for name in (SCRIPT, STYLE):
        if name not in files:
            raise NoPackage(f"{dist} has no {name}: it is not converse.js as it is published, with all of its files")
    return Package(version, f"{version}-{seen.hexdigest()[:12]}", files, _written(files[SCRIPT].path))


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _version(dist: Path) -> str:
    try:
        told = json.loads((dist / "manifest.json").read_bytes())
    except FileNotFoundError:
        raise NoPackage(f"{dist} is not of the package converse.js: it has no manifest.json") from None
    except ValueError:
        raise NoPackage(f"{dist / 'manifest.json'} is no JSON") from None
    if not isinstance(told, dict) or "converse" not in str(told.get("name", "")).lower():
        raise NoPackage(f"{dist / 'manifest.json'} is not that of converse.js")
    version = str(told.get("version", ""))
    return version if _VERSION.fullmatch(version) else "unknown"


def _files(dist: Path) -> Iterator[tuple[str, Path]]:
    """Names and paths of what may be sent; of links only those to something in the folder."""
    inside = dist.resolve()
    for path in dist.rglob("*"):
        if path.suffix in TYPES and path.is_file() and path.resolve().is_relative_to(inside):
            yield path.relative_to(dist).as_posix(), path
