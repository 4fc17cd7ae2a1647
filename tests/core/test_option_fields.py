"""Options as forms need them."""

from __future__ import annotations

import unittest
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from xmppd.api.options import Field, Options
from xmppd.app.docs import bundled_plugins
from xmppd.core.option_fields import Kind, Option, option_fields, plain, value_of


class Inner(BaseModel):
    port: int = 25
    key: SecretStr = SecretStr("")


class Sample(Options):
    words: str = Field("hi", description="What is\n  said.")
    size: int = Field(5, ge=1, le=9)
    share: float = Field(0.5, gt=0, lt=1)
    on: bool = True
    how: Literal["a", "b"] = "a"
    level: Literal[1, 2] = 1
    folder: Path | None = None
    names: tuple[str, ...] = ("x",)
    sizes: tuple[int, ...] = ()
    kinds: tuple[Literal["c", "d"], ...] = ()
    secret: SecretStr = SecretStr("")
    hidden: str = Field("", repr=False)
    relay: Inner = Inner()
    relays: tuple[Inner, ...] = ()
    more: dict[str, int] = Field({"a": 1})
    needed: str
    inside: str = Field("", exclude=True)


OPTIONS = {option.name: option for option in option_fields(Sample)}


def row(name: str, written: dict[str, Any] | None = None, current: BaseModel | None = None) -> dict[str, Any]:
    return OPTIONS[name].row(written or {}, current)


class FieldTests(unittest.TestCase):
    def test_kinds(self) -> None:
        self.assertEqual(
            {name: option.kind.value for name, option in OPTIONS.items()},
            {
                "words": "text", "size": "whole number", "share": "number", "on": "yes or no", "how": "choice",
                "level": "choice", "folder": "text", "names": "list", "sizes": "list", "kinds": "list",
                "secret": "text", "hidden": "text", "relay.port": "whole number", "relay.key": "text",
                "relays": "list", "more": "table", "needed": "text",
            },
        )  # fmt: skip

    def test_a_row(self) -> None:
        self.assertEqual(
            row("size", {"size": 7}),
            {
                "option": "size", "type": "whole number", "value": 7, "default": 5, "set": True, "required": False,
                "secret": False, "choices": [], "items": "", "least": 1, "most": 9, "description": "",
            },
        )  # fmt: skip
        self.assertEqual(row("words")["description"], "What is said.")
        self.assertEqual((row("how")["choices"], row("kinds")["choices"]), (["a", "b"], ["c", "d"]))
        self.assertEqual((row("sizes")["items"], row("relays")["items"]), ("whole number", "table"))
        self.assertEqual((row("needed")["required"], row("needed")["default"]), (True, None))
        self.assertTrue(OPTIONS["folder"].optional)

    def test_values(self) -> None:
        self.assertEqual((row("size")["value"], row("size")["set"]), (5, False))
        checked = Sample(needed="x", size=3, relay=Inner(port=587))
        self.assertEqual(row("size", {"size": 3}, checked)["value"], 3)
        self.assertEqual(row("relay.port", {"relay": {"port": 587}}, checked)["value"], 587)
        self.assertEqual(row("names")["value"], ["x"])

    def test_secrets(self) -> None:
        for name in ("secret", "hidden", "relay.key", "relays"):
            with self.subTest(name=name):
                self.assertTrue(row(name)["secret"])
                self.assertEqual((row(name)["value"], row(name)["default"]), ("", None))
        self.assertEqual(row("secret", {"secret": "s3cret"})["value"], "***")
        checked = Sample(needed="x", secret=SecretStr("s3cret"), relay=Inner(key=SecretStr("s3cret")), hidden="s3cret")
        for name in ("secret", "relay.key", "hidden"):
            self.assertEqual(row(name, {}, checked)["value"], "***")
        self.assertEqual(plain(checked)["relay"], {"port": 25, "key": "***"})

    def test_options_of_all_plugins(self) -> None:
        """Every one is of a kind; what JSON can't hold would raise."""
        for plugin in bundled_plugins().values():
            for option in option_fields(plugin.Options):
                self.assertIsInstance(option.row({})["description"], str, f"{plugin.name}.{option.name}")


class ValueTests(unittest.TestCase):
    def test_values(self) -> None:
        for name, text, value in (
            ("words", " as it is ", " as it is "),
            ("size", "7", 7),
            ("size", "1_000", 1000),
            ("share", "0.25", 0.25),
            ("share", "1", 1),
            ("on", "yes", True),
            ("on", "False", False),
            ("how", "b", "b"),
            ("level", "2", 2),
            ("names", "a, b\nc,", ["a", "b", "c"]),
            ("names", '["a, b"]', ["a, b"]),
            ("names", "", []),
            ("sizes", "1,2", [1, 2]),
            ("kinds", "d", ["d"]),
            ("relays", "[{ port = 1 }]", [{"port": 1}]),
            ("more", "{ a = 2 }", {"a": 2}),
            ("more", '{"a": 2}', {"a": 2}),
        ):
            with self.subTest(name=name, text=text):
                self.assertEqual(value_of(OPTIONS[name], text), value)

    def test_what_means_nothing(self) -> None:
        for name, text, words in (
            ("size", "many", "a whole number is expected"),
            ("share", "half", "a number is expected"),
            ("on", "maybe", "yes or no is expected"),
            ("how", "c", "it must be one of a, b"),
            ("kinds", "c, e", "it must be one of c, d"),
            ("sizes", "1, two", "a whole number is expected"),
            ("names", "[a", "a list is expected"),
            ("more", "[]", "a table is expected"),
            ("more", '{"a"', "a table is expected"),
        ):
            with self.subTest(name=name, text=text), self.assertRaisesRegex(ValueError, words):
                value_of(OPTIONS[name], text)

    def test_plain(self) -> None:
        option = Option(("a",), Kind.TEXT, Path("/x"), "")
        self.assertEqual(option.row({})["value"], "/x")
