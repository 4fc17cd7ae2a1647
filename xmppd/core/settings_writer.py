"""Change one option in a settings file, and leave everything else as its author wrote it: comments, order, spaces.

The new text is checked before it is written: it has to say what was asked for and nothing else, and the server has to
accept it. It is written beside the file, and put into its place when it is on disk: there is always a whole one.
"""

from __future__ import annotations

import copy
import os
import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from twisted.internet.defer import DeferredLock

from xmppd.core.options import SettingsError, table_name
from xmppd.core.settings import Settings
from xmppd.core.settings_file import load, parse

__all__ = ["UNSET", "SettingsFile", "UnwritableError", "edited"]

UNSET = object()
"""In place of a value: the option is taken out, and has its default again."""

Change = tuple[Sequence[str], Any]
"""Where, by the names of tables and of the option, and what it is to be: what TOML can hold, or :data:`UNSET`."""


class UnwritableError(SettingsError):
    """Not the value is wrong: the file can't be changed."""


def edited(text: str, change: Change, where: str = "the settings") -> str:
    """Return a settings file with one option changed.

    :param text: what is in the file.
    :param where: what to call it in errors.
    :raises SettingsError: it is no TOML, or so written that it can't be changed here.
    """
    path, value = change
    try:
        expected, document = tomllib.loads(text), tomlkit.parse(text)
        _put(expected, path, value, dict)
        _put(document, path, value if value is UNSET else copy.deepcopy(value), tomlkit.table)
        result = tomlkit.dumps(document)
        if tomllib.loads(result) == expected:
            return result
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{where}: this is not TOML: {error}"]) from None
    except (TOMLKitError, TypeError, KeyError, ValueError):
        pass  # the tools for it know many ways to write a table, but not all
    name = f"{table_name(path[:-1])} {path[-1]}"
    raise UnwritableError(
        [f"{where}: {name} can't be changed here, because of how its table is written; edit the file"]
    )


def _put(table: MutableMapping[str, Any], path: Sequence[str], value: Any, new: Callable[[], Any]) -> None:
    *outer, key = path
    for name in outer:
        if name not in table:
            if value is UNSET:
                return
            table[name] = new()
        table = table[name]
    if value is not UNSET:
        table[key] = value
    elif key in table:
        del table[key]


class SettingsFile:
    """The settings file of a running server.

    Its methods block. :meth:`change` holds `lock` while others may want to change it as well.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = DeferredLock()

    def read(self) -> Settings:
        """Return what it says now. :raises SettingsError: see :func:`xmppd.core.settings_file.load`."""
        return load(self.path)

    def table(self) -> Mapping[str, Any]:
        """Return it as it is written, without defaults. :raises SettingsError: it can't be read."""
        try:
            return tomllib.loads(self._text())
        except tomllib.TOMLDecodeError as error:
            raise SettingsError([f"{self.path}: this is not TOML: {error}"]) from None

    def change(self, change: Change, check: Callable[[Settings], object] = lambda settings: None) -> Settings:
        """Change one option, and return what the file says then.

        :param check: is given that before it is written, and raises SettingsError if it won't do.
        :raises SettingsError: it can't be read or written, or would be wrong; then the file is as it was.
        """
        old = self._text()
        text = edited(old, change, str(self.path))
        settings = parse(text, str(self.path), self.path.absolute().parent)
        check(settings)
        if text != old:
            try:
                _replace(Path(os.path.realpath(self.path)), text.encode())
            except OSError as error:
                raise UnwritableError(
                    [f"{self.path} can't be written: {error.strerror}; the server's user has to be allowed to write it"
                     " and its folder"]
                ) from None  # fmt: skip
        return settings

    def _text(self) -> str:
        try:
            return self.path.read_text("utf-8")
        except UnicodeDecodeError:
            raise SettingsError([f"{self.path}: this is not a UTF-8 text"]) from None
        except OSError as error:
            raise UnwritableError([f"{self.path} can't be read: {error.strerror}"]) from None


def _replace(path: Path, data: bytes) -> None:
    """Put `data` into the place of a file that is there, with its mode and owner. Blocks; raises OSError."""
    if not os.access(path, os.W_OK):  # a folder that is writable would let us replace what we may not write
        raise PermissionError(13, "permission denied")
    state = path.stat()
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        beside.unlink(missing_ok=True)  # of a server that was killed meanwhile
        with open(beside, "xb", opener=_private) as file:
            file.write(data)
            with suppress(PermissionError):
                os.fchown(file.fileno(), state.st_uid, state.st_gid)
            os.fchmod(file.fileno(), state.st_mode & 0o7777)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
