"""Where plugins of a test come from: classes in the test itself, and what is installed."""

from __future__ import annotations

from functools import cache

from xmppd.api.plugin import Plugin
from xmppd.core.plugins.sources import PluginError, Source, find_sources

__all__ = ["ClassSource", "installed_sources"]


class ClassSource:
    """A source of plugins that holds classes a test defines. A class without a ``name`` is called as the class is."""

    name = "the test"
    bundled = False

    def __init__(self, *classes: type[Plugin]) -> None:
        for cls in classes:
            cls.name = cls.name or cls.__name__.lower()
        self._classes = {cls.name: cls for cls in classes}

    def names(self) -> list[str]:
        """See :class:`~xmppd.core.plugins.sources.Source`."""
        return sorted(self._classes)

    def load(self, name: str) -> type[Plugin]:
        """See :class:`~xmppd.core.plugins.sources.Source`."""
        if name not in self._classes:
            raise PluginError(f"the test has no plugin {name}")
        return self._classes[name]


@cache
def installed_sources() -> tuple[Source, ...]:
    """The sources of plugins that are installed, xmppd's own first."""
    return tuple(find_sources())
