"""PEP on a real PostgreSQL: what is tested on SQLite, once more."""

from __future__ import annotations

from tests.interop import test_postgres, test_postgres_archive
from tests.plugins import test_pep, test_pep_displayed, test_pep_notices

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule

OnPostgres = test_postgres_archive.OnPostgres


class Publishing(OnPostgres, test_pep.Publishing):
    pass


class Retracting(OnPostgres, test_pep.Retracting):
    pass


class Limits(OnPostgres, test_pep.Limits):
    pass


class OwnDevices(OnPostgres, test_pep_notices.OwnDevices):
    pass


class Contacts(OnPostgres, test_pep_notices.Contacts):
    pass


class Assist(OnPostgres, test_pep_displayed.Assist):
    pass
