"""Whatever people send each other by way of a room: no rule fails over it, and requests get one answer."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plugins.muc.kit import GARDEN, USER, RoomTestCase
from xmppd.plugins.muc.room.ranks import Role
from xmppd.testing import Client
from xmppd.testing.xml import read
from xmppd.wire.escape import escape_attribute, escape_text

_FORMS = tuple(f"http://jabber.org/protocol/muc#{name}" for name in ("request", "register", "roomconfig"))
_VALUES = st.sampled_from(
    (
        "", "1", "0", "true", "perhaps", "participant", "moderator", "Romeo", "Juliet", "Nobody", "@", "a@b@c",
        "juliet@example.org", "juliet@example.org/balcony", "stranger@example.org", "example.org", GARDEN,
        f"{GARDEN}/Juliet", f"{GARDEN}/Romeo", "nobody@example.org", "a@elsewhere.example", *_FORMS,
    )
) | st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=6)  # fmt: skip
_VARS = st.sampled_from(
    (
        "", "FORM_TYPE", "muc#role", "muc#jid", "muc#roomnick", "muc#request_allow", "muc#register_roomnick",
        "muc#register_first", "muc#register_faqentry", "muc#register_allow",
    )
)  # fmt: skip


def _field(var: str, values: list[str]) -> str:
    inside = "".join(f"<value>{escape_text(value)}</value>" for value in values)
    return f"<field var='{escape_attribute(var)}'>{inside}</field>"


def _form(type_: str, form_type: str, fields: list[str]) -> str:
    return f"<x xmlns='jabber:x:data' type='{type_}'>{_field('FORM_TYPE', [form_type])}{''.join(fields)}</x>"


def _person(name: str, to: str, inside: str) -> str:
    return f"<{name} to='{escape_attribute(to)}'>{inside}</{name}>"


_fields = st.lists(st.builds(_field, _VARS, st.lists(_VALUES, max_size=2)), max_size=4)
_form_types = st.sampled_from(("submit", "submit", "submit", "cancel", "form", ""))
_forms = st.builds(_form, _form_types, st.sampled_from(_FORMS), _fields)
_words = st.sampled_from(
    ("", "<reason>r</reason>", "<reason/>", "<continue thread='t'/>", "<continue/>", "<x xmlns='u'/>")
)
_people = st.builds(_person, st.sampled_from(("invite", "decline", "item", "password")), _VALUES, _words)
_persons = st.lists(_people, max_size=3).map(lambda found: f"<x xmlns='{USER}'>{''.join(found)}</x>")
_queries = st.lists(_forms | st.just("<remove/>") | st.just("<username>u</username>"), max_size=2).map(
    lambda found: f"<query xmlns='jabber:iq:register'>{''.join(found)}</query>"
)
_asked = st.sampled_from(
    (
        "<ping xmlns='urn:xmpp:ping'/>", "<vCard xmlns='vcard-temp'/>", "<query xmlns='urn:q'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'/></pubsub>",
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>",
    )
)  # fmt: skip
_errors = st.sampled_from(
    ("", "<error/>", "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>")
)
_nicks = st.sampled_from(("Romeo", "Juliet", "Tybalt", "Nobody"))


class HostilePeople(RoomTestCase):
    plugins: ClassVar[Any] = ("muc", "presence", "roster", "vcard", "offline")
    config: ClassVar[Any] = {"muc": {"invitations_per_minute": 1000, "registrations_per_minute": 1000}}

    def begin(self, options: dict[str, bool]) -> list[Client]:
        """Make a room with an owner, a participant and a visitor; somebody else is not there."""
        self._end()
        super().setUp()
        names = (("romeo", "Romeo"), ("juliet", "Juliet"), ("tybalt", "Tybalt"), ("stranger", ""))
        clients = [self.login(f"{name}@example.org/balcony", presence=True) for name, _ in names]
        made = self.make_room(clients[0])
        for client, (_, nick) in zip(clients[1:], names[1:], strict=True):
            if nick:
                self.enter(client, nick)
        made.occupants["Tybalt"].role = Role.VISITOR
        made.config = made.config.changed(options)
        return clients

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.data())
    def test_all(self, data: st.DataObject) -> None:
        flags = ("members_only", "moderated", "registration_approval", "fixed_nick", "anonymous")
        clients = self.begin({flag: data.draw(st.booleans(), flag) for flag in flags})
        for number in range(data.draw(st.integers(1, 15), "how many")):
            client = data.draw(st.sampled_from(clients), "who")
            kind = data.draw(st.sampled_from(("message", "private", "error", "register", "request", "answer")), "kind")
            text = self.stanza(data, kind, f"s{number}")
            client.clear()
            client.send_raw(text)
            self.pump(0.1)
            failures = self.flushLoggedErrors()
            self.assertEqual([failure.getTraceback() for failure in failures], [], text)
            client.expect_open()
            got = [read(xml)[0] for xml in client.received]
            self.assertNotIn("<internal-server-error", "".join(client.received), text)
            if kind == "register":
                mine = [one for one in got if one.attributes.get("id") == f"s{number}"]
                self.assertEqual(len(mine), 1, text)

    def stanza(self, data: st.DataObject, kind: str, id: str) -> str:
        if kind == "message":
            inside = "".join(data.draw(st.lists(_persons | _forms, max_size=2), "inside"))
            return f"<message to='{GARDEN}' id='{id}'>{inside}</message>"
        if kind == "register":
            type_ = data.draw(st.sampled_from(("get", "set", "set", "set")), "type")
            return f"<iq type='{type_}' id='{id}' to='{GARDEN}'>{data.draw(_queries, 'query')}</iq>"
        nick = data.draw(_nicks, "nick")
        if kind == "private":
            return f"<message to='{GARDEN}/{nick}' type='chat' id='{id}'>{data.draw(_persons, 'inside')}</message>"
        if kind == "error":
            to = data.draw(st.sampled_from((GARDEN, f"{GARDEN}/{nick}")), "to")
            earlier = f"s{data.draw(st.integers(0, 15), 'of')}"
            return f"<message to='{to}' type='error' id='{earlier}'>{data.draw(_errors, 'error')}</message>"
        if kind == "request":
            return f"<iq type='get' id='{id}' to='{GARDEN}/{nick}'>{data.draw(_asked, 'asked')}</iq>"
        type_ = data.draw(st.sampled_from(("result", "error")), "type")
        return f"<iq type='{type_}' id='{id}' to='{GARDEN}/{nick}'>{data.draw(_errors, 'error')}</iq>"
