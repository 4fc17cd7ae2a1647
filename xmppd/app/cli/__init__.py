"""``xmppctl``: the operator's command line.

What it can do is what the operations declare (:mod:`xmppd.api.operations`): those of the running server, which it
reaches through the admin socket, plugins' included; or, without a server, those that need only the database.

Exit codes: 0 done, 1 it can't be done (or what was tested is not good), 2 the command line is wrong, 3 a running server
is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xmppd import __version__
from xmppd.api.operations import OperationError
from xmppd.api.storage import StorageUnavailable
from xmppd.app.cli.backend import Backend, NotRunning, OfflineBackend, ServerBackend, connect, declarations
from xmppd.app.cli.check import check_command
from xmppd.app.cli.commands import command_tree
from xmppd.app.cli.settings import find_settings
from xmppd.app.cli.show import progress_bar, show
from xmppd.core.options import SettingsError
from xmppd.core.settings import Settings

__all__ = ["Failed", "main", "xmppctl"]

HELP = """Look after an xmppd server.

Commands go to the running server of the settings file. While none runs, those on accounts work directly on its
database. Plugins of the running server add commands of their own, such as `roster` and `announce`.

\b
Examples:
  xmppctl -c /etc/xmppd.toml check            is everything in order?
  xmppctl user add romeo@example.org          make an account, show its password
  xmppctl user import users.csv               make thousands
  xmppctl session list                        who is connected?
  xmppctl plugin info roster                  what does it do, what does it cost?
  xmppctl user list --json                    for a script

\b
Exit codes:
  0  done     1  it can't be done     2  wrong usage     3  a running server is needed
"""


_BACKEND, _OPERATIONS = "xmppctl.backend", "xmppctl.operations"


class Failed(click.ClickException):
    """It can't be done: one sentence says why."""


class NeedsServer(Failed):
    """It can't be done without a running server."""

    exit_code = 3


class _Root(click.Group):
    """Its commands are found out when they are asked for, because the server knows more of them than we do."""

    def list_commands(self, context: click.Context) -> list[str]:
        _have_some_operations(context)
        return sorted({*super().list_commands(context), *_tree(context, _operations(context))})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or _tree(context, _operations(context)).get(name)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if {"-h", "--help"} & set(args):
            _have_some_operations(context)
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            if isinstance(context.meta.get(_BACKEND), OfflineBackend):
                more = "No server is running; commands of its plugins are there when it does."
                raise click.UsageError(f"{error.message} {more}", context) from None
            raise


def _tree(context: click.Context, operations: list[dict[str, Any]]) -> dict[str, click.Command]:
    """Return the commands for operations."""

    def run(name: str, arguments: dict[str, Any], host: str | None, as_json: bool) -> None:
        try:
            with progress_bar(name) as progress:
                result = _backend(context).run(name, arguments, host, progress)
        except NotRunning as error:
            raise NeedsServer(str(error)) from None
        except OperationError as error:
            raise Failed(str(error)) from None
        except StorageUnavailable as error:
            raise Failed(f"the database can't be used now: {error.reason}") from None
        show(result, as_json or bool(context.params.get("as_json")))
        if isinstance(result, dict) and result.get("ok") is False:
            context.exit(1)  # what was to be tested is not good

    return command_tree(operations, run)


def _have_some_operations(context: click.Context) -> None:
    """Make sure that there are operations to give help on, whatever is wrong with the settings or the server."""
    try:
        _operations(context)
    except Failed:
        context.meta[_OPERATIONS] = declarations()


def _operations(context: click.Context) -> list[dict[str, Any]]:
    """Return the declarations of what can be run. Raises Failed."""
    if _OPERATIONS not in context.meta:
        try:
            context.meta[_OPERATIONS] = _backend(context).operations()
        except NotRunning as error:
            raise NeedsServer(str(error)) from None
    found: list[dict[str, Any]] = context.meta[_OPERATIONS]
    return found


def _backend(context: click.Context) -> Backend:
    """Return who runs operations. Raises Failed."""
    if _BACKEND not in context.meta:
        try:
            backend = connect(load_settings(context.params.get("config")))
        except NotRunning as error:
            raise NeedsServer(str(error)) from None
        context.meta[_BACKEND] = backend
        if isinstance(backend, ServerBackend):
            context.find_root().call_on_close(backend.close)
    found: Backend = context.meta[_BACKEND]
    return found


def load_settings(config: Path | None) -> Settings:
    """Read the settings file, or what a server without one uses. Raises Failed."""
    try:
        return find_settings(config)
    except SettingsError as error:
        raise Failed(str(error)) from None


@click.group(cls=_Root, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    help="The server's settings file. Without it, the data folder that a server without settings uses.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.version_option(__version__, prog_name="xmppctl")
def xmppctl(config: Path | None, as_json: bool) -> None:
    """See HELP."""


xmppctl.add_command(check_command)


def main() -> None:
    """The console script."""
    xmppctl(prog_name="xmppctl")
