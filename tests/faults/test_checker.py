"""The checker finds what it should: histories with and without every kind of violation."""

from __future__ import annotations

import unittest

from tests.faults.checker import Kind, Violation, check, count
from tests.faults.history import ERROR, Entry, Event, History, Key, Trait, What

A, A2, B, B2 = "a/1", "a/2", "b/1", "b/2"


def message(number: int, sender: str = A, to: str = "b") -> Key:
    return Key(sender, to, number)


class Story:
    """Builds a history; every event is one second after the last."""

    def __init__(self, carbons: bool = True, archive: bool = True) -> None:
        self.history = History({name: Trait() for name in (A, A2, B, B2)}, carbons, archive, [], {"a": [], "b": []})
        for name in self.history.devices:
            self.add(What.BEGAN, name, session=1)
            self.add(What.READY, name, session=1)

    def add(
        self, what: What, device: str = "", key: Key | None = None, session: int = 1, text: str = "", id: str = ""
    ) -> None:
        time = float(len(self.history.events))
        self.history.events.append(Event(time, what, device, key, session, text, id))

    def sent(self, key: Key, to: str = "b", acked: bool = True) -> None:
        self.add(What.SENT, key.sender, key, text=to)
        if acked:
            self.add(What.ACKED, key.sender, key)

    def live(self, key: Key, *devices: str, session: int = 1, text: str = "direct", id: str = "") -> None:
        for device in devices:
            self.add(What.RECEIVED, device, key, session, text, id)

    def archived(self, key: Key, *accounts: str) -> None:
        for account in accounts or ("a", "b"):
            entries = self.history.archives[account]
            entries.append(Entry(f"{account}{len(entries)}", key))

    def good(self, *numbers: int) -> None:
        """Messages that arrive as they should."""
        for number in numbers:
            self.sent(message(number))
            self.live(message(number), A2, B, B2)
            self.archived(message(number))

    def kinds(self) -> list[tuple[Kind, str]]:
        return [(violation.kind, violation.where) for violation in check(self.history)]


class Delivery(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.good(1, 2)

    def test_nothing_wrong(self) -> None:
        self.assertEqual(check(self.story.history), [])
        self.assertEqual(count(self.story.history)["acked messages"], 2)
        self.assertEqual(count(self.story.history)["received direct"], 6)

    def test_lost(self) -> None:
        self.story.sent(message(3))
        self.story.live(message(3), A2, B2)
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [(Kind.LOST, B)])

    def test_lost_everywhere(self) -> None:
        self.story.sent(message(3))
        self.assertEqual(
            self.story.kinds(),
            [(Kind.LOST, B), (Kind.LOST, B2), (Kind.LOST, A2)]
            + [(Kind.ARCHIVE_MISSING, account) for account in ("a", "b")],
        )

    def test_not_acked_may_be_missing(self) -> None:
        self.story.sent(message(3), acked=False)
        self.assertEqual(self.story.kinds(), [])

    def test_not_acked_may_be_there(self) -> None:
        self.story.sent(message(3), acked=False)
        self.story.live(message(3), B)
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [])

    def test_an_error_told_the_sender(self) -> None:
        self.story.sent(message(3))
        self.story.add(What.BOUNCED, A, message(3), text="resource-constraint")
        self.assertEqual(self.story.kinds(), [])

    def test_only_in_the_archive(self) -> None:
        self.story.sent(message(3))
        self.story.live(message(3), A2, B2)
        self.story.add(What.FETCHED, B, message(3))
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [(Kind.ONLY_ARCHIVE, B)])

    def away(self) -> None:
        """A message comes while a device has no session; then it has one again."""
        self.story.add(What.CLOSED, B)
        self.story.sent(message(3))
        self.story.live(message(3), A2, B2)
        self.story.archived(message(3))
        self.story.add(What.READY, B, session=2)

    def test_a_new_session_may_fetch(self) -> None:
        self.away()
        self.story.add(What.FETCHED, B, message(3), 2)
        self.assertEqual(self.story.kinds(), [])

    def test_a_new_session_has_to_fetch(self) -> None:
        self.away()
        self.assertEqual(self.story.kinds(), [(Kind.LOST, B)])

    def test_offline_storage(self) -> None:
        self.away()
        self.story.live(message(3), B, session=2, text="delayed")
        self.assertEqual(self.story.kinds(), [])

    def test_without_an_archive_another_device_is_enough(self) -> None:
        self.story.history.devices[B] = Trait(archive=False)
        self.away()
        self.assertEqual(self.story.kinds(), [])
        del self.story.history.devices[B2]
        self.story.history.events = [event for event in self.story.history.events if event.device != B2]
        self.assertEqual(self.story.kinds(), [(Kind.ONLY_ARCHIVE, B)])
        self.story.history.archives["b"].pop()
        self.assertEqual(self.story.kinds(), [(Kind.LOST, B), (Kind.ARCHIVE_MISSING, "b")])

    def test_without_carbons_only_the_addressed_one(self) -> None:
        self.story.history.carbons = False
        self.story.sent(message(3), to="b/1")
        self.story.live(message(3), B)
        self.story.add(What.FETCHED, B2, message(3))
        self.story.add(What.FETCHED, A2, message(3))
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [])
        self.story.history.carbons = True
        self.assertEqual(self.story.kinds(), [(Kind.ONLY_ARCHIVE, B2), (Kind.ONLY_ARCHIVE, A2)])


