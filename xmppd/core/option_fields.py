"""Options as forms need them: each field of a model with its type, bounds, default and value, as plain data.

What is secret (a ``SecretStr``, or a field with ``repr=False``) has no value here, but tells whether it has one.
"""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["HIDDEN", "Kind", "Option", "option_fields", "plain", "value_of"]

HIDDEN = "***"
"""What is shown in place of a secret."""


class Kind(Enum):
    """What an option takes; the value is for people."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    BOOLEAN = "yes or no"
    CHOICE = "choice"
    LIST = "list"
    TABLE = "table"


@dataclass(frozen=True)
class Option:
    """One option.

    :ivar path: the tables that lead to it, and its own name.
    :ivar choices: for a choice, or a list of choices.
    :ivar items: what is in a list.
    :ivar least, most: bounds of a number; None if there is none. They are themselves allowed.
    :ivar optional: none is a value, and the same as nothing.
    """

    path: tuple[str, ...]
    kind: Kind
    default: Any
    description: str
    required: bool = False
    secret: bool = False
    optional: bool = False
    choices: tuple[Any, ...] = ()
    items: Kind | None = None
    least: float | None = None
    most: float | None = None

    @property
    def name(self) -> str:
        """Its name, with those of tables inside the model before it: ``relay.port``."""
        return ".".join(self.path)

    def row(self, written: Mapping[str, Any], current: Any = None) -> dict[str, Any]:
        """Return it as plain data.

        :param written: the table as it is in the file.
        :param current: the checked model; else what is written, or the default, counts.
        """
        found = _at(written, self.path)
        value = _attribute(current, self.path) if current is not None else (self.default if found is None else found)
        hidden = HIDDEN if self.secret and plain(value) not in (None, "", [], {}) else "" if self.secret else None
        return {
            "option": self.name,
            "type": self.kind.value,
            "value": plain(value) if hidden is None else hidden,
            "default": None if self.required or self.secret else plain(self.default),
            "set": found is not None,
            "required": self.required,
            "secret": self.secret,
            "choices": [plain(choice) for choice in self.choices],
            "items": self.items.value if self.items else "",
            "least": self.least,
            "most": self.most,
            "description": self.description,
        }


def option_fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Yield the options of a model, those of the tables inside it included.

    :param path: what leads to the model itself.
    """
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        kind, inner, optional = _taken(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel) and kind is Kind.TABLE and not optional:
            yield from option_fields(inner, (*path, name))
            continue
        items, choices = None, _choices(inner)
        if kind is Kind.LIST:
            items, inner_item, _ = _taken(_item(inner))
            choices = _choices(inner_item)
        least, most = _bounds(field)
        yield Option(
            path=(*path, name),
            kind=kind,
            default=None if field.is_required() else field.get_default(call_default_factory=True),
            description=" ".join((field.description or "").split()),
            required=field.is_required(),
            secret=not field.repr or _mentions(field.annotation, SecretStr),
            optional=optional,
            choices=choices,
            items=items,
            least=least,
            most=most,
        )


_KINDS: Mapping[Any, Kind] = {bool: Kind.BOOLEAN, int: Kind.WHOLE, float: Kind.NUMBER, str: Kind.TEXT,
                              Path: Kind.TEXT, SecretStr: Kind.TEXT}  # fmt: skip


def _taken(annotation: Any) -> tuple[Kind, Any, bool]:
    """Return what an annotation takes, the annotation without what only wraps it, and whether None is taken too."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _taken(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        optional = len(inner) < len(get_args(annotation))
        kind, only, _ = _taken(inner[0]) if len(inner) == 1 else (Kind.TEXT, annotation, False)
        return kind, only, optional
    if origin is Literal:
        return Kind.CHOICE, annotation, False
    if origin in (tuple, list, set, frozenset, Sequence, Collection):
        return Kind.LIST, annotation, False
    return _KINDS.get(annotation, Kind.TEXT if _is_text(annotation) else Kind.TABLE), annotation, False


def _is_text(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, str | Path)


def _item(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_args(annotation) else str


def _choices(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _mentions(annotation: Any, wanted: type) -> bool:
    """Is it that type, or does it hold some?"""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_mentions(field.annotation, wanted) for field in annotation.model_fields.values())
    return annotation is wanted or any(_mentions(argument, wanted) for argument in get_args(annotation))


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    least: Any = next((b.ge if isinstance(b, Ge) else b.gt for b in field.metadata if isinstance(b, Ge | Gt)), None)
    most: Any = next((b.le if isinstance(b, Le) else b.lt for b in field.metadata if isinstance(b, Le | Lt)), None)
    return least, most


def value_of(option: Option, text: str) -> Any:
    """Return what a text means for an option, as TOML holds it; whether it is within bounds is not looked at.

    Lists are one a line, or with commas between, or as TOML writes them; tables as TOML or JSON writes them.

    :raises ValueError: it means nothing; the text says what is expected.
    """
    if option.kind is Kind.LIST:
        return _listed(option, text)
    if option.kind is Kind.TABLE:
        return _as_toml(text, dict, 'a table is expected: { name = "value" }')
    return _single(option.kind, option.choices, text)


def _listed(option: Option, text: str) -> list[Any]:
    if text.lstrip().startswith("[") or option.items in (Kind.TABLE, Kind.LIST):
        return list(_as_toml(text or "[]", list, 'a list is expected: ["one", "two"]'))
    parts = [part.strip() for part in text.replace(",", "\n").splitlines()]
    return [_single(option.items or Kind.TEXT, option.choices, part) for part in parts if part]


def _single(kind: Kind, choices: Sequence[Any], text: str) -> Any:
    if kind is Kind.CHOICE:
        for choice in choices:
            if str(plain(choice)) == text:
                return choice
        raise ValueError(f"it must be one of {', '.join(str(choice) for choice in choices)}")
    try:
        return _READ[kind](text) if kind in _READ else text
    except (KeyError, ValueError):
        raise ValueError(_EXPECTED[kind]) from None


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_READ: Mapping[Kind, Any] = {
    Kind.BOOLEAN: lambda text: _WORDS[text.strip().lower()],
    Kind.WHOLE: lambda text: int(text.strip().replace("_", "")),
    Kind.NUMBER: lambda text: float(text) if "." in text or "e" in text.lower() else int(text),
}
_EXPECTED = {
    Kind.BOOLEAN: "yes or no is expected",
    Kind.WHOLE: "a whole number is expected",
    Kind.NUMBER: "a number is expected",
}


def _as_toml(text: str, kind: type, expected: str) -> Any:
    try:
        found = (
            json.loads(text) if text.lstrip().startswith('{"') else tomllib.loads(f"value = {text.strip()}")["value"]
        )
    except ValueError:
        raise ValueError(expected) from None
    if not isinstance(found, kind):
        raise ValueError(expected)
    return found


def plain(value: Any) -> Any:
    """Return a value of an option as JSON has it; a secret inside it is hidden."""
    if isinstance(value, BaseModel):
        return {
            name: plain(getattr(value, name)) if field.repr or not getattr(value, name) else HIDDEN
            for name, field in type(value).model_fields.items()
        }
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, Enum):
        return plain(value.value)
    return value if value is None or type(value) in _PLAIN else str(value)


_PLAIN = (bool, int, float, str)


def _at(table: Any, path: Sequence[str]) -> Any:
    for name in path:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def _attribute(model: Any, path: Sequence[str]) -> Any:
    for name in path:
        model = getattr(model, name, None)
    return model
