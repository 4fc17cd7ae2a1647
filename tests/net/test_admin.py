"""The admin socket and the lock of a data folder."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from xmppd.api.operations import OperationError, Progress, operation
from xmppd.core.operations.catalogue import OperationRegistry
from xmppd.net.admin import AdminService, AdminSocketError, AlreadyRunning, DataLock, is_locked
from xmppd.wire.errors import Condition


class Kernel:
    """A few operations."""

    def __init__(self) -> None:
        self.slow: Deferred[str] = Deferred()
        self.actors: list[str] = []

    @operation("greet")
    async def greet(self, name: str, *, actor: str) -> str:
        """Greet somebody."""
        self.actors.append(actor)
        return f"Hello {name}"

    @operation("count")
    async def count(self, *, progress: Progress) -> int:
        """Count."""
        for n in range(3):
            progress(n, 3)
        return 3

    @operation("refuse")
    async def refuse(self) -> None:
        """Refuse."""
        raise OperationError("no", Condition.CONFLICT)

    @operation("wait")
    async def wait(self) -> str:
        """Wait."""
        return await self.slow

    @operation("odd")
    async def odd(self) -> Any:
        """Return what JSON can't hold."""
        return object()


def talk(path: Path, sent: bytes, lines: int) -> list[Any]:
    """Send octets, return the lines that are answered."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(sent)
        with client.makefile() as answers:
            return [json.loads(answers.readline() or "null") for _ in range(lines)]


class AdminTests(TestCase):
    def setUp(self) -> None:
        # Not in trial's own folder: its path may be too long for a socket.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "admin.sock"
        self.kernel = Kernel()
        self.service = AdminService(reactor, self.path, OperationRegistry([self.kernel]))
        self.service.startService()
        self.addCleanup(self.stop)

    def stop(self) -> Any:
        return self.service.stopService() if self.service.running else None

    async def ask(self, *requests: object, lines: int = 1) -> list[Any]:
        sent = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
        return await deferToThread(talk, self.path, sent, lines)

    def test_only_the_owner_may_open_it(self) -> None:
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    async def test_list(self) -> None:
        [answer] = await self.ask({"id": 1, "do": "list"})
        self.assertEqual(answer["id"], 1)
        self.assertEqual([o["name"] for o in answer["result"]], ["count", "greet", "odd", "refuse", "wait"])
        greet = answer["result"][1]
        self.assertEqual((greet["help"], greet["hosts"], greet["offline"]), ("Greet somebody.", [], False))
        self.assertEqual([(p["name"], p["type"], p["required"]) for p in greet["parameters"]], [("name", "str", True)])

    async def test_run(self) -> None:
        answers = await self.ask({"id": "x", "do": "run", "operation": "greet", "arguments": {"name": "Zoë"}})
        self.assertEqual(answers, [{"id": "x", "result": "Hello Zoë"}])
        self.assertRegex(self.kernel.actors[0], r"^operator")

    async def test_progress_comes_first(self) -> None:
        answers = await self.ask({"id": 1, "do": "run", "operation": "count"}, lines=4)
        self.assertEqual([answer.get("progress") for answer in answers], [[0, 3], [1, 3], [2, 3], None])
        self.assertEqual(answers[-1], {"id": 1, "result": 3})

    async def test_refusals_have_a_condition(self) -> None:
        answers = await self.ask(
            {"id": 1, "do": "run", "operation": "refuse"},
            {"id": 2, "do": "run", "operation": "greed"},
            {"id": 3, "do": "run", "operation": "greet"},
            {"id": 4, "do": "dance"},
            {"id": 5, "do": "run", "operation": "greet", "arguments": [1]},
            lines=5,
        )
        self.assertEqual(
            [(a["id"], a["error"], a["condition"]) for a in sorted(answers, key=lambda a: a["id"])],
            [
                (1, "no", "conflict"),
                (2, "there is no operation 'greed'; did you mean greet?", "item-not-found"),
                (3, "greet needs name", "bad-request"),
                (4, '"do" is "list" or "run"', "bad-request"),
                (5, '"operation" is a text, "arguments" an object, "host" a text or null', "bad-request"),
            ],
        )

    async def test_a_result_that_is_no_data(self) -> None:
        [answer] = await self.ask({"id": 1, "do": "run", "operation": "odd"})
        self.assertEqual(answer["condition"], "internal-server-error")

    async def test_what_is_no_request(self) -> None:
        answers = await deferToThread(talk, self.path, b"hello\n[1]\n\xff\n", 3)
        self.assertEqual([a["error"] for a in answers], ["a request is a JSON object on one line"] * 3)

    async def test_a_request_in_pieces(self) -> None:
        name = "x" * 300_000
        [answer] = await self.ask({"id": 1, "do": "run", "operation": "greet", "arguments": {"name": name}})
        self.assertEqual(answer["result"], f"Hello {name}")

    async def test_a_request_without_end(self) -> None:
        self.patch(sys.modules["xmppd.net.admin"], "MAX_LINE", 1000)
        answers = await deferToThread(talk, self.path, b"x" * 1001, 2)
        self.assertEqual([a and a["error"] for a in answers], ["a request may have 1000 octets", None])

    async def test_stopping_waits_for_answers(self) -> None:
        asked = Deferred.fromCoroutine(self.ask({"id": 1, "do": "run", "operation": "wait"}, lines=2))
        while not self.service._factory.connections or not any(c._under_way for c in self.service._factory.connections):
            await later(0.01)
        stopped = self.service.stopService()
        self.kernel.slow.callback("at last")
        self.assertEqual(await asked, [{"id": 1, "result": "at last"}, None])
        assert stopped is not None
        await stopped
        self.assertFalse(self.path.exists())

    async def test_a_client_that_leaves_early(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))
            client.sendall(b'{"id": 1, "do": "run", "operation": "wait"}\n')
            while not self.service._factory.connections:
                await later(0.01)
        while self.service._factory.connections:
            await later(0.01)
        self.kernel.slow.callback("too late")
        [answer] = await self.ask({"id": 1, "do": "run", "operation": "greet", "arguments": {"name": "you"}})
        self.assertEqual(answer["result"], "Hello you")

    async def test_a_socket_left_over_is_replaced(self) -> None:
        await self.stop()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))
        self.service.startService()
        [answer] = await self.ask({"id": 1, "do": "list"})
        self.assertIn("result", answer)

    def test_a_path_too_long_is_explained(self) -> None:
        service = AdminService(reactor, self.path.parent / ("x" * 120), OperationRegistry([]))
        with self.assertRaisesRegex(AdminSocketError, "set admin_socket under .server. to a shorter"):
            service.startService()

    def test_a_folder_that_is_not_there(self) -> None:
        service = AdminService(reactor, self.path.parent / "none" / "admin.sock", OperationRegistry([]))
        with self.assertRaisesRegex(AdminSocketError, "can't be opened"):
            service.startService()


def later(seconds: float) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    call: Callable[..., object] = reactor.callLater
    call(seconds, waiting.callback, None)
    return waiting


HOLD = """
import sys, time
from pathlib import Path
from xmppd.net.admin import DataLock
lock = DataLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


class LockTests(TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def hold(self) -> subprocess.Popen[str]:
        """Let another process hold the lock."""
        other = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(self.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(other.communicate)
        assert other.stdout
        self.assertEqual(other.stdout.readline(), "held\n")
        return other

    def test_a_second_server_is_told_of_the_first(self) -> None:
        other = self.hold()
        with self.assertRaises(AlreadyRunning) as caught:
            DataLock(self.folder)
        self.assertEqual(
            str(caught.exception),
            f"another xmppd (process {other.pid}) uses {self.folder}; stop it, or give this one a data_dir of its own",
        )
        self.assertTrue(is_locked(self.folder))

    def test_a_killed_server_leaves_nothing(self) -> None:
        other = self.hold()
        other.kill()
        other.wait()
        self.assertFalse(is_locked(self.folder))
        DataLock(self.folder).release()

    def test_released(self) -> None:
        lock = DataLock(self.folder)
        self.assertTrue(is_locked(self.folder))
        lock.release()
        lock.release()
        self.assertFalse(is_locked(self.folder))
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "xmppd.lock").st_mode), 0o600)

    def test_a_folder_nobody_has_used(self) -> None:
        self.assertFalse(is_locked(self.folder / "none"))
