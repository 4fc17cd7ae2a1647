"""Generated pages are current, and the example is one that works."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from xmppd.api.options import Options
from xmppd.api.plugin import Plugin
from xmppd.app.docs import example, pages, reference
from xmppd.core.settings import Settings
from xmppd.core.settings_file import parse


class PageTests(unittest.TestCase):
    def test_current(self) -> None:
        for path, text in pages().items():
            self.assertEqual(path.read_text("utf-8"), text, f"{path.name} is not current: run `make docs`")


class ExampleTests(unittest.TestCase):
    def settings(self, text: str) -> Settings:
        return parse(text, "x.toml", Path("/etc/xmppd"))

    def test_as_it_is(self) -> None:
        found = self.settings(example())
        least = self.settings('[hosts."example.org"]\nadmins = ["you@example.org"]')
        self.assertEqual(found, least)

    def test_with_every_option(self) -> None:
        text = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", example(), flags=re.M)
        found = self.settings(text)
        self.assertEqual(found.limits, Settings().limits)
        self.assertEqual(list(found.components), ["irc.example.org"])
        self.assertEqual(found.hosts["example.org"].mechanisms, ("ANONYMOUS",))

    def test_lines_are_short(self) -> None:
        long = [
            line for line in example().splitlines() if len(line) > 112 and line.startswith("# ") and "= " not in line
        ]
        self.assertEqual(long, [])


class Room(BaseModel):
    """How large."""

    size: int = 3


class Rooms(Plugin):
    """Rooms."""

    class Options(Options):
        """What rooms may do."""

        kind: Literal["open", "closed"] = "open"
        share: float = Field(0.5, gt=0, le=1, description="Share | of\nall.")
        owner: str
        room: Room = Room()
        names: tuple[str, ...] | None = None


class ReferenceTests(unittest.TestCase):
    def test_a_plugin(self) -> None:
        page = reference({"rooms": Rooms})
        start = page.index('## [hosts."example.org".rooms]')
        self.assertEqual(
            page[start : page.index("## [components", start)].splitlines(),
            [
                '## [hosts."example.org".rooms]',
                "",
                "Rooms.",
                "",
                "What rooms may do.",
                "",
                "| option | type | default | |",
                "|---|---|---|---|",
                '| `kind` | `"open"`, `"closed"` | `"open"` |  |',
                "| `share` | number, more than 0, 1 or less | `0.5` | Share \\| of all. |",
                "| `owner` | text | required |  |",
                "| `room` | table |  |  |",
                "| `names` | list of: text |  |  |",
                "",
                '### [hosts."example.org".rooms.room]',
                "",
                "How large.",
                "",
                "| option | type | default | |",
                "|---|---|---|---|",
                "| `size` | whole number | `3` |  |",
                "",
            ],
        )
