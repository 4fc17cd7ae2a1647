"""The configuration form of rooms: what its fields take, refuse and show (XEP-0045 sections 10.1.3 and 16.5.3)."""

from __future__ import annotations

import re
import unittest
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from xmppd.api import Element, StanzaError, tag
from xmppd.core.options import SettingsError, validate_options
from xmppd.plugins.muc.options import MucOptions
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.fields import FIELDS, ROOMCONFIG
from xmppd.plugins.muc.room.state import Limits
from xmppd.plugins.muc.room.submitted import PASSWORD, PROTECTED, Submitted, read
from xmppd.plugins.muc.room_options import RoomOptions
from xmppd.wire import ns
from xmppd.wire.xml import parse

LIMITS = Limits(occupants=100, history=80, text_characters=40, contacts=2)
#: Section 16.5.3, whole.
REGISTERED = (
    "muc#maxhistoryfetch", "muc#roomconfig_allowpm", "muc#roomconfig_allowinvites", "muc#roomconfig_changesubject",
    "muc#roomconfig_enablelogging", "muc#roomconfig_getmemberlist", "muc#roomconfig_lang", "muc#roomconfig_pubsub",
    "muc#roomconfig_maxusers", "muc#roomconfig_membersonly", "muc#roomconfig_moderatedroom",
    "muc#roomconfig_passwordprotectedroom", "muc#roomconfig_persistentroom", "muc#roomconfig_presencebroadcast",
    "muc#roomconfig_publicroom", "muc#roomconfig_roomadmins", "muc#roomconfig_roomdesc", "muc#roomconfig_roomname",
    "muc#roomconfig_roomowners", "muc#roomconfig_roomsecret", "muc#roomconfig_whois",
)  # fmt: skip
#: A field, what is submitted, the option, and what it is then.
TAKEN: Sequence[tuple[str, Sequence[str], str, Any]] = (
    ("roomname", ["A Dark Cave"], "name", "A Dark Cave"),
    ("roomname", [" A Dark Cave "], "name", "A Dark Cave"),
    ("roomname", [""], "name", ""),
    ("roomname", [], "name", ""),
    ("roomdesc", ["The place for all good witches"], "description", "The place for all good witches"),
    ("roomname", ["\U0001f469\u200d\U0001f4bb\u00a0room"], "name", "\U0001f469\u200d\U0001f4bb\u00a0room"),
    ("roomdesc", ["For all\ngood witches"], "description", "For all\ngood witches"),
    ("lang", ["pt-BR"], "lang", "pt-BR"),
    ("persistentroom", ["1"], "persistent", True),
    ("persistentroom", ["true"], "persistent", True),
    ("publicroom", ["0"], "public", False),
    ("publicroom", ["false"], "public", False),
    ("publicroom", [], "public", True),  # it says nothing, and so it stays
    ("membersonly", ["1"], "members_only", True),
    ("moderatedroom", ["1"], "moderated", True),
    ("allowinvites", ["0"], "invites", False),
    ("allowmemberinvites", ["0"], "invites", False),
    ("{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites", ["0"], "invites", False),
    ("allowregistration", ["0"], "registration", False),
    ("allowvoicerequests", ["0"], "voice_requests", False),
    ("allowvisitorstatus", ["0"], "visitor_status", False),
    ("allowvisitornickchange", ["0"], "visitor_nick", False),
    ("fixednick", ["1"], "fixed_nick", True),
    ("changesubject", ["1"], "change_subject", True),
    ("allowpm", ["participants"], "private_messages", "participants"),
    ("allowpm", ["none"], "private_messages", "none"),
    ("whois", ["anyone"], "anonymous", False),
    ("whois", ["moderators"], "anonymous", True),
    ("presencebroadcast", ["participant", "moderator"], "presence_broadcast", ("moderator", "participant")),
    ("presencebroadcast", [], "presence_broadcast", ()),
    ("getmemberlist", ["moderator"], "member_list", ("moderator",)),
    ("publiclist", ["1"], "list_occupants", True),
    ("maxusers", ["100"], "max_users", 100),
    ("maxusers", ["37"], "max_users", 37),
    ("maxusers", ["none"], "max_users", 0),
    ("slow_mode_duration", ["20"], "slow_mode", 20),
    ("allowqueries", ["0"], "requests", False),
    ("forwardmentions", ["0"], "forward_mentions", False),
    ("approveregistration", ["1"], "registration_approval", True),
    ("enablearchiving", ["0"], "archive", False),
    ("archivedays", ["30"], "archive_days", 30),
    ("archivemessages", ["1000"], "archive_messages", 1000),
    ("mam", ["0"], "archive", False),
    ("publicarchive", ["0"], "public_archive", False),
    ("muc#maxhistoryfetch", ["80"], "history", 80),
    ("historylength", ["0"], "history", 0),
    ("defaulthistorymessages", ["7"], "default_history", 7),
    ("enablelogging", ["1"], "logging", True),
    ("logs", ["https://example.org/logs/"], "logs", "https://example.org/logs/"),
    ("pubsub", ["xmpp:pubsub.example.org?;node=x"], "pubsub", "xmpp:pubsub.example.org?;node=x"),
    ("contactjid", ["Crone1@example.org/desktop", "hecate@example.org"], "contacts",
     ("crone1@example.org", "hecate@example.org")),
    ("contactjid", [], "contacts", ()),
    ("traffic", ["jabber:x:oob", " ", "urn:a", "jabber:x:oob"], "traffic", ("jabber:x:oob", "urn:a")),
    ("traffic", [], "traffic", ()),
)  # fmt: skip
#: A field, what is submitted, the condition, and a word of the text that says what is wrong.
REFUSED: Sequence[tuple[str, Sequence[str], str, str]] = (
    ("roomname", ["a", "b"], "bad-request", "one value"),
    ("roomname", ["A\nDark\nCave"], "bad-request", "one line"),
    ("roomname", ["A Dark\u2028Cave"], "bad-request", "one line"),
    ("roomname", ["A Dark\x85Cave"], "bad-request", "one line"),
    ("roomdesc", ["For all\tgood witches"], "bad-request", "text"),
    ("roomname", ["x" * 41], "not-acceptable", "40 characters"),
    ("roomdesc", ["x" * 41], "not-acceptable", "40 characters"),
    ("lang", ["the language of witches"], "bad-request", "language"),
    ("persistentroom", ["yes"], "bad-request", "true or false"),
    ("persistentroom", [""], "bad-request", "true or false"),
    ("persistentroom", ["0", "1"], "bad-request", "one value"),
    ("allowpm", ["everybody"], "bad-request", "one of"),
    ("whois", ["none"], "bad-request", "one of"),  # fully anonymous rooms are no more
    ("presencebroadcast", ["moderator", "owner"], "bad-request", "some of"),
    ("getmemberlist", ["outcast"], "bad-request", "some of"),
    ("maxusers", ["many"], "bad-request", "number"),
    ("maxusers", ["-1"], "bad-request", "number"),
    ("maxusers", ["0"], "bad-request", "at least 1"),
    ("maxusers", ["101"], "not-acceptable", "100"),
    ("slow_mode_duration", ["1.5"], "bad-request", "number"),
    ("slow_mode_duration", ["86401"], "not-acceptable", "86400"),
    ("muc#maxhistoryfetch", [""], "bad-request", "number"),
    ("muc#maxhistoryfetch", ["81"], "not-acceptable", "80"),
    ("muc#maxhistoryfetch", ["9" * 5000], "not-acceptable", "80"),
    ("defaulthistorymessages", ["\u0663"], "bad-request", "number"),
    ("logs", ["javascript:alert(1)"], "bad-request", "web address"),
    ("pubsub", ["pubsub.example.org"], "bad-request", "xmpp:"),
    ("contactjid", ["@"], "bad-request", "address"),
    ("traffic", ["not a namespace"], "bad-request", "namespaces"),
    ("traffic", ["urn:" + 20 * "a", "urn:" + 20 * "b"], "not-acceptable", "40 characters"),
    ("contactjid", ["a@x.org", "b@x.org", "c@x.org"], "not-acceptable", "2 addresses"),
    ("roomadmins", ["not an address@@"], "bad-request", "address"),
    ("roomowners", ["example.org"], "not-acceptable", "people"),
    ("passwordprotectedroom", ["maybe"], "bad-request", "true or false"),
    ("passwordprotectedroom", ["1"], "not-acceptable", "missing"),
    ("roomsecret", ["a", "b"], "bad-request", "one value"),
    ("roomsecret", ["x" * 41], "not-acceptable", "40 characters"),
)


