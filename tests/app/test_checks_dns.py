"""What the DNS says of a host, without asking it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.names import dns
from twisted.names.error import DNSNameError, DNSQueryTimeoutError, DNSServerError
from twisted.trial.unittest import SynchronousTestCase

from xmppd.app.checks import Finding
from xmppd.app.checks_dns import check_dns
from xmppd.core.settings import Host, Listen, Settings

Records = dict[tuple[str, str], Any]


class FakeResolver:
    """Knows some records; any other name doesn't exist."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def _answer(self, kind: str, name: str, type_: int) -> Deferred[Any]:
        found = self.records.get((kind, name), DNSNameError())
        if isinstance(found, Exception):
            return fail(found)
        return succeed(([dns.RRHeader(name, type=type_, payload=payload) for payload in found], [], []))

    def lookupService(self, name: str, timeout: Any = None) -> Deferred[Any]:
        return self._answer("SRV", name, dns.SRV)

    def lookupText(self, name: str, timeout: Any = None) -> Deferred[Any]:
        return self._answer("TXT", name, dns.TXT)

    def lookupAddress(self, name: str, timeout: Any = None) -> Deferred[Any]:
        return self._answer("A", name, dns.A)

    def lookupIPV6Address(self, name: str, timeout: Any = None) -> Deferred[Any]:
        return self._answer("AAAA", name, dns.AAAA)


A, AAAA = [dns.Record_A("192.0.2.1")], [dns.Record_AAAA("2001:db8::1")]
C2S = ("SRV", "_xmpp-client._tcp.example.org")


def srv(port: int, target: str) -> list[Any]:
    return [dns.Record_SRV(0, 5, port, target)]


