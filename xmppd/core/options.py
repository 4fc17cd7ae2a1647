"""Typed options: a TOML table against a pydantic model, with errors an operator can act on.

The server's own settings and every plugin's options go through :func:`validate_options`. A table that does not
fit is explained key by key: the file, the table, the key, what is wrong, and the nearest name that exists.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text in quotes",
    "tuple_type": "must be a list: [...]",
    "list_type": "must be a list: [...]",
    "set_type": "must be a list: [...]",
    "frozen_set_type": "must be a list: [...]",
}
_TABLE_TYPES = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
_BOUNDS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} entries",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
}


class SettingsError(ValueError):
    """The settings can't be used.

    :ivar problems: one line of plain words for each thing that is wrong.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the entry of `known` that `name` was probably meant to be, or None."""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return close[0] if close else None


def unknown_name(name: str, known: Collection[str], where: str) -> str:
    """Say that `name`, found at `where`, is none of `known`, and which of them was probably meant."""
    guess = nearest(name, known)
    return f'{where}: there is no "{name}"' + (f'; did you mean "{guess}"?' if guess else "")


def table_name(path: Sequence[str]) -> str:
    """Write the path of a table as TOML does: ``[hosts."example.org".muc]``."""
    return "[" + ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else f'"{part}"' for part in path) + "]"


def validate_options(model: type[Model], table: Mapping[str, Any], where: str, path: Sequence[str] = ()) -> Model:
    """Check `table` (as tomllib gives it) against `model`.

    Types are taken strictly (``"5"`` is no number) and unknown keys are refused, whatever the model says.

    :param where: what to call the source in errors: a file, or file and table as in
        ``xmppd.toml: [hosts."example.org".muc]``.
    :param path: names of the tables that lead to this one.
    :raises SettingsError: with a line for every key that is unknown, missing or of the wrong type or value.
    """
    try:
        # Through JSON, because its strict mode still takes a list for a tuple and a text for a Path.
        return model.model_validate_json(to_json(table), strict=True, extra="forbid")
    except ValidationError as error:
        found = [_problem(model, table, where, path, detail) for detail in error.errors(include_url=False)]
        raise SettingsError(list(dict.fromkeys(found))) from None


def _problem(
    model: type[BaseModel], table: Mapping[str, Any], where: str, path: Sequence[str], detail: ErrorDetails
) -> str:
    loc = detail["loc"]
    inner, key = _split(table, loc)
    tables = [*path, *inner]
    place = f"{where}: {table_name(tables)}" if tables else where
    kind = detail["type"]
    if kind == "extra_forbidden":
        entry = key.rpartition(".")[0] if "[" in key else ""  # of a list of tables
        names = [str(part) for part in loc[:-1]] if entry else inner
        return f"{place}: {entry and entry + ': '}{_unknown(model, names, str(loc[-1]), detail['input'])}"
    if kind == "missing":
        return f'{place}: "{key}" is missing'
    if kind in _TABLE_TYPES:
        return f"{place}: {key} must be a table: {table_name([*tables, key])}"
    context = detail.get("ctx", {})
    if kind in _BOUNDS:
        words = _BOUNDS[kind].format(**context)
    elif kind == "value_error":
        words = str(context["error"])
    else:
        words = _EXPECTED.get(kind, detail["msg"])
    separator = ": " if kind == "value_error" else " "
    return f"{place}: {key}{separator}{words}, not {_as_written(detail['input'])}" if key else f"{place}: {words}"


def _as_written(value: object) -> str:
    text = to_json(value, fallback=repr).decode("utf-8", "replace")
    return text if len(text) <= 60 else text[:57] + "..."


def _split(table: Mapping[str, Any], loc: Sequence[int | str]) -> tuple[list[str], str]:
    """Divide a pydantic location into the tables it passes through and the key, as ``admins[0]``."""
    value: Any = table
    depth = 0
    while depth < len(loc) - 1 and isinstance(value, Mapping) and isinstance(value.get(loc[depth]), Mapping):
        value = value[loc[depth]]
        depth += 1
    key = ""
    for part in loc[depth:]:
        if isinstance(part, int):
            key += f"[{part}]"
        elif part != "[key]":
            key += f".{part}" if key else part
    return [str(part) for part in loc[:depth]], key


def _unknown(model: type[BaseModel], tables: Sequence[str], key: str, value: object) -> str:
    there = _model_at(model, tables)
    names = [name for name, field in there.model_fields.items() if not field.exclude] if there else []
    is_table = isinstance(value, Mapping)
    guess = nearest(key, names)
    words = f"there is no table {table_name([*tables, key])}" if is_table else f'there is no option "{key}"'
    if guess:
        return words + f"; did you mean {table_name([*tables, guess]) if is_table else chr(34) + guess + chr(34)}?"
    for elsewhere in _tables_with(model, key, ()):
        return words + f"; it belongs in {table_name(elsewhere)}"
    return words + (f"; there are: {', '.join(names)}" if len(names) <= 12 and names else "")


def _models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], bool]]:
    """Yield the models an annotation holds, and whether they sit behind the keys of a mapping, or in a list."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, False
    elif origin in (dict, Mapping):
        for inner, _ in _models_in(get_args(annotation)[1]):
            yield inner, True
    elif origin in (list, tuple):
        for inner, _ in _models_in(get_args(annotation)[0]):
            yield inner, True
    elif origin in (Union, types.UnionType, Annotated):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _model_at(model: type[BaseModel], tables: Sequence[str]) -> type[BaseModel] | None:
    if not tables:
        return model
    field = model.model_fields.get(tables[0])
    for inner, keyed in _models_in(field.annotation) if field else ():
        if found := _model_at(inner, tables[2:] if keyed else tables[1:]):
            return found
    return None


def _tables_with(model: type[BaseModel], key: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if path and key in model.model_fields:
        yield path
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) in (list, tuple):
            continue  # which of the tables is not known
        for inner, keyed in _models_in(field.annotation):
            yield from _tables_with(inner, key, (*path, name, "NAME") if keyed else (*path, name))
