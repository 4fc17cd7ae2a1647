"""XEP-0049 by scenarios: every example, its errors, limits."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.plugins.kit import PluginTestCase

NS = "jabber:iq:private"
ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
PREFS = "<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>"


def request(type_: str, inside: str, to: str = "") -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='{type_}' id='1'{address}><query xmlns='{NS}'>{inside}</query></iq>"


def result(inside: str) -> str:
    return f"<iq type='result' id='1' to='{{hamlet}}'><query xmlns='{NS}'>{inside}</query></iq>"


def refusal(inside: str, kind: str, condition: str) -> str:
    return (
        f"<iq type='error' id='1'><query xmlns='{NS}'>{inside}</query>"
        f"<error type='{kind}'><{condition} xmlns='{ERRORS}'/>{{...}}</error></iq>"
    )


class PrivateTestCase(PluginTestCase):
    plugins = ("private",)

    def setUp(self) -> None:
        super().setUp()
        self.hamlet = self.login("hamlet@example.org/denmark")

    def put(self, inside: str) -> None:
        self.hamlet.send(request("set", inside))
        self.hamlet.expect("<iq type='result' id='1' to='{hamlet}'/>")

    def get(self, inside: str, expected: str) -> None:
        self.hamlet.send(request("get", inside))
        self.hamlet.expect(result(expected))


class Storing(PrivateTestCase):
    def test_store_and_retrieve(self) -> None:
        self.put(PREFS)
        self.get("<exodus xmlns='exodus:prefs'/>", PREFS)

    def test_nothing_stored(self) -> None:
        self.get("<exodus xmlns='exodus:prefs'/>", "<exodus xmlns='exodus:prefs'/>")

    def test_replace(self) -> None:
        self.put(PREFS)
        other = PREFS.replace("Hamlet", "Yorick &amp; co")
        self.put(other)
        self.get("<exodus xmlns='exodus:prefs'/>", other)

    def test_names_and_namespaces_are_apart(self) -> None:
        self.put(PREFS)
        self.put("<exodus xmlns='other:prefs'/>")
        self.put("<window xmlns='exodus:prefs' x='1'/>")
        self.get("<exodus xmlns='exodus:prefs'/>", PREFS)
        self.get("<window xmlns='exodus:prefs'/>", "<window xmlns='exodus:prefs' x='1'/>")

    def test_several_elements(self) -> None:
        both = "<a xmlns='x:y' n='1'/><b xmlns='x:y'><c xmlns='u:v'/></b>"
        self.put(both)
        self.get("<a xmlns='x:y'/>", "<a xmlns='x:y' n='1'/>")
        self.get("<a xmlns='x:y'/><b xmlns='x:y'/>", both)

    def test_elements_of_one_name(self) -> None:
        both = "<a xmlns='x:y' n='1'/><a xmlns='x:y' n='2'/>"
        self.put(both)
        self.get("<a xmlns='x:y'/>", both)

    def test_durable_and_own(self) -> None:
        self.put(PREFS)
        self.restart()
        hamlet = self.login("hamlet@example.org/denmark")
        hamlet.send(request("get", "<exodus xmlns='exodus:prefs'/>"))
        hamlet.expect(result(PREFS))
        ophelia = self.login("ophelia@example.org/x")
        ophelia.send(request("get", "<exodus xmlns='exodus:prefs'/>"))
        ophelia.expect(f"<iq type='result' id='1'><query xmlns='{NS}'><exodus xmlns='exodus:prefs'/></query></iq>")

    def test_deleted_account(self) -> None:
        self.put(PREFS)
        self.delete_account("hamlet@example.org")
        self.get("<exodus xmlns='exodus:prefs'/>", "<exodus xmlns='exodus:prefs'/>")


class Errors(PrivateTestCase):
    def test_others_data(self) -> None:
        macbeth = self.login("macbeth@example.org/x")
        for type_ in ("get", "set"):
            for to in ("hamlet@example.org", "nobody@example.org"):
                macbeth.send(request(type_, PREFS, to))
                macbeth.expect(refusal(PREFS, "cancel", "service-unavailable"))

    def test_no_child(self) -> None:
        for type_ in ("get", "set"):
            self.hamlet.send(request(type_, ""))
            self.hamlet.expect(refusal("", "modify", "not-acceptable"))

    def test_no_namespace_of_its_own(self) -> None:
        for inside in ("<exodus/>", PREFS + "<exodus/>"):
            self.hamlet.send(request("set", inside))
            self.hamlet.expect(refusal(inside, "modify", "not-acceptable"))
        self.get("<exodus xmlns='exodus:prefs'/>", "<exodus xmlns='exodus:prefs'/>")

    def test_reserved_namespaces(self) -> None:
        for inside in (
            "<vCard xmlns='vcard-temp'><FN>Hamlet</FN></vCard>",
            "<x xmlns='jabber:client'/>",
            "<x xmlns='http://jabber.org/protocol/muc'/>",
        ):
            for type_ in ("get", "set"):
                self.hamlet.send(request(type_, inside))
                self.hamlet.expect(refusal(inside, "modify", "not-acceptable"))

    def test_two_namespaces_in_a_get(self) -> None:
        inside = "<a xmlns='x:y'/><a xmlns='y:z'/>"
        self.hamlet.send(request("get", inside))
        self.hamlet.expect(refusal(inside, "modify", "bad-request"))


class Limits(PrivateTestCase):
    config: ClassVar[Any] = {"private": {"max_octets": 200, "max_entries": 3}}

    def test_entries(self) -> None:
        self.put("<a xmlns='x:y'/><b xmlns='x:y'/>")
        inside = "<c xmlns='x:y'/><d xmlns='x:y'/>"
        self.hamlet.send(request("set", inside))
        self.hamlet.expect(refusal(inside, "modify", "policy-violation"))
        self.get("<c xmlns='x:y'/>", "<c xmlns='x:y'/>")
        self.put("<a xmlns='x:y' n='1'/><b xmlns='x:y'/><c xmlns='x:y'/>")

    def test_octets(self) -> None:
        self.put(f"<a xmlns='x:y' n='{'1' * 150}'/>")
        inside = f"<b xmlns='x:y' n='{'1' * 50}'/>"
        self.hamlet.send(request("set", inside))
        self.hamlet.expect(refusal(inside, "modify", "policy-violation"))
        self.put("<a xmlns='x:y'/>")
        self.put(inside)
