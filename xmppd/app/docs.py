"""Pages that are made from the code: ``python -m xmppd.app.docs`` (or ``make docs``) writes them again.

docs/configuration.md and contrib/xmppd.toml come from the models of the settings and of the plugins' options;
docs/plugins.md and docs/xeps.md from the plugins' classes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from xmppd.api.plugin import Plugin
from xmppd.app.docs_plugins import plugins_page, xeps_page
from xmppd.app.docs_tables import fields, prose, rows, tables, toml
from xmppd.core.plugins.sources import PackageSource
from xmppd.core.settings import Component, Delegation, Domain, Host, Privileges, Settings, Uplink

ROOT = Path(__file__).resolve().parent.parent.parent
_WIDTH = 110
_TABLES: Mapping[str, type[BaseModel]] = {"hosts": Host, "components": Component, "uplinks": Uplink}
_EXAMPLES = {"hosts": "example.org", "components": "irc.example.org", "uplinks": "sms.example.org"}
#: Tables that the example has commented out.
_OPTIONAL = ("components", "components.privileges", "components.delegations", "uplinks", "s2s.domains")
#: What the example says outright; the rest of it is commented out.
_WRITTEN = {
    ("listen", "c2s"): '["tcp:5222"]',
    ("listen", "c2s_tls"): '["tcp:5223"]',
    ("listen", "s2s"): '["tcp:5269"]',
    ("listen", "http"): '["tcp:5280:interface=127.0.0.1"]',
    ("listen", "https"): '["tcp:5281"]',
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


def bundled_plugins() -> dict[str, type[Plugin]]:
    """Return the plugins that come with xmppd, by name."""
    source = PackageSource("xmppd.plugins")
    return {name: source.load(name) for name in sorted(source.names())}


def reference(plugins: Mapping[str, type[Plugin]]) -> str:
    """Render the reference of all settings.

    :param plugins: by name; the options of those that have some are listed.
    """
    parts = [_REFERENCE]
    for name, model, header in _sections():
        parts.append(f"## {header}\n\n{prose(model)}\n\n{rows(model)}")
        if name == "hosts":
            with_options = ((n, plugin) for n, plugin in plugins.items() if plugin.Options.model_fields)
            parts += [_plugin(plugin, declared) for plugin, declared in with_options]
    return "\n".join(parts)


def _plugin(name: str, plugin: type[Plugin]) -> str:
    text = "\n\n".join(text for text in (prose(plugin), prose(plugin.Options)) if text)
    parts = [f'## [hosts."example.org".{name}]\n\n{text}\n\n{rows(plugin.Options)}']
    for key, table in tables(plugin.Options):
        parts.append(f'### [hosts."example.org".{name}.{key}]\n\n{prose(table)}\n\n{rows(table)}')
    return "\n".join(parts)


def example() -> str:
    """Render the example file: every option of the server with its default, commented out."""
    parts = [_EXAMPLE]
    for name, model, header in _sections():
        lines = [*_comment(prose(model)), f"# {header}" if name in _OPTIONAL else header]
        defaults = _defaults(name, model)
        for key, field in fields(model):
            lines += ["", *_comment(field.description or "")]
            if (name, key) in _WRITTEN:
                lines.append(f"{key} = {_WRITTEN[name, key]}")
            else:
                value = field.examples[0] if field.examples else defaults[key]
                lines.append(f"# {key} = {toml(value)}")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    for name, field in Settings.model_fields.items():
        model = _TABLES.get(name) or field.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        yield name, model, f'[{name}."{_EXAMPLES[name]}"]' if name in _TABLES else f"[{name}]"
        if name == "s2s":
            yield "s2s.domains", Domain, '[s2s.domains."example.net"]'
        if name == "components":
            yield "components.privileges", Privileges, '[components."irc.example.org".privileges]'
            yield "components.delegations", Delegation, '[[components."irc.example.org".delegations]]'


def _defaults(name: str, model: type[BaseModel]) -> dict[str, Any]:
    whole = Settings.model_fields[name].get_default() if name in Settings.model_fields else None
    if isinstance(whole, BaseModel):
        return dict(whole)
    return {key: field.get_default() for key, field in model.model_fields.items()}


def _comment(text: str) -> list[str]:
    paragraphs = text.split("\n\n")
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += ["#"] * bool(lines) + [
            f"# {line}" for line in textwrap.wrap(paragraph, _WIDTH, break_long_words=False)
        ]
    return lines


def pages() -> dict[Path, str]:
    """Return what every generated page has to hold."""
    plugins = bundled_plugins()
    return {
        ROOT / "docs/configuration.md": reference(plugins),
        ROOT / "docs/plugins.md": plugins_page(plugins),
        ROOT / "docs/xeps.md": xeps_page(plugins),
        ROOT / "contrib/xmppd.toml": example(),
    }


if __name__ == "__main__":
    for page, text in pages().items():
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, "utf-8")
