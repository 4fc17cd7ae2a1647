"""What is done to a server's storage from outside: a full disk, a database that can't be written for a while."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.process import family
from tests.interop.postgres import Cluster


def have_disk() -> bool:
    """Say whether we may mount a small disk of our own."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


class Disk:
    """A file system in memory, mounted on a folder, that can be filled."""

    def __init__(self, folder: Path, mebibytes: int = 96) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "xmppd-faults", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no room."""
        block = b"\0" * 65536
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(block):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount; the data is gone."""
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


@contextlib.contextmanager
def block(folder: Path, cluster: Cluster | None) -> Iterator[None]:
    """Let nothing be written meanwhile to the SQLite database in `folder`, or to PostgreSQL; other stores go on."""
    if cluster is not None:
        with _stopped(cluster):
            yield
        return
    with contextlib.ExitStack() as stack:
        for path in folder.glob("*.sqlite"):
            connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            stack.callback(connection.close)
            connection.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def _stopped(cluster: Cluster) -> Iterator[None]:
    """Stop all processes of PostgreSQL where they stand."""
    first = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
    processes = family(first)
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)
