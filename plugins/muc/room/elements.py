"""Reading what is inside elements."""

from __future__ import annotations

from collections.abc import Iterator

from xmppd.api import Element

__all__ = ["child", "children", "text_of"]


def children(parent: Element, namespace: str, name: str) -> Iterator[Element]:
    """Return the children of that name."""
    return (element for element in parent.elements() if element.uri == namespace and element.name == name)


def child(parent: Element | None, namespace: str, name: str) -> Element | None:
    """Return the first of them, or None."""
    return None if parent is None else next(children(parent, namespace, name), None)


def text_of(element: Element | None) -> str:
    """Return the text that stands in an element, without that of its children; "" of none."""
    return "" if element is None else "".join(part for part in element.children if isinstance(part, str))
