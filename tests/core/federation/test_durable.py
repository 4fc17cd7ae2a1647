"""Messages for other servers are on disk until they are delivered: the server may be killed at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Column, MetaData, Table, Text, select, update
from twisted.logger import capturedLogs, formatEvent

from tests.core.federation.kit import NOT_FOUND, PAIR, THERE, FederationTestCase
from tests.net.test_kills import Phone
from xmppd.api import FromClient, Message, Plugin, filter
from xmppd.core.federation.contract import Pair
from xmppd.core.federation.store import MESSAGES

MORE = Table("more", MetaData(), Column("text", Text, nullable=False))


class Storing(Plugin):
    """Stores something of some messages."""

    tables = (MORE,)

    @filter(FromClient, kinds=(Message,))
    def store(self, event: FromClient) -> None:
        if event.stanza.has("stored", "x"):
            self.host.store(event.stanza, MORE, {"text": "x"})


class DurableTestCase(FederationTestCase):
    @property
    def stored(self) -> int:
        """How many messages are on disk."""
        return len(self.wait(self.disk.read(lambda connection: connection.execute(select(MESSAGES)).all())))

    def numbers(self) -> Sequence[int]:
        return self.wait(self.disk.read(lambda c: c.execute(select(MESSAGES.c.number)).scalars().all()))


class KillTests(DurableTestCase):
    def test_killed_while_they_wait(self) -> None:
        self.say(self.romeo(), "one", "two", "three")
        self.pump(0.1)
        self.assertEqual(self.stored, 3)
        self.kill()
        self.assertEqual(self.connector.wanted, [PAIR])
        self.assertEqual(self.connector.up().texts, ["one", "two", "three"])
        self.pump(2)
        self.assertEqual((self.stored, len(self.federation.store)), (0, 0))

    def test_before_the_commit(self) -> None:
        """Nobody was told that it is stored."""
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one")
        self.kill()
        self.assertEqual((conduit.texts, self.stored, self.connector.wanted), ([], 0, []))

    def test_between_commit_and_delivery(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one")
        self.disk.let_unseen()
        self.assertEqual(conduit.texts, [])
        self.kill()
        self.assertEqual(self.connector.up().texts, ["one"])

    def test_after_delivery(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up()
        self.say(romeo, "one")
        self.assertEqual((conduit.texts, self.stored), (["one"], 1))
        self.pump(1.5)
        self.assertEqual(self.stored, 0)
        self.kill()
        self.assertEqual(self.connector.wanted, [])

    def test_forgotten_with_the_next_one(self) -> None:
        """What was delivered is deleted in the transaction of whatever comes next."""
        romeo = self.romeo(managed=True)
        self.connector.up()
        self.say(romeo, "one", "two")
        self.pump(0.1)
        self.assertEqual(self.stored, 1)

    def test_not_before_it_is_acknowledged(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up(managed=True)
        self.say(romeo, "one", "two")
        self.pump(5)
        self.assertEqual(self.stored, 2)
        self.federation.delivered(conduit.sent[:1])
        self.pump(5)
        self.assertEqual(self.stored, 1)
        self.kill()
        self.assertEqual(self.connector.up().texts, ["two"])

    def test_what_came_back_is_not_sent_again(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.connector.fail(NOT_FOUND)
        self.pump(2)
        self.assertEqual(self.stored, 0)

    def test_what_was_never_acknowledged_is_not_sent_again(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up(managed=True)
        self.say(romeo, "one")
        conduit.down()
        self.federation.undelivered(conduit.sent)
        self.pump(2)
        self.assertTrue(any("type='error'" in xml for xml in romeo.received))
        self.assertEqual(self.stored, 0)

    def test_twice(self) -> None:
        self.say(self.romeo(), "one", "two")
        self.pump(0.1)
        self.kill()
        self.pump(0.1)
        self.kill()
        self.assertEqual(self.connector.up().texts, ["one", "two"])

    def test_the_first_message_of_all(self) -> None:
        """Nothing else has been stored by this server so far."""
        self.say(self.romeo(), "one")
        self.pump(0.1)
        self.assertEqual(self.stored, 1)

    def test_a_clock_that_was_put_back(self) -> None:
        """What was taken first goes first, and nothing takes another one's number."""
        self.say(self.romeo(), "one", "two")
        self.pump(0.1)
        self.clock.rightNow -= 86_400.0
        self.kill()
        self.say(self.romeo(), "three")
        self.assertEqual(self.connector.up(managed=True).texts, ["one", "two", "three"])
        self.assertEqual(sorted(set(self.numbers())), list(self.numbers()))
        self.assertEqual(self.stored, 3)

    def test_to_several_domains(self) -> None:
        romeo = self.romeo()
        self.say(romeo, "one")
        self.say(romeo, "two", to="nurse@mantua.example")
        self.pump(0.1)
        self.kill()
        mantua = Pair("example.org", "mantua.example")
        self.assertEqual(self.connector.wanted, [PAIR, mantua])
        self.assertEqual((self.connector.up().texts, self.connector.up(mantua).texts), (["one"], ["two"]))

    def test_what_comes_next_is_behind(self) -> None:
        self.say(self.romeo(), "one")
        self.pump(0.1)
        self.kill()
        self.say(self.romeo(), "two")
        self.assertEqual(self.connector.up().texts, ["one", "two"])

    def test_only_messages(self) -> None:
        romeo = self.romeo()
        romeo.send("<presence to='juliet@verona.example'/>")
        romeo.send("<iq to='juliet@verona.example/b' type='get' id='q'><query xmlns='x:y'/></iq>")
        self.pump(0.1)
        self.assertEqual(self.stored, 0)


