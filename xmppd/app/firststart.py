"""Starting without a settings file: a data folder with settings and a certificate, for this machine alone."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from xmppd.core.options import SettingsError
from xmppd.core.settings_file import load
from xmppd.net.tls.certificates import CertificateError, ensure

SETTINGS_FILE = "xmppd.toml"
_PORTS = {"c2s": 5222, "c2s_tls": 5223, "http": 5280, "https": 5281}

_SETTINGS = """\
# Settings of xmppd, written by its first start. A server with this file serves the domain "localhost", to programs
# on this machine only. docs/configuration.md lists every option; contrib/xmppd.toml is an example with all of them.

[server]
data_dir = "."  # the database and the certificates are beside this file

[listen]
c2s = [{c2s}]
c2s_tls = [{c2s_tls}]
http = [{http}]
https = [{https}]

[hosts.localhost]
# admins = ["you@localhost"]
"""

_WORDS = """\
No settings file was named (-c FILE), so xmppd made what it needs in {folder}:
  {settings}   the settings; change them and start again
  certs        a certificate for "localhost" that the server signed itself
  The database (SQLite) will be there too.

It serves the domain "localhost", to programs on this machine only: on port 5222 (STARTTLS) and 5223 (TLS),
and by WebSocket and BOSH on port 5280 (HTTP) and 5281 (HTTPS).

To make a user, type this in another terminal:
  {xmppctl} user add you@localhost
Then log in with any XMPP program on this machine as you@localhost. It will warn that nobody vouches for the
certificate, which is so: accept it, this is your own machine.

To serve a domain of your own, start from the example in contrib/xmppd.toml.
"""


def default_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the data folder of a server without a settings file.

    It doesn't depend on where the server is started: systemd's state directory, or ``xmppd`` under the user's data
    folder (XDG base directory specification).

    :raises SettingsError: there is no such place.
    """
    state = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if state:
        return Path(state)
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):  # anything else is to be ignored, the specification says
        return Path(data) / "xmppd"
    try:
        return Path.home() / ".local/share/xmppd"
    except RuntimeError:
        raise SettingsError(["there is no home folder to keep data in; name a settings file with -c FILE"]) from None


def default_settings_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the settings file that the first start made in the default folder, or None if it hasn't been."""
    path = default_folder(environment) / SETTINGS_FILE
    return path if path.exists() else None


def first_start(folder: Path, now: datetime) -> tuple[Path, str]:
    """Make sure that there are settings and a certificate in `folder`; what is there is left as it is.

    :param now: with a time zone.
    :returns: the settings file, and what to tell the operator.
    :raises SettingsError: a file can't be written, or the settings there are wrong.
    """
    folder = folder.expanduser().absolute()
    path = folder / SETTINGS_FILE
    if path.exists():
        return path, f"No settings file was named (-c FILE), so xmppd uses {path}\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_SETTINGS.format(**{name: _endpoints(port) for name, port in _PORTS.items()}))
        settings = load(path)
        for host in settings.hosts:
            ensure(settings, host, now)
    except OSError as error:
        raise SettingsError([f"{error.filename or folder}: can't be written: {error.strerror}"]) from None
    except CertificateError as error:
        raise SettingsError([str(error)]) from None
    return path, _WORDS.format(folder=folder, settings=SETTINGS_FILE, xmppctl=_xmppctl(path))


def _xmppctl(path: Path) -> str:
    """Return how to call the command-line tool for the settings in `path`."""
    with suppress(SettingsError):
        if path.parent == default_folder():
            return "xmppctl"
    return f"xmppctl -c {shlex.quote(str(path))}"


def _endpoints(port: int) -> str:
    endpoints = [f'"tcp:{port}:interface=127.0.0.1"']
    if _has_ipv6():
        endpoints.append(f"'tcp6:{port}:interface=\\:\\:1'")
    return ", ".join(endpoints)


def _has_ipv6() -> bool:
    """Does the machine have the loopback address of IPv6, where "localhost" may lead?"""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
