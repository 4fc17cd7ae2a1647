"""At which ports a host is reached with direct TLS."""

from __future__ import annotations

from unittest import TestCase

from xmppd.core.listening import Listening, ports_of
from xmppd.core.settings import Host, Listen, Settings


class PortTests(TestCase):
    def test_endpoints(self) -> None:
        for endpoint, ports in (
            ("tcp:5223", (5223,)),
            ("tcp6:port=5223:interface=\\:\\:", (5223,)),
            ("tcp:443:interface=192.0.2.1", (443,)),
            ("haproxy:tcp:5223", (5223,)),
            ("tcp:5223:interface=127.0.0.1", ()),
            ("tcp6:5223:interface=\\:\\:1", ()),
            ("tcp:5223:interface=localhost", ()),
            ("tcp:0", ()),
            ("systemd:domain=INET6:name=c2s", ()),
            ("unix:/run/x", ()),
        ):
            self.assertEqual(ports_of([endpoint]), ports, endpoint)
        self.assertEqual(ports_of(["tcp:443", "tcp6:443", "tcp:5223"]), (443, 5223))

    def test_of_a_host(self) -> None:
        listen = Listen(c2s_tls=("tcp:5223",), s2s_tls=("tcp:5270",), c2s=("tcp:5222",))
        settings = Settings(listen=listen, hosts={"example.org": Host(), "inside.example": Host(federate=False)})
        ours, inside = (Listening(domain, lambda: settings) for domain in settings.hosts)
        self.assertEqual((ours.clients, ours.servers), ((5223,), (5270,)))
        self.assertEqual((inside.clients, inside.servers), ((5223,), ()))
        self.assertEqual(Listening("gone.example", lambda: settings).servers, ())
