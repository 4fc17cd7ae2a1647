"""What plugins know of sessions is known again when these are restored after the server was killed (XEP-0198 5)."""

from __future__ import annotations

from typing import ClassVar

from tests.plugins.managed import SM, ManagedTestCase
from xmppd.api import Subscription
from xmppd.testing import Client
from xmppd.wire.jid import Jid

ROSTER = "jabber:iq:roster"
LAST = "jabber:iq:last"
BLOCKING = "urn:xmpp:blocking"
PHONE = "juliet@example.org/phone"


class RestoredTestCase(ManagedTestCase):
    """Juliet's phone, which Romeo sees, and which is there when the server is killed."""

    plugins: ClassVar[tuple[str, ...]] = ("roster", "presence", "blocking", "last", "announce")

    def setUp(self) -> None:
        super().setUp()
        for a, b in (("juliet", "romeo"), ("romeo", "juliet")):
            self.account(f"{a}@example.org")
            contact = Jid.parse(f"{b}@example.org")
            self.wait(self.plugin("roster").put(Jid.parse(f"{a}@example.org"), contact, subscription=Subscription.BOTH))
        self.phone, self.previd = self.enabled(PHONE)

    def killed(self) -> None:
        """Kill the server when it has done what it was about to."""
        self.pump()
        self.seen = self.sent(PHONE)
        self.kill()

    def _start(self) -> None:
        self.room = self.remote("rooms.example.com")
        super()._start()

    def back(self) -> Client:
        return self.resumed(PHONE, self.previd, self.seen)


class Rosters(RestoredTestCase):
    def test_pushes_go_on(self) -> None:
        for asked in (False, True):
            with self.subTest(asked=asked):
                if asked:
                    self.phone.send(f"<iq type='get' id='r'><query xmlns='{ROSTER}'/></iq>")
                self.killed()
                desk = self.login("juliet@example.org/desk")
                desk.send(
                    f"<iq type='set' id='s'><query xmlns='{ROSTER}'><item jid='nurse{asked}@example.com'/></query></iq>"
                )
                self.phone = self.back()
                self.assertEqual("nurse" in "".join(self.phone.received), asked)
                self.phone.clear()
                desk.close()

    def test_killed_between_the_result_and_the_changes(self) -> None:
        desk = self.login("juliet@example.org/desk")
        desk.send(f"<iq type='get' id='r'><query xmlns='{ROSTER}'/></iq>")
        ver = desk.received[-1].partition("ver='")[2].partition("'")[0]
        desk.send(f"<iq type='set' id='s'><query xmlns='{ROSTER}'><item jid='nurse@example.com'/></query></iq>")
        desk.close()
        self.disk.stopped = True
        self.phone.send(f"<iq type='get' id='g'><query xmlns='{ROSTER}' ver='{ver}'/></iq>")
        self.phone.expect_nothing()
        self.disk.let(1)
        self.phone.expect("<iq type='result' id='g'/>")
        self.phone.expect_nothing()
        self.killed()
        phone = self.back()
        phone.expect(
            f"<iq type='set'><query xmlns='{ROSTER}' ver='{{any}}'>"
            "<item jid='nurse@example.com' subscription='none'/></query></iq>",
        )


