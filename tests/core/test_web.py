"""Where the HTTP of hosts is reached, and which host a request is for."""

from __future__ import annotations

from unittest import TestCase

from pydantic import ValidationError

from xmppd.core.settings import Host, Http, Listen, Settings
from xmppd.core.web import Web, named


def _settings(listen: Listen | None = None, http: Http | None = None, **hosts: Host) -> Settings:
    domains = {name.replace("_", "."): host for name, host in hosts.items()} or {"example.org": Host()}
    return Settings(listen=listen or Listen(https=("tcp:5281",)), http=http or Http(), hosts=domains)


def _web(settings: Settings, domain: str = "example.org") -> Web:
    return Web(domain, lambda: settings)


class WebTest(TestCase):
    """Addresses of one host."""

    def test_from_ports(self) -> None:
        """The first port of HTTPS counts, wherever its number stands; 443 is not written."""
        for endpoint, expected in (
            ("tcp:5281", "https://example.org:5281"),
            ("tcp6:port=5281:interface=\\:\\:", "https://example.org:5281"),
            ("tcp:443:interface=192.0.2.1", "https://example.org"),
            ("haproxy:tcp:5281", "https://example.org:5281"),
            ("systemd:domain=INET6:index=0", ""),
            ("tcp:0", ""),
        ):
            with self.subTest(endpoint=endpoint):
                self.assertEqual(_web(_settings(Listen(https=(endpoint,)))).base, expected)

    def test_plain_is_not_for_clients(self) -> None:
        """A port without TLS is for reverse proxies, whose address has to be set."""
        web = _web(_settings(Listen(http=("tcp:5280",))))
        self.assertEqual((web.base, web.url("/upload/"), web.websocket, web.bosh), ("", "", "", ""))

    def test_http_url(self) -> None:
        """What is set counts."""
        web = _web(_settings(example_org=Host(http_url="https://chat.example.org/xmpp")))
        self.assertEqual(web.url("/upload/a"), "https://chat.example.org/xmpp/upload/a")
        self.assertEqual(web.websocket, "wss://chat.example.org/xmpp/xmpp-websocket")
        self.assertEqual(
            _web(_settings(example_org=Host(http_url="http://localhost"))).websocket[:16], "ws://localhost/x"
        )

    def test_http_url_is_checked(self) -> None:
        """It is an address, and ends without a slash."""
        for wrong in (
            "example.org",
            "ftp://example.org",
            "https://",
            "https://example.org/",
            "https://a b",
            "https://u@a",
        ):
            with self.subTest(url=wrong), self.assertRaises(ValidationError):
                Host(http_url=wrong)

    def test_paths(self) -> None:
        """The doors of clients, unless they are closed."""
        web = _web(_settings())
        self.assertEqual(web.websocket, "wss://example.org:5281/xmpp-websocket")
        self.assertEqual(web.bosh, "https://example.org:5281/http-bind")
        closed = _web(_settings(http=Http(websocket="", bosh="")))
        self.assertEqual((closed.websocket, closed.bosh), ("", ""))
        with self.assertRaises(ValidationError):
            Http(websocket="no-slash")
        for websocket, bosh in (("/x", "/x"), ("/metrics", "/x"), ("", "/ready")):
            with self.subTest(websocket=websocket, bosh=bosh), self.assertRaises(ValidationError):
                Http(websocket=websocket, bosh=bosh)

    def test_other_domains(self) -> None:
        """URLs are ASCII; who is not served has no address."""
        self.assertEqual(
            _web(_settings(münchen_example=Host()), "münchen.example").base, "https://xn--mnchen-3ya.example:5281"
        )
        self.assertEqual(_web(_settings(), "other.example").base, "")


class NamedTest(TestCase):
    """Whom a Host field names."""

    def test_names(self) -> None:
        """Domains, names of their addresses, and what is beneath."""
        settings = _settings(example_org=Host(http_url="https://www.example.net:8443"), chat_example_org=Host())
        hosts = {"example.org": 1, "chat.example.org": 2}
        for name, expected in (
            ("example.org", 1),
            ("upload.example.org", 1),
            ("chat.example.org", 2),
            ("upload.chat.example.org", 2),
            ("www.example.net", 1),
            ("example.net", None),
            ("", None),
        ):
            with self.subTest(name=name):
                self.assertEqual(named(name, settings, hosts), expected)

    def test_other_scripts(self) -> None:
        """In a Host field they are A-labels (RFC 5890 section 2.3.2.1)."""
        settings = _settings(münchen_example=Host(http_url="https://köln.example"), example_org=Host())
        hosts = {"münchen.example": 1, "example.org": 2}
        for name, expected in (
            ("xn--mnchen-3ya.example", 1),
            ("upload.xn--mnchen-3ya.example", 1),
            ("xn--kln-sna.example", 1),
            ("xn--mnchen-3ya.example.org", 2),
            ("xn--.example", None),
            ("xn--mnchen-3ya.example.net", None),
        ):
            with self.subTest(name=name):
                self.assertEqual(named(name, settings, hosts), expected)
