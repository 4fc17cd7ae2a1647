"""A program with a user interface in a terminal, which is driven by keys and read from its screen: tmux has it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.interop.device import PATIENCE

TMUX = shutil.which("tmux")


class Terminal:
    """Runs `command` with a home of its own in `folder`, on a screen of its own."""

    columns, lines = 140, 110  # so that nothing has to be scrolled

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.command = command

    def _tmux(self, *arguments: str) -> str:
        assert TMUX is not None
        # Not the environment of whoever runs the tests: of its HOME nothing is read, and nothing is written there.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "TMUX_TMPDIR": str(self.folder),
        }
        done = subprocess.run(
            [TMUX, "-f", "/dev/null", *arguments], env=environment, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"tmux {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Run the program."""
        size = ("-x", str(self.columns), "-y", str(self.lines))
        self._tmux("new-session", "-d", "-s", "it", *size, *self.command)

    def stop(self) -> None:
        """End it, and the terminal, if they still run."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._tmux("kill-server")

    def screen(self) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-p", "-t", "it")

    def type(self, text: str) -> None:
        """Type a line, and the key to enter it."""
        self._tmux("send-keys", "-t", "it", "-l", text)
        self._tmux("send-keys", "-t", "it", "Enter")

    def key(self, name: str) -> None:
        """Press a key that tmux knows by that name, such as M-2."""
        self._tmux("send-keys", "-t", "it", name)

    async def shows(self, *texts: str) -> str:
        """Wait until all of these regular expressions are found on the screen, and return it."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while True:
            screen = await asyncio.to_thread(self.screen)
            missing = [text for text in texts if not re.search(text, screen)]
            if not missing:
                return screen
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"{missing} is not on the screen:\n{screen}")
            await asyncio.sleep(0.1)
