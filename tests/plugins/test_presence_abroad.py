"""What is remembered of contacts elsewhere, and of leave taken of them."""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.plugins.presence.abroad import Abroad
from xmppd.plugins.presence.departures import Departures
from xmppd.wire.jid import Jid

ROMEO, MERCUTIO = Jid.parse("romeo@example.org"), Jid.parse("mercutio@example.org")
JULIET = Jid.parse("juliet@example.net")
NURSE = Jid.parse("nurse@example.net")
PARIS = Jid.parse("paris@example.com")

accounts = st.sampled_from([ROMEO, MERCUTIO])
contacts = st.sampled_from([JULIET, NURSE, PARIS])
resources = st.sampled_from(["", "a", "b", "c"])


def at(contact: Jid, resource: str) -> Jid:
    return contact.with_resource(resource)


class Devices(TestCase):
    def setUp(self) -> None:
        self.abroad = Abroad(resources=3, absent=1)

    def comes(self, *names: str, account: Jid = ROMEO, contact: Jid = JULIET, online: bool = True) -> list[bool]:
        return [self.abroad.available(account, contact, name, online) for name in names]

    def test_new_devices(self) -> None:
        self.assertEqual(self.comes("a", "a", "b", "a", "b"), [True, False, True, False, False])
        self.assertEqual(self.abroad.devices(ROMEO, JULIET), [at(JULIET, "a"), at(JULIET, "b")])
        self.assertTrue(self.abroad.knows(ROMEO, at(JULIET, "b")))
        self.assertFalse(self.abroad.knows(ROMEO, at(JULIET, "c")))
        self.assertEqual(self.abroad.devices(MERCUTIO, JULIET), [])

    def test_of_too_many_the_latest(self) -> None:
        self.comes("a", "b", "c", "d")
        self.assertEqual([jid.resource for jid in self.abroad.devices(ROMEO, JULIET)], ["b", "c", "d"])

    def test_leaving(self) -> None:
        self.comes("a", "b", "c")
        self.assertEqual(self.abroad.unavailable(ROMEO, at(JULIET, "b")), [at(JULIET, "b")])
        self.assertEqual(self.abroad.unavailable(ROMEO, at(JULIET, "b")), ())
        self.assertEqual(self.abroad.unavailable(ROMEO, JULIET), [at(JULIET, "a"), at(JULIET, "c")])
        self.assertEqual(self.abroad.accounts("example.net"), ())

    def test_without_a_resource(self) -> None:
        self.comes("", "a")
        self.assertEqual(self.abroad.devices(ROMEO, JULIET), [JULIET, at(JULIET, "a")])
        self.assertEqual(self.abroad.unavailable(ROMEO, JULIET), [JULIET])
        self.assertEqual(self.abroad.devices(ROMEO, JULIET), [at(JULIET, "a")])

    def test_a_domain(self) -> None:
        self.comes("a", "b")
        self.comes("x", contact=PARIS)
        self.comes("a", account=MERCUTIO)
        self.assertEqual(set(self.abroad.accounts("example.net")), {ROMEO, MERCUTIO})
        self.assertEqual(list(self.abroad.take(ROMEO, "example.net")), [at(JULIET, "a"), at(JULIET, "b")])
        self.assertEqual(self.abroad.accounts("example.net"), (MERCUTIO,))
        self.assertEqual(self.abroad.contacts(ROMEO), [PARIS])

    def test_accounts_that_are_not_connected(self) -> None:
        self.comes("a", online=False)
        self.abroad.came(ROMEO)
        self.assertEqual(self.comes("a"), [False])
        self.comes("a", account=MERCUTIO)
        self.abroad.left(ROMEO)
        self.assertEqual(self.comes("a"), [False])
        with self.subTest("of some only"):
            self.abroad.left(MERCUTIO)
            self.assertEqual(self.abroad.accounts("example.net"), (MERCUTIO,))
            self.assertEqual(self.abroad.devices(ROMEO, JULIET), [])
        self.abroad.drop(MERCUTIO)
        self.assertEqual(self.abroad.accounts("example.net"), ())

    def test_written_down(self) -> None:
        self.comes("a", "b")
        self.comes("", contact=PARIS)
        written = self.abroad.written(ROMEO)
        assert written is not None
        other = Abroad(3, 1)
        other.read(ROMEO, written)
        self.assertEqual(other.written(ROMEO), written)
        self.assertEqual(other.devices(ROMEO, PARIS), [PARIS])
        self.assertIsNone(other.written(MERCUTIO))

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from("auftldc"), accounts, contacts, resources), max_size=40))
    def test_walks(self, steps: list[tuple[str, Jid, Jid, str]]) -> None:
        """The accounts of a domain are those that know somebody there, whatever happens."""
        abroad = Abroad(2, 1)
        for do, account, contact, resource in steps:
            if do == "a":
                abroad.available(account, contact, resource, online=resource != "c")
            elif do == "u":
                abroad.unavailable(account, at(contact, resource))
            elif do == "f":
                abroad.forget(account, contact)
            elif do == "t":
                list(abroad.take(account, contact.domain))
            else:
                {"l": abroad.left, "d": abroad.drop, "c": abroad.came}[do](account)
            for domain in ("example.net", "example.com"):
                knowing = {a for a in (ROMEO, MERCUTIO) if abroad.contacts(a, domain)}
                self.assertEqual(set(abroad.accounts(domain)), knowing)
            self.assertLessEqual(max(len(abroad.devices(a, c)) for a in (ROMEO, MERCUTIO) for c in (JULIET, PARIS)), 2)


class Leaving(TestCase):
    def setUp(self) -> None:
        self.departures = Departures(most=3)
        self.device = at(ROMEO, "orchard")

    def test_lately(self) -> None:
        self.departures.add(0.0, self.device, JULIET)
        self.departures.add(1.0, self.device, PARIS)
        self.assertEqual(self.departures.take(2.0, "example.net"), [(self.device, JULIET)])
        self.assertEqual(self.departures.take(2.0, "example.net"), [])
        self.assertEqual(self.departures.take(302.0, "example.com"), [])

    def test_kept_while_it_can_not_be_told(self) -> None:
        self.departures.add(0.0, self.device, JULIET)
        self.departures.lost(10.0, "example.net")
        self.departures.lost(10.0, "example.net")
        for time in (500.0, 600.0):
            self.departures.add(time, self.device, NURSE)
        self.assertEqual(self.departures.take(700.0, "example.net"), [(self.device, JULIET), (self.device, NURSE)])
        self.assertEqual(len(self.departures), 0)

    def test_bounded(self) -> None:
        for number in range(5):
            self.departures.add(0.0, at(ROMEO, str(number)), JULIET)
        self.departures.lost(10.0, "example.net")
        self.departures.add(0.0, at(ROMEO, "late"), JULIET)
        self.departures.add(0.0, at(ROMEO, "late"), PARIS)
        self.assertEqual(len(self.departures), 3)
        self.assertEqual([who.resource for who, _ in self.departures.take(10.0, "example.net")], ["2", "3", "4"])
        self.departures.most = 0
        self.departures.add(0.0, self.device, PARIS)
        self.assertEqual(self.departures.take(10.0, "example.com"), [])