#: Text that can stand in XML.
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn")), max_size=20)


def whole(name: str) -> str:
    """Return the name of a field; of most the prefix is left out above."""
    return name if "#" in name or name.startswith("{") else f"muc#roomconfig_{name}"


def field(var: str, values: Sequence[str]) -> bytes:
    return tag("field", *(tag("value", value) for value in values), var=whole(var))


def form(*fields: bytes, form_type: str | None = ROOMCONFIG, kind: str = "submit") -> Element:
    typed = tag("field", tag("value", form_type), var="FORM_TYPE") if form_type is not None else b""
    return parse(tag("x", typed, *fields, xmlns=ns.DATA_FORMS, type=kind))[0]


def submit(*fields: bytes, config: RoomConfig | None = None, **forced: Any) -> Submitted:
    return read(form(*fields), config or RoomConfig(), LIMITS, forced)


class ReadingTests(unittest.TestCase):
    def test_taken(self) -> None:
        for var, values, option, expected in TAKEN:
            with self.subTest(var=var, values=values):
                config = submit(field(var, values)).config
                self.assertEqual(getattr(config, option), expected)
                self.assertEqual(config, RoomConfig().changed({option: expected}))  # nothing else has changed

    def test_refused(self) -> None:
        for var, values, condition, words in REFUSED:
            with self.subTest(var=var, values=values):
                with self.assertRaises(StanzaError) as caught:
                    submit(field(var, values))
                self.assertEqual(caught.exception.condition, condition)
                self.assertIn(words, caught.exception.text or "")
                named = "roomsecret" if words == "missing" else var
                self.assertIn(whole(named), caught.exception.text or "")

    def test_nothing_or_unknown_changes_nothing(self) -> None:
        config = RoomConfig(name="A Dark Cave", members_only=True, password="cauldronburn", slow_mode=3)
        unknown = field("muc#roomconfig_distributed", ["1"]), field("x-mine", ["1", "2"])
        self.assertEqual(submit(*unknown, config=config), Submitted(config))
        self.assertEqual(read(form(form_type=None), config, LIMITS, {}), Submitted(config))

    def test_no_such_form(self) -> None:
        name = field("roomname", ["A Dark Cave"])
        twice = (name, name)
        wrong = {
            "no FORM_TYPE": form(name, form_type=None),
            "another FORM_TYPE": form(name, form_type="http://jabber.org/protocol/muc#register"),
            "type form": form(name, kind="form"),
            "type result": form(name, kind="result"),
            "a field twice": form(*twice),
        }
        for what, x in wrong.items():
            with self.subTest(what), self.assertRaises(StanzaError) as caught:
                read(x, RoomConfig(), LIMITS, {})
            self.assertEqual(caught.exception.condition, "bad-request")

    def test_hidden_form_type(self) -> None:
        typed = tag("field", tag("value", ROOMCONFIG), var="FORM_TYPE", type="hidden")
        x = form(typed, field("roomname", ["A Dark Cave"]), form_type=None)
        self.assertEqual(read(x, RoomConfig(), LIMITS, {}).config.name, "A Dark Cave")

    def test_password(self) -> None:
        """Both fields are about one thing, and each of them may be missing."""
        old = RoomConfig(password="old")
        yes, no = field(PROTECTED, ["1"]), field(PROTECTED, ["0"])
        new, empty = field(PASSWORD, ["new"]), field(PASSWORD, [])
        for fields_, expected in (
            ([yes, new], "new"), ([yes], "old"), ([new], "new"), ([no], ""), ([no, new], ""), ([empty], ""),
            ([], "old"),
        ):  # fmt: skip
            with self.subTest(fields_):
                self.assertEqual(submit(*fields_, config=old).config.password, expected)
        with self.assertRaises(StanzaError):
            submit(yes, empty, config=old)

    def test_lists_of_people(self) -> None:
        found = submit(field("roomadmins", ["b@example.org/x", "", "b@example.org"]), field("roomowners", []))
        self.assertEqual((found.admins, found.owners), (["b@example.org"], []))
        self.assertEqual(submit().admins, None)

    def test_forced(self) -> None:
        """What the operator has decided can be said again, but not changed."""
        config = RoomConfig(persistent=True)
        again = submit(field("persistentroom", ["1"]), config=config, persistent=True)
        self.assertEqual(again.config, config)
        with self.assertRaises(StanzaError) as caught:
            submit(field("persistentroom", ["0"]), config=config, persistent=True)
        self.assertEqual(caught.exception.condition, "not-acceptable")
        self.assertIn("muc#roomconfig_persistentroom", caught.exception.text or "")

    def test_what_is_as_it_was(self) -> None:
        """A form can be sent back as it was, though less would be allowed today."""
        config = RoomConfig(name="x" * 50, max_users=200, history=100, password="y" * 50)
        shown = [one.to_bytes(config, LIMITS) for one in FIELDS]
        password = field(PROTECTED, ["1"]), field(PASSWORD, [config.password])
        self.assertEqual(submit(*shown, *password, config=config).config, config)

    @given(
        st.dictionaries(
            st.sampled_from(sorted(whole(var) for var, *_ in REFUSED)),
            st.lists(st.one_of(TEXT, st.sampled_from(["0", "1", "none", "moderator", "a@b.org"]))),
        )
    )
    @settings(deadline=None)
    def test_anything(self, fields_: dict[str, list[str]]) -> None:
        """Whatever is submitted is refused with a text that names a field, or is a configuration that can be shown."""
        x = form()
        for var, values in fields_.items():
            element = x.addElement("field")
            element["var"] = var
            for value in values:
                element.addElement("value", content=value)
        try:
            config = read(x, RoomConfig(), LIMITS, {}).config
        except StanzaError as error:
            self.assertTrue(any(var in (error.text or "") for var in (*fields_, PASSWORD)), error.text)
            return
        shown = [one.to_bytes(config, LIMITS) for one in FIELDS]
        password = field(PASSWORD, [config.password] if config.password else [])
        self.assertEqual(submit(*shown, password).config, config)
        self.assertEqual(RoomConfig.from_text(config.to_text()), config)


