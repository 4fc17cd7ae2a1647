"""What answers requests, put together from files: languages, templates, style sheet and script, pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xmppd.plugins.console import assets, languages, site
from xmppd.plugins.console.assets import Asset
from xmppd.plugins.console.entrance import Entrance
from xmppd.plugins.console.frame import Frame
from xmppd.plugins.console.rendering import Templates

if TYPE_CHECKING:
    from xmppd.plugins.console import Console

__all__ = ["Built", "build"]


@dataclass(frozen=True, slots=True)
class Built:
    """All of it."""

    entrance: Entrance
    frame: Frame
    assets: Mapping[str, Asset]


def build(console: Console) -> Built:
    """Put it together. It reads from the disk."""
    files = assets.read()
    words = {language: languages.read(language) for language in languages.LANGUAGES}
    templates = {language: Templates(texts, files) for language, texts in words.items()}
    return Built(Entrance(console, templates, words), Frame(console, site.collect(), templates, words), files)
