"""Files that end: by age, by wish, with their account; and what operators see and do."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from xmppd.api import OperationError
from xmppd.api.operations import operations_of
from xmppd.api.waiting import as_deferred
from xmppd.plugins.http_upload.tables import FILES
from xmppd.wire.jid import Jid

from .kit import BASE, UploadTestCase

_PROFILE = "<profile xmlns='urn:xmpp:http:upload:purpose:0'/>"
_PERMANENT = "<permanent xmlns='urn:xmpp:http:upload:purpose:0'/>"
_EPHEMERAL = "<ephemeral xmlns='urn:xmpp:http:upload:purpose:0' expire-before='%s'/>"
_DAY = 86_400


class EndTests(UploadTestCase):
    config = {"http_upload": {"days": 2, "profile": {"days": 3}, "permanent": {"quota": 1000}, "purge_files": 2}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def rows(self) -> list[Any]:
        with self.server.engines.read.connect() as connection:
            return list(connection.execute(select(FILES)).all())

    def tomorrow(self, days: float = 1) -> None:
        """Let days pass, in which nobody does anything."""
        self.clock.advance(days * _DAY)
        self.pump(1)

    def test_days(self) -> None:
        gets = [self.upload(self.romeo) for _ in range(5)]
        profile = self.upload(self.romeo, purpose=_PROFILE)
        permanent = self.upload(self.romeo, purpose=_PERMANENT)
        self.tomorrow(1.9)
        self.assertEqual({self.get(get).code for get in gets}, {200})
        self.tomorrow(0.2)
        self.assertEqual({self.get(get).code for get in gets}, {404})
        self.assertEqual(len(self.files()), 2)
        self.assertEqual(self.get(profile).code, 200)
        self.tomorrow(1)
        self.assertEqual(self.get(profile).code, 404)
        self.tomorrow(1000)
        self.assertEqual(self.get(permanent).code, 200)
        self.assertEqual(len(self.rows()), 1)

    def test_not_a_second_longer(self) -> None:
        """XEP-0363, 6.3: what has ended is not there, whether it was deleted or not."""
        get = self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.clock.advance(29.5)
        self.assertEqual(self.get(get).code, 200)
        self.assertIn((b"cache-control", b"private, max-age=0, immutable"), self.get(get).headers)
        self.clock.advance(0.5)
        self.assertEqual(len(self.files()), 1)
        self.assertEqual(self.get(get).code, 404)
        self.pump(61)
        self.assertEqual(self.files(), [])

    def test_ephemeral_ends_with_messages(self) -> None:
        get = self.upload(self.romeo, purpose=_EPHEMERAL % "2027-01-01T12:00:00Z")
        self.tomorrow(2.1)
        self.assertEqual(self.get(get).code, 404)

    def test_shorter_than_before(self) -> None:
        """A shorter time counts for files that are there as well."""
        get = self.upload(self.romeo)
        self.tomorrow(1)
        self.wait(self.host.registry.reconfigure("http_upload", {"days": 0.5}))
        self.assertEqual(self.get(get).code, 404)
        self.pump(61)
        self.assertEqual(self.files(), [])

    def test_purge_seconds(self) -> None:
        self.wait(self.host.registry.reconfigure("http_upload", {"purge_seconds": 1000}))
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.pump(990, step=30)
        self.assertEqual(len(self.files()), 1)
        self.pump(20)
        self.assertEqual(self.files(), [])

    def test_rows_are_kept_for_a_day(self) -> None:
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.pump(61)
        row = self.rows()[0]
        self.assertEqual((row.name, row.type), ("", ""))
        self.tomorrow(1)
        self.assertEqual(self.rows(), [])

    def test_account_deleted(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        kept = self.upload(juliet)
        gets = [self.upload(self.romeo) for _ in range(3)]
        self.slot(self.romeo)
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.clock.advance(61)
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        self.pump()
        self.assertEqual({self.get(get).code for get in gets}, {404})
        self.assertEqual(self.get(kept).code, 200)
        self.assertEqual(len(self.files()), 1)
        self.assertEqual([row.account for row in self.rows()], ["juliet@example.org"])

    # Operations

    def test_list(self) -> None:
        get = self.upload(self.romeo, b"12345", name="é.png")
        self.clock.advance(10)
        self.upload(self.romeo, purpose=_PERMANENT, type="text/plain")
        self.slot(self.romeo)
        first, second = self.operate("http_upload", "upload list", account="romeo@example.org")
        self.assertEqual(first, {
            "uploaded": "2026-01-01T12:00:00Z", "octets": 5, "type": "image/png", "kept until": "2026-01-03T12:00:00Z",
            "token": get.split("/")[4], "url": get,
        })  # fmt: skip
        self.assertEqual((second["kept until"], second["type"]), ("", "text/plain"))
        self.assertEqual(len(self.operate("http_upload", "upload list", account="romeo@example.org", limit=1)), 1)
        self.assertEqual(self.operate("http_upload", "upload list", account="juliet@example.org"), [])
        self.refuse_to_operate("http_upload", "upload list", account="romeo@example.org", limit=0)

    def test_usage(self) -> None:
        self.upload(self.romeo, b"12345")
        self.slot(self.login("juliet@example.org/balcony"), size=7)
        self.assertEqual(self.operate("http_upload", "upload usage", host="example.org"), [
            {"account": "all", "files": 2, "octets": 12}, {"account": "juliet@example.org", "files": 1, "octets": 7},
            {"account": "romeo@example.org", "files": 1, "octets": 5},
        ])  # fmt: skip

    def test_purge(self) -> None:
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.assertEqual(self.operate("http_upload", "upload purge", host="example.org"), "Deleted 0 files.")
        self.clock.rightNow += 31
        self.assertEqual(self.operate("http_upload", "upload purge", host="example.org"), "Deleted 1 file.")

    def test_delete(self) -> None:
        gets = [self.upload(self.romeo) for _ in range(4)]
        done = self.operate("http_upload", "upload delete", account="romeo@example.org", token=gets[0].split("/")[4])
        self.assertEqual((done, self.get(gets[0]).code, self.get(gets[1]).code), ("Deleted 1 file.", 404, 200))
        self.assertEqual(self.operate("http_upload", "upload delete", account="romeo@example.org"), "Deleted 3 files.")
        self.assertEqual(self.files(), [])

    def test_delete_what_is_not_there(self) -> None:
        token = self.upload(self.romeo).split("/")[4]
        for account, one in (
            ("romeo@example.org", "../x"),
            ("romeo@example.org", "a" * 32),
            ("juliet@example.org", token),
        ):
            self.refuse_to_operate("http_upload", "upload delete", account=account, token=one)
        self.assertEqual(len(self.files()), 1)

    def test_from_a_client(self) -> None:
        """Users may do it to what is theirs, with their clients (XEP-0050), and nothing else."""
        romeo = Jid.parse("romeo@example.org/orchard")
        names = {one.name for one in self.host.operations.list(romeo)}
        self.assertEqual({name for name in names if name.startswith("upload")}, {"upload mine", "upload remove"})
        get = self.upload(self.romeo)
        rows: Any = self.wait(self.host.operations.run("upload mine", {}, romeo))
        self.assertEqual([row["url"] for row in rows], [get])
        token = get.split("/")[4]
        self.assertEqual(
            self.wait(self.host.operations.run("upload remove", {"token": token}, romeo)), "Deleted 1 file."
        )
        coming = as_deferred(self.host.operations.run("upload usage", {"host": "example.org"}, romeo))
        self.failureResultOf(coming, OperationError)

    def test_those_of_other_servers(self) -> None:
        """Operators say which host's service they mean."""
        self.wait(self.host.registry.reconfigure("http_upload", {"remote": ["*@verona.example"]}))
        remote: Any = self.remote("verona.example")
        remote.sender = "tybalt@verona.example/x"
        put, get = self.slot(remote)
        self.assertEqual(self.put(put).code, 201)
        operations = self.server.server.operations
        deleted = self.wait(operations.run("upload delete", {"account": "tybalt@verona.example"}, host="example.org"))
        self.assertEqual((deleted, self.get(get).code), ("Deleted 1 file.", 404))

    def test_mine(self) -> None:
        """Users see and delete their own files, and nobody else's."""
        get = self.upload(self.romeo)
        found = {one.name: one for one in operations_of(self.plugin("http_upload"))}
        rows: Any = self.wait(found["upload mine"].run({}, actor="romeo@example.org"))
        self.assertEqual([row["url"] for row in rows], [get])
        self.assertEqual(self.wait(found["upload mine"].run({}, actor="juliet@example.org")), [])
        self.failureResultOf(as_deferred(found["upload mine"].run({}, actor="operator")), OperationError)
        remove, token = found["upload remove"], get.split("/")[4]
        self.failureResultOf(self._remove(remove, token, "juliet@example.org"), OperationError)
        self.assertEqual(self.wait(self._remove(remove, token, "romeo@example.org")), "Deleted 1 file.")
        self.assertEqual(self.get(get).code, 404)

    def _remove(self, operation: Any, token: str, actor: str) -> Any:
        return as_deferred(operation.run({"token": token}, actor=actor))

    def test_figures(self) -> None:
        self.get(self.upload(self.romeo, b"12345"))
        self.slot(self.romeo)
        self.refused(self.romeo, size=10**12)
        self.pump(61)
        figures = {figure.name: figure.value for figure in self.plugin("http_upload").figures()}
        self.assertEqual(figures, {
            "files": 2, "octets": 9, "slots": 2, "refused_slots": 0, "receiving": 0, "uploads": 1, "upload_octets": 5,
            "failed_uploads": 0, "downloads": 1, "deleted": 0,
        })  # fmt: skip

    def test_broken_database(self) -> None:
        """What can't be deleted now is deleted later."""
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:00:30Z")
        self.disk.broken = "database is locked"
        self.pump(120)
        self.assertEqual(len(self.files()), 1)
        self.disk.broken = None
        self.pump(61)
        self.assertEqual(self.files(), [])


