"""Documents of discovery: XEP-0156 and XEP-0487, over HTTP."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from xml.etree import ElementTree

from tests.plugins.kit import PluginTestCase
from xmppd.api.hooks import marks
from xmppd.api.http import Request
from xmppd.core.options import SettingsError, validate_options
from xmppd.plugins.host_meta import PATH, HostMeta

XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
ALT = "urn:xmpp:alt-connections:"
ECH = "eG1wcC1jbGllbnQ="
PIN = "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="
IPS = ["192.0.2.4", "fd00:feed:dad:beef::1"]


class Case(PluginTestCase):
    plugins = ("host_meta",)
    listen: ClassVar[Any] = {"https": ["tcp:5281"], "c2s_tls": ["tcp:5223"], "s2s_tls": ["tcp:5270"]}
    http: ClassVar[Any] = {}

    def settings_table(self) -> dict[str, Any]:
        return {**super().settings_table(), "listen": dict(self.listen), "http": dict(self.http)}

    def ask(self, suffix: str = "", host: str = "example.org") -> Any:
        return self.ask_http(Request("GET", PATH + suffix, host=host))

    def links(self, host: str = "example.org") -> dict[str, dict[str, Any]]:
        """Return the links in JSON by what they are, without the common part of that."""
        answer = self.ask(".json", host)
        self.assertEqual(answer.code, 200)
        return {link.pop("rel").removeprefix(ALT): link for link in json.loads(answer.body)["links"]}

    def links_in_xml(self, host: str = "example.org") -> list[dict[str, str]]:
        answer = self.ask("", host)
        self.assertEqual(answer.code, 200)
        root = ElementTree.fromstring(answer.body)
        self.assertEqual(root.tag, f"{XRD}XRD")
        return [dict(link.attrib) for link in root.iter(f"{XRD}Link")]

    def reconfigure(self, **options: Any) -> None:
        self.wait(self.host.registry.reconfigure("host_meta", options))


class AltConnections(Case):
    hosts = {"example.org": {}, "example.com": {"http_url": "https://web.example.com:5280"}}
    http = {"bosh": "/bosh", "websocket": "/ws"}

    def test_xml(self) -> None:
        """XEP-0156, example 1."""
        self.assertEqual(
            self.links_in_xml("example.com"),
            [
                {"rel": f"{ALT}websocket", "href": "wss://web.example.com:5280/ws"},
                {"rel": f"{ALT}xbosh", "href": "https://web.example.com:5280/bosh"},
            ],
        )
        answer = self.ask(host="example.com")
        self.assertTrue(answer.body.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<XRD "))
        self.assertEqual(answer.type, b"application/xrd+xml")

    def test_json(self) -> None:
        """XEP-0156, example 2: without what XEP-0487 adds, as long as it isn't all known."""
        answer = self.ask(".json", "example.com")
        self.assertEqual(
            json.loads(answer.body),
            {
                "links": [
                    {"rel": f"{ALT}websocket", "href": "wss://web.example.com:5280/ws"},
                    {"rel": f"{ALT}xbosh", "href": "https://web.example.com:5280/bosh"},
                ]
            },
        )
        self.assertEqual(answer.type, b"application/json")

    def test_each_host_has_its_own(self) -> None:
        self.assertEqual(self.links()["websocket"]["href"], "wss://example.org:5281/ws")
        self.assertEqual(self.links("web.example.com")["xbosh"]["href"], "https://web.example.com:5280/bosh")

    def test_for_scripts_of_everybody(self) -> None:
        for method in (HostMeta.in_xml, HostMeta.in_json):
            (mark,) = marks(method)
            self.assertTrue(mark.cors)  # type: ignore[union-attr]

    def test_it_may_be_kept(self) -> None:
        self.reconfigure(ttl_seconds=600)
        for suffix in ("", ".json"):
            headers = {name.lower(): value for name, value in self.ask(suffix).headers}
            self.assertEqual(headers[b"cache-control"], b"public, max-age=600")

    def test_links_to_others(self) -> None:
        """XEP-0467 is what others serve; without addresses of ours, what has no URL isn't told."""
        webfinger = {"rel": "lrdd", "template": "https://example.org/finger?{uri}", "type": "application/json"}
        self.reconfigure(links=[webfinger, {"rel": f"{ALT}quic", "port": 443}])
        self.assertEqual(self.links_in_xml()[2], webfinger)
        self.assertEqual(set(self.links()), {"websocket", "xbosh", "lrdd"})
        self.reconfigure(links=[{"rel": f"{ALT}s2s-websocket", "href": "wss://other.example/s2s"}])
        self.assertEqual(self.links()["s2s-websocket"], {"href": "wss://other.example/s2s"})

    def test_for_a_web_server(self) -> None:
        shown = self.operate("host_meta", "host-meta show", host="example.org")
        self.assertEqual(shown.encode() + b"\n", self.ask(".json").body)
        shown = self.operate("host_meta", "host-meta show", host="example.org", xml=True)
        self.assertEqual(shown.encode() + b"\n", self.ask().body)


