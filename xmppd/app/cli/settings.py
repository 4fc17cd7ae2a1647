"""Which settings the command line works with: the file that is named, or those of a server without a file."""

from __future__ import annotations

from pathlib import Path

from xmppd.app.firststart import default_settings_file
from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings
from xmppd.core.settings_file import load

__all__ = ["find_settings"]


def find_settings(config: Path | None) -> Settings:
    """Return the settings in the file `config`; or, without one, those `twistd xmppd` starts with.

    :raises SettingsError: they can't be read or are wrong.
    """
    if config is None:
        config = default_settings_file()
    if config is None:
        raise SettingsError(["name the settings file: xmppctl -c CONFIG.toml"])
    return load(config)