class DnsTests(SynchronousTestCase):
    def check(
        self, records: Records, host: str = "example.org", **listen: tuple[str, ...]
    ) -> list[tuple[str, str, str]]:
        settings = Settings(hosts={host: Host(plugins=("-*",))}, listen=Listen(**(listen or {"c2s": ("tcp:5222",)})))
        found = self.findings(settings, records)
        self.zone = [line for finding in found[-1:] for line in finding.text.splitlines()]
        return [(finding.level, finding.text, finding.advice) for finding in found[:-1]]

    def findings(self, settings: Settings, records: Records) -> list[Finding]:
        return self.successResultOf(Deferred.fromCoroutine(check_dns(settings, FakeResolver(records))))

    def test_all_is_well(self) -> None:
        records = {C2S: srv(5222, "xmpp.example.org"), ("AAAA", "xmpp.example.org"): AAAA}
        self.assertEqual(self.check(records), [("ok", "_xmpp-client._tcp.example.org: xmpp.example.org port 5222", "")])

    def test_a_target_without_an_address(self) -> None:
        [(level, _found, advice)] = self.check({C2S: srv(5222, "xmpp.example.org")})
        self.assertEqual((level, advice), ("error", "Give xmpp.example.org an A or AAAA record."))

    def test_no_such_service(self) -> None:
        [(level, _found, advice)] = self.check({C2S: srv(0, "")})
        self.assertEqual((level, advice), ("error", "Remove that record."))

    def test_the_domain_itself(self) -> None:
        [(level, _found, advice)] = self.check({("A", "example.org"): A})
        self.assertEqual(level, "hint")
        self.assertEqual(advice, "Add to the zone: _xmpp-client._tcp.example.org. 3600 IN SRV 0 5 5222 example.org.")

    def test_another_port_needs_a_record(self) -> None:
        [(level, found, _advice)] = self.check({("A", "example.org"): A}, c2s=("tcp:5333:interface=192.0.2.1",))
        self.assertEqual((level, "not 5333" in found), ("error", True))

    def test_nothing_at_all(self) -> None:
        [(level, found, _advice)] = self.check({})
        self.assertEqual(
            (level, found), ("error", "neither _xmpp-client._tcp.example.org nor example.org has a record")
        )

    def test_direct_tls_can_do_without(self) -> None:
        records = {C2S: srv(5222, "example.org"), ("A", "example.org"): A}
        findings = self.check(records, c2s=("tcp:5222",), c2s_tls=("tcp:5223",))
        self.assertEqual([finding[0] for finding in findings], ["ok", "hint"])
        self.assertIn("_xmpps-client._tcp.example.org. 3600 IN SRV 0 5 5223", findings[1][2])

    def test_other_servers(self) -> None:
        records = {("A", "example.org"): A}
        findings = self.check(records, s2s=("tcp:5269",), s2s_tls=("systemd:domain=INET:name=s2s",))
        self.assertEqual([finding[0] for finding in findings], ["hint", "hint"])
        self.assertIn("other servers try port 5269 of example.org itself", findings[0][1])
        self.assertIn("_xmpps-server._tcp.example.org. 3600 IN SRV 0 5 5270", findings[1][2])
        [(level, found, _advice)] = self.check(records, s2s=("tcp:5333",))
        self.assertEqual((level, "other servers try port 5269, not 5333" in found), ("error", True))

    def test_components_have_to_be_found_by_other_servers(self) -> None:
        tables = {
            "hosts": {"example.org": {"federate": False, "plugins": ["-*", "muc"]}},
            "components": {
                "irc.example.org": {"secret": "x"},
                "inside.example.org": {"secret": "x", "federate": False},
            },
            "listen": {"s2s": ["tcp:5269"]},
        }
        settings = Settings.model_validate(tables)
        records = {("SRV", "_xmpp-server._tcp.irc.example.org"): srv(5269, "a.example"), ("A", "a.example"): A}
        found = self.findings(settings, records)
        self.assertEqual(
            [(finding.level, finding.subject) for finding in found],
            [("ok", "DNS irc.example.org"), ("ok", "zone of example.org"), ("ok", "zone of irc.example.org")],
        )
        self.assertEqual(
            found[-1].text.splitlines()[1:],
            ["_xmpp-server._tcp.irc.example.org. 3600 IN SRV 0 5 5269 a.example."],
        )

    def test_no_answer(self) -> None:
        for error in (DNSQueryTimeoutError(1), DNSServerError()):
            [(level, _found, advice)] = self.check({C2S: error})
            self.assertEqual((level, advice), ("warning", "Try again later."))

    def test_international_names(self) -> None:
        name = "_xmpp-client._tcp.xn--rm-fka.example"
        records = {("SRV", name): srv(5222, "xn--rm-fka.example"), ("A", "xn--rm-fka.example"): A}
        self.assertEqual(self.check(records, "röm.example")[0][0], "ok")

    def test_records_to_paste(self) -> None:
        """With the machine that some of them name already."""
        records = {C2S: srv(5222, "xmpp.example.org"), ("A", "xmpp.example.org"): A, ("A", "example.org"): A}
        listen: dict[str, Any] = {
            "c2s": ("tcp:5222",),
            "c2s_tls": ("tcp:443",),
            "s2s": ("tcp:5269",),
            "s2s_tls": ("tcp6:port=5270",),
        }
        self.check(records, "example.org", **listen)
        self.assertEqual(
            self.zone,
            [
                "these records lead here:",
                "_xmpp-client._tcp.example.org. 3600 IN SRV 0 5 5222 xmpp.example.org.",
                "_xmpps-client._tcp.example.org. 3600 IN SRV 0 5 443 xmpp.example.org.",
                "_xmpp-server._tcp.example.org. 3600 IN SRV 0 5 5269 xmpp.example.org.",
                "_xmpps-server._tcp.example.org. 3600 IN SRV 0 5 5270 xmpp.example.org.",
            ],
        )

    def test_records_of_who_has_no_others(self) -> None:
        """RFC 6120 section 3.2.1: what is not served can be said."""
        self.check({("A", "xn--rm-fka.example"): A}, "röm.example")
        self.assertEqual(
            self.zone[1:],
            [
                "_xmpp-client._tcp.xn--rm-fka.example. 3600 IN SRV 0 5 5222 xn--rm-fka.example.",
                "_xmpp-server._tcp.xn--rm-fka.example. 3600 IN SRV 0 0 0 .",
            ],
        )
        none = {("SRV", "_xmpp-server._tcp.xn--rm-fka.example"): srv(0, ""), ("A", "xn--rm-fka.example"): A}
        self.assertEqual(len(self.check(none, "röm.example")), 1)

    def test_a_record_for_nothing(self) -> None:
        records = {("SRV", "_xmpps-client._tcp.example.org"): srv(5223, "example.org"), ("A", "example.org"): A}
        (level, found, advice) = self.check(records)[1]
        self.assertEqual((level, "where nothing of ours listens" in found), ("hint", True))
        self.assertEqual(advice, "Remove that record, unless another program serves it.")

    def test_another_port(self) -> None:
        [(level, found, advice)] = self.check({C2S: srv(443, "example.org"), ("A", "example.org"): A})
        self.assertEqual(level, "hint")
        self.assertEqual(found, "_xmpp-client._tcp.example.org: example.org port 443; we listen at 5222")
        self.assertIn("passes port 443 on to us", advice)
        two = {C2S: srv(5222, "example.org"), ("A", "example.org"): A}
        self.assertEqual(self.check(two, c2s=("tcp:5333", "tcp:5222"))[0][0], "ok")

    def test_what_was_taken_out_of_the_specification(self) -> None:
        old = [dns.Record_TXT(b"_xmpp-client-xbosh=https://web.example.org/bosh")]
        for name, count in (("_xmppconnect.example.org", 1), ("_xmppconnect.example.net", 0)):
            records = {C2S: srv(5222, "example.org"), ("A", "example.org"): A, ("TXT", name): old}
            warnings = [text for level, text, _ in self.check(records) if level == "warning"]
            self.assertEqual(len(warnings), count)
        silent: Records = {("A", "example.org"): A, ("TXT", "_xmppconnect.example.org"): DNSServerError()}
        self.assertEqual([level for level, _, _ in self.check(silent)], ["hint"])

    def test_rooms_have_to_be_found_by_other_servers(self) -> None:
        options = {"muc": {}, "email": {"domain": "mail.example.net"}}
        host = Host(plugins=("-*", "muc", "email"), plugin_options=options)
        settings = Settings(hosts={"example.org": host}, listen=Listen(s2s=("tcp:5269",), s2s_tls=("tcp:5270",)))
        server = "_xmpp-server._tcp.example.org"
        records = {("SRV", server): srv(5269, "xmpp.example.org"), ("A", "xmpp.example.org"): A}
        *found, zone = self.findings(settings, records)
        self.assertEqual(
            [(finding.level, finding.subject) for finding in found],
            [
                ("ok", "DNS example.org"),
                ("hint", "DNS example.org"),  # direct TLS
                ("hint", "DNS conference.example.org"),
                ("hint", "DNS mail.example.net"),
            ],
        )
        record = "_xmpp-server._tcp.conference.example.org. 3600 IN SRV 0 5 5269 xmpp.example.org."
        self.assertEqual(found[-2].advice, f"Add to the zone: {record}")
        self.assertIn(record, zone.text.splitlines())
        self.assertIn(record.replace("-server", "s-server").replace("69", "70"), zone.text.splitlines())

    def test_settings_that_are_wrong_are_told_of_elsewhere(self) -> None:
        for host in (Host(plugins=("mucc",)), Host(plugins=("-*", "muc"), plugin_options={"muc": {"x": 1}})):
            settings = Settings(hosts={"example.org": host}, listen=Listen(s2s=("tcp:5269",)))
            self.assertEqual(len(self.findings(settings, {})), 2)
