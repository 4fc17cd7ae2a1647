"""Gateways: registration, addresses, presence and subscriptions, as in the examples of XEP-0100."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from xmppd.api import Condition, Jid, Presence, StanzaError
from xmppd.api.gateway import Gateway, Outgoing, Registration, RegistrationField
from xmppd.testing import ServerTestCase
from xmppd.testing.client import Client

REGISTER = "<iq type='set' to='aim.shakespeare.lit' id='r'><query xmlns='jabber:iq:register'>{}</query></iq>"
ACCOUNT = "<username>RomeoMyRomeo</username><password>ILoveJuliet</password>"
ERROR = "<error type='{}'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error>"
FORM = (
    "<x xmlns='jabber:x:data' type='form'><title>AIM Gateway</title>"
    "<instructions>Please provide your AIM screen name and password.</instructions>"
    "<field type='hidden' var='FORM_TYPE'><value>jabber:iq:register</value></field>{}</x>"
)
ROMEO, NURSE = Jid.parse("romeo@montague.lit"), "capuletnurse"
AIM = "aim.shakespeare.lit"
ROSTER = "<iq type='set'>{any}</iq>"


class Aim(Gateway):
    """The gateway of XEP-0100."""

    network = "aim"
    title = "AIM Gateway"
    instructions = "Please provide your AIM screen name and password."
    prompt_help = "Please enter the AOL Screen Name of the person you would like to contact."
    fields = (
        RegistrationField("username", "Screen name", unique=True),
        RegistrationField("password", "Password", secret=True),
    )

    async def start(self) -> None:
        await super().start()
        self.happened: list[Any] = []
        self.away: dict[str, bytes | None] = {}
        self.down = False

    def address(self, text: str) -> str:
        if not text.replace(" ", "").isalnum():
            raise ValueError("a screen name has letters and digits")
        return text.replace(" ", "").lower()

    async def register(self, user: Jid, values: Mapping[str, str]) -> Mapping[str, str] | None:
        if values["password"] == "wrong":
            raise StanzaError(Condition.NOT_ACCEPTABLE)
        return None

    async def unregistered(self, user: Jid) -> None:
        self.happened.append(("unregistered", user))

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> None:
        self.happened.append((user, contact, message.body))

    async def online(self, user: Jid) -> None:
        if self.down:
            raise StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
        self.happened.append(("online", user))

    async def offline(self, user: Jid) -> None:
        self.happened.append(("offline", user))

    def presence_of(self, user: Jid, contact: str) -> bytes | None:
        return self.away.get(contact, b"")

    async def contact_added(self, user: Jid, contact: str) -> None:
        if contact == "juliet":
            raise StanzaError(Condition.FORBIDDEN)
        self.later(0.0, lambda: self.ask_for_presence(user, contact))

    async def contact_removed(self, user: Jid, contact: str) -> None:
        self.happened.append(("removed", contact))

    async def user_presence(self, user: Jid, contact: str, presence: Presence) -> None:
        self.happened.append((presence.type, contact, presence.text("show")))


def iter_elements(client: Client) -> list[Any]:
    """Take all that came."""
    found = []
    with contextlib.suppress(AssertionError):
        while True:
            found.append(client.take())
    return found


class AimTestCase(ServerTestCase):
    plugins = ("roster", "presence", Aim)
    hosts = ("montague.lit",)
    config = {"aim": {"domain": AIM}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@montague.lit/orchard", presence=True)
        self.romeo.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        self.romeo.clear()

    def register(self) -> None:
        self.romeo.send(REGISTER.format(ACCOUNT))
        self.pump()
        self.romeo.clear()

    def log_in(self) -> None:
        """Register, and have all subscriptions there are."""
        self.register()
        self.romeo.send(f"<presence to='{AIM}' type='subscribed'/><presence to='{AIM}' type='subscribe'/>")
        self.pump()
        self.romeo.clear()

    def happened(self) -> list[Any]:
        self.pump()
        found: list[Any] = self.plugin("aim").happened
        self.plugin("aim").happened = []
        return found


class RegistrationTests(AimTestCase):
    def test_identity(self) -> None:
        """XEP-0100, examples 1 and 3; XEP-0106, examples 49 and 50."""
        info = "http://jabber.org/protocol/disco#info"
        self.romeo.send(f"<iq type='get' to='{AIM}' id='disco1'><query xmlns='{info}'/></iq>")
        self.romeo.expect(
            f"<iq type='result' from='{AIM}' id='disco1'><query xmlns='{info}'>"
            "<identity category='gateway' type='aim' name='AIM Gateway'/>"
            "<feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>"
            r"<feature var='jabber:iq:gateway'/><feature var='jabber:iq:register'/><feature var='jid\20escaping'/>"
            "</query></iq>"
        )

    def test_register(self) -> None:
        """XEP-0100, examples 5 to 14 and 27."""
        self.romeo.send(f"<iq type='get' to='{AIM}' id='reg1'><query xmlns='jabber:iq:register'/></iq>")
        fields = (
            "<field type='text-single' var='username' label='Screen name'><required/></field>"
            "<field type='text-private' var='password' label='Password'><required/></field>"
        )
        self.romeo.expect(
            f"<iq type='result' from='{AIM}' id='reg1'><query xmlns='jabber:iq:register'>"
            "<instructions>Please provide your AIM screen name and password.</instructions><username/><password/>"
            f"{FORM.format(fields)}</query></iq>"
        )
        self.romeo.send(REGISTER.format(ACCOUNT))
        self.romeo.expect(
            f"<iq type='result' from='{AIM}' id='r'/>", f"<presence type='subscribe' from='{AIM}' to='{ROMEO}'/>"
        )
        self.romeo.send(
            "<iq type='set' id='roster1'><query xmlns='jabber:iq:roster'>"
            f"<item jid='{AIM}' name='AIM Gateway'/></query></iq>"
        )
        self.romeo.expect_all(ROSTER, "<iq type='result' id='roster1'/>")
        self.romeo.send(f"<presence type='subscribed' to='{AIM}'/>")
        self.romeo.expect_all(ROSTER, f"<presence from='{AIM}'/>")
        self.romeo.send(f"<presence type='subscribe' to='{AIM}'/>")
        self.romeo.expect_all(
            ROSTER, ROSTER, f"<presence type='subscribed' from='{AIM}'/>", f"<presence from='{AIM}'/>"
        )
        self.assertIn(("online", ROMEO), self.happened())

    def test_not_accepted(self) -> None:
        """XEP-0100, example 15; what was sent is not sent back, as XEP-0077 section 3.3 has it of passwords."""
        self.romeo.send(REGISTER.format("<username>romeo</username><password>wrong</password>"))
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('modify', 'not-acceptable')}</iq>")
        self.romeo.send(REGISTER.format("<username>romeo</username>"))
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('modify', 'not-acceptable')}</iq>")
        self.assertEqual(dict(self.plugin("aim").registrations), {})

    def test_edit(self) -> None:
        """XEP-0100, examples 16 to 20."""
        self.register()
        self.romeo.send(f"<iq type='get' to='{AIM}' id='edit1'><query xmlns='jabber:iq:register'/></iq>")
        fields = (
            "<field type='text-single' var='username' label='Screen name'><required/>"
            "<value>RomeoMyRomeo</value></field>"
            "<field type='text-private' var='password' label='Password'/>"
        )
        self.romeo.expect(
            "<iq type='result' id='edit1'><query xmlns='jabber:iq:register'><registered/>"
            "<instructions>Please provide your AIM screen name and password.</instructions>"
            f"<username>RomeoMyRomeo</username><password/>{FORM.format(fields)}</query></iq>"
        )
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:register</value></field>"
            "<field var='username'><value>RomeoMyRomeo</value></field>"
            "<field var='password'><value>{}</value></field></x>"
        )
        self.romeo.send(REGISTER.format(form.format("wrong")))
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('modify', 'not-acceptable')}</iq>")
        self.romeo.send(REGISTER.format(form.format("B4lc0ny")))
        self.romeo.expect("<iq type='result' id='r'/>")
        self.romeo.send(REGISTER.format("<username>Romeo</username><password/>"))
        self.romeo.expect("<iq type='result' id='r'/>")
        self.romeo.expect_nothing()
        values = self.plugin("aim").registrations[ROMEO].values
        self.assertEqual(values, {"username": "Romeo", "password": "B4lc0ny"})

    def test_unregister(self) -> None:
        """XEP-0100, examples 21 to 24."""
        self.log_in()
        self.romeo.send(f"<presence to='{NURSE}@{AIM}' type='subscribe'/>")
        self.pump()
        self.romeo.clear()
        self.happened()
        self.romeo.send(REGISTER.format("<remove/>"))
        self.romeo.expect(f"<iq type='result' from='{AIM}' id='r'/>")
        sources = [source for source in (f"{NURSE}@{AIM}", AIM)]
        got = [e for e in iter_elements(self.romeo) if e.name == "presence"]
        kinds = [(e["from"], e.getAttribute("type")) for e in got]
        for source in sources:
            self.assertIn((source, "unsubscribed"), kinds)
            self.assertIn((source, "unavailable"), kinds)
        for item in self.wait(self.plugin("roster").load(ROMEO)).items.values():
            self.assertEqual(item.subscription, "none")
        self.assertEqual(self.happened(), [("unregistered", ROMEO), ("offline", ROMEO)])
        self.romeo.send(REGISTER.format("<remove/>"))
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('auth', 'registration-required')}</iq>")

    def test_bad_requests(self) -> None:
        submit = "<x xmlns='jabber:x:data' type='{}'><field var='FORM_TYPE'><value>{}</value></field></x>"
        for query in (
            "<remove/><username>romeo</username>",
            f"<username>romeo</username>{submit.format('submit', 'jabber:iq:register')}",
            submit.format("cancel", "jabber:iq:register"),
            submit.format("submit", "jabber:iq:register:changepassword"),
        ):
            self.romeo.send(REGISTER.format(query))
            self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('modify', 'bad-request')}</iq>")

    def test_unique(self) -> None:
        self.register()
        juliet = self.login("juliet@montague.lit/balcony")
        juliet.send(REGISTER.format(ACCOUNT))
        juliet.expect(f"<iq type='error' id='r'>{ERROR.format('cancel', 'conflict')}</iq>")

    def test_unique_at_the_same_time(self) -> None:
        juliet = self.login("juliet@montague.lit/balcony")
        self.disk.stopped = True
        juliet.send(REGISTER.format(ACCOUNT))
        self.romeo.send(REGISTER.format(ACCOUNT))
        self.disk.go_on()
        self.pump(1)
        self.assertEqual(list(self.plugin("aim").registrations), ["juliet@montague.lit"])
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('cancel', 'conflict')}</iq>")

    def test_restart(self) -> None:
        self.register()
        self.restart()
        self.assertEqual(self.plugin("aim").registrations[ROMEO].values["username"], "RomeoMyRomeo")
        self.wait(self.host.delete_account(ROMEO))
        self.assertEqual(dict(self.plugin("aim").registrations), {})
        self.restart()
        self.assertEqual(dict(self.plugin("aim").registrations), {})


class AllowedTests(AimTestCase):
    """The options ``users`` and ``registrations``."""

    config = {"aim": {"domain": AIM, "users": ["verona.lit", "romeo@montague.lit"], "registrations": 1}}

    def test_who_may_register(self) -> None:
        juliet = self.login("juliet@montague.lit/balcony")
        juliet.send(REGISTER.format(ACCOUNT))
        juliet.expect(f"<iq type='error' id='r'>{ERROR.format('auth', 'forbidden')}</iq>")
        juliet.send(f"<iq type='get' to='{AIM}' id='g'><query xmlns='jabber:iq:register'/></iq>")
        juliet.expect(f"<iq type='error' id='g'>{{...}}{ERROR.format('auth', 'forbidden')}</iq>")
        verona = self.remote("verona.lit")
        verona.send(REGISTER.format(ACCOUNT).replace("<iq ", "<iq from='mercutio@verona.lit/street' "))
        verona.expect("<iq type='result' id='r'/>", "<presence type='subscribe'/>")
        self.romeo.send(REGISTER.format(ACCOUNT))
        self.romeo.expect(f"<iq type='error' id='r'>{ERROR.format('wait', 'resource-constraint')}</iq>")

    def test_not_any_more(self) -> None:
        self.register()
        self.wait(self.host.registry.reconfigure("aim", {"domain": AIM, "users": ["verona.lit"]}))
        self.romeo.send(f"<message to='{NURSE}@{AIM}' id='m'><body>hi</body></message>")
        self.romeo.expect(f"<message type='error' id='m'>{{...}}{ERROR.format('auth', 'forbidden')}</message>")


class DefaultAllowedTests(AimTestCase):
    def test_users_of_the_host(self) -> None:
        verona = self.remote("verona.lit")
        verona.send(REGISTER.format(ACCOUNT).replace("<iq ", "<iq from='mercutio@verona.lit/street' "))
        verona.expect(f"<iq type='error' id='r'>{ERROR.format('auth', 'forbidden')}</iq>")


class PresenceTests(AimTestCase):
    def test_log_in_and_out(self) -> None:
        """XEP-0100, examples 25 to 29 and 31 to 34."""
        self.log_in()
        self.romeo.send(f"<presence to='{NURSE}@{AIM}' type='subscribe'/>")
        self.pump()
        self.plugin("aim").away[NURSE] = b"<show>away</show>"
        self.romeo.send("<presence type='unavailable'/>")
        self.assertIn(("offline", ROMEO), self.happened())
        self.romeo.clear()
        self.romeo.send("<presence/>")
        self.pump()
        got = {(e["from"], e.getAttribute("type")): str(e.show or "") for e in iter_elements(self.romeo)}
        self.assertEqual(got[AIM, None], "")
        self.assertEqual(got[f"{NURSE}@{AIM}", None], "away")
        self.assertIn(("online", ROMEO), self.happened())
        self.romeo.send(f"<presence to='{NURSE}@{AIM}'><show>dnd</show><status>Wooing Juliet</status></presence>")
        self.assertEqual(self.happened(), [("available", NURSE, "dnd")])
        self.romeo.send(f"<presence to='{AIM}' type='unavailable'/>")
        self.romeo.expect(f"<presence type='unavailable' from='{AIM}' to='{{romeo}}'/>")
        self.assertEqual(self.happened(), [("offline", ROMEO), ("unavailable", "", None)])

    def test_login_fails(self) -> None:
        """XEP-0100, example 30."""
        self.register()
        self.plugin("aim").down = True
        self.romeo.send(f"<presence to='{AIM}'/>")
        error = ERROR.format("wait", "remote-server-timeout")
        self.romeo.expect(f"<presence type='error' from='{AIM}'>{error}</presence>")
        self.plugin("aim").down = False
        self.romeo.send(f"<presence to='{AIM}'/>")
        self.romeo.expect(f"<presence from='{AIM}'/>")

    def test_second_device(self) -> None:
        self.log_in()
        self.happened()
        phone = self.login("romeo@montague.lit/phone", presence=True)
        self.romeo.close()
        self.assertNotIn(("offline", ROMEO), self.happened())
        phone.close()
        self.assertIn(("offline", ROMEO), self.happened())

    def test_add_contact(self) -> None:
        """XEP-0100, examples 35 to 39, 44 and 45."""
        self.log_in()
        nurse = f"{NURSE}@{AIM}"
        self.romeo.send(f"<presence to='{nurse}' type='subscribe'/>")
        self.pump()
        presences = [e for e in iter_elements(self.romeo) if e.name == "presence"]
        kinds = [(e["from"], e.getAttribute("type")) for e in presences]
        self.assertEqual(kinds, [(nurse, "subscribed"), (nurse, None), (nurse, "subscribe")])
        self.happened()
        self.romeo.send(f"<presence to='{nurse}' type='subscribed'/>")
        self.assertIn(("subscribed", NURSE, None), self.happened())
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), [NURSE])

    def test_denied(self) -> None:
        """XEP-0100, example 40."""
        self.log_in()
        self.romeo.send(f"<presence to='juliet@{AIM}' type='subscribe'/>")
        self.pump()
        kinds = [e.getAttribute("type") for e in iter_elements(self.romeo) if e.name == "presence"]
        self.assertEqual(kinds, ["unsubscribed", "error"])

    def test_remove_contact(self) -> None:
        """XEP-0100, examples 41 and 42."""
        self.test_add_contact()
        self.romeo.send(
            f"<iq type='set' id='remove1'><query xmlns='jabber:iq:roster'>"
            f"<item jid='{NURSE}@{AIM}' subscription='remove'/></query></iq>"
        )
        happened = self.happened()
        self.assertIn(("removed", NURSE), happened)
        self.assertIn(("unsubscribed", NURSE, None), happened)
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), [])
        self.romeo.clear()
        self.plugin("aim").show(ROMEO, NURSE)
        self.romeo.expect_nothing()

    def test_asked_by_contact(self) -> None:
        """XEP-0100, examples 46 to 50."""
        self.log_in()
        self.happened()
        nurse = f"{NURSE}@{AIM}"
        self.plugin("aim").ask_for_presence(ROMEO, NURSE)
        self.romeo.expect(f"<presence type='subscribe' from='{nurse}' to='{ROMEO}'/>")
        self.romeo.send(f"<presence type='unsubscribed' to='{nurse}'/>")
        self.assertEqual(self.happened(), [("unsubscribed", NURSE, None)])
        self.romeo.send(f"<presence type='subscribe' to='{nurse}'/>")
        self.pump()
        self.romeo.clear()
        self.wait(self.plugin("aim").part(ROMEO, NURSE))
        self.pump()
        kinds = [e.getAttribute("type") for e in iter_elements(self.romeo) if e.name == "presence"]
        self.assertEqual(kinds[-2:], ["unsubscribed", "unavailable"])
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), [])

    def test_strangers(self) -> None:
        verona, required = self.remote("verona.lit"), ERROR.format("auth", "registration-required")
        for to in (AIM, f"{NURSE}@{AIM}"):
            verona.send(f"<presence from='mercutio@verona.lit' to='{to}' type='subscribe'/>")
            verona.expect_all("<presence type='unsubscribed'/>", f"<presence type='error'>{required}</presence>")
            self.romeo.send(f"<presence to='{to}'/>")
            self.romeo.expect(f"<presence type='error'>{required}</presence>")

    def test_probes(self) -> None:
        verona = self.remote("verona.lit")
        probe = "<presence from='mercutio@verona.lit' to='{}' type='probe'/>"
        self.wait(self.host.registry.reconfigure("aim", {"domain": AIM, "users": ["*"]}))
        verona.send(probe.format(AIM))
        verona.expect(f"<presence type='unsubscribed' from='{AIM}'/>")
        verona.send(REGISTER.format(ACCOUNT).replace("<iq ", "<iq from='mercutio@verona.lit/street' "))
        self.pump()
        verona.clear()
        verona.send(probe.format(AIM))
        verona.expect(f"<presence from='{AIM}'/>")
        self.plugin("aim").away[NURSE] = None
        verona.send(probe.format(f"{NURSE}@{AIM}"))
        verona.expect(f"<presence type='unavailable' from='{NURSE}@{AIM}'/>")
        verona.send(probe.format(f"no-name@{AIM}"))
        error = ERROR.format("cancel", "item-not-found")
        verona.expect_all("<presence type='unsubscribed'/>", f"<presence type='error'>{error}</presence>")

    def test_start_and_stop(self) -> None:
        """Section 8: users are told that the gateway is there, or not any more."""
        self.log_in()
        verona = self.remote("verona.lit")
        self.wait(self.host.registry.disable("aim"))
        self.romeo.expect(f"<presence type='unavailable' from='{AIM}'/>")
        self.wait(self.host.registry.enable("aim"))
        self.pump()
        self.romeo.expect(f"<presence from='{AIM}'/>", f"<presence from='{AIM}'/>")
        self.assertIn(("online", ROMEO), self.happened())
        verona.expect_nothing()

    def test_many_users(self) -> None:
        """They are not told all at once."""
        verona = self.remote("verona.lit")
        for number in range(150):
            user = Jid.parse(f"user{number}@verona.lit")
            self.wait(self.plugin("aim").members.put(Registration(user, {"username": f"{number}"}, 0.0)))
        self.assertEqual(self.plugin("aim").find("username", "7"), ["user7@verona.lit"])
        self.wait(self.host.registry.disable("aim"))
        self.wait(self.host.registry.enable("aim"))
        self.pump()
        self.assertEqual(len(verona.received), 200)
        self.pump(1)
        self.assertEqual(len(verona.received), 300)

    def test_contacts_are_limited(self) -> None:
        self.log_in()
        self.wait(self.host.registry.reconfigure("aim", {"domain": AIM, "contacts": 0}))
        self.romeo.send(f"<presence to='{NURSE}@{AIM}' type='subscribe'/>")
        self.pump()
        kinds = [e.getAttribute("type") for e in iter_elements(self.romeo) if e.name == "presence"]
        self.assertEqual(kinds, ["unsubscribed", "error"])
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), [])


class AddressTests(AimTestCase):
    def test_prompt(self) -> None:
        """XEP-0100, examples 52 to 55."""
        self.romeo.send(f"<iq type='get' to='{AIM}' id='gate1'><query xmlns='jabber:iq:gateway'/></iq>")
        self.romeo.expect(
            f"<iq type='result' from='{AIM}' id='gate1'><query xmlns='jabber:iq:gateway'><desc>{Aim.prompt_help}</desc>"
            "<prompt>Contact ID</prompt></query></iq>"
        )
        ask = f"<iq type='set' to='{AIM}' id='gate1'><query xmlns='jabber:iq:gateway'>{{}}</query></iq>"
        self.romeo.send(ask.format("<prompt>Foo Bar</prompt>"))
        self.romeo.expect(
            f"<iq type='result' id='gate1'><query xmlns='jabber:iq:gateway'><jid>foobar@{AIM}</jid></query></iq>"
        )
        self.romeo.send(ask.format("<prompt>@!</prompt>"))
        self.romeo.expect(f"<iq type='error' id='gate1'>{{...}}{ERROR.format('modify', 'jid-malformed')}</iq>")
        self.romeo.send(ask.format(""))
        self.romeo.expect(f"<iq type='error' id='gate1'>{{...}}{ERROR.format('modify', 'bad-request')}</iq>")

    def test_contact_info(self) -> None:
        info = "http://jabber.org/protocol/disco#info"
        ask = f"<iq type='get' to='{{}}@{AIM}' id='i'><query xmlns='{info}'/></iq>"
        self.romeo.send(ask.format(NURSE))
        self.romeo.expect(
            f"<iq type='result' id='i'><query xmlns='{info}'><identity category='account' type='registered'/>"
            f"<feature var='{info}'/></query></iq>"
        )
        self.romeo.send(ask.format("no-name"))
        self.romeo.expect(f"<iq type='error' id='i'>{{...}}{ERROR.format('cancel', 'item-not-found')}</iq>")


class TwoHosts(ServerTestCase):
    plugins = (Aim,)
    hosts = ("montague.lit", "capulet.lit")

    def test_each_has_its_own(self) -> None:
        """The gateways of two hosts share tables, and nothing else."""
        romeo = self.login("romeo@montague.lit/orchard", presence=True)
        juliet = self.login("juliet@capulet.lit/balcony", presence=True)
        for client, host in ((romeo, "montague.lit"), (juliet, "capulet.lit")):
            client.send(REGISTER.replace(AIM, f"aim.{host}").format(ACCOUNT))
            client.expect("<iq type='result' id='r'/>", f"<presence type='subscribe' from='aim.{host}'/>")
        juliet.send(REGISTER.replace(AIM, "aim.montague.lit").format(ACCOUNT))
        juliet.expect(f"<iq type='error' id='r'>{ERROR.format('auth', 'forbidden')}</iq>")
        self.kill()
        for domain, served in self.server.server.hosts.items():
            plugin = served.registry.get("aim")
            assert isinstance(plugin, Aim)
            self.assertEqual([user.domain for user in plugin.registrations], [domain])
