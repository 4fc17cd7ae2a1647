"""Kept answers, pages and webhooks on a real PostgreSQL: what is tested on SQLite, once more."""

from __future__ import annotations

from tests.interop import test_postgres, test_postgres_archive
from tests.plugins.rest import test_idempotency, test_requests
from tests.plugins.webhooks import test_webhooks

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule

OnPostgres = test_postgres_archive.OnPostgres


class Keys(OnPostgres, test_idempotency.IdempotencyTests):
    pass


class Pages(OnPostgres, test_requests.PageTests):
    pass


class Delivery(OnPostgres, test_webhooks.DeliveryTests):
    pass
