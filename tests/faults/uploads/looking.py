"""What a server has on its disk of uploads, compared with its database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_OPEN, _STORED = 0, 1


def after_start(folder: Path) -> list[str]:
    """Return what is wrong right after a start: nothing half is left of what was under way."""
    return [f"left of an upload that was cut by the end of the server: {path.name}" for path in _files(folder, False)]


def in_the_end(folder: Path, data: Path) -> list[str]:
    """Return what is wrong when all slots have ended and nobody uploads: nothing is left but files that are whole."""
    return list(_compare(folder, data))


def _files(folder: Path, complete: bool) -> list[Path]:
    if not folder.is_dir():
        raise RuntimeError(f"there is no folder of uploads: {folder}")
    return [path for path in folder.glob("files/*/*" if complete else "incoming/*") if path.is_file()]


def _compare(folder: Path, data: Path) -> Iterator[str]:
    on_disk = {path.name: path.stat().st_size for path in _files(folder, True)}
    for path in _files(folder, False):
        yield f"left in incoming: {path.name}, {path.stat().st_size} octets"
    database = next(path for path in data.glob("*.sqlite"))
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = {
            token: (state, size)
            for token, state, size in connection.execute("SELECT token, state, size FROM http_upload_files")
        }
        held, octets = connection.execute("SELECT files, octets FROM http_upload_services").fetchone()
    stored = {token: size for token, (state, size) in rows.items() if state == _STORED}
    for token, (state, _size) in rows.items():
        if state == _OPEN:
            yield f"a slot that has ended holds its reservation: {token}"
    for token in on_disk.keys() - stored.keys():
        yield f"a file that nobody can get: {token}, its row {rows.get(token)}"
    for token, size in stored.items():
        if on_disk.get(token) != size:
            yield f"{token} has {size} octets in the database, and on the disk {on_disk.get(token)}"
    if (held, octets) != (len(stored), sum(stored.values())):
        yield f"the service counts {held} files and {octets} octets; there are {len(stored)}, {sum(stored.values())}"
