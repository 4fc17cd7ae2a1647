"""All pages of the console that there are: found in the folder ``views``, looked up by path, listed in the menu."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Generic, TypeVar

from xmppd.plugins.console import views
from xmppd.plugins.console.pages import Action, Group, Page, User, declared, pattern

__all__ = ["Found", "Site", "collect"]

T = TypeVar("T", Page, Action)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What is at a path, and the parts of the path by name."""

    what: T
    parts: dict[str, str]


class Site:
    """Pages and actions by path; of two that fit, the one with fewer parts in braces.

    :raises ValueError: two have the same path.
    """

    def __init__(self, marked: Iterable[Page | Action]) -> None:
        listed = sorted(marked, key=lambda one: (one.path.count("{"), one.path))
        self._pages = [(pattern(one.path), one) for one in listed if isinstance(one, Page)]
        self._actions = [(pattern(one.path), one) for one in listed if isinstance(one, Action)]
        for found in (self._pages, self._actions):
            paths = [one.path for _, one in found]
            if len(set(paths)) < len(paths):
                raise ValueError(f"two pages are at one of {paths}")

    @property
    def pages(self) -> list[Page]:
        """All pages."""
        return [one for _, one in self._pages]

    @property
    def actions(self) -> list[Action]:
        """All actions."""
        return [one for _, one in self._actions]

    def page(self, path: str, user: User) -> Found[Page] | None:
        """Return the page at a path, if the user may see it."""
        return _find(self._pages, path, user)

    def action(self, path: str, user: User) -> Found[Action] | None:
        """Return the action at a path, if the user may do it."""
        return _find(self._actions, path, user)

    def menu(self, user: User) -> Sequence[tuple[Group, Sequence[Page]]]:
        """Return what the menu has for somebody, by groups; of groups with nothing in them, nothing."""
        entries = [one for _, one in self._pages if one.group is not None and _may(one, user)]
        entries.sort(key=lambda one: (one.order, one.path))
        groups = ((group, [one for one in entries if one.group is group]) for group in Group)
        return [(group, pages) for group, pages in groups if pages]


def _find(among: list[tuple[re.Pattern[str], T]], path: str, user: User) -> Found[T] | None:
    for shape, one in among:
        match = shape.fullmatch(path)
        if match is not None and _may(one, user):
            return Found(one, match.groupdict())
    return None


def _may(one: Page | Action, user: User) -> bool:
    return all(name in user.allowed for name in one.needs)


def collect(package: ModuleType = views) -> Site:
    """Import the modules of a package and return what they declare. It reads from the disk."""
    found: list[Page | Action] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if getattr(value, "__module__", None) == module.__name__:
                found.extend(declared(value))
    return Site(found)
