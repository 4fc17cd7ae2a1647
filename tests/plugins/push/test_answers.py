"""What push services answer: what passes, counts, or ends a registration; and the end of the server in between."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.plugins.push.kit import SERVICE, PushTestCase
from xmppd.api import Condition, StanzaError
from xmppd.plugins.push.outcomes import Meaning, in_words, meaning


class Table(SynchronousTestCase):
    def test_wait_never_counts(self) -> None:
        for condition in Condition:
            kind = meaning(StanzaError(condition, type="wait"))
            gone = condition in (Condition.ITEM_NOT_FOUND, Condition.GONE)
            self.assertIs(kind, Meaning.GONE if gone else Meaning.PASSING, condition)

    def test_others(self) -> None:
        rows = {
            "gone": Meaning.GONE,
            "item-not-found": Meaning.GONE,
            "remote-server-timeout": Meaning.PASSING,
            "resource-constraint": Meaning.PASSING,
            "remote-server-not-found": Meaning.UNREACHED,
            "service-unavailable": Meaning.UNREACHED,
            "forbidden": Meaning.COUNTED,
            "not-authorized": Meaning.COUNTED,
            "bad-request": Meaning.COUNTED,
            "internal-server-error": Meaning.COUNTED,
        }
        for condition, kind in rows.items():
            self.assertIs(meaning(StanzaError(condition, type="cancel")), kind, condition)

    def test_words(self) -> None:
        self.assertEqual(
            in_words(StanzaError("item-not-found", text="UNREGISTERED")), "the app is not there any more: UNREGISTERED"
        )
        for condition in Condition:
            self.assertTrue(in_words(StanzaError(condition)))


class Answers(PushTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.phone_goes()

    def test_gone(self) -> None:
        self.say()
        self.refuses("item-not-found")
        self.assertEqual((self.entry.gone, self.entry.disabled), (True, "the app is not there any more"))
        self.say()
        self.quiet(3600)
        self.login("juliet@example.org/phone").close()
        self.say()
        self.quiet(3600)  # a log-in doesn't bring the app back
        self.restart()
        self.assertTrue(self.entry.gone)
        self.phone_goes()
        self.assertIsNone(self.entry.disabled)

    def test_passing(self) -> None:
        """It is tried again, after longer and longer times, and the app stays."""
        self.say()
        for wait in (10, 20, 40, 80):
            self.refuses("resource-constraint", "wait")
            self.quiet(wait - 1)
            self.pump(1)
        self.assertEqual(self.entry.errors, 0)
        self.assertEqual(self.accepts()["message-count"], "1")
        self.quiet(3600)

    def test_no_answer(self) -> None:
        self.say()
        self.published()
        self.pump(70)
        self.accepts()
        self.assertIn("did not answer", self.entry.error)

    def test_given_up(self) -> None:
        """After a day nobody has to be told of it any more. The next message is told of."""
        self.say()
        for _ in range(60):
            self.pump(3600, step=600)
            if not self.entry.waiting:
                break
            self.service.clear()
        self.assertFalse(self.entry.waiting)
        self.assertIsNone(self.entry.disabled)
        self.say()
        self.accepts()

    def test_more_important_does_not_wait_for_that(self) -> None:
        self.say()
        for _ in range(5):
            self.refuses("resource-constraint", "wait")
            self.pump(160)
        self.service.clear()
        self.say("<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>")
        self.accepts()

    def fail(self, times: int) -> None:  # type: ignore[override]
        for _ in range(times):
            self.say()
            self.refuses("forbidden")

    def test_counted(self) -> None:
        self.fail(15)
        self.assertIsNone(self.entry.disabled)
        self.fail(1)
        self.assertEqual(self.entry.disabled, "the push service doesn't let this server publish")
        self.assertFalse(self.entry.gone)
        self.say()
        self.quiet(3600)
        self.restart()
        self.assertIsNotNone(self.entry.disabled)
        self.login("juliet@example.org/phone").close()
        self.pump()
        self.assertIsNone(self.entry.disabled)
        self.restart()
        self.assertEqual((self.entry.disabled, self.entry.errors), (None, 0))

    def test_in_a_row(self) -> None:
        self.fail(15)
        self.say()
        self.accepts()
        self.pump(20)
        self.fail(15)
        self.assertIsNone(self.entry.disabled)

    def test_forgotten(self) -> None:
        self.say()
        self.refuses("gone")
        self.pump(31 * 86400, step=3600)
        self.assertEqual(len(self.plugin("push").registered), 0)


class Ends(PushTestCase):
    def again(self) -> None:
        self.service, self.romeo = self.remote(SERVICE), self.remote("example.net")
        self.pump(5)

    def test_killed_before_it_was_told(self) -> None:
        self.phone_goes()
        self.say()
        self.published()
        self.kill()
        self.again()
        self.assertEqual(self.accepts()["message-count"], "1")
        self.kill()
        self.again()
        self.quiet(60)

    def test_killed_while_it_waits(self) -> None:
        self.phone_goes()
        self.say()
        self.refuses("resource-constraint", "wait")
        self.kill()
        self.again()
        self.accepts()

    def test_killed_while_connected(self) -> None:
        """What the device has not acknowledged it may not have got, and it may not notice that it has lost us."""
        phone, _ = self.enabled("juliet@example.org/phone")
        self.enable(phone)
        phone.send(f"<a xmlns='urn:xmpp:sm:3' h='{self.sent('juliet@example.org/phone')}'/>")
        self.say()
        self.say()
        self.quiet()
        self.kill()
        self.again()
        self.assertEqual(self.accepts()["message-count"], "2")
        self.kill()
        self.again()
        self.quiet(9)

    def test_killed_while_it_hibernates(self) -> None:
        phone, _ = self.enabled("juliet@example.org/phone")
        self.enable(phone)
        phone.disconnect()
        self.pump()
        self.say()
        self.accepts()
        self.kill()
        self.again()
        self.quiet(9)
        self.say()
        self.assertEqual(self.accepts()["message-count"], "2")
