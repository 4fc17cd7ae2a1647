"""The pages about plugins; :mod:`tests.app.test_docs` tells whether they are current."""

from __future__ import annotations

import unittest
from typing import Literal

from xmppd.api import Field, Result, operation
from xmppd.api.plugin import Plugin
from xmppd.app.docs import bundled_plugins
from xmppd.app.docs_plugins import plugins_page, xeps_page
from xmppd.app.docs_xeps import CORE, XEPS


class Clocks(Plugin):
    """Tell the time."""

    xep = ((202, "2.0"), (12, "2.0"))
    default = False

    class Options(Plugin.Options):
        """How."""

        chime: bool = Field(True, description="At every hour?")

    @operation("clock set")
    async def set(
        self, hour: int, minute: int = 0, *, zone_name: Literal["a", "b"] = "a", loud: bool = False
    ) -> Result:
        """Set the clock."""
        return ""


class Older(Plugin):
    """Tell the time as it was done once."""

    xep = (202, "1.0")


class PluginsPageTests(unittest.TestCase):
    def test_a_plugin(self) -> None:
        page = plugins_page({"clocks": Clocks})
        self.assertEqual(
            page[page.index("## clocks") :].splitlines(),
            [
                "## clocks",
                "",
                "Tell the time.",
                "",
                "Implements [XEP-0202](https://xmpp.org/extensions/xep-0202.html) 2.0,"
                " [XEP-0012](https://xmpp.org/extensions/xep-0012.html) 2.0.",
                "",
                "Not loaded unless the settings name it.",
                "",
                "| option | type | default | |",
                "|---|---|---|---|",
                "| `chime` | true or false | `true` | At every hour? |",
                "",
                "| `xmppctl` ... | |",
                "|---|---|",
                "| `clock set HOUR [MINUTE] [--zone-name ZONE-NAME] [--loud]` | Set the clock. |",
            ],
        )

    def test_all_are_there(self) -> None:
        page = plugins_page(bundled_plugins())
        for name in bundled_plugins():
            self.assertIn(f"\n## {name}\n", page)


class XepsPageTests(unittest.TestCase):
    def test_rows(self) -> None:
        page = xeps_page({"clocks": Clocks})
        self.assertIn("/xep-0202.html) | Entity Time | 2.0 | [clocks](plugins.md#clocks) |  |", page)
        self.assertIn("SASL Channel-Binding Type Capability | 1.0.0 | the server |", page)

    def test_two_versions(self) -> None:
        with self.assertRaises(ValueError):
            xeps_page({"clocks": Clocks, "older": Older})

    def test_every_name_is_needed(self) -> None:
        page = xeps_page(bundled_plugins())
        for number in XEPS:
            self.assertIn(f"[XEP-{number:04d}]", page)
        self.assertLessEqual(CORE.keys(), XEPS.keys())
