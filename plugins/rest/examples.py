"""Examples that operations declare for the command line, as the values that programs send instead."""

from __future__ import annotations

import shlex
from typing import Any

from xmppd.api.operations import FileText, Operation, Parameter
from xmppd.plugins.rest.values import read, written_name

__all__ = ["example_of", "values_in"]


def example_of(operation: Operation) -> dict[str, Any]:
    """Return the values of the longest example, by the parameters' own names; none, if there is none for programs."""
    found = (values_in(operation, text) for text in operation.examples)
    return max((values for values in found if values is not None), key=len, default={})


def values_in(operation: Operation, text: str) -> dict[str, Any] | None:
    """Return the values in an example; None if it can't be one for a program, since it names a file or what is typed.

    :param text: as one would write it behind the operation's name.
    """
    options = {written_name(p).replace("_", "-"): p for p in operation.parameters if p.option}
    places = iter([p for p in operation.parameters if not p.option])
    values: dict[str, Any] = {}
    try:
        words = iter(shlex.split(text))
        for word in words:
            name, equals, given = word.removeprefix("--").partition("=")
            if not word.startswith("--"):
                parameter, given = next(places), word
            else:
                parameter = options[name]
                if not equals:
                    given = "true" if parameter.type is bool else next(words)
            if not _for_programs(parameter, given):
                return None
            value = read(parameter, given, written=True)
            values[parameter.name] = value if isinstance(value, bool | int | float) else str(value)
    except (KeyError, StopIteration, ValueError):  # it is one for people
        return None
    return values


def _for_programs(parameter: Parameter, given: str) -> bool:
    return parameter.type is not FileText and not (parameter.secret and given == "-")
