"""Quotas and other limits, each of which has an option."""

from __future__ import annotations

from typing import Any
from unittest import mock

from xmppd.core.plugins.sources import PluginError
from xmppd.wire.errors import StanzaError

from .kit import SERVICE, UploadTestCase, taken

_PROFILE = "<profile xmlns='urn:xmpp:http:upload:purpose:0'/>"
_PERMANENT = "<permanent xmlns='urn:xmpp:http:upload:purpose:0'/>"
_EPHEMERAL = "<ephemeral xmlns='urn:xmpp:http:upload:purpose:0' expire-before='%s'/>"


class LimitTests(UploadTestCase):
    def limit(self, **options: Any) -> None:
        """Give the plugin options, and log in."""
        self.wait(self.host.registry.reconfigure("http_upload", options))
        self.romeo = self.login("romeo@example.org/orchard")

    def assertFull(self, error: StanzaError, retry: str | None) -> None:
        """The error says that there is no room until then."""
        self.assertEqual((str(error.condition), str(error.type)), ("resource-constraint", "wait"))
        self.assertTrue(error.text)
        app: Any = error.app
        self.assertEqual(None if app is None else app["stamp"], retry)

    def assertTooLarge(self, error: StanzaError, most: int) -> None:
        self.assertEqual((str(error.condition), str(error.type)), ("not-acceptable", "modify"))
        self.assertEqual(str(next(error.app.elements())), str(most))  # type: ignore[union-attr]

    def advertised(self) -> str:
        self.romeo.send(
            f"<iq type='get' id='1' to='{SERVICE}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        return taken(self.romeo).partition("var='max-file-size'")[2].partition("<value>")[2].partition("<")[0]

    def test_max_file(self) -> None:
        self.limit(max_file=100)
        self.slot(self.romeo, size=100)
        self.assertTooLarge(self.refused(self.romeo, size=101), 100)
        self.assertEqual(self.advertised(), "100")

    def test_what_fits_into_no_quota_is_too_large(self) -> None:
        for option in ("quota", "daily_octets", "host_quota"):
            self.limit(**{option: 100})
            self.assertTooLarge(self.refused(self.romeo, size=101), 100)
            self.assertEqual(self.advertised(), "100")

    def test_quota(self) -> None:
        self.limit(quota=100, days=1)
        self.upload(self.romeo, b"x" * 60)
        self.pump(3600, step=60)
        romeo = self.romeo = self.login("romeo@example.org/orchard")
        self.upload(romeo, b"x" * 40)
        self.assertFull(self.refused(romeo, size=60), "2026-01-02T12:00:00Z")
        self.assertFull(self.refused(romeo, size=61), "2026-01-02T13:00:00Z")
        self.slot(self.login("juliet@example.org/balcony"), size=60)

    def test_quota_for_ever(self) -> None:
        self.limit(quota=100, days=0)
        self.upload(self.romeo, b"x" * 60)
        self.assertFull(self.refused(self.romeo, size=60), None)
        self.slot(self.romeo, purpose=_EPHEMERAL % "2026-01-05T00:00:00Z", size=40)
        self.assertFull(self.refused(self.romeo, size=30), "2026-01-05T00:00:00Z")

    def test_slots_reserve(self) -> None:
        """Slots that are open at the same time can't hold more than there is room for."""
        self.limit(quota=100)
        put, _ = self.slot(self.romeo, size=60)
        self.assertFull(self.refused(self.romeo, size=60), "2026-02-01T12:00:00Z")
        self.assertEqual(self.put(put, b"x" * 60).code, 201)
        self.assertFull(self.refused(self.romeo, size=60), "2026-02-01T12:00:00Z")
        self.slot(self.romeo, size=40)

    def test_slots_at_once(self) -> None:
        """The same when the database takes its time."""
        self.limit(quota=100)
        self.disk.stopped = True
        for number in range(3):
            self.romeo.send(
                f"<iq type='get' id='{number}' to='{SERVICE}'>"
                "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='50'/></iq>"
            )
        self.romeo.expect_nothing()
        self.disk.go_on()
        self.pump()
        answered = [taken(self.romeo) for _ in range(3)]
        self.assertEqual(["<slot" in one for one in answered], [True, True, False], answered)

    def test_slots_that_are_not_used(self) -> None:
        self.limit(quota=100, put_seconds=60, purge_seconds=30)
        self.slot(self.romeo, size=100)
        self.assertFull(self.refused(self.romeo, size=100), "2026-02-01T12:00:00Z")
        self.pump(91)
        self.slot(self.romeo, size=100)

    def test_files(self) -> None:
        self.limit(files=2, days=1)
        self.upload(self.romeo)
        self.upload(self.romeo, purpose=_PROFILE)
        self.assertFull(self.refused(self.romeo), "2026-01-02T12:00:00Z")

    def test_daily_octets(self) -> None:
        self.limit(daily_octets=100)
        self.upload(self.romeo, b"x" * 60)
        self.assertFull(self.refused(self.romeo, size=41), "2026-01-02T12:00:00Z")
        self.slot(self.romeo, size=40)
        self.clock.advance(86_401)
        self.slot(self.login("romeo@example.org/later"), size=100)

    def test_daily_files_count_though_deleted(self) -> None:
        self.limit(daily_files=2)
        self.upload(self.romeo)
        self.upload(self.romeo, purpose=_EPHEMERAL % "2026-01-01T12:01:00Z")
        self.pump(120)
        self.operate("http_upload", "upload delete", account="romeo@example.org")
        self.assertEqual(self.files(), [])
        self.assertFull(self.refused(self.romeo), "2026-01-02T12:00:00Z")

    def test_daily_files_without_those_that_failed(self) -> None:
        self.limit(daily_files=1, put_seconds=10, purge_seconds=10)
        self.slot(self.romeo)
        self.pump(25)
        self.slot(self.romeo)

    def test_host_quota(self) -> None:
        self.limit(host_quota=100)
        self.upload(self.romeo, b"x" * 60)
        self.assertFull(self.refused(self.login("juliet@example.org/balcony"), size=50), None)
        self.operate("http_upload", "upload delete", account="romeo@example.org")
        self.slot(self.login("juliet@example.org/other"), size=100)

    def test_free_octets(self) -> None:
        self.limit(free_octets=1000)
        with mock.patch("shutil.disk_usage", return_value=mock.Mock(free=1100)):
            self.slot(self.romeo, size=100)
            self.assertFull(self.refused(self.romeo, size=101), None)

    def test_a_disk_that_does_not_answer(self) -> None:
        self.limit()
        with mock.patch("shutil.disk_usage", side_effect=OSError(5, "Input/output error")):
            self.assertFull(self.refused(self.romeo), None)

    def test_open_slots(self) -> None:
        self.limit(open_slots=2, put_seconds=60)
        put, _ = self.slot(self.romeo)
        self.slot(self.romeo)
        self.assertFull(self.refused(self.romeo), "2026-01-01T12:01:00Z")
        self.put(put)
        self.slot(self.romeo)

    def test_slots_per_minute(self) -> None:
        self.limit(slots_per_minute=3, max_file=10)
        self.slot(self.romeo)
        self.slot(self.romeo)
        self.refused(self.romeo, size=11)
        self.assertFull(self.refused(self.romeo), "2026-01-01T12:01:00Z")
        self.slot(self.login("juliet@example.org/balcony"))
        self.pump(61)
        self.slot(self.romeo)

    def test_put_seconds(self) -> None:
        self.limit(put_seconds=5)
        put, _ = self.slot(self.romeo)
        self.clock.advance(6)
        self.assertEqual(self.put(put).code, 403)

    def test_allowed_types(self) -> None:
        self.limit(allowed_types=["image/*", "Application/PDF"])
        self.slot(self.romeo, type="image/png")
        self.slot(self.romeo, type="application/pdf")
        for type_ in ("application/zip", None):
            error = self.refused(self.romeo, type=type_)
            self.assertEqual((str(error.condition), error.app), ("not-acceptable", None))

    def test_forbidden_types(self) -> None:
        self.limit(forbidden_types=["video/*"])
        self.slot(self.romeo, type="image/png")
        self.slot(self.romeo, type=None)
        self.assertEqual(str(self.refused(self.romeo, type="video/mp4").condition), "not-acceptable")

    def test_name_octets(self) -> None:
        self.limit(name_octets=16)
        self.assertTrue(self.slot(self.romeo, "a" * 100 + ".png")[1].endswith("/" + "a" * 12 + ".png"))

    def test_profile(self) -> None:
        """Files for a profile have room of their own."""
        self.limit(quota=10, profile={"max_file": 20, "quota": 30, "days": 1})
        self.slot(self.romeo, size=10)
        self.assertTooLarge(self.refused(self.romeo, size=21, purpose=_PROFILE), 20)
        self.slot(self.romeo, size=20, purpose=_PROFILE)
        self.assertFull(self.refused(self.romeo, size=11, purpose=_PROFILE), "2026-01-02T12:00:00Z")

    def test_no_profile(self) -> None:
        self.limit(profile={"quota": 0})
        self.assertEqual(str(self.refused(self.romeo, purpose=_PROFILE).condition), "feature-not-implemented")

    def test_permanent(self) -> None:
        self.limit(permanent={"quota": 10})
        self.slot(self.romeo, size=10, purpose=_PERMANENT)
        self.assertTooLarge(self.refused(self.romeo, size=11, purpose=_PERMANENT), 10)
        self.assertFull(self.refused(self.romeo, size=1, purpose=_PERMANENT), None)

    def test_reconfigured(self) -> None:
        self.limit(daily_files=1)
        self.slot(self.romeo)
        self.refused(self.romeo)
        self.limit(daily_files=2)
        self.slot(self.romeo)

    def test_options_that_make_no_sense(self) -> None:
        for options in ({"allowed_types": ["png"]}, {"remote": ["@"]}, {"url": "example.org"}, {"max_file": 0},
                        {"s3": {"endpoint": "https://s3.example"}}, {"s3": {"prefix": "a?b"}}):  # fmt: skip
            with self.assertRaises(PluginError, msg=options):
                self.wait(self.host.registry.reconfigure("http_upload", options))
