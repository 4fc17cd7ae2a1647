"""XML as tests write it and see it: templates with ``{names}``, comparison, pretty-printing.

A template is XML whose attribute values and text may hold

* ``{any}``: anything;
* ``{none}`` as a whole attribute value: the attribute is absent;
* ``{romeo}``: the full address of the client of that name;
* ``{other}``: whatever is there when the name is met first, and the same from then on;
* ``{...}`` as text beside child elements: and any other children.

``jabber:client`` is the default namespace, ``stream:`` and ``db:`` (dialback) are declared. Not compared are: the order
of attributes, the order of children with different names, prefixes, whitespace between elements, and those of the
attributes `to`, `from`, `id` and `xml:lang` of the outermost element that the template leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from xml.parsers import expat

from twisted.trial.unittest import FailTest

from xmppd.wire import ns
from xmppd.wire.escape import escape_attribute, escape_text

__all__ = ["Node", "difference", "fill_in", "pretty", "read"]

_NAME = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPEN = f"<x xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAM}' xmlns:db='{ns.DIALBACK}'>"
_LANG = f"{ns.XML} lang"
_OPTIONAL = frozenset(("to", "from", "id", _LANG))
_REST = "{...}"


@dataclass
class Node:
    """An element. Names of attributes with a namespace are ``"namespace name"``."""

    uri: str
    name: str
    attributes: dict[str, str]
    children: list[Node | str] = field(default_factory=list)

    @property
    def elements(self) -> list[Node]:
        """The children that are elements."""
        return [child for child in self.children if isinstance(child, Node)]

    @property
    def text(self) -> str:
        """The character data directly in it; without what stands between elements if it is whitespace."""
        text = "".join(child for child in self.children if isinstance(child, str))
        return "" if not text.strip() else text


def read(xml: str) -> list[Node]:
    """Parse a sequence of elements as they mean in a client's stream.

    :raises AssertionError: if it is not well-formed; the text says where.
    """
    top = Node("", "", {})
    stack = [top]

    def start(name: str, attributes: dict[str, str]) -> None:
        uri, _, local = name.rpartition(" ")
        node = Node(uri, local, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: stack.pop()
    parser.CharacterDataHandler = lambda data: stack[-1].children.append(data)
    try:
        parser.Parse(f"{_OPEN}{xml}</x>", True)
    except expat.ExpatError as error:
        raise FailTest(f"not well-formed XML: {error}\n{xml}") from None
    return top.elements[0].elements


def fill_in(xml: str, known: Mapping[str, str]) -> str:
    """Put the values of ``{names}`` into XML that is to be sent.

    :raises AssertionError: if a name is not known.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise FailTest(f"nothing is called {match[0]}; known are: {', '.join(sorted(known)) or 'none'}\n{xml}")
        return escape_attribute(known[match[1]])

    return _NAME.sub(value, xml)


def difference(template: Node, got: Node, known: MutableMapping[str, str]) -> str | None:
    """Say how `got` differs from the template; None if it doesn't, and then names met first are added to `known`."""
    names = dict(known)
    found = _element(template, got, names, template.name, outermost=True)
    if found is None:
        known.update(names)
    return found


def _element(want: Node, got: Node, names: dict[str, str], path: str, outermost: bool = False) -> str | None:
    if (want.name, want.uri) != (got.name, got.uri):
        return f"{path}: it is <{got.name} xmlns='{got.uri}'>, not <{want.name} xmlns='{want.uri}'>"
    for key in sorted(want.attributes.keys() | got.attributes.keys()):
        wanted, value = want.attributes.get(key), got.attributes.get(key)
        if wanted is None:
            if outermost and key in _OPTIONAL:
                continue
            return f"{path}: there is an attribute {_shown(key)}='{value}' too many"
        if wanted == "{none}":
            if value is not None:
                return f"{path}: there is an attribute {_shown(key)}='{value}'; there must be none"
        elif value is None:
            return f"{path}: the attribute {_shown(key)} is missing"
        elif not _value(wanted, value, names):
            return f"{path}: {_shown(key)} is '{value}', not '{_hint(wanted, names)}'"
    return _content(want, got, names, path)


def _content(want: Node, got: Node, names: dict[str, str], path: str) -> str | None:
    wanted = want.text
    if wanted == "{any}":
        return None
    rest = _REST in wanted
    wanted = wanted.replace(_REST, "")
    if not wanted.strip() and want.elements:
        wanted = ""
    if not (rest and not wanted) and not _value(wanted, got.text, names):
        return f"{path}: the text is {got.text!r}, not {_hint(wanted, names)!r}"
    left = got.elements
    previous: dict[tuple[str, str], int] = {}
    for child in want.elements:
        key = (child.uri, child.name)
        place = f"{path}/{child.name}"
        candidates = [i for i, g in enumerate(left) if (g.uri, g.name) == key and i >= previous.get(key, 0)]
        if not candidates:
            others = ", ".join(f"<{g.name} xmlns='{g.uri}'>" for g in left) or "none"
            return f"{place}: there is no such child; its namespace is '{child.uri}'; children left: {others}"
        problem: str | None = None
        for at in candidates if rest else candidates[:1]:
            trial = dict(names)
            found = _element(child, left[at], trial, place)
            if found is None:
                names.update(trial)
                left = left[:at] + left[at + 1 :]
                # Indices behind the one taken have moved by one.
                previous = {k: i - (i > at) for k, i in previous.items()} | {key: at}
                break
            problem = problem or found
        else:
            return problem
    if left and not rest:
        return f"{path}: there is a child <{left[0].name} xmlns='{left[0].uri}'> too many"
    return None


def _value(wanted: str, value: str, names: dict[str, str]) -> bool:
    """Does a value match its template? Adds names met first to `names`."""
    if "{" not in wanted:
        return wanted == value
    pattern = ""
    at = 0
    new: set[str] = set()
    for match in _NAME.finditer(wanted):
        name = match[1]
        pattern += re.escape(wanted[at : match.start()])
        at = match.end()
        if name == "any":
            pattern += "(?:.*)"
        elif name in names:
            pattern += re.escape(names[name])
        elif name in new:
            pattern += f"(?P={name})"
        else:
            new.add(name)
            pattern += f"(?P<{name}>.+)"
    found = re.fullmatch(pattern + re.escape(wanted[at:]), value, re.DOTALL)
    if found is None:
        return False
    names.update(found.groupdict())
    return True


def _hint(wanted: str, names: Mapping[str, str]) -> str:
    return _NAME.sub(lambda match: names.get(match[1], match[0]), wanted)


def _shown(key: str) -> str:
    return "xml:lang" if key == _LANG else key


def pretty(node: Node, indent: str = "", outer: str = ns.CLIENT) -> str:
    """Return an element as text, a line an element, with two more spaces for each level."""
    head = f"{indent}<{node.name}"
    if node.uri != outer:
        head += f" xmlns='{escape_attribute(node.uri)}'"
    for key, value in node.attributes.items():
        head += f" {_shown(key)}='{escape_attribute(value)}'"
    if not node.elements:
        return f"{head}>{escape_text(node.text)}</{node.name}>" if node.text else head + "/>"
    lines = [head + ">"]
    for child in node.children:
        if isinstance(child, Node):
            lines.append(pretty(child, indent + "  ", node.uri))
        elif child.strip():
            lines.append(f"{indent}  {escape_text(child.strip())}")
    return "\n".join([*lines, f"{indent}</{node.name}>"])