class UnstoredTests(DurableTestCase):
    """Nobody is told that the server has it, and it is with the other server at once: then it needn't be stored."""

    def test_at_once(self) -> None:
        romeo, conduit = self.romeo(), self.connector.up()
        self.disk.stopped = True
        self.say(romeo, "one")
        self.assertEqual((conduit.texts, self.disk.waiting), (["one"], 0))

    def test_with_stream_management_it_is_stored(self) -> None:
        romeo = self.romeo(managed=True)
        self.connector.up(managed=True)
        self.say(romeo, "one")
        self.pump(0.1)
        self.assertEqual(self.stored, 1)

    def test_not_behind_one_that_is(self) -> None:
        romeo, nurse = self.romeo(), self.login("nurse@example.org/x")
        nurse.send("<enable xmlns='urn:xmpp:sm:3'/>")
        conduit = self.connector.up()
        self.disk.stopped = True
        self.say(nurse, "one")
        self.say(romeo, "two")
        self.assertEqual(conduit.texts, [])
        self.disk.go_on()
        self.pump(0.1)
        self.assertEqual(conduit.texts, ["one", "two"])

    def test_not_if_the_other_server_is_slow(self) -> None:
        romeo, conduit = self.romeo(), self.connector.up(managed=True)
        conduit.prompt = False
        self.say(romeo, "one")
        self.pump(0.1)
        self.assertEqual((conduit.texts, self.stored), (["one"], 1))

    def test_not_if_something_else_is(self) -> None:
        """What belongs together is committed together."""
        romeo, conduit = self.romeo(), self.connector.up(managed=True)
        self.disk.stopped = True
        romeo.send("<message to='juliet@verona.example'><body>one</body><x xmlns='stored'/></message>")
        self.assertEqual(conduit.texts, [])
        self.disk.let_unseen()
        self.kill()
        self.assertEqual(self.connector.up().texts, ["one"])

    def test_an_answer_to_a_later_stanza(self) -> None:
        """Of a client without stream management, it says that what was to be stored is."""
        romeo = self.romeo()
        self.disk.stopped = True
        self.say(romeo, "one")
        romeo.send("<iq to='example.org' type='get' id='q'><query xmlns='x:y'/></iq>")
        romeo.expect_nothing()
        self.disk.go_on()
        romeo.expect("<iq type='error' id='q'>{...}</iq>")
        self.assertEqual(self.stored, 1)

    def test_what_is_not_acknowledged_for_long(self) -> None:
        romeo, conduit = self.romeo(), self.connector.up(managed=True)
        self.say(romeo, "one")
        romeo.send("<presence to='juliet@verona.example'/>")
        self.pump(0.1)
        self.assertEqual(self.stored, 0)
        self.federation.keep(conduit.sent)
        self.federation.keep(conduit.sent)
        self.pump(0.1)
        self.assertEqual(self.stored, 1)
        self.federation.delivered(conduit.sent)
        self.pump(2)
        self.assertEqual(self.stored, 0)

    def test_nor_while_nothing_can_be_stored(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up(managed=True)
        self.say(romeo, "one")
        self.pump(0.1)
        self.disk.broken = "the disk is full"
        self.say(romeo, "two")
        self.pump(10)
        self.federation.delivered(conduit.sent)
        self.federation.keep(conduit.sent)
        self.disk.broken = None
        self.pump(5)

    plugins: ClassVar[Any] = (*FederationTestCase.plugins, Storing)


class RestartTests(DurableTestCase):
    def test_stopped_while_they_wait(self) -> None:
        self.say(self.romeo(), "one", "two")
        self.restart()
        self.assertEqual(self.connector.up().texts, ["one", "two"])

    def test_stopped_after_delivery(self) -> None:
        romeo = self.romeo(managed=True)
        self.connector.up()
        self.say(romeo, "one")
        self.restart()
        self.assertEqual((self.stored, self.connector.wanted), (0, []))

    def test_delivered_while_the_server_stops(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up(managed=True)
        self.say(romeo, "one")
        self.federation.stop()
        self.federation.delivered(conduit.sent)
        self.pump(0.1)
        self.assertEqual(self.stored, 0)

    def test_one_that_can_not_be_read(self) -> None:
        self.say(self.romeo(), "one", "two")
        self.pump(0.1)
        first = min(self.numbers())
        spoilt = update(MESSAGES).where(MESSAGES.c.number == first).values(data=b"<message")
        self.wait(self.disk.write(lambda connection: connection.execute(spoilt).rowcount))
        with capturedLogs() as logs:
            self.kill()
        self.assertIn(f"a message to {THERE} can't be read; it is dropped", [formatEvent(event) for event in logs])
        self.assertEqual(self.connector.up().texts, ["two"])
        self.pump(2)
        self.assertEqual(self.stored, 0)

    def test_the_domain_is_blocked_meanwhile(self) -> None:
        phone = Phone(self, "romeo@example.org/a")
        phone.send("<message to='juliet@verona.example' id='x'><body>romeo:1</body></message>")
        self.pump(0.1)
        self._settings = self._settings.model_copy(update={"s2s": self._settings.s2s.model_copy(
            update={"policy": "blocked"})})  # fmt: skip
        self.kill()
        self.assertEqual(self.connector.wanted, [])
        phone.resume()
        phone.take()
        self.assertEqual(phone.got, [("romeo", 1)], "it comes back")

    def test_the_host_is_gone_meanwhile(self) -> None:
        self.say(self.login("nurse@example.net/x"), "one")
        self.pump(0.1)
        hosts = {"example.org": self._settings.hosts["example.org"]}
        self._settings = self._settings.model_copy(update={"hosts": hosts})
        self.kill()
        self.pump(2)
        self.assertEqual((self.connector.wanted, self.stored), ([], 0))

    hosts: ClassVar[Any] = ("example.org", "example.net")


class NoPortsAnyMoreTests(DurableTestCase):
    ports = True

    def open_network(self) -> None:
        if self.ports:
            super().open_network()

    def test_what_waited_comes_back(self) -> None:
        self.say(self.romeo(), "one")
        self.pump(0.1)
        self.ports = False
        self.kill()
        self.pump(2)
        self.assertEqual((self.stored, len(self.federation.store)), (0, 0))


class ManyTests(DurableTestCase):
    config: ClassVar[Any] = {"s2s": {"queue_stanzas": 1_000}}

    def test_what_was_taken_once_has_room(self) -> None:
        self.say(self.romeo(), *(str(number) for number in range(40)))
        self.pump(0.1)
        s2s = self._settings.s2s.model_copy(update={"queue_stanzas": 10})
        self._settings = self._settings.model_copy(update={"s2s": s2s})
        self.kill()
        self.assertEqual(len(self.connector.up().texts), 40)

    def test_deleted_many_at_a_time(self) -> None:
        romeo, conduit = self.romeo(managed=True), self.connector.up(managed=True)
        self.say(romeo, *(str(number) for number in range(600)))
        self.pump(0.1)
        self.assertEqual(self.stored, 600)
        self.federation.delivered(conduit.sent)
        self.pump(2)
        self.assertEqual(self.stored, 0)
