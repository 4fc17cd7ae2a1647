"""Gateways: messages in both directions, none of which is lost, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from twisted.internet.defer import Deferred

from xmppd.api import Condition, Jid, OperationError, StanzaError
from xmppd.api.gateway import Gateway, Outgoing, RegistrationField, TryAgain
from xmppd.api.operations import operations_of
from xmppd.api.waiting import as_deferred
from xmppd.testing import ServerTestCase

ROMEO, PAGER = Jid.parse("romeo@example.org"), "pager.example.org"
REGISTER = f"<iq type='set' to='{PAGER}' id='r'><query xmlns='jabber:iq:register'>{{}}</query></iq>"
MESSAGE = f"<message to='{{}}@{PAGER}' type='chat' id='{{}}'><body>{{}}</body></message>"
ERROR = "<error type='{}'><{} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{{...}}</error>"
RECEIPT = f"<message from='nurse@{PAGER}' type='chat'><received xmlns='urn:xmpp:receipts' id='{{}}'/></message>"
WANTED = MESSAGE.format("nurse", "{}", "hi").replace("</message>", "<request xmlns='urn:xmpp:receipts'/></message>")


class Pager(Gateway):
    """A network that does what a test says."""

    network = "pager"
    title = "Pager"
    receipts = True
    concurrency = 2
    fields = (RegistrationField("x-model", "Model", required=False),)
    #: What outgoing does with the text of a message: raise an error, wait for a Deferred, or return something.
    does: Mapping[str, Any] = {}

    async def start(self) -> None:
        await super().start()
        self.sent: list[Outgoing] = []
        self.told: list[Any] = []
        self.does = dict(type(self).does)

    async def outgoing(self, user: Jid, contact: str, message: Outgoing) -> str | Sequence[str] | None:
        self.sent.append(message)
        what = self.does.get(message.body)
        if isinstance(what, Exception):
            raise what
        if isinstance(what, Deferred):
            return await what
        return what

    def cost(self, user: Jid, contact: str, body: str) -> int:
        return len(body) // 10 + 1

    async def check(self, user: Jid, contact: str, message: Outgoing) -> None:
        if message.body == "forbidden":
            raise StanzaError(Condition.POLICY_VIOLATION)

    async def acknowledged(self, user: Jid, contact: str, id: str) -> None:
        self.told.append(("acknowledged", user, contact, id))

    async def refused(self, user: Jid, contact: str, id: str | None, error: StanzaError) -> None:
        self.told.append(("refused", user, contact, id, error.condition))


class PagerTestCase(ServerTestCase):
    plugins = ("roster", "presence", "offline", Pager)
    config = {"pager": {"retry_seconds": 10.0, "retry_max_seconds": 40.0}}

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.romeo.send(REGISTER.format(""))
        self.romeo.clear()

    @property
    def pager(self) -> Any:
        return self.plugin("pager")

    def bodies(self) -> list[str]:
        self.pump()
        found = [message.body for message in self.pager.sent]
        self.pager.sent.clear()
        return found

    def send(self, *bodies: str, to: str = "nurse") -> None:
        for body in bodies:
            self.romeo.send(MESSAGE.format(to, body, body))

    def expect_error(self, id: str, type_: str, condition: str, to: str = "nurse") -> None:
        error = ERROR.format(type_, condition)
        self.romeo.expect(f"<message type='error' id='{id}' from='{to}@{PAGER}'>{{...}}{error}</message>")

    def rows(self, table: str) -> int:
        with self.server.engines.read.connect() as connection:
            return int(connection.scalar(text(f"SELECT count(*) FROM pager_{table}")) or 0)


class OutgoingTests(PagerTestCase):
    def test_message(self) -> None:
        """XEP-0100, example 43."""
        self.send("Neither, fair saint, if either thee dislike.")
        self.pump()
        (sent,) = self.pager.sent
        self.assertEqual((sent.user, sent.contact, sent.tries, sent.uncertain), (ROMEO, "nurse", 0, False))
        self.assertEqual(sent.message.sender, "romeo@example.org/orchard")
        self.assertEqual((self.rows("queue"), self.pager.queue.length), (0, 0))
        self.romeo.expect_nothing()

    def test_parts_of_messages(self) -> None:
        self.romeo.send(
            f"<message to='nurse@{PAGER}' id='1'><subject>S</subject><thread>T</thread><body>B</body></message>"
        )
        self.pump()
        (sent,) = self.pager.sent
        self.assertEqual((sent.subject, sent.thread, sent.body, sent.wants_receipt), ("S", "T", "B", False))
        self.assertEqual(int(sent.key, 16), sent.number)

    def test_refusals(self) -> None:
        self.send("forbidden")
        self.expect_error("forbidden", "modify", "policy-violation")
        self.send("hi", to=r"\20")
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('cancel', 'item-not-found')}</message>")
        self.romeo.send(f"<message to='{PAGER}' id='1'><body>hi</body></message>")
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('cancel', 'service-unavailable')}</message>")
        self.romeo.send(f"<message to='nurse@{PAGER}' type='groupchat'><body>hi</body></message>")
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('cancel', 'service-unavailable')}</message>")
        self.romeo.send(
            f"<message to='nurse@{PAGER}'><body>OMEMO</body>"
            "<encrypted xmlns='eu.siacs.conversations.axolotl'/></message>"
        )
        self.romeo.expect(f"<message type='error'>{{...}}{ERROR.format('modify', 'not-acceptable')}</message>")
        self.romeo.send(
            f"<message to='nurse@{PAGER}'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        )
        self.romeo.expect_nothing()
        juliet = self.login("juliet@example.org/balcony")
        juliet.send(MESSAGE.format("nurse", 1, "hi"))
        juliet.expect(f"<message type='error'>{{...}}{ERROR.format('auth', 'registration-required')}</message>")
        self.assertEqual(self.bodies(), [])

    def test_failure_for_good(self) -> None:
        self.pager.does["a"] = StanzaError(Condition.ITEM_NOT_FOUND, text="no such number")
        self.send("a")
        self.expect_error("a", "cancel", "item-not-found")
        self.assertEqual((self.bodies(), self.rows("queue")), (["a"], 0))

    def test_failure_when_the_device_has_left(self) -> None:
        failing: Deferred[None] = Deferred()
        self.pager.does["a"] = failing
        self.send("a")
        self.romeo.close()
        failing.errback(StanzaError(Condition.ITEM_NOT_FOUND, text="no such number"))
        romeo = self.login("romeo@example.org/phone", presence=True)
        romeo.expect(
            f"<message from='nurse@{PAGER}' type='chat'>"
            "<body>Your message could not be delivered (no such number): a</body>{...}</message>"
        )

    def test_tried_again(self) -> None:
        """The options ``retry_seconds`` and ``retry_max_seconds``."""
        self.pager.does["a"] = TryAgain("busy")
        self.send("a", "b")
        self.send("c", to="friar")
        self.assertEqual(self.bodies(), ["a", "c"])  # b waits for a, and c for nobody
        for seconds in (10, 20, 40, 40):
            self.pump(seconds - 1)
            self.assertEqual(self.bodies(), [])
            self.pump(1)
            self.assertEqual(self.bodies(), ["a"])
        del self.pager.does["a"]
        self.pump(40)
        self.assertEqual(self.bodies(), ["a", "b"])

    def test_not_before(self) -> None:
        self.pager.does["a"] = TryAgain("slow down", after=100.0)
        self.send("a")
        self.pump(99)
        self.assertEqual(self.bodies(), ["a"])
        self.pump(1)
        self.assertEqual(self.bodies(), ["a"])

    def test_retry(self) -> None:
        self.pager.does["a"] = TryAgain("down")
        self.send("a")
        self.assertEqual(self.bodies(), ["a"])
        del self.pager.does["a"]
        self.pager.retry()
        self.assertEqual((self.bodies(), self.rows("queue")), (["a"], 0))

    def test_programming_errors(self) -> None:
        self.pager.does["a"] = ZeroDivisionError()
        self.send("a")
        self.pump()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.pager.does["a"]
        self.pump(10)
        first, second = self.pager.sent
        self.assertEqual((first.uncertain, second.uncertain, second.tries), (False, True, 1))

    def test_concurrency(self) -> None:
        waiting: list[Deferred[None]] = [Deferred() for _ in range(3)]
        for number, deferred in enumerate(waiting):
            self.pager.does[str(number)] = deferred
            self.send(str(number), to=f"friend{number}")
        self.assertEqual(self.bodies(), ["0", "1"])
        waiting[0].callback(None)
        self.assertEqual(self.bodies(), ["2"])
        waiting[1].callback(None)
        waiting[2].callback(None)
        self.pump()
        self.assertEqual(self.rows("queue"), 0)

    def test_note(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a")
        self.pump()
        self.wait(self.pager.note(self.pager.sent[0], "part 1 was sent"))
        self.pump(10)
        self.assertEqual([message.note for message in self.pager.sent], ["", "part 1 was sent"])

    def test_unregistering_deletes_what_waits(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a", "b")
        self.romeo.send(REGISTER.format("<remove/>"))
        self.pump(60)
        self.assertEqual((self.bodies(), self.rows("queue"), self.pager.queue.length), (["a"], 0, 0))
        self.assertEqual(self.rows("usage"), 2)  # limits don't end with a registration


class AttemptTests(PagerTestCase):
    """The option ``attempt_seconds``."""

    config = {"pager": {"attempt_seconds": 5.0, "retry_seconds": 10.0}}

    def test_an_attempt_that_hangs(self) -> None:
        self.pager.does["a"] = Deferred()
        self.send("a")
        self.pump(5)
        del self.pager.does["a"]
        self.pump(10)
        self.assertEqual([message.uncertain for message in self.pager.sent], [False, True])


class GiveUpTests(PagerTestCase):
    """The option ``give_up_hours``."""

    config = {"pager": {"give_up_hours": 0.01, "retry_seconds": 20.0}}

    def test_given_up(self) -> None:
        self.pager.does["a"] = TryAgain("nobody answers")
        self.send("a")
        self.pump(19)
        self.romeo.expect_nothing()
        self.pump(41)
        self.assertEqual(self.bodies(), ["a", "a", "a"])
        self.expect_error("a", "wait", "remote-server-timeout")
        self.assertEqual(self.rows("queue"), 0)


class KillTests(PagerTestCase):
    def test_killed_before_it_is_sent(self) -> None:
        """What was accepted is sent after all: here it was accepted while the network was down."""
        self.pager.does["a"] = TryAgain("down")
        self.send("a", "b")
        self.pump()
        self.kill()
        self.pump()
        self.assertEqual([(m.body, m.uncertain) for m in self.pager.sent], [("a", False), ("b", False)])
        self.assertEqual(self.rows("queue"), 0)

    def test_a_sender_who_has_gone(self) -> None:
        """A message is stored in the moment in which everything of its sender is deleted."""
        self.pager.does["a"] = TryAgain("busy")
        self.send("a")
        with self.server.engines.write.begin() as connection:
            connection.execute(text("DELETE FROM pager_users"))
        self.kill()
        self.pump()
        self.assertEqual((self.bodies(), self.rows("queue")), ([], 0))

    def test_a_row_that_is_broken(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a", "b")
        with self.server.engines.write.begin() as connection:
            first = "(SELECT min(number) FROM pager_queue)"
            connection.execute(text(f"UPDATE pager_queue SET header = 'x' WHERE number = {first}"))
        self.pump(60)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        self.assertEqual(self.bodies(), ["a"])

    def test_answers_wait_for_the_disk(self) -> None:
        """Also to the first message of all since the server was started."""
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard")
        self.disk.stopped = True
        self.send("a")
        self.romeo.send("<iq type='get' id='later'><query xmlns='jabber:iq:roster'/></iq>")
        self.romeo.expect_nothing()
        self.disk.go_on()
        self.romeo.expect("<iq type='result' id='later'>{any}</iq>")

    def test_still_uncertain(self) -> None:
        """If nobody knows whether it was sent, nobody knows it after another attempt."""
        self.pager.does["a"] = TryAgain("no answer", uncertain=True)
        self.send("a")
        self.pager.does["a"] = TryAgain("busy")
        self.pump(60)
        self.assertEqual([message.uncertain for message in self.pager.sent], [False, True, True])

    def test_killed_while_it_is_sent(self) -> None:
        self.pager.does["a"] = Deferred()
        self.send("a")
        self.assertEqual(self.bodies(), ["a"])
        self.kill()
        self.pump()
        (again,) = self.pager.sent
        self.assertEqual((again.body, again.tries, again.uncertain), ("a", 1, True))

    def test_stopped_while_it_is_sent(self) -> None:
        """An attempt gets some time to end."""
        sending: Deferred[None] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        stopping = self.host.registry.disable("pager")
        self.clock.callLater(5, sending.callback, None)
        self.wait(stopping, 20)
        self.assertEqual(self.rows("queue"), 0)

    def test_stopped_while_it_hangs(self) -> None:
        self.pager.does["a"] = Deferred()
        self.send("a")
        self.pump()
        self.restart()
        self.pump()
        self.assertEqual([message.uncertain for message in self.pager.sent], [True])

    def test_disk_full(self) -> None:
        """A message that can't be stored is not accepted, and one that was sent is not sent again."""
        sending: Deferred[None] = Deferred()
        self.pager.does["a"] = sending
        self.send("a")
        self.pump()
        self.disk.broken = "full"
        sending.callback(None)
        self.pump(20)
        self.disk.broken = None
        self.pump(20)
        self.assertEqual((self.bodies(), self.rows("queue")), (["a"], 0))


