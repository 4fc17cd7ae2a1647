"""Whatever is sent to rooms, from whomever: it is answered as RFC 6120 has it, once, and nothing breaks."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

from tests.plugins.muc.coven import MUC, ROOM, SERVICE, USER, CovenTestCase
from xmppd.testing import Client

FORM = "jabber:x:data"
NAMESPACES = (
    MUC, USER, f"{MUC}#admin", f"{MUC}#owner", "jabber:iq:register", FORM, "jabber:x:conference", "urn:xmpp:mam:2",
    "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", "urn:xmpp:message-moderate:1",
    "urn:xmpp:message-retract:1", "vcard-temp", "http://jabber.org/protocol/commands", "urn:xmpp:hats:0",
    "urn:xmpp:delay", "urn:xmpp:sid:0", "urn:xmpp:occupant-id:0", "http://jabber.org/protocol/rsm", "urn:xmpp:ping",
    "http://jabber.org/protocol/muc#unique", "urn:xmpp:channel-search:0:search", "urn:xmpp:tmp:token",
)  # fmt: skip
NAMES = (
    "x", "query", "item", "invite", "decline", "destroy", "history", "password", "reason", "field", "value", "remove",
    "subject", "body", "thread", "set", "max", "after", "before", "moderate", "retract", "vCard", "command", "actor",
    "continue", "status", "show", "priority", "delay", "stanza-id", "occupant-id", "hats", "unique", "ping", "username",
    "search", "prefs", "metadata", "PHOTO", "BINVAL", "TYPE",
)  # fmt: skip
ATTRIBUTES = (
    "affiliation", "role", "jid", "nick", "to", "from", "type", "node", "var", "code", "maxchars", "maxstanzas",
    "seconds", "since", "action", "id", "by", "stamp", "thread", "queryid", "xml:lang", "index", "sessionid", "uri",
)  # fmt: skip
#: What belongs where: names in a namespace, and the children of each.
SHAPES = {
    (MUC, "x"): ("password", "history"),
    (USER, "x"): ("invite", "decline", "password", "item", "status", "invite"),
    (f"{MUC}#admin", "query"): ("item", "item"),
    (f"{MUC}#owner", "query"): ("destroy", "x"),
    ("jabber:iq:register", "query"): ("x", "username", "remove"),
    (FORM, "x"): ("field", "field"),
    ("urn:xmpp:mam:2", "query"): ("x", "set"),
    ("http://jabber.org/protocol/disco#info", "query"): (),
    ("http://jabber.org/protocol/disco#items", "query"): ("set",),
    ("urn:xmpp:message-moderate:1", "moderate"): ("retract", "reason"),
    ("urn:xmpp:message-retract:1", "retract"): ("reason",),
    ("vcard-temp", "vCard"): ("PHOTO",),
    ("http://jabber.org/protocol/commands", "command"): ("x",),
    ("urn:xmpp:channel-search:0:search", "search"): ("x", "set"),
    ("http://jabber.org/protocol/muc#unique", "unique"): (),
    ("urn:xmpp:ping", "ping"): (),
}
#: Namespaces of children that are not their parent's, and children further down.
INNER = {"x": FORM, "set": "http://jabber.org/protocol/rsm", "retract": "urn:xmpp:message-retract:1"}
BELOW = {
    "item": ("reason", "actor"), "invite": ("reason", "continue"), "decline": ("reason",), "x": ("field", "field"),
    "field": ("value", "value"), "destroy": ("reason", "password"), "set": ("max", "after", "before"),
    "PHOTO": ("BINVAL", "TYPE"),
}  # fmt: skip
FORM_TYPES = (f"{MUC}#roomconfig", f"{MUC}#register", f"{MUC}#request", "urn:xmpp:mam:2")
VALUES = (
    "", " ", "-1", "0", "1", "99999999999999999999", "true", "owner", "admin", "member", "none", "outcast", "moderator",
    "visitor", "submit", "form", "cancel", "result", "execute", "thirdwitch", "firstwitch", "nobody", "@", "a@@b",
    "crone1@example.org", "hag66@example.org", "hag66@example.org/pda", ROOM, f"{ROOM}/firstwitch", SERVICE, "é\u0301",
    f"{MUC}#roomconfig", f"{MUC}#register", f"{MUC}#request", "muc#roomconfig_roomname", "muc#roomconfig_maxusers",
    "muc#roomconfig_whois", "muc#role", "muc#jid", "muc#register_roomnick", "muc#request_allow", "x-roomuser-item",
    "1970-01-01T00:00:00Z", "yesterday", "a" * 2000, "&#x9;&#xA;", "&lt;&amp;", "example.org",
)  # fmt: skip
TYPES = {
    "message": ("", "normal", "chat", "groupchat", "headline", "error"),
    "presence": ("", "", "", "unavailable", "subscribe", "probe", "error", "unsubscribed"),
    "iq": ("get", "set", "set", "result", "error"),
}
TO = (SERVICE, ROOM, ROOM, ROOM, f"{ROOM}/thirdwitch", f"{ROOM}/firstwitch", f"{ROOM}/nobody", f"pit@{SERVICE}")


class Maker:
    """Makes XML that looks as if it were about rooms."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def element(self, depth: int = 0, namespace: str | None = None) -> str:
        random = self.random
        name = random.choice(NAMES)
        outer = random.choice((None, namespace, random.choice(NAMESPACES))) if depth else random.choice(NAMESPACES)
        declared = f" xmlns='{outer}'" if outer else ""
        chosen = random.sample(ATTRIBUTES, random.randrange(0, 4))
        attributes = "".join(f" {one}='{random.choice(VALUES)}'" for one in chosen)
        inside = "".join(self.element(depth + 1, outer) for _ in range(random.choice((0, 0, 1, 2)) if depth < 3 else 0))
        return f"<{name}{declared}{attributes}>{inside or random.choice((*VALUES, ''))}</{name}>"

    def shaped(self) -> str:
        """Return an element that is in its place, with whatever in it."""
        (namespace, name), children = self.random.choice(tuple(SHAPES.items()))
        return self._shape(namespace, name, children)

    def _shape(self, namespace: str, name: str, children: tuple[str, ...]) -> str:
        random = self.random
        chosen = random.sample(ATTRIBUTES, random.randrange(0, 4))
        attributes = "".join(f" {one}='{random.choice(VALUES)}'" for one in chosen)
        if name == "x" and namespace == FORM:
            attributes = f" type='{random.choice(('submit', 'submit', 'cancel', 'form'))}'"
        inside = ""
        if name == "x" and namespace == FORM and random.random() < 0.8:
            inside = f"<field var='FORM_TYPE'><value>{random.choice(FORM_TYPES)}</value></field>"
        for child in children:
            if random.random() < (0.05 if child == "destroy" else 0.7):
                inner = INNER.get(child, namespace)
                inside += self._shape(inner, child, BELOW.get(child, ()))
        declared = f" xmlns='{namespace}'"
        return f"<{name}{declared}{attributes}>{inside or random.choice((*VALUES, ''))}</{name}>"

    def stanza(self, number: int) -> tuple[str, str, bool]:
        """Return a stanza, its id, and whether it is a request."""
        random = self.random
        kind = random.choice(tuple(TYPES))
        type_ = random.choice(TYPES[kind])
        typed = f" type='{type_}'" if type_ else ""
        count = 1 if kind == "iq" and type_ in ("get", "set") else random.randrange(0, 4)
        inside = "".join(self.shaped() if random.random() < 0.8 else self.element() for _ in range(count))
        if kind == "message" and random.random() < 0.4:
            inside += "<body>hello</body>"
        id_ = f"n{number}"
        xml = f"<{kind} to='{random.choice(TO)}' id='{id_}'{typed}>{inside}</{kind}>"
        return xml, id_, kind == "iq" and type_ in ("get", "set")


