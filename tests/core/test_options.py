"""Typed options and their errors."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from xmppd.core.options import (
    SettingsError,
    nearest,
    table_name,
    unknown_name,
    validate_options,
)

WHERE = 'x.toml: [hosts."example.org".muc]'


class Limits(BaseModel):
    occupants: int = Field(100, ge=1)
    history: float = 20.0


class Options(BaseModel):
    """Deliberately without any configuration: strictness must not depend on the plugin's author."""

    domain: str
    kind: Literal["open", "members"] = "open"
    aliases: tuple[str, ...] = ()
    store: Path = Path("x")
    public: bool = True
    limits: Limits = Limits()
    rooms: dict[str, Limits] = {}
    past: tuple[Limits, ...] = ()


class PluginOptionTests(unittest.TestCase):
    def problems(self, **table: object) -> tuple[str, ...]:
        with self.assertRaises(SettingsError) as caught:
            validate_options(Options, {"domain": "d", **table}, WHERE)
        return caught.exception.problems

    def test_good(self) -> None:
        options = validate_options(
            Options,
            {"domain": "d", "aliases": ["a", "b"], "store": "/y", "limits": {"history": 3}, "rooms": {"r": {}}},
            WHERE,
        )
        self.assertEqual(options.aliases, ("a", "b"))
        self.assertEqual(options.store, Path("/y"))
        self.assertEqual(options.limits, Limits(occupants=100, history=3.0))
        self.assertEqual(options.rooms, {"r": Limits()})

    def test_missing(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            validate_options(Options, {}, WHERE)
        self.assertEqual(str(caught.exception), f'{WHERE}: "domain" is missing')

    def test_unknown_key_names_the_nearest(self) -> None:
        self.assertEqual(self.problems(publik=True), (f'{WHERE}: there is no option "publik"; did you mean "public"?',))

    def test_unknown_key_with_nothing_near_lists_all(self) -> None:
        self.assertIn("there are: domain, kind", self.problems(zzz=True)[0])

    def test_unknown_key_in_a_nested_table(self) -> None:
        self.assertEqual(
            self.problems(limits={"occupant": 3}),
            (f'{WHERE}: [limits]: there is no option "occupant"; did you mean "occupants"?',),
        )
        self.assertEqual(
            self.problems(rooms={"a b": {"histori": 3}}),
            (f'{WHERE}: [rooms."a b"]: there is no option "histori"; did you mean "history"?',),
        )
        self.assertEqual(
            self.problems(past=[{}, {"histori": 3}]),
            (f'{WHERE}: past[1]: there is no option "histori"; did you mean "history"?',),
        )

    def test_known_key_in_the_wrong_table(self) -> None:
        self.assertEqual(
            self.problems(occupants=3), (f'{WHERE}: there is no option "occupants"; it belongs in [limits]',)
        )

    def test_unknown_table(self) -> None:
        self.assertEqual(
            self.problems(limit={"history": 1}), (f"{WHERE}: there is no table [limit]; did you mean [limits]?",)
        )

    def test_wrong_types_are_not_converted(self) -> None:
        self.assertEqual(
            self.problems(limits={"occupants": "5", "history": "x"}, public=1, aliases="a", kind="closed", store=3),
            (
                f"{WHERE}: kind must be one of 'open' or 'members', not \"closed\"",
                f'{WHERE}: aliases must be a list: [...], not "a"',
                f"{WHERE}: store must be a text in quotes, not 3",
                f"{WHERE}: public must be true or false, not 1",
                f'{WHERE}: [limits]: occupants must be a whole number, not "5"',
                f'{WHERE}: [limits]: history must be a number, not "x"',
            ),
        )

    def test_a_bound(self) -> None:
        self.assertEqual(
            self.problems(limits={"occupants": 0}), (f"{WHERE}: [limits]: occupants must be at least 1, not 0",)
        )

    def test_an_entry_of_a_list(self) -> None:
        self.assertEqual(self.problems(aliases=["a", 1]), (f"{WHERE}: aliases[1] must be a text in quotes, not 1",))

    def test_a_value_in_place_of_a_table(self) -> None:
        self.assertEqual(self.problems(limits=3), (f"{WHERE}: limits must be a table: [limits]",))

    def test_a_long_value_is_cut(self) -> None:
        self.assertLess(len(self.problems(limits={"occupants": "5" * 5000})[0]), 200)

    def test_path_is_put_before_the_tables(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            validate_options(Limits, {"x": 1}, "f.toml", ("hosts", "example.org"))
        self.assertTrue(str(caught.exception).startswith('f.toml: [hosts."example.org"]: there is no option "x"'))


class NameTests(unittest.TestCase):
    KNOWN = ("roster", "presence", "offline", "greet", "muc")

    def test_nearest(self) -> None:
        self.assertEqual(nearest("ofline", self.KNOWN), "offline")
        self.assertEqual(nearest("OFFLINE", self.KNOWN), "offline")
        self.assertIsNone(nearest("xyz", self.KNOWN))

    def test_unknown_name(self) -> None:
        self.assertEqual(unknown_name("gret", self.KNOWN, "w"), 'w: there is no "gret"; did you mean "greet"?')
        self.assertEqual(unknown_name("xyz", self.KNOWN, "w"), 'w: there is no "xyz"')

    def test_table_name_quotes_what_toml_quotes(self) -> None:
        self.assertEqual(table_name(["hosts", "example.org", "last_activity"]), '[hosts."example.org".last_activity]')
        self.assertEqual(table_name(["hosts", "münchen"]), '[hosts."münchen"]')
