"""A round from beginning to end: the server is made, the round is played and checked, what is wrong is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults import checker, plan, report
from tests.faults.checker import Kind, Violation
from tests.faults.history import History
from tests.faults.plan import Plan
from tests.faults.rooms import checker as rooms
from tests.faults.rooms.party import accounts
from tests.faults.round import Round, Shape
from tests.faults.servers import HOUR, SERVERS
from tests.faults.web import checker as web


@dataclass(frozen=True)
class Played:
    """What came of a round."""

    history: History
    violations: list[Violation]
    kills: int


def _errors(server: str, log: Path) -> Iterator[Violation]:
    """Tracebacks in the log of a server are errors nobody has thought of."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    for part in text.split("Traceback (most recent call last)")[1:]:
        yield Violation(Kind.OFFENCE, server, None, f"in its log: {part[:2000]}")


def play(
    server: str, database: str, shape: Shape, faults: Plan, save: Path, hibernation: int = HOUR, keep: bool = False
) -> Played:
    """Play a round on a fresh server whose sessions wait for `hibernation` seconds to be resumed.

    If anything is wrong, or with `keep`, `save` is made and holds what is known about it.
    """
    disk = any(fault.kind == plan.DISK for fault in faults.server)
    victim = SERVERS[server](disk, database, hibernation)
    try:
        game = Round(victim, shape, faults)
        victim.add_users(sorted({name.partition("/")[0] for name in game.names} | set(accounts(shape.rooms))))
        failed: list[Violation] = []
        try:
            asyncio.run(game.run())
        except RuntimeError as error:
            failed.append(Violation(Kind.UNSETTLED, server, None, str(error)))
        found = checker.check(game.history) + rooms.check(game.history) + web.check(game.history)
        violations = failed + found + [*_errors(server, victim.log)]
        if violations or keep:
            text = "\n".join(str(fault) for fault in (*faults.server, *faults.devices))
            report.save(save, game.history, violations, text, victim.log)
        return Played(game.history, violations, game.kills)
    finally:
        victim.clean()
