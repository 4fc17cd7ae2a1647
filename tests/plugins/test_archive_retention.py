"""How long archives are kept: by age, by count, until the account is deleted; and tombstones."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import func, insert, select, update

from tests.plugins.test_archive import ArchiveTestCase, message, said
from xmppd.api.archives import brief, keeper
from xmppd.plugins.archive import retraction
from xmppd.plugins.archive.store import HOSTS, MESSAGES, OWNERS
from xmppd.wire.jid import Jid

DAY = 86_400.0
PATIENT = {"idle_ping_seconds": 1e9}  # these clients answer no pings


class ByAge(ArchiveTestCase):
    config: ClassVar[Any] = {"archive": {"max_days": 7}, "limits": PATIENT}

    def test_oldest_go(self) -> None:
        self.patch(keeper, "_AT_ONCE", 3)
        for n in range(5):
            self.romeo.send(message(str(n)))
        self.clock.advance(4 * DAY)
        self.romeo.send(message("5"))
        self.pump(3.5 * DAY, step=600)
        self.assertEqual(self.texts(self.romeo), ["5"])
        self.assertEqual(self.stored(), 2)
        self.pump(4 * DAY, step=600)
        self.assertEqual(self.stored(), 0)
        self.romeo.send(message("6"))
        self.assertEqual(self.texts(self.romeo), ["6"])

    def test_positions_begin_anew(self) -> None:
        for n in range(5):
            self.romeo.send(message(str(n)))
        self.pump(1200, step=600)
        self.assertEqual(self.expired(), 0)
        self.pump(8 * DAY, step=600)
        self.assertEqual(self.expired(), 0)  # nothing is left, so positions begin anew
        self.romeo.send(message("6"))
        self.assertEqual(self.texts(self.romeo), ["6"])

    def expired(self) -> int:
        found: int = self.wait(self.server.db.read(lambda c: c.execute(select(HOSTS.c.expired)).scalar_one()))
        return found

    def test_what_has_no_owner_goes(self) -> None:
        """A message on its way while its recipient's account was deleted."""
        self.romeo.send(message("one"))
        row = {"owner": 77, "id": 5, "peer": 0, "mark": 0, "address": "x", "stanza": b"<message/>"}
        self.wait(self.server.db.append(MESSAGES, [row]))
        self.pump(1200, step=600)
        self.assertEqual(self.texts(self.romeo), ["one"])
        self.pump(8 * DAY, step=600)
        self.assertEqual(self.stored(), 0)


class OfOtherHosts(ArchiveTestCase):
    hosts: ClassVar[Any] = {"example.org": {"archive": {"max_days": 7}}, "example.net": {"archive": {"max_days": 0}}}

    config: ClassVar[Any] = {"limits": PATIENT}

    def test_each_has_its_own(self) -> None:
        self.account("nurse@example.net")
        self.romeo.send(message("one", to="nurse@example.net"))
        nurse = self.login("nurse@example.net/house")
        self.pump(9 * DAY, step=600)
        self.assertEqual(self.texts(self.romeo), [])
        self.assertEqual(self.texts(nurse), ["one"])

    def test_ids_of_one_mean_nothing_to_the_other(self) -> None:
        self.account("nurse@example.net")
        self.romeo.send(message("one", to="nurse@example.net"))
        nurse = self.login("nurse@example.net/house")
        ((result,), _) = self.ask(self.romeo)
        _, error = self.ask(nurse, page=f"<after>{result['id']}</after>")
        self.assertIn("item-not-found", error.toXml())


