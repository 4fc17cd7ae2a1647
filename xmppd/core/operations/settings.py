"""Settings: ``setting list``, ``setting show``, ``setting set``. What they change is in the settings file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.core.option_fields import HIDDEN, Option, option_fields, plain, value_of
from xmppd.core.options import SettingsError, table_name, unknown_name
from xmppd.core.settings import Settings, is_fixed
from xmppd.core.settings_writer import UNSET, Change, SettingsFile, UnwritableError
from xmppd.wire.errors import Condition
from xmppd.wire.jid import Jid, JidError

if TYPE_CHECKING:
    from xmppd.core.server import Server

__all__ = [
    "SettingOperations", "checked", "file_of", "said", "setting_at", "split_name", "write_setting", "write_text",
    "written_host",
]  # fmt: skip
_NO_FILE = "this server has no settings file that could be changed"


class SettingOperations:
    """The settings of the server and its hosts; those of plugins have operations of their own."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @operation("setting list", permission=Permission.OPERATOR, safe=True, examples=("", "limits", "--changed"))
    async def list_settings(self, section: str = "", *, changed: bool = False) -> list[dict[str, Any]]:
        """List the settings in force. Secrets are not shown.

        :param section: only those of one table, such as `limits` or `hosts`.
        :param changed: only those that the settings file has.
        """
        if section and section not in Settings.model_fields:
            raise OperationError(unknown_name(section, Settings.model_fields, "settings"), Condition.ITEM_NOT_FOUND)
        settings, written = self._server.settings, await _written(self._server)
        rows = [
            _row(option, settings, written)
            for option in _all(settings)
            if option.path[0] == (section or option.path[0])
        ]
        return [row for row in rows if row["set"] or not changed]

    @operation(
        "setting show",
        permission=Permission.OPERATOR,
        safe=True,
        examples=("limits.stanza_octets", 'hosts."example.org".admins'),
    )
    async def show(self, name: str) -> dict[str, Any]:
        """Show one setting: what it is for, what it takes, and what it is now.

        :param name: table and option, such as `limits.stanza_octets`.
        """
        return _row(setting_at(split_name(name)), self._server.settings, await _written(self._server))

    @operation(
        "setting set",
        permission=Permission.OPERATOR,
        conceal="_concealed",
        examples=("limits.connections 20000", 'hosts."example.org".admins you@example.org', "server.log_level --reset"),
    )
    async def set(self, name: str, value: str | None = None, *, reset: bool = False) -> str:
        """Change one setting in the settings file, and put it in force.

        :param name: table and option, such as `limits.stanza_octets`.
        :param value: what it is to be; of a list, with commas between, or as TOML writes it.
        :param reset: take it out of the file instead, so that it has its default.
        """
        server, path = self._server, split_name(name)
        option = setting_at(path)
        new = checked(option, value, reset)
        problems = await write_setting(server, _change(path, new, await _written(server)), secret=option.secret)
        return said(name, option, new, problems)

    def _concealed(self, arguments: Mapping[str, Any]) -> Sequence[str]:
        try:
            secret = setting_at(split_name(str(arguments.get("name")))).secret
        except OperationError:
            secret = True  # nobody knows what it was meant to be
        return ("value",) if secret else ()


def _change(path: tuple[str, ...], new: Any, written: Mapping[str, Any]) -> Change:
    """Return what is to be changed in the file so that this option alone is another one."""
    section, *_ = path
    if section == "hosts":
        return ("hosts", written_host(written, path[1]), *path[2:]), new
    default = Settings.model_fields[section].get_default()
    if section not in written and new is not UNSET and isinstance(default, BaseModel):
        # Without its table, more may be on than with an empty one: the ports under [listen], for one.
        others = {name: plain(value) for name, value in default if value != type(default).model_fields[name].default}
        if others:
            return (section,), {**others, path[-1]: new}
    return path, new


def checked(option: Option, value: str | None, reset: bool) -> Any:
    """Return what is to be written. :raises OperationError: it isn't clear, or the value is none for that option."""
    if reset == (value is not None):
        raise OperationError("either a value is needed, or --reset")
    if value is None or (option.optional and value == ""):
        return UNSET
    try:
        return value_of(option, value)
    except ValueError as error:
        raise OperationError(f"{option.name}: {error}") from None


def said(name: str, option: Option, new: Any, problems: Sequence[str]) -> str:
    """Say what was done."""
    shown = HIDDEN if option.secret else json.dumps(plain(new), ensure_ascii=False) if new is not UNSET else ""
    first = f"{name} is {shown} now." if new is not UNSET else f"{name} is not in the settings file any more."
    return "\n".join([first, *problems])


def file_of(server: Server) -> SettingsFile:
    """Return the settings file. :raises OperationError: there is none, so that nothing can be changed."""
    if server.settings_file is None:
        raise OperationError(_NO_FILE, Condition.NOT_ACCEPTABLE)
    return server.settings_file


