"""Settings files: paths, domains, defaults, and what is refused."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

from xmppd.core.options import SettingsError
from xmppd.core.settings import MECHANISMS, Settings, needs_restart
from xmppd.core.settings_file import database_url, load, parse

HOST = '[hosts."example.org"]\n'
FOLDER = Path("/etc/xmppd")


def settings(text: str) -> Settings:
    return parse(text, "x.toml", FOLDER)


class GoodTests(unittest.TestCase):
    def test_least(self) -> None:
        found = settings(HOST)
        self.assertEqual(found.listen.c2s, ("tcp:5222",))
        self.assertEqual(found.listen.c2s_tls, ("tcp:5223",))
        self.assertEqual(found.listen.http, ("tcp:5280:interface=127.0.0.1",))
        self.assertEqual(found.listen.https, ("tcp:5281",))
        self.assertEqual(found.server.data_dir, FOLDER / "xmppd-data")
        self.assertEqual(found.server.admin_socket, FOLDER / "xmppd-data/admin.sock")
        self.assertEqual(found.tls.certificate_dir, FOLDER / "xmppd-data/certs")
        self.assertEqual(found.database.url, "sqlite:////etc/xmppd/xmppd-data/xmppd.sqlite")
        self.assertEqual(found.mechanisms("example.org"), MECHANISMS)
        self.assertNotIn("ANONYMOUS", MECHANISMS)
        self.assertTrue(found.tls.required)
        self.assertFalse(found.server.plain_without_tls)

    def test_what_is_not_listed_under_listen_is_not_served(self) -> None:
        found = settings(HOST + '[listen]\nc2s = ["tcp:17222:interface=127.0.0.1"]')
        self.assertEqual(found.listen.c2s, ("tcp:17222:interface=127.0.0.1",))
        self.assertEqual(found.listen.c2s_tls, ())

    def test_paths(self) -> None:
        found = settings(
            '[server]\ndata_dir = "/var/lib/xmppd"\nplugin_paths = ["plugins"]\n'
            '[tls]\ncertificate = "c.pem"\n' + HOST + 'certificate = "/c.pem"\nkey = "~/k.pem"\n'
        )
        self.assertEqual(found.server.admin_socket, Path("/var/lib/xmppd/admin.sock"))
        self.assertEqual(found.server.plugin_paths, (FOLDER / "plugins",))
        self.assertEqual(found.tls.certificate, FOLDER / "c.pem")
        self.assertEqual(found.hosts["example.org"].certificate, Path("/c.pem"))
        self.assertEqual(found.hosts["example.org"].key, Path(os.path.expanduser("~/k.pem")))

    def test_domains_and_admins_are_normalized(self) -> None:
        found = settings('[hosts."EXAMPLE.org"]\nadmins = ["Juliet@Example.ORG"]\n[hosts."Bücher.example"]\n')
        self.assertEqual(list(found.hosts), ["example.org", "bücher.example"])
        self.assertEqual(found.hosts["example.org"].admins, ("juliet@example.org",))

    def test_tables_under_a_host_are_of_its_plugins(self) -> None:
        found = settings(HOST + '[hosts."example.org".offline]\nlimit = 3\n[hosts."example.org".muc]\n')
        self.assertEqual(found.hosts["example.org"].plugin_options, {"offline": {"limit": 3}, "muc": {}})

    def test_mechanisms_of_a_host(self) -> None:
        found = settings(HOST + 'mechanisms = ["ANONYMOUS"]\n[hosts.b]\n[accounts]\nmechanisms = ["PLAIN"]')
        self.assertEqual(found.mechanisms("example.org"), ("ANONYMOUS",))
        self.assertEqual(found.mechanisms("b"), ("PLAIN",))

    def test_secrets_are_not_shown(self) -> None:
        found = settings(
            HOST + '[components."irc.b"]\nsecret = "s3cret"\n[database]\nurl = "postgresql://a:s3cret@h/d"'
        )
        self.assertNotIn("s3cret", repr(found))
        self.assertNotIn("s3cret", repr(settings(HOST + '[uplinks."irc.b"]\naddress = "b:1"\nsecret = "s3cret"')))

    def test_components(self) -> None:
        found = settings(
            HOST + '[components."irc.b"]\nsecret = "s"\nfederate = false\nprivileges = { roster = "get" }\n'
            '[[components."irc.b".delegations]]\nnamespace = "urn:x"\nattributes = ["a"]\n'
        ).components["irc.b"]
        self.assertEqual((found.privileges.roster, found.delegations[0].attributes), ("get", ("a",)))
        self.assertEqual((found.federate, found.queue_stanzas, found.input_queue_stanzas), (False, 1000, 256))

    def test_other_domains(self) -> None:
        found = settings(
            HOST + '[s2s.domains."Example.NET"]\npolicy = "blocked"\n[s2s.domains."*.B\u00fccher.example"]'
        )
        self.assertEqual(list(found.s2s.domains), ["example.net", "*.b\u00fccher.example"])
        for wrong in ("a@b", "*.", "a..b"):
            self.assertRaises(SettingsError, settings, HOST + f'[s2s.domains."{wrong}"]')

    def test_authorities_are_beside_the_file(self) -> None:
        self.assertEqual(settings(HOST + '[s2s]\nca = "ca.pem"').s2s.ca, FOLDER / "ca.pem")

    def test_needs_restart(self) -> None:
        old = settings(HOST)
        new = settings(HOST + '[listen]\nc2s = ["tcp:1"]\n[limits]\nelement_depth = 9\n[database]\nurl = "sqlite:///y"')
        self.assertEqual(needs_restart(old, old), [])
        listen = [f"[listen] {kind}" for kind in ("c2s", "c2s_tls", "s2s", "http", "https")]
        self.assertEqual(needs_restart(old, new), [*listen, "[database] url"])

    def test_settings_do_not_change(self) -> None:
        with self.assertRaises(ValueError):
            settings(HOST).limits.element_depth = 3  # type: ignore[misc]


class DatabaseUrlTests(unittest.TestCase):
    def test_urls(self) -> None:
        for url, expected in (
            ("sqlite:///x.sqlite", "sqlite:////data/x.sqlite"),
            ("sqlite:////abs/x.sqlite", "sqlite:////abs/x.sqlite"),
            ("sqlite:///:memory:", "sqlite:///:memory:"),
            ("sqlite://", "sqlite://"),
            ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
            ("postgres://h/d", "postgresql+psycopg://h/d"),
            ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
        ):
            self.assertEqual(database_url(url, Path("/data")), expected)


class RefusedTests(unittest.TestCase):
    def assertRefused(self, text: str, *problems: str) -> None:
        with self.assertRaises(SettingsError) as caught:
            settings(text)
        self.assertEqual(caught.exception.problems, problems)

    def test_no_host(self) -> None:
        self.assertRefused("", 'x.toml: no host is served; add a table such as [hosts."example.org"]')

    def test_unknown_table_and_option(self) -> None:
        self.assertRefused(
            "[servr]\n[limits]\nstanza_octet = 3\n" + HOST + 'admin = ["a@b"]\n',
            'x.toml: [limits]: there is no option "stanza_octet"; did you mean "stanza_octets"?',
            'x.toml: [hosts."example.org"]: there is no option "admin"; did you mean "admins"?',
            "x.toml: there is no table [servr]; did you mean [server]?",
        )

    def test_option_in_the_wrong_table(self) -> None:
        self.assertRefused('data_dir = "x"\n' + HOST, 'x.toml: there is no option "data_dir"; it belongs in [server]')

    def test_plugin_options_is_no_option(self) -> None:
        self.assertRefused(
            HOST + "plugin_options = 3\n",
            'x.toml: [hosts."example.org"]: there is no option "plugin_options"; see "plugins"',
        )

    def test_bad_domains(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            settings('[hosts."a@b.example"]\n[hosts."a b"]\n[hosts.c]\n[hosts.C]\n[components.c]\nsecret = "x"')
        problems = caught.exception.problems
        self.assertEqual(
            problems[0], 'x.toml: [hosts."a@b.example"]: this is an address, not a domain; did you mean b.example?'
        )
        self.assertTrue(problems[1].startswith('x.toml: [hosts."a b"]: '))
        self.assertEqual(
            problems[2:], ("x.toml: [hosts.C]: c is there twice", "x.toml: c is both a host and a component")
        )

    def test_bad_admins(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            settings(HOST + 'admins = ["juliet", "a@b/c", "@b"]')
        where = 'x.toml: [hosts."example.org"]: admins: '
        self.assertEqual(caught.exception.problems[0], where + '"juliet" is not of the form user@domain')
        self.assertEqual(caught.exception.problems[1], where + '"a@b/c" is not of the form user@domain')
        self.assertTrue(caught.exception.problems[2].startswith(where + '"@b": '))

    def test_key_without_certificate(self) -> None:
        self.assertRefused(
            HOST + 'key = "k"\n[tls]\nkey = "k"',
            'x.toml: [hosts."example.org"]: "key" is there, but not "certificate"',
            'x.toml: [tls]: "key" is there, but not "certificate"',
        )

    def test_bad_network(self) -> None:
        self.assertRefused(
            HOST + '[limits]\nexempt_networks = ["10.0.0.1/8"]',
            "x.toml: [limits]: exempt_networks: 10.0.0.1/8 has host bits set",
        )
        self.assertRefused(
            HOST + '[http]\noperator_networks = ["127.0.0.0/8", "everybody"]',
            "x.toml: [http]: operator_networks: 'everybody' does not appear to be an IPv4 or IPv6 network",
        )

    def test_bad_components(self) -> None:
        for options, problem in (
            ('addresses = ["x"]', "addresses: 'x' does not appear to be an IPv4 or IPv6 network"),
            ('plain_networks = ["10.0.0.1/8"]', "plain_networks: 10.0.0.1/8 has host bits set"),
            ('hosts = ["b"]', "hosts: b is not served"),
            ('privileges = { presence = "roster" }',
             'privileges: presence = "roster" needs roster to be "get" or "both"'),
            ('delegations = [{ namespace = "urn:xmpp:delegation:2" }]',
             "delegations: urn:xmpp:delegation:2 can't be delegated"),
        ):  # fmt: skip
            with self.subTest(options=options):
                self.assertRefused(
                    f'{HOST}[components."irc.b"]\nsecret = "s"\n{options}\n', f'x.toml: [components."irc.b"]: {problem}'
                )

    def test_bad_uplinks(self) -> None:
        uplink = 'address = "b:1"\nsecret = "s"'
        self.assertRefused(
            f'{HOST}[uplinks."example.org"]\n{uplink}\n',
            "x.toml: an uplink is for the domain of a plugin, but example.org is a host or an external component",
        )
        for address in ("b", "b:x", ":1"):
            self.assertRefused(
                f'{HOST}[uplinks."irc.b"]\naddress = "{address}"\nsecret = "s"\n',
                f'x.toml: [uplinks."irc.b"]: address: HOST:PORT is expected, not {address}',
            )

    def test_limits_have_the_bound_of_the_rfc(self) -> None:
        self.assertRefused(
            HOST + "[limits]\nstanza_octets_before_auth = 9999",
            "x.toml: [limits]: stanza_octets_before_auth must be at least 10000, not 9999",
        )

    def test_not_toml(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            settings("x")
        self.assertTrue(str(caught.exception).startswith("x.toml: this is not TOML: "))


class LoadTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "xmppd.toml"

    def test_load(self) -> None:
        self.path.write_text(HOST)
        self.assertEqual(load(self.path).server.data_dir, self.path.parent / "xmppd-data")

    def test_missing(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            load(self.path)
        self.assertEqual(str(caught.exception), f"{self.path}: can't be read: No such file or directory")

    def test_not_text(self) -> None:
        self.path.write_bytes(b"\xff\xfe")
        with self.assertRaises(SettingsError) as caught:
            load(self.path)
        self.assertEqual(str(caught.exception), f"{self.path}: this is not a UTF-8 text")
