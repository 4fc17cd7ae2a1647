"""What plugins keep in a session: facts to remember, and stanzas that are held back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xmppd.core.durable import journal
from xmppd.core.durable.units import Spread
from xmppd.wire.jid import Jid
from xmppd.wire.stanza import Presence, Stanza

if TYPE_CHECKING:
    from xmppd.core.durable.ghosts import Ghost
    from xmppd.core.durable.managed import Managed
    from xmppd.core.durable.units import Batch
    from xmppd.core.hosts import Host

__all__ = ["Keeping"]

_NOTHING: Mapping[str, Any] = {}


class Keeping:
    """A session, as far as it keeps something and is written down.

    :ivar presence: the last available presence it broadcast, or None.
    :ivar priority: of that presence.
    :ivar bound_at: when the resource was bound, in seconds since the epoch.
    :ivar managed: what stream management needs, once the client has asked for it.
    :ivar ghost: what is written down of a session without it.
    """

    __slots__ = (
        "__weakref__", "_held", "_held_octets", "_holds", "_state", "bound_at", "ghost", "host", "jid",
        "managed", "presence", "priority",
    )  # fmt: skip

    def __init__(self, host: Host, jid: Jid) -> None:
        self.host = host
        self.jid = jid
        self.presence: Presence | None = None
        self.priority = 0
        self.bound_at = host.clock.seconds()
        self.managed: Managed | None = None
        self.ghost: Ghost | None = None
        self._state: dict[str, Any] | None = None
        self._held: dict[str, Stanza] | None = None
        self._held_octets = 0
        self._holds = 0

    def emit(self, stanza: Stanza, batch: Batch | None, spread: Spread | None = None) -> None:
        """Send a stanza past all filters."""
        raise NotImplementedError

    @property
    def state(self) -> Mapping[str, Any]:
        """See :class:`xmppd.api.ISession`."""
        return self._state if self._state is not None else _NOTHING

    def keep(self, name: str, value: Any) -> None:
        """See :class:`xmppd.api.ISession`."""
        if self.state.get(name) == value:
            return
        if self._state is None:
            self._state = {}
        if value is None:
            del self._state[name]
        else:
            self._state[name] = value
        recorder = self._recorder()
        if recorder is not None:
            recorder.ledger.entry(recorder, journal.kept(recorder.number, name, value))

    def changed(self) -> None:
        """Presence is another one: write it down."""
        recorder = self._recorder()
        if self.ghost is not None:
            self.ghost.available = self.presence is not None
        if recorder is not None:
            data = b"" if self.presence is None else self.presence.to_bytes()
            recorder.ledger.entry(recorder, journal.presence(recorder.number, data))

    def _recorder(self) -> Managed | Ghost | None:
        """Return what a change has to be written down by, apart from the rest; None if that is not to be done."""
        if self.host.server.directory.by_jid.get(self.jid) is not self:
            return None  # it has ended
        if self.managed is None and self.ghost is None:
            self.ghost = self.host.server.management.ghost(self)
            return None  # which has written down all
        return self.managed or self.ghost

    def describe(self) -> dict[str, Any]:
        """Return what is written down of the session."""
        presence = None if self.presence is None else self.presence.to_bytes().decode()
        return {"jid": str(self.jid), "presence": presence, "bound": self.bound_at, "state": self._state or {}}

    @property
    def held(self) -> int:
        """See :class:`xmppd.api.ISession`."""
        return 0 if self._held is None else len(self._held)

    def held_back(self) -> Mapping[str, Stanza]:
        """Return what is held back, oldest first, by keys."""
        return self._held if self._held is not None else {}

    def hold(self, stanza: Stanza, key: str | None = None) -> None:
        """See :class:`xmppd.api.ISession`."""
        if self._held is None:
            self._held = {}
        if key is None:
            self._holds += 1
            key = f"#{self._holds}"
        data, replaced = stanza.to_bytes(), self._held.pop(key, None)
        self._held[key] = stanza
        self._held_octets += len(data) - (0 if replaced is None else len(replaced.to_bytes()))
        if self.managed is not None:
            self.managed.ledger.entry(self.managed, journal.held(self.managed.number, key, data))
        if self._held_octets > self.host.server.settings.stream_management.queue_octets // 4:
            self.release()  # they would take too much memory, and too much of the queue when they are sent

    def release(self) -> None:
        """See :class:`xmppd.api.ISession`."""
        held, self._held, self._held_octets = self._held, None, 0
        if held:
            elsewhere = Spread(journal.TAKEN, taken=True)  # what can wait is of no use to other devices, later still
            for stanza in held.values():
                self.emit(stanza, None, elsewhere)
            if self.managed is not None:
                self.managed.ledger.entry(self.managed, journal.released(self.managed.number))

    def restore(self, described: Mapping[str, Any], held: Mapping[str, Stanza], presence: Presence | None) -> None:
        """Become what was written down."""
        self._state = dict(described["state"]) or None
        self._held = dict(held) or None
        self._held_octets = sum(len(stanza.to_bytes()) for stanza in held.values())
        self._holds = max((int(key[1:]) for key in held if key[:1] == "#" and key[1:].isdigit()), default=0)
        self.bound_at = described["bound"]
        self.presence = presence
        self.priority = presence.priority if presence is not None else 0
