"""docs/rooms.md: its table of the options of rooms is what the code says."""

from __future__ import annotations

import unittest
from collections.abc import Iterator

from tests.markdown import ROOT
from xmppd.plugins.muc.options import MucOptions
from xmppd.plugins.muc.room.config import RoomConfig
from xmppd.plugins.muc.room.fields import FIELDS, Field
from xmppd.plugins.muc.room.state import Limits
from xmppd.plugins.muc.room_options import RoomOptions

PAGE = ROOT / "docs" / "rooms.md"
HEAD = ("| field | option | values | default | |", "|---|---|---|---|---|")


def _values(field: Field) -> str:
    if field.choices is not None and field.option != "max_users":
        return ", ".join(f"`{value}`" for value in field.choices(Limits()))
    if field.option == "max_users":
        return "a number, or `none`"
    if field.kind == "boolean":
        return "`1`, `0`"
    return "a number" if field.least is not None else "addresses" if field.kind == "jid-multi" else "text"


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    yield from HEAD
    for field in FIELDS:
        names = "<br>".join(f"`{name}`" for name in (field.var, *field.also))
        default = ", ".join(f"`{value}`" for value in field.write(getattr(RoomConfig(), field.option)))
        option = f"`{field.option}`" if field.option in RoomOptions.model_fields else ""
        label = f"{field.label}{'' if field.label.endswith('?') or not field.help else ':'} {field.help}".strip()
        yield f"| {names} | {option} | {_values(field)} | {default} | {label} |"


class PageTests(unittest.TestCase):
    def test_table(self) -> None:
        lines = PAGE.read_text("utf-8").splitlines()
        start = lines.index(HEAD[0])
        expected = list(table())
        self.assertEqual(lines[start : start + len(expected)], expected)
        self.assertEqual(lines[start + len(expected)], "")

    def test_options_that_are_named(self) -> None:
        """What the page says of the plugin's options is what they are called."""
        text = PAGE.read_text("utf-8")
        for name in (
            "create",
            "defaults",
            "forced",
            "max_occupants",
            "max_history",
            "max_text",
            "list_rooms",
            "max_rooms",
        ):
            self.assertIn(f"`{name}`", text)
            self.assertIn(name, MucOptions.model_fields)
