"""RFC 6121 section 8, row by row, through a whole server without plugins."""

from __future__ import annotations

from collections.abc import Callable

from xmppd.testing import Client, ServerTestCase

#: What the account's devices are: (resource, priority), None for one that has sent no presence.
_DEVICES: dict[str, tuple[tuple[str, int | None], ...]] = {
    "stranger": (),  # there is no such account
    "offline": (),
    "silent": (("orchard", None),),
    "negative": (("orchard", -1),),
    "one": (("orchard", 0),),
    "several": (("orchard", 1), ("garden", 5), ("attic", -1), ("closet", None)),
}

#: Who gets it: names of devices joined by "+" ("available" stands for those with presence, "likely" for those whose
#: priority isn't negative as well), "-" for nobody, "E" for the sender, who is told service-unavailable.
_MESSAGES = """
account   to        normal   chat     groupchat  headline  error    unheard-of
stranger  bare      E        E        E          -         -        E
stranger  match     E        E        E          -         -        E
offline   bare      E        E        E          -         -        E
offline   no-match  E        E        E          -         -        E
silent    bare      E        E        E          -         -        E
silent    match     orchard  orchard  orchard    orchard   orchard  orchard
silent    no-match  E        E        E          -         -        E
negative  bare      E        E        E          -         -        E
negative  match     orchard  orchard  orchard    orchard   orchard  orchard
negative  no-match  E        E        E          -         -        E
one       bare      orchard  orchard  E          orchard   -        orchard
one       match     orchard  orchard  orchard    orchard   orchard  orchard
one       no-match  E        orchard  E          -         -        E
several   bare      likely   likely   E          likely    -        likely
several   match     orchard  orchard  orchard    orchard   orchard  orchard
several   no-match  E        likely   E          -         -        E
"""
_OTHERS = """
account   to        available  unavailable  error    get      set      result   iq-error
stranger  bare      -          -            -        E        E        -        -
stranger  match     -          -            -        E        E        -        -
offline   bare      -          -            -        E        E        -        -
offline   no-match  -          -            -        E        E        -        -
silent    bare      -          -            -        E        E        -        -
silent    match     orchard    orchard      orchard  orchard  orchard  orchard  orchard
silent    no-match  -          -            -        E        E        -        -
negative  bare      orchard    orchard      -        E        E        -        -
negative  match     orchard    orchard      orchard  orchard  orchard  orchard  orchard
negative  no-match  -          -            -        E        E        -        -
one       bare      orchard    orchard      -        E        E        -        -
one       match     orchard    orchard      orchard  orchard  orchard  orchard  orchard
one       no-match  -          -            -        E        E        -        -
several   bare      available  available    -        E        E        -        -
several   match     orchard    orchard      orchard  orchard  orchard  orchard  orchard
several   no-match  -          -            -        E        E        -        -
"""
_GROUPS = {"available": "orchard+garden+attic", "likely": "orchard+garden"}
_ADDRESSES = {"bare": "juliet@example.org", "match": "juliet@example.org/orchard", "no-match": "juliet@example.org/x"}
_KINDS = {
    "get": "iq",
    "set": "iq",
    "result": "iq",
    "iq-error": "iq",
    "available": "presence",
    "unavailable": "presence",
}


def _cells(text: str, kinds: dict[str, str], kind: str) -> dict[str, tuple[str, str, str, str, str]]:
    """Return account, address, kind, type and outcome of every cell of a table, by the name of its test."""
    head, *rows = (line.split() for line in text.strip().splitlines())
    cells = {}
    for account, to, *outcomes in rows:
        for type_, outcome in zip(head[2:], outcomes, strict=True):
            of = kinds.get(type_, kind)
            name = f"test_{of}_{type_}_to_{account}_{to}".replace("-", "_")
            cells[name] = (account, to, of, type_.removeprefix("iq-"), outcome)
    return cells


