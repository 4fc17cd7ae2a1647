"""Gateways: what users can't do by registering, by presence, and by being somebody else."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred

from tests.api.test_gateway import AIM, ERROR, REGISTER, ROMEO, Aim, AimTestCase
from tests.api.test_gateway_queue import RECEIPT, WANTED, PagerTestCase
from tests.api.test_gateway_queue import REGISTER as PAGER_REGISTER
from xmppd.api import Jid, StorageUnavailable
from xmppd.api.gateway import TryAgain

NURSE = f"nurse@{AIM}"


class LimitsStayTests(PagerTestCase):
    config = {"pager": {"per_day": 2}}

    def again(self) -> None:
        self.romeo.send(PAGER_REGISTER.format("<remove/>"))
        self.pump()
        self.romeo.send(PAGER_REGISTER.format(""))
        self.pump()
        self.romeo.clear()

    def test_registering_anew(self) -> None:
        """What was used up is used up, however often somebody registers."""
        self.send("a", "b")
        self.again()
        self.send("c")
        self.expect_error("c", "wait", "policy-violation")
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.romeo.clear()
        self.send("d")
        self.expect_error("d", "wait", "policy-violation")

    def test_deleted_accounts(self) -> None:
        self.send("a", "b")
        self.pump()
        self.wait(self.host.delete_account(Jid.parse("romeo@example.org")))
        self.pump()
        self.assertEqual((self.rows("usage"), self.rows("users")), (0, 0))
        self.assertEqual(self.pager.quota.used("romeo@example.org"), (0, 0))

    def test_retry(self) -> None:
        """A user has been logged in again: only what they have sent is tried."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send(PAGER_REGISTER.format(""))
        self.pager.does.update(a=TryAgain("not logged in"), b=TryAgain("not logged in"))
        self.send("a")
        juliet.send("<message to='nurse@pager.example.org' id='b'><body>b</body></message>")
        self.assertEqual(self.bodies(), ["a", "b"])
        self.pager.retry(Jid.parse("juliet@example.org"))
        self.assertEqual(self.bodies(), ["b"])
        self.pager.retry()
        self.assertEqual(self.bodies(), ["a", "b"])

    def test_a_receipt_with_a_text(self) -> None:
        received = "<received xmlns='urn:xmpp:receipts' id='1'/>"
        self.romeo.send(f"<message to='nurse@pager.example.org' id='m'><body>hi</body>{received}</message>")
        self.assertEqual(self.bodies(), ["hi"])


