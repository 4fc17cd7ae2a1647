"""XEP-0191 by scenarios: every example, every kind of stanza both ways, presence, limits and bad requests."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import select

from tests.plugins.kit import PluginTestCase
from xmppd.api import Plugin
from xmppd.api.roster import Subscription
from xmppd.plugins.blocking.blocklist import ITEMS
from xmppd.testing import Client
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence

NS = "urn:xmpp:blocking"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
BLOCKED = f"<error type='cancel'><not-acceptable xmlns='{ERRORS}'/><blocked xmlns='urn:xmpp:blocking:errors'/></error>"
UNAVAILABLE = f"<error type='cancel'><service-unavailable xmlns='{ERRORS}'/></error>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


def command(name: str, *jids: str, id_: str = "c", type_: str = "set") -> str:
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    return f"<iq type='{type_}' id='{id_}'><{name} xmlns='{NS}'>{items}</{name}></iq>"


def push(name: str, *jids: str) -> str:
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    return f"<iq type='set' from='{{none}}' id='{{any}}'><{name} xmlns='{NS}'>{items}</{name}></iq>"


class BlockingTestCase(PluginTestCase):
    plugins: ClassVar[tuple[str | type[Plugin], ...]] = ("disco", "roster", "blocking", "ping", "offline")

    def setUp(self) -> None:
        super().setUp()
        self.juliet = self.login("juliet@example.org/chamber")
        self.balcony = self.login("juliet@example.org/balcony", name="balcony")
        self.romeo = self.login("romeo@example.org/orchard")

    def do(self, client: Client, name: str, *jids: str) -> None:
        client.send(command(name, *jids))
        client.expect("<iq type='result' id='c'/>")

    def get_list(self, client: Client, *jids: str) -> None:
        client.send(command("blocklist", type_="get", id_="b"))
        items = "".join(f"<item jid='{jid}'/>" for jid in jids)
        client.expect(f"<iq type='result' id='b'><blocklist xmlns='{NS}'>{items}</blocklist></iq>")

    def available(self, *clients: Client) -> None:
        for client in clients:
            client.send("<presence/>")
        for client in (self.juliet, self.balcony, self.romeo):
            client.clear()

    def stored(self) -> list[str]:
        rows = self.wait(self.server.db.read(lambda c: list(c.execute(select(ITEMS.c.jid)).scalars())))
        return sorted(rows)


class Commands(BlockingTestCase):
    def test_support(self) -> None:
        self.romeo.send(
            "<iq to='example.org' type='get' id='disco1'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        self.romeo.expect(
            f"""<iq type='result' id='disco1'><query xmlns='http://jabber.org/protocol/disco#info'>
              <feature var='{NS}'/>{{...}}</query></iq>"""
        )

    def test_lists(self) -> None:
        self.get_list(self.juliet)
        self.do(self.balcony, "block", "romeo@montague.net", "iago@shakespeare.lit")
        self.juliet.clear()
        self.get_list(self.juliet, "iago@shakespeare.lit", "romeo@montague.net")

    def test_pushes_to_those_who_asked_for_the_list(self) -> None:
        self.get_list(self.juliet)
        self.do(self.balcony, "block", "romeo@montague.net")
        self.juliet.expect(push("block", "romeo@montague.net"))
        self.get_list(self.balcony, "romeo@montague.net")
        self.balcony.send(command("unblock", "romeo@montague.net"))
        self.balcony.expect_all("<iq type='result' id='c'/>", push("unblock", "romeo@montague.net"))
        self.juliet.expect(push("unblock", "romeo@montague.net"))
        self.balcony.send(command("unblock"))
        self.balcony.expect_all("<iq type='result' id='c'/>", push("unblock"))
        self.juliet.expect(push("unblock"))
        self.romeo.expect_nothing()

    def test_a_new_session_must_ask_again(self) -> None:
        self.get_list(self.juliet)
        self.juliet.close()
        juliet = self.login("juliet@example.org/chamber", name="again")
        self.do(self.balcony, "block", "romeo@montague.net")
        juliet.expect_nothing()

    def test_unblock_all(self) -> None:
        self.do(self.juliet, "block", "romeo@montague.net", "iago@shakespeare.lit")
        self.do(self.juliet, "unblock")
        self.get_list(self.juliet)
        self.assertEqual(self.stored(), [])

    def test_twice(self) -> None:
        self.do(self.juliet, "block", "romeo@montague.net")
        self.do(self.juliet, "block", "romeo@montague.net", "Romeo@Montague.net")
        self.assertEqual(self.stored(), ["romeo@montague.net"])
        self.do(self.juliet, "unblock", "romeo@montague.net")
        self.do(self.juliet, "unblock", "romeo@montague.net")
        self.get_list(self.juliet)

    def test_bad_requests(self) -> None:
        for inside, name, kind, condition in (
            ("", "block", "modify", "bad-request"),
            ("<item/>", "block", "modify", "bad-request"),
            ("<other jid='a@b.example'/>", "block", "modify", "bad-request"),
            ("<other jid='a@b.example'/>", "unblock", "modify", "bad-request"),
            ("<item jid='@'/>", "block", "modify", "jid-malformed"),
            ("<item jid='a@b.example'/><item jid=''/>", "unblock", "modify", "jid-malformed"),
        ):
            self.juliet.send(f"<iq type='set' id='x'><{name} xmlns='{NS}'>{inside}</{name}></iq>")
            self.juliet.expect(
                f"""<iq type='error' id='x'><{name} xmlns='{NS}'>{inside}</{name}>
                  <error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"""
            )
        self.assertEqual(self.stored(), [])

    def test_lists_of_others(self) -> None:
        for to in ("juliet@example.org", "nobody@example.org"):
            self.romeo.send(f"<iq type='get' id='x' to='{to}'><blocklist xmlns='{NS}'/></iq>")
            self.romeo.expect(f"<iq type='error' id='x' from='{to}'><blocklist xmlns='{NS}'/>{UNAVAILABLE}</iq>")

    def test_durable(self) -> None:
        self.do(self.juliet, "block", "romeo@montague.net")
        self.restart()
        juliet = self.login("juliet@example.org/chamber", name="again")
        self.get_list(juliet, "romeo@montague.net")

    def test_deleted_account(self) -> None:
        self.do(self.juliet, "block", "romeo@montague.net")
        self.delete_account("juliet@example.org")
        self.assertEqual(self.stored(), [])
        self.assertFalse(self.plugin("blocking").blocks("juliet@example.org", Jid.parse("romeo@montague.net")))


class Limits(BlockingTestCase):
    config: ClassVar[Any] = {"blocking": {"max_items": 2}}

    def test_items(self) -> None:
        self.do(self.juliet, "block", "a@b.example")
        self.juliet.send(command("block", "c@b.example", "d@b.example"))
        self.juliet.expect(
            f"""<iq type='error' id='c'>{{...}}<error type='modify'>
              <policy-violation xmlns='{ERRORS}'/>{{...}}</error></iq>"""
        )
        self.do(self.juliet, "block", "a@b.example", "c@b.example")
        self.get_list(self.juliet, "a@b.example", "c@b.example")


class Stanzas(BlockingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.available(self.juliet, self.balcony, self.romeo)
        self.do(self.juliet, "block", "romeo@example.org")

    def test_to_the_blocked(self) -> None:
        self.balcony.send("<message to='{romeo}' type='chat'><body>Can you hear me now?</body></message>")
        self.balcony.expect(
            f"""<message type='error' from='{{romeo}}' to='{{balcony}}'>
              <body>Can you hear me now?</body>{BLOCKED}</message>"""
        )
        self.juliet.send(f"<iq type='get' id='p' to='{{romeo}}'>{PING}</iq>")
        self.juliet.expect(f"<iq type='error' id='p' from='{{romeo}}'>{PING}{BLOCKED}</iq>")
        for type_ in ("", " type='subscribe'", " type='unavailable'"):
            self.juliet.send(f"<presence to='romeo@example.org'{type_}/>")
            self.juliet.expect(f"<presence type='error' from='romeo@example.org'>{BLOCKED}</presence>")
        self.juliet.send("<iq type='result' id='r' to='{romeo}'/><message to='{romeo}' type='error'/>")
        self.juliet.expect_nothing()
        self.romeo.expect_nothing()

    def test_from_the_blocked(self) -> None:
        for to in ("juliet@example.org", "juliet@example.org/balcony"):
            self.romeo.send(f"<message to='{to}' id='m'><body>hi</body></message>")
            self.romeo.expect(f"<message type='error' id='m' from='{to}'><body>hi</body>{UNAVAILABLE}</message>")
            for type_ in ("get", "set"):
                self.romeo.send(f"<iq type='{type_}' id='i' to='{to}'>{PING}</iq>")
                self.romeo.expect(f"<iq type='error' id='i' from='{to}'>{PING}{UNAVAILABLE}</iq>")
            for type_ in ("", " type='subscribe'", " type='probe'", " type='unavailable'"):
                self.romeo.send(f"<presence to='{to}'{type_}/>")
            self.romeo.send(
                f"<iq type='result' id='r' to='{to}'/><message to='{to}' type='error'/>"
                f"<message to='{to}' type='groupchat'><body>hi</body></message>"
            )
        self.romeo.expect_nothing()
        self.balcony.expect_nothing()
        self.juliet.expect_nothing()

    def test_answers_are_those_of_a_user_who_does_not_exist(self) -> None:
        answers = []
        for account in ("juliet@example.org", "nobody@example.org"):
            self.romeo.send(
                f"<message to='{account}' id='m'><body>hi</body></message>"
                f"<iq type='get' id='i' to='{account}'>{PING}</iq>"
            )
            answers.append([xml.replace(account, "?") for xml in self.romeo.received])
            self.romeo.clear()
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(len(answers[0]), 2)

    def test_nothing_waits_for_the_absent(self) -> None:
        self.juliet.close()
        self.balcony.close()
        self.romeo.send("<message to='juliet@example.org' type='chat' id='m'><body>hi</body></message>")
        self.romeo.expect(f"<message type='error' id='m'><body>hi</body>{UNAVAILABLE}</message>")
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 0)

    def test_what_waited_before(self) -> None:
        """Nothing that is from the blocked is delivered any more, whenever it was sent (3.3)."""
        self.do(self.juliet, "unblock", "romeo@example.org")
        self.juliet.close()
        self.balcony.close()
        nurse = self.login("nurse@example.org/kitchen")
        for client in (self.romeo, nurse, self.romeo):
            client.send("<message to='juliet@example.org' type='chat'><body>hi</body></message>")
        juliet = self.login("juliet@example.org/balcony", name="late")
        self.do(juliet, "block", "romeo@example.org")
        juliet.send("<presence/>")
        juliet.expect("<message from='{nurse}' type='chat'><body>hi</body>{...}</message>")
        juliet.expect_nothing()
        self.assertEqual(self.plugin("offline").count(Jid.parse("juliet@example.org")), 0)

    def test_presence_sent_on_behalf_of_the_account(self) -> None:
        self.host.send(Presence(Jid.parse("romeo@example.org"), Jid.parse("juliet@example.org/balcony")))
        self.romeo.expect_nothing()

    def test_after_unblocking(self) -> None:
        self.do(self.juliet, "unblock", "romeo@example.org")
        self.romeo.send("<message to='{balcony}' id='m'><body>hi</body></message>")
        self.balcony.expect("<message from='{romeo}' id='m'><body>hi</body></message>")
        self.balcony.send("<message to='{romeo}' id='m'><body>hi</body></message>")
        self.romeo.expect("<message from='{balcony}' id='m'><body>hi</body></message>")

    def test_others_are_not_blocked(self) -> None:
        nurse = self.login("nurse@example.org/hall", presence=True)
        nurse.send("<message to='{balcony}' id='m'><body>hi</body></message>")
        self.balcony.expect("<message from='{nurse}' id='m'><body>hi</body></message>")

    def test_own_devices_are_never_blocked(self) -> None:
        self.do(self.juliet, "block", "example.org", "juliet@example.org")
        self.juliet.send("<message to='{balcony}' id='m'><body>hi</body></message>")
        self.balcony.expect("<message from='{juliet}' id='m'><body>hi</body></message>")


class PresenceOfContacts(BlockingTestCase):
    """Section 3.3 and 3.4: presence goes to those who may see it, and to nobody else."""

    def setUp(self) -> None:
        super().setUp()
        self.available(self.romeo)
        self.balcony.send("<presence><show>away</show></presence>")
        self.show_presence("juliet@example.org", to="romeo@example.org")
        self.romeo.clear()
        self.balcony.clear()

    def test_blocking(self) -> None:
        self.do(self.juliet, "block", "romeo@example.org")
        self.romeo.expect("<presence from='{balcony}' to='romeo@example.org' type='unavailable'/>")
        self.do(self.juliet, "block", "example.org")
        self.romeo.expect_nothing()
        self.do(self.juliet, "unblock", "romeo@example.org")
        self.romeo.expect_nothing()
        self.do(self.juliet, "unblock", "example.org")
        self.romeo.expect("<presence from='{balcony}' to='romeo@example.org'><show>away</show></presence>")

    def test_unblocking_all(self) -> None:
        self.do(self.juliet, "block", "example.org", "romeo@example.org")
        self.romeo.expect("<presence from='{balcony}' type='unavailable'/>")
        self.do(self.juliet, "unblock")
        self.romeo.expect("<presence from='{balcony}'><show>away</show></presence>")

    def test_strangers(self) -> None:
        nurse = self.login("nurse@example.org/hall", presence=True)
        self.do(self.juliet, "block", "nurse@example.org")
        self.do(self.juliet, "unblock", "nurse@example.org")
        nurse.expect_nothing()

    def test_absent_users_send_none(self) -> None:
        self.balcony.send("<presence type='unavailable'/>")
        self.romeo.clear()
        self.do(self.juliet, "block", "romeo@example.org")
        self.do(self.juliet, "unblock", "romeo@example.org")
        self.romeo.expect_nothing()


class WithPresence(BlockingTestCase):
    """Two contacts who see each other, with the plugin that broadcasts presence and answers probes."""

    plugins = ("disco", "roster", "presence", "blocking", "ping", "offline")

    def setUp(self) -> None:
        super().setUp()
        roster = self.plugin("roster")
        for owner, contact in (("juliet", "romeo"), ("romeo", "juliet")):
            account, other = Jid.parse(f"{owner}@example.org"), Jid.parse(f"{contact}@example.org")
            self.wait(roster.put(account, other, subscription=Subscription.BOTH))
        self.balcony.close()
        self.available(self.romeo, self.juliet)

    def test_the_blocked_sees_the_user_offline(self) -> None:
        self.do(self.juliet, "block", "romeo@example.org")
        self.romeo.expect("<presence from='{juliet}' type='unavailable'/>")
        self.juliet.send("<presence><show>away</show></presence>")
        self.romeo.expect_nothing()
        self.juliet.clear()
        self.romeo.send("<presence><show>dnd</show></presence>")
        self.juliet.expect_nothing()
        phone = self.login("romeo@example.org/phone", name="phone")
        phone.send("<presence/>")
        phone.expect_all("<presence from='{romeo}'>{...}</presence>", "<presence from='{phone}'/>")
        phone.expect_nothing()
        self.juliet.expect_nothing()

    def test_unblocking_shows_the_current_presence(self) -> None:
        self.do(self.juliet, "block", "romeo@example.org")
        self.juliet.send("<presence><show>away</show></presence>")
        self.juliet.clear()
        self.romeo.clear()
        self.do(self.juliet, "unblock", "romeo@example.org")
        self.romeo.expect("<presence from='{juliet}' to='romeo@example.org'><show>away</show></presence>")
        self.juliet.send("<presence type='unavailable'/>")
        self.romeo.expect("<presence from='{juliet}' type='unavailable'/>")
