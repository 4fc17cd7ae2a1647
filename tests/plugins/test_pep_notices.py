"""Notifications of XEP-0163: which devices want what, and get it when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, succeed

from tests.plugins.managed import ManagedTestCase
from tests.plugins.test_pep import EVENT, NS, OWNER, PepTestCase, form, item, publish, tune
from xmppd.api import Subscription
from xmppd.plugins.pep import store
from xmppd.testing import Client
from xmppd.wire.disco import INFO, Identity, Info

CAPS = "http://jabber.org/protocol/caps"
URN_DELAY = "urn:xmpp:delay"


def caps(*nodes: str, hash: str | None = "sha-1", ver: str = "") -> str:
    attribute = f" hash='{hash}'" if hash else ""
    return f"<c xmlns='{CAPS}' node='urn:example:client' ver='{ver or version(*nodes)}'{attribute}/>"


def info(*nodes: str) -> Info:
    return Info((Identity("client", "pc"),), (INFO, *(f"{node}+notify" for node in nodes)))


def version(*nodes: str) -> str:
    return info(*nodes).verification_string()


def is_question(text: str) -> bool:
    """Is it what the server asks a client about itself?"""
    return INFO in text and " type='get'" in text


class NoticesTestCase(PepTestCase):
    def is_asked(self, device: Client) -> str:
        """Return the id of the question for what the device is, behind whatever presence there is."""
        asked = next(text for text in device.received if is_question(text))
        device.clear()
        self.assertIn(f"from='{self.host.jid}'", asked)
        return asked.split(" id='")[1].split("'")[0]

    def answer(self, device: Client, *nodes: str, id: str) -> None:
        query = info(*nodes).query().decode()
        device.send(f"<iq type='result' id='{id}' to='{self.host.jid}'>{query}</iq>")

    def wants(self, device: Client, *nodes: str) -> None:
        """Have a device become available that wants to hear of nodes."""
        device.send(f"<presence>{caps(*nodes)}</presence>")
        if any(map(is_question, device.received)):
            self.answer(device, *nodes, id=self.is_asked(device))

    def notice(self, content: str, extra: str = "", sender: str = "juliet@example.org") -> str:
        return f"<message type='headline' from='{sender}'><event xmlns='{EVENT}'>{content}</event>{extra}</message>"

    def items(self, content: str, node: str = "tune", extra: str = "", sender: str = "juliet@example.org") -> str:
        return self.notice(f"<items node='{node}'>{content}</items>", extra, sender)

    def late(self, content: str, node: str = "tune", sender: str = "juliet@example.org") -> str:
        return self.items(content, node, f"<delay xmlns='{URN_DELAY}' from='{sender}' stamp='{{any}}'/>", sender)


class OwnDevices(NoticesTestCase):
    def test_all_that_want(self) -> None:
        phone = self.login("juliet@example.org/phone")
        tablet = self.login("juliet@example.org/tablet", presence=True)
        hidden = self.login("juliet@example.org/hidden")
        self.wants(self.juliet, "tune", "x")
        self.wants(phone, "tune")
        for device in (self.juliet, phone, tablet, hidden):
            device.clear()
        self.request(publish(item("1", tune("a"))))
        self.juliet.expect(self.items(item("1", tune("a"))), "<iq type='result' id='1'/>")
        phone.expect(self.items(item("1", tune("a"))))
        tablet.expect_nothing()
        hidden.expect_nothing()
        phone.send("<presence type='unavailable'/>")
        phone.clear()
        self.request(publish(item("2", tune("b"))))
        phone.expect_nothing()

    def test_what_is_notified_of(self) -> None:
        self.wants(self.juliet, "tune")
        self.juliet.clear()
        for content, ns, event in (
            (publish(item("1", tune("a"))), NS, f"<items node='tune'>{item('1', tune('a'))}</items>"),
            (
                "<retract node='tune' notify='true'><item id='1'/></retract>",
                NS,
                "<items node='tune'><retract id='1'/></items>",
            ),
            ("<purge node='tune'/>", OWNER, "<purge node='tune'/>"),
            ("<delete node='tune'/>", OWNER, "<delete node='tune'/>"),
        ):
            with self.subTest(event=event):
                self.request(content, ns=ns)
                self.juliet.expect(self.notice(event), "<iq type='result' id='1'/>")

    def test_silent_retraction(self) -> None:
        self.wants(self.juliet, "tune")
        self.juliet.clear()
        self.do(publish(item("1", tune("a")), options={"deliver_notifications": "false"}))
        self.do("<retract node='tune'><item id='1'/></retract>")
        self.do("<purge node='tune'/>", OWNER)
        set_ = form("node_config", {"deliver_notifications": "1", "notify_retract": "1", "notify_delete": "0",
                                    "deliver_payloads": "0"})  # fmt: skip
        self.do(f"<configure node='tune'>{set_}</configure>", OWNER)
        self.request(publish(item("1", tune("a"))))
        self.juliet.expect(self.items("<item id='1'/>"), "<iq type='result' id='1'/>")
        self.request("<retract node='tune'><item id='1'/></retract>")
        self.juliet.expect(self.items("<retract id='1'/>"), "<iq type='result' id='1'/>")
        self.do("<delete node='tune'/>", OWNER)

    def test_last_item(self) -> None:
        self.do(publish(item("1", tune("a")), options={"max_items": "max"}))
        self.do(publish(item("2", tune("b"))))
        self.do(publish(item("1", tune("c")), node="x"))
        self.do(publish(item("1", tune("d")), node="quiet", options={"send_last_published_item": "never"}))
        phone = self.login("juliet@example.org/phone")
        self.wants(phone, "tune", "quiet", "none")
        phone.expect(self.late(item("2", tune("b"))))
        phone.clear()
        phone.send(f"<presence>{caps('tune', 'quiet', 'none')}<show>away</show></presence>")
        self.assertNotIn("<event", "".join(phone.received))
        tablet = self.login("juliet@example.org/tablet")
        self.wants(tablet, "tune", "quiet", "none")  # it is not asked: such a client is known
        tablet.expect_all("<presence>{...}</presence>", "<presence>{...}</presence>", self.late(item("2", tune("b"))))

    def test_publication_while_the_last_items_are_read(self) -> None:
        """What is newer must not be followed by what is older."""
        self.do(publish(item("1", tune("old"))))
        self.do(publish(item("1", tune("x")), node="x"))
        database, slow = self.host.db, Deferred[Any]()
        read = database.read

        def late(fn: Callable[[Connection], Any]) -> Deferred[Any]:
            found = self.successResultOf(read(fn))
            if not (isinstance(found, list) and found and isinstance(found[0], store.Last)):
                return succeed(found)
            slow.addCallback(lambda _: found)
            return slow

        patch = self.patch(database, "read", late)
        phone = self.login("juliet@example.org/phone")
        self.wants(phone, "tune", "x")
        patch.restore()
        self.do(publish(item("1", tune("new"))))
        phone.expect(self.items(item("1", tune("new"))))
        slow.callback(None)
        phone.expect(self.late(item("1", tune("x")), "x"))
        phone.expect_nothing()

    def test_no_answer_no_notices(self) -> None:
        self.juliet.send(f"<presence>{caps('tune')}</presence>")
        id_ = self.is_asked(self.juliet)
        self.do(publish(item("1", tune("a"))))
        self.pump(61)
        self.answer(self.juliet, "tune", id=id_)
        self.juliet.clear()
        self.do(publish(item("2", tune("b"))))

    def test_who_refuses_to_say(self) -> None:
        self.juliet.send(f"<presence>{caps('tune')}</presence>")
        id_ = self.is_asked(self.juliet)
        self.juliet.send(f"<iq type='error' id='{id_}' to='example.org'/>")
        self.do(publish(item("1", tune("a"))))
        self.juliet.send(f"<presence>{caps('tune')}</presence>")
        self.juliet.send(f"<iq type='result' id='{self.is_asked(self.juliet)}' to='example.org'/>")
        self.do(publish(item("1", tune("a"))))

    def test_caps_that_change(self) -> None:
        self.wants(self.juliet, "tune")
        self.wants(self.juliet, "x")
        self.juliet.clear()
        self.do(publish(item("1", tune("a"))))
        self.request(publish(item("1", tune("b")), node="x"))
        self.juliet.expect(self.items(item("1", tune("b")), "x"), "<iq type='result' id='1'/>")
        self.juliet.send("<presence/>")
        self.juliet.clear()
        self.do(publish(item("2", tune("b")), node="x"))

    def test_answer_that_comes_too_late(self) -> None:
        self.juliet.send(f"<presence>{caps('tune')}</presence>")
        id_ = self.is_asked(self.juliet)
        self.juliet.send("<presence/>")
        self.answer(self.juliet, "tune", id=id_)
        self.juliet.clear()
        self.do(publish(item("1", tune("a"))))


class Verification(NoticesTestCase):
    """XEP-0115 section 5.4: what doesn't fit its hash counts for that device alone."""

    def second_is_asked(self, c: str) -> bool:
        phone = self.login("juliet@example.org/phone")
        phone.send(f"<presence>{c}</presence>")
        return any(map(is_question, phone.received))

    def first(self, c: str, *nodes: str) -> None:
        self.juliet.send(f"<presence>{c}</presence>")
        self.answer(self.juliet, *nodes, id=self.is_asked(self.juliet))
        self.juliet.clear()
        self.request(publish(item("1", tune("a"))))
        self.juliet.expect(self.items(item("1", tune("a"))), "<iq type='result' id='1'/>")

    def test_right(self) -> None:
        self.first(caps("tune"), "tune")
        self.assertFalse(self.second_is_asked(caps("tune")))

    def test_other_hash(self) -> None:
        c = caps(hash="sha-256", ver=info("tune").verification_string("sha-256"))
        self.first(c, "tune")
        self.assertFalse(self.second_is_asked(c))

    def test_wrong(self) -> None:
        self.first(caps("x"), "tune")
        self.assertTrue(self.second_is_asked(caps("x")))

    def test_unknown_hash(self) -> None:
        c = caps(hash="sha-0", ver="x")
        self.first(c, "tune")
        self.assertTrue(self.second_is_asked(c))

    def test_old(self) -> None:
        c = caps(hash=None, ver="1.0")
        self.first(c, "tune")
        self.assertTrue(self.second_is_asked(c))

    def test_ill_formed(self) -> None:
        self.first(caps(ver=info("tune", "tune").verification_string()), "tune", "tune")
        self.assertTrue(self.second_is_asked(caps(ver=info("tune", "tune").verification_string())))


