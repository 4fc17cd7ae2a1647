"""What is told about rounds: a line for each, a table at the end, and everything about what went wrong in a folder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.faults.checker import Kind, Violation
from tests.faults.history import History, What


@dataclass
class Result:
    """The figures of a round."""

    number: int
    seed: str
    seconds: float
    kills: int
    cuts: int
    figures: dict[str, int]
    violations: dict[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """How many violations there were."""
        return sum(self.violations.values())


HEADER = (
    f"{'round':>5} {'kills':>6} {'other':>6} {'cuts':>5} {'sent':>7} {'acked':>7} {'live':>8} {'said':>6} {'heard':>7} "
    f"{'fetched':>8} {'resumed':>8} {'refused':>8} {'bounced':>8} {'violations':>11} {'seconds':>8}"
)


def line(result: Result, kills: int, other: int) -> str:
    """Return the line of a round; `kills` and `other` count the server's faults so far."""
    get = result.figures.get
    return (
        f"{result.number:5} {kills:6} {other:6} {result.cuts:5} {get(What.SENT, 0):7} {get('acked messages', 0):7} "
        f"{get(What.RECEIVED, 0):8} {get('said in rooms', 0):6} {get('heard in rooms', 0):7} "
        f"{get(What.FETCHED, 0):8} {get(What.RESUMED, 0):8} "
        f"{get(What.REFUSED, 0) + get(What.EXPIRED, 0):8} {get(What.BOUNCED, 0):8} {result.bad:11} "
        f"{result.seconds:8.1f}"
    )


def table(results: list[Result]) -> str:
    """Return the summary: totals, then every category of violations."""
    figures: Counter[str] = Counter()
    violations: Counter[str] = Counter()
    for result in results:
        figures.update(result.figures)
        violations.update(result.violations)
    rows = [
        ("rounds", len(results)),
        ("kills (SIGKILL) of the server", sum(result.kills for result in results)),
        ("messages sent", figures[What.SENT]),
        ("messages acked", figures["acked messages"]),
        ("deliveries, live", figures[What.RECEIVED]),
        ("  of these from offline storage or late", figures["received delayed"]),
        ("fetched from archives", figures[What.FETCHED]),
        ("connections lost", figures[What.BROKEN]),
        ("sessions resumed", figures[What.RESUMED]),
        ("resumptions refused", figures[What.REFUSED] + figures[What.EXPIRED]),
        ("messages sent again in a new session", figures[What.AGAIN]),
        ("messages answered with an error", figures[What.BOUNCED]),
    ]
    in_rooms = (
        "said in rooms", "said in rooms, promised", "refused by rooms", "heard in rooms", "presence from rooms",
        "stays in rooms", "stays lost with the server", "granted by rooms",
    )  # fmt: skip
    rows += [(name, figures[name]) for name in in_rooms if figures["said in rooms"]]
    by_web = (
        "begun or resumed over WebSocket", "begun or resumed over BOSH", "... of these after another carrier",
        "requests of BOSH sent again, and answered", "sent over BOSH without stream management",
        "taken by an answer of BOSH",
        "... of these acknowledged by a ping",
    )  # fmt: skip
    rows += [(name, figures[name]) for name in by_web if any(figures[name] for name in by_web)]
    lines = [f"{name:42}{value:10}" for name, value in rows]
    lines += ["", f"{'violations':42}{sum(violations.values()):10}"]
    lines += [f"  {kind:42}{violations[kind]:8}" for kind in Kind]
    return "\n".join(lines)


def as_json(results: list[Result], options: dict[str, object]) -> str:
    """Return everything as one JSON object."""
    return json.dumps({"options": options, "rounds": [asdict(result) for result in results]}, indent=1)


def save(folder: Path, history: History, violations: list[Violation], plan: str, log: Path) -> None:
    """Write what is needed to find out why: violations with their timelines, all events, the plan, the server's log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "violations.txt").open("w") as file:
        for kind, number in Counter(violation.kind for violation in violations).most_common():
            file.write(f"{number:6} {kind}\n")
        told: Counter[str] = Counter()
        for violation in violations:
            file.write(f"\n== {violation}\n")
            told[violation.kind] += 1
            if violation.key is not None and told[violation.kind] <= 50:
                file.writelines(f"{event}\n" for event in history.timeline(violation.key))
            elif violation.room and told[violation.kind] <= 20:
                story = history.story(violation.room, violation.where, violation.stay)
                file.writelines(f"{event}\n" for event in story)
    with (folder / "events.txt").open("w") as file:
        file.writelines(f"{event}\n" for event in history.events)
    with (folder / "archives.txt").open("w") as file:
        for account, entries in history.archives.items():
            file.writelines(f"{account} {entry.id} {entry.key}\n" for entry in entries)
        for room, ending in history.rooms.items():
            file.writelines(f"{room} {entry.id} {entry.key}\n" for entry in ending.archive)
    with (folder / "rooms.txt").open("w") as file:
        for room, ending in history.rooms.items():
            for name in ("owner", "subject", "facts", "seats", "roll", "listed", "books"):
                file.write(f"{room} {name}: {getattr(ending, name)}\n")
    (folder / "plan.txt").write_text(plan)
    if log.exists():
        (folder / "server.log").write_bytes(log.read_bytes())
