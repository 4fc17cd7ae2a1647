"""Plugins found, ordered, started, changed and stopped while the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from xmppd.api import Component, Field, Iq, Options, Plugin, iq_get, need, use
from xmppd.core.plugins.registry import wanted_names
from xmppd.core.plugins.sources import DirectorySource, PluginError
from xmppd.core.settings_file import from_table
from xmppd.testing import ClassSource, ServerTestCase

_STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"


class IClock(Protocol):
    """Tells the time."""

    def time(self) -> str: ...


class ITower(Protocol):
    """Rings."""


class Clock(Plugin):
    """Tell the time."""

    provides = (IClock,)
    history: list[str]

    class Options(Options):
        """Of the clock."""

        time: str = Field("noon", description="What time it is.")

    async def start(self) -> None:
        self.history = ["start"]
        self.every(60, lambda: None)

    async def stop(self) -> None:
        self.history.append("stop")

    async def reconfigured(self, options: Any) -> None:
        self.history.append(f"options {options.time}")

    def time(self) -> str:
        return str(self.options.time)

    @iq_get("urn:example:time", "time")
    def answer(self, request: Iq) -> Iq:
        return request.result(f"<time xmlns='urn:example:time'>{self.time()}</time>".encode())


class Bell(Plugin):
    """Ring when it is time."""

    clock_ = need(IClock)
    tower = use(ITower)


class Ringer(Plugin):
    """Need the bell's clock, too."""

    clock_ = need(IClock)


class Tower(Plugin):
    """Be high."""

    provides = (ITower,)
    clock_ = use(IClock)


class Broken(Plugin):
    """Fail to start."""

    async def start(self) -> None:
        self.later(5, lambda: None)
        raise ZeroDivisionError("as it should")


class Rival(Plugin):
    """Answer what the clock answers."""

    stopped = False

    async def start(self) -> None:
        self.later(5, lambda: None)

    async def stop(self) -> None:
        type(self).stopped = True

    @iq_get("urn:example:time", "time")
    def answer(self, request: Iq) -> Iq:
        return request.result()


class Clumsy(Plugin):
    """Fail to stop."""

    async def stop(self) -> None:
        raise ZeroDivisionError


class Rooms(Component):
    """Own a domain."""

    label = "rooms"

    @iq_get("urn:example:time", "time")
    def answer(self, request: Iq) -> Iq:
        return request.result()


class Halls(Component):
    """Want the same domain."""

    class Options(Component.Options):
        """Where it is."""

        domain: str = Field("rooms.example.org", description="The domain.")


_ALL = (Clock, Bell, Ringer, Tower, Broken, Rival, Clumsy, Rooms, Halls)
_ASK = "<iq type='get' id='1' to='{to}'><time xmlns='urn:example:time'/></iq>"


