"""XEP-0077, by its sections."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

NS = "jabber:iq:register"
FEATURE = "<register xmlns='http://jabber.org/features/iq-register'/>"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
FIELDS = (
    f"<query xmlns='{NS}'><instructions>Choose a username and password for use with this service.</instructions>"
    "<username/><password/><x xmlns='jabber:x:data' type='form'><title>Account Registration</title>"
    "<instructions>Choose a username and password for use with this service.</instructions>"
    f"<field type='hidden' var='FORM_TYPE'><value>{NS}</value></field>"
    "<field type='text-single' var='username' label='Username'><required/></field>"
    "<field type='text-private' var='password' label='Password'><required/></field></x></query>"
)


def form(form_type: str, hidden: str = " type='hidden'", **values: str) -> str:
    fields = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in values.items())
    return (
        f"<x xmlns='jabber:x:data' type='submit'><field{hidden} var='FORM_TYPE'><value>{form_type}</value></field>"
        f"{fields}</x>"
    )


class RegisterCase(ServerTestCase):
    plugins = ("register", "disco", "roster")

    def stranger(self, peer: str = "127.0.0.1") -> Client:
        """Return a client that has opened a stream and no more."""
        client = self.connect(peer)
        client.open("example.org")
        return client

    def set(self, client: Client, content: str, to: str = "") -> None:
        client.send(f"<iq type='set' id='r'{to}><query xmlns='{NS}'>{content}</query></iq>")

    def register(self, client: Client, username: str = "bill", password: str = "Calliope") -> None:
        self.set(client, f"<username>{username}</username><password>{password}</password>")

    def expect_result(self, client: Client) -> None:
        client.expect("<iq type='result' id='r'/>")

    def expect_error(self, client: Client, code: int, type: str, condition: str, query: str = "") -> None:
        """The error has no text of ours in the query: what was sent may hold a password."""
        self.assertNotIn("Calliope", client.received[-1])
        client.expect(
            f"<iq type='error' id='r'>{query}<error code='{code}' type='{type}'><{condition} xmlns='{STANZAS}'/>"
            "{...}</error></iq>"
        )


class OpenTests(RegisterCase):
    """Registration is on."""

    config = {"register": {"registration": True}}

    def test_feature(self) -> None:
        client = self.stranger()
        self.assertIn("http://jabber.org/features/iq-register", client.features)
        self.register(client)
        self.expect_result(client)
        client.authenticate("bill", "Calliope")
        self.assertNotIn("http://jabber.org/features/iq-register", client.features)

    def test_fields_and_success(self) -> None:
        client = self.stranger()
        client.send(f"<iq type='get' id='reg1' to='example.org'><query xmlns='{NS}'/></iq>")
        client.expect(f"<iq type='result' id='reg1'>{FIELDS}</iq>")
        self.register(client)
        self.expect_result(client)
        self.login("bill@example.org/globe", "Calliope")

    def test_data_form(self) -> None:
        for number, hidden in enumerate((" type='hidden'", "")):
            client = self.stranger(peer=f"127.0.0.{number + 1}")
            self.set(client, form(NS, hidden, username=f"bill{number}", password="Calliope"))
            self.expect_result(client)
            self.login(f"bill{number}@example.org/globe", "Calliope")

    def test_username_conflict(self) -> None:
        self.account("bill@example.org")
        client = self.stranger()
        for name in ("bill", "BILL", "bill@example.org"):
            self.register(client, name)
            self.expect_error(client, 409, "cancel", "conflict")
        self.login("bill@example.org/x", "secret")

    def test_required_information_not_provided(self) -> None:
        client = self.stranger()
        for content in (
            "<username>bill</username>",
            "<username>bill</username><password/>",
            "<username>bill</username><password></password>",
            "<username/><password>Calliope</password>",
            "<password>Calliope</password>",
            form(NS, username="bill"),
        ):
            self.set(client, content)
            self.expect_error(client, 406, "modify", "not-acceptable")

    def test_names_that_cannot_be(self) -> None:
        client = self.stranger()
        for name in ("a b", "bill@example.net", "x" * 65, "x" * 2000, "postmaster", "Admin"):
            self.register(client, name)
            self.expect_error(client, 406, "modify", "not-acceptable")

    def test_short_passwords(self) -> None:
        client = self.stranger()
        self.register(client, password="seven77")
        self.expect_error(client, 406, "modify", "not-acceptable")

    def test_passwords_that_cannot_be(self) -> None:
        client = self.stranger()
        self.register(client, password="a\u0009control")
        self.expect_error(client, 406, "modify", "not-acceptable")

    def test_both_fields_and_form(self) -> None:
        client = self.stranger()
        self.set(client, "<username>bill</username>" + form(NS, username="bill", password="Calliope"))
        self.expect_error(client, 400, "modify", "bad-request")

    def test_a_form_of_somebody_else(self) -> None:
        client = self.stranger()
        self.set(client, form("urn:example:other", username="bill", password="Calliope"))
        self.expect_error(client, 400, "modify", "bad-request")

    def test_a_second_account_on_the_same_stream(self) -> None:
        client = self.stranger()
        self.register(client)
        self.expect_result(client)
        self.register(client, "will")
        self.expect_error(client, 406, "modify", "not-acceptable")

    def test_cancelling_or_changing_needs_a_log_in(self) -> None:
        client = self.stranger()
        self.set(client, "<remove/>")
        self.expect_error(client, 400, "wait", "unexpected-request")
        for kind in ("cancel", "changepassword"):
            self.set(client, form(f"{NS}:{kind}", username="bill", password="Calliope"))
            self.expect_error(client, 400, "wait", "unexpected-request")

    def test_logged_in_and_not_bound(self) -> None:
        self.account("bill@example.org")
        client = self.stranger()
        client.authenticate("bill", "secret")
        client.send(f"<iq type='get' id='g'><query xmlns='{NS}'/></iq>")
        client.expect(
            f"<iq type='result' id='g'><query xmlns='{NS}'><registered/><username>bill</username>{{...}}</query></iq>"
        )
        self.register(client)  # changes the password
        self.expect_result(client)
        self.set(client, "<remove/>")
        self.expect_result(client)
        client.expect_closed("not-authorized")
        self.assertFalse(self.wait(self.server.accounts.exists(Jid.parse("bill@example.org"))))

    def test_users_of_other_servers(self) -> None:
        remote = self.remote("other.example")
        for type_, content, condition, kind, code in (
            ("get", "", "service-unavailable", "cancel", 503),
            ("set", "<remove/>", "registration-required", "auth", 407),
            ("set", "<username>bill</username><password>Calliope</password>", "not-allowed", "cancel", 405),
        ):
            remote.send(
                f"<iq type='{type_}' id='r' from='a@other.example/x' to='example.org'><query xmlns='{NS}'>{content}"
                "</query></iq>"
            )
            remote.expect(
                f"<iq type='error' id='r'><error code='{code}' type='{kind}'><{condition} xmlns='{STANZAS}'/></error>"
                "</iq>"
            )


class LimitTests(RegisterCase):
    config = {
        "register": {
            "registration": True,
            "accounts_per_address": 2,
            "accounts_in_total": 3,
            "attempts_per_address": 4,
            "period_seconds": 600,
        }
    }

    def attempt(self, username: str, peer: str) -> Client:
        client = self.stranger(peer=peer)
        self.register(client, username)
        return client

    def test_accounts_of_one_address(self) -> None:
        self.expect_result(self.attempt("a", "127.0.0.1"))
        self.expect_result(self.attempt("b", "127.0.0.1"))
        self.expect_error(self.attempt("c", "127.0.0.1"), 406, "wait", "not-acceptable")
        self.expect_result(self.attempt("c", "127.0.0.2"))
        self.pump(601, step=50)
        self.expect_result(self.attempt("d", "127.0.0.1"))

    def test_accounts_in_total(self) -> None:
        for number in range(3):
            self.expect_result(self.attempt(f"user{number}", f"127.0.0.{number + 1}"))
        self.expect_error(self.attempt("one-more", "127.0.0.9"), 406, "wait", "not-acceptable")
        self.pump(601, step=50)
        self.expect_result(self.attempt("one-more", "127.0.0.9"))

    def test_administrators(self) -> None:
        """Whoever is first to register the name of an administrator would be one."""
        self.host.set_admins(["boss@example.org"])
        self.expect_error(self.attempt("Boss", "127.0.0.1"), 406, "modify", "not-acceptable")
        self.expect_result(self.attempt("bossa", "127.0.0.1"))

    def test_at_the_same_time(self) -> None:
        """The limits hold for those that come while another's password is being hashed."""
        for peers in (["127.0.0.1"] * 4, [f"127.0.0.{number}" for number in range(2, 6)]):
            with self.subTest(peers=peers):
                slow: list[Deferred[Any]] = []

                def run_slowly(fn: Any, slow: list[Deferred[Any]] = slow) -> Deferred[Any]:
                    slow.append(Deferred().addCallback(lambda _: fn()))
                    return slow[-1]

                self.patch(self.server.accounts, "_run_in_thread", run_slowly)
                clients = [self.attempt(f"at-once{n}-{peers[-1][-1]}", peer) for n, peer in enumerate(peers)]
                while slow:
                    slow.pop(0).callback(None)
                self.pump()
                made = [client for client in clients if "type='result'" in client.received[-1]]
                self.assertEqual(len(made), 2 if len(set(peers)) == 1 else 1)

    def test_attempts(self) -> None:
        """Or else one could find out who has an account."""
        self.account("romeo@example.org")
        for _ in range(4):
            self.expect_error(self.attempt("romeo", "127.0.0.1"), 409, "cancel", "conflict")
        self.expect_error(self.attempt("romeo", "127.0.0.1"), 406, "wait", "not-acceptable")


