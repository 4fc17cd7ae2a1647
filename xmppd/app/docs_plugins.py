"""The pages about plugins: docs/plugins.md, and docs/xeps.md, which says what is implemented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xmppd.api.operations import Operation, Parameter, operations_of
from xmppd.api.plugin import Plugin
from xmppd.app.docs_tables import prose, rows, tables
from xmppd.app.docs_xeps import CORE, XEPS

__all__ = ["plugins_page", "xeps_page"]

_PLUGINS = """\
# Plugins

What comes with xmppd. All are loaded on every host unless its `plugins` say otherwise (see
[configuration.md](configuration.md)); `xmppctl plugin list` shows what is loaded, `xmppctl plugin enable` and
`plugin disable` change it while the server runs. [writing-a-plugin.md](writing-a-plugin.md) tells how to make one.

This page is made from the code (`make docs`).
"""
_XEPS = """\
# What is implemented

Besides RFC 6120, RFC 6121 and RFC 7622, these XMPP extensions, in the versions named. "The server" means what
is there without any plugin. The examples of each are played by the tests, most as `tests/scenarios/xepNNNN-*.txt`;
`tests/test_examples.py` lists those that are not, and why.

This page is made from the code (`make docs`).

| XEP | | version | where | left out, or done otherwise |
|---|---|---|---|---|
"""


def plugins_page(plugins: Mapping[str, type[Plugin]]) -> str:
    """Render docs/plugins.md.

    :param plugins: by name.
    """
    return "\n".join([_PLUGINS, *(_plugin(name, plugin) for name, plugin in plugins.items())])


def _plugin(name: str, plugin: type[Plugin]) -> str:
    parts = [f"## {name}", prose(plugin)]
    numbers = ", ".join(f"{_link(number)} {version}" for number, version in _implemented(plugin))
    if numbers:
        parts.append(f"Implements {numbers}.")
    if not plugin.default:
        parts.append("Not loaded unless the settings name it.")
    if plugin.Options.model_fields:
        parts.append(rows(plugin.Options).rstrip())
        for key, table in tables(plugin.Options):
            parts += [f"### {name}.{key}", prose(table), rows(table).rstrip()]
    # An instance to be looked at: it is not made ready, and nothing of it is run.
    operations = operations_of(plugin.__new__(plugin))
    if operations:
        lines = (f"| `{_usage(operation)}` | {operation.help} |" for operation in operations)
        parts.append("\n".join(["| `xmppctl` ... | |", "|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"


def _usage(operation: Operation) -> str:
    return " ".join([operation.name, *map(_argument, operation.parameters)])


def _argument(parameter: Parameter) -> str:
    name = parameter.name.replace("_", "-")
    if parameter.option:
        shown = f"--{name}" if parameter.type is bool else f"--{name} {name.upper()}"
    else:
        shown = name.upper()
    return shown if parameter.required else f"[{shown}]"


def xeps_page(plugins: Mapping[str, type[Plugin]]) -> str:
    """Render docs/xeps.md.

    :param plugins: by name.
    :raises KeyError: if a plugin implements what :data:`~xmppd.app.docs_xeps.XEPS` doesn't know.
    :raises ValueError: if two claim different versions of one XEP.
    """
    where: dict[int, list[str]] = {number: ["the server"] for number in CORE}
    versions = dict(CORE)
    for name, plugin in plugins.items():
        for number, version in _implemented(plugin):
            if versions.setdefault(number, version) != version:
                raise ValueError(f"plugin {name} claims another version of XEP-{number:04d} than {where[number]}")
            where.setdefault(number, []).append(f"[{name}](plugins.md#{name})")
    return _XEPS + "\n".join(_row(number, versions[number], where[number]) for number in sorted(where)) + "\n"


def _row(number: int, version: str, where: list[str]) -> str:
    title, left_out = XEPS[number]
    return f"| {_link(number)} | {title} | {version} | {', '.join(where)} | {left_out} |"


def _implemented(plugin: type[Plugin]) -> Iterator[tuple[int, str]]:
    declared: tuple[Any, ...] = plugin.xep
    yield from declared if declared and isinstance(declared[0], tuple) else (declared,) if declared else ()


def _link(number: int) -> str:
    return f"[XEP-{number:04d}](https://xmpp.org/extensions/xep-{number:04d}.html)"
