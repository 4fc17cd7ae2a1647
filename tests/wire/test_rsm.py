"""XEP-0059: pages asked for, and pages described."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.rsm import PageRequest, page_request, page_set
from xmppd.wire.xml import parse


def asked(inside: str) -> PageRequest:
    (query,) = parse(f"<query><set xmlns='http://jabber.org/protocol/rsm'>{inside}</set></query>".encode())
    return page_request(query)


class Requests(SynchronousTestCase):
    def test_what_is_asked_for(self) -> None:
        for inside, expected in (
            ("", PageRequest()),
            ("<max>10</max>", PageRequest(10)),
            ("<max> 0 </max>", PageRequest(0)),
            ("<max>10</max><after>a b</after>", PageRequest(10, after="a b")),
            ("<max>10</max><before>x</before>", PageRequest(10, before="x")),
            ("<max>10</max><before/>", PageRequest(10, before="")),
            ("<after/><before/>", PageRequest(before="")),
            ("<after/>", PageRequest()),
            ("<index>371</index>", PageRequest(index=371)),
            ("<max>99999999999999999999</max>", PageRequest(999999999999999)),
            ("<max xmlns='urn:example:other'>1</max>", PageRequest()),
        ):
            self.assertEqual(asked(inside), expected, inside)

    def test_without_a_set(self) -> None:
        (query,) = parse(b"<query><set><max>1</max></set></query>")
        self.assertEqual(page_request(query), PageRequest())

    def test_backwards(self) -> None:
        self.assertEqual([asked(x).backwards for x in ("<before/>", "<before>x</before>", "", "<after>x</after>")],
                         [True, True, False, False])  # fmt: skip

    def test_refused(self) -> None:
        for inside in (
            "<max/>", "<max>-1</max>", "<max>ten</max>", "<max>1.5</max>", "<max>²</max>", "<index>x</index>",
            "<before/><after>x</after>", "<before>x</before><index>1</index>", "<after>x</after><index>1</index>",
        ):  # fmt: skip
            with self.assertRaises(StanzaError, msg=inside) as caught:
                asked(inside)
            self.assertEqual(caught.exception.condition, Condition.BAD_REQUEST)


class Descriptions(SynchronousTestCase):
    def test_all(self) -> None:
        self.assertEqual(
            page_set("<a>", "b", 0, 800),
            b"<set xmlns='http://jabber.org/protocol/rsm'>"
            b"<first index='0'>&lt;a&gt;</first><last>b</last><count>800</count></set>",
        )

    def test_nothing_known(self) -> None:
        self.assertEqual(page_set(None, None, None, None), b"<set xmlns='http://jabber.org/protocol/rsm'/>")
        self.assertNotIn(b"index", page_set("a", "b", None, 2))
