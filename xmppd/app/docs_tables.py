"""Tables of options for generated pages, from pydantic models."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["fields", "prose", "rows", "tables", "toml"]

_WORDS: Mapping[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path",
                               SecretStr: "text"}  # fmt: skip


def fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Return the options of a model, by name; without those that are no options."""
    return ((key, field) for key, field in model.model_fields.items() if not field.exclude)


def prose(declared: type) -> str:
    """Return the docstring of a class itself."""
    own = declared.__dict__.get("__doc__")
    return inspect.cleandoc(own) if own else ""


def rows(model: type[BaseModel]) -> str:
    """Return a table of a model's options in Markdown."""
    lines = ["| option | type | default | |", "|---|---|---|---|"]
    for key, field in fields(model):
        default = "required" if field.is_required() else f"`{toml(field.get_default(call_default_factory=True))}`"
        default = "" if default == "`none`" or _is_model(field.annotation) else default
        description = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{key}` | {_type(field.annotation)}{_bounds(field)} | {default} | {description} |")
    return "\n".join(lines) + "\n"


def tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Return the tables inside a model, by name; also those of which there may be several."""
    for key, field in fields(model):
        for annotation in (field.annotation, *_items(field.annotation)):
            if _is_model(annotation):
                yield key, annotation


def _items(annotation: Any) -> tuple[Any, ...]:
    """Return what is in a list."""
    return get_args(annotation)[:1] if get_origin(annotation) in (tuple, list) else ()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _type(annotation: Any) -> str:
    """Name a type in the operator's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin is Literal:
        return ", ".join(f"`{toml(value)}`" for value in arguments)
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


def toml(value: Any) -> str:
    """Write a default as TOML does; "none" for none, which TOML can't say."""
    if value is None:
        return "none"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, BaseModel | dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in dict(value).items()) + " }"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return json.dumps(str(value), ensure_ascii=False)
