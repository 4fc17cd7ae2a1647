"""XEP-0313 beyond its examples, which are scenarios: what is stored and when, limits, other plugins, operators."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import func, select, update
from twisted.internet.defer import fail

from tests.plugins.kit import PluginTestCase
from xmppd.api import FromClient, Message, Phase, Plugin, StorageUnavailable, ToAccount, filter
from xmppd.api.archive import USED
from xmppd.api.archives import owners, pages
from xmppd.plugins.archive.store import MESSAGES, OWNERS
from xmppd.testing import ClassSource
from xmppd.wire.jid import Jid
from xmppd.wire.xml import Element, parse

JULIET = Jid.parse("juliet@example.org")
ROMEO = Jid.parse("romeo@example.org")
MAM = "urn:xmpp:mam:2"
SEARCH = "{urn:xmpp:fulltext:0}fulltext"


def message(text: str, to: str = "juliet@example.org", more: str = "", type_: str = "chat") -> str:
    return f"<message to='{to}' type='{type_}' id='{text}'><body>{text}</body>{more}</message>"


class ArchiveTestCase(PluginTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("disco", "archive")

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.account("juliet@example.org")

    def ask(self, client: Any, fields: str = "", page: str = "", more: str = "") -> tuple[list[Element], Element]:
        """Return the results of a query, and what came after them."""
        form = ""
        if fields:
            type_ = f"<field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"
            form = f"<x xmlns='jabber:x:data' type='submit'>{type_}{fields}</x>"
        page = f"<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>" if page else ""
        client.clear()
        client.send(f"<iq type='set' id='q'><query xmlns='{MAM}'>{form}{page}{more}</query></iq>")
        self.pump(1)
        came = [parse(xml.encode())[0] for xml in client.received]
        client.clear()
        results = [next(e.elements()) for e in came if e.name == "message"]
        self.assertEqual([e.name for e in came], ["message"] * len(results) + ["iq"])
        return results, came[-1]

    def texts(self, client: Any, fields: str = "", page: str = "") -> list[str]:
        """Return the bodies, or else the names of what the messages hold."""
        return [said(result) for result in self.ask(client, fields, page)[0]]

    def stored(self) -> int:
        count: int = self.successResultOf(
            self.server.db.read(lambda c: c.execute(select(func.count()).select_from(MESSAGES)).scalar_one())
        )
        return count


def said(result: Element) -> str:
    """Return the text of a result, or the name of what it holds."""
    (forwarded,) = result.elements()
    stanza = list(forwarded.elements())[1]
    held = list(stanza.elements())
    return str(held[0]) or held[0].name


class Storing(ArchiveTestCase):
    def test_both_sides(self) -> None:
        self.romeo.send(message("one"))
        self.assertEqual(self.stored(), 2)
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.texts(self.romeo), ["one"])
        self.assertEqual(self.texts(juliet), ["one"])

    def test_as_it_was(self) -> None:
        sent = (
            "<message to='juliet@example.org/x' type='chat' id='&lt;' xml:lang='de'><body>Hör &amp; sieh</body>"
            "<x xmlns='urn:example:x'><y xmlns='' a='b'/></x></message>"
        )
        self.romeo.send(sent)
        juliet = self.login("juliet@example.org/balcony")
        for client in (self.romeo, juliet):
            client.clear()
            client.send(f"<iq type='set' id='q'><query xmlns='{MAM}'/></iq>")
            whole = sent.replace("<message ", "<message xmlns='jabber:client' from='romeo@example.org/orchard' ")
            client.expect(
                f"""<message><result xmlns='{MAM}' id='{{any}}'><forwarded xmlns='urn:xmpp:forward:0'>
                <delay xmlns='urn:xmpp:delay' stamp='{{any}}'/>{whole}</forwarded></result></message>"""
            )

    def test_every_device_once(self) -> None:
        devices = [self.login(f"juliet@example.org/{name}", presence=True, name=name) for name in ("a", "b", "c")]
        for device in devices:
            device.clear()
        self.romeo.send(message("one"))
        ids = {stanza_id(device.received[0]) for device in devices}
        self.assertEqual(len(ids), 1)
        self.assertEqual(self.texts(devices[0]), ["one"])

    def test_to_oneself(self) -> None:
        self.romeo.send("<presence/>")
        for to in ("romeo@example.org", "romeo@example.org/orchard", "romeo@example.org/other"):
            self.romeo.send(message(to, to=to))
        self.romeo.send("<message type='chat' id='n'><body>to nobody</body></message>")
        self.romeo.send(message("to another"))
        mine = ["romeo@example.org", "romeo@example.org/orchard", "romeo@example.org/other", "to nobody"]
        self.assertEqual(self.texts(self.romeo), [*mine, "to another"])
        for with_ in ("romeo@example.org", "romeo@example.org/elsewhere"):
            self.assertEqual(self.texts(self.romeo, f"<field var='with'><value>{with_}</value></field>"), mine)

    def test_order_when_time_stands_still_or_goes_back(self) -> None:
        for n in range(30):
            self.romeo.send(message(f"m{n}"))
            if n == 10:
                self.clock.advance(-100.0)
            if n == 20:
                self.restart_plugin("archive")
        self.assertEqual(self.texts(self.romeo), [f"m{n}" for n in range(30)])

    def test_what_is_refused_is_in_no_archive_of_who_refuses(self) -> None:
        """Section 6.1, third paragraph."""
        self.wait(self.host.registry.enable("blocking"))
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send(
            "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='romeo@example.org'/></block></iq>"
        )
        self.romeo.send(message("blocked"))
        self.assertEqual(self.texts(juliet), [])
        self.assertEqual(self.texts(self.romeo), ["blocked"])

    def test_for_a_device_that_is_gone(self) -> None:
        """What RFC 6121 has refused is not archived, and no id of the archive comes back with it (section 3.5)."""
        self.romeo.send(message("1", "juliet@example.org/gone", "", "normal"))
        self.romeo.expect(
            "<message type='error' id='1' from='juliet@example.org/gone'><body>1</body><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        self.romeo.send(message("2", "juliet@example.org/gone"))
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.romeo.send(message("3", "juliet@example.org/balcony", "", "normal"))
        self.assertEqual(self.texts(juliet), ["2", "3"])
        self.assertEqual(self.texts(self.romeo), ["1", "2", "3"])

    def test_nobody_else_learns_ids(self) -> None:
        """Section 3.5: also not by what comes back later, because the session that had it is lost with its account."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        self.romeo.send(message("1"))
        self.assertIn("stanza-id", "".join(juliet.received))
        juliet.disconnect()
        self.wait(self.host.delete_account(JULIET))
        self.romeo.expect(
            "<message type='error' id='1' from='{any}'><body>1</body>"
            "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='{any}'/><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )

    def test_archives_of_devices_that_are_gone(self) -> None:
        """The answer tells nobody whether there is such an account (RFC 6121 8.5.3.2.3)."""
        for to in ("juliet@example.org/gone", "nobody@example.org/gone"):
            self.romeo.send(f"<iq type='set' id='x' to='{to}'><query xmlns='{MAM}'/></iq>")
            self.romeo.expect(
                f"<iq type='error' id='x' from='{to}'><query xmlns='{MAM}'/><error type='cancel'>"
                "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
            )

    def test_asked_at_once(self) -> None:
        """What a client has sent before it asks is in the answer (RFC 6120 10.1), if it isn't on disk yet as well."""
        for text in ("first", "second"):
            self.romeo.clear()
            ends, query = f"<metadata xmlns='{MAM}'/>", f"<query xmlns='{MAM}'/>"
            self.romeo.send(f"{message(text)}<iq type='get' id='m'>{ends}</iq><iq type='set' id='q'>{query}</iq>")
            came = "".join(self.romeo.received)
            self.assertIn("<start ", came)
            self.assertIn(f"<body>{text}</body>", came)

    def test_who_sent_just_now_is_forgotten(self) -> None:
        archive = self.plugin("archive")
        self.romeo.send(message("one"))
        self.assertEqual(set(archive._archives._newest), {ROMEO})
        self.pump(1300)
        self.assertEqual(archive._archives._newest, {})

    def test_what_waits_in_the_archive_is_not_refused(self) -> None:
        """There is no offline storage here."""
        self.romeo.send(message("kept"))
        self.romeo.expect_nothing()
        self.romeo.send(message("not kept", more="<no-permanent-store xmlns='urn:xmpp:hints'/>"))
        self.assertEqual([xml for xml in self.romeo.received if "stanza-id" in xml], [])
        self.assertEqual(self.romeo.take().attributes["type"], "error")
        self.assertEqual(self.texts(self.login("juliet@example.org/balcony")), ["kept"])

    def test_kept(self) -> None:
        juliet = self.login("juliet@example.org/balcony", presence=True)
        self.wait(self.plugin("archive").reconfigured(self.plugin("archive").Options(kept=("receipts",))))
        self.romeo.send(message("one"))
        self.romeo.send("<message to='juliet@example.org'><received xmlns='urn:xmpp:receipts' id='1'/></message>")
        self.assertEqual(self.texts(juliet), ["received"])

    def test_nobody_waits_for_the_database(self) -> None:
        """Neither the first message of an account nor any other; see docs/decisions."""
        db: Any = self.server.db
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.clear()
        db.read = lambda fn: fail(StorageUnavailable("busy"))
        self.addCleanup(lambda: db.__dict__.pop("read", None))
        self.romeo.send(message("one") + message("two"))
        self.assertEqual([stanza_id(xml) is not None for xml in juliet.received], [True, True])
        del db.read
        self.romeo.send(message("three"))
        self.assertEqual(self.texts(juliet), ["one", "two", "three"])
        self.assertEqual(self.texts(self.romeo), ["one", "two", "three"])

    def test_a_crash(self) -> None:
        """What was delivered is archived, and under the id that was told."""
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.clear()
        self.romeo.send(message("one"))
        told = stanza_id(juliet.received[0])
        self.kill()
        juliet = self.login("juliet@example.org/balcony")
        ((result,), _) = self.ask(juliet)
        self.assertEqual(result["id"], told)


def stanza_id(xml: str) -> str | None:
    """Return the id that a message has in Juliet's archive."""
    (element,) = parse(xml.encode())
    return next((e["id"] for e in element.elements() if e.name == "stanza-id" and e["by"] == JULIET), None)


class Pages(ArchiveTestCase):
    config: ClassVar[Any] = {"archive": {"page": 3, "max_page": 5, "max_page_octets": 4000, "max_words": 2}}

    def setUp(self) -> None:
        super().setUp()
        for n in range(12):
            self.romeo.send(message(str(n)))

    def test_limits(self) -> None:
        self.assertEqual(self.texts(self.romeo), ["0", "1", "2"])
        self.assertEqual(self.texts(self.romeo, page="<max>100</max>"), ["0", "1", "2", "3", "4"])
        self.assertEqual(self.texts(self.romeo, page="<before/>"), ["9", "10", "11"])

    def test_octets(self) -> None:
        for body in ("0" + "x" * 1500, "1" + "x" * 1500, "2" + "x" * 1500, "y" * 5000):
            self.romeo.send(f"<message to='nurse@example.org' type='chat'><body>{body}</body></message>")
        field = "<field var='with'><value>nurse@example.org</value></field>"
        results, iq = self.ask(self.romeo, field, "<max>5</max>")
        self.assertEqual([said(result)[0] for result in results], ["0", "1"])
        self.assertNotIn("complete", next(iq.elements()).attributes)
        results, _ = self.ask(self.romeo, field, f"<max>5</max><after>{results[-1]['id']}</after>")
        self.assertEqual([said(result)[0] for result in results], ["2"])
        results, _ = self.ask(self.romeo, field, f"<max>5</max><after>{results[-1]['id']}</after>")
        self.assertEqual([said(result)[0] for result in results], ["y"])
        results, _ = self.ask(self.romeo, field, "<max>5</max><before/>")
        self.assertEqual([said(result)[0] for result in results], ["y"])

    def test_others_get_their_turn(self) -> None:
        """A page is sent in parts."""
        options = self.plugin("archive").Options(page=50, max_page=50)
        self.wait(self.host.registry.reconfigure("archive", options))
        for n in range(12, 30):
            self.romeo.send(message(str(n)))
        self.romeo.clear()
        session = self.host.session(Jid.parse(self.romeo.jid))
        assert session is not None
        self.romeo._write(f"<iq type='set' id='q'><query xmlns='{MAM}'/></iq>".encode())
        self.assertEqual(len(self.romeo.received), 25)
        self.pump(0)
        self.assertEqual(len(self.romeo.received), 31)

    def test_leaving_in_the_middle(self) -> None:
        options = self.plugin("archive").Options(page=50, max_page=50)
        self.wait(self.host.registry.reconfigure("archive", options))
        for n in range(12, 30):
            self.romeo.send(message(str(n)))
        self.romeo._write(f"<iq type='set' id='q'><query xmlns='{MAM}'/></iq>".encode())
        self.romeo.disconnect()
        self.pump(1)
        self.assertEqual(self.host.sessions(ROMEO), ())

    def test_counted_once(self) -> None:
        """The number of matches is counted for the first page only (docs/decisions)."""
        counts = []
        find = pages.Pages.find

        def finding(self: Any, connection: Any, selection: Any, wanted: Any) -> Any:
            counts.append(wanted.count)
            return find(self, connection, selection, wanted)

        self.patch(pages.Pages, "find", finding)
        results, _ = self.ask(self.romeo)
        for _ in range(3):
            results, iq = self.ask(self.romeo, page=f"<after>{results[-1]['id']}</after>")
        self.assertEqual(counts, [True, False, False, False])
        self.assertIn("<first index='9'>", iq.toXml())
        self.ask(self.romeo, "<field var='with'><value>juliet@example.org</value></field>")
        self.assertEqual(counts[4:], [True])

    def test_other_peoples_ids(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        ((theirs, *_), _) = self.ask(juliet)
        for page, fields in (
            (f"<after>{theirs['id']}</after>", ""),
            (f"<before>{theirs['id']}</before>", ""),
            ("", f"<field var='ids'><value>{theirs['id']}</value></field>"),
            ("", f"<field var='after-id'><value>{theirs['id']}</value></field>"),
            ("", f"<field var='before-id'><value>{theirs['id']}</value></field>"),
        ):
            _, error = self.ask(self.romeo, fields, page)
            self.assertEqual(error["type"], "error")
            self.assertIn("item-not-found", error.toXml())

    def test_too_many_words(self) -> None:
        _, error = self.ask(self.romeo, f"<field var='{SEARCH}'><value>one two three</value></field>")
        self.assertIn("not-acceptable", error.toXml())


class ForOthers(ArchiveTestCase):
    """IArchive."""

    def test_archive_id(self) -> None:
        asked: list[tuple[str, str | None]] = []

        class Asks(Plugin):
            @filter(FromClient, Phase.DELIVER, kinds=(Message,))
            def sent(self, event: FromClient) -> None:
                asked.append(("sent", archive.archive_id(ROMEO, event.stanza)))

            @filter(ToAccount, Phase.DELIVER, kinds=(Message,))
            def received(self, event: ToAccount) -> None:
                asked.append(("received", archive.archive_id(event.account, event.stanza)))

        archive = self.plugin("archive")
        self.host.registry._sources.append(ClassSource(Asks))
        self.wait(self.host.registry.enable("asks"))
        juliet = self.login("juliet@example.org/balcony", presence=True)
        for xml in (message("one"), message("two"), message("no", more="<no-store xmlns='urn:xmpp:hints'/>")):
            self.romeo.send(xml)
        mine = [result["id"] for result in self.ask(self.romeo)[0]]
        hers = [result["id"] for result in self.ask(juliet)[0]]
        self.assertEqual([id_ for what, id_ in asked if what == "sent"], [*mine, None])
        self.assertEqual([id_ for what, id_ in asked if what == "received"], [*hers, None])

    def test_copies(self) -> None:
        """Section 3.5: the copy that another device of the sender gets has the sender's id, and only that."""
        self.wait(self.host.registry.enable("carbons"))
        phone = self.login("romeo@example.org/phone", presence=True)
        phone.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        phone.clear()
        self.romeo.send(message("one"))
        copied = phone.received[0]
        ((result,), _) = self.ask(self.romeo)
        self.assertEqual(copied.count("<stanza-id "), 1)
        self.assertIn(f"<stanza-id xmlns='urn:xmpp:sid:0' by='romeo@example.org' id='{result['id']}'/>", copied)

    def test_fetched(self) -> None:
        archive = self.plugin("archive")
        juliet = self.login("juliet@example.org/balcony")
        session = self.host.session(Jid.parse(juliet.jid))
        assert session is not None
        for n in range(8):
            self.romeo.send(message(str(n)))
        ids = [result["id"] for result in self.ask(self.login("juliet@example.org/other"))[0]]

        def fetched() -> list[bool]:
            return [archive.fetched(session, id_) for id_ in ids]

        for fields in (
            "<field var='with'><value>romeo@example.org</value></field>",
            f"<field var='ids'><value>{ids[0]}</value></field>",
        ):
            self.ask(juliet, fields)
        self.assertIsNone(session.state.get(USED))
        self.assertEqual(fetched(), [False] * 8)
        self.ask(juliet, page="<max>2</max><before/>")
        self.assertEqual(fetched(), [False] * 6 + [True] * 2)
        self.assertTrue(session.state.get(USED))
        self.ask(juliet, page=f"<max>2</max><after>{ids[0]}</after>")
        self.assertEqual(fetched(), [True] * 3 + [False] * 3 + [True] * 2)
        self.ask(juliet, f"<field var='after-id'><value>{ids[2]}</value></field>", "<max>1</max><before/>")
        self.assertEqual(fetched(), [True] * 3 + [False] * 3 + [True] * 2)
        self.ask(juliet, f"<field var='after-id'><value>{ids[2]}</value></field>", "<max>3</max>")
        self.assertEqual(fetched(), [True] * 8)
        self.assertFalse(archive.fetched(session, "nonsense"))


class Operations(ArchiveTestCase):
    def test_count_and_purge(self) -> None:
        self.assertEqual(
            self.operate("archive", "archive count", account="juliet@example.org"),
            {"account": "juliet@example.org", "messages": 0, "first": "", "last": ""},
        )
        self.romeo.send(message("one"))
        self.clock.advance(3600)
        self.romeo.send(message("two"))
        self.clock.advance(3600)
        self.romeo.send(message("three"))
        counted = self.operate("archive", "archive count", account="juliet@example.org")
        self.assertEqual(
            (counted["messages"], counted["first"], counted["last"]),
            (3, "2026-01-01T12:00:00Z", "2026-01-01T14:00:00Z"),
        )
        purge = {"account": "juliet@example.org", "before": "2026-01-01T12:30:00Z"}
        self.assertEqual(self.operate("archive", "archive purge", **purge), "Deleted 1 message.")
        juliet = self.login("juliet@example.org/balcony")
        self.assertEqual(self.texts(juliet), ["two", "three"])
        self.assertEqual(self.operate("archive", "archive purge", account="juliet@example.org"), "Deleted 2 messages.")
        self.assertEqual(self.texts(juliet), [])
        self.assertEqual(self.texts(self.romeo), ["one", "two", "three"])

    def test_refused(self) -> None:
        for operation in ("archive count", "archive purge"):
            text = self.refuse_to_operate("archive", operation, account="nobody@example.org")
            self.assertIn("there is no account", text)
        text = self.refuse_to_operate("archive", "archive purge", account="romeo@example.org", before="yesterday")
        self.assertIn("'yesterday' is no DateTime", text)


class Preferences(ArchiveTestCase):
    config: ClassVar[Any] = {"archive": {"preferences": False, "default": "never"}}

    def test_switched_off(self) -> None:
        """XEP-0441, example 3."""
        for type_, default in (("get", ""), ("set", " default='always'")):
            self.romeo.send(f"<iq type='{type_}' id='juliet2'><prefs xmlns='{MAM}'{default}/></iq>")
            self.romeo.expect(
                f"""<iq type='error' id='juliet2'><prefs xmlns='{MAM}'{default}/><error type='cancel'>
                <feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"""
            )

    def test_default(self) -> None:
        self.romeo.send(message("one"))
        self.assertEqual(self.texts(self.romeo), [])

    def test_those_from_before_do_not_count(self) -> None:
        values = {"account": "romeo@example.org", "preferences": '["always",[],[]]'}
        values |= {"searched_position": 0, "searched_id": 0}  # type: ignore[dict-item]
        self.wait(self.server.db.append(OWNERS, [values]))
        self.restart_plugin("archive")
        self.romeo.send(message("one"))
        self.assertEqual(self.texts(self.romeo), [])


class InMemory(ArchiveTestCase):
    """Numbers of accounts are kept in memory of those who are connected, and of so many others."""

    def known(self) -> set[str]:
        return {jid.local for jid in self.plugin("archive")._archives.owners.known}

    def test_whoever_leaves_is_forgotten(self) -> None:
        for text in ("one", "two"):
            self.romeo.send(message(text))
        self.assertEqual(self.known(), {"romeo", "juliet"})
        phone = self.login("romeo@example.org/phone")
        self.romeo.close()
        self.assertIn("romeo", self.known())
        phone.close()
        self.assertNotIn("romeo", self.known())

    def test_not_too_many_others(self) -> None:
        self.patch(owners, "_MANY", 5)
        names = [f"friend{n}" for n in range(10)]
        for name in names:
            self.account(f"{name}@example.org")
            for text in ("one", "two"):
                self.romeo.send(message(text, to=f"{name}@example.org"))
            self.assertLessEqual(len(self.known()), 5)
            self.assertLessEqual({"romeo", name}, self.known())
        for name in names:
            friend = self.login(f"{name}@example.org/x", name=name)
            self.assertEqual(self.texts(friend), ["one", "two"])


class Collisions(ArchiveTestCase):
    def test_addresses_with_the_same_number(self) -> None:
        """The index holds numbers for addresses; who shares one is not mistaken for another."""
        self.romeo.send(message("one") + message("two", to="nurse@example.org"))
        self.wait(
            self.server.db.write(lambda c: c.execute(update(MESSAGES).values(peer=MESSAGES.c.peer * 0 + 7)) and None)
        )
        self.patch(pages, "brief", lambda text: 7)
        self.assertEqual(self.texts(self.romeo, "<field var='with'><value>nurse@example.org</value></field>"), ["two"])
        self.assertEqual(
            self.texts(self.romeo, "<field var='with'><value>juliet@example.org</value></field>"), ["one"]
        )  # fmt: skip
        self.assertEqual(self.texts(self.romeo, "<field var='with'><value>example.org</value></field>"), [])
