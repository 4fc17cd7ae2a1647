"""The room of the witches, as XEP-0045 has it in its examples, for tests of what it says (section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable

from xmppd.testing import Client, ServerTestCase

__all__ = ["ERRORS", "MUC", "ROOM", "SERVICE", "USER", "CovenTestCase", "error", "joining", "presence"]

SERVICE = "conference.example.org"
ROOM = f"coven@{SERVICE}"
MUC = "http://jabber.org/protocol/muc"
USER = f"{MUC}#user"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"


def joining(nick: str, inside: str = "", room: str = ROOM, id: str = "join") -> str:
    """Return the presence by which somebody enters."""
    return f"<presence to='{room}/{nick}' id='{id}'><x xmlns='{MUC}'>{inside}</x></presence>"


def error(kind: str, condition: str, by: str = ROOM) -> str:
    """Return the template of an error from the room, whatever it says to people."""
    return f"<error type='{kind}' by='{by}'><{condition} xmlns='{ERRORS}'/>{{...}}</error>"


def presence(
    nick: str, affiliation: str, role: str, *codes: int, jid: str = "", gone: bool = False, inside: str = "",
    item: str = "", more: str = "", room: str = ROOM,
) -> str:  # fmt: skip
    """Return the template of an occupant's presence.

    :param jid: the name of the client whose address it tells.
    :param inside: what comes with it.
    :param item: attributes of the item, besides those above.
    :param more: what is in the item: the actor and the reason.
    """
    type_ = " type='unavailable'" if gone else ""
    address = f" jid='{{{jid}}}'" if jid else ""
    statuses = "".join(f"<status code='{code}'/>" for code in codes)
    return (
        f"<presence from='{room}/{nick}'{type_}>{{...}}{inside}<x xmlns='{USER}'>"
        f"<item affiliation='{affiliation}' role='{role}'{address}{item}>{more}</item>{statuses}</x></presence>"
    )


class CovenTestCase(ServerTestCase):
    """A server with the default plugins, where the owner of a room is logged in, but the room is not made yet."""

    plugins = None

    def setUp(self) -> None:
        super().setUp()
        self.crone = self.login("crone1@example.org/desktop", name="crone")

    def wicca(self) -> Client:
        """Log in one who is an admin in the examples."""
        return self.login("wiccarocks@example.org/laptop", name="wicca")

    def hag(self) -> Client:
        """Log in one who is nothing to the room in the examples."""
        return self.login("hag66@example.org/pda", name="hag")

    def create(self, room: str = ROOM, **options: str | Iterable[str]) -> None:
        """Have the owner make the room and stay in it.

        :param options: fields of muc#roomconfig.
        """
        self.crone.send(joining("firstwitch", room=room))
        self.configure(room, **options)

    def configure(self, room: str = ROOM, **options: str | Iterable[str]) -> None:
        """Have the owner set options of the room."""
        fields = "".join(
            f"<field var='muc#roomconfig_{name}'>"
            + "".join(f"<value>{one}</value>" for one in ([value] if isinstance(value, str) else value))
            + "</field>"
            for name, value in options.items()
        )
        type_ = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>" if fields else ""
        self.ask(self.crone, "set", f"{MUC}#owner", f"<x xmlns='jabber:x:data' type='submit'>{type_}{fields}</x>", room)

    def affiliate(self, who: str, affiliation: str, nick: str = "") -> None:
        """Have the owner say what somebody is to the room."""
        named = f" nick='{nick}'" if nick else ""
        item = f"<item jid='{who}@example.org' affiliation='{affiliation}'{named}/>"
        self.ask(self.crone, "set", f"{MUC}#admin", item)

    def give_role(self, nick: str, role: str) -> None:
        """Have the owner give an occupant a role."""
        self.ask(self.crone, "set", f"{MUC}#admin", f"<item nick='{nick}' role='{role}'/>")

    def ask(self, client: Client, type_: str, namespace: str, inside: str = "", room: str = ROOM) -> None:
        """Send a request to the room that has to succeed; forget what came with it."""
        client.send(f"<iq type='{type_}' id='ask' to='{room}'><query xmlns='{namespace}'>{inside}</query></iq>")
        answer = [xml for xml in client.received if xml.startswith("<iq") and "id='ask'" in xml.replace('"', "'")]
        self.assertIn("type='result'", answer[-1] if answer else "no answer", inside)
        client.clear()

    def enter(self, client: Client, nick: str, inside: str = "", room: str = ROOM) -> None:
        """Let somebody in; forget what they get, and what the owner does."""
        client.send(joining(nick, inside, room))
        self.assertIn("110", "".join(client.received), f"{nick} could not enter: {client.received}")
        client.clear()
        self.crone.clear()

    def refused(self, client: Client, nick: str, kind: str, condition: str, inside: str = "", room: str = ROOM) -> None:
        """Somebody may not enter, and is told why; nobody else is told anything."""
        self.crone.clear()
        client.send(joining(nick, inside, room, id="refused"))
        client.expect(
            f"<presence type='error' id='refused' from='{room}/{nick}' to='{client.jid}'>"
            f"<x xmlns='{MUC}'>{{any}}</x>{error(kind, condition, room)}</presence>"
        )
        client.expect_nothing()
        self.crone.expect_nothing()