class Life(ServerTestCase):
    plugins = ()
    sources = (ClassSource(*_ALL),)

    def setUp(self) -> None:
        super().setUp()
        self.registry = self.host.registry
        self.romeo = self.login("romeo@example.org/orchard")

    def loaded(self) -> list[str]:
        return [plugin.name for plugin in self.registry.loaded()]

    def refused(self, change: Any) -> str:
        with self.assertRaises(PluginError) as caught:
            self.wait(change)
        return str(caught.exception)

    def assertAnswered(self, to: str = "example.org") -> None:
        self.romeo.send(_ASK.format(to=to))
        self.romeo.expect("<iq type='result' id='1'>{any}</iq>")

    def assertNotAnswered(self, condition: str = "service-unavailable", to: str = "example.org") -> None:
        self.romeo.send(_ASK.format(to=to))
        self.romeo.expect(
            "<iq type='error' id='1'>{...}<error type='cancel'>{...}<"
            + condition
            + f" xmlns='{_STANZAS}'/></error></iq>"
        )

    def test_enable_and_disable(self) -> None:
        self.assertNotAnswered()
        self.wait(self.registry.enable("clock"))
        self.assertAnswered()
        clock = self.plugin("clock")
        self.wait(self.registry.disable("clock"))
        self.assertNotAnswered()
        self.assertEqual(clock.history, ["start", "stop"])

    def test_unknown(self) -> None:
        self.assertEqual(self.refused(self.registry.enable("clok")), "there is no plugin 'clok'; did you mean 'clock'?")
        self.assertIn("is not enabled", self.refused(self.registry.disable("clock")))
        self.assertIn("is not enabled", self.refused(self.registry.reload("clock")))

    def test_twice(self) -> None:
        self.wait(self.registry.enable("clock"))
        self.assertEqual(self.refused(self.registry.enable("clock")), "plugin clock is enabled already")
        self.assertEqual(self.plugin("clock").history, ["start"])

    def test_needs(self) -> None:
        self.assertIn("needs a plugin that provides IClock", self.refused(self.registry.enable("bell")))
        self.wait(self.registry.enable("clock"))
        self.wait(self.registry.enable("bell"))
        self.assertEqual(self.plugin("bell").clock_.time(), "noon")
        self.assertEqual(
            self.refused(self.registry.disable("clock")), "plugin clock can't be disabled: plugin bell needs it"
        )
        self.wait(self.registry.disable("bell"))
        self.wait(self.registry.disable("clock"))

    def test_uses(self) -> None:
        """What a plugin makes use of may come and go."""
        for name in ("clock", "bell"):
            self.wait(self.registry.enable(name))
        self.assertIsNone(self.plugin("bell").tower)
        self.wait(self.registry.enable("tower"))
        self.assertIs(self.plugin("bell").tower, self.plugin("tower"))
        self.wait(self.registry.disable("tower"))
        self.assertIsNone(self.plugin("bell").tower)

    def test_failing_start(self) -> None:
        calls = len(self.clock.getDelayedCalls())
        self.assertEqual(
            self.refused(self.registry.enable("broken")),
            "plugin broken could not be started: ZeroDivisionError: as it should",
        )
        self.assertEqual(len(self.clock.getDelayedCalls()), calls)
        self.assertEqual(self.loaded(), [])
        (info,) = [info for info in self.registry.infos() if info.name == "broken"]
        self.assertEqual((info.loaded, info.error), (False, "ZeroDivisionError: as it should"))

    def test_failing_stop(self) -> None:
        self.wait(self.registry.enable("clumsy"))
        self.wait(self.registry.disable("clumsy"))
        self.assertEqual(self.loaded(), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_conflict(self) -> None:
        """The second of two that answer the same is refused, named, and stopped; the first goes on."""
        self.wait(self.registry.enable("clock"))
        calls = len(self.clock.getDelayedCalls())
        refusal = self.refused(self.registry.enable("rival"))
        self.assertIn("plugins clock and rival both answer iq-get urn:example:time time (host)", refusal)
        self.assertTrue(Rival.stopped)
        self.assertEqual(len(self.clock.getDelayedCalls()), calls)
        self.assertAnswered()

    def test_component(self) -> None:
        self.assertNotAnswered("remote-server-not-found", to="rooms.example.org")
        self.wait(self.registry.enable("rooms"))
        self.assertAnswered(to="rooms.example.org")
        self.assertNotAnswered()
        self.assertEqual([str(jid) for jid in self.host.components()], ["rooms.example.org"])
        self.wait(self.registry.disable("rooms"))
        self.assertNotAnswered("remote-server-not-found", to="rooms.example.org")

    def test_domain_that_is_taken(self) -> None:
        self.wait(self.registry.enable("rooms"))
        self.assertIn("the domain rooms.example.org is taken already", self.refused(self.registry.enable("halls")))
        self.assertAnswered(to="rooms.example.org")

    def test_figures_outlive_changes(self) -> None:
        """What handlers have cost is still known when another plugin was enabled."""
        for name in ("clock", "rooms"):
            self.wait(self.registry.enable(name))
        self.assertAnswered()
        self.assertAnswered(to="rooms.example.org")
        self.wait(self.registry.enable("tower"))
        for name in ("clock", "rooms"):
            self.assertEqual([handler.stats.calls for handler in self.registry.handlers(name)], [1], name)
        self.wait(self.registry.disable("clock"))
        self.assertEqual({plugin.name: cost.calls for (plugin, _), cost in self.registry.figures.items()}, {"rooms": 1})

    def test_reload(self) -> None:
        self.wait(self.registry.enable("clock"))
        old = self.plugin("clock")
        self.wait(self.registry.reload("clock"))
        self.assertEqual(old.history, ["start", "stop"])
        self.assertIsNot(self.plugin("clock"), old)
        self.assertAnswered()

    def test_reload_of_what_others_need(self) -> None:
        for name in ("clock", "bell", "tower", "ringer"):
            self.wait(self.registry.enable(name))
        tower = self.plugin("tower")
        self.wait(self.registry.reload("clock"))
        self.assertEqual(sorted(self.loaded()), ["bell", "clock", "ringer", "tower"])
        self.assertIs(self.plugin("bell").clock_, self.plugin("clock"))
        self.assertIs(self.plugin("tower"), tower)
        self.assertIs(tower.clock_, self.plugin("clock"))

    def test_reconfigure(self) -> None:
        self.wait(self.registry.enable("clock"))
        self.wait(self.registry.reconfigure("clock", {"time": "midnight"}))
        self.assertEqual(self.plugin("clock").history, ["start", "options midnight"])
        self.romeo.send(_ASK.format(to="example.org"))
        self.romeo.expect("<iq type='result' id='1'><time xmlns='urn:example:time'>midnight</time></iq>")

    def test_reconfigure_with_nonsense(self) -> None:
        self.wait(self.registry.enable("clock"))
        for table in ({"time": 5}, {"tim": "noon"}):
            self.assertIn('[hosts."example.org".clock]', self.refused(self.registry.reconfigure("clock", table)))
        self.assertEqual(self.plugin("clock").options.time, "noon")

    def test_reconfigured_domain(self) -> None:
        self.wait(self.registry.enable("rooms"))
        self.wait(self.registry.reconfigure("rooms", {"domain": "halls.example.org"}))
        self.assertAnswered(to="halls.example.org")
        self.assertNotAnswered("remote-server-not-found", to="rooms.example.org")

    def test_reconfigured_domain_that_is_taken(self) -> None:
        self.wait(self.registry.enable("rooms"))
        self.assertIn("is taken", self.refused(self.registry.reconfigure("rooms", {"domain": "example.org"})))
        self.assertAnswered(to="rooms.example.org")

    def test_options_stay_over_a_reload(self) -> None:
        self.wait(self.registry.enable("clock"))
        self.wait(self.registry.reconfigure("clock", {"time": "midnight"}))
        self.wait(self.registry.reload("clock"))
        self.assertEqual(self.plugin("clock").time(), "midnight")


class Starting(ServerTestCase):
    sources = (ClassSource(*_ALL),)
    plugins = ("tower", "bell", "clock", "ringer")

    def test_in_order(self) -> None:
        names = [plugin.name for plugin in self.host.registry.loaded()]
        self.assertEqual(names, ["clock", "tower", "bell", "ringer"])

    def test_options_of_the_settings(self) -> None:
        self.assertEqual(self.plugin("clock").time(), "noon")


class IFirst(Protocol):
    """For circles."""


class ISecond(Protocol):
    """For circles."""


class First(Plugin):
    """Use the second."""

    provides = (IFirst,)
    second = use(ISecond)


class Second(Plugin):
    """Use the first."""

    provides = (ISecond,)
    first = use(IFirst)


class Third(Plugin):
    """Need the first."""

    first = need(IFirst)


class UsingEachOther(ServerTestCase):
    plugins = (First, Second, Third)

    def test_each_has_the_other(self) -> None:
        first, second = self.plugin("first"), self.plugin("second")
        self.assertIs(first.second, second)
        self.assertIs(second.first, first)


class NeedingFirst(Plugin):
    """Need the second."""

    provides = (IFirst,)
    second = need(ISecond)


class NeedingSecond(Plugin):
    """Need the first."""

    provides = (ISecond,)
    first = need(IFirst)


class RefusedStarts(ServerTestCase):
    """An enabled plugin that can't start stops the start of the server, with its name and the reason."""

    sources = (ClassSource(*_ALL, NeedingFirst, NeedingSecond),)

    def why(self, *plugins: str, options: dict[str, Any] | None = None) -> str:
        table = self.settings_table()
        table["hosts"] = {"example.net": {"plugins": ["-*", *plugins], **(options or {})}}
        settings = from_table(table, "test", Path.cwd())
        host = self.server.server.add_host("example.net", settings.hosts["example.net"])
        names = wanted_names(settings.hosts["example.net"].plugins, self.server.server.sources)
        with self.assertRaises(PluginError) as caught:
            self.wait(host.registry.start(names))
        self.wait(host.registry.stop())
        return str(caught.exception)

    def test_reasons(self) -> None:
        self.assertIn("needs a plugin that provides IClock", self.why("bell"))
        self.assertIn("plugin broken could not be started: ZeroDivisionError", self.why("broken"))
        self.assertIn("need each other in a circle", self.why("needingfirst", "needingsecond"))
        self.assertIn("both answer", self.why("clock", "rival"))

    def test_options_of_unknown_plugins(self) -> None:
        self.assertIn("did you mean 'clock'?", self.why("clock", options={"clok": {}}))

    def test_options_that_are_wrong(self) -> None:
        self.assertIn("did you mean", self.why("clock", options={"clock": {"tim": "noon"}}))

    def test_options_of_what_is_not_enabled(self) -> None:
        """They may stay in the file."""
        self.assertIn("broken", self.why("broken", options={"clock": {}}))


class Slow(Plugin):
    """Take a while to start."""

    starts = 0

    async def start(self) -> None:
        type(self).starts += 1
        waited: Deferred[None] = Deferred()
        self.host.clock.callLater(5, waited.callback, None)
        await waited


class AtOnce(ServerTestCase):
    """Two who change plugins at the same time."""

    sources = (ClassSource(Slow),)

    def setUp(self) -> None:
        super().setUp()
        self.patch(Slow, "starts", 0)

    def test_enable_and_reload_of_the_settings(self) -> None:
        registry = self.host.registry
        outcomes: list[Any] = []
        for change in (registry.enable("slow"), registry.start(["slow"])):
            self.spawn(self.note(change, outcomes))
        self.pump(20)
        self.assertEqual((outcomes, Slow.starts), ([None, None], 1))

    def test_enable_twice(self) -> None:
        registry = self.host.registry
        outcomes: list[Any] = []
        for _ in range(2):
            self.spawn(self.note(registry.enable("slow"), outcomes))
        self.assertNotIn("slow", [plugin.name for plugin in registry.loaded()])
        self.pump(20)
        self.assertEqual(sorted(map(str, outcomes)), ["None", "plugin slow is enabled already"])
        self.assertEqual(Slow.starts, 1)

    async def note(self, change: Any, outcomes: list[Any]) -> None:
        try:
            outcomes.append(await change)
        except PluginError as error:
            outcomes.append(error)


class Wanted(SynchronousTestCase):
    """Which plugins a host starts with."""

    def setUp(self) -> None:
        class A(Plugin):
            """Default."""

        class B(Plugin):
            """Default, too."""

        class C(Plugin):
            """Not a default."""

            default = False

        class Own(Plugin):
            """Not bundled."""

        bundled = ClassSource(A, B, C)
        bundled.bundled = True
        self.sources = [bundled, ClassSource(Own)]

    def wanted(self, *changes: str) -> list[str]:
        return wanted_names(changes, self.sources)

    def test_changes(self) -> None:
        self.assertEqual(self.wanted(), ["a", "b"])
        self.assertEqual(self.wanted("-a", "c", "own"), ["b", "c", "own"])
        self.assertEqual(self.wanted("-*", "own"), ["own"])
        self.assertEqual(self.wanted("-*", "a", "-a"), [])
        self.assertEqual(self.wanted("a"), ["a", "b"])

    def test_unknown(self) -> None:
        for change in ("owm", "-owm"):
            error = self.assertRaises(PluginError, self.wanted, change)
            self.assertEqual(str(error), "there is no plugin 'owm'; did you mean 'own'?")


_GREET = """
from xmppd.api import Iq, Plugin, iq_get

class _Base(Plugin):
    pass

class Greet(_Base):
    '''Greet.'''

    @iq_get("urn:example:greet", "greet")
    def greet(self, request: Iq) -> Iq:
        return request.result(b"<say xmlns='urn:example:greet'>{word}</say>")
"""


class DroppedIn(ServerTestCase):
    """Plugins as files in a folder of the administrator."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.sources = (DirectorySource(self.folder),)  # type: ignore[misc]
        super().setUp()
        self.romeo = self.login("romeo@example.org/orchard")

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def why(self, name: str) -> str:
        with self.assertRaises(PluginError) as caught:
            self.wait(self.host.registry.enable(name))
        return str(caught.exception)

    def says(self) -> str:
        self.romeo.send("<iq type='get' id='1' to='example.org'><greet xmlns='urn:example:greet'/></iq>")
        return str(self.romeo.take().firstChildElement())

    def test_file(self) -> None:
        self.write("greet.py", _GREET.replace("{word}", "hello"))
        self.wait(self.host.registry.enable("greet"))
        self.assertEqual(self.says(), "hello")

    def test_changed_file(self) -> None:
        self.write("greet.py", _GREET.replace("{word}", "hello"))
        self.wait(self.host.registry.enable("greet"))
        for word in ("howdy", "g'day"):  # as long, and in the same second
            self.write("greet.py", _GREET.replace("{word}", word))
            self.wait(self.host.registry.reload("greet"))
            self.assertEqual(self.says(), word)

    def test_folder(self) -> None:
        self.write("greet/words.py", "WORD = 'hello'\n")
        self.write("greet/__init__.py", "from .words import WORD\n" + _GREET.replace('b"', '(b"').replace(
            '{word}</say>")', "%s</say>\" % WORD.encode()))"))  # fmt: skip
        self.wait(self.host.registry.enable("greet"))
        self.assertEqual(self.says(), "hello")
        self.write("greet/words.py", "WORD = 'good evening'\n")
        self.wait(self.host.registry.reload("greet"))
        self.assertEqual(self.says(), "good evening")

    def test_broken_change_keeps_the_old_one(self) -> None:
        """The file is read before the old plugin is stopped."""
        self.write("greet.py", _GREET.replace("{word}", "hello"))
        self.wait(self.host.registry.enable("greet"))
        self.write("greet.py", "1 / 0")
        with self.assertRaises(PluginError):
            self.wait(self.host.registry.reload("greet"))
        self.assertEqual(self.says(), "hello")

    def test_what_can_not_be_loaded(self) -> None:
        self.write("empty.py", "")
        self.write("two.py", _GREET + _GREET.replace("class Greet", "class Greet2"))
        self.write("broken.py", "1 / 0")
        self.write("misspelt.py", "clas X: pass")
        self.write("needy.py", "import no_such_module")
        self.assertIn("no plugin class", self.why("empty"))
        self.assertIn("2 plugin classes (Greet, Greet2)", self.why("two"))
        self.assertIn("ZeroDivisionError", self.why("broken"))
        self.assertIn("SyntaxError", self.why("misspelt"))
        self.assertIn("no_such_module", self.why("needy"))
        self.assertIn("there is no plugin 'none'", self.why("none"))

    def test_listing_imports_nothing(self) -> None:
        self.write("broken.py", "1 / 0")
        self.write("_private.py", "1 / 0")
        self.write("readme.txt", "")
        self.assertEqual(self.sources[0].names(), ["broken"])
        self.assertIn("broken", [info.name for info in self.host.registry.infos()])