class NameTests(RegisterCase):
    config = {
        "register": {
            "registration": True,
            "username_min_length": 3,
            "username_max_length": 5,
            "forbidden_names": ["romeo"],
            "attempts_per_address": 20,
        }
    }

    def test_what_usernames_are_refused(self) -> None:
        for username, why in (
            ("ab", "a username has 3 to 5 characters"),
            ("abcdef", "a username has 3 to 5 characters"),
            ("romeo", "romeo can't be had"),
            ("ROMEO", "romeo can't be had"),
        ):
            client = self.stranger()
            self.register(client, username)
            self.assertIn(why.replace("'", "&apos;"), client.received[-1].replace("'", "&apos;"))
            self.expect_error(client, 406, "modify", "not-acceptable")

    def test_what_usernames_are_taken(self) -> None:
        for username in ("abc", "abcde", "admin"):
            client = self.stranger()
            self.register(client, username)
            self.expect_result(client)


class InsecureTests(RegisterCase):
    """Connections that are not encrypted, where the settings don't insist that they are."""

    config = {"register": {"registration": True}, "server": {"plain_without_tls": False}, "tls": {"required": False}}

    def test_no_password_is_taken(self) -> None:
        client = self.stranger()
        self.assertNotIn("http://jabber.org/features/iq-register", client.features)
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq>")
        self.expect_error(client, 401, "modify", "not-authorized")
        self.register(client)
        self.expect_error(client, 401, "modify", "not-authorized")


