"""XEP-0356: what privileged components can do, and all that they can't."""

from __future__ import annotations

from typing import ClassVar

from xmppd.api import Jid, Plugin, StanzaError
from xmppd.api.events.network import ServerUnreachable
from xmppd.core import reload
from xmppd.core.settings import Component, Privileges
from xmppd.testing import ComponentClient, Remote, ServerTestCase

NS = "urn:xmpp:privilege:2"
ROSTER = "<query xmlns='jabber:iq:roster'/>"
FORBIDDEN = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error>"
ALL = {
    "roster": "both", "message": "outgoing", "presence": "roster",
    "iq": {"urn:get": "get", "urn:set": "set", "urn:both": "both", "urn:none": "none"},
}  # fmt: skip


def forwarded(stanza: str) -> str:
    return f"<privilege xmlns='{NS}'><forwarded xmlns='urn:xmpp:forward:0'>{stanza}</forwarded></privilege>"


class Case(ServerTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...] | None] = ("roster", "presence", "privileged", "disco", "blocking")
    hosts = ("example.org", "example.net")
    components = {
        "all.example.org": {"privileges": ALL},
        "none.example.org": {},
        "get.example.org": {"privileges": {"roster": "get"}},
        "quiet.example.org": {"privileges": {"roster": "both", "push": False}},
        "set.example.org": {"privileges": {"roster": "set", "push": True}},
        "managed.example.org": {"privileges": {"presence": "managed_entity"}},
        "everywhere.example.com": {"privileges": {"roster": "get"}, "hosts": ["example.org", "example.net"]},
    }

    def privileged(self, domain: str) -> ComponentClient:
        """Return a component that has been told what it may do."""
        component = self.component(domain)
        component.clear()
        return component

    def setUp(self) -> None:
        super().setUp()
        self.account("juliet@example.org")
        self.account("romeo@example.net")


