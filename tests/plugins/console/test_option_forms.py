"""Forms of options: what stands in their fields, and what of it was changed."""

from __future__ import annotations

import unittest
from typing import Any

from xmppd.core.option_fields import option_fields, value_of
from xmppd.core.settings import Limits, Server
from xmppd.plugins.console.option_forms import Field, changes, fields


def row(type_: str, value: Any = None, default: Any = None, **more: Any) -> dict[str, Any]:
    common = {"option": "x", "set": False, "required": False, "secret": False, "choices": [], "items": "",
              "least": None, "most": None, "description": ""}  # fmt: skip
    return {**common, "type": type_, "value": value, "default": default, **more}


def one(type_: str, value: Any = None, default: Any = None, **more: Any) -> Field:
    (field,) = fields([row(type_, value, default, **more)], "option")
    return field


def changed(field: Field, text: str | None) -> dict[str, str | None]:
    form = {f"was-{field.name}": field.text}
    return changes([field], form if text is None else {**form, field.name: text})


class FieldTests(unittest.TestCase):
    def test_kinds_and_texts(self) -> None:
        for field, kind, text in (
            (one("text", "hello"), "line", "hello"),
            (one("text", "long " * 30), "text", "long " * 30),
            (one("text", None), "line", ""),
            (one("whole number", 5), "number", "5"),
            (one("number", 0.5), "number", "0.5"),
            (one("yes or no", True), "switch", "yes"),
            (one("choice", "b", choices=["a", "b"]), "choice", "b"),
            (one("list", ["a", "b"], items="text"), "lines", "a\nb"),
            (one("list", ["a, b"], items="text"), "lines", '["a, b"]'),
            (one("list", [{"a": 1}], items="table"), "text", '[\n  { "a" = 1 }\n]'),
            (one("table", {"a": [1, "b"]}), "text", '{ "a" = [1, "b"] }'),
            (one("table", {}), "text", ""),
            (one("text", "***", secret=True), "secret", ""),
            (one("list", "***", secret=True, items="table"), "text", ""),
        ):
            with self.subTest(row=field.row):
                self.assertEqual((field.kind, field.text), (kind, text))

    def test_what_is_shown_can_be_read_again(self) -> None:
        for model in (Limits, Server):
            for option in option_fields(model):
                found = option.row({})
                (field,) = fields([found], "option")
                if field.text:
                    self.assertEqual(option.row({option.name: value_of(option, field.text)})["value"], found["value"])

    def test_secrets(self) -> None:
        self.assertTrue(one("text", "***", secret=True).filled)
        self.assertFalse(one("text", "", secret=True).filled)


class ChangeTests(unittest.TestCase):
    def test_what_is_as_it_was_is_no_change(self) -> None:
        for field in (one("text", "a"), one("yes or no", True), one("list", ["a", "b"], items="text")):
            self.assertEqual(changed(field, field.text), {})
        self.assertEqual(changed(one("list", ["a", "b"], items="text"), "a\r\nb\r\n"), {}, "browsers end lines so")
        self.assertEqual(changed(one("yes or no", False), None), {}, "a box without a tick is not sent")

    def test_changes(self) -> None:
        self.assertEqual(changed(one("text", "a"), "b"), {"x": "b"})
        self.assertEqual(changed(one("yes or no", True), None), {"x": "no"})
        self.assertEqual(changed(one("yes or no", False), "yes"), {"x": "yes"})

    def test_what_was_not_on_the_form_stays(self) -> None:
        self.assertEqual(changes([one("text", "a")], {"o-x": "b"}), {})

    def test_what_is_emptied(self) -> None:
        self.assertEqual(changed(one("text", "a", default=""), ""), {"x": None})
        self.assertEqual(changed(one("text", "a", default="b"), ""), {"x": ""}, "nothing is something, too")
        self.assertEqual(changed(one("list", ["a"], default=["b"], items="text"), " "), {"x": "[]"})
        self.assertEqual(changed(one("list", ["a"], default=[], items="text"), ""), {"x": None})

    def test_tables_that_are_emptied(self) -> None:
        self.assertEqual(changed(one("table", {"a": 1}, default={"b": 1}), ""), {"x": "{}"})

    def test_secrets(self) -> None:
        secret = one("text", "***", secret=True)
        self.assertEqual(changed(secret, ""), {}, "it is not shown, so it stays")
        self.assertEqual(changed(secret, "new"), {"x": "new"})

    def test_back_to_the_default(self) -> None:
        field = one("text", "a")
        form = {"reset": "x", "was-o-x": "a", "o-x": "b"}
        self.assertEqual(changes([field], form), {"x": None})
        self.assertEqual(changes([field], {**form, "reset": "y"}), {})
