"""The operator's view of links with other servers: ``s2s list``, ``show``, ``close``, ``retry``."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.core.federation.kit import HERE, NOT_FOUND, PAIR, THERE, TIMEOUT, FederationTestCase
from xmppd.api import OperationError
from xmppd.core.federation.contract import Pair, StreamFacts
from xmppd.wire.errors import Condition, StanzaError

NOON = 1_767_268_800.0
INCOMING = StreamFacts(
    local=HERE, remote=THERE, incoming=True, state="open", address="192.0.2.9", takes=[PAIR], sends=[],
    proven_by={THERE: "dialback"}, we_proved="", encryption="TLSv1.3, TLS_AES_256_GCM_SHA384",
    certificate={"verdict": "it is self-signed", "subject": THERE}, since=NOON - 90, quiet_since=NOON,
    received=7, sent=0, unacknowledged=None, bidi=False,
)  # fmt: skip
OUTGOING = StreamFacts(
    local=HERE, remote=THERE, incoming=False, state="open", address="192.0.2.9", takes=[], sends=[PAIR],
    proven_by={THERE: "certificate"}, we_proved="EXTERNAL", encryption="TLSv1.3, TLS_AES_256_GCM_SHA384",
    certificate={"verdict": "it is self-signed", "subject": THERE}, since=NOON - 60, quiet_since=NOON,
    received=0, sent=5, unacknowledged=2, bidi=False,
)  # fmt: skip


class LinkTestCase(FederationTestCase):
    config: ClassVar[Any] = {
        "s2s": {"queue_seconds": 10, "domains": {"*.blocked.example": {"policy": "blocked"}, "static.example": {
            "address": "192.0.2.7:5270", "direct_tls": True, "policy": "certificate"}}},
    }  # fmt: skip

    def do(self, name: str, **arguments: Any) -> Any:
        return self.wait(self.server.server.operations.run(name, arguments))

    def row(self, **arguments: Any) -> dict[str, Any]:
        (row,) = self.do("s2s list", **arguments)
        return dict(row)


class ListTests(LinkTestCase):
    def test_nothing(self) -> None:
        self.assertEqual(self.do("s2s list"), [])

    def test_streams(self) -> None:
        self.connector.streams = [OUTGOING, INCOMING]
        incoming, outgoing = self.do("s2s list")
        self.assertEqual(
            incoming,
            {
                "domain": THERE, "ours": HERE, "direction": "in", "state": "open", "proven by": "dialback",
                "TLS": "TLSv1.3", "address": "192.0.2.9", "since": "2026-01-01T11:58:30Z", "received": 7, "sent": 0,
                "waiting": 0, "next try": "", "problem": "",
            },
        )  # fmt: skip
        self.assertEqual((outgoing["direction"], outgoing["waiting"]), ("out", 2))
        self.assertEqual(outgoing["proven by"], "certificate; we by EXTERNAL")

    def test_pages_keep_what_is_of_one_domain_together(self) -> None:
        self.connector.streams = [OUTGOING, INCOMING]
        self.assertEqual(len(self.do("s2s list", limit=1)), 2)
        self.assertEqual(self.do("s2s list", after=THERE), [])

    def test_one_connection_for_both_directions_and_several_domains(self) -> None:
        more = Pair("example.com", "rooms.verona.example")
        facts = dict(vars(OUTGOING), bidi=True, takes=[PAIR, more], sends=[PAIR, more], encryption="")
        self.connector.streams = [StreamFacts(**facts)]
        row = self.row()
        self.assertEqual((row["direction"], row["ours"]), ("both", "example.com, example.org"))
        self.assertEqual((row["domain"], row["problem"]), (f"rooms.{THERE}, {THERE}", "not encrypted"))

    def test_nobody_knows_yet_who_it_is(self) -> None:
        facts = dict(vars(INCOMING), local="", remote="", state="negotiating", takes=[], encryption="")
        self.connector.streams = [StreamFacts(**facts)]
        row = self.row(state="negotiating")
        self.assertEqual((row["domain"], row["ours"], row["problem"]), ("?", "?", ""))
        self.assertEqual(self.do("s2s list", state="open"), [])

    def test_a_route_without_a_stream(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one", "two")
        row = self.row()
        self.assertEqual((row["state"], row["waiting"], row["next try"]), ("connecting", 2, ""))
        self.connector.fail(TIMEOUT)
        self.pump(0.2)
        row = self.row(state="waiting")
        self.assertEqual((row["waiting"], row["next try"], row["problem"]), (2, "in 0 s", TIMEOUT.text))
        self.pump(1)
        self.connector.fail(NOT_FOUND)
        row = self.row()
        self.assertEqual((row["state"], row["waiting"], row["problem"]), ("failed", 0, NOT_FOUND.text))
        self.assertEqual(row["next try"], "when needed, in 5 s at the earliest")
        self.pump(6)
        self.assertEqual(self.do("s2s list"), [], "it is over")

    def test_a_route_with_a_stream_is_no_row_of_its_own(self) -> None:
        self.connector.up()
        self.assertEqual(self.do("s2s list"), [])

    def test_states(self) -> None:
        with self.assertRaisesRegex(OperationError, "it must be one of open, negotiating"):
            self.do("s2s list", state="strange")


class ShowTests(LinkTestCase):
    def test_unknown(self) -> None:
        self.assertEqual(
            self.do("s2s show", domain="unknown.example"),
            {
                "domain": "unknown.example",
                "policy": "dialback: a certificate proves its name, or else DNS (the default)",
                "TLS": "required", "found": "by DNS", "streams": [], "certificate": [],
            },
        )  # fmt: skip

    def test_policies(self) -> None:
        blocked = self.do("s2s show", domain="x.blocked.example")
        self.assertEqual(blocked["policy"], 'blocked: it is not talked to ([s2s.domains."*.blocked.example"])')
        static = self.do("s2s show", domain="static.example")
        self.assertIn('a certificate ([s2s.domains."static.example"])', static["policy"])
        self.assertEqual(static["found"], "at 192.0.2.7:5270, direct TLS, as the settings say")

    def test_everything(self) -> None:
        self.connector.streams = [INCOMING, OUTGOING]
        self.say(self.romeo(), "one")
        self.federation.remote(THERE).trail = ("looked for _xmpp-server._tcp", "nothing answers at 192.0.2.9")
        self.pump(3)
        shown = self.do("s2s show", domain="VERONA.example")
        self.assertEqual(shown["domain"], THERE)
        self.assertEqual([row["direction"] for row in shown["streams"]], ["in", "out"])
        (route,) = shown["routes"]
        self.assertEqual((route["state"], route["waiting"], route["oldest"]), ("connecting", 1, "3 s"))
        self.assertGreater(route["octets"], 200)
        steps = [(row["step"], row["what was tried"]) for row in shown["last attempt"]]
        self.assertEqual(steps, [(1, "looked for _xmpp-server._tcp"), (2, "nothing answers at 192.0.2.9")])
        self.assertEqual(
            shown["certificate"],
            [
                {"certificate": "verdict", "says": "it is self-signed"},
                {"certificate": "subject", "says": THERE},
            ],
        )
        self.connector.fail(NOT_FOUND)
        shown = self.do("s2s show", domain=THERE)
        self.assertEqual(shown["problem"], f"{NOT_FOUND.text} (remote-server-not-found)")
        self.assertEqual(shown["attempts"], {"remote-server-not-found": 1})

    def test_open(self) -> None:
        self.connector.up()
        (route,) = self.do("s2s show", domain=THERE)["routes"]
        self.assertEqual((route["state"], route["since"]), ("open", "2026-01-01T12:00:00Z"))

    def test_no_other_domain(self) -> None:
        for domain in ("x@verona.example", "verona.example/x", "@", ""):
            with self.subTest(domain=domain), self.assertRaisesRegex(OperationError, "is no domain"):
                self.do("s2s show", domain=domain)
        with self.assertRaisesRegex(OperationError, "example.org is served here"):
            self.do("s2s show", domain="example.org")


class CloseTests(LinkTestCase):
    def test_close(self) -> None:
        conduit = self.connector.up()
        self.assertEqual(self.do("s2s close", domain=THERE), f"Closed 1 stream with {THERE}.")
        self.assertTrue(conduit.closed)
        self.assertEqual(self.do("s2s close", domain=THERE), f"Closed 0 streams with {THERE}.")

    def test_give_back(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one", "two")
        text = f"Closed 0 streams with {THERE}. Gave back 2 stanzas."
        self.assertEqual(self.do("s2s close", domain=THERE, give_back=True), text)
        error = StanzaError(
            Condition.REMOTE_SERVER_TIMEOUT, text=f"the operator does not let it wait for {THERE}"
        )  # fmt: skip
        self.expect_error(romeo, "one", error)
        self.expect_error(romeo, "two", error)
        self.assertIn("Gave back 0 stanzas", self.do("s2s close", domain="unknown.example", give_back=True))

    def test_retry(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail(TIMEOUT)
        self.assertEqual(self.do("s2s retry", domain=THERE), f"{THERE} is tried at once, for 1 stanza.")
        self.connector.fail(NOT_FOUND)
        self.assertEqual(
            self.do("s2s retry", domain=THERE), f"{THERE} is tried again as soon as there is something for it."
        )
        self.say(romeo, "two")
        self.assertEqual(self.connector.wanted, [PAIR])
        with self.assertRaisesRegex(OperationError, "nothing is known of unknown.example"):
            self.do("s2s retry", domain="unknown.example")


class NoPortTests(LinkTestCase):
    def open_network(self) -> None:
        """There are no ports for other servers."""

    def test_there_is_nothing(self) -> None:
        self.assertEqual(self.do("s2s list"), [])
        self.assertEqual(self.do("s2s close", domain=THERE), f"Closed 0 streams with {THERE}.")
