"""What plugins get to see of the server, and what they provide to each other.

These are structural types: whoever has the methods is one, and mypy checks it. A plugin that provides one lists it in
``provides``, one that needs it writes ``roster = need(IRoster)``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table
from twisted.internet.defer import Deferred

from xmppd.api.accounts import IAccounts
from xmppd.api.components import IExternal
from xmppd.api.guesses import IGuesses
from xmppd.api.listening import IListening
from xmppd.api.network import INetwork
from xmppd.api.operations import IOperations
from xmppd.api.storage import IDatabase, Row
from xmppd.api.web import IWeb
from xmppd.wire.errors import StreamError
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Iq, Message, Presence, Stanza

__all__ = ["USER_AGENT", "IClock", "IDelayedCall", "IHost", "ISession", "IStream"]

#: The name under which a session remembers what its client said of itself when it logged in with SASL2 (XEP-0388 2.3):
#: a mapping with any of ``id``, ``software`` and ``device``. It is for the user's eyes, and the operator's.
USER_AGENT = "user_agent"

T = TypeVar("T")


class IDelayedCall(Protocol):
    """A call that was put off."""

    def cancel(self) -> None: ...
    def active(self) -> bool | int: ...


class IClock(Protocol):
    """Time, in seconds since the epoch; a reactor is one, and so is twisted.internet.task.Clock."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> IDelayedCall: ...


class IStream(Protocol):
    """A client's stream, as far as plugins may know it (RFC 6120 section 4)."""

    @property
    def id(self) -> str:
        """The stream id we gave (RFC 6120 4.7.3)."""

    @property
    def host(self) -> IHost:
        """The host it was opened to."""

    @property
    def peer(self) -> str:
        """The client's network address, for logs and limits."""

    @property
    def secured(self) -> bool:
        """Is it encrypted?"""

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it? If it is encrypted, or from loopback where the settings allow it so."""

    @property
    def account(self) -> Jid | None:
        """Bare address of the authenticated account, or None."""

    @property
    def session(self) -> ISession | None:
        """The session, once a resource is bound."""

    def write(self, data: bytes) -> None:
        """Send the bytes of one complete element."""

    def close(self, error: StreamError | None = None) -> None:
        """Close the stream, telling why if there is a reason."""

    @property
    def closing(self) -> bool:
        """Is our side closed, or the connection gone?"""

    # For plugins that let clients log in in another way than SASL

    @property
    def sasl_failed(self) -> bool:
        """Has an attempt to log in with SASL failed on it?"""

    def allow(self, seconds: float) -> None:
        """Give the client so many seconds from now on to have a session, instead of what the settings say."""

    async def prove(self, account: Jid, check: Callable[[], Awaitable[bool]], how: str) -> None:
        """Find out whether a client is an account's owner; the limits and locks of log-ins hold.

        :param check: is the password right, or whatever the client has shown? Not called if nobody may try now.
        :param how: what the client does, for the log.
        :raises LoginRefused: it isn't let in; if it was wrong, after the delay that the settings ask for.
        :raises StreamError: it has failed too often on this stream (RFC 6120 6.4.5).
        :raises StorageUnavailable: the account can't be looked up.
        """

    async def enter(self, account: Jid, resource: str, welcome: Callable[[Jid], Iq], abrupt: bool = False) -> None:
        """Let a client in that has proven to be an account's owner, and bind a resource for it.

        :param resource: as it was prepared (RFC 7622 3.4).
        :param welcome: returns the answer, given the session's address; it is sent before anything else.
        :param abrupt: leave our closing tag out when the stream ends, unless the client has sent its own: some take it
            for an end they have asked for, and don't come back.
        :raises LoginRefused: there can't be such a session now.
        :raises StreamError: the account was locked or deleted meanwhile, or somebody has logged in on the stream.
        :raises StorageUnavailable: the account can't be looked up.
        """


class ISession(Protocol):
    """A bound resource of one of our users. Hashable; plugins may keep state for it in a WeakKeyDictionary."""

    @property
    def jid(self) -> Jid:
        """Its full address."""

    @property
    def account(self) -> Jid:
        """Its bare address."""

    @property
    def presence(self) -> Presence | None:
        """The last presence it broadcast while available; None while it is not available."""

    @property
    def priority(self) -> int:
        """The priority of that presence; meaningless while it is not available."""

    @property
    def bound_at(self) -> float:
        """When the resource was bound, in seconds since the epoch."""

    @property
    def active_at(self) -> float:
        """When the client last sent something, in seconds since the epoch."""

    @property
    def peer(self) -> str:
        """The client's network address."""

    @property
    def secured(self) -> bool:
        """Is its stream encrypted?"""

    @property
    def confidential(self) -> bool:
        """May passwords be sent over it? If it is encrypted, or from loopback where the settings allow it so."""

    def send(self, stanza: Stanza) -> Awaitable[None] | None:
        """Deliver a stanza to this device (past ToDevice filters). Await what it returns, if anything."""

    def close(self, error: StreamError | None = None) -> None:
        """End the session, telling the client why if there is a reason."""

    @property
    def hibernating(self) -> bool:
        """Has it lost its connection, and waits to be resumed (XEP-0198 5)? It takes stanzas as ever."""

    @property
    def durable(self) -> bool:
        """Does what is sent to it survive its connection, and the server? (XEP-0198; else it may be lost unseen.)"""

    def unacknowledged(self) -> Sequence[tuple[Message, float]]:
        """Return the messages that were sent to it and that its client has not acknowledged (XEP-0198), oldest first.

        With when each was sent, in seconds since the epoch. They are read anew from what is kept: it is not for what
        happens often. Empty for one that is not ``durable``.
        """

    @property
    def state(self) -> Mapping[str, Any]:
        """What plugins have to remember of the session, by names; see :meth:`keep`."""

    def keep(self, name: str, value: Any) -> None:
        """Remember something of the session as long as it lives: also if the server is killed, and the client resumes.

        :param name: unique among all plugins.
        :param value: anything JSON can express; None forgets it.
        """

    def hold(self, stanza: Stanza, key: str | None = None) -> None:
        """Keep a stanza back until :meth:`release`. It is for this device alone: if that is lost, nobody else gets it.

        When those held back have a quarter of the octets that may wait for an acknowledgement, all are released.

        :param key: a stanza held back with the same key is replaced by this one.
        """

    def release(self) -> None:
        """Send everything held back, in order."""

    @property
    def held(self) -> int:
        """How many stanzas are held back."""


