"""Logging in without SASL: XEP-0078."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from xmppd.api import StorageUnavailable
from xmppd.testing import Client, ServerTestCase

NS = "jabber:iq:auth"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def auth(**fields: str) -> str:
    """Return the request of a log-in."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<iq type='set' id='auth2'><query xmlns='{NS}'>{inside}</query></iq>"


def error(code: int, type_: str, condition: str) -> str:
    """Return the answer when a log-in is refused; nothing of what was sent is in it (section 3.1)."""
    content = f"<{condition} xmlns='{ERRORS}'/>{{...}}"
    return f"<iq type='error' id='auth2'><error code='{code}' type='{type_}'>{content}</error></iq>"


class AuthCase(ServerTestCase):
    plugins = ("legacy_auth",)

    def setUp(self) -> None:
        super().setUp()
        self.account("bill@example.org", "Calli0pe")

    def stranger(self, peer: str = "127.0.0.1") -> Client:
        """Return a client that has opened a stream."""
        client = self.connect(peer)
        client.open()
        return client

    def enter(self, client: Client, **fields: str) -> None:
        """Log in, as bill unless told otherwise."""
        client.send(auth(**{"username": "bill", "password": "Calli0pe", "resource": "globe", **fields}))


class Examples(AuthCase):
    def test_stream_feature(self) -> None:
        """XEP-0078, example 9: beside the mechanisms of SASL."""
        self.assertIn("<mechanism>PLAIN</mechanism>", self.stranger().features)
        self.assertIn("<auth xmlns='http://jabber.org/features/iq-auth'/>", self.stranger().features)

    def test_example_1(self) -> None:
        """XEP-0078, examples 1 and 2: who asks is told what is needed, whether there is such a user or not."""
        client = self.stranger()
        for name, sent in (("", ""), ("bill", "bill"), ("nobody", "nobody")):
            inside = f"<username>{name}</username>" if name else ""
            client.send(f"<iq type='get' to='example.org' id='auth1'><query xmlns='{NS}'>{inside}</query></iq>")
            username = f"<username>{sent}</username>" if sent else "<username/>"
            client.expect(
                f"<iq type='result' id='auth1' from='example.org'><query xmlns='{NS}'>{username}<password/><resource/>"
                "</query></iq>"
            )

    def test_plaintext(self) -> None:
        """XEP-0078, examples 3 and 5. The answer names the session, and comes first; then it is as any other."""
        client = self.stranger()
        self.enter(client)
        client.expect("<iq type='result' id='auth2' to='bill@example.org/globe'/>")
        client.send("<iq type='get' id='r' to='example.org'><ping xmlns='x:unknown'/></iq>")
        client.expect("<iq type='error' id='r' from='example.org' to='bill@example.org/globe'>{...}</iq>")

    def test_incorrect_credentials(self) -> None:
        """XEP-0078, example 6."""
        for fields in ({"password": "wrong"}, {"username": "nobody"}):
            client = self.stranger()
            self.enter(client, **fields)
            self.pump(2)
            client.expect(error(401, "auth", "not-authorized"))
            client.expect_open()

    def test_required_information_not_provided(self) -> None:
        """XEP-0078, example 8."""
        for fields in (
            {"username": "bill", "password": "Calli0pe"},
            {"username": "bill", "resource": "globe"},
            {"password": "Calli0pe", "resource": "globe"},
            {"username": "b@d@", "password": "x", "resource": "globe"},
            {"username": "bill", "password": "Calli0pe", "resource": "x" * 1100},
            {"username": "bill", "digest": "48fc78be9ec8f86d8ce1c39c320c97c21d62334d", "resource": "globe"},
        ):
            client = self.stranger()
            client.send(auth(**fields))
            client.expect(error(406, "modify", "not-acceptable"))

    def test_second_try(self) -> None:
        client = self.stranger()
        self.enter(client, password="wrong")
        self.pump(2)
        client.clear()
        self.enter(client)
        client.expect("<iq type='result' id='auth2' to='{any}'/>")


