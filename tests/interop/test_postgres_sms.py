"""The SMS gateway on a real PostgreSQL: what is tested on SQLite, once more, where it could be another thing."""

from __future__ import annotations

from tests.interop import test_postgres, test_postgres_archive
from tests.plugins import test_sms, test_sms_costs, test_sms_incoming

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule

OnPostgres = test_postgres_archive.OnPostgres


class Receipts(OnPostgres, test_sms.Receipts):
    pass


class Troubles(OnPostgres, test_sms.Troubles):
    pass


class Incoming(OnPostgres, test_sms_incoming.Incoming):
    pass


class InParts(OnPostgres, test_sms_incoming.InParts):
    pass


class Caps(OnPostgres, test_sms_costs.Caps):
    pass
