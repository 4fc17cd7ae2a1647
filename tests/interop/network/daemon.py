"""A process of the stage that is no XMPP server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def wait_for(address: str, port: int, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Say whether the port answers before the process ends or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


class Daemon:
    """Runs `command` in `folder`, with its output in `log` there."""

    def __init__(self, folder: Path, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.command = list(command)
        self.environment = dict(os.environ, **(environment or {}))
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, address: str = "", port: int = 0) -> None:
        """Start it, and wait until the port answers if one is given; RuntimeError with its log if it doesn't."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            )
        if port and not wait_for(address, port, self.process, 30):
            self.kill()
            raise RuntimeError(f"{self.command[0]} did not start:\n{self.said()[-3000:]}")

    def said(self) -> str:
        """Return its output so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def stop(self, seconds: float = 10) -> None:
        """End it by SIGTERM, or else by force."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it and what it started, by force."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own
            self.process.wait()