class Delivery(ServerTestCase):
    def check(self, account: str, to: str, kind: str, type_: str, outcome: str) -> None:
        """Send that stanza; it has to reach those devices and nobody else."""
        romeo = self.login("romeo@example.org/balcony")
        if account != "stranger":
            self.account("juliet@example.org")
        devices: dict[str, Client] = {}
        for resource, priority in _DEVICES[account]:
            device = devices[resource] = self.login(f"juliet@example.org/{resource}", name=resource)
            if priority is not None:
                device.send(f"<presence><priority>{priority}</priority></presence>")
        stanza = f"<{kind} to='{_ADDRESSES[to]}' id='1' type='{type_}'><x xmlns='urn:example:x'/></{kind}>"
        if type_ in ("normal", "available"):  # the default, which has no name in presence
            stanza = stanza.replace(f" type='{type_}'", "")
        romeo.send(stanza)
        reached = _GROUPS.get(outcome, outcome).split("+")
        for resource, device in devices.items():
            if resource in reached:
                device.expect(stanza.replace(" to=", " from='{romeo}' to=", 1))
            device.expect_nothing()
        if outcome == "E":
            romeo.expect(
                f"<{kind} type='error' id='1' from='{_ADDRESSES[to]}'><x xmlns='urn:example:x'/><error type='cancel'>"
                "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></" + kind + ">"
            )
        romeo.expect_nothing()


def _test(cell: tuple[str, str, str, str, str]) -> Callable[[Delivery], None]:
    return lambda self: self.check(*cell)


for _name, _cell in (_cells(_MESSAGES, {}, "message") | _cells(_OTHERS, _KINDS, "presence")).items():
    setattr(Delivery, _name, _test(_cell))


class Elsewhere(ServerTestCase):
    """Deliveries that the table doesn't show."""

    hosts = ("example.org", "example.net")

    def test_between_hosts(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        nurse = self.login("nurse@example.net/kitchen", presence=True)
        romeo.send("<message to='nurse@example.net'><body>hi</body></message>")
        nurse.expect("<message from='{romeo}' to='nurse@example.net'><body>hi</body></message>")

    def test_to_oneself(self) -> None:
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<message to='romeo@example.org' type='chat'><body>note</body></message>")
        romeo.expect("<message from='{romeo}' type='chat'><body>note</body></message>")

    def test_message_without_to(self) -> None:
        """RFC 6120 10.3.1: as if it were to the sender's bare address."""
        romeo = self.login("romeo@example.org/orchard", presence=True)
        romeo.send("<message type='chat'><body>note</body></message>")
        romeo.expect("<message from='{romeo}' to='romeo@example.org' type='chat'><body>note</body></message>")

    def test_presence_decides(self) -> None:
        """Nothing comes to the bare address any more after unavailable presence."""
        romeo = self.login("romeo@example.org/orchard")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<presence type='unavailable'/>")
        romeo.send("<message to='juliet@example.org' id='1'><body>hi</body></message>")
        romeo.expect("<message type='error' id='1'>{any}</message>")
        juliet.expect_nothing()

    def test_priority_changes(self) -> None:
        romeo = self.login("romeo@example.org/orchard")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        juliet.send("<presence><priority>-1</priority></presence>")
        romeo.send("<message to='juliet@example.org' type='headline'><body>1</body></message>")
        juliet.expect_nothing()
        juliet.send("<presence/>")
        romeo.send("<message to='juliet@example.org' type='headline'><body>2</body></message>")
        juliet.expect("<message type='headline'><body>2</body></message>")

    def test_everybody_gets_the_same_bytes(self) -> None:
        """What is passed on is not written anew (comments on whitespace would be lost)."""
        romeo = self.login("romeo@example.org/orchard")
        juliet = self.login("juliet@example.org/balcony", presence=True)
        payload = "<x xmlns='urn:example:x'  a=\"1\" ><y></y>\n &#x41;&lt;</x >"
        romeo.send_raw(f"<message to='juliet@example.org'>{payload}</message>")
        juliet.take()
        self.assertIn(payload, juliet.received[-1])