class SecureTests(RegisterCase):
    tls = True
    config = {"register": {"registration": True}, "server": {"plain_without_tls": False}}

    def test_before_tls_nothing_is_offered(self) -> None:
        client = self.stranger()
        self.assertNotIn("http://jabber.org/features/iq-register", client.features)
        self.register(client)
        client.expect_closed("not-authorized")

    def test_with_tls(self) -> None:
        client = self.stranger(peer="192.0.2.1")
        client.start_tls("example.org")
        self.assertIn("http://jabber.org/features/iq-register", client.features)
        self.register(client)
        self.expect_result(client)


class ClosedTests(RegisterCase):
    """Registration is off, as it comes."""

    def test_nothing_is_offered(self) -> None:
        client = self.stranger()
        self.assertNotIn("http://jabber.org/features/iq-register", client.features)
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq>")
        self.expect_error(client, 503, "cancel", "service-unavailable")
        self.register(client)
        self.expect_error(client, 405, "cancel", "not-allowed")

    def test_redirection(self) -> None:
        """Section 5."""
        self.wait(
            self.host.registry.reconfigure("register", {"redirect_url": "http://www.shakespeare.lit/contests.php"})
        )
        client = self.stranger()
        client.send(f"<iq type='get' id='r'><query xmlns='{NS}'/></iq>")
        client.expect(
            f"<iq type='result' id='r'><query xmlns='{NS}'><instructions>To register, visit"
            " http://www.shakespeare.lit/contests.php</instructions><x xmlns='jabber:x:oob'>"
            "<url>http://www.shakespeare.lit/contests.php</url></x></query></iq>"
        )

    def test_disco(self) -> None:
        """Section 9: passwords can be changed."""
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
        romeo.expect(
            "<iq type='result' id='1'><query xmlns='http://jabber.org/protocol/disco#info'>{...}"
            f"<feature var='{NS}'/></query></iq>"
        )


