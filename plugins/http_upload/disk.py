"""Files in a folder. A file is written beside its place and moved there when it is whole, so nothing half is there.

``FOLDER/HOST/incoming/TOKEN.RANDOM`` grows while a client sends; ``FOLDER/HOST/files/TO/TOKEN``, named by the first two
letters of the token, is complete and on disk. Names and types are in the database: what users call a file never
reaches the file system.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from xmppd.plugins.http_upload.tickets import TOKEN

__all__ = ["Disk", "Files", "Incoming", "RunInThread"]

T = TypeVar("T")
_SHARDS = 2  # letters
#: Octets that are gathered before they are written: going to another thread takes longer than writing a few.
_GATHERED = 262_144


class RunInThread(Protocol):
    """See :meth:`xmppd.api.IHost.in_thread`."""

    def __call__(self, fn: Callable[[], T], /) -> Deferred[T]: ...


class Files:
    """The folder. All methods block; they raise OSError."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder / "incoming"
        self._files = folder / "files"

    def place(self, token: str) -> Path:
        """Where a file is when it is complete."""
        return self._files / token[:_SHARDS] / token

    def clean(self, slots: Iterable[str]) -> int:
        """Delete what was not complete when the server ended; return how many files there were.

        :param slots: tokens of slots that are still open: a file in its place was whole, but nobody was told so.
        """
        left = [path for path in self._incoming.glob("*") if TOKEN.fullmatch(path.name.partition(".")[0])]
        left += [place for token in slots if (place := self.place(token)).exists()]
        for path in left:
            path.unlink()
        return len(left)

    def make(self) -> None:
        """Make the folders, which only the server may look into."""
        for folder in (self._incoming, self._files):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def free(self) -> int:
        """How many octets fit on the disk."""
        self.make()
        return shutil.disk_usage(self._files).free

    def begin(self, token: str) -> tuple[Path, int]:
        """Open a file that is to be written; return its path, which is nobody else's, and its descriptor."""
        path = self._incoming / f"{token}.{secrets.token_hex(8)}"
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write on."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def finish(self, token: str, path: Path, descriptor: int) -> None:
        """Have a file written to the last octet, and put it into its place; it is there after a power failure, too.

        :raises FileExistsError: another one is there, and stays.
        """
        place = self.place(token)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not place.parent.is_dir():
            place.parent.mkdir(mode=0o700, exist_ok=True)
            _sync(self._files)
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # now it is ours
        try:
            path.rename(place)
            _sync(place.parent)
        except OSError:
            place.unlink(missing_ok=True)
            raise

    def discard(self, path: Path, descriptor: int | None) -> None:
        """Leave nothing of a file that will not be complete.

        :param descriptor: if it may still be open.
        """
        if descriptor is not None:
            with suppress(OSError):  # it was closed before something else failed
                os.close(descriptor)
        path.unlink(missing_ok=True)

    def delete(self, tokens: Iterable[str]) -> None:
        """Delete files; those that are not there don't matter."""
        for token in tokens:
            self.place(token).unlink(missing_ok=True)

    def has(self, token: str) -> bool:
        """Is a file in its place?"""
        return self.place(token).is_file()

    def shards(self) -> list[str]:
        """The names of the folders that files are in."""
        return sorted(path.name for path in self._files.glob("??") if path.is_dir())

    def tokens(self, shard: str) -> list[str]:
        """The files in one of them."""
        return sorted(path.name for path in (self._files / shard).iterdir() if TOKEN.fullmatch(path.name))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Disk:
    """The same without blocking, in threads.

    :param run: runs what blocks.
    """

    def __init__(self, files: Files, run: RunInThread) -> None:
        self.files = files
        self.run = run

    async def receive(self, token: str) -> Incoming:
        """Begin to receive a file. Raises OSError."""
        return Incoming(self, token, *await self.run(lambda: self.files.begin(token)))


class Incoming:
    """A file that is being received. Every method raises OSError; after that it can only be discarded."""

    def __init__(self, disk: Disk, token: str, path: Path, descriptor: int) -> None:
        self._disk, self._token, self._path = disk, token, path
        self._descriptor: int | None = descriptor
        self._gathered: list[bytes] = []
        self._waiting = 0

    async def write(self, data: bytes) -> None:
        """Take some more; it is written when there is enough of it."""
        self._gathered.append(data)
        self._waiting += len(data)
        if self._waiting >= _GATHERED:
            await self._flush()

    async def _flush(self) -> None:
        data, self._gathered, self._waiting = b"".join(self._gathered), [], 0
        descriptor = self._descriptor
        if data and descriptor is not None:
            await self._disk.run(lambda: self._disk.files.write(descriptor, data))

    async def finish(self) -> None:
        """That was all: put it into its place."""
        await self._flush()
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            await self._disk.run(lambda: self._disk.files.finish(self._token, self._path, descriptor))
            self._path = self._disk.files.place(self._token)

    async def discard(self) -> None:
        """Leave nothing of it."""
        descriptor, self._descriptor = self._descriptor, None
        self._gathered.clear()
        await self._disk.run(lambda: self._disk.files.discard(self._path, descriptor))
