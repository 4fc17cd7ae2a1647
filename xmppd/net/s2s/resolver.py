"""Finding the servers of a domain in the DNS (RFC 6120 section 3.2, XEP-0368).

Answers are remembered for as long as they say they hold, and so is that there are none (RFC 2308); the same question is
asked once, however many wait for its answer. Nothing here blocks, and no thread is used.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.names import dns
from twisted.python.failure import Failure

from xmppd.core.histogram import Histogram
from xmppd.core.lru import Lru
from xmppd.core.options import SettingsError
from xmppd.core.settings.network import S2s
from xmppd.net.s2s.asking import Answer, LookupFailed, Question
from xmppd.net.s2s.hosts_file import HostsFile
from xmppd.net.s2s.nameservers import Nameservers, parse_nameserver
from xmppd.net.s2s.targets import PORT, Target, Unresolvable, dns_name, ip_literal, ordered

__all__ = ["RESULTS", "Resolver"]

_LONGEST = 86_400.0  # seconds an answer is remembered at most
_LONGEST_NEGATIVE = 900.0  # and that there is none
_FAILURE = 5.0  # seconds for which nobody is asked again who has not answered (RFC 9520)
_ALIASES = 8
_OPTIONS = {"nameservers", "dns_seconds", "dns_queries", "dns_cache", "queue_seconds"}  # that matter here
_MOST_TARGETS = 20
_SERVICES = (("_xmpps-server", True), ("_xmpp-server", False))


@dataclass(frozen=True, slots=True)
class _Remembered:
    outcome: Answer | LookupFailed
    until: float


RESULTS = ("found", "empty", "unknown", "failed")
"""How a question ends: there are records, or none, or no such name; or there is no answer that can be used."""


class Resolver:
    """Finds the servers of domains, and the addresses of machines.

    :param reactor: with UDP, TCP and time.
    :param settings: which nameservers, how long, how many at a time.
    :param random: chooses among servers by their weights.
    :param hosts: the system's hosts file, which counts unless the settings name nameservers.
    :raises SettingsError: a nameserver in the settings is not valid.
    :ivar results: how questions to nameservers ended; see :data:`RESULTS`.
    :ivar seconds: how long they took.
    """

    def __init__(
        self, reactor: Any, settings: S2s, random: Random | None = None, hosts: HostsFile | None = None
    ) -> None:
        self._reactor = reactor
        self._random = random or SystemRandom()
        self._waiting: dict[Question, list[Deferred[Answer]]] = {}
        self._nameservers: Nameservers | None = None
        self._configured: dict[str, Any] = {}
        self.results = Counter(dict.fromkeys(RESULTS, 0))
        self.seconds = Histogram()
        self._hosts = hosts or HostsFile(reactor)
        self.reconfigure(settings)

    def reconfigure(self, settings: S2s) -> None:
        """Use other settings from now on. If they are others for names, what was remembered is forgotten.

        :raises SettingsError: a nameserver is not valid; then nothing changes.
        """
        try:
            addresses = [parse_nameserver(text) for text in settings.nameservers] or None
        except ValueError as error:
            raise SettingsError([f"[s2s]: nameservers: {error}"]) from None
        wanted = settings.model_dump(include=_OPTIONS)
        if self._nameservers is not None:
            if wanted == self._configured:
                return
            self._nameservers.stop()
        self._configured = wanted
        self._system = addresses is None
        self._nameservers = Nameservers(
            self._reactor, addresses, settings.dns_seconds, settings.dns_queries, settings.queue_seconds
        )
        self._cache = Lru[Question, _Remembered](settings.dns_cache) if settings.dns_cache else None

    def stop(self) -> None:
        """Ask nothing more; who waits is told that there is no answer."""
        if self._nameservers is not None:
            self._nameservers.stop()

    async def targets(self, domain: str, trail: list[str] | None = None) -> Sequence[Target]:
        """Return where the servers of `domain` are said to be, in the order to try them.

        :param trail: what is found out is appended here, in plain words.
        :raises Unresolvable: nowhere.
        """
        trail = [] if trail is None else trail
        literal = ip_literal(domain)
        if literal is not None:
            return [Target(literal, PORT, addresses=(literal,))]
        name = dns_name(domain)
        services = [(f"{service}._tcp.{name}", direct) for service, direct in _SERVICES]
        outcomes = await DeferredList([self.look_up(service, dns.SRV) for service, _ in services], consumeErrors=True)
        found: list[Target] = []
        denied = failed = silent = False
        for (service, direct), (_, outcome) in zip(services, outcomes, strict=True):
            if isinstance(outcome, Failure):
                outcome.trap(LookupFailed)
                trail.append(f"SRV {service}: {outcome.value}")
                failed, silent = True, silent or outcome.value.silent
                continue
            targets = [_target(record, direct) for record in outcome.records]
            denied = denied or any(target.host == "" for target in targets)
            found += [target for target in targets if target.host and target.port]
            trail.append(f"SRV {service}: {_described(targets)}")
        if found:
            return ordered(found, self._random)[:_MOST_TARGETS]
        if denied:
            raise Unresolvable(f"{domain} says in the DNS that it takes no connections from other servers", True)
        pinned = self._pinned(name)
        if silent and not pinned:
            raise Unresolvable(f"the nameservers do not answer questions for {domain}", False)
        trail.append(f"without SRV records, the server is looked for at {name} port {PORT}")
        return [Target(name, PORT, certain=bool(pinned) or not failed)]

    def _pinned(self, name: str) -> Sequence[str]:
        return self._hosts.addresses(name) if self._system else ()

    async def addresses(self, host: str, kind: int) -> Sequence[str]:
        """Return the IP addresses of a machine that can be connected to.

        :param kind: `dns.A` or `dns.AAAA`.
        :raises LookupFailed: nobody can tell now.
        """
        host = host.lower().rstrip(".")
        pinned = self._pinned(host)
        if pinned:
            return [address for address in pinned if (":" in address) is (kind == dns.AAAA)]
        answer = await self.look_up(host, kind)
        found = [ipaddress.ip_address(record.address) for record in answer.records]
        return [str(address) for address in found if not address.is_unspecified and not address.is_multicast]

    def look_up(self, name: str, kind: int) -> Deferred[Answer]:
        """Return the records of a name, remembered or asked for. Fails with LookupFailed.

        :param name: as A-labels, in lower case.
        """
        question = Question(name, kind)
        known = self._cache.get(question) if self._cache else None
        if known is not None and known.until > self._reactor.seconds():
            return fail(_again(known.outcome)) if isinstance(known.outcome, LookupFailed) else succeed(known.outcome)
        waiting = self._waiting.get(question)
        if waiting is None:
            waiting = self._waiting[question] = []
            begun = self._reactor.seconds()
            Deferred.fromCoroutine(self._find(question)).addBoth(self._found, question, begun)
        result: Deferred[Answer] = Deferred()
        waiting.append(result)
        return result

    async def _find(self, question: Question) -> Answer:
        name, kind = question
        seconds: int | None = None
        for _ in range(_ALIASES):
            assert self._nameservers is not None
            # Who knows the name of a server already is to be done with it before others begin.
            reply = await self._nameservers.ask(Question(name, kind), first=kind != dns.SRV)
            seconds = reply.seconds if seconds is None else min(seconds, reply.seconds)
            if isinstance(reply, Answer):
                return Answer(reply.records, seconds, reply.exists)
            name = reply.name
        raise LookupFailed("the name is an alias of an alias, and so on")

    def _found(self, outcome: Answer | Failure, question: Question, begun: float) -> None:
        self.seconds.observe(max(0.0, self._reactor.seconds() - begun))
        self.results[_result(outcome)] += 1
        if isinstance(outcome, Answer):
            self._remember(question, outcome, outcome.seconds)
        elif isinstance(outcome.value, LookupFailed):
            self._remember(question, outcome.value, _FAILURE)
        for waiting in self._waiting.pop(question):
            if isinstance(outcome, Answer):
                waiting.callback(outcome)
            else:
                error = outcome.value
                waiting.errback(_again(error) if isinstance(error, LookupFailed) else outcome)

    def _remember(self, question: Question, outcome: Answer | LookupFailed, seconds: float) -> None:
        if self._cache is not None:
            nothing = isinstance(outcome, Answer) and not outcome.records
            seconds = min(seconds, _LONGEST_NEGATIVE if nothing else _LONGEST)
            if seconds > 0:
                self._cache.put(question, _Remembered(outcome, self._reactor.seconds() + seconds))


def _result(outcome: Answer | Failure) -> str:
    if not isinstance(outcome, Answer):
        return "failed"
    return "found" if outcome.records else "empty" if outcome.exists else "unknown"


def _again(error: LookupFailed) -> LookupFailed:
    """Return the same for somebody else: an exception gathers the tracebacks of all who raise it."""
    return LookupFailed(str(error), error.silent)


def _target(record: dns.Record_SRV, direct_tls: bool) -> Target:
    host = record.target.name.decode("ascii", "replace").lower().rstrip(".")
    return Target(host, record.port, direct_tls, record.priority, record.weight)


def _described(targets: Sequence[Target]) -> str:
    if not targets:
        return "no such record"
    if not any(target.host for target in targets):
        return '".", which means that this is not served'
    return ", ".join(f"{t.host} port {t.port} (priority {t.priority}, weight {t.weight})" for t in targets)
