"""What waits, and whose turn it is: calls first, then those who publish in turns, however much each has. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from xmppd.api.push import PushResult
from xmppd.plugins.push_service.payloads import Content

__all__ = ["Book", "Entry", "Spacing", "Turns"]


@dataclass(eq=False, slots=True)
class Entry:
    """A parcel that waits, in memory.

    :ivar carrier: whom it goes with: road and app.
    :ivar publisher: the domain that has published it.
    :ivar due_at: not to be sent earlier; seconds since the epoch.
    :ivar failures: attempts in a row that were throttled or failed.
    :ivar content, target: what is sent and where to, while it is new; later both are read when they are needed.
    :ivar held: it waits because our credentials were refused; others would be tried at once.
    :ivar lined, under_way: it is in line to be sent; it is being sent.
    :ivar over: it is settled, or being settled: whoever finds it in a line goes on to the next.
    :ivar answer: told once what has become of it, if somebody waits for that.
    """

    number: int
    node: str
    item: str
    carrier: tuple[str, str]
    publisher: str
    topic: str
    call: bool
    expires_at: float
    due_at: float = 0.0
    failures: int = 0
    content: Content | None = None
    target: str = ""
    target_hash: str = ""
    held: bool = False
    lined: bool = False
    under_way: bool = False
    over: bool = False
    answer: Callable[[PushResult, str], None] | None = field(default=None)

    def tell(self, result: PushResult, reason: str = "") -> None:
        """Answer whoever waits."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer(result, reason)


class Book:
    """All that waits, by number, by device and by publisher."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._nodes: dict[str, set[Entry]] = {}
        self._publishers: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, number: int) -> Entry | None:
        """Return the one with that number, if it is still there."""
        return self._entries.get(number)

    def enter(self, entry: Entry) -> None:
        """Add one."""
        self._entries[entry.number] = entry
        self._nodes.setdefault(entry.node, set()).add(entry)
        self._publishers[entry.publisher] += 1

    def leave(self, entry: Entry) -> None:
        """Take one out, if it is there."""
        if self._entries.pop(entry.number, None) is None:
            return
        others = self._nodes[entry.node]
        others.discard(entry)
        if not others:
            del self._nodes[entry.node]
        self._publishers[entry.publisher] -= 1
        if not self._publishers[entry.publisher]:
            del self._publishers[entry.publisher]

    def of_node(self, node: str) -> list[Entry]:
        """Return what waits for a device, in order."""
        return sorted(self._nodes.get(node, ()), key=lambda entry: entry.number)

    def published_by(self, publisher: str) -> int:
        """Return how many of a publisher's wait."""
        return self._publishers.get(publisher, 0)

    def like(self, entry: Entry) -> list[Entry]:
        """Return others for the same device that it can stand for, or they for it."""
        if not entry.topic:
            return []
        others = self._nodes.get(entry.node, ())
        return [other for other in others if other is not entry and other.topic == entry.topic and not other.over]


class Turns:
    """What could be sent now, with one carrier."""

    def __init__(self) -> None:
        self._calls: deque[Entry] = deque()
        self._publishers: OrderedDict[str, deque[Entry]] = OrderedDict()

    def put(self, entry: Entry) -> None:
        """Add one, behind others of the same publisher."""
        entry.lined = True
        if entry.call:
            self._calls.append(entry)
        else:
            self._publishers.setdefault(entry.publisher, deque()).append(entry)

    def take(self) -> Entry | None:
        """Return what is next, and take it out; None if there is nothing."""
        entry = self._next()
        if entry is not None:
            entry.lined = False
        return entry

    def _next(self) -> Entry | None:
        while self._calls:
            entry = self._calls.popleft()
            if not entry.over:
                return entry
        while self._publishers:
            publisher, entries = self._publishers.popitem(last=False)
            entry = entries.popleft()
            if entries:
                self._publishers[publisher] = entries  # behind the others
            if not entry.over:
                return entry
        return None


class Spacing:
    """How often a device may be pushed to: so many at once, then one in so many seconds (a leaky bucket, as GCRA)."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._next: dict[str, float] = {}  # by node: when it would be due if all came evenly
        self.set(burst, seconds)

    def set(self, burst: int, seconds: float) -> None:
        """Change the limits."""
        self._seconds, self._slack = seconds, (burst - 1) * seconds

    def free_at(self, node: str, now: float) -> float:
        """Return from when on the device may be pushed to: `now`, or later."""
        return max(now, self._next.get(node, 0.0) - self._slack)

    def note(self, node: str, now: float) -> None:
        """It is pushed to."""
        if self._seconds:
            self._next[node] = max(now, self._next.get(node, 0.0)) + self._seconds

    def tidy(self, now: float) -> None:
        """Forget devices that were left alone for long enough."""
        self._next = {node: at for node, at in self._next.items() if at > now}
