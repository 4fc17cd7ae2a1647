"""What can be measured: the modes by their names."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from bench.managed import hibernate, resume, sm
from bench.sync import sync
from bench.workloads import Load, Result, chat, idle, iq, login, presence


@dataclass(frozen=True)
class Mode:
    """A workload, the users it needs unless told otherwise, and whether messages are archived."""

    drive: Callable[[Load], Coroutine[None, None, Result]]
    users: int
    archive: bool = False


MODES = {
    "login": Mode(login, 400),
    "chat": Mode(chat, 100),
    "archive": Mode(chat, 100, archive=True),
    "sm": Mode(sm, 100, archive=True),
    "sync": Mode(sync, 21, archive=True),
    "iq": Mode(iq, 100),
    "presence": Mode(presence, 100),
    "resume": Mode(resume, 1021),
    "idle": Mode(idle, 1000),
    "hibernate": Mode(hibernate, 1000),
}
TLS = "-tls"
"""Behind the name of a mode: the same over STARTTLS."""
DEFAULT = [name + tls for name in MODES for tls in ("", TLS) if not tls or name in ("login", "chat", "idle")]


def named(name: str) -> Mode:
    """Return the mode; KeyError if there is none of that name."""
    return MODES[name.removesuffix(TLS)]