class Few(NoticesTestCase):
    config: ClassVar = {"pep": {"interests": 2, "remembered_clients": 1}}

    def test_interests(self) -> None:
        self.wants(self.juliet, "a", "b", "c")
        self.juliet.clear()
        for node in "ab":
            self.request(publish(item("1", tune("x")), node=node))
            self.juliet.expect(self.items(item("1", tune("x")), node), "<iq type='result' id='1'/>")
        self.do(publish(item("1", tune("x")), node="c"))

    def test_long_names(self) -> None:
        long = "b" * 200
        self.wants(self.juliet, "a", long)
        self.juliet.clear()
        self.do(publish(item("1", tune("x")), node=long))
        self.request(publish(item("1", tune("x")), node="a"))
        self.juliet.expect(self.items(item("1", tune("x")), "a"), "<iq type='result' id='1'/>")

    def test_remembered_clients(self) -> None:
        for nodes in ("a", "b", "a"):
            device = self.login("juliet@example.org/phone")
            device.send(f"<presence>{caps(nodes)}</presence>")
            self.answer(device, nodes, id=self.is_asked(device))
            device.close()


class Contacts(NoticesTestCase):
    plugins: ClassVar = ("pep", "roster", "presence", "disco", "blocking")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.subscribe()
        self.wants(self.romeo, "tune")
        self.romeo.clear()

    def subscribe(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.FROM)
        self.show_presence("romeo@example.org", "juliet@example.org", Subscription.TO)

    def publish(self, **options: str) -> None:
        self.do(publish(item("1", tune("a")), options=options))

    def told(self, device: Client | None = None) -> None:
        (device or self.romeo).expect(self.items(item("1", tune("a"))))

    def test_subscriber(self) -> None:
        self.publish()
        self.told()
        self.romeo.expect_nothing()

    def test_open(self) -> None:
        self.publish(access_model="open")
        self.told()

    def test_whitelist(self) -> None:
        self.publish(access_model="whitelist")
        self.romeo.expect_nothing()

    def test_roster(self) -> None:
        self.publish(access_model="roster", roster_groups_allowed="Friends")
        self.romeo.expect_nothing()

    def test_stranger(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.NONE)
        self.romeo.clear()
        self.publish()
        self.romeo.expect_nothing()

    def test_blocked(self) -> None:
        self.juliet.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@example.org'/></block></iq>"
        )
        self.juliet.clear()
        self.romeo.clear()
        self.publish()
        self.romeo.expect_nothing()
        again = self.login("romeo@example.org/again")
        self.wants(again, "tune")
        self.assertNotIn(EVENT, "".join(again.received))

    def test_last_item_on_presence(self) -> None:
        """The owner needs not be there."""
        self.publish()
        self.do(publish(item("1", tune("b")), node="secret", options={"access_model": "whitelist"}))
        self.juliet.close()
        again = self.login("romeo@example.org/again")
        self.wants(again, "tune", "secret")
        again.expect(self.late(item("1", tune("a"))))

    def test_last_item_on_subscription(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.NONE)
        self.show_presence("romeo@example.org", "juliet@example.org", Subscription.NONE)
        self.publish(send_last_published_item="on_sub")
        again = self.login("romeo@example.org/again")
        self.wants(again, "tune")
        self.assertNotIn(EVENT, "".join(again.received))
        again.close()
        self.romeo.clear()
        self.romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.juliet.send("<presence to='romeo@example.org' type='subscribed'/>")
        self.pump()
        events = [text for text in self.romeo.received if EVENT in text]
        self.assertEqual(len(events), 1)
        self.assertIn("<title>a</title>", events[0])

    def test_who_subscribed_by_himself_alone_sees_nothing(self) -> None:
        self.show_presence("juliet@example.org", "romeo@example.org", Subscription.NONE)
        self.publish()
        again = self.login("romeo@example.org/again")
        self.wants(again, "tune")
        self.assertNotIn(EVENT, "".join(again.received))


