"""Rosters in the database and in memory: plugins/roster/store.py and rosters.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Jid, Presence, RosterItem, StorageUnavailable, Subscription
from xmppd.core.storage import DirectDatabase, migrate, open_engines, schema_differences
from xmppd.plugins.roster import store
from xmppd.plugins.roster.rosters import Change, Roster, Rosters
from xmppd.plugins.roster.rules import State
from xmppd.plugins.roster.store import encode_request, read_request

ROMEO = Jid.parse("romeo@example.org")
JULIET = Jid.parse("juliet@example.com")
NURSE = Jid.parse("nurse@example.com")
REQUEST = encode_request(Presence(to=ROMEO, from_=JULIET, id="r1", type="subscribe"))


class WithDatabase(SynchronousTestCase):
    def setUp(self) -> None:
        self.engines = open_engines("sqlite://")
        self.addCleanup(self.engines.dispose)
        migrate(self.engines.write, "roster", store.TABLES, ())
        self.db = DirectDatabase(self.engines)
        self.online: set[Jid] = set()
        self.rosters = self.fresh()

    def fresh(self, cache: int = 10, kept: int = 3) -> Rosters:
        return Rosters(self.db, self.online.__contains__, cache, kept)

    def done(self, work: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def load(self, account: Jid = ROMEO, rosters: Rosters | None = None) -> Roster:
        roster = self.done((rosters or self.rosters).load(account))
        assert isinstance(roster, Roster)
        return roster

    def put(self, contact: Jid, item: RosterItem | None, request: bytes | None = None) -> Change:
        change = self.done(self.rosters.change(ROMEO, lambda roster: roster.change(contact, item, request)))
        assert isinstance(change, Change)
        return change

    def assert_stored(self) -> None:
        """What is in memory is what a server that starts anew would read."""
        mine, read = self.load(), self.load(rosters=self.fresh())
        self.assertEqual(mine.header, read.header)
        self.assertEqual(mine.items, read.items)
        self.assertEqual(mine.requests, read.requests)
        self.assertEqual(mine.removed, read.removed)
        self.assertEqual(list(mine.removed), list(read.removed))


class Store(WithDatabase):
    def test_a_new_database_gets_what_is_declared(self) -> None:
        with self.engines.read.connect() as connection:
            self.assertEqual(schema_differences(connection, store.TABLES), [])

    def test_an_account_without_a_roster_has_an_empty_one(self) -> None:
        roster = self.load()
        self.assertEqual((roster.items, roster.requests, roster.version), ({}, {}, "0"))

    def test_an_item_comes_back_as_it_was(self) -> None:
        item = RosterItem(JULIET, "Julia & <co>", ("Friends", 'Fräuleins, "1"'), Subscription.FROM, True, False)
        self.put(JULIET, item)
        self.assertEqual(self.load(rosters=self.fresh()).items, {JULIET: replace(item, version=1)})

    def test_an_item_is_changed_in_place(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        self.put(JULIET, RosterItem(JULIET, "Juliet", approved=True))
        self.assert_stored()
        self.assertEqual(self.load().items[JULIET].version, 2)

    def test_a_request_of_a_stranger_is_kept_and_is_no_item(self) -> None:
        change = self.put(JULIET, None, REQUEST)
        self.assertFalse(change.visible)
        self.assert_stored()
        roster = self.load()
        self.assertEqual((roster.items, roster.state(JULIET)), ({}, State.NONE_IN))
        self.assertEqual(roster.header.version, 0)

    def test_a_request_that_is_answered_leaves_nothing(self) -> None:
        self.put(JULIET, None, REQUEST)
        self.put(JULIET, None, None)
        self.assert_stored()
        self.assertEqual(self.load().state(JULIET), State.NONE)

    def test_a_removed_item_is_remembered(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        self.put(JULIET, None)
        self.assert_stored()
        self.assertEqual(self.load().removed, {JULIET: 2})

    def test_an_item_that_comes_back_is_not_among_the_removed(self) -> None:
        for item in (RosterItem(JULIET), None, RosterItem(JULIET, "again")):
            self.put(JULIET, item)
        self.assert_stored()
        self.assertEqual(self.load().removed, {})

    def test_a_removed_contact_can_ask(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        self.put(JULIET, None)
        self.put(JULIET, None, REQUEST)
        self.assert_stored()
        self.assertEqual((self.load().removed, list(self.load().requests)), ({JULIET: 2}, [JULIET]))

    def test_the_roster_of_a_deleted_account_is_gone(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        before = self.done(self.rosters.delete(ROMEO))
        self.assertEqual(list(before.items), [JULIET])
        self.assertEqual(self.load().items, {})
        self.assertEqual(self.load().version, "0")

    def test_others_rosters_are_not_touched(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        self.done(self.rosters.delete(NURSE))
        self.assertEqual(list(self.load(rosters=self.fresh()).items), [JULIET])

    def test_a_request_after_a_removal_does_not_make_the_removal_a_later_one(self) -> None:
        for contact in (JULIET, NURSE):
            self.put(contact, RosterItem(contact))
        for contact in (JULIET, NURSE):
            self.put(contact, None)
        self.put(JULIET, None, REQUEST)
        self.put(JULIET, None)
        self.assert_stored()
        self.assertEqual(list(self.load().removed), [JULIET, NURSE])

    def test_a_request_keeps_its_whole_content(self) -> None:
        payload = b"<status>Hi &amp; hello</status><x xmlns='urn:example:x' a='1'><y/>text</x>"
        stanza = Presence(to=ROMEO, from_=JULIET, id="a'b", type="subscribe", lang="it", payload=payload)
        back = read_request(encode_request(stanza))
        self.assertEqual(
            (back.to, back.from_, back.id, back.type, back.lang), (ROMEO, JULIET, "a'b", "subscribe", "it")
        )
        self.assertEqual(back.text("status"), "Hi & hello")
        extension = back.child("urn:example:x", "x")
        assert extension is not None
        self.assertEqual((extension.attributes, extension.children[0].name), ({"a": "1"}, "y"))
        self.assertEqual(extension.children[0].uri, "urn:example:x")


class Versions(WithDatabase):
    def setUp(self) -> None:
        super().setUp()
        self.put(JULIET, RosterItem(JULIET))
        self.put(NURSE, RosterItem(NURSE))
        self.roster = self.load()

    def test_nothing_has_changed_since_the_newest(self) -> None:
        self.assertEqual(self.roster.changes_since(self.roster.version), [])

    def test_changes_come_in_their_order(self) -> None:
        first = self.roster.version
        self.put(NURSE, RosterItem(NURSE, "Nurse"))
        self.put(JULIET, None)
        self.assertEqual(self.roster.changes_since(first), [(3, NURSE), (4, JULIET)])

    def test_an_item_changed_twice_is_told_once(self) -> None:
        first = self.roster.version
        self.put(NURSE, RosterItem(NURSE, "Nurse"))
        self.put(NURSE, RosterItem(NURSE, "Angelica"))
        self.assertEqual(self.roster.changes_since(first), [(4, NURSE)])

    def test_everything_has_changed_since_there_was_nothing(self) -> None:
        self.assertEqual(self.roster.changes_since("0"), [(1, JULIET), (2, NURSE)])

    def test_what_is_stored_without_a_change_of_the_roster_makes_no_version(self) -> None:
        first = self.roster.version
        self.put(Jid.parse("paris@example.com"), None, REQUEST)
        self.assertEqual(self.roster.version, first)

    def test_versions_of_another_roster_or_none_are_not_known(self) -> None:
        epoch = self.roster.header.epoch
        for version in (
            "",
            "ver7",
            f"{epoch}-3",
            f"{epoch}-",
            f"{epoch}--1",
            f"{epoch}-1x",
            "x-1",
            f"{epoch}-" + "9" * 30,
        ):
            self.assertIsNone(self.roster.changes_since(version), version)

    def test_a_new_roster_of_the_same_account_has_another_epoch(self) -> None:
        old = self.roster.version
        self.done(self.rosters.delete(ROMEO))
        for contact in (JULIET, NURSE):
            self.put(contact, RosterItem(contact))
        self.assertIsNone(self.load().changes_since(old))

    def test_only_so_many_removals_are_remembered(self) -> None:
        contacts = [Jid.parse(f"c{n}@example.com") for n in range(5)]
        for contact in contacts:
            self.put(contact, RosterItem(contact))
        whole = self.roster.header.version
        for contact in contacts:
            self.put(contact, None)
        self.assert_stored()
        self.assertEqual(list(self.roster.removed), contacts[2:])
        epoch = self.roster.header.epoch
        self.assertIsNone(self.roster.changes_since(f"{epoch}-{whole + 1}"))
        self.assertEqual(
            self.roster.changes_since(f"{epoch}-{whole + 2}"),
            [(whole + 3, contacts[2]), (whole + 4, contacts[3]), (whole + 5, contacts[4])],
        )


class Memory(WithDatabase):
    def test_who_sees_whom_follows_changes(self) -> None:
        self.put(JULIET, RosterItem(JULIET, subscription=Subscription.FROM))
        roster = self.load()
        self.assertEqual((roster.subscribers, roster.subscriptions), ((JULIET,), ()))
        self.put(JULIET, RosterItem(JULIET, subscription=Subscription.BOTH))
        self.put(NURSE, RosterItem(NURSE, subscription=Subscription.TO))
        self.assertEqual((roster.subscribers, roster.subscriptions), ((JULIET,), (JULIET, NURSE)))

    def test_the_roster_of_a_connected_account_stays(self) -> None:
        rosters = self.fresh(cache=0)
        self.load(rosters=rosters)
        self.assertIsNone(rosters.cached(ROMEO))
        self.online.add(ROMEO)
        self.load(rosters=rosters)
        self.assertIsNotNone(rosters.cached(ROMEO))
        rosters.left(ROMEO)
        self.assertIsNone(rosters.cached(ROMEO))

    def test_of_others_the_latest_are_kept(self) -> None:
        rosters = self.fresh(cache=2)
        accounts = [Jid.parse(f"u{n}@example.org") for n in range(3)]
        for account in accounts:
            self.load(account, rosters)
        self.assertEqual([rosters.cached(account) is not None for account in accounts], [False, True, True])

    def test_an_account_that_comes_back_finds_its_roster_in_memory(self) -> None:
        rosters = self.fresh(cache=1)
        roster = self.load(rosters=rosters)
        rosters.came(ROMEO)
        self.load(NURSE, rosters)
        self.load(JULIET, rosters)
        self.assertIs(rosters.cached(ROMEO), roster)

    def test_a_change_that_is_refused_changes_nothing(self) -> None:
        def refuse(roster: Roster) -> Change:
            raise ValueError("no")

        self.failureResultOf(Deferred.fromCoroutine(self.rosters.change(ROMEO, refuse)), ValueError)
        self.put(JULIET, RosterItem(JULIET))
        self.assert_stored()

    def test_nothing_to_change_is_not_written(self) -> None:
        self.put(JULIET, RosterItem(JULIET))
        self.db.write = lambda fn: self.fail("written")  # type: ignore[method-assign]
        self.assertFalse(self.put(JULIET, RosterItem(JULIET)).anything)

    def test_a_change_is_seen_only_when_it_is_on_disk(self) -> None:
        self.online.add(ROMEO)
        roster = self.load()
        waiting: Deferred[Any] = Deferred()
        self.db.write = lambda fn: waiting  # type: ignore[method-assign]
        seen: list[str] = []
        change = self.rosters.change(
            ROMEO, lambda r: r.change(JULIET, RosterItem(JULIET), None), lambda r, c: seen.append(r.version)
        )
        result = Deferred.fromCoroutine(change)
        self.assertNoResult(result)
        self.assertEqual((roster.items, seen), ({}, []))
        waiting.callback(None)
        self.successResultOf(result)
        self.assertEqual((list(roster.items), len(seen)), ([JULIET], 1))

    def test_changes_of_one_account_wait_for_each_other(self) -> None:
        self.online.add(ROMEO)
        waiting: list[Deferred[None]] = []

        def write(fn: Any) -> Any:
            waiting.append(Deferred())
            return waiting[-1]

        self.db.write = write  # type: ignore[method-assign]
        order: list[str] = []
        for contact in (JULIET, NURSE):
            work = self.rosters.change(
                ROMEO,
                lambda r, contact=contact: r.change(contact, RosterItem(contact), None),  # type: ignore[misc]
                lambda r, c: order.append(r.version.rpartition("-")[2]),
            )
            Deferred.fromCoroutine(work)
        self.assertEqual(len(waiting), 1)
        waiting[0].callback(None)
        self.assertEqual(len(waiting), 2)
        waiting[1].callback(None)
        self.assertEqual(order, ["1", "2"])
        self.assertEqual(self.rosters._locks, {})

    def test_after_a_failed_write_the_roster_is_read_again(self) -> None:
        self.online.add(ROMEO)
        self.put(JULIET, RosterItem(JULIET))
        write = self.db.write
        self.db.write = lambda fn: fail(StorageUnavailable("the disk is full"))  # type: ignore[method-assign]
        change = self.rosters.change(ROMEO, lambda r: r.change(NURSE, RosterItem(NURSE), None))
        self.failureResultOf(Deferred.fromCoroutine(change), StorageUnavailable)
        self.assertIsNone(self.rosters.cached(ROMEO))
        self.db.write = write  # type: ignore[method-assign]
        self.assertEqual(list(self.load().items), [JULIET])

    def test_a_roster_is_read_once_by_those_who_come_together(self) -> None:
        self.online.add(ROMEO)
        reads: list[Deferred[store.Stored]] = []

        def read(fn: Any) -> Any:
            reads.append(Deferred())
            return reads[-1]

        self.db.read = read  # type: ignore[method-assign]
        loads = [Deferred.fromCoroutine(self.rosters.load(ROMEO)) for _ in range(3)]
        self.assertEqual(len(reads), 1)
        reads[0].callback(store.Stored())
        found = {id(self.successResultOf(load)) for load in loads}
        self.assertEqual((len(found), len(reads)), (1, 1))


CONTACTS = [Jid.parse(f"{name}@example.com") for name in ("a", "b", "c", "d", "e")]
ACTS = st.tuples(
    st.sampled_from(CONTACTS),
    st.sampled_from(["name", "subscription", "remove", "ask", "answer"]),
    st.sampled_from(list(Subscription)),
)


class AnyHistory(WithDatabase):
    @given(st.lists(ACTS, max_size=25), st.integers(1, 3))
    def test_memory_and_disk_agree_and_a_client_that_follows_gets_the_roster(
        self, acts: list[tuple[Jid, str, Subscription]], kept: int
    ) -> None:
        self.done(self.rosters.delete(ROMEO))
        self.rosters.removals_kept = kept
        client: dict[Jid, RosterItem] = {}
        known = self.load().version
        for number, (contact, act, subscription) in enumerate(acts):
            roster = self.load()
            item = roster.items.get(contact)
            request = roster.requests.get(contact)
            if act == "name":
                item = replace(item or RosterItem(contact), name=f"n{number}")
            elif act == "subscription":
                item = replace(item or RosterItem(contact), subscription=subscription)
            elif act == "remove":
                item = request = None
            else:
                request = REQUEST if act == "ask" else None
            self.put(contact, item, request)
            if number % 4 == 3:
                known = self.follow(client, known)
        self.follow(client, known)
        self.assert_stored()

    def follow(self, client: dict[Jid, RosterItem], known: str) -> str:
        """Bring a client's copy up to date the way RFC 6121 2.6 does, and compare it."""
        roster = self.load()
        changes = roster.changes_since(known)
        if changes is None:
            client.clear()
            client.update(roster.items)
        for version, jid in changes or ():
            item = roster.items.get(jid)
            if item is None:
                client.pop(jid, None)
            else:
                self.assertEqual(item.version, version)
                client[jid] = item
        self.assertEqual(client, roster.items)
        return roster.version
