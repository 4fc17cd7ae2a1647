"""Invite tokens: XEP-0488."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase
from xmppd.testing import Client
from xmppd.wire.jid import Jid

NS = "urn:xmpp:muc-token-invite:0"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
MUC = "http://jabber.org/protocol/muc"
DAY = 86_400


class TokenTests(RoomTestCase):
    config = {
        "limits": {"idle_ping_seconds": 1e9},  # these clients answer no pings
        "muc": {"max_tokens": 3, "max_token_seconds": 2 * DAY, "max_token_uses": 2},
    }

    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")
        self.juliet = self.login("juliet@example.org/balcony")
        self.make_room(self.romeo, persistent=True, members_only=True)

    def ask(self, client: Client, type_: str, inside: str) -> str:
        client.clear()
        client.send(f"<iq type='{type_}' id='t' to='{GARDEN}'>{inside}</iq>")
        answer = next(xml for xml in client.received if xml.startswith("<iq"))
        client.clear()
        return answer.replace('"', "'")

    def issue(self, client: Client, limits: str = "") -> str:
        answer = self.ask(client, "set", f"<request xmlns='{NS}' {limits}/>")
        found = re.search(r"<token [^>]*>([^<]+)</token>", answer)
        assert found, answer
        return found[1]

    def refused(self, condition: str, client: Client, type_: str, inside: str) -> None:
        answer = self.ask(client, type_, inside)
        self.assertIn("type='error'", answer)
        self.assertIn(f"<{condition} ", answer)

    def tries(self, client: Client, token: str, nick: str = "") -> str:
        """Have somebody try to enter; return the last presence they get."""
        client.clear()
        password = f"<password>{token}</password>"
        nick = nick or client.jid.partition("@")[0]
        client.send(f"<presence to='{GARDEN}/{nick}'><x xmlns='{MUC}'>{password}</x></presence>")
        answer = [xml for xml in client.received if xml.startswith("<presence")][-1]
        client.clear()
        return answer.replace('"', "'")

    def enters(self, client: Client, token: str) -> None:
        answer = self.tries(client, token)
        self.assertIn("affiliation='member'", answer)
        self.assertIn("role='participant'", answer)

    def affiliate(self, who: str, affiliation: str) -> None:
        item = f"<item jid='{who}@example.org' affiliation='{affiliation}'/>"
        self.ask(self.romeo, "set", f"<query xmlns='{MUC}#admin'>{item}</query>")

    def listed(self, client: Client) -> list[str]:
        return re.findall(r"<token [^>]*>([^<]+)</token>", self.ask(client, "get", f"<tokens xmlns='{NS}'/>"))

    def test_entering(self) -> None:
        self.enters(self.juliet, self.issue(self.romeo))
        self.romeo.expect(
            f"<presence from='{GARDEN}/juliet'>{{...}}<x xmlns='{USER}'>"
            "<item affiliation='member' role='participant' jid='{juliet}'/></x></presence>"
        )
        self.restart()
        self.juliet = self.login("juliet@example.org/balcony")
        self.assertIn("affiliation='member'", self.tries(self.juliet, ""))  # from then on without it

    def test_open_room(self) -> None:
        """A token makes members in open rooms as well, and a wrong one keeps nobody out there."""
        self.make_room(self.romeo, "Romeo", "hall@conference.example.org")
        self.room().config = self.room().config.changed({"members_only": False})
        self.enters(self.juliet, self.issue(self.romeo))
        benvolio = self.login("benvolio@example.org/street")
        self.assertIn("affiliation='none'", self.tries(benvolio, "wrong"))

    def test_wrong(self) -> None:
        answer = self.tries(self.juliet, "wrong")
        self.assertIn("registration-required", answer)  # no token was ever issued
        self.issue(self.romeo)
        answer = self.tries(self.juliet, "wrong")
        self.assertRegex(answer, f"<not-authorized [^>]*/>.*<expired-token xmlns='{NS}'/>")
        self.assertIn("registration-required", self.tries(self.juliet, ""))

    def test_counter(self) -> None:
        token = self.issue(self.romeo, "counter='1'")
        self.enters(self.juliet, token)
        benvolio = self.login("benvolio@example.org/street")
        self.assertIn("expired-token", self.tries(benvolio, token))
        self.juliet.send(f"<presence to='{GARDEN}/juliet' type='unavailable'/>")
        self.enters(self.juliet, token)  # who is a member needs none

    def test_members_use_none(self) -> None:
        """A token that is in a bookmark isn't used up by those who are something to the room (section 5)."""
        token = self.issue(self.romeo, "counter='1'")
        self.affiliate("juliet", "member")
        self.enters(self.juliet, token)
        self.enters(self.login("benvolio@example.org/street"), token)

    def test_delay(self) -> None:
        token = self.issue(self.romeo, "delay='60'")
        self.pump(59)
        self.enters(self.juliet, token)
        self.pump(1)
        self.assertIn("expired-token", self.tries(self.login("benvolio@example.org/street"), token))
        self.assertEqual(self.listed(self.romeo), [])

    def test_banned(self) -> None:
        token = self.issue(self.romeo)
        self.affiliate("juliet", "outcast")
        self.assertIn("forbidden", self.tries(self.juliet, token))

    def test_max_token_seconds_and_max_token_uses(self) -> None:
        answer = self.ask(self.romeo, "set", f"<request xmlns='{NS}'/>")
        self.assertRegex(answer, f"<token xmlns='{NS}' delay='{2 * DAY}' counter='2'>")
        answer = self.ask(self.romeo, "set", f"<request xmlns='{NS}' delay='{3 * DAY}' counter='3'/>")
        self.assertRegex(answer, f"<token xmlns='{NS}' delay='{2 * DAY}' counter='2'>")
        answer = self.ask(self.romeo, "set", f"<request xmlns='{NS}' delay='60' counter='1'/>")
        self.assertRegex(answer, f"<token xmlns='{NS}' delay='60' counter='1'>")

    def test_max_tokens(self) -> None:
        tokens = [self.issue(self.romeo) for _ in range(3)]
        self.assertEqual(len(set(tokens)), 3)
        self.refused("resource-constraint", self.romeo, "set", f"<request xmlns='{NS}'/>")
        self.pump(2 * DAY)
        self.issue(self.romeo)

    def test_malformed(self) -> None:
        for limits in ("delay='x'", "delay='-1'", "counter='0'", "counter='99999999999'", "delay='4294967296'"):
            self.refused("bad-request", self.romeo, "set", f"<request xmlns='{NS}' {limits}/>")

    def test_who_may(self) -> None:
        request, tokens, revoke = (
            f"<request xmlns='{NS}'/>", f"<tokens xmlns='{NS}'/>", f"<revoke xmlns='{NS}'>x</revoke>",
        )  # fmt: skip
        for type_, inside in (("set", request), ("get", tokens), ("set", revoke)):
            self.refused("forbidden", self.juliet, type_, inside)
        self.affiliate("juliet", "member")
        token = self.issue(self.juliet)
        self.room().config = self.room().config.changed({"invites": False})
        self.refused("forbidden", self.juliet, "set", request)
        # Nor are those good any more that were issued by who may not issue any.
        self.assertIn("expired-token", self.tries(self.login("benvolio@example.org/street"), token))
        self.issue(self.romeo)
        self.room().config = self.room().config.changed({"password": "rose"})
        self.refused("forbidden", self.romeo, "set", request)

    def test_listing_and_revoking(self) -> None:
        self.affiliate("juliet", "member")
        romeos, juliets = self.issue(self.romeo), self.issue(self.juliet)
        self.assertEqual(self.listed(self.romeo), [romeos, juliets])
        self.assertEqual(self.listed(self.juliet), [juliets])
        self.refused("item-not-found", self.juliet, "set", f"<revoke xmlns='{NS}'>{romeos}</revoke>")
        for token in (romeos, juliets):
            self.assertIn("result", self.ask(self.romeo, "set", f"<revoke xmlns='{NS}'>{token}</revoke>"))
            self.refused("item-not-found", self.romeo, "set", f"<revoke xmlns='{NS}'>{token}</revoke>")
        self.assertIn("expired-token", self.tries(self.login("benvolio@example.org/street"), juliets))

    def test_stay(self) -> None:
        token = self.issue(self.romeo, "counter='2'")
        self.enters(self.juliet, token)
        self.restart()
        self.enters(self.login("benvolio@example.org/street"), token)
        self.assertIn("expired-token", self.tries(self.login("tybalt@example.org/street"), token))

    def test_account_deleted(self) -> None:
        """Nothing is left of the tokens of somebody who exists no more."""
        self.affiliate("juliet", "member")
        self.issue(self.juliet)
        self.wait(self.host.delete_account(Jid.parse(self.juliet.jid).bare))
        self.assertNotIn("juliet", self.room().notes["tokens"])

    def test_max_affiliations(self) -> None:
        token = self.issue(self.romeo)
        self.plugin("muc").service.limits = replace(self.plugin("muc").service.limits, affiliations=1)
        self.assertIn("resource-constraint", self.tries(self.juliet, token))
