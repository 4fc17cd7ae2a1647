"""Audience expressions as text and as trees."""

from __future__ import annotations

import unittest

from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.notifications.expression import (
    And,
    Expression,
    ExpressionError,
    Not,
    Or,
    Term,
    parse,
    terms,
    write,
)
from xmppd.plugins.notifications.values import check_name, duration, is_older, moment, share_of, version_key

DAY = 86_400.0


def named(text: str) -> bool:
    try:
        check_name(text)
    except ValueError:
        return False
    return True


NAMES = st.text(min_size=1, max_size=12).filter(named) | st.sampled_from(
    ["a b", 'say "x"', "back\\slash", "(", "a:b<c"]
)
TERMS = st.one_of(
    st.sampled_from([Term("all"), Term("online"), Term("csv")]),
    st.builds(
        Term, st.sampled_from(["tag", "alias", "group", "segment", "platform", "app", "locale"]), NAMES, st.just(":")
    ),
    st.just(Term("user", "romeo@example.org", ":")),
    st.just(Term("room", "garden@conference.example.org", ":")),
    st.builds(Term, st.just("version"), st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(rc1)?", fullmatch=True),
              st.sampled_from(["<", "<=", ">", ">=", "="])),
    st.builds(Term, st.sampled_from(["seen", "registered"]),
              st.sampled_from(["7d", "90min", "2026-01-31", "2026-01-31T12:00:00Z", "1.5h"]), st.sampled_from("<>")),
    st.builds(Term, st.just("percent"), st.sampled_from(["0", "10", "33.3", "100"]), st.just(":")),
)  # fmt: skip


def joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


class ExpressionTests(unittest.TestCase):
    @given(st.recursive(TERMS, joined, max_leaves=12))
    def test_round_trip(self, expression: Expression) -> None:
        self.assertEqual(parse(write(expression)), expression)

    @given(st.text(alphabet=' ()"\\:<>=abcdeghilmnorstuv@.0123456789', max_size=40))
    def test_any_text(self, text: str) -> None:
        try:
            expression = parse(text)
        except ExpressionError as error:
            self.assertTrue(0 <= error.position <= len(text), error)
            self.assertIn(f"at character {error.position + 1}", str(error))
        else:
            self.assertEqual(parse(write(expression)), expression)

    def test_and_binds_tighter_than_or(self) -> None:
        a, b, c = (Term("tag", name, ":") for name in "abc")
        self.assertEqual(parse("tag:a or tag:b and not tag:c"), Or((a, And((b, Not(c))))))
        self.assertEqual(parse("(tag:a or tag:b) and tag:c"), And((Or((a, b)), c)))
        self.assertEqual(list(terms(parse("(tag:a or tag:b) and tag:c"))), [a, b, c])

    def test_quotes(self) -> None:
        self.assertEqual(parse(r'tag:"a \"b\" (c)" and all'), And((Term("tag", 'a "b" (c)', ":"), Term("all"))))

    def test_errors(self) -> None:
        for text, position, words in (
            ("", 0, "something is missing at the end"),
            ("all and", 7, "something is missing at the end"),
            ("and all", 0, "something is missing before 'and'"),
            ("(all", 0, "a parenthesis is not closed"),
            ("all)", 3, "'and' or 'or' is expected, not ')'"),
            ("all all", 4, "'and' or 'or' is expected, not 'all'"),
            ("all or everyone", 7, "'everyone' is unknown; there are all, online, csv, user"),
            ("all and tags:news", 8, "'tags:news' is unknown"),
            ("tag<news", 0, "'tag' is followed by :"),
            ("seen:7d", 0, "'seen' is followed by < or >"),
            ("seen<=7d", 0, "'seen' is followed by < or >"),
            ("seen<seven", 0, "seen: 'seven' is neither a duration, such as 7d, nor a date"),
            ("registered>2026-13-01", 0, "neither a duration"),
            ("version<new", 0, "version: 'new' is no version"),
            ("percent:101", 0, "percent: '101' is no percentage between 0 and 100"),
            ("user:romeo", 0, "is not the address of an account"),
            ("user:romeo@example.org/orchard", 0, "is not the address of an account"),
            ("tag:", 0, "tag: a name is missing"),
            ('tag:"open', 4, "a quote is not closed"),
            ('all and "all"', 8, "a quoted text stands behind a colon"),
            ("tag:" + "x" * 129, 0, "128 characters at most"),
            ("(" * 60 + "all" + ")" * 60, 51, "too many parentheses"),
            ("not " * 60 + "all", 204, "too many parentheses"),
        ):
            with self.subTest(text=text[:40]), self.assertRaises(ExpressionError) as caught:
                parse(text)
            self.assertIn(words, str(caught.exception))
            self.assertEqual(caught.exception.position, position, text[:40])


class ValueTests(unittest.TestCase):
    def test_versions(self) -> None:
        ordered = ["1.9", "2.0rc1", "2.0", "2.0.1", "2.9", "2.10", "10"]
        self.assertEqual(sorted(reversed(ordered), key=version_key), ordered)
        self.assertEqual(version_key("2"), version_key("2.0.0"))

    def test_ages(self) -> None:
        now = moment("2026-02-01")
        self.assertTrue(is_older(now - 6 * DAY, "<", "7d", now))
        self.assertFalse(is_older(now - 8 * DAY, "<", "7d", now))
        self.assertTrue(is_older(now - 8 * DAY, ">", "7d", now))
        self.assertTrue(is_older(now, ">", "2026-01-31", now))
        self.assertFalse(is_older(now - 2 * DAY, ">", "2026-01-31", now))
        self.assertEqual(duration("90min"), 5400.0)

    def test_shares_grow(self) -> None:
        accounts = [f"user{number}@example.org" for number in range(1000)]
        tenth = {account for account in accounts if share_of(account) < 10}
        half = {account for account in accounts if share_of(account) < 50}
        self.assertTrue(tenth <= half)
        self.assertTrue(60 < len(tenth) < 140 and 440 < len(half) < 560)
