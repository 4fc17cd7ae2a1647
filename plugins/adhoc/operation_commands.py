"""Operations as ad-hoc commands: a form made from the parameters, and the result as a note, fields or a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tx_xmpp.data_form import Field as FormField
from tx_xmpp.data_form import Form, Option

from xmppd.api import Condition, FileText, IOperations, Jid, OperationError, Result, StanzaError, tag
from xmppd.api.commands import Ask, Done, Filled, Note, Severity, bad_payload
from xmppd.api.operations import Operation, Parameter
from xmppd.wire import ns

__all__ = ["OperationCommand", "name_of", "shown"]

_LONG_TEXTS = ("text", "message")
_ROWS = 500  # of a table; more would not fit into a stanza


_PREFIX = "xmppd#"


def name_of(node: str) -> str | None:
    """Return the operation that a node names, or None if it is another's node."""
    return node.removeprefix(_PREFIX) if node.startswith(_PREFIX) else None


class OperationCommand:
    """The command of one operation."""

    def __init__(self, operations: IOperations, operation: Operation) -> None:
        self._operations = operations
        self._operation = operation
        self.node = _PREFIX + operation.name
        self.name = operation.help.rstrip(".") or operation.name

    def allowed(self, requester: Jid) -> bool:
        """See ICommand."""
        return any(operation.name == self._operation.name for operation in self._operations.list(requester))

    async def step(self, requester: Jid, filled: Sequence[Filled]) -> Ask | Done:
        """See ICommand."""
        parameters = self._operation.parameters
        if parameters and not filled:
            return Ask(_form(self._operation).toElement())
        arguments = _arguments(parameters, filled[0] if filled else {})
        try:
            result = await self._operations.run(self._operation.name, arguments, requester)
        except OperationError as error:
            if error.condition is Condition.FORBIDDEN:
                raise StanzaError(Condition.FORBIDDEN, "cancel", str(error)) from None
            return Done([Note(str(error), Severity.ERROR)])
        return shown(result, self._operation.name)


def _form(operation: Operation) -> Form:
    fields = [_field(parameter) for parameter in operation.parameters]
    return Form("form", title=operation.name, instructions=[operation.help], fields=fields)


def _field(parameter: Parameter) -> FormField:
    values = []
    if parameter.default is not None and parameter.default != "":
        values = [str(parameter.default).lower() if parameter.type is bool else str(parameter.default)]
    return FormField(
        _field_type(parameter),
        parameter.name,
        values=values,
        options=[Option(choice) for choice in parameter.choices],
        label=parameter.help or parameter.name,
        required=parameter.required,
    )


def _field_type(parameter: Parameter) -> str:
    if parameter.choices:
        return "list-single"
    if parameter.type is Jid:
        return "jid-single"
    if parameter.type is bool:
        return "boolean"
    if parameter.type is FileText or parameter.name in _LONG_TEXTS:
        return "text-multi"
    return "text-private" if parameter.secret else "text-single"


def _arguments(parameters: Sequence[Parameter], filled: Filled) -> dict[str, Any]:
    """Return a form's values as arguments; an empty field is one that was left out. Raises bad-payload."""
    arguments: dict[str, Any] = {}
    for parameter in parameters:
        text = "\n".join(filled.get(parameter.name, ()))
        if text:
            try:
                arguments[parameter.name] = parameter.convert(text)
            except OperationError as error:
                raise bad_payload(str(error)) from None
        elif parameter.required:
            raise bad_payload(f"{parameter.name} is missing")
    return arguments


def shown(result: Result, title: str) -> Done:
    """Return an operation's result as XEP-0004 shows it."""
    if isinstance(result, Mapping):
        fields = (_shown_field(name, value) for name, value in result.items())
        return Done(payload=tag("x", tag("title", title), *fields, xmlns=ns.DATA_FORMS, type="result"))
    if not result:
        return Done([Note("Nothing found." if result == [] else "Done.")])
    if isinstance(result, str):
        return Done([Note(result)])
    notes = []
    if len(result) > _ROWS:
        notes.append(Note(f"Only the first {_ROWS} of {len(result)} are shown.", Severity.WARN))
    return Done(notes, _table(result[:_ROWS], title))


def _table(rows: Sequence[Mapping[str, Any]], title: str) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    reported = tag("reported", *(tag("field", var=name, label=name) for name in names))
    items = (tag("item", *(_shown_field(name, row.get(name), label=False) for name in names)) for row in rows)
    return tag("x", tag("title", title), reported, *items, xmlns=ns.DATA_FORMS, type="result")


def _shown_field(name: str, value: Any, label: bool = True) -> bytes:
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    several = "text-multi" if len(values) > 1 else None
    shown = (tag("value", _text(single)) for single in values)
    return tag("field", *shown, var=name, type=several, label=name if label else None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(inner)}" for name, inner in value.items())
    return str(value)