class ReportTests(PagerTestCase):
    def test_receipt(self) -> None:
        """XEP-0184, examples 1 to 4."""
        info = "http://jabber.org/protocol/disco#info"
        self.romeo.send(f"<iq type='get' to='nurse@{PAGER}' id='i'><query xmlns='{info}'/></iq>")
        self.romeo.expect(
            f"<iq type='result'><query xmlns='{info}'><identity category='account' type='registered'/>"
            f"<feature var='{info}'/><feature var='urn:xmpp:receipts'/></query></iq>"
        )
        self.pager.does["hi"] = "ref1"
        self.romeo.send(WANTED.format("m1"))
        self.pump()
        self.assertEqual((self.rows("queue"), self.rows("reports"), self.pager.queue.length), (1, 1, 0))
        self.romeo.expect_nothing()
        message = self.wait(self.pager.delivered("ref1"))
        self.assertEqual(message.body, "hi")
        self.romeo.expect(RECEIPT.format("m1"))
        self.assertEqual((self.rows("queue"), self.rows("reports")), (0, 0))

    def test_parts(self) -> None:
        self.pager.does["hi"] = ["1", "2", "2"]
        self.romeo.send(WANTED.format("m1"))
        self.pump()
        self.assertIsNone(self.wait(self.pager.delivered("2")))
        self.romeo.expect_nothing()
        self.wait(self.pager.delivered("1"))
        self.romeo.expect(RECEIPT.format("m1"))

    def test_failed(self) -> None:
        self.pager.does["hi"] = ["1", "2"]
        self.romeo.send(WANTED.format("m1"))
        self.pump()
        self.wait(self.pager.failed("2", StanzaError(Condition.RECIPIENT_UNAVAILABLE, text="switched off")))
        self.expect_error("m1", "wait", "recipient-unavailable")
        self.wait(self.pager.delivered("1"))
        self.romeo.expect_nothing()
        self.assertEqual((self.rows("queue"), self.rows("reports")), (0, 0))

    def test_a_report_that_is_early(self) -> None:
        answer: Deferred[str] = Deferred()
        self.pager.does["hi"] = answer
        self.romeo.send(WANTED.format("m1"))
        self.pump()
        self.assertIsNone(self.wait(self.pager.delivered("ref1")))
        answer.callback("ref1")
        self.romeo.expect(RECEIPT.format("m1"))

    def test_no_receipt_is_wanted(self) -> None:
        self.pager.does["hi"] = "ref1"
        self.send("hi")
        self.pump()
        self.wait(self.pager.delivered("ref1"))
        self.romeo.expect_nothing()
        self.assertEqual(self.rows("queue"), 0)

    def test_names_used_again(self) -> None:
        self.pager.does["hi"] = "ref1"
        for id in ("m1", "m2"):
            self.romeo.send(WANTED.format(id))
            self.pump()
        self.wait(self.pager.delivered("ref1"))
        self.romeo.expect(RECEIPT.format("m2"))

    def test_after_a_kill(self) -> None:
        self.pager.does["hi"] = "ref1"
        self.romeo.send(WANTED.format("m1"))
        self.pump()
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.romeo.clear()
        self.assertEqual(self.bodies(), [])
        self.wait(self.pager.delivered("ref1"))
        self.romeo.expect(RECEIPT.format("m1"))

    def test_a_report_that_never_comes(self) -> None:
        """The option ``report_days``."""
        self.pager.does["hi"] = "ref1"
        self.send("hi")
        self.pump(8 * 86400, step=1800)
        self.assertEqual((self.rows("queue"), self.rows("reports")), (0, 0))


