"""The checker of rooms finds what it should: histories with and without every kind of violation."""

from __future__ import annotations

import unittest

from tests.faults.checker import Kind
from tests.faults.checker import check as check_accounts
from tests.faults.history import Ending, Entry, Event, History, Key, Trait, What
from tests.faults.rooms.checker import check, count
from tests.faults.rooms.reading import Sight
from tests.interop.server import DOMAIN

A, B, P = "a/1", "b/1", "p/1"
ROOM = "room0"


def message(number: int, sender: str = A) -> Key:
    return Key(sender, ROOM, number)


class Story:
    """Builds a history of one room, in which A and B sit who have sessions, and P has none."""

    def __init__(self) -> None:
        self.ending = Ending(owner=A, facts={"roomdesc": "0"})
        self.history = History({A: Trait(rooms=(ROOM,)), B: Trait(rooms=(ROOM,))}, rooms={ROOM: self.ending})
        self.stays: dict[str, str] = {}
        for name in (A, B, P):
            self.enter(name)

    def add(
        self, what: What, device: str = "", key: Key | None = None, text: str = "", id: str = "", room: str = ROOM
    ) -> None:
        time = 20.0 * len(self.history.events)
        self.history.events.append(Event(time, what, device, key, 1, text, id, room))

    def saw(self, device: str, sight: Sight) -> None:
        time = 20.0 * len(self.history.events)
        self.history.events.append(Event(time, What.SAW, device, None, 1, room=ROOM, sight=sight))

    @staticmethod
    def nick(name: str) -> str:
        return name.replace("/", "")

    def enter(self, name: str, stay: str = "") -> None:
        """Somebody enters, and all see that."""
        nick, stay = self.nick(name), stay or f"{name}:1"
        self.add(What.ENTERING, name, text=nick, id=stay)
        for other, its in self.stays.items():
            self.saw(name, Sight(self.nick(other), its, role="participant"))
            self.saw(other, Sight(nick, stay, role="participant"))
        self.saw(name, Sight(nick, stay, role="participant", codes=("110",), own=True))
        self.add(What.ENTERED, name, text=nick, id=stay)
        self.stays[name] = stay

    def leave(self, name: str, *seeing: str, codes: tuple[str, ...] = (), lost: bool = False) -> None:
        """Somebody leaves, or is lost, and these see that."""
        stay = self.stays.pop(name)
        if not lost:
            self.add(What.PARTING, name, id=stay)
        self.add(What.OVER if lost else What.LEFT, name, id=stay, text="lost" if lost else "110")
        for other in seeing:
            self.saw(other, Sight(self.nick(name), stay, True, codes=codes))

    def say(self, key: Key, *hearing: str, kept: bool = True, acked: bool = True, text: str = "said") -> None:
        self.add(What.SENT, key.sender, key, text)
        if kept:
            self.ending.archive.append(Entry(f"id{len(self.ending.archive)}", key))
        for device in hearing:
            self.hear(device, key)
        if acked:
            self.add(What.ACKED, key.sender, key, room="")

    def hear(self, device: str, key: Key, text: str = "live") -> None:
        id_ = next((entry.id for entry in self.ending.archive if entry.key == key), "none")
        self.add(What.HEARD, device, key, text, id_)

    def end(self) -> list[tuple[Kind, str]]:
        """Say how the room is in the end, as it should be, and return what is wrong."""
        there = {name: (self.nick(name), stay) for name, stay in self.stays.items()}
        book = {nick: (stay, "participant", "none", "") for nick, stay in there.values()}
        self.ending.seats = self.ending.seats or there
        self.ending.books = self.ending.books or {name: dict(book) for name in there}
        self.ending.roll = self.ending.roll or {
            self.nick(name): name.replace("/", f"@{DOMAIN}/") for name in self.stays
        }
        self.ending.listed = self.ending.listed or set(book)
        subjects = [e.key.text for e in self.ending.archive if e.key and self._is_subject(e.key)]
        self.ending.subject = self.ending.subject or (subjects or [""])[-1]
        return [(violation.kind, violation.where) for violation in check(self.history)]

    def _is_subject(self, key: Key) -> bool:
        return any(event.key == key and event.text == "subject" for event in self.history.events)


