"""XEP-0313: queries and results as XML."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.delay import parse_datetime
from xmppd.wire.errors import StanzaError
from xmppd.wire.jid import Jid
from xmppd.wire.mam import NS, SEARCH, Archived, Query, fin, metadata, query, result
from xmppd.wire.rsm import PageRequest
from xmppd.wire.xml import parse

TYPE = f"<field var='FORM_TYPE' type='hidden'><value>{NS}</value></field>"


def read(inside: str, attributes: str = "", searchable: bool = True) -> Query:
    (element,) = parse(f"<query xmlns='{NS}' {attributes}>{inside}</query>".encode())
    return query(element, searchable)


def form(fields: str, type_: str = "submit", form_type: str = TYPE) -> str:
    return f"<x xmlns='jabber:x:data' type='{type_}'>{form_type}{fields}</x>"


def field(var: str, *values: str) -> str:
    return f"<field var='{var}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"


class Queries(SynchronousTestCase):
    def test_everything(self) -> None:
        self.assertEqual(read(""), Query())

    def test_all_fields(self) -> None:
        found = read(
            form(
                field("with", "Romeo@Example.org/x") + field("start", "2010-06-07T00:00:00Z")
                + field("end", "2010-07-07T13:23:54.5+02:00") + field("before-id", "b") + field("after-id", "a")
                + field("ids", "1", "2", "1") + field("include-groupchat", "false") + field(SEARCH, "holy palmers")
            )
            + "<set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set><flip-page/>",
            "queryid='f&lt;27'",
        )  # fmt: skip
        expected = Query(
            "f<27", Jid.parse("romeo@example.org/x"), parse_datetime("2010-06-07T00:00:00Z"),
            parse_datetime("2010-07-07T11:23:54.5Z"), "b", "a", ("1", "2"), "holy palmers", PageRequest(3), True,
        )  # fmt: skip
        self.assertEqual(found, expected)

    def test_empty_fields_say_nothing(self) -> None:
        names = ("with", "start", "end", "before-id", "after-id", "ids", "include-groupchat", SEARCH)
        self.assertEqual(read(form("".join(field(name, "") for name in names))), Query())
        self.assertEqual(read(form("".join(field(name) for name in names))), Query())

    def refused(self, condition: str, inside: str, attributes: str = "", searchable: bool = True) -> None:
        with self.assertRaises(StanzaError, msg=inside) as caught:
            read(inside, attributes, searchable)
        self.assertEqual(caught.exception.condition.value, condition, inside)

    def test_unknown_fields(self) -> None:
        self.refused("feature-not-implemented", form(field("{urn:example:x}mood", "lonely")))
        self.refused("feature-not-implemented", form("<field><value>x</value></field>"))
        self.refused("feature-not-implemented", form(field(SEARCH, "x")), searchable=False)
        self.refused("feature-not-implemented", "", "node='urn:xmpp:microblog:0'")

    def test_bad_values(self) -> None:
        self.refused("jid-malformed", form(field("with", "@")))
        for fields in (
            field("start", "yesterday"), field("end", "2010-06-07"), field("start", "2010-06-07T00:00:00"),
            field("with", "a@b.c", "d@e.f"), field("include-groupchat", "perhaps"),
            field("start", "2010-13-07T00:00:00Z"),
        ):  # fmt: skip
            self.refused("bad-request", form(fields))

    def test_other_forms(self) -> None:
        self.refused("bad-request", form("", type_="form"))
        self.refused("bad-request", form("", form_type=""))
        self.refused("bad-request", form("", form_type=field("FORM_TYPE", "urn:xmpp:mam:1")))

    def test_times_at_the_ends(self) -> None:
        found = read(form(field("start", "0001-01-01T00:00:00+14:00") + field("end", "9999-12-31T23:59:59-14:00")))
        assert found.start is not None and found.end is not None
        self.assertLess(found.start, found.end)


class Results(SynchronousTestCase):
    STANZA = b"<message from='a@b.c' to='d@e.f' type='chat'><body>hi</body></message>"

    def test_result(self) -> None:
        self.assertEqual(
            result(Archived("id1", 1279000000.5, self.STANZA), "f'27"),
            b"<result xmlns='urn:xmpp:mam:2' queryid='f&apos;27' id='id1'><forwarded xmlns='urn:xmpp:forward:0'>"
            b"<delay xmlns='urn:xmpp:delay' stamp='2010-07-13T05:46:40.500000Z'/>"
            b"<message xmlns='jabber:client' from='a@b.c' to='d@e.f' type='chat'><body>hi</body></message>"
            b"</forwarded></result>",
        )

    def test_without_query_id(self) -> None:
        self.assertNotIn(b"queryid", result(Archived("id1", 0.0, self.STANZA), None))

    def test_content_keeps_its_namespace(self) -> None:
        (found,) = parse(result(Archived("id1", 0.0, self.STANZA), None))
        (message,) = next(found.elements()).elements("jabber:client", "message")
        self.assertEqual([(e.uri, e.name) for e in message.elements()], [("jabber:client", "body")])

    def test_fin(self) -> None:
        self.assertEqual(fin(b"<set/>", True), b"<fin xmlns='urn:xmpp:mam:2' complete='true'><set/></fin>")
        self.assertEqual(fin(b"<set/>", False), b"<fin xmlns='urn:xmpp:mam:2'><set/></fin>")

    def test_metadata(self) -> None:
        self.assertEqual(metadata(()), b"<metadata xmlns='urn:xmpp:mam:2'/>")
        self.assertEqual(
            metadata([("start", "a", 0.25), ("end", "b", 1.0)]),
            b"<metadata xmlns='urn:xmpp:mam:2'><start id='a' timestamp='1970-01-01T00:00:00.250000Z'/>"
            b"<end id='b' timestamp='1970-01-01T00:00:01.000000Z'/></metadata>",
        )
