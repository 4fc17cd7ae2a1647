"""Commands made from the declarations of operations: ``user add`` becomes ``xmppctl user add JID [--password ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

__all__ = ["Runner", "command_tree"]

#: Runs an operation: name, arguments, the host whose plugin is meant (or None), and whether to print JSON.
Runner = Callable[[str, dict[str, Any], str | None, bool], None]
_TYPES: Mapping[str, click.ParamType] = {
    "int": click.INT,
    "float": click.FLOAT,
    "bool": click.BOOL,
    "FileText": click.File("r", encoding="utf-8"),
}
_GROUP_HELP = {
    "user": "Accounts: make, list, lock and delete them.",
    "session": "Sessions that are open now.",
    "host": "The domains that are served.",
    "plugin": "Plugins: what is there, what it costs, on and off.",
    "server": "The server as a whole.",
    "s2s": "Links with other servers.",
    "notification": "What is sent to people's devices: send it, watch it, stop it.",
    "segment": "Audiences with a name, for notifications.",
    "group": "Groups of accounts, for notifications.",
    "alias": "Other names of accounts, for notifications.",
    "tag": "What accounts are interested in, for notifications.",
    "device": "Devices that notifications go to.",
    "push": "Push to apps by their own push services (XEP-0357).",
    "push-service": "The push service that this server is itself.",
    "token": "Tokens for programs that use the HTTP interface.",
    "webhook": "URLs that are told what happens.",
    "audit": "Who did what.",
    "log": "The end of the log.",
    "setting": "The settings file.",
    "console": "Who may use the console.",
}


def command_tree(operations: Sequence[Mapping[str, Any]], run: Runner) -> dict[str, click.Command]:
    """Return commands for operations, by first word; names of several words become groups.

    :param operations: as `xmppd.core.operations.catalogue.describe` gives them.
    :param run: called when a command was given.
    """
    top = click.Group()
    for declared in operations:
        *path, last = str(declared["name"]).split()
        group, words = top, []
        for word in path:
            words.append(word)
            inner = group.commands.get(word)
            if not isinstance(inner, click.Group):
                inner = click.Group(word, help=_GROUP_HELP.get(" ".join(words), f"Operations on: {' '.join(words)}."))
                group.add_command(inner)
            group = inner
        group.add_command(_command(declared, last, run))
    return dict(top.commands)


def _command(declared: Mapping[str, Any], word: str, run: Runner) -> click.Command:
    parameters = declared["parameters"]
    own_host = any(parameter["name"] == "host" for parameter in parameters)

    def called(**values: Any) -> None:
        as_json = values.pop("_as_json")
        host = values.pop("_host", None)
        run(declared["name"], _arguments(parameters, values), host, as_json)

    shown = [_click_parameter(parameter) for parameter in parameters]
    if declared["hosts"] and not own_host:
        shown.append(click.Option(["--host", "_host"], help="The domain, where the arguments leave it open."))
    shown.append(click.Option(["--json", "_as_json"], is_flag=True, help="Print the result as JSON."))
    return click.Command(word, callback=called, params=shown, help=_help(declared), short_help=declared["help"])


def _click_parameter(parameter: Mapping[str, Any]) -> click.Parameter:
    name, default = parameter["name"], parameter["default"]
    if parameter["type"] == "FileText":
        default = None  # what stands for no text is no file's name
    kind = click.Choice(parameter["choices"]) if parameter["choices"] else _TYPES.get(parameter["type"], click.STRING)
    if not parameter["option"]:
        return click.Argument([name], type=kind, required=parameter["required"], default=default)
    flag = _flag(name)
    text = parameter["help"]
    if parameter["type"] == "bool":
        flags = f"{flag}/--no-{flag[2:]}" if default else flag
        return click.Option([flags, name], is_flag=True, default=default, help=text)
    if parameter["secret"]:
        text = f"{text} '-' reads it from standard input.".strip()
    shown = default not in (None, "", 0)
    return click.Option([flag, name], type=kind, required=False, default=default, show_default=shown, help=text)


def _flag(name: str) -> str:
    """Return a parameter's option; an underscore at the end only keeps its name apart from words of Python."""
    return "--" + name.rstrip("_").replace("_", "-")


def _arguments(parameters: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given on the command line as an operation's arguments."""
    arguments: dict[str, Any] = {}
    for parameter in parameters:
        name, value = parameter["name"], values[parameter["name"]]
        if parameter["type"] == "FileText" and value is not None:
            value = _read(value)
        elif parameter["secret"] and value == "-":
            value = sys.stdin.readline().rstrip("\n")
        elif parameter["required"] and value is None:
            if not parameter["secret"] or not sys.stdin.isatty():
                raise click.UsageError(f"{_flag(name)} is missing.")
            value = click.prompt(name.capitalize(), hide_input=True, confirmation_prompt=True)
        if value is not None:
            arguments[name] = value
    return arguments


def _read(file: Any) -> str:
    try:
        text: str = file.read()
    except UnicodeDecodeError:
        raise click.ClickException(f"{file.name} is not a UTF-8 text.") from None
    return text


def _help(declared: Mapping[str, Any]) -> str:
    """Return a command's help: what it does, its arguments (click describes options only), examples."""
    parts = [declared["help"]]
    arguments = [p for p in declared["parameters"] if not p["option"] and p["help"]]
    if arguments:
        lines = (f"  {_metavar(p)}  {p['help']}" for p in arguments)
        parts.append("\b\nArguments:\n" + "\n".join(lines))
    if declared["examples"]:
        lines = (f"  xmppctl {declared['name']} {example}".rstrip() for example in declared["examples"])
        parts.append("\b\nExamples:\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _metavar(parameter: Mapping[str, Any]) -> str:
    name: str = parameter["name"].upper()
    return name if parameter["required"] else f"[{name}]"
