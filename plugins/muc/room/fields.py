"""The configuration form: its fields as one table over RoomConfig (XEP-0045 sections 10.1.3, 10.2 and 16.5.3).

Which names the fields have that XEP-0045 doesn't register: those of XEP-0500, and else those by which clients know them
from other services, which are taken under each of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from xmppd.api import Jid, JidError, tag
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.state import Limits

__all__ = ["FIELDS", "FLAGS", "LANGUAGE", "MANY", "ROOMCONFIG", "Field", "Unacceptable", "addresses", "roomconfig"]

ROOMCONFIG = "http://jabber.org/protocol/muc#roomconfig"
_VALIDATE = "http://jabber.org/protocol/xdata-validate"  # XEP-0122
#: How a boolean is written (XEP-0004 section 3.3).
FLAGS: Mapping[str, bool] = {"1": True, "true": True, "0": False, "false": False}
#: Categories of characters that no text has: controls, and what ends lines and paragraphs.
_NO_TEXT = frozenset({"Cc", "Zl", "Zp"})
_ROLES: Mapping[str, str] = {"moderator": "Moderators", "participant": "Participants", "visitor": "Visitors"}
# Close enough to RFC 5646, section 2.1.
LANGUAGE = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"
#: Kinds of fields that have any number of values.
MANY = frozenset({"list-multi", "jid-multi", "text-multi"})
_MOST_DAYS = 36_500
_MOST_MESSAGES = 1_000_000_000
_OCCUPANTS = (10, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)


class Unacceptable(ValueError):
    """A value is what it should be, but the service doesn't allow it."""