class FolderTests(UploadTestCase):
    config = {"http_upload": {"folder": "files-of-users"}}

    def test_folder(self) -> None:
        get = self.upload(self.login("romeo@example.org/orchard"))
        there = [
            path.name for path in (self.host.data_dir / "files-of-users" / "example.org").rglob("*") if path.is_file()
        ]
        self.assertEqual(there, [get.split("/")[4]])

    def test_another_folder(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        self.upload(romeo)
        self.wait(self.host.registry.reconfigure("http_upload", {"folder": "more"}))
        self.assertTrue(self.get(self.upload(romeo)).body)
        self.assertTrue((self.host.data_dir / "more" / "example.org").is_dir())


class TwoHostsTests(UploadTestCase):
    """What somebody has uploaded with another host's service goes with them as well."""

    hosts = {
        "example.org": {"http_url": BASE, "http_upload": {"hosts": ["example.net"]}},
        "example.net": {"http_url": "https://example.net"},
    }

    def test_account_deleted(self) -> None:
        get = self.upload(self.login("romeo@example.net/orchard"))
        self.assertEqual(self.get(get).code, 200)
        self.assertEqual(self.get(get.replace(BASE, "https://example.net")).code, 404)
        self.wait(self.server.server.hosts["example.net"].delete_account(Jid.parse("romeo@example.net")))
        self.assertEqual(self.get(get).code, 404)
        self.pump(61)
        self.assertEqual(self.files(), [])
