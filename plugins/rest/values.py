"""What programs hand over as values of parameters: their schema (JSON Schema 2020-12), and a strict look at them.

Nothing is guessed: a number is no text, and 1 is not true. Texts are such as can be stored and sent anywhere: the
characters of XML 1.0 (section 2.2), so that nothing of a request fails later for a character.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from xmppd.api.operations import FileText, Parameter
from xmppd.plugins.rest.problems import Problem
from xmppd.wire.jid import Jid

__all__ = ["Errors", "body_of", "collect", "query_of", "read", "schema", "unfit", "written_name"]

#: (where it stands, the parameter's name, what is wrong).
Errors = list[tuple[str, str, str]]
#: Numbers that every program can read (RFC 8259 section 6).
_MOST = 2**53 - 1
_BAD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHOLE = re.compile(r"-?[0-9]{1,16}")
_WORDS = {"true": True, "false": False}
_FIELDS = 100


def written_name(parameter: Parameter) -> str:
    """Return what programs call a parameter: what Python has a word for itself ends in ``_`` there."""
    return parameter.name.rstrip("_")


def schema(parameter: Parameter) -> dict[str, Any]:
    """Return the schema of a parameter's values, without its description."""
    found: dict[str, Any] = {"type": {int: "integer", float: "number", bool: "boolean"}.get(parameter.type, "string")}
    if parameter.choices:
        found["enum"] = list(parameter.choices)
    elif parameter.type is int:
        found |= {"minimum": -_MOST, "maximum": _MOST}
    elif parameter.type is Jid:
        found |= {"minLength": 1, "maxLength": 3071, "examples": ["romeo@example.org"]}
    if parameter.secret and parameter.type is not FileText:
        found["format"] = "password"
    if not parameter.required and parameter.default not in (None, ""):
        found["default"] = parameter.default
    return found


def read(parameter: Parameter, value: Any, written: bool) -> Any:
    """Return a value as the operation takes it.

    :param written: it comes from a URL, where everything is a text.
    :raises ValueError: it isn't one; the text says what is expected.
    """
    if parameter.type is bool:
        value = _WORDS.get(value, value) if written else value
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
    elif parameter.type in (int, float):
        return _number(parameter.type is int, value, written)
    elif not isinstance(value, str):
        raise ValueError(f"must be a text, not {_kind(value)}")
    elif parameter.choices and value not in parameter.choices:
        raise ValueError(f"must be one of {', '.join(parameter.choices)}")
    elif bad := _BAD.search(value):
        raise ValueError(f"has a character that is not allowed (U+{ord(bad[0]):04X})")
    elif parameter.type is Jid:
        return Jid.parse(value)  # raises JidError, which is a ValueError
    return value


def unfit(text: str) -> bool:
    """Has a text characters that can't be stored or sent everywhere?"""
    return _BAD.search(text) is not None


def _number(whole: bool, value: Any, written: bool) -> int | float:
    if written:
        value = _parsed(value, whole)
    if whole and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("must be a whole number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be a number")
    if abs(value) > _MOST:  # integers of JSON may be larger than any float
        raise ValueError(f"must be between {-_MOST} and {_MOST}")
    return value


def _parsed(text: str, whole: bool) -> Any:
    if whole:
        return int(text) if _WHOLE.fullmatch(text) else text
    try:
        return float(text)
    except ValueError:
        return text


def _kind(value: object) -> str:
    kinds = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


def collect(parameters: Iterable[Parameter], given: Mapping[str, Any], place: str, errors: Errors) -> dict[str, Any]:
    """Return the values that are given for parameters, and add to `errors` what is wrong with them.

    :param place: ``path``, ``query`` or ``body``.
    """
    values: dict[str, Any] = {}
    known = {written_name(parameter): parameter for parameter in parameters}
    for name in given:
        if name not in known:
            errors.append((place, name, _unknown(name, tuple(known))))
    for name, parameter in known.items():
        value = given.get(name)
        if value is None and place == "body" and name in given and parameter.default is None and not parameter.required:
            continue  # null is what it is if it isn't given
        if name not in given:
            if parameter.required:
                errors.append((place, name, "is missing"))
            continue
        try:
            values[parameter.name] = read(parameter, value, place != "body")
        except ValueError as error:
            errors.append((place, name, str(error)))
    return values


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"there is no such parameter; did you mean {near[0]!r}?"
    return "there is no such parameter" + (f"; there are {', '.join(known)}" if known else "; there are none")


def query_of(text: str) -> dict[str, str]:
    """Return the parameters of a query.

    :raises Problem: it can't be read, or names one twice (400).
    """
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_FIELDS
        )
    except ValueError:
        raise Problem(400, "malformed-query", "The query can't be read.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(400, "malformed-query", "The query names a parameter twice.")
    return found


def body_of(data: bytes) -> dict[str, Any]:
    """Return the members of a body; one that is empty has none.

    :raises Problem: it is no JSON object (400).
    """
    if not data:
        return {}
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_number)
    except RecursionError:
        raise Problem(400, "malformed-body", "The body is no JSON: it is nested too deeply.") from None
    except ValueError as error:
        raise Problem(400, "malformed-body", f"The body is no JSON: {error}.") from None
    if not isinstance(content, dict):
        raise Problem(400, "malformed-body", "The body must be a JSON object.")
    return content


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
