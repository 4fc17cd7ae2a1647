"""XEP-0045, 7.13 and 8.6: who may ask for voice, and who may give it."""

from __future__ import annotations

from typing import Any

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase
from xmppd.plugins.muc.room.ranks import Role
from xmppd.testing import Client

ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
REQUEST = "http://jabber.org/protocol/muc#request"


def failure(kind: str, condition: str) -> str:
    return (
        f"<message type='error' id='v' from='{GARDEN}'>{{...}}"
        f"<error type='{kind}' by='{GARDEN}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></message>"
    )


class VoiceTestCase(RoomTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard", presence=True)
        self.juliet = self.login("juliet@example.org/balcony", presence=True)
        self.made = self.make_room(self.romeo, moderated=True)
        self.enter(self.juliet, "Juliet")
        self.forget()

    def forget(self) -> None:
        self.romeo.clear()
        self.juliet.clear()

    def submit(self, client: Client, form_type: str = REQUEST, type: str = "submit", **fields: str) -> None:
        """Send a form; the names of fields are said without ``muc#``."""
        rest = "".join(f"<field var='muc#{name}'><value>{value}</value></field>" for name, value in fields.items())
        hidden = f"<field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>" if form_type else ""
        client.send(
            f"<message to='{GARDEN}' id='v'><x xmlns='jabber:x:data' type='{type}'>{hidden}{rest}</x></message>"
        )

    def role(self, nick: str = "Juliet") -> Role:
        role: Role = self.made.occupants[nick].role
        return role


class Asking(VoiceTestCase):
    def test_who_is_asked(self) -> None:
        """All devices of all moderators, and nobody else."""
        second = self.login("romeo@example.org/second", name="second")
        mercutio, tybalt = (self.login(f"{name}@example.org/a") for name in ("mercutio", "tybalt"))
        for client, nick in ((second, "Romeo"), (mercutio, "Mercutio"), (tybalt, "Tybalt")):
            self.enter(client, nick)
        self.made.occupants["Mercutio"].role = Role.MODERATOR
        self.made.occupants["Tybalt"].role = Role.PARTICIPANT
        for client in (self.romeo, self.juliet, second, mercutio, tybalt):
            client.clear()
        self.submit(self.juliet, role="participant")
        for client in (self.romeo, second, mercutio):
            client.expect(
                f"<message from='{GARDEN}' type='{{none}}'><x xmlns='jabber:x:data' type='form'><title>{{any}}</title>"
                f"<instructions>{{any}}</instructions>"
                f"<field var='FORM_TYPE' type='hidden'><value>{REQUEST}</value></field>"
                "<field var='muc#role' type='list-single' label='{any}'><value>participant</value>{...}</field>"
                "<field var='muc#jid' type='jid-single' label='{any}'><value>{juliet}</value></field>"
                "<field var='muc#roomnick' type='text-single' label='{any}'><value>Juliet</value></field>"
                "<field var='muc#request_allow' type='boolean' label='{any}'><value>false</value></field>"
                "</x></message>"
            )
        for client in (self.romeo, self.juliet, second, mercutio, tybalt):
            client.expect_nothing()

    def test_refused(self) -> None:
        stranger = self.login("stranger@example.org/a")
        mercutio = self.login("mercutio@example.org/a")
        self.enter(mercutio, "Mercutio")
        self.made.occupants["Mercutio"].role = Role.PARTICIPANT
        self.forget()
        table: tuple[tuple[Client, dict[str, Any], str, str], ...] = (
            (stranger, {"role": "participant"}, "modify", "not-acceptable"),
            (mercutio, {"role": "participant"}, "cancel", "unexpected-request"),
            (self.romeo, {"role": "participant"}, "cancel", "unexpected-request"),
            (self.juliet, {"role": "moderator"}, "modify", "bad-request"),
            (self.juliet, {"role": "owner"}, "modify", "bad-request"),
            (self.juliet, {"role": "participant", "form_type": "urn:example"}, "modify", "bad-request"),
            (self.juliet, {"role": "participant", "form_type": ""}, "modify", "bad-request"),
            (self.juliet, {"role": "participant", "type": "form"}, "modify", "bad-request"),
            (self.juliet, {"role": "participant", "type": "result"}, "modify", "bad-request"),
        )
        for client, form, kind, condition in table:
            with self.subTest(form=form):
                client.clear()
                self.submit(client, **form)
                client.expect(failure(kind, condition))
                for other in (self.romeo, self.juliet, mercutio):
                    other.expect_nothing()

    def test_option(self) -> None:
        self.made.config = self.made.config.changed({"voice_requests": False})
        self.submit(self.juliet, role="participant")
        self.juliet.expect(failure("auth", "forbidden"))
        self.romeo.expect_nothing()

    def test_nobody_to_ask(self) -> None:
        self.made.config = self.made.config.changed({"persistent": True})
        self.romeo.send(f"<presence to='{GARDEN}/Romeo' type='unavailable'/>")
        self.forget()
        self.submit(self.juliet, role="participant")
        self.juliet.expect(failure("wait", "recipient-unavailable"))

    def test_cancelled(self) -> None:
        self.submit(self.juliet, type="cancel")
        self.juliet.expect_nothing()
        self.romeo.expect_nothing()


class Asked(VoiceTestCase):
    config = {"muc": {"voice_requests_per_minute": 2}}

    def test_how_often(self) -> None:
        """`voice_requests_per_minute`; moderators are never asked to wait."""
        for _ in range(2):
            self.submit(self.juliet, role="participant")
            self.assertEqual(len(self.romeo.received), 1)
            self.romeo.clear()
        self.submit(self.juliet, role="participant")
        self.juliet.expect(failure("wait", "resource-constraint"))
        self.romeo.expect_nothing()
        for _ in range(3):
            self.submit(self.romeo, role="participant", roomnick="Juliet", request_allow="0")
            self.romeo.expect_nothing()
        self.pump(61)
        self.forget()
        self.submit(self.juliet, role="participant")
        self.assertEqual(len(self.romeo.received), 1)


class Deciding(VoiceTestCase):
    def allow(self, client: Client, **fields: str) -> None:
        self.submit(client, **{"role": "participant", "request_allow": "true", **fields})

    def test_given(self) -> None:
        """Everybody sees the new role, and who has given it; it is there after a restart."""
        self.allow(self.romeo, roomnick="Juliet", jid="juliet@example.org/balcony")
        item = "<item affiliation='none' role='participant' jid='{juliet}'><actor nick='Romeo'/></item>"
        self.romeo.expect(f"<presence from='{GARDEN}/Juliet'>{{...}}<x xmlns='{USER}'>{item}</x></presence>")
        self.juliet.expect(
            f"<presence from='{GARDEN}/Juliet'>{{...}}<x xmlns='{USER}'>{item}<status code='110'/></x></presence>"
        )
        self.assertIs(self.role(), Role.PARTICIPANT)

    def test_whose(self) -> None:
        """The address counts, of whichever device, whatever the nickname is now; else the nickname."""
        mercutio = self.login("mercutio@example.org/a")
        self.enter(mercutio, "Mercutio")
        for fields in (
            {"roomnick": "Mercutio", "jid": "juliet@example.org/balcony"},
            {"roomnick": "Nobody", "jid": "juliet@example.org/gone"},
            {"jid": "juliet@example.org"},
            {"roomnick": "Juliet"},
        ):
            with self.subTest(fields=fields):
                self.made.occupants["Juliet"].role = Role.VISITOR
                self.allow(self.romeo, **fields)
                self.assertIs(self.role(), Role.PARTICIPANT)
                self.assertIs(self.role("Mercutio"), Role.VISITOR)

    def test_two_nicknames_of_one_person(self) -> None:
        """It is the one with the device that has asked."""
        second = self.login("juliet@example.org/second", name="second")
        self.enter(second, "Second")
        self.allow(self.romeo, jid="juliet@example.org/second")
        self.assertIs(self.role("Second"), Role.PARTICIPANT)
        self.assertIs(self.role("Juliet"), Role.VISITOR)

    def test_not_given(self) -> None:
        for value in ("0", "false", ""):
            self.allow(self.romeo, roomnick="Juliet", request_allow=value)
            self.romeo.expect_nothing()
            self.juliet.expect_nothing()
        self.assertIs(self.role(), Role.VISITOR)

    def test_given_twice(self) -> None:
        """Another moderator was faster, or has made them more than that."""
        for role in (Role.PARTICIPANT, Role.MODERATOR):
            self.made.occupants["Juliet"].role = role
            self.allow(self.romeo, roomnick="Juliet")
            self.romeo.expect_nothing()
            self.assertIs(self.role(), role)

    def test_refused(self) -> None:
        stranger = self.login("stranger@example.org/a")
        table: tuple[tuple[Client, dict[str, str], str, str], ...] = (
            (stranger, {"roomnick": "Juliet"}, "modify", "not-acceptable"),
            (self.juliet, {"roomnick": "Juliet"}, "auth", "forbidden"),
            (self.juliet, {"roomnick": "Juliet", "request_allow": "0"}, "auth", "forbidden"),
            (self.romeo, {"roomnick": "Juliet", "request_allow": "yes"}, "modify", "bad-request"),
            (self.romeo, {"roomnick": "Juliet", "role": "moderator"}, "modify", "bad-request"),
            (self.romeo, {"roomnick": "Juliet", "jid": "@@"}, "modify", "bad-request"),
            (self.romeo, {"roomnick": "Nobody"}, "cancel", "item-not-found"),
            (self.romeo, {}, "cancel", "item-not-found"),
            (self.romeo, {"roomnick": "Juliet", "jid": "gone@example.org/a"}, "cancel", "item-not-found"),
        )
        for client, fields, kind, condition in table:
            with self.subTest(fields=fields):
                self.allow(client, **fields)
                client.expect(failure(kind, condition))
                self.assertIs(self.role(), Role.VISITOR)
        self.romeo.expect_nothing()
        self.juliet.expect_nothing()