class ByCount(ArchiveTestCase):
    config: ClassVar[Any] = {"archive": {"max_messages": 10, "max_days": 0}, "limits": PATIENT}

    def test_oldest_go(self) -> None:
        self.patch(keeper, "_AT_ONCE", 3)
        for n in range(15):
            self.romeo.send(message(str(n)))
        self.assertEqual(self.stored(), 30)
        self.pump(601)
        self.assertEqual(self.texts(self.romeo), [str(n) for n in range(5, 15)])
        self.assertEqual(self.stored(), 20)
        self.romeo.send(message("15"))
        self.pump(601)
        self.assertEqual(self.texts(self.romeo), [str(n) for n in range(6, 16)])
        self.restart_plugin("archive")
        self.romeo.send(message("16") + message("17"))
        self.pump(601)
        self.assertEqual(self.texts(self.romeo), [str(n) for n in range(8, 18)])

    def test_looked_at_only_when_it_may_be_needed(self) -> None:
        self.romeo.send(message("0"))
        self.pump(601)
        for n in range(1, 10):
            self.romeo.send(message(str(n)))
        archive = self.plugin("archive")
        self.assertEqual(archive._archives._crowded, set())
        self.romeo.send(message("10"))
        self.assertEqual(archive._archives._crowded, {Jid.parse("romeo@example.org"), Jid.parse("juliet@example.org")})


class WithTheAccount(ArchiveTestCase):
    def test_all_goes(self) -> None:
        juliet = self.login("juliet@example.org/balcony")
        prefs = "<prefs xmlns='urn:xmpp:mam:2' default='always'/>"
        juliet.send(f"<iq type='set' id='p'>{prefs}</iq>")
        self.romeo.send(message("one"))
        self.texts(juliet, "<field var='{urn:xmpp:fulltext:0}fulltext'><value>one</value></field>")
        owner = self.owner()
        self.wait(self.host.delete_account(Jid.parse("juliet@example.org")))
        self.assertEqual(self.stored(), 1)
        self.assertIsNone(self.owner())
        self.assertEqual(self.plugin("archive")._preferences, {})
        self.account("juliet@example.org")
        self.assertEqual(self.texts(self.login("juliet@example.org/garden")), [])
        self.romeo.send(message("two"))
        assert owner is not None
        self.assertGreater(self.owner() or 0, owner)  # numbers are not given again

    def owner(self) -> int | None:
        statement = select(OWNERS.c.number).where(OWNERS.c.account == "juliet@example.org")
        found: int | None = self.wait(self.server.db.read(lambda c: c.execute(statement).scalar()))
        return found


