"""RFC 6121 section 2: the roster, as clients see it."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import ClassVar

from twisted.internet.defer import Deferred, fail

from xmppd.api import OperationError, RosterChanged, StorageUnavailable, Subscription
from xmppd.api.operations import operations_of
from xmppd.testing import Client, ServerTestCase
from xmppd.wire.jid import Jid

NS = "jabber:iq:roster"
ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.org")


def push(item: str) -> str:
    return f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'>{item}</query></iq>"


class RosterTestCase(ServerTestCase):
    plugins = ("roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def interested(self, resource: str) -> Client:
        """Return another device of Romeo's that has asked for the roster."""
        client = self.login(f"romeo@example.org/{resource}")
        self.get(client)
        client.clear()
        return client

    def get(self, client: Client, ver: str | None = None) -> None:
        attribute = "" if ver is None else f" ver='{ver}'"
        client.send(f"<iq type='get' id='get'><query xmlns='{NS}'{attribute}/></iq>")

    def set(self, client: Client, items: str, id: str = "set") -> None:
        client.send(f"<iq type='set' id='{id}'><query xmlns='{NS}'>{items}</query></iq>")

    def put(self, item: str = "<item jid='nurse@example.com'/>") -> None:
        """Have Romeo put something into his roster."""
        self.set(self.romeo, item)
        self.romeo.clear()

    def refused(self, items: str, condition: str, type_: str) -> None:
        self.set(self.romeo, items)
        self.romeo.expect(
            f"<iq type='error' id='set'>{{...}}<error type='{type_}'>"
            f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error></iq>"
        )
        self.romeo.expect_nothing()

    def ver(self, client: Client) -> str:
        """Return the version of the last roster or push the client got."""
        return re.findall(r" ver='([^']*)'", "".join(client.received))[-1]


