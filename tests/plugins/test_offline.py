"""XEP-0160 by scenarios: messages that wait, their limits, and that none is lost or comes twice."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import func, select
from twisted.internet.defer import Deferred

from tests.plugins.kit import PluginTestCase
from xmppd.api import (
    AvailabilityChanged,
    Message,
    Phase,
    Plugin,
    StorageUnavailable,
    ToDevice,
    Undeliverable,
    filter,
    observe,
    settled,
    tag,
)
from xmppd.api.waiting import as_deferred
from xmppd.plugins.offline.store import MESSAGES
from xmppd.wire.delay import format_datetime
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence

JULIET = Jid.parse("juliet@example.org")
DELAY = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='{any}'>Offline Storage</delay>"
UNAVAILABLE = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"


def message(text: str, type_: str = "chat", to: str = "juliet@example.org") -> str:
    return f"<message to='{to}' type='{type_}' id='{text}'><body>{text}</body></message>"


class GoesAfterOne(Plugin):
    """Have a device become unavailable as soon as it is sent a message."""

    watched: Any = None

    @filter(ToDevice, kinds=(Message,))
    def go(self, event: ToDevice) -> None:
        if event.session == self.watched:
            self.watched.presence = None


class Announces(Plugin):
    """Tell the account of each message that a device of it is given."""

    @filter(ToDevice, kinds=(Message,))
    async def announce(self, event: ToDevice) -> None:
        body = event.stanza.text("body") or ""
        if not body.startswith("you get"):
            done: Deferred[None] = Deferred()
            self.later(1, lambda: done.callback(None))
            await done
            message = Message(event.session.account, self.host.jid, type="chat", payload=tag("body", f"you get {body}"))
            await settled(self.host.route(message))


class Thinks(Plugin):
    """Take time over messages that nobody can take, if a list says so."""

    waiting: Any = None

    @filter(Undeliverable, Phase.POLICY, kinds=(Message,))
    async def think(self, event: Undeliverable) -> None:
        if self.waiting is not None:
            done: Deferred[None] = Deferred()
            self.waiting.append(done)
            await done


class OfflineTestCase(PluginTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("disco", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")

    def juliet(self, resource: str = "balcony", presence: str = "<presence/>") -> Any:
        client = self.login(f"juliet@example.org/{resource}", name=resource)
        if presence:
            client.send(presence)
        return client

    def stored(self) -> int:
        count: int = self.successResultOf(
            self.server.db.read(lambda c: c.execute(select(func.count()).select_from(MESSAGES)).scalar_one())
        )
        return count

    def expect_message(self, client: Any, text: str, type_: str = "chat") -> None:
        attribute = "" if type_ == "normal" else f" type='{type_}'"
        client.expect(
            f"""<message from='{{romeo}}' to='juliet@example.org'{attribute} id='{text}'>
              <body>{text}</body>{DELAY}</message>"""
        )


class Delivery(OfflineTestCase):
    def test_example(self) -> None:
        self.clock.advance(60.0)
        self.romeo.send(
            """<message to='juliet@example.org'><body>
    O blessed, blessed night! I am afeard.
    Being in night, all this is but a dream,
    Too flattering-sweet to be substantial.
  </body></message>"""
        )
        self.romeo.expect_nothing()
        self.clock.advance(3600.0)
        balcony = self.juliet(presence="<presence><priority>1</priority></presence>")
        balcony.expect(
            f"""<message from='{{romeo}}' to='juliet@example.org'><body>
    O blessed, blessed night! I am afeard.
    Being in night, all this is but a dream,
    Too flattering-sweet to be substantial.
  </body>{DELAY}</message>"""
        )
        self.assertEqual(self.stored(), 0)

    def test_stamp_is_when_it_came(self) -> None:
        self.romeo.send(message("one"))
        self.clock.advance(3600.0)
        delay = next(e for e in self.juliet().take().elements() if e.name == "delay")
        came = self.clock.seconds() - 3600.0
        self.assertIn(delay["stamp"], {format_datetime(came), format_datetime(came - 1)})

    def test_order_and_once(self) -> None:
        for n in range(250):
            self.romeo.send(message(f"m{n}"))
        balcony = self.juliet()
        for n in range(250):
            self.expect_message(balcony, f"m{n}")
        balcony.expect_nothing()
        chamber = self.juliet("chamber")
        chamber.expect_nothing()
        balcony.send("<presence><show>away</show></presence>")
        balcony.expect_nothing()

    def test_not_to_negative_priorities(self) -> None:
        self.romeo.send(message("one"))
        balcony = self.juliet(presence="<presence><priority>-1</priority></presence>")
        balcony.expect_nothing()
        self.romeo.send(message("two"))
        balcony.send("<presence><priority>0</priority></presence>")
        self.expect_message(balcony, "one")
        self.expect_message(balcony, "two")

    def test_not_before_presence(self) -> None:
        self.romeo.send(message("one"))
        balcony = self.juliet(presence="")
        balcony.expect_nothing()
        balcony.send("<presence/>")
        self.expect_message(balcony, "one")

    def test_survives_a_restart(self) -> None:
        self.romeo.send(message("one") + message("two", "normal"))
        self.restart_plugin("offline")
        self.clock.advance(-10.0)  # a clock that was set back does not change the order
        self.romeo.send(message("three"))
        balcony = self.juliet()
        self.expect_message(balcony, "one")
        self.expect_message(balcony, "two", "normal")
        self.expect_message(balcony, "three")
        self.restart_plugin("offline")
        self.juliet("chamber").expect_nothing()

    def test_what_it_was(self) -> None:
        self.romeo.send(
            "<message to='juliet@example.org/garden' type='chat' id='&lt;' xml:lang='de'><body>Hör &amp; sieh</body>"
            "<x xmlns='urn:example:x'><y xmlns='' a='b'/></x></message>"
        )
        self.juliet().expect(
            f"""<message from='{{romeo}}' to='juliet@example.org/garden' type='chat' id='&lt;' xml:lang='de'>
              <body>Hör &amp; sieh</body><x xmlns='urn:example:x'><y xmlns='' a='b'/></x>{DELAY}</message>"""
        )

    def test_forged_stamps_of_those_who_are_there(self) -> None:
        forged = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='1999-01-01T00:00:00Z'/>"
        theirs = "<delay xmlns='urn:xmpp:delay' from='room.example.net' stamp='1999-01-01T00:00:00Z'/>"
        juliet = self.juliet()
        self.romeo.send(f"<message to='juliet@example.org'><body>hi</body>{forged}{theirs}</message>")
        self.romeo.send(f"<message to='{juliet.jid}'><body>you</body>{theirs}</message>")
        juliet.expect(f"<message><body>hi</body>{theirs}</message><message><body>you</body>{theirs}</message>")

    def test_forged_stamps(self) -> None:
        forged = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='1999-01-01T00:00:00Z'/>"
        self.romeo.send(f"<message to='juliet@example.org'><body>hi</body>{forged}</message>")
        self.juliet().expect(f"<message from='{{romeo}}'><body>hi</body>{DELAY}</message>")

    def test_feature(self) -> None:
        self.romeo.send(
            "<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        self.romeo.expect(
            """<iq type='result' id='1'><query xmlns='http://jabber.org/protocol/disco#info'>
              <feature var='msgoffline'/>{...}</query></iq>"""
        )


class NotKept(OfflineTestCase):
    def refused(self, inside: str, type_: str = "chat") -> None:
        self.romeo.send(f"<message to='juliet@example.org' type='{type_}' id='x'>{inside}</message>")
        self.romeo.expect(
            f"<message from='juliet@example.org' to='{{romeo}}' type='error' id='x'>{inside}{UNAVAILABLE}</message>"
        )
        self.assertEqual(self.stored(), 0)

    def test_sender_is_told(self) -> None:
        self.refused("<body>hi</body>", "groupchat")
        self.refused("<active xmlns='http://jabber.org/protocol/chatstates'/>")
        self.refused("<body>psst</body><no-store xmlns='urn:xmpp:hints'/>")

    def test_silent_ones(self) -> None:
        for type_ in ("headline", "error"):
            self.romeo.send(message("x", type_))
        self.romeo.expect_nothing()
        self.assertEqual(self.stored(), 0)

    def test_nobody(self) -> None:
        self.romeo.send(message("x", to="nobody@example.org"))
        self.romeo.expect(
            f"<message from='nobody@example.org' type='error' id='x'><body>x</body>{UNAVAILABLE}</message>"
        )


class Limits(OfflineTestCase):
    config: ClassVar[Any] = {"offline": {"max_messages": 2, "max_octets": 1200, "max_days": 7}}

    def refused(self, text: str) -> None:
        self.romeo.send(message(text))
        self.romeo.expect(
            f"""<message from='juliet@example.org' to='{{romeo}}' type='error' id='{text}'>
              <body>{text}</body>{UNAVAILABLE}</message>"""
        )

    def test_count(self) -> None:
        self.romeo.send(message("1") + message("2"))
        self.refused("3")
        self.restart_plugin("offline")
        self.refused("3")
        balcony = self.juliet()
        self.expect_message(balcony, "1")
        self.expect_message(balcony, "2")
        balcony.close()
        self.romeo.send(message("4"))
        self.romeo.expect_nothing()

    def test_octets(self) -> None:
        self.romeo.send(message("a" * 400))
        self.refused("b" * 400)
        self.romeo.send(message("c"))
        self.romeo.expect_nothing()

    def test_age(self) -> None:
        self.romeo.send(message("1"))
        self.clock.advance(6.5 * 86400)
        self.romeo.send(message("2"))
        for _ in range(13):
            self.clock.advance(3600.0)
        self.assertEqual(self.stored(), 1)
        self.romeo.send(message("3"))  # there is room again
        balcony = self.juliet()
        self.expect_message(balcony, "2")
        self.expect_message(balcony, "3")


class Faults(OfflineTestCase):
    plugins = ("disco", "offline", GoesAfterOne, Thinks)

    def test_full_disk(self) -> None:
        """What was taken waits with the messages; it is on disk before anybody hears of it."""
        self.disk.broken = "the disk is full"
        self.romeo.send(message("1"))
        self.romeo.expect_nothing()
        self.disk.broken = None
        self.pump(10)
        self.assertEqual(self.stored(), 1)
        self.expect_message(self.juliet(), "1")

    def test_recipient_comes_while_it_is_written(self) -> None:
        self.disk.stopped = True
        self.romeo.send(message("1"))
        balcony = self.juliet(presence="")
        balcony.send("<presence/>")
        self.romeo.send(message("2"))
        balcony.expect_nothing()
        self.disk.go_on()
        self.pump()
        self.expect_message(balcony, "1")
        balcony.expect("<message type='chat' id='2'><body>2</body></message>")
        self.juliet("chamber").expect_nothing()
        self.assertEqual((self.stored(), self.plugin("offline").count(JULIET)), (0, 0))

    def test_recipient_changes_while_it_is_written(self) -> None:
        """What one device was given is not given to the next, though it is still in the table."""
        self.romeo.send(message("1"))
        balcony, chamber = self.juliet(presence=""), self.juliet("chamber", presence="")
        self.disk.stopped = True
        balcony.send("<presence/>")
        self.expect_message(balcony, "1")
        balcony.send("<presence type='unavailable'/>")
        chamber.send("<presence/>")
        chamber.expect_nothing()
        self.assertEqual(self.stored(), 1)
        self.disk.go_on()
        self.pump()
        self.assertEqual(self.stored(), 0)

    def test_recipient_comes_after_it_was_looked_for(self) -> None:
        """A filter takes its time over a message that nobody could take; meanwhile somebody can."""
        think = self.plugin("thinks")
        think.waiting = []
        self.romeo.send(message("1"))
        balcony = self.juliet()
        balcony.expect_nothing()
        think.waiting[0].callback(None)
        self.pump()
        self.expect_message(balcony, "1")
        self.assertEqual(self.stored(), 0)

    def test_plugin_stops_while_it_is_written(self) -> None:
        self.disk.stopped = True
        self.romeo.send(message("1"))
        stopped = as_deferred(self.host.registry.disable("offline"))
        self.pump()
        self.assertNoResult(stopped)
        self.disk.go_on()
        self.pump()
        self.wait(self.host.registry.enable("offline"))
        self.expect_message(self.juliet(), "1")

    def test_purged_while_it_is_written(self) -> None:
        self.romeo.send(message("1"))
        self.disk.stopped = True
        self.romeo.send(message("2"))
        purged = as_deferred(self.plugin("offline").purge(JULIET))
        self.pump()
        self.disk.go_on()
        self.pump()
        self.assertEqual(self.successResultOf(purged), 2)
        self.assertEqual((self.stored(), self.plugin("offline").count(JULIET)), (0, 0))
        self.romeo.send(message("3"))
        balcony = self.juliet()
        self.expect_message(balcony, "3")
        balcony.expect_nothing()

    def test_purge_fails(self) -> None:
        self.romeo.send(message("1"))
        self.disk.broken = "the disk is full"
        self.failureResultOf(as_deferred(self.plugin("offline").purge(JULIET)), StorageUnavailable)
        self.disk.broken = None
        self.assertEqual(self.plugin("offline").count(JULIET), 1)
        self.expect_message(self.juliet(), "1")

    def test_message_that_the_database_refuses(self) -> None:
        """It can't be kept; that is logged, and it is not counted for ever."""
        self.romeo.send(message("1"))
        self.plugin("offline")._waiting._position -= 1
        self.clock.rightNow -= 10
        self.romeo.send(message("2"))  # at the position of the first
        self.flushLoggedErrors()
        balcony = self.juliet()
        self.expect_message(balcony, "1")
        balcony.expect_nothing()
        self.assertEqual(self.plugin("offline").count(JULIET), 0)

    def test_device_that_goes_while_it_is_given_messages(self) -> None:
        """What it was not given goes to the next."""
        for n in range(3):
            self.romeo.send(message(f"m{n}"))
        balcony, chamber = self.juliet(presence=""), self.juliet("chamber", presence="")
        session: Any = self.host.session(Jid.parse(balcony.jid))
        other: Any = self.host.session(Jid.parse(chamber.jid))
        session.presence = other.presence = Presence()
        self.plugin("goesafterone").watched = session
        self.wait(self.plugin("offline")._deliver(session))
        self.expect_message(balcony, "m0")
        self.expect_message(chamber, "m1")
        self.expect_message(chamber, "m2")
        chamber.expect_nothing()
        self.assertEqual(self.stored(), 0)

    def test_live_messages_do_not_overtake(self) -> None:
        read: Any = self.server.db.read
        waiting: list[tuple[Deferred[Any], Any]] = []

        def read_slowly(fn: Any) -> Deferred[Any]:
            waiting.append((Deferred(), self.successResultOf(read(fn))))
            return waiting[-1][0]

        self.romeo.send(message("1"))
        balcony = self.juliet(presence="")
        self.patch(self.server.db, "read", read_slowly)
        balcony.send("<presence/>")
        for text, to in (("2", "juliet@example.org"), ("3", balcony.jid)):
            self.romeo.send(message(text, to=to))
        balcony.expect_nothing()
        self.patch(self.server.db, "read", read)
        for coming, found in waiting:
            coming.callback(found)
        self.expect_message(balcony, "1")
        balcony.expect("<message type='chat' id='2'><body>2</body></message>")
        balcony.expect("<message type='chat' id='3'><body>3</body></message>")

    def test_two_devices_at_once(self) -> None:
        self.romeo.send(message("1"))
        balcony, chamber = self.juliet(presence=""), self.juliet("chamber", presence="")
        read: Any = self.server.db.read
        waiting: list[tuple[Deferred[Any], Any]] = []

        def read_slowly(fn: Any) -> Deferred[Any]:
            waiting.append((Deferred(), self.successResultOf(read(fn))))
            return waiting[-1][0]

        self.patch(self.server.db, "read", read_slowly)
        balcony.send("<presence/>")
        chamber.send("<presence/>")
        self.patch(self.server.db, "read", read)
        for coming, found in waiting:
            coming.callback(found)
        self.expect_message(balcony, "1")
        chamber.expect_nothing()


