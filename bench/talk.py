"""Users who exchange messages at a fixed rate, from a process of their own: what others do must not slow them down.

`python -m bench.talk PORT USERS TLS` logs in u0 to u(USERS-1), says "ready", talks until its input ends, and prints
when each message was due (seconds of the monotonic clock) and how long it took.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from types import TracebackType

from bench.client import log_in_all, trusting
from bench.workloads import BODY, drop

PATIENCE = 30.0
RATE = 200
"""Messages a second, in all."""
_DUE = re.compile(rb"<thread>due (\d+\.\d+)</thread>")


class Talk:
    """The process, seen from the one that measures."""

    def __init__(self, port: int, users: int, tls: bool) -> None:
        self._command = [sys.executable, "-m", "bench.talk", str(port), str(users), str(int(tls))]
        self._latencies: list[tuple[float, float]] = []

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def __aenter__(self) -> Talk:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe)
        assert self._process.stdout is not None
        if await asyncio.wait_for(self._process.stdout.readline(), PATIENCE) != b"ready\n":
            raise RuntimeError("the talking users were not let in")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            output, _ = await asyncio.wait_for(self._process.communicate(), PATIENCE)
        except TimeoutError:
            self._process.kill()
            raise
        if kind is None:
            self._latencies = json.loads(output)

    def latencies(self, since: float, until: float) -> list[float]:
        """Return how long the messages took that were due in that time, sorted; RuntimeError if there's none."""
        found = sorted(taken for due, taken in self._latencies if since <= due < until)
        if not found:
            raise RuntimeError("no message of the talking users arrived")
        return found


def _reader(latencies: list[tuple[float, float]]) -> Callable[[bytes], None]:
    """Return a receiver that notes when the messages were due and how long they took."""
    rest = b""

    def receive(data: bytes) -> None:
        nonlocal rest
        now, end, data = time.perf_counter(), 0, rest + data
        for match in _DUE.finditer(data):
            end = match.end()
            due = float(match[1])
            latencies.append((due, now - due))
        rest = data[max(end, len(data) - 60) :]

    return receive


async def talk(port: int, users: int, tls: bool) -> list[tuple[float, float]]:
    """Talk until standard input ends; RuntimeError if a message got lost."""
    sessions = await log_in_all(port, users, trusting() if tls else None)
    latencies: list[tuple[float, float]] = []
    for session in sessions:
        session.received = _reader(latencies)
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    began, sent = time.perf_counter(), 0
    while not ended.done() and not any(session.transport.is_closing() for session in sessions):
        due = began + sent / RATE
        await asyncio.sleep(due - time.perf_counter())
        sender, other = sessions[sent % users], sessions[sent % users ^ 1]
        text = f"<message to='{other.jid}' type='chat' id='m'><thread>due {due:.6f}</thread>{BODY}</message>"
        sender.write(text.encode())
        sent += 1
    await asyncio.sleep(2)
    drop(sessions)
    if len(latencies) != sent:
        raise RuntimeError(f"{sent} messages were sent, {len(latencies)} arrived")
    return latencies


if __name__ == "__main__":
    print(json.dumps(asyncio.run(talk(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"))))