class Restored(ManagedTestCase):
    """The server is killed, and the client resumes its session (XEP-0198 5)."""

    plugins: ClassVar = ("pep", "roster", "presence")

    def setUp(self) -> None:
        super().setUp()
        self.phone, self.previd = self.enabled("juliet@example.org/phone", presence=False)
        self.phone.send(f"<presence>{caps('tune')}</presence>")
        self.pump()
        id_ = next(text for text in self.phone.received if is_question(text)).split(" id='")[1].split("'")[0]
        self.phone.send(f"<iq type='result' id='{id_}' to='example.org'>{info('tune').query().decode()}</iq>")
        self.pump()
        self.seen = self.sent("juliet@example.org/phone")

    def publish(self) -> None:
        desk = self.login("juliet@example.org/desk")
        desk.send(f"<iq type='set' id='1'><pubsub xmlns='{NS}'>{publish(item('1', tune('a')))}</pubsub></iq>")
        self.pump()
        desk.expect("<iq type='result' id='1'/>")

    def told(self) -> int:
        phone = self.resumed("juliet@example.org/phone", self.previd, self.seen)
        self.pump()
        return "".join(phone.received).count("<title>a</title>")

    def test_interests_are_known(self) -> None:
        self.kill()
        self.publish()
        self.assertEqual(self.told(), 1)

    def test_what_was_answered_was_notified_of(self) -> None:
        """Who is answered knows that the other devices will hear of it."""
        self.phone.disconnect()
        self.publish()
        self.kill()
        self.assertEqual(self.told(), 1)