class Rules(AuthCase):
    def test_case_and_spaces_of_the_username(self) -> None:
        """Smack 3 writes it in small letters when it logs in, but not when it registers (androidpn 1.4)."""
        client = self.stranger()
        self.enter(client, username=" BILL ")
        client.expect("<iq type='result' id='auth2' to='bill@example.org/globe'/>")

    def test_after_sasl_has_failed(self) -> None:
        """Section 6: policy-violation."""
        asked = f"<iq type='get' id='1'><query xmlns='{NS}'/></iq>"
        for xml in (auth(username="bill", password="Calli0pe", resource="g"), asked):
            client = self.stranger()
            client.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>AGJpbGwAd3Jvbmc=</auth>")
            self.pump(2)
            client.expect(f"<failure xmlns='{SASL}'>{{...}}</failure>")
            client.send(xml)
            client.expect_closed("policy-violation")

    def test_conflict_replaces(self) -> None:
        """The older session ends: "RECOMMENDED"."""
        first, second = self.stranger(), self.stranger()
        self.enter(first)
        first.clear()
        self.enter(second)
        second.expect("<iq type='result' id='auth2' to='{any}'/>")
        first.expect("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{...}</stream:error>")
        first.disconnect()
        self.assertEqual(len(self.host.all_sessions()), 1)

    def test_locked_is_not_401(self) -> None:
        """Whoever sees 401 gives the account up; a lock can be taken off again."""
        self.wait(self.server.accounts.lock(self.host.jid.of("bill", "example.org"), "not now"))
        client = self.stranger()
        self.enter(client)
        client.expect(error(403, "auth", "forbidden"))

    def test_a_second_login_on_a_stream(self) -> None:
        client = self.stranger()
        self.enter(client)
        client.clear()
        self.enter(client)
        client.expect("<iq type='error' id='auth2' from='bill@example.org' to='{any}'>{...}</iq>")

    def test_database_trouble_is_not_401(self) -> None:
        """401 vs 503: nobody loses an account because a disk is full (androidpn 1.4)."""
        client = self.stranger()

        async def fails(*_: object) -> None:
            raise StorageUnavailable("the disk is full")

        self.patch(self.server.accounts, "keys", fails)
        self.enter(client)
        self.pump(2)
        client.expect(error(500, "wait", "resource-constraint"))
        client.expect_open()


class Limits(AuthCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "limits": {"failed_logins_per_account": 3, "failed_logins_per_address": 100, "exempt_networks": []}
    }

    def test_guessing_is_stopped(self) -> None:
        """The limits are those of SASL; who runs into them is not told 401."""
        for _ in range(3):
            client = self.stranger()
            self.enter(client, password="wrong")
            self.pump(2)
            client.expect(error(401, "auth", "not-authorized"))
        client = self.stranger()
        self.enter(client)
        client.expect(error(500, "wait", "resource-constraint"))

    def test_too_many_on_one_stream(self) -> None:
        client = self.stranger()
        for number in range(5):
            self.enter(client, username=f"somebody{number}")
            self.pump(2)
        client.clear()
        self.assertTrue(client.ended or client.transport.disconnecting)

    def test_wrong_takes_its_time(self) -> None:
        client = self.stranger()
        self.enter(client, password="wrong")
        client.expect_nothing()
        self.pump(1)
        client.expect(error(401, "auth", "not-authorized"))


class Conflicts(AuthCase):
    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {"accounts": {"resource_conflict": "refuse"}}

    def test_conflict_refused(self) -> None:
        """XEP-0078, example 7, where the settings say so; the stream goes on."""
        self.enter(self.stranger())
        client = self.stranger()
        self.enter(client)
        client.expect(error(409, "cancel", "conflict"))
        self.enter(client, resource="moon")
        client.expect("<iq type='result' id='auth2' to='bill@example.org/moon'/>")


