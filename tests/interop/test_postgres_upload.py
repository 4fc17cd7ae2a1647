"""Uploads on a real PostgreSQL: slots, quotas and ends, where its statements and numbers are others than SQLite's."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from tests.interop import test_postgres
from tests.interop.test_postgres_archive import OnPostgres
from tests.plugins.http_upload import test_ends, test_faults, test_limits

_elsewhere = contextlib.ExitStack()


def setUpModule() -> None:
    """Have files that tests leave lie in a folder that is deleted."""
    test_postgres.setUpModule()
    _elsewhere.enter_context(contextlib.chdir(Path(_elsewhere.enter_context(tempfile.TemporaryDirectory()))))


def tearDownModule() -> None:
    _elsewhere.close()
    test_postgres.tearDownModule()


class Ends(OnPostgres, test_ends.EndTests):
    pass


class TwoHosts(OnPostgres, test_ends.TwoHostsTests):
    pass


class Limits(OnPostgres, test_limits.LimitTests):
    pass


class Faults(OnPostgres, test_faults.FaultTests):
    pass
