"""The parts of the frame by themselves: charts, paths of pages, second factors, how things are written."""

from __future__ import annotations

import unittest
from unittest import mock

import pyotp
from hypothesis import given
from hypothesis import strategies as st

from xmppd.plugins.console import charts, totp
from xmppd.plugins.console.languages import Words
from xmppd.plugins.console.pages import Action, Page, User, action, declared, filled, page, pattern, view
from xmppd.plugins.console.rendering import Templates, link
from xmppd.plugins.console.roles import ROLES
from xmppd.plugins.console.setup import SetupCode
from xmppd.plugins.console.site import Site
from xmppd.wire.jid import Jid

VALUES = st.lists(st.none() | st.floats(0, 1e9), max_size=800)


class Charts(unittest.TestCase):
    def test_ceiling(self) -> None:
        for value, at_least, expected in (
            (0, 1, 1), (1, 1, 1), (1.1, 1, 2), (3, 1, 5), (7, 1, 10), (10, 1, 10), (11, 1, 20), (0.3, 0.1, 0.5),
            (0, 100, 100),
        ):  # fmt: skip
            self.assertEqual(charts.ceiling(value, at_least), expected, value)

    def test_line(self) -> None:
        found = charts.chart([("a", [0, 5, 10])], 10)
        self.assertEqual(found.top, 10)
        self.assertEqual(found.lines[0].path, "M0.0 120.0 L300.0 60.0 L600.0 0.0")
        self.assertEqual(found.lines[0].area, "M0.0 120.0 L300.0 60.0 L600.0 0.0 L600.0 120 L0.0 120 Z")
        self.assertEqual(found.lines[0].latest, 10)

    def test_gaps(self) -> None:
        line = charts.chart([("a", [1, None, 1, 1])], 1).lines[0]
        self.assertEqual(line.path.count("M"), 2)
        self.assertEqual(line.area, "")
        self.assertEqual(charts.chart([("a", [])]).lines[0].path, "")
        self.assertIsNone(charts.chart([("a", [None])]).lines[0].latest)

    @given(VALUES)
    def test_within(self, values: list[float | None]) -> None:
        """Whatever is measured, the line is on the chart, its peak is seen, and it is not endless."""
        found = charts.chart([("a", values)])
        points = [
            word.lstrip("ML").split() for word in found.lines[0].path.replace(" L", "|L").replace(" M", "|M").split("|")
        ]
        known = [value for value in values if value is not None]
        if known:
            heights = [float(y) for _, y in points]
            self.assertLessEqual(len(points), 121)
            self.assertTrue(all(-0.1 <= y <= charts.HEIGHT + 0.1 for y in heights))
            self.assertAlmostEqual(min(heights), charts.HEIGHT * (1 - max(known) / found.top), delta=0.1)


class Paths(unittest.TestCase):
    def test_pattern(self) -> None:
        self.assertEqual(pattern("a.b/{x}/{y}").fullmatch("a.b/1@2/3").groupdict(), {"x": "1@2", "y": "3"})  # type: ignore[union-attr]
        for wrong in ("a.b/1", "a.b/1/2/3", "axb/1/2", "a.b//2"):
            self.assertIsNone(pattern("a.b/{x}/{y}").fullmatch(wrong), wrong)
        self.assertEqual(filled("users/{account}/x", {"account": "a@b"}), "users/a@b/x")

    def test_declared(self) -> None:
        @action("x", needs=("user add",))
        @page("x", title="X")
        async def handler(asked: object) -> object:
            return view("x.html")

        self.assertEqual([type(one) for one in declared(handler)], [Page, Action])

    def test_site(self) -> None:
        async def handler(asked: object) -> object:
            return view("x.html")

        site = Site([Page("users/{account}", "", handler), Page("users/new", "", handler, ("user add",))])  # type: ignore[arg-type]
        everything = User(Jid.parse("a@b"), ROLES["operator"], "en", {"user add"})
        found = site.page("users/new", everything)
        assert found is not None
        self.assertEqual(found.what.path, "users/new")
        with self.assertRaises(ValueError):
            Site([Page("x", "", handler), Page("x", "", handler)])  # type: ignore[arg-type]

    def test_links(self) -> None:
        self.assertEqual(link(), "/console/")
        self.assertEqual(link("users/a@b", after="c@d", none=None, empty=""), "/console/users/a@b?after=c%40d")
        self.assertEqual(link('x"<>? &#'), "/console/x%22%3C%3E%3F%20%26%23")