class HostMeta2(Case):
    hosts = {"example.org": {"http_url": "https://other.example.org"}}
    http = {"bosh": ""}

    def everything(self) -> dict[str, Any]:
        """Return settings that say what the example says."""
        other = {"priority": 5, "ips": ["192.0.2.9"]}
        return {
            "ips": IPS, "ttl_seconds": 3000, "pins": [PIN], "ech": ECH, "sni": "example.org",
            "tls_port": 443, "s2s_tls_port": 443,
            "links": [
                {"rel": f"{ALT}quic", "port": 443, "priority": 5},
                {"rel": f"{ALT}s2s-websocket", "href": "wss://other.example.org/s2s-xmpp-websocket", "priority": 15},
                {"rel": f"{ALT}s2s-quic", "port": 443, "weight": 7, "sni": "quic.example", "ech": "eA==", **other},
                {"rel": f"{ALT}xbosh", "href": "https://web.example.com:5280/bosh"},
                {"rel": "lrdd", "template": "https://example.org/finger?{uri}"},
            ],
        }  # fmt: skip

    def test_everything(self) -> None:
        """XEP-0487, example 1, with what is mandatory for BOSH as well."""
        self.reconfigure(**self.everything())
        document = json.loads(self.ask(".json").body)
        self.assertEqual(document["xmpp"], {"ttl": 3000, "public-key-pins-sha-256": [PIN]})
        common = {"ips": IPS, "weight": 50, "sni": "example.org", "ech": ECH}
        self.assertEqual(
            self.links(),
            {
                "websocket": {"href": "wss://other.example.org/xmpp-websocket", "priority": 15, **common},
                "tls": {"port": 443, "priority": 10, **common},
                "quic": {"port": 443, "priority": 5, **common},
                "s2s-websocket": {"href": "wss://other.example.org/s2s-xmpp-websocket", "priority": 15, **common},
                "s2s-tls": {"port": 443, "priority": 10, **common},
                "s2s-quic": {
                    "port": 443, "priority": 5, "weight": 7, "sni": "quic.example", "ips": ["192.0.2.9"], "ech": "eA==",
                },
                "xbosh": {"href": "https://web.example.com:5280/bosh", "priority": 10, **common},
                "lrdd": {"template": "https://example.org/finger?{uri}"},
            },
        )  # fmt: skip

    def test_a_proxy(self) -> None:
        """Where HTTP is reached by another name, that one is sent, and its machine may be another one."""
        self.reconfigure(ips=IPS, web_ips=["192.0.2.7"], s2s_tls_port=0)
        links = {name: (link["ips"], link["sni"]) for name, link in self.links().items()}
        ours = (IPS, "example.org")
        self.assertEqual(links, {"tls": ours, "s2s-tls": ours, "websocket": (["192.0.2.7"], "other.example.org")})

    def test_in_xml_nothing_of_it(self) -> None:
        """Nor what has no URL: software that knows XEP-0156 alone reads this."""
        self.reconfigure(**self.everything())
        self.assertEqual({name for link in self.links_in_xml() for name in link}, {"rel", "href", "template"})
        self.assertEqual(len(self.links_in_xml()), 4)

    def test_ports_of_the_settings(self) -> None:
        self.reconfigure(ips=IPS, sni="xmpp.example.org", tls_priority=1, websocket_priority=2, weight=3)
        common = {"ips": IPS, "weight": 3, "sni": "xmpp.example.org"}
        self.assertEqual(
            self.links(),
            {
                "tls": {"port": 5223, "priority": 1, **common},
                "s2s-tls": {"port": 5270, "priority": 1, **common},
                "websocket": {"href": "wss://other.example.org/xmpp-websocket", "priority": 2, **common},
            },
        )
        self.assertEqual(json.loads(self.ask(".json").body)["xmpp"], {"ttl": 3600})


class International(Case):
    hosts = ("röm.example",)
    http = {"websocket": ""}

    def test_names_as_tls_has_them(self) -> None:
        self.reconfigure(ips=IPS, bosh_priority=4)
        links = self.links("röm.example")
        self.assertEqual({link["sni"] for link in links.values()}, {"xn--rm-fka.example"})
        self.assertEqual(
            (links["xbosh"]["href"], links["xbosh"]["priority"]), ("https://xn--rm-fka.example:5281/http-bind", 4)
        )


class Nothing(Case):
    listen = {"c2s": ["tcp:5222"]}

    def test_not_there(self) -> None:
        self.assertEqual([self.ask(suffix).code for suffix in ("", ".json")], [404, 404])
        why = self.refuse_to_operate("host_meta", "host-meta show", host="example.org")
        self.assertIn("nothing to say of example.org", why)


class WithoutTls(Case):
    hosts = {"example.org": {"http_url": "http://example.org:5280"}}

    def test_not_told(self) -> None:
        """XEP-0156 section 2.2: only URLs with https and wss."""
        self.assertEqual([self.ask(suffix).code for suffix in ("", ".json")], [404, 404])


class OptionTests(Case):
    def problem(self, **options: Any) -> str:
        with self.assertRaises(SettingsError) as caught:
            validate_options(HostMeta.Options, options, "x")
        return str(caught.exception)

    def test_bad_ones(self) -> None:
        self.assertIn("example.org is no IPv4 or IPv6 address", self.problem(ips=["example.org"]))
        self.assertIn("no SHA-256 hash", self.problem(pins=["sha256/" + PIN]))
        self.assertIn("at most 604800", self.problem(ttl_seconds=604_801))
        for link in ({"rel": "x"}, {"rel": "x", "href": "https://x.example/", "port": 1}):
            self.assertIn("one of href, template and port", self.problem(links=[link]))
        for rel, href in (
            ("websocket", "ws://x.example/"),
            ("xbosh", "http://x.example/"),
            ("websocket", "https://x/"),
        ):
            self.assertIn("its href begins with", self.problem(links=[{"rel": ALT + rel, "href": href}]))
        self.assertIn("address", self.problem(links=[{"rel": "x", "port": 1, "ips": ["x"]}]))