class Presences(RestoredTestCase):
    def test_contacts(self) -> None:
        self.killed()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/>")
        romeo.expect_all("<presence from='{romeo}'/>", f"<presence from='{PHONE}'/>")
        romeo.send(f"<presence type='probe' to='{PHONE}'/>")
        romeo.expect(f"<presence from='{PHONE}'/>")
        phone = self.back()
        phone.expect("<presence from='romeo@example.org/orchard'/>")
        phone.send("<presence><show>away</show></presence>")
        romeo.expect(f"<presence from='{PHONE}'><show>away</show></presence>")
        romeo.expect_nothing()

    def test_contacts_are_told_when_it_is_not_resumed(self) -> None:
        self.killed()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.expect_nothing()
        self.pump(100_000, 3600)
        romeo.expect(f"<presence type='unavailable' from='{PHONE}'/>")

    def test_directed_presence(self) -> None:
        """RFC 6121 4.6: to rooms, for example; it is taken back when the session ends for good."""
        for nick in ("a", "b", "c"):
            self.phone.send(f"<presence to='{nick}@rooms.example.com/juliet'/>")
        self.phone.send("<presence to='a@rooms.example.com/juliet'><show>away</show></presence>")
        self.phone.send("<presence to='b@rooms.example.com/juliet' type='unavailable'/>")
        self.room.clear()
        for _ in range(2):
            self.killed()
            self.room.expect_nothing()
        self.room.send(f"<presence type='probe' from='a@rooms.example.com/juliet' to='{PHONE}'/>")
        self.room.expect(f"<presence from='{PHONE}' to='a@rooms.example.com/juliet'/>")
        self.room.send(f"<presence type='probe' from='b@rooms.example.com/juliet' to='{PHONE}'/>")
        self.room.expect("<presence type='unsubscribed' from='juliet@example.org' to='b@rooms.example.com'/>")
        # One that throws the user out needs not be told.
        self.room.send(f"<presence type='unavailable' from='c@rooms.example.com/juliet' to='{PHONE}'/>")
        self.pump(100_000, 3600)
        self.room.expect(f"<presence type='unavailable' from='{PHONE}' to='a@rooms.example.com/juliet'/>")
        self.room.expect_nothing()

    def test_directed_presence_of_a_session_that_cannot_be_resumed(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        romeo.send("<presence/><presence to='a@rooms.example.com/romeo'/>")
        self.room.clear()
        self.phone.clear()
        self.killed()
        self.pump(5)
        self.assertEqual(self.host.sessions(Jid.parse("romeo@example.org")), ())
        phone = self.back()
        phone.expect("<presence type='unavailable' from='romeo@example.org/orchard'/>")
        self.room.expect("<presence type='unavailable' to='a@rooms.example.com/romeo'/>")

    def test_after_it_has_ended_nothing_is_left(self) -> None:
        self.phone.send("<presence to='a@rooms.example.com/juliet'/>")
        self.phone.close()
        self.pump()
        self.kill()
        self.assertEqual(self.host.sessions(Jid.parse("juliet@example.org")), ())
        self.assertEqual(self.plugin("presence")._directed._recipients, {})


class DirectedLimit(RestoredTestCase):
    config = {"presence": {"directed": 2}}

    def test_the_limit_counts_what_was_there(self) -> None:
        self.phone.send("<presence to='a@rooms.example.com/juliet'/>")
        self.killed()
        phone = self.back()
        for name in ("b", "c"):
            phone.send(f"<presence to='{name}@rooms.example.com/juliet'/>")
        phone.expect("<presence type='error' from='c@rooms.example.com/juliet'>{...}</presence>")
        phone.expect_nothing()


class Others(RestoredTestCase):
    def test_block_list(self) -> None:
        """XEP-0191 3.2: who has asked for the list is told of changes."""
        self.phone.send(f"<iq type='get' id='b'><blocklist xmlns='{BLOCKING}'/></iq>")
        self.killed()
        desk = self.login("juliet@example.org/desk")
        block = f"<block xmlns='{BLOCKING}'><item jid='tybalt@example.com'/></block>"
        desk.send(f"<iq type='set' id='b'>{block}</iq>")
        desk.expect("<iq type='result' id='b'/>")
        self.back().expect(f"<iq type='set'>{block}</iq>")

    def test_last_activity(self) -> None:
        """XEP-0012 3: who is available was never away, whether the client has its connection at the moment or not."""
        romeo = self.login("romeo@example.org/orchard")
        self.phone.disconnect()
        self.pump(60)
        ask = f"<iq type='get' id='l' to='juliet@example.org'><query xmlns='{LAST}'/></iq>"
        romeo.send(ask)
        romeo.expect(f"<iq type='result' id='l'><query xmlns='{LAST}' seconds='0'/></iq>")
        self.kill()
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(ask)
        romeo.expect(f"<iq type='result' id='l'><query xmlns='{LAST}' seconds='0'/></iq>")

    def test_the_status_that_was_left(self) -> None:
        self.phone.send("<presence type='unavailable'><status>Good night</status></presence>")
        self.killed()
        self.pump(100_000, 3600)
        self.assertIsNone(self.host.session(Jid.parse(PHONE)))
        romeo = self.login("romeo@example.org/orchard")
        romeo.send(f"<iq type='get' id='l' to='juliet@example.org'><query xmlns='{LAST}'/></iq>")
        romeo.expect(f"<iq type='result' id='l'><query xmlns='{LAST}' seconds='{{any}}'>Good night</query></iq>")

    def test_message_of_the_day(self) -> None:
        """Once for everybody, and not for each time a session is restored or resumed."""
        self.wait(self.plugin("announce").motd_set("Welcome", later=True))
        self.phone.send("<presence type='unavailable'/><presence/>")
        self.pump()
        self.assertEqual("".join(self.phone.received).count("Welcome"), 1)
        self.killed()
        phone = self.back()
        phone.send("<presence><show>away</show></presence>")
        self.assertNotIn("Welcome", "".join(phone.received))
        phone.disconnect()
        self.wait(self.plugin("announce").motd_set("Again"))
        self.pump()
        self.assertEqual(self.resumed(PHONE, self.previd, self.seen).received[-2].count("Again"), 1)


class LogIns(RestoredTestCase):
    plugins = ("roster", "presence", "disco", "adhoc", "admin_commands")

    def test_a_restored_session_is_no_log_in(self) -> None:
        self.pump(100)
        self.login("juliet@example.org/desk")
        self.pump(100)
        at = self.wait(self.plugin("admin_commands")._logins.last(Jid.parse("juliet@example.org")))
        self.killed()
        self.pump(100)
        again = self.wait(self.plugin("admin_commands")._logins.last(Jid.parse("juliet@example.org")))
        self.assertEqual(again, at)


class Guests(ManagedTestCase):
    """XEP-0175: another log-in is another guest's, so nobody can resume the session of one."""

    plugins = ("anonymous", "private")
    hosts = {"example.org": {"mechanisms": ["PLAIN", "ANONYMOUS"]}}

    def setUp(self) -> None:
        super().setUp()
        self.guest = self.connect()
        self.guest.open()
        self.guest.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
        self.guest.clear()
        self.guest.open()
        self.guest.bind()
        self.guest.send(f"<enable xmlns='{SM}' resume='true'/>")
        self.guest.send("<iq type='set' id='p'><query xmlns='jabber:iq:private'><x xmlns='x:prefs'/></query></iq>")
        self.guest.clear()
        self.assertEqual(self.stored(), 1)

    def stored(self) -> int:
        [table] = self.plugin("private").tables
        return len(self.wait(self.server.server.db.read(lambda c: c.execute(table.select()).all())))

    def test_a_lost_connection_is_the_end(self) -> None:
        self.guest.disconnect()
        self.pump(1)
        self.assertEqual(self.host.all_sessions(), ())
        self.assertEqual(self.stored(), 0)

    def test_so_is_a_server_that_was_killed(self) -> None:
        self.kill()
        self.pump(1)
        self.assertEqual(self.host.all_sessions(), ())
        self.assertEqual(self.stored(), 0)
