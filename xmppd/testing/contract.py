"""What every plugin must do, whatever it is for.

A package of plugins gets these tests for each of its own with
``globals().update(contracts(PackageSource("acme_xmppd"), __name__))`` in a test module.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Connection, select, text
from twisted.trial.unittest import FailTest

from xmppd.api.operations import operations_of
from xmppd.api.plugin import Component, Dependency, Plugin
from xmppd.core.plugins.sources import Source
from xmppd.core.storage import migrate, open_engines, schema_differences
from xmppd.testing.case import ServerTestCase
from xmppd.testing.sources import installed_sources
from xmppd.wire.jid import Jid

__all__ = ["PluginContract", "contracts"]

_UNKNOWN = "<iq type='{type}' id='{id}' to='{to}'><unknown xmlns='urn:example:unknown'/></iq>"
_UNAVAILABLE = (
    "<iq type='error' id='{id}' from='{to}'>{{...}}<error type='cancel'>{{...}}"
    "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
)


def contracts(source: Source, module: str, first_schemas: Path | None = None) -> dict[str, type[PluginContract]]:
    """Return a test case for each plugin of a source, by its name.

    :param module: ``__name__`` of the module that holds them.
    :param first_schemas: folder with ``PLUGIN.sql`` for each plugin that has migrations: its tables as they were first.
    """
    cases: dict[str, type[PluginContract]] = {}
    for name in source.names():
        title = f"{''.join(part.title() for part in name.split('_'))}Contract"
        place = {"__module__": module, "__qualname__": title, "sources": (source,)}
        cases[title] = type(
            title,
            (PluginContract,),
            place | {"plugin_name": name, "first_schemas": first_schemas},
        )
    return cases


class PluginContract(ServerTestCase):
    """Tests of one plugin; made by :func:`contracts`."""

    plugin_name: ClassVar[str] = ""
    first_schemas: ClassVar[Path | None] = None

    def setUp(self) -> None:
        sources = [*self.sources, *installed_sources()]
        self.cls = _load(self.plugin_name, sources)
        self.plugins = tuple(_needed(self.cls, sources))  # type: ignore[misc]
        super().setUp()

    def _enable(self) -> Plugin:
        self.wait(self.host.registry.enable(self.plugin_name))
        plugin: Plugin = self.plugin(self.plugin_name)
        return plugin

    # What it says of itself

    def test_docstrings(self) -> None:
        """The class says in a sentence what the plugin is for, the module what it implements."""
        module = inspect.getmodule(self.cls)
        assert module is not None
        self.assertTrue(module.__doc__, "the module has no docstring")
        summary = (self.cls.__doc__ or "").strip().partition("\n\n")[0]
        self.assertTrue(summary.endswith("."), f"the class docstring doesn't begin with a sentence: {summary!r}")
        self.assertNotEqual(summary, (Plugin.__doc__ or "").partition("\n\n")[0], "the class has no docstring")

    def test_xep(self) -> None:
        """XEPs are given by number and version."""
        stated: Any = self.cls.xep
        for xep in (stated,) if stated and isinstance(stated[0], int) else stated:
            number, version = xep
            self.assertTrue(isinstance(number, int) and 1 <= number <= 9999, f"no number of a XEP: {number!r}")
            self.assertRegex(version, r"\A\d+(\.\d+){1,2}\Z")

    def test_options(self) -> None:
        """There are defaults for all, they are valid, and every option is described."""
        model = self.cls.Options
        defaults = model()
        self.assertEqual(model.model_validate_json(defaults.model_dump_json()), defaults)
        self.assertEqual(model.model_config.get("extra"), "forbid")
        for name, field in model.model_fields.items():
            self.assertTrue(field.description, f"the option {name} has no description")

    def test_operations(self) -> None:
        """Operations and their parameters are described."""
        for operation in operations_of(self._enable()):
            self.assertTrue(operation.help, f"the operation {operation.name} has no help")
            for parameter in operation.parameters:
                self.assertTrue(parameter.help, f"{operation.name}: {parameter.name} has no help")

    def test_features_are_unique(self) -> None:
        """No disco feature is listed twice."""
        for features in (self.cls.features, self.cls.account_features):
            self.assertEqual(len(features), len(set(features)))

    # What it does to the server

    def test_enable_and_disable_leave_nothing(self) -> None:
        """After it is disabled everything is as it was before it was enabled."""
        before = self._footprint()
        self._enable()
        self.wait(self.host.registry.disable(self.plugin_name))
        self.assertEqual(self._footprint(), before)

    def test_use_leaves_nothing(self) -> None:
        """The same if it was enabled while users were there, who left before it is disabled."""
        before = self._footprint()
        self._enable()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        juliet = self.login("juliet@example.org/balcony", presence=True)
        romeo.send("<message to='{juliet}' type='chat' id='1'><body>hi</body></message>")
        romeo.send("<message to='nurse@example.org' type='chat' id='2'><body>hi</body></message>")
        self.pump(2)
        romeo.close()
        juliet.disconnect()
        self.wait(self.host.registry.disable(self.plugin_name))
        self.assertEqual(self._footprint(), before)

    def test_enabled_with_users_online(self) -> None:
        """It may come and go while sessions are open, which go on."""
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self._enable()
        romeo.send("<presence><status>there</status></presence>")
        self.wait(self.host.registry.reload(self.plugin_name))
        romeo.send("<presence/>")
        romeo.clear()
        self.wait(self.host.registry.disable(self.plugin_name))
        romeo.send("<presence type='unavailable'/>")
        romeo.expect_open()

    def _footprint(self) -> dict[str, object]:
        """What a plugin could leave behind."""
        host, server = self.host, self.server.server
        table = host.tables
        return {
            "filters": {
                slot: {kind: [h.label for h in handlers] for kind, handlers in getattr(table, slot).items()}
                for slot in ("from_client", "to_account", "to_host", "to_device", "undeliverable")
            },
            "observers": {event.__name__: [h.label for h in found] for event, found in table.observers.items()},
            "iq": {scope.name: sorted(handlers) for scope, handlers in table.iq.items()},
            "nonzas": sorted(table.nonzas),
            "stream features": [h.label for h in table.stream_features],
            "bind features": sorted(table.bind_features),
            "bound elements": [h.label for h in table.bound_elements],
            "domains": sorted(server.router.owners),
            "features": (host.features(), host.account_features(), host.identities()),
            "components": dict(host.components()),
            "operations": sorted(server.operations.entries()),
            "calls": sorted(str(call.func) for call in self.clock.getDelayedCalls()),
            "plugins": [plugin.name for plugin in host.registry.loaded()],
        }

    # What its users see

    def test_unknown_iq(self) -> None:
        """What nobody knows is answered with service-unavailable (RFC 6120 8.4), by host, account and component."""
        plugin = self._enable()
        self.account("juliet@example.org")
        romeo = self.login("romeo@example.org/orchard")
        targets = ["example.org", "romeo@example.org", "juliet@example.org"]
        if isinstance(plugin, Component):
            targets.append(str(plugin.jid))
        romeo.clear()
        for number, to in enumerate(targets):
            for type_ in ("get", "set"):
                values = {"type": type_, "id": f"{type_}{number}", "to": to}
                romeo.send(_UNKNOWN.format(**values))
                romeo.expect(_UNAVAILABLE.format(**values))

    # What it keeps

    def test_schema(self) -> None:
        """A new database has the declared tables."""
        self._enable()
        with self.server.engines.write.connect() as connection:
            self.assertEqual(schema_differences(connection, self.cls.tables), [])

    def test_migrations(self) -> None:
        """A database of the first version has the declared tables after all migrations."""
        if not self.cls.migrations:
            return
        assert self.first_schemas is not None, "there are migrations, but no first schema to begin with"
        first = (self.first_schemas / f"{self.plugin_name}.sql").read_text("utf-8")
        engines = open_engines("sqlite://")
        self.addCleanup(engines.dispose)
        migrate(engines.write, self.plugin_name, ())
        with engines.write.begin() as connection:
            for statement in filter(str.strip, first.split(";")):
                connection.execute(text(statement))
            connection.execute(text("UPDATE xmppd_schema SET version = 0"))
        migrate(engines.write, self.plugin_name, self.cls.tables, self.cls.migrations)
        with engines.write.connect() as connection:
            self.assertEqual(schema_differences(connection, self.cls.tables), [])

    def test_deleted_account(self) -> None:
        """Nothing is kept of an account that was deleted."""
        self._enable()
        romeo = self.login("romeo@example.org/orchard", presence=True)
        self.account("juliet@example.org")
        romeo.send("<message to='juliet@example.org' type='chat' id='1'><body>hi</body></message>")
        romeo.send("<presence to='juliet@example.org' type='subscribe'/>")
        self.wait(self.host.delete_account(Jid.parse("juliet@example.org")))
        with self.server.engines.read.connect() as connection:
            self.assertEqual(list(self._owned(connection, "juliet@example.org")), [])

    def _owned(self, connection: Connection, account: str) -> Iterable[str]:
        for table in self.cls.tables:
            if "account" in table.c:
                for row in connection.execute(select(table).where(table.c.account == account)):
                    yield f"{table.name}: {row}"


def _load(name: str, sources: Iterable[Source]) -> type[Plugin]:
    for source in sources:
        if name in source.names():
            return source.load(name)
    raise LookupError(name)


def _needed(cls: type[Plugin], sources: Sequence[Source]) -> list[str]:
    """Names of the plugins without which this one can't be enabled, those first that the others need."""
    classes = {name: source.load(name) for source in reversed(sources) for name in source.names()}
    providers = {interface: name for name, found in classes.items() for interface in found.provides}
    names: list[str] = []
    for attribute in dir(cls):
        dependency = getattr(cls, attribute, None)
        if isinstance(dependency, Dependency) and dependency.required:
            if dependency.interface not in providers:
                raise FailTest(f"nobody provides {dependency.interface.__name__}, which {cls.__name__} needs")
            provider = providers[dependency.interface]
            names += [n for n in (*_needed(classes[provider], sources), provider) if n not in names]
    return names