class TurnsTests(PagerTestCase):
    def test_turns(self) -> None:
        """Whoever writes to many contacts, where it takes long, doesn't keep others waiting until all have it."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send(PAGER_REGISTER.format(""))
        waiting: dict[str, Deferred[None]] = {str(number): Deferred() for number in range(6)}
        self.pager.does.update(waiting)
        for number in waiting:
            self.romeo.send(f"<message to='x{number}@pager.example.org'><body>{number}</body></message>")
        juliet.send("<message to='nurse@pager.example.org'><body>quick</body></message>")
        self.assertEqual(self.bodies(), ["0", "1"])
        waiting["0"].callback(None)
        self.assertEqual(self.bodies()[:2], ["2"])
        waiting["1"].callback(None)
        self.assertEqual(self.bodies(), ["quick", "3"])
        for number in "2345":
            waiting[number].callback(None)
        self.assertEqual((self.bodies(), self.rows("queue")), (["4", "5"], 0))


class NamesTests(PagerTestCase):
    def test_names_that_are_none(self) -> None:
        """A message that was sent is not sent again because of what `outgoing` returns."""
        for number, what in enumerate(("\ud800", ["a", "\ud800"], object(), 5.5)):
            self.pager.does[str(number)] = what
            self.send(str(number))
            self.pump(100)
            self.assertEqual((self.bodies(), self.rows("queue"), self.rows("reports")), ([str(number)], 0, 0), what)
        self.assertEqual(len(self.flushLoggedErrors()), 4)

    def test_numbers(self) -> None:
        for id, name in (("a", 17), ("b", [18, "19"])):
            self.pager.does["hi"] = name
            self.romeo.send(WANTED.format(id))
            self.pump(1)
        for name in (17, 18, 19):
            self.wait(self.pager.delivered(name))
        self.romeo.expect(RECEIPT.format("a"), RECEIPT.format("b"))


class Slow(Aim):
    """Asks the network about who registers, and about contacts."""

    name = "aim"
    network_answers: Deferred[None] | None = None

    async def register(self, user: Jid, values: Mapping[str, str]) -> Mapping[str, str] | None:
        if values["password"] == "slow":
            type(self).network_answers = waiting = Deferred[None]()
            await waiting
        return await super().register(user, values)

    async def contact_added(self, user: Jid, contact: str) -> None:
        if contact.startswith("slow"):
            answers = type(self).network_answers or Deferred[None]()
            type(self).network_answers = answers
            waiting = Deferred[None]()
            answers.addCallback(waiting.callback)
            await waiting
        await super().contact_added(user, contact)


class UserTests(AimTestCase):
    plugins = ("roster", "presence", Slow)
    config = {"aim": {"domain": AIM, "contacts": 1}}

    def setUp(self) -> None:
        super().setUp()
        Slow.network_answers = None

    def answer(self) -> None:
        answers, Slow.network_answers = Slow.network_answers, None
        assert answers is not None
        answers.callback(None)
        self.pump()

    def test_unavailable_to_a_contact(self) -> None:
        """Whoever ends a contact's subscription is unavailable to that contact (RFC 6121 3.2), and not to others."""
        self.log_in()
        self.romeo.send(f"<presence to='{NURSE}'/>")
        self.happened()
        self.romeo.send(f"<presence to='{NURSE}' type='unavailable'/>")
        self.assertEqual(self.happened(), [("unavailable", "nurse", None)])
        self.romeo.expect_nothing()
        self.romeo.send(f"<presence to='{AIM}' type='unavailable'/>")
        self.assertIn(("offline", ROMEO), self.happened())

    def test_presence_to_a_contact_only(self) -> None:
        self.register()
        self.happened()
        self.romeo.send(f"<presence to='{NURSE}'/>")
        self.assertIn(("online", ROMEO), self.happened())
        self.assertEqual(list(self.plugin("aim").online_users), [ROMEO])
        self.romeo.send(f"<presence to='{NURSE}' type='unavailable'/>")
        self.assertIn(("offline", ROMEO), self.happened())
        self.assertEqual(list(self.plugin("aim").online_users), [])

    def test_an_account_deleted_while_it_is_registered(self) -> None:
        self.romeo.send(REGISTER.format("<username>Romeo</username><password>slow</password>"))
        self.pump()
        self.wait(self.host.delete_account(ROMEO))
        self.answer()
        self.assertEqual(self.plugin("aim").registrations, {})

    def test_contacts_at_the_same_time(self) -> None:
        """The option ``contacts``."""
        self.log_in()
        phone = self.login("romeo@montague.lit/phone")
        self.romeo.send(f"<presence to='slow1@{AIM}' type='subscribe'/>")
        phone.send(f"<presence to='slow2@{AIM}' type='subscribe'/>")
        self.pump()
        self.answer()
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), ["slow1"])

    def test_a_contact_that_could_not_be_stored(self) -> None:
        """It is tried to store it again, so that it is there after a restart, too."""
        self.log_in()
        aim = self.plugin("aim")
        self.disk.broken = "full"
        self.assertRaises(StorageUnavailable, self.wait, aim.members.add_contact(ROMEO, "nurse"))
        self.disk.broken = None
        self.wait(aim.members.add_contact(ROMEO, "nurse"))
        self.disk.broken = "full"
        self.assertRaises(StorageUnavailable, self.wait, aim.members.remove_contact(ROMEO, "nurse"))
        self.disk.broken = None
        self.assertEqual(list(aim.contacts(ROMEO)), ["nurse"])
        self.kill()
        self.assertEqual(list(self.plugin("aim").contacts(ROMEO)), ["nurse"])

    def test_long_values(self) -> None:
        long = f"<username>{'x' * 1001}</username><password>x</password>"
        self.romeo.send(REGISTER.format(long))
        self.romeo.expect(f"<iq type='error'>{ERROR.format('modify', 'not-acceptable')}</iq>")


class DevicesTests(AimTestCase):
    config = {"aim": {"domain": AIM, "users": ["*"]}}

    def test_many_devices(self) -> None:
        """A server can make up as many as it likes."""
        remote = self.remote("capulet.example")
        remote.send(
            f"<iq from='juliet@capulet.example/1' to='{AIM}' type='set' id='r'><query xmlns='jabber:iq:register'>"
            "<username>J</username><password>x</password></query></iq>"
        )
        self.pump()
        for number in range(110):
            remote.send(f"<presence from='juliet@capulet.example/{number}' to='{AIM}'/>")
        self.pump()
        self.assertEqual(len(self.plugin("aim").presences.devices(Jid.parse("juliet@capulet.example"))), 100)