class Filters(OfflineTestCase):
    plugins = ("offline", Announces)

    def test_that_send_to_the_same_account(self) -> None:
        """They don't wait for what waits for them; others do."""
        self.romeo.send(message("1") + message("2"))
        balcony = self.juliet()
        self.romeo.send(message("3"))
        self.pump(4)
        texts = [element.body.children[0] for element in (balcony.take() for _ in range(6))]
        self.assertEqual(texts, ["you get 1", "1", "you get 2", "2", "you get 3", "3"])


class Ceremony(Plugin):
    """Take a second over everything that a device says of itself."""

    @observe(AvailabilityChanged)
    async def think(self, event: AvailabilityChanged) -> None:
        waited: Deferred[None] = Deferred()
        self.later(1, lambda: waited.callback(None))
        await waited


class InOrder(OfflineTestCase):
    plugins = (Ceremony, "offline")

    def test_live_messages_do_not_overtake(self) -> None:
        """Not even while another plugin, which is told first, delays the delivery."""
        self.romeo.send(message("1"))
        balcony = self.juliet()
        self.romeo.send(message("2"))
        self.pump(2)
        self.expect_message(balcony, "1")
        balcony.expect("<message type='chat' id='2'><body>2</body></message>")


class ForOthers(OfflineTestCase):
    def test_interface(self) -> None:
        self.romeo.send(message("1") + message("2"))
        plugin = self.plugin("offline")
        self.assertEqual(plugin.count(JULIET), 2)
        first, second = self.wait(plugin.list(JULIET))
        self.assertEqual((first.message.id, second.message.id), ("1", "2"))
        self.assertEqual([m.message.id for m in self.wait(plugin.list(JULIET, limit=1))], ["1"])
        self.assertEqual([m.message.id for m in self.wait(plugin.list(JULIET, after=first))], ["2"])
        self.assertEqual(self.wait(plugin.purge(JULIET)), 2)
        self.assertEqual((plugin.count(JULIET), self.stored()), (0, 0))

    def test_operations(self) -> None:
        self.romeo.send(message("1"))
        counted = self.operate("offline", "offline count", account="juliet@example.org")
        self.assertEqual((counted["account"], counted["messages"]), ("juliet@example.org", 1))
        self.assertEqual(
            self.operate("offline", "offline purge", account="juliet@example.org"), "Threw away 1 message."
        )
        self.assertEqual(self.operate("offline", "offline count", account="juliet@example.org")["octets"], 0)
        for name in ("offline count", "offline purge"):
            self.refuse_to_operate("offline", name, account="nobody@example.org")

    def test_deleted_account(self) -> None:
        self.romeo.send(message("1"))
        self.delete_account("juliet@example.org")
        self.assertEqual((self.stored(), self.plugin("offline").count(JULIET)), (0, 0))
