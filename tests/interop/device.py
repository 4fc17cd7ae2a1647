"""What a scenario asks of a client on one device, whichever library the client is made of."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass, field

from tests.interop.server import DOMAIN, Server

PATIENCE = 15.0  # seconds to wait for something that has to come; only a failing test waits this long


class Refused(Exception):
    """An IQ was answered with an error: its defined condition (RFC 6120 section 8.3.3) and the text beside it."""

    def __init__(self, condition: str, reason: str = "") -> None:
        super().__init__(condition)
        self.condition = condition
        self.reason = reason


class LoginFailed(Exception):
    """The session was not made; the text is the SASL failure condition or what went wrong."""


@dataclass(frozen=True)
class Event:
    """Something that came in without being an answer.

    `kind` is message, presence, push (roster), block, unblock or closed; `type` the stanza's type
    (available when a presence has none) or the subscription state of a push; `text` the body, status or
    roster name; `delay` the stamp of XEP-0203; `condition` that of an error and `reason` the text beside it.
    """

    kind: str
    from_: str = ""
    type: str = ""
    text: str = ""
    show: str = ""
    delay: datetime.datetime | None = None
    condition: str = ""
    reason: str = ""

    @property
    def bare(self) -> str:
        """The sender without its resource."""
        return self.from_.partition("/")[0]

    def has(self, wanted: dict[str, object]) -> bool:
        """Say whether every attribute in `wanted` has that value."""
        return all(getattr(self, name) == value for name, value in wanted.items())


class Inbox:
    """Events that nobody asked for yet, in the order they came."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._waiters: list[tuple[dict[str, object], asyncio.Future[Event]]] = []

    def put(self, event: Event) -> None:
        """Hand the event to the first who waits for one like it, or keep it."""
        for waiter in self._waiters:
            wanted, future = waiter
            if not future.done() and event.has(wanted):
                self._waiters.remove(waiter)
                future.set_result(event)
                return
        self.events.append(event)

    async def expect(self, **wanted: object) -> Event:
        """Take the first event with these attributes out, waiting for it; AssertionError if none comes."""
        for event in self.events:
            if event.has(wanted):
                self.events.remove(event)
                return event
        waiter = (wanted, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter[1], PATIENCE)
        except TimeoutError:
            self._waiters.remove(waiter)
            raise AssertionError(f"{wanted} did not come; there is {self.events}") from None

    def find(self, **wanted: object) -> list[Event]:
        """Return the waiting events with these attributes and leave them where they are."""
        return [event for event in self.events if event.has(wanted)]

    def clear(self) -> None:
        """Forget what came so far."""
        self.events.clear()


@dataclass(frozen=True)
class RosterEntry:
    """One contact in the roster (RFC 6121 section 2)."""

    name: str
    subscription: str
    groups: frozenset[str]
    ask: bool


@dataclass(frozen=True)
class Info:
    """An answer to disco#info (XEP-0030)."""

    identities: frozenset[tuple[str, str]]
    features: frozenset[str]


@dataclass
class Device:
    """A client of `account` (a local part) at `domain` with one resource, not yet connected.

    `direct_tls` connects by XEP-0368 instead of STARTTLS; `register` makes the account in-band
    (XEP-0077) before logging in.
    """

    server: Server
    account: str
    resource: str
    password: str
    direct_tls: bool = False
    register: bool = False
    domain: str = DOMAIN
    inbox: Inbox = field(default_factory=Inbox)
    library = ""

    @property
    def bare(self) -> str:
        """The account's bare JID."""
        return f"{self.account}@{self.domain}"

    @property
    def full(self) -> str:
        """The full JID asked for."""
        return f"{self.bare}/{self.resource}"

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.server.tls_port if self.direct_tls else self.server.c2s_port

    async def fence(self) -> None:
        """Wait until the server has answered a ping: what it sent this device before has arrived."""
        await self.ping(self.domain)

    async def expect(self, **wanted: object) -> Event:
        """Take the first event with these attributes out of the inbox, waiting for it."""
        return await self.inbox.expect(**wanted)

    # Every library gives these its own body.

    async def connect(self) -> None:
        """Log in and bind the resource, without presence; raises LoginFailed."""
        raise NotImplementedError

    async def disconnect(self) -> None:
        """Close the stream and wait until the connection is gone; nothing happens if it already is."""
        raise NotImplementedError

    async def roster(self) -> dict[str, RosterEntry]:
        """Ask the server for the roster; bare JID to entry."""
        raise NotImplementedError

    async def roster_set(self, jid: str, name: str, groups: tuple[str, ...] = ()) -> None:
        """Add or change a contact."""
        raise NotImplementedError

    async def roster_remove(self, jid: str) -> None:
        """Remove a contact."""
        raise NotImplementedError

    def presence(self, type_: str = "", to: str = "", show: str = "", status: str = "", prio: int = 0) -> None:
        """Send presence; an empty type is available."""
        raise NotImplementedError

    def message(self, to: str, body: str) -> None:
        """Send a chat message."""
        raise NotImplementedError

    async def ping(self, jid: str) -> None:
        """XEP-0199; raises Refused."""
        raise NotImplementedError

    async def version(self, jid: str) -> tuple[str, str]:
        """XEP-0092: name and version."""
        raise NotImplementedError

    async def last_activity(self, jid: str) -> int:
        """XEP-0012: seconds; raises Refused."""
        raise NotImplementedError

    async def entity_time(self, jid: str) -> datetime.datetime:
        """XEP-0202: the time there, with its zone."""
        raise NotImplementedError

    async def disco_info(self, jid: str) -> Info:
        """XEP-0030; raises Refused."""
        raise NotImplementedError

    async def disco_items(self, jid: str) -> list[str]:
        """XEP-0030: the JIDs of the items; raises Refused."""
        raise NotImplementedError

    async def vcard_set(self, full_name: str) -> None:
        """XEP-0054: publish a vCard with this FN."""
        raise NotImplementedError

    async def vcard_get(self, jid: str | None = None) -> str:
        """XEP-0054: the FN in somebody's vCard, or in one's own; raises Refused."""
        raise NotImplementedError

    async def private_set(self, nick: str) -> None:
        """XEP-0049: store `<exodus xmlns="exodus:prefs"><defaultnick/></exodus>`."""
        raise NotImplementedError

    async def private_get(self) -> str:
        """XEP-0049: the nick stored by `private_set`, or an empty string."""
        raise NotImplementedError

    async def block(self, jid: str) -> None:
        """XEP-0191."""
        raise NotImplementedError

    async def unblock(self, jid: str) -> None:
        """XEP-0191."""
        raise NotImplementedError

    async def blocked(self) -> set[str]:
        """XEP-0191: ask the server for the list."""
        raise NotImplementedError

    async def change_password(self, password: str) -> None:
        """XEP-0077 section 3.3."""
        raise NotImplementedError

    async def cancel_account(self) -> None:
        """XEP-0077 section 3.2."""
        raise NotImplementedError
