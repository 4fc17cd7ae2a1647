"""Operations on links with other servers: ``s2s list``, ``s2s show``, ``s2s close``, ``s2s retry``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from xmppd.api.operations import OperationError, Permission, operation
from xmppd.api.words import duration, plural
from xmppd.core.federation.contract import StreamFacts
from xmppd.core.federation.policy import Policy, source_of
from xmppd.core.federation.route import Route
from xmppd.core.operations.pages import page
from xmppd.wire.delay import format_datetime
from xmppd.wire.errors import Condition, StanzaError
from xmppd.wire.jid import Jid, JidError

if TYPE_CHECKING:
    from xmppd.core.federation.federation import Federation
    from xmppd.core.federation.remote import Remote
    from xmppd.core.server import Server

__all__ = ["LinkOperations"]

State = Literal["open", "negotiating", "closing", "connecting", "waiting", "failed", "idle"]


class LinkOperations:
    """Links with other servers: streams, and routes to domains that have none now."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def _federation(self) -> Federation:
        return self._server.federation

    @operation("s2s list", safe=True, permission=Permission.OPERATOR, examples=("", "--state failed"))
    async def list_links(self, *, state: State | None = None, limit: int = 0, after: str = "") -> list[dict[str, Any]]:
        """List the connections with other servers, and the domains that something waits for or that have failed.

        :param state: only those in that state. `waiting` is until the next attempt; `failed` was given up for a while.
        :param limit: at most so many, and those of the last domain; 0 is no limit.
        :param after: those behind this domain only, in alphabetical order.
        """
        rows = sorted(self._rows(), key=lambda row: (row["domain"], row["ours"], row["direction"]))
        return page([row for row in rows if state is None or row["state"] == state], limit, after)

    @operation("s2s show", safe=True, permission=Permission.OPERATOR, examples=("example.net",))
    async def show(self, domain: str) -> dict[str, Any]:
        """Show all that is known of another server: how it is dealt with, its streams, what waits for it, what was
        tried last and why it failed.

        :param domain: of the other server.
        """
        name = self._foreign(domain)
        remote = self._federation.remotes.get(name)
        streams = [facts for facts in self._facts() if _concerns(facts, name)]
        shown: dict[str, Any] = {"domain": name, **self._policy(name)}
        if remote is not None:
            shown |= self._known(remote)
        shown["streams"] = [self._stream(facts) for facts in streams]
        if remote is not None:
            shown["routes"] = [self._route(route) for route in remote.routes.values()]
            shown["last attempt"] = [
                {"step": number, "what was tried": text} for number, text in enumerate(remote.trail, 1)
            ]
        shown["certificate"] = _certificates(streams)
        return shown

    @operation("s2s close", permission=Permission.OPERATOR, examples=("example.net", "example.net --give-back"))
    async def close(self, domain: str, *, give_back: bool = False) -> str:
        """Close all streams with another server. The next stanza makes a new one; `[s2s.domains]` keeps it out.

        :param domain: of the other server.
        :param give_back: give what waits for it back to its senders.
        """
        name = self._foreign(domain)
        connector, remote = self._federation.connector, self._federation.remotes.get(name)
        closed = 0 if connector is None else connector.close(name)
        text = f"Closed {plural(closed, 'stream')} with {name}."
        if give_back:
            error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=f"the operator does not let it wait for {name}")
            routes = [] if remote is None else list(remote.routes.values())
            returned = sum(self._federation.give_back(route, error) for route in routes)
            text += f" Gave back {plural(returned, 'stanza')}."
        return text

    @operation("s2s retry", permission=Permission.OPERATOR, examples=("example.net",))
    async def retry(self, domain: str) -> str:
        """Forget that another server could not be reached: what waits for it, or the next stanza, tries at once.

        :param domain: of the other server.
        """
        name = self._foreign(domain)
        if name not in self._federation.remotes:
            raise OperationError(f"nothing is known of {name}", Condition.ITEM_NOT_FOUND)
        waiting = sum(len(route.queue) for route in self._federation.remotes[name].routes.values())
        self._federation.retry(name)
        if waiting:
            return f"{name} is tried at once, for {plural(waiting, 'stanza')}."
        return f"{name} is tried again as soon as there is something for it."

    def _foreign(self, domain: str) -> str:
        try:
            jid = Jid.parse(domain)
        except JidError as error:
            raise OperationError(f"{domain} is no domain: {error}") from None
        if jid.local or jid.resource:
            raise OperationError(f"{domain} is no domain")
        if jid.domain in self._server.router.owners:
            raise OperationError(f"{jid.domain} is served here", Condition.BAD_REQUEST)
        return jid.domain

    def _facts(self) -> list[StreamFacts]:
        connector = self._federation.connector
        return [] if connector is None else list(connector.facts())

    # Rows

    def _rows(self) -> Iterator[dict[str, Any]]:
        streams = self._facts()
        for facts in streams:
            yield self._stream(facts)
        for route in self._federation.remotes.routes():
            if route.conduit is None and (state := self._state(route)) != "idle":
                yield {
                    "domain": route.pair.remote, "ours": route.pair.local, "direction": "out", "state": state,
                    "proven by": "", "TLS": "", "address": "", "since": _moment(route.since),
                    "received": 0, "sent": route.sent, "waiting": len(route.queue),
                    "next try": self._next_try(route), "problem": _problem(route),
                }  # fmt: skip

    def _stream(self, facts: StreamFacts) -> dict[str, Any]:
        pairs = {*facts.takes, *facts.sends}
        return {
            "domain": ", ".join(sorted({pair.remote for pair in pairs})) or facts.remote or "?",
            "ours": ", ".join(sorted({pair.local for pair in pairs})) or facts.local or "?",
            "direction": _direction(facts),
            "state": facts.state,
            "proven by": _proven(facts),
            "TLS": facts.encryption.partition(",")[0],
            "address": facts.address,
            "since": format_datetime(facts.since),
            "received": facts.received,
            "sent": facts.sent,
            "waiting": facts.unacknowledged or 0,
            "next try": "",
            "problem": "" if facts.encryption or facts.state == "negotiating" else "not encrypted",
        }

    def _route(self, route: Route) -> dict[str, Any]:
        now = self._server.clock.seconds()
        return {
            "from": route.pair.local,
            "state": self._state(route),
            "since": _moment(route.up_since or route.since),
            "sent": route.sent,
            "waiting": len(route.queue),
            "octets": route.octets,
            "oldest": duration(now - route.queue[0].since) if route.queue else "",
            "attempts": route.attempts,
            "next try": self._next_try(route),
            "problem": _problem(route),
        }

    def _state(self, route: Route) -> State:
        if route.conduit is not None:
            return "open"
        if route.connecting:
            return "connecting"
        if route.again is not None or route.queue:
            return "waiting"
        failed = route.failure is not None and route.refused_until > self._server.clock.seconds()
        return "failed" if failed else "idle"

    def _next_try(self, route: Route) -> str:
        """In how long another attempt is made, or may be made."""
        now = self._server.clock.seconds()
        if route.again is not None:
            return f"in {duration(route.again_at - now)}"
        if route.conduit is None and not route.connecting and route.refused_until > now:
            return f"when needed, in {duration(route.refused_until - now)} at the earliest"
        return ""

    def _known(self, remote: Remote) -> dict[str, Any]:
        problem = remote.failure
        return {
            "problem": "" if problem is None else f"{problem.text} ({problem.condition})",
            "attempts": dict(remote.outcomes),
            "received": remote.received,
        }

    def _policy(self, domain: str) -> dict[str, Any]:
        settings = self._server.settings.s2s
        policy = self._federation.policy(domain)
        place = policy.address + (", direct TLS" if policy.address and policy.direct_tls else "")
        return {
            "policy": f"{_in_words(policy)} ({source_of(domain, settings)})",
            "TLS": "required" if policy.tls_required else "used if it is offered",
            "found": f"at {place}, as the settings say" if place else "by DNS",
        }


