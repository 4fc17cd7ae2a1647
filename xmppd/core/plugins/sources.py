"""Where plugins come from: sources list plugins by name without importing them, and import one when it is wanted.

Sources are found by ``twisted.plugin.getPlugins(IPluginSource)``: a distribution ships a module in ``twisted/plugins/``
that holds ``acme = PackageSource("acme_xmppd")``. Folders named in the settings become :class:`DirectorySource`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Protocol

from twisted.logger import Logger
from twisted.plugin import IPlugin, getPlugins
from zope.interface import Interface, implementer

from xmppd.api.plugin import Component, Plugin

__all__ = ["DirectorySource", "IPluginSource", "PackageSource", "PluginError", "Source", "find_sources"]

_log = Logger()


class PluginError(Exception):
    """A plugin can't be loaded; the text names it and says why."""


class IPluginSource(Interface):
    """Marks a :class:`Source` for twisted.plugin."""


class Source(Protocol):
    """A place that holds plugins.

    :ivar name: what `plugin list` shows as the origin.
    :ivar bundled: true for the plugins that come with xmppd: those are loaded unless the settings say otherwise.
    """

    name: str
    bundled: bool

    def names(self) -> Iterable[str]:
        """Return the names of the plugins that are there now; imports none of them."""

    def load(self, name: str) -> type[Plugin]:
        """Import that plugin and return its class. :raises PluginError: if it can't be."""


@implementer(IPlugin, IPluginSource)
class PackageSource:
    """The modules and packages in an importable package; each holds one plugin, named like the module.

    :param package: dotted name.
    """

    def __init__(self, package: str, bundled: bool = False) -> None:
        self.name = package
        self.bundled = bundled

    def names(self) -> list[str]:
        """See :class:`Source`. Importing the package itself is all it does; one that can't be holds nothing."""
        try:
            package = importlib.import_module(self.name)
        except Exception as error:
            _log.warn("plugins of {name} can't be found: {error!r}", name=self.name, error=error)
            return []
        return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name[0] != "_")

    def load(self, name: str) -> type[Plugin]:
        """See :class:`Source`."""
        dotted = f"{self.name}.{name}"
        try:
            module = importlib.import_module(dotted)
        except Exception as error:
            raise PluginError(f"plugin {name} ({dotted}) can't be imported: {type(error).__name__}: {error}") from error
        return _plugin_class(module, name)


@implementer(IPluginSource)
class DirectorySource:
    """A folder of the administrator with plugins as files or folders. Their code runs with all rights of the server."""

    bundled = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def names(self) -> list[str]:
        """See :class:`Source`."""
        found = pkgutil.iter_modules([str(self.path)])
        return sorted(module.name for module in found if module.name[0] != "_")

    def load(self, name: str) -> type[Plugin]:
        """See :class:`Source`. The file is read anew each time, so that a reload sees what was changed."""
        file = self.path / f"{name}.py"
        package = self.path / name / "__init__.py"
        is_package = package.exists()
        dotted = f"xmppd_dropin_{name}"
        for loaded in [m for m in sys.modules if m == dotted or m.startswith(dotted + ".")]:
            del sys.modules[loaded]
        _forget_bytecode(package.parent.rglob("*.py") if is_package else [file])
        importlib.invalidate_caches()
        spec = importlib.util.spec_from_file_location(
            dotted,
            package if is_package else file,
            loader=_SourceLoader(dotted, str(package if is_package else file)),
            submodule_search_locations=[str(package.parent)] if is_package else None,
        )
        if spec is None or spec.loader is None:
            raise PluginError(f"plugin {name}: {file} can't be read")
        module = importlib.util.module_from_spec(spec)
        sys.modules[dotted] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[dotted]
            raise PluginError(f"plugin {name} ({file}) can't be imported: {type(error).__name__}: {error}") from error
        return _plugin_class(module, name)


def _forget_bytecode(files: Iterable[Path]) -> None:
    """Python takes bytecode for current if second and size of the source are the same, which an edit may leave so."""
    for file in files:
        with suppress(OSError):
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


class _SourceLoader(SourceFileLoader):
    """Compiles the file each time: compiled files are kept by time and size, and miss two changes in one second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _plugin_class(module: ModuleType, name: str) -> type[Plugin]:
    """Return the one plugin class that a module defines; those whose names begin with an underscore don't count."""
    found = [
        item
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Plugin) and item not in (Plugin, Component)
    ]
    own = [
        cls
        for cls in found
        if (cls.__module__ + ".").startswith(module.__name__ + ".") and not cls.__name__.startswith("_")
    ]
    if len(own) != 1:
        count = "no plugin class" if not own else f"{len(own)} plugin classes ({', '.join(c.__name__ for c in own)})"
        raise PluginError(f"plugin {name}: {module.__file__} defines {count}; exactly one is needed")
    own[0].name = name
    return own[0]


def find_sources(folders: Iterable[Path] = ()) -> list[Source]:
    """Return all sources: those found through twisted.plugins, then the given folders.

    :raises PluginError: if a folder does not exist.
    """
    sources: list[Source] = sorted(getPlugins(IPluginSource), key=lambda s: (not s.bundled, s.name))
    for folder in folders:
        if not folder.is_dir():
            raise PluginError(f"the plugin folder {folder} does not exist")
        sources.append(DirectorySource(folder))
    return sources
