"""Deliveries in the database. Every change of a state goes through :func:`move`, which keeps the counters true.

All functions are for the database's threads.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Float, bindparam, delete, func, insert, select, tuple_, update

from xmppd.api.notifications import State
from xmppd.plugins.notifications.messages import Status
from xmppd.plugins.notifications.states import ENDS, RANKS, UNREAD, may_follow
from xmppd.plugins.notifications.tables import COUNTS, DELIVERIES, MESSAGES

__all__ = ["Delivery", "Key", "Move", "Moved", "add", "due", "end_open", "move", "of_account", "postpone", "waiting"]

_d = DELIVERIES.c
_AT_ONCE = 500


class Key(NamedTuple):
    """Which delivery."""

    message: int
    account: str
    device: str


class Delivery(NamedTuple):
    """What is to be known of a delivery to go on with it."""

    message: int
    account: str
    device: str
    state: State
    attempts: int
    sent_at: float | None = None

    @property
    def key(self) -> Key:
        """Which it is."""
        return Key(self.message, self.account, self.device)


class Move(NamedTuple):
    """A delivery comes to be in a state, unless it is further already.

    :ivar due_at: when to look at it next; None: it is settled. It counts also if the state stays the same.
    :ivar sent: was it sent just now?
    :ivar road: on which road; "" leaves what is there.
    :ivar node: that it was pushed to; "" leaves what is there.
    """

    key: Key
    state: State
    at: float
    due_at: float | None = None
    reason: str = ""
    sent: bool = False
    road: str = ""
    node: str = ""


class Moved(NamedTuple):
    """A delivery that has got further."""

    key: Key
    state: State
    reason: str
    at: float


#: The columns of times, and the state that each is of.
_TIMES = {
    State.SENT: "sent_at", State.REACHED: "reached_at", State.DELIVERED: "delivered_at", State.OPENED: "opened_at",
    **dict.fromkeys(ENDS, "ended_at"),
}  # fmt: skip
_COLUMNS = ("sent_at", "reached_at", "delivered_at", "opened_at", "ended_at")
_UPDATE = (
    update(DELIVERIES)
    .where((_d.message == bindparam("m")) & (_d.account == bindparam("a")) & (_d.device == bindparam("d")))
    .values(
        {name: bindparam(f"new_{name}") for name in ("state", "reason", "due_at", "attempts", "road", "node")}
        | {name: func.coalesce(_d[name], bindparam(f"new_{name}", type_=Float)) for name in _COLUMNS}
    )
)
_RESET = update(COUNTS).where(COUNTS.c.message == bindparam("m")).values(
    {name: COUNTS.c[name] + bindparam(f"d_{name}") for name in ("accounts", "recipients", "open", *State)}
)  # fmt: skip


class _Row(NamedTuple):
    state: State
    attempts: int
    due_at: float | None
    road: str
    node: str
    reason: str


def _rows(connection: Connection, message: int, accounts: Sequence[str]) -> Iterator[tuple[Key, _Row]]:
    columns = (_d.account, _d.device, _d.state, _d.attempts, _d.due_at, _d.road, _d.node, _d.reason)
    for some in _slices(accounts):
        query = select(*columns).where(_d.message == message, _d.account.in_(some))
        for account, device, state, *rest in connection.execute(query):
            yield Key(message, account, device), _Row(State(state), *rest)


def move(connection: Connection, moves: Iterable[Move], unknown: list[Key] | None = None) -> list[Moved]:
    """Carry out moves, in their order; return those that changed a state. What would go back is passed over.

    :param unknown: gets the keys of what is no delivery.
    """
    by_message: dict[int, list[Move]] = defaultdict(list)
    for one in moves:
        by_message[one.key.message].append(one)
    moved: list[Moved] = []
    for message, some in by_message.items():
        rows = dict(_rows(connection, message, list({one.key.account for one in some})))
        changed: dict[Key, _Row] = {}
        times: dict[Key, dict[str, float]] = defaultdict(dict)
        delta: Counter[str] = Counter()
        for one in some:
            row = rows.get(one.key)
            if row is None and unknown is not None:
                unknown.append(one.key)
            new = None if row is None else _next(row, one)
            if row is None or new is None:
                continue
            rows[one.key] = changed[one.key] = new
            delta["open"] += (new.due_at is not None) - (row.due_at is not None)
            if new.state is not row.state:
                delta[row.state] -= 1
                delta[new.state] += 1
                times[one.key][_TIMES[new.state]] = one.at
                if RANKS[new.state] > RANKS[State.FAILED]:
                    times[one.key].setdefault("sent_at", one.at)  # whoever has it was sent it
                moved.append(Moved(one.key, new.state, one.reason, one.at))
        if changed:
            connection.execute(_UPDATE, [_values(key, row, times[key]) for key, row in changed.items()])
        count(connection, message, delta)
    return moved


def _values(key: Key, row: _Row, times: Mapping[str, float]) -> dict[str, Any]:
    return {
        "m": key.message, "a": key.account, "d": key.device, "new_state": row.state.value, "new_reason": row.reason,
        "new_due_at": row.due_at, "new_attempts": row.attempts, "new_road": row.road, "new_node": row.node,
        **{f"new_{name}": times.get(name) for name in _COLUMNS},
    }  # fmt: skip


def _next(row: _Row, one: Move) -> _Row | None:
    """Return what a row comes to be, None if nothing changes."""
    attempts = row.attempts + one.sent
    road, node = one.road or row.road, one.node or row.node
    if may_follow(one.state, row.state):
        return _Row(one.state, attempts, one.due_at, road, node, one.reason)
    if one.state is not row.state or row.due_at is None:
        return None
    return _Row(row.state, attempts, one.due_at, road, node, one.reason or row.reason)


def count(connection: Connection, message: int, delta: Mapping[str, int]) -> None:
    """Change the counters of a message."""
    if any(delta.values()):
        names = ("accounts", "recipients", "open", *State)
        connection.execute(_RESET, {"m": message, **{f"d_{name}": delta.get(name, 0) for name in names}})


def add(
    connection: Connection, message: int, host: str, rows: Sequence[tuple[str, str, float | None, State, str]],
    now: float, accounts: int,
) -> None:  # fmt: skip
    """Write new deliveries.

    :param rows: account, device, when they are due, state and reason of each.
    :param accounts: how many recipients of the message are new.
    """
    if not rows:
        return
    values = [
        {"message": message, "account": account, "device": device, "host": host, "state": state.value,
         "reason": reason, "road": "", "node": "", "attempts": 0, "due_at": due_at, "queued_at": now,
         "ended_at": now if due_at is None else None}
        for account, device, due_at, state, reason in rows
    ]  # fmt: skip
    connection.execute(insert(DELIVERIES), values)
    delta = Counter(state.value for _, _, _, state, _ in rows)
    delta["open"] = sum(due_at is not None for _, _, due_at, _, _ in rows)
    delta["recipients"], delta["accounts"] = len(rows), accounts
    count(connection, message, delta)


_DELIVERY = (_d.message, _d.account, _d.device, _d.state, _d.attempts, _d.sent_at)


def _deliveries(rows: Iterable[Any]) -> list[Delivery]:
    return [Delivery(m, a, d, State(s), n, r) for m, a, d, s, n, r in rows]


def due(connection: Connection, host: str, now: float, limit: int) -> tuple[list[Delivery], float | None]:
    """Return deliveries that somebody has to look at, and when that is so for the first of the others."""
    query = select(*_DELIVERY).where(_d.host == host, _d.due_at.is_not(None), _d.due_at <= now)
    found = _deliveries(connection.execute(query.order_by(_d.due_at).limit(limit)))
    if len(found) == limit:
        return found, now
    later = select(func.min(_d.due_at)).where(_d.host == host, _d.due_at.is_not(None), _d.due_at > now)
    return found, connection.execute(later).scalar()


def waiting(connection: Connection, accounts: Sequence[str]) -> list[Delivery]:
    """Return what waits for the devices of accounts, the oldest first."""
    found: list[Delivery] = []
    for some in _slices(accounts):
        query = select(*_DELIVERY).where(_d.account.in_(some), _d.due_at.is_not(None)).order_by(_d.message)
        found += _deliveries(connection.execute(query))
    return found


def of_accounts(connection: Connection, pairs: Sequence[tuple[int, str]]) -> list[Delivery]:
    """Return all deliveries of messages to accounts."""
    query = select(*_DELIVERY).where(tuple_(_d.message, _d.account).in_(pairs))
    return _deliveries(connection.execute(query))


def pushed_to(connection: Connection, message: int, node: str) -> list[Delivery]:
    """Return the deliveries of a message that were pushed to a node."""
    which = (_d.message == message) & (_d.node == node) & (_d.node != "")
    return _deliveries(connection.execute(select(*_DELIVERY).where(which)))


def claim(connection: Connection, message: int, account: str, device: str) -> None:
    """A delivery to whichever device comes first has found it."""
    which = (_d.message == message) & (_d.account == account) & (_d.device == "")
    connection.execute(update(DELIVERIES).where(which).values(device=device))


def postpone(connection: Connection, message: int, due_at: float) -> None:
    """Have what is queued of a message looked at again at some time."""
    which = (_d.message == message) & (_d.state == State.QUEUED.value) & _d.due_at.is_not(None)
    connection.execute(update(DELIVERIES).where(which).values(due_at=due_at))


def end_open(connection: Connection, which: Any, state: State, reason: str, now: float, limit: int = -1) -> list[Moved]:
    """End what no device has read of some deliveries; what a device has read is not waited for any longer.

    :param limit: how many at most.
    """
    query = select(*_DELIVERY).where(which, _d.due_at.is_not(None))
    found = _deliveries(connection.execute(query if limit < 0 else query.limit(limit)))
    return move(connection, [
        Move(one.key, state if one.state in UNREAD else one.state, now, None, reason) for one in found
    ])  # fmt: skip


def of_message(message: int) -> Any:
    """Those of a message."""
    return _d.message == message


def of_device(account: str, device: str) -> Any:
    """Those of a device."""
    return (_d.account == account) & (_d.device == device)


def of_account(account: str) -> Any:
    """Those of an account."""
    return _d.account == account


def supersede(
    connection: Connection, message: int, host: str, key: str, starts_at: float, accounts: Sequence[str], now: float
) -> tuple[list[Moved], set[tuple[str, str]]]:
    """End what waits of messages for accounts that have the same collapse key, and began before this one.

    :returns: what has ended, and the accounts and devices that one that began later is for already.
    """
    same = (MESSAGES.c.host == host) & (MESSAGES.c.collapse == key) & (MESSAGES.c.number != message)
    begun = MESSAGES.c.status.in_([Status.RUNNING.value, Status.PAUSED.value, Status.DONE.value])
    older: list[int] = []
    newer: list[int] = []
    for number, at in connection.execute(select(MESSAGES.c.number, MESSAGES.c.starts_at).where(same, begun)):
        (older if (at, number) < (starts_at, message) else newer).append(number)
    there: set[tuple[str, str]] = set()
    moved: list[Moved] = []
    for some in _slices(accounts):
        theirs = _d.account.in_(some)
        if newer:
            query = select(_d.account, _d.device).where(_d.message.in_(newer), theirs)
            there.update((account, device) for account, device in connection.execute(query))
        if older:
            which = _d.message.in_(older) & theirs
            moved += end_open(connection, which, State.SUPERSEDED, "a newer one took its place", now)
    return moved, there


def forget_account(connection: Connection, account: str, now: float) -> list[Moved]:
    """Delete all deliveries to an account. The counters keep what has become of them; none stays open."""
    moved = end_open(connection, of_account(account), State.CANCELLED, "the account was deleted", now)
    connection.execute(delete(DELIVERIES).where(of_account(account)))
    return moved


def _slices(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


class Listed(NamedTuple):
    """A delivery, as it is shown."""

    account: str
    device: str
    state: str
    reason: str
    road: str
    attempts: int
    queued_at: float
    sent_at: float | None
    reached_at: float | None
    delivered_at: float | None
    opened_at: float | None
    ended_at: float | None


def listed(
    connection: Connection, message: int, state: str, account: str, after: tuple[str, str], limit: int
) -> list[Listed]:
    """Return deliveries of a message by account and device, those behind `after`; "" for `state`, `account`: any."""
    shown: tuple[Any, ...] = (
        _d.account, _d.device, _d.state, _d.reason, _d.road, _d.attempts, _d.queued_at, _d.sent_at, _d.reached_at,
        _d.delivered_at, _d.opened_at, _d.ended_at,
    )  # fmt: skip
    query = select(*shown).where(_d.message == message)
    if state:
        query = query.where(_d.state == state)
    if account:
        query = query.where(_d.account == account)
    if after[0]:
        query = query.where(tuple_(_d.account, _d.device) > tuple_(*after))
    rows = connection.execute(query.order_by(_d.account, _d.device).limit(limit))
    return [Listed(*row) for row in rows]
