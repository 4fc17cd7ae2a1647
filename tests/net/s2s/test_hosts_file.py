"""Names in the hosts file come before the DNS, unless the settings name nameservers."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import TestCase

from tests.net.s2s.dns_server import reactor, settings
from xmppd.core.settings import S2s
from xmppd.net.s2s.hosts_file import HostsFile, read_hosts
from xmppd.net.s2s.nameservers import Nameservers
from xmppd.net.s2s.resolver import Resolver

TEXT = """\
127.0.0.1  localhost
::1        localhost ip6-localhost
192.0.2.1  Example.ORG  www.example.org # 192.0.2.9 example.net
192.0.2.1  example.org
nonsense   example.net
192.0.2.3
192.0.2.4  b\u00fccher.example a..b
"""


class HostsFileTests(TestCase):
    def hosts(self, text: str, clock: Clock | None = None) -> HostsFile:
        self.path = Path(self.mktemp())
        self.path.write_text(text, "utf-8")
        return HostsFile(clock or Clock(), str(self.path))

    def test_what_is_in_it(self) -> None:
        found = {
            "localhost": ["127.0.0.1", "::1"],
            "ip6-localhost": ["::1"],
            "example.org": ["192.0.2.1"],
            "www.example.org": ["192.0.2.1"],
            "xn--bcher-kva.example": ["192.0.2.4"],
        }
        self.assertEqual(read_hosts(TEXT), found)

    def test_names_are_found(self) -> None:
        hosts = self.hosts(TEXT + "192.0.2.5 org\n192.0.2.6 www.example.org")
        for name, expected in (
            ("localhost", ["127.0.0.1", "::1"]),
            ("example.org", ["192.0.2.1"]),
            ("www.example.org", ["192.0.2.1", "192.0.2.6"]),
            ("org", ["192.0.2.5"]),
            ("xn--bcher-kva.example", ["192.0.2.4"]),
            ("xn--a", ()),
            ("example.net", ()),
        ):
            self.assertEqual(hosts.addresses(name), expected, name)

    def test_read_again_when_it_has_changed(self) -> None:
        clock = Clock()
        hosts = self.hosts(TEXT, clock)
        self.assertEqual(hosts.addresses("example.org"), ["192.0.2.1"])
        self.path.write_text("192.0.2.7 example.org")
        os.utime(self.path, (1, 1))
        self.assertEqual(hosts.addresses("example.org"), ["192.0.2.1"])
        clock.advance(30)
        self.assertEqual(hosts.addresses("example.org"), ["192.0.2.7"])
        self.path.unlink()
        clock.advance(30)
        self.assertEqual(hosts.addresses("example.org"), ["192.0.2.7"])

    def test_there_is_none(self) -> None:
        self.assertEqual(HostsFile(Clock(), "/nonexistent/hosts").addresses("example.org"), ())

    async def test_before_the_dns(self) -> None:
        """Even if no nameserver answers."""
        system = Nameservers(reactor, [("127.0.0.1", 1)], seconds=0.2)
        resolver = Resolver(reactor, S2s(), hosts=self.hosts(TEXT))
        self.addCleanup(resolver.stop)
        resolver._nameservers = system
        targets = await resolver.targets("example.org")
        self.assertEqual([(t.host, t.port, t.certain) for t in targets], [("example.org", 5269, True)])
        self.assertEqual(await resolver.addresses("example.org", dns.A), ["192.0.2.1"])
        self.assertEqual(await resolver.addresses("example.org", dns.AAAA), [])
        self.assertEqual(await resolver.addresses("Localhost.", dns.AAAA), ["::1"])

    async def test_not_with_nameservers_in_the_settings(self) -> None:
        resolver = Resolver(reactor, settings(nameservers=("127.0.0.1:1",), dns_seconds=0.2), hosts=self.hosts(TEXT))
        self.addCleanup(resolver.stop)
        self.assertEqual(resolver._pinned("example.org"), ())