class UserCase(RegisterCase):
    def setUp(self) -> None:
        super().setUp()
        self.bill = self.login("bill@example.org/globe", "theglobe")


class PasswordTests(UserCase):
    """Section 3.3."""

    def test_registered_already(self) -> None:
        for to in ("", " to='example.org'", " to='bill@example.org'"):
            self.bill.send(f"<iq type='get' id='r'{to}><query xmlns='{NS}'/></iq>")
            self.bill.expect(
                f"<iq type='result' id='r'><query xmlns='{NS}'><registered/><instructions>{{any}}</instructions>"
                "<username>bill</username><password/></query></iq>"
            )

    def test_change(self) -> None:
        for number, to in enumerate(("", " to='example.org'", " to='bill@example.org'")):
            name = "bill@example.org" if number else "bill"
            self.set(self.bill, f"<username>{name}</username><password>newpass{number}</password>", to)
            self.expect_result(self.bill)
            self.login(f"bill@example.org/{number}", f"newpass{number}")

    def test_incomplete(self) -> None:
        for content in (
            "<password>Calliope</password>",
            "<username>bill</username>",
            "<username>bill</username><password/>",
        ):
            self.set(self.bill, content)
            self.expect_error(self.bill, 400, "modify", "bad-request")
        self.login("bill@example.org/again", "theglobe")

    def test_somebody_elses(self) -> None:
        self.account("juliet@example.org", "capulets")
        self.register(self.bill, "juliet")
        self.expect_error(self.bill, 405, "cancel", "not-allowed")
        self.login("juliet@example.org/x", "capulets")

    def test_not_by_somebody_else(self) -> None:
        self.set(self.bill, "<username>juliet</username><password>Calliope</password>", " to='juliet@example.org'")
        self.bill.expect(
            f"<iq type='error' id='r'>{{...}}<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error></iq>"
        )

    def test_rules_for_passwords(self) -> None:
        self.register(self.bill, password="short")
        self.expect_error(self.bill, 406, "modify", "not-acceptable")
        self.register(self.bill, password="a\tcontrol")
        self.expect_error(self.bill, 406, "modify", "not-acceptable")

    def test_not_allowed(self) -> None:
        self.wait(self.host.registry.reconfigure("register", {"self_service": False}))
        self.register(self.bill)
        self.expect_error(self.bill, 405, "cancel", "not-allowed")
        self.set(self.bill, "<remove/>")
        self.expect_error(self.bill, 405, "cancel", "not-allowed")

    def test_with_the_old_one(self) -> None:
        self.wait(self.host.registry.reconfigure("register", {"confirm_with_password": True}))
        self.register(self.bill)
        self.expect_error(
            self.bill, 401, "modify", "not-authorized",
            f"<query xmlns='{NS}'><x xmlns='jabber:x:data' type='form'><title>Password Change</title>"
            "<instructions>Use this form to change your password.</instructions>"
            f"<field type='hidden' var='FORM_TYPE'><value>{NS}:changepassword</value></field>"
            "<field type='text-single' label='Username' var='username'><required/></field>"
            "<field type='text-private' label='Old Password' var='old_password'><required/></field>"
            "<field type='text-private' label='New Password' var='password'><required/></field></x></query>",
        )  # fmt: skip
        change = f"{NS}:changepassword"
        self.set(self.bill, form(change, username="bill@example.org", old_password="wrong", password="groundlings"))
        self.expect_error(self.bill, 401, "modify", "not-authorized")
        self.set(self.bill, form(change, username="bill@example.org", old_password="theglobe", password="groundlings"))
        self.expect_result(self.bill)
        self.login("bill@example.org/again", "groundlings")


