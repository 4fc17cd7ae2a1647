"""SASL2 on clients' streams (XEP-0388)."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred

from tests.net.sasl2 import Sasl2TestCase, Scram, authenticate, encoded, user_agent
from xmppd.testing import Client
from xmppd.testing.xml import read
from xmppd.wire import ns
from xmppd.wire.jid import Jid

_PLAIN_1 = f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'>{encoded(chr(0) + 'romeo' + chr(0) + 'secret')}</auth>"
_SUCCESS = (
    f"<success xmlns='{ns.SASL2}'><authorization-identifier>romeo@example.org</authorization-identifier></success>"
)
_FEATURES = "<stream:features>{any}</stream:features>"


def sent(name: str, text: str = "", attributes: str = "") -> str:
    """An element of SASL2."""
    return f"<{name} xmlns='{ns.SASL2}'{attributes}>{text}</{name}>"


class Succeeding(Sasl2TestCase):
    """Sections 2.1 to 2.6.1."""

    tls = True

    def offered(self, client: Client) -> list[str]:
        return [feature.name for feature in read(client.features)[0].elements]

    def test_offered(self) -> None:
        client = self.opened()
        self.assertIn("authentication", self.offered(client))
        client.start_tls()
        self.assertIn("authentication", self.offered(client))
        client.authenticate("romeo", "secret")
        self.assertNotIn("authentication", self.offered(client))

    def test_header(self) -> None:
        """XEP-0388, examples 1 and 2."""
        client = self.opened(from_="romeo@example.org")
        assert client.header is not None
        self.assertEqual(client.header["to"], "romeo@example.org")
        self.assertIn("authentication", self.offered(client))

    def test_from_another_domain(self) -> None:
        """Section 2.1: "If the domain used in this attribute does not match the domain used in the 'to' attribute"."""
        self.opened(from_="romeo@example.net").expect_closed("invalid-from")
        self.opened(from_="no address @").expect_open()

    def test_scram(self) -> None:
        """XEP-0388, examples 3, 5 and 7; over TLS and bound to it."""
        client = self.opened()
        client.start_tls()
        assert client.tls is not None
        binding = client.tls.connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        scram = Scram("sha1", "p=tls-exporter,,", binding)
        first = f"<initial-response>{scram.first}</initial-response>"
        client.send(sent("authenticate", first + user_agent(), " mechanism='SCRAM-SHA-1-PLUS'"))
        client.expect(f"<challenge xmlns='{ns.SASL2}'>{{any}}</challenge>")
        client.send(sent("response", f"\n  {scram.final(read(client.received[-1])[0].text)}\n"))
        client.expect(
            f"<success xmlns='{ns.SASL2}'><additional-data>{encoded(scram.verifier)}</additional-data>"
            "<authorization-identifier>romeo@example.org</authorization-identifier></success>",
            "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>{...}</stream:features>",
        )
        client.bind("orchard")

    def test_without_initial_response(self) -> None:
        client = self.opened()
        client.send(sent("authenticate", "", " mechanism='PLAIN'"))
        client.expect(f"<challenge xmlns='{ns.SASL2}'/>")
        client.send(sent("response", encoded("\0romeo\0secret")))
        client.expect(_SUCCESS, _FEATURES)

    def test_larger_stanzas_from_then_on(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo"))
        client.expect(_SUCCESS, _FEATURES)
        client.bind("orchard")
        client.send("<message to='romeo@example.org/orchard'><body>" + 50_000 * "x" + "</body></message>")
        client.expect("<message>{any}</message>")

    def test_user_agent(self) -> None:
        """It is known of the session, also of one that is bound later, and listed for operators."""
        client = self.opened()
        client.send(authenticate("romeo", more=user_agent(software="  Awesome\n XMPP ")))
        client.expect(_SUCCESS, _FEATURES)
        client.bind("orchard")
        session = self.host.session(Jid.parse("romeo@example.org/orchard"))
        assert session is not None
        id_ = "d4565fa7-4d72-4749-b3d3-740edbf87770"
        described = {"id": id_, "software": "Awesome XMPP", "device": "Kiva's Phone"}
        self.assertEqual(session.state["user_agent"], described)
        rows: Any = self.wait(self.server.server.operations.run("session list", {}))
        self.assertEqual([row["client"] for row in rows], ["Awesome XMPP, Kiva's Phone"])

    def test_authzid(self) -> None:
        """Section 2.3: "If the stream's from attribute does not match the non-empty authorization string"."""
        for from_, authzid, well in (
            (None, "romeo@example.org", True),
            ("romeo@example.org", "ROMEO@example.org", True),
            ("juliet@example.org", "romeo@example.org", False),
            ("juliet@example.org", "", True),
        ):
            with self.subTest(from_=from_, authzid=authzid):
                client = self.opened(**({"from_": from_} if from_ else {}))
                client.send(authenticate("romeo", authzid=authzid))
                if well:
                    client.expect(_SUCCESS, _FEATURES)
                else:
                    self.failed(client, "invalid-authzid")

    def test_authzid_of_scram(self) -> None:
        client = self.opened(from_="juliet@example.org")
        scram = Scram("sha256", "n,a=romeo@example.org,")
        first = f"<initial-response>{scram.first}</initial-response>"
        client.send(sent("authenticate", first, " mechanism='SCRAM-SHA-256'"))
        client.expect(f"<challenge xmlns='{ns.SASL2}'>{{any}}</challenge>")
        client.send(sent("response", scram.final(read(client.received[-1])[0].text)))
        self.failed(client, "invalid-authzid")


class Failing(Sasl2TestCase):
    """Sections 2.3 to 2.6.2, and 4."""

    def test_refused(self) -> None:
        plain = " mechanism='PLAIN'"
        well = f"<initial-response>{encoded(chr(0) + 'romeo' + chr(0) + 'secret')}</initial-response>"
        for condition, request in (
            ("invalid-mechanism", sent("authenticate", well)),
            ("invalid-mechanism", sent("authenticate", well, " mechanism='BLURDYBLOOP'")),
            ("invalid-mechanism", sent("authenticate", well, " mechanism='CRAM-MD5'")),
            ("incorrect-encoding", sent("authenticate", "<initial-response>=</initial-response>", plain)),
            ("incorrect-encoding", sent("authenticate", "<initial-response>a b c</initial-response>", plain)),
            ("malformed-request", sent("authenticate", "<initial-response/>", plain)),
            ("malformed-request", sent("authenticate", well + well, plain)),
            ("malformed-request", sent("authenticate", "<initial-response><x/></initial-response>", plain)),
            ("malformed-request", sent("authenticate", well + "<user-agent id='me'/>", plain)),
            ("malformed-request", sent("authenticate", well + user_agent() + user_agent(), plain)),
            ("malformed-request", sent("authenticate", well + 2 * f"<bind xmlns='{ns.BIND2}'/>", plain)),
            ("malformed-request", sent("authenticate", well + 2 * "<resume xmlns='urn:xmpp:sm:3'/>", plain)),
            (
                "malformed-request",
                sent("authenticate", well + f"<bind xmlns='{ns.BIND2}'><tag>a</tag><tag>b</tag></bind>", plain),
            ),
            ("malformed-request", sent("response", encoded("x"))),
            ("malformed-request", sent("auth", well, plain)),
            ("malformed-request", sent("success")),
            ("malformed-request", sent("next", "", " task='TOTP-EXAMPLE'")),
            ("malformed-request", sent("task-data")),
            ("not-authorized", authenticate("romeo", "wrong")),
            ("not-authorized", authenticate("nobody")),
            ("invalid-authzid", authenticate("romeo", authzid="juliet@example.org")),
            ("aborted", sent("abort", "<text>Never mind.</text>")),
        ):
            with self.subTest(request):
                client = self.opened()
                client.send(request)
                self.pump(2)
                self.failed(client, condition)
                client.send(authenticate("romeo"))
                client.expect(_SUCCESS, _FEATURES)

    def begun(self) -> Client:
        client = self.opened()
        client.send(sent("authenticate", "", " mechanism='PLAIN'"))
        client.expect(f"<challenge xmlns='{ns.SASL2}'/>")
        return client

    def test_response(self) -> None:
        client = self.begun()
        client.send(sent("response", "<x/>"))
        self.failed(client, "malformed-request")
        client.send(sent("response", encoded("\0romeo\0secret")))
        self.failed(client, "malformed-request")

    def test_second_attempt_at_once(self) -> None:
        client = self.begun()
        client.send(authenticate("romeo"))
        self.failed(client, "malformed-request")

    def test_too_often(self) -> None:
        """Attempts count whichever profile they are made with."""
        client = self.opened()
        for _ in range(2):
            client.send(sent("abort"))
            self.failed(client, "aborted")
            client.send(f"<abort xmlns='{ns.SASL}'/>")
            client.expect(f"<failure xmlns='{ns.SASL}'><aborted/></failure>")
        client.send(sent("abort"))
        self.failed(client, "aborted")
        client.expect_closed("policy-violation")

    def test_mixed(self) -> None:
        """What was begun with one profile can't be gone on with by the other."""
        client = self.opened()
        client.send(f"<auth xmlns='{ns.SASL}' mechanism='PLAIN'/>")
        client.expect(f"<challenge xmlns='{ns.SASL}'/>")
        client.send(sent("response", encoded("\0romeo\0secret")))
        self.failed(client, "malformed-request")

    def test_anything_else_meanwhile(self) -> None:
        """Section 2.4: "Servers MUST disconnect Clients immediately if any other traffic is received"."""
        for other in (
            "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>",
            "<message to='@'/>",
            "<x xmlns='urn:example:x'/>",
            f"<starttls xmlns='{ns.TLS}'/>",
            f"<response xmlns='{ns.SASL}'>{encoded(chr(0) + 'romeo' + chr(0) + 'secret')}</response>",
        ):
            with self.subTest(other):
                client = self.begun()
                client.send(other)
                client.expect_closed("not-authorized")

    def test_anything_else_while_the_server_thinks(self) -> None:
        waits: list[Deferred[None]] = []
        derive = self.server.accounts.derive

        async def slow(*args: Any) -> bytes:
            waits.append(Deferred())
            await waits[-1]
            return await derive(*args)

        self.patch(self.server.accounts, "derive", slow)
        client = self.opened()
        client.send(authenticate("romeo") + "<presence/>")
        client.expect_closed("not-authorized")
        waits[0].callback(None)
        self.assertEqual(self.host.all_sessions(), ())

    def test_success_only_once(self) -> None:
        """Section 5.7: "any further <authenticate/> element MUST result in a stream error"."""
        for again in (authenticate("romeo"), _PLAIN_1, sent("abort"), sent("next", "", " task='TOTP-EXAMPLE'")):
            with self.subTest(again):
                client = self.opened()
                client.send(authenticate("romeo"))
                client.expect(_SUCCESS, _FEATURES)
                client.send(again)
                client.expect_closed("not-authorized")

    def test_behind_the_old_profile(self) -> None:
        client = self.opened()
        client.authenticate("romeo", "secret")
        client.send(authenticate("romeo"))
        client.expect_closed("not-authorized")

    def test_no_new_stream(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo"))
        client.expect(_SUCCESS, _FEATURES)
        client.send_raw(f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}' version='1.0'>")
        client.expect_closed("bad-format")

    def test_not_bound(self) -> None:
        client = self.opened()
        client.send(authenticate("romeo"))
        client.expect(_SUCCESS, _FEATURES)
        client.send("<presence/>")
        client.expect_closed("not-authorized")

    def test_too_slow(self) -> None:
        client = self.opened()
        self.pump(40)
        client.send(authenticate("romeo"))
        client.expect(_SUCCESS, _FEATURES)
        self.pump(25)
        client.expect_closed("connection-timeout")

    def test_locked(self) -> None:
        self.wait(self.server.server.operations.run("user lock", {"jid": "romeo@example.org", "reason": "too loud"}))
        client = self.opened()
        client.send(authenticate("romeo"))
        self.failed(client, "account-disabled")


class Limits(Sasl2TestCase):
    """Guessing passwords is as hard as with the old profile."""

    config = {"limits": {"failed_logins_per_account": 2, "failed_login_delay_seconds": 2}}

    def test_account(self) -> None:
        for _ in range(2):
            client = self.opened()
            client.send(authenticate("romeo", "wrong"))
            client.expect_nothing()
            self.pump(2)
            self.failed(client, "not-authorized")
        client = self.opened()
        client.send(authenticate("romeo", "secret"))
        self.failed(client, "temporary-auth-failure")
        client.send(_PLAIN_1)
        client.expect(f"<failure xmlns='{ns.SASL}'><temporary-auth-failure/>{{...}}</failure>")


class Encryption(Sasl2TestCase):
    """Section 4: "SASL2 MUST only be used by Clients or offered by Servers after TLS negotiation"."""

    tls = True
    config = {"server": {"plain_without_tls": False}}

    def test_required(self) -> None:
        client = self.opened()
        self.assertNotIn(ns.SASL2, client.features)
        client.send(authenticate("romeo"))
        self.failed(client, "encryption-required")
        client.start_tls()
        client.send(authenticate("romeo"))
        client.expect(_SUCCESS, _FEATURES)


class EncryptionThatIsNotRequired(Encryption):
    """The old profile is offered without TLS then; this one isn't."""

    config = {"server": {"plain_without_tls": False}, "tls": {"required": False}}


class Strangers(Sasl2TestCase):
    """XEP-0175."""

    plugins = ("anonymous",)
    hosts = {"example.org": {"mechanisms": ["ANONYMOUS"]}}

    def test_anonymous(self) -> None:
        client = self.opened()
        client.send(sent("authenticate", f"<bind xmlns='{ns.BIND2}'/>", " mechanism='ANONYMOUS'"))
        client.expect(f"<success xmlns='{ns.SASL2}'>{{any}}</success>", _FEATURES)
        self.assertTrue(re.search("<authorization-identifier>[0-9a-f-]{36}@example.org/", client.received[-2]))