class IncomingTests(PagerTestCase):
    def deliver(self, body: str, **more: Any) -> bool:
        return self.wait(self.pager.deliver(ROMEO, "nurse", body, **more))

    def test_message(self) -> None:
        """XEP-0100, example 51."""
        self.deliver("Art thou not Romeo, and a Montague?")
        self.romeo.expect(
            f"<message from='nurse@{PAGER}' to='{ROMEO}' type='chat'>"
            "<body>Art thou not Romeo, and a Montague?</body></message>"
        )

    def test_everything(self) -> None:
        self.deliver(
            "B", subject="S", thread="T", id="i1", sent_at=0.0, receipt=True, payload=b"<x xmlns='urn:example:x'/>"
        )
        self.romeo.expect(
            "<message id='i1' type='chat'><subject>S</subject><body>B</body><thread>T</thread>"
            "<request xmlns='urn:xmpp:receipts'/><x xmlns='urn:example:x'/>"
            f"<delay xmlns='urn:xmpp:delay' from='{PAGER}' stamp='1970-01-01T00:00:00Z'/></message>"
        )
        self.romeo.send(f"<message to='nurse@{PAGER}'><received xmlns='urn:xmpp:receipts' id='i1'/></message>")
        self.assertEqual(self.pager.told, [("acknowledged", ROMEO, "nurse", "i1")])

    def test_once(self) -> None:
        """The option ``repetition_days``."""
        self.assertTrue(self.deliver("a", key="k"))
        self.assertFalse(self.deliver("a", key="k"))
        self.kill()
        self.assertFalse(self.deliver("a", key="k"))
        self.pump(8 * 86400, step=1800)
        self.assertTrue(self.deliver("a", key="k"))

    def test_at_the_same_time(self) -> None:
        both = [as_deferred(self.pager.deliver(ROMEO, "nurse", "a", key="k")) for _ in range(2)]
        self.pump()
        self.assertEqual([self.successResultOf(one) for one in both], [True, False])

    def test_it_waits_for_the_disk(self) -> None:
        self.romeo.close()
        self.disk.stopped = True
        delivering = as_deferred(self.pager.deliver(ROMEO, "nurse", "a"))
        self.pump()
        self.assertNoResult(delivering)
        self.disk.go_on()
        self.pump()
        self.assertTrue(self.successResultOf(delivering))
        romeo = self.login("romeo@example.org/phone", presence=True)
        romeo.expect("<message type='chat'><body>a</body>{...}</message>")

    def test_strangers(self) -> None:
        with self.assertRaises(StanzaError):
            self.wait(self.pager.deliver(Jid.parse("juliet@example.org"), "nurse", "a"))

    def test_refused(self) -> None:
        error = ERROR.format("cancel", "gone").replace("{...}", "")
        self.romeo.send(f"<message to='nurse@{PAGER}' type='error' id='i1'><body>a</body>{error}</message>")
        self.assertEqual(self.pager.told, [("refused", ROMEO, "nurse", "i1", Condition.GONE)])


