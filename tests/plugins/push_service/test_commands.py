"""Registrations by ad-hoc commands, as apps make them for p2 (XEP-0050, XEP-0357 section 4)."""

from __future__ import annotations

from typing import Any

from xmppd.plugins.push_service.tables import DEVICES

from .kit import COMMANDS, SERVICE, PushServiceTestCase

INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"


class Discovery(PushServiceTestCase):
    def test_what_it_is(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        answered = self.ask(romeo, "get", f"<query xmlns='{INFO}'/>")
        self.assertIn("<identity category='pubsub' type='push' name='Push'/>", answered)
        for feature in ("urn:xmpp:push:0", "http://jabber.org/protocol/pubsub#publish-options", COMMANDS):
            self.assertIn(f"<feature var='{feature}'/>", answered)

    def test_commands(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        answered = self.ask(romeo, "get", f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>")
        for node in ("register-push-fcm", "register-push-apns", "register-push-webpush", "unregister-push"):
            self.assertIn(f"node='{node}'", answered)
        answered = self.ask(romeo, "get", f"<query xmlns='{INFO}' node='register-push-fcm'/>")
        self.assertIn("type='command-node'", answered)

    def test_strangers_are_offered_nothing_to_register_with(self) -> None:
        stranger = self.remote("example.net")
        answered = self.ask(stranger, "get", f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>", "paris@example.net/x")
        self.assertNotIn("register-push-fcm", answered.replace("unregister", ""))
        answered = self.ask(stranger, "get", f"<query xmlns='{INFO}' node='register-push-fcm'/>", "paris@example.net/x")
        self.assertIn("<forbidden", answered)


class Registering(PushServiceTestCase):
    def devices(self, **arguments: Any) -> Any:
        return self.operate("push_service", "push-service devices", **arguments)

    def test_as_conversations_does(self) -> None:
        """One request with the form filled in; the answer has what `<enable/>` needs."""
        romeo = self.login("romeo@example.org/phone")
        app = self.android(romeo)
        self.assertEqual((len(app.node), len(app.secret)), (24, 32))
        (device,) = self.devices()
        self.assertEqual((device["account"], device["road"]), ("romeo@example.org", "fcm"))
        self.assertEqual(device["app"], "org.example.chat.android")

    def test_by_hand(self) -> None:
        """A client with forms is shown one first; that of Web Push has the key to subscribe with."""
        romeo = self.login("romeo@example.org/phone")
        answered = self.command(romeo, "register-push-webpush")
        self.assertIn("status='executing'", answered)
        self.assertIn(f"<value>{self.plugin('push_service').vapid}</value>", answered)
        session = answered.partition("sessionid='")[2].partition("'")[0]
        device = self.vendors.webpush.subscribe()
        fields = "".join(f"<field var='{n}'><value>{v}</value></field>" for n, v in device.target.items())
        form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        attributes = f"node='register-push-webpush' sessionid='{session}' action='complete'"
        answered = self.ask(romeo, "set", f"<command xmlns='{COMMANDS}' {attributes}>{form}</command>")
        self.assertIn("<field var='secret'>", answered)

    def test_same_device_keeps_its_node(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        first, again = self.android(romeo), self.android(romeo)
        self.assertEqual(first.node, again.node)
        self.assertNotEqual(first.secret, again.secret)
        other = self.android(romeo, device_id="tablet")
        self.assertNotEqual(first.node, other.node)
        juliet = self.login("juliet@example.org/phone")
        self.assertNotEqual(self.android(juliet).node, first.node)

    def test_same_token_keeps_its_node(self) -> None:
        """The app was installed anew, and calls the device something else."""
        romeo, token = self.login("romeo@example.org/phone"), self.vendors.fcm.register()
        first = self.register(romeo, "register-push-fcm", token=token, device_id="one")
        again = self.register(romeo, "register-push-fcm", token=token, device_id="two")
        self.assertEqual(first.node, again.node)
        self.assertEqual(len(self.devices()), 1)

    def test_nothing_is_kept_that_need_not_be(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        app = self.android(romeo, device_id="what the phone is called")
        rows = self.wait(self.host.db.read(lambda c: [dict(r) for r in c.execute(DEVICES.select()).mappings()]))
        self.assertNotIn(app.secret, str(rows))
        self.assertNotIn("what the phone is called", str(rows))

    def test_bad_forms(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        good = self.vendors.webpush.subscribe().target
        for node, values, text in (
            ("register-push-fcm", {"android_id": "x"}, "token is missing"),
            ("register-push-fcm", {"token": "with space"}, "no token"),
            ("register-push-fcm", {"token": "x" * 4097}, "no token"),
            ("register-push-apns", {"token": "xyz"}, "hexadecimal"),
            ("register-push-apns", {"token": "ab" * 32, "voip_token": "xyz"}, "voip-token has to be"),
            ("register-push-webpush", {**good, "auth": "AAAA"}, "auth has 3 octets"),
            ("register-push-webpush", {**good, "p256dh": "AAAA"}, "p256dh has 3 octets"),
            ("register-push-webpush", {**good, "endpoint": "file:///etc/passwd"}, "no URL"),
            ("register-push-fcm", {"token": "x", "device_id": "x" * 300}, "256 characters"),
            ("unregister-push", {"nothing": "x"}, "node or device-id is needed"),
        ):
            with self.subTest(node=node, values=values):
                answered = self.command(romeo, node, **values)
                self.assertIn("<bad-payload", answered)
                self.assertIn(text, answered)
        self.assertEqual(self.devices(), [])

    def test_app_that_there_is_not(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        answered = self.command(romeo, "register-push-fcm", token="x", app="com.example.other")
        self.assertIn("<item-not-found", answered)
        self.assertIn("<item-not-found", self.command(romeo, "register-push-huawei", token="x"))

    def test_list_and_unregister(self) -> None:
        romeo, juliet = self.login("romeo@example.org/phone"), self.login("juliet@example.org/phone")
        phone, tablet = self.android(romeo), self.android(romeo, device_id="tablet")
        self.assertIn(phone.node, self.command(romeo, "list-push-registrations"))
        self.assertNotIn(phone.node, self.command(juliet, "list-push-registrations"))
        self.assertIn("<item-not-found", self.command(juliet, "unregister-push", node=phone.node))
        self.assertIn("<item-not-found", self.command(romeo, "unregister-push-apns", android_id="phone"))
        self.assertIn("not woken any more", self.command(romeo, "unregister-push-fcm", android_id="phone"))
        self.assertIn("not woken any more", self.command(romeo, "unregister-push", node=tablet.node))
        self.assertEqual(self.devices(), [])
        self.assertEqual(self.publishes(phone), "item-not-found")

    def test_deleted_account(self) -> None:
        self.android(self.login("romeo@example.org/phone"))
        self.delete_account("romeo@example.org")
        self.assertEqual(self.devices(), [])


class Limits(PushServiceTestCase):
    options = {"devices_per_account": 2, "devices": 3, "registrations_per_hour": 4}

    def test_the_unused_one_gives_way(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        first = self.android(romeo, device_id="1")
        self.pump(1)
        second = self.android(romeo, device_id="2")
        self.pump(1)
        self.publishes(first)
        third = self.android(romeo, device_id="3")
        nodes = {device["node"] for device in self.operate("push_service", "push-service devices")}
        self.assertEqual(nodes, {first.node, third.node})
        self.assertNotIn(second.node, nodes)

    def test_in_all(self) -> None:
        for name in ("romeo", "juliet", "paris"):
            self.android(self.login(f"{name}@example.org/phone"))
        nurse = self.login("nurse@example.org/phone")
        self.assertIn("<resource-constraint", self.command(nurse, "register-push-fcm", token="x"))

    def test_per_hour(self) -> None:
        romeo = self.login("romeo@example.org/phone")
        for _ in range(4):
            self.android(romeo)
        self.assertIn("<policy-violation", self.command(romeo, "register-push-fcm", token="x"))
        self.pump(3600, step=600)
        self.android(romeo)


class Strangers(PushServiceTestCase):
    options = {"open": ["example.net"], "domain_registrations_per_hour": 2}

    def test_domains_that_are_named(self) -> None:
        friend, stranger = self.remote("example.net"), self.remote("example.com")
        app = self.android(friend, "paris@example.net/phone")
        self.assertEqual(self.publishes(app), "result")
        answered = self.command(stranger, "register-push-fcm", "paris@example.com/phone", token="x")
        self.assertIn("<forbidden", answered)

    def test_servers_have_no_apps(self) -> None:
        answered = self.command(self.remote("example.net"), "register-push-fcm", "example.net", token="x")
        self.assertIn("<forbidden", answered)

    def test_per_domain(self) -> None:
        friend = self.remote("example.net")
        for number in range(2):
            self.android(friend, f"user{number}@example.net/phone")
        answered = self.command(friend, "register-push-fcm", "user3@example.net/phone", token="x")
        self.assertIn("<policy-violation", answered)
        self.android(self.login("romeo@example.org/phone"))


class Everybody(PushServiceTestCase):
    options = {"open": ["*"]}

    def test_everybody(self) -> None:
        self.android(self.remote("example.com"), "paris@example.com/phone")


class Forgetting(PushServiceTestCase):
    options = {"unused_days": 1}

    def test_unused(self) -> None:
        self.android(self.login("romeo@example.org/phone"))
        used = self.iphone(self.login("juliet@example.org/phone"))
        self.pump(23 * 3600, step=1800)
        self.assertEqual(self.publishes(used), "result")
        self.pump(2 * 3600, step=1800)
        (left,) = self.operate("push_service", "push-service devices")
        self.assertEqual(left["node"], used.node)

    def test_told_by_an_administrator(self) -> None:
        romeo = self.login("romeo@example.org/phone", presence=True)
        app = self.android(romeo)
        self.operate("push_service", "push-service forget", node=app.node)
        romeo.expect(
            f"<message type='headline' from='{SERVICE}'><pubsub xmlns='http://jabber.org/protocol/pubsub'"
            f" node='{app.node}'><affiliation jid='romeo@example.org' affiliation='none'/></pubsub></message>"
        )
        self.assertIn("no such", self.refuse_to_operate("push_service", "push-service forget", node=app.node))