class Get(RosterTestCase):
    def test_an_empty_roster(self) -> None:
        self.get(self.romeo)
        self.romeo.expect(f"<iq type='result' id='get' to='{{romeo}}'><query xmlns='{NS}' ver='0'/></iq>")

    def test_a_roster_with_everything(self) -> None:
        self.put(
            "<item jid='nurse@example.com' name='Nurse &lt;&amp;&apos;'><group>Servants</group><group>B</group></item>"
        )
        self.wait(self.plugin("roster").put(ROMEO, JULIET, subscription=Subscription.BOTH))
        self.get(self.romeo)
        self.romeo.expect(
            f"<iq type='result' id='get'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='nurse@example.com' name='Nurse &lt;&amp;&apos;' subscription='none'>"
            "<group>Servants</group><group>B</group></item>"
            "<item jid='juliet@example.org' subscription='both'/></query></iq>"
        )

    def test_addressed_to_the_own_account(self) -> None:
        self.romeo.send(f"<iq type='get' id='g' to='romeo@example.org'><query xmlns='{NS}'/></iq>")
        self.romeo.expect(f"<iq type='result' id='g'><query xmlns='{NS}' ver='0'/></iq>")

    def test_it_survives_a_restart(self) -> None:
        self.put("<item jid='nurse@example.com' name='Nurse'/>")
        self.restart()
        romeo = self.login("romeo@example.org/orchard")
        self.get(romeo)
        romeo.expect(
            f"<iq type='result'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='nurse@example.com' name='Nurse' subscription='none'/></query></iq>"
        )

    def test_a_get_has_no_items(self) -> None:
        self.romeo.send(f"<iq type='get' id='g'><query xmlns='{NS}'><item jid='a@example.com'/></query></iq>")
        self.romeo.expect(
            "<iq type='error' id='g'>{...}<error type='modify'>"
            "<bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></iq>"
        )

    def test_nobody_reads_anothers_roster(self) -> None:
        self.account("juliet@example.org")
        self.romeo.send(f"<iq type='get' id='g' to='juliet@example.org'><query xmlns='{NS}'/></iq>")
        self.romeo.expect(
            "<iq type='error' id='g'>{...}<error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )


class Features(ServerTestCase):
    plugins = ("roster",)

    def test_versions_and_pre_approval_are_announced_after_log_in(self) -> None:
        client = self.connect()
        client.open("example.org")
        self.assertNotIn("rosterver", client.features)
        self.account("romeo@example.org")
        client.authenticate("romeo", "secret")
        self.assertIn("<ver xmlns='urn:xmpp:features:rosterver'/>", client.features)
        self.assertIn("<sub xmlns='urn:xmpp:features:pre-approval'/>", client.features)


class Set(RosterTestCase):
    def test_adding_is_pushed_to_interested_resources_and_answered(self) -> None:
        self.get(self.romeo)
        self.romeo.clear()
        phone, idle = self.interested("phone"), self.login("romeo@example.org/idle", presence=True)
        self.set(self.romeo, "<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>")
        push = (
            "<iq type='set' id='{any}' from='romeo@example.org' to='{%s}'>"
            f"<query xmlns='{NS}' ver='{{any}}'><item jid='nurse@example.com' name='Nurse' subscription='none'>"
            "<group>Servants</group></item></query></iq>"
        )
        self.romeo.expect(push % "romeo", "<iq type='result' id='set'/>")
        phone.expect(push % "romeo_phone")
        idle.expect_nothing()

    def test_who_has_not_asked_gets_the_result_alone(self) -> None:
        self.set(self.romeo, "<item jid='nurse@example.com'/>")
        self.romeo.expect("<iq type='result' id='set'/>")
        self.romeo.expect_nothing()

    def test_changing_replaces_name_and_groups(self) -> None:
        self.get(self.romeo)
        self.put("<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>")
        self.set(self.romeo, "<item jid='nurse@example.com'><group>Friends</group></item>")
        self.romeo.expect(
            f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='nurse@example.com' subscription='none'><group>Friends</group></item></query></iq>",
            "<iq type='result' id='set'/>",
        )

    def test_what_only_the_server_may_say_is_ignored(self) -> None:
        self.put("<item jid='nurse@example.com' subscription='both' ask='subscribe' approved='true'/>")
        self.get(self.romeo)
        self.romeo.expect(
            f"<iq type='result'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='nurse@example.com' subscription='none'/></query></iq>"
        )

    def test_changing_keeps_the_subscription(self) -> None:
        self.wait(self.plugin("roster").put(ROMEO, JULIET, subscription=Subscription.TO))
        self.put("<item jid='juliet@example.org' name='Juliet'/>")
        item = self.plugin("roster").cached(ROMEO).items[JULIET]
        self.assertEqual((item.name, item.subscription), ("Juliet", Subscription.TO))

    def test_removing(self) -> None:
        self.get(self.romeo)
        self.put()
        self.set(self.romeo, "<item jid='nurse@example.com' subscription='remove'/>")
        self.romeo.expect(
            f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='nurse@example.com' subscription='remove'/></query></iq>",
            "<iq type='result' id='set'/>",
        )
        self.get(self.romeo)
        self.romeo.expect(f"<iq type='result'><query xmlns='{NS}' ver='{{any}}'/></iq>")

    def test_a_session_that_has_ended_is_no_longer_interested(self) -> None:
        phone = self.interested("phone")
        phone.close()
        self.assertEqual(self.plugin("roster").interested(ROMEO), ())
        self.put()

    def test_names_are_told_apart_by_normalized_address(self) -> None:
        self.put("<item jid='Nurse@EXAMPLE.com' name='a'/>")
        self.put("<item jid='nurse@example.com' name='b'/>")
        self.assertEqual(list(self.plugin("roster").cached(ROMEO).items), ["nurse@example.com"])


class Refusals(RosterTestCase):
    config: ClassVar = {"roster": {"items": 2, "groups_per_item": 2, "name_octets": 8, "group_octets": 4}}

    def test_no_item(self) -> None:
        self.refused("", "bad-request", "modify")

    def test_more_than_one_item(self) -> None:
        self.refused("<item jid='a@example.com'/><item jid='b@example.com'/>", "bad-request", "modify")
        self.assertEqual(self.wait(self.plugin("roster").load(ROMEO)).items, {})

    def test_an_item_without_address(self) -> None:
        self.refused("<item name='x'/>", "bad-request", "modify")

    def test_an_address_that_is_none(self) -> None:
        self.refused("<item jid='@example.com'/>", "jid-malformed", "modify")

    def test_a_full_address(self) -> None:
        self.refused("<item jid='a@example.com/x'/>", "bad-request", "modify")

    def test_oneself(self) -> None:
        self.refused("<item jid='romeo@example.org'/>", "not-allowed", "cancel")

    def test_a_group_twice(self) -> None:
        self.refused("<item jid='a@example.com'><group>a</group><group>a</group></item>", "bad-request", "modify")

    def test_an_empty_group(self) -> None:
        self.refused("<item jid='a@example.com'><group/></item>", "not-acceptable", "modify")

    def test_a_group_that_is_too_long_in_octets(self) -> None:
        self.refused("<item jid='a@example.com'><group>äöü</group></item>", "not-acceptable", "modify")
        self.put("<item jid='a@example.com'><group>äö</group></item>")

    def test_too_many_groups(self) -> None:
        groups = "".join(f"<group>{n}</group>" for n in range(3))
        self.refused(f"<item jid='a@example.com'>{groups}</item>", "not-acceptable", "modify")

    def test_a_name_that_is_too_long(self) -> None:
        self.refused("<item jid='a@example.com' name='123456789'/>", "not-acceptable", "modify")

    def test_too_many_items(self) -> None:
        self.put("<item jid='a@example.com'/>")
        self.put("<item jid='b@example.com'/>")
        self.refused("<item jid='c@example.com'/>", "policy-violation", "modify")
        self.set(self.romeo, "<item jid='b@example.com' name='old'/>")
        self.romeo.expect("<iq type='result' id='set'/>")

    def test_a_subscription_request_makes_no_item_either_when_the_roster_is_full(self) -> None:
        self.put("<item jid='a@example.com'/>")
        self.put("<item jid='b@example.com'/>")
        self.account("juliet@example.org")
        self.romeo.send("<presence to='juliet@example.org' type='subscribe' id='s'/>")
        self.romeo.expect(
            "<presence type='error' id='s' from='juliet@example.org'>{...}<error type='modify'>"
            "<policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error></presence>"
        )
        self.assertEqual(len(self.plugin("roster").cached(ROMEO).items), 2)

    def test_removing_what_is_not_there(self) -> None:
        self.refused("<item jid='a@example.com' subscription='remove'/>", "item-not-found", "cancel")

    def test_removing_a_stranger_who_asks_is_the_same(self) -> None:
        self.remote("example.com").send("<presence from='a@example.com' to='romeo@example.org' type='subscribe'/>")
        self.refused("<item jid='a@example.com' subscription='remove'/>", "item-not-found", "cancel")
        self.assertEqual(list(self.plugin("roster").cached(ROMEO).requests), ["a@example.com"])

    def test_somebody_elses_roster(self) -> None:
        self.account("juliet@example.org")
        query = f"<query xmlns='{NS}'><item jid='a@example.com'/></query>"
        self.romeo.send(f"<iq type='set' id='set' to='juliet@example.org'>{query}</iq>")
        self.romeo.expect(
            "<iq type='error' id='set' from='juliet@example.org'>{...}<error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )

    def test_a_full_disk(self) -> None:
        self.get(self.romeo)
        self.romeo.clear()
        rosters = self.plugin("roster")._rosters
        database, rosters._db = rosters._db, Broken()
        self.refused("<item jid='a@example.com'/>", "resource-constraint", "wait")
        rosters._db = database
        self.get(self.romeo)
        self.romeo.expect(f"<iq type='result'><query xmlns='{NS}' ver='0'/></iq>")


class Broken:
    """A database that can do nothing."""

    def read(self, fn: object) -> Deferred[object]:
        return fail(StorageUnavailable("the disk is full"))

    write = read


class Versions(RosterTestCase):
    """RFC 6121 2.6."""

    def test_every_push_has_a_new_version(self) -> None:
        self.get(self.romeo)
        versions = [self.ver(self.romeo)]
        for name in "abc":
            self.set(self.romeo, f"<item jid='nurse@example.com' name='{name}'/>")
            versions.append(self.ver(self.romeo))
        self.assertEqual(len(set(versions)), 4)

    def test_nothing_new(self) -> None:
        self.put()
        self.get(self.romeo)
        known = self.ver(self.romeo)
        phone = self.login("romeo@example.org/phone")
        self.get(phone, known)
        phone.expect("<iq type='result' id='get'/>")
        phone.expect_nothing()

    def test_who_is_up_to_date_gets_pushes_from_then_on(self) -> None:
        phone = self.login("romeo@example.org/phone")
        self.get(phone, "0")
        phone.expect("<iq type='result' id='get'/>")
        self.put()
        phone.expect(push("<item jid='nurse@example.com' subscription='none'/>"))

    def test_what_has_changed_follows_as_pushes_in_order(self) -> None:
        for name in ("a", "b", "c"):
            self.put(f"<item jid='{name}@example.com'/>")
        self.get(self.romeo)
        known = self.ver(self.romeo)
        self.put("<item jid='c@example.com' name='C'/>")
        self.put("<item jid='a@example.com' subscription='remove'/>")
        newest = self.wait(self.plugin("roster").load(ROMEO)).version
        phone = self.login("romeo@example.org/phone")
        self.get(phone, known)
        phone.expect(
            "<iq type='result' id='get'/>",
            f"<iq type='set' id='{{any}}'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='c@example.com' name='C' subscription='none'/></query></iq>",
            f"<iq type='set' id='{{any}}'><query xmlns='{NS}' ver='{newest}'>"
            "<item jid='a@example.com' subscription='remove'/></query></iq>",
        )
        phone.expect_nothing()

    def test_a_change_that_comes_meanwhile_waits_its_turn(self) -> None:
        for name in ("a", "b"):
            self.put(f"<item jid='{name}@example.com'/>")
        roster = self.plugin("roster")
        known = self.wait(roster.load(ROMEO)).version
        self.put("<item jid='a@example.com' name='A'/>")
        phone = self.login("romeo@example.org/phone")
        phone._write(f"<iq type='get' id='get'><query xmlns='{NS}' ver='{known}'/></iq>".encode())
        work = Deferred.fromCoroutine(roster.put(ROMEO, Jid.parse("b@example.com"), "B"))
        self.pump()
        self.successResultOf(work)
        phone.expect(
            "<iq type='result' id='get'/>",
            push("<item jid='a@example.com' name='A' subscription='none'/>"),
            push("<item jid='b@example.com' name='B' subscription='none'/>"),
        )
        phone.expect_nothing()

    def test_the_whole_roster_where_that_is_shorter(self) -> None:
        known = "0"
        for name in ("a", "b", "c"):
            self.put(f"<item jid='{name}@example.com'/>")
        for name in ("a", "b"):
            self.put(f"<item jid='{name}@example.com' subscription='remove'/>")
        phone = self.login("romeo@example.org/phone")
        self.get(phone, known)
        phone.expect(
            f"<iq type='result' id='get'><query xmlns='{NS}' ver='{{any}}'>"
            "<item jid='c@example.com' subscription='none'/></query></iq>"
        )

    def test_the_whole_roster_for_an_unknown_or_empty_version(self) -> None:
        self.put()
        for version in ("", "ver42"):
            phone = self.login("romeo@example.org/phone")
            self.get(phone, version)
            phone.expect(
                f"<iq type='result' id='get'><query xmlns='{NS}' ver='{{any}}'>"
                "<item jid='nurse@example.com' subscription='none'/></query></iq>"
            )


class Changes(RosterTestCase):
    """What other plugins are told."""

    def test_other_plugins_hear_of_changes(self) -> None:
        heard: list[object] = []
        notify = self.host.notify

        def listen(event: object) -> Awaitable[None] | None:
            heard.append(event)
            return notify(event)

        self.patch(self.host, "notify", listen)
        self.put("<item jid='nurse@example.com' name='Nurse'/>")
        self.put("<item jid='nurse@example.com' name='Nurse'/>")
        self.put("<item jid='nurse@example.com' subscription='remove'/>")
        changes = [event for event in heard if isinstance(event, RosterChanged)]
        self.assertEqual([(c.before is None, c.after is None) for c in changes], [(True, False), (False, True)])

    def test_only_a_bare_address_of_another_can_be_put(self) -> None:
        for contact in (ROMEO, JULIET.with_resource("x")):
            with self.assertRaises(ValueError):
                self.wait(self.plugin("roster").put(ROMEO, contact))

    def test_rosters_of_the_absent_are_kept_in_memory(self) -> None:
        plugin = self.plugin("roster")
        for account in (JULIET, ROMEO):
            self.wait(plugin.load(account))
        self.assertIsNotNone(plugin.cached(JULIET))
        self.wait(self.host.registry.reconfigure("roster", {"cached_rosters": 0}))
        self.wait(plugin.load(Jid.parse("nurse@example.org")))
        self.assertIsNone(plugin.cached(JULIET))
        self.assertIsNotNone(plugin.cached(ROMEO))  # is connected

    def test_options_change_while_it_runs(self) -> None:
        self.put("<item jid='a@example.com'/>")
        self.wait(self.host.registry.reconfigure("roster", {"items": 1}))
        self.refused("<item jid='b@example.com'/>", "policy-violation", "modify")


class Operations(RosterTestCase):
    def run_operation(self, operation: str, **arguments: object) -> object:
        found = {operation.name: operation for operation in operations_of(self.plugin("roster"))}
        return self.wait(found[operation].run(dict(arguments)))

    def test_add_list_remove(self) -> None:
        self.get(self.romeo)
        self.romeo.clear()
        add = {"account": "romeo@example.org", "contact": "nurse@example.com"}
        self.run_operation("roster add", **add, name="Nurse", groups="a, b,a", subscription="both")
        self.romeo.expect(
            f"<iq type='set'><query xmlns='{NS}' ver='{{any}}'><item jid='nurse@example.com' name='Nurse' "
            "subscription='both'><group>a</group><group>b</group></item></query></iq>"
        )
        self.assertEqual(
            self.run_operation("roster list", account="romeo@example.org"),
            [
                {
                    "contact": "nurse@example.com",
                    "name": "Nurse",
                    "groups": "a, b",
                    "subscription": "both",
                    "asked": "",
                    "approved": "",
                }
            ],
        )
        self.run_operation("roster remove", **add)
        self.assertEqual(self.run_operation("roster list", account="romeo@example.org"), [])
        with self.assertRaises(OperationError):
            self.run_operation("roster remove", **add)

    def test_adding_without_a_subscription_keeps_what_is_there(self) -> None:
        add = {"account": "romeo@example.org", "contact": "nurse@example.com"}
        self.run_operation("roster add", **add, subscription="to")
        self.run_operation("roster add", **add, name="Nurse")
        item = self.plugin("roster").cached(ROMEO).items["nurse@example.com"]
        self.assertEqual((item.name, item.subscription), ("Nurse", Subscription.TO))

    def test_there_must_be_an_account(self) -> None:
        for account in ("nobody@example.org", "example.org", "romeo@example.com"):
            with self.assertRaises(OperationError):
                self.run_operation("roster list", account=account)

    def test_a_contact_must_be_somebody_else(self) -> None:
        for contact in ("romeo@example.org", "a@example.com/x"):
            with self.assertRaises(OperationError):
                self.run_operation("roster add", account="romeo@example.org", contact=contact)

    def test_they_are_documented(self) -> None:
        for operation in operations_of(self.plugin("roster")):
            self.assertTrue(operation.help, operation.name)
            for parameter in operation.parameters:
                self.assertTrue(parameter.help, f"{operation.name} {parameter.name}")