class Duplicates(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.good(1, 2)

    def test_in_one_session(self) -> None:
        self.story.live(message(2), B, text="delayed")
        self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE, B)])
        self.assertIn("direct in session 1, delayed in session 1", str(check(self.story.history)[0]))

    def test_in_a_later_session(self) -> None:
        self.story.live(message(2), B, session=2, text="delayed")
        self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE_LATER, B)])

    def test_in_a_later_session_after_one_that_could_not_be_acked(self) -> None:
        for what in (What.FORGOT, What.EXPIRED):
            self.setUp()
            self.story.add(what, B)
            self.story.add(What.READY, B, session=2)
            self.story.live(message(2), B, session=2, text="delayed")
            self.assertEqual(self.story.kinds(), [])
            self.story.live(message(2), B, session=2)
            self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE, B)])

    def test_sent_again(self) -> None:
        self.story.add(What.AGAIN, A, message(2), 2)
        self.story.live(message(2), B)
        self.story.archived(message(2), "b")
        self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE_AGAIN, B), (Kind.ARCHIVE_AGAIN, "b")])

    def test_not_acked_but_twice(self) -> None:
        self.story.sent(message(3), acked=False)
        self.story.live(message(3), B, B)
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE, B)])

    def test_offline_after_the_archive(self) -> None:
        self.story.sent(message(3))
        self.story.archived(message(3))
        self.story.live(message(3), A2, B2)
        self.story.add(What.CLOSED, B)
        self.story.add(What.FETCHED, B, message(3), 2)
        self.story.live(message(3), B, session=2, text="delayed")
        self.assertEqual(self.story.kinds(), [(Kind.OFFLINE, B)])

    def test_the_archive_after_offline(self) -> None:
        self.story.add(What.CLOSED, B)
        self.story.sent(message(3))
        self.story.archived(message(3))
        self.story.live(message(3), A2, B2)
        self.story.live(message(3), B, session=2, text="delayed")
        self.story.add(What.FETCHED, B, message(3), 2)
        self.assertEqual(self.story.kinds(), [])

    def test_live_and_fetched(self) -> None:
        self.story.add(What.FETCHED, B, message(2))
        self.assertEqual(self.story.kinds(), [])