class Started(NoticesTestCase):
    def test_while_devices_are_online(self) -> None:
        """Those that have been asked already are known; the others are asked."""
        self.wants(self.juliet, "tune")
        registry = self.host.registry
        self.wait(registry.disable("pep"))
        phone = self.login("juliet@example.org/phone")
        phone.send(f"<presence>{caps('x')}</presence>")
        self.juliet.clear()
        self.wait(registry.enable("pep"))
        self.answer(phone, "x", id=self.is_asked(phone))
        self.do(publish(item("1", tune("a")), node="x"))
        phone.expect(self.items(item("1", tune("a")), "x"))
        self.request(publish(item("1", tune("a"))))
        self.juliet.expect(self.items(item("1", tune("a"))), "<iq type='result'/>")


class OtherHost(NoticesTestCase):
    hosts: ClassVar = ("example.org", "example.net")

    def test_contacts_there_are_notified(self) -> None:
        romeo = self.login("romeo@example.net/orchard")
        self.show_presence("juliet@example.org", "romeo@example.net")
        romeo.send(f"<presence>{caps('tune')}</presence>")
        asked = next(text for text in romeo.received if is_question(text))
        id_ = asked.split(" id='")[1].split("'")[0]
        romeo.send(f"<iq type='result' id='{id_}' to='example.net'>{info('tune').query().decode()}</iq>")
        romeo.clear()
        self.do(publish(item("1", tune("a"))))
        romeo.expect(self.items(item("1", tune("a"))))