class Codes(unittest.TestCase):
    def test_steps(self) -> None:
        """Half a minute early or late is fine (RFC 6238 5.2), more is not."""
        secret, now = totp.new_secret(), 1_800_000_000
        code = pyotp.TOTP(secret).at(now)
        for passed, expected in ((-30, True), (0, True), (29, True), (30, True), (60, False), (-60, False)):
            step = totp.step_of(secret, code, now + passed)
            self.assertEqual(step, now // 30 if expected else None, passed)
        for wrong in ("", "12345", "1234567", "ünicode", "000000" if code != "000000" else "111111"):
            self.assertIsNone(totp.step_of(secret, wrong, now), wrong)

    def test_vectors(self) -> None:
        """RFC 6238 appendix B, the last six digits."""
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        for now, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
            self.assertEqual(totp.step_of(secret, code, now), now // 30)

    def test_recovery(self) -> None:
        codes = totp.new_codes()
        self.assertEqual(len(set(codes)), totp.RECOVERY_CODES)
        self.assertEqual(totp.hashed(codes[0]), totp.hashed(f" {codes[0].upper().replace('-', ' ')} "))
        self.assertNotEqual(totp.hashed(codes[0]), totp.hashed(codes[1]))

    def test_picture(self) -> None:
        """It has no styles: the policy of pages allows none."""
        picture = totp.picture(totp.uri(totp.new_secret(), "romeo@example.org", "xmppd"))
        self.assertTrue(picture.startswith("<svg"))
        self.assertNotIn("style", picture)

    def test_setup_code(self) -> None:
        clock = mock.Mock()
        clock.seconds.return_value = 0.0
        setup = SetupCode(clock, 60.0)
        self.assertFalse(setup.fits(""))
        code = setup.new()
        self.assertTrue(setup.fits(code))
        self.assertTrue(setup.fits(code))
        setup.void()
        self.assertFalse(setup.fits(code))
        first, second = setup.new(), setup.new()
        self.assertFalse(setup.fits(first))
        clock.seconds.return_value = 60.0
        self.assertFalse(setup.fits(second))


class Filters(unittest.TestCase):
    def show(self, language: str, text: str, **data: object) -> str:
        templates = Templates(Words(language), {})
        return str(templates._environment.from_string(text).render(now=1_800_000_000.0, **data))

    def test_when(self) -> None:
        shown = self.show("en", "{{ x | when(now) }}", x="2027-01-15T07:00:00Z")
        self.assertIn(">1 hour ago</time>", shown)
        self.assertIn('datetime="2027-01-15T07:00:00+00:00"', shown)
        self.assertIn(">now</time>", self.show("en", "{{ x | when(now) }}", x=1_800_000_000.0))
        self.assertIn("1小时前", self.show("zh_Hans", "{{ x | when(now) }}", x="2027-01-15T07:00:00Z"))
        self.assertEqual(self.show("en", "{{ x | when(now) }}", x="<never>"), "&lt;never&gt;")
        self.assertEqual(self.show("en", "{{ x | when(now) }}", x=None), "")

    def test_numbers(self) -> None:
        self.assertEqual(self.show("en", "{{ 1234567 | number }} {{ 'x' | number }}"), "1,234,567 x")
        for octets, expected in ((0, "0 B"), (1023, "1,023 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5 GiB")):
            self.assertEqual(self.show("en", "{{ x | octets }}", x=octets), expected)
