"""What goes wrong with uploads: nothing half is ever there, and nothing is left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import select
from twisted.python.monkey import MonkeyPatcher

from xmppd.api import StorageUnavailable
from xmppd.api.waiting import as_deferred
from xmppd.plugins.http_upload.tables import FILES, SERVICES
from xmppd.testing.http import PlayedBody

from .kit import UploadTestCase, request_of


class FaultTests(UploadTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def rows(self) -> list[Any]:
        with self.server.engines.read.connect() as connection:
            return list(connection.execute(select(FILES)).all())

    def test_what_blocks_is_done_in_threads(self) -> None:
        """Whatever touches the disk: nothing of it in the reactor's thread."""
        inside: list[str] = []
        touched: set[str] = set()
        disk = self.plugin("http_upload")._folder.disk
        real_run = disk.run

        def run(fn: Callable[[], Any]) -> Any:
            inside.append("a thread")
            try:
                return real_run(fn)
            finally:
                inside.pop()

        def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def act(*arguments: Any) -> Any:
                self.assertTrue(inside, name)
                touched.add(name)
                return real(*arguments)

            return act

        self.patch(disk, "run", run)
        names = {"begin", "write", "finish", "discard", "delete", "has", "free", "shards", "tokens"}
        for name in names:
            self.patch(disk.files, name, watched(name, getattr(disk.files, name)))
        self.get(self.upload(self.romeo))
        put, _ = self.slot(self.romeo)
        self.put(put, iter([ConnectionError("gone")]), 4)
        self.operate("http_upload", "upload delete", account="romeo@example.org")
        self.pump(86_400, step=600)
        self.assertEqual(touched, names)

    def test_cut_at_every_piece(self) -> None:
        """Whenever the client goes away: nothing is there, and the slot can be used again."""
        pieces: list[bytes | Exception] = [b"piece%d" % number for number in range(8)]
        whole = b"".join(piece for piece in pieces if isinstance(piece, bytes))
        put, get = self.slot(self.romeo, size=len(whole))
        for count in range(len(pieces) + 1):
            answer = self.put(put, iter([*pieces[:count], ConnectionError("gone")]), len(whole))
            self.assertEqual(answer.code, 400)
            self.assertEqual(self.files(), [])
            self.assertEqual(self.get(get).code, 404)
        self.assertEqual(self.put(put, pieces).code, 201)
        self.assertEqual(self.get(get).body, whole)
        self.assertEqual(self.plugin("http_upload").uploads.failed, len(pieces) + 1)

    def test_cut_with_much_written(self) -> None:
        put, _ = self.slot(self.romeo, size=2_000_000)
        seen: list[list[str]] = []

        def pieces() -> Iterator[bytes | Exception]:
            yield b"x" * 1_000_000
            seen.append(self.files())
            yield ConnectionError("gone")

        self.assertEqual(self.put(put, pieces(), 2_000_000).code, 400)
        self.assertEqual([name.split("/")[0] for name in seen[0]], ["incoming"])
        self.assertEqual(self.files(), [])

    def test_fewer_octets_than_said(self) -> None:
        """The HTTP server doesn't let it happen; if it did, it would not be the file."""
        put, get = self.slot(self.romeo, size=10)
        self.assertEqual(self.put(put, [b"123456789"], 10).code, 400)
        self.assertEqual((self.files(), self.get(get).code), ([], 404))
        self.assertEqual(self.put(put, [b"12345678901"], 10).code, 400)
        self.assertEqual(self.files(), [])

    def test_full_disk(self) -> None:
        put, get = self.slot(self.romeo)
        real = os.write

        def write(descriptor: int, data: bytes) -> int:
            real(descriptor, data[:1])
            raise OSError(errno.ENOSPC, "No space left on device")

        with mock.patch.object(os, "write", write):
            answer = self.put(put)
        self.assertEqual((answer.code, answer.body), (507, b"The disk is full.\n"))
        self.assertEqual((self.files(), self.get(get).code), ([], 404))
        self.assertEqual(self.put(put).code, 201)

    def test_whatever_fails(self) -> None:
        for what, status in (("begin", 507), ("write", 507), ("finish", 507)):
            put, get = self.slot(self.romeo)
            with mock.patch.object(self.plugin("http_upload")._folder.disk.files, what, _failing(errno.EDQUOT)):
                self.assertEqual(self.put(put).code, status, what)
            self.assertEqual((self.files(), self.get(get).code), ([], 404))
        put, get = self.slot(self.romeo)
        with mock.patch.object(self.plugin("http_upload")._folder.disk.files, "finish", _failing(errno.EIO)):
            self.assertEqual(self.put(put).code, 500)
        self.assertEqual((self.files(), self.get(get).code), ([], 404))

    def test_rename_fails(self) -> None:
        put, get = self.slot(self.romeo)
        with mock.patch.object(Path, "rename", _failing(errno.EROFS)):
            self.assertEqual(self.put(put).code, 500)
        self.assertEqual((self.files(), self.get(get).code), ([], 404))

    def test_even_deleting_fails(self) -> None:
        put, get = self.slot(self.romeo)
        files = self.plugin("http_upload")._folder.disk.files
        with (
            mock.patch.object(files, "write", _failing(errno.EIO)),
            mock.patch.object(files, "discard", _failing(errno.EIO)),
        ):
            self.assertEqual(self.put(put).code, 500)
        self.assertEqual(self.get(get).code, 404)
        self.restart()
        self.assertEqual(self.files(), [])

    def test_broken_database(self) -> None:
        put, get = self.slot(self.romeo)
        self.disk.broken = "database is locked"
        self.assertEqual(self.put(put).code, 503)
        self.assertEqual(self.files(), [])
        self.romeo.send(
            "<iq type='get' id='1' to='upload.example.org'>"
            "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/></iq>"
        )
        self.romeo.expect(
            "<iq type='error' id='1' from='upload.example.org' to='{romeo}'>{...}<error type='wait'>"
            "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
        )
        self.disk.broken = None
        self.assertEqual(self.get(get).code, 404)
        self.assertEqual(self.put(put).code, 201)

    def _lose_the_database(self, told: bool, reads: int) -> MonkeyPatcher:
        """Let the connection with the database be lost at the next write.

        :param told: is what was written there?
        :param reads: how many may be read until then and after that.
        """
        write, read, left = self.disk.write, self.disk.read, [reads]

        async def lost_write(fn: Any) -> Any:
            if told:
                await write(fn)
            raise StorageUnavailable("the connection is lost")

        async def lost_read(fn: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise StorageUnavailable("there is no connection")
            return await read(fn)

        patch = MonkeyPatcher((self.disk, "write", lost_write), (self.disk, "read", lost_read))
        patch.patch()
        self.addCleanup(patch.restore)
        return patch

    def test_lost_while_it_commits(self) -> None:
        """The database was told, and we are not: the file is there, whether that is found out at once or later."""
        for reads in (2, 1):
            with self.subTest(reads=reads):
                put, get = self.slot(self.romeo)
                patch = self._lose_the_database(told=True, reads=reads)
                self.assertEqual(self.put(put).code, 503)
                patch.restore()
                self.assertEqual(self.get(get).body, b"data")
                self.assertEqual(self.put(put).code, 409)

    def test_lost_before_it_commits(self) -> None:
        """The database was not told: the slot can be tried again."""
        for reads in (2, 1):
            with self.subTest(reads=reads):
                put, get = self.slot(self.romeo)
                patch = self._lose_the_database(told=False, reads=reads)
                self.assertEqual(self.put(put).code, 503)
                patch.restore()
                self.assertEqual(self.get(get).code, 404)
                self.assertEqual(self.put(put).code, 201)
                self.assertEqual(self.get(get).body, b"data")

    def test_killed_between_rename_and_row(self) -> None:
        """The file is in its place, and nobody was told so: it is as if it had never come."""
        put, get = self.slot(self.romeo)
        request = request_of("PUT", put, content_type="image/png", content_length="4")
        self.disk.stopped = True
        answered: list[Any] = []
        as_deferred(self.plugin("http_upload").put(request, PlayedBody(request, [b"data"]))).addCallback(
            answered.append
        )
        self.assertEqual(([name.split("/")[0] for name in self.files()], answered), (["files"], []))
        self.assertEqual(self.get(get).code, 404)
        self.kill()
        self.assertEqual((self.files(), self.get(get).code), ([], 404))
        self.assertEqual(self.put(put).code, 201)
        self.assertEqual(self.get(get).body, b"data")

    def test_killed_between_row_and_answer(self) -> None:
        """It was written down, and the client wasn't told: it is there, and stays."""
        put, get = self.slot(self.romeo)
        request = request_of("PUT", put, content_type="image/png", content_length="4")
        self.disk.stopped = True
        as_deferred(self.plugin("http_upload").put(request, PlayedBody(request, [b"data"])))
        self.disk.let_unseen()
        self.kill()
        self.assertEqual(self.get(get).body, b"data")
        self.assertEqual(self.put(put).code, 409)

    def test_killed_while_receiving(self) -> None:
        put, get = self.slot(self.romeo, size=1_000_000)
        killed: list[list[str]] = []

        def pieces() -> Iterator[bytes | Exception]:
            yield b"x" * 500_000
            killed.append(self.files())
            self.kill()
            killed.append(self.files())
            yield ConnectionError("gone")

        self.put(put, pieces(), 1_000_000)
        self.assertEqual([len(names) for names in killed], [1, 0])
        self.assertEqual(self.get(get).code, 404)

    def test_killed_while_deleting(self) -> None:
        """What was to be deleted is deleted after the start, whether it was already or not."""
        gets = [self.upload(self.romeo) for _ in range(2)]
        files = self.plugin("http_upload")._folder.disk.files
        with mock.patch.object(files, "delete", _failing(errno.EIO)):
            self.operate("http_upload", "upload delete", account="romeo@example.org")
        self.assertEqual([self.get(get).code for get in gets], [404, 404])
        self.assertEqual(len(self.files()), 2)
        (self.folder / self.files()[0]).unlink()
        self.kill()
        self.pump(61)
        self.assertEqual(self.files(), [])

    def test_files_the_database_does_not_know(self) -> None:
        """They are from before a backup; whatever else lies about is left alone."""
        get = self.upload(self.romeo)
        stranger = self.folder / "files" / "ab" / ("ab" + "c" * 30)
        stranger.parent.mkdir()
        stranger.touch()
        (self.folder / "notes.txt").touch()
        self.restart()
        self.pump()
        self.assertFalse(stranger.exists())
        self.assertEqual(len(self.files()), 2)
        self.assertEqual(self.get(get).code, 200)

    def test_account_deleted_meanwhile(self) -> None:
        put, get = self.slot(self.romeo)

        def pieces() -> Iterator[bytes]:
            yield b"da"
            self.delete_account("romeo@example.org")
            yield b"ta"

        self.assertEqual(self.put(put, pieces(), 4).code, 404)
        self.assertEqual((self.files(), self.get(get).code), ([], 404))
        self.assertEqual(self.rows(), [])

    def test_totals_are_true(self) -> None:
        """What is counted for the service is what there is, whatever has happened."""
        put, _ = self.slot(self.romeo, size=10)
        self.upload(self.romeo, b"12345")
        self.slot(self.login("juliet@example.org/balcony"), size=7)
        self.assertEqual(self._counted(), (3, 22))
        self.put(put, iter([ConnectionError("gone")]), 10)
        self.delete_account("juliet@example.org")
        self.pump(400)
        self.assertEqual(self._counted(), (1, 5))
        self.operate("http_upload", "upload delete", account="romeo@example.org")
        self.assertEqual(self._counted(), (0, 0))

    def _counted(self) -> tuple[int, int]:
        with self.server.engines.read.connect() as connection:
            files, octets = connection.execute(select(SERVICES.c.files, SERVICES.c.octets)).one()
            return files, octets


def _failing(number: int) -> Callable[..., Any]:
    def fail(*arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail
