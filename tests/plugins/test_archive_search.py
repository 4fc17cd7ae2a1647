"""XEP-0431: what a search finds, that it pages, and that it is looked after only for those who search."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import func, inspect, select, text, update

from tests.plugins.test_archive import MAM, SEARCH, ArchiveTestCase, message, said
from xmppd.api.archives import reader
from xmppd.plugins.archive.store import MESSAGES, OWNERS
from xmppd.wire.escape import escape_text


def field(words: str) -> str:
    return f"<field var='{SEARCH}'><value>{escape_text(words)}</value></field>"


class SearchTestCase(ArchiveTestCase):
    def find(self, words: str, client: Any = None, page: str = "", more: str = "") -> list[str]:
        return self.texts(client or self.romeo, field(words) + more, page)

    def say(self, *texts: str, to: str = "juliet@example.org") -> None:
        for words in texts:
            self.romeo.send(f"<message to='{to}' type='chat'><body>{escape_text(words)}</body></message>")

    def indexed(self) -> int:
        """Return how many messages have words in the index."""
        with self.server.engines.read.connect() as connection:
            count: int = connection.execute(text("SELECT count(*) FROM archive_search")).scalar_one()
        return count


class Searching(SearchTestCase):
    def test_all_words_must_occur(self) -> None:
        self.say("What light through yonder window breaks?", "It is the east", "and Juliet is the sun.", "Löwe, tee")
        for words, found in (
            ("light", [0]), ("LIGHT window", [0]), ("window, light!", [0]), ("is the", [1, 2]), ("the is", [1, 2]),
            ("is the moon", []), ("lig", []), ("lowe", [3]), ("LÖWE Tée", [3]), ("löwe", [3]),
        ):  # fmt: skip
            said_ = [
                "What light through yonder window breaks?",
                "It is the east",
                "and Juliet is the sun.",
                "Löwe, tee",
            ]
            self.assertEqual(self.find(words), [said_[n] for n in found], words)

    def test_nothing_is_special(self) -> None:
        """Whatever is asked for is a list of words, in no query language at all."""
        self.say("a or b", "a", "NEAR", "words: x", "100% sure_thing", 'O\'Neill "said"')
        for words, found in (
            ("a OR b", ["a or b"]), ('"a', ["a or b", "a"]), ("a*", ["a or b", "a"]), ("near(a b)", []),
            ("words:x", ["words: x"]), ("-x", ["words: x"]), ("^near", ["NEAR"]), ("100 thing", ["100% sure_thing"]),
            ("o'neill", ["O'Neill \"said\""]), ("a' | 'b", ["a or b"]), ("§1", []), ("§", []), ("*", []), ("!!!", []),
            ("a\u0000b".replace("\u0000", " "), ["a or b"]), ("'; DROP TABLE archive_search; --", []),
        ):  # fmt: skip
            self.assertEqual(self.find(words), found, words)

    def test_an_empty_field_is_no_search(self) -> None:
        self.say("one", "two")
        self.assertEqual(self.find(""), ["one", "two"])

    def test_with_other_fields_and_pages(self) -> None:
        self.say(*(f"n{n} word{n % 2}" for n in range(10)))
        self.say("x word1", to="nurse@example.org")
        with_ = "<field var='with'><value>juliet@example.org</value></field>"
        self.assertEqual(self.find("word1", page="<max>2</max><before/>"), ["n9 word1", "x word1"])
        results, iq = self.ask(self.romeo, field("word1") + with_, "<max>3</max>")
        self.assertEqual([said(result) for result in results], ["n1 word1", "n3 word1", "n5 word1"])
        self.assertIn("<count>5</count>", iq.toXml())
        results, iq = self.ask(self.romeo, field("word1") + with_, f"<max>3</max><after>{results[-1]['id']}</after>")
        self.assertEqual([said(result) for result in results], ["n7 word1", "n9 word1"])
        self.assertIn("complete", iq.toXml())
        self.assertIn("<first index='3'>", iq.toXml())

    def test_only_ones_own(self) -> None:
        self.say("secret")
        nurse = self.login("nurse@example.org/house")
        nurse.send(message("secret plan", to="tybalt@example.org"))
        nurse.clear()
        self.assertEqual(self.find("secret", nurse), ["secret plan"])
        self.assertEqual(self.find("secret"), ["secret"])
        owner = self.wait(self.server.db.read(lambda c: c.execute(select(OWNERS.c.number)).scalars().first()))
        self.assertEqual(self.find(f"§{owner} secret", nurse), [])

    def test_new_messages_are_found(self) -> None:
        for n in range(3):
            self.say(f"word {n}")
            self.assertEqual(len(self.find("word")), n + 1)
        self.restart_plugin("archive")
        self.say("word 3")
        self.assertEqual(len(self.find("word")), 4)

    def test_many_at_a_time(self) -> None:
        self.patch(reader, "_INDEXED_AT_ONCE", 3)
        self.say(*(f"word {n}" for n in range(10)))
        self.assertEqual(self.find("7 word"), ["word 7"])
        self.assertEqual(self.indexed(), 10)

    def test_late_rows_are_found(self) -> None:
        """A row may be written after another one with a greater id, if its stanza took longer to handle."""
        self.say("one word", "two words")
        self.assertEqual(self.find("one"), ["one word"])
        self.say("late word")
        self.clock.advance(5)
        late = select(MESSAGES.c.position).where(MESSAGES.c.stanza.contains(b"late"))
        low = self.wait(self.server.db.read(lambda c: c.execute(select(func.min(MESSAGES.c.id))).scalar_one()))
        self.wait(
            self.server.db.write(
                lambda c: c.execute(update(MESSAGES).where(MESSAGES.c.position.in_(late)).values(id=low - 5)) and None
            )
        )
        self.assertEqual(self.find("late"), ["late word"])


class Lazy(SearchTestCase):
    def test_who_does_not_search_costs_nothing(self) -> None:
        self.say("one", "two")
        self.assertEqual(self.indexed(), 0)
        self.find("one")
        self.assertEqual(self.indexed(), 2)  # Romeo's
        self.say("three")
        self.assertEqual(self.indexed(), 2)

    def test_nothing_new_is_no_write(self) -> None:
        self.say("one")
        self.find("one")
        db: Any = self.server.db
        db.write = lambda fn: self.fail("there is nothing to be written")
        self.addCleanup(lambda: db.__dict__.pop("write"))
        self.assertEqual(self.find("one"), ["one"])

    def test_what_is_deleted_is_forgotten(self) -> None:
        self.say("one", "two")
        self.find("one")
        self.operate("archive", "archive purge", account="romeo@example.org")
        self.assertEqual(self.indexed(), 0)
        self.assertEqual(self.find("one"), [])

    def test_positions_given_again(self) -> None:
        """SQLite numbers rows anew from where the last one was."""
        self.say("one", "two")
        self.find("one")
        for account in ("romeo@example.org", "juliet@example.org"):
            self.operate("archive", "archive purge", account=account)
        self.say("three")
        self.assertEqual(self.find("three"), ["three"])
        self.assertEqual(self.find("one"), [])

    def test_a_retracted_message_is_not_found(self) -> None:
        self.romeo.send("<message to='juliet@example.org' type='chat' id='1'><body>oops</body></message>")
        self.assertEqual(self.find("oops"), ["oops"])
        self.romeo.send(
            "<message to='juliet@example.org' type='chat' id='2'>"
            "<retract xmlns='urn:xmpp:message-retract:1' id='1'/></message>"
        )
        self.assertEqual(self.find("oops"), [])
        self.assertEqual(self.indexed(), 0)


class SwitchedOff(SearchTestCase):
    config: ClassVar[Any] = {"archive": {"search": False}}

    def test_refused_and_not_offered(self) -> None:
        self.say("one")
        _, error = self.ask(self.romeo, field("one"))
        self.assertIn("feature-not-implemented", error.toXml())
        self.romeo.send(f"<iq type='get' id='f'><query xmlns='{MAM}'/></iq>")
        self.assertNotIn("fulltext", self.romeo.received[-1])
        info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        self.romeo.send(f"<iq type='get' id='f' to='romeo@example.org'>{info}</iq>")
        self.assertNotIn("fulltext", self.romeo.received[-1])
        with self.server.engines.read.connect() as connection:
            self.assertFalse(inspect(connection).has_table("archive_search"))

    def test_switched_on_and_off(self) -> None:
        """What was indexed is still forgotten when it is deleted."""
        archive = self.plugin("archive")
        self.say("one")
        self.wait(self.host.registry.reconfigure("archive", archive.Options(search=True)))
        self.assertEqual(self.find("one"), ["one"])
        self.wait(self.host.registry.reconfigure("archive", archive.Options(search=False)))
        self.restart_plugin("archive")
        self.assertEqual(self.indexed(), 1)
        self.operate("archive", "archive purge", account="romeo@example.org")
        self.assertEqual(self.indexed(), 0)
