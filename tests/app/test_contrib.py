"""The files for systemd fit the server they start, and its settings understand the sockets they open."""

from __future__ import annotations

import re
import socket
import unittest
from pathlib import Path
from unittest import mock

from twisted.application.service import IServiceMaker
from twisted.internet import endpoints
from twisted.internet.testing import MemoryReactor
from twisted.plugin import getPlugins
from twisted.python.systemd import ListenFDs

from xmppd.app.docs import ROOT
from xmppd.app.options import Options
from xmppd.core.settings import Listen
from xmppd.core.settings_file import parse

CONTRIB = ROOT / "contrib"


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Read a unit, whose keys may be repeated."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (CONTRIB / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


class ServiceUnitTests(unittest.TestCase):
    def setUp(self) -> None:
        self.service = unit("xmppd.service")["Service"]

    def test_notifies(self) -> None:
        self.assertEqual(self.service["Type"], ["notify"])
        self.assertIn("-HUP", self.service["ExecReload"][0])

    def test_the_command_line_is_understood(self) -> None:
        words = self.service["ExecStart"][0].split()
        self.assertEqual(words[0].rpartition("/")[2], "twistd")
        self.assertIn("--nodaemon", words)
        options = Options()
        with mock.patch.object(Options, "postOptions"):
            options.parseOptions(words[words.index("xmppd") + 1 :])
        self.assertEqual(options["config"], "/etc/xmppd/xmppd.toml")

    def test_it_is_given_time_to_drain(self) -> None:
        drain = parse("[hosts.x]", "x", Path("/")).server.drain_seconds
        self.assertGreater(float(self.service["TimeoutStopSec"][0]), drain)

    def test_it_may_write_to_its_data_only(self) -> None:
        self.assertEqual(self.service["ProtectSystem"], ["strict"])
        self.assertEqual(self.service["StateDirectory"], ["xmppd"])
        self.assertEqual(self.service["NoNewPrivileges"], ["yes"])


class SocketUnitTests(unittest.TestCase):
    def inherit(self, *names: str) -> None:
        """Be a process that systemd gave sockets with these names, from descriptor 3 on."""
        inherited = ListenFDs(list(range(3, 3 + len(names))), names)
        patch = mock.patch.object(endpoints._SystemdParser, "_sddaemon", inherited)
        patch.start()
        self.addCleanup(patch.stop)

    def test_the_settings_it_names_find_its_sockets(self) -> None:
        streams = unit("xmppd.socket")["Socket"]["ListenStream"]
        self.assertEqual([stream.rpartition(":")[2] for stream in streams], ["5222", "5223"])
        self.inherit("xmppd.socket", "xmppd.socket")
        lines = re.findall(r"^#     (.+)$", (CONTRIB / "xmppd.socket").read_text(), re.M)
        listen = parse("\n".join([*lines, "[hosts.x]"]), "x", Path("/")).listen
        found = [endpoints.serverFromString(MemoryReactor(), text) for text in (*listen.c2s, *listen.c2s_tls)]
        self.assertEqual(
            [(endpoint.fileno, endpoint.addressFamily) for endpoint in found],
            [(3, socket.AF_INET6), (4, socket.AF_INET6)],
        )

    def test_by_name(self) -> None:
        self.inherit("other", "xmppd-c2s")
        (text,) = set(re.findall(r"systemd:domain=INET6:name=xmppd-c2s", (CONTRIB / "xmppd.socket").read_text()))
        self.assertIn(text, Listen.__doc__ or "")
        self.assertEqual(endpoints.serverFromString(MemoryReactor(), text).fileno, 4)


class DropInTests(unittest.TestCase):
    def test_twistd_knows_the_command(self) -> None:
        makers = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "xmppd"]
        self.assertEqual([maker.module for maker in makers], ["xmppd.app.service"])