class LimitTests(PagerTestCase):
    """The options ``per_minute``, ``per_day``, ``per_month``, ``waiting`` and ``max_characters``."""

    config = {"pager": {"per_minute": 3, "per_day": 5, "per_month": 7, "waiting": 2, "max_characters": 25}}

    def test_minute(self) -> None:
        self.send("a", "b", "c", "d")
        self.expect_error("d", "wait", "policy-violation")
        self.pump(60)
        self.send("d")
        self.assertEqual(self.bodies(), ["a", "b", "c", "d"])

    def test_day_and_month(self) -> None:
        self.send("x" * 10, "x" * 20)  # they cost 2 and 3
        self.send("a")
        self.expect_error("a", "wait", "policy-violation")
        self.kill()
        self.romeo = self.login("romeo@example.org/orchard")
        self.send("a")
        self.expect_error("a", "wait", "policy-violation")
        self.assertEqual(self.pager.quota.used(str(ROMEO)), (5, 5))
        self.pump(86400, step=600)
        self.romeo = self.login("romeo@example.org/orchard")
        self.send("a", "b", "c")
        self.expect_error("c", "wait", "policy-violation")
        self.assertEqual(self.pager.quota.used(str(ROMEO)), (2, 7))
        self.assertEqual(self.rows("usage"), 2)

    def test_no_limit(self) -> None:
        options = {"per_day": 0, "per_month": 0, "per_minute": 100}
        self.wait(self.host.registry.reconfigure("pager", options))
        self.send(*(f"{n}" for n in range(20)))
        self.romeo.expect_nothing()

    def test_waiting(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a", "b", "c")
        self.expect_error("c", "wait", "resource-constraint")

    def test_length(self) -> None:
        self.send("x" * 26)
        self.expect_error("x" * 26, "modify", "not-acceptable")


class DomainTests(PagerTestCase):
    def test_another_domain(self) -> None:
        """What is stored belongs to the gateway's address."""
        self.wait(self.host.registry.reconfigure("pager", {"domain": "other.example.org"}))
        self.assertEqual(dict(self.pager.registrations), {})
        self.wait(self.host.registry.reconfigure("pager", {}))
        self.assertEqual(list(self.pager.registrations), [ROMEO])


class OperationTests(PagerTestCase):
    def operate(self, name: str, **arguments: Any) -> Any:
        chosen = next(o for o in operations_of(self.pager) if o.name == name)
        return self.wait(chosen.run(arguments))

    def test_users(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a")
        row = {"account": ROMEO, "since": "2026-01-01T12:00:00Z", "waiting": 1, "today": 1, "month": 1}
        self.assertEqual(self.operate("pager users"), [row])

    def test_remove(self) -> None:
        self.assertEqual(self.operate("pager remove", user=ROMEO), f"{ROMEO} is not registered any more.")
        self.assertEqual(self.operate("pager users"), [])
        with self.assertRaises(OperationError):
            self.operate("pager remove", user=ROMEO)

    def test_retry(self) -> None:
        self.pager.does["a"] = TryAgain("busy")
        self.send("a")
        self.bodies()
        self.assertEqual(self.operate("pager retry"), "Trying 1 message.")
        self.assertEqual(self.bodies(), ["a"])