class Far:
    """Somebody of another server, which says whatever it likes about its own users."""

    def __init__(self, net: Any, who: str) -> None:
        self._net, self._who = net, who

    @property
    def received(self) -> list[str]:
        found: list[str] = self._net.received
        return found

    def clear(self) -> None:
        self._net.clear()

    def close(self) -> None:
        self.send(f"<presence to='{ROOM}' type='unavailable'/>")

    def send(self, xml: str) -> None:
        kind, space, rest = xml.partition(" ")
        self._net.send(f"{kind} from='{self._who}'{space}{rest}")


class Hostile(CovenTestCase):
    config: ClassVar[Any] = {
        "muc": {
            "joins_per_minute": 10**6, "presence_per_minute": 10**6, "invitations_per_minute": 10**6,
            "voice_requests_per_minute": 10**6, "max_owned": 10**6,
        }
    }  # fmt: skip

    def walk(self, seed: int, client: Client | Far, steps: int = 250) -> None:
        maker = Maker(Random(seed))
        for number in range(steps):
            self.crone.clear()
            client.clear()
            xml, id_, request = maker.stanza(number)
            client.send(xml)
            self.pump()
            came = [*client.received, *(self.crone.received if client is not self.crone else ())]
            for answer in came:
                self.assertNotIn("internal-server-error", answer, xml)
                self.assertNotIn("stream:error", answer, xml)
            if request:
                requests = [one for one in came if one.startswith("<iq")]
                mine = [one for one in client.received if one in requests and f"id='{id_}'" in one]
                passed_on = [one for one in requests if "type='error'" not in one and one not in mine]
                if not passed_on:
                    self.assertEqual(len(mine), 1, xml)
            if not number % 10:
                self.come_again(client)
        if client is not self.crone:
            client.close()

    def come_again(self, client: Client | Far) -> None:
        """Be in the room, if that is possible."""
        nick = "firstwitch" if client is self.crone else "thirdwitch"
        client.send(f"<presence to='{ROOM}/{nick}'><x xmlns='{MUC}'/></presence>")
        client.send(
            f"<iq type='set' id='again' to='{ROOM}'>"
            f"<query xmlns='{MUC}#owner'><x xmlns='{FORM}' type='submit'/></query></iq>"
        )

    def test_owner(self) -> None:
        self.create(persistentroom="1")
        for seed in range(3):
            self.walk(seed, self.crone)

    def test_occupant(self) -> None:
        self.create(persistentroom="1")
        for seed in range(3, 6):
            hag = self.login(f"hag66@example.org/{seed}")
            self.enter(hag, "thirdwitch")
            self.walk(seed, hag)

    def test_outsider(self) -> None:
        self.create(persistentroom="1", membersonly="1")
        for seed in range(6, 9):
            self.walk(seed, self.login(f"stranger@example.org/{seed}"))

    def test_another_server(self) -> None:
        """Whole addresses, bare ones, and the server itself."""
        self.create(persistentroom="1")
        net = self.remote("example.net")
        for seed, who in enumerate(("paris@example.net/x", "paris@example.net", "example.net"), 9):
            self.walk(seed, Far(net, who))
