"""Whether host-meta is found, and says the right thing, without asking anybody."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.app.test_cli import make_folder
from tests.interop.server import write_certificate
from xmppd.api.http import Headers, Response
from xmppd.api.network import NoConnection
from xmppd.app.checks import Finding
from xmppd.app.checks_web import check_host_meta, check_web
from xmppd.core.settings import Settings
from xmppd.core.settings_file import parse
from xmppd.net.tls.certificates import find, read

XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
ALT = "urn:xmpp:alt-connections:"
URL = "https://example.org/.well-known/host-meta"
OPEN = Headers({"Access-Control-Allow-Origin": "*"})
BASE = '[server]\ndata_dir = "data"\n[listen]\nc2s = ["tcp:5222"]\nhttps = ["tcp:5281"]\n'
WEBSOCKET, BOSH = "wss://example.org:5281/xmpp-websocket", "https://example.org:5281/http-bind"


def in_xml(*links: tuple[str, str]) -> Response:
    inner = "".join(f"<Link rel='{ALT}{rel}' href='{href}'/>" for rel, href in links)
    body = f"<?xml version='1.0'?><XRD xmlns='{XRD}'><Link rel='lrdd' template='x'/>{inner}</XRD>"
    return Response(200, body.encode(), headers=OPEN)


def in_json(*links: tuple[str, str]) -> Response:
    content = {"links": [{"rel": ALT + rel, "href": href} for rel, href in links]}
    return Response(200, json.dumps(content).encode(), headers=OPEN)


OURS = (("websocket", WEBSOCKET), ("xbosh", BOSH))
GOOD = {URL: in_xml(*OURS), f"{URL}.json": in_json(*OURS)}


class Case(SynchronousTestCase):
    def settings(self, host: str = "", before: str = BASE, domain: str = "example.org") -> Settings:
        return parse(f'{before}[hosts."{domain}"]\n{host}', "xmppd.toml", make_folder(self))

    def check(self, web: Mapping[str, Response], **settings: str) -> list[Finding]:
        async def fetch(url: str) -> Response:
            if url not in web:
                raise NoConnection(f"{url} can't be reached")
            return web[url]

        return self.successResultOf(Deferred.fromCoroutine(check_web(self.settings(**settings), fetch)))


class WebTests(Case):
    def test_all_is_well(self) -> None:
        found = self.check(GOOD)
        self.assertEqual([(f.level, f.text) for f in found], [("ok", f"{url} leads here") for url in GOOD])

    def test_nobody_there(self) -> None:
        xml, json_ = self.check({})
        self.assertEqual((xml.level, xml.text), ("warning", f"{URL} can't be reached"))
        self.assertEqual(json_.level, "hint")
        self.assertIn("pass /.well-known/host-meta on to https://example.org:5281, or put there", xml.advice)
        self.assertTrue(xml.advice.endswith("xmppctl host-meta show example.org --xml"), xml.advice)
        self.assertTrue(json_.advice.endswith("xmppctl host-meta show example.org"), json_.advice)

    def test_not_found(self) -> None:
        (xml, _) = self.check({**GOOD, URL: Response(404)})
        self.assertEqual((xml.level, xml.text), ("warning", f"{URL} answers with 404"))

    def test_another_service(self) -> None:
        web = {URL: in_xml(("websocket", "wss://other.example/ws"), OURS[1]), f"{URL}.json": in_json(OURS[0])}
        found = self.check(web)
        self.assertEqual(
            [(f.level, f.text) for f in found],
            [("warning", f"{URL} does not name {WEBSOCKET}"), ("warning", f"{URL}.json does not name {BOSH}")],
        )

    def test_what_is_none(self) -> None:
        bomb = b"<!DOCTYPE XRD [<!ENTITY a 'b'>]><XRD>&a;</XRD>"
        for body in (b"", b"<XRD>", b"\xff", bomb, bomb.decode().encode("utf-16")):
            self.assertEqual(self.check({**GOOD, URL: Response(200, body, headers=OPEN)})[0].level, "warning", body)
        for body in (b"", b"[]", b'{"links": 1}', b"[" * 100_000, b"{}"):
            web = {**GOOD, f"{URL}.json": Response(200, body, headers=OPEN)}
            self.assertEqual(self.check(web)[1].text, f"{URL}.json: it is no JRD")
        odd = {"links": [1, None, {"rel": 2}, {"rel": ALT + "websocket", "href": ["x"]}]}
        web = {**GOOD, f"{URL}.json": Response(200, json.dumps(odd).encode(), headers=OPEN)}
        self.assertIn("does not name", self.check(web)[1].text)

    def test_scripts_of_others(self) -> None:
        (xml, _) = self.check({**GOOD, URL: Response(200, GOOD[URL].body)})
        self.assertEqual((xml.level, xml.advice), ("warning", "Have it sent with: Access-Control-Allow-Origin: *"))

    def test_elsewhere(self) -> None:
        def moved(to: str) -> Response:
            return Response(301, headers=Headers({"Location": to}))

        there = "https://www.example.org/meta"
        self.assertEqual(
            self.check({**GOOD, URL: moved("/meta"), "https://example.org/meta": GOOD[URL]})[0].level, "ok"
        )
        self.assertEqual(self.check({**GOOD, URL: moved(there), there: GOOD[URL]})[0].level, "ok")
        self.assertIn("not encrypted", self.check({URL: moved("http://example.org/meta")})[0].text)
        self.assertIn("from one place to the next", self.check({URL: moved(URL)})[0].text)

    def test_who_has_no_https(self) -> None:
        (found,) = self.check({}, before='[server]\ndata_dir = "data"\n[listen]\nc2s = ["tcp:5222"]\n')
        self.assertEqual((found.level, found.text), ("hint", "browsers don't reach the host: it has no HTTPS"))
        self.assertEqual(self.check({}, host='plugins = ["-host_meta"]\n'), [])

    def test_by_another_name(self) -> None:
        links = ("websocket", "wss://chat.example.org/xmpp-websocket"), ("xbosh", "https://chat.example.org/http-bind")
        domain = "xn--rm-fka.example"
        url = URL.replace("example.org", domain)
        web = {url: in_xml(*links), f"{url}.json": in_json(*links)}
        found = self.check(web, host='http_url = "https://chat.example.org"\n', domain="röm.example")
        self.assertEqual([f.level for f in found], ["ok", "ok"])


class HostMeta2Tests(Case):
    def found(self, options: str, host: str = "", listen: str = "") -> list[tuple[str, str, str]]:
        text = f'{host}[hosts."example.org".host_meta]\n{options}'
        return [(f.level, f.text, f.advice) for f in check_host_meta(self.settings(text, BASE + listen))]

    def test_not_spoken(self) -> None:
        self.assertEqual(self.found("ttl_seconds = 600\n"), [])

    def test_it_has_to_be_all(self) -> None:
        ips = 'ips = ["192.0.2.1"]\n'
        clients, servers = self.found(ips)
        self.assertIn("clients that know XEP-0487 look nowhere else", clients[1])
        self.assertIn("Add c2s_tls to [listen], or tls_port to the options", clients[2])
        self.assertIn("Add s2s_tls to [listen], or s2s_tls_port to the options", servers[2])
        self.assertEqual(len(self.found(ips, host="federate = false\n")), 1)
        self.assertEqual(self.found(ips + "tls_port = 443\ns2s_tls_port = 443\n"), [])
        self.assertEqual(self.found(ips, listen='c2s_tls = ["tcp:5223"]\ns2s_tls = ["tcp:5270"]\n'), [])
        links = "".join(
            f'[[hosts."example.org".host_meta.links]]\nrel = "{ALT}{name}"\nport = 443\n' for name in ("tls", "s2s-tls")
        )
        self.assertEqual(self.found(ips + links), [])

    def test_pins(self) -> None:
        folder = make_folder(self)
        write_certificate(folder, "example.org")
        files = f'certificate = "{folder}/server.crt"\nkey = "{folder}/server.key"\n'
        settings: Any = self.settings(files)
        found = find(settings, "example.org")
        assert found is not None
        key = read(found).leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
        other = base64.b64encode(bytes(32)).decode()
        ports = 'ips = ["192.0.2.1"]\ntls_port = 443\ns2s_tls_port = 443\n'
        self.assertEqual(self.found(f'{ports}pins = ["{other}", "{pin}"]\n', files), [])
        ((level, _text, advice),) = self.found(f'{ports}pins = ["{other}"]\n', files)
        self.assertEqual((level, advice.rpartition(" ")[2]), ("error", pin))
        self.assertEqual(self.found(f'{ports}pins = ["{other}"]\n'), [])  # there is no certificate yet
