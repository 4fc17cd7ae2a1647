"""Gateways: users who leave, log out or are deleted while something of theirs is under way."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import text
from twisted.internet.defer import Deferred

from tests.api.test_gateway import AIM, REGISTER, ROMEO, Aim, AimTestCase
from tests.api.test_gateway_queue import REGISTER as PAGER_REGISTER
from tests.api.test_gateway_queue import PagerTestCase
from tests.plugins.mail import FRIAR, MailTestCase
from tests.plugins.mail import REGISTER as MAIL_REGISTER
from xmppd.api import Condition, Jid, Presence, StanzaError
from xmppd.testing import ServerTestCase


class SendingTests(PagerTestCase):
    def test_sent_when_the_sender_has_gone(self) -> None:
        """Reports on it are not waited for: nothing is kept of it."""
        sending: Deferred[str] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        self.romeo.send(PAGER_REGISTER.format("<remove/>"))
        self.pump()
        sending.callback("p1")
        self.pump()
        self.assertEqual((self.rows("queue"), self.rows("reports")), (0, 0))

    def test_gone_when_an_attempt_begins(self) -> None:
        """A gateway is asked to send for who is registered only: it may need what they have filled in."""
        self.disk.stopped = True
        self.send("a")
        self.disk.let()
        self.pump()
        removing = Deferred.fromCoroutine(self.pager.remove_user(Jid.parse("romeo@example.org")))
        self.disk.go_on()
        self.wait(removing)
        self.assertEqual((self.bodies(), self.rows("queue"), self.pager.queue.length), ([], 0, 0))


class Slow(Aim):
    """Takes its time to log in, and to add contacts."""

    name = "aim"
    pending: Deferred[None] | None = None

    async def _wait(self) -> None:
        type(self).pending = waiting = Deferred[None]()
        await waiting

    async def online(self, user: Jid) -> None:
        await super().online(user)
        await self._wait()

    async def contact_added(self, user: Jid, contact: str) -> None:
        await self._wait()


class LoggingInTests(AimTestCase):
    plugins = ("roster", "presence", Slow)

    def setUp(self) -> None:
        super().setUp()
        Slow.pending = None
        self.register()
        self.phone = self.login("romeo@montague.lit/phone")
        self.phone.clear()
        self.happened()
        self.romeo.send(f"<presence to='{AIM}'/>")
        self.pump()

    def answer(self, error: Exception | None = None) -> None:
        pending, Slow.pending = Slow.pending, None
        assert pending is not None
        if error is None:
            pending.callback(None)
        else:
            pending.errback(error)
        self.pump()

    def logins(self) -> list[str]:
        return [one[0] for one in self.happened() if one[0] in ("online", "offline")]

    def test_a_second_device(self) -> None:
        """It is told that the gateway is there when it is."""
        self.phone.send(f"<presence to='{AIM}'/>")
        self.phone.expect_nothing()
        self.answer()
        self.phone.send("<presence/>")
        self.assertEqual(self.logins(), ["online"])
        self.assertEqual(len(self.plugin("aim").presences.devices(ROMEO)), 2)

    def test_left_meanwhile(self) -> None:
        """Who has left before they were logged in is logged out then, and not before."""
        receive = self.plugin("aim").presences.receive
        to = self.plugin("aim").jid
        self.wait(receive(Presence(to, Jid.parse("romeo@montague.lit/orchard"), type="unavailable")))
        self.phone.clear()
        self.assertEqual(self.logins(), ["online"])
        self.answer()
        self.assertEqual(self.logins(), ["offline"])
        self.phone.expect_nothing()

    def test_came_back_meanwhile(self) -> None:
        self.romeo.close()
        self.phone.send(f"<presence to='{AIM}'/>")
        self.answer()
        self.assertEqual(self.logins(), ["online"])
        self.assertEqual(list(self.plugin("aim").online_users), [ROMEO])

    def test_failed(self) -> None:
        self.answer(StanzaError(Condition.REMOTE_SERVER_TIMEOUT))
        self.phone.send(f"<presence to='{AIM}'/>")
        self.answer()
        self.assertEqual(self.logins(), ["online", "online"])

    def test_unregistered_while_a_contact_is_added(self) -> None:
        self.answer()
        self.romeo.send(f"<presence to='nurse@{AIM}' type='subscribe'/>")
        self.pump()
        phone = self.login("romeo@montague.lit/tablet")
        phone.send(REGISTER.format("<remove/>"))
        self.pump()
        self.answer()
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), [])


class OtherHosts(ServerTestCase):
    plugins: ClassVar = ("roster", "presence", Aim)
    hosts: ClassVar = {
        "montague.lit": {"aim": {"domain": AIM, "users": ["Capulet.lit"]}},
        "capulet.lit": {"plugins": ["-*", "roster"]},
    }

    def test_deleted_there(self) -> None:
        """Nothing is kept for whoever gets the name next."""
        juliet = self.login("juliet@capulet.lit/balcony")
        juliet.send(REGISTER.format("<username>J</username><password>x</password>"))
        self.pump()
        self.assertEqual(list(self.plugin("aim").registrations), ["juliet@capulet.lit"])
        self.wait(self.host.delete_account(Jid.parse("juliet@capulet.lit")))
        self.restart()  # what a gateway needs for that may not be there before it has started
        self.pump(3600, step=60)
        self.assertEqual(list(self.plugin("aim").registrations), [])


class Mails(MailTestCase):
    def test_a_mail_that_waits_for_the_disk(self) -> None:
        """No address is made for who has gone meanwhile, and no mail is sent."""
        self.disk.stopped = True
        self.romeo.send(f"<message to='{FRIAR}' type='chat'><body>a</body></message>")
        self.pump()
        self.disk.let()  # the message
        self.pump()
        juliet = self.plugin("email")
        removing = Deferred.fromCoroutine(juliet.remove_user(Jid.parse("romeo@example.org")))
        self.disk.go_on()
        self.wait(removing)
        self.pump(5)
        with self.server.engines.read.connect() as connection:
            for table in ("email_addresses", "email_threads", "email_reports", "email_queue"):
                self.assertEqual(connection.scalar(text(f"SELECT count(*) FROM {table}")), 0, table)
        self.assertEqual(self.smarthost.mails, [])
        self.romeo.clear()
        self.romeo.send(MAIL_REGISTER.format(""))
        self.romeo.expect("<iq type='result'/>", "<presence type='subscribe'/>")
