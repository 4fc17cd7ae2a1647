"""Threads and files for plugins."""

from __future__ import annotations

from xmppd.testing import ServerTestCase


class MachineTests(ServerTestCase):
    def test_work_in_a_thread(self) -> None:
        self.assertEqual(self.wait(self.host.in_thread(lambda: 6 * 7)), 42)

    def test_what_it_raises(self) -> None:
        self.failureResultOf(self.host.in_thread(lambda: 1 // 0), ZeroDivisionError)

    def test_data_dir(self) -> None:
        self.assertTrue(self.host.data_dir.is_absolute())
        self.assertEqual(self.host.data_dir, self.server.settings.server.data_dir)