class Order(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.good(1)

    def test_late(self) -> None:
        for number in (2, 3):
            self.story.sent(message(number))
            self.story.archived(message(number))
            self.story.live(message(number), A2, B2)
        self.story.live(message(3), B)
        self.story.live(message(2), B)
        self.assertEqual(self.story.kinds(), [(Kind.ORDER, B)])

    def test_conversations_do_not_mix(self) -> None:
        for key in (message(5, A2), message(2), message(6, A2), message(1, A2)):
            self.story.sent(key)
            self.story.archived(key)
            self.story.live(key, *({A, A2, B, B2} - {key.sender}))
        self.assertEqual(
            set(self.story.kinds()),
            {(Kind.ORDER, name) for name in (A, B, B2)} | {(Kind.ARCHIVE_ORDER, n) for n in "ab"},
        )

    def test_what_a_lost_session_left_behind(self) -> None:
        for number in (2, 3):
            self.story.sent(message(number))
            self.story.archived(message(number))
            self.story.live(message(number), A2, B2)
        self.story.live(message(3), B)
        self.story.add(What.FETCHED, B, message(2))
        self.story.add(What.BROKEN, B2)
        self.story.add(What.FORGOT, B2)
        self.story.add(What.BEGAN, B2, session=2)
        self.story.add(What.READY, B2, session=2)
        self.story.live(message(2), B, text="delayed")
        self.assertEqual(self.story.kinds(), [])
        self.story.history.events = [event for event in self.story.history.events if event.what is not What.FORGOT]
        self.assertEqual(self.story.kinds(), [(Kind.OFFLINE, B), (Kind.ORDER, B)])

    def test_a_duplicate_is_no_disorder(self) -> None:
        self.story.good(2)
        self.story.live(message(1), B, session=2)
        self.assertEqual(self.story.kinds(), [(Kind.DUPLICATE_LATER, B)])

    def early(self, *numbers: int) -> None:
        """A new session gets these before its presence is known; even ones were sent to its full JID."""
        self.story.add(What.CLOSED, B)
        for number in sorted(numbers):
            self.story.sent(message(number), B if number % 2 == 0 else "b")
            self.story.archived(message(number))
            self.story.live(message(number), A2, B2)
        self.story.add(What.BEGAN, B, session=2)
        for number in numbers:
            self.story.live(message(number), B, session=2)

    def test_before_the_presence(self) -> None:
        self.early(2, 6, 3, 5)
        self.story.add(What.READY, B, session=2)
        self.story.sent(message(7))
        self.story.archived(message(7))
        self.story.live(message(7), A2, B, B2, session=2)
        self.assertEqual(self.story.kinds(), [])

    def test_offline_though_sent_to_a_full_jid(self) -> None:
        self.early(4, 3, 5)
        self.story.sent(message(2), B)
        self.story.archived(message(2))
        self.story.live(message(2), A2, B2)
        self.story.live(message(2), B, session=2, text="delayed")
        self.story.add(What.READY, B, session=2)
        found = self.story.kinds()
        self.assertEqual([kind for kind, where in found if where == B], [])

    def test_order_among_those(self) -> None:
        self.early(6, 2, 5, 3)
        self.story.add(What.READY, B, session=2)
        self.assertEqual(self.story.kinds(), [(Kind.ORDER, B), (Kind.ORDER, B)])

    def test_not_after_the_presence(self) -> None:
        self.story.add(What.READY, B, session=2)
        self.early(2, 6, 3, 5)
        self.assertEqual(self.story.kinds(), [(Kind.ORDER, B), (Kind.ORDER, B)])

    def test_what_came_before_the_presence_counts_afterwards(self) -> None:
        self.early(2, 6)
        self.story.add(What.READY, B, session=2)
        self.story.sent(message(5))
        self.story.live(message(5), A2, B, B2, session=2)
        self.assertIn((Kind.ORDER, B), self.story.kinds())


class Archives(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.good(1, 2)

    def test_missing(self) -> None:
        self.story.history.archives["a"].pop()
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_MISSING, "a")])

    def test_seen_but_not_kept(self) -> None:
        self.story.sent(message(3), acked=False)
        self.story.live(message(3), B)
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_MISSING, "b")])

    def test_no_archive(self) -> None:
        self.story.history.archive = False
        self.story.history.archives.clear()
        self.assertEqual(self.story.kinds(), [])

    def test_twice(self) -> None:
        self.story.archived(message(2), "b")
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_DUPLICATE, "b")])

    def test_order(self) -> None:
        self.story.history.archives["b"].reverse()
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_ORDER, "b")])

    def test_order_of_arrival(self) -> None:
        for number, sender in ((3, A), (1, A2)):
            self.story.sent(message(number, sender))
            self.story.archived(message(number, sender))
        self.story.live(message(1, A2), B, id="b3")
        self.story.live(message(3), B, id="b2")
        self.story.live(message(3), B2, A2)
        self.story.live(message(1, A2), B2, A)
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_LIVE, B)])
        self.story.add(What.READY, B)  # what came before that says nothing
        self.assertEqual(self.story.kinds(), [])

    def test_ids(self) -> None:
        self.story.sent(message(3))
        self.story.live(message(3), A2, id="a2")
        self.story.live(message(3), B, id="b1")
        self.story.live(message(3), B2, id="b9")
        self.story.archived(message(3))
        self.assertEqual(self.story.kinds(), [(Kind.ARCHIVE_ID, B), (Kind.ARCHIVE_ID, B2)])
        entry = self.story.history.archives["a"][0]
        self.story.history.archives["a"][1] = Entry(entry.id, message(2))
        self.assertIn((Kind.ARCHIVE_ID, "a"), self.story.kinds())

    def test_invented(self) -> None:
        self.story.live(message(9), B)
        self.story.add(What.FETCHED, B2, message(9))
        self.story.archived(message(9), "b")
        self.story.history.archives["a"] += [Entry("x", None, "<message/>"), Entry("y", None, ERROR)]
        found = self.story.kinds()
        self.assertEqual([where for kind, where in found if kind is Kind.INVENTED], [B, B2, "a", "b"])

    def test_of_somebody_else(self) -> None:
        self.story.history.archives["c"] = [Entry("c1", message(1))]
        self.assertEqual(self.story.kinds(), [(Kind.INVENTED, "c")])


