"""Forms of options, made from what ``setting list`` and ``plugin options`` tell of them.

A form carries what each field held when it was shown. So only what somebody has changed is changed, and what somebody
else has changed meanwhile stays.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xmppd.api import OperationError
from xmppd.plugins.console.pages import Asked, FormError

__all__ = ["Field", "changes", "fields", "put", "run"]

_HIDDEN = "***"
_LONG = 60


@dataclass(frozen=True, slots=True)
class Field:
    """An option as a field of a form.

    :ivar key: how operations call it.
    :ivar kind: of field: line, number, choice, switch, lines, text or secret.
    :ivar text: what it holds.
    :ivar row: what there is to know of the option.
    """

    key: str
    kind: str
    text: str
    row: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What it is called in the form."""
        return f"o-{self.key}"

    @property
    def default(self) -> str:
        """The default, as it would stand in the field."""
        return _text(self.row, self.row["default"])

    @property
    def filled(self) -> bool:
        """Is there a secret?"""
        return bool(self.row["value"] == _HIDDEN)


def fields(rows: Sequence[Mapping[str, Any]], key: str) -> list[Field]:
    """Return the fields for options.

    :param key: what the name of an option is called in the rows.
    """
    return [Field(row[key], _kind(row), "" if row["secret"] else _text(row, row["value"]), row) for row in rows]


def _kind(row: Mapping[str, Any]) -> str:
    if row["secret"] and row["type"] == "text":
        return "secret"
    text = _text(row, row["value"])
    kinds = {"whole number": "number", "number": "number", "yes or no": "switch", "choice": "choice", "table": "text"}
    if row["type"] == "list":
        return "text" if row["items"] in ("table", "list") or row["secret"] else "lines"
    return kinds.get(row["type"], "text" if len(text) > _LONG or "\n" in text else "line")


def _text(row: Mapping[str, Any], value: Any) -> str:
    """What stands in the field for a value."""
    if value is None or value == _HIDDEN:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and row["items"] not in ("table", "list"):
        if any("," in str(item) or "\n" in str(item) for item in value):
            return json.dumps(value, ensure_ascii=False)
        return "\n".join(str(item) for item in value)
    if isinstance(value, list | dict):
        return "" if not value else _as_toml(value)
    return str(value)


def _as_toml(value: Any) -> str:
    """Tables and lists of tables, in one line each as TOML writes them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_as_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        parts = [_as_toml(inner) for inner in value]
        tables = any(isinstance(inner, dict) for inner in value)
        return "[\n  " + ",\n  ".join(parts) + "\n]" if tables else f"[{', '.join(parts)}]"
    return json.dumps(value, ensure_ascii=False)


def changes(shown: Sequence[Field], form: Mapping[str, str]) -> dict[str, str | None]:
    """Return what somebody wants to be different: texts by the key of the option, None for its default."""
    reset = form.get("reset", "")
    if reset:
        return {field.key: None for field in shown if field.key == reset}
    found: dict[str, str | None] = {}
    for field in shown:
        was = form.get(f"was-{field.name}")
        text = form.get(field.name, "no" if field.kind == "switch" else "").replace("\r\n", "\n")
        if was is None or text.strip() == was.replace("\r\n", "\n").strip():
            continue
        if field.kind == "secret" and not text:
            continue
        nothing = field.row["default"] in (None, "", [], {}) or field.row["secret"]
        if text.strip():
            found[field.key] = text
        else:
            found[field.key] = None if nothing else _NOTHING.get(str(field.row["type"]), "")
    return found


_NOTHING = {"list": "[]", "table": "{}"}


async def put(
    shown: Sequence[Field], form: Mapping[str, str], change: Callable[..., Awaitable[Any]]
) -> tuple[list[str], list[str]]:
    """Change what was changed, and return which options that were, and what is to be said of it beyond that.

    :param change: is called with the key, and with ``value`` or ``reset``.
    :raises FormError: one can't be what was written; those before it are changed.
    """
    done, said = [], []
    for key, text in changes(shown, form).items():
        try:
            answer = await (change(key, reset=True) if text is None else change(key, value=text))
        except OperationError as error:
            raise FormError({f"o-{key}": str(error).removeprefix(f"{key}: ")}) from None
        done.append(key)
        said += str(answer).splitlines()[1:]
    return done, said


async def run(asked: Asked, name: str, /, **arguments: Any) -> Any:
    """Run an operation like :meth:`Asked.run`, but tell nothing from an empty text; for actions that need it anyway."""
    return await asked.host.operations.run(name, arguments, asked.user.label, asked.user.role.granted)