class InsecureUserTests(ServerTestCase):
    """A session that is not encrypted where the settings don't insist on it: XEP-0077, example 21."""

    plugins = ("register",)
    config = {"tls": {"required": False}}

    def test_change(self) -> None:
        bill = self.login("bill@example.org/globe", "theglobe")
        self.server.server.settings.server.__dict__["plain_without_tls"] = False
        bill.send(
            f"<iq type='set' id='r'><query xmlns='{NS}'><username>bill</username><password>Calliope</password>"
            "</query></iq>"
        )
        bill.expect(
            f"<iq type='error' id='r'><error code='401' type='modify'><not-authorized xmlns='{STANZAS}'/>{{...}}"
            "</error></iq>"
        )


class CancelTests(UserCase):
    """Section 3.2."""

    def test_cancel(self) -> None:
        phone = self.login("bill@example.org/phone", "theglobe")
        self.set(self.bill, "<remove/>")
        self.expect_result(self.bill)
        self.bill.expect_closed("not-authorized")
        phone.expect_closed("not-authorized")
        client = self.stranger()
        with self.assertRaises(AssertionError):
            client.authenticate("bill", "theglobe")
        self.pump(1)  # until the failure is answered
        self.assertFalse(self.wait(self.server.accounts.exists(Jid.parse("bill@example.org"))))

    def test_what_plugins_keep_is_gone(self) -> None:
        self.bill.send(
            "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='romeo@example.net'/></query></iq>"
        )
        self.bill.clear()
        self.set(self.bill, "<remove/>", " to='example.org'")
        self.expect_result(self.bill)
        self.bill.expect_closed("not-authorized")
        again = self.login("bill@example.org/globe", "theglobe")
        again.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
        again.expect("<iq type='result' id='1'><query xmlns='jabber:iq:roster' ver='{any}'/></iq>")

    def test_remove_has_to_be_alone(self) -> None:
        self.set(self.bill, "<remove/><username>bill</username>")
        self.expect_error(self.bill, 400, "modify", "bad-request")

    def test_with_the_password(self) -> None:
        self.wait(self.host.registry.reconfigure("register", {"confirm_with_password": True}))
        self.set(self.bill, "<remove/>")
        self.expect_error(
            self.bill, 405, "cancel", "not-allowed",
            f"<query xmlns='{NS}'><x xmlns='jabber:x:data' type='form'><title>Cancel Registration</title>"
            "<instructions>Use this form to cancel your registration.</instructions>"
            f"<field type='hidden' var='FORM_TYPE'><value>{NS}:cancel</value></field>"
            "<field type='text-single' label='Username' var='username'><required/></field>"
            "<field type='text-private' label='Password' var='password'><required/></field></x></query>",
        )  # fmt: skip
        for username, password in (("bill", "wrong"), ("juliet", "theglobe"), ("", "")):
            self.set(self.bill, form(f"{NS}:cancel", username=username, password=password))
            self.expect_error(self.bill, 403, "cancel", "forbidden")
        self.set(self.bill, form(f"{NS}:cancel", username="bill@example.org", password="theglobe"))
        self.expect_result(self.bill)
        self.bill.expect_closed("not-authorized")
