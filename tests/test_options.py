"""Every option that is declared is read by the server, and named in a test."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from xmppd.app.docs import bundled_plugins
from xmppd.app.docs_tables import tables
from xmppd.core import settings

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = (
    settings.Server, settings.Listen, settings.Http, settings.Database, settings.Tls, settings.Limits,
    settings.S2s, settings.Domain, settings.StreamManagement, settings.Accounts, settings.Host,
    settings.Bosh, settings.Component, settings.Privileges, settings.Delegation, settings.Uplink,
)  # fmt: skip


def text_of(*patterns: str) -> str:
    """Return the sources that fit; what is hidden is others', such as an environment for a test."""
    paths = (path for pattern in patterns for path in sorted(ROOT.glob(pattern)))
    return "\n".join(path.read_text("utf-8") for path in paths if "/." not in str(path.relative_to(ROOT)))


def declared() -> Iterator[tuple[str, str]]:
    """Yield the place and the name of every option."""
    models: list[tuple[str, type[BaseModel]]] = [(section.__name__, section) for section in SECTIONS]
    for plugin in bundled_plugins().values():
        models.append((plugin.name, plugin.Options))
        models += [(f"{plugin.name}.{name}", table) for name, table in tables(plugin.Options)]
    for place, model in models:
        for name in model.model_fields:
            yield f"{place}.{name}", name


class OptionTests(unittest.TestCase):
    def test_every_option_is_read(self) -> None:
        sources = text_of("xmppd/[!p]*/**/*.py", "plugins/**/*.py")
        unread = {place for place, name in declared() if not re.search(rf"\.{name}\b", sources)}
        # The plugin `contact` goes through all of its options, whatever they are.
        self.assertEqual({place for place in unread if not place.startswith("contact.")}, set())

    def test_every_option_is_tested(self) -> None:
        tests = text_of("tests/[!_]*/**/*.py", "tests/scenarios/*.txt")
        untested = {place for place, name in declared() if not re.search(rf"(?:\b|\\n){name}\b", tests)}
        self.assertEqual(untested, set())