async def write_setting(
    server: Server, change: Change, check: Callable[[Settings], object] = lambda settings: None, secret: bool = False
) -> Sequence[str]:
    """Change one option in the settings file, then read it again.

    :param check: see :meth:`SettingsFile.change`.
    :param secret: the value must not be in what is said.
    :returns: what could not be put in force, in plain words.
    :raises OperationError: it can't be done; nothing is changed then.
    """
    reload = server.reload
    if reload is None:
        raise OperationError(_NO_FILE, Condition.NOT_ACCEPTABLE)
    await write_text(server, change, check, secret)
    try:
        return await reload()
    except SettingsError as error:
        return [f"The file is written, but it could not be read again: {error}"]


async def write_text(
    server: Server, change: Change, check: Callable[[Settings], object] = lambda settings: None, secret: bool = False
) -> None:
    """The same, without reading it again."""
    file = file_of(server)
    await file.lock.acquire()
    try:
        await server.run_in_thread(lambda: file.change(change, check))
    except UnwritableError as error:
        raise OperationError(str(error), Condition.NOT_ACCEPTABLE) from None
    except SettingsError as error:
        raise OperationError("that is no value for it" if secret else str(error), Condition.NOT_ACCEPTABLE) from None
    finally:
        file.lock.release()


async def _written(server: Server) -> Mapping[str, Any]:
    """The file as it is; nothing, if there is none or it can't be read."""
    file = server.settings_file
    if file is None:
        return {}
    try:
        return await server.run_in_thread(file.table)
    except SettingsError:
        return {}


def written_host(table: Mapping[str, Any], domain: str) -> str:
    """Return how the file writes the name of a host (RFC 7622 section 3.2 knows many ways)."""
    for name in table.get("hosts", {}):
        try:
            if Jid.parse(name).domain == domain:
                return str(name)
        except JidError:
            continue
    return domain


def _row(option: Option, settings: Settings, written: Mapping[str, Any]) -> dict[str, Any]:
    value: Any = settings
    for name in option.path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    row = option.row(_by_domain(written))
    if value is not None:
        row["value"] = plain(value) if not option.secret else HIDDEN if value else ""
    del row["option"]
    return {"setting": table_name(option.path)[1:-1], **row, "restart": is_fixed(option.path)}


def _by_domain(written: Mapping[str, Any]) -> dict[str, Any]:
    hosts = written.get("hosts", {})
    return {**written, "hosts": {_domain(name): table for name, table in hosts.items()}}


def _domain(name: str) -> str:
    try:
        return str(Jid.parse(name).domain)
    except JidError:
        return name


def split_name(name: str) -> tuple[str, ...]:
    """Return the parts of a name as TOML writes it. :raises OperationError: it is none."""
    try:
        table: Any = tomllib.loads(f"{name.strip()} = 0")
    except tomllib.TOMLDecodeError:
        table = {}
    parts = []
    while isinstance(table, dict) and len(table) == 1:
        ((part, table),) = table.items()
        parts.append(part)
    if len(parts) < 2 or table != 0:
        raise OperationError(f"{name!r} is no name of a setting, such as limits.connections")
    return tuple(parts)


def setting_at(path: Sequence[str]) -> Option:
    """Return the option of the server at that path. :raises OperationError: there is none."""
    model, prefix, rest = _model_at(path)
    for option in option_fields(model):
        if option.path == tuple(rest):
            return replace(option, path=(*prefix, *option.path))
    if len(prefix) == 2 and prefix[0] == "hosts" and len(rest) > 1:
        raise OperationError(f"options of plugins are changed by: plugin configure {rest[0]} {'.'.join(rest[1:])} ...")
    names = [option.name for option in option_fields(model)]
    where = table_name(prefix) if prefix else "settings"
    raise OperationError(unknown_name(".".join(rest), names, where), Condition.ITEM_NOT_FOUND)


def _model_at(path: Sequence[str]) -> tuple[type[BaseModel], Sequence[str], Sequence[str]]:
    """Return the innermost table, the path to it, and what is left of the path."""
    model: type[BaseModel] = Settings
    done = 0
    while done < len(path) - 1 and (field := model.model_fields.get(path[done])) is not None:
        keyed = _keyed(field.annotation)
        if keyed is not None and done + 2 < len(path):
            model, done = keyed, done + 2
        elif _is_model(field.annotation):
            model, done = field.annotation, done + 1  # type: ignore[assignment]  # _is_model says so
        else:
            break
    return model, path[:done], path[done:]


def _keyed(annotation: Any) -> type[BaseModel] | None:
    """Return the model of the tables in a mapping, if these are what it has."""
    if get_origin(annotation) is dict and _is_model(get_args(annotation)[1]):
        found: type[BaseModel] = get_args(annotation)[1]
        return found
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _all(table: BaseModel, path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Yield every setting there is, those of all hosts and components included."""
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            yield from _all(value, (*path, name))
        elif _keyed(field.annotation) is not None:
            for key, inner in value.items():
                yield from _all(inner, (*path, name, key))
        elif not field.exclude:
            (option,) = (one for one in option_fields(type(table)) if one.path == (name,))
            yield replace(option, path=(*path, name))
