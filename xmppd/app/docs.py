"""Pages that are made from the code: ``python -m xmppd.app.docs`` (or ``make docs``) writes them again.

docs/configuration.md and contrib/xmppd.toml come from the models of the settings and of the plugins' options.
"""

from __future__ import annotations

import inspect
import json
import textwrap
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from xmppd.api.plugin import Plugin
from xmppd.core.settings import Component, Host, Settings
from xmppd.core.sources import PackageSource

ROOT = Path(__file__).resolve().parent.parent.parent
_WIDTH = 110
_WORDS: Mapping[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
_TABLES: Mapping[str, type[BaseModel]] = {"hosts": Host, "components": Component}
_EXAMPLES = {"hosts": "example.org", "components": "irc.example.org"}
#: What the example says outright; the rest of it is commented out.
_WRITTEN = {
    ("listen", "c2s"): '["tcp:5222"]',
    ("listen", "c2s_tls"): '["tcp:5223"]',
    ("hosts", "admins"): '["you@example.org"]',
}

_REFERENCE = """\
# Settings

The settings are a TOML file, named by `twistd xmppd -c FILE` and `xmppctl -c FILE`. Every option has a default; a file
needs one host: `[hosts."example.org"]`. A key or a value that doesn't fit stops the start with its place and the
nearest right name; `xmppctl check` tells without starting. `SIGHUP` (`systemctl reload xmppd`) reads the file again.

This page is made from the code (`make docs`). `contrib/xmppd.toml` is an example with every option of the server.
"""
_EXAMPLE = """\
# An example of xmppd's settings. What is commented out shows the defaults, or an example where there is none.
# docs/configuration.md says the same as a reference, and lists the options of the plugins.
"""


def plugin_options() -> dict[str, type[Plugin]]:
    """Return the bundled plugins that have options, by name."""
    source = PackageSource("xmppd.plugins")
    plugins = {name: source.load(name) for name in source.names()}
    return {name: plugin for name, plugin in plugins.items() if plugin.Options.model_fields}


def reference(plugins: Mapping[str, type[Plugin]]) -> str:
    """Render the reference of all settings.

    :param plugins: those whose options are to be listed, by name.
    """
    parts = [_REFERENCE]
    for name, model, header in _sections():
        parts.append(f"## {header}\n\n{_prose(model)}\n\n{_rows(model)}")
        if name == "hosts":
            parts += [_plugin(plugin, declared) for plugin, declared in plugins.items()]
    return "\n".join(parts)


def _plugin(name: str, plugin: type[Plugin]) -> str:
    prose = "\n\n".join(text for text in (_prose(plugin), _prose(plugin.Options)) if text)
    return f'## [hosts."example.org".{name}]\n\n{prose}\n\n{_rows(plugin.Options)}'


def example() -> str:
    """Render the example file: every option of the server with its default, commented out."""
    parts = [_EXAMPLE]
    for name, model, header in _sections():
        lines = [*_comment(_prose(model)), f"# {header}" if name == "components" else header]
        defaults = _defaults(name, model)
        for key, field in _fields(model):
            lines += ["", *_comment(field.description or "")]
            if (name, key) in _WRITTEN:
                lines.append(f"{key} = {_WRITTEN[name, key]}")
            else:
                value = field.examples[0] if field.examples else defaults[key]
                lines.append(f"# {key} = {_toml(value)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    for name, field in Settings.model_fields.items():
        model = _TABLES.get(name) or field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        yield name, model, f'[{name}."{_EXAMPLES[name]}"]' if name in _TABLES else f"[{name}]"


def _defaults(name: str, model: type[BaseModel]) -> dict[str, Any]:
    whole = Settings.model_fields[name].get_default()
    if isinstance(whole, BaseModel):
        return dict(whole)
    return {key: field.get_default() for key, field in model.model_fields.items()}


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((key, field) for key, field in model.model_fields.items() if not field.exclude)


def _prose(declared: type) -> str:
    own = declared.__dict__.get("__doc__")
    return inspect.cleandoc(own) if own else ""


def _comment(text: str) -> list[str]:
    paragraphs = text.split("\n\n")
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += ["#"] * bool(lines) + [
            f"# {line}" for line in textwrap.wrap(paragraph, _WIDTH, break_long_words=False)
        ]
    return lines


def _rows(model: type[BaseModel]) -> str:
    lines = ["| option | type | default | |", "|---|---|---|---|"]
    for key, field in _fields(model):
        default = "required" if field.is_required() else f"`{_toml(field.get_default(call_default_factory=True))}`"
        default = "" if default == "`none`" else default
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(field.annotation)}{_bounds(field)} | {default} | {description} |")
    return "\n".join(lines) + "\n"


def _type(annotation: Any) -> str:
    """Name a type in the operator's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin is Literal:
        return ", ".join(f"`{_toml(value)}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(argument) for argument in arguments if argument is not type(None))
    if origin in (tuple, list, set, frozenset):
        return f"list of: {_type(arguments[0])}"
    return "table" if origin is dict or isinstance(annotation, type) else str(annotation)


def _bounds(field: FieldInfo) -> str:
    words = []
    for bound in field.metadata:
        if isinstance(bound, Ge):
            words.append(f"{bound.ge} or more")
        elif isinstance(bound, Gt):
            words.append(f"more than {bound.gt}")
        elif isinstance(bound, Le):
            words.append(f"{bound.le} or less")
        elif isinstance(bound, Lt):
            words.append(f"less than {bound.lt}")
    return ", " + ", ".join(words) if words else ""


def _toml(value: Any) -> str:
    """Write a default as TOML does; "none" for none, which TOML can't say."""
    if value is None:
        return "none"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, BaseModel | dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in dict(value).items()) + " }"
    return json.dumps(str(value), ensure_ascii=False)


def pages() -> dict[Path, str]:
    """Return what every generated page has to hold."""
    return {
        ROOT / "docs/configuration.md": reference(plugin_options()),
        ROOT / "contrib/xmppd.toml": example(),
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, "utf-8")