class AdvertisementTests(Case):
    def test_nothing(self) -> None:
        self.component("none.example.org").expect_nothing()

    def test_each_host(self) -> None:
        perm = f"<privilege xmlns='{NS}'><perm access='roster' type='get' push='true'/></privilege>"
        self.component("everywhere.example.com").expect(
            f"<message from='example.org' to='everywhere.example.com'>{perm}</message>",
            f"<message from='example.net' to='everywhere.example.com'>{perm}</message>",
        )

    def test_push(self) -> None:
        """4.1: never, if it may not read rosters."""
        for domain, push in (("quiet.example.org", "false"), ("set.example.org", "false"), ("get.example.org", "true")):
            message = self.component(domain).take()
            (perm,) = next(message.elements()).elements()
            self.assertEqual(perm["push"], push)

    def test_change(self) -> None:
        component = self.privileged("all.example.org")
        settings = self.server.server.settings
        changed = {**settings.components, "all.example.org": Component(secret="secret")}
        self.wait(reload.apply(self.server.server, settings.model_copy(update={"components": changed})))
        component.expect(
            f"<message from='example.org'><privilege xmlns='{NS}'><perm access='roster' type='none'/>"
            "<perm access='message' type='none'/><perm access='iq'/><perm access='presence' type='none'/>"
            "</privilege></message>"
        )
        component.send(f"<iq from='all.example.org' to='juliet@example.org' type='get' id='1'>{ROSTER}</iq>")
        component.expect(f"<iq type='error' id='1'>{{...}}{FORBIDDEN}</iq>")

    def test_before_what_has_waited(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<message to='get.example.org'><body>hi</body></message>")
        component = self.component("get.example.org")
        component.expect("<message from='example.org'>{...}</message>", "<message from='{juliet}'>{...}</message>")


class RosterTests(Case):
    def demand(
        self, component: ComponentClient, type_: str, account: str = "juliet@example.org", content: str = ""
    ) -> None:
        query = f"<query xmlns='jabber:iq:roster'>{content}</query>"
        component.send(f"<iq from='{component.domain}' to='{account}' type='{type_}' id='1'>{query}</iq>")

    def test_allowed(self) -> None:
        for domain, types in (("all", "get set"), ("get", "get"), ("quiet", "get set"), ("set", "set"), ("none", "")):
            component = self.privileged(f"{domain}.example.org")
            for type_ in ("get", "set"):
                with self.subTest(domain=domain, type=type_):
                    item = "" if type_ == "get" else "<item jid='a@b.c'/>"
                    self.demand(component, type_, content=item)
                    component._unread = [xml for xml in component._unread if "id='1'" in xml]
                    if type_ in types.split():
                        component.expect("<iq type='result' id='1' from='juliet@example.org'>{any}</iq>")
                    else:
                        component.expect(f"<iq type='error' id='1'>{{...}}{FORBIDDEN}</iq>")
            component.disconnect()

    def test_other_hosts(self) -> None:
        component = self.privileged("all.example.org")
        self.demand(component, "get", "romeo@example.net")
        component.expect("<iq type='error' id='1'>{...}<error type='cancel'>{...}</error></iq>")
        self.demand(component, "set", "romeo@example.net", "<item jid='a@b.c'/>")
        component.expect(f"<iq type='error' id='1'>{{...}}{FORBIDDEN}</iq>")

    def test_nobody(self) -> None:
        component = self.privileged("all.example.org")
        self.demand(component, "get", "nobody@example.org")
        component.expect("<iq type='error' id='1'>{...}<error type='cancel'>{...}</error></iq>")

    def test_users_of_the_component(self) -> None:
        """Only the component itself has the permission, not an address in it."""
        component = self.privileged("all.example.org")
        component.send(f"<iq from='a@all.example.org' to='juliet@example.org' type='get' id='1'>{ROSTER}</iq>")
        component.expect("<iq type='error' id='1'>{...}<error type='cancel'>{...}</error></iq>")

    def test_subscriptions_of_its_own_addresses(self) -> None:
        """It says how those are subscribed, as gateways do; in all other subscriptions it has no say."""
        component = self.privileged("all.example.org")
        for contact, wanted, subscription in (
            ("a@all.example.org", "both", "both"),
            ("all.example.org", "from", "from"),
            ("a@all.example.org", "to", "to"),
            ("a@all.example.org", "frob", "to"),
            ("a@get.example.org", "both", "none"),
            ("b@example.org", "both", "none"),
        ):
            with self.subTest(contact=contact, wanted=wanted):
                self.demand(component, "set", content=f"<item jid='{contact}' subscription='{wanted}'/>")
                component.clear()
                self.demand(component, "get")
                (query,) = component.take().elements()
                found = {item["jid"]: item["subscription"] for item in query.elements()}
                self.assertEqual(found[contact], subscription)
        self.demand(component, "set", content="<item jid='a@all.example.org' subscription='remove'/>")
        component.clear()
        self.demand(component, "get")
        self.assertNotIn("a@all.example.org", component.received[-1])

    def test_bad_items(self) -> None:
        """It gets the errors that the owner would get."""
        component = self.privileged("all.example.org")
        self.demand(component, "set", content="<item jid='@'/>")
        component.expect(
            "<iq type='error' id='1'>{...}<error type='modify'>"
            "<jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
        )

    def test_pushes(self) -> None:
        listening = [self.privileged(f"{name}.example.org") for name in ("all", "get")]
        deaf = [self.privileged(f"{name}.example.org") for name in ("none", "quiet", "set", "managed")]
        juliet = self.login("juliet@example.org/balcony")
        juliet.send("<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='a@b.c' name='A'/></query></iq>")
        juliet.send("<iq type='set' id='2'><query xmlns='jabber:iq:roster'>"
                    "<item jid='a@b.c' subscription='remove'/></query></iq>")  # fmt: skip
        for component in listening:
            component.expect(
                "<iq from='juliet@example.org' type='set' id='{any}'><query xmlns='jabber:iq:roster'>"
                "<item jid='a@b.c' name='A' subscription='none'/></query></iq>",
                "<iq from='juliet@example.org' type='set' id='{any}'><query xmlns='jabber:iq:roster'>"
                "<item jid='a@b.c' subscription='remove'/></query></iq>",
            )
            component.send(f"<iq from='{component.domain}' to='juliet@example.org' type='result' id='x'/>")
            component.expect_nothing()
        for component in deaf:
            component.expect_nothing()


class MessageTests(Case):
    plugins = ("roster", "presence", "privileged", "blocking", "carbons", "archive", "disco")

    def send(self, component: ComponentClient, inner: str, to: str = "example.org") -> None:
        component.send(f"<message from='{component.domain}' to='{to}' id='m'>{forwarded(inner)}</message>")

    def inner(self, sender: str = "juliet@example.org") -> str:
        to = "tybalt@example.org/x"
        return f"<message xmlns='jabber:client' from='{sender}' to='{to}' type='chat'><body>hi</body></message>"

    def refused(self, component: ComponentClient) -> None:
        component.expect(f"<message from='example.org' type='error' id='m'>{{...}}{FORBIDDEN}</message>")

    def test_as_a_user(self) -> None:
        """It goes the way that a message from a client of the user goes: with copies, and into the archive."""
        component = self.privileged("all.example.org")
        tybalt = self.login("tybalt@example.org/x", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        juliet.clear()
        component.clear()
        self.send(component, self.inner())
        tybalt.expect("<message from='juliet@example.org' to='{tybalt}' type='chat'><body>hi</body>{...}</message>")
        juliet.expect(
            "<message from='juliet@example.org' type='chat'><sent xmlns='urn:xmpp:carbons:2'>{...}</sent></message>"
        )
        juliet.send("<iq type='set' id='a'><query xmlns='urn:xmpp:mam:2'/></iq>")
        self.pump(1)
        juliet.expect("<message><result xmlns='urn:xmpp:mam:2' id='{any}'>{...}</result></message>")
        component.expect_nothing()

    def test_as_the_host(self) -> None:
        component = self.privileged("all.example.org")
        tybalt = self.login("tybalt@example.org/x", presence=True)
        self.send(component, self.inner("example.org"))
        tybalt.expect("<message from='example.org' to='{tybalt}' type='chat'><body>hi</body>{...}</message>")

    def test_without_permission(self) -> None:
        self.login("tybalt@example.org/x", presence=True)
        for domain in ("none.example.org", "get.example.org"):
            component = self.privileged(domain)
            self.send(component, self.inner())
            self.refused(component)

    def test_from_a_client(self) -> None:
        romeo = self.login("mallory@example.org/x")
        romeo.send(f"<message to='example.org' id='m'>{forwarded(self.inner())}</message>")
        self.refused(romeo)  # type: ignore[arg-type]

    def test_what_is_not_allowed(self) -> None:
        component = self.privileged("all.example.org")
        tybalt = self.login("tybalt@example.org/x", presence=True)
        component.clear()
        for inner in (
            self.inner("juliet@example.org/balcony"),
            self.inner("romeo@example.net"),
            self.inner("example.net"),
            self.inner("nobody@example.org"),
            self.inner("a@all.example.org"),
            "<message xmlns='jabber:client' to='tybalt@example.org/x'/>",
            "<message xmlns='jabber:client' from='example.org'/>",
            "<presence xmlns='jabber:client' from='juliet@example.org' to='tybalt@example.org/x'/>",
            "<message xmlns='urn:x' from='juliet@example.org' to='tybalt@example.org/x'/>",
            "",
        ):
            with self.subTest(inner=inner):
                self.send(component, inner)
                component.expect("<message type='error' id='m'>{...}<error type='{any}'>{...}</error></message>")
                tybalt.expect_nothing()

    def test_no_forwarded(self) -> None:
        component = self.privileged("all.example.org")
        component.send(f"<message from='all.example.org' to='example.org' id='m'><privilege xmlns='{NS}'/></message>")
        self.refused(component)

    def test_other_host(self) -> None:
        component = self.privileged("all.example.org")
        self.send(component, self.inner("romeo@example.net"), to="example.net")
        component.expect(f"<message from='example.net' type='error' id='m'>{{...}}{FORBIDDEN}</message>")

    def test_blocked(self) -> None:
        """It can do nothing that the user couldn't do."""
        component = self.privileged("all.example.org")
        tybalt = self.login("tybalt@example.org/x", presence=True)
        juliet = self.login("juliet@example.org/balcony")
        juliet.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='tybalt@example.org'/></block></iq>"
        )
        tybalt.clear()
        self.send(component, self.inner())
        tybalt.expect_nothing()


class IqTests(Case):
    def demand(
        self, component: ComponentClient, ns: str = "urn:both", type_: str = "get", inner: str | None = None,
        to: str = "juliet@example.org", from_: str = "",
    ) -> None:  # fmt: skip
        sender = f" from='{from_}'" if from_ else ""
        if inner is None:
            x = f"<x xmlns='{ns}'/>"
            inner = f"<iq xmlns='jabber:client' type='{type_}' id='i' to='b@other.example'{sender}>{x}</iq>"
        component.send(
            f"<iq from='{component.domain}' to='{to}' type='{type_}' id='1'>"
            f"<privileged_iq xmlns='{NS}'>{inner}</privileged_iq></iq>"
        )

    def setUp(self) -> None:
        super().setUp()
        self.remote_server = self.remote("other.example")

    def refused(self, component: ComponentClient) -> None:
        component.expect(f"<iq type='error' id='1'>{{...}}{FORBIDDEN}</iq>")
        self.remote_server.expect_nothing()

    def test_permissions(self) -> None:
        component = self.privileged("all.example.org")
        table = {"urn:get": "get", "urn:set": "set", "urn:both": "get set", "urn:none": "", "urn:other": ""}
        for ns, types in table.items():
            for type_ in ("get", "set"):
                with self.subTest(ns=ns, type=type_):
                    self.demand(component, ns, type_)
                    if type_ in types.split():
                        self.remote_server.expect(
                            f"<iq from='juliet@example.org' to='b@other.example' type='{type_}'><x xmlns='{ns}'/></iq>"
                        )
                    else:
                        self.refused(component)

    def test_without_permission(self) -> None:
        for domain in ("none.example.org", "get.example.org"):
            component = self.privileged(domain)
            self.demand(component)
            self.refused(component)

    def test_from_itself(self) -> None:
        component = self.privileged("all.example.org")
        self.demand(component, from_="juliet@example.org")
        self.remote_server.expect("<iq from='juliet@example.org' type='get'>{...}</iq>")

    def test_refused(self) -> None:
        """6.3: each of the conditions."""
        component = self.privileged("all.example.org")
        x = "<x xmlns='urn:both'/>"
        for to in ("juliet@example.org/balcony", "nobody@example.org", "example.org", "romeo@example.net"):
            self.demand(component, to=to)
            self.refused(component)
        for inner in (
            f"<iq xmlns='jabber:client' type='get' id='i' from='tybalt@example.org'>{x}</iq>",
            f"<iq xmlns='jabber:client' type='get' id='i' from='juliet@example.org/balcony'>{x}</iq>",
            f"<iq xmlns='jabber:client' type='set' id='i'>{x}</iq>",
            f"<iq xmlns='jabber:client' type='result' id='i'>{x}</iq>",
            f"<iq xmlns='urn:x' type='get' id='i'>{x}</iq>",
            f"<message xmlns='jabber:client' type='get' id='i'>{x}</message>",
            "<iq xmlns='jabber:client' type='get' id='i'/>",
            f"<iq xmlns='jabber:client' type='get' id='i'>{x}{x}</iq>",
            f"<iq xmlns='jabber:client' type='get' id='i' to='@'>{x}</iq>",
            "",
        ):
            with self.subTest(inner=inner):
                self.demand(component, inner=inner)
                self.refused(component)

    def test_error(self) -> None:
        """An error is passed on as the answer it is."""
        component = self.privileged("all.example.org")
        self.demand(component)
        asked = self.remote_server.take()
        self.remote_server.send(
            f"<iq from='b@other.example' to='juliet@example.org' type='error' id='{asked['id']}'>"
            "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        component.expect(
            "<iq from='juliet@example.org' type='result' id='1'>" + forwarded(
                "<iq xmlns='jabber:client' from='b@other.example' to='juliet@example.org' type='error' id='i'>"
                "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            ) + "</iq>"
        )  # fmt: skip

    def test_no_answer(self) -> None:
        component = self.privileged("all.example.org")
        self.demand(component)
        self.pump(60)
        component.expect("<iq type='result' id='1'>" + forwarded(
            "<iq xmlns='jabber:client' from='b@other.example' to='juliet@example.org' type='error' id='i'>{...}</iq>"
        ) + "</iq>")  # fmt: skip

    def test_others_answer(self) -> None:
        """Only who was asked can answer."""
        component = self.privileged("all.example.org")
        self.demand(component)
        asked = self.remote_server.take()
        self.remote_server.send(
            f"<iq from='c@other.example' to='juliet@example.org' type='result' id='{asked['id']}'/>"
        )
        component.expect_nothing()

    def test_of_the_own_account(self) -> None:
        self.server.server.components.by_domain["all.example.org"].settings = Component(
            secret="s", privileges=Privileges(iq={"jabber:iq:roster": "get"})
        )
        component = self.component("all.example.org", "s")
        component.clear()
        self.demand(component, inner=f"<iq xmlns='jabber:client' type='get' id='i'>{ROSTER}</iq>")
        component.expect(
            "<iq type='result' id='1'>" + forwarded(
                "<iq xmlns='jabber:client' from='juliet@example.org' to='juliet@example.org' type='result' id='i'>"
                "<query xmlns='jabber:iq:roster' ver='{any}'/></iq>"
            ).replace("from='juliet@example.org' ", "") + "</iq>"
        )  # fmt: skip

    def test_others_go_on(self) -> None:
        """What else comes doesn't wait for an answer."""
        component = self.privileged("all.example.org")
        self.demand(component)
        self.demand(component)
        self.remote_server.expect("<iq type='get'>{...}</iq>", "<iq type='get'>{...}</iq>")


class PresenceTests(Case):
    def test_managed_entity(self) -> None:
        """7.1: initial presence, and unavailable."""
        component = self.privileged("managed.example.org")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        component.expect("<presence from='{juliet}' to='managed.example.org'/>")
        juliet.send("<presence><show>away</show></presence>")
        component.expect_nothing()
        juliet.send("<presence type='unavailable'/>")
        component.expect("<presence from='{juliet}' type='unavailable'/>")
        juliet.send("<presence to='a@b.c'/>")
        component.expect_nothing()

    def test_other_hosts(self) -> None:
        component = self.privileged("managed.example.org")
        self.login("romeo@example.net/orchard", presence=True)
        component.expect_nothing()

    def test_not_without_permission(self) -> None:
        component = self.privileged("get.example.org")
        self.login("juliet@example.org/balcony", presence=True)
        component.expect_nothing()

    def test_what_was_before(self) -> None:
        """7.3: a component that connects later is told of all there is."""
        self.component("all.example.org")
        remote = self.befriended()
        remote.send("<presence from='romeo@other.example/orchard' to='juliet@example.org'><show>dnd</show></presence>")
        component = self.component("all.example.org")
        component.expect(
            "<message>{...}</message>",
            "<presence from='{juliet}' to='all.example.org'/>",
            "<presence from='romeo@other.example/orchard' to='all.example.org'><show>dnd</show></presence>",
        )

    def befriended(self) -> Remote:
        remote = self.remote("other.example")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<presence to='romeo@other.example' type='subscribe'/>")
        remote.send("<presence from='romeo@other.example' to='juliet@example.org' type='subscribed'/>")
        return remote

    def test_roster(self) -> None:
        """7.2, and 7.3: each presence once, to however many users it comes."""
        remote = self.befriended()
        nurse = self.login("nurse@example.org/x", presence=True)
        nurse.send("<presence to='romeo@other.example' type='subscribe'/>")
        remote.send("<presence from='romeo@other.example' to='nurse@example.org' type='subscribed'/>")
        component = self.privileged("all.example.org")
        for to in ("juliet@example.org", "nurse@example.org"):
            remote.send(f"<presence from='romeo@other.example/orchard' to='{to}'/>")
        component.expect("<presence from='romeo@other.example/orchard' to='all.example.org'/>")
        component.expect_nothing()
        for to in ("juliet@example.org", "nurse@example.org"):
            remote.send(f"<presence from='romeo@other.example/orchard' to='{to}' type='unavailable'/>")
        component.expect("<presence from='romeo@other.example/orchard' to='all.example.org' type='unavailable'/>")
        component.expect_nothing()

    def test_strangers(self) -> None:
        """Presence of a room, say, is nobody's but the user's."""
        remote = self.befriended()
        component = self.privileged("all.example.org")
        remote.send("<presence from='room@other.example/nick' to='juliet@example.org/balcony'/>")
        component.expect_nothing()

    def test_while_the_user_is_away(self) -> None:
        remote = self.befriended()
        component = self.privileged("all.example.org")
        self._clients[0].disconnect()
        component.clear()
        remote.send("<presence from='romeo@other.example/orchard' to='juliet@example.org'/>")
        component.expect("<presence from='romeo@other.example/orchard' to='all.example.org'/>")

    def test_devices_that_somebody_makes_up(self) -> None:
        """So many are remembered of one contact."""
        remote = self.befriended()
        component = self.privileged("all.example.org")
        for number in range(30):
            remote.send(f"<presence from='romeo@other.example/{number}' to='juliet@example.org'/>")
        component.disconnect()
        component = self.component("all.example.org")
        self.pump()
        shown = [xml for xml in component.received if "romeo@other.example/" in xml]
        self.assertEqual(len(shown), 20)  # the option `devices`
        self.assertIn("romeo@other.example/29", shown[-1])

    def test_server_is_gone(self) -> None:
        remote = self.befriended()
        component = self.privileged("all.example.org")
        remote.send("<presence from='romeo@other.example/orchard' to='juliet@example.org'/>")
        component.expect("<presence from='romeo@other.example/orchard'/>")
        event = ServerUnreachable(Jid.parse("other.example"), StanzaError("remote-server-timeout"))
        pending = self.host.notify(event)
        if pending is not None:
            self.spawn(pending)
        component.expect("<presence from='romeo@other.example/orchard' type='unavailable'/>")
        component.expect_nothing()
