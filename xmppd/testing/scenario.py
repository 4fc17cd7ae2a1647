"""Conversations as text files that read as a XEP's examples do; one file is one test.

The syntax is in ``docs/testing.md``::

    # XEP-0199, 4.1
    [plugins] ping
    Romeo is romeo@example.org/orchard
    Romeo connects
    Romeo sends:
        <iq to='example.org' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>
    Romeo receives:
        <iq from='example.org' type='result' id='p'/>
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.trial.unittest import FailTest

from xmppd.testing.authority import self_signed
from xmppd.testing.case import Over, ServerTestCase
from xmppd.testing.client import Client
from xmppd.testing.federation import FederatedTestCase
from xmppd.testing.peer import ScriptedPeer, ScriptedServer
from xmppd.testing.remote import Remote
from xmppd.wire.jid import Jid

__all__ = ["Scenario", "Step", "parse", "scenario_tests"]

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_AFTER = re.compile(r"after (\d+(?:\.\d+)?) (second|minute|hour|day)s?")
_SERVES = re.compile(r"(\S+) is the server of (\S+)")
_IS = re.compile(r"(\S+) is ([^\s@]+@[^\s@]+|a server|a component)")


@dataclass(frozen=True)
class Step:
    """One line, with the indented block behind it."""

    line: int
    text: str
    block: str = ""


@dataclass
class Scenario:
    """A parsed file.

    :ivar plugins: None for the default ones.
    :ivar config: settings as :attr:`ServerTestCase.config` has them.
    :ivar host: settings of every host.
    :ivar components: external components, and settings of each.
    :ivar tls: is TLS offered?
    """

    where: str
    plugins: tuple[str, ...] | None = None
    hosts: tuple[str, ...] = ("example.org",)
    admins: tuple[str, ...] = ()
    config: dict[str, dict[str, Any]] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    tls: bool = False
    steps: list[Step] = field(default_factory=list)


def parse(text: str, where: str) -> Scenario:
    """Read a scenario.

    :param where: the name of the file, for errors.
    :raises SyntaxError: if a line is none of those that there are.
    """
    scenario = Scenario(where)
    settings: dict[str, list[str]] = {"config": [], "host": [], "components": []}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            if not scenario.steps or not scenario.steps[-1].text.endswith(":"):
                raise _error(scenario, number, line, "an indented line belongs under one that ends in a colon")
            last = scenario.steps[-1]
            scenario.steps[-1] = Step(last.line, last.text, last.block + line + "\n")
        elif line.startswith("["):
            key, _, value = line[1:].partition("]")
            if key in settings:
                settings[key].append(value)
            elif not _setting(scenario, key, value.split()):
                there_are = "[plugins], [hosts], [admins], [tls], [components], [config] and [host]"
                raise _error(scenario, number, line, f"there are {there_are}")
        else:
            scenario.steps.append(Step(number, line.strip()))
    scenario.config, scenario.host, scenario.components = (tomllib.loads("\n".join(s)) for s in settings.values())
    return scenario


def _setting(scenario: Scenario, key: str, words: list[str]) -> bool:
    """Take a line that says how the server is. Is it one of those that there are?"""
    if key == "plugins":
        scenario.plugins = None if words == ["default"] else tuple(words)
    elif key == "hosts":
        scenario.hosts = tuple(words)
    elif key == "admins":
        scenario.admins = tuple(words)
    elif key == "tls":
        scenario.tls = True
    else:
        return False
    return True


def _error(scenario: Scenario, number: int, line: str, what: str) -> SyntaxError:
    return SyntaxError(what, (scenario.where, number, None, line))


def scenario_tests(
    folder: Path, module: str, over: Over = "tcp", but: Container[str] = (), name: str = "Scenarios"
) -> type[ServerTestCase]:
    """Return a test case with one test for every ``*.txt`` in a folder.

    :param module: ``__name__`` of the module that holds it, so that trial finds the tests by name.
    :param over: how clients connect.
    :param but: names of files, without ``.txt``, that are left out.
    :param name: of the test case.
    """
    paths = [path for path in sorted(folder.glob("*.txt")) if path.stem not in but]
    files = {f"test_{path.stem.replace('-', '_')}": path for path in paths}
    methods: dict[str, Any] = {name: lambda self: self.play() for name in files}
    about = {"files": files, "over": over, "__module__": module, "__qualname__": name}
    return type(name, (_Player,), methods | about)


class _Player(FederatedTestCase):
    files: dict[str, Path]

    def setUp(self) -> None:
        path = self.files[self._testMethodName]
        self._scenario = parse(path.read_text("utf-8"), str(path))
        self.plugins = self._scenario.plugins  # type: ignore[misc]
        self.hosts = {host: self._host(host) for host in self._scenario.hosts}  # type: ignore[misc]
        self.tls = self._scenario.tls  # type: ignore[misc]
        self.config = self._scenario.config  # type: ignore[misc]
        self.components = self._scenario.components  # type: ignore[misc]
        self._addresses: dict[str, str] = {}
        self._components: set[str] = set()
        self._people: dict[str, Client | Remote] = {}
        self._others: dict[str, ScriptedServer] = {}
        super().setUp()

    def _start(self) -> None:
        """Talk with other servers only if there are any."""
        if any(_SERVES.fullmatch(step.text) for step in self._scenario.steps):
            super()._start()
        else:
            ServerTestCase._start(self)

    def _host(self, host: str) -> dict[str, Any]:
        """Return the settings of a host."""
        admins = [admin for admin in self._scenario.admins if admin.endswith(f"@{host}")]
        return {"admins": admins, **self._scenario.host}

    def play(self) -> None:
        """Do every step; what goes wrong is told with file and line."""
        for step in self._scenario.steps:
            try:
                self._step(step)
            except (AssertionError, KeyError) as error:
                at = f"{self._scenario.where}:{step.line}: {step.text}"
                raise self.failureException(f"{at}\n{error}") from None

    def _step(self, step: Step) -> None:
        after = _AFTER.fullmatch(step.text)
        named = _IS.fullmatch(step.text)
        serves = _SERVES.fullmatch(step.text)
        if serves:
            self._others[serves[1]] = self.scripted(serves[2])
        elif after:
            self.pump(float(after[1]) * _UNITS[after[2]])
        elif step.text == "the server restarts":
            self.restart()
        elif step.text == "the server is killed":
            self.kill()
        elif named and named[2] == "a server":
            self._people[named[1]] = self.remote(named[1])
        elif named and named[2] == "a component":
            self._components.add(named[1])
        elif named:
            self._addresses[named[1]] = named[2]
            self.account(named[2])
        else:
            who, _, what = step.text.partition(" ")
            self._act(step, who, what)

    def _act(self, step: Step, who: str, what: str) -> None:
        if what == "connects" and who in self._components:
            self._people[who] = self.component(who)
            return
        if what in ("connects", "connects and is available"):
            if who not in self._addresses:
                raise FailTest(f"say first who that is, as: {who} is {who.lower()}@example.org/phone")
            self._people[who] = self.login(self._addresses[who], presence=what.endswith("available"), name=who.lower())
            return
        if what == "logs in":
            self._log_in(who)
            return
        if who in self._others and self._of_server(self._others[who], who, what):
            return
        if what in ("opens a stream", "opens a stream over TLS"):
            self._open(who, tls=what.endswith("TLS"))
            return
        if who not in self._people:
            raise FailTest(f"{who} has not connected")
        person = self._people[who]
        closed = re.fullmatch(r"is closed(?: with (\S+))?", what)
        acts = _acts(person, step.block)
        if closed and isinstance(person, Client):
            person.expect_closed(closed[1])
        elif what in acts:
            acts[what]()
        else:
            raise _error(self._scenario, step.line, step.text, f"nobody can do this: {what}")

    def _of_server(self, server: ScriptedServer, who: str, what: str) -> bool:
        """Do what only other servers do; False if it is something else."""
        person = self._people.get(who)
        if what == "has a self-signed certificate":
            server.credentials = self_signed(server.domain)
        elif what in ("opens a stream", "opens a stream over TLS"):
            peer = self._people[who] = self.peer(server.domain)
            peer.show(server.credentials)
            peer.open(self._scenario.hosts[0])
            if what.endswith("TLS"):
                peer.start_tls(self._scenario.hosts[0])
        elif what == "is connected to":
            self._people[who] = server.connection()
        elif what == "opens the stream again" and isinstance(person, ScriptedPeer):
            person.open(self._scenario.hosts[0])
        elif what == "accepts TLS" and isinstance(person, ScriptedPeer):
            person.accept_tls()
        else:
            return False
        return True

    def _log_in(self, who: str) -> None:
        """Authenticate on a new connection, and bind nothing."""
        address = Jid.parse(self._addresses[who])
        client = self._people[who] = self.connect(name=who)
        client.open(address.domain)
        client.authenticate(address.local, "secret")

    def _open(self, who: str, tls: bool) -> None:
        """Open a stream to the first host, on the connection that there is or else on a new one."""
        client = self._people.get(who)
        if not isinstance(client, Client) or client.transport.disconnecting or client.transport.closed:
            client = self._people[who] = self.connect(name=who)
        host = self._scenario.hosts[0]
        client.open(host)
        if tls:
            client.start_tls(host)


def _acts(person: Client | Remote, block: str) -> dict[str, Callable[[], object]]:
    """What somebody can do."""
    acts: dict[str, Callable[[], object]] = {
        "sends:": lambda: person.send(block.strip()),
        "receives:": lambda: person.expect(block),
        "receives in any order:": lambda: person.expect_all(block),
        "receives nothing": person.expect_nothing,
        "forgets what came": person.clear,
    }
    if isinstance(person, Client):
        acts |= {
            "is offered:": lambda: person.expect_features(block),
            "closes the stream": person.close,
            "loses the connection": person.disconnect,
            "stops reading": person.stall,
            "reads on": person.read_on,
        }
    if isinstance(person, ScriptedPeer):
        acts["answers with the features:"] = lambda: person.answer(block.strip())
    return acts