class Stated(unittest.TestCase):
    def test_what_clients_noticed(self) -> None:
        wanted = {
            What.GARBLED: Kind.INVENTED,
            What.TAKEN_BACK: Kind.TAKEN_BACK,
            What.REFUSED: Kind.SESSION,
            What.OFFENCE: Kind.OFFENCE,
            What.FORGOTTEN: Kind.ARCHIVE_ID,
            What.UNSETTLED: Kind.UNSETTLED,
        }
        for what in What:
            story = Story()
            story.add(what, A, text="why")
            self.assertEqual([kind for kind, _ in story.kinds()], [wanted[what]] if what in wanted else [], what)

    def test_every_kind_can_be_told(self) -> None:
        self.assertEqual(str(Violation(Kind.LOST, B, message(1))), "lost after ack: b/1: a/1 to b, number 1")
        self.assertEqual(str(Violation(Kind.OFFENCE, B, text="why")), "rule broken, or error: b/1 (why)")


class Keys(unittest.TestCase):
    def test_round_trip(self) -> None:
        key = message(17)
        self.assertEqual(Key.parse(key.text), key)

    def test_changed(self) -> None:
        text = message(17).text
        for other in (text.replace("17", "18"), text[:-1], text + "0", "", "hello", text.replace("a/1", "a/2")):
            self.assertIsNone(Key.parse(other), other)

    def test_timeline(self) -> None:
        story = Story()
        story.good(1, 2)
        story.add(What.FAULT, text="server: kill")
        story.add(What.BROKEN, A)
        story.sent(message(3))
        told = [str(event) for event in story.history.timeline(message(3), around=2.5)]
        self.assertEqual(len(told), 4)
        self.assertIn("server: kill", told[0])
        self.assertEqual(story.history.timeline(message(9)), [])