class Tombstones(ArchiveTestCase):
    def retract(self, client: Any, id_: str, own: str = "r", to: str = "juliet@example.org") -> None:
        own_id = f" id='{own}'" if own else ""
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{id_}'/>"
        client.send(f"<message to='{to}' type='chat'{own_id}>{retract}</message>")

    def held(self, client: Any) -> list[str]:
        return [said(result) for result in self.ask(client)[0]]

    def test_both_archives(self) -> None:
        self.romeo.send(message("one") + message("two"))
        self.retract(self.romeo, "one")
        juliet = self.login("juliet@example.org/balcony")
        for client in (self.romeo, juliet):
            self.assertEqual(self.held(client), ["retracted", "two", "retract"])

    def test_only_ones_own(self) -> None:
        """Section 6: by the same sender, from whichever device, in the same conversation."""
        self.romeo.send(message("one") + message("two", to="nurse@example.org"))
        juliet = self.login("juliet@example.org/balcony")
        nurse = self.login("nurse@example.org/house")
        self.retract(juliet, "one", to="romeo@example.org")
        self.retract(nurse, "one")
        self.retract(self.romeo, "one", to="nurse@example.org")
        self.assertEqual(self.held(self.romeo), ["one", "two", "retract", "retract"])
        self.assertEqual(self.held(juliet)[0], "one")
        self.retract(self.login("romeo@example.org/phone"), "one")
        self.assertEqual(self.held(self.romeo)[0], "retracted")
        self.assertEqual(self.held(juliet)[0], "retracted")

    def test_what_stays(self) -> None:
        self.romeo.send(message("one"))
        self.retract(self.romeo, "other")
        self.retract(self.romeo, "one", own="")  # a tombstone has to name the retraction
        self.retract(self.romeo, "", own="r")
        self.assertEqual(self.held(self.romeo)[0], "one")
        self.retract(self.romeo, "one", own="r1")
        self.retract(self.romeo, "one", own="r2")
        self.retract(self.romeo, "r1", own="r3")
        held = self.held(self.romeo)
        self.assertEqual(held, ["retracted", "retract", "retract", "retract", "retract", "retract", "retract"])
        self.assertIn("id='r1'", next(iter(self.ask(self.romeo)[0])).toXml())

    def test_reach(self) -> None:
        archive = self.plugin("archive")
        self.wait(self.host.registry.reconfigure("archive", archive.Options(retraction_reach=4)))
        for n in range(5):
            self.romeo.send(message(str(n)))
        self.retract(self.romeo, "0")
        self.retract(self.romeo, "3")
        self.assertEqual(self.held(self.romeo), ["0", "1", "2", "retracted", "4", "retract", "retract"])

    def test_not_too_many(self) -> None:
        """Looking for the original takes time, in the transaction that others wait for."""
        archive = self.plugin("archive")
        self.wait(self.host.registry.reconfigure("archive", archive.Options(max_retractions=2)))
        self.romeo.send(message("1") + message("2") + message("3"))
        juliet = self.login("juliet@example.org/balcony")
        for number in (1, 2):
            self.retract(self.romeo, str(number))
        self.assertEqual(self.held(self.romeo)[:3], ["retracted", "2", "3"])
        self.assertEqual(self.held(juliet)[:3], ["retracted", "2", "3"])
        self.pump(60)
        self.retract(self.romeo, "3")
        self.assertEqual(self.held(self.romeo)[:3], ["retracted", "2", "retracted"])

    def test_in_one_packet(self) -> None:
        """They are written in one transaction, and it is all the same."""
        self.romeo.send(
            message("one") + "<message to='juliet@example.org' type='chat' id='r'>"
            "<retract xmlns='urn:xmpp:message-retract:1' id='one'/></message>"
        )
        self.assertEqual(self.held(self.romeo), ["retracted", "retract"])

    def test_off(self) -> None:
        archive = self.plugin("archive")
        self.wait(self.host.registry.reconfigure("archive", archive.Options(retraction_reach=0)))
        self.romeo.send(message("one"))
        self.retract(self.romeo, "one")
        self.assertEqual(self.held(self.romeo), ["one", "retract"])
        info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        self.romeo.send(f"<iq type='get' id='f' to='romeo@example.org'>{info}</iq>")
        self.assertNotIn("tombstone", self.romeo.received[-1])

    def test_ids_with_the_same_number(self) -> None:
        self.romeo.send(message("one"))
        self.wait(self.server.db.write(lambda c: c.execute(update(MESSAGES).values(mark=7)) and None))
        self.patch(retraction, "brief", lambda text: 7 if text == "two" else brief(text))
        self.retract(self.romeo, "two")
        self.assertEqual(self.held(self.romeo)[0], "one")


class OutOfOrder(ArchiveTestCase):
    def test_rows_of_one_archive(self) -> None:
        """What an archive holds does not have to be in the order of ids."""
        self.romeo.send(message("one"))
        owner, low = self.wait(
            self.server.db.read(lambda c: tuple(c.execute(select(MESSAGES.c.owner, MESSAGES.c.id)).first() or ()))
        )
        stanza = b"<message from='romeo@example.org/x' to='juliet@example.org' id='z'><body>zero</body></message>"
        row = {"owner": owner, "id": low - 10, "peer": 0, "mark": 0, "address": "juliet@example.org", "stanza": stanza}
        self.wait(self.server.db.write(lambda c: c.execute(insert(MESSAGES), row) and None))
        self.assertEqual(self.texts(self.romeo), ["zero", "one"])
        count = self.wait(self.server.db.read(lambda c: c.execute(select(func.count(MESSAGES.c.id))).scalar_one()))
        self.assertEqual(count, 3)
