"""A PostgreSQL of our own, thrown away afterwards: reached through a Unix socket in a temporary folder only.

``python -m tests.interop.postgres COMMAND ...`` runs a command with the URL of one in XMPPD_TEST_POSTGRES.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VARIABLE = "XMPPD_TEST_POSTGRES"


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL that is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if folders:
        return folders[-1]
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


class Cluster:
    """A database server with one empty database. It has to run as another user if we are root."""

    def __init__(self) -> None:
        programs = binaries()
        if programs is None:
            raise RuntimeError("PostgreSQL is not installed")
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="xmppd-postgres-"))
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self._identity = {"user": "postgres", "group": "postgres", "extra_groups": []}
        # A language's order of letters, so that the tests notice where we depend on one.
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", *locale)

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'"
        self._run("pg_ctl", "start", "--wait", f"--log={self.folder}/log", f"--options={options}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; "immediate" is what a power cut would do."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def remove(self) -> None:
        """Stop the server if it runs, and delete its data."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        # To a file: the server inherits the output, and a pipe would stay open as long as it runs.
        with tempfile.TemporaryFile() as output:
            status = subprocess.call(
                [self._programs / program, f"--pgdata={self.folder}/data", *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self._identity,
            )
            output.seek(0)
            if status != 0:
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def main(command: list[str]) -> int:
    """Run `command` with a cluster and return its exit status."""
    if not command:
        print("say which command to run", file=sys.stderr)
        return 2
    cluster = Cluster()
    try:
        cluster.start()
        return subprocess.call(command, env={**os.environ, VARIABLE: cluster.url})
    finally:
        cluster.remove()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
