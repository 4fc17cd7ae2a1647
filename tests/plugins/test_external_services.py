"""XEP-0215 by what its examples do not show: credentials that are made, who gets them, and pushes."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase
from tests.plugins.test_anonymous import GuestCase
from xmppd.core.options import SettingsError, validate_options
from xmppd.plugins.external_services import NS, ExternalServices
from xmppd.testing import Client
from xmppd.wire.xml import Element

ERROR = "<error type='{}'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error>"
STUN = {"type": "stun"}
TURN = {"type": "turn", "transport": "tcp"}
TURNS = {"type": "turns", "host": "Turn.Example.ORG", "port": 443, "secret": "south wind", "name": "Near"}
STATIC = {"type": "turn", "host": "2001:db8::1", "username": "romeo", "password": "rosaline"}
SECRET = "north wind"
SETTINGS: dict[str, Any] = {"secret": SECRET, "ttl_seconds": 3600, "services": [STUN, TURN, TURNS, STATIC]}
#: What OpenSSL makes of these at noon: the name of romeo@example.org there, and HMAC-SHA1 of name and time.
USERNAME = "1767272400:2f7c1739d56df4e6"
PASSWORD = "7eqppehGb/i7aFJUrwrxbR672/w="


class Case(PluginTestCase):
    plugins = ("disco", "external_services")
    config: ClassVar[Any] = {"external_services": SETTINGS}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def services(self, client: Client, type_: str = "") -> list[Element]:
        """Return the services that a client is told of."""
        named = f" type='{type_}'" if type_ else ""
        client.send(f"<iq to='example.org' id='s' type='get'><services xmlns='{NS}'{named}/></iq>")
        answer = client.take()
        self.assertEqual(answer["type"], "result")
        return list(next(answer.elements()).elements())

    def ask(self, content: str, what: str = "credentials") -> None:
        self.romeo.send(f"<iq to='example.org' id='s' type='get'><{what} xmlns='{NS}'>{content}</{what}></iq>")

    def refused(self, client: Client, type_: str, condition: str) -> None:
        client.expect(f"<iq type='error' id='s'>{{...}}{ERROR.format(type_, condition)}</iq>")

    def reconfigure(self, **changes: Any) -> None:
        self.wait(self.host.registry.reconfigure("external_services", {**SETTINGS, **changes}))


class CredentialTests(Case):
    def test_made_of_the_secret(self) -> None:
        made = self.services(self.romeo, "turn")[0].attributes
        self.assertEqual(
            made,
            {
                "expires": "2026-01-01T13:00:00Z", "host": "example.org", "password": PASSWORD, "port": "3478",
                "restricted": "true", "transport": "tcp", "type": "turn", "username": USERNAME,
            },
        )  # fmt: skip

    def test_usual_ports_and_own_secrets(self) -> None:
        stun, turn, turns, static = (service.attributes for service in self.services(self.romeo))
        self.assertEqual(stun, {"host": "example.org", "port": "3478", "transport": "udp", "type": "stun"})
        self.assertEqual((turns["host"], turns["port"], turns["transport"]), ("turn.example.org", "443", "tcp"))
        self.assertEqual(turns["name"], "Near")
        self.assertNotEqual(turns["username"], turn["username"])  # they can't tell that it is the same account
        self.assertEqual((static["host"], static["username"], static["password"]), ("2001:db8::1", "romeo", "rosaline"))
        self.assertNotIn("expires", static)

    def test_a_name_is_an_accounts_and_time_goes_on(self) -> None:
        first = self.services(self.romeo, "turns")[0]["username"]
        self.pump(60)
        again = self.services(self.login("romeo@example.org/garden"), "turns")[0]["username"]
        other = self.services(self.login("juliet@example.org/balcony"), "turns")[0]["username"]
        name, later = first.partition(":")[2], again.partition(":")
        self.assertEqual((int(later[0]) - int(first.partition(":")[0]), later[2]), (60, name))
        self.assertNotEqual(other.partition(":")[2], name)
        self.assertNotIn("romeo", name)

    def test_for_known_services(self) -> None:
        self.ask("<service host='EXAMPLE.org' type='turn'/><service host='2001:db8::1' type='turn' port='3478'/>")
        self.romeo.expect(
            f"""<iq from='example.org' type='result' id='s'><credentials xmlns='{NS}'>
              <service host='example.org' port='3478' type='turn' transport='tcp' username='{USERNAME}'
                       password='{PASSWORD}' expires='2026-01-01T13:00:00Z' restricted='true'/>
              <service host='2001:db8::1' port='3478' type='turn' transport='udp' username='romeo' password='rosaline'
                       restricted='true'/>
            </credentials></iq>"""
        )

    def test_for_none(self) -> None:
        for content in (
            "<service host='example.org' type='turn' port='3479'/>",
            "<service host='example.org' type='turns'/>",
            "<service host='elsewhere.example' type='turn'/>",
            "<service host='example.org' type='stun'/>",
            "<service host='example.org' type='turn'/><service host='elsewhere.example' type='turn'/>",
        ):
            self.ask(content)
            self.refused(self.romeo, "cancel", "item-not-found")

    def test_nonsense(self) -> None:
        for content in ("", "<service type='turn'/>", "<service host='example.org'/>", "<service xmlns='x:y'/>"):
            self.ask(content)
            self.refused(self.romeo, "modify", "bad-request")

    def test_operators_can_try_them(self) -> None:
        rows = self.operate("external_services", "turn credentials", account="romeo@example.org")
        self.assertEqual([row["type"] for row in rows], ["stun", "turn", "turns", "turn"])
        self.assertEqual((rows[1]["username"], rows[1]["password"]), (USERNAME, PASSWORD))
        self.assertEqual((rows[0]["username"], rows[1]["expires"]), ("", "2026-01-01T13:00:00Z"))
        why = self.refuse_to_operate("external_services", "turn credentials", account="nobody@example.org")
        self.assertEqual(why, "there is no account nobody@example.org")


class WhoTests(Case):
    hosts = ("example.org", "example.net")

    def strangers(self) -> None:
        remote = self.remote("elsewhere.example")
        remote.send(
            f"<iq from='a@elsewhere.example/x' to='example.org' id='s' type='get'><services xmlns='{NS}'/></iq>"
        )
        self.assertEqual(remote.take()["type"], "result")

    def test_accounts_of_the_host_only(self) -> None:
        remote = self.remote("elsewhere.example")
        for who in ("a@elsewhere.example/x", "elsewhere.example"):
            remote.send(f"<iq from='{who}' to='example.org' id='s' type='get'><services xmlns='{NS}'/></iq>")
            remote.expect(f"<iq type='error' id='s'>{{...}}{ERROR.format('auth', 'forbidden')}</iq>")
        neighbour = self.login("romeo@example.net/orchard")
        neighbour.send(f"<iq to='example.org' id='s' type='get'><services xmlns='{NS}'/></iq>")
        self.refused(neighbour, "auth", "forbidden")
        self.reconfigure(who="guests")
        neighbour.send(f"<iq to='example.org' id='s' type='get'><services xmlns='{NS}'/></iq>")
        self.refused(neighbour, "auth", "forbidden")

    def test_everybody(self) -> None:
        self.reconfigure(who="everybody")
        self.strangers()
        self.assertEqual(len(self.services(self.romeo)), 4)

    def test_a_limit(self) -> None:
        self.reconfigure(max_requests=2)
        self.services(self.romeo)
        self.ask("<service host='example.org' type='turn'/>")
        self.romeo.take()
        for what in ("credentials", "services"):
            self.ask("", what)
            self.refused(self.romeo, "wait", "policy-violation")
        self.services(self.login("juliet@example.org/balcony"))
        self.pump(61)
        self.services(self.romeo)


class GuestTests(GuestCase):
    plugins = ("anonymous", "external_services")
    config: ClassVar[Any] = {"external_services": SETTINGS}

    def test_guests(self) -> None:
        guest = self.guest()
        ask = f"<iq to='example.org' id='s' type='get'><services xmlns='{NS}'/></iq>"
        guest.send(ask)
        guest.expect(f"<iq type='error' id='s'>{{...}}{ERROR.format('auth', 'forbidden')}</iq>")
        self.wait(self.host.registry.reconfigure("external_services", {**SETTINGS, "who": "guests"}))
        guest.send(ask)
        self.assertEqual(guest.take()["type"], "result")
        self.wait(self.host.registry.reconfigure("external_services", {**SETTINGS, "secret": "west wind"}))
        guest.expect_nothing()  # that it has changed is not for guests any more


class PushTests(Case):
    def push(self, client: Client, type_: str = "") -> list[dict[str, str]]:
        """Return what a client is told of changes."""
        push = client.take()
        self.assertEqual((push["type"], push["from"]), ("set", "example.org"))
        services = next(push.elements())
        self.assertEqual((services.uri, services.name, services.getAttribute("type", "")), (NS, "services", type_))
        client.send(f"<iq to='example.org' type='result' id='{push['id']}'/>")
        return [element.attributes for element in services.elements()]

    def test_changes(self) -> None:
        """XEP-0215, example 5, in parts: to who has asked, about what was asked for."""
        juliet, nurse = self.login("juliet@example.org/balcony"), self.login("nurse@example.org/hall")
        self.services(self.romeo, "turn")
        self.services(juliet)
        new = {"type": "turn", "host": "192.0.2.2", "port": 7778}
        self.reconfigure(services=[STUN, {**TURN, "name": "Far"}, TURNS, new])
        pushed = {attributes["action"]: attributes for attributes in self.push(self.romeo, "turn")}
        self.assertEqual(set(pushed), {"add", "modify", "delete"})
        self.assertEqual(
            pushed["delete"],
            {"action": "delete", "host": "2001:db8::1", "port": "3478", "transport": "udp", "type": "turn"},
        )
        self.assertEqual((pushed["add"]["host"], pushed["add"]["port"]), ("192.0.2.2", "7778"))
        self.assertEqual((pushed["modify"]["name"], pushed["modify"]["password"]), ("Far", PASSWORD))
        self.assertEqual(len(self.push(juliet)), 3)
        for client in (self.romeo, juliet, nurse):
            client.expect_nothing()

    def test_another_secret(self) -> None:
        self.services(self.romeo)
        self.reconfigure(secret="west wind")
        (changed,) = self.push(self.romeo)
        self.assertEqual((changed["action"], changed["transport"]), ("modify", "tcp"))
        self.assertNotEqual(changed["password"], PASSWORD)

    def test_nothing_that_matters(self) -> None:
        self.services(self.romeo, "stun")
        self.reconfigure(ttl_seconds=7200)
        self.reconfigure(ttl_seconds=7200, services=[STUN])
        self.romeo.expect_nothing()

    def test_who_has_gone_or_says_no(self) -> None:
        """Both types are remembered; a refusal is none of our affair."""
        self.services(self.romeo, "turn")
        self.services(self.romeo, "stun")
        juliet = self.login("juliet@example.org/balcony")
        self.services(juliet)
        juliet.close()
        self.reconfigure(services=[TURN])
        for _ in range(2):
            push = self.romeo.take()
            self.romeo.send(
                f"<iq to='example.org' type='error' id='{push['id']}'>{ERROR.format('cancel', 'conflict')}</iq>"
            )
        self.pump(120)


class SilentTests(Case):
    config: ClassVar[Any] = {}

    def test_without_services(self) -> None:
        self.ask("", "services")
        self.refused(self.romeo, "cancel", "service-unavailable")
        self.romeo.send(
            "<iq to='example.org' id='d' type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        features = {f.getAttribute("var") for f in next(self.romeo.take().elements()).elements()}
        self.assertNotIn(NS, features)


class OptionTests(Case):
    def problem(self, *services: dict[str, Any], **options: Any) -> str:
        with self.assertRaises(SettingsError) as caught:
            validate_options(ExternalServices.Options, {"services": services, **options}, "x")
        return str(caught.exception)

    def test_bad_ones(self) -> None:
        self.assertIn("services[0].type is missing".replace(" is", '" is'), self.problem({}))
        self.assertIn("a word like", self.problem({"type": "a b"}))
        self.assertIn("a word like", self.problem({"type": "turn", "transport": "u/p"}))
        for host in ("turn:example.org/", "[::1]", "a b", "<x>"):
            self.assertIn("name or its address", self.problem({"type": "turn", "host": host}))
        self.assertIn("at most 65535", self.problem({"type": "turn", "port": 70_000}))
        self.assertIn("username and password go together", self.problem({"type": "turn", "username": "a"}))
        self.assertIn("either a username or a secret", self.problem({**STATIC, "secret": "s"}))
        self.assertIn("services[1]: a restricted", self.problem(STUN, {"type": "turn", "restricted": True}))

    def test_secrets_are_not_shown(self) -> None:
        problems = [
            self.problem({"type": "turn", "secret": "s3cret", "username": "x"}, secret="s3cret"),
            self.problem({"type": "turn", "password": "s3cret"}),
        ]
        self.assertNotIn("s3cret", "".join(problems))
        options = validate_options(ExternalServices.Options, SETTINGS, "x")
        self.assertNotIn("wind", repr(options))
        plugin = self.plugin("external_services")
        made = plugin._credentials(plugin.options.services[1], self.host.jid)
        self.assertNotIn(made.password, repr(made))

    def test_restricted(self) -> None:
        options = validate_options(
            ExternalServices.Options, {"services": [{**STATIC, "restricted": False}, {**TURN}]}, "x"
        )
        self.assertEqual([service.restricted for service in options.services], [False, None])
