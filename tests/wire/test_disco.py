"""Answers of service discovery, and the verification strings of XEP-0115 sections 1.2, 5.2 and 5.3."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.disco import INFO, ITEMS, Identity, Info, Item, form_type, items_query
from xmppd.wire.xml import parse

FEATURES = (
    "http://jabber.org/protocol/muc",
    "http://jabber.org/protocol/disco#items",
    "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/caps",
)
FORM = """<x xmlns='jabber:x:data' type='result'>
      <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
      <field var='software'><value>Psi</value></field>
      <field var='ip_version' type='text-multi' ><value>ipv6</value><value>ipv4</value></field>
      <field var='os_version'><value>10.5.1</value></field>
      <field var='os'><value>Mac</value></field>
      <field var='software_version'><value>0.11</value></field>
    </x>"""


class VerificationStrings(SynchronousTestCase):
    def test_simple_generation_example(self) -> None:
        info = Info((Identity("client", "pc", "Exodus 0.9.1"),), FEATURES)
        self.assertEqual(info.verification_string(), "QgayPKawpkPSDYmwT/WM94uAlu0=")

    def complex(self, form: str = FORM) -> Info:
        identities = (Identity("client", "pc", "Psi 0.11", "en"), Identity("client", "pc", "Ψ 0.11", "el"))
        return Info(identities, FEATURES, parse(form.encode()))

    def test_complex_generation_example(self) -> None:
        self.assertEqual(self.complex().verification_string(), "q07IKJEyjvHSyhy//CH0CxmKi8w=")

    def test_forms_without_hidden_form_type_are_left_out(self) -> None:
        without = Info(self.complex().identities, FEATURES).verification_string()
        self.assertEqual(self.complex(FORM.replace(" type='hidden'", "")).verification_string(), without)
        self.assertEqual(self.complex(FORM.replace("FORM_TYPE", "KIND")).verification_string(), without)

    def test_every_part_counts(self) -> None:
        base = self.complex()
        others = (
            Info((*base.identities, Identity("server", "im")), base.features, base.forms),
            Info(base.identities, base.features[1:], base.forms),
            self.complex(FORM.replace("10.5.1", "10.5.2")),
            self.complex(FORM.replace("'os'", "'oss'")),
        )
        strings = {info.verification_string() for info in (base, *others)}
        self.assertEqual(len(strings), 5)

    def test_order_does_not_count(self) -> None:
        base = self.complex()
        turned = Info(base.identities[::-1], base.features[::-1], base.forms)
        self.assertEqual(turned.verification_string(), base.verification_string())

    def test_octets_are_compared(self) -> None:
        # As UTF-16 code units U+FF5E comes behind U+1F600, as octets before it.
        info = Info((), ("\U0001f600", "～"))
        self.assertEqual(info._verified_text(), "～<\U0001f600<")

    def test_other_hashes(self) -> None:
        info = Info((Identity("client", "pc", "Exodus 0.9.1"),), FEATURES)
        self.assertEqual(len(info.verification_string("sha-256")), 44)


class Queries(SynchronousTestCase):
    def test_info(self) -> None:
        forms = parse(b"<x xmlns='jabber:x:data' type='result'/>")
        info = Info((Identity("server", "im", "A & B", "en"), Identity("account", "registered")), ("f",), forms)
        query = parse(info.query("n"))[0]
        self.assertEqual((query.uri, query.name, query["node"]), (INFO, "query", "n"))
        first, second, feature, form = query.elements()
        self.assertEqual((first["category"], first["type"], first["name"]), ("server", "im", "A & B"))
        self.assertEqual(first["http://www.w3.org/XML/1998/namespace", "lang"], "en")
        self.assertEqual(sorted(second.attributes), ["category", "type"])
        self.assertEqual((feature.name, feature["var"]), ("feature", "f"))
        self.assertEqual((form.uri, form.name), ("jabber:x:data", "x"))

    def test_items(self) -> None:
        self.assertEqual(items_query([]), f"<query xmlns='{ITEMS}'/>".encode())
        query = parse(items_query([Item("a.example", "A"), Item("b.example", node="x")], "n"))[0]
        self.assertEqual([e.attributes for e in query.elements()],
                         [{"jid": "a.example", "name": "A"}, {"jid": "b.example", "node": "x"}])  # fmt: skip
        self.assertEqual(query["node"], "n")

    def test_form_type(self) -> None:
        self.assertEqual(form_type(parse(FORM.encode())[0]), "urn:xmpp:dataforms:softwareinfo")
        self.assertIsNone(form_type(parse(b"<x xmlns='jabber:x:data'/>")[0]))


class ReadingTests(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        info = Info((Identity("client", "pc", "Psi", "en"), Identity("pubsub", "pep")), FEATURES, parse(FORM.encode()))
        (query,) = parse(info.query("node"))
        found = Info.read(query)
        self.assertEqual((found.identities, found.features), (info.identities, info.features))
        self.assertEqual(found.verification_string(), info.verification_string())

    def test_what_is_not_as_it_should_be(self) -> None:
        (query,) = parse(
            f"<query xmlns='{INFO}'><identity/><identity category='a'/><feature/><feature xmlns='urn:x' var='a'/>"
            "<x xmlns='jabber:x:data'/><y/></query>".encode()
        )
        self.assertEqual(Info.read(query), Info((), ()))