#: Reads the values of a field. Raises ValueError with what is wrong.
Read = Callable[[Sequence[str], Limits], Any]
#: Returns the values that stand for what the option is.
Write = Callable[[Any], Sequence[str]]
#: Returns the values that can be chosen, each with what people are shown.
Choices = Callable[[Limits], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form, and the option of a room that it is about.

    :ivar var: its name.
    :ivar kind: its type (XEP-0004 section 3.3).
    :ivar label: for people.
    :ivar option: name of the attribute of :class:`~xmppd.plugins.muc.room.config.RoomConfig`.
    :ivar read: how its values are read.
    :ivar write: how they are written.
    :ivar also: other names under which it is taken.
    :ivar choices: for lists.
    :ivar least: the least number that it can have (XEP-0122); None, if it is no number.
    :ivar help: more, for people.
    """

    var: str
    kind: str
    label: str
    option: str
    read: Read
    write: Write
    also: tuple[str, ...] = ()
    choices: Choices | None = None
    least: int | None = None
    help: str = ""

    @property
    def may_be_empty(self) -> bool:
        """Is it something to have no value at all?"""
        return self.kind in MANY or (self.kind == "text-single" and self.least is None)

    def to_bytes(self, config: RoomConfig, limits: Limits) -> bytes:
        """Return the field of a form to be filled in, with what the option is now."""
        values = list(self.write(getattr(config, self.option)))
        choices = dict(self.choices(limits)) if self.choices else {}
        if self.kind == "list-single":  # what it is can be chosen again
            choices.update({value: value for value in values if value not in choices})
        return tag(
            "field",
            tag("desc", self.help) if self.help else None,
            _validation(self.least),
            *(tag("value", value) for value in values),
            *(tag("option", tag("value", value), label=label) for value, label in choices.items()),
            type=self.kind, label=self.label, var=self.var,
        )  # fmt: skip


def _validation(least: int | None) -> bytes | None:
    """Say that it is a number, and of what size (XEP-0500 section 4.1 wants that)."""
    if least is None:
        return None
    return tag("validate", tag("range", min=least), xmlns=_VALIDATE, datatype="xs:integer")


# What kinds of fields there are


def roomconfig(name: str) -> str:
    """Return the whole name of a field; one that is whole already as it is."""
    return name if "#" in name else f"muc#roomconfig_{name}"


def _flag(name: str, label: str, option: str, *also: str, help: str = "") -> Field:
    def read(texts: Sequence[str], limits: Limits) -> bool:
        if texts[0] not in FLAGS:
            raise ValueError("is true or false")
        return FLAGS[texts[0]]

    return Field(
        roomconfig(name), "boolean", label, option, read, lambda value: ("1" if value else "0",), also, help=help
    )


def _text(
    name: str, label: str, option: str, *, fits: re.Pattern[str] | None = None, what: str = "", lines: bool = False
) -> Field:
    """A text; `fits` and `what` say of what kind, if it is not any. :param lines: may it have several lines?"""

    def read(texts: Sequence[str], limits: Limits) -> str:
        text = "".join(texts).strip()
        if any(category(character) in _NO_TEXT and not (lines and character == "\n") for character in text):
            raise ValueError("is text" if lines else "is one line of text")
        if text and fits is not None and not fits.fullmatch(text):
            raise ValueError(f"is {what}")
        if len(text) > limits.text_characters:
            raise Unacceptable(f"has at most {limits.text_characters} characters")
        return text

    return Field(roomconfig(name), "text-single", label, option, read, lambda value: (value,) if value else ())


def _number(
    name: str, label: str, option: str, *also: str, most: Callable[[Limits], int], help: str = ""
) -> Field:  # fmt: skip
    def read(texts: Sequence[str], limits: Limits) -> int:
        return _integer(texts[0], most(limits))

    return Field(
        roomconfig(name), "text-single", label, option, read, lambda value: (str(value),), also, least=0, help=help
    )


def _integer(text: str, most: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise ValueError("is a number, and not below 0")
    if len(text) > 12 or int(text) > most:
        raise Unacceptable(f"is {most} at most")
    return int(text)


def _one_of(name: str, label: str, option: str, choices: Mapping[str, tuple[Any, str]]) -> Field:
    """:param choices: what the option is for each value, and what people are shown."""
    values = {value: text for text, (value, _) in choices.items()}
    labels = {text: shown for text, (_, shown) in choices.items()}

    def read(texts: Sequence[str], limits: Limits) -> Any:
        if texts[0] not in choices:
            raise ValueError(f"is one of {', '.join(choices)}")
        return choices[texts[0]][0]

    return Field(
        roomconfig(name), "list-single", label, option, read, lambda value: (values[value],), (), lambda limits: labels
    )


def _roles(name: str, label: str, option: str) -> Field:
    def read(texts: Sequence[str], limits: Limits) -> tuple[str, ...]:
        if not set(texts) <= set(_ROLES):
            raise ValueError(f"is some of {', '.join(_ROLES)}")
        return tuple(role for role in _ROLES if role in texts)

    return Field(roomconfig(name), "list-multi", label, option, read, lambda value: value, (), lambda limits: _ROLES)


def _read_occupants(texts: Sequence[str], limits: Limits) -> int:
    text = texts[0].strip()
    if text == "none":
        return 0
    if text.isascii() and text.isdigit() and not text.strip("0"):
        raise ValueError("is at least 1, or none")
    return _integer(text, limits.occupants)


def _occupants(limits: Limits) -> Mapping[str, str]:
    counts = {str(count): str(count) for count in _OCCUPANTS if count < limits.occupants}
    return {**counts, "none": f"As many as there can be ({limits.occupants})"}


def _read_addresses(texts: Sequence[str], limits: Limits) -> tuple[str, ...]:
    found = addresses(texts)
    if len(found) > limits.contacts:
        raise Unacceptable(f"has at most {limits.contacts} addresses")
    return tuple(str(jid) for jid in found)


def addresses(texts: Sequence[str]) -> list[Jid]:
    """Return the bare addresses that a field says, each once; lines that are empty are left out.

    :raises ValueError: if one is no address.
    """
    found: dict[Jid, None] = {}
    for text in texts:
        try:
            if text.strip():
                found[Jid.parse(text.strip()).bare] = None
        except JidError:
            raise ValueError(f"has an address that is none: {text.strip()[:100]!r}") from None
    return list(found)


def _read_namespaces(texts: Sequence[str], limits: Limits) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
    if not all(_NAMESPACE.fullmatch(one) for one in found):
        raise ValueError("has namespaces, one a line")
    if sum(map(len, found)) > limits.text_characters:
        raise Unacceptable(f"has at most {limits.text_characters} characters")
    return found


_NAMESPACE = re.compile(r"[!-~]+")
_URL = re.compile(r"https?://[!-~]+")
_URI = re.compile(r"xmpp:[!-~]+")
_DAY = 86_400

#: The fields in the order of the form, but for the password and the lists of owners and admins.
FIELDS: tuple[Field, ...] = (
    _text("roomname", "Name of the room", "name"),
    _text("roomdesc", "Description", "description", lines=True),
    _text("lang", "Language of discussions", "lang", fits=re.compile(LANGUAGE), what="a language, such as en or pt-BR"),
    _flag("persistentroom", "Does the room stay when nobody is there?", "persistent"),
    _flag("publicroom", "Can the room be found by others?", "public"),
    _flag("membersonly", "May only members enter?", "members_only"),
    _flag(
        "allowinvites",
        "May members invite others?",
        "invites",
        roomconfig("allowmemberinvites"),
        "{http://prosody.im/protocol/muc}roomconfig_allowmemberinvites",
        help="In a members-only room, who is invited becomes a member.",
    ),
    _flag("allowregistration", "May people register with the room?", "registration"),
    _flag(
        "approveregistration",
        "Do admins have to approve that?",
        "registration_approval",
        help="They always have to where members may do more than others.",
    ),
    _flag("moderatedroom", "Is the room moderated?", "moderated", help="Visitors have to be given voice."),
    _flag("allowvoicerequests", "May visitors ask for voice?", "voice_requests", "allow_voice_requests"),
    _flag("allowvisitorstatus", "May visitors change their status?", "visitor_status", "allow_visitor_status"),
    _flag(
        "allowvisitornickchange",
        "May visitors change their nickname?",
        "visitor_nick",
        "allow_visitor_nickchange",
    ),
    _flag("fixednick", "Do those who have registered a nickname have to use it?", "fixed_nick"),
    _flag("changesubject", "May participants change the subject?", "change_subject"),
    _one_of(
        "allowpm",
        "Who may send private messages?",
        "private_messages",
        {
            "anyone": ("anyone", "Anyone"),
            "participants": ("participants", "Those who have voice"),
            "moderators": ("moderators", "Moderators only"),
            "none": ("none", "Nobody"),
        },
    ),
    _flag(
        "allowqueries",
        "May occupants send each other requests?",
        "requests",
        "allow_query_users",
        help="Such as for the software they use, or their vCard. Moderators always may.",
    ),
    _one_of(
        "whois",
        "Who sees the real addresses of occupants?",
        "anonymous",
        {"moderators": (True, "Moderators only"), "anyone": (False, "Anyone")},
    ),
    _roles("presencebroadcast", "Whose presence is everybody told of?", "presence_broadcast"),
    _roles("getmemberlist", "Who may retrieve the list of members?", "member_list"),
    _flag("publiclist", "May people who are not in the room ask who is there?", "list_occupants", "public_list"),
    Field(
        roomconfig("maxusers"),
        "list-single",
        "How many occupants may there be?",
        "max_users",
        _read_occupants,
        lambda value: (str(value) if value else "none",),
        (),
        _occupants,
    ),
    _number(
        "slow_mode_duration",
        "Slow mode",
        "slow_mode",
        most=lambda limits: _DAY,
        help="Seconds that participants have to wait between messages; 0: they needn't.",
    ),
    _flag(
        "enablearchiving",
        "Are messages kept?",
        "archive",
        roomconfig("mam"),
        "mam",
        help="Then those who come later find them.",
    ),
    _flag("publicarchive", "May those read them who may enter, but don't belong here?", "public_archive"),
    _number(
        "archivedays",
        "For how many days are messages kept?",
        "archive_days",
        most=lambda limits: _MOST_DAYS,
        help="0: as long as the service keeps them.",
    ),
    _number(
        "archivemessages",
        "How many messages are kept?",
        "archive_messages",
        most=lambda limits: _MOST_MESSAGES,
        help="0: as many as the service keeps.",
    ),
    _number(
        "muc#maxhistoryfetch",
        "How many of the last messages may those see who enter?",
        "history",
        roomconfig("historylength"),
        most=lambda limits: limits.history,
    ),
    _number(
        "defaulthistorymessages",
        "How many do they see if they don't say how many they want?",
        "default_history",
        most=lambda limits: limits.history,
    ),
    _flag(
        "forwardmentions",
        "Forward messages with mentions to non-present, affiliated users",
        "forward_mentions",
        help="To those who have registered a nickname.",
    ),
    Field(
        roomconfig("traffic"),
        "text-multi",
        "Which extensions may messages and presence to everybody have?",
        "traffic",
        _read_namespaces,
        lambda value: value,
        help="Their namespaces, as jabber:x:oob; if there are none: any. Where it is jabber:client alone: none.",
    ),
    _flag(
        "enablelogging",
        "Is what is said published?",
        "logging",
        help="Whoever enters is told that it is. The room itself publishes nothing.",
    ),
    _text("logs", "Where it is published", "logs", fits=_URL, what="a web address, https://..."),
    _text("pubsub", "Node that belongs to the room", "pubsub", fits=_URI, what="the address of a node, xmpp:..."),
    Field(
        roomconfig("contactjid"),
        "jid-multi",
        "Whom can people ask about the room?",
        "contacts",
        _read_addresses,
        lambda value: value,
    ),
)
