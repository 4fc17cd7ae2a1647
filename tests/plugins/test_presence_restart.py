"""After a restart of the server: what sessions that go on, and contacts elsewhere, believe of each other."""

from __future__ import annotations

from twisted.internet.defer import fail

from tests.plugins.test_presence_repairs import JULIET, NET, ORCHARD, PARIS, ROMEO, RepairTestCase
from xmppd.api import ServerReachable, StorageUnavailable, Subscription

PHONE = "romeo@example.org/phone"
RENEWED = (
    f"<presence from='{PHONE}' to='juliet@example.net'><show>away</show></presence>",
    "<presence type='probe' from='romeo@example.org' to='juliet@example.net'/>",
)


class Restored(RepairTestCase):
    """Romeo's phone, whose session goes on (XEP-0198 5)."""

    def setUp(self) -> None:
        super().setUp()
        self.phone, self.previd = self.enabled(PHONE)
        self.phone.send("<presence><show>away</show></presence>")
        for resource in ("balcony", "chamber"):
            self.shows(self.net, f"juliet@example.net/{resource}")
        self.quiet(self.phone)

    def test_presence_is_sent_again_and_asked_for(self) -> None:
        for end in (self.restart, self.kill):
            with self.subTest(end=end.__name__):
                self.pump()
                end()
                self.pump(4)
                self.net.expect_nothing()
                self.pump(2)
                self.net.expect(*RENEWED)
                self.net.expect_nothing()
                self.assertEqual(len(self.com.received), 2)

    def test_not_of_who_is_not_available(self) -> None:
        self.phone.send("<presence type='unavailable'/>")
        self.pump()
        self.kill()
        self.quiet()
        self.pump(10)
        self.net.expect_nothing()

    def test_not_to_whom_it_is_not_shown(self) -> None:
        self.phone.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='juliet@example.net'/></block></iq>"
        )
        self.pump()
        self.kill()
        self.pump(10)
        self.assertEqual(self.net.received, [])

    def test_contacts_here_are_none_of_its_business(self) -> None:
        for contact in (JULIET, PARIS):
            self.put(contact, Subscription.NONE)
        self.account("nurse@example.org")
        self.pump()
        self.kill()
        self.pump(10)
        self.assertEqual(self.net.received + self.com.received, [])

    def test_who_has_left_meanwhile(self) -> None:
        """After a stop in good order it is known who was there."""
        self.pump()
        seen = self.sent(PHONE)
        self.restart()
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 2)
        self.pump(6)
        self.shows(self.net, "juliet@example.net/chamber")
        self.pump(10)
        phone = self.resumed(PHONE, self.previd, seen)
        phone.expect(
            "<presence from='juliet@example.net/chamber'/>",
            "<presence type='unavailable' from='juliet@example.net/balcony' to='romeo@example.org'/>",
        )
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 1)

    def test_the_database_can_not_be_read(self) -> None:
        self.pump()
        self.kill()
        read = self.patch(self.host.db, "read", lambda fn: fail(StorageUnavailable("it is gone")))
        self.pump(6)
        self.net.expect_nothing()
        self.shows(self.net, "juliet@example.net/balcony")
        self.net.expect_nothing()
        read.restore()
        self.host.notify(ServerReachable(NET))
        self.pump(1, step=0.1)
        self.net.expect(*RENEWED)

    def test_the_plugin_is_loaded_anew(self) -> None:
        self.wait(self.host.registry.reload("presence"))
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 2)
        self.assertNotIn("abroad", self.host.all_sessions()[0].state)

    def test_two_devices_know_the_same(self) -> None:
        self.enabled("romeo@example.org/tablet")
        self.pump()
        self.restart()
        self.assertEqual(len(self.plugin("presence").devices(ROMEO, JULIET)), 2)
        self.assertEqual(sum("abroad" in session.state for session in self.host.all_sessions()), 0)

    def test_a_server_that_is_gone_since(self) -> None:
        self.pump()
        seen = self.sent(PHONE)
        self.restart()
        self.lose()
        phone = self.resumed(PHONE, self.previd, seen)
        phone.expect_all(
            *(
                f"<presence type='unavailable' from='juliet@example.net/{r}'>{{...}}</presence>"
                for r in ("balcony", "chamber")
            )
        )


class Ghosts(RepairTestCase):
    def test_contacts_elsewhere_are_told_of_sessions_that_do_not_go_on(self) -> None:
        self.come()
        self.pump()
        self.kill()
        self.pump(1, step=0.1)
        for remote, contact in ((self.net, JULIET), (self.com, PARIS)):
            remote.expect(f"<presence type='unavailable' from='{ORCHARD}' to='{contact}'/>")
            remote.expect_nothing()

    def test_and_again_if_it_can_not_be_told(self) -> None:
        self.come()
        self.pump()
        self.kill()
        self.pump(1, step=0.1)
        self.lose()
        self.quiet()
        self.find()
        self.net.expect(f"<presence type='unavailable' from='{ORCHARD}' to='{JULIET}'/>")

    def test_a_stop_takes_leave(self) -> None:
        self.come()
        self.restart()
        self.pump(10)
        self.net.expect_nothing()  # the one of before has got it
        self.assertEqual(self.plugin("presence").devices(ROMEO, JULIET), [])
