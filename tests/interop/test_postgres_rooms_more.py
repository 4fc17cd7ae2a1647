"""What rooms do beyond XEP-0045, on a real PostgreSQL: where the statements are other ones than on SQLite."""

from __future__ import annotations

from tests.interop import test_postgres
from tests.interop.test_postgres_archive import OnPostgres
from tests.plugins.muc import test_avatar, test_missing, test_searching, test_tokens, test_versions

setUpModule = test_postgres.setUpModule
tearDownModule = test_postgres.tearDownModule


class Searching(OnPostgres, test_searching.Searching):
    pass


class Indicators(OnPostgres, test_missing.Indicators):
    pass


class Avatars(OnPostgres, test_avatar.Avatars):
    pass


class Tokens(OnPostgres, test_tokens.TokenTests):
    pass


class Versions(OnPostgres, test_versions.Versions):
    pass
