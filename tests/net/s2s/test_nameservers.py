"""Which nameservers there are: those of the system, those of the settings."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

from twisted.internet.task import Clock

from xmppd.net.s2s.nameservers import SystemNameservers, parse_nameserver, system_nameservers


class ResolvConfTests(unittest.TestCase):
    def test_lines(self) -> None:
        lines = (
            "# nameserver 192.0.2.1",
            "search x.example",
            "nameserver 192.0.2.2 # ours",
            "",
            "  nameserver\t2001:db8::1",
        )
        text = "\n".join([*lines, "nameserver", ""])
        self.assertEqual(system_nameservers(text), [("192.0.2.2", 53), ("2001:db8::1", 53)])

    def test_none(self) -> None:
        self.assertEqual(system_nameservers("options rotate\n"), [("127.0.0.1", 53)])

    def test_what_is_no_address_is_left_out(self) -> None:
        self.assertEqual(system_nameservers("nameserver ns.example\nnameserver 192.0.2.2\n"), [("192.0.2.2", 53)])


class SystemTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "resolv.conf"
        self.clock = Clock()
        self.system = SystemNameservers(self.clock, str(self.file))
        self.known: list[tuple[str, int]] = []
        self.age = 0

    def write(self, address: str) -> None:
        self.file.write_text(f"nameserver {address}\n")
        self.age += 10
        os.utime(self.file, (self.age, self.age))

    def read(self) -> list[str]:
        self.known = self.system.read(self.known)
        return [host for host, _ in self.known]

    def test_read_again_when_it_has_changed(self) -> None:
        self.write("192.0.2.1")
        self.assertEqual(self.read(), ["192.0.2.1"])
        self.write("192.0.2.2")
        self.clock.advance(29)
        self.assertEqual(self.read(), ["192.0.2.1"])
        self.clock.advance(1)
        self.assertEqual(self.read(), ["192.0.2.2"])

    def test_the_order_is_kept_while_it_has_not(self) -> None:
        self.file.write_text("nameserver 192.0.2.1\nnameserver 192.0.2.2\n")
        self.read()
        self.known.reverse()
        self.clock.advance(60)
        self.assertEqual(self.read(), ["192.0.2.2", "192.0.2.1"])

    def test_no_file(self) -> None:
        self.assertEqual(self.read(), ["127.0.0.1"])
        self.write("192.0.2.1")
        self.clock.advance(30)
        self.assertEqual(self.read(), ["192.0.2.1"])
        self.file.unlink()
        self.clock.advance(30)
        self.assertEqual(self.read(), ["192.0.2.1"])


class SettingsTests(unittest.TestCase):
    def test_good_ones(self) -> None:
        for text, expected in (
            ("192.0.2.1", ("192.0.2.1", 53)),
            ("192.0.2.1:5353", ("192.0.2.1", 5353)),
            ("2001:db8::1", ("2001:db8::1", 53)),
            ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
            ("[2001:db8::1]", ("2001:db8::1", 53)),
        ):
            with self.subTest(text):
                self.assertEqual(parse_nameserver(text), expected)