def _in_words(policy: Policy) -> str:
    if policy.blocked:
        return "blocked: it is not talked to"
    if policy.certificate_only:
        return "certificate: it has to prove its name by a certificate"
    return "dialback: a certificate proves its name, or else DNS"


def _direction(facts: StreamFacts) -> str:
    if facts.bidi and facts.takes and facts.sends:
        return "both"
    return "in" if facts.incoming else "out"


def _proven(facts: StreamFacts) -> str:
    """How they have proven who they are; on streams that we have opened, how we have as well."""
    theirs = ", ".join(sorted(set(facts.proven_by.values())))
    return f"{theirs}; we by {facts.we_proved}" if facts.we_proved else theirs


def _certificates(streams: list[StreamFacts]) -> list[dict[str, Any]]:
    """The other side's, once each, as they were shown."""
    shown = {tuple(facts.certificate.items()): facts.certificate for facts in streams if facts.certificate}
    return [{"certificate": name, "says": value} for one in shown.values() for name, value in one.items()]


def _problem(route: Route) -> str:
    return "" if route.failure is None else route.failure.text


def _concerns(facts: StreamFacts, domain: str) -> bool:
    return facts.remote == domain or any(pair.remote == domain for pair in (*facts.takes, *facts.sends))


def _moment(seconds: float) -> str:
    return format_datetime(seconds) if seconds else ""