class TableTests(unittest.TestCase):
    def test_registered_fields(self) -> None:
        """Every field of section 16.5.3 is there; so is one for every option, and only one."""
        ours = {one.var for one in FIELDS} | {PROTECTED, PASSWORD}
        people = {"muc#roomconfig_roomadmins", "muc#roomconfig_roomowners"}
        self.assertEqual(set(REGISTERED) - ours - people, set())
        self.assertEqual(
            sorted(one.option for one in FIELDS), sorted({one.name for one in fields(RoomConfig)} - {"password"})
        )
        names = [name for one in FIELDS for name in (one.var, *one.also)]
        self.assertEqual(len(names), len(set(names)))

    def test_every_field_is_tested(self) -> None:
        tested = {whole(var) for var, *_ in TAKEN}
        self.assertEqual({one.var for one in FIELDS} - tested, set())

    def test_what_is_shown_can_be_submitted(self) -> None:
        config = RoomConfig()
        for _, _, option, expected in TAKEN:
            config = config.changed({option: expected})
        shown = [one.to_bytes(config, LIMITS) for one in FIELDS]
        self.assertEqual(read(form(*shown), RoomConfig(), LIMITS, {}).config, config)

    def test_shown(self) -> None:
        shown = {one.var: one.to_bytes(RoomConfig(max_users=37), LIMITS).decode() for one in FIELDS}
        self.assertRegex(shown["muc#roomconfig_roomname"], "type='text-single' label='[^']+' var='[^']+'/>")
        self.assertIn("type='boolean'", shown["muc#roomconfig_publicroom"])
        self.assertIn("<value>1</value>", shown["muc#roomconfig_publicroom"])
        users = shown["muc#roomconfig_maxusers"]
        # What it is can be chosen again.
        self.assertEqual(re.findall("'><value>(\\w+)", users), ["37", "10", "20", "30", "50", "none", "37"])
        self.assertIn(
            "xdata-validate' datatype='xs:integer'><range min='0'/>", shown["muc#roomconfig_slow_mode_duration"]
        )


