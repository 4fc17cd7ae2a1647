"""Files in a folder: they are there whole, or not at all."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from xmppd.plugins.http_upload.disk import Files

TOKEN = "ab" + "c" * 30
OTHER = "xy" + "z" * 30


class FilesTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "uploads" / "example.org"
        self.files = Files(self.folder)
        self.files.make()

    def put(self, token: str, data: bytes = b"data") -> None:
        path, descriptor = self.files.begin(token)
        self.files.write(descriptor, data)
        self.files.finish(token, path, descriptor)

    def there(self) -> list[str]:
        found = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return sorted(re.sub(r"\.[0-9a-f]{16}$", "", name) for name in found)

    def test_a_file(self) -> None:
        path, descriptor = self.files.begin(TOKEN)
        self.files.write(descriptor, b"some")
        self.assertEqual(self.there(), [f"incoming/{TOKEN}"])
        self.assertFalse(self.files.has(TOKEN))
        self.files.write(descriptor, b"thing")
        self.files.finish(TOKEN, path, descriptor)
        self.assertEqual(self.there(), [f"files/ab/{TOKEN}"])
        self.assertTrue(self.files.has(TOKEN))
        self.assertEqual(self.files.place(TOKEN).read_bytes(), b"something")
        self.assertRaises(OSError, os.fstat, descriptor)

    def test_nobody_else_reads_them(self) -> None:
        self.put(TOKEN)
        for path in (self.folder, *self.folder.rglob("*")):
            self.assertEqual(path.stat().st_mode & 0o077 if path != self.folder else 0, 0, path)

    def test_discard(self) -> None:
        path, descriptor = self.files.begin(TOKEN)
        self.files.write(descriptor, b"some")
        self.files.discard(path, descriptor)
        self.assertEqual(self.there(), [])
        self.assertRaises(OSError, os.fstat, descriptor)
        self.files.discard(path, None)

    def test_the_first_one_stays(self) -> None:
        """Whoever else comes to the same place, it is as it was."""
        path, descriptor = self.files.begin(TOKEN)
        self.put(TOKEN, b"first")
        self.files.write(descriptor, b"second")
        with self.assertRaises(FileExistsError):
            self.files.finish(TOKEN, path, descriptor)
        self.files.discard(path, None)
        self.assertEqual(self.files.place(TOKEN).read_bytes(), b"first")
        self.assertEqual(self.there(), [f"files/ab/{TOKEN}"])

    def test_it_is_on_disk_before_it_has_its_name(self) -> None:
        acts: list[str] = []
        real_fsync, real_rename = os.fsync, Path.rename

        def fsync(descriptor: int) -> None:
            acts.append("fsync " + os.readlink(f"/proc/self/fd/{descriptor}").rpartition("/")[2][:5])
            real_fsync(descriptor)

        def rename(path: Path, target: Path) -> Path:
            acts.append("rename")
            return real_rename(path, target)

        with mock.patch("os.fsync", fsync), mock.patch.object(Path, "rename", rename):
            self.put(TOKEN)
        self.assertEqual(acts, [f"fsync {TOKEN[:5]}", "fsync files", "rename", "fsync ab"])

    def test_writes_that_are_short(self) -> None:
        real = os.write
        with mock.patch("os.write", lambda descriptor, data: real(descriptor, data[:3])):
            self.put(TOKEN, b"something long")
        self.assertEqual(self.files.place(TOKEN).read_bytes(), b"something long")

    def test_what_fails_leaves_nothing(self) -> None:
        for what in ("os.fsync", "os.write", "pathlib.Path.rename"):
            path, descriptor = self.files.begin(TOKEN)
            with mock.patch(what, side_effect=OSError(errno.ENOSPC, "full")), self.assertRaises(OSError):
                self.files.write(descriptor, b"data")
                self.files.finish(TOKEN, path, descriptor)
            self.files.discard(path, descriptor)
            self.assertEqual(self.there(), [], what)
            self.assertRaises(OSError, os.fstat, descriptor)

    def test_cleaning(self) -> None:
        self.files.begin(TOKEN)
        self.put(OTHER)
        self.put("mn" + "o" * 30)
        (self.folder / "incoming" / "mine.txt").touch()  # somebody else's is left alone
        self.assertEqual(self.files.clean([OTHER, "pq" + "r" * 30]), 2)
        self.assertEqual(self.there(), [f"files/mn/mn{'o' * 30}", "incoming/mine.txt"])

    def test_nothing_to_clean(self) -> None:
        self.assertEqual(Files(self.folder / "nowhere").clean([TOKEN]), 0)
        self.assertEqual(Files(self.folder / "nowhere").shards(), [])
        self.assertFalse((self.folder / "nowhere").exists())

    def test_looking_through(self) -> None:
        self.put(TOKEN)
        self.put(OTHER)
        (self.folder / "files" / "ab" / "notes").touch()
        self.assertEqual(self.files.shards(), ["ab", "xy"])
        self.assertEqual(self.files.tokens("ab"), [TOKEN])
        self.files.delete([TOKEN, TOKEN])
        self.assertEqual(self.files.tokens("ab"), [])

    def test_free(self) -> None:
        self.assertGreater(Files(self.folder / "new").free(), 0)