class WithoutTls(AuthCase):
    tls = True

    def settings_table(self) -> dict[str, Any]:
        table = super().settings_table()
        table["server"]["plain_without_tls"] = False
        return table

    def test_not_offered(self) -> None:
        client = self.stranger()
        self.assertNotIn("iq-auth", client.features)
        self.enter(client)
        client.expect_closed("not-authorized")

    def test_inside_tls(self) -> None:
        client = self.stranger()
        client.start_tls()
        self.assertIn("iq-auth", client.features)
        self.enter(client)
        client.expect("<iq type='result' id='auth2' to='bill@example.org/globe'/>")


class Digest(AuthCase):
    """The switch for clients without TLS."""

    config: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "legacy_auth": {"digest": True},
        "tls": {"required": False},
        "server": {"plain_without_tls": False},
    }
    tls = True

    def known(self) -> None:
        """Log bill in inside TLS: the password is known then."""
        client = self.stranger()
        client.start_tls()
        self.enter(client)
        client.expect("<iq type='result' id='auth2' to='{any}'/>")

    def digest(self, client: Client, password: str) -> str:
        assert client.header is not None
        return hashlib.sha1((client.header["id"] + password).encode()).hexdigest()

    def test_example(self) -> None:
        """The digest of the example in section 3.1."""
        self.assertEqual(hashlib.sha1(b"3EE948B0Calli0pe").hexdigest(), "48fc78be9ec8f86d8ce1c39c320c97c21d62334d")

    def test_only_a_digest_is_taken(self) -> None:
        client = self.stranger()
        client.send(f"<iq type='get' id='1'><query xmlns='{NS}'/></iq>")
        client.expect(f"<iq type='result' id='1'><query xmlns='{NS}'><username/><digest/><resource/></query></iq>")
        self.enter(client)
        client.expect(error(406, "modify", "not-acceptable"))

    def test_right(self) -> None:
        """XEP-0078, example 4, with the id of this stream."""
        self.known()
        client = self.stranger()
        client.send(auth(username="bill", digest=self.digest(client, "Calli0pe").upper(), resource="moon"))
        client.expect("<iq type='result' id='auth2' to='bill@example.org/moon'/>")

    def test_wrong(self) -> None:
        self.known()
        for password in ("wrong", ""):
            client = self.stranger()
            client.send(auth(username="bill", digest=self.digest(client, password), resource="moon"))
            self.pump(2)
            client.expect(error(401, "auth", "not-authorized"))

    def test_unknown_password(self) -> None:
        client = self.stranger()
        client.send(auth(username="bill", digest=self.digest(client, ""), resource="moon"))
        self.pump(2)
        client.expect(error(401, "auth", "not-authorized"))

    def test_changed_password(self) -> None:
        """What is kept counts only as long as it is the account's password."""
        self.known()
        self.wait(self.server.accounts.set_password(self.host.jid.of("bill", "example.org"), "another"))
        client = self.stranger()
        client.send(auth(username="bill", digest=self.digest(client, "Calli0pe"), resource="moon"))
        self.pump(2)
        client.expect(error(401, "auth", "not-authorized"))

    def test_inside_tls_it_is_the_password(self) -> None:
        client = self.stranger()
        client.start_tls()
        client.send(f"<iq type='get' id='1'><query xmlns='{NS}'/></iq>")
        client.expect(f"<iq type='result' id='1'><query xmlns='{NS}'><username/><password/><resource/></query></iq>")

    def test_switched_off(self) -> None:
        """Then no password is kept."""
        self.known()
        plugin = self.plugin("legacy_auth")
        bill = self.host.jid.of("bill", "example.org")
        self.assertEqual(self.wait(plugin._kept(bill)), "Calli0pe")
        plugin._options = plugin.Options()
        self.wait(plugin.reconfigured(plugin.options))
        self.assertIsNone(self.wait(plugin._kept(bill)))

    def test_deleted_account(self) -> None:
        self.known()
        bill = self.host.jid.of("bill", "example.org")
        self.wait(self.host.delete_account(bill))
        self.assertIsNone(self.wait(self.plugin("legacy_auth")._kept(bill)))