class IHost(Protocol):
    """One virtual host, to the plugins loaded on it."""

    @property
    def jid(self) -> Jid:
        """Its address: a domain."""

    @property
    def admins(self) -> frozenset[Jid]:
        """Bare addresses of its administrators."""

    @property
    def mechanisms(self) -> Sequence[str]:
        """SASL mechanisms that clients may log in with, best first; which they are offered depends on the stream."""

    @property
    def accounts(self) -> IAccounts:
        """The accounts of the server (all hosts)."""

    @property
    def db(self) -> IDatabase:
        """The database."""

    @property
    def operations(self) -> IOperations:
        """What can be run here: the operations of the kernel and of this host's plugins."""

    @property
    def clock(self) -> IClock:
        """The time."""

    @property
    def network(self) -> INetwork:
        """Connections to elsewhere, for gateways."""

    @property
    def guesses(self) -> IGuesses:
        """Failed attempts to log in, for those who ask people for their password."""

    @property
    def web(self) -> IWeb:
        """Where its HTTP is reached by clients."""

    @property
    def listening(self) -> IListening:
        """The ports where it is reached with direct TLS."""

    @property
    def data_dir(self) -> Path:
        """The server's folder. A plugin that keeps files makes a folder of its name in it."""

    def in_thread(self, fn: Callable[[], T]) -> Deferred[T]:
        """Run what blocks, such as work with files, in another thread. It touches nothing else that changes.

        :param fn: its result, or what it raises, is that of the Deferred.
        """

    @property
    def started_at(self) -> float:
        """When the server was started, in seconds since the epoch."""

    async def create_account(self, jid: Jid, password: str) -> None:
        """Make an account and tell the plugins. Raises what IAccounts.create raises."""

    async def delete_account(self, jid: Jid, before_closing: Callable[[], object] | None = None) -> bool:
        """Delete an account, end its sessions and have the plugins delete what they keep for it.

        :param before_closing: called when the account is gone for good and its sessions are still open.
        :returns: was there such an account?
        """

    def send(self, stanza: Stanza) -> None:
        """Route a stanza on behalf of the server, an account or a component; what goes wrong is logged."""

    def route(self, stanza: Stanza) -> Awaitable[None] | None:
        """The same, for those who need to know when it is done: await what it returns, if anything."""

    def route_copies(self, stanza: Stanza, recipients: Iterable[Jid]) -> Awaitable[None] | None:
        """The same for a stanza to each of many recipients, which costs less; its own `to` doesn't count."""

    def request(self, iq: Iq, timeout: float = 60.0) -> Awaitable[Iq]:
        """Send an IQ from the host and wait for the answer.

        :param timeout: seconds.
        :raises StanzaError: if the answer is an error, or none came (remote-server-timeout).
        """

    def act(self, stanza: Stanza) -> Awaitable[None] | None:
        """Handle a stanza as if a client of an account had sent it, with all filters: `from_` is its bare address.

        Await what it returns, if anything.
        """

    def request_as(self, account: Jid, iq: Iq, timeout: float = 60.0) -> Awaitable[Iq]:
        """Send an IQ as if a client of an account had sent it, and wait for the answer; else as :meth:`request`."""

    async def answer_as(self, iq: Iq) -> Iq:
        """Have the plugins answer a request to the bare address of an account, past all filters.

        :raises StanzaError: what the sender would get.
        """

    def store(self, stanza: Stanza, table: Table, row: Row) -> None:
        """Insert a row together with everything else that handling the stanza leaves behind: all of it, or nothing.

        It is on disk before anybody is sent anything on account of the stanza, and before its sender is told that the
        server has it (XEP-0198 4). There is nothing to wait for: while the database can't be written it is tried
        again, and what depends on it waits. A row that violates a constraint is left out, and logged.

        :param row: a value for every column; of types Text, Integer, BigInteger, Float and LargeBinary only.
        :raises StorageUnavailable: the database could not be written for some time. Let it pass: the sender is told.
        """

    def store_call(self, stanza: Stanza, fn: Callable[[Connection], object]) -> None:
        """Run a function in the same transaction, behind the rows; as for :meth:`IDatabase.write`, it may run twice."""

    def will_store(self, stanza: Stanza) -> None:
        """Say that something will be stored on account of a stanza, before anything that is in memory is changed.

        :raises StorageUnavailable: it could not be. After this, storing does not raise it while nobody else has a turn.
        """

    def unit(self, *stanzas: Stanza) -> AbstractContextManager[None]:
        """Make stanzas one unit of work: what is sent and stored on account of them in the block, all or nothing.

        So a message can be sent and deleted at once: a ``durable`` session gets it exactly once, even if the server is
        killed at any moment::

            with self.host.unit(message):
                await settled(session.send(message))
                self.host.store_call(message, delete_it)

        They are sent at the end of the block. A stanza that is still being handled keeps the unit it has.
        """

    async def stored(self, *stanzas: Stanza) -> None:
        """Wait until all that was stored so far is on disk, and what handling those stanzas leaves behind.

        Whoever handles a stanza must not wait for that one.
        """

    def stored_before(self) -> float:
        """Return a moment: what messages that came before it leave behind is on disk, without a gap.

        In seconds since the epoch; infinity, if there are no others. Of later messages some may be on disk and others,
        that came before them, not yet: who hands out what is stored in the order of time, and goes on from there the
        next time, hands out no later ones.
        """

    def sessions(self, account: Jid) -> Sequence[ISession]:
        """All sessions of an account, by its bare address; empty if it has none."""

    def all_sessions(self) -> Sequence[ISession]:
        """Every session on this host."""

    def session(self, jid: Jid) -> ISession | None:
        """The session with that full address."""

    def serves(self, domain: str) -> bool:
        """Is that domain a virtual host (not a component) of this server?"""

    def filters_changed(self) -> None:
        """Look again at which filters the plugins want, see :meth:`xmppd.api.Plugin.wake`."""

    def observed(self, event: type) -> bool:
        """Does anybody observe events of that class? For those that it takes work to make."""

    def notify(self, event: object) -> Awaitable[None] | None:
        """Tell the observers of an event; await what it returns, if anything."""

    def spawn(self, work: Coroutine[Any, Any, Any], what: str) -> None:
        """Run work in the background; `what` names it in the log if it fails."""

    def features(self) -> Sequence[str]:
        """Disco features of the host, from the plugins that are loaded now."""

    def account_features(self) -> Sequence[str]:
        """Disco features of the accounts of this host."""

    def identities(self) -> Sequence[tuple[str, str, str]]:
        """Disco identities of the host: (category, type, name)."""

    def components(self) -> Mapping[Jid, str]:
        """Addresses and names of the services of this host, for disco#items: external components while connected."""

    def external_components(self) -> Sequence[IExternal]:
        """The external components of this host (XEP-0114), whether they are connected or not."""
