"""The push service on a real PostgreSQL: registrations, and what survives the server."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from tests.interop import test_postgres
from tests.interop.test_postgres_archive import OnPostgres
from tests.plugins.push_service import test_commands, test_queue

_elsewhere = contextlib.ExitStack()


def setUpModule() -> None:
    """Have files that tests leave lie in a folder that is deleted."""
    test_postgres.setUpModule()
    _elsewhere.enter_context(contextlib.chdir(Path(_elsewhere.enter_context(tempfile.TemporaryDirectory()))))


def tearDownModule() -> None:
    _elsewhere.close()
    test_postgres.tearDownModule()


class Limits(OnPostgres, test_commands.Limits):
    pass


class Survival(OnPostgres, test_queue.Survival):
    pass