class OptionsTests(unittest.TestCase):
    """What the operator can say about them."""

    def test_names(self) -> None:
        """Each is an option of rooms; those that are about one room only are left out."""
        names = {one.name for one in fields(RoomConfig)}
        one_room = {"name", "description", "password", "contacts", "pubsub", "logs"}
        self.assertEqual(set(RoomOptions.model_fields), names - one_room)

    def test_stated(self) -> None:
        options = MucOptions.model_validate(
            {"defaults": {"persistent": True}, "forced": {"member_list": ["moderator"]}}
        )
        self.assertEqual(options.defaults.stated(), {"persistent": True})
        self.assertEqual(options.forced.stated(), {"member_list": ("moderator",)})
        self.assertEqual(MucOptions().forced.stated(), {})

    def test_wrong(self) -> None:
        for table in (
            {"persistant": True},
            {"private_messages": "everybody"},
            {"slow_mode": -1},
            {"max_users": "x"},
            {"lang": "?"},
        ):
            with self.subTest(table), self.assertRaises(SettingsError):
                validate_options(MucOptions, {"forced": table}, "xmppd.toml")

    def test_typo(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            validate_options(MucOptions, {"forced": {"persistant": True}}, "xmppd.toml")
        self.assertIn('did you mean "persistent"?', str(caught.exception))