class Messages(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.say(message(1), A, B, P)

    def test_nothing_wrong(self) -> None:
        self.story.say(message(2), A, B, P)
        self.story.say(message(1, P), A, B, P, acked=False)
        self.assertEqual(self.story.end(), [])
        self.assertEqual(check_accounts(self.story.history), [])
        figures = count(self.story.history)
        self.assertEqual(figures["said in rooms"], 3)
        self.assertEqual(figures["said in rooms, promised"], 3)
        self.assertEqual(figures["heard in rooms"], 9)

    def test_missing_in_archive(self) -> None:
        self.story.say(message(2), kept=False)
        self.assertEqual(self.story.end(), [(Kind.ARCHIVE_MISSING, ROOM)])

    def test_came_back_and_is_missing(self) -> None:
        self.story.say(message(1, P), P, kept=False, acked=False)
        self.assertEqual(self.story.end(), [(Kind.ARCHIVE_MISSING, ROOM), (Kind.ARCHIVE_ID, P)])

    def test_neither_acked_nor_there(self) -> None:
        self.story.say(message(2), kept=False, acked=False)
        self.assertEqual(self.story.end(), [])

    def test_twice_in_archive(self) -> None:
        self.story.ending.archive.append(Entry("again", message(1)))
        found = self.story.end()
        self.assertIn((Kind.ARCHIVE_DUPLICATE, ROOM), found)

    def test_archive_out_of_order(self) -> None:
        self.story.say(message(3), A, B, P)
        self.story.say(message(2), A, B, P)
        self.assertEqual(self.story.end(), [(Kind.ARCHIVE_ORDER, ROOM)])

    def test_invented(self) -> None:
        self.story.ending.archive.insert(0, Entry("x", None, "<message/>"))
        self.assertIn((Kind.INVENTED, ROOM), self.story.end())

    def test_lost_between(self) -> None:
        self.story.say(message(2), A, P)
        self.story.say(message(3), A, B, P)
        self.assertEqual(self.story.end(), [(Kind.LOST, B)])

    def test_lost_at_the_end(self) -> None:
        self.story.say(message(2), A, P)
        self.assertEqual(self.story.end(), [(Kind.LOST, B)])

    def test_end_of_a_stay(self) -> None:
        """Who has left has missed nothing of what came later."""
        self.story.leave(B, A, P)
        self.story.say(message(2), A, P)
        self.assertEqual(self.story.end(), [])

    def test_twice(self) -> None:
        self.story.hear(B, message(1))
        self.assertEqual(self.story.end(), [(Kind.DUPLICATE, B)])

    def test_order(self) -> None:
        self.story.say(message(2), A, P)
        self.story.say(message(3), A, B, P)
        self.story.hear(B, message(2))
        self.assertEqual(self.story.end(), [(Kind.LOST, B), (Kind.ORDER, B)])

    def test_past(self) -> None:
        """The history that is shown ends where begins what is heard; subjects are not in it."""
        self.story.leave(B, A, P)
        self.story.say(message(2), A, P)
        self.story.say(message(3), A, P, text="subject")
        self.story.enter(B, "b/1:2")
        self.story.hear(B, message(2), "past")
        self.story.say(message(4), A, B, P)
        self.assertEqual(self.story.end(), [])

    def test_between_past_and_live(self) -> None:
        self.story.leave(B, A, P)
        self.story.say(message(2), A, P)
        self.story.enter(B, "b/1:2")
        self.story.hear(B, message(1), "past")
        self.story.say(message(3), A, B, P)
        self.assertEqual(self.story.end(), [(Kind.LOST, B)])

    def test_heard_from_outside(self) -> None:
        self.story.leave(B, A, P)
        self.story.say(message(2), A, B, P)
        self.assertEqual(self.story.end(), [(Kind.OFFENCE, B)])

    def test_refused(self) -> None:
        self.story.say(message(2), kept=False)
        self.story.add(What.BOUNCED, A, message(2), "resource-constraint", room="")
        self.assertEqual(self.story.end(), [])
        self.story.ending.archive.append(Entry("id1", message(2)))
        self.story.hear(B, message(2))
        found = self.story.end()
        self.assertIn((Kind.REFUSED, ROOM), found)
        self.assertIn((Kind.REFUSED, B), found)

    def test_outside(self) -> None:
        self.story.leave(B, A, P)
        self.story.say(message(1, B), kept=False, text="outside")
        self.assertEqual(self.story.end(), [])
        self.story.ending.archive.append(Entry("id1", message(1, B)))
        self.assertIn((Kind.REFUSED, ROOM), self.story.end())

    def test_wrong_id(self) -> None:
        self.story.add(What.HEARD, A, message(1), "live", "unknown")
        self.assertEqual(self.story.end(), [(Kind.ARCHIVE_ID, A)])


class Stays(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()

    def test_expelled(self) -> None:
        stay = self.story.stays.pop(B)
        self.story.add(What.LEFT, B, id=stay, text="110 332")
        self.assertEqual(self.story.end(), [(Kind.EXPELLED, B)])

    def test_seen_leaving(self) -> None:
        self.story.saw(A, Sight("b1", "b/1:1", True))
        self.story.saw(A, Sight("b1", "b/1:1"))
        self.assertEqual(self.story.end(), [(Kind.SEEN_LEAVING, A), (Kind.SEEN_TWICE, A)])

    def test_gone_twice(self) -> None:
        self.story.leave(B, A, A, P)
        self.assertEqual(self.story.end(), [(Kind.SEEN_TWICE, A)])

    def test_gone_unseen(self) -> None:
        self.story.leave(B, P)
        self.story.enter(B, "b/1:2")
        self.assertEqual(self.story.end(), [(Kind.UNSEEN, A)])

    def test_gone_while_away(self) -> None:
        """Who was disconnected gets the latest only; who has no session gets everything."""
        self.story.leave(B)
        for device in (A, P):
            self.story.add(What.BROKEN, device, room="")
        self.story.enter(B, "b/1:2")
        self.assertEqual(self.story.end(), [(Kind.UNSEEN, P)])

    def test_told_late(self) -> None:
        """Who was disconnected for long is told of some who came meanwhile, not of all who left."""
        self.story.leave(B, A, P)
        self.story.add(What.BROKEN, A, room="")
        for stay in ("b/1:2", "b/1:3"):
            self.story.add(What.ENTERING, B, text="b1", id=stay)
            self.story.add(What.ENTERED, B, text="b1", id=stay)
            self.story.add(What.PARTING, B, id=stay)
            self.story.add(What.LEFT, B, id=stay)
        self.story.add(What.RESUMED, A, room="")
        back = self.story.history.events[-1].time
        for after, sight in ((0.1, Sight("b1", "b/1:2")), (0.2, Sight("b1", "b/1:3")), (0.3, Sight("b1", "", True))):
            self.story.history.events.append(Event(back + after, What.SAW, A, None, 1, room=ROOM, sight=sight))
        self.assertEqual(self.story.end(), [])
        for after, sight in ((50.0, Sight("b1", "b/1:2")), (90.0, Sight("b1", "b/1:3"))):
            self.story.history.events.append(Event(back + after, What.SAW, A, None, 1, room=ROOM, sight=sight))
        self.assertIn((Kind.UNSEEN, A), self.story.end())

    def test_came_and_went_while_away(self) -> None:
        self.story.leave(B, A, P)
        self.story.add(What.ENTERING, B, text="b1", id="b/1:2")
        self.story.add(What.ENTERED, B, text="b1", id="b/1:2")
        self.story.add(What.BROKEN, A, room="")
        self.story.add(What.PARTING, B, id="b/1:2")
        self.story.add(What.LEFT, B, id="b/1:2")
        self.story.saw(A, Sight("b1", "", True))
        self.assertEqual(self.story.end(), [])
        self.story.saw(A, Sight("b1", "", True))
        self.assertEqual(self.story.end(), [(Kind.SEEN_TWICE, A)])

    def test_renamed(self) -> None:
        self.story.add(What.RENAMING, B, text="other", id="b/1:1")
        for device in (A, P):
            self.story.saw(device, Sight("b1", "b/1:1", True, codes=("303",), renamed="other"))
            self.story.saw(device, Sight("other", "b/1:1"))
        self.story.ending.seats = {A: ("a1", "a/1:1"), B: ("other", "b/1:1"), P: ("p1", "p/1:1")}
        book = {nick: (stay, "participant", "none", "") for nick, stay in self.story.ending.seats.values()}
        self.story.ending.books = {name: book for name in (A, B, P)}
        self.story.ending.listed = set(book)
        self.story.ending.roll = {
            nick: device.replace("/", f"@{DOMAIN}/") for device, (nick, _) in self.story.ending.seats.items()
        }
        self.assertEqual(self.story.end(), [])

    def test_gone_with_the_server(self) -> None:
        self.story.leave(P, A, B, codes=("332",), lost=True)
        self.assertEqual(self.story.end(), [])

    def test_told_of_who_was_gone_before(self) -> None:
        """The room tells one after the other, and whoever has come meanwhile as well."""
        self.story.leave(P, A, codes=("332",), lost=True)
        self.story.leave(B, A)
        self.story.enter(B, "b/1:2")
        self.story.saw(B, Sight("p1", "", True, codes=("332",)))
        self.assertEqual(self.story.end(), [])
        self.story.saw(A, Sight("p1", "", True, codes=("332",)))
        self.assertEqual(self.story.end(), [(Kind.SEEN_TWICE, A)])

    def test_gone_without_saying_why(self) -> None:
        self.story.leave(P, A, B, lost=True)
        self.assertEqual(self.story.end(), [(Kind.CODES, A), (Kind.CODES, B)])

    def test_nobody(self) -> None:
        self.story.saw(A, Sight("x", "x/1:1"))
        self.assertEqual(self.story.end(), [(Kind.INVENTED, A)])


class TheEnd(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()
        self.story.end()

    def test_ghosts(self) -> None:
        self.story.ending.books[B]["x"] = ("x/1:1", "participant", "none", "")
        self.story.ending.roll["x"] = f"x@{DOMAIN}/1"
        self.story.ending.listed.add("x")
        found = self.story.end()
        lists = [f"the list of {ROOM}", f"the items of {ROOM}"]
        self.assertEqual(found, [(Kind.GHOST, where) for where in (B, *lists)])

    def test_unseen(self) -> None:
        del self.story.ending.books[B]["a1"]
        del self.story.ending.roll["p1"]
        self.assertEqual(self.story.end(), [(Kind.UNSEEN, B), (Kind.UNSEEN, f"the list of {ROOM}")])

    def test_other_books(self) -> None:
        self.story.ending.books[B]["a1"] = ("a/1:1", "visitor", "none", "away")
        self.assertEqual(self.story.end(), [(Kind.UNSEEN, B)])


class Facts(unittest.TestCase):
    def setUp(self) -> None:
        self.story = Story()

    def ask(self, fact: str, value: str, answer: What | None) -> None:
        self.story.add(What.ASKED, A, text=value, id=fact)
        if answer is not None:
            self.story.add(answer, A, text=value, id=fact)

    def found(self, **facts: str) -> list[tuple[Kind, str]]:
        self.story.ending.facts = {"roomdesc": "0", **facts}
        return self.story.end()

    def test_granted(self) -> None:
        self.ask("m1", "member", What.GRANTED)
        self.ask("roomdesc", "7", What.GRANTED)
        self.assertEqual(self.found(m1="member", roomdesc="7"), [])
        self.assertEqual(self.found(m1="member", roomdesc="0"), [(Kind.FACT, ROOM)])
        self.assertEqual(self.found(roomdesc="7"), [(Kind.FACT, ROOM)])

    def test_unanswered(self) -> None:
        self.ask("m1", "member", What.GRANTED)
        self.ask("m1", "outcast", None)
        for value in ("member", "outcast"):
            self.assertEqual(self.found(m1=value), [])
        self.assertEqual(self.found(), [(Kind.FACT, ROOM)])

    def test_denied(self) -> None:
        self.ask("m1", "member", What.GRANTED)
        self.ask("m1", "outcast", What.DENIED)
        self.assertEqual(self.found(m1="outcast"), [(Kind.FACT, ROOM)])

    def test_subject(self) -> None:
        self.story.say(message(1), A, B, P, text="subject")
        self.story.say(message(2), A, B, P, text="subject")
        self.assertEqual(self.found(), [])
        self.story.ending.subject = message(1).text
        self.assertEqual(self.found(), [(Kind.FACT, ROOM)])
