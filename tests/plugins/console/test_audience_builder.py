"""Audiences that are put together in a form."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.console.audience_builder import CONDITIONS, composed
from xmppd.plugins.notifications.expression import ExpressionError, Term, parse
from xmppd.plugins.notifications.values import check_name


def conditions(*rows: tuple[str, str, str], **more: str) -> dict[str, str]:
    form = dict(more)
    for number, (join, kind, value) in enumerate(rows, 1):
        form |= {f"join{number}": join, f"kind{number}": kind, f"value{number}": value}
    return form


class ComposedTests(unittest.TestCase):
    def test_audiences(self) -> None:
        for form, expression in (
            ({}, ""),
            ({"base": "all"}, "all"),
            ({"base": "online"}, "online"),
            ({"base": "nonsense"}, ""),
            (conditions(("and", "tag", "news"), base="all"), "tag:news"),
            (conditions(("and not", "tag", "news"), base="all"), "not tag:news"),
            (conditions(("and", "tag", " "), base="all"), "all"),
            (conditions(("and", "", "news"), base="all"), "all"),
            (conditions(("and", "tag", "news"), base="online"), "online and (tag:news)"),
            (conditions(("and", "tag", "a"), ("or", "group", "b"), base="csv"), "csv and ((tag:a) or group:b)"),
            (conditions(("and", "tag", "a"), ("and not", "platform", "ios")), "tag:a and not platform:ios"),
            (
                conditions(("and", "tag", "a"), ("or", "tag", "b"), ("and", "active", "7")),
                "((tag:a) or tag:b) and seen<7d",
            ),
            (conditions(("and", "away", "12h"), ("and", "below", "2.1")), "seen>12h and version<2.1"),
            (conditions(("and", "from", "2"), ("and", "since", "2026-01-01")), "version>=2 and registered>2026-01-01"),
            (conditions(("and", "tag", 'a "b" (c)')), 'tag:"a \\"b\\" (c)"'),
            (conditions(("and", "tag", "a"), expression=" percent:10 ", base="online"), "percent:10"),
        ):
            with self.subTest(form=form):
                self.assertEqual(composed(form), expression)

    @given(st.text(st.sampled_from("ab c()\"\\=<>:'{}"), max_size=12))
    def test_what_is_written_into_a_field_stays_in_its_place(self, text: str) -> None:
        expression = composed(conditions(("and", "tag", text)))
        if not text.strip():
            self.assertEqual(expression, "")
            return
        try:
            found = parse(expression)
        except ExpressionError:
            with self.assertRaises(ValueError):
                check_name(text.strip())
        else:
            self.assertEqual(found, Term("tag", text.strip(), ":"))

    def test_every_condition_can_be_read(self) -> None:
        values = {"user": "romeo@example.org", "room": "garden@conference.example.org", "below": "2.1", "from": "2.1",
                  "active": "7", "away": "30", "since": "2026-01-01", "percent": "10"}  # fmt: skip
        for kind in CONDITIONS:
            if kind:
                with self.subTest(kind=kind):
                    parse(composed(conditions(("and", kind, values.get(kind, "name")))))
